"""Executed lessons as HTML pages that need no network: pictures inside, formulas drawn, nothing loaded from elsewhere.

nbconvert's pages fetch MathJax from a content network. Here every formula becomes an SVG drawn by Matplotlib's
mathtext; one it does not know stays as TeX text. The TeX is kept as the picture's label for screen readers.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from xmr_lib.course.source import outputs_of
from xmr_lib.files import write_text_atomically

SYNONYMS = {  # TeX that mathtext does not know -> TeX that it knows
    r"\\[lr]Vert": r"\\Vert ",
    r"\\[lr]vert": r"\\vert ",
    r"\\operatorname\*": r"\\operatorname",
    r"\\[td]?frac\s*(\d)\s*(\d)": r"\\frac{\1}{\2}",
    r"\\sqrt\s*(\d)": r"\\sqrt{\1}",
    r"\\[td]frac": r"\\frac",
    r"\\le": r"\\leq",
    r"\\ge": r"\\geq",
    r"\\ne": r"\\neq",
    r"\\[bB]igg?[lrm]?": "",
    r"\\(?:limits|nonumber|displaystyle)": "",
    r"\\tag\{([^}]*)\}": r"\\quad (\1)",
}
SCRIPTS = re.compile(  # what nbconvert's page would load, or prepare for MathJax
    r'<script\b[^>]*\bsrc="[^"]*"[^>]*>\s*</script>|<script type="(?:module|text/x-mathjax-config)">.*?</script>', re.S
)


def formula(tex: str, display: bool) -> str:
    """One formula as inline SVG.

    Args:
        tex: TeX without dollar signs.
        display: Centred on lines of its own.

    Returns:
        HTML; for TeX that mathtext cannot draw, the text in ``<code>``.
    """
    label = html.escape(" ".join(tex.split()), quote=True)
    body = re.sub(r"\\(begin|end)\{(aligned|align\*?|equation\*?|gathered|split)\}", "", tex).replace("&", "")
    try:
        lines = [_line(part.strip(), label) for part in re.split(r"\\\\(?:\[[^\]]*\])?", body) if part.strip()]
    except ValueError:
        lines = [f'<code class="tex">{label}</code>']
    if not display:
        return " ".join(lines)
    return "".join(f'<div style="text-align:center;margin:0.6em 0">{line}</div>' for line in lines)


def _line(tex: str, label: str) -> str:
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath, TextToPath

    for pattern, known in SYNONYMS.items():
        tex = re.sub(pattern + r"(?![a-zA-Z])", known, tex)
    text = f"${' '.join(tex.split())}$"
    font = FontProperties(size=100, math_fontfamily="cm")
    path = TextPath((0, 0), text, prop=font)
    width, height, depth = TextToPath().get_text_width_height_descent(text, font, ismath=True)
    depth = max(depth, 0.0)
    commands = {1: "M", 2: "L", 3: "Q", 4: "C", 79: "Z"}
    parts = []
    for points, code in path.iter_segments(curves=True, simplify=False):
        numbers = " ".join(f"{value if i % 2 == 0 else -value:.0f}" for i, value in enumerate(points))
        parts.append(commands[int(code)] + ("" if code == 79 else numbers))
    em = 0.01 * 1.05
    return (
        f'<svg role="img" aria-label="{label}" xmlns="http://www.w3.org/2000/svg" '
        f'viewBox="0 {-(height - depth) - 6:.0f} {width + 4:.0f} {height + 12:.0f}" '
        f'style="width:{width * em:.2f}em;height:{(height + 12) * em:.2f}em;'
        f'vertical-align:{-(depth + 6) * em:.2f}em" fill="currentColor"><path d="{"".join(parts)}"/></svg>'
    )


def lesson_page(notebook: NotebookNode, title: str, folder: Path) -> str:
    """One executed notebook as a complete HTML page.

    Args:
        notebook: With outputs.
        title: For the browser's tab.
        folder: Where pictures named in the text are looked up; they are copied into the page.
    """
    from nbconvert.exporters import HTMLExporter
    from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

    class Renderer(IPythonRenderer):
        """Draws formulas instead of leaving them to a script, and leaves folded answers folded."""

        def _html_embed_images(self, html: str) -> str:
            """nbconvert parses every piece of HTML alone here, and so would close an open ``<details>`` at once."""
            return super()._html_embed_images(html) if "<img" in html else html

        def block_math(self, body: str) -> str:
            return formula(body, display=True)

        def inline_math(self, body: str) -> str:
            return formula(body, display=False)

        def latex_environment(self, name: str, body: str) -> str:
            return formula(body, display=True)

    class Exporter(HTMLExporter):
        """HTML with our renderer."""

        def markdown2html(self, context: Any, source: str) -> str:
            cell = context.get("cell", {})
            renderer = Renderer(
                escape=False,
                attachments=cell.get("attachments", {}),
                embed_images=True,
                path=str(folder),
                anchor_link_text="",
            )
            return MarkdownWithMath(renderer=renderer).render(source)

        markdown2html.jinja_pass_arg = HTMLExporter.markdown2html.jinja_pass_arg  # type: ignore[attr-defined]

    exporter = Exporter(mathjax_url="", require_js_url="", embed_images=True)
    page, _ = exporter.from_notebook_node(notebook, resources={"metadata": {"name": title, "path": str(folder)}})
    return _describe(SCRIPTS.sub("", page), notebook)


def _describe(page: str, notebook: NotebookNode) -> str:
    """Put the captions where nbconvert, which does not know them, wrote that there is no description."""
    pictures = [output for _, _, output in outputs_of(notebook) if "image/png" in output.get("data", {})]
    texts = iter([output.metadata.get("image/png", {}).get("alt", "") for output in pictures])
    return re.sub(
        r'alt="No description has been provided for this image"',
        lambda match: f'alt="{html.escape(alt)}"' if (alt := next(texts, "")) else match.group(),
        page,
    )


@dataclass(frozen=True)
class Row:
    """One line of the index."""

    stem: str
    title: str
    seconds: float
    figures: int


def write_index(target: Path, rows: list[Row], profile: str) -> None:
    """Write the page that lists all lessons with their times and numbers of figures."""
    body = "\n".join(
        f'<tr><td>{row.stem[:2]}</td><td><a href="{row.stem}.html">{html.escape(row.title)}</a></td>'
        f"<td>{row.seconds:.0f} s</td><td>{row.figures}</td></tr>"
        for row in rows
    )
    total = sum(row.seconds for row in rows)
    write_text_atomically(
        target,
        f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Cross-modal retrieval: the lessons</title>
<style>
body {{ font: 1.05rem/1.6 system-ui, sans-serif; max-width: 46rem; margin: 3rem auto; padding: 0 1rem; color: #1b1f24 }}
table {{ border-collapse: collapse; width: 100% }}
th, td {{ text-align: left; padding: .45rem .8rem; border-bottom: 1px solid #d8dee4 }}
td:nth-child(n+3), th:nth-child(n+3) {{ text-align: right }}
</style></head><body>
<h1>Cross-modal retrieval: the lessons</h1>
<p>Executed on this machine with the profile <b>{html.escape(profile)}</b>, {total:.0f} s in all.</p>
<table><thead><tr><th>No.</th><th>Lesson</th><th>Time</th><th>Figures</th></tr></thead><tbody>
{body}
</tbody></table>
</body></html>
""",
    )
