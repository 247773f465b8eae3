"""Baselines on features, next to models that are fitted by hand."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mml_lib.errors import MMLError
from mml_lib.features.baseline_models import VOTES, fit_linear_probe, predict_by_neighbours, predict_by_probe
from mml_lib.features.feature_files import Features
from mml_lib.features.linear_probes import PENALTIES, PROBES, LinearProbe, Training
from mml_lib.predictions.predictions import Predictions
from mml_lib.tasks.description import TaskDescription
from tests.support.small_tasks import fake_task

METHODS = ["nearest_neighbour", "linear_probe"]
KINDS = ["classification", "multilabel_classification", "regression"]


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, TaskDescription]:
    folder = tmp_path_factory.mktemp("tasks")
    made = {kind: fake_task(folder / kind, kind, num_samples=60, unlabelled=3) for kind in KINDS}
    return {kind: TaskDescription.read(struct.paths["description"]) for kind, struct in made.items()}


def features_of(task: TaskDescription, noise: float = 0.5) -> Features:
    """Return features from which the targets can be told, but for some noise."""
    rng = np.random.default_rng(0)
    targets = task.targets.values
    signal = np.eye(task.header["num_classes"])[targets] if targets.ndim == 1 and targets.dtype.kind == "i" else targets
    if task.header["task_type"] == "regression":  # as directions, which cosine similarity looks at
        angles = np.nan_to_num(targets, nan=targets[~np.isnan(targets)].min())
        angles = np.pi * (angles - angles.min()) / np.ptp(angles)
        signal = np.column_stack([np.cos(angles), np.sin(angles)])
    signal = np.nan_to_num(signal.reshape(len(targets), -1).astype(float))
    values = np.hstack([3 * signal, np.ones((len(targets), 1)), signal[:, ::-1]])
    values = (values + noise * rng.normal(size=values.shape)).astype(np.float32)
    values[:, signal.shape[1]] = 7  # constant
    samples = task.samples
    return Features(list(samples["id"]), list(samples["split"]), np.array(samples["fold"]), values, "x-0a1b2c3d", "t")


def predict_baseline(task: TaskDescription, features: Features, method: str, fold: int, split: str) -> Predictions:
    if method == "nearest_neighbour":
        return predict_by_neighbours(task, features, fold, split)
    return predict_by_probe(task, features, fit_linear_probe(task, features, fold), fold, split)


def outputs(method: str, target: str, training: Training, part: np.ndarray) -> np.ndarray:
    """Return the outputs of a model of features as they are, for a part."""
    if method == "nearest_neighbour":
        return VOTES[target](training, part, 20)
    width = part.shape[1]
    probe = LinearProbe(np.zeros(width), np.ones(width), *PROBES[target](training, None))
    return probe.outputs(target, part, training.classes)


def rows(task: TaskDescription, fold: int) -> dict[str, np.ndarray]:
    split, folds = task.column["split"], task.column["fold"]
    training = split == "train"
    parts = {"train": training & (folds != fold), "val": training & (folds == fold)}
    return {name: np.flatnonzero(mask) for name, mask in {**parts, "test": split == "test"}.items()}


@pytest.mark.parametrize("split", ["val", "test", "unlabelled"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", KINDS)
def test_predictions_are_of_the_samples_of_a_split(tasks: dict, kind: str, method: str, split: str):
    task = tasks[kind]
    predictions = predict_baseline(task, features_of(task), method, 1, split)
    ids, splits, folds = (np.array(task.samples[key]) for key in ("id", "split", "fold"))
    expected = ids[(splits == "train") & (folds == 1)] if split == "val" else ids[splits == split]
    assert predictions.ids.tolist() == expected.tolist()
    assert predictions.task_type == kind
    assert predictions.logits.dtype == np.float32
    assert np.isfinite(predictions.logits).all()
    assert predictions.labelled.all() == (split != "unlabelled")


@pytest.mark.parametrize("method", METHODS)
def test_classes_labels_and_values_are_told_from_features_that_show_them(tasks: dict, method: str):
    hits = predict_baseline(tasks["classification"], features_of(tasks["classification"]), method, 0, "test")
    assert (hits.logits.argmax(1) == hits.targets).mean() > 0.9
    labels = predict_baseline(
        tasks["multilabel_classification"], features_of(tasks["multilabel_classification"]), method, 0, "test"
    )
    assert ((labels.logits > 0) == (labels.targets > 0.5)).mean() > 0.9
    values = predict_baseline(tasks["regression"], features_of(tasks["regression"], 0.1), method, 0, "test")
    error = np.abs(values.logits[:, 0] - values.targets).mean()
    assert error < 0.5 * np.abs(values.targets - values.targets.mean()).mean()


def test_a_linear_probe_is_the_logistic_regression_of_scikit_learn(tasks: dict):
    task = tasks["classification"]
    features, parts = features_of(task), rows(tasks["classification"], 2)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
    model.fit(features.values[parts["train"]].astype(float), task.targets.values[parts["train"]])
    expected = model.predict_log_proba(features.values[parts["val"]].astype(float))
    predictions = predict_baseline(task, features, "linear_probe", 2, "val")
    np.testing.assert_allclose(predictions.logits, np.maximum(expected, np.log(1e-6)), atol=2e-3)


def test_a_probe_of_values_is_the_ridge_regression_of_scikit_learn(tasks: dict):
    task = tasks["regression"]
    features, parts = features_of(task), rows(task, 0)
    model = make_pipeline(StandardScaler(), RidgeCV(PENALTIES))
    model.fit(features.values[parts["train"]].astype(float), task.targets.values[parts["train"]])
    expected = model.predict(features.values[parts["test"]].astype(float))
    predictions = predict_baseline(task, features, "linear_probe", 0, "test")
    np.testing.assert_allclose(predictions.logits[:, 0], expected, rtol=1e-3, atol=1e-3)


def test_neighbours_vote_by_their_similarity(tasks: dict):
    task = tasks["classification"]
    features, parts = features_of(task), rows(task, 0)
    train, test = features.values[parts["train"]].astype(float), features.values[parts["test"]].astype(float)
    scale = np.where(train.std(0) > 0, train.std(0), 1)
    train, test = (train - train.mean(0)) / scale, (test - train.mean(0)) / scale
    one_hot = np.eye(task.header["num_classes"])[task.targets.values[parts["train"]]]
    expected = []
    for sample in test:
        similarity = train @ sample / np.linalg.norm(train, axis=1) / np.linalg.norm(sample)
        nearest = np.argsort(-similarity)[:20]
        weights = np.exp((similarity[nearest] - similarity.max()) / 0.07)
        expected.append((weights @ one_hot[nearest] + one_hot.mean(0)) / (weights.sum() + 1))
    predictions = predict_baseline(task, features, "nearest_neighbour", 0, "test")
    np.testing.assert_allclose(np.exp(predictions.logits), expected, atol=1e-3)


def test_unknown_labels_count_for_nothing():
    rng = np.random.default_rng(0)
    targets = (rng.random((40, 2)) > 0.5).astype(np.float32)
    train = np.hstack([2 * targets - 1, rng.normal(size=(40, 2)) / 10])
    partial = targets.copy()
    partial[::2, 0] = np.nan
    wrong = targets.copy()
    wrong[::2, 0] = 1 - wrong[::2, 0]
    for method in METHODS:
        logits = outputs(method, "labels", Training(train, partial, np.ones(40), 2), train)
        only = outputs(method, "labels", Training(train[1::2], targets[1::2], np.ones(20), 2), train)
        misled = outputs(method, "labels", Training(train, wrong, np.ones(40), 2), train)
        assert ((logits > 0) == (targets > 0.5)).all()
        if method == "linear_probe":
            np.testing.assert_allclose(logits[:, 0], only[:, 0], atol=1e-6)
        assert ((misled > 0) != (targets > 0.5))[:, 0].any()


def test_a_class_that_no_training_sample_has_is_improbable_not_impossible():
    train, targets = np.eye(4), np.array([0, 0, 2, 2])
    for method in METHODS:
        logits = outputs(method, "class", Training(train, targets, np.ones(4), 3), train)
        assert logits.shape == (4, 3)
        assert np.isfinite(logits).all()
        assert (logits[:, 1] < logits[:, [0, 2]].min(axis=1)).all()


def test_weights_of_samples_count():
    train, targets = np.array([[1.0, 0.1], [1.0, -0.1]]), np.array([0, 1])
    for method in METHODS:
        heavy = [
            outputs(method, "class", Training(train, targets, np.array(weights), 2), np.array([[1.0, 0.0]]))
            for weights in ([9, 1], [1, 9])
        ]
        assert heavy[0].argmax() == 0
        assert heavy[1].argmax() == 1


def test_features_of_other_samples_or_of_tokens_are_refused(tasks: dict):
    task = tasks["classification"]
    features = features_of(task)
    other = Features(features.ids[::-1], features.splits, features.folds, features.values, "x-0a1b2c3d", "other")
    with pytest.raises(MMLError, match="the features of other are of other samples"):
        predict_baseline(task, other, "linear_probe", 0, "test")
    tokens = Features(features.ids, features.splits, features.folds, features.values[:, None], "x-0a1b2c3d", "t")
    with pytest.raises(MMLError, match=r"^features\.pooling: "):
        predict_baseline(task, tokens, "linear_probe", 0, "test")


@pytest.mark.parametrize("kind", KINDS)
def test_a_probe_from_its_file_predicts_all_splits_alike(tasks: dict, kind: str, tmp_path: Path):
    task, features = tasks[kind], features_of(tasks[kind])
    probe = fit_linear_probe(task, features, 0)
    probe.write(tmp_path / "probe.npz")
    again = LinearProbe.read(tmp_path / "probe.npz")
    for split in ("val", "test", "unlabelled"):
        first, second = (predict_by_probe(task, features, one, 0, split).logits for one in (probe, again))
        np.testing.assert_array_equal(first, second)


def test_a_probe_of_features_of_another_width_is_refused(tasks: dict):
    task, features = tasks["classification"], features_of(tasks["classification"])
    probe = fit_linear_probe(task, features, 0)
    narrow = Features(features.ids, features.splits, features.folds, features.values[:, :3], "x-0a1b2c3d", "t")
    with pytest.raises(MMLError, match="dimensions"):
        predict_by_probe(task, narrow, probe, 0, "test")


@pytest.mark.parametrize("kind", KINDS)
def test_a_larger_penalty_gives_smaller_coefficients(tasks: dict, kind: str):
    task, features = tasks[kind], features_of(tasks[kind])
    sizes = [np.abs(fit_linear_probe(task, features, 0, penalty).coefficients).sum() for penalty in (0.1, 10, 1000)]
    assert sizes == sorted(sizes, reverse=True)


def test_more_neighbours_than_training_samples_are_refused(tasks: dict):
    task, features = tasks["classification"], features_of(tasks["classification"])
    assert len(predict_by_neighbours(task, features, 0, "test", 1).ids)
    with pytest.raises(MMLError, match=r"1000 neighbours .* lower neighbours"):
        predict_by_neighbours(task, features, 0, "test", 1000)
