"""Networks: one backbone, one head for each task; stored as safetensors with a header to rebuild them from."""

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
        name: a name out of `timm.list_models()`, with `.tag` where certain weights are wanted.
        pretrained: load weights through timm's hub; timm adapts the first layer where `in_chans` is not 3.
        in_chans: channels of the images, C.
        arguments: further arguments of `timm.create_model`.

    Raises:
        MMLError: no such network, or its weights cannot be had.
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
    """Return the line that refuses the arguments of a timm network, with the nearest that it takes."""
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
        heads: what `head_spec` says of each task, by task name.
        channels: of the images; None: they are not there yet.

    Raises:
        MMLError: the backbone cannot be built, takes no images of so many channels, or does not suit a head.
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
        """Build the backbone, its last stages dilated where a decoder asks for it.

        Raises:
            MMLError: it cannot be dilated.
        """
        decoders = [spec["decoder"] for spec in self.heads.values() if spec.get("decoder")]
        decoder = min(decoders, key=_stride, default=None)
        if decoder is None or _stride(decoder) == LEVELS[-1] or "output_stride" in self.arch:
            return instantiate(self.arch, nn.Module, **self._channels)
        stride, name = _stride(decoder), decoder[TARGET].rpartition(".")[2]
        refusal = MMLError(
            f"decoder: {name} needs a network whose last stages can be dilated (output_stride {stride}), and "
            f"{self.arch_name} is none; choose another network (resnet…, efficientnet…, convnext…), or another decoder "
            "(unet, fpn, upernet …)"
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
        """Argument of the backbone that states its channels, where it is not told by `arch`, or takes 3 anyway."""
        return {} if self.in_chans == COLOURS or ARGUMENT in self.arch else {ARGUMENT: self.in_chans}

    def _build(self, spec: Mapping[str, Any]) -> nn.Module:
        if TASK_TYPES[spec["task_type"]].has_masks:
            return MaskHead(self.backbone, spec["outputs"], spec["decoder"], self.in_chans)
        features = getattr(self.backbone, "head_hidden_size", None) or getattr(self.backbone, "num_features", None)
        if features is None:
            raise MMLError(
                f"arch: {self.arch_name} does not say how many features it gives, by an attribute num_features"
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
        """Keep the backbone as it is from now on, its batch statistics included: only heads are trained."""
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
            return head(self.see(self.backbone, images))
        height, width = images.shape[-2:]
        padded = nn.functional.pad(images, (0, head.missing(width), 0, head.missing(height)))
        maps = self.see(partial(head.read, self.backbone), padded)
        return head(maps, padded.shape[-2:])[..., :height, :width]

    def see(self, see: Callable[[torch.Tensor], Any], images: torch.Tensor) -> Any:
        """Return the outputs of the backbone, or of a part of it, for normalised images N×C×H×W.

        Raises:
            MMLError: the backbone takes images of one size only, and these have another.
        """
        try:
            return see(images)
        except (AssertionError, RuntimeError) as error:
            settings = self.pretrained_cfg
            wanted = self.arch.get("img_size") or settings.get("input_size", ())[-2:]
            wanted = (wanted, wanted) if isinstance(wanted, int) else tuple(wanted)
            fits = not settings.get("fixed_input_size") or wanted == images.shape[-2:]
            if fits or isinstance(error, torch.OutOfMemoryError):
                raise
            raise MMLError(
                f"arch: {self.arch_name} takes images of {wanted[0]}×{wanted[1]} and gets {images.shape[-2]}×"
                f"{images.shape[-1]} ({error}); set preprocessing.size (with patches: patches.size), or arch.img_size "
                "where the network takes it"
            ) from error


def head_spec(struct: TaskStruct, decoder: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the description of a task's head: type and number of outputs, decoder or target statistics.

    Raises:
        MMLError: a segmentation without a decoder.
    """
    spec: dict[str, Any] = {"task_type": struct.task_type, "outputs": struct.num_outputs}
    if TASK_TYPES[struct.task_type].has_values:
        target = struct.header["target"]
        # Of equal values the deviation may be a rounding error.
        spec |= {"mean": target["mean"], "std": target["std"] if target["max"] > target["min"] else 1.0}
    elif TASK_TYPES[struct.task_type].has_masks:
        if decoder is None:
            raise MMLError(f"decoder is missing, which the segmentation {struct.name} needs; set decoder: unet")
        spec["decoder"] = dict(decoder)
    return spec


def _stride(decoder: Mapping[str, Any]) -> int:
    return decoder.get("output_stride", LEVELS[-1])


def _module_name(task: str) -> str:
    """Return a task's name as modules can have it: without dots, and no attribute of theirs, such as `values`."""
    name = task.replace(".", "·")
    return f"{name}·" if hasattr(nn.ModuleDict, name) or name == "training" else name


def save_network(network: Network, path: str | Path, extra: Mapping[str, Any]) -> None:
    """Store weights, with a header that holds `extra` and the description of the network."""
    header = {"arch": network.arch, "heads": network.heads, ARGUMENT: network.in_chans, **extra}
    state = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in network.state_dict().items()}
    with write_whole(path) as beside:
        save_file(state, beside, metadata=weights_metadata(header))


def load_network(path: str | Path) -> tuple[Network, dict[str, Any]]:
    """Rebuild a stored network; return it with its header.

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
    """Give a network the backbone of a stored one, and those of its heads that answer the same question.

    Args:
        path: of the stored weights.
        network: what is to be trained.
        classes: of each of its tasks.

    Returns:
        The task that each head was taken over from, by task; the other heads stay new.

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
    taken = {}
    for task, spec in network.heads.items():
        stored_classes = header.get("classes", {})
        alike = [
            old
            for old, stored_spec in header["heads"].items()
            if stored_spec == spec and stored_classes.get(old) == classes[task]
        ]
        if alike:
            taken[task] = alike[0]
            network.head_of(task).load_state_dict(part(f"head.{_module_name(alike[0])}."))
    return taken


def read_header(path: str | Path) -> dict[str, Any]:
    """Return the header of a stored network.

    Raises:
        MMLError: the file is missing, damaged, or of a newer format.
    """
    return _read(path)[1]


def channels_for(structs: Sequence[TaskStruct], start: str | Path | None) -> int | None:
    """Return the number of channels of a network that learns some tasks; None where none has images yet.

    Args:
        structs: the tasks.
        start: stored weights that it starts from; None: as `arch` says.

    Raises:
        MMLError: the images of the tasks, or the stored weights, do not go together.
    """
    pixels = input_format(structs)
    channels = len(pixels.channels) if pixels else None
    return channels if start is None else channels_after_start(channels, stored_channels(read_header(start)), start)


def stored_channels(header: Mapping[str, Any]) -> int:
    """Return the number of channels that a stored network takes."""
    return header.get(ARGUMENT) or header["arch"].get(ARGUMENT) or COLOURS  # older headers do not state it


def _widened(state: Mapping[str, torch.Tensor], backbone: nn.Module) -> dict[str, torch.Tensor]:
    """Return the weights of a backbone for grey images as those of one for colours, which does the same with grey ones.

    The first layer is spread over the channels, as timm does (`timm.models.adapt_input_conv`).
    """
    wide = {name: tensor.shape for name, tensor in backbone.state_dict().items()}
    return {
        name: tensor.expand(wide[name]) / COLOURS
        if name in wide and tensor.ndim > 1 and tensor.shape == (wide[name][0], 1, *wide[name][2:]) != wide[name]
        else tensor
        for name, tensor in state.items()
    }


def untrained(arch: Mapping[str, Any]) -> dict[str, Any]:
    """Return the spec of a backbone that gets its weights from elsewhere: nothing is to be fetched from a hub."""
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
