"""Predictors of new images: they answer as the stored predictions do, for files, arrays and pictures."""

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from mml_lib.errors import MMLError
from mml_lib.evaluation.calibration.calibration_methods import calibrate_predictions
from mml_lib.evaluation.ensembles.combining import combine
from mml_lib.evaluation.ensembles.ensemble_storage import EnsembleStorage, Member
from mml_lib.files.atomic import write_text
from mml_lib.files.stored import json_text
from mml_lib.images.restoring import restore
from mml_lib.interactive import load_network, load_predictor
from mml_lib.predictions.predictions import MaskPredictions, Predictions
from mml_lib.predictions.scores import sigmoid, softmax
from tests.support.deployed_projects import CROPPED, DeployedProject, deployed_project
from tests.support.places import REPOSITORY

TYPES = ("classification", "multilabel_classification", "regression")
LONGEST = ({"name": "resize_longest", "size": 48},)
CUTS = [(96, 64), (50, 96), (96, 96)]


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory) -> dict[str, DeployedProject]:
    """A project of each task type whose predictions are outputs of whole images, and one of masks."""
    kinds = {kind: deployed_project(tmp_path_factory.mktemp(kind), kind) for kind in TYPES}
    kinds["semantic_segmentation"] = deployed_project(
        tmp_path_factory.mktemp("masks"), "semantic_segmentation", CROPPED, cuts=[(96, 64), (50, 96)], size=96
    )
    return kinds


def predictions_of(project: DeployedProject, **options: object) -> Predictions:
    """Return the predictions of a predictor for the files of the project's test samples."""
    predictor = load_predictor(**project.options, **options)
    made = predictor.predictions(project.files(project.stored().ids.tolist()), batch_size=4, threads=2)
    assert made.ids.tolist() == project.stored().ids.tolist()
    return made


@pytest.mark.parametrize("kind", TYPES)
def test_a_network_answers_for_the_files_of_the_test_split_as_its_stored_predictions(kind: str, projects: dict):
    for fold in (0, 1):
        made = predictions_of(projects[kind], folds=fold)
        stored = projects[kind].stored(fold)
        assert np.ptp(stored.logits) > 0.01
        np.testing.assert_allclose(made.logits, stored.logits, atol=1e-4, rtol=1e-4)


def test_folds_are_averaged_as_probabilities_labels_and_values(projects: dict):
    of_kind = {"classification": softmax, "multilabel_classification": sigmoid, "regression": np.asarray}
    for kind, probabilities in of_kind.items():
        made = predictions_of(projects[kind])
        mean = np.mean([probabilities(projects[kind].stored(fold).logits) for fold in (0, 1)], axis=0)
        np.testing.assert_allclose(probabilities(made.logits), mean, atol=1e-4, rtol=1e-4)


def test_masks_have_the_size_of_their_images_and_are_the_stored_ones(projects: dict):
    project = projects["semantic_segmentation"]
    made, stored = predictions_of(project, folds=0), project.stored(0)
    sizes = {
        sample.id: size for sample, size in zip(project.dataset.delivery.samples, project.dataset.sizes, strict=True)
    }
    for id_, (mask, _), (packed, _) in zip(made.ids, made.images(), stored.images(), strict=True):
        assert len(np.unique(packed)) > 1
        assert np.mean(mask != restore(packed, CROPPED, sizes[str(id_)])) < 1e-3
    predictor = load_predictor(**project.options, folds=0)
    files = project.files(stored.ids.tolist()[:3])
    of_iterator = dict(predictor.masks(files, batch_size=2))
    of_predictions = [mask for mask, _ in made.images()][:3]
    assert all((a == b).all() for a, b in zip(of_iterator.values(), of_predictions, strict=True))
    table = predictor(files)
    assert table["prediction/background"].tolist() == [np.sum(mask == 0) for mask in of_iterator.values()]


@pytest.mark.parametrize("kind", ["classification", "semantic_segmentation"])
def test_networks_of_patches_see_large_images_window_by_window(kind: str, tmp_path: Path):
    project = deployed_project(tmp_path, kind, LONGEST, patches=32, cuts=CUTS, size=96)
    made, stored = predictions_of(project, folds=0), project.stored(0)
    if isinstance(made, MaskPredictions):
        assert made.sizes.tolist() == stored.sizes.tolist()
        assert np.mean(made.masks != stored.masks) < 1e-3
    else:
        np.testing.assert_allclose(made.logits, stored.logits, atol=1e-4, rtol=1e-4)


def test_arrays_and_pictures_are_predicted_as_their_files(projects: dict, tmp_path: Path):
    project = projects["classification"]
    predictor = load_predictor(**project.options)
    files = project.files(project.stored().ids.tolist()[:3])
    expected = predictor(files)
    pictures = [Image.open(file) for file in files.values()]
    columns = [column for column in expected if column.startswith("probability/")]
    for images in (pictures, [np.asarray(p) for p in pictures], np.stack([np.asarray(p) for p in pictures])):
        table = predictor(images, batch_size=2)
        assert table["id"].tolist() == ["0", "1", "2"]
        assert set(table["file"]) == {""}
        np.testing.assert_allclose(table[columns], expected[columns], atol=1e-6)
    folder = tmp_path / "new"
    (folder / "deep").mkdir(parents=True)
    for number, picture in enumerate(pictures):
        picture.save(folder / "deep" / f"{number}.png")
    (folder / "table.csv").write_text("image,id\ndeep/1.png,one\ndeep/0.png,zero\n")
    assert predictor(folder)["id"].tolist() == ["deep/0.png", "deep/1.png", "deep/2.png"]
    of_table = predictor(folder / "table.csv")
    assert of_table["id"].tolist() == ["one", "zero"]
    np.testing.assert_allclose(of_table[columns], expected[columns].iloc[[1, 0]], atol=1e-6)


def test_rows_have_class_names_labels_and_values(projects: dict):
    tables = {kind: load_predictor(**projects[kind].options)(np.zeros((40, 30, 3), np.uint8)) for kind in projects}
    classes = projects["classification"].struct.classes
    row = tables["classification"].iloc[0]
    assert row["prediction"] == classes[np.argmax([row[f"probability/{name}"] for name in classes])]
    row = tables["multilabel_classification"].iloc[0]
    assert row["prediction"] == "; ".join(name for name in classes if row[f"probability/{name}"] >= 0.5)
    assert tables["regression"].columns.tolist() == ["id", "file", "prediction"]
    pixels = [column for column in tables["semantic_segmentation"] if column.startswith("prediction/")]
    assert tables["semantic_segmentation"][pixels].iloc[0].sum() == 40 * 30


# --- calibration and ensembles ------------------------------------------------------------------------------------


def calibrate(project: DeployedProject) -> list[Predictions]:
    """Store the calibration of both folds, and return the calibrated test predictions."""
    from dataclasses import asdict

    from mml_lib.predictions.predictions import read_predictions

    calibrated_predictions = []
    for fold in (0, 1):
        validation = read_predictions(project.path("predictions", fold, eval="val"))
        calibration, calibrated = calibrate_predictions(validation, {"test": project.stored(fold)}, "temperature")
        content = json_text("calibration", asdict(calibration))
        write_text(project.path("calibration", fold, eval="test"), content)
        calibrated_predictions.append(calibrated["test"])
    return calibrated_predictions


def test_probabilities_are_calibrated_where_the_project_is(tmp_path: Path):
    project = deployed_project(tmp_path)
    with pytest.raises(MMLError, match="mode post"):
        load_predictor(**project.options, calibrated=True)
    calibrated = calibrate(project)
    assert np.abs(calibrated[1].logits - project.stored(1).logits).max() > 0.01
    np.testing.assert_allclose(predictions_of(project, folds=1).logits, calibrated[1].logits, atol=1e-4)
    plain = predictions_of(project, folds=1, calibrated=False)
    np.testing.assert_allclose(plain.logits, project.stored(1).logits, atol=1e-4)


def ensemble_of(project: DeployedProject, members: list[Member], weights: list[float]) -> EnsembleStorage:
    storage = EnsembleStorage(
        **{"task": "t", "task_type": project.struct.task_type, "strategy": "greedy", "votes": False},
        **{"members": members, "weights": weights, "member_temperature": 1.0, "metric": "accuracy"},
        **{"selection_value": None, "selection_ids": [], "assessed_value": None, "assessed_samples": 0},
        **{"candidates": 2, "seed": 0},
    )
    storage.write(project.fm.path("ensemble", task="t", mode="post"))
    return storage


def test_an_ensemble_predicts_as_mode_post_combines_it(projects: dict):
    project = projects["classification"]
    members = [Member("t", project.run, 0), Member("t", project.run, 1)]
    storage = ensemble_of(project, members, [0.8, 0.2])
    expected = combine(storage, [project.stored(0), project.stored(1)])
    np.testing.assert_allclose(predictions_of(project, run="ensemble").logits, expected.logits, atol=1e-4)
    ensemble_of(project, [Member("t", project.run)], [1.0])
    mean = np.mean([softmax(project.stored(fold).logits) for fold in (0, 1)], axis=0)
    np.testing.assert_allclose(softmax(predictions_of(project, run="ensemble").logits), mean, atol=1e-4)


# --- bare networks ------------------------------------------------------------------------------------------------


def test_a_bare_network_takes_what_its_transforms_give(projects: dict):
    for kind in TYPES:
        project = projects[kind]
        network, transforms = load_network(**project.options, fold=1)
        stored = project.stored(1)
        image = transforms(project.files(stored.ids.tolist()[:1]).popitem()[1])
        assert isinstance(network, torch.nn.Module)
        assert (image.dtype, image.shape[1:]) == (torch.float32, (32, 32))
        np.testing.assert_allclose(network(image[None])[0], stored.logits[0], atol=1e-4, rtol=1e-4)


# --- bad input ----------------------------------------------------------------------------------------------------


def test_what_is_not_there_is_named_with_the_nearest(projects: dict):
    project = projects["classification"]
    run, options = project.run, project.options
    for changes, match in {
        ("project", "dmeo"): "did you mean 'demo'",
        ("task", "tt"): "did you mean 't'",
        ("run", run[:-1] + "x"): f"did you mean '{run}'",
        ("folds", 7): "no fold 7",
    }.items():
        with pytest.raises(MMLError, match=match):
            load_predictor(**options | {changes[0]: changes[1]})


@pytest.mark.parametrize(
    "option",
    [
        {"folds": []},
        {"folds": "first"},
        {"device": "tpu"},
        {"device": "cuda:99"},
        {"tta": "flips"},
        {"tta": {"preset": "flips"}},
        {"tta": {"merge": "median"}},
    ],
    ids=str,
)
def test_wrong_values_of_an_argument_name_it(option: dict[str, Any], projects: dict):
    with pytest.raises(MMLError, match=f"^{next(iter(option))}\\b") as refusal:
        load_predictor(**projects["classification"].options | option)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("kind", ["classification", "semantic_segmentation"])
@pytest.mark.parametrize("count", [{"batch_size": 0}, {"batch_size": -1}, {"threads": 0}, {"threads": 1.5}], ids=str)
def test_wrong_numbers_of_images_and_threads_name_their_argument(kind: str, count: dict[str, Any], projects: dict):
    predictor = load_predictor(**projects[kind].options, folds=[0, 0])
    assert len(predictor.members[0].group.networks) == 1
    with pytest.raises(MMLError, match=next(iter(count))):
        list((predictor.masks if "segm" in kind else predictor)(Image.new("RGB", (64, 64)), **count))


def test_what_is_no_image_is_refused(projects: dict):
    with pytest.raises(MMLError, match="int is not an image"):
        load_predictor(**projects["classification"].options)(3)


def test_a_run_without_weights_names_the_command_that_makes_them(tmp_path: Path):
    project = deployed_project(tmp_path)
    project.path("parameters", 1).unlink()
    with pytest.raises(MMLError, match=r"fold 1; .*snakemake train .*retrain=true"):
        load_predictor(**project.options)
    assert load_predictor(**project.options, folds=0).task == "t"


def test_images_of_another_kind_are_refused(projects: dict):
    predictor = load_predictor(**projects["classification"].options)
    with pytest.raises(MMLError, match="4 channels"):
        predictor(np.zeros((20, 20, 4), np.float32))
    with pytest.raises(MMLError, match="uint16"):
        predictor(np.zeros((20, 20), np.uint16))


def test_a_place_without_images_is_refused(projects: dict, tmp_path: Path):
    predictor = load_predictor(**projects["classification"].options)
    (tmp_path / "empty").mkdir()
    with pytest.raises(MMLError, match="has no image files"):
        predictor(tmp_path / "empty")
    for text, match in {"images\na.png\n": "column 'image'", "image\na.png\n": "line 2: the file"}.items():
        table = tmp_path / "table.csv"
        table.write_text(text)
        with pytest.raises(MMLError, match=match):
            predictor(table)
    file = tmp_path / "a.png"
    Image.new("RGB", (9, 9), "red").save(file)
    with pytest.raises(MMLError, match="several images have the id"):
        predictor([file, file])


def test_images_of_more_than_8_bits_get_the_values_of_the_training(tmp_path: Path):
    project = deployed_project(tmp_path, is_deep=True)
    assert project.dataset.pixels.depth == "uint16"
    np.testing.assert_allclose(predictions_of(project, folds=0).logits, project.stored(0).logits, atol=1e-4)
    predictor = load_predictor(**project.options)
    with pytest.raises(MMLError, match="has 8 bits"):
        predictor(np.zeros((20, 20), np.uint8))
    file = next(iter(project.files(project.stored().ids.tolist()[:1]).values()))
    coloured = np.stack([np.asarray(Image.open(file))] * 3, axis=2)
    coloured[..., 1] //= 2
    with pytest.raises(MMLError, match="has colour"):
        predictor(coloured)


def test_members_with_classes_in_another_order_are_refused():
    from mml_lib.deployment.predictor_loading import check_same_order

    check_same_order("t", [("a", ["x", "y"]), ("b", ["x", "y"])])
    with pytest.raises(MMLError, match=r"another order: run a x, y; run b y, x"):
        check_same_order("t", [("a", ["x", "y"]), ("b", ["y", "x"])])


# --- the guide ----------------------------------------------------------------------------------------------------


def test_examples_of_the_guide_predict_new_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    project = deployed_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    for variable in ("MML_DATA_PATH", "MML_RESULTS_PATH"):
        monkeypatch.delenv(variable, raising=False)
    (tmp_path / "new_images").mkdir()
    for number, file in enumerate(project.files(project.stored().ids.tolist()[:3]).values()):
        shutil.copyfile(file, tmp_path / f"new_images/{number}.png")
    page = (REPOSITORY / "config/guide/using_networks.md").read_text(encoding="utf-8")
    names: dict[str, Any] = {}
    for code in re.findall(r"^```python\n(.*?)^```$", page, re.M | re.S):
        exec(code, names)
    assert names["table"]["id"].tolist() == ["0.png", "1.png", "2.png"]
    np.testing.assert_allclose(names["logits"][0], project.stored().logits[0], atol=1e-4)
