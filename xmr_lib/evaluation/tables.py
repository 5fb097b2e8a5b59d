"""Small tables for a terminal (aligned text) and a notebook (HTML), from the same strings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape


@dataclass(frozen=True, repr=False)
class Table:
    """Strings in rows and columns; ``print`` it, or leave it as the last line of a notebook cell.

    Attributes:
        header: One name per column.
        rows: One string per column in each row; the first names the row.
        title: A line above.
        notes: Lines below.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str = ""
    notes: Sequence[str] = ()

    def __str__(self) -> str:
        return text_table(self.header, self.rows, self.title, self.notes)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return html_table(self.header, self.rows, self.title, self.notes)


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]], title: str = "", notes: Sequence[str] = ()) -> str:
    """Aligned plain text: the first column to the left, all others to the right, a rule below the header.

    Example:
        >>> print(text_table(["", "i2t"], [["R@1", "36.2"], ["R@10", "70.0"]]))
               i2t
        ----------
        R@1   36.2
        R@10  70.0
    """
    table = [list(header), *(list(row) for row in rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(header))]
    lines = [
        "  ".join([row[0].ljust(widths[0])] + [cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True)])
        for row in table
    ]
    lines.insert(1, "-" * len(lines[0]))
    return "\n".join(line.rstrip() for line in ([title] if title else []) + lines + list(notes))


def html_table(header: Sequence[str], rows: Sequence[Sequence[str]], title: str = "", notes: Sequence[str] = ()) -> str:
    """The same table as HTML with a caption and row headers, readable by a screen reader. All text is escaped."""
    caption = f"<caption style='caption-side:top;text-align:left'>{escape(title)}</caption>" if title else ""
    head = "".join(f"<th scope='col' style='text-align:{'right' if i else 'left'}'>{escape(cell)}</th>"
                   for i, cell in enumerate(header))  # fmt: skip
    body = "".join(
        f"<tr><th scope='row' style='text-align:left'>{escape(row[0])}</th>"
        + "".join(f"<td style='text-align:right'>{_emphasis(cell)}</td>" for cell in row[1:])
        + "</tr>"
        for row in rows
    )
    below = "".join(f"<p style='margin:0'><small>{escape(note)}</small></p>" for note in notes)
    return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{below}"


def _emphasis(cell: str) -> str:
    """A cell marked as best with a star is also set in bold."""
    return f"<strong>{escape(cell)}</strong>" if cell.endswith("*") else escape(cell)
