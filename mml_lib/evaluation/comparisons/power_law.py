"""Power laws of learning curves: metric = a + b·n^-c over the number n of training samples, and their extrapolation.

Viering and Loog (The shape of learning curves: a review, IEEE TPAMI 45, 2023) review such laws: a power law with an
offset fits many learning curves, and no law fits all. The uncertainty is estimated by the bootstrap over the
repetitions of each size (subsets, or seeds), over folds and over test samples. It is increased if points are further
from the law than these explain. It does not account for a different form of the curve beyond the observed sizes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from mml_lib.config.metric_options import lower_is_better, name_per_sample
from mml_lib.evaluation.comparisons.curve_table import Level, levels_of
from mml_lib.evaluation.comparisons.tested import TestedNetwork, by_procedure, metrics_of
from mml_lib.evaluation.procedures import Networks, shared_folds
from mml_lib.evaluation.variances import quantile
from mml_lib.metrics import properties_of

PARAMETERS = 3
SIZES = PARAMETERS + 1
"""Least number of sizes for a fit."""
FLATTEST, STEEPEST = 0.01, 3.0
"""Least and largest exponent c."""
FACTORS = (2, 4)
"""Multiples of the largest size for extrapolations."""
RESAMPLES = 1000
NO_INTERVAL = "no interval: single trainings, or trainings with equal values, give no information about others"
COLUMNS = [
    *("curve", "procedure", "metric", "sizes", "a", "a_low", "a_high", "b", "b_low", "b_high", "c", "c_low", "c_high"),
    *("residual", "factor", "samples", "mean", "ci_low", "ci_high", "reason"),
]


@dataclass(frozen=True)
class PowerLaw:
    """A law and its resamples.

    Args:
        largest: largest size, by which sizes are divided.
        law: limit a, difference to it at the largest size (negative if the metric increases), and exponent c.
        draws: the same numbers for each resample, R×3; no rows if the variance cannot be estimated.
        residual: root mean squared distance of the points from the law.
    """

    largest: float
    law: np.ndarray
    draws: np.ndarray
    residual: float

    def at(self, sizes: np.ndarray | float) -> np.ndarray:
        """Return the metric of the law at N sizes."""
        return _law(np.asarray(sizes, float) / self.largest, *self.law)

    def interval(self, sizes: np.ndarray) -> np.ndarray:
        """Return the ends of the 95 % interval at N sizes, 2×N; NaN without resamples."""
        if not len(self.draws):
            return np.full((2, len(sizes)), np.nan)
        scaled = np.asarray(sizes, float) / self.largest
        drawn = _law(scaled[None], *(column[:, None] for column in self.draws.T))
        return np.percentile(drawn, (2.5, 97.5), axis=0)

    @cached_property
    def parameters(self) -> pd.DataFrame:
        """Parameters a, b and c with their 95 % intervals: columns `value low high`."""
        laws = np.concatenate([self.law[None], self.draws])
        laws[:, 1] *= self.largest ** laws[:, 2]
        ends = np.percentile(laws[1:], (2.5, 97.5), axis=0) if len(laws) > 1 else np.full((2, 3), np.nan)
        return pd.DataFrame({"value": laws[0], "low": ends[0], "high": ends[1]}, index=["a", "b", "c"])


def _law(scaled: np.ndarray, limit: np.ndarray, scale: np.ndarray, exponent: np.ndarray) -> np.ndarray:
    return limit + scale * scaled**-exponent


def _slopes(scaled: np.ndarray, limit: float, scale: float, exponent: float) -> np.ndarray:
    power = scaled**-exponent
    return np.stack([np.ones_like(scaled), power, -scale * power * np.log(scaled)], axis=1)


def fit_law(scaled: np.ndarray, values: np.ndarray, metric: str) -> np.ndarray:
    """Return the least-squares law: limit, difference to it at size 1, and exponent.

    The limit is within the bounds of the metric, the metric does not become worse with more samples, and the exponent
    is between `FLATTEST` and `STEEPEST`.

    Args:
        scaled: sizes as shares of the largest, N.
        values: values of the metric, N.
        metric: name of the metric.

    Raises:
        RuntimeError: the fit does not converge.
    """
    from scipy.optimize import curve_fit  # takes half a second to import

    low, high = _bounds(metric)
    lower, upper = [low, *_signs(metric)[:1], FLATTEST], [high, *_signs(metric)[1:], STEEPEST]
    start = np.clip(_laws(scaled, values[None], metric)[0], np.nextafter(lower, np.inf), np.nextafter(upper, -np.inf))
    law, _ = curve_fit(_law, scaled, values, start, bounds=(lower, upper), jac=_slopes, max_nfev=5000)
    return law


def _signs(metric: str) -> tuple[float, float]:
    """Return the bounds of the difference to the limit, so that metrics do not become worse with more samples."""
    return (0.0, np.inf) if lower_is_better(name_per_sample(metric)) else (-np.inf, 0.0)


def _laws(scaled: np.ndarray, values: np.ndarray, metric: str) -> np.ndarray:
    """Return the least-squares laws of many curves at once, R×3, by a grid of exponents; other parameters are linear.

    Args:
        scaled: sizes as shares of the largest, N.
        values: values of the metric, R×N.
        metric: name of the metric.
    """
    exponents = np.geomspace(FLATTEST, STEEPEST, 150)
    powers = scaled ** -exponents[:, None]  # exponents×N
    low, high = _bounds(metric)
    means, mean_powers = values.mean(axis=1)[:, None], powers.mean(axis=1)[None]
    centred = powers - powers.mean(axis=1, keepdims=True)
    scale = np.clip((values @ centred.T) / (centred**2).sum(axis=1), *_signs(metric))  # R×exponents
    limit = means - scale * mean_powers
    outside = (limit < low) | (limit > high)
    limit = np.clip(limit, low, high)
    clipped_scale = ((values @ powers.T) - limit * powers.sum(axis=1)) / (powers**2).sum(axis=1)
    scale = np.where(outside, np.clip(clipped_scale, *_signs(metric)), scale)
    errors = ((limit[..., None] + scale[..., None] * powers - values[:, None]) ** 2).sum(axis=-1)
    best = (np.arange(len(values)), errors.argmin(axis=1))
    return np.stack([limit[best], scale[best], exponents[best[1]]], axis=1)


def _bounds(metric: str) -> tuple[float, float]:
    """Return the bounds of the limit of a metric."""
    properties = properties_of(name_per_sample(metric))
    if properties is None:
        return -np.inf, np.inf
    if properties.bounds:
        return properties.bounds
    least, most = {"error": (0.0, np.inf), "explained": (-np.inf, 1.0)}.get(properties.scale, (-np.inf, np.inf))
    return least, most


@dataclass(frozen=True)
class Repeats:
    """Values of a metric at one size.

    Args:
        values: values of the metric, units (subsets, or runs) × folds.
        draws: mean over the networks on each resample of the test samples, R.
    """

    values: np.ndarray
    draws: np.ndarray

    @classmethod
    def of(cls, networks: Networks, metric: str) -> "Repeats | None":
        """Return the repeats of a size; None if the metric is undefined for any network."""
        folds = shared_folds(networks.values())
        cells = [[unit[fold] for fold in folds] for unit in networks.values()]
        values = np.array([[cell.value(metric) for cell in row] for row in cells])
        if not values.size or np.isnan(values).any():
            return None
        resamples = min(cell.draws.shape[1] for row in cells for cell in row)
        draws = [cell.draws[cell.place(metric), :resamples] for row in cells for cell in row]
        return cls(values, np.mean(draws, axis=0))

    @property
    def mean(self) -> float:
        return float(self.values.mean())

    @property
    def unit_deviations(self) -> np.ndarray:
        """Deviations of units from their mean, corrected for their small number."""
        return _deviations(self.values.mean(axis=1))

    @property
    def fold_deviations(self) -> np.ndarray:
        """Deviations of folds from their mean, corrected for their small number."""
        return _deviations(self.values.mean(axis=0))


def _deviations(means: np.ndarray) -> np.ndarray:
    return (means - means.mean()) * np.sqrt(len(means) / max(len(means) - 1, 1))


def fit(levels: Sequence[Level], metric: str, seed: int = 0) -> PowerLaw | str:
    """Return the power law of a procedure's learning curve, or the reason why there is none.

    Args:
        levels: levels of the curve, with numbers of training samples as places.
        metric: name of the metric.
        seed: seed of the bootstrap.
    """
    repeats = {level.x: runs for level in levels if (runs := Repeats.of(level.units(), metric))}
    if len(repeats) < SIZES:
        return f"no power law: {len(repeats)} sizes define the metric, and {SIZES} or more are needed"
    return law_of(np.array(list(repeats)), list(repeats.values()), metric, seed)


def law_of(sizes: np.ndarray, points: Sequence[Repeats], metric: str, seed: int = 0) -> PowerLaw | str:
    """Return the power law of points, or the reason why there is none.

    Args:
        sizes: numbers of training samples, N.
        points: values of the metric at each size, N.
        metric: name of the metric.
        seed: seed of the bootstrap.
    """
    scaled, values = sizes / sizes.max(), np.array([point.mean for point in points])
    try:
        law = fit_law(scaled, values, metric)
    except RuntimeError:
        return "no power law: no fit converges"
    distances = _law(scaled, *law) - values
    rng = np.random.default_rng(seed)
    deviations = _drawn(points, rng)
    deviations += _misfit(distances, deviations) * rng.normal(size=deviations.shape)
    spread = np.abs(deviations).max(initial=0.0)
    draws = _laws(scaled, values + deviations, metric) if spread > 1e-6 else np.empty((0, PARAMETERS))
    residual = float(np.sqrt(np.mean(distances**2)))
    return PowerLaw(float(sizes.max()), law, draws, residual)


def _drawn(points: Sequence[Repeats], rng: np.random.Generator) -> np.ndarray:
    """Return the deviations of the mean of each size in resamples, R×sizes; no rows if each size has a single training.

    Units are drawn for each size. Folds and test samples are drawn jointly for all sizes, which share them. The
    deviation of a single unit is drawn from those of the other sizes. Deviations are multiplied by the ratio of
    Student's quantile to the normal one, for the degrees of freedom of all sizes together.
    """
    units = [len(point.values) for point in points]
    folds = min(point.values.shape[1] for point in points)
    freedom = sum(number - 1 for number in units) + len(points) * (folds - 1) * (max(units) == 1)
    if not freedom:
        return np.empty((0, len(points)))
    all_units = np.concatenate([point.unit_deviations for point in points if len(point.values) > 1] or [np.zeros(1)])
    drawn_folds = rng.integers(folds, size=(RESAMPLES, folds))
    columns = []
    for point, number in zip(points, units, strict=True):
        pool = point.unit_deviations if number > 1 else all_units
        deviation = rng.choice(pool, (RESAMPLES, number)).mean(axis=1)
        if folds > 1 and point.values.shape[1] == folds:
            deviation = deviation + point.fold_deviations[drawn_folds].mean(axis=1)
        columns.append(deviation * quantile(freedom) / quantile(np.inf))
    deviations = np.stack(columns, axis=1)
    resamples = min(len(point.draws) for point in points)
    if resamples:
        rows = np.arange(RESAMPLES) % resamples
        deviations += np.stack([point.draws[rows] - np.nanmean(point.draws) for point in points], axis=1)
    return deviations[~np.isnan(deviations).any(axis=1)]


def _misfit(distances: np.ndarray, deviations: np.ndarray) -> float:
    """Return the standard deviation of points from a law that their repeats do not explain.

    Args:
        distances: distances of the points from the law, N.
        deviations: deviations of their resamples, R×N.
    """
    if not len(deviations):
        return 0.0
    variance_of_repeats = float((deviations**2).mean())
    return float(np.sqrt(max(0.0, (distances**2).sum() / (len(distances) - PARAMETERS) - variance_of_repeats)))


def fit_table(
    name: str, networks: Sequence[TestedNetwork], laws: dict[tuple[str, str], PowerLaw | str]
) -> pd.DataFrame:
    """Return the parameters of laws, and their extrapolations.

    Args:
        name: name of the curve.
        networks: networks of all tasks of the curve.
        laws: laws by procedure and metric.

    Returns:
        A row for each procedure, metric and multiple of the samples: `curve procedure metric sizes a a_low a_high b
        b_low b_high c c_low c_high residual factor samples mean ci_low ci_high reason`: `samples` is `factor` times the
        largest size. `reason` explains a missing law or interval.
    """
    rows = []
    sizes = {procedure: len(levels_of(members, True)) for procedure, members in by_procedure(networks).items()}
    for (procedure, metric), law in laws.items():
        labels = {"curve": name, "procedure": procedure, "metric": metric, "sizes": sizes[procedure]}
        if isinstance(law, str):
            rows.append({**labels, "reason": law})
            continue
        for key, (value, low, high) in zip("abc", law.parameters.to_numpy(), strict=True):
            labels |= {key: value, f"{key}_low": low, f"{key}_high": high}
        reason = "" if len(law.draws) else NO_INTERVAL
        for factor in FACTORS:
            samples = factor * law.largest
            (low,), (high,) = law.interval(np.array([samples]))
            point = {"factor": factor, "samples": samples, "mean": law.at(samples), "ci_low": low, "ci_high": high}
            rows.append({**labels, **point, "residual": law.residual, "reason": reason})
    return pd.DataFrame(rows, columns=COLUMNS)


def fit_all(networks: Sequence[TestedNetwork]) -> dict[tuple[str, str], PowerLaw | str]:
    """Return the law of each procedure and metric, or the reason why there is none."""
    return {
        (procedure, metric): fit(levels_of(members, True), metric)
        for procedure, members in by_procedure(networks).items()
        for metric in metrics_of(members)
    }


def sentences(laws: Mapping[tuple[str, str], PowerLaw | str]) -> list[str]:
    """Return the reasons for missing laws, and the extrapolations for the first metric."""
    lines = list(dict.fromkeys(law for law in laws.values() if isinstance(law, str)))
    metric = next((metric for _, metric in laws), "")
    for (procedure, law_metric), law in laws.items():
        if law_metric == metric and isinstance(law, PowerLaw):
            prefix = f"{procedure}: " if procedure else ""
            lines += [
                f"{prefix}{metric} with {factor} times the samples: {_extrapolated(law, factor)}" for factor in FACTORS
            ]
    return lines


def _extrapolated(law: PowerLaw, factor: int) -> str:
    sizes = np.array([factor * law.largest])
    (low,), (high,) = law.interval(sizes)
    interval = "no interval" if np.isnan(low) else f"{low:.4f} … {high:.4f}"
    return f"{law.at(sizes)[0]:.4f} ({interval}), if the power law holds"
