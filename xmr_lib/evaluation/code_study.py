"""What codes do beside being ranked: do partners agree, do modalities mirror each other, does a code step descend?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from xmr_lib.data.base import PairedFeatures
from xmr_lib.encoders.hashing_splits import HashingSplits
from xmr_lib.errors import InvalidInput, check_positive
from xmr_lib.evaluation.bits import BitsComparison
from xmr_lib.evaluation.hashing import evaluate_hashing
from xmr_lib.evaluation.tables import Table
from xmr_lib.methods.base import Matrix
from xmr_lib.methods.hashing.base import HashingMethod
from xmr_lib.methods.hashing.dchuc import balance_ratio, dchuc_objective, drawn_pairs, label_ridge
from xmr_lib.metrics.hamming import hamming_distance, pack_codes
from xmr_lib.nn.codes import label_similarity, sign_codes
from xmr_lib.published import published


class Centred(HashingMethod):
    """A fitted method with the threshold of every bit moved from 0 to the mean output of the training pairs.

    Args:
        method: Fitted. train: The pairs it was fitted on.
    """

    def __init__(self, method: HashingMethod, train: PairedFeatures) -> None:
        self.method, self.bits = method, method.bits
        self.middle = method.image_outputs(train.image).mean(axis=0), method.text_outputs(train.text).mean(axis=0)

    def image_outputs(self, images: Any) -> Matrix:
        """(n, d_i) image features -> (n, bits), with mean 0 on the training pairs."""
        return self.method.image_outputs(images) - self.middle[0]

    def text_outputs(self, texts: Any) -> Matrix:
        """(m, d_t) text features -> (m, bits), with mean 0 on the training pairs."""
        return self.method.text_outputs(texts) - self.middle[1]


def partner_agreement(method: HashingMethod, pairs: PairedFeatures) -> NDArray[np.float64]:
    """(bits,) share of pairs (row i of both matrices) whose image code and text code agree in each bit."""
    same: NDArray[np.float64] = (method.encode_image(pairs.image) == method.encode_text(pairs.text)).mean(axis=0)
    return same


class Mirror(NamedTuple):
    """Are the codes of one modality the mirror image of the other's?

    Attributes:
        image, text: (bits,) mean of every bit. correlation: Of the two; near -1 is a mirror.
        partners, anyone: Mean Hamming distance of the image and the text of a pair, of any image and any text.
    """

    image: NDArray[np.float64]
    text: NDArray[np.float64]
    correlation: float
    partners: float
    anyone: float


def mirror(method: HashingMethod, pairs: PairedFeatures) -> Mirror:
    """Mean bits of both modalities and what they do to distances; row i of both matrices is one pair."""
    image, text = method.encode_image(pairs.image), method.encode_text(pairs.text)
    means = image.mean(axis=0), text.mean(axis=0)
    between = method.distances(image, text)
    correlation = float(np.corrcoef(*means)[0, 1])
    return Mirror(*means, correlation, float(np.diag(between).mean()), float(between.mean()))


def moved_threshold(table: BitsComparison, name: str, splits: Callable[[int], HashingSplits]) -> Table:
    """MAP and P@H<=2 of a method with its threshold at 0 and at the training mean, mean ± deviation over seeds.

    Args:
        table: With the fitted method. name: Which. splits: As the table was measured with; at least two seeds.
    """
    if len(table.seeds) < 2:
        raise InvalidInput("A deviation needs at least two seeds. Measure the table with more.")
    metrics, rows = ("MAP", "P@H<=2"), []
    for bits in table.bits:
        for where in ("0", "training mean"):
            runs = []
            for seed, method in zip(table.seeds, table.fitted[name, bits], strict=True):
                parts = splits(seed)
                codes = method if where == "0" else Centred(method, parts.train)
                report = evaluate_hashing(codes, parts, metrics=metrics, name=name)
                runs.append([100 * report.value(metric) for metric in metrics])
            mean, deviation = np.mean(runs, axis=0), np.std(runs, axis=0, ddof=1)
            rows.append([f"{bits} bits", where, *(f"{m:.1f} ± {d:.1f}" for m, d in zip(mean, deviation, strict=True))])
    notes = ["Percent, mean of both directions; mean ± standard deviation over the seeds."]
    return Table(["", "threshold", *metrics], rows, f"{name} on {table.data}", notes)


def best_on_validation(options: Sequence[Any], splits: HashingSplits, bits: int) -> Any:
    """The option (unfitted) whose codes of ``bits`` bits have the best MAP, validation items against training items.

    Raises:
        InvalidInput: No options, or the splits have no validation part.
    """
    if not options or splits.validation is None:
        raise InvalidInput("Choosing needs at least one option and a validation part (held_out=True for Wikipedia).")
    held_out = replace(splits, query=splits.validation, database=splits.train)
    found = [evaluate_hashing(option.clone(bits=bits).fit(splits.train), held_out).value("MAP") for option in options]
    return options[int(np.argmax(found))]


def code_descent(
    step: Callable[..., Any],
    method: Any,
    train: PairedFeatures,
    *,
    slip: bool = False,
    sample: int = 500,
    seed: int = 0,
) -> NDArray[np.float64]:
    """J of DCHUC after each of three sweeps over the columns of V, from random codes, networks held.

    Args:
        step: :func:`xmr_lib.methods.hashing.dchuc.dcc_step`, or your own.
        method: A fitted DCHUC, whose outputs are U and G. train: Its training pairs.
        slip: Passed to ``step``. sample: Pairs in Omega. seed: Of Omega and of the first codes.

    Returns:
        (3 bits,) J after each column.
    """
    omega = drawn_pairs(train.n_images, check_positive(sample, "sample"), seed, 0)
    drawn = train.subset(omega.numpy())
    u, g = (
        torch.from_numpy(np.asarray(rows, dtype=np.float64))
        for rows in (method.image_outputs(drawn.image), method.text_outputs(drawn.text))
    )
    labels = torch.from_numpy(np.asarray(train.labels, dtype=np.float64))
    shared = label_similarity(labels[omega], labels)
    target = torch.where(shared > 0, 1.0, -balance_ratio(shared)).double()
    generator = torch.Generator().manual_seed(seed)
    codes = sign_codes(torch.randn(len(labels), u.shape[1], generator=generator, dtype=torch.float64))
    w = label_ridge(u, g, codes, labels, omega)
    found = []
    for k in [*range(u.shape[1])] * 3:
        codes[:, k] = step(k, codes, u, g, w, target, labels, omega, slip=slip)
        found.append(float(dchuc_objective(u, g, codes, w, target, labels, omega)))
    return np.array(found)


def search_cost(n: int, d: int = 512, bits: int = 64, seed: int = 0, repeats: int = 20) -> Table:
    """Bytes per item and milliseconds per query of a full scan: n float vectors of d numbers against n codes."""
    floats = np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)
    codes = pack_codes(floats[:, :bits])
    scans: dict[str, tuple[NDArray[Any], Callable[[], Any]]] = {
        f"{d} floats": (floats, lambda: floats @ floats[0]),
        f"{bits} bits": (codes, lambda: hamming_distance(codes[:1], codes)),
    }
    rows = []
    for name, (stored, scan) in scans.items():
        start = perf_counter()
        for _ in range(repeats):
            scan()
        took = 1000 * (perf_counter() - start) / repeats
        rows.append([name, f"{stored.nbytes // n:,}", f"{took:.2f}"])
    return Table(["", "bytes per item", "ms per query"], rows, f"A scan of {n:,} items")


def published_by_bits(
    systems: Sequence[str], dataset: str, metric: str = "MAP", measured: Mapping[str, Any] | None = None
) -> Table:
    """Published numbers of hashing systems in rows by source, columns by direction and length.

    Args:
        systems: As in ``published.csv``. dataset, metric: As there.
        measured: Name of a system -> our BitsComparison; a row is put below the published ones.
    """
    lengths, directions = (16, 32, 64), ("i2t", "t2i")
    found: dict[str, dict[tuple[str, int], str]] = {}
    for system in systems:
        for row in published(system, dataset):
            where, _, bits = row.split.rpartition(", ")
            if row.metric == metric:
                cells = found.setdefault(f"{system}, {where} ({row.evidence})", {})
                cells[row.direction, int(bits.split()[0])] = f"{100 * row.value:.1f}"
        table = (measured or {}).get(system)
        if table is not None:
            found[f"{system}, measured"] = {
                (d, b): f"{100 * table.values(system, b, metric, d).mean():.1f}" for d in directions for b in table.bits
            }
    columns = [(d, b) for d in directions for b in lengths]
    rows = [[name, *(cells.get(column, "–") for column in columns)] for name, cells in found.items()]
    notes = ["Percent. cited: read in a table of another paper."]
    return Table(["", *(f"{d} {b}" for d, b in columns)], rows, f"{metric} on {dataset}, by number of bits", notes)
