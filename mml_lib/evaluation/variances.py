"""Variances of a procedure's mean metric, and of the difference of two: between trainings, and over test samples.

The values of a procedure's networks, runs (seeds) × folds, vary for two reasons: trainings differ, and networks are
evaluated on a finite sample. The first variance is estimated by a two-way analysis of variance over runs and folds, the
second by the bootstrap over samples (Efron 1979). Networks that are tested on the same samples have correlated errors,
which the variance between networks does not contain. Therefore the part of the bootstrap variance that is not in the
variance between networks is added. The sum is the variance of a joint analysis of runs, folds and samples (Bouthillier
et al. 2021 name these sources for benchmarks).

Degrees of freedom are the harmonic mean of those of the components, weighted by their shares. This is more conservative
than Satterthwaite (1946) with few trainings, and exact for a single component. The mean square between folds, or
between runs, contains the residual mean square; the part of it beyond the residual has the few degrees of freedom of
folds or runs. An interval has at least the share `LEAST` of the width of the interval for these networks only, even if
trainings agree by chance.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mml_lib.evaluation.bootstrap import ROUNDING

CONFIDENCE = 0.95
LEAST = 0.7
"""Least half-width of the interval about a procedure, as a share of that about its networks only."""
FEWEST = 20
"""Least number of resamples on which a metric must be defined for an interval."""


@dataclass(frozen=True)
class Uncertainty:
    """Uncertainty of a mean metric, or of a difference of two.

    Args:
        variance: total variance; NaN if it cannot be estimated.
        freedom: degrees of freedom of the total.
        samples: variance over test samples, for these networks.
        sample_freedom: degrees of freedom of the variance over test samples.
        units: number of samples or groups that were resampled.
        trainings: True if the total includes the variance between trainings.
        bias: mean over resamples less the value.
    """

    variance: float
    freedom: float
    samples: float
    sample_freedom: float
    units: float
    trainings: bool
    bias: float = 0.0

    @property
    def known(self) -> bool:
        """True if there is an interval."""
        return not np.isnan(self.variance) and self.sample_freedom > 0

    def plus(self, variance: float) -> "Uncertainty":
        """Return the uncertainty with an additional variance over samples."""
        return replace(self, variance=self.variance + variance, samples=self.samples + variance)

    def half_width(self) -> float:
        """Return half the width of the 95 % interval, on the scale of the metric."""
        total = quantile(self.freedom) * np.sqrt(self.variance)
        return float(max(total, LEAST * quantile(self.sample_freedom) * np.sqrt(self.samples)))

    def p(self, difference: float) -> float:
        """Return the two-sided p value of a difference, which agrees with its interval."""
        from scipy.special import stdtr

        total = difference / np.sqrt(self.variance)
        floor = difference / (LEAST * np.sqrt(self.samples)) if self.samples else np.inf
        return float(2 * max(stdtr(self.freedom, -abs(total)), stdtr(self.sample_freedom, -abs(floor))))


def quantile(freedom: float) -> float:
    """Return the 97.5 % quantile of Student's t distribution, for its degrees of freedom."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1 + CONFIDENCE) / 2))


@dataclass(frozen=True)
class Cells:
    """One metric of a procedure's networks.

    Args:
        values: values of the metric, runs×folds.
        draws: values on each resample, runs×folds×R.
        sets: number of units and effective number of units of each sample set.
        names: sample set of each network, runs×folds.
        pooled: for pooled predictions, the cells of the single networks, runs×folds.
    """

    values: np.ndarray
    draws: np.ndarray
    sets: dict[str, tuple[int, float]]
    names: np.ndarray
    pooled: "Cells | None" = None

    def deviations(self) -> np.ndarray:
        """Return deviations from the mean over resamples, corrected for a small number of units, runs×folds×R."""
        units = np.vectorize(lambda name: self.sets[name][1])(self.names)[..., None]
        return (self.draws - self.draws.mean(axis=-1, keepdims=True)) * np.sqrt(units / np.maximum(units - 1, 1))


def uncertainty(first: Cells, second: Cells | None = None, trainings: bool = True) -> Uncertainty:
    """Return the uncertainty of the mean over a procedure's networks, or of its difference to a second procedure.

    Args:
        first: networks of the procedure.
        second: networks of another procedure on the same folds.
        trainings: True to include the variance between trainings, if there are several.
    """
    cells = [part for part in (first, second) if part is not None]
    sets = {name: units for part in cells for name, units in part.sets.items()}
    units = sum(number for number, _ in sets.values())
    sample_freedom = sum(effective - 1 for _, effective in sets.values())
    resamples = min(part.draws.shape[-1] for part in cells)
    defined = np.all([~np.isnan(part.draws[..., :resamples]).any(axis=(0, 1)) for part in cells], axis=0)
    parts = _parts([part.values for part in cells]) if trainings else None
    if defined.sum() < FEWEST or min(number for number, _ in sets.values()) < 2:
        return Uncertainty(np.nan, np.nan, np.nan, sample_freedom, units, parts is not None)
    usable = [Cells(part.values, part.draws[..., :resamples][..., defined], part.sets, part.names) for part in cells]
    deviations = [part.deviations() for part in usable]
    mean_deviations = _difference([part.mean(axis=(0, 1)) for part in deviations])
    largest = max(np.abs(part.draws).max() for part in usable)
    biases = [float(part.draws.mean() - part.values.mean()) for part in usable]
    bias = biases[0] - sum(biases[1:])
    samples = float(np.mean(mean_deviations**2)) if np.abs(mean_deviations).max() > ROUNDING * largest else 0.0
    if parts is None:
        pooled = _between_pooled([part.pooled for part in cells]) if trainings else None
        total, freedom = _sum_of_components([pooled] if pooled else [], samples, sample_freedom)
        return Uncertainty(total, freedom, samples, sample_freedom, units, pooled is not None, bias)
    sample_parts = _parts(deviations)  # the variance over samples that the variance between networks contains
    shared = max(0.0, samples - sample_parts.variance()) if sample_parts else samples
    total, freedom = _sum_of_components(parts.components(), shared, sample_freedom)
    return Uncertainty(total, freedom, samples, sample_freedom, units, True, bias)


@dataclass(frozen=True)
class _Part:
    """A mean square, scaled to the variance of the mean over the networks.

    Args:
        variance: variance, or the variances of R resamples.
        freedom: degrees of freedom of the variance.
    """

    variance: np.ndarray
    freedom: np.ndarray | float


@dataclass(frozen=True)
class _Parts:
    """Mean squares between folds, between runs, and of residuals; None if they cannot be estimated."""

    folds: _Part | None
    runs: _Part | None
    residuals: _Part | None

    def variance(self) -> float:
        """Return the variance of the mean that these mean squares estimate."""
        signs = ((self.folds, 1), (self.runs, 1), (self.residuals, -1))
        return float(sum(sign * np.mean(part.variance) for part, sign in signs if part))

    def components(self) -> list[_Part]:
        """Return the components of the variance of the mean, each 0 or more."""
        between = [part for part in (self.folds, self.runs) if part]
        if self.residuals is None:
            return between
        residual = float(self.residuals.variance)
        components = [_Part(np.maximum(part.variance - residual, 0.0), part.freedom) for part in between]
        inverse = [1 / self.residuals.freedom]
        for component, part in zip(components, between, strict=True):
            excess = float(component.variance / part.variance) if component.variance else 0.0
            inverse.append(excess / part.freedom + (1 - excess) / self.residuals.freedom)
        return [*components, _Part(self.residuals.variance, 1 / max(inverse))]


def _parts(procedures: Sequence[np.ndarray]) -> _Parts | None:
    """Return the variance components of one procedure, or of two on the same folds; None for single networks.

    Args:
        procedures: runs×folds, or runs×folds×R.
    """
    folds = procedures[0].shape[1]
    repeated = any(len(values) > 1 for values in procedures)
    if folds == 1 and not repeated:
        return None
    between_folds = between_runs = residuals = None
    if folds > 1:
        fold_means = _difference([values.mean(axis=0) for values in procedures])
        between_folds = _Part(fold_means.var(axis=0, ddof=1) / folds, folds - 1)
    if repeated:
        squares = [_square(values.mean(axis=1), len(values) - 1) for values in procedures]
        between_runs = _sum(squares, [1 / len(values) for values in procedures])
    if repeated and folds > 1:
        squares = [_square(_residuals(values), (len(values) - 1) * (folds - 1)) for values in procedures]
        residuals = _sum(squares, [1 / (len(values) * folds) for values in procedures])
    return _Parts(between_folds, between_runs, residuals)


def _between_pooled(procedures: Sequence[Cells | None]) -> _Part | None:
    """Return the variance between trainings of one run's pooled networks, or of the difference of two such runs.

    Each network is evaluated on its own samples. The variance over these is subtracted from the variance between
    networks, because the variance over all samples includes it. None if networks are not pooled over the same folds.
    """
    pooled = [cells for cells in procedures if cells is not None and len(cells.values) == 1]
    if len(pooled) < len(procedures) or len({cells.values.shape for cells in pooled}) > 1:
        return None
    values = _difference([cells.values[0] for cells in pooled])
    finite = ~np.isnan(values)
    folds = int(finite.sum())
    if folds < 2:
        return None
    resamples = min(cells.draws.shape[-1] for cells in pooled)
    deviations = _difference([cells.deviations()[0, finite, :resamples] for cells in pooled])
    defined = ~np.isnan(deviations).any(axis=0)
    sample_variance = deviations[:, defined].var(axis=0, ddof=1).mean() if defined.sum() >= FEWEST else 0.0
    return _Part(np.array(max(float(values[finite].var(ddof=1) - sample_variance), 0.0) / folds), folds - 1)


def _difference(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Return the first of one or two parts, less the second."""
    return parts[0] - parts[1] if len(parts) > 1 else parts[0]


def _residuals(values: np.ndarray) -> np.ndarray:
    """Return the residuals of an additive model of run and fold, networks(×R)."""
    residuals = values - values.mean(axis=0, keepdims=True) - values.mean(axis=1, keepdims=True)
    return (residuals + values.mean(axis=(0, 1), keepdims=True)).reshape(-1, *values.shape[2:])


def _square(values: np.ndarray, freedom: int) -> _Part:
    """Return a mean square over the first axis."""
    return _Part(((values - values.mean(axis=0)) ** 2).sum(axis=0) / max(freedom, 1), freedom)


def _sum(squares: Sequence[_Part], weights: Sequence[float]) -> _Part:
    """Return the weighted sum of independent mean squares; one without degrees of freedom is replaced by the other."""
    spreads = [square for square in squares if square.freedom]
    if len(spreads) < len(squares):
        return _Part(spreads[0].variance * sum(weights), spreads[0].freedom)
    parts = [square.variance * weight for square, weight in zip(squares, weights, strict=True)]
    total = np.sum(parts, axis=0)
    spread = sum(part**2 / square.freedom for part, square in zip(parts, squares, strict=True))
    most = np.full(np.shape(total), float(sum(square.freedom for square in squares)))
    return _Part(total, np.divide(total**2, spread, out=most, where=spread > 0))  # Welch (1947)


def _sum_of_components(components: Sequence[_Part], samples: float, sample_freedom: float) -> tuple[float, float]:
    """Return the sum of variances and its degrees of freedom."""
    variances = [*(float(part.variance) for part in components), samples]
    total = sum(variances)
    freedoms = [*(float(part.freedom) for part in components), sample_freedom]
    if not total:
        return 0.0, sample_freedom
    return total, total / sum(variance / freedom for variance, freedom in zip(variances, freedoms, strict=True))
