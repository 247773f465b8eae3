"""Colour transforms: what augmentations do to images without colour."""

from typing import Any

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before kornia)
import pytest
import torch

from mml_lib.config.reading.presets import resolve_presets
from mml_lib.config.training_options import Augmentations
from mml_lib.data.augmentation import Augmentation
from mml_lib.errors import MMLError
from mml_lib.tasks.pixel_format import GREY, RGB, PixelFormat
from tests.support.places import CONFIG

FIVE = PixelFormat("float32", ("a", "b", "c", "d", "e"))
THREE = PixelFormat("uint16", ("window 40/400", "window 600/2800", "window 0/80"))
GREY_PIXELS = PixelFormat("uint16", GREY)
COLOURLESS = [GREY_PIXELS, THREE, FIVE]
PRESETS = sorted(path.stem for path in (CONFIG / "augmentations").glob("*.yaml"))


def preset(name: str) -> list[dict[str, Any]]:
    content = resolve_presets({"augmentations": name}, [CONFIG])["augmentations"]
    return content["transforms"] if "transforms" in content else content["classification"]


def augmentation(pixels: PixelFormat | None, *transforms: dict[str, Any]) -> Augmentation:
    return Augmentation(Augmentations(transforms=list(transforms)), pixels=pixels)


@pytest.mark.parametrize("name", PRESETS)
def test_presets_suit_grey_images(name: str):
    augment = augmentation(GREY_PIXELS, *preset(name))
    images = torch.rand(4, 1, 24, 24)
    augment.check(images)
    torch.manual_seed(0)
    changed = augment(images)
    assert changed.shape == images.shape
    assert changed.isfinite().all()
    assert torch.equal(changed, images) == (name == "none")


@pytest.mark.parametrize("name", ["default", "flips", "none"])
@pytest.mark.parametrize("pixels", [THREE, FIVE])
def test_presets_without_colours_suit_any_channels(name: str, pixels: PixelFormat):
    augment = augmentation(pixels, *preset(name))
    images = torch.rand(4, len(pixels.channels), 24, 24)
    augment.check(images)
    assert augment(images).shape == images.shape


@pytest.mark.parametrize("pixels", COLOURLESS)
@pytest.mark.parametrize(
    "target",
    [
        "kornia.augmentation.RandomHue",
        "kornia.augmentation.RandomSaturation",
        "kornia.augmentation.RandomGrayscale",
        "kornia.augmentation.RandomRGBShift",
        "torchvision.transforms.v2.RandomGrayscale",
        "torchvision.transforms.v2.RandomPhotometricDistort",
    ],
)
def test_changes_of_colours_are_refused_where_there_are_none(target: str, pixels: PixelFormat):
    with pytest.raises(MMLError, match=rf"augmentations\.transforms: {target} .*ColorJitter with brightness"):
        augmentation(pixels, {"_target_": target})
    augmentation(PixelFormat(channels=RGB), {"_target_": target})


@pytest.mark.parametrize("package", ["kornia.augmentation", "torchvision.transforms.v2"])
def test_a_jitter_of_colours_alone_is_refused_where_there_are_none(package: str):
    hue = {"_target_": f"{package}.ColorJitter", "hue": 0.1}
    for pixels in COLOURLESS:
        with pytest.raises(MMLError, match=r"changes hue.*leave hue out"):
            augmentation(pixels, hue)
    both = hue | {"brightness": 0.2, "saturation": 0.1}
    for pixels in (THREE, FIVE):
        with pytest.raises(MMLError, match=r"changes saturation and hue"):
            augmentation(pixels, both)


def test_a_jitter_of_grey_images_changes_their_brightness():
    jitter = {"_target_": "kornia.augmentation.ColorJitter", "brightness": 0.5, "p": 1.0}
    images = torch.rand(4, 1, 8, 8) / 2
    results = []
    for spec in (jitter, jitter | {"saturation": 0.4, "hue": 0.1}):
        torch.manual_seed(1)
        results.append(augmentation(GREY_PIXELS, spec)(images))
    assert torch.equal(*results)
    assert not torch.equal(results[0], images)
