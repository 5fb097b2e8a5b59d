"""How fast is CCA? Side by side with other implementations, one thread, one run, on the same matrices.

    python benchmarks/cca.py            5,000 pairs x (1280, 384) features, 64 directions; about one minute
    python benchmarks/cca.py --full     the same, scikit-learn with all 64 directions too; about six minutes
    python benchmarks/cca.py --quick    a small size, checks that the results agree; speed is shown, not judged

scikit-learn finds one direction after the other (NIPALS), so the time of its first 8 directions is a lower bound for
all 64: passing against 8 is the harder demand. Times are CPU seconds of ``fit`` (for the peers also of the projection
that shows their correlations). The demands: at least 20 times faster than scikit-learn, and without a ridge the
correlations of Bjoerck and Golub (1973), the singular values of Q_x' Q_y for X = Q_x R_x and Y = Q_y R_y, to 1e-6. How
near the peers come is shown, not judged.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
from _timing import Demand, one_thread, timed, verdict
from sklearn.cross_decomposition import CCA as ScikitLearnCCA

from xmr_lib.data import PairedFeatures
from xmr_lib.evaluation.tables import text_table
from xmr_lib.methods.subspace import CCA

Array = np.ndarray[Any, Any]
SEED = 0
TOLERANCE = 1e-6


def make_task(n: int, d_x: int, d_y: int, directions: int) -> tuple[Array, Array]:
    """Two views with known canonical correlations: 0.99 falling to 0.8 in ``directions`` directions, 0 in all others.

    Each view is rotated at random, so that no single feature shows a shared direction.
    """
    rng = np.random.default_rng(SEED)
    x, y = rng.normal(size=(n, d_x)), rng.normal(size=(n, d_y))
    rho = np.linspace(0.99, 0.8, directions)
    y[:, :directions] = rho * x[:, :directions] + np.sqrt(1 - rho**2) * y[:, :directions]
    x, y = (view @ np.linalg.qr(rng.normal(size=(view.shape[1],) * 2))[0] for view in (x, y))
    return x - x.mean(axis=0), y - y.mean(axis=0)


def reference(x: Array, y: Array, k: int) -> Array:
    """Bjoerck and Golub: no covariance, no inverse; the most accurate way."""
    return np.linalg.svd(np.linalg.qr(x)[0].T @ np.linalg.qr(y)[0], compute_uv=False)[:k]


def ours(x: Array, y: Array, k: int) -> Array:
    """The class of lesson 02, without a ridge."""
    return CCA(k, ridge=0.0).fit(PairedFeatures(x, y)).correlations_


def scikit_learn(x: Array, y: Array, k: int) -> Array:
    """scikit-learn with its default settings; correlations of its scores."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some directions reach the default 500 iterations
        model = ScikitLearnCCA(k).fit(x, y)
    return correlations_of(*model.transform(x, y))


def cca_zoo(x: Array, y: Array, k: int) -> Array:
    """cca_zoo's ridge CCA with ridge 0; correlations of its scores."""
    from cca_zoo.linear import CCA as ZooCCA

    return correlations_of(*ZooCCA(k).fit([x, y]).transform([x, y]))


def correlations_of(a: Array, b: Array) -> Array:
    """Correlation of column i of ``a`` with column i of ``b``, largest first."""
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    rho = np.abs((a * b).sum(axis=0)) / np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0))
    return np.sort(rho)[::-1]


def main(arguments: list[str] | None = None) -> int:
    """Run all rows on one thread, print two tables, return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="small size, results checked, speed not judged")
    parser.add_argument("--full", action="store_true", help="all 64 directions for scikit-learn too (minutes)")
    options = parser.parse_args(arguments)
    if find_spec("cca_zoo"):
        import cca_zoo.linear  # noqa: F401  (imports are not part of the times)
    with one_thread():
        return compare(options.quick, options.full)


def compare(quick: bool, full: bool) -> int:
    """All rows side by side; 1 if a demand is missed, else 0."""
    n, d_x, d_y, k = (500, 40, 30, 4) if quick else (5000, 1280, 384, 64)
    k_peer = k if quick or full else 8
    x, y = make_task(n, d_x, d_y, k)
    peer, zoo = f"scikit-learn, {k_peer} of {k} directions", f"cca_zoo, {k} directions"
    mine, exact = f"xmr_lib, {k} directions", "QR and SVD (reference)"
    plan: list[tuple[str, Callable[[], Array], int]] = [
        (mine, lambda: ours(x, y, k), 3),
        (exact, lambda: reference(x, y, k), 1),
        (peer, lambda: scikit_learn(x, y, k_peer), 1),
    ]
    if find_spec("cca_zoo"):
        plan.append((zoo, lambda: cca_zoo(x, y, k), 3))
    rows = {name: timed(name, function, repeats) for name, function, repeats in plan}

    right, our_time = rows[exact][0], rows[mine][1]
    apart = {name: float(np.abs(rho - right[: len(rho)]).max()) for name, (rho, _) in rows.items()}
    lines = [
        [name, f"{rho[0]:.6f}", f"{apart[name]:.1e}", f"{seconds:.3f}", f"{seconds / our_time:.1f} x"]
        for name, (rho, seconds) in rows.items()
    ]
    title = f"{n:,} pairs x ({d_x}, {d_y}), ridge 0, seed {SEED}, one thread"
    print(text_table(["", "largest rho", "max error of rho", "CPU s", "time / xmr_lib"], lines, title))
    return verdict(
        [
            Demand.equal("correlations equal the reference", apart[mine], TOLERANCE),
            Demand.faster(f"against {peer}", rows[peer][1], our_time, 20.0, judged=not quick),
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
