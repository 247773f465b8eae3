"""Metrics per group: the samples of a group (the images of a patient) are merged, and each group counts once.

Probabilities and values are averaged, or merged according to the study's `per_group`. Pixels of masks are summed;
distances of their edges are averaged over images. The names of these metrics end in `_per_group`. The weight of a group
is the mean of its samples' weights, without samples of weight 0.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from mml_lib.config.metric_options import PER_GROUP
from mml_lib.errors import MMLError
from mml_lib.evaluation.resampled import NO_WEIGHT, Groups, Resampled, resample, undefined, unit_keys, with_weight
from mml_lib.task_types import TASK_TYPES

Arguments = Sequence[np.ndarray]


def has_groups(groups: Groups | None) -> bool:
    """Return True if any group has several samples."""
    sizes = Counter(name for name in (groups or {}).values() if name)
    return max(sizes.values(), default=0) > 1


def resample_levels(
    task_type: str,
    metrics: Sequence[str],
    arguments: Arguments,
    ids: np.ndarray,
    resamples: int,
    groups: Groups | None = None,
    per_group: str = "mean",
    seed: int = 0,
    weights: np.ndarray | None = None,
) -> Resampled:
    """Return metrics on samples and on resamples of them, followed by those per group if any group has several samples.

    Args:
        task_type: task type of the predictions.
        metrics: names of metrics of this type.
        arguments: arguments of the metrics, N samples each.
        ids: ids of the samples, N.
        resamples: number of resamples.
        groups: group of each sample of the task, by id.
        per_group: see `how` of `merge_groups`. Metrics of groups that cannot be merged are NaN, with the reason.
        seed: number that is added to the seed of the samples.
        weights: weights of the samples, N; None: equal weights.
    """
    per_sample = resample(task_type, metrics, arguments, ids, resamples, groups, seed, weights)
    if not has_groups(groups):
        return per_sample
    names = [metric + PER_GROUP for metric in metrics]
    if weights is not None:
        arguments, ids, weights = with_weight(arguments, np.asarray(ids), weights)
        if not len(ids):
            return per_sample.join(undefined(names, ids, resamples, NO_WEIGHT))
    units, numbers = np.unique(unit_keys(ids, groups), return_inverse=True)
    try:
        merged = merge_groups(task_type, arguments, numbers, [unit.partition(" ")[2] for unit in units], per_group)
    except MMLError as error:
        return per_sample.join(undefined(names, units, resamples, str(error)))
    unit_weights = None if weights is None else np.bincount(numbers, weights) / np.bincount(numbers)
    of_groups = resample(task_type, metrics, merged, units, resamples, seed=seed, weights=unit_weights)
    return per_sample.join(replace(of_groups, metrics=names))


def merge_groups(
    task_type: str, arguments: Arguments, numbers: np.ndarray, names: Sequence[str], how: str = "mean"
) -> tuple[np.ndarray, ...]:
    """Return the arguments of metrics for groups instead of samples, G each.

    Args:
        task_type: task type of the predictions.
        arguments: arguments of its metrics, N samples each.
        numbers: index of the group of each sample, N, from 0 without gaps.
        names: names of the groups, G.
        how: `mean`: mean of probabilities. `vote`: share of the samples that predict a class or label; the mean
            decides ties. `max`: the highest class of any sample, or all labels of any sample.

    Raises:
        MMLError: the labels of a group's samples differ, and `how` is not `max`.
    """
    if TASK_TYPES[task_type].has_masks:
        pixels = (_sums(argument, numbers) for argument in arguments[:3])
        return *pixels, *(_joined(argument, numbers) for argument in arguments[3:])
    outputs, targets, *is_known = arguments
    if TASK_TYPES[task_type].has_values:
        return _means(outputs, numbers), _means(targets, numbers)
    highest = how == "max"
    labels = _largest(targets, numbers)
    differing = labels[numbers] != targets
    if is_known:
        differing &= is_known[0]
        group_known = _known_in_groups(targets, is_known[0], numbers, highest)
    if differing.any() and not highest:
        name = names[numbers[differing.reshape(len(numbers), -1).any(axis=1).argmax()]]
        raise MMLError(f"samples of group '{name}' differ in their labels; `per_group: max` takes the highest")
    merged = _PROBABILITIES[task_type, how](outputs, numbers)
    return (merged, labels & group_known, group_known) if is_known else (merged, labels)


def _known_in_groups(targets: np.ndarray, is_known: np.ndarray, numbers: np.ndarray, highest: bool) -> np.ndarray:
    """Return which labels of groups are known (bool, G×labels).

    A label is known if it is known for any sample. With `max`, an absent label is known only if it is known for all.
    """
    if not highest:
        return _largest(is_known, numbers)
    return _largest(targets, numbers) | ~_largest(~is_known, numbers)


def _sums(values: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    sums = np.zeros((numbers.max() + 1, *values.shape[1:]), np.result_type(values, np.int64))
    np.add.at(sums, numbers, values)
    return sums


def _joined(masks: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Return the tuple of masks of each group, G (object)."""
    joined = np.empty(numbers.max() + 1, object)
    for number in range(len(joined)):
        joined[number] = sum(masks[numbers == number], ())
    return joined


def _means(values: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    sizes = np.bincount(numbers).reshape(-1, *[1] * (values.ndim - 1))
    return _sums(values, numbers) / sizes


def _largest(values: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    order = np.argsort(numbers, kind="stable")
    return np.maximum.reduceat(values[order], np.searchsorted(numbers[order], np.arange(numbers.max() + 1)))


def _highest_class(probabilities: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Return the probability of each class to be the highest of a group, G×classes.

    The probability of class k or higher is the largest such probability of any sample.
    """
    at_least = np.cumsum(probabilities[:, ::-1], axis=1)[:, ::-1]
    largest = _largest(at_least, numbers)
    largest[:, 0] = 1.0
    return largest - np.concatenate([largest[:, 1:], np.zeros((len(largest), 1))], axis=1)


def _class_votes(probabilities: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    classes = probabilities.shape[1]
    shares = _means((probabilities.argmax(axis=1)[:, None] == np.arange(classes)).astype(float), numbers)
    leading = np.isclose(shares, shares.max(axis=1, keepdims=True))
    winner = np.where(leading, _means(probabilities, numbers), -1.0).argmax(axis=1)
    tied = leading.sum(axis=1) > 1
    shares[tied, winner[tied]] += TIE
    return shares / shares.sum(axis=1, keepdims=True)


def _label_votes(probabilities: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    shares = _means((probabilities > 0.5).astype(float), numbers)
    return np.where((shares == 0.5) & (_means(probabilities, numbers) > 0.5), 0.5 + TIE, shares)


TIE = 1e-9
"""Lead of the class that wins a tie."""

_PROBABILITIES: dict[tuple[str, str], Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    ("classification", "mean"): _means,
    ("classification", "max"): _highest_class,
    ("classification", "vote"): _class_votes,
    ("multilabel_classification", "mean"): _means,
    ("multilabel_classification", "max"): _largest,
    ("multilabel_classification", "vote"): _label_votes,
}
