"""How fast are the metrics? Side by side with other implementations, one thread, one run, on the same matrices.

    python benchmarks/metrics.py            2,000 queries x 20,000 items; about one minute, up to 5 GB of memory
    python benchmarks/metrics.py --quick    a small size, checks that all results agree; speed is shown, not judged

Every row starts from the same similarity matrix (Hamming rows: from packed codes) and the same relevance; times are CPU
seconds. The demands: MAP over all at least 8 times faster than a double Python loop and not slower than torchmetrics,
Hamming MAP with exact expectation over ties at least 3 times faster than float MAP, all results equal to 1e-6.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from _timing import Demand, one_thread, timed, verdict

from xmr_lib.evaluation.tables import text_table
from xmr_lib.metrics import (
    average_precision,
    hamming_distance,
    hamming_map,
    mean_average_precision,
    pack_codes,
    recall_at_k,
    relevance_from_labels,
)

Array = np.ndarray[Any, Any]
TOLERANCE = 1e-6


def make_task(queries: int, items: int, classes: int = 10, bits: int = 64) -> tuple[Array, Array, Array, Array]:
    """Noisy embeddings of 10 classes: labels of both sides, float embeddings of both sides."""
    rng = np.random.default_rng(0)
    query_labels, item_labels = rng.integers(0, classes, queries), rng.integers(0, classes, items)
    centres = rng.normal(size=(classes, bits))
    query, item = (
        (centres[labels] + 2.0 * rng.normal(size=(len(labels), bits))).astype(np.float32)
        for labels in (query_labels, item_labels)
    )
    return query_labels, item_labels, query, item


def double_loop(similarity: Array, query_labels: Array, item_labels: Array) -> float:
    """MAP as the evaluation of DSCMR counts it: one argsort, then two loops over queries and ranks."""
    order = np.argsort(-similarity, axis=1)
    total = 0.0
    for i in range(len(order)):
        hits, precision_sum = 0, 0.0
        for rank in range(order.shape[1]):
            if query_labels[i] == item_labels[order[i, rank]]:
                hits += 1
                precision_sum += hits / (rank + 1)
        total += precision_sum / hits if hits else 0.0
    return total / len(order)


def one_loop(similarity: Array, relevance: Array) -> float:
    """The short version of lesson 01: argsort each row, then the plain definition."""
    rows = zip(similarity, relevance, strict=True)
    return float(np.mean([average_precision(right[np.argsort(-scores)]) for scores, right in rows]))


def torchmetrics_loop(similarity: Array, relevance: Array) -> float:
    """torchmetrics, functional, query by query. Scores are above 0: it takes others for irrelevant."""
    import torch
    from torchmetrics.functional.retrieval import retrieval_average_precision

    preds, target = torch.from_numpy(similarity - similarity.min() + 1.0), torch.from_numpy(relevance)
    values = [float(retrieval_average_precision(p, t)) for p, t in zip(preds, target, strict=True)]
    return float(np.mean(values))


def torchmetrics_class(similarity: Array, relevance: Array) -> float:
    """torchmetrics, RetrievalMAP over flat vectors."""
    import torch
    from torchmetrics.retrieval import RetrievalMAP

    measure = RetrievalMAP(empty_target_action="skip")
    preds = torch.from_numpy(similarity - similarity.min() + 1.0).flatten()
    index = torch.arange(len(similarity)).repeat_interleave(similarity.shape[1])
    measure.update(preds, torch.from_numpy(relevance).flatten(), indexes=index)
    return float(measure.compute())


def scikit_learn(similarity: Array, relevance: Array) -> float:
    """scikit-learn's label ranking average precision, which is MAP when every query has a relevant item."""
    from sklearn.metrics import label_ranking_average_precision_score

    return float(label_ranking_average_precision_score(relevance, similarity))


def expected_by_float_sort(distances: Array, relevance: Array) -> float:
    """Expected Hamming MAP through the float path: the same number, with sorts."""
    return mean_average_precision(-distances.astype(np.float32), relevance)


def main(arguments: list[str] | None = None) -> int:
    """Run all rows on one thread, print two tables, return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="small size, results checked, speed not judged")
    quick = parser.parse_args(arguments).quick
    import torch  # noqa: F401  (imports are not part of the times)
    import torchmetrics  # noqa: F401

    with one_thread():
        return compare(quick)


def compare(quick: bool) -> int:
    """All rows side by side; 1 if a demand is missed, else 0."""
    queries, items = (100, 1000) if quick else (2000, 20000)
    query_labels, item_labels, query, item = make_task(queries, items)
    relevance, similarity = relevance_from_labels(query_labels, item_labels), query @ item.T
    query_codes, item_codes = pack_codes(query), pack_codes(item)
    distances = hamming_distance(query_codes, item_codes)

    plan: list[tuple[str, Callable[[], float], int]] = [
        ("xmr_lib MAP", lambda: mean_average_precision(similarity, relevance), 3),
        ("argsort + plain definition", lambda: one_loop(similarity, relevance), 1),
        ("torchmetrics, loop over queries", lambda: torchmetrics_loop(similarity, relevance), 1),
        ("torchmetrics, RetrievalMAP", lambda: torchmetrics_class(similarity, relevance), 1),
        ("scikit-learn LRAP", lambda: scikit_learn(similarity, relevance), 1),
        ("double Python loop", lambda: double_loop(similarity, query_labels, item_labels), 1),
        (
            "xmr_lib Hamming MAP, from codes",
            lambda: hamming_map(hamming_distance(query_codes, item_codes), relevance),
            3,
        ),
        ("the same through float sorts", lambda: expected_by_float_sort(distances, relevance), 1),
        ("xmr_lib R@10", lambda: recall_at_k(similarity, relevance, 10), 3),
    ]
    rows = {name: timed(name, function, repeats) for name, function, repeats in plan}

    ours = rows["xmr_lib MAP"][1]
    lines = [[name, f"{v:.6f}", f"{s:.3f}", f"{s / ours:.1f} x"] for name, (v, s) in rows.items()]
    title = f"{queries:,} queries x {items:,} items, 10 classes, 64 bits, one thread"
    print(text_table(["", "value", "CPU s", "time / xmr_lib MAP"], lines, title))

    floats = [name for name, _, _ in plan[:6]]
    apart = max(abs(rows[name][0] - rows["xmr_lib MAP"][0]) for name in floats)
    hamming = "xmr_lib Hamming MAP, from codes"
    apart_codes = abs(rows[hamming][0] - rows["the same through float sorts"][0])
    demands = [
        Demand.equal("six float MAPs equal", apart, TOLERANCE),
        Demand.equal("two Hamming MAPs equal", apart_codes, TOLERANCE),
    ]
    for what, slow, fast, least in (
        ("MAP against the double loop", "double Python loop", "xmr_lib MAP", 8.0),
        ("MAP against the torchmetrics loop", "torchmetrics, loop over queries", "xmr_lib MAP", 1.0),
        ("MAP against RetrievalMAP", "torchmetrics, RetrievalMAP", "xmr_lib MAP", 1.0),
        ("Hamming MAP against float MAP", "xmr_lib MAP", hamming, 3.0),
    ):
        demands.append(Demand.faster(what, rows[slow][1], rows[fast][1], least, judged=not quick))
    return verdict(demands)


if __name__ == "__main__":
    sys.exit(main())
