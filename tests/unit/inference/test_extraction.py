"""Extraction: features next to those of a plain loop over the packed array."""

from collections.abc import Callable
from pathlib import Path

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before timm)
import numpy as np
import pytest
import timm
import torch
from safetensors.torch import load_file

from mml_lib.data.datamodule import images_of
from mml_lib.errors import MMLError
from mml_lib.features.feature_files import Features
from mml_lib.features.part_store import PartStore
from mml_lib.inference.extraction import extract_features
from mml_lib.inference.frozen_backbone import FrozenBackbone, library_backbone, trained_backbone
from mml_lib.models.network import save_network
from mml_lib.tasks.pixel_format import PixelFormat
from mml_lib.tasks.struct import TaskStruct
from tests.support.small_tasks import ARCH, fake_task, small_model

CPU = torch.device("cpu")
VIT = {
    "_target_": "mml_lib.models.network.timm_backbone",
    "name": "test_vit",
    "pretrained": False,
    "img_size": 32,
}


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> TaskStruct:
    return fake_task(tmp_path_factory.mktemp("images"), "classification", unlabelled=3)


def extract(backbone: FrozenBackbone, task: TaskStruct, folder: Path, batch_size: int = 5) -> np.ndarray:
    count = len(task.samples["id"])
    store = PartStore(folder / "parts", {"extractor": "x"}, count)
    extract_features(backbone, images_of(task, np.arange(count), masks=False), store, CPU, task.name, batch_size)
    return np.array(store.values)


@torch.no_grad()
def plain(network: Callable, task: TaskStruct, mean: list[float], std: list[float]) -> np.ndarray:
    """Return the outputs of a network for the packed images, one after the other."""
    pixels = np.load(task.paths["packed"] / "images.npy")[task.samples["row"]]
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255
    images = (images - torch.tensor(mean).view(-1, 1, 1)) / torch.tensor(std).view(-1, 1, 1)
    return np.concatenate([network(image[None]).numpy() for image in images])


def seeded(name: str, seed: int, **arguments: object) -> torch.nn.Module:
    torch.manual_seed(seed)
    return timm.create_model(name, num_classes=0, **arguments).eval()


def test_pooled_features_are_those_of_a_plain_loop(task: TaskStruct, tmp_path: Path):
    network = seeded("test_resnet", 3)
    settings = network.pretrained_cfg
    expected = plain(network, task, settings["mean"], settings["std"])
    values = extract(library_backbone(ARCH, task, seed=3), task, tmp_path)
    assert values.shape == (27, network.num_features)
    np.testing.assert_allclose(values, expected, atol=1e-5)
    assert np.abs(values - extract(library_backbone(ARCH, task, seed=4), task, tmp_path / "other")).max() > 1e-3


def test_tokens_are_those_of_the_transformer(task: TaskStruct, tmp_path: Path):
    network = seeded("test_vit", 0, img_size=32)
    settings = network.pretrained_cfg
    expected = plain(network.forward_features, task, settings["mean"], settings["std"])
    values = extract(library_backbone(VIT, task, 0, tokens=True), task, tmp_path)
    assert values.shape == (27, 5, 64), "a class token, and 2 by 2 patches"
    np.testing.assert_allclose(values, expected, atol=1e-5)


def test_tokens_of_a_convolutional_network_are_the_positions_of_its_last_map(task: TaskStruct, tmp_path: Path):
    tokens = extract(library_backbone(ARCH, task, 0, tokens=True), task, tmp_path)
    pooled = extract(library_backbone(ARCH, task, 0), task, tmp_path / "pooled")
    np.testing.assert_allclose(tokens.mean(axis=1), pooled, atol=1e-5)


def test_a_trained_network_sees_images_as_it_was_trained(task: TaskStruct, tmp_path: Path):
    model, path = small_model(task), tmp_path / "p.safetensors"
    statistics = {"mean": [0.2, 0.3, 0.4], "std": [0.3, 0.2, 0.1]}
    save_network(model.network, path, {"task": "t", **statistics})
    network = timm.create_model("test_resnet", num_classes=0).eval()
    weights = {name: tensor for name, tensor in load_file(path).items() if name.startswith("backbone.")}
    network.load_state_dict({name.removeprefix("backbone."): tensor for name, tensor in weights.items()})
    values = extract(trained_backbone(path, task), task, tmp_path)
    np.testing.assert_allclose(values, plain(network, task, **statistics), atol=1e-5)


def test_ids_splits_and_folds_are_those_of_the_samples(task: TaskStruct, tmp_path: Path):
    features = Features.of(task, extract(library_backbone(ARCH, task, 0), task, tmp_path), "x-0a1b2c3d")
    assert features.ids == task.samples["id"].tolist()
    assert {split: features.splits.count(split) for split in set(features.splits)} == {
        "train": 18,
        "test": 6,
        "unlabelled": 3,
    }
    assert {fold for fold, split in zip(features.folds, features.splits, strict=True) if split == "train"} == {0, 1, 2}
    assert {fold for fold, split in zip(features.folds, features.splits, strict=True) if split != "train"} == {-1}


class Killed(BaseException):
    """End of a process."""


def test_an_interrupted_extraction_goes_on_where_it_was(task: TaskStruct, tmp_path: Path):
    whole = extract(library_backbone(ARCH, task, 0), task, tmp_path / "whole")
    seen: list[int] = []

    def count(module: torch.nn.Module, arguments: tuple) -> None:
        seen.append(len(arguments[0]))
        if len(seen) == 3:
            raise Killed

    backbone = library_backbone(ARCH, task, 0)
    hook = backbone.register_forward_pre_hook(count)
    with pytest.raises(Killed):
        extract(backbone, task, tmp_path)
    hook.remove()
    seen.clear()
    backbone.register_forward_pre_hook(lambda module, arguments: seen.append(len(arguments[0])))
    values = extract(backbone, task, tmp_path)
    assert seen == [5, 5, 5, 2], "two of six batches were done"
    assert values.tobytes() == whole.tobytes()


def test_images_of_own_sizes_are_seen_whole(tmp_path: Path):
    sized = fake_task(tmp_path / "images", "regression", transforms=(), cuts=[(32, 24), (20, 32)])
    backbone = library_backbone(ARCH, sized, 0)
    values = extract(backbone, sized, tmp_path)
    images = images_of(sized, np.arange(24))
    for position in (0, 1, 13):
        image = torch.from_numpy(np.array(images.image(position))).permute(2, 0, 1)[None]
        with torch.no_grad():
            np.testing.assert_allclose(values[position], backbone(image)[0].numpy(), atol=1e-5)
    with pytest.raises(MMLError, match=r"^features\.pooling: .*several sizes.*features\.preprocessing"):
        extract(library_backbone(ARCH, sized, 0, tokens=True), sized, tmp_path / "tokens")


def test_a_network_without_tokens_is_refused(task: TaskStruct, tmp_path: Path):
    flat = {"_target_": "torch.nn.Flatten"}
    assert extract(library_backbone(flat, task, 0), task, tmp_path).shape == (27, 3 * 32 * 32)
    with pytest.raises(MMLError, match=r"^features\.pooling: torch\.nn\.Flatten has no tokens .*features\.arch"):
        extract(library_backbone(flat, task, 0, tokens=True), task, tmp_path / "tokens")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"name": "test_resnt"}, r"^features\.arch\.name: .*did you mean 'test_resnet'"),
        ({"drop_rat": 0.1}, r"^features\.arch\.drop_rat: .*did you mean 'drop_rate'"),
        ({"in_chans": 4}, r"^features\.arch\.in_chans: it is 4, and the images have 3 channels"),
    ],
)
def test_a_backbone_that_cannot_be_built_is_named_by_its_key(task: TaskStruct, changes: dict, sentence: str):
    with pytest.raises(MMLError, match=sentence):
        library_backbone(ARCH | changes, task, 0)


def test_weights_that_cannot_be_had_name_the_ways_to_provide_them(task: TaskStruct, monkeypatch: pytest.MonkeyPatch):
    def offline(*arguments: object, **options: object) -> None:
        raise OSError("no connection")

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(MMLError, match=r"^features\.pretrained: .*HF_HOME.*pretrained_cfg_overlay.*pretrained: false"):
        library_backbone(ARCH | {"pretrained": True}, task, 0)


def test_images_of_other_channels_than_a_trained_network_takes_are_refused(task: TaskStruct, tmp_path: Path):
    path = tmp_path / "p.safetensors"
    save_network(small_model(task).network, path, {"task": "t", "mean": [0.5] * 3, "std": [0.5] * 3})
    other = TaskStruct("other", task.paths)
    other.pixels = PixelFormat("uint8", ("a", "b", "c", "d"))
    with pytest.raises(MMLError, match=r"^features: the images of other have 4 channels, and the network of t takes 3"):
        trained_backbone(path, other)


def test_half_precision_is_for_gpus(task: TaskStruct, tmp_path: Path):
    images = images_of(task, np.arange(27))
    with pytest.raises(MMLError, match=r"^features\.precision: 16-mixed .*bf16-mixed"):
        extract_features(
            library_backbone(ARCH, task, 0), images, PartStore(tmp_path / "p", {}, 27), CPU, "t", precision="16-mixed"
        )
