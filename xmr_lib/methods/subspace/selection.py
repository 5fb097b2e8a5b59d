"""Choosing the settings of CCA on validation pairs.

The directions of CCA are nested: a fit with 300 components contains the fits with 1 .. 299, and the weight of the
correlations is applied afterwards. A ridge moves eigenvalues only. So one eigendecomposition per side serves the whole
grid.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xmr_lib.data.base import PairedFeatures
from xmr_lib.errors import InvalidInput
from xmr_lib.methods.subspace.cca import CCA
from xmr_lib.progress import progress


@dataclass(frozen=True)
class Trial:
    """One setting and what it scored on validation."""

    ridge: float
    n_components: int
    correlation_power: float
    score: float

    def method(self) -> CCA:
        """An unfitted CCA with this setting."""
        return CCA(self.n_components, self.ridge, self.correlation_power)


def try_cca(
    train: PairedFeatures,
    validation: PairedFeatures,
    score: Callable[[CCA, PairedFeatures], float],
    *,
    ridges: Sequence[float],
    components: Sequence[int],
    powers: Sequence[float] = (0.0,),
) -> list[Trial]:
    """Fit on ``train``, score on ``validation``, for every setting of the grid; best first.

    Args:
        train, validation: Disjoint pairs. The test split has no place here.
        score: ``score(method, data) -> float``, larger = better.
        ridges, components, powers: The values of ``ridge``, ``n_components`` and ``correlation_power`` to try.

    Raises:
        InvalidInput: One of the three lists is empty.
    """
    if not (len(ridges) and len(components) and len(powers)):
        raise InvalidInput("Give at least one value each for ridges, components and powers, for example ridges=[0.1].")
    trials = []
    for full in progress(CCA(max(components)).fit_path(train, ridges), desc="settings"):
        for n_components in components:
            for power in powers:
                method = full.truncated(n_components, power)
                trials.append(Trial(full.ridge, n_components, power, float(score(method, validation))))
    return sorted(trials, key=lambda trial: -trial.score)
