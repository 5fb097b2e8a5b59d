"""The command line: what it prints, how it ends (0, 1, 2), one line for a mistake, and a quick start."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from xmr_lib import cli, environment
from xmr_lib.course.grading import GradeReport, TaskScore
from xmr_lib.data import PairedDataset, load_dataset
from xmr_lib.environment import Check
from xmr_lib.errors import MissingData
from xmr_lib.methods.dual_tower import ALIGN, CLIP
from xmr_lib.methods.hashing import FromPixels
from xmr_lib.plots import picture_grid
from xmr_lib.retriever import Hit


@pytest.fixture(autouse=True)
def own_folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XMR_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("XMR_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.delenv("XMR_PROFILE", raising=False)


class FakeRetriever:
    """Two emoji and no models."""

    dataset = PairedDataset(
        *("emoji", "1", [Image.new("RGB", (4, 4))] * 2, ["red apple", "cherries"], np.arange(2)),
        metadata={"character": ["🍎", "🍒"], "style": ["noto", "noto"]},
    )

    @classmethod
    def build(cls, dataset: str) -> FakeRetriever:
        assert dataset == "emoji"
        return cls()

    def search(self, text: str, k: int) -> list[Hit]:
        return [Hit(0, 0, 0.75, "red apple", "test"), Hit(1, 1, 0.5, "cherries", "train")][:k]

    def search_by_image(self, image: Image.Image, k: int) -> list[Hit]:
        assert image.size == (4, 4)
        return [Hit(1, 1, 0.5, "cherries", "train")]

    def show(self, *queries: object, k: int) -> object:
        return picture_grid(self.dataset.images)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xmr_lib.retriever.Retriever", FakeRetriever)


# ---- wrong use: one line on stderr, status 2


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["search"], "a query or --image"),
        (["search", "x", "--image", "y.png"], "a query or --image"),
        (["search", ""], "query is empty"),
        (["search", "  "], "query is empty"),
        (["search", "x", "-k", "-1"], "at least 1"),
        (["search", "x", "-k", "0"], "at least 1"),
        (["search", "x", "-k", "many"], "valid integer"),
        (["search", "x", "--dataset", "emojy"], "Did you mean 'emoji'"),
        (["search", "--image", "no-such-file.png"], "no file"),
        (["search", "--image", __file__], "cannot be read as a picture"),
        (["search", "x", "--nonsense"], "--nonsense"),
        (["serch", "x"], "serch"),
        (["data"], "xmr data --help"),
        (["data", "show"], "NAME"),
        (["data", "show", "emojy"], "Did you mean 'emoji'"),
        (["data", "show", "emoji", "--save", "sheet.gif"], ".png"),
        (["data", "show", "emoji", "--save", "no/such/folder/sheet.png"], "no folder"),
        (["data", "build", "nothing"], "no data set named"),
        (["data", "build", "emoji", "--image", "nothing"], "no image encoder"),
        (["data", "build", "emoji", "--profile", "smoke"], "--profile is for scenes"),
        (["data", "build", "scenes", "--protocol", "one"], "multi_label, single_label"),
        (["train", "clop"], "Did you mean 'clip'"),
        (["train"], "METHOD"),
        (["train", "clip", "wikipedai"], "Did you mean 'wikipedia'"),
        (["train", "clip", "scenes", "--profile", "huge"], "no profile named"),
        (["train", "clip", "scenes", "--profile", "smoke", "--device", "gpu"], "no device named"),
        (["train", "clip", "--epochs", "0"], "greater than or equal to 1"),
        (["train", "clip", "--out", __file__], "is a file"),
        (["train", "clip", "--bits", "16"], "are for hashing, and CLIP is a dual tower"),
        (["train", "dchmtt"], "Did you mean 'dchmt'"),
        (["train", "dcmh", "--profile", "smoke", "--bits", "0"], "greater than or equal to 1"),
        (["run", "77"], "77"),
        (["run", "00", "--profile", "huge"], "no profile named"),
        (["grade", "no-such-file.ipynb"], "no file"),
        (["grade", __file__], "was not graded"),  # no exercise notebook
        (["grade"], "FILE"),
    ],
)
def test_wrong_use_is_one_line_and_status_2(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("xmr: ")
    assert says in error
    assert error.count("\n") == 1
    assert "Traceback" not in error


def test_missing_files_are_status_1_and_told_how_to_get(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["data", "show", "wikipedia"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("xmr: ")
    assert "XMR_DATA_DIR" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "status"),
    [(MissingData("gone"), 1), (PermissionError(13, "Permission denied", "x.png"), 1), (KeyboardInterrupt(), 130)],
)
def test_errors_of_the_environment(
    error: BaseException, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(name: str) -> None:
        raise error

    monkeypatch.setattr("xmr_lib.data.load_dataset", fail)
    assert cli.main(["data", "show", "emoji"]) == status
    assert capsys.readouterr().err.strip().count("\n") == 0


def test_a_bug_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("xmr_lib.data.load_dataset", fail)
    with pytest.raises(ZeroDivisionError):
        cli.main(["data", "show", "emoji"])


# ---- help


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["doctor"],
        ["data"],
        ["data", "list"],
        ["data", "show"],
        ["data", "build"],
        ["search"],
        ["train"],
        ["run"],
        ["grade"],
    ],
)
def test_every_command_has_help_worth_reading(arguments: list[str]) -> None:
    result = CliRunner().invoke(cli.app, [*arguments, "--help"], prog_name="xmr")
    assert result.exit_code == 0
    assert len(result.stdout.split()) > 12
    if arguments not in (["data", "list"],):
        assert "Examples:\n" in result.stdout
        assert "  xmr " in result.stdout


def test_no_arguments_show_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 0
    assert "doctor" in capsys.readouterr().out


def test_help_starts_within_a_second_and_loads_nothing_heavy() -> None:
    code = (
        "import sys; from xmr_lib.cli import main; status = main(['--help']); "
        "heavy = {'torch', 'matplotlib', 'numpy', 'sklearn', 'transformers'} & set(sys.modules); "
        "assert not heavy, heavy; sys.exit(status)"
    )
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert time.perf_counter() - start < 3  # 0.1 s alone; a shared machine gets some slack


def test_the_installed_command_fails_in_one_line() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "xmr_lib.cli", "search", "x", "-k", "-3"], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "xmr: -k must be at least 1, but it is -3. Use for example -k 5.\n"


# ---- doctor


@pytest.mark.parametrize("ok", [True, False])
def test_doctor_ends_with_1_and_a_remedy_when_something_is_wrong(
    ok: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    checks = [
        Check("glasses", ok, "found or not", "Buy glasses"),
        Check("hat", False, "not here", "Sew one", optional=True),
    ]
    monkeypatch.setattr(environment, "run_checks", lambda deep: checks)
    assert cli.main(["doctor"]) == (0 if ok else 1)
    said = capsys.readouterr()
    assert said.err == ("" if ok else "xmr: glasses: found or not. Buy glasses.\n")
    assert "Optional, hat: Sew one." in said.out
    assert ("Everything the course needs is here." in said.out) == ok


def test_doctor_reports_this_computer(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["doctor", "--report"]) == 0
    said = capsys.readouterr().out
    assert "MiniLM" in said
    assert str(Path.home()) not in said


# ---- data


def test_data_list_names_all_data_sets(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["data", "list"]) == 0
    said = capsys.readouterr().out
    names = [line.split()[0] for line in said.splitlines()]
    assert names == [
        *("emoji", "scenes", "generated", "wikipedia", "pascal_sentence", "nus_wide", "mirflickr25k", "iapr_tc12"),
        *("coco", "flickr8k", "flickr30k"),
    ]
    assert "needs files" in said


def test_data_show_prints_sizes_splits_and_captions(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["data", "show", "emoji"]) == 0
    said = capsys.readouterr().out
    data = load_dataset("emoji")
    assert f"emoji: {data.n_images:,} images, {data.n_captions:,} captions" in said
    assert f"train {len(data.splits['train']):,}" in said
    assert "Food & Drink" in said
    assert "  image 0: grinning face" in said


def test_data_show_saves_a_sheet_in_one_step(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "sheet.png"
    assert cli.main(["data", "show", "emoji", "--save", str(target)]) == 0
    picture = np.asarray(Image.open(target).convert("L"))
    assert picture.std() > 10
    assert list(tmp_path.glob("*.png")) == [target]
    assert list(tmp_path.glob(".*")) == [], "no temporary file stays"


def test_data_build_passes_protocol_and_profile_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list = []
    monkeypatch.setattr("xmr_lib.encoders.encode_dataset", lambda *data, **encoders: seen.extend([*data, encoders]))
    assert cli.main(["data", "build", "scenes", "--protocol", "single_label", "--profile", "smoke"]) == 0
    data, encoders = seen
    assert data.version == load_dataset("scenes", profile="smoke", protocol="single_label").version
    assert encoders == {"image": "efficientnet-lite0", "text": "minilm"}
    assert "in the cache" in capsys.readouterr().out


# ---- search


def test_search_prints_rank_score_character_name_and_split(fake: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["search", "red fruit", "-k", "2"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.split() == ["1", "0.75", "🍎", "red", "apple", "image", "0", "noto", "test"]
    assert second.split() == ["2", "0.50", "🍒", "cherries", "image", "1", "noto", "train"]


def test_search_by_picture_and_save(fake: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "query.png")
    target = tmp_path / "found.png"
    assert cli.main(["search", "--image", str(tmp_path / "query.png"), "--save", str(target)]) == 0
    assert "cherries" in capsys.readouterr().out
    assert target.exists()


# ---- train


def test_train_stores_a_method_and_goes_on_from_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = tmp_path / "clip", tmp_path / "align"
    assert cli.main(["train", "clip", "scenes", "--profile", "smoke", "--seed", "3", "--out", str(first)]) == 0
    said = capsys.readouterr().out
    assert said.startswith("CLIP: 300 images, 1,500 captions, epochs: 1, ")
    assert "R@10" in said
    assert "scenes/validation" in said
    clip = CLIP.load(first)
    assert clip.seed == 3
    assert clip.history_.terms["contrastive"]
    options = ["--lr", "1e-9", "--epochs", "1", "--batch-size", "150"]
    start = ["--start", str(first), "--out", str(second)]
    assert cli.main(["train", "ALIGN", "scenes", "--profile", "smoke", *start, *options]) == 0
    align = ALIGN.load(second)
    assert (align.lr, align.batch_size, align.image) == (1e-9, 150, clip.image)
    words = [method.model_.state_dict()["text_tower.words.weight"] for method in (clip, align)]
    np.testing.assert_allclose(*words, atol=1e-6)


def test_train_reads_pictures_only(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("xmr_lib.data.load_dataset", lambda name: object())
    for method in ("clip", "dcmh"):
        assert cli.main(["train", method, "wikipedia"]) == 2
        assert "wikipedia comes as features" in capsys.readouterr().err


def test_train_says_where_a_checkpoint_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["train", "clip", "scenes", "--profile", "smoke", "--start", str(tmp_path / "nowhere")]) == 1
    assert "local model cache" in capsys.readouterr().err


def test_train_hashes_from_pixels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    smoke = ["scenes", "--profile", "smoke", "--epochs", "1"]
    assert cli.main(["train", "DCHMT", *smoke, "--bits", "16", "--seed", "2", "--out", str(first)]) == 0
    said = capsys.readouterr().out
    assert said.startswith("DCHMT from pixels, 16 bits: 200 images, 200 captions, epochs: 1, ")
    assert "scenes/validation: 60 images, 60 captions" in said
    assert "MAP" in said
    assert f"FromPixels.load({str(first)!r})" in said
    fitted = FromPixels.load(first)
    assert (fitted.bits, fitted.hashing_.seed, fitted.start) == (16, 2, None)
    fitted.towers_.save(tmp_path / "towers")
    rates = ["--start", str(tmp_path / "towers"), "--tower-lr", "1e-9"]
    assert cli.main(["train", "dcmh", *smoke, *rates, "--out", str(second)]) == 0
    again = FromPixels.load(second)
    assert (again.tower_lr, again.name) == (1e-9, "DCMH from pixels")
    words = [method.towers_.model_.state_dict()["text_tower.words.weight"] for method in (fitted, again)]
    np.testing.assert_allclose(*words, atol=1e-6)


def test_train_hashes_what_has_labels(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    bare = replace(load_dataset("emoji"), labels=None, class_names=())
    monkeypatch.setattr("xmr_lib.data.load_dataset", lambda name: bare)
    assert cli.main(["train", "dcmh", "emoji", "--profile", "smoke"]) == 2
    assert "emoji comes without" in capsys.readouterr().err


# ---- run and grade hand over to the course


def test_run_hands_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    called: list[object] = []
    monkeypatch.setattr("xmr_lib.course.run_course.run_course", lambda *given: called.append(given) or [])
    monkeypatch.setattr("xmr_lib.course.run_course.course_root", lambda: tmp_path)
    assert cli.main(["run", "02", "--profile", "smoke", "--force"]) == 0
    assert called == [(tmp_path, "smoke", ["02"], True)]
    assert "index.html" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("points", "options", "status"), [(2.0, [], 0), (1.0, [], 0), (2.0, ["--strict"], 0), (1.0, ["--strict"], 1)]
)
def test_grade_prints_the_report_and_ends_with_0_unless_strict(
    points: float,
    options: list[str],
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "mine.ipynb"
    file.touch()
    report = GradeReport("mine.ipynb", "02", (TaskScore("02.cca", points, 2.0, "two tests"),))
    monkeypatch.setattr("xmr_lib.course.grading.grade", lambda path: report if path == file else None)
    assert cli.main(["grade", str(file), *options]) == status
    assert f"{points:g} of 2 points" in capsys.readouterr().out


def test_grade_without_the_course_is_status_1(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "01_task_data_metrics.ipynb"
    file.write_text('{"cells": []}', encoding="utf-8")
    monkeypatch.setattr("xmr_lib.course.grading.course_root", lambda: tmp_path)  # a folder without exercises
    assert cli.main(["grade", str(file)]) == 1
    assert "exercise sources are not here" in capsys.readouterr().err
