"""Wrong labels: confident learning on injected noise, and its parts against the definitions."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from mml_lib.audit.confident_learning import confident_joint, find_label_errors
from mml_lib.audit.confusable_classes import confusable_classes
from mml_lib.audit.linear_probe import group_parts, predict_task, probe_probabilities, task_parts
from mml_lib.errors import MMLError
from mml_lib.tasks.dataset import Dataset, Delivery, Sample
from mml_lib.tasks.description import TaskDescription
from mml_lib.tasks.splits.splitting import Assignment
from mml_lib.tasks.targets import Targets


def test_confident_joint_is_that_of_the_definition():
    labels = np.array([0, 0, 0, 1, 1, 1])
    first = np.array([0.9, 0.8, 0.1, 0.2, 0.3, 0.95])
    # Thresholds: 0.6 of the first class, and (0.8 + 0.7 + 0.05) / 3 of the second.
    joint = confident_joint(labels, np.stack([first, 1 - first], axis=1))
    assert joint.tolist() == [[2, 1], [1, 2]]


def test_suspects_are_as_many_as_the_joint_says_and_the_most_certain_first():
    labels = np.array([0] * 10 + [1] * 10)
    first = np.array([0.9] * 8 + [0.1, 0.2] + [0.1] * 9 + [0.95])
    errors = find_label_errors(labels, np.stack([first, 1 - first], axis=1))
    # Confident are 8 of the first label, 1 of it as the second class, 9 of the second label, 1 as the first class.
    assert errors.noise == pytest.approx((10 / 9 + 1) / 20)
    assert errors.suspects.tolist() == [19, 8]
    assert errors.quality[[0, 19]] == pytest.approx([0.9, 0.05])


def test_right_labels_have_no_suspects():
    labels = np.arange(30) % 3
    probabilities = np.full((30, 3), 0.05) + 0.85 * np.eye(3)[labels]
    assert len(find_label_errors(labels, probabilities).suspects) == 0


def test_class_without_samples_is_passed_over():
    labels = np.array([0, 1] * 10)
    probabilities = np.concatenate([np.eye(2)[labels] * 0.8 + 0.1, np.zeros((20, 1))], axis=1)
    errors = find_label_errors(labels, probabilities)
    assert errors.joint.sum() == pytest.approx(1)
    assert len(errors.suspects) == 0


@pytest.mark.parametrize(("noise", "precision", "recall"), [(0.05, 0.8, 0.8), (0.2, 0.9, 0.85)])
def test_injected_noise_is_found_among_digits(noise: float, precision: float, recall: float):
    rng = np.random.default_rng(0)
    values, truth = load_digits(return_X_y=True)
    labels = truth.copy()
    wrong = rng.choice(len(labels), round(noise * len(labels)), replace=False)
    labels[wrong] = (labels[wrong] + rng.integers(1, 10, len(wrong))) % 10
    groups = np.arange(len(labels)).astype(str)
    probabilities = probe_probabilities(values, labels, groups, group_parts(labels, groups))
    suspects = find_label_errors(labels, probabilities).suspects
    hits = np.isin(suspects, wrong).sum()
    assert hits / len(suspects) > precision
    assert hits / len(wrong) > recall


def test_samples_are_predicted_by_models_that_have_not_seen_their_group():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(30), 4).astype(str)
    targets = rng.integers(0, 2, 30).repeat(4)
    values = np.eye(30)[groups.astype(int)]  # features tell the group, and nothing of the class
    probabilities = probe_probabilities(values, targets, groups, group_parts(targets, groups))
    assert (probabilities.argmax(axis=1) == targets).mean() < 0.75


def test_parts_are_the_folds_of_the_task_and_its_test_split():
    split = np.array(["train"] * 6 + ["test"] * 2 + ["unlabelled"])
    fold, targets = np.array([0, 1, 2] * 2 + [-1] * 3), np.array([0, 1] * 4 + [-1])
    parts = task_parts(split, fold, np.arange(9).astype(str), targets)
    assert [part.predicted.tolist() for part in parts] == [[0, 3], [1, 4], [2, 5], [6, 7]]
    assert parts[-1].trained.tolist() == [0, 1, 2, 3, 4, 5]
    assert parts[0].trained.tolist() == [1, 2, 4, 5]


def test_folds_are_drawn_for_a_task_with_a_validation_split():
    split, fold = np.array(["train"] * 20), np.array([0] * 5 + [-1] * 15)
    parts = task_parts(split, fold, np.arange(20).astype(str), np.arange(20) % 2)
    assert sorted(row for part in parts for row in part.predicted.tolist()) == list(range(20))


@pytest.mark.filterwarnings("error:The least populated")
def test_rare_classes_are_predicted_too():
    targets = np.repeat(np.arange(20), 2)
    groups = np.arange(40).astype(str)
    values = np.eye(20)[targets]
    parts = group_parts(targets, groups)
    assert sorted(row for part in parts for row in part.predicted.tolist()) == list(range(40))
    probabilities = probe_probabilities(values, targets, groups, parts)
    for part in parts:
        seen = part.predicted[np.isin(targets[part.predicted], targets[part.trained])]
        assert (probabilities[seen].argmax(axis=1) == targets[seen]).all()
    assert not np.isnan(probabilities).any()


def test_samples_of_one_group_are_refused():
    with pytest.raises(MMLError, match="4 labelled samples are in one group"):
        group_parts(np.array([0, 1, 0, 1]), np.array(["g"] * 4))


def labelled_task(kind: str, labels: list, classes: list[str]) -> TaskDescription:
    samples = [Sample(str(number), "none", label) for number, label in enumerate(labels)]
    dataset = Dataset("d", Delivery(samples, classes, kind), [(4, 4)] * len(samples), None)
    folds = Assignment(["train"] * len(samples), [number % 3 for number in range(len(samples))], 3)
    return TaskDescription.of({"name": "t", "id": "0a1b2c3d"}, dataset, Targets.of(dataset, None, "t"), folds)


@pytest.mark.parametrize("kind", ["classification", "multilabel_classification"])
def test_probe_predicts_a_task_as_networks_do(kind: str):
    numbers = np.random.default_rng(0).integers(0, 2, 60)
    words = ["ab"[number] for number in numbers]
    labels = words if kind == "classification" else [{word: 1.0} for word in words]
    predictions = predict_task(labelled_task(kind, labels, ["a", "b"]), numbers[:, None] + np.zeros((1, 3)))
    assert predictions.ids.tolist() == [str(number) for number in range(60)]
    assert (predictions.logits.argmax(axis=1) == numbers).all()
    assert predictions.task_type == kind


def test_classes_that_nothing_tells_apart_are_named_alike():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 200)
    scores = rng.random((600, 3)) + 2 * np.eye(3)[labels] * (labels == 0)[:, None]
    probabilities = scores / scores.sum(axis=1, keepdims=True)
    pairs = confusable_classes(labels, probabilities, np.zeros((3, 3), int), np.arange(600).astype(str))
    assert pairs[0][:2] == (1, 2), "the most alike first"
    assert {pair[:2]: pair.are_alike for pair in pairs} == {(0, 1): False, (0, 2): False, (1, 2): True}


def test_area_and_interval_are_those_of_hanley_and_mcneil():
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.4, 0.6], [0.2, 0.8], [0.1, 0.9]])
    (pair,) = confusable_classes(np.array([0, 0, 0, 1, 1, 1]), probabilities, np.eye(2, dtype=int), np.arange(6))
    assert pair.auroc == pytest.approx(8 / 9)
    area, one, other = 8 / 9, (8 / 9) / (10 / 9), 2 * (64 / 81) / (17 / 9)
    deviation = np.sqrt((area * (1 - area) + 2 * (one - area**2) + 2 * (other - area**2)) / 9)
    assert pair.ci_low == pytest.approx(area - 1.96 * deviation)
