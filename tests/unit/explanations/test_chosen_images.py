"""Images that are explained: right and wrong ones, the most confident mistakes, and the ends of errors."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from mml_lib.deployment.deployed_network import DeployedNetwork
from mml_lib.explanations.chosen_images import choose_images
from mml_lib.explanations.explanation import ExplainedRun, explain_predictions
from mml_lib.explanations.explanation_maps import read_maps, write_maps
from mml_lib.predictions.predictions import MaskPredictions, Predictions
from tests.support.deployed_projects import DeployedProject, deployed_project

CLASSES = ["a", "b", "c"]
TYPES = ["classification", "multilabel_classification", "semantic_segmentation", "regression"]


def predictions_of(logits: list[list[float]], targets: list[int], ids: str) -> Predictions:
    return Predictions(np.array(logits, np.float32), np.array(targets), np.array(list(ids)))


def test_classes_are_chosen_right_and_wrong_and_by_confidence():
    logits = [[5.0, 0, 0], [0, 3.0, 0], [4.0, 0, 0], [2.0, 0, 0], [1.0, 0, 0]]
    chosen = choose_images({0: predictions_of(logits, [0, 1, 1, 2, -1], "uvwxy")}, CLASSES, 3)
    assert {(image.id, image.group) for image in chosen} == {
        *{("u", "right"), ("v", "right"), ("w", "confident_mistakes"), ("x", "wrong")}
    }
    of_w = next(image for image in chosen if image.id == "w")
    assert (of_w.prediction, of_w.label, of_w.outputs) == ("a", "b", {"a": 0, "b": 1})
    assert of_w.probability == pytest.approx(np.exp(4) / (np.exp(4) + 2))
    assert next(image for image in chosen if image.id == "u").outputs == {"a": 0}


def test_an_image_is_chosen_once_and_by_the_first_fold_that_predicted_it():
    logits = [[5.0, 0, 0], [0, 5.0, 0]]
    folds = {1: predictions_of(logits, [1, 0], "uv"), 0: predictions_of(logits, [0, 1], "uw")}
    chosen = choose_images(folds, CLASSES, 9)
    assert {(image.id, image.fold) for image in chosen} == {("u", 0), ("w", 0), ("v", 1)}
    assert max(Counter(image.id for image in chosen).values()) == 1


def test_wrong_labels_are_named_with_what_is_true():
    targets = np.array([[1, 0, np.nan], [0, 0, 1]], np.float32)
    logits = np.array([[3.0, 2.0, 9.0], [-4.0, -4.0, 1.0]], np.float32)
    chosen = choose_images({0: Predictions(logits, targets, np.array(["u", "v"]), TYPES[1])}, CLASSES, 2)
    assert {(image.id, image.group, image.label, image.prediction) for image in chosen} == {
        *{("u", "confident_mistakes", "b: no", "b: yes"), ("v", "right", "c: yes", "c: yes")}
    }


def test_masks_are_those_with_the_best_and_the_worst_overlap():
    target = np.zeros((4, 4), np.uint8)
    target[:2] = 1
    off = np.zeros_like(target)
    off[3, 3] = 1
    masks = MaskPredictions.of([target, off, off * 0], [target, target, off * 0], np.array(["u", "v", "w"]), 2)
    chosen = choose_images({0: masks}, ["ground", "lesion"], 1)
    assert [(image.id, image.group) for image in chosen] == [("u", "best_masks"), ("v", "worst_masks")]
    assert chosen[1].pixels.sum() == 1, "of the predicted pixels"


@pytest.fixture(scope="module", params=TYPES)
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> DeployedProject:
    return deployed_project(tmp_path_factory.mktemp(request.param), request.param)


def test_runs_of_all_task_types_are_explained(project: DeployedProject, tmp_path: Path):
    networks = {
        fold: DeployedNetwork.read(project.path("parameters", fold), project.pipeline).eval() for fold in (0, 1)
    }
    predictions = {fold: project.stored(fold) for fold in (0, 1)}
    explanations = explain_predictions(networks, predictions, project.struct, "grad_cam", 2)
    assert explanations
    packed = np.load(project.struct.paths["packed"] / "images.npy")
    rows = dict(zip(project.struct.samples["id"], project.struct.samples["row"], strict=True))
    for explanation in explanations:
        np.testing.assert_array_equal(
            explanation.picture, packed[rows[explanation.image.id]], "as it was before the normalisation"
        )
        assert all(
            attribution.values.shape == explanation.picture.shape[:2]
            for attribution in explanation.attributions.values()
        )
    explained = ExplainedRun("t", project.run, explanations)
    table = explained.table()
    assert set(table["run"]) == {project.run}
    write_maps(explained.maps, tmp_path / "maps.npz")
    assert len(read_maps(tmp_path / "maps.npz")) == len(table) == table["number"].iloc[-1] + 1
    explained.draw(tmp_path)
    groups = set(table["group"])
    assert {path.stem for path in tmp_path.glob("*.jpg")} == groups
    assert "explained_images.html" in {path.name for path in tmp_path.iterdir()}


def test_a_run_without_labelled_images_has_an_empty_table(tmp_path: Path):
    explained = ExplainedRun("t", "0a1b2c3d", [])
    assert explained.table().empty
    explained.draw(tmp_path)
    assert not list(tmp_path.glob("*.jpg"))
