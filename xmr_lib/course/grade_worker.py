"""The process that runs a student's code: ``python -m xmr_lib.course.grade_worker``. Started by the grader only.

It executes cells and calls functions when asked, and answers with data. It holds no tests and no scores. Whatever the
student prints goes nowhere; the answers use a copy of the pipe that printing does not reach.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from typing import Any, BinaryIO

from xmr_lib.course.channel import decode, encode, pack, unpack


def limit(memory: int, seconds: int) -> None:
    """Cap address space, processor time and file size, where the system can (POSIX)."""
    try:
        import resource
    except ImportError:  # Windows: the grader's clock is the only limit
        return
    for name, value in (("RLIMIT_AS", memory), ("RLIMIT_CPU", seconds), ("RLIMIT_FSIZE", 200_000_000)):
        if hasattr(resource, name):
            try:
                resource.setrlimit(getattr(resource, name), (value, value))
            except (ValueError, OSError):  # macOS refuses RLIMIT_AS
                continue


def plain_python(source: str) -> str:
    """A cell without the magic that only a notebook knows: lines that start with ``%`` or ``!`` do nothing.

    >>> plain_python("%matplotlib inline\\nx = 1")
    'pass\\nx = 1'
    """
    if source.lstrip().startswith("%%"):
        return "pass"
    return re.sub(r"^([ \t]*)[%!].*$", r"\1pass", source, flags=re.M)


class Worker:
    """Executes cells in one namespace."""

    def __init__(self) -> None:
        import types

        module = types.ModuleType("__main__")
        self.namespace: dict[str, Any] = module.__dict__
        self.namespace["display"] = print
        sys.modules["__main__"] = module

    def run(self, source: str) -> dict[str, Any]:
        """Execute one cell; answer with the error, if any."""
        return self._safely(lambda: exec(compile(plain_python(source), "<cell>", "exec"), self.namespace))

    def call(self, name: str, arguments: Any, keywords: Any) -> dict[str, Any]:
        """Call a function of the student; answer with its result or its error."""
        if name not in self.namespace:
            return {"error": "NameError", "message": f"{name} is not defined"}
        return self._safely(lambda: self.namespace[name](*decode(arguments), **decode(keywords)))

    def signature(self, name: str) -> dict[str, Any]:
        """The names of the arguments of a function."""
        import inspect

        if not callable(self.namespace.get(name)):
            return {"error": "NameError", "message": f"{name} is not a function here"}
        return self._safely(lambda: [str(p) for p in inspect.signature(self.namespace[name]).parameters])

    def _safely(self, action: Callable[[], Any]) -> dict[str, Any]:
        """Do it; whatever the student's code raises, ``exit()`` included, becomes an answer."""
        try:
            return {"result": encode(action())}
        except BaseException as error:
            try:
                text = str(error)[:300]
            except BaseException:
                text = ""
            return {"error": type(error).__name__, "message": text}


def serve(read: BinaryIO, write: BinaryIO) -> None:
    """Answer requests until the pipe closes."""
    worker: Worker | None = None
    for line in read:
        request = unpack(line)
        if worker is None:
            limit(request["memory"], request["seconds"])
            worker = Worker()
            answer: dict[str, Any] = {"result": None}
        elif request["do"] == "run":
            answer = worker.run(request["source"])
        elif request["do"] == "call":
            answer = worker.call(request["name"], request["arguments"], request["keywords"])
        else:
            answer = worker.signature(request["name"])
        write.write(pack({"id": request["id"], **answer}))
        write.flush()


def main() -> None:
    """Move the pipes out of the student's reach of ``print`` and ``input``, then serve."""
    import numpy  # noqa: F401 - before the limits, and because every exercise uses it

    read, write = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    sys.path[:] = [path for path in sys.path if path]  # no module of the student's folder comes first
    serve(read, write)


if __name__ == "__main__":
    main()
