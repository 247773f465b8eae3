"""Normalisation: mean and deviation of the channels of images, and those that pretrained weights expect."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mml_lib.config.schema import StudyConfig
from mml_lib.errors import MMLError
from mml_lib.images.transforms import packed_size, resolve
from mml_lib.machine.terminal import warn
from mml_lib.models.input_channels import COLOURS
from mml_lib.models.network import Network, read_header

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
