"""Comparison of runs on the same samples: differences of procedures and of networks, corrected t-tests over folds.

All are paired: runs are compared on the same samples, found by their ids, and on the same folds. Each says what it is
about. A comparison of *procedures* asks whether other trainings and other test samples might turn the order; runs that
differ only in their seed are trainings of one procedure (see `mml_lib.evaluation.procedures`). A comparison of
*networks* asks about other test samples, given these trained networks. Many comparisons are corrected by the procedure
of Holm (1979), over all pairs of a metric: which procedure is best is told by the same samples.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
import pandas as pd

from mml_lib.config.metric_options import NAMED, is_metric
from mml_lib.errors import MMLError, nearest
from mml_lib.evaluation.alignment import Runs, align
from mml_lib.evaluation.bootstrap import has_spread
from mml_lib.evaluation.per_group import resample_levels
from mml_lib.evaluation.procedures import NETWORKS, PROCEDURE, Networks, compare_procedures, less
from mml_lib.evaluation.resampled import Groups, Resampled
from mml_lib.evaluation.variances import CONFIDENCE
from mml_lib.metrics.shares import mean_of_known

ALPHA = 1 - CONFIDENCE
RESAMPLES = 1000
FEW_FOLDS = "fewer than two folds of both define the metric"
COLUMNS = ["metric", "kind", "run", "other", "difference", "ci_low", "ci_high", "p", "about", "reason"]


@dataclass(frozen=True)
class Resamples:
    """Metrics of runs on the same samples, and on the same resamples of them.

    Args:
        metrics: names, M.
        runs: the networks of each run by fold.
        procedures: ids of the runs of each procedure; each run that is in none is its own.
        ensembles: runs that are ensembles of others, and stand apart.
    """

    metrics: Sequence[str]
    runs: Mapping[str, Mapping[int, Resampled]]
    procedures: Mapping[str, Sequence[str]] = field(default_factory=dict)
    ensembles: Sequence[str] = ()

    @property
    def folds(self) -> dict[str, list[int]]:
        """The folds of each run."""
        return {run: list(folds) for run, folds in self.runs.items()}

    def values(self, run: str) -> np.ndarray:
        """Return the value of each metric on each fold, M×F."""
        return np.stack([network.values for network in self.runs[run].values()], axis=-1)

    def means(self, run: str) -> np.ndarray:
        """Return the mean of each metric over the folds whose samples define it, M."""
        return mean_of_known(self.values(run))

    def members(self) -> dict[str, Networks]:
        """Return the networks of each procedure, by run; one that has a single run is called as this run."""
        repeated = {run: name for name, runs in self.procedures.items() if len(runs) > 1 for run in runs}
        members: dict[str, dict[str, Mapping[int, Resampled]]] = {}
        for run, folds in self.runs.items():
            if run not in self.ensembles:
                members.setdefault(repeated.get(run, run), {})[run] = folds
        return {**members}


def resample_runs(
    runs: Runs,
    metrics: Sequence[str],
    resamples: int = RESAMPLES,
    seed: int = 0,
    groups: Groups | None = None,
    procedures: Mapping[str, Sequence[str]] | None = None,
    ensembles: Sequence[str] = (),
    per_group: str = "mean",
) -> Resamples:
    """Return the metrics of each run on the same resamples of the test samples.

    Where all folds were tested on one split, all networks of all runs see the same resample of it. Where each fold has
    samples of its own, as in nested validation, these are resampled for each fold, in all runs alike.

    Args:
        runs: predictions by run and fold.
        metrics: names of metrics of their type.
        resamples: number of resamples.
        seed: seed of the draws.
        groups: group of each sample, by id; whole groups are drawn.
        procedures: the runs of each procedure that has several.
        ensembles: runs that are ensembles of others.
        per_group: how the samples of a group are merged for metrics per group.

    Raises:
        MMLError: runs differ in task type, classes, samples or targets; logits are not finite; samples without labels.
    """
    if not runs:
        raise MMLError("there are no predictions to compare; name at least one run")
    aligned = align(runs)
    kind = next(iter(next(iter(aligned.values())).values())).task_type
    unknown = [name for name in metrics if not is_metric(name, kind)]
    if unknown:
        raise MMLError(f"runs of a {kind} cannot be compared by '{unknown[0]}'{nearest(unknown[0], NAMED[kind])}")
    networks = {
        run: {
            fold: resample_levels(
                kind, metrics, network.arguments, network.ids, resamples, groups, per_group, seed, network.weights
            )
            for fold, network in folds.items()
        }
        for run, folds in aligned.items()
    }
    names = next(iter(next(iter(networks.values())).values())).metrics
    return Resamples(list(names), networks, dict(procedures or {}), list(ensembles))


# --- tests --------------------------------------------------------------------------------------------------------


def compare(resamples: Resamples) -> pd.DataFrame:
    """Return the paired difference of each pair of procedures.

    Args:
        resamples: as `resample_runs` gives them.

    Returns:
        `metric kind run other difference ci_low ci_high p about reason p_holm`: the first less the other; `about` says
        whether interval and p are about procedures or about these networks alone, as of procedures with a single
        network; p is corrected over the rows of a metric, and NaN where `reason` says why.
    """
    members = resamples.members()
    rows = [
        (metric, PROCEDURE, first, second, *compare_procedures(members[first], members[second], metric))
        for metric in resamples.metrics
        for first, second in combinations(members, 2)
    ]
    return _corrected(pd.DataFrame(rows, columns=COLUMNS))


def compare_ensembles(resamples: Resamples) -> pd.DataFrame:
    """Return the difference of each ensemble to each procedure, as `compare`, about these networks."""
    rows = [
        (metric, "ensemble", ensemble, name, *compare_procedures(alone, networks, metric, NETWORKS))
        for metric in resamples.metrics
        for ensemble in resamples.ensembles
        for alone in [{ensemble: resamples.runs[ensemble]}]
        for name, networks in resamples.members().items()
    ]
    return _corrected(pd.DataFrame(rows, columns=COLUMNS))


def compare_folds(resamples: Resamples, sizes: Mapping[int, tuple[int, int]]) -> pd.DataFrame:
    """Return the corrected resampled t-test of each pair of procedures over the folds that both have.

    The value of a fold is the mean over the runs that have it. Ensembles have no folds.

    Args:
        resamples: as `resample_runs` gives them, of which the values of folds are used.
        sizes: of each fold, on how many samples it was trained and how many it was tested on.

    Returns:
        `metric run other folds difference std t p reason p_holm`: as `compare`, where `folds` are those for which both
        define the metric and `std` is that of their differences. `reason` says why there is no test.

    Raises:
        MMLError: the sizes of a fold are missing.
    """
    columns = ["metric", "run", "other", "folds", "difference", "std", "t", "p", "reason"]
    members = {name: _by_fold(networks) for name, networks in resamples.members().items()}
    rows = []
    for (run, first), (other, second) in combinations(members.items(), 2):
        shared = [fold for fold in first if fold in second]
        missing = [fold for fold in shared if fold not in sizes]
        if missing:
            raise MMLError(f"a t-test over folds needs the sizes of fold {missing[0]} of run '{run}'; state them")
        trained, tested = np.array([sizes[fold] for fold in shared], dtype=float).reshape(-1, 2).T
        for number, metric in enumerate(resamples.metrics):
            values = np.array([[means[fold][number] for fold in shared] for means in (first, second)]).reshape(2, -1)
            defined = ~np.isnan(values).any(axis=0)
            differences = less(*values[:, defined])
            test = corrected_t_test(differences, trained[defined], tested[defined])
            untested = "all folds differ by the same" if len(differences) > 1 else FEW_FOLDS
            rows.append((metric, run, other, len(differences), *test, untested if np.isnan(test[-1]) else ""))
    table = pd.DataFrame(rows, columns=columns)
    order = table["metric"].map({metric: place for place, metric in enumerate(resamples.metrics)})
    return _corrected(table.iloc[order.argsort(kind="stable")].reset_index(drop=True))


def _by_fold(networks: Networks) -> dict[int, np.ndarray]:
    """Return the mean of each metric over the runs that have a fold, by fold."""
    values: dict[int, list[np.ndarray]] = {}
    for folds in networks.values():
        for fold, network in folds.items():
            values.setdefault(fold, []).append(network.values)
    return {fold: mean_of_known(np.stack(of_fold, axis=-1)) for fold, of_fold in sorted(values.items())}


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


def holm(p: np.ndarray, comparisons: int | None = None) -> np.ndarray:
    """Return p-values corrected by the step-down procedure of Holm (1979), N; NaN stays and counts for none.

    Args:
        p: of the comparisons.
        comparisons: how many there are, where these are some of them: what that gives is never too small.
    """
    p = np.asarray(p, dtype=float)
    defined = np.flatnonzero(~np.isnan(p))
    order = defined[np.argsort(p[defined], kind="stable")]
    number = max(comparisons or 0, len(order))
    steps = p[order] * np.arange(number, number - len(order), -1)
    corrected = np.full(len(p), np.nan)
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return corrected


def _corrected(table: pd.DataFrame) -> pd.DataFrame:
    p = table["p"].astype(float)
    return table.assign(p_holm=p.groupby(table["metric"], sort=False).transform(lambda some: holm(some.to_numpy())))
