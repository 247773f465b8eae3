"""Normalisation: statistics of the channels of images, and those that pretrained weights expect."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from mml_lib.config.schema import StudyConfig
from mml_lib.errors import MMLError
from mml_lib.images.transforms import packed_size, resolve
from mml_lib.machine.terminal import warn
from mml_lib.models.input_channels import COLOURS, counted, fits
from mml_lib.models.network import Network, read_header
from mml_lib.tasks.pixel_format import FULL_SCALE

if TYPE_CHECKING:
    from mml_lib.tasks.struct import TaskStruct


@dataclass(frozen=True)
class Statistics:
    """Mean and standard deviation of each channel, for images in 0..1."""

    mean: list[float]
    std: list[float]

    def of_channels(self, count: int) -> "Statistics":
        """Return the statistics for another number of channels: the mean over channels, repeated."""
        if len(self.mean) == count:
            return self
        return Statistics(*([sum(values) / len(values)] * count for values in (self.mean, self.std)))


IMAGENET = Statistics([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
UNCHANGED = Statistics([0.0] * 3, [1.0] * 3)


def statistics_for(
    network: Network, cfg: StudyConfig, struct: "TaskStruct", stored: str | Path | None = None
) -> Statistics:
    """Return the statistics for the normalisation of images in a training.

    For a network of grey images, statistics of colours are averaged. Weights that are adapted to other channels use the
    statistics of the task. A warning is printed if statistics or size of images differ from those that pretrained
    weights were trained with.

    Args:
        network: network that will be trained.
        cfg: config of the step.
        struct: the task.
        stored: path of the stored weights that the network starts from; None without them.

    Raises:
        MMLError: the statistics of the weights are unknown, or `normalization: imagenet` is set for images that are
            neither colours nor grey.
    """
    kind, count = cfg.normalization_of(started=stored is not None), network.in_chans
    if kind == "imagenet" and count not in (1, COLOURS):
        raise MMLError(
            f"normalization: imagenet is for colours and grey, and the images have {count} channels; set it to task"
        )
    adapted = stored is None and count not in (1, COLOURS)  # to channels that the weights were not trained with
    if kind == "task" or (kind == "pretrained" and adapted):
        return Statistics(struct.means, [max(std, 1e-3) for std in struct.stds]).of_channels(count)
    expected = None
    if stored is not None:
        header = read_header(stored)
        expected = Statistics(header["mean"], header["std"]).of_channels(count)
    elif not adapted and (kind == "pretrained" or (cfg.arch.spec().get("pretrained") and network.pretrained_cfg)):
        expected = statistics_of(network.pretrained_cfg, network.arch_name).of_channels(count)
        _warn_about_size(network, cfg)
    if kind == "pretrained" and expected is not None:
        return expected
    statistics = (IMAGENET if kind == "imagenet" else UNCHANGED).of_channels(count)
    if expected is not None and expected != statistics:
        warn(
            f"normalization: {kind} is not what the weights of {network.arch_name} were trained with (mean "
            f"{expected.mean}, std {expected.std}); set normalization: pretrained, or leave it out"
        )
    return statistics


def frozen_statistics(network: Network, struct: "TaskStruct", header: Mapping[str, Any] | None = None) -> Statistics:
    """Return the statistics for the normalisation of images in a network that is not trained.

    These are the statistics that its weights were trained with. A library's network without weights uses those that its
    weights would have, or those of ImageNet, so that all tasks have the same. A network that is adapted to other
    channels uses the statistics of the task.

    Args:
        network: the network.
        struct: the task of the images.
        header: header of the stored network; None for a network of a library.

    Raises:
        MMLError: the statistics of the weights are unknown.
    """
    count = network.in_chans
    if header is not None:
        return Statistics(header["mean"], header["std"]).of_channels(count)
    if count not in (1, COLOURS):
        return Statistics(struct.means, [max(std, 1e-3) for std in struct.stds]).of_channels(count)
    if network.pretrained_cfg.get("mean") or network.arch.get("pretrained"):
        return statistics_of(network.pretrained_cfg, network.arch_name).of_channels(count)
    return IMAGENET.of_channels(count)


def scaled(images: torch.Tensor, in_chans: int, dtype: torch.dtype, task: str) -> torch.Tensor:
    """Return floats in 0..1, N×C×H×W with the channels of a network, for images of a dtype of `PixelFormat`.

    Args:
        images: images, N×C×H×W.
        in_chans: number of channels that the network takes. Grey images are repeated.
        dtype: dtype of the result.
        task: name of the task, for the message.

    Raises:
        MMLError: the channels of the images do not fit the network.
    """
    channels = images.shape[1]
    if not fits(channels, in_chans):
        raise MMLError(
            f"the images of {task} have {counted(channels)}, and the network takes {in_chans}; set images: "
            "{channels: …} of the task as of the one that the network was trained on"
        )
    if images.dtype == torch.uint8:
        floats = images.to(dtype).div_(255)
    else:  # half precision cannot represent 16 bits
        floats = (images.float() / FULL_SCALE[str(images.dtype).removeprefix("torch.")]).to(dtype)
    if channels == in_chans:
        return floats
    return floats.expand(-1, in_chans, -1, -1).contiguous(memory_format=torch.channels_last)


def statistics_of(settings: Mapping[str, Any], arch: str) -> Statistics:
    """Return the statistics that weights were trained with.

    Args:
        settings: `pretrained_cfg` of a backbone, with the keys of timm: `mean` and `std`, for images in `input_range`
            (default: 0..1).
        arch: name of the backbone, for messages.

    Raises:
        MMLError: the settings have no statistics for three channels in the order R, G, B.
    """
    high = max(settings.get("input_range") or [0, 1])
    mean, std = ([value / high for value in settings.get(key) or ()] for key in ("mean", "std"))
    if len(mean) != 3 or len(std) != 3 or min(std) <= 0:
        raise MMLError(
            f"normalization: {arch} has no attribute pretrained_cfg with the mean and std of its training; set "
            "normalization: imagenet, task or none"
        )
    if settings.get("input_space", "RGB") != "RGB":
        raise MMLError(
            f"normalization: the weights of {arch} take channels in the order {settings['input_space']}, images here "
            "are RGB; choose other weights by arch.name"
        )
    return Statistics(mean, std)


def _warn_about_size(network: Network, cfg: StudyConfig) -> None:
    size = cfg.patches.sides if cfg.patches else packed_size(resolve(cfg.preprocessing))
    if size is None or "img_size" in network.arch:
        return
    if problem := size_problem(network.pretrained_cfg, network.arch_name, size):
        warn(problem)


def size_problem(settings: Mapping[str, Any], arch: str, size: tuple[int, int]) -> str | None:
    """Return the warning about images of another size than pretrained weights were trained with; None without one.

    Args:
        settings: `pretrained_cfg` of a backbone.
        arch: name of the backbone, for the message.
        size: height and width of the images.
    """
    sizes = [tuple(settings[key])[-2:] for key in ("input_size", "test_input_size") if settings.get(key)]
    if not sizes:
        return None
    low, high = (tuple(map(limit, zip(*sizes, strict=True))) for limit in (min, max))
    if all(least <= side <= most for least, side, most in zip(low, size, high, strict=True)):
        return None
    trained_on = " to ".join(dict.fromkeys("×".join(map(str, limits)) for limits in (low, high)))
    return (
        f"arch: the weights of {arch} were trained on images of {trained_on} and get {size[0]}×{size[1]}; set "
        f"preprocessing.size (with patches: patches.size) to {low[0]}, unless this is meant"
    )
