"""Augmentation: masks move with their images, every sample has its own draw, and what does not fit is refused."""

import inspect
import random
from typing import Any

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before kornia)
import kornia.augmentation
import numpy as np
import pytest
import torch
from torch import nn
from torchvision.transforms import v2

from mml_lib.config.training_options import Augmentations
from mml_lib.data.augmentation import Augmentation
from mml_lib.errors import MMLError

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
torch.set_num_threads(1)  # more are slower on images this small
SIZE = 32


class Inverted(nn.Module):
    """A user's module that moves nothing."""

    photometric = True

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return 1 - images


class Mirrored(nn.Module):
    """A user's module that does not transform masks."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.flip(-1)


class MirroredPair(nn.Module):
    """A user's module that moves masks too, with one draw for all inputs."""

    def forward(self, images: torch.Tensor, masks: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return (images.flip(-1), masks.flip(-1)) if random.random() < 0.5 else (images, masks)


class DrawnOnce(nn.Module):
    """A grey level for all that it gets, by one of the generators that a training seeds."""

    def __init__(self, by: str = "torch"):
        super().__init__()
        self.draw = {"torch": lambda: torch.rand(()).item(), "numpy": np.random.rand, "python": random.random}[by]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.full_like(images, self.draw())


class OwnGenerator(nn.Module):
    """Draws from a generator that no seed of a training reaches."""

    def __init__(self) -> None:
        super().__init__()
        self.generator = np.random.default_rng(0)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images * self.generator.random()


class Spoiled(nn.Module):
    def __init__(self, how: str):
        super().__init__()
        self.how = how

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return {
            "levels": images * 255,
            "nan": images / 0,
            "integers": (images * 255).to(torch.uint8),
            "grey": images.mean(1, keepdim=True),
            "rotated": images[..., ::2, :],
            "one": images[0],
            "nothing": None,
        }[self.how]


def levels(images: torch.Tensor) -> dict[str, torch.Tensor]:
    """A function of a plugin that makes no module."""
    return {"image": images}


def augmentation(*names: str, masks: bool = True, **arguments: Any) -> Augmentation:
    paths = [name if "." in name else f"{__name__}.{name}" for name in names]
    return Augmentation(Augmentations(transforms=[{"_target_": path, **arguments} for path in paths]), masks)


CLASSES = torch.tensor([0, 3, 100, 254, 255])
MASKS = CLASSES[torch.randint(5, (8, 4, 4), generator=torch.manual_seed(0))].repeat_interleave(8, 1)
MASKS = MASKS.repeat_interleave(8, 2)
IMAGES = (MASKS / 255).unsqueeze(1).repeat(1, 3, 1, 1)
"""Images whose levels are the classes, in blocks of 8×8 pixels."""

# --- every part that can be named --------------------------------------------------------------------------------

ARGUMENTS: dict[str, dict[str, Any]] = {
    "CenterCrop": {"size": SIZE},
    "Denormalize": {"mean": [0.0, 0.0, 0.0], "std": [1.0, 1.0, 1.0]},
    "ElasticTransform": {"alpha": 9.0},
    "GaussianBlur": {"kernel_size": 3},
    "LongestMaxSize": {"max_size": SIZE},
    "Normalize": {"mean": [0.0, 0.0, 0.0], "std": [1.0, 1.0, 1.0]},
    "Pad": {"padding": 0},
    "PadTo": {"size": [SIZE, SIZE]},
    "RandomAdjustSharpness": {"sharpness_factor": 2.0},
    "RandomSolarize": {},
    "RandomAffine": {"degrees": 30, "translate": [0.2, 0.2], "scale": [0.7, 1.3]},
    "RandomCrop": {"size": [SIZE, SIZE], "padding": 6},
    "RandomElasticTransform": {"alpha": [9.0, 9.0]},
    "RandomGaussianBlur": {"kernel_size": [3, 3], "sigma": [0.1, 2.0]},
    "RandomMotionBlur": {"kernel_size": 3, "angle": 35.0, "direction": 0.5},
    "RandomPosterize": {"bits": 4},
    "RandomRain": {"drop_width": [1, 2], "drop_height": [2, 4], "number_of_drops": [10, 20]},
    "RandomResizedCrop": {"size": [SIZE, SIZE]},
    "RandomRotation": {"degrees": 40},
    "RandomRotation90": {"times": [1, 3]},
    "RandomShear": {"shear": 20.0},
    "RandomTranslate": {"translate_x": [-0.3, 0.3], "translate_y": [-0.3, 0.3]},
    "Resize": {"size": [SIZE, SIZE]},
    "SmallestMaxSize": {"max_size": SIZE},
}
KORNIA = [
    f"kornia.augmentation.{name}"
    for name in kornia.augmentation.__all__
    if inspect.isclass(getattr(kornia.augmentation, name))
]
TORCHVISION = [
    f"torchvision.transforms.v2.{name}"
    for name, part in vars(v2).items()
    if inspect.isclass(part) and issubclass(part, nn.Module)
]
MOVING = {
    *("RandomAffine", "RandomCrop", "RandomElasticTransform", "RandomHorizontalFlip", "RandomPerspective"),
    *("RandomResizedCrop", "RandomRotation", "RandomRotation90", "RandomShear", "RandomTranslate"),
    *("RandomVerticalFlip", "ElasticTransform"),
}
"""Parts that move pixels; those of both libraries with the same name do the same."""

AXES = torch.arange(SIZE).expand(SIZE, SIZE), torch.arange(SIZE).view(-1, 1).expand(SIZE, SIZE)
"""Columns and rows of pixels."""


def given(path: str) -> dict[str, Any]:
    """Return arguments for a part that is applied always, or most often."""
    name = path.rpartition(".")[2]
    arguments = dict(ARGUMENTS.get(name, {}))
    module = kornia.augmentation if path.startswith("kornia") else v2
    part = getattr(module, name, None)
    if part is not None and "p" in inspect.signature(part).parameters:
        arguments["p"] = 1.0
    if path.startswith("torchvision") and name == "RandomSolarize":
        arguments["threshold"] = 0.5
    return arguments


@pytest.mark.parametrize(
    "path",
    [
        path if path.rpartition(".")[2] in MOVING else pytest.param(path, marks=pytest.mark.long)
        for path in [*KORNIA, *TORCHVISION]
    ],
)
def test_every_part_moves_masks_as_its_images_or_is_refused_by_name(path: str):
    if problem := refusal(path):
        assert path.rpartition(".")[2] not in MOVING, "this one can move masks"
        assert path in problem
        return
    part = augmentation(path, **given(path))
    moved = False
    for axis in AXES:
        masks = axis.expand(8, -1, -1)
        images = (masks / (SIZE - 1)).unsqueeze(1).repeat(1, 3, 1, 1)
        torch.manual_seed(1)
        changed, new = part.with_masks(images, masks)
        assert new.dtype == torch.int64
        if path.rpartition(".")[2] not in MOVING:
            erased = (new == 255).any()
            assert torch.equal(new.where(new != 255, masks), masks)
            assert not erased or path.endswith("RandomErasing")
            continue
        moved |= not torch.equal(new, masks)
        inside = erode(new != 255)
        assert ((changed[:, 0] * (SIZE - 1) - new).abs() <= 1.01)[inside].float().mean() > 0.95
        own_draws = len({mask.numpy().tobytes() for mask in new}) > 1
        assert own_draws or path.endswith("Flip")
    assert moved == (path.rpartition(".")[2] in MOVING)


def refusal(path: str) -> str:
    """Return why a part is refused, nothing where it is not."""
    try:
        augmentation(path, **given(path)).check(IMAGES, MASKS)
    except MMLError as error:
        return str(error)
    return ""


def erode(inside: torch.Tensor) -> torch.Tensor:
    """Return the pixels whose neighbours are inside too: at borders images are blended with what is filled in."""
    return nn.functional.avg_pool2d(inside.float().unsqueeze(1), 3, 1, 1, count_include_pad=False).squeeze(1) == 1


# --- masks --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("kornia.augmentation.RandomCrop", {"size": [24, 32]}),
        ("kornia.augmentation.RandomAffine", {"degrees": 30, "padding_mode": "fill", "fill_value": 0.4, "p": 1.0}),
        ("kornia.augmentation.RandomCrop", {"size": [32, 32], "padding": 6, "fill": 0.4}),
        ("kornia.augmentation.RandomErasing", {"p": 1.0, "value": 0.4}),
        ("torchvision.transforms.v2.RandomAffine", {"degrees": 30, "fill": 0.4}),
        ("torchvision.transforms.v2.RandomRotation", {"degrees": 30, "fill": [0.4, 0.4, 0.4]}),
        ("torchvision.transforms.v2.RandomCrop", {"size": [32, 32], "padding": 6, "fill": 1}),
    ],
)
def test_what_geometry_fills_in_is_ignored_and_no_class(name: str, arguments: dict[str, Any]):
    torch.manual_seed(0)
    masks = MASKS.where(MASKS < 255, 3)
    images, moved = augmentation(name, **arguments).with_masks((masks / 255).unsqueeze(1).repeat(1, 3, 1, 1), masks)
    assert moved.dtype == torch.int64
    assert images.shape[2:] == moved.shape[1:]
    assert set(moved.unique().tolist()) <= {0, 3, 100, 254, 255}
    assert name.endswith("RandomCrop") or (moved == 255).any()
    inside = erode(moved != 255)
    assert ((255 * images[:, 0] - moved).abs() < 1)[inside].float().mean() > 0.7


@pytest.mark.parametrize(
    "name", ["kornia.augmentation.ColorJitter", "torchvision.transforms.v2.ColorJitter", "Inverted"]
)
def test_colour_leaves_masks_alone(name: str):
    arguments = {} if name == "Inverted" else {"brightness": 0.5}
    torch.manual_seed(0)
    images, masks = augmentation(name, **arguments).with_masks(IMAGES, MASKS)
    assert torch.equal(masks, MASKS)
    assert not torch.equal(images, IMAGES)
    assert 0 <= images.min() <= images.max() <= 1


def test_a_module_of_ones_own_that_takes_masks_moves_them_sample_by_sample():
    torch.manual_seed(0)
    random.seed(0)
    images, masks = augmentation("MirroredPair").with_masks(IMAGES, MASKS)
    mirrored = [torch.equal(mask, old.flip(-1)) for mask, old in zip(masks, MASKS, strict=True)]
    assert 0 < sum(mirrored) < 8
    assert torch.equal((255 * images[:, 0]).round().long(), masks)
    assert augmentation("MirroredPair", masks=False)(IMAGES).shape == IMAGES.shape


@pytest.mark.parametrize(
    "name",
    [
        "Mirrored",
        "torch.nn.Identity",
        "torchvision.transforms.RandomHorizontalFlip",
        "torchvision.transforms.RandomRotation",
        "torchvision.transforms.v2.AutoAugment",
        "torchvision.transforms.v2.FiveCrop",
        "kornia.augmentation.RandomThinPlateSpline",
    ],
)
def test_a_part_that_cannot_move_masks_is_refused_by_name(name: str):
    arguments = {"degrees": 10} if "Rotation" in name else {"size": 16} if "Crop" in name else {}
    arguments |= {"p": 1.0} if "Spline" in name else {}
    with pytest.raises(MMLError, match=rf"augmentations\.transforms: .*{name.rpartition('.')[2]} .*; \w+"):
        augmentation(name, **arguments).check(IMAGES, MASKS)
    if "FiveCrop" not in name:
        augmentation(name, masks=False, **arguments)(IMAGES)


# --- samples and seeds --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("kornia.augmentation.RandomHorizontalFlip", {"p": 0.5}),
        ("kornia.augmentation.RandomHorizontalFlip", {"p": 0.5, "same_on_batch": True}),
        ("kornia.augmentation.auto.RandAugment", {"n": 2, "m": 10}),
        ("torchvision.transforms.v2.RandomHorizontalFlip", {"p": 0.5}),
        ("torchvision.transforms.v2.ColorJitter", {"brightness": 0.5}),
        ("torchvision.transforms.v2.AutoAugment", {}),
        ("torchvision.transforms.RandomHorizontalFlip", {"p": 0.5}),
        ("torchvision.transforms.ColorJitter", {"brightness": 0.5}),
        ("DrawnOnce", {"by": "torch"}),
        ("DrawnOnce", {"by": "numpy"}),
        ("DrawnOnce", {"by": "python"}),
    ],
)
def test_every_sample_has_its_own_draw_which_follows_from_the_seed(name: str, arguments: dict[str, Any]):
    part = augmentation(name, masks=False, **arguments)
    images = IMAGES[:1].expand(16, -1, -1, -1)
    part.check(images)
    results = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        np.random.seed(seed)
        random.seed(seed)
        results.append(part(images))
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])
    assert len({image.numpy().tobytes() for image in results[0]}) > 1


def test_looking_at_parts_leaves_all_randomness_as_it_was():
    torch.manual_seed(0)
    np.random.seed(0)
    random.seed(0)
    expected = torch.rand(3), np.random.rand(3), random.random()
    torch.manual_seed(0)
    np.random.seed(0)
    random.seed(0)
    augmentation("DrawnOnce", masks=False).check(IMAGES)
    augmentation("MirroredPair").check(IMAGES, MASKS)
    assert torch.equal(torch.rand(3), expected[0])
    assert np.array_equal(np.random.rand(3), expected[1])
    assert random.random() == expected[2]


def test_no_transforms_change_nothing():
    assert augmentation(masks=False)(IMAGES) is IMAGES
    assert augmentation().with_masks(IMAGES, MASKS) == (IMAGES, MASKS)


# --- what spoils images -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("Spoiled", {"how": "levels"}, "changes values of 0 to 1 to .* to 255"),
        ("Spoiled", {"how": "nan"}, "not finite"),
        ("Spoiled", {"how": "integers"}, r"it returns torch\.uint8"),
        ("Spoiled", {"how": "grey"}, "changes images of 2×3×32×32 to 2×1×32×32"),
        ("Spoiled", {"how": "rotated"}, "changes images of 2×3×32×32 to 2×3×16×32"),
        ("Spoiled", {"how": "one"}, "changes images of 2×3×32×32 to 6×32×32"),
        ("Spoiled", {"how": "nothing"}, "does not take images 2×3×32×32"),
        ("OwnGenerator", {}, "returns different images for the same seed"),
        ("kornia.augmentation.RandomMixUpV2", {}, "mixes images and leaves their targets"),
        ("kornia.augmentation.RandomHorizontalFlip3D", {}, "is for volumes"),
        ("kornia.augmentation.CenterCrop", {"size": 16}, "to 2×3×16×16"),
        ("torchvision.transforms.v2.CutMix", {"num_classes": 3}, "mixes images and leaves their targets"),
        (
            "torchvision.transforms.v2.Normalize",
            {"mean": [0.5] * 3, "std": [0.5] * 3},
            "changes values of 0 to 1 to -1 to 1",
        ),
        ("torchvision.transforms.v2.Grayscale", {}, "to 2×1×32×32"),
        ("torchvision.transforms.v2.ToPILImage", {}, "does not take images"),
        ("torchvision.transforms.v2.RandomHorizontalFlip", {"q": 1}, "takes no argument 'q'"),
        ("kornia.augmentation.RandomDissolving", {}, "cannot be built"),
    ],
)
def test_a_part_that_spoils_images_is_refused_by_name(name: str, arguments: dict[str, Any], words: str):
    with pytest.raises(MMLError, match=words) as refused:
        augmentation(name, masks=False, **arguments).check(IMAGES)
    assert f"{name} " in str(refused.value)


def test_a_function_that_makes_no_module_is_refused_by_name(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("mml_lib.config.factories._plugins", {__name__})
    with pytest.raises(MMLError, match=r"levels is a dict, not a torch\.nn\.Module"):
        augmentation("levels", masks=False, images=1)
    with pytest.raises(MMLError, match="levels refuses its arguments"):
        augmentation("levels", masks=False)


def test_strong_noise_is_no_change_of_range():
    augmentation("kornia.augmentation.RandomGaussianNoise", p=1.0).check(IMAGES, MASKS)
