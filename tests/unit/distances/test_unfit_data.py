"""Data that a measure cannot compare: one line with the task and the remedy."""

from dataclasses import replace

import numpy as np
import pytest

from mml_lib.distances import MEASURES, TaskData
from mml_lib.errors import MMLError
from tests.support.gaussian_tasks import labelled_task, standard_task
from tests.support.messages import mentions

OF_FEATURES = ["kld", "emd", "fid", "mmd"]
OF_NETWORKS = ["logme", "hscore", "knn"]


def refusal(measure: str, source: TaskData, target: TaskData, **options) -> str:
    with pytest.raises(MMLError) as error:
        MEASURES[measure].compare(source, target, MEASURES[measure].read_options(options))
    return str(error.value)


def changed(change: str) -> np.ndarray | None:
    """Return features of a kind that no measure takes."""
    features = np.abs(standard_task("bad", 40, 6).features)
    if change == "nan":
        features[3, 2] = np.nan
    elif change == "infinite":
        features[3, 2] = np.inf
    elif change == "constant":
        features[:] = features[0]
    elif change == "tokens":
        features = features.reshape(10, 4, 6)
    elif change == "one":
        features = features[:1]
    return None if change == "none" else features


@pytest.mark.parametrize("measure", [*OF_FEATURES, *OF_NETWORKS])
@pytest.mark.parametrize(
    ("change", "word"),
    [
        ("nan", "not finite"),
        ("infinite", "not finite"),
        ("constant", "constant"),
        ("tokens", "pooled"),
        ("none", "extract"),
    ],
)
def test_unfit_features_are_refused_by_task(measure: str, change: str, word: str):
    labels = np.arange(40 if change != "tokens" else 10) % 2
    bad = TaskData("bad", features=changed(change), labels=labels)
    good = TaskData("good", features=np.abs(standard_task("good", 40, 6, seed=1).features))
    assert mentions(refusal(measure, good, bad), "bad", word)


@pytest.mark.parametrize("measure", ["emd", "fid", "mmd"])
def test_one_sample_is_refused(measure: str):
    bad = TaskData("bad", features=changed("one"))
    assert mentions(refusal(measure, standard_task("good", 40, 6), bad), "bad", "1 sample", "at least 2")


@pytest.mark.parametrize("measure", OF_FEATURES)
def test_features_of_different_widths_are_refused(measure: str):
    narrow, wide = (
        TaskData("a", features=np.abs(standard_task("a", 40, width, seed=width).features)) for width in (4, 6)
    )
    assert mentions(refusal(measure, narrow, wide), "different extractors", "4 dimensions", "6", "extract both")


@pytest.mark.parametrize("measure", ["kld", "emd", "fid", "mmd"])
def test_features_of_different_extractors_are_refused(measure: str):
    first = TaskData("a", features=changed(""), extractor="resnet18")
    assert mentions(refusal(measure, first, replace(first, extractor="vit")), "resnet18", "vit", "extract both")


def test_negative_activations_have_a_remedy():
    line = refusal("kld", standard_task("bad", 40, 6), standard_task("good", 40, 6))
    assert mentions(line, "bad", "negative", "softmax")


@pytest.mark.parametrize(
    ("measure", "change", "words"),
    [
        ("logme", {"labels": None}, ["no labels"]),
        ("leep", {"labels": None}, ["no labels"]),
        ("knn", {"labels": np.zeros(5, int)}, ["5 labels", "200"]),
        ("knn", {"labels": np.zeros(200, int)}, ["one class"]),
        ("hscore", {"labels": np.linspace(0, 1, 200)}, ["one class for each sample", "logme"]),
        ("knn", {"labels": np.eye(200, dtype=int)}, ["one class for each sample"]),
        ("logme", {"labels": np.full(200, np.nan)}, ["not finite"]),
        ("logme", {"labels": np.eye(200)[:, :3] * 0}, ["always 0"]),
        ("leep", {"probabilities": None}, ["predict"]),
        ("leep", {"probabilities": np.ones((200, 3))}, ["add up to 1", "classification"]),
    ],
)
def test_unfit_labels_and_probabilities_are_refused(measure: str, change: dict, words: list[str]):
    assert mentions(refusal(measure, TaskData("source"), replace(labelled_task(), **change)), "target", *words)


def test_fewer_samples_than_needed_are_refused_with_the_option():
    few = labelled_task(6, 8)
    assert mentions(refusal("knn", TaskData("source"), few, k=6), "k (6)", "lower k")
    assert mentions(refusal("hscore", TaskData("source"), few), "8 dimensions", "shrinkage")
    folded = replace(labelled_task(12), folds=np.arange(12) // 8)
    assert mentions(refusal("knn", TaskData("source"), folded), "4 samples", "k (5)")


@pytest.mark.parametrize("fisher", [None, np.zeros(3), np.array([1, -1.0]), np.array([1, np.nan]), np.ones((2, 2))])
def test_unfit_fisher_information_is_refused(fisher: np.ndarray | None):
    good = TaskData("good", fisher=np.ones(3 if fisher is None else fisher.shape[-1]))
    assert mentions(refusal("fed", good, TaskData("bad", fisher=fisher)), "bad", "Fisher")


def test_fisher_information_of_different_extractors_is_refused():
    line = refusal("fed", TaskData("a", fisher=np.ones(3)), TaskData("b", fisher=np.ones(4)))
    assert mentions(line, "3", "4", "extract both")
