"""Augmentation: random transforms of training images and their masks, on the training device."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before kornia)
import numpy as np
import torch
from torch import nn

from mml_lib.config.training_options import Augmentations
from mml_lib.data.augmentation_steps import Step, build_step
from mml_lib.data.colour_transforms import without_colours
from mml_lib.errors import MMLError
from mml_lib.task_types import IGNORE
from mml_lib.tasks.pixel_format import PixelFormat

TRIALS = 4
"""Number of draws that check an augmentation before a training: a part with a small `p` is rarely applied."""

EXCESS = 0.2
"""Largest mean distance of the augmented grey levels of a ramp from 0..1, with noise averaged out. A normalisation, or
levels up to 255, would exceed it."""

LEVELS = 16
"""Number of parts of the ramp, over each of which noise is averaged out."""


class Augmentation(nn.Module):
    """The transforms of a pipeline in their order, with separate random draws for each sample of a batch.

    Args:
        config: augmentations of kornia, of torchvision's v2, or modules on floats N×C×H×W in 0..1.
        masks: True if images have masks, to which geometric transforms are applied, too.
        pixels: format of the images; None if it is not known yet.

    Raises:
        MMLError: a transform cannot be built, mixes targets, cannot transform masks, or changes colours of images
            without colours.
    """

    def __init__(self, config: Augmentations, masks: bool = False, pixels: PixelFormat | None = None):
        super().__init__()
        specs = [without_colours(transform.spec(), pixels) for transform in config.transforms or ()]
        self.steps = [build_step(spec, masks) for spec in specs]
        self.transforms = nn.ModuleList(step.module for step in self.steps)

    @torch.no_grad()
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return augmented images for floats N×C×H×W in 0..1, with the same shape and range."""
        for step in self.steps:
            images, _ = _apply(step, images)
        return images.clamp(0, 1) if self.steps else images

    @torch.no_grad()
    def with_masks(self, images: torch.Tensor, masks: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return augmented images with masks.

        Pixels that a geometric transform adds are ignored in the mask (255).

        Args:
            images: floats N×C×H×W in 0..1.
            masks: classes of pixels, N×H×W (int64).

        Raises:
            MMLError: a transform fails, or cannot transform masks.
        """
        if not self.steps:
            return images, masks
        shifted = masks + 1  # geometric transforms fill with 0, which must not be a class
        for step in self.steps:
            images, shifted = _apply(step, images, shifted)
        return images.clamp(0, 1), torch.where(shifted == 0, IGNORE, shifted - 1)

    @torch.no_grad()
    def check(self, images: torch.Tensor, masks: torch.Tensor | None = None) -> None:
        """Check each transform with several random draws. Random states are restored.

        Args:
            images: training images, N×C×H×W in 0..1.
            masks: masks of a segmentation, N×H×W (int64); None for other tasks.

        Raises:
            MMLError: a transform fails; it changes size, channels, number or range of images; its results are not
                finite, or not reproducible from the seed, which a resumed training requires.
        """
        if not self.steps:
            return
        images, masks = images[:2], None if masks is None else masks[:2]
        ramp = torch.linspace(0, 1, images[:1, 0].numel(), device=images.device, dtype=images.dtype)
        ramp = ramp.view(1, 1, *images.shape[-2:]).expand(1, images.shape[1], -1, -1)
        with _random_states_restored(images.device):
            for trial in range(TRIALS):
                for step in self.steps:
                    _check_step(step, images, masks, trial)
                    _check_range(step, ramp, masks, trial)


def _seed(seed: int) -> None:
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(seed)  # torch.manual_seed formats a stack trace for each other kind of device
    np.random.seed(seed)
    random.seed(seed)


@contextmanager
def _random_states_restored(device: torch.device) -> Iterator[None]:
    python, numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        yield
    random.setstate(python)
    np.random.set_state(numpy)


def _check_step(step: Step, images: torch.Tensor, masks: torch.Tensor | None, seed: int) -> None:
    """Check that results of a transform are finite and reproducible."""
    results = []
    for _ in range(2):
        _seed(seed)
        results.append(_transformed(step, images, masks))
    changed, changed_masks = results[0]
    if not changed.isfinite().all():
        raise _refusal(step, "returns values that are not finite")
    repeated, repeated_masks = results[1]
    same_masks = changed_masks is None or torch.equal(changed_masks, repeated_masks)
    if not (same_masks and (changed - repeated).abs().max() < 0.01):
        raise _refusal(
            step, "returns different images for the same seed; draw random numbers by torch, numpy.random or random"
        )


def _check_range(step: Step, ramp: torch.Tensor, masks: torch.Tensor | None, seed: int) -> None:
    """Check that a transform keeps the grey levels of a ramp in 0..1."""
    _seed(seed)
    changed, _ = _transformed(step, ramp, None if masks is None else masks[:1])
    levels = torch.stack([part.mean() for part in changed.float().flatten(2).tensor_split(LEVELS, dim=2)])
    if (levels - levels.clamp(0, 1)).abs().mean() > EXCESS:
        low, high = changed.min().item(), changed.max().item()
        raise _refusal(
            step, f"changes values of 0 to 1 to {low:.3g} to {high:.3g}; keep them in 0 to 1, as MML normalises images"
        )


def _transformed(
    step: Step, images: torch.Tensor, masks: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return transformed copies of images and masks.

    Raises:
        MMLError: the transform fails, or changes size, type or number of images.
    """
    images = images.clone()
    shifted = None if masks is None else masks + 1
    changed, changed_masks = _apply(step, images, shifted)
    if changed.shape != images.shape:
        shapes = ["×".join(map(str, tensor.shape)) for tensor in (images, changed)]
        raise _refusal(step, f"changes images of {shapes[0]} to {shapes[1]}; set its size to that of the images")
    if changed_masks is not None and shifted is not None and changed_masks.shape != shifted.shape:
        raise _refusal(step, "returns masks of another size than its images; return both with one size")
    return changed, changed_masks


def _refusal(step: Step, problem: str) -> MMLError:
    return MMLError(f"augmentations.transforms: {step.name} {problem}, or leave it out")


def _apply(
    step: Step, images: torch.Tensor, masks: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return transformed images, of the dtype of the images, and transformed masks if there are any.

    Raises:
        MMLError: the transform fails, or returns other types.
    """
    try:
        changed, changed_masks = (step.images(images), None) if masks is None else step.pairs(images, masks)
        if not changed.is_floating_point() or (changed_masks is not None and changed_masks.is_floating_point()):
            raise TypeError(f"it returns {changed.dtype}")
        changed = changed.to(images.dtype)
    except (MMLError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        shape, reason = "×".join(map(str, images.shape)), " ".join(str(error).split())
        what = "images" if masks is None else "images and masks"
        raise MMLError(
            f"augmentations.transforms: {step.name} does not take {what} {shape} in 0..1 ({reason}); leave it out"
        ) from error
    return changed, changed_masks
