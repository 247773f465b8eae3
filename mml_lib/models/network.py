"""Networks: one backbone, one head for each task; stored as safetensors whose header says how to rebuild them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before timm)
import timm
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from mml_lib.config.targets import instantiate
from mml_lib.errors import MMLError, nearest
from mml_lib.files.atomic import write_whole

FORMAT = 1


def timm_backbone(name: str, pretrained: bool = False, **arguments: Any) -> nn.Module:
    """Build a timm network without its head: images N×3×H×W to features N×num_features.

    Args:
        name: a name out of `timm.list_models()`, with `.tag` where certain weights are wanted.
        pretrained: load weights through timm's hub.
        arguments: further arguments of `timm.create_model`.

    Raises:
        MMLError: no such network, or its weights cannot be had.
    """
    if not timm.is_model(name):
        raise MMLError(f"arch.name: timm has no network '{name}'{nearest(name, timm.list_models())}")
    try:
        return timm.create_model(name, pretrained=pretrained, num_classes=0, **arguments)
    except TypeError as error:
        raise MMLError(f"arch: timm's {name} refuses its arguments {arguments}: {error}") from error
    except Exception as error:
        if not pretrained:
            raise
        reason = str(error).strip().splitlines()[0]
        raise MMLError(
            f"arch.pretrained: the weights of {name} cannot be loaded from the hub ({reason}); connect to it, put them "
            "into the cache (HF_HOME), name a file by arch.pretrained_cfg_overlay.file, or set arch.pretrained: false"
        ) from error


class Network(nn.Module):
    """A backbone with a linear head for each task.

    Args:
        arch: target of the backbone with its arguments.
        heads: number of outputs by task name.
    """

    def __init__(self, arch: Mapping[str, Any], heads: Mapping[str, int]):
        super().__init__()
        self.arch = dict(arch)
        self.heads = dict(heads)
        self.backbone = instantiate(arch)
        features = getattr(self.backbone, "head_hidden_size", None) or self.backbone.num_features
        # Module names take no dots, task names do.
        self.head = nn.ModuleDict({_module_name(task): nn.Linear(features, size) for task, size in heads.items()})

    def forward(self, images: torch.Tensor, task: str) -> torch.Tensor:
        """Return the logits of a task, N×outputs, for normalised images N×3×H×W."""
        return self.head[_module_name(task)](self.backbone(images))


def _module_name(task: str) -> str:
    return task.replace(".", "·")


def save_network(network: Network, path: str | Path, extra: Mapping[str, Any]) -> None:
    """Store weights, and in the header how to rebuild the network and what `extra` says."""
    header = {"format": FORMAT, "arch": network.arch, "heads": network.heads, **extra}
    state = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in network.state_dict().items()}
    with write_whole(path) as beside:
        # One entry: safetensors writes several in an order that changes from process to process.
        save_file(state, beside, metadata={"mml": json.dumps(header, sort_keys=True)})


def load_network(path: str | Path) -> tuple[Network, dict[str, Any]]:
    """Rebuild a stored network; return it with its header.

    Raises:
        MMLError: the file is missing or damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads(file.metadata()["mml"])
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (no mapping)
        network = Network(
            header["arch"] | {"pretrained": False} if "pretrained" in header["arch"] else header["arch"],
            header["heads"],
        )
        network.load_state_dict(state)
    except (OSError, SafetensorError, KeyError, ValueError, RuntimeError) as error:
        raise MMLError(f"the weights {path} cannot be loaded ({error}); remove the file to train them again") from error
    return network, header
