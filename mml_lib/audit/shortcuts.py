"""Shortcuts: what a simple model can tell from where it should tell nothing.

A linear model on features predicts the split and columns of metadata; a small tree predicts the label from the size,
the file format and the border of images, and from columns of metadata. Each is cross-validated with groups kept
together, and measured by its balanced accuracy, whose chance level is one by the number of classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from mml_lib.audit.linear_probe import FOLDS, Part, group_parts, probe_probabilities
from mml_lib.evaluation.evaluation import network_estimates
from mml_lib.evaluation.resampled import resample

MOST_SAMPLES = 10_000
"""Samples by which a shortcut is judged at most; more would only narrow its interval."""

RESAMPLES = 500
METRIC = "balanced_accuracy"


@dataclass(frozen=True)
class Shortcut:
    """Prediction of a target from a source.

    Args:
        source: name of the properties that it is predicted from.
        target: name of the predicted values.
        classes: number of values of the target.
        samples: number of samples.
        balanced_accuracy: of the cross-validated predictions.
        ci_low, ci_high: its 95 % interval.
        chance: balanced accuracy without any information.
        note: why there is no value.
    """

    source: str
    target: str
    classes: int = 0
    samples: int = 0
    balanced_accuracy: float = float("nan")
    ci_low: float = float("nan")
    ci_high: float = float("nan")
    chance: float = float("nan")
    note: str = ""
    above_chance: bool = field(default=False)


@dataclass(frozen=True)
class Source:
    """Properties of samples that a target may be told from.

    Args:
        name: of the properties.
        values: N×D.
        is_linear: by a linear model, which many features need; otherwise by a small tree.
    """

    name: str
    values: np.ndarray
    is_linear: bool = False


@dataclass(frozen=True)
class Target:
    """Values that are predicted.

    Args:
        name: of the values.
        values: value of each sample, N; None where it is unknown.
    """

    name: str
    values: Sequence[str | None]


def check_shortcut(source: Source, target: Target, ids: np.ndarray, groups: np.ndarray, threads: int = 1) -> Shortcut:
    """Return how well a target can be told from a source.

    Values in fewer groups than folds are left out.

    Args:
        source: properties of the samples.
        target: values of the samples.
        ids, groups: of the samples, N.
        threads: number of threads.
    """
    rows, codes = _frequent(target.values, groups)
    classes = len(np.unique(codes))
    unknown = Shortcut(source.name, target.name, classes, len(rows))
    if classes < 2:
        return _noted(unknown, "fewer than two values are in five groups or more")
    if (source.values[rows] == source.values[rows[0]]).all():
        return _noted(unknown, "the same for all samples")
    if len(rows) > MOST_SAMPLES:
        chosen = np.sort(np.random.default_rng(0).permutation(len(rows))[:MOST_SAMPLES])
        rows, codes = rows[chosen], np.unique(codes[chosen], return_inverse=True)[1]
    parts = group_parts(codes, groups[rows])
    predict = probe_probabilities if source.is_linear else _tree_probabilities
    probabilities = predict(source.values[rows], codes, groups[rows], parts, balanced=True, threads=threads)
    of_group = dict(zip(ids[rows].tolist(), groups[rows].tolist(), strict=True))
    measured = resample("classification", [METRIC], (probabilities, codes), ids[rows], RESAMPLES, of_group)
    estimate = network_estimates(measured)[METRIC]
    chance = 1 / classes
    return Shortcut(
        *(source.name, target.name, classes, len(rows), measured.value(METRIC), estimate.low, estimate.high, chance),
        above_chance=bool(estimate.low > chance),
    )


def _noted(shortcut: Shortcut, note: str) -> Shortcut:
    return Shortcut(shortcut.source, shortcut.target, shortcut.classes, shortcut.samples, note=note)


def _frequent(values: Sequence[str | None], groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows with values in enough groups, and the number of each of these values."""
    members: dict[str, list[int]] = {}
    for row, value in enumerate(values):
        if value is not None:
            members.setdefault(value, []).append(row)
    kept = {value: rows for value, rows in members.items() if len(set(groups[rows].tolist())) >= FOLDS}
    rows = np.array(sorted(row for rows in kept.values() for row in rows), int)
    return rows, np.unique([values[row] or "" for row in rows], return_inverse=True)[1]


def _tree_probabilities(
    values: np.ndarray, targets: np.ndarray, groups: np.ndarray, parts: Sequence[Part], balanced: bool, threads: int
) -> np.ndarray:
    """Return the probability of each class by a small tree, as `probe_probabilities` does."""
    from sklearn.tree import DecisionTreeClassifier

    probabilities = np.zeros((len(values), int(targets.max()) + 1))
    for part in parts:
        leaf = max(3, len(part.trained) // 200)
        tree = DecisionTreeClassifier(
            max_leaf_nodes=16, min_samples_leaf=leaf, class_weight="balanced" if balanced else None, random_state=0
        )
        tree.fit(values[part.trained], targets[part.trained])
        probabilities[np.ix_(part.predicted, tree.classes_)] = tree.predict_proba(values[part.predicted])
    return probabilities
