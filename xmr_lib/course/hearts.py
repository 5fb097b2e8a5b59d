"""The heart of a lesson (cells tagged ``heart``) pulled out of its source, to be compared with the library.

A lesson defines the few lines that matter; the library holds them under the same name. The parity test runs both on
random input. Only imports, the parameters cell and heart cells are executed, so a heart has to stand on its own.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from xmr_lib.course.source import code_cells, read_script, tagged, tags_of, to_notebook
from xmr_lib.errors import InvalidInput, UnknownName


def heart_names(source: Path) -> list[str]:
    """Names of the functions and classes that the heart cells of a lesson define, in order."""
    names = []
    for cell in tagged(to_notebook(read_script(source)), "heart"):
        for node in ast.parse(cell.source).body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                names.append(node.name)
    return names


def heart(source: Path, name: str) -> Callable[..., Any]:
    """One function of a lesson, ready to call.

    Args:
        source: ``notebooks/src/NN_topic.py``.
        name: A function or class of a cell tagged ``heart``.

    Raises:
        UnknownName: No heart cell defines it; the message lists what they define.
        InvalidInput: A heart needs a name that no import, parameter or other heart gives.
    """
    known = heart_names(source)
    if name not in known:
        raise UnknownName(f"No cell tagged 'heart' of {source.stem} defines {name!r}. Defined: {', '.join(known)}.")
    namespace: dict[str, Any] = {"__name__": f"heart_of_{source.stem}"}
    for number, cell in enumerate(code_cells(to_notebook(read_script(source))), start=1):
        lines = [line for line in cell.source.splitlines() if not line.lstrip().startswith(("%", "!"))]
        tree = ast.parse("\n".join(lines))
        if not {"heart", "parameters"} & set(tags_of(cell)):
            tree.body = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
        try:
            exec(compile(tree, f"{source.name}, code cell {number}", "exec"), namespace)
        except NameError as error:
            raise InvalidInput(
                f"The heart cells of {source.stem} do not stand on their own ({error}). "
                "Give the value as an argument, or define it in a heart cell."
            ) from error
    found: Callable[..., Any] = namespace[name]
    return found


def library_object(dotted: str) -> Callable[..., Any]:
    """The object behind ``"package.module:name"``."""
    module, _, path = dotted.partition(":")
    found: Any = import_module(module)
    for attribute in path.split("."):
        found = getattr(found, attribute)
    return found


def argument_names(function: Callable[..., Any]) -> list[str]:
    """Names of the arguments, in order."""
    return list(inspect.signature(function).parameters)


def assert_same(ours: Any, theirs: Any, rtol: float = 1e-6, atol: float = 1e-8, where: str = "result") -> None:
    """Raise AssertionError unless two results are equal: numbers and arrays by tolerance, containers item by item."""
    if hasattr(ours, "detach"):
        ours, theirs = ours.detach().numpy(), theirs.detach().numpy()
    if isinstance(ours, (tuple, list)):
        assert len(ours) == len(theirs), f"{where}: {len(ours)} items against {len(theirs)}"
        for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            assert_same(a, b, rtol, atol, f"{where}[{i}]")
    elif isinstance(ours, dict):
        assert set(ours) == set(theirs), f"{where}: keys {sorted(ours)} against {sorted(theirs)}"
        for key in ours:
            assert_same(ours[key], theirs[key], rtol, atol, f"{where}[{key!r}]")
    elif isinstance(ours, (int, float, np.ndarray, np.generic)):
        np.testing.assert_allclose(np.asarray(ours), np.asarray(theirs), rtol=rtol, atol=atol, err_msg=where)
    else:
        assert ours == theirs, f"{where}: {ours!r} against {theirs!r}"
