"""Comparison of runs on the same samples: differences of procedures and of networks, corrected t-tests over folds.

All comparisons are paired: runs are compared on the same samples, matched by their ids, and on the same folds. A
comparison of *procedures* accounts for other trainings and other test samples; runs that differ only in their seed are
trainings of one procedure (see `mml_lib.evaluation.procedures`). A comparison of *networks* accounts for other test
samples, given these trained networks. The column `about` contains which of the two applies. Multiple comparisons are
corrected by the procedure of Holm (1979) over all pairs of a metric, because the same samples determine the best
procedure.
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
EQUAL_FOLDS = "all folds differ by the same"
"""Reasons why there is no t-test over folds."""
COLUMNS = ["metric", "kind", "run", "other", "difference", "ci_low", "ci_high", "p", "about", "reason"]


@dataclass(frozen=True)
class Resamples:
    """Metrics of runs on the same samples, and on the same resamples of them.

    Args:
        metrics: names of the metrics, M.
        runs: networks by run and fold.
        procedures: ids of the runs of each procedure. A run without a procedure is a procedure of its own.
        ensembles: runs that are ensembles of others, and belong to no procedure.
    """

    metrics: Sequence[str]
    runs: Mapping[str, Mapping[int, Resampled]]
    procedures: Mapping[str, Sequence[str]] = field(default_factory=dict)
    ensembles: Sequence[str] = ()

    @property
    def folds(self) -> dict[str, list[int]]:
        """Folds of each run."""
        return {run: list(folds) for run, folds in self.runs.items()}

    def values(self, run: str) -> np.ndarray:
        """Return the value of each metric on each of F folds, M×F."""
        return np.stack([network.values for network in self.runs[run].values()], axis=-1)

    def means(self, run: str) -> np.ndarray:
        """Return the mean of each metric over the folds whose samples define it, M."""
        return mean_of_known(self.values(run))

    def members(self) -> dict[str, Networks]:
        """Return the networks of each procedure, by run. A procedure with a single run has the name of this run."""
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

    If all folds are tested on one split, all networks of all runs are evaluated on the same resamples of it. If each
    fold has its own test samples, as in nested validation, the samples of each fold are resampled, equally in all runs.

    Args:
        runs: predictions by run and fold.
        metrics: names of metrics of their type.
        resamples: number of resamples.
        seed: seed of the draws.
        groups: group of each sample, by id; whole groups are drawn.
        procedures: ids of the runs of each procedure with several runs.
        ensembles: runs that are ensembles of others.
        per_group: how the samples of a group are merged for metrics per group.

    Raises:
        MMLError: runs differ in task type, classes, samples or targets; outputs are not finite; samples have no labels.
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
        resamples: result of `resample_runs`.

    Returns:
        `metric kind run other difference ci_low ci_high p about reason p_holm`: the first procedure less the other.
        `about` is the subject of interval and p: `procedure`, or `networks` if a procedure has a single network.
        `p_holm` is corrected over the rows of a metric. `reason` explains NaN.
    """
    members = resamples.members()
    rows = [
        (metric, PROCEDURE, first, second, *compare_procedures(members[first], members[second], metric))
        for metric in resamples.metrics
        for first, second in combinations(members, 2)
    ]
    return _corrected(pd.DataFrame(rows, columns=COLUMNS))


def compare_ensembles(resamples: Resamples) -> pd.DataFrame:
    """Return the difference of each ensemble to each procedure, in the columns of `compare`, about these networks."""
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
        resamples: result of `resample_runs`, of which the values of folds are used.
        sizes: number of training samples and number of test samples of each fold.

    Returns:
        `metric run other folds difference std t p reason p_holm`: as in `compare`. `folds` is the number of folds on
        which both define the metric, `std` the standard deviation of the differences over these folds. `reason`
        explains a missing test.

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
            untested = EQUAL_FOLDS if len(differences) > 1 else FEW_FOLDS
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
    return {fold: mean_of_known(np.stack(run_values, axis=-1)) for fold, run_values in sorted(values.items())}


def corrected_t_test(
    differences: np.ndarray, n_train: Sequence[float] | float, n_test: Sequence[float] | float
) -> tuple[float, float, float, float]:
    """Return mean and standard deviation of differences, t, and the two-sided p of the corrected resampled t-test.

    Trainings on overlapping data are correlated, which the plain t-test ignores. Nadeau and Bengio (Inference for the
    generalization error, Machine Learning 52, 2003) estimate the variance of the mean of J folds by
    (1/J + n_test/n_train)·σ², with J - 1 degrees of freedom. t and p are NaN for fewer than two differences, and for
    equal differences other than 0, which give no estimate of the variance.

    Args:
        differences: difference of two runs on each fold, J.
        n_train: number of training samples of each fold, J, or one number for all.
        n_test: number of test samples of each fold, J, or one number for all.
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
    """Return p-values corrected by the step-down procedure of Holm (1979), N. NaN stays NaN and is not counted.

    Args:
        p: p-values of the comparisons, N.
        comparisons: total number of comparisons, if `p` has only some of them. The result is then conservative.
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
    return table.assign(p_holm=p.groupby(table["metric"], sort=False).transform(lambda group: holm(group.to_numpy())))
