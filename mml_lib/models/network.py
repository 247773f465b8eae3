"""Networks: one backbone and a head for each task, stored as safetensors with a header that describes the network."""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before timm)
import timm
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from mml_lib.config.factories import TARGET, instantiate
from mml_lib.errors import MMLError, nearest
from mml_lib.files.atomic import write_whole
from mml_lib.files.checksums import damaged, verify
from mml_lib.files.containers import weights_header, weights_metadata
from mml_lib.files.formats import FORMATS
from mml_lib.models.heads import LinearHead, MaskHead, ValueHead
from mml_lib.models.input_channels import ARGUMENT, COLOURS, channels_after_start, channels_taken, input_format
from mml_lib.models.pyramids import LEVELS
from mml_lib.task_types import TASK_TYPES
from mml_lib.tasks.struct import TaskStruct


def timm_backbone(name: str, pretrained: bool = False, in_chans: int = 3, **arguments: Any) -> nn.Module:
    """Build a timm network without its head: images N×C×H×W to features N×num_features.

    Args:
        name: one of `timm.list_models()`, with `.tag` for certain weights.
        pretrained: True to load weights through timm's hub. timm adapts the first layer if `in_chans` is not 3.
        in_chans: number of channels of the images, C.
        arguments: further arguments of `timm.create_model`.

    Raises:
        MMLError: there is no such network, it refuses its arguments, or its weights cannot be loaded.
    """
    if not timm.is_model(name):
        raise MMLError(f"arch.name: timm has no network '{name}'{nearest(name, timm.list_models())}")
    try:
        return timm.create_model(name, pretrained=pretrained, num_classes=0, in_chans=in_chans, **arguments)
    except TypeError as error:
        raise MMLError(_refused(name, arguments, error)) from error
    except Exception as error:
        if not pretrained:
            raise
        reason = str(error).strip().splitlines()[0]
        raise MMLError(
            f"arch.pretrained: the weights of {name} cannot be loaded from the hub ({reason}); connect to it, put them "
            "into the cache (HF_HOME), name a file by arch.pretrained_cfg_overlay.file, or set arch.pretrained: false"
        ) from error


def _refused(name: str, arguments: Mapping[str, Any], error: TypeError) -> str:
    """Return the message about refused arguments of a timm network, with the most similar argument."""
    match = re.search(r"unexpected keyword argument '(\w+)'", str(error))
    if match is None:
        return f"arch: timm's {name} refuses its arguments {arguments}: {error}"
    with torch.device("meta"):
        taken = inspect.signature(type(timm.create_model(name))).parameters
    return f"arch.{match[1]}: timm's {name} takes no argument '{match[1]}'{nearest(match[1], taken)}"


class Network(nn.Module):
    """A backbone with a head for each task.

    Args:
        arch: target of the backbone with its arguments.
        heads: results of `head_spec` by task.
        channels: number of channels of the images; None if it is not known yet.

    Raises:
        MMLError: the backbone cannot be built, does not take this number of channels, or does not fit a head.
    """

    def __init__(self, arch: Mapping[str, Any], heads: Mapping[str, Mapping[str, Any]], channels: int | None = None):
        super().__init__()
        self.arch = dict(arch)
        self.in_chans = channels_taken(self.arch, channels)
        self.frozen = False
        self.heads = {task: dict(spec) for task, spec in heads.items()}
        self.backbone = self._backbone()
        self.head = nn.ModuleDict({_module_name(task): self._build(spec) for task, spec in heads.items()})

    def _backbone(self) -> nn.Module:
        """Return the backbone, with dilated last stages if a decoder needs them.

        Raises:
            MMLError: the backbone cannot be dilated.
        """
        decoders = [spec["decoder"] for spec in self.heads.values() if spec.get("decoder")]
        decoder = min(decoders, key=_stride, default=None)
        if decoder is None or _stride(decoder) == LEVELS[-1] or "output_stride" in self.arch:
            return instantiate(self.arch, nn.Module, **self._channels)
        stride, name = _stride(decoder), decoder[TARGET].rpartition(".")[2]
        refusal = MMLError(
            f"decoder: {name} needs a network whose last stages can be dilated (output_stride {stride}), which "
            f"{self.arch_name} does not support; choose another network (resnet…, efficientnet…, convnext…), or "
            "another decoder (unet, fpn, upernet …)"
        )
        try:
            backbone = instantiate(self.arch, nn.Module, output_stride=stride, **self._channels)
        except (MMLError, AssertionError, NotImplementedError) as error:
            if "arch.pretrained" in str(error) or "arch.name" in str(error):
                raise
            raise refusal from error
        if any(info["reduction"] > stride for info in getattr(backbone, "feature_info", ())):
            raise refusal
        return backbone

    @property
    def _channels(self) -> dict[str, int]:
        """Argument of the backbone for its number of channels; empty if `arch` contains it, or for 3 channels."""
        return {} if self.in_chans == COLOURS or ARGUMENT in self.arch else {ARGUMENT: self.in_chans}

    def _build(self, spec: Mapping[str, Any]) -> nn.Module:
        if TASK_TYPES[spec["task_type"]].has_masks:
            return MaskHead(self.backbone, spec["outputs"], spec["decoder"], self.in_chans)
        features = getattr(self.backbone, "head_hidden_size", None) or getattr(self.backbone, "num_features", None)
        if features is None:
            raise MMLError(
                f"arch: {self.arch_name} does not state its number of features; add an attribute num_features"
            )
        if TASK_TYPES[spec["task_type"]].has_values:
            return ValueHead(features, spec["mean"], spec["std"])
        return LinearHead(features, spec["outputs"])

    @property
    def arch_name(self) -> str:
        """Name of the backbone."""
        return self.arch.get("name", self.arch["_target_"])

    @property
    def pretrained_cfg(self) -> Mapping[str, Any]:
        """timm's configuration of the backbone's pretrained weights; empty if there is none."""
        return getattr(self.backbone, "pretrained_cfg", None) or {}

    def freeze(self) -> None:
        """Freeze the backbone, including its batch statistics, so that only heads are trained."""
        self.frozen = True
        self.backbone.requires_grad_(False)
        self.backbone.eval()

    def train(self, mode: bool = True) -> "Network":
        super().train(mode)
        if self.frozen:
            self.backbone.eval()
        return self

    def head_of(self, task: str) -> nn.Module:
        """Return the head of a task."""
        return self.head[_module_name(task)]

    def forward(self, images: torch.Tensor, task: str) -> torch.Tensor:
        """Return the outputs of a task for normalised images N×C×H×W: N×outputs, or N×outputs×H×W.

        Raises:
            MMLError: the backbone takes images of one size only, and these have another.
        """
        head = self.head_of(task)
        if not head.maps:
            return head(self.run_backbone(self.backbone, images))
        height, width = images.shape[-2:]
        padded = nn.functional.pad(images, (0, head.missing(width), 0, head.missing(height)))
        maps = self.run_backbone(partial(head.read, self.backbone), padded)
        return head(maps, padded.shape[-2:])[..., :height, :width]

    def run_backbone(self, compute: Callable[[torch.Tensor], Any], images: torch.Tensor) -> Any:
        """Return outputs of the backbone for normalised images N×C×H×W.

        Args:
            compute: the backbone, or a function that uses a part of it.
            images: normalised images.

        Raises:
            MMLError: the images do not have the size that the backbone requires.
        """
        try:
            return compute(images)
        except (AssertionError, RuntimeError) as error:
            settings = self.pretrained_cfg
            size = self.arch.get("img_size") or settings.get("input_size", ())[-2:]
            size = (size, size) if isinstance(size, int) else tuple(size)
            fits = not settings.get("fixed_input_size") or size == images.shape[-2:]
            if fits or isinstance(error, torch.OutOfMemoryError):
                raise
            raise MMLError(
                f"arch: {self.arch_name} takes images of {size[0]}×{size[1]} and gets {images.shape[-2]}×"
                f"{images.shape[-1]} ({error}); set preprocessing.size (with patches: patches.size), or arch.img_size "
                "if the network has this argument"
            ) from error


def head_spec(struct: TaskStruct, decoder: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the description of a task's head: task type, number of outputs, and decoder or target statistics.

    Raises:
        MMLError: the task is a segmentation, and there is no decoder.
    """
    spec: dict[str, Any] = {"task_type": struct.task_type, "outputs": struct.num_outputs}
    if TASK_TYPES[struct.task_type].has_values:
        target = struct.header["target"]
        # The deviation of equal values may be a rounding error.
        spec |= {"mean": target["mean"], "std": target["std"] if target["max"] > target["min"] else 1.0}
    elif TASK_TYPES[struct.task_type].has_masks:
        if decoder is None:
            raise MMLError(f"decoder: the segmentation {struct.name} needs a decoder; set decoder: unet")
        spec["decoder"] = dict(decoder)
    return spec


def _stride(decoder: Mapping[str, Any]) -> int:
    return decoder.get("output_stride", LEVELS[-1])


def _module_name(task: str) -> str:
    """Return a task's name as name of a module: without dots, and not an attribute of modules, such as `values`."""
    name = task.replace(".", "·")
    return f"{name}·" if hasattr(nn.ModuleDict, name) or name == "training" else name


def save_network(network: Network, path: str | Path, extra: Mapping[str, Any]) -> None:
    """Write the weights of a network as safetensors, with a header.

    Args:
        network: the network.
        path: path of the file.
        extra: entries of the header besides the description of the network.
    """
    header = {"arch": network.arch, "heads": network.heads, ARGUMENT: network.in_chans, **extra}
    state = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in network.state_dict().items()}
    with write_whole(path) as temporary:
        save_file(state, temporary, metadata=weights_metadata(header))


def load_network(path: str | Path) -> tuple[Network, dict[str, Any]]:
    """Return a stored network and its header.

    Raises:
        MMLError: the file is missing, damaged, or of a newer format.
    """
    state, header = _read(path)
    try:
        network = Network(untrained(header["arch"]), header["heads"], stored_channels(header))
        network.load_state_dict(state)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise damaged(path, str(error)) from error
    return network, header


def start_from(path: str | Path, network: Network, classes: Mapping[str, list[str]]) -> dict[str, str]:
    """Load the backbone of a stored network into a new one, and the heads of tasks with the same head and classes.

    Args:
        path: path of the stored weights.
        network: new network, which is changed in place.
        classes: names of the classes of each of its tasks.

    Returns:
        By task, the stored task whose head was loaded. Other heads remain new.

    Raises:
        MMLError: the weights are missing, damaged, or of another backbone.
    """
    state, header = _read(path)

    def part(prefix: str) -> dict[str, torch.Tensor]:
        return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}

    backbone = part("backbone.")
    if stored_channels(header) == 1 and network.in_chans == COLOURS:
        backbone = _widened(backbone, network.backbone)
    try:
        network.backbone.load_state_dict(backbone)
    except RuntimeError as error:
        stored = header["arch"].get("name", header["arch"]["_target_"])
        raise MMLError(
            f"the weights {path} are of the backbone {stored}, which this one ({network.arch_name}) cannot start from "
            f"({str(error).splitlines()[-1].strip()}); set the same arch for both"
        ) from error
    loaded = {}
    for task, spec in network.heads.items():
        stored_classes = header.get("classes", {})
        same = [
            stored_task
            for stored_task, stored_spec in header["heads"].items()
            if stored_spec == spec and stored_classes.get(stored_task) == classes[task]
        ]
        if same:
            loaded[task] = same[0]
            network.head_of(task).load_state_dict(part(f"head.{_module_name(same[0])}."))
    return loaded


def read_header(path: str | Path) -> dict[str, Any]:
    """Return the header of a stored network.

    Raises:
        MMLError: the file is missing, damaged, or of a newer format.
    """
    return _read(path)[1]


def channels_for(structs: Sequence[TaskStruct], start: str | Path | None) -> int | None:
    """Return the number of channels of the images for a network of several tasks; None if no task has images yet.

    Args:
        structs: tasks of the network.
        start: path of stored weights that the network starts from; None without them.

    Raises:
        MMLError: the images of the tasks have different channels, or the stored weights do not take them.
    """
    pixels = input_format(structs)
    channels = len(pixels.channels) if pixels else None
    return channels if start is None else channels_after_start(channels, stored_channels(read_header(start)), start)


def stored_channels(header: Mapping[str, Any]) -> int:
    """Return the number of channels that a stored network takes."""
    return header.get(ARGUMENT) or header["arch"].get(ARGUMENT) or COLOURS  # older headers do not state it


def _widened(state: Mapping[str, torch.Tensor], backbone: nn.Module) -> dict[str, torch.Tensor]:
    """Return weights for colours with the same outputs for grey images as the weights of a backbone for grey images.

    The first layer is distributed over the channels, as in timm (`timm.models.adapt_input_conv`).
    """
    shapes = {name: tensor.shape for name, tensor in backbone.state_dict().items()}
    return {
        name: tensor.expand(shapes[name]) / COLOURS
        if name in shapes
        and tensor.ndim > 1
        and tensor.shape == (shapes[name][0], 1, *shapes[name][2:]) != shapes[name]
        else tensor
        for name, tensor in state.items()
    }


def untrained(arch: Mapping[str, Any]) -> dict[str, Any]:
    """Return the spec of a backbone without pretrained weights, so that nothing is downloaded."""
    return dict(arch) | ({"pretrained": False} if "pretrained" in arch else {})


def _read(path: str | Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Return stored weights and their header."""
    verify(path)
    try:
        with safe_open(path, framework="pt") as file:
            header = FORMATS["parameters"].migrated(weights_header(file.metadata()), path)
            return {name: file.get_tensor(name) for name in file.keys()}, header  # noqa: SIM118  (no mapping)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise damaged(path, str(error)) from error
