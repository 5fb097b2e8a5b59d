"""The checker: the reference passes, a stub is "not done yet", and a wrong solution gets the message that helps.

The wrong solutions of ``WRONG_SOLUTIONS`` are written the way learners write them, not with the checker's own helpers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from xmr_lib.course import check
from xmr_lib.course.checker import NOT_DONE, PASSED, WRONG, CheckResult, _failures, show
from xmr_lib.course.task import all_tasks, close, get_task
from xmr_lib.errors import UnknownName

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


def regular(S, ridge):
    return S + ridge * np.trace(S) / len(S) * np.eye(len(S))


def whitened_svd(x, y, ridge, root=None):
    n = len(x)

    def whiten(S):
        values, vectors = np.linalg.eigh(regular(S, ridge))
        return vectors @ np.diag(values**-0.5) @ vectors.T

    a, b = whiten(x.T @ x / n), whiten(y.T @ y / n)
    return a, b, *np.linalg.svd(a @ (x.T @ y / n) @ b)


def cca_plain(x, y, n_components, ridge):
    _, _, u, s, vt = whitened_svd(x, y, ridge)
    return u[:, :n_components], vt.T[:, :n_components], s[:n_components]


def cca_pls(x, y, n_components, ridge):
    u, s, vt = np.linalg.svd(x.T @ y / len(x))
    return u[:, :n_components], vt.T[:, :n_components], s[:n_components]


def cca_columns(x, y, n_components, ridge):
    a, b, u, s, vt = whitened_svd(x, y, ridge)
    return a @ u[:, :n_components], b @ vt[:, :n_components], s[:n_components]


def cca_squared(x, y, n_components, ridge):
    a, b, u, s, vt = whitened_svd(x, y, ridge)
    return a @ u[:, :n_components], b @ vt.T[:, :n_components], s[:n_components] ** 2


def cca_no_ridge(x, y, n_components, ridge):
    a, b, u, s, vt = whitened_svd(x, y, 0)
    return a @ u[:, :n_components], b @ vt.T[:, :n_components], s[:n_components]


def cca_signs(x, y, n_components, ridge):
    a, b, u, s, vt = whitened_svd(x, y, ridge)
    return a @ u[:, :n_components], -b @ vt.T[:, :n_components], s[:n_components]


def cca_all(x, y, n_components, ridge):
    a, b, u, s, vt = whitened_svd(x, y, ridge)
    k = min(len(a), len(b))
    return a @ u[:, :k], b @ vt.T[:, :k], s[:k]


def softmax_without_shift(x, weights, bias):
    e = np.exp(x @ weights.T + bias)
    return e / e.sum(axis=1, keepdims=True)


def softmax_columns(x, weights, bias):
    s = x @ weights.T + bias
    e = np.exp(s - s.max(axis=0))
    return e / e.sum(axis=0)


def softmax_no_bias(x, weights, bias):
    s = x @ weights.T
    e = np.exp(s - s.max(1)[:, None])
    return e / e.sum(1)[:, None]


def eigen_rows(S, ridge):
    values, vectors = np.linalg.eigh(regular(S, ridge))
    return vectors.T @ np.diag(1 / np.sqrt(values)) @ vectors


def eigen_half(S, ridge):
    values, vectors = np.linalg.eigh(regular(S, ridge))
    return vectors @ np.diag(1 / np.sqrt(values))


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
        "square root": lambda S, ridge: np.linalg.inv(np.asarray(eigen_sqrt(S, ridge))),
        "inverse": lambda S, ridge: np.linalg.inv(regular(S, ridge)),
        "ridge not scaled": lambda S, ridge: eigen_sqrt(S + ridge * np.eye(len(S)), 0),
        "forgotten ridge": lambda S, ridge: eigen_sqrt(S, 0),
        "trace not divided": lambda S, ridge: eigen_sqrt(S + ridge * np.trace(S) * np.eye(len(S)), 0),
        "rows instead of columns": eigen_rows,
        "not turned back": eigen_half,
        "Cholesky": lambda S, ridge: np.linalg.inv(np.linalg.cholesky(regular(S, ridge))),
        "entry by entry": lambda S, ridge: regular(S, ridge) ** -0.5,
    },
    "02.cca": {
        "not mapped back": cca_plain,
        "not whitened": cca_pls,
        "columns of V'": cca_columns,
        "squared correlations": cca_squared,
        "forgotten ridge": cca_no_ridge,
        "signs": cca_signs,
        "all directions": cca_all,
    },
    "02.semantic_space": {
        "overflow": softmax_without_shift,
        "wrong axis": softmax_columns,
        "forgotten bias": softmax_no_bias,
        "sigmoid": lambda x, w, b: 1 / (1 + np.exp(-(x @ w.T + b))),
        "scores": lambda x, w, b: x @ w.T + b,
        "not divided": lambda x, w, b: np.exp(x @ w.T + b),
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


def eigen_sqrt(S, ridge):
    """(S + ...)^(-1/2) by the sum over eigenvectors."""
    values, vectors = np.linalg.eigh(regular(S, ridge))
    terms = [np.outer(v, v) / np.sqrt(max(value, 1e-300)) for value, v in zip(values, vectors.T, strict=True)]
    return sum(terms)


@pytest.fixture(autouse=True)
def fresh_hints() -> None:
    _failures.clear()


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
def test_cases_are_deterministic_and_valid(task_id: str) -> None:
    task = get_task(task_id)
    for a, b in zip(task.cases(), task.cases(), strict=True):
        assert a.text == b.text
        assert all(
            close(x, y) if isinstance(x, np.ndarray) else x == y for x, y in zip(a.arguments, b.arguments, strict=True)
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
    assert check("02.cca", lambda x, y, n_components, ridge: np.eye(2)).diagnosis == "number of results"
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
    assert check("02.cca", lambda x, y, n_components, ridge: [
        -reference(x, y, n_components, ridge)[0], -reference(x, y, n_components, ridge)[1],
        reference(x, y, n_components, ridge)[2]])  # fmt: skip


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


def test_subspace_references_equal_the_library() -> None:
    library = pytest.importorskip("xmr_lib.methods.subspace.cca")
    semantic = pytest.importorskip("xmr_lib.methods.subspace.semantic")
    from xmr_lib.methods.base import cosine_similarity

    pairs = [
        ("02.cca_whitening", library.whitening_matrix),
        ("02.cca", library.cca),
        ("02.semantic_space", semantic.posterior),
        ("02.normalised_correlation", cosine_similarity),
    ]
    for task_id, function in pairs:
        assert check(task_id, function), check(task_id, function)
