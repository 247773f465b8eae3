"""Bootstrap: each resample has the metric of its drawn samples, or of the samples of its drawn groups."""

import subprocess
import sys

import numpy as np
import pytest

from mml_lib.config.loading import load_study
from mml_lib.config.metric_options import NAMED
from mml_lib.errors import MMLError
from mml_lib.evaluation import bootstrap
from mml_lib.evaluation.bootstrap import draw, resampled
from mml_lib.metrics import find_metric
from mml_lib.metrics.surfaces import MaskPair, single_masks
from mml_lib.pipelines.pipeline import Pipeline
from mml_lib.predictions.scores import counts, pixel_confusion, score, score_arguments
from mml_lib.task_types import IGNORE
from tests.support.places import CONFIG

NAMES = [(kind, name) for kind, names in NAMED.items() for name in names]
RESAMPLES = 120
Arguments = tuple[np.ndarray, ...]


def outputs(kind: str, number: int, classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Return outputs, rounded so that there are ties, and targets; the last class is rare."""
    rng = np.random.default_rng(number)
    if kind == "regression":
        values = rng.normal(30, 5, number).round()
        return (values + rng.normal(0, 4, number)).round().astype("f")[:, None], values
    rarity = 0.5 ** np.arange(classes) * (np.arange(classes) < classes - 1)
    if kind == "classification":
        targets = rng.choice(classes, number, p=rarity / rarity.sum())
        targets[0] = classes - 1
        return (np.eye(classes)[targets] + rng.normal(size=(number, classes))).round(1).astype("f"), targets
    labels = (rng.random((number, classes)) < 0.6 * rarity).astype("f")
    labels[0, -1] = 1
    return (labels - 0.5 + rng.normal(size=labels.shape)).round(1).astype("f"), labels


def arguments(kind: str, number: int = 40) -> Arguments:
    """Return arguments of metrics; for a segmentation counts and masks of images, some of which are ignored."""
    if kind != "semantic_segmentation":
        return score_arguments(kind, *outputs(kind, number))
    rng = np.random.default_rng(number)
    targets = rng.choice([0, 0, 0, 1, 2, IGNORE], (number, 4, 5)).astype(np.uint8)
    targets[::3] = IGNORE
    targets[0, 0, 0] = 3
    masks = np.where(rng.random(targets.shape) < 0.3, rng.integers(0, 4, targets.shape), targets)
    masks = np.where(masks == IGNORE, 0, masks).astype(np.uint8)
    pairs = single_masks([MaskPair(*pair) for pair in zip(masks, targets, strict=True)])
    of_images = [counts(pixel_confusion(*pair, 4)) for pair in zip(masks, targets, strict=True)]
    return *(np.stack(side) for side in zip(*of_images, strict=True)), pairs


def values_of(kind: str, name: str, inputs: Arguments) -> np.ndarray:
    return resampled(kind, [name], inputs, RESAMPLES)[name]


def rows_of(number: int, resamples: int = RESAMPLES, seed: int = 0) -> list[np.ndarray]:
    """Return the samples that each resample draws."""
    weights = np.concatenate(list(draw(number, resamples, seed)), axis=1)
    assert (weights.sum(axis=0) == number).all()
    return [np.repeat(np.arange(number), column) for column in weights.T]


def expected(kind: str, name: str, inputs: Arguments, resamples: int = RESAMPLES) -> list[float]:
    return [score(kind, name, *(array[rows] for array in inputs)) for rows in rows_of(len(inputs[0]), resamples)]


# --- what a resample is worth -------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [2, 3, 300])
@pytest.mark.parametrize(("kind", "name"), NAMES)
@pytest.mark.filterwarnings("error")
def test_resample_has_the_metric_of_its_drawn_samples(kind: str, name: str, number: int, monkeypatch):
    if number > 3 and find_metric(kind, name).takes == "masks":
        pytest.skip("distances of many masks take long")
    monkeypatch.setattr(bootstrap, "LEAST", 7)
    monkeypatch.setattr(bootstrap, "CHUNK", 7 * number)
    inputs = arguments(kind, number)
    values = values_of(kind, name, inputs)
    assert values == pytest.approx(expected(kind, name, inputs), rel=1e-12, abs=1e-14, nan_ok=True)
    assert len(values) == RESAMPLES


@pytest.mark.parametrize("name", ["auroc", "average_precision"])
def test_some_resamples_have_no_sample_of_a_rare_label(name: str):
    probabilities, labels = arguments("multilabel_classification")
    values = resampled("multilabel_classification", [name], (probabilities[:, 3:], labels[:, 3:]), RESAMPLES)[name]
    assert 0.2 < np.isnan(values).mean() < 0.5  # (1 - 1/40)^40 = 0.36


@pytest.mark.parametrize(("kind", "name"), [pair for pair in NAMES if pair[0] != "semantic_segmentation"])
@pytest.mark.filterwarnings("error")
def test_constant_outputs_are_resampled_as_they_are_scored(kind: str, name: str):
    logits, targets = outputs(kind, 40)
    inputs = score_arguments(kind, np.full_like(logits, 0.1), targets)
    values = values_of(kind, name, inputs)
    assert values == pytest.approx(expected(kind, name, inputs), rel=1e-12, abs=1e-14, nan_ok=True)


@pytest.mark.parametrize("huge", [(1e9, 0), (0, 1e9), (1e9, 2e9)])
@pytest.mark.parametrize("name", NAMED["regression"])
def test_one_huge_value_does_not_spoil_resamples_without_it(name: str, huge: tuple[float, float]):
    inputs = tuple(np.append(array, one) for array, one in zip(arguments("regression"), huge, strict=True))
    values = resampled("regression", [name], inputs, RESAMPLES)[name]
    assert values == pytest.approx(expected("regression", name, inputs), rel=1e-9)


def test_chunks_change_nothing(monkeypatch):
    inputs = arguments("classification")
    whole = resampled("classification", ["auroc"], inputs, RESAMPLES)["auroc"]
    monkeypatch.setattr(bootstrap, "CHUNK", 1)
    monkeypatch.setattr(bootstrap, "LEAST", 1)
    assert np.array_equal(resampled("classification", ["auroc"], inputs, RESAMPLES)["auroc"], whole, equal_nan=True)


# --- groups -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "name"), NAMES)
def test_whole_groups_are_drawn(kind: str, name: str):
    inputs = arguments(kind, 40)
    groups = np.minimum(np.arange(40) // 3, 9)  # nine of three samples, and one of thirteen
    values = resampled(kind, [name], inputs, RESAMPLES, 5, groups)[name]
    drawn = np.concatenate(
        [weights[[0, 3, 6, 9, 12, 15, 18, 21, 24, 27]] for weights in draw(groups, RESAMPLES, 5)], axis=1
    )
    assert (drawn.sum(axis=0) == 10).all()
    rows = [np.repeat(np.arange(40), column[groups]) for column in drawn.T]
    expected_values = [score(kind, name, *(array[chosen] for array in inputs)) for chosen in rows]
    assert values == pytest.approx(expected_values, rel=1e-12, abs=1e-14, nan_ok=True)


def test_evaluation_imports_no_more_than_it_needs():
    """A light step: neither torch nor pandas nor scipy.stats, which takes a second to import."""
    code = (
        "import sys, numpy as np\n"
        "from mml_lib.evaluation.evaluation import evaluate, evaluate_resampled, network_intervals\n"
        "from mml_lib.predictions.predictions import Predictions\n"
        "from mml_lib.config.metric_options import NAMED\n"
        "targets = {'classification': np.arange(9) % 2, 'regression': np.arange(9.0),\n"
        "           'multilabel_classification': np.eye(9)[:, :2]}\n"
        "for kind, target in targets.items():\n"
        "    predictions = Predictions(np.random.rand(9, 2).astype('f'), target, np.arange(9), kind)\n"
        "    values = evaluate(predictions, NAMED[kind])\n"
        "    intervals = network_intervals(evaluate_resampled(predictions, NAMED[kind], 100))\n"
        "    assert list(values) == list(intervals) == list(NAMED[kind])\n"
        "print(sorted({'torch', 'scipy.stats', 'pandas', 'sklearn'} & set(sys.modules)))\n"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


def test_number_of_resamples_is_no_part_of_a_pipeline_and_not_too_small():
    tasks = {"digits": {"creator": "digits"}}
    config = {"tasks": tasks, "mode": "train", "arch": "test_resnet", "loss": "default", "optimizer": "adamw"}
    config["paths"] = {"presets": [str(CONFIG)]}
    task = {"name": "digits", "id": "0" * 8, "task_type": "classification", "pack": "size32-01234567"}
    studies = [load_study(config | {"bootstrap": resamples}) for resamples in (0, 100, 1000)]
    assert len({Pipeline.of(study, task).run for study in studies}) == 1
    assert load_study(config).bootstrap == 1000
    for wrong, remedy in (
        (True, "bootstrap: true is not a number; write one"),
        (99, "set 100 or more, or 0 for none"),
    ):
        with pytest.raises(MMLError, match=remedy):
            load_study(config | {"bootstrap": wrong})
