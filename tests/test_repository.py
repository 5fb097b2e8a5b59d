"""The outside of the repository tells the truth: links, tables, commands, licences, no leftovers of one machine."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted(path for where in ("", "docs", "datasets", "benchmarks") for path in (ROOT / where).glob("*.md"))
GENERATED = {"build", "dist", "__pycache__"}
LIMIT = 1_000_000

LINK = re.compile(r"\]\(\s*<?([^)\s>]+)>?[^)]*\)")
LESSON_ROW = re.compile(r"^\| (\d\d) \| (.+?) \| .+? \| (ready|planned) \|$", flags=re.M)
METHOD_ROW = re.compile(r"^\| .+? \| .+? \| `(.+?)` \| (\d\d) \| (implemented|library|planned) \|$", flags=re.M)

# Folders of one machine, and settings that name a package registry. Written so that this file does not match itself.
LEFTOVERS = [
    re.compile(r"(?<![\w./:~-])/(?:home|Users|root|work|mnt|srv)/\w"),
    re.compile(r"[A-Z]:\\+Users\\+\w"),
    re.compile(r"file:[/]{2,}\w"),
    re.compile(r"(?:index-url|find-links)[= ]\S*[/]"),
    re.compile(r"https?:[/]{2}[^/\s]*(?:pypi|pythonhosted|artifactory|nexus|devpi)[^/\s]*"),
]


def files_of_the_repository() -> list[Path]:
    """What git tracks or would track; without git, everything outside generated folders."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode()
        paths = [ROOT / name for name in listed.split("\0") if name]
    except (OSError, subprocess.CalledProcessError):
        paths = []
        for folder, folders, names in os.walk(ROOT):
            folders[:] = [
                name
                for name in folders
                if name not in GENERATED
                and not name.endswith((".egg-info", "_cache"))
                and name not in (".git", ".venv")
            ]
            paths += [Path(folder, name) for name in names]
    return sorted(path for path in paths if path.is_file())


def lesson_rows() -> list[tuple[str, str, str]]:
    return LESSON_ROW.findall((ROOT / "README.md").read_text(encoding="utf-8"))


def make_targets() -> dict[str, str]:
    """Documented targets of the Makefile with their descriptions."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z-]+):.*?## (.+)$", text, flags=re.M))


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_to_files(page: Path) -> None:
    links = [link.split("#")[0] for link in LINK.findall(page.read_text(encoding="utf-8"))]
    local = [link for link in links if link and "://" not in link and not link.startswith("mailto:")]
    assert [link for link in local if not (page.parent / link).exists()] == []


def test_pictures_have_a_text_and_are_local() -> None:
    for page in PAGES:
        for text, target in re.findall(r"!\[([^\]]*)\]\(([^)\s]+)", page.read_text(encoding="utf-8")):
            assert len(text.split()) >= 3, f"{page.name}: the picture {target} needs a text that says what it shows"
            assert "://" not in target, f"{page.name}: the picture {target} is not in the repository"


def test_lesson_table_has_every_lesson_once() -> None:
    assert [number for number, _, _ in lesson_rows()] == [f"{number:02d}" for number in range(17)]


def test_lesson_table_matches_the_lessons() -> None:
    written = {path.stem for path in (ROOT / "notebooks" / "src").glob("[0-9][0-9]_*.py")}
    linked = set()
    for number, cell, state in lesson_rows():
        link = re.search(r"\(notebooks/(.+?)\.ipynb\)", cell)
        assert (link is not None) == (state == "ready"), f"lesson {number}: ready lessons have a link, planned none"
        if link:
            assert link[1].startswith(number)
            linked.add(link[1])
    assert linked == written
    assert {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")} == written


def test_methods_table_matches_the_library() -> None:
    rows = METHOD_ROW.findall((ROOT / "docs" / "methods.md").read_text(encoding="utf-8"))
    assert len(rows) > 30
    for file, lesson, state in rows:
        assert (ROOT / "xmr_lib" / "methods" / file).exists() == (state != "planned"), file
        taught = any(number == lesson and ready == "ready" for number, _, ready in lesson_rows())
        assert state == "planned" or taught == (state == "implemented"), file
    listed = {file for file, _, _ in rows}
    folders = [folder for folder in (ROOT / "xmr_lib" / "methods").iterdir() if folder.is_dir()]
    found = {f"{folder.name}/{path.name}" for folder in folders for path in folder.glob("[!_]*.py")}
    assert found <= listed, "docs/methods.md does not list " + ", ".join(sorted(found - listed))


def test_commands_of_the_readme_exist() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`make ([a-z]+)", text)) | set(re.findall(r"^make ([a-z]+)", text, flags=re.M))
    targets = set(make_targets())
    assert named <= targets
    assert {"help", "course", "lab", "test", "notebooks", "exercises", "lint", "bench", "clean"} <= targets
    scripts = set(re.findall(r"`python (\S+\.py)", text))
    assert {script for script in scripts if not (ROOT / script).exists()} == set()


def test_make_help_lists_every_target_and_benchmark() -> None:
    try:
        shown = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    except FileNotFoundError:
        pytest.skip("make is not installed")
    for target, description in make_targets().items():
        assert f"make {target}" in shown
        assert description in shown
    for script in (ROOT / "benchmarks").glob("[!_]*.py"):
        assert script.name in shown


def test_licences_and_citation() -> None:
    assert "Permission is hereby granted" in (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "creativecommons.org/licenses/by/4.0" in (ROOT / "LICENSE-text.md").read_text(encoding="utf-8")
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'version = "{citation["version"]}"' in project


def test_ci_runs_the_command_of_the_readme() -> None:
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("#!")
    assert "set -euo pipefail" in lines
    assert [line for line in lines if "make" in line and not line.startswith("#")] == ["exec make test"]
    hosted = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
    matrix = hosted["jobs"]["every-system"]["strategy"]["matrix"]
    assert [name.split("-")[0] for name in matrix["os"]] == ["ubuntu", "macos", "windows"]
    assert matrix["python-version"] == ["3.11", "3.12", "3.13"]


def test_no_file_is_large() -> None:
    large = [path.relative_to(ROOT).as_posix() for path in files_of_the_repository() if path.stat().st_size > LIMIT]
    assert large == []


def test_no_path_of_a_machine_and_no_registry() -> None:
    here = [str(ROOT), str(Path.home()), sys.prefix]
    here = [path for path in here if len(Path(path).parts) > 2]  # "/root" and "/" are too short to be a leftover
    found = []
    for path in files_of_the_repository():
        content = path.read_bytes()
        if b"\0" in content:
            continue
        text = content.decode("utf-8", errors="replace")
        hits = [match[0] for pattern in LEFTOVERS for match in pattern.finditer(text)]
        hits += [folder for folder in here if folder in text]
        found += [f"{path.relative_to(ROOT).as_posix()}: {hit}" for hit in hits]
    assert found == []


@pytest.mark.parametrize(
    "place", ["see *home*ada*x", '"*work*main"', "file:***opt", "https:**pypi.a.b*simple", "C:*Users*ada"]
)
def test_leftovers_are_recognised(place: str) -> None:
    text = place.replace("*", "\\" if place.startswith("C:") else "/")
    assert any(pattern.search(text) for pattern in LEFTOVERS)


@pytest.mark.parametrize("text", ["docs/home/x", "https://a.org/home/x", "notebooks/src/a.py", "~/home/x", "../home/x"])
def test_ordinary_paths_are_no_leftovers(text: str) -> None:
    assert not any(pattern.search(text) for pattern in LEFTOVERS)
