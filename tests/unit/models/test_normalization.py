"""Normalisation: pretrained networks get images as their weights know them, whatever their statistics are."""

from pathlib import Path
from typing import Any

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before timm)
import pytest
import timm
import torch
from safetensors.torch import save_file
from timm.models import get_pretrained_cfg, list_pretrained

from mml_lib.config.loading import load_study
from mml_lib.config.schema import StudyConfig
from mml_lib.errors import MMLError
from mml_lib.models.network import Network, head_spec, save_network
from mml_lib.models.normalization import IMAGENET, UNCHANGED, Statistics, size_problem, statistics_for, statistics_of
from mml_lib.pipelines.pipeline import Pipeline
from mml_lib.tasks.struct import TaskStruct
from tests.support.messages import mentions
from tests.support.small_tasks import ARCH, PRESETS, fake_task
from tests.support.workplaces import TINY

HALF = Statistics([0.5] * 3, [0.5] * 3)
TASK = {"name": "t", "id": "0a1b2c3d", "dataset": "d", "pack": "p", "task_type": "classification"}


class Unknown(torch.nn.Flatten):
    """A backbone that says nothing of its weights."""

    num_features = 3


def study(arch: dict[str, Any], **changes: Any) -> StudyConfig:
    config = {key: value for key, value in TINY.items() if key != "normalization"}
    return load_study(config | {"arch": arch, "paths": {"presets": [str(PRESETS)]}} | changes)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """An arch whose weights, with statistics of their own, are loaded from a file."""
    path = tmp_path_factory.mktemp("weights") / "model.safetensors"
    save_file(timm.create_model("test_resnet").state_dict(), path)
    overlay = {
        "file": str(path),
        "mean": HALF.mean,
        "std": HALF.std,
        "input_size": [3, 32, 32],
        "test_input_size": None,
    }
    return ARCH | {"pretrained": True, "pretrained_cfg_overlay": overlay}


@pytest.fixture(scope="module")
def struct(tmp_path_factory: pytest.TempPathFactory) -> TaskStruct:
    return fake_task(tmp_path_factory.mktemp("images"), "classification")


def network_of(cfg: StudyConfig, struct: TaskStruct) -> Network:
    return Network(cfg.arch.spec(), {struct.name: head_spec(struct, None)})


def test_statistics_of_all_pretrained_networks_are_those_of_timm():
    others = 0
    for name in list_pretrained():
        settings = get_pretrained_cfg(name)
        statistics = statistics_of(settings.to_dict(), name)
        assert (statistics.mean, statistics.std) == (list(settings.mean), list(settings.std))
        others += statistics != IMAGENET
    assert others > 600


@pytest.mark.parametrize(
    "name", ["vit_tiny_patch16_224.augreg_in21k", "tf_efficientnet_b0.ap_in1k", "resnet50_clip.openai", "mobilevit_xxs"]
)
def test_statistics_are_those_of_the_tag(name: str):
    with torch.device("meta"):
        backbone = timm.create_model(name)
    expected = get_pretrained_cfg(name)
    assert statistics_of(backbone.pretrained_cfg, name) == Statistics(list(expected.mean), list(expected.std))


def test_a_pretrained_network_gets_images_as_its_weights_know_them(weights: dict[str, Any], struct: TaskStruct):
    cfg = study(weights)
    assert Pipeline.of(cfg, TASK).content["normalization"] == "pretrained"
    assert statistics_for(network_of(cfg, struct), cfg, struct) == HALF


def test_other_networks_get_images_by_the_statistics_of_their_task(struct: TaskStruct):
    cfg = study(ARCH)
    assert Pipeline.of(cfg, TASK).content["normalization"] == "task"
    assert Pipeline.of(study(ARCH, normalization="task"), TASK).run == Pipeline.of(cfg, TASK).run
    assert statistics_for(network_of(cfg, struct), study(ARCH, normalization="imagenet"), struct) == IMAGENET
    assert statistics_for(network_of(cfg, struct), study(ARCH, normalization="none"), struct) == UNCHANGED
    own = statistics_for(network_of(cfg, struct), cfg, struct)
    assert own.mean == struct.means


def test_a_network_started_from_another_has_its_statistics(tmp_path: Path, struct: TaskStruct):
    cfg = study(ARCH)
    network = network_of(cfg, struct)
    save_network(network, tmp_path / "weights", {"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]})
    assert Pipeline.of(cfg, TASK, {"pretraining": {"task": "u", "models": []}}).content["normalization"] == "pretrained"
    assert statistics_for(network, cfg, struct, tmp_path / "weights") == Statistics([0.1, 0.2, 0.3], [0.4, 0.5, 0.6])


def test_statistics_of_weights_that_there_are_not_are_refused_in_planning():
    for arch in (ARCH, {key: value for key, value in ARCH.items() if key != "pretrained"}):
        with pytest.raises(MMLError, match=r"arch\.pretrained.*set it to true, or normalization: imagenet"):
            Pipeline.of(study(arch, normalization="pretrained"), TASK)


def test_weights_that_do_not_say_their_statistics_are_refused(struct: TaskStruct):
    cfg = study({"_target_": f"{__name__}.Unknown"}, normalization="pretrained")
    with pytest.raises(MMLError, match="no attribute pretrained_cfg"):
        statistics_for(network_of(cfg, struct), cfg, struct)
    with pytest.raises(MMLError, match="take channels in the order BGR"):
        statistics_of({"mean": [0.5] * 3, "std": [0.5] * 3, "input_space": "BGR"}, "old")


def test_statistics_in_levels_are_scaled():
    settings = {"mean": [51.0, 102.0, 204.0], "std": [51.0] * 3, "input_range": [0, 255]}
    assert statistics_of(settings, "old") == Statistics([0.2, 0.4, 0.8], [0.2] * 3)


def test_what_weights_do_not_know_is_warned_of(
    weights: dict[str, Any], struct: TaskStruct, capfd: pytest.CaptureFixture[str]
):
    cfg = study(weights, normalization="imagenet", preprocessing={"size": 48})
    assert statistics_for(network_of(cfg, struct), cfg, struct) == IMAGENET
    warned = capfd.readouterr().out
    assert mentions(warned, "normalization: imagenet", "test_resnet")
    assert "set normalization: pretrained" in warned
    assert mentions(warned, "32×32", "48×48", "set preprocessing.size", "to 32")
    statistics_for(network_of(study(weights), struct), study(weights), struct)
    assert not capfd.readouterr().out


@pytest.mark.parametrize(
    ("name", "size", "words"),
    [
        ("inception_v3", 224, "299×299 and get 224×224; set preprocessing.size"),
        ("resnet18", 64, "224×224 to 288×288 and get 64×64"),
        ("resnet18", 256, None),
        ("vit_base_patch16_224", 224, None),
        ("vit_base_patch16_384", 224, "trained on images of 384×384"),
    ],
)
def test_sizes_that_weights_know(name: str, size: int, words: str | None):
    problem = size_problem(get_pretrained_cfg(name).to_dict(), name, (size, size))
    assert problem is None if words is None else words in problem
