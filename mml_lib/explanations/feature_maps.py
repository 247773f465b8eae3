"""Feature maps of networks, at which Grad-CAM looks: maps of convolutions, of windows, and of tokens."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from mml_lib.models.encoders import Encoder
from mml_lib.models.network import Network

LEAST_SIDE = 4
"""Rows and columns that a map needs at least to point to a part of an image."""


class TappedNetwork(nn.Module):
    """A network for one of its tasks, with a tap on one of its feature maps.

    Args:
        network: the network.
        task: the task.

    Attributes:
        tap: layer that a feature map N×C×h×w passes through unchanged.
    """

    def __init__(self, network: Network, task: str):
        super().__init__()
        self.network = network
        self.task = task
        self.tap = nn.Identity()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return outputs for normalised images N×C×H×W: N×outputs, or N×outputs×H×W."""
        return self.network(images, self.task)


@dataclass(frozen=True)
class MapPlace:
    """A module of a network whose output has a feature map.

    Args:
        module: the module.
        read: returns the map N×C×h×w of an output; None if there is none for images of this size.
        put: returns the output with a replaced map.
    """

    module: nn.Module
    read: Callable[[Any], torch.Tensor | None]
    put: Callable[[Any, torch.Tensor], Any]

    @contextmanager
    def tapped(self, layer: nn.Module) -> Iterator[None]:
        """Pass the map through a layer, in this context."""

        def hook(module: nn.Module, arguments: Any, output: Any) -> Any:
            feature_map = self.read(output)
            return None if feature_map is None else self.put(output, layer(feature_map))

        handle = self.module.register_forward_hook(hook)
        try:
            yield
        finally:
            handle.remove()


def find_map(
    tapped: TappedNetwork, images: torch.Tensor, score: Callable[[torch.Tensor], torch.Tensor]
) -> MapPlace | None:
    """Return the last map that is large enough and that scores depend on; None without one.

    Args:
        tapped: the network.
        images: normalised images N×C×H×W.
        score: returns the scores N of outputs.
    """
    for place in _places(tapped.network.backbone, images.shape[-2:]):
        seen: list[torch.Tensor] = []
        handle = tapped.tap.register_forward_hook(lambda module, arguments, output, seen=seen: seen.append(output))
        try:
            with place.tapped(tapped.tap), torch.enable_grad():
                scores = score(tapped(images.detach().requires_grad_()))
                if not seen or min(seen[0].shape[-2:]) < LEAST_SIDE or not seen[0].requires_grad:
                    continue
                (gradient,) = torch.autograd.grad(scores.sum(), seen[0], allow_unused=True)
        finally:
            handle.remove()
        if gradient is not None and bool(gradient.any()):
            return place
    return None


# --- places -------------------------------------------------------------------------------------------------------


def _places(backbone: nn.Module, size: torch.Size) -> list[MapPlace]:
    """Return the places of maps of a backbone, the last one first.

    Args:
        backbone: a backbone of timm, of segmentation-models-pytorch, or of the user.
        size: height and width of images.
    """
    if isinstance(backbone, Encoder):
        return [MapPlace(backbone.encoder, _last_of_list, _put_last)]
    layout = Layout.of(backbone, size)
    return [MapPlace(module, layout.read, layout.put) for module in _stages(backbone)]


def _stages(backbone: nn.Module) -> list[nn.Module]:
    """Return the modules whose outputs may be maps, the last one first.

    Where the head of a vision transformer reads the class token alone, patch tokens act for the last time at the norm
    before the attention of the last block.
    """
    levels = getattr(backbone, "feature_info", ())
    info = [level for level in getattr(levels, "info", levels) if "module" in level]
    names = list(dict.fromkeys(level["module"] for level in info))
    try:
        modules = [backbone.get_submodule(name) for name in names[::-1]]
    except AttributeError:
        modules = []  # some families have names of an earlier version
    if not modules:
        return _parts(backbone)[::-1]
    norm = getattr(modules[0], "norm1", None)
    if isinstance(norm, nn.Module) and len({level["reduction"] for level in info}) == 1:
        return [modules[0], norm]
    return modules


def _parts(module: nn.Module) -> list[nn.Module]:
    """Return the parts of a module in the order of definition. A single part is replaced by its own parts."""
    children = list(module.children())
    return _parts(children[0]) if len(children) == 1 and list(children[0].children()) else children


# --- layouts ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Layout:
    """Layout of maps in the outputs of modules: N×C×h×w, N×h×w×C, or N×T×C of tokens.

    Args:
        prefix: number of tokens before those of patches.
        grid: rows and columns of patches; None: there are none.
        channels_last: True for maps N×h×w×C.
    """

    prefix: int
    grid: tuple[int, int] | None
    channels_last: bool

    @classmethod
    def of(cls, backbone: nn.Module, size: torch.Size) -> "Layout":
        """Return the layout of a backbone for images of a size."""
        embedding = getattr(backbone, "patch_embed", None) or getattr(backbone, "stem", None)
        patch = getattr(embedding, "patch_size", None)
        sides = (patch, patch) if isinstance(patch, int) else patch
        grid = (-(-size[0] // sides[0]), -(-size[1] // sides[1])) if sides else None
        channels_last = str(getattr(backbone, "output_fmt", "NCHW")).endswith("NHWC")
        return cls(getattr(backbone, "num_prefix_tokens", 0), grid, channels_last)

    def read(self, output: Any) -> torch.Tensor | None:
        """Return the map N×C×h×w of an output; None: it has none."""
        if not isinstance(output, torch.Tensor):
            return None
        if output.ndim == 4:
            return output.permute(0, 3, 1, 2) if self.channels_last else output
        if output.ndim != 3 or self.grid is None or output.shape[1] - self.prefix != self.grid[0] * self.grid[1]:
            return None
        return output[:, self.prefix :].transpose(1, 2).unflatten(2, self.grid)

    def put(self, output: torch.Tensor, feature_map: torch.Tensor) -> torch.Tensor:
        """Return an output with another map in its place."""
        if output.ndim == 4:
            return feature_map.permute(0, 2, 3, 1) if self.channels_last else feature_map
        return torch.cat([output[:, : self.prefix], feature_map.flatten(2).transpose(1, 2)], dim=1)


def _last_of_list(output: Any) -> torch.Tensor | None:
    """Return the last map of an encoder of segmentation-models-pytorch."""
    return output[-1] if isinstance(output[-1], torch.Tensor) else None


def _put_last(output: Any, feature_map: torch.Tensor) -> list[torch.Tensor]:
    return [*output[:-1], feature_map]
