"""Export: largest differences of ONNX and torch.export from the networks, for families of networks and all task types.

Networks have random weights, and the batch statistics of one batch. Differences are of probabilities, and of values in
standard deviations.
"""

from pathlib import Path
from typing import Any

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before timm)
import numpy as np
import pytest
import torch
import yaml

from mml_lib.deployment.deployed_network import DeployedNetwork, NetworkGroup
from mml_lib.deployment.exporting.exported_network import ExportedNetwork
from mml_lib.deployment.exporting.graph_files import TOLERANCE, largest_difference, write_graph
from mml_lib.models.network import Network
from mml_lib.task_types import LEARNABLE
from tests.support.benchmark_figures import Figures
from tests.support.places import CONFIG

SIZE, CLASSES = 64, 4
TIMM = "mml_lib.models.network.timm_backbone"
FAMILIES: dict[str, dict[str, Any]] = {
    "resnet": {"_target_": TIMM, "name": "resnet18"},
    "convnext": {"_target_": TIMM, "name": "convnext_atto"},
    "efficientnet": {"_target_": TIMM, "name": "efficientnet_b0"},
    "vit": {"_target_": TIMM, "name": "vit_tiny_patch16_224", "img_size": SIZE},
    "swin": {"_target_": TIMM, "name": "swin_tiny_patch4_window7_224", "img_size": SIZE},
    "smp": {"_target_": "mml_lib.models.encoders.smp_encoder", "name": "resnet18"},
}


def network_of(family: str, task_type: str) -> DeployedNetwork:
    """Return a network with random weights."""
    torch.manual_seed(0)
    head: dict[str, Any] = {"task_type": task_type, "outputs": CLASSES}
    if task_type == "regression":
        head |= {"outputs": 1, "mean": 20.0, "std": 5.0}
    elif task_type == "semantic_segmentation":
        decoder = {"smp": "unet", "vit": "dpt"}.get(family, "unet_small")
        head["decoder"] = yaml.safe_load((CONFIG / f"decoder/{decoder}.yaml").read_text())
    network = Network({**FAMILIES[family], "pretrained": False}, {"t": head}, 3)
    deployed = DeployedNetwork(network, {"mean": [0.5] * 3, "std": [0.25] * 3}, "t")
    spread(deployed)
    return deployed


@torch.no_grad()
def spread(deployed: DeployedNetwork) -> None:
    """Give a network batch statistics, and scale its last layer: outputs of random networks are nearly equal."""
    images = torch.from_numpy(images_of_noise()).permute(0, 3, 1, 2)
    for module in deployed.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0  # take the statistics of one batch
    deployed.network.train()
    deployed(images)
    deployed.network.eval()
    layers = [m for m in deployed.network.head_of("t").modules() if isinstance(m, torch.nn.Linear | torch.nn.Conv2d)]
    deviation = deployed(images).std(dim=0).mean()
    scale = 5.0 if deployed.task_type == "regression" else 1.0  # deviation of the values
    layers[-1].weight.mul_(2 * scale / deviation)
    if isinstance(layers[-1], torch.nn.Linear) and deployed.task_type != "regression":
        layers[-1].bias.sub_(deployed(images).mean(dim=0))  # no class is certain for all images


def images_of_noise() -> np.ndarray:
    """Return images of different brightness and contrast, N×H×W×C."""
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (5, SIZE, SIZE, 3), dtype=np.uint8)
    return (images * generator.uniform(0.1, 1, (5, 1, 1, 3))).astype(np.uint8)


@pytest.mark.benchmark
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("task_type", LEARNABLE)
def test_graphs_give_what_the_networks_give(family: str, task_type: str, tmp_path: Path, figures: Figures):
    model = ExportedNetwork(NetworkGroup([network_of(family, task_type)], [None]))
    images = images_of_noise()
    files = write_graph(model, images[:2], tmp_path)
    with torch.no_grad():
        expected = model(torch.from_numpy(images)).numpy()
    scale = 5.0 if task_type == "regression" else 1.0
    differences = {name: largest_difference([(run(images), expected)], scale) for name, run in files.runners.items()}
    assert expected.std(axis=0).mean() > 0.01 * scale  # images have different outputs
    assert files.onnx is not None, files.lacking
    for name, difference in differences.items():
        figures.record(f"export of {family}, {task_type}, {name}: difference", difference, at_most=TOLERANCE)
