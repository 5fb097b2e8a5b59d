"""The three lists of packages agree: pyproject.toml, environment.yml (and its copies), constraints.txt."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from rattler import MatchSpec

ROOT = Path(__file__).resolve().parent.parent

# Distribution name -> conda-forge name, where they differ.
CONDA_NAMES = {"torch": "pytorch-cpu", "matplotlib": "matplotlib-base"}
# What conda brings besides: the interpreter and the installer of the pip section.
CONDA_ONLY = {"python", "pip"}


def project() -> dict[str, Any]:
    with open(ROOT / "pyproject.toml", "rb") as file:
        return tomllib.load(file)["project"]


def requirements() -> dict[str, Requirement]:
    """Core and [dev], by normalised name."""
    lines = [*project()["dependencies"], *project()["optional-dependencies"]["dev"]]
    return {canonicalize_name(one.name): one for one in map(Requirement, lines)}


def environment() -> tuple[list[str], list[str]]:
    """The conda lines and the pip lines of environment.yml."""
    entries = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    (pip,) = [entry["pip"] for entry in entries if isinstance(entry, dict)]
    return [entry for entry in entries if isinstance(entry, str)], pip


def as_conda(requirement: Requirement) -> str:
    """``torch>=2.6`` -> ``pytorch-cpu >=2.6``; ``==4.6.*`` is written ``4.6.*``."""
    name = canonicalize_name(requirement.name)
    versions = sorted(str(one).removeprefix("==") for one in requirement.specifier)
    return f"{CONDA_NAMES.get(name, name)} {','.join(versions)}"


def constraints() -> dict[str, Requirement]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(pin.name): pin for pin in pins}


def test_environment_yml_holds_the_packages_of_pyproject() -> None:
    conda, pip = environment()
    from_pip = {canonicalize_name(Requirement(line).name): Requirement(line) for line in pip}
    wanted = requirements()

    for name, requirement in from_pip.items():
        assert name in wanted, f"environment.yml installs {name}, which pyproject.toml does not name"
        assert requirement.specifier == wanted[name].specifier, name

    found = {spec.name.normalized: spec for spec in map(MatchSpec, conda) if spec.name.normalized not in CONDA_ONLY}
    expected = [MatchSpec(as_conda(one)) for name, one in wanted.items() if name not in from_pip]
    assert sorted(found) == sorted(spec.name.normalized for spec in expected)
    for spec in expected:
        assert str(found[spec.name.normalized]) == str(spec)


def test_environment_yml_asks_for_the_same_python() -> None:
    conda, _ = environment()
    python = next(spec for spec in map(MatchSpec, conda) if spec.name.normalized == "python")
    assert python.version == project()["requires-python"]


def test_conda_spelling_of_ranges() -> None:
    assert as_conda(Requirement("torch>=2.6")) == "pytorch-cpu >=2.6"
    assert as_conda(Requirement("jupyterlab==4.6.*")) == "jupyterlab 4.6.*"


def test_copies_of_the_environment() -> None:
    original = (ROOT / "environment.yml").read_bytes()
    assert (ROOT / ".binder" / "environment.yml").read_bytes() == original
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8"))
    assert "environment.yml" in container["postCreateCommand"]


def test_constraints_pin_every_requirement_within_its_range() -> None:
    pins = constraints()
    for name, requirement in requirements().items():
        assert name in pins, f"constraints.txt does not pin {name}"
        (version,) = [one.version for one in pins[name].specifier]
        assert requirement.specifier.contains(version, prereleases=True), f"{pins[name]} is outside {requirement}"


def test_constraints_are_plain_pins() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    plain = re.compile(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+( ; python_full_version >= \"[0-9.]+\")?")
    assert [line for line in pins if not plain.fullmatch(line)] == []
    assert len(constraints()) == len(pins), "a package is pinned twice"
    assert "xmr-course" not in constraints()


@pytest.mark.parametrize("extra", ["llm", "scale", "classroom", "docs", "dev"])
def test_extras_exist(extra: str) -> None:
    assert project()["optional-dependencies"][extra]
