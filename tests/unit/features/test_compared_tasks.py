"""Data of tasks that measures compare: probabilities of a source's classes."""

from pathlib import Path

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before timm)
import numpy as np
import pytest
import torch

from mml_lib.features.compared_tasks import head_probabilities
from mml_lib.models.network import Network, save_network
from tests.support.small_tasks import ARCH


@pytest.mark.parametrize("task", ["source", "v1.5", "values"])
@torch.inference_mode()
def test_probabilities_of_features_are_those_of_the_whole_network(task: str, tmp_path: Path):
    network = Network(ARCH, {task: {"task_type": "classification", "outputs": 3}}).eval()
    path = tmp_path / "parameters.safetensors"
    save_network(network, path, {})
    images = torch.rand(5, 3, 32, 32)
    expected = network(images, task).softmax(dim=1).numpy()
    features = network.backbone(images).numpy()
    assert head_probabilities(features, str(path), task) == pytest.approx(expected, abs=1e-5)
    assert np.ptp(expected, axis=0).max() > 0
