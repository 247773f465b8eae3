"""Comparison of runs: paired bootstrap differences on the same samples, corrected t-tests over folds.

Both are paired: runs are compared on the same samples, found by their ids, and on the same folds. The bootstrap (Efron
1979) asks whether other test samples might turn the order of two runs, given these trained networks. The corrected
resampled t-test (Nadeau and Bengio 2003) asks whether other trainings might. Many comparisons are corrected by the
procedure of Holm (1979).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from mml_lib.config.metrics import NAMED
from mml_lib.errors import MMLError, nearest
from mml_lib.postprocessing.bootstrap import CONFIDENCE, WEIGHTED, has_spread, percentiles, resampled
from mml_lib.postprocessing.evaluation import _confusions as image_counts
from mml_lib.postprocessing.predictions import MaskPredictions, Predictions
from mml_lib.postprocessing.scores import mean_of_known, score_arguments

ALPHA = 1 - CONFIDENCE
RESAMPLES = 1000

AnyPredictions = Predictions | MaskPredictions
Runs = Mapping[str, Mapping[int, AnyPredictions]]
"""Predictions by run and fold; an ensemble is a run of one fold."""


@dataclass(frozen=True)
class Resamples:
    """What runs are worth on the same samples, and on the same resamples of them.

    Args:
        metrics: names, M.
        folds: the folds of each run, F.
        values: of each run, M×F.
        draws: the mean over the folds of each run, M×R, on each of R resamples; NaN where a resample defines none.
        samples: that are resampled together; of one alone nothing can be told.
    """

    metrics: Sequence[str]
    folds: Mapping[str, Sequence[int]]
    values: Mapping[str, np.ndarray]
    draws: Mapping[str, np.ndarray]
    samples: int

    def means(self, run: str) -> np.ndarray:
        """Return the mean of each metric over the folds whose samples define it, M."""
        return mean_of_known(self.values[run])

    def interval(self, run: str) -> np.ndarray:
        """Return the ends of the 95 % percentile interval of each mean, M×2; NaN where resamples have no spread."""
        return np.array([percentiles(draws) for draws in self.draws[run]])

    def difference(self, run: str, other: str) -> np.ndarray:
        """Return by how much a run exceeds another: difference, ends of its 95 % interval, p; M×4.

        The value p is two-sided: twice the share of resamples in which the sign is turned or the difference is 0, the
        sample itself counted as one (Davison and Hinkley 1997, 4.2.1), at most 1. Where resamples show no spread,
        interval and p are NaN, but for runs that are alike: the interval is 0, and p is 1.
        """
        found = less(self.means(run), self.means(other))
        rows = []
        for value, draws in zip(found, less(self.draws[run], self.draws[other]), strict=True):
            known = draws[~np.isnan(draws)]
            if np.isnan(value) or not len(known) or self.samples < 2:
                rows.append([value, np.nan, np.nan, np.nan])
            elif has_spread(known):
                beyond = min((known <= 0).sum(), (known >= 0).sum())
                rows.append([value, *percentiles(known), min(1.0, 2 * (1 + beyond) / (1 + len(known)))])
            else:
                rows.append([value, *((np.nan,) * 3 if known.any() else (0.0, 0.0, 1.0))])
        return np.array(rows)


def less(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return first less second, 0 where they differ by rounding only: the same folds added up in another order."""
    gap = first - second
    return np.where(np.abs(gap) <= 1e-12 * (np.abs(first) + np.abs(second)), 0, gap)


def resample_runs(
    runs: Runs, metrics: Sequence[str], resamples: int = RESAMPLES, seed: int = 0, pairs: bool = False
) -> Resamples:
    """Return what each run is worth on the same resamples of the test samples.

    Where all folds were tested on one split, all networks of all runs see the same resample of it. Where each fold has
    samples of its own, as in nested validation, these are resampled for each fold, in all runs alike.

    Args:
        runs: predictions by run and fold.
        metrics: names of metrics of their type.
        resamples: how many, at least. The least p is 2 / (resamples + 1), so where there are many comparisons more are
            drawn: as many as Holm's correction needs to find anything.
        seed: of the draws.
        pairs: whether all pairs are to be compared, not all with one.

    Raises:
        MMLError: runs differ in task type, classes, samples or targets; logits are not finite; samples without labels.
    """
    comparisons = len(runs) * (len(runs) - 1) // 2 if pairs else len(runs) - 1
    resamples = max(resamples, _needed(comparisons))
    if not runs:
        raise MMLError("there are no predictions to compare; name at least one run")
    aligned = align(runs)
    kind = next(iter(next(iter(aligned.values())).values())).task_type
    unknown = [name for name in metrics if name not in NAMED[kind]]
    if unknown:
        raise MMLError(f"runs of a {kind} cannot be compared by '{unknown[0]}'{nearest(unknown[0], NAMED[kind])}")
    values, draws = {}, {}
    for run, folds in aligned.items():
        each = [values_of(kind, metrics, fold.arguments) for fold in folds.values()]
        values[run] = np.array([[found[name] for found in each] for name in metrics])
        drawn = [resampled(kind, metrics, fold.arguments, resamples, seed + fold.sample_set) for fold in folds.values()]
        draws[run] = np.array([mean_of_known(np.stack([found[name] for found in drawn], axis=-1)) for name in metrics])
    samples = max(len(fold.ids) for folds in aligned.values() for fold in folds.values())
    return Resamples(list(metrics), {run: list(folds) for run, folds in aligned.items()}, values, draws, samples)


def _needed(comparisons: int) -> int:
    """Return how many resamples let the least p of so many comparisons stay below 0.05 when it is corrected."""
    return round(2 * comparisons / ALPHA)


def values_of(kind: str, metrics: Sequence[str], arguments: Sequence[np.ndarray]) -> dict[str, float]:
    """Return the value of each metric, of what `mml_lib.postprocessing.bootstrap.resampled` takes."""
    once = np.ones((len(arguments[0]), 1), np.uint8)
    found = {}
    for provided, build in WEIGHTED[kind].items():
        if set(provided) & set(metrics):
            found |= build(*arguments)(once)
    return {name: float(found[name][0]) for name in metrics}


# --- the same samples ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Aligned:
    """The predictions of one fold, samples in the order of the first run.

    Args:
        arguments: what `mml_lib.postprocessing.bootstrap.resampled` takes, N samples each.
        ids: of samples, N.
        task_type: what was learned.
        sample_set: number of the samples it was tested on; folds of one test split share it.
    """

    arguments: tuple[np.ndarray, ...]
    ids: np.ndarray
    task_type: str
    sample_set: int

    @property
    def outputs(self) -> int:
        return int(np.prod(self.arguments[0].shape[1:]))


_Sets = dict[tuple[str, ...], Aligned]
"""The first predictions of each set of samples, by sorted ids."""


def align(runs: Runs) -> dict[str, dict[int, Aligned]]:
    """Return predictions by run and fold, those of the same samples in the same order.

    Raises:
        MMLError: see `resample_runs`.
    """
    sets: _Sets = {}
    aligned: dict[str, dict[int, Aligned]] = {}
    for run, folds in runs.items():
        if not folds:
            raise MMLError(f"run '{run}' has no predictions to compare")
        first = next(iter(runs))
        aligned[run] = {
            fold: _beside(predictions, f"run '{run}', fold {fold}", first, sets, grows=run == first)
            for fold, predictions in folds.items()
        }
        tested = {each.sample_set for each in aligned[run].values()}
        missing = [fold for fold, each in aligned[first].items() if each.sample_set not in tested]
        if missing:
            raise MMLError(
                f"run '{run}' was not tested on the samples of fold {missing[0]} of run '{first}'; compare runs that "
                "were tested on the same folds"
            )
    return aligned


def _beside(predictions: AnyPredictions, where: str, first: str, sets: _Sets, grows: bool) -> Aligned:
    """Return predictions in the order of the first ones of the same samples; these become such where a set `grows`."""
    arguments, ids = arguments_of(predictions, where), np.asarray(predictions.ids)
    order = np.argsort(ids, kind="stable")
    key = tuple(ids[order].tolist())
    known = next(iter(sets.values()), None)
    found = Aligned(arguments, ids, predictions.task_type, len(sets))
    if known and found.task_type != known.task_type:
        raise MMLError(
            f"{where} is a {found.task_type} and run '{first}' a {known.task_type}; compare runs of one type only"
        )
    if known and found.outputs != known.outputs:
        raise MMLError(
            f"{where} has {found.outputs} classes and run '{first}' has {known.outputs}; compare runs of tasks with "
            "the same classes"
        )
    if key not in sets and not grows:
        raise _other_samples(where, first, key, sets)
    beside = sets.setdefault(key, found)
    rows = np.empty_like(order)
    rows[np.argsort(beside.ids, kind="stable")] = order
    arguments = tuple(each[rows] for each in arguments)
    if not np.array_equal(arguments[1], beside.arguments[1]):
        raise MMLError(
            f"{where} and run '{first}' have other targets for the same samples; predict both anew on the task as it "
            "is now, or compare runs of one task only"
        )
    return Aligned(arguments, beside.ids, beside.task_type, beside.sample_set)


def _other_samples(where: str, first: str, key: tuple[str, ...], sets: _Sets) -> MMLError:
    nearest_one = max(sets, key=lambda other: len(set(other) & set(key)))
    lacking, added = sorted(set(nearest_one) - set(key)), sorted(set(key) - set(nearest_one))
    told = f"'{lacking[0]}' is missing" if lacking else f"'{added[0]}' is there in excess"
    return MMLError(
        f"{where} was tested on {len(key)} samples, which are not those of run '{first}' ({told}); compare runs that "
        "were tested on the same split of the same task"
    )


def arguments_of(predictions: AnyPredictions, where: str) -> tuple[np.ndarray, ...]:
    """Return what `mml_lib.postprocessing.bootstrap.resampled` takes.

    Args:
        predictions: of labelled samples.
        where: what a message is to call them.

    Raises:
        MMLError: no samples, samples without labels, or outputs that are not finite.
    """
    if not len(predictions.ids):
        raise MMLError(f"{where} has no samples to evaluate")
    if isinstance(predictions, MaskPredictions):
        return image_counts(predictions)[1]
    wrong = ~np.isfinite(predictions.logits).all(axis=1)
    if wrong.any():
        raise MMLError(
            f"{where} has outputs that are not finite, the first of sample '{predictions.ids[wrong.argmax()]}'; leave "
            "it out, or train it anew with a lower learning rate"
        )
    targets = predictions.targets.reshape(len(predictions.ids), -1)
    unlabelled = (
        (targets < 0).any(axis=1) if predictions.task_type == "classification" else np.isnan(targets).any(axis=1)
    )
    if unlabelled.any():
        raise MMLError(
            f"{where} has samples without labels, the first is '{predictions.ids[unlabelled.argmax()]}'; evaluate a "
            "split that is labelled"
        )
    return score_arguments(predictions.task_type, predictions.logits, predictions.targets)


# --- tests --------------------------------------------------------------------------------------------------------


def compare(resamples: Resamples, to: str | None = None) -> pd.DataFrame:
    """Return the paired bootstrap difference of each pair of runs, or of each run to one of them.

    Returns:
        `metric run other difference ci_low ci_high p p_holm`: run less other; p is corrected over the rows of a metric,
        and NaN where the metric is undefined for either.

    Raises:
        MMLError: there is no run `to`; the resamples are too few for so many comparisons.
    """
    columns = ["metric", "run", "other", "difference", "ci_low", "ci_high", "p"]
    pairs = list(_pairs(list(resamples.folds), to))
    drawn = next(iter(resamples.draws.values())).shape[1]
    if drawn < _needed(len(pairs)):
        raise MMLError(
            f"{drawn} resamples are too few for {len(pairs)} comparisons, of which none could be told apart; draw "
            f"{_needed(len(pairs))}: resample_runs(..., pairs=True)"
        )
    found = [(pair, resamples.difference(*pair)) for pair in pairs]
    rows = [
        (metric, *pair, *values[number]) for number, metric in enumerate(resamples.metrics) for pair, values in found
    ]
    return _corrected(pd.DataFrame(rows, columns=columns))


def compare_folds(resamples: Resamples, sizes: Mapping[int, tuple[int, int]], to: str | None = None) -> pd.DataFrame:
    """Return the corrected resampled t-test of each pair of runs over the folds that both have.

    Args:
        resamples: as `resample_runs` gives them, of which the values of folds are used.
        sizes: of each fold, on how many samples it was trained and how many it was tested on.
        to: the one run that all others are compared to.

    Returns:
        `metric run other folds difference std t p p_holm`: as `compare`, where `folds` are those for which both runs
        define the metric and `std` is that of their differences. Of fewer than two folds there is no test: NaN.

    Raises:
        MMLError: the sizes of a fold are missing.
    """
    columns = ["metric", "run", "other", "folds", "difference", "std", "t", "p"]
    rows = []
    for number, metric in enumerate(resamples.metrics):
        for run, other in _pairs(list(resamples.folds), to):
            shared = [fold for fold in resamples.folds[run] if fold in resamples.folds[other]]
            unknown = [fold for fold in shared if fold not in sizes]
            if unknown:
                raise MMLError(f"a t-test over folds needs the sizes of fold {unknown[0]} of run '{run}'; state them")
            each = np.array([_of_folds(resamples, one, shared)[number] for one in (run, other)])
            known = ~np.isnan(each).any(axis=0)
            differences = less(each[0, known], each[1, known])
            chosen = np.array([sizes[fold] for fold in shared], dtype=float).reshape(-1, 2)[known]
            rows.append((metric, run, other, len(differences), *corrected_t_test(differences, *chosen.T)))
    return _corrected(pd.DataFrame(rows, columns=columns))


def _of_folds(resamples: Resamples, run: str, folds: Sequence[int]) -> np.ndarray:
    """Return the values of a run on some folds, M×F."""
    return resamples.values[run][:, [list(resamples.folds[run]).index(fold) for fold in folds]]


def corrected_t_test(
    differences: np.ndarray, n_train: Sequence[float] | float, n_test: Sequence[float] | float
) -> tuple[float, float, float, float]:
    """Return mean and standard deviation of differences, t, and the two-sided p of the corrected resampled t-test.

    Trainings on overlapping data resemble each other, which the plain t-test ignores. Nadeau and Bengio (Inference for
    the generalization error, Machine Learning 52, 2003) estimate the variance of the mean of J folds by
    (1/J + n_test/n_train)·σ², with J - 1 degrees of freedom. Fewer than two differences have no test, nor have equal
    ones other than 0, whose variance nothing tells: NaN.

    Args:
        differences: of two runs on each fold, J.
        n_train: training samples of each fold, J, or of all.
        n_test: test samples of each fold, J, or of all.
    """
    from scipy.stats import t as student  # takes half a second to import

    count = len(differences)
    if count < 2:
        return (float(differences[0]) if count else np.nan), np.nan, np.nan, np.nan
    mean, spread = float(np.mean(differences)), float(np.std(differences, ddof=1))
    if not has_spread(differences):
        return (0.0, 0.0, 0.0, 1.0) if mean == 0 else (mean, 0.0, np.nan, np.nan)
    ratio = float(np.mean(np.asarray(n_test, float) / np.asarray(n_train, float)))
    value = mean / (spread * np.sqrt(1 / count + ratio))
    return mean, spread, float(value), float(2 * student.sf(abs(value), count - 1))


def holm(p: np.ndarray) -> np.ndarray:
    """Return p-values corrected by the step-down procedure of Holm (1979), N; NaN stays and counts for none."""
    p = np.asarray(p, dtype=float)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    steps = p[order] * np.arange(len(order), 0, -1)
    corrected = np.full(len(p), np.nan)
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return corrected


def _pairs(runs: Sequence[str], to: str | None) -> Iterator[tuple[str, str]]:
    if to is None:
        return combinations(runs, 2)
    if to not in runs:
        raise MMLError(f"there is no run '{to}' to compare with{nearest(to, runs)}")
    return ((run, to) for run in runs if run != to)


def _corrected(table: pd.DataFrame) -> pd.DataFrame:
    p = table["p"].astype(float)
    return table.assign(p_holm=p.groupby(table["metric"], sort=False).transform(lambda some: holm(some.to_numpy())))
