"""Simulated networks, whose true worth is known: how often intervals hold it, and comparisons err or find it.

A sample is easy or hard for all networks alike, in part; a training turns out better or worse. `Setting` says how much,
on how many samples, and whether networks share them. Truths are integrals over trainings and samples.
"""

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from scipy.special import ndtr

from mml_lib.postprocessing.procedures import Networks, compare_procedures, estimate
from mml_lib.postprocessing.resampled import Resampled, resample

RESAMPLES = 300
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
    """What is simulated.

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
    sets: list[dict[str, np.ndarray]] = field(default_factory=list)

    def __post_init__(self) -> None:
        for number in range(1 if self.setting.shared else self.setting.folds):
            self.sets.append(self._samples(number))

    def _samples(self, number: int) -> dict[str, np.ndarray]:
        setting, rng = self.setting, self.rng
        groups = np.arange(setting.samples) // setting.group
        of_group = rng.normal(size=groups.max() + 1)[groups]
        share = 0.5 if setting.group > 1 else 0.0
        difficulty = np.sqrt(share) * of_group + np.sqrt(1 - share) * rng.normal(size=setting.samples)
        return {
            "ids": np.array([f"{number}-{sample:04}" for sample in range(setting.samples)]),
            "groups": np.array([f"{number}-{group}" for group in groups]),
            "difficulty": difficulty,
            "positive": rng.random(setting.samples) < (0.5 if setting.metric == "accuracy" else 0.3),
            "area": np.exp(rng.normal(size=setting.samples)),
            "target": rng.normal(size=setting.samples),
        }

    def networks(self, levels: np.ndarray) -> Networks:
        """Return networks as good as these levels say, runs×folds."""
        sets = self.sets * self.setting.folds if self.setting.shared else self.sets
        return {
            f"run{run}": {fold: self._network(level, sets[fold]) for fold, level in enumerate(row)}
            for run, row in enumerate(levels)
        }

    def _network(self, level: float, samples: dict[str, np.ndarray]) -> Resampled:
        alike, metric = self.setting.alike, self.setting.metric
        noise = np.sqrt(alike) * samples["difficulty"] + np.sqrt(1 - alike) * self.rng.normal(size=len(samples["ids"]))
        arguments = predicted(metric, level, samples, noise)
        groups = dict(zip(samples["ids"].tolist(), samples["groups"].tolist(), strict=True)) if self.whole else None
        return resample(KINDS[metric], [metric], arguments, samples["ids"], RESAMPLES, groups)


def predicted(metric: str, level: float, samples: dict[str, np.ndarray], noise: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return what scores take."""
    positive = samples["positive"]
    if metric in ("accuracy", "auroc", "f1"):
        sides = np.where(positive, 1, -1)
        share = 1 / (1 + np.exp(-sides * level / 2 - (noise if metric == "auroc" else sides * noise)))
        return np.stack([1 - share, share], axis=1), positive.astype(int)
    if metric == "dice":
        area = samples["area"]
        hits = area / (1 + np.exp(-level - noise))
        return tuple(np.stack([np.zeros_like(area), each], axis=1) for each in (hits, area, area))
    return samples["target"] + level * noise, samples["target"]


def coverage(setting: Setting, repetitions: int, seed: int = 0) -> float:
    """Return how often the interval of a procedure holds its true worth."""
    rng, held = np.random.default_rng(seed), 0
    for _ in range(repetitions):
        networks = Bench(setting, rng).networks(setting.trainings(rng))
        found = estimate(networks, setting.metric)
        held += found.low <= setting.truth <= found.high
    return held / repetitions


def told_apart(setting: Setting, repetitions: int, better: float = 0.0, seed: int = 0) -> float:
    """Return how often two procedures are told apart, of which the second is better by so many deviations."""
    rng, found = np.random.default_rng(seed), 0
    other = replace(setting, level=setting.level + better * setting.spread)
    for _ in range(repetitions):
        bench, by_fold = Bench(setting, rng), rng.normal(size=(1, setting.folds))
        procedures = [bench.networks(each.trainings(rng, by_fold)) for each in (setting, other)]
        found += compare_procedures(*procedures, setting.metric).p <= 0.05
    return found / repetitions


def former_coverage(setting: Setting, repetitions: int, seed: int = 0) -> tuple[float, float]:
    """Return the same of what there was before: the bootstrap over values of folds, and over samples one by one."""
    rng, held = np.random.default_rng(seed), np.zeros(2)
    for _ in range(repetitions):
        networks = Bench(setting, rng, whole=False).networks(setting.trainings(rng))
        every = [each for folds in networks.values() for each in folds.values()]
        values = np.array([each.values[0] for each in every])
        of_folds = values[rng.integers(0, len(values), (1000, len(values)))].mean(axis=1)
        of_samples = np.nanmean([each.draws[0] for each in every], axis=0)
        for place, draws in enumerate((of_folds, of_samples)):
            low, high = np.nanquantile(draws, [0.025, 0.975])
            held[place] += low <= setting.truth <= high
    return tuple((held / repetitions).tolist())
