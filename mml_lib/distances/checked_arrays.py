"""Arrays of tasks, checked before measures compute with them."""

import numpy as np

from mml_lib.distances.task_data import TaskData
from mml_lib.errors import MMLError


def checked_features(task: TaskData, least: int = 2) -> np.ndarray:
    """Return the features of a task (float32, N×D).

    Args:
        task: data of the task.
        least: smallest number of samples.

    Raises:
        MMLError: features are missing, too few, all equal, not pooled or not finite.
    """
    if task.features is None:
        raise MMLError(f"{task.name}: there are no features; extract them first")
    features = np.ascontiguousarray(task.features, dtype=np.float32)
    if features.ndim != 2 or not features.shape[1]:
        raise MMLError(
            f"{task.name}: its features have the shape {features.shape}; distances need pooled features, samples × "
            "dimensions"
        )
    if len(features) < least:
        raise MMLError(f"{task.name}: {_samples(len(features))}; this distance needs at least {least}")
    finite = np.isfinite(features).all(axis=1)
    if not finite.all():
        raise MMLError(
            f"{task.name}: features of {(~finite).sum():,} of its {len(features):,} samples are not finite (NaN or "
            "infinite); check its images and the extractor"
        )
    if len(features) > 1 and (features == features[0]).all():
        raise MMLError(
            f"{task.name}: its features are constant, the same for all samples; check its images and the extractor"
        )
    return features


def checked_fisher(task: TaskData) -> np.ndarray:
    """Return the Fisher information of a task (float64, P).

    Raises:
        MMLError: it is missing, negative, not finite or 0 everywhere.
    """
    if task.fisher is None:
        raise MMLError(f"{task.name}: there is no Fisher information; compute it first")
    fisher = np.asarray(task.fisher, dtype=np.float64)
    if fisher.ndim != 1 or not np.isfinite(fisher).all() or (fisher < 0).any() or not fisher.any():
        raise MMLError(
            f"{task.name}: its Fisher information must be one vector of finite values, none negative and not all 0; "
            "train its head longer, or look at its labels"
        )
    return fisher


def checked_labels(task: TaskData, number: int) -> np.ndarray:
    """Return the labels of a task's samples, N or N×L.

    Args:
        task: data of the task.
        number: number of samples in the other arrays.

    Raises:
        MMLError: labels are missing, not finite, or not one for each sample.
    """
    if task.labels is None:
        raise MMLError(f"{task.name}: it has no labels, which this distance needs; leave the task or the distance out")
    labels = np.asarray(task.labels)
    if len(labels) != number:
        raise MMLError(f"{task.name}: {len(labels):,} labels, but {_samples(number)}; give one label for each sample")
    if not np.isfinite(labels).all():
        raise MMLError(f"{task.name}: some labels are not finite; leave these samples out")
    return labels


def checked_classes(task: TaskData, number: int) -> np.ndarray:
    """Return the classes of a task's samples (int64, N), from 0 without gaps.

    Raises:
        MMLError: labels are missing or are not classes, or only one class occurs.
    """
    labels = checked_labels(task, number)
    if labels.ndim != 1 or not (np.issubdtype(labels.dtype, np.integer) or labels.dtype == bool):
        raise MMLError(f"{task.name}: this distance needs one class for each sample; use logme for other labels")
    names, classes = np.unique(labels, return_inverse=True)
    if len(names) < 2:
        raise MMLError(f"{task.name}: all samples are of one class; this distance needs at least two")
    return classes


def _samples(number: int) -> str:
    return "there is 1 sample" if number == 1 else f"there are {number:,} samples"
