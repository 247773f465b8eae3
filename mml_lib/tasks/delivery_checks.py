"""Checks of delivered samples before MML creates a data set."""

import math
import os
from collections.abc import Mapping
from typing import Any

from mml_lib.errors import MMLError, nearest
from mml_lib.task_types import TASK_TYPES
from mml_lib.tasks.channel_files import check_channels
from mml_lib.tasks.dataset import (
    EMPTY_MASK_TOKEN,
    SPLITS,
    WEIGHTS,
    Delivery,
    Sample,
    is_weight,
)


class ListedImages:
    """Samples by id and by image file, with the place that lists each sample.

    Args:
        name: data set or table, for errors.
    """

    def __init__(self, name: object):
        self._name = name
        self._ids: dict[str, tuple[Sample, str]] = {}
        self._files: dict[str, tuple[Sample, str]] = {}

    def add(self, sample: Sample, place: str) -> None:
        """Add a sample.

        Args:
            sample: the sample; adding it again has no effect.
            place: place that lists it, such as `line 3`.

        Raises:
            MMLError: another sample has its id, or has its image but another group or split.
        """
        first, first_place = self._ids.setdefault(sample.id, (sample, place))
        if first is not sample:
            splits = [copy.split or "no split" for copy in (first, sample)]
            where = "is listed twice" if splits[0] == splits[1] else f"is in {splits[0]} and in {splits[1]}"
            raise MMLError(f"{self._name}: sample '{sample.id}' {where} ({first_place}, {place}); keep it once")
        for file in sample.image_files:
            first, first_place = self._files.setdefault(os.path.normpath(file), (sample, place))
            is_elsewhere = first.split != sample.split or first.group is None or first.group != sample.group
            if first is not sample and is_elsewhere:
                raise MMLError(
                    f"{self._name}: the image {file} is listed twice, as '{first.id}' and as '{sample.id}' "
                    f"({first_place}, {place}), so that it could be in two splits or folds; keep it once, or put both "
                    "into one group"
                )


def check_delivery(delivery: Delivery, name: str) -> None:
    """Refuse samples that cannot form a task.

    Links and copies of images are found later, by the content of images.

    Args:
        delivery: result of a creator.
        name: name of the data set, for errors.

    Raises:
        MMLError: there are no samples, an id is duplicate, an image is listed twice outside a group, a label or split
            is unknown, or a label is missing or has the wrong type.
    """
    if not delivery.samples:
        raise MMLError(f"{name}: there are no images; see config/guide/tasks.md for the supported layouts")
    listed = ListedImages(name)
    for sample in delivery.samples:
        listed.add(sample, sample.image)
        if sample.channels is not None:
            check_channels(sample.channels, sample.image, f"{name}: sample '{sample.id}'")
        if sample.split is not None and sample.split not in SPLITS:
            raise MMLError(f"{name}: sample '{sample.id}' is in split '{sample.split}'; splits: {', '.join(SPLITS)}")
    _check_labels(delivery, name)
    _check_groups(delivery, name)
    _check_weights(delivery, name)


def _check_labels(delivery: Delivery, name: str) -> None:
    checks = {
        "classification": _check_class,
        "multilabel_classification": _check_probabilities,
        "regression": _check_number,
        "semantic_segmentation": _check_mask,
        "no_task": lambda sample, classes: None,
    }
    if (check := checks.get(delivery.task_type)) is None:
        raise MMLError(f"{name}: there is no task type '{delivery.task_type}'{nearest(delivery.task_type, checks)}")
    if TASK_TYPES[delivery.task_type].is_learnable and all(sample.split == "unlabelled" for sample in delivery.samples):
        raise MMLError(f"{name}: all images are unlabelled; set task_type: no_task, or add some with labels")
    class_names = dict.fromkeys(delivery.classes)
    for sample in delivery.samples:
        if sample.split != "unlabelled" and (problem := check(sample, class_names)):
            raise MMLError(f"{name}: sample '{sample.id}' {problem}")
    if TASK_TYPES[delivery.task_type].is_single_label and len(delivery.classes) < 2:
        classes = f"only the class '{delivery.classes[0]}'" if delivery.classes else "no class"
        raise MMLError(f"{name}: there is {classes}; a classification needs two or more")
    if TASK_TYPES[delivery.task_type].is_multilabel:
        if not delivery.classes:
            raise MMLError(f"{name}: there is no label; a multi-label classification needs one or more")
        _check_known(delivery, name)


def _check_class(sample: Sample, classes: Mapping[str, None]) -> str | None:
    if sample.label is None:
        return "has no label; give it one, or put it into the split 'unlabelled'"
    return None if sample.label in classes else _unknown(sample.label, classes)


def _check_probabilities(sample: Sample, classes: Mapping[str, None]) -> str | None:
    if not isinstance(sample.label, Mapping):
        return "has no labels; give it some (or none: an empty cell), or put it into the split 'unlabelled'"
    for label, probability in sample.label.items():
        if label not in classes:
            return _unknown(label, classes)
        if probability is not None and not 0 <= probability <= 1:
            return f"has the label '{label}' with probability {probability}; it must lie in 0..1"
    if classes and all(label in sample.label and sample.label[label] is None for label in classes):
        return "has no known label; put it into the split 'unlabelled'"
    return None


def _check_known(delivery: Delivery, name: str) -> None:
    """Refuse a label without a known entry."""
    unknown = set(delivery.classes)
    for sample in delivery.samples:
        if isinstance(sample.label, Mapping) and sample.split != "unlabelled":
            unknown = {label for label in unknown if sample.label.get(label, 0.0) is None}
        if not unknown:
            return
    label = next(label for label in delivery.classes if label in unknown)
    raise MMLError(f"{name}: every entry of the label '{label}' is unknown, so it cannot be learned; leave it out")


def _check_number(sample: Sample, classes: Mapping[str, None]) -> str | None:
    if not isinstance(sample.label, int | float) or not math.isfinite(sample.label):
        return f"has the value {sample.label!r}, which is not a finite number"
    return None


def _check_mask(sample: Sample, classes: Mapping[str, None]) -> str | None:
    if sample.mask is None:
        return f"has no mask; name one ({EMPTY_MASK_TOKEN} for none of the classes), or put it into 'unlabelled'"
    if os.path.normpath(sample.mask) == os.path.normpath(sample.image):
        return f"has its own image as its mask ({sample.image}); name the mask"
    return None


def _unknown(label: Any, classes: Mapping[str, None]) -> str:
    return f"has the label '{label}', which is not a class{nearest(str(label), classes)}"


def _check_weights(delivery: Delivery, name: str) -> None:
    """Refuse invalid weights, and weights that are 0 for all labelled samples."""
    for sample in delivery.samples:
        weight = sample.weight
        if weight is not None and not (isinstance(weight, int | float) and is_weight(weight)):
            raise MMLError(f"{name}: sample '{sample.id}' has the weight {weight!r}; write {WEIGHTS}")
    pairs = zip(delivery.samples, delivery.weights or (), strict=False)
    labelled = [weight for sample, weight in pairs if sample.split != "unlabelled"]
    if labelled and not any(labelled):
        raise MMLError(f"{name}: all samples have the weight 0, so nothing can be learned; leave the weights out")


def _check_groups(delivery: Delivery, name: str) -> None:
    splits: dict[str, str | None] = {}
    for sample in delivery.samples:
        # Some frames of a video may be unlabelled: these are predicted, but no metric uses them.
        if sample.group is None or sample.split == "unlabelled":
            continue
        if splits.setdefault(sample.group, sample.split) != sample.split:
            first, second = (split or "none" for split in (splits[sample.group], sample.split))
            raise MMLError(
                f"{name}: group '{sample.group}' is in the splits {first} and {second}; a group must not cross splits"
            )
