"""Attribution: maps point to where the evidence is, and values of pixels add up to the difference of the scores."""

from typing import Any

import numpy as np
import pytest
import torch

from mml_lib.config.analysis.explain_options import GRAD_CAM, INTEGRATED_GRADIENTS
from mml_lib.explanations.attribution import Score, attribute
from mml_lib.explanations.feature_maps import Layout, TappedNetwork
from tests.support.lit_corners import SIDE, brightness_network, lit_corner, network_of
from tests.support.small_tasks import DECODER

TIMM = "mml_lib.models.network.timm_backbone"
SWIN = {"img_size": 64, "window_size": 4, "embed_dim": 12, "depths": [1, 1], "num_heads": [1, 2]}
RANDOM = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)


@pytest.mark.parametrize("row", [0, 1])
@pytest.mark.parametrize("column", [0, 1])
@pytest.mark.parametrize("method", [GRAD_CAM, INTEGRATED_GRADIENTS])
def test_maps_point_to_the_corner_with_the_evidence(row: int, column: int, method: str):
    attribution = attribute(brightness_network(), lit_corner(row, column), 0, method)
    assert attribution.method == method
    positive, half = np.clip(attribution.values, 0, None), SIDE // 2
    quarter = positive[row * half :, column * half :][:half, :half]
    assert quarter.sum() > 0.95 * positive.sum() > 0


def test_maps_of_another_class_point_elsewhere():
    dark = attribute(brightness_network(), lit_corner(0, 0), 1, GRAD_CAM).values
    top, left = np.nonzero(lit_corner(0, 0)[..., 0] > 100)
    assert dark[top.min() + 3 : top.max() - 2, left.min() + 3 : left.max() - 2].max() < 0.5 * np.median(dark)


@pytest.mark.parametrize("arch", [None, {"_target_": TIMM, "name": "test_vit", "img_size": 64}])
def test_integrated_gradients_add_up_to_the_difference_of_the_scores(arch: dict[str, Any] | None):
    network, image = (brightness_network(), lit_corner(1, 0)) if arch is None else (network_of(arch, 64), RANDOM)
    for output in (0, 1):
        attribution = attribute(network, image, output, INTEGRATED_GRADIENTS)
        assert attribution.values.sum() == pytest.approx(
            attribution.score - attribution.plain_score, rel=0.02, abs=1e-4
        )
        assert attribution.gap < 0.05
        with torch.no_grad():
            packed = torch.from_numpy(image[None]).permute(0, 3, 1, 2)
            assert attribution.score == pytest.approx(float(network(packed)[0, output]), abs=1e-5)


@pytest.mark.parametrize(
    "arch",
    [
        {"_target_": TIMM, "name": "resnet10t"},
        {"_target_": TIMM, "name": "test_convnext"},
        {"_target_": TIMM, "name": "test_efficientnet"},
        {"_target_": TIMM, "name": "test_vit", "img_size": 64},
        {"_target_": TIMM, "name": "test_vit", "img_size": 64, "global_pool": "avg"},
        {"_target_": TIMM, "name": "swin_tiny_patch4_window7_224", **SWIN},
        {"_target_": "mml_lib.models.encoders.smp_encoder", "name": "mobilenet_v2"},
    ],
    ids=lambda arch: f"{arch['name']}-{arch.get('global_pool', '')}",
)
def test_families_of_networks_have_maps_at_the_size_of_the_image(arch: dict[str, Any]):
    image = RANDOM if "smp" not in arch["_target_"] else np.tile(RANDOM, (2, 2, 1))
    attribution = attribute(network_of(arch, 64), image, 0, GRAD_CAM)
    assert (attribution.method, attribution.values.shape) == (GRAD_CAM, image.shape[:2])
    assert attribution.values.min() >= 0


def test_integrated_gradients_take_the_place_of_maps_that_are_too_small():
    attribution = attribute(
        network_of({"_target_": TIMM, "name": "test_vit", "img_size": 32, "patch_size": 16}, 32),
        RANDOM[:32, :32],
        0,
        GRAD_CAM,
    )
    assert attribution.method == INTEGRATED_GRADIENTS


def test_patch_tokens_lie_where_their_patches_are():
    layout = Layout(prefix=1, grid=(2, 3), channels_last=False)
    tokens = torch.arange(7.0).view(1, 7, 1).expand(1, 7, 4)
    feature_map = layout.read(tokens)
    assert feature_map[0, 0].tolist() == [[1, 2, 3], [4, 5, 6]]
    assert torch.equal(layout.put(tokens, feature_map), tokens)
    assert layout.read(tokens[:, 1:]) is None
    last = Layout(prefix=0, grid=None, channels_last=True)
    maps = torch.randn(1, 2, 3, 4)
    assert last.read(maps).shape == (1, 4, 2, 3)
    assert torch.equal(last.put(maps, last.read(maps)), maps)


def test_the_score_of_a_mask_sums_the_logits_of_its_pixels():
    spec = {"task_type": "semantic_segmentation", "outputs": 3, "decoder": DECODER}
    network = network_of({"_target_": TIMM, "name": "test_resnet"}, 64, spec)
    pixels = np.zeros((64, 64), bool)
    pixels[8:24, 40:56] = True
    image = torch.randn(1, 3, 64, 64)
    score = Score(TappedNetwork(network.network, "t"), 2, torch.from_numpy(pixels))
    with torch.no_grad():
        logits = network.network(image, "t")
        assert float(score(image)[0]) == pytest.approx(float(logits[0, 2][torch.from_numpy(pixels)].sum()), rel=1e-5)
    for method in (GRAD_CAM, INTEGRATED_GRADIENTS):
        attribution = attribute(network, RANDOM, 2, method, pixels)
        assert (attribution.method, attribution.values.shape) == (method, (64, 64))
    assert attribution.gap < 0.05
