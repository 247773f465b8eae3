"""Low-rank adapters (LoRA, Hu et al. 2021): small matrices next to the frozen weights of a backbone are trained.

During a training, adapters are layers of `peft` within the backbone. After merging, the backbone has its original
layers and names, so stored networks do not need `peft`.
"""

import logging
import re
from collections.abc import Sequence

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before timm)
import peft
import torch
from peft.tuners.lora import LoraLayer
from timm.layers import Conv2dSame, Linear
from torch import nn

from mml_lib.config.training_options import Adapters
from mml_lib.errors import MMLError, nearest
from mml_lib.models.network import Network

logger = logging.getLogger(__name__)

LINEAR = (nn.Linear, Linear)
CONVOLUTION = (nn.Conv2d, Conv2dSame)
"""Layers that adapters can be merged into, because their output is linear in the weight. Some sub-classes differ."""


def add_adapters(network: Network, config: Adapters) -> None:
    """Add adapters to the backbone, in place, and freeze its other weights. Heads are trained in full.

    Statistics of batch normalisation are still updated. Before training, adapters do not change the outputs.

    Raises:
        MMLError: the backbone is frozen, has no suitable layers, or none that a pattern matches.
    """
    if network.frozen:
        raise MMLError("adapters: freeze: true does not train them, as they are in the backbone; set freeze: false")
    chosen = _chosen(network, config.target_modules)
    arguments = config.model_dump(exclude={"target_modules"})
    # One regular expression: in a list, peft matches `conv1` with any layer whose name ends in it.
    pattern = "|".join(map(re.escape, chosen))
    peft.inject_adapter_in_model(peft.LoraConfig(target_modules=pattern, **arguments), network.backbone)
    trained, frozen = (
        sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad == is_trained)
        for is_trained in (True, False)
    )
    share = 100 * trained / (trained + frozen)
    logger.info("adapters in %d layers: %d parameters are trained, %.1f %% of all", len(chosen), trained, share)


def merge_adapters(network: Network) -> None:
    """Add the adapters to the weights of their layers, and restore the backbone's own layers, in place."""
    dtype = next(network.parameters()).dtype
    network.to(torch.promote_types(dtype, torch.float32))  # half precision would round small changes to 0
    for name, layer in list(network.backbone.named_modules()):
        if isinstance(layer, LoraLayer):
            layer.merge()
            network.backbone.set_submodule(name, layer.get_base_layer())
    del network.backbone.peft_config


def _chosen(network: Network, patterns: Sequence[str]) -> list[str]:
    """Return the names of the backbone's layers that get adapters."""
    layers_called = _called_layers(network)
    layers = [name for name, layer in layers_called.items() if _adaptable(layer)]
    if patterns == "auto":
        return _automatic(network, layers_called)
    for pattern in patterns:
        if not any(_matches(pattern, name) for name in layers):
            match = nearest(pattern, {end for name in layers for end in (name, name.split(".")[-1])})
            raise MMLError(
                f"adapters.target_modules: '{pattern}' is not a layer that can be adapted"
                f"{match if '?' in match else ''}; there are {len(layers)}: {', '.join(layers[:6])} …"
            )
    return [name for name in layers if any(_matches(pattern, name) for pattern in patterns)]


def _automatic(network: Network, layers_called: dict[str, nn.Module]) -> list[str]:
    """Return the linear layers of a backbone, or its convolutions if it has no linear layers."""
    settings = getattr(network.backbone, "pretrained_cfg", None) or {}
    classifier = settings.get("classifier") or ()
    heads = {name.split(".")[0] for name in ([classifier] if isinstance(classifier, str) else classifier)}
    body = {name: layer for name, layer in layers_called.items() if name.split(".")[0] not in heads}
    if linear := [name for name, layer in body.items() if type(layer) in LINEAR]:
        return linear
    convolutions = [name for name, layer in body.items() if isinstance(layer, nn.Conv2d) and layer.groups == 1]
    chosen = [name for name in convolutions if _adaptable(body[name])]
    if 2 * len(chosen) <= len(convolutions):
        raise MMLError(
            f"adapters: {network.arch_name} has no linear layers, and of its {len(convolutions)} convolutions "
            f"{len(chosen)} can be adapted (not those that standardise their weights or are dilated); name layers by "
            "adapters.target_modules, choose another arch, or set adapters: null"
        )
    return chosen


def _matches(pattern: str, name: str) -> bool:
    """Return True if a pattern matches the whole name of a layer, or its last parts after a dot."""
    return re.fullmatch(rf"(.*\.)?(?:{pattern})", name) is not None


def _adaptable(layer: nn.Module) -> bool:
    """Return True if an adapter of `peft` can be merged into the layer."""
    plain = type(layer) in CONVOLUTION and layer.groups == 1 and layer.padding_mode == "zeros"
    return type(layer) in LINEAR or (plain and layer.dilation == (1, 1))


def _called_layers(network: Network) -> dict[str, nn.Module]:
    """Return the linear layers and convolutions that a forward pass calls, by name, in their order.

    Some networks (BEiT, EVA, Swin v2) use the weight of a layer without calling it, and a segmentation does not use the
    last layers: adapters there would learn nothing. For a network that does not state its size of images, all layers
    are returned.
    """
    layers = {
        name: layer for name, layer in network.backbone.named_modules() if isinstance(layer, nn.Linear | nn.Conv2d)
    }
    settings = getattr(network.backbone, "pretrained_cfg", None) or {}
    size = network.arch.get("img_size") or settings.get("input_size", ())[-2:]
    if not size:
        return layers
    called: set[nn.Module] = set()
    hooks = [layer.register_forward_pre_hook(lambda layer, _: called.add(layer)) for layer in layers.values()]
    training = network.training
    network.eval()
    with torch.no_grad():
        for task in network.heads:
            network(torch.zeros(1, network.in_chans, *([size] * 2 if isinstance(size, int) else size)), task)
    network.train(training)
    for hook in hooks:
        hook.remove()
    return {name: layer for name, layer in layers.items() if layer in called}
