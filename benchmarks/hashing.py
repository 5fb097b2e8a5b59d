"""How fast is Hamming search? Ours, FAISS' flat binary index, and the matrix product of released code, one thread.

    python benchmarks/hashing.py            1,000 queries x 1,000,000 codes of 64 bits; two minutes, 2 GB of memory
    python benchmarks/hashing.py --quick    a small size, checks that all results agree; speed is shown, not judged
    python benchmarks/hashing.py --queries 200 --items 300000 --bits 128 --repeats 3

Three tasks: the 100 nearest codes of every query, the whole ranking of every query, MAP over the whole ranking. Packing
codes, making them floats and building the index come before the clock. The contestants take turns.

Released hashing code stores codes as floats, computes 0.5 * (K - B1 @ B2.T) and sorts. Written by us here, in chunks
that fit in memory, with the fastest ways we know to select and to sort: torch's matrix product and topk, and for whole
rankings numpy's stable sort.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from _timing import Demand, interleaved, one_thread, verdict

from xmr_lib.evaluation.tables import text_table
from xmr_lib.metrics import hamming_distance, hamming_map, mean_average_precision, pack_codes
from xmr_lib.search import hamming_ranking, hamming_search

Array = np.ndarray[Any, Any]
K = 100
CHUNK = 2**25  # cells of a float distance matrix at once: 128 MB
PIECE = 2**22  # cells that our ranking holds at once
CLASSES = 20


def make_codes(queries: int, items: int, bits: int) -> tuple[Array, Array]:
    """Random codes in {-1, +1}, int8; every query is a database item with a fifth of its bits turned."""
    rng = np.random.default_rng(0)
    item = np.where(rng.random((items, bits), dtype=np.float32) > 0.5, 1, -1).astype(np.int8)
    turned = np.where(rng.random((queries, bits)) < 0.2, -1, 1).astype(np.int8)
    return item[rng.integers(0, items, queries)] * turned, item


def product_distances(query: Any, item: Any) -> Iterator[Any]:
    """The Hamming distance of released code, float32, some queries at a time: 0.5 * (K - B1 @ B2.T)."""
    step = max(1, CHUNK // len(item))
    for start in range(0, len(query), step):
        yield 0.5 * (query.shape[1] - query[start : start + step] @ item.T)


def product_search(query: Any, item: Any, k: int) -> Array:
    """(q, k) distances of the k nearest; which of the equally distant ones, topk does not say."""
    import torch

    parts = [torch.topk(block, k, dim=1, largest=False)[0] for block in product_distances(query, item)]
    return torch.cat(parts).numpy()


def product_rankings(query: Any, item: Any) -> Iterator[Array]:
    """(n,) the whole ranking of one query after the other, stable."""
    for block in product_distances(query, item):
        yield from (np.argsort(row, kind="stable") for row in block.numpy())


def our_rankings(query: Array, item: Array) -> Iterator[Array]:
    """The same, some queries at a time."""
    step = max(1, PIECE // len(item))
    for start in range(0, len(query), step):
        yield from hamming_ranking(query[start : start + step], item)


def product_map(query: Any, item: Any, relevance: Array) -> float:
    """MAP as released code counts it: sort the distances of a query, then the precision at each relevant item."""
    values = []
    for row, right in zip(product_rankings(query, item), relevance, strict=True):
        ranks = np.flatnonzero(right[row]) + 1
        values.append(np.mean(np.arange(1, len(ranks) + 1) / ranks))
    return float(np.mean(values))


def our_map(query: Array, item: Array, relevance: Array) -> float:
    """MAP by histograms, from packed codes."""
    return hamming_map(hamming_distance(query, item), relevance)


def look_through(rankings: Iterator[Array]) -> Array:
    """(q, k) the first of every ranking; the others are made and forgotten, a thousand would not fit in memory."""
    return np.stack([ranking[:K] for ranking in rankings])


def main(arguments: list[str] | None = None) -> int:
    """Run everything on one thread, print two tables, return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="small size, results checked, speed not judged")
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--bits", type=int, default=64, help="a multiple of 8")
    parser.add_argument(
        "--repeats", type=int, default=5, help="turns of the first task; the others get three times as many"
    )
    chosen = parser.parse_args(arguments)
    judged = not chosen.quick and (chosen.queries, chosen.items, chosen.bits) == (1000, 1_000_000, 64)
    if chosen.quick:
        chosen.queries, chosen.items, chosen.repeats = 60, 100_000, 2
    import faiss
    import torch  # noqa: F401  (imports are not part of the times)

    with one_thread():
        faiss.omp_set_num_threads(1)
        return compare(chosen.queries, chosen.items, chosen.bits, chosen.repeats, judged)


def compare(queries: int, items: int, bits: int, repeats: int, judged: bool) -> int:
    """The three tasks; 1 if a demand is missed, else 0."""
    import faiss
    import torch

    codes = make_codes(queries, items, bits)
    query, item = (pack_codes(side) for side in codes)
    query_floats, item_floats = (torch.from_numpy(side.astype(np.float32)) for side in codes)
    index = faiss.IndexBinaryFlat(bits)
    index.add(item)
    few = max(1, queries // 50)  # whole rankings are long
    some = max(1, items // 10)  # and relevance is a matrix
    labels = [np.random.default_rng(1).integers(0, CLASSES, n) for n in (few * 5, some)]
    relevance = labels[0][:, None] == labels[1][None, :]
    tasks: list[tuple[str, dict[str, Callable[[], Any]]]] = [
        (
            f"{K} nearest, {queries:,} x {items:,}",
            {
                "xmr_lib": lambda: hamming_search(query, item, K).distances,
                "FAISS, flat binary": lambda: index.search(query, K)[0],
                "matrix product": lambda: product_search(query_floats, item_floats, K),
            },
        ),
        (
            f"whole ranking, {few:,} x {items:,}",
            {
                "xmr_lib": lambda: look_through(our_rankings(query[:few], item)),
                "matrix product": lambda: look_through(product_rankings(query_floats[:few], item_floats)),
            },
        ),
        (
            f"MAP over all, {few * 5:,} x {some:,}",
            {
                "xmr_lib": lambda: our_map(query[: few * 5], item[:some], relevance),
                "matrix product": lambda: product_map(query_floats[: few * 5], item_floats[:some], relevance),
            },
        ),
    ]
    results = [{name: run() for name, run in sides.items()} for _, sides in tasks]  # warms the caches up, too
    turns = [repeats, 3 * repeats, 3 * repeats]  # the second and third task are short
    seconds = [interleaved(sides, n) for (_, sides), n in zip(tasks, turns, strict=True)]

    lines = []
    for (task, sides), times in zip(tasks, seconds, strict=True):
        ours = float(np.median(times["xmr_lib"]))
        for name in sides:
            middle = float(np.median(times[name]))
            lines.append([f"{task}: {name}", f"{middle:.3f}", f"{middle / ours:.1f} x"])
    print(
        text_table(
            ["", "CPU s", "time / xmr_lib"], lines, f"{bits} bits, median of {turns[0]} to {turns[1]} turns, one thread"
        )
    )

    nearest, _, maps = results
    pairs = zip(our_rankings(query[:few], item), product_rankings(query_floats[:few], item_floats), strict=True)
    rankings_apart = float(max(np.abs(a - b).max() for a, b in pairs))
    expected = mean_average_precision(-hamming_distance(query[: few * 5], item[:some]).astype(np.float32), relevance)
    demands = [
        Demand.equal("distances equal those of FAISS", apart(nearest, "FAISS, flat binary"), 0),
        Demand.equal("distances equal the matrix product", apart(nearest, "matrix product"), 0),
        Demand.equal("whole rankings equal, ties included", rankings_apart, 0),
        Demand.equal("MAP equals the expected MAP by sorts", abs(maps["xmr_lib"] - expected), 1e-6),
    ]
    for what, times, other, least in (
        ("nearest: against the matrix product", seconds[0], "matrix product", 5.0),
        ("nearest: against FAISS", seconds[0], "FAISS, flat binary", 1.0),
        ("ranking: against the matrix product", seconds[1], "matrix product", 5.0),
        ("MAP: against the matrix product", seconds[2], "matrix product", 5.0),
    ):
        demands.append(Demand.surely_faster(what, times[other], times["xmr_lib"], least, judged))
    return verdict(demands)


def apart(found: dict[str, Array], other: str) -> float:
    """The largest difference of a result from ours."""
    return float(np.abs(found["xmr_lib"].astype(np.int64) - found[other].astype(np.int64)).max())


if __name__ == "__main__":
    sys.exit(main())
