"""Numbers of features of networks while planning, from stored weights or from names of well-known networks."""

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mml_lib.config.factories import TARGET
from mml_lib.config.feature_options import TIMM
from mml_lib.files.containers import UNREADABLE, weights_shapes

_NAMES_BY_WIDTH = {
    64: "test_vit test_convnext",
    96: "test_resnet",
    192: "vit_tiny_patch16_224 deit_tiny_patch16_224",
    320: "convnext_atto",
    384: "convnext_femto vit_small_patch16_224 vit_small_patch14_dinov2 deit_small_patch16_224",
    512: "resnet10t resnet18 resnet34 convnext_pico",
    640: "convnext_nano convnextv2_nano",
    768: "convnext_tiny convnext_small convnextv2_tiny swin_tiny_patch4_window7_224 swin_small_patch4_window7_224 "
    "vit_base_patch16_224 vit_base_patch14_dinov2 vit_base_patch16_clip_224 deit_base_patch16_224",
    1024: "densenet121 mobilenetv3_small_100 convnext_base convnextv2_base swin_base_patch4_window7_224 "
    "vit_large_patch16_224 vit_large_patch14_dinov2",
    1280: "efficientnet_b0 efficientnet_b1 mobilenetv2_100 mobilenetv3_large_100",
    1408: "efficientnet_b2",
    1536: "efficientnet_b3 convnext_large",
    1792: "efficientnet_b4",
    2048: "resnet26 resnet50 resnet101 resnet152 wide_resnet50_2 resnext50_32x4d seresnet50 inception_v3",
}
WIDTHS = {name: width for width, names in _NAMES_BY_WIDTH.items() for name in names.split()}
"""Numbers of features of well-known networks of timm, because importing timm would import torch."""

HARMLESS = {TARGET, "name", "pretrained", "in_chans", "drop_rate", "drop_path_rate"}
"""Arguments of a network that do not change its number of features."""


def stored_width(parameters: str | Path) -> int | None:
    """Return the number of features of a trained network; None if its weights are not there or have no plain head."""
    shapes: Mapping[str, list[int]] = {}
    with contextlib.suppress(*UNREADABLE):  # the step that reads the weights reports damage
        shapes = weights_shapes(Path(parameters))
    heads = (shape for key, shape in shapes.items() if key.startswith("head.") and key.endswith(".weight"))
    widths = {shape[1] for shape in heads if len(shape) == 2}
    return widths.pop() if len(widths) == 1 else None


def named_width(arch: Mapping[str, Any]) -> int | None:
    """Return the number of features of a network by its name; None if it is unknown while planning.

    Args:
        arch: target of the backbone with its arguments.
    """
    if arch[TARGET] != TIMM or not HARMLESS.issuperset(arch):
        return None
    return WIDTHS.get(str(arch.get("name")).partition(".")[0])
