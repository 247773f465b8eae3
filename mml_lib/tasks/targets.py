"""Targets: the labels of a task's samples as arrays, for all task types."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mml_lib.errors import MMLError, nearest
from mml_lib.task_types import TASK_TYPES
from mml_lib.tasks.dataset import Dataset, Sample, merged_probability
from mml_lib.tasks.mask_classes import ColorLists, mask_classes
from mml_lib.tasks.names import merged_classes

QUANTILES = 10
"""Number of strata of a regression, if there are enough samples."""


@dataclass(frozen=True)
class Targets:
    """The targets of N samples.

    Args:
        task_type: name of the task type.
        classes: names by class index; none for a regression.
        values: classification: class indices, -1 where unlabelled (int, N); multi-label: probabilities (float, N×C),
            NaN where unknown; regression: values (float, N), NaN where unlabelled; segmentation: pixels of each
            class (int, N×C); no task: empty (N×0). Labels of samples in the split `unlabelled` are dropped.
    """

    task_type: str
    classes: list[str]
    values: np.ndarray

    @classmethod
    def of(
        cls, dataset: Dataset, idx_to_class: Mapping[int, str] | None, name: str, colors: ColorLists | None = None
    ) -> "Targets":
        """Return the targets of a data set.

        Args:
            dataset: the data set.
            idx_to_class: class of each index or mask value; equal names merge classes.
            name: name of the task, for errors.
            colors: segmentation: colours of each class, if mask values stand for colours.

        Raises:
            MMLError: `idx_to_class` or `colors` does not fit the data, or single precision cannot resolve the values.
        """
        delivery, kind = dataset.delivery, TASK_TYPES[dataset.delivery.task_type]
        mapping = class_mapping(dataset, idx_to_class, name, colors)
        classes = list(dict.fromkeys(mapping.values())) if kind.has_classes else []
        index = {raw: classes.index(label) for raw, label in mapping.items()} if classes else {}
        if kind.has_masks:
            return cls(kind.name, classes, _pixels(dataset, index, len(classes)))
        number = {label: index[raw] for raw, label in enumerate(delivery.classes)} if classes else {}
        labels: list[Any] = [None if sample.split == "unlabelled" else sample.label for sample in delivery.samples]
        if kind.is_single_label:
            labels = [None if label is None else number[label] for label in labels]
        elif kind.is_multilabel:
            labels = [None if label is None else _probabilities(label, number, len(classes)) for label in labels]
            _check_merged(labels, delivery.samples, name)
        columns = {"id": [sample.id for sample in delivery.samples], "label": labels}
        targets = cls.from_columns(kind.name, classes, columns)
        if kind.has_values:
            _check_resolution(targets.values, name)
        return targets

    @classmethod
    def from_columns(cls, task_type: str, classes: Sequence[str], columns: Mapping[str, Sequence[Any]]) -> "Targets":
        """Return the targets in the columns of a task description."""
        kind = TASK_TYPES[task_type]
        values: np.ndarray
        if kind.has_masks:
            values = np.array(columns["pixels"], dtype=np.int64).reshape(-1, len(classes))
        elif kind.is_single_label:
            values = np.array([-1 if label is None else label for label in columns["label"]], dtype=np.int64)
        elif kind.is_multilabel:
            unknown = [np.nan] * len(classes)
            values = np.array([unknown if label is None else label for label in columns["label"]], dtype=float)
            values = values.reshape(-1, len(classes))
        elif kind.has_values:
            values = np.array([np.nan if label is None else label for label in columns["label"]], dtype=float)
        else:
            values = np.zeros((len(columns["id"]), 0))
        return cls(task_type, list(classes), values)

    def columns(self) -> dict[str, list[Any]]:
        """Return the targets as columns of a task description: `label`, for segmentation `pixels`."""
        if TASK_TYPES[self.task_type].has_masks:
            return {"pixels": self.values.tolist()}
        if not TASK_TYPES[self.task_type].is_learnable:
            return {}
        labelled = self.labelled.tolist()
        values = self.values.tolist()
        if TASK_TYPES[self.task_type].is_multilabel:
            values = [[None if p != p else int(p) if p in (0, 1) else p for p in row] for row in values]
        return {"label": [value if is_labelled else None for value, is_labelled in zip(values, labelled, strict=True)]}

    @property
    def labelled(self) -> np.ndarray:
        """Mask of the samples with a target (bool, N); a multi-label sample needs a known label.

        All samples of a segmentation count, because masks are not read for this.
        """
        if TASK_TYPES[self.task_type].is_single_label:
            return self.values >= 0
        if not TASK_TYPES[self.task_type].is_learnable:
            return np.zeros(len(self.values), dtype=bool)
        return ~np.isnan(self.values).all(axis=tuple(range(1, self.values.ndim)))

    @property
    def is_partial(self) -> bool:
        """True if a labelled sample has an unknown label."""
        return TASK_TYPES[self.task_type].is_multilabel and bool(np.isnan(self.values[self.labelled]).any())

    @property
    def label_counts(self) -> dict[str, dict[str, int]]:
        """Number of known, positive and unknown entries of each label."""
        is_known = (~np.isnan(self.values)).sum(axis=0).tolist()
        positive = self.presence.sum(axis=0).tolist()
        return {
            label: {"known": is_known[index], "positive": positive[index], "unknown": len(self) - is_known[index]}
            for index, label in enumerate(self.classes)
        }

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: np.ndarray) -> "Targets":
        """Return the targets of some samples."""
        return replace(self, values=self.values[rows])

    @property
    def presence(self) -> np.ndarray:
        """Classes that each sample shows (bool, N×C): labels with a probability of 0.5 or more count."""
        if TASK_TYPES[self.task_type].is_single_label:
            return self.values[:, None] == np.arange(len(self.classes))
        if TASK_TYPES[self.task_type].is_multilabel:
            return np.nan_to_num(self.values) >= 0.5
        if TASK_TYPES[self.task_type].has_masks:
            return self.values > 0
        return np.zeros((len(self.values), 0), dtype=bool)

    @property
    def texts(self) -> list[str]:
        """Target of each sample as text, N: its class, the labels or classes that it shows, or its value.

        The text is empty for samples without a target.
        """
        kind, labelled = TASK_TYPES[self.task_type], self.labelled.tolist()
        if kind.has_values:
            texts = [f"{value:.4g}" for value in self.values.tolist()]
        else:
            presence = self.presence
            indices = [np.flatnonzero(row) for row in presence]
            texts = [", ".join(self.classes[number] for number in numbers) or "none" for numbers in indices]
        return [text if is_labelled else "" for text, is_labelled in zip(texts, labelled, strict=True)]

    @property
    def class_occ(self) -> dict[str, int]:
        """Number of samples that show each class."""
        return dict(zip(self.classes, self.presence.sum(axis=0).tolist(), strict=True))

    def strata(self, groups: np.ndarray, needed: int) -> np.ndarray:
        """Return the stratum of each sample (str, N): its class, its set of labels, or its quantile.

        Strata of labels and values are made large enough to occur in `needed` groups, if there are so many groups.
        Rare sets of labels join the sets that share their rarest label, then the next rarer stratum. Quantiles become
        wider.

        Args:
            groups: group of each sample (N).
            needed: number of groups in which a stratum should occur.
        """
        if TASK_TYPES[self.task_type].is_single_label:
            return np.array(self.classes)[self.values]
        if TASK_TYPES[self.task_type].has_values:
            for bins in range(max(1, min(QUANTILES, len(set(groups)) // (2 * needed))), 0, -1):
                edges = np.quantile(self.values, np.linspace(0, 1, bins + 1)[1:-1])
                strata = np.searchsorted(edges, self.values, side="right").astype(str)
                if min(_spread(strata, groups).values()) >= needed:
                    break
            return strata
        presence = self.presence
        order = np.argsort(presence.sum(axis=0), kind="stable")
        strata = np.array(["+".join(np.array(self.classes)[row]) for row in presence])
        rarest = np.array([next((self.classes[c] for c in order if row[c]), "") for row in presence])
        spread = _spread(strata, groups)
        small = np.array([spread[stratum] < needed for stratum in strata.tolist()])
        strata = np.where(small, np.char.add("~", rarest), strata)
        while len(spread := _spread(strata, groups)) > 1 and min(spread.values()) < needed:
            least, next_ = sorted(spread, key=lambda stratum: (spread[stratum], stratum))[:2]
            strata[strata == least] = next_
        return strata


def _spread(strata: np.ndarray, groups: np.ndarray) -> dict[str, int]:
    """Return the number of groups in which each stratum occurs."""
    names, stratum = np.unique(strata, return_inverse=True)
    _, group = np.unique(groups, return_inverse=True)
    pairs = np.unique(stratum * len(groups) + group)
    return dict(zip(names.tolist(), np.bincount(pairs // len(groups)).tolist(), strict=True))


def class_mapping(
    dataset: Dataset, idx_to_class: Mapping[int, str] | None, name: str, colors: ColorLists | None = None
) -> dict[int, str]:
    """Return the class of each mask value, or of each delivered class index.

    Args:
        dataset: the data set of the task.
        idx_to_class: classes in the study, by index or mask value. Keys may be text, as in JSON files.
        name: name of the task, for errors.
        colors: segmentation: colours of each class in the study.

    Raises:
        MMLError: the mapping does not fit the data.
    """
    kind = dataset.delivery.task_type
    mapping = dict(sorted((int(index), label) for index, label in (idx_to_class or {}).items()))
    if TASK_TYPES[kind].has_masks:
        return mask_classes(dataset, mapping, colors, name)
    return merged_classes(dataset.delivery.classes, mapping, kind, name)


def _check_resolution(values: np.ndarray, name: str) -> None:
    """Refuse values whose differences are lost in single precision, the precision of networks."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return
    largest, spread = np.abs(finite).max(), np.ptp(finite)
    if largest > np.finfo(np.float32).max or 0 < spread < 1000 * np.spacing(np.float32(largest)):
        raise MMLError(
            f"{name}: the values lie between {finite.min():g} and {finite.max():g}, which single precision cannot tell "
            "apart well; subtract an offset, or use another unit"
        )


def _probabilities(label: Mapping[str, float | None], number: Mapping[str, int], classes: int) -> list[float | None]:
    """Return the probability of each class, None if unknown; merged classes have their largest probability."""
    by_class: list[list[float | None]] = [[] for _ in range(classes)]
    for name, probability in label.items():
        by_class[number[name]].append(probability)
    return [merged_probability(probabilities) for probabilities in by_class]


def _check_merged(labels: Sequence[Any], samples: Sequence[Sample], name: str) -> None:
    """Refuse a sample without a known label after classes were merged."""
    for row, sample in zip(labels, samples, strict=True):
        if row is not None and all(probability is None for probability in row):
            raise MMLError(f"{name}: sample '{sample.id}' has no known label; put it into the split 'unlabelled'")


def _pixels(dataset: Dataset, index: Mapping[int, int], classes: int) -> np.ndarray:
    pixels = np.zeros((len(dataset.sizes), classes), dtype=np.int64)
    for row, counts in enumerate(dataset.values or []):
        for value, count in (counts or {}).items():
            if value in index:
                pixels[row, index[value]] += count
    return pixels


def class_of_tag(label: str, classes: Sequence[str]) -> str:
    """Return the class that a tag names: by its spelling in paths (`spell`) or by its index.

    Raises:
        MMLError: there is no such class, or several classes have this spelling.
    """
    matches = [name for name in classes if name == label] or [name for name in classes if spell(name) == label]
    if len(matches) > 1:
        indices = " or ".join(str(classes.index(name)) for name in matches)
        raise MMLError(f"'{label}' may be any of the classes {', '.join(matches)}; write its index, {indices}")
    if matches:
        return matches[0]
    if label.isdigit() and int(label) < len(classes):
        return classes[int(label)]
    raise MMLError(f"there is no class '{label}'{nearest(label, map(spell, classes))}")


def spell(name: str) -> str:
    """Return the spelling of a class name in a tag: letters, digits, `_`, `.` and `-` of ASCII, `_` for all others."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "_.-") else "_" for c in name)
