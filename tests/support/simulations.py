"""Simulated networks, whose true worth is known: how often intervals hold it, and comparisons err or find it.

A sample is easy or hard for all networks alike, in part; a training turns out better or worse. `Setting` says how much,
on how many samples, and whether networks share them. Truths are integrals over trainings and samples.
"""

from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from zlib import crc32

import numpy as np
from scipy.special import ndtr

from mml_lib.evaluation.bootstrap import draw
from mml_lib.evaluation.procedures import Networks, compare_procedures, estimate
from mml_lib.evaluation.resampled import Resampled, resample

RESAMPLES = 300
BANK = 40
KINDS = {
    "accuracy": "classification",
    "auroc": "classification",
    "f1": "classification",
    "dice": "semantic_segmentation",
    "r2": "regression",
}
LEVELS = {"accuracy": 1.7, "auroc": 1.7, "f1": 1.7, "dice": 1.2, "r2": 0.7}
"""How good a training is on average: a distance of classes, the logit of an overlap, an error by the deviation."""


@dataclass(frozen=True)
class Setting:
    """A simulated experiment.

    Args:
        metric: one of `KINDS`.
        samples: test samples, of each fold where they do not share them.
        folds: networks of a run.
        runs: repetitions with another seed.
        shared: whether folds share their test samples.
        spread: deviation between trainings, on the scale of `LEVELS`.
        group: samples of a group (a patient), which are easy or hard alike; 1: none.
        alike: share of the variance of a sample's difficulty that all networks see alike.
        level: added to that of the metric.
        of_folds, of_runs: shares of the variance between trainings that a fold, or a run, has in common.
        same_folds: whether two procedures have that of a fold in common too.
    """

    metric: str
    samples: int = 200
    folds: int = 5
    runs: int = 1
    shared: bool = True
    spread: float = 0.1
    group: int = 1
    alike: float = 0.6
    level: float = 0.0
    of_folds: float = 0.0
    of_runs: float = 0.0
    same_folds: bool = True

    @cached_property
    def truth(self) -> float:
        """The expected metric of a training, on samples without end."""
        nodes, weights = np.polynomial.hermite_e.hermegauss(40)
        levels = LEVELS[self.metric] + self.level + self.spread * nodes
        values = np.array([worth(self.metric, level) for level in levels])
        return float((weights * values).sum() / weights.sum())

    def trainings(self, rng: np.random.Generator, by_fold: np.ndarray | None = None) -> np.ndarray:
        """Return how good each training turns out, runs×folds; `by_fold` is what procedures have in common."""
        of_folds = rng.normal(size=(1, self.folds)) if by_fold is None else by_fold
        rest = np.sqrt(1 - self.of_folds - self.of_runs) * rng.normal(size=(self.runs, self.folds))
        common = np.sqrt(self.of_folds) * of_folds + np.sqrt(self.of_runs) * rng.normal(size=(self.runs, 1))
        return LEVELS[self.metric] + self.level + self.spread * (common + rest)


def worth(metric: str, level: float) -> float:
    """Return the metric of a training on samples without end."""
    if metric == "accuracy":
        return float(ndtr(level / 2))
    if metric == "auroc":
        return float(ndtr(level / np.sqrt(2)))
    if metric == "f1":
        hits, spared = 0.3 * ndtr(level / 2), 0.7 * ndtr(level / 2)
        return float((2 * hits / (hits + 0.7 - spared + 0.3) + 2 * spared / (spared + 0.3 - hits + 0.7)) / 2)
    if metric == "dice":
        nodes, weights = np.polynomial.hermite_e.hermegauss(60)
        return float((weights / (1 + np.exp(-level - nodes))).sum() / weights.sum())
    return 1 - level**2


@dataclass
class Bench:
    """Test samples of one simulation, and networks that predict them.

    Args:
        setting: what is simulated.
        rng: source of all chance.
        whole: whether whole groups are resampled.
    """

    setting: Setting
    rng: np.random.Generator
    whole: bool = True
    sets: list["SampleSet"] = field(default_factory=list)

    def __post_init__(self) -> None:
        number = 1 if self.setting.shared else self.setting.folds
        chosen = self.rng.permutation(BANK)[:number].tolist()
        self.sets = [SampleSet(self.setting, self.rng, place, self.whole) for place in chosen]

    def networks(self, levels: np.ndarray) -> Networks:
        """Return networks as good as these levels say, runs×folds."""
        setting, runs = self.setting, len(levels)
        parts = [levels.ravel()] if setting.shared else levels.T
        tested = [samples.networks(part) for samples, part in zip(self.sets, parts, strict=True)]
        in_order = tested[0] if setting.shared else [column[run] for run in range(runs) for column in tested]
        rows = (in_order[start : start + setting.folds] for start in range(0, len(in_order), setting.folds))
        return {f"run{run}": dict(enumerate(row)) for run, row in enumerate(rows)}


class SampleSet:
    """Test samples, and resamples of them that all networks are measured on.

    Args:
        setting: what is simulated.
        rng: source of all chance but that of the resamples.
        place: of the resamples in the bank.
        whole: whether whole groups are resampled.
    """

    def __init__(self, setting: Setting, rng: np.random.Generator, place: int, whole: bool):
        self.setting, self.rng, self.place = setting, rng, place
        groups = np.arange(setting.samples) // setting.group
        of_group = rng.normal(size=groups.max() + 1)[groups]
        share = 0.5 if setting.group > 1 else 0.0
        self.difficulty = np.sqrt(share) * of_group + np.sqrt(1 - share) * rng.normal(size=setting.samples)
        self.positive = rng.random(setting.samples) < (0.5 if setting.metric == "accuracy" else 0.3)
        self.area = np.exp(rng.normal(size=setting.samples))
        self.target = rng.normal(size=setting.samples)
        self.group = setting.group if whole else 1
        self.weights = weights_of(setting.samples, self.group, place)

    def networks(self, levels: np.ndarray) -> list[Resampled]:
        """Return networks as good as these levels say, K."""
        alike, metric = self.setting.alike, self.setting.metric
        own = self.rng.normal(size=(len(levels), self.setting.samples))
        noise = np.sqrt(alike) * self.difficulty + np.sqrt(1 - alike) * own
        outputs = predicted(metric, levels[:, None], self, noise)
        once = np.ones((self.setting.samples, 1))
        values, draws = (measured(metric, outputs, self, weights) for weights in (once, self.weights))
        plain = self.resampled(outputs[0])
        return [replace(plain, values=value, draws=drawn[None]) for value, drawn in zip(values, draws, strict=True)]

    def resampled(self, outputs: np.ndarray, resamples: int = 0) -> Resampled:
        """Return the tested network of one network's outputs, N."""
        metric, (ids, groups) = self.setting.metric, names_of(self.setting.samples, self.group, self.place)
        return resample(KINDS[metric], [metric], arguments(metric, outputs, self), ids, resamples, groups)


@cache
def weights_of(samples: int, group: int, place: int) -> np.ndarray:
    """Return how often each sample was drawn, N×R: one of a bank of resamples, for drawing takes most of the time."""
    units = samples if group == 1 else np.arange(samples) // group
    return np.concatenate(list(draw(units, RESAMPLES, seed=place)), axis=1)


@cache
def names_of(samples: int, group: int, place: int) -> tuple[np.ndarray, dict[str, str] | None]:
    """Return ids of samples, and the group of each."""
    ids = np.array([f"{place}-{number:04}" for number in range(samples)])
    return ids, None if group == 1 else {id_: str(number // group) for number, id_ in enumerate(ids.tolist())}


def predicted(metric: str, levels: np.ndarray, samples: SampleSet, noise: np.ndarray) -> np.ndarray:
    """Return predictions of networks, K×N: the logit of the positive class, of the overlap, or a value."""
    if metric in ("accuracy", "auroc", "f1"):
        sides = np.where(samples.positive, 1, -1)
        return sides * levels / 2 + (noise if metric == "auroc" else sides * noise)
    return levels + noise if metric == "dice" else samples.target + levels * noise


def arguments(metric: str, outputs: np.ndarray, samples: SampleSet) -> tuple[np.ndarray, ...]:
    """Return arguments of the library's scores from the outputs of one network, N."""
    share = 1 / (1 + np.exp(-outputs))
    if metric in ("accuracy", "auroc", "f1"):
        return np.stack([1 - share, share], axis=1), samples.positive.astype(int)
    if metric == "dice":
        area = samples.area
        return tuple(np.stack([np.zeros_like(area), area_hit], axis=1) for area_hit in (area * share, area, area))
    return outputs, samples.target


def measured(metric: str, outputs: np.ndarray, samples: SampleSet, weights: np.ndarray) -> np.ndarray:
    """Return the metric of all networks on all resamples at once, K×R, as the library gives it one by one.

    Args:
        metric: its name.
        outputs: of the networks, K×N.
        samples: that they predict.
        weights: how often each sample was drawn, N×R.
    """
    weights, positive = weights.astype(np.float64), samples.positive
    if metric == "accuracy":
        return ((outputs > 0) == positive) @ weights / weights.sum(axis=0)
    if metric == "f1":
        sides = ((outputs > 0, positive), (outputs <= 0, ~positive))
        shares = [
            2 * ((mask & true) @ weights) / np.maximum(mask @ weights + true @ weights, 1) for mask, true in sides
        ]
        return sum(shares) / 2
    if metric == "auroc":
        first, second = (np.float32(weights[side]) for side in (positive, ~positive))
        pairs = (np.float32(row[positive][:, None] > row[~positive]) for row in outputs)
        of_pairs = [
            np.einsum("pr,pr->r", first, weights_of_pair @ second, dtype=np.float64) for weights_of_pair in pairs
        ]
        with np.errstate(invalid="ignore"):  # resamples of one class only
            return np.stack(of_pairs) / (positive @ weights * (~positive @ weights))
    if metric == "dice":
        return (1 / (1 + np.exp(-outputs))) @ weights / weights.sum(axis=0)
    errors, total = (outputs - samples.target) ** 2 @ weights, weights.sum(axis=0)
    return 1 - errors / (samples.target**2 @ weights - (samples.target @ weights) ** 2 / total)


def generator(setting: Setting, seed: int) -> np.random.Generator:
    """Return the source of chance of a setting, so that what chance does to one it does not to all."""
    return np.random.default_rng([seed, crc32(repr(setting).encode())])


def coverage(setting: Setting, repetitions: int, seed: int = 0) -> float:
    """Return how often the interval of a procedure holds its true worth."""
    rng, held = generator(setting, seed), 0
    for _ in range(repetitions):
        networks = Bench(setting, rng).networks(setting.trainings(rng))
        interval = estimate(networks, setting.metric)
        held += interval.low <= setting.truth <= interval.high
    return held / repetitions


def told_apart(setting: Setting, repetitions: int, better: float = 0.0, seed: int = 0) -> float:
    """Return how often two procedures are told apart, of which the second is better by so many deviations."""
    rng, apart = generator(setting, seed), 0
    up = better * setting.spread * (-1 if setting.metric == "r2" else 1)
    other = replace(setting, level=setting.level + up)
    for _ in range(repetitions):
        bench, by_fold = Bench(setting, rng), rng.normal(size=(1, setting.folds))
        common = by_fold if setting.same_folds else None
        procedures = [bench.networks(sampled.trainings(rng, common)) for sampled in (setting, other)]
        apart += compare_procedures(*procedures, setting.metric).p <= 0.05
    return apart / repetitions


def former_coverage(setting: Setting, repetitions: int, seed: int = 0) -> tuple[float, float]:
    """Return the coverage of the intervals before: bootstraps over values of folds, and over samples one by one."""
    rng, held = np.random.default_rng(seed), np.zeros(2)
    for _ in range(repetitions):
        networks = Bench(setting, rng, whole=False).networks(setting.trainings(rng))
        tested = [network for folds in networks.values() for network in folds.values()]
        values = np.array([network.values[0] for network in tested])
        of_folds = values[rng.integers(0, len(values), (1000, len(values)))].mean(axis=1)
        of_samples = np.mean([network.draws[0] for network in tested], axis=0)
        for place, draws in enumerate((of_folds, of_samples)):
            low, high = np.quantile(draws, [0.025, 0.975])
            held[place] += low <= setting.truth <= high
    return tuple((held / repetitions).tolist())
