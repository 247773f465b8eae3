"""Normalisation: mean and deviation of the channels of images, and those that pretrained weights expect."""

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
    """Mean and standard deviation of each channel of images in 0..1."""

    mean: list[float]
    std: list[float]

    def of_channels(self, count: int) -> "Statistics":
        """Return the statistics for another number of channels: of colours as grey, or of grey as colours."""
        if len(self.mean) == count:
            return self
        return Statistics(*([sum(values) / len(values)] * count for values in (self.mean, self.std)))


IMAGENET = Statistics([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
UNCHANGED = Statistics([0.0] * 3, [1.0] * 3)


def statistics_for(
    network: Network, cfg: StudyConfig, struct: "TaskStruct", stored: str | Path | None = None
) -> Statistics:
    """Return the statistics that a training normalises images by.

    Those of colours are averaged for a network of grey images. Weights that are adapted to other channels get the
    statistics of the task. Warns of statistics, and of a size of images, that pretrained weights were not trained with.

    Args:
        network: what is to be trained.
        cfg: config of the step.
        struct: the task.
        stored: weights of the network that is started from, if any.

    Raises:
        MMLError: nothing says which statistics the weights were trained with, or those of colours are asked for images
            of other channels.
    """
    kind, count = cfg.normalization_of(started=stored is not None), network.in_chans
    if kind == "imagenet" and count not in (1, COLOURS):
        raise MMLError(
            f"normalization: imagenet is for colours and grey, and the images have {count} channels; set it to task"
        )
    adapted = stored is None and count not in (1, COLOURS)  # to channels that the weights have not seen
    if kind == "task" or (kind == "pretrained" and adapted):
        return Statistics(struct.means, [max(std, 1e-3) for std in struct.stds]).of_channels(count)
    expected = None
    if stored is not None:
        header = read_header(stored)
        expected = Statistics(header["mean"], header["std"]).of_channels(count)
    elif not adapted and (kind == "pretrained" or (cfg.arch.spec().get("pretrained") and network.pretrained_cfg)):
        expected = statistics_of(network.pretrained_cfg, network.arch_name).of_channels(count)
        _warn_of_size(network, cfg)
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
    """Return the statistics that a network which is not trained any more normalises images by.

    They are those that its weights were trained with. Of a library's network without weights they are those that its
    weights would have, or else those of ImageNet, so that they are the same for all tasks; for channels that it was
    not made for, the statistics of the task.

    Args:
        network: the network.
        struct: the task whose images it sees.
        header: header of the stored network; None: one of a library.

    Raises:
        MMLError: nothing says which statistics the weights were trained with.
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
    """Return floats in 0..1, N×C×H×W with the channels of a network, for images of a type of `PixelFormat`.

    Args:
        images: N×C×H×W.
        in_chans: number of channels that the network takes; grey images are repeated.
        dtype: type of the floats.
        task: name of the task, for the message.

    Raises:
        MMLError: the images have other channels than the network.
    """
    channels = images.shape[1]
    if not fits(channels, in_chans):
        raise MMLError(
            f"the images of {task} have {counted(channels)}, and the network takes {in_chans}; set images: "
            "{channels: …} of the task as of the one that the network was trained on"
        )
    if images.dtype == torch.uint8:
        floats = images.to(dtype).div_(255)
    else:  # in half precision, 16 bits have no room
        floats = (images.float() / FULL_SCALE[str(images.dtype).removeprefix("torch.")]).to(dtype)
    if channels == in_chans:
        return floats
    return floats.expand(-1, in_chans, -1, -1).contiguous(memory_format=torch.channels_last)


def statistics_of(settings: Mapping[str, Any], arch: str) -> Statistics:
    """Return the statistics that weights were trained with.

    Args:
        settings: `pretrained_cfg` of a backbone, in timm's words: `mean` and `std`, for images in 0..1, or in
            `input_range` where there is one.
        arch: name of the backbone, for messages.

    Raises:
        MMLError: the settings have no statistics for three channels in the order R, G, B.
    """
    high = max(settings.get("input_range") or [0, 1])
    mean, std = ([value / high for value in settings.get(key) or ()] for key in ("mean", "std"))
    if len(mean) != 3 or len(std) != 3 or min(std) <= 0:
        raise MMLError(
            f"normalization: {arch} does not say, by an attribute pretrained_cfg with mean and std, which statistics "
            "its weights were trained with; set normalization: imagenet, task or none"
        )
    if settings.get("input_space", "RGB") != "RGB":
        raise MMLError(
            f"normalization: the weights of {arch} take channels in the order {settings['input_space']}, images here "
            "are RGB; choose other weights by arch.name"
        )
    return Statistics(mean, std)


def _warn_of_size(network: Network, cfg: StudyConfig) -> None:
    size = cfg.patches.sides if cfg.patches else packed_size(resolve(cfg.preprocessing))
    if size is None or "img_size" in network.arch:
        return
    if problem := size_problem(network.pretrained_cfg, network.arch_name, size):
        warn(problem)


def size_problem(settings: Mapping[str, Any], arch: str, size: tuple[int, int]) -> str | None:
    """Return why images are of a size that pretrained weights do not know; None if they know it.

    Args:
        settings: `pretrained_cfg` of a backbone.
        arch: name of the backbone, for the message.
        size: height and width of the images.
    """
    sizes = [tuple(settings[key])[-2:] for key in ("input_size", "test_input_size") if settings.get(key)]
    if not sizes:
        return None
    low, high = (tuple(map(choose, zip(*sizes, strict=True))) for choose in (min, max))
    if all(least <= side <= most for least, side, most in zip(low, size, high, strict=True)):
        return None
    trained_on = " to ".join(dict.fromkeys("×".join(map(str, limits)) for limits in (low, high)))
    return (
        f"arch: the weights of {arch} were trained on images of {trained_on} and get {size[0]}×{size[1]}; set "
        f"preprocessing.size (with patches: patches.size) to {low[0]}, unless this is meant"
    )
