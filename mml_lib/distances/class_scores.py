"""Scores of class separation: of a target's classes, by a source's network."""

import numpy as np

from mml_lib.distances.checked_arrays import checked_classes, checked_features
from mml_lib.distances.neighbour_search import find_nearest
from mml_lib.distances.task_data import TaskData
from mml_lib.errors import MMLError


def log_expected_prediction(task: TaskData) -> float:
    """Return LEEP (Nguyen et al. 2020): the mean log probability of labels, given their frequencies in source classes.

    Args:
        task: target with probabilities of source classes (N×K) and classes (N).

    Returns:
        At most 0, in nats.

    Raises:
        MMLError: probabilities or labels are missing or invalid.
    """
    if task.probabilities is None:
        raise MMLError(f"{task.name}: there are no probabilities of the source's network; predict them first")
    probabilities = np.asarray(task.probabilities, dtype=np.float64)
    if (
        probabilities.ndim != 2
        or not (probabilities >= 0).all()
        or not np.allclose(probabilities.sum(axis=1), 1, atol=1e-3)
    ):
        raise MMLError(
            f"{task.name}: leep needs probabilities of source classes, samples × classes, that add up to 1; the source "
            "must be a classification"
        )
    classes = checked_classes(task, len(probabilities))
    joint = np.eye(classes.max() + 1)[classes].T @ probabilities / len(classes)  # classes × source classes
    marginal = joint.sum(axis=0)
    conditional = np.divide(joint, marginal, out=np.zeros_like(joint), where=marginal > 0)
    expected = np.einsum("nk,nk->n", probabilities, conditional[classes])
    return float(np.log(expected).mean())


def h_score(task: TaskData, shrinkage: bool) -> float:
    """Return the H-score (Bao et al. 2019): the trace of cov(F)⁻¹ cov(E[F|y]).

    Args:
        task: target with features F (N×D) and classes y (N).
        shrinkage: shrink the covariance of the features by Ledoit and Wolf's weight a, and the score by 1 − a (Ibrahim
            et al. 2021).

    Raises:
        MMLError: features or labels are missing or invalid, or there are too few samples without shrinkage.
    """
    features = checked_features(task).astype(np.float64)
    classes = checked_classes(task, len(features))
    number, width = features.shape
    if not shrinkage:
        check_covariance(task.name, number, width)
    # Smaller variances are rounding errors, of single precision or of the decomposition.
    rounding = np.finfo(np.float32).eps ** 2 * float((features**2).mean())
    features -= features.mean(axis=0)
    variances, directions = np.linalg.eigh(features.T @ features / number)
    weight = 0.0
    if shrinkage:
        from sklearn.covariance import ledoit_wolf_shrinkage

        weight = ledoit_wolf_shrinkage(features, assume_centered=True)
    shrunk = (1 - weight) * variances + weight * variances.mean()
    used = shrunk > max(rounding, width * np.finfo(np.float64).eps * shrunk.max())
    sizes = np.bincount(classes)
    means = np.eye(len(sizes))[classes].T @ features / sizes[:, None]
    between = sizes / number @ (means @ directions[:, used]) ** 2  # variance between classes in each direction
    return float((1 - weight) * (between / shrunk[used]).sum())


def check_covariance(task: str, samples: int, width: int) -> None:
    """Refuse features whose covariance is singular.

    Args:
        task: name of the task.
        samples: number of its samples.
        width: number of features.

    Raises:
        MMLError: there are no more samples than features.
    """
    if samples <= width:
        raise MMLError(
            f"{task}: {samples:,} samples for {width} dimensions leave the covariance singular; set the option "
            "shrinkage of hscore to true"
        )


def neighbour_accuracy(task: TaskData, k: int, metric: str) -> float:
    """Return the accuracy of a vote of nearest neighbours outside of each sample's fold (0..1).

    Args:
        task: target with features (N×D), classes (N), and optionally folds (N).
        k: number of neighbours. Of classes with equal votes, the first wins.
        metric: `euclidean` or `cosine`.

    Raises:
        MMLError: features or labels are missing or invalid, or there are too few samples.
    """
    features = checked_features(task)
    classes = checked_classes(task, len(features))
    folds = None if task.folds is None else np.asarray(task.folds)
    largest = 1 if folds is None else int(np.unique(folds, return_counts=True)[1].max())
    check_neighbours(task.name, len(features) - largest, k)
    if metric == "cosine":  # for vectors of length 1, the Euclidean distance gives the same order
        lengths = np.linalg.norm(features, axis=1, keepdims=True)
        features = features / np.where(lengths > 0, lengths, 1)
    else:  # products lose fewer digits near the origin
        features = features - features.mean(axis=0, dtype=np.float64).astype(np.float32)
    if folds is None:
        rows, _ = find_nearest(features, features, k, np.arange(len(features)))
        return float((_vote(classes[rows]) == classes).mean())
    hits = 0
    for fold in np.unique(folds):
        in_fold = folds == fold
        rows, _ = find_nearest(features[in_fold], features[~in_fold], k)
        hits += int((_vote(classes[~in_fold][rows]) == classes[in_fold]).sum())
    return hits / len(classes)


def _vote(classes: np.ndarray) -> np.ndarray:
    """Return the most frequent class among the neighbours of each sample, N; of several, the first."""
    votes = np.zeros((len(classes), classes.max() + 1))
    np.add.at(votes, (np.arange(len(classes))[:, None], classes), 1)
    return votes.argmax(axis=1)


def check_neighbours(task: str, samples: int, k: int) -> None:
    """Refuse a task with too few samples for a vote of neighbours.

    Args:
        task: name of the task.
        samples: number of samples outside of a sample's fold.
        k: number of neighbours.

    Raises:
        MMLError: there are fewer than k samples.
    """
    if samples < k:
        raise MMLError(
            f"{task}: there are {samples:,} samples outside of a sample's fold, fewer than k ({k}); lower k of knn"
        )
