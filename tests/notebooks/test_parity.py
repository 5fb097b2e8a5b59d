"""The heart of every lesson does what the library does: same name, same arguments, same results on random input.

One row per function that a cell tagged ``heart`` defines. A heart without a row fails the test: add the row here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import sparse

from xmr_lib.course.hearts import argument_names, assert_same, heart, heart_names, library_object
from xmr_lib.course.source import find_sources
from xmr_lib.errors import InvalidInput, UnknownName
from xmr_lib.nn.binary_factors import independent_sets

ROOT = Path(__file__).resolve().parents[2]
LESSONS = find_sources(ROOT / "notebooks" / "src")


@dataclass(frozen=True)
class Row:
    """One function: where it is in the course, where in the library, and how to make its arguments."""

    lesson: str
    name: str
    library: str
    arguments: Callable[[np.random.Generator], tuple[Any, ...]]
    rtol: float = 1e-6


def covariance(rng: np.random.Generator) -> tuple[Any, ...]:
    x = rng.normal(size=(40, 6)) @ rng.normal(size=(6, 6))
    return x.T @ x / len(x), float(rng.uniform(0.01, 1.0))


def two_views(rng: np.random.Generator) -> tuple[Any, ...]:
    z = rng.normal(size=(60, 3))
    x, y = z @ rng.normal(size=(3, 5)), z @ rng.normal(size=(3, 4))
    x, y = x + 0.3 * rng.normal(size=x.shape), y + 0.3 * rng.normal(size=y.shape)
    return x - x.mean(axis=0), y - y.mean(axis=0), 3, 1e-3


def classifier(rng: np.random.Generator) -> tuple[Any, ...]:
    return rng.normal(size=(7, 5)), 30 * rng.normal(size=(4, 5)), rng.normal(size=4)


def two_matrices(rng: np.random.Generator) -> tuple[Any, ...]:
    return rng.normal(size=(7, 5)), rng.normal(size=(4, 5))


def tied_scores(rng: np.random.Generator) -> tuple[Any, ...]:
    return rng.integers(0, 6, size=20).astype(float), int(rng.integers(1, 25))


def ranking(rng: np.random.Generator) -> tuple[Any, ...]:
    return ((rng.random(30) < 0.2).astype(int),)


def captions(rng: np.random.Generator) -> tuple[Any, ...]:
    return rng.integers(0, 8, size=20), rng.integers(0, 4, size=8)


def ranking_and_cut(rng: np.random.Generator) -> tuple[Any, ...]:
    name = str(rng.choice(["relevant", "min", "hits", "first_relevant"]))
    return *ranking(rng), int(rng.integers(1, 40)), name, int(rng.integers(10, 20))


def grades_and_cut(rng: np.random.Generator) -> tuple[Any, ...]:
    return rng.integers(0, 4, size=12), int(rng.integers(1, 15)), str(rng.choice(["exponential", "linear"]))


def rows_and_form(rng: np.random.Generator) -> tuple[Any, ...]:
    return torch.from_numpy(rng.normal(size=(6, 4))), str(rng.choice(["sample", "batch"]))


def scores_and_onehot(rng: np.random.Generator) -> tuple[Any, ...]:
    onehot = np.eye(4)[rng.integers(0, 4, 6)]
    return *map(torch.from_numpy, (rng.normal(size=(6, 4)), rng.normal(size=(6, 4)), onehot)), rows_and_form(rng)[1]


def partners_and_form(rng: np.random.Generator) -> tuple[Any, ...]:
    return torch.from_numpy(rng.normal(size=(6, 4))), *rows_and_form(rng)


def embeddings_and_classes(rng: np.random.Generator) -> tuple[Any, ...]:
    arrays = rng.normal(size=(6, 4)), rng.normal(size=(6, 4)), rng.integers(0, 3, 6)
    return tuple(map(torch.from_numpy, arrays))


def embeddings_and_prototypes(rng: np.random.Generator) -> tuple[Any, ...]:
    arrays = rng.normal(size=(6, 4)), rng.integers(0, 3, 6), rng.normal(size=(3, 4))
    return tuple(map(torch.from_numpy, arrays))


def distances_and_classes(rng: np.random.Generator) -> tuple[Any, ...]:
    classes = torch.from_numpy(rng.integers(0, 3, 6))
    return torch.from_numpy(rng.uniform(0.0, 3.0, size=(6, 6))), classes, float(rng.uniform(0.1, 2.0))


def pull_push_arguments(rng: np.random.Generator) -> tuple[Any, ...]:
    return *distances_and_classes(rng), float(rng.uniform(0.5, 3.0))


def two_logits_and_classes(rng: np.random.Generator) -> tuple[Any, ...]:
    arrays = rng.normal(size=(6, 4)), rng.normal(size=(6, 4)), rng.integers(0, 4, 6)
    return tuple(map(torch.from_numpy, arrays))


def two_modality_logits(rng: np.random.Generator) -> tuple[Any, ...]:
    return torch.from_numpy(rng.normal(size=(6, 2))), torch.from_numpy(rng.normal(size=(5, 2)))


def progress_and_steepness(rng: np.random.Generator) -> tuple[Any, ...]:
    return float(rng.random()), float(rng.uniform(1.0, 20.0))


def edge_weights(rng: np.random.Generator) -> tuple[Any, ...]:
    a = rng.uniform(size=(6, 6)) * (rng.random((6, 6)) < 0.5)
    return (torch.from_numpy(a * (1 - np.eye(6))),)


def adjacency_features_weight(rng: np.random.Generator) -> tuple[Any, ...]:
    shapes = ((6, 6), (6, 4), (4, 3))
    return tuple(torch.from_numpy(rng.normal(size=shape)) for shape in shapes)


def three_logits(rng: np.random.Generator) -> tuple[Any, ...]:
    return tuple(torch.from_numpy(10 * rng.normal(size=int(rng.integers(1, 9)))) for _ in range(3))


def pairs_and_form(rng: np.random.Generator) -> tuple[Any, ...]:
    items, partners = (torch.from_numpy(rng.integers(0, 7, size=5)) for _ in range(2))
    common, raw = (torch.from_numpy(rng.normal(size=(7, d))) for d in (3, 4))
    return common, raw, items, partners, str(rng.choice(["paper", "released"]))


def set_cosines_and_alpha(rng: np.random.Generator) -> tuple[Any, ...]:
    return torch.from_numpy(rng.uniform(-1, 1, size=(2, 3, 4))), float(rng.uniform(1.0, 50.0))


def slot_scores_and_mask(rng: np.random.Generator) -> tuple[Any, ...]:
    return torch.from_numpy(3 * rng.normal(size=(2, 4, 6))), torch.from_numpy(rng.random((2, 1, 6)) < 0.7)


def slot_shares(rng: np.random.Generator) -> tuple[Any, ...]:
    return (torch.from_numpy(rng.random((2, 4, 6))),)


def found_words_mask(rng: np.random.Generator) -> tuple[Any, ...]:
    found, words = (torch.from_numpy(rng.normal(size=(3, 5, 4))) for _ in range(2))
    return found, words, torch.from_numpy(rng.random((3, 5)) < 0.6)


def queries_and_queue(rng: np.random.Generator) -> tuple[Any, ...]:
    query, own, queue = (torch.from_numpy(rng.normal(size=(rows, 3))) for rows in (4, 4, 6))
    return query, own, queue, torch.from_numpy(rng.random((4, 6)) < 0.7), float(rng.uniform(1.0, 20.0))


def two_tables_of_logits(rng: np.random.Generator) -> tuple[Any, ...]:
    out = rng.random((4, 6)) < 0.3
    out[:, 0] = False
    return tuple(torch.from_numpy(np.where(out, -np.inf, 3 * rng.normal(size=(4, 6)))) for _ in range(2))


def ranking_arguments(rng: np.random.Generator) -> tuple[Any, ...]:
    better, worse = (torch.from_numpy(rng.uniform(-1, 1, size=(3, 4))) for _ in range(2))
    counts, scale = torch.from_numpy(rng.random((3, 4)) < 0.6), torch.tensor(float(rng.uniform(1.0, 50.0)))
    return better, worse, counts, scale, float(rng.uniform(0.0, 0.3)), bool(rng.random() < 0.5)


def instances(rng: np.random.Generator) -> tuple[Any, ...]:
    return torch.from_numpy(rng.integers(0, 4, size=5)), torch.from_numpy(rng.integers(0, 4, size=9))


def logits_and_positives(rng: np.random.Generator) -> tuple[Any, ...]:
    """Every row and every column has a right partner, some have several."""
    rows, columns = rng.permutation(5), np.concatenate([rng.permutation(5), rng.integers(0, 5, size=4)])
    positive = torch.from_numpy(rows[:, None] == columns[None, :])
    return torch.from_numpy(10 * rng.normal(size=(5, 9))), positive, float(rng.choice([0.0, 0.1]))


def tokens_and_mask(rng: np.random.Generator) -> tuple[Any, ...]:
    mask = torch.from_numpy(rng.random((4, 6)) < 0.6) if rng.random() < 0.8 else None  # a row may have no token
    return torch.from_numpy(rng.normal(size=(4, 6, 3))), mask


def outputs_in_range(rng: np.random.Generator) -> tuple[Any, ...]:
    return (torch.from_numpy(rng.uniform(-1, 1, size=(5, 8))),)


def probabilities_and_margin(rng: np.random.Generator) -> tuple[Any, ...]:
    u, v = (torch.from_numpy(rng.random((rows, 8))) for rows in (4, 6))
    similar = torch.from_numpy((rng.random((4, 6)) < 0.4).astype(float))
    return u, v, similar, float(rng.uniform(0.1, 1.0)), str(rng.choice(["l2", "l1"]))


def outputs_proxies_labels(rng: np.random.Generator) -> tuple[Any, ...]:
    outputs, proxies = (torch.from_numpy(rng.normal(size=(rows, 4))) for rows in (5, 7))
    labels = torch.from_numpy((rng.random((5, 7)) < rng.choice([0.0, 0.3])).astype(float))
    return outputs, proxies, labels, float(rng.uniform(-1, 1))


def multi_hot(rng: np.random.Generator) -> tuple[Any, ...]:
    return (torch.from_numpy((rng.random((6, 9)) < 0.2).astype(int)),)


def length_and_words(rng: np.random.Generator) -> tuple[Any, ...]:
    return int(rng.integers(8, 130)), int(rng.integers(1, 9))


def packed_codes(rng: np.random.Generator) -> tuple[Any, ...]:
    return tuple(rng.integers(0, 256, size=(rows, 3), dtype=np.uint8) for rows in (4, 6))


def view_and_latent(rng: np.random.Generator) -> tuple[Any, ...]:
    return rng.normal(size=(20, 5)), rng.normal(size=(20, 3)), float(rng.uniform(0.01, 1.0))


def views_and_labels(rng: np.random.Generator) -> tuple[Any, ...]:
    labels = rng.random((20, 4)) < 0.3
    labels[:, 0] |= ~labels.any(axis=1)
    return rng.normal(size=(20, 5)), rng.normal(size=(20, 3)), labels.astype(float)


def outputs_and_shared(rng: np.random.Generator) -> tuple[Any, ...]:
    f, g = (torch.from_numpy(10 * rng.normal(size=(6, 4))) for _ in range(2))
    return f, g, torch.from_numpy((rng.random((6, 6)) < 0.4).astype(float))


def outputs_and_codes(rng: np.random.Generator) -> tuple[Any, ...]:
    codes = torch.from_numpy(rng.choice([-1.0, 1.0], size=(6, 4)))
    return *outputs_and_shared(rng), codes, float(rng.uniform(0.0, 2.0)), float(rng.uniform(0.0, 2.0))


def code_column(rng: np.random.Generator) -> tuple[Any, ...]:
    codes, labels = rng.choice([-1.0, 1.0], size=(9, 4)), rng.integers(0, 2, size=(9, 3)).astype(float)
    u, g, w = rng.uniform(-1, 1, size=(5, 4)), rng.uniform(-1, 1, size=(5, 4)), rng.normal(size=(4, 3))
    target, omega = rng.choice([1.0, -0.3], size=(5, 9)), rng.permutation(9)[:5]
    return int(rng.integers(0, 4)), *map(torch.from_numpy, (codes, u, g, w, target, labels, omega))


def one_label_matrix(rng: np.random.Generator) -> tuple[Any, ...]:
    return (torch.from_numpy((rng.random((6, 5)) < 0.4).astype(float)),)


def two_label_matrices(rng: np.random.Generator) -> tuple[Any, ...]:
    return *one_label_matrix(rng), *one_label_matrix(rng)


def label_and_modality_logits(rng: np.random.Generator) -> tuple[Any, ...]:
    return tuple(torch.from_numpy(10 * rng.normal(size=n)) for n in (6, 4))


def bit_of_all_items(rng: np.random.Generator) -> tuple[Any, ...]:
    edges = np.triu(rng.normal(size=(8, 8)) * (rng.random((8, 8)) < 0.4), 1)
    graph = sparse.csr_array(edges + edges.T)
    pull = rng.normal(size=8) * (rng.random(8) < 0.7)  # some ties
    beta = float(rng.choice([0.0, 0.5]))
    return np.where(rng.random(8) < 0.5, 1.0, -1.0), pull, graph, beta, independent_sets(graph)


def codes_and_affinity(rng: np.random.Generator) -> tuple[Any, ...]:
    return torch.from_numpy(rng.normal(size=(6, 8))), torch.from_numpy(rng.random((6, 6)))


def three_outputs(rng: np.random.Generator) -> tuple[Any, ...]:
    outputs = (torch.from_numpy(np.tanh(rng.normal(size=(6, 8)))) for _ in range(3))
    return *outputs, float(rng.random())


PARITY = [
    Row("01", "average_precision", "xmr_lib.metrics:average_precision", ranking),
    Row("01", "relevance_from_captions", "xmr_lib.metrics:relevance_from_captions", captions),
    Row("01", "average_precision_at_k", "xmr_lib.metrics:average_precision_at_k", ranking_and_cut),
    Row("01", "ndcg", "xmr_lib.metrics:ndcg", grades_and_cut),
    Row("02", "whitening_matrix", "xmr_lib.methods.subspace.cca:whitening_matrix", covariance),
    Row("02", "cca", "xmr_lib.methods.subspace.cca:cca", two_views),
    Row("02", "posterior", "xmr_lib.methods.subspace.semantic:posterior", classifier),
    Row("00", "cosine_similarity", "xmr_lib.methods.base:cosine_similarity", two_matrices),
    Row("00", "top_k", "xmr_lib.retriever:top_k", tied_scores),
    Row("03", "pull_and_push", "xmr_lib.nn.triplets:pull_and_push", pull_push_arguments),
    Row("03", "hardest_negative_triplets", "xmr_lib.nn.triplets:hardest_negative_triplets", distances_and_classes),
    Row("03", "label_loss", "xmr_lib.methods.real_valued.acmr:label_loss", two_logits_and_classes),
    Row("03", "modality_loss", "xmr_lib.methods.real_valued.acmr:modality_loss", two_modality_logits),
    Row("03", "reversal_strength", "xmr_lib.nn.gradient_reversal:reversal_strength", progress_and_steepness),
    Row("04", "mean_norm", "xmr_lib.nn.norms:mean_norm", rows_and_form),
    Row("04", "label_regression", "xmr_lib.methods.real_valued.dscmr:label_regression", scores_and_onehot),
    Row("04", "invariance", "xmr_lib.methods.real_valued.dscmr:invariance", partners_and_form),
    Row("04", "discrimination", "xmr_lib.methods.real_valued.dscmr:discrimination", embeddings_and_classes),
    Row(
        "04",
        "prototype_contrastive",
        "xmr_lib.methods.real_valued.objectives:prototype_contrastive",
        embeddings_and_prototypes,
    ),
    Row("05", "normalised_adjacency", "xmr_lib.nn.graph:normalised_adjacency", edge_weights),
    Row("05", "graph_convolution", "xmr_lib.nn.graph:graph_convolution", adjacency_features_weight),
    Row("05", "inter_modal_loss", "xmr_lib.methods.real_valued.cm_gans:inter_modal_loss", three_logits),
    Row("05", "wrong_pairs", "xmr_lib.methods.real_valued.cm_gans:wrong_pairs", pairs_and_form),
    Row("06", "same_instance", "xmr_lib.nn.contrastive:same_instance", instances),
    Row("06", "pair_losses", "xmr_lib.nn.contrastive:pair_losses", logits_and_positives),
    Row("06", "symmetric_info_nce", "xmr_lib.nn.contrastive:symmetric_info_nce", logits_and_positives),
    Row("06", "masked_mean", "xmr_lib.nn.transformer:masked_mean", tokens_and_mask),
    Row("07", "smooth_chamfer", "xmr_lib.nn.set_similarity:smooth_chamfer", set_cosines_and_alpha),
    Row("07", "slot_shares", "xmr_lib.nn.slots:slot_shares", slot_scores_and_mask),
    Row("07", "slot_weights", "xmr_lib.nn.slots:slot_weights", slot_shares),
    Row("07", "alignment_score", "xmr_lib.nn.token_alignment:alignment_score", found_words_mask),
    Row("07", "key_logits", "xmr_lib.nn.momentum:key_logits", queries_and_queue),
    Row("07", "symmetric_kl", "xmr_lib.nn.momentum:symmetric_kl", two_tables_of_logits),
    Row("07", "ranking_loss", "xmr_lib.nn.entity_losses:ranking_loss", ranking_arguments),
    Row("11", "both_values", "xmr_lib.nn.selecting:both_values", outputs_in_range),
    Row("11", "distance_loss", "xmr_lib.methods.hashing.dchmt:distance_loss", probabilities_and_margin),
    Row("11", "proxy_loss", "xmr_lib.nn.proxies:proxy_loss", outputs_proxies_labels),
    Row("11", "irrelevant_pairs", "xmr_lib.nn.proxies:irrelevant_pairs", multi_hot),
    Row("11", "griesmer_distance", "xmr_lib.nn.proxies:griesmer_distance", length_and_words),
    Row("09", "hamming_distance", "xmr_lib.metrics.hamming:hamming_distance", packed_codes),
    Row("09", "loadings", "xmr_lib.methods.hashing.cmfh:loadings", view_and_latent),
    Row("09", "semantic_cross", "xmr_lib.methods.hashing.scm_seq:semantic_cross", views_and_labels),
    Row("09", "pair_likelihood", "xmr_lib.nn.codes:pair_likelihood", outputs_and_shared),
    Row("09", "dcmh_objective", "xmr_lib.methods.hashing.dcmh:dcmh_objective", outputs_and_codes),
    Row("09", "dcc_step", "xmr_lib.methods.hashing.dchuc:dcc_step", code_column),
    Row("10", "label_cosine", "xmr_lib.nn.graded_relevance:label_cosine", two_label_matrices),
    Row("10", "label_affinity", "xmr_lib.nn.label_graph:label_affinity", one_label_matrix),
    Row(
        "10", "discriminator_loss", "xmr_lib.methods.hashing.ssah_network:discriminator_loss", label_and_modality_logits
    ),
    Row("10", "update_bit", "xmr_lib.nn.binary_factors:update_bit", bit_of_all_items),
    Row("10", "affinity_loss", "xmr_lib.methods.hashing.hmah_network:affinity_loss", codes_and_affinity),
    Row("10", "modalities_to_labels", "xmr_lib.methods.hashing.bicmr_network:modalities_to_labels", three_outputs),
]

HEARTS = [(source, name) for source in LESSONS for name in heart_names(source)]
ROWS = {(row.lesson, row.name): row for row in PARITY}


@pytest.mark.parametrize(("source", "name"), HEARTS, ids=lambda value: getattr(value, "stem", value))
def test_heart_equals_library(source: Path, name: str) -> None:
    key = (source.stem[:2], name)
    assert key in ROWS, f"Lesson {source.stem} defines {name!r} in a heart cell, but PARITY has no row for it."
    compare(source, ROWS[key])


def compare(source: Path, row: Row) -> None:
    ours, theirs = heart(source, row.name), library_object(row.library)
    assert theirs.__name__ == row.name, "the library must use the lesson's name"
    assert argument_names(ours) == argument_names(theirs)
    for seed in range(20):
        arguments = row.arguments(np.random.default_rng(seed))
        assert_same(ours(*arguments), theirs(*arguments), rtol=row.rtol)


SAMPLE_ROW = Row("02", "whitening_matrix", "xmr_lib.methods.subspace.cca:whitening_matrix", covariance)
SAMPLE = """# %%
import numpy as np

# %% tags=["parameters"]
SCALE = 1.0

# %%
raise RuntimeError("cells that are not hearts must not run")

# %% tags=["heart"]
def whitening_matrix(covariance, ridge=0.0):
    d = len(covariance)
    values, vectors = np.linalg.eigh(covariance + ridge * np.trace(covariance) / d * np.eye(d))
    return helper(vectors, values)

def helper(vectors, values):
    return SCALE * (vectors / np.sqrt(values)) @ vectors.T
"""


@pytest.fixture
def sample(tmp_path: Path) -> Callable[..., Path]:
    def write(script: str) -> Path:
        path = tmp_path / "02_sample.py"
        path.write_text(script, encoding="utf-8")
        return path

    return write


def test_equal_hearts_pass(sample: Callable[..., Path]) -> None:
    source = sample(SAMPLE)
    assert heart_names(source) == ["whitening_matrix", "helper"]
    compare(source, SAMPLE_ROW)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("np.sqrt(values)", "values"),  # another result
        ("/ d * np.eye", "* np.eye"),  # another result only where the ridge matters
        ("covariance, ridge=0.0", "covariance, lam=0.0"),  # another name of an argument
    ],
)
def test_different_hearts_fail(sample: Callable[..., Path], old: str, new: str) -> None:
    script = SAMPLE.replace(old, new)
    if "lam" in new:
        script = script.replace("ridge *", "lam *")
    with pytest.raises(AssertionError):
        compare(sample(script), SAMPLE_ROW)


def test_heart_must_stand_on_its_own(sample: Callable[..., Path]) -> None:
    with pytest.raises(InvalidInput, match="do not stand on their own"):
        heart(sample('# %%\nk = 3\n\n# %% tags=["heart"]\ndef f(x, n=k):\n    return x\n'), "f")
    with pytest.raises(UnknownName, match="Defined: f"):
        heart(sample('# %% tags=["heart"]\ndef f(x):\n    return x\n'), "g")


def test_assert_same_looks_inside() -> None:
    assert_same((1.0, {"a": np.ones(2)}), (1.0 + 1e-9, {"a": np.ones(2)}))
    for ours, theirs in [([1, 2], [1, 3]), ([1], [1, 2]), ({"a": 1}, {"b": 1}), (np.ones(2), np.zeros(2)), ("a", "b")]:
        with pytest.raises(AssertionError):
            assert_same(ours, theirs)
