"""Numbers of features of networks while planning."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before timm)
import timm
import torch

from mml_lib.config.feature_options import TIMM
from mml_lib.studies.checks.feature_widths import WIDTHS, named_width, stored_width


@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "test_convnext", "resnet18", "mobilenetv3_small_100"])
def test_widths_are_those_of_the_networks(name: str):
    with torch.device("meta"):
        network = timm.create_model(name, num_classes=0)
    assert WIDTHS[name] == (getattr(network, "head_hidden_size", None) or network.num_features)


@pytest.mark.thorough
@pytest.mark.parametrize("name", WIDTHS)
def test_all_widths_are_those_of_the_networks(name: str):
    test_widths_are_those_of_the_networks(name)


def test_the_width_of_a_trained_network_is_that_of_its_head(tmp_path: Path):
    arrays = {"head.a.weight": (10, 48), "head.a.bias": (10,), "backbone.conv.weight": (8, 3, 3, 3)}
    save_file({key: np.zeros(shape, np.float32) for key, shape in arrays.items()}, tmp_path / "weights.safetensors")
    assert stored_width(tmp_path / "weights.safetensors") == 48
    (tmp_path / "damaged.safetensors").write_bytes(b"no weights")
    assert stored_width(tmp_path / "damaged.safetensors") is None
    assert stored_width(tmp_path / "missing.safetensors") is None


def test_arguments_that_change_a_network_leave_its_width_unknown():
    assert named_width({"_target_": TIMM, "name": "resnet18.a1_in1k", "pretrained": True}) == 512
    assert named_width({"_target_": TIMM, "name": "resnet18", "block_args": {}}) is None
    assert named_width({"_target_": "mine.network", "name": "resnet18"}) is None
