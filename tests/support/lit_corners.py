"""Networks whose evidence is known: class `bright` is the brightness of an image, class `dark` its opposite."""

from typing import Any

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before torch modules that need torchvision)
import numpy as np
import torch
from torch import nn

from mml_lib.deployment.deployed_network import DeployedNetwork
from mml_lib.models.network import Network

SIDE = 32


class Brightness(nn.Module):
    """A backbone whose two features are the mean brightness of an image, and the mean darkness of 4×4 pixels."""

    num_features = 2

    def __init__(self, **arguments: Any):
        super().__init__()
        self.maps = nn.Conv2d(3, 2, 4, stride=4)
        self.pool = nn.AdaptiveAvgPool2d(1)
        with torch.no_grad():
            self.maps.weight[0] = 1 / 48
            self.maps.weight[1] = -1 / 48
            self.maps.bias.zero_()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.pool(self.maps(images).relu()).flatten(1)


def brightness_network(side: int = SIDE) -> DeployedNetwork:
    """Return a network of two classes: the logit of `bright` is that of the bright pixels, that of `dark` the rest."""
    arch = {"_target_": "tests.support.lit_corners.Brightness"}
    network = Network(arch, {"t": {"task_type": "classification", "outputs": 2}}, 3)
    with torch.no_grad():
        network.head_of("t").weight.copy_(torch.eye(2))
        network.head_of("t").bias.zero_()
    return DeployedNetwork(network, {"mean": [0.5] * 3, "std": [0.5] * 3, "classes": {"t": ["bright", "dark"]}}, "t")


def lit_corner(row: int, column: int, side: int = SIDE) -> np.ndarray:
    """Return a dark image, uint8 H×W×3, with a bright square in a corner, of row and column 0 or 1."""
    image = np.full((side, side, 3), 20, np.uint8)
    half, part = side // 2, side // 4
    top, left = row * half + part // 2 * (row + 1), column * half + part // 2 * (column + 1)
    image[top : top + part, left : left + part] = 240
    return image


def network_of(arch: dict[str, Any], side: int, spec: dict[str, Any] | None = None) -> DeployedNetwork:
    """Return a network with random weights of 3 classes, or of another head."""
    torch.manual_seed(0)
    network = Network(arch, {"t": spec or {"task_type": "classification", "outputs": 3}}, 3)
    return DeployedNetwork(network, {"mean": [0.5] * 3, "std": [0.25] * 3, "classes": {"t": list("abc")}}, "t")
