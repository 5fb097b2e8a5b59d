"""The checker: the reference passes, a stub is "not done yet", and a wrong solution gets the message that helps.

The wrong solutions of ``WRONG_SOLUTIONS`` (lessons 01 and 02 here, the others in ``wrong/``) are written the way
learners write them, not with the checker's own helpers.
"""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xmr_lib.course import check
from xmr_lib.course.checker import NOT_DONE, PASSED, WRONG, CheckResult, show
from xmr_lib.course.exercises import instructor
from xmr_lib.course.hearts import heart
from xmr_lib.course.source import code_cells, find_sources
from xmr_lib.course.task import all_tasks, close, get_task
from xmr_lib.errors import UnknownName

ROOT = Path(__file__).resolve().parents[2]
LESSON_01 = ROOT / "notebooks" / "src" / "01_task_data_metrics.py"
LESSON_02 = ROOT / "notebooks" / "src" / "02_subspace_cca.py"
TASKS = all_tasks()
EPS = 1e-12


def recall_from(pick: Callable[[Any, Any, int], Any]) -> Callable[..., float]:
    def recall_at_k(similarity, relevance, k):
        values = [pick(s, r, k) for s, r in zip(similarity, relevance, strict=True) if r.any()]
        return sum(values) / len(values)

    return recall_at_k


def ap_of(relevant: Any) -> float:
    hits, total = 0, 0.0
    for i, right in enumerate(relevant, start=1):
        if right:
            hits, total = hits + 1, total + (hits + 1) / i
    return total


def map_from(value: Callable[[Any, int, str], float]) -> Callable[..., float]:
    def map_at_k(similarity, relevance, k, denominator):
        rows = zip(similarity, relevance, strict=True)
        return np.mean([value(r[np.argsort(-s)], k, denominator) for s, r in rows if r.any()])

    return map_at_k


def dcg(grades: Any, shift: int = 1) -> float:
    return sum((2.0**g - 1) / np.log2(i + shift) for i, g in enumerate(grades, start=1))


def ndcg_from(value: Callable[[Any, Any, int], float]) -> Callable[..., float]:
    def ndcg_at_k(similarity, gains, k):
        rows = zip(similarity, gains, strict=True)
        return np.mean([value(g[np.argsort(-s)], np.sort(g)[::-1], k) for s, g in rows if g.any()])

    return ndcg_at_k


def eleven_from(level: Callable[[Any, Any, float], float], levels: Any = tuple(t / 10 for t in range(11))) -> Any:
    """``level(precision, recall, t)`` on lists, the way a loop is written by hand."""

    def eleven_point_ap(ranked_relevance):
        found, precision = 0, []
        recall = []
        for i, right in enumerate(ranked_relevance, start=1):
            found += right
            precision.append(found / i)
            recall.append(found)
        recall = [hits / max(found, 1) for hits in recall]
        return sum(level(precision, recall, t) for t in levels) / len(levels)

    return eleven_point_ap


def best(precision: Any, recall: Any, t: float) -> float:
    return max(p for p, r in zip([*precision, 0], [*recall, 1], strict=True) if r >= t)


def ap_of_the_lesson(ranked_relevance):
    """The heart of lesson 01, pasted."""
    ranks = np.flatnonzero(ranked_relevance) + 1
    hits = np.arange(1, len(ranks) + 1)
    return float(np.mean(hits / ranks)) if len(ranks) else 0.0


def eleven_no_guard(ranked_relevance):
    hits = np.cumsum(ranked_relevance)
    precision = hits / np.arange(1, len(hits) + 1)
    levels = np.array([precision[10 * hits >= t * hits[-1]].max() * hits[-1] for t in range(11)])
    return np.mean(levels / hits[-1])


def map_no_guard(r, k, name):
    hits = r[:k].sum()
    return np.float64(ap_of(r[:k])) / {"relevant": r.sum(), "min": min(k, r.sum()), "hits": hits}[name]


def centred_covariance(x):
    x = x - x.mean(axis=0)
    return x.T @ x / len(x)


def pca_from(W: Callable[..., Any], S: Callable[[Any], Any] = centred_covariance) -> Callable[..., Any]:
    """``W(values, vectors, k, ridge)`` with eigenvalues and columns, largest first."""

    def pca_whitening(x, n_components, ridge):
        values, vectors = np.linalg.eigh(S(x))
        return x.mean(axis=0), W(values[::-1], vectors[:, ::-1], n_components, ridge)

    return pca_whitening


def white_columns(values, vectors, k, ridge):
    return vectors[:, :k] @ np.diag(1 / np.sqrt(values[:k] + ridge * values.mean()))


def pasted_whitening(x, n_components, ridge):
    """The heart of lesson 02, pasted."""
    return x.mean(axis=0), heart(LESSON_02, "whitening_matrix")(centred_covariance(x), ridge)


def pasted_whitening_cut(x, n_components, ridge):
    mean, W = pasted_whitening(x, n_components, ridge)
    return mean, W[:, :n_components]


def pasted_cca(images, captions, caption_image, n_components, ridge):
    """The heart of lesson 02, pasted, with the pairs looked up."""
    return heart(LESSON_02, "cca")(images[caption_image], captions, n_components, ridge)


def pasted_posterior(x, labels, weights, bias, rate, penalty):
    """The heart of lesson 02, pasted."""
    return heart(LESSON_02, "posterior")(x, weights, bias)


def cca_from(
    finish: Callable[..., Any],
    pair: Callable[..., Any] = lambda images, captions, caption_image: (images[caption_image], captions),
    use_ridge: bool = True,
) -> Callable[..., Any]:
    """``finish(a, b, cross, k)`` with symmetric whitening matrices and the cross-covariance of ``pair(...)``."""

    def paired_cca(images, captions, caption_image, n_components, ridge):
        x, y = pair(images, captions, caption_image)
        x, y = x - x.mean(axis=0), y - y.mean(axis=0)

        def whiten(S):
            values, vectors = np.linalg.eigh(S + use_ridge * ridge * np.trace(S) / len(S) * np.eye(len(S)))
            return vectors @ np.diag(values**-0.5) @ vectors.T

        return finish(whiten(x.T @ x / len(x)), whiten(y.T @ y / len(y)), x.T @ y / len(x), n_components)

    return paired_cca


def mapped(a, b, cross, k):
    u, s, vt = np.linalg.svd(a @ cross @ b)
    return a @ u[:, :k], b @ vt.T[:, :k], s[:k]


def cca_without_transpose(images, captions, caption_image, n_components, ridge):
    x, y, k = images[caption_image], captions, n_components
    mean_x, a = pca_from(white_columns)(x, x.shape[1], ridge)
    mean_y, b = pca_from(white_columns)(y, y.shape[1], ridge)
    u, s, vt = np.linalg.svd(a @ ((x - mean_x).T @ (y - mean_y) / len(x)) @ b)
    return a @ u[:, :k], b @ vt.T[:, :k], s[:k]


def cca_centred_too_early(images, captions, caption_image, n_components, ridge):
    images, captions = images - images.mean(axis=0), captions - captions.mean(axis=0)
    return pasted_cca(images, captions, caption_image, n_components, ridge)


def cca_squared(a, b, cross, k):
    w_x, w_y, s = mapped(a, b, cross, k)
    return w_x, w_y, s**2


def cca_signs(a, b, cross, k):
    w_x, w_y, s = mapped(a, b, cross, k)
    return w_x, -w_y, s


def cca_plain(a, b, cross, k):
    u, s, vt = np.linalg.svd(a @ cross @ b)
    return u[:, :k], vt.T[:, :k], s[:k]


def cca_pls(a, b, cross, k):
    u, s, vt = np.linalg.svd(cross)
    return u[:, :k], vt.T[:, :k], s[:k]


def cca_columns(a, b, cross, k):
    u, s, vt = np.linalg.svd(a @ cross @ b)
    return a @ u[:, :k], b @ vt[:, :k], s[:k]


def averaged(images, captions, caption_image):
    return images, np.array([captions[caption_image == i].mean(axis=0) for i in range(len(images))])


def first_only(images, captions, caption_image):
    return images, np.array([captions[list(caption_image).index(i)] for i in range(len(images))])


def as_if_sorted(images, captions, caption_image):
    return images[np.sort(caption_image)], captions


def step_from(
    slopes: Callable[..., Any], shift: Callable[[Any], Any] = lambda s: s.max(axis=1)[:, None]
) -> Callable[..., Any]:
    """``slopes(p, x, labels, weights, bias, penalty)`` gives both slopes; ``shift(scores)`` is taken off first."""

    def gradient_step(x, labels, weights, bias, rate, penalty):
        s = x @ weights.T + bias
        e = np.exp(s - shift(s))
        slope, slope_bias = slopes(e / e.sum(axis=1)[:, None], x, labels, weights, bias, penalty)
        return weights - rate * slope, bias - rate * slope_bias

    return gradient_step


def right_slopes(p, x, labels, weights, bias, penalty):
    e = p - labels
    return sum(np.outer(a, b) for a, b in zip(e, x, strict=True)) / len(x) + penalty * weights, e.sum(axis=0) / len(x)


def step_columns(x, labels, weights, bias, rate, penalty):
    s = x @ weights.T + bias
    e = np.exp(s - s.max(axis=0))
    slope, slope_bias = right_slopes(e / e.sum(axis=0), x, labels, weights, bias, penalty)
    return weights - rate * slope, bias - rate * slope_bias


def step_sigmoid(x, labels, weights, bias, rate, penalty):
    p = 1 / (1 + np.exp(-(x @ weights.T + bias)))
    slope, slope_bias = right_slopes(p, x, labels, weights, bias, penalty)
    return weights - rate * slope, bias - rate * slope_bias


def step_gradient(x, labels, weights, bias, rate, penalty):
    moved, moved_bias = step_from(right_slopes)(x, labels, weights, bias, rate, penalty)
    return (weights - moved) / rate, (bias - moved_bias) / rate


def cosine_one_side(a, b):
    return a @ b.T / np.maximum(np.linalg.norm(b, axis=1), EPS)


def cosine_columns(a, b):
    return (a / np.linalg.norm(a, axis=0)) @ (b / np.linalg.norm(b, axis=0)).T


def cosine_no_guard(a, b):
    return a @ b.T / np.outer(np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1))


def cosine_pearson(a, b):
    a, b = a - a.mean(1)[:, None], b - b.mean(1)[:, None]
    return a @ b.T / np.maximum(np.outer(np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1)), EPS)


WRONG_SOLUTIONS: dict[str, dict[str, Callable[..., Any]]] = {
    "01.recall_at_k": {
        "ascending": recall_from(lambda s, r, k: float(r[np.argsort(s)[:k]].any())),
        "one too few": recall_from(lambda s, r, k: float(r[np.argsort(-s)[: k - 1]].any())),
        "one too many": recall_from(lambda s, r, k: float(r[np.argsort(-s)[: k + 1]].any())),
        "share of the relevant items": recall_from(lambda s, r, k: r[np.argsort(-s)[:k]].sum() / r.sum()),
        "percent": recall_from(lambda s, r, k: 100.0 * r[np.argsort(-s)[:k]].any()),
        "wrong axis": lambda s, r, k: (
            np.take_along_axis(r, np.argsort(-s, axis=0), axis=0)[:k].any(axis=0)[r.any(axis=0)].mean()
        ),
        "empty queries": lambda similarity, relevance, k: np.mean(
            [r[np.argsort(-s)[:k]].any() for s, r in zip(similarity, relevance, strict=True)]
        ),
    },
    "01.eleven_point_ap": {
        "average precision": ap_of_the_lesson,
        "nothing relevant": eleven_no_guard,
        "not interpolated": eleven_from(lambda p, r, t: next((p[i] for i in range(len(p)) if r[i] >= t), 0.0)),
        "at most": eleven_from(lambda p, r, t: max((a for a, b in zip(p, r, strict=True) if b <= t), default=0)),
        "level 0 left out": eleven_from(best, np.arange(1, 11) / 10),
        "level 1 left out": eleven_from(best, np.arange(0, 10) / 10),
        "rounding": eleven_from(
            lambda p, r, t: max((a for a, b in zip(p, r, strict=True) if b >= t), default=0), np.arange(0, 1.01, 0.1)
        ),
        "recall of the length": lambda r: np.mean(
            [
                max((h / (i + 1) for i, h in enumerate(np.cumsum(r)) if h / len(r) >= t / 10), default=0)
                for t in range(11)
            ]
        ),
    },
    "01.map_at_k": {
        "no cut-off": map_from(
            lambda r, k, n: ap_of(r) / {"relevant": r.sum(), "min": min(k, r.sum()), "hits": max(r[:k].sum(), 1)}[n]
        ),
        "always hits": map_from(lambda r, k, n: ap_of(r[:k]) / max(r[:k].sum(), 1)),
        "always min": map_from(lambda r, k, n: ap_of(r[:k]) / min(k, r.sum())),
        "always relevant": map_from(lambda r, k, n: ap_of(r[:k]) / r.sum()),
        "k instead of min(k, R)": map_from(
            lambda r, k, n: ap_of(r[:k]) / {"relevant": r.sum(), "min": k, "hits": max(r[:k].sum(), 1)}[n]
        ),
        "no hits": map_from(map_no_guard),
    },
    "01.ndcg_at_k": {
        "not normalised": ndcg_from(lambda g, best, k: dcg(g[:k])),
        "ideal of the retrieved items": ndcg_from(
            lambda g, best, k: dcg(g[:k]) / dcg(np.sort(g[:k])[::-1]) if g[:k].any() else 0.0
        ),
        "ideal without cut-off": ndcg_from(lambda g, best, k: dcg(g[:k]) / dcg(best)),
        "discount starts too late": ndcg_from(lambda g, best, k: dcg(g[:k], shift=2) / dcg(best[:k], shift=2)),
        "discount starts too early": ndcg_from(lambda g, best, k: dcg(g[:k], shift=0) / dcg(best[:k], shift=0)),
        "no cut-off": ndcg_from(lambda g, best, k: dcg(g) / dcg(best)),
    },
    "02.cca_whitening": {
        "the lesson's matrix": pasted_whitening,
        "columns of the lesson's matrix": pasted_whitening_cut,
        "only W": lambda x, k, ridge: pca_from(white_columns)(x, k, ridge)[1],
        "whitened features": lambda x, k, ridge: (x - x.mean(0)) @ pca_from(white_columns)(x, k, ridge)[1],
        "not centred": pca_from(white_columns, S=lambda x: x.T @ x / len(x)),
        "weakest directions": pca_from(lambda v, V, k, r: white_columns(v[::-1], V[:, ::-1], k, r)),
        "strongest last": pca_from(lambda v, V, k, r: white_columns(v, V, k, r)[:, ::-1]),
        "all directions": pca_from(lambda v, V, k, r: white_columns(v, V, len(v), r)),
        "not scaled": pca_from(lambda v, V, k, r: V[:, :k]),
        "divided by the variance": pca_from(lambda v, V, k, r: V[:, :k] / (v[:k] + r * v.mean())),
        "forgotten ridge": pca_from(lambda v, V, k, r: white_columns(v, V, k, 0)),
        "ridge not scaled": pca_from(lambda v, V, k, r: V[:, :k] / np.sqrt(v[:k] + r)),
        "mean of the kept variances": pca_from(lambda v, V, k, r: V[:, :k] / np.sqrt(v[:k] + r * v[:k].mean())),
        "divided by n - 1": pca_from(white_columns, S=lambda x: np.cov(x.T)),
        "rows instead of columns": pca_from(lambda v, V, k, r: white_columns(v, V[:, ::-1].T[:, ::-1], k, r)),
    },
    "02.cca": {
        "the lesson's cca": pasted_cca,
        "centred over images": cca_centred_too_early,
        "captions in order": cca_from(mapped, as_if_sorted),
        "one caption per image": cca_from(mapped, first_only),
        "captions averaged": cca_from(mapped, averaged),
        "not transposed": cca_without_transpose,
        "not mapped back": cca_from(cca_plain),
        "not whitened": cca_from(cca_pls),
        "columns of V'": cca_from(cca_columns),
        "squared correlations": cca_from(cca_squared),
        "forgotten ridge": cca_from(mapped, use_ridge=False),
        "signs": cca_from(cca_signs),
        "all directions": cca_from(lambda a, b, cross, k: mapped(a, b, cross, min(cross.shape))),
    },
    "02.semantic_space": {
        "the lesson's posterior": pasted_posterior,
        "overflow": step_from(right_slopes, shift=lambda s: 0),
        "wrong axis": step_columns,
        "sigmoid": step_sigmoid,
        "gradient only": step_gradient,
        "uphill": step_from(lambda *given: tuple(-s for s in right_slopes(*given))),
        "forgotten penalty": step_from(lambda p, x, t, w, b, penalty: right_slopes(p, x, t, w, b, 0)),
        "penalty doubled": step_from(lambda p, x, t, w, b, penalty: right_slopes(p, x, t, w, b, 2 * penalty)),
        "penalty shared out": step_from(lambda p, x, t, w, b, q: (((p - t).T @ x + q * w) / len(x), (p - t).mean(0))),
        "not averaged": step_from(lambda p, x, t, w, b, q: ((p - t).T @ x + q * w, (p - t).sum(axis=0))),
        "averaged over classes too": step_from(
            lambda p, x, t, w, b, q: ((p - t).T @ x / t.size + q * w, (p - t).sum(axis=0) / t.size)
        ),
        "labels minus probabilities": step_from(
            lambda p, x, t, w, b, q: ((t - p).T @ x / len(x) + q * w, (t - p).mean(0))
        ),
    },
    "02.normalised_correlation": {
        "dot product": lambda a, b: np.einsum("id,jd->ij", a, b),
        "one side only": cosine_one_side,
        "wrong axis": cosine_columns,
        "centred": cosine_pearson,
        "division by zero": cosine_no_guard,
        "norm of the matrix": lambda a, b: a @ b.T / np.linalg.norm(a) / np.linalg.norm(b),
    },
}

for path in sorted((Path(__file__).parent / "wrong").glob("lesson*.py")):
    WRONG_SOLUTIONS |= runpy.run_path(str(path))["WRONG_SOLUTIONS"]


@pytest.mark.parametrize("task_id", TASKS)
def test_reference_passes(task_id: str) -> None:
    result = check(task_id, TASKS[task_id].reference)
    assert result.status == PASSED, result
    assert result


@pytest.mark.parametrize("task_id", TASKS)
def test_stub_is_not_done_yet(task_id: str) -> None:
    def raises(*arguments: Any) -> Any:
        raise NotImplementedError

    for stub in (raises, lambda *arguments: None, lambda *arguments: ...):
        result = check(task_id, stub)
        assert (result.status, result.diagnosis) == (NOT_DONE, ""), result
        assert not result
    for nothing in (None, ...):
        assert check(task_id, nothing).status == NOT_DONE  # type: ignore[arg-type]


def test_every_task_has_wrong_solutions() -> None:
    assert set(WRONG_SOLUTIONS) == set(TASKS)
    assert all(len(solutions) >= 4 for solutions in WRONG_SOLUTIONS.values())


@pytest.mark.parametrize(
    ("task_id", "name"), [(task_id, name) for task_id, solutions in WRONG_SOLUTIONS.items() for name in solutions]
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_wrong_solution_gets_the_message_that_helps(task_id: str, name: str) -> None:
    result = check(task_id, WRONG_SOLUTIONS[task_id][name])
    assert (result.status, result.diagnosis) == (WRONG, name), result
    text = repr(result)
    message = next(d.message for d in TASKS[task_id].diagnoses if d.name == name)
    assert f"Likely cause: {message}" in text
    assert "the expected result is" in text
    assert "came." in text


@pytest.mark.parametrize("task_id", TASKS)
def test_known_wrong_functions_are_wrong_and_distinct(task_id: str) -> None:
    for diagnosis in TASKS[task_id].diagnoses:
        if diagnosis.wrong is not None:
            result = check(task_id, diagnosis.wrong)
            assert (result.status, result.diagnosis) == (WRONG, diagnosis.name), result


@pytest.mark.parametrize("task_id", TASKS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_graded_cells_refuse_what_the_checker_refuses(task_id: str) -> None:
    """The reference gets all points of a task, every known wrong solution loses some."""
    task, (number, name) = TASKS[task_id], task_id.split(".")
    cells = code_cells(instructor(find_sources(ROOT / "exercises" / "src", [number])[0]))
    graded = [c.source for c in cells if c.metadata.get("nbgrader", {}).get("grade_id", "").startswith(f"{name}-")]

    def passes(function: Callable[..., Any]) -> bool:
        namespace = {"np": np, task.function: function}
        try:
            for source in graded:
                exec(source, namespace)
        except Exception:
            return False
        return True

    known = {d.name: d.wrong for d in task.diagnoses if d.wrong is not None}
    assert passes(task.reference)
    assert [n for n, wrong in [*WRONG_SOLUTIONS[task_id].items(), *known.items()] if passes(wrong)] == []


@pytest.mark.parametrize("task_id", TASKS)
def test_cases_are_deterministic_and_valid(task_id: str) -> None:
    task = get_task(task_id)
    for a, b in zip(task.cases(), task.cases(), strict=True):
        assert a.text == b.text
        assert all(
            close(x, y) if isinstance(x, (np.ndarray, tuple)) else x == y
            for x, y in zip(a.arguments, b.arguments, strict=True)
        )
    assert 1 <= task.difficulty <= 5
    assert task.signature.startswith(f"{task.function}(")


def test_hints_go_one_step_further_each_time() -> None:
    task = get_task("01.eleven_point_ap")
    lines = [check(task.id, lambda r: 0.5).lines[-1] for _ in range(4)]
    assert [line.split(":")[0] for line in lines] == ["Think about", "Hint", "Outline", "Outline"]
    check(task.id, task.reference)
    assert check(task.id, lambda r: 0.5).lines[-1].startswith("Think about")


def test_general_mistakes_are_named() -> None:
    reference = get_task("02.normalised_correlation").reference
    assert check("02.normalised_correlation", lambda a, b: "hello").diagnosis == "type"
    assert check("02.normalised_correlation", lambda a, b: reference(a, b)[0]).diagnosis == "shape"
    assert check("02.normalised_correlation", lambda a, b: 3 * reference(a, b)).diagnosis == "factor"
    assert check("02.cca", lambda x, y, owner, n_components, ridge: np.eye(2)).diagnosis == "number of results"
    assert check("02.normalised_correlation", lambda a, b: a @ b).diagnosis == "exception"


def test_exceptions_arguments_and_changed_inputs() -> None:
    def crashes(a, b):
        return a["x"]

    def wrong_arguments(a):
        return a

    def changes(a, b):
        a /= np.maximum(np.linalg.norm(a, axis=1, keepdims=True), EPS)
        b /= np.maximum(np.linalg.norm(b, axis=1, keepdims=True), EPS)
        return a @ b.T

    crash = check("02.normalised_correlation", crashes)
    assert "but IndexError came" in repr(crash)
    assert "line" in repr(crash)
    assert check("02.normalised_correlation", wrong_arguments).diagnosis == "arguments"
    assert check("02.normalised_correlation", changes).diagnosis == "changes its input"
    assert "without brackets" in repr(check("02.normalised_correlation", 0.5))  # type: ignore[arg-type]


def test_other_true_forms_pass() -> None:
    """Lists, numpy scalars and the other sign are as good as the reference's form."""
    reference = get_task("02.cca").reference
    assert check(
        "02.normalised_correlation", lambda a, b: get_task("02.normalised_correlation").reference(a, b).tolist()
    )
    assert check("01.eleven_point_ap", lambda r: np.float32(get_task("01.eleven_point_ap").reference(r)) * 1.0)
    assert check("02.cca", lambda *case: [-reference(*case)[0], -reference(*case)[1], reference(*case)[2]])
    assert check("02.cca", cca_from(mapped)), "symmetric whitening is as good as that of task 1"
    assert check("02.cca_whitening", pca_from(lambda v, V, k, r: -white_columns(v, V, k, r)))
    assert check("02.semantic_space", step_from(right_slopes))


@pytest.mark.parametrize(("task_id", "lesson", "name", "came"), [
    ("01.map_at_k", LESSON_01, "average_precision_at_k", "a result was expected, but "),
    ("01.ndcg_at_k", LESSON_01, "ndcg", "a result was expected, but "),
    ("02.cca_whitening", LESSON_02, "whitening_matrix", "but whitening_matrix(covariance, ridge=0.0) came"),
    ("02.cca", LESSON_02, "cca", "but cca(x, y, n_components, ridge=0.0) came"),
    ("02.semantic_space", LESSON_02, "posterior", "but posterior(x, weights, bias) came"),
])  # fmt: skip
def test_hearts_of_the_lesson_pasted_as_they_are(task_id: str, lesson: Path, name: str, came: str) -> None:
    """They cannot be called as the task asks; the answer names them and says what the task wants beyond the lesson."""
    result = check(task_id, heart(lesson, name))
    assert (result.status, result.diagnosis) == (WRONG, "the lesson's function")
    assert came in result.lines[0]
    assert result.lines[1].startswith(f"Likely cause: this is the lesson's {name}, which ")
    assert f"The task asks for {TASKS[task_id].function}: " in result.lines[1]
    assert result.lines[2].startswith("Think about: ")


def test_average_precision_of_the_lesson_fits_and_is_known_by_its_results() -> None:
    pasted = check("01.eleven_point_ap", heart(LESSON_01, "average_precision"))
    assert (pasted.status, pasted.diagnosis) == (WRONG, "average precision")
    assert "this is the average precision of lesson 01" in repr(pasted)


def test_argument_names_of_the_lesson_alone_are_no_mistake() -> None:
    """A right solution passes under any names, and no task's own names are those of a pasted function."""
    reference = get_task("01.ndcg_at_k").reference
    assert check("01.ndcg_at_k", lambda gains, k, gain: reference(gains, k, gain))
    for task in TASKS.values():
        assert tuple(task.arguments) not in [d.arguments for d in task.diagnoses]


def test_hearts_of_the_lesson_with_their_own_message() -> None:
    alone = check("02.cca_whitening", lambda *case: pasted_whitening(*case)[1])
    assert alone.diagnosis == "the lesson's matrix"
    unpaired = check("02.cca", lambda x, y, owner, k, ridge: heart(LESSON_02, "cca")(x, y, k, ridge))
    assert unpaired.diagnosis == "exception"
    assert "Which m rows stand beside the captions" in repr(unpaired)


@pytest.mark.parametrize("task_id", [task_id for task_id in TASKS if task_id >= "02"])
@pytest.mark.parametrize("result", [(), (1.0, "a"), "word", [[1, 2], [3]], (np.eye(2), [[1], [2, 3]]), {"W": 1}, 0.0])
def test_odd_results_never_make_the_check_raise(task_id: str, result: Any) -> None:
    assert check(task_id, lambda *case: result).status == WRONG


def test_unknown_task() -> None:
    with pytest.raises(UnknownName, match=r"Did you mean '02\.cca_whitening'"):
        check("02.cca_whitenin", lambda: None)


def test_results_are_readable_in_both_places() -> None:
    result = CheckResult("01.x", WRONG, ("a < b",))
    assert repr(result) == "✗ 01.x: not right yet\n  a < b"
    assert "a &lt; b" in result._repr_html_()
    assert show(np.eye(2)) == "[[1., 0.], [0., 1.]]"
    assert show((1.23456, np.zeros((5, 5)))) == "(1.235, an array of shape (5, 5) that begins [0., 0., 0., 0.])"


def test_references_equal_the_library() -> None:
    metrics = pytest.importorskip("xmr_lib.metrics")
    for name, keyword in [
        ("recall_at_k", ()),
        ("map_at_k", ("denominator",)),
        ("ndcg_at_k", ()),
    ]:
        task = get_task(f"01.{name}")
        for case in task.cases():
            arguments = case.arguments[: len(case.arguments) - len(keyword)]
            named = dict(zip(keyword, case.arguments[len(arguments) :], strict=True))
            assert np.isclose(getattr(metrics, name)(*arguments, **named), task.reference(*case.arguments)), case.text


def test_eleven_points_lie_on_the_curve_of_the_library() -> None:
    from xmr_lib.metrics import precision_recall_curve

    task = get_task("01.eleven_point_ap")
    for case in task.cases():
        (ranking,) = case.arguments
        if ranking.any():
            curve = precision_recall_curve(-np.arange(len(ranking))[None], ranking[None])
            levels = [curve.precision[curve.recall > t / 10 - 1e-9].max() for t in range(11)]
            assert np.isclose(task.reference(ranking), np.mean(levels)), case.text


def test_whitening_reference_shares_its_directions_with_the_library() -> None:
    """W_j is an eigenvector of the library's symmetric root, and as long as its eigenvalue; strongest = shortest."""
    from xmr_lib.methods.subspace import whitening_matrix

    task = get_task("02.cca_whitening")
    for case in task.cases():
        x, k, ridge = case.arguments
        mean, W = task.reference(*case.arguments)
        root = whitening_matrix(np.cov(x.T, bias=True), ridge)
        lengths = np.linalg.norm(W, axis=0)
        np.testing.assert_allclose(mean, x.mean(axis=0))
        np.testing.assert_allclose(root @ W, W * lengths, atol=1e-9)
        np.testing.assert_allclose(lengths, np.linalg.eigvalsh(root)[:k])


def test_cca_reference_equals_the_library() -> None:
    from xmr_lib.data.base import PairedFeatures
    from xmr_lib.methods.subspace import CCA

    def by_library(images, captions, caption_image, n_components, ridge):
        fitted = CCA(n_components, ridge).fit(PairedFeatures(images, captions, caption_image))
        return fitted.image_weights_, fitted.text_weights_, fitted.correlations_

    assert check("02.cca", by_library), check("02.cca", by_library)


def test_step_reference_rests_at_the_classifier_of_the_library() -> None:
    """SM minimises C * sum of losses + |w|^2 / 2: the loss of the exercise with penalty 1 / (C n), times C n."""
    from xmr_lib.data.base import PairedFeatures
    from xmr_lib.methods.subspace import SM, posterior

    def by_library(x, labels, weights, bias, rate, penalty):
        error = labels - posterior(x, weights, bias)
        moved = (1 - rate * penalty) * weights + rate * np.einsum("ic,id->cd", error, x) / len(x)
        return moved, bias + rate * error.mean(axis=0)

    assert check("02.semantic_space", by_library)
    rng = np.random.default_rng(8)
    x, labels = rng.normal(size=(60, 4)), np.eye(3)[rng.integers(3, size=60)]
    x[:, :3] += 2 * labels
    model = SM(C=0.5, standardise=False).fit(PairedFeatures(x, x, labels=labels.astype(bool)))
    start = model.image_weights_, model.image_bias_
    moved = get_task("02.semantic_space").reference(x, labels, *start, 1.0, 1 / (0.5 * 60))
    for before, after in zip(start, moved, strict=True):
        np.testing.assert_allclose(after, before, atol=1e-4)
    assert not close(start, get_task("02.semantic_space").reference(x, labels, *start, 1.0, 0.0))


def test_similarity_reference_equals_the_library() -> None:
    from xmr_lib.methods.base import cosine_similarity

    assert check("02.normalised_correlation", cosine_similarity)
