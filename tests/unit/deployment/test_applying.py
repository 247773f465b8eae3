"""Predictions of many new images: tables, mask files, archives, and distances to the images of the training."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mml_lib.deployment.applying import UNLIKE, apply_predictor, opened_images
from mml_lib.deployment.image_state import state_of_images
from mml_lib.deployment.new_images import new_images
from mml_lib.deployment.training_distance import NEIGHBOURS, TrainingDistance, features_of
from mml_lib.errors import MMLError
from mml_lib.interactive import load_predictor
from mml_lib.predictions.scores import softmax
from tests.support.deployed_projects import DeployedProject, deployed_project


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> DeployedProject:
    return deployed_project(tmp_path_factory.mktemp("classes"), num_samples=60)


def distance_of(project: DeployedProject, kind: str) -> TrainingDistance:
    network = load_predictor(**project.options, folds=0).members[0].group.networks[0]
    return TrainingDistance.of(network, kind, project.struct, 0)


def test_distances_are_those_to_the_kth_nearest_training_image(project: DeployedProject):
    distance = distance_of(project, "features")
    images, struct = np.load(project.struct.paths["packed"] / "images.npy"), project.struct
    with torch.inference_mode():
        features = features_of(distance.network, torch.from_numpy(images).permute(0, 3, 1, 2))
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, atol=1e-5)
    rows = {part: struct.samples["row"][struct.select(part, 0)] for part in ("train", "val")}
    between = np.linalg.norm(features[rows["val"]][:, None] - features[rows["train"]][None], axis=2)
    expected = np.sort(np.sort(between, axis=1)[:, NEIGHBOURS - 1])
    np.testing.assert_allclose(distance.held_out, expected, atol=1e-4)
    assert distance.ranks(np.array([0.0, 9.0])).tolist() == [0, 1]


def test_the_confidence_of_held_out_images_is_that_of_their_predictions(project: DeployedProject):
    from mml_lib.predictions.predictions import read_predictions

    distance = distance_of(project, "confidence")
    stored = read_predictions(project.path("predictions", 0, eval="val"))
    np.testing.assert_allclose(distance.held_out, np.sort(1 - softmax(stored.logits).max(axis=1)), atol=1e-4)


def test_noise_is_unlike_the_training_images(project: DeployedProject):
    predictor = load_predictor(**project.options, folds=0)
    images = dict(project.files(project.stored().ids.tolist()[:4]))
    images["noise"] = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    table = apply_predictor(predictor, new_images(images), distance_of(project, "features"), warn_from=1.0).table
    assert table["warning"].tolist() == ["", "", "", "", UNLIKE]
    expected = predictor(images)
    assert table[expected.columns].equals(expected)


def test_masks_are_files_of_class_indices(tmp_path: Path):
    project = deployed_project(tmp_path, "semantic_segmentation")
    predictor = load_predictor(**project.options)
    images = project.files(project.stored().ids.tolist()[:2])
    distance = distance_of(project, "features")
    table = apply_predictor(predictor, new_images(images), distance, masks=tmp_path / "masks").table
    for name, (id_, mask) in zip(table["mask"], predictor.masks(images), strict=True):
        assert name == f"{id_}.png"
        assert (np.asarray(Image.open(tmp_path / "masks" / name)) == mask).all()


def test_archives_are_unpacked_for_the_time_of_their_predictions(tmp_path: Path):
    folder = tmp_path / "new"
    folder.mkdir()
    Image.new("RGB", (8, 8), "red").save(folder / "a.png")
    archive = Path(shutil.make_archive(str(tmp_path / "new"), "zip", folder))
    with opened_images(archive, tmp_path / "unpacked") as images:
        assert [(image.id, image.file) for image in images] == [("a.png", f"{archive}/a.png")]
        assert images[0].read().image.size == (8, 8)
    assert not (tmp_path / "unpacked").exists()


def test_the_state_of_images_changes_with_their_files(tmp_path: Path):
    folder, table = tmp_path / "new", tmp_path / "table.csv"
    folder.mkdir()
    Image.new("RGB", (8, 8), "red").save(folder / "a.png")
    table.write_text("image\nnew/a.png\n")
    states = [(state_of_images(folder), state_of_images(table))]
    assert states == [(state_of_images(folder), state_of_images(table))]
    Image.new("RGB", (8, 8), "blue").save(folder / "a.png")
    states.append((state_of_images(folder), state_of_images(table)))
    shutil.copyfile(folder / "a.png", folder / "b.png")
    states.append((state_of_images(folder), states[-1][1] + "same"))
    assert len({folder for folder, _ in states}) == len({table for _, table in states}) == 3
    (tmp_path / "notes.txt").write_text("no image")
    with pytest.raises(MMLError, match="is not an image, table or archive"):
        state_of_images(tmp_path / "notes.txt")


def test_images_that_cannot_be_read_are_listed_and_the_others_predicted(project: DeployedProject, tmp_path: Path):
    good = project.files(project.stored().ids.tolist()[:3])
    folder = tmp_path / "new"
    folder.mkdir()
    for name, file in good.items():
        shutil.copyfile(file, folder / f"{name}.png")
    (folder / "damaged.png").write_bytes(next(iter(good.values())).read_bytes()[:60])
    (folder / "empty.png").write_bytes(b"")
    Image.fromarray(np.zeros((8, 8), np.uint16)).save(folder / "deep.png")
    predictor = load_predictor(**project.options)
    applied = apply_predictor(predictor, new_images(folder), distance_of(project, "features"), batch_size=2)
    assert set(applied.refused["id"]) == {"damaged.png", "empty.png", "deep.png"}
    assert applied.refused["reason"].str.len().min() > 0
    expected = predictor({f"{name}.png": file for name, file in good.items()})
    columns = ["prediction", *(column for column in expected if column.startswith("probability/"))]
    assert set(applied.table["id"]) == set(expected["id"])
    left = applied.table.set_index("id")[columns].loc[expected["id"]]
    np.testing.assert_allclose(left[columns[1:]], expected[columns[1:]], atol=1e-6)
    with pytest.raises(MMLError):
        predictor(folder)


def test_images_of_which_none_can_be_read_are_an_error(project: DeployedProject, tmp_path: Path):
    (tmp_path / "a.png").write_bytes(b"no image")
    with pytest.raises(MMLError, match="none of 1 image can be predicted"):
        apply_predictor(load_predictor(**project.options), new_images(tmp_path))


def test_the_confidence_of_masks_is_the_mean_over_pixels(tmp_path: Path):
    project = deployed_project(tmp_path, "semantic_segmentation")
    distance = distance_of(project, "confidence")
    images = torch.from_numpy(np.load(project.struct.paths["packed"] / "images.npy")[:2]).permute(0, 3, 1, 2)
    with torch.inference_mode():
        probabilities = distance.network(images).softmax(1).numpy()
    np.testing.assert_allclose(distance.of_pixels(images), 1 - probabilities.max(axis=1).mean(axis=(1, 2)), atol=1e-5)
    assert (np.diff(distance.held_out) >= 0).all()
