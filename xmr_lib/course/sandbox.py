"""A student's code at arm's length: it runs in another process, and only values come back.

The tests run on this side and call the student's functions through :class:`Remote`. The student's process never sees a
test or a score, so printing "10 / 10", replacing ``assert`` helpers or leaving with ``exit()`` gains nothing. It is no
jail: the process has the rights of the user who grades. Grade strangers' code in a container.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from inspect import Parameter, Signature
from typing import Any

from xmr_lib.course.channel import MAX_BYTES, decode, encode, pack, unpack


class StudentError(Exception):
    """An exception of the student's code, as far as it crosses: its type's name and its message."""


class Gone(Exception):
    """The student's process does not answer any more; the message says why."""


class Sandbox:
    """One process that runs cells and calls functions.

    Args:
        memory: Bytes of address space the process may use (POSIX).
        seconds: Time for one cell or one call.
        total: Time for everything.
    """

    def __init__(self, memory: int, seconds: float, total: float) -> None:
        self.seconds = seconds
        self.deadline = time.monotonic() + total
        self.folder = tempfile.TemporaryDirectory(prefix="xmr-grade-", ignore_cleanup_errors=True)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "xmr_lib.course.grade_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=self.folder.name,
            env=os.environ
            | {"MPLBACKEND": "Agg", "TQDM_DISABLE": "1", "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"},
            start_new_session=os.name == "posix",
        )
        self.lines: queue.Queue[bytes] = queue.Queue(maxsize=8)
        self.count = 0
        threading.Thread(target=self._listen, daemon=True).start()
        try:
            self._ask({"memory": memory, "seconds": int(total) + 5}, wait=60)
        except BaseException:
            self.close()
            raise

    def _listen(self) -> None:
        """Put answers into the queue; an empty one means the pipe is closed."""
        assert self.process.stdout is not None
        with contextlib.suppress(ValueError, OSError):
            while line := self.process.stdout.readline(MAX_BYTES):
                self.lines.put(line)
        self.lines.put(b"")

    def _ask(self, request: dict[str, Any], wait: float | None = None) -> Any:
        """Send a request and return the result.

        Raises:
            StudentError, NotImplementedError: The student's code raised.
            Gone: No answer in time, the process ended, or what came was no answer.
        """
        self.count += 1
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(pack(request | {"id": self.count}))
            self.process.stdin.flush()
        except OSError as error:
            raise Gone("the process had ended") from error
        limit = min(self.seconds if wait is None else wait, max(self.deadline - time.monotonic(), 0.1))
        try:
            line = self.lines.get(timeout=limit)
        except queue.Empty:
            raise Gone(f"no answer within {limit:.0f} s (an endless loop?)") from None
        if not line:
            raise Gone("it ended Python (exit, or out of memory)")
        try:
            answer = unpack(line)
            result = decode(answer.get("result"))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise Gone("the answer could not be read (too large, or not an answer)") from error
        if answer.get("id") != self.count:
            raise Gone("the answer belongs to no question")
        if answer.get("error") == "NotImplementedError":
            raise NotImplementedError
        if "error" in answer:
            raise StudentError(f"{answer['error']}: {answer.get('message', '')}".rstrip(": "))
        return result

    def run(self, source: str) -> None:
        """Execute one cell."""
        self._ask({"do": "run", "source": source})

    def call(self, name: str, arguments: Sequence[Any], keywords: dict[str, Any]) -> Any:
        """Call a function with values; return a value."""
        return self._ask(
            {"do": "call", "name": name, "arguments": encode(tuple(arguments)), "keywords": encode(keywords)}
        )

    def arguments_of(self, name: str) -> list[str]:
        """Names of the arguments of a function."""
        names = self._ask({"do": "signature", "name": name})
        return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []

    def close(self) -> None:
        """End the process and everything it started."""
        if os.name == "posix":
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.kill()
        self.process.wait()
        with contextlib.suppress(queue.Empty):
            while True:  # let the listening thread end
                self.lines.get_nowait()
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):
                if pipe:
                    pipe.close()
        self.folder.cleanup()


class Remote:
    """A student's function as the tests see it: callable, with a name and a signature."""

    def __init__(self, name: str, session: Any) -> None:
        self.__name__ = name
        self._session = session

    @property
    def __signature__(self) -> Signature:
        names = self._session.arguments_of(self.__name__)
        return Signature([Parameter(name, Parameter.POSITIONAL_OR_KEYWORD) for name in names if name.isidentifier()])

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        return self._session.call(self.__name__, arguments, keywords)
