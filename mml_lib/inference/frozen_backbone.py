"""Frozen backbones: networks that compute features of images, and are not trained."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mml_lib.data.learned_divisions import check_divisions
from mml_lib.errors import MMLError
from mml_lib.models.input_channels import ARGUMENT, COLOURS, channels_taken, counted, fits
from mml_lib.models.network import Network, load_network, stored_channels
from mml_lib.models.normalization import Statistics, frozen_statistics, scaled
from mml_lib.tasks.struct import TaskStruct


class FrozenBackbone(nn.Module):
    """A backbone with the normalisation that its weights were trained with.

    Args:
        network: the network, whose heads are not used.
        statistics: statistics for the normalisation of images.
        tokens: True for one feature per token, or per position of the last map, instead of one per image.
    """

    def __init__(self, network: Network, statistics: Statistics, tokens: bool = False):
        super().__init__()
        network.requires_grad_(False)
        self.network = network.eval()
        self.tokens = tokens
        self.register_buffer("mean", torch.tensor(statistics.mean).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(statistics.std).view(1, -1, 1, 1))

    def forward(self, images: torch.Tensor, task: str = "") -> torch.Tensor:
        """Return features of packed images N×C×H×W: N×D, or N×T×D for tokens (float32).

        Raises:
            MMLError: the images do not fit the network, or it has no such features.
        """
        floats = scaled(images, self.network.in_chans, self.mean.dtype, task)
        compute = self._tokens if self.tokens else self.network.backbone
        try:
            features = self.network.run_backbone(compute, (floats - self.mean) / self.std)
        except MMLError as error:
            raise _with_keys_of_features(error) from error
        if not isinstance(features, torch.Tensor) or features.ndim != (3 if self.tokens else 2):
            raise self._without("tokens" if self.tokens else "pooled")
        return features

    def _tokens(self, images: torch.Tensor) -> torch.Tensor:
        """Return the tokens of normalised images, or the positions of the last map, N×T×D."""
        backbone = self.network.backbone
        if hasattr(backbone, "forward_features"):
            maps = backbone.forward_features(images)
        elif hasattr(backbone, "pyramid"):
            maps = backbone.pyramid(images)[-1]
        else:
            raise self._without("tokens")
        if not isinstance(maps, torch.Tensor) or maps.ndim != 4:
            return maps
        last = str(getattr(backbone, "output_fmt", "NCHW")).endswith("NHWC")
        return maps.flatten(1, 2) if last else maps.flatten(2).transpose(1, 2)

    def _without(self, pooling: str) -> MMLError:
        other = {"tokens": "pooled", "pooled": "tokens"}[pooling]
        kind = {"tokens": "tokens or feature maps", "pooled": "one vector per image"}[pooling]
        return MMLError(
            f"features.pooling: {self.network.arch_name} has no {kind}; set features.pooling: {other}, or another "
            "features.arch"
        )


def build_backbone(arch: Mapping[str, Any], channels: int | None, seed: int) -> Network:
    """Return a network without heads: a backbone of a library, or the user's own.

    Grey images become colours, so that all tasks use the same network.

    Args:
        arch: target of the backbone with its arguments.
        channels: number of channels of the images; None if it is not known yet.
        seed: seed of random weights.

    Raises:
        MMLError: there is no such network, its weights cannot be loaded, or it does not take this number of channels.
    """
    if ARGUMENT not in arch and channels is not None and fits(channels, COLOURS):
        channels = COLOURS
    torch.manual_seed(seed)
    try:
        return Network(arch, {}, channels_taken(arch, channels))
    except MMLError as error:
        raise _with_keys_of_features(error) from error


def _with_keys_of_features(error: MMLError) -> MMLError:
    """Return an error about a backbone with keys of the section `features`, instead of keys of `arch`."""
    message = re.sub(r"\b(?<!features\.)arch(?=[.:])", "features.arch", str(error))
    message = message.replace(" (with patches: patches.size)", "")
    return MMLError(message.replace("features.arch.pretrained:", "features.pretrained:"))


def library_backbone(arch: Mapping[str, Any], struct: TaskStruct, seed: int, tokens: bool = False) -> FrozenBackbone:
    """Return a backbone of a library for the images of a task.

    Args:
        arch: target of the backbone with its arguments.
        struct: the task.
        seed: seed of random weights.
        tokens: see `FrozenBackbone`.

    Raises:
        MMLError: the backbone cannot be built for these images.
    """
    network = build_backbone(arch, len(struct.pixels.channels) if struct.pixels else None, seed)
    return FrozenBackbone(network, frozen_statistics(network, struct), tokens)


def trained_backbone(path: str | Path, struct: TaskStruct, tokens: bool = False) -> FrozenBackbone:
    """Return the backbone of a stored network for the images of a task.

    Args:
        path: path of the stored weights.
        struct: the task.
        tokens: see `FrozenBackbone`.

    Raises:
        MMLError: the weights are missing or damaged, have learned other folds of the task, or take other channels.
    """
    network, header = load_network(path)
    check_divisions(path, header, [struct])
    channels = len(struct.pixels.channels) if struct.pixels else COLOURS
    if not fits(channels, stored_channels(header)):
        raise MMLError(
            f"features: the images of {struct.name} have {counted(channels)}, and the network of {header['task']} "
            f"takes {stored_channels(header)}; choose another network, or set images: {{channels: …}} of {struct.name}"
        )
    return FrozenBackbone(network, frozen_statistics(network, struct, header), tokens)
