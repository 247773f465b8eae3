"""Scores of a source's network on a labelled target, against the authors' formulae and other implementations."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.spatial.distance import cdist
from scipy.stats import multivariate_normal
from sklearn.covariance import LedoitWolf

from mml_lib.distances import MEASURES, TaskData
from tests.support.gaussian_tasks import labelled_task

SOURCE = TaskData("source")


def compare(measure: str, target: TaskData, **options) -> float:
    return MEASURES[measure].compare(SOURCE, target, MEASURES[measure].read_options(options))


# --- LogME ------------------------------------------------------------------------------------------------------------


def best_evidence(features: np.ndarray, column: np.ndarray) -> float:
    """Return the largest log evidence per sample, by a search over both precisions."""
    number = len(column)

    def negative_evidence(logs: np.ndarray) -> float:
        alpha, beta = np.exp(logs)
        covariance = features @ features.T / alpha + np.eye(number) / beta
        return -multivariate_normal(np.zeros(number), covariance, allow_singular=False).logpdf(column)

    return -minimize(negative_evidence, np.zeros(2), method="Nelder-Mead", tol=1e-8).fun / number


@pytest.mark.parametrize(("number", "width"), [(60, 5), (30, 40)])
def test_logme_is_the_largest_evidence(number: int, width: int):
    target = labelled_task(number, width, noise=3)
    expected = np.mean([best_evidence(target.features, (target.labels == label).astype(float)) for label in range(3)])
    assert compare("logme", target) == pytest.approx(-expected, rel=1e-5)


def test_logme_agrees_with_the_authors_iteration():
    target = labelled_task(300, 8)
    features, scores = target.features.astype(float), []
    u, s, _ = np.linalg.svd(features, full_matrices=False)
    number, width = features.shape
    for label in range(3):
        y = (target.labels == label).astype(float)
        x2 = (u.T @ y) ** 2
        outside, alpha, beta, sigma = (y**2).sum() - x2.sum(), 1.0, 1.0, s**2
        for _ in range(11):
            t = alpha / beta
            gamma = (sigma / (sigma + t)).sum()
            m2 = (sigma * x2 / (t + sigma) ** 2).sum()
            res2 = (x2 / (1 + sigma / t) ** 2).sum() + outside
            alpha, beta = gamma / (m2 + 1e-5), (number - gamma) / (res2 + 1e-5)
            if abs(alpha / beta - t) / t <= 1e-3:
                break
        evidence = width / 2 * np.log(alpha) + number / 2 * np.log(beta) - 0.5 * np.log(alpha + beta * sigma).sum()
        scores.append((evidence - beta / 2 * res2 - alpha / 2 * m2 - number / 2 * np.log(2 * np.pi)) / number)
    assert compare("logme", target) == pytest.approx(-np.mean(scores), rel=1e-3)


def test_logme_takes_values_and_labels():
    target = labelled_task(60, 5)
    values = target.features[:, 0] + np.random.default_rng(0).normal(0, 0.5, 60)
    regression = TaskData("values", features=target.features, labels=values)
    assert compare("logme", regression) == pytest.approx(-best_evidence(target.features, values), rel=1e-5)
    several = TaskData("labels", features=target.features, labels=np.eye(3)[target.labels])
    assert compare("logme", several) == pytest.approx(compare("logme", target))


def test_logme_of_a_model_without_error_is_finite():
    features = np.random.default_rng(0).normal(size=(50, 5))
    exact = TaskData("exact", features=features.astype("f"), labels=features.astype("f")[:, 0].astype(float))
    assert np.isfinite(compare("logme", exact))


# --- LEEP -------------------------------------------------------------------------------------------------------------


def test_leep_is_the_log_expected_empirical_prediction():
    target = labelled_task(80)
    number, sources = target.probabilities.shape
    joint = {(y, z): 0.0 for y in range(3) for z in range(sources)}
    for row, label in zip(target.probabilities, target.labels, strict=True):
        for z in range(sources):
            joint[label, z] += row[z] / number
    marginal = [sum(joint[y, z] for y in range(3)) for z in range(sources)]
    logs = [
        np.log(sum(joint[label, z] / marginal[z] * row[z] for z in range(sources)))
        for row, label in zip(target.probabilities, target.labels, strict=True)
    ]
    assert compare("leep", target) == pytest.approx(-np.mean(logs))


def test_leep_of_a_source_that_names_the_class_is_0_and_of_one_that_does_not_the_entropy():
    labels = np.array([0, 0, 1, 1, 1, 1])
    sure = np.eye(3)[labels]  # a source class that never occurs has no label
    assert compare("leep", TaskData("a", probabilities=sure, labels=labels)) == pytest.approx(0)
    blank = np.full((6, 2), 0.5)
    entropy = -(np.log(1 / 3) / 3 + np.log(2 / 3) * 2 / 3)
    assert compare("leep", TaskData("a", probabilities=blank, labels=labels)) == pytest.approx(entropy)


# --- H-score ----------------------------------------------------------------------------------------------------------


def class_means(target: TaskData) -> np.ndarray:
    features = target.features.astype(float)
    return np.array([features[target.labels == label].mean(0) for label in target.labels])


def test_hscore_is_the_trace_of_the_whitened_variance_between_classes():
    target = labelled_task(200)
    covariance = np.cov(target.features.astype(float), rowvar=False)
    between = np.cov(class_means(target), rowvar=False)
    expected = np.trace(np.linalg.pinv(covariance) @ between)
    assert compare("hscore", target) == pytest.approx(-expected, rel=1e-5)
    turned = TaskData("turned", features=3 * target.features[:, ::-1] + 1, labels=target.labels)
    assert compare("hscore", turned) == pytest.approx(-expected, rel=1e-4)


@pytest.mark.parametrize(("number", "width"), [(200, 8), (30, 50)])
def test_hscore_with_shrinkage_is_that_of_ledoit_and_wolf(number: int, width: int):
    target = labelled_task(number, width)
    fitted = LedoitWolf().fit(target.features.astype(float))
    between = np.cov(class_means(target), rowvar=False, bias=True)
    expected = (1 - fitted.shrinkage_) * np.trace(np.linalg.inv(fitted.covariance_) @ between)
    assert compare("hscore", target, shrinkage=True) == pytest.approx(-expected, rel=1e-5)


def test_hscore_bears_constant_dimensions():
    target = labelled_task(200)
    wider = np.concatenate([target.features, np.ones((200, 2), "f")], axis=1)
    padded = TaskData("padded", features=wider, labels=target.labels)
    assert compare("hscore", padded) == pytest.approx(compare("hscore", target), rel=1e-5)


def test_hscore_does_not_depend_on_the_scale_of_a_dimension():
    target = labelled_task()
    scales = np.array([1, 1e-3, 1e3, 1e-3, 1, 1, 10, 1], "f")
    scaled = TaskData("scaled", features=target.features * scales, labels=target.labels)
    assert compare("hscore", scaled) == pytest.approx(compare("hscore", target), rel=1e-4)


# --- nearest neighbours -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("k", [1, 4])
def test_knn_is_the_error_of_leaving_one_out(k: int, metric: str):
    target = labelled_task(60, 4, noise=3)
    errors = 0
    for row, distances in enumerate(cdist(target.features, target.features, metric)):
        nearest = [index for index in np.argsort(distances) if index != row][:k]
        errors += np.bincount(target.labels[nearest]).argmax() != target.labels[row]
    assert compare("knn", target, k=k, metric=metric) == pytest.approx(errors / 60)
    if metric == "euclidean":
        moved = TaskData("moved", features=target.features + 1000, labels=target.labels)
        assert compare("knn", moved, k=k) == pytest.approx(errors / 60)


def test_knn_takes_neighbours_of_other_folds():
    target = labelled_task(30, 4, noise=3)
    twice = TaskData(
        "twice",
        features=np.concatenate([target.features, target.features]),
        labels=np.concatenate([target.labels, target.labels]),
    )
    folds = np.tile(np.arange(30) % 3, 2)  # copies of a sample are of one fold
    folded = TaskData("folded", features=twice.features, labels=twice.labels, folds=folds)
    hits = 0
    for features, label, fold in zip(twice.features, twice.labels, folds, strict=True):
        order = np.argsort(((twice.features - features) ** 2).sum(1), kind="stable")
        nearest = next(index for index in order if folds[index] != fold)
        hits += twice.labels[nearest] == label
    assert compare("knn", twice, k=1) == 0
    assert compare("knn", folded, k=1) == pytest.approx(1 - hits / 60)


@pytest.mark.parametrize("measure", ["logme", "leep", "hscore", "knn"])
def test_small_is_near(measure: str):
    target = labelled_task(150, noise=1)
    shuffled = TaskData(
        "shuffled",
        features=target.features,
        probabilities=target.probabilities,
        labels=np.random.default_rng(1).permutation(target.labels),
    )
    assert compare(measure, target) < compare(measure, shuffled)
    assert MEASURES[measure].of_source_networks
    assert not MEASURES[measure].symmetric
