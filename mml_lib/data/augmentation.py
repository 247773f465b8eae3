"""Augmentation: random changes of training images, and of their masks with them, on the training device."""

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
"""Draws that an augmentation is tried with before a training: a part with a small `p` is hardly in one of them."""

EXCESS = 0.2
"""Mean distance from 0..1 that the grey levels of a ramp, noise averaged out, may have in the end: less than what a
normalisation makes, or levels up to 255."""

LEVELS = 16
"""Parts of the ramp over which noise is averaged out."""


class Augmentation(nn.Module):
    """The transforms of a pipeline in their order; every sample of a batch gets its own randomness.

    Args:
        config: augmentations of kornia, of torchvision's v2, or modules on N×C×H×W floats in 0..1.
        masks: whether images come with masks, which have to be moved with them.
        pixels: format of the images; None: it is not known yet.

    Raises:
        MMLError: a transform that cannot be built, mixes targets, cannot move masks, or changes colours of images that
            have none.
    """

    def __init__(self, config: Augmentations, masks: bool = False, pixels: PixelFormat | None = None):
        super().__init__()
        specs = [without_colours(transform.spec(), pixels) for transform in config.transforms or ()]
        self.steps = [build_step(spec, masks) for spec in specs]
        self.transforms = nn.ModuleList(step.module for step in self.steps)

    @torch.no_grad()
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return changed images: N×C×H×W floats in 0..1, as they come."""
        for step in self.steps:
            images, _ = _apply(step, images)
        return images.clamp(0, 1) if self.steps else images

    @torch.no_grad()
    def with_masks(self, images: torch.Tensor, masks: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return changed images with masks (int64, N×H×W) moved alike; pixels that came in are ignored.

        Raises:
            MMLError: one of the transforms cannot move masks.
        """
        if not self.steps:
            return images, masks
        shifted = masks + 1  # geometry fills up with 0, which must be no class meanwhile
        for step in self.steps:
            images, shifted = _apply(step, images, shifted)
        return images.clamp(0, 1), torch.where(shifted == 0, IGNORE, shifted - 1)

    @torch.no_grad()
    def check(self, images: torch.Tensor, masks: torch.Tensor | None = None) -> None:
        """Try each transform several times, and refuse those that spoil images; random states are restored.

        Args:
            images: some of a training, N×C×H×W in 0..1.
            masks: theirs, int64 N×H×W, in a segmentation.

        Raises:
            MMLError: a transform fails, changes size, channels, number or range of images, makes values that are not
                finite, or gives something else for the same seed, so that a resumed training could not repeat it.
        """
        if not self.steps:
            return
        images, masks = images[:2], None if masks is None else masks[:2]
        ramp = torch.linspace(0, 1, images[:1, 0].numel(), device=images.device, dtype=images.dtype)
        ramp = ramp.view(1, 1, *images.shape[-2:]).expand(1, images.shape[1], -1, -1)
        with _randomness_kept(images.device):
            for trial in range(TRIALS):
                for step in self.steps:
                    _check_step(step, images, masks, trial)
                    _check_range(step, ramp, masks, trial)


def _seed(seed: int) -> None:
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(seed)  # torch.manual_seed would format a stack for each kind of device without one
    np.random.seed(seed)
    random.seed(seed)


@contextmanager
def _randomness_kept(device: torch.device) -> Iterator[None]:
    python, numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        yield
    random.setstate(python)
    np.random.set_state(numpy)


def _check_step(step: Step, images: torch.Tensor, masks: torch.Tensor | None, seed: int) -> None:
    results = []
    for _ in range(2):
        _seed(seed)
        results.append(_pair(step, images, masks))
    changed, moved = results[0]
    if not changed.isfinite().all():
        raise _refusal(step, "makes values that are not finite")
    again, moved_again = results[1]
    same = (changed - again).abs().max() < 0.01 and (moved is None or torch.equal(moved, moved_again))
    if not same:
        raise _refusal(step, "gives something else each time, whatever the seed; draw by torch, numpy.random or random")


def _check_range(step: Step, ramp: torch.Tensor, masks: torch.Tensor | None, seed: int) -> None:
    _seed(seed)
    changed, _ = _pair(step, ramp, None if masks is None else masks[:1])
    levels = torch.stack([part.mean() for part in changed.float().flatten(2).tensor_split(LEVELS, dim=2)])
    if (levels - levels.clamp(0, 1)).abs().mean() > EXCESS:
        low, high = changed.min().item(), changed.max().item()
        raise _refusal(
            step, f"makes values of {low:.3g} to {high:.3g} of 0 to 1, where images stay until they are normalised"
        )


def _pair(step: Step, images: torch.Tensor, masks: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return the images and masks that a transform makes; it must not write into those that it gets.

    Raises:
        MMLError: it fails, or changes size, type or number of images.
    """
    images = images.clone()
    shifted = None if masks is None else masks + 1
    changed, moved = _apply(step, images, shifted)
    if changed.shape != images.shape:
        shapes = ["×".join(map(str, tensor.shape)) for tensor in (images, changed)]
        raise _refusal(step, f"makes {shapes[1]} of images {shapes[0]}; set its size to that of the images")
    if moved is not None and shifted is not None and moved.shape != shifted.shape:
        raise _refusal(step, "gives masks of another size than its images")
    return changed, moved


def _refusal(step: Step, problem: str) -> MMLError:
    return MMLError(f"augmentations.transforms: {step.name} {problem}, or leave it out")


def _apply(
    step: Step, images: torch.Tensor, masks: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return changed images and masks, if there are any, of the type that came in.

    Raises:
        MMLError: the transform fails, or gives something else.
    """
    try:
        changed, moved = (step.images(images), None) if masks is None else step.pairs(images, masks)
        if not changed.is_floating_point() or (moved is not None and moved.is_floating_point()):
            raise TypeError(f"it gives {changed.dtype}")
        changed = changed.to(images.dtype)
    except (MMLError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        shape, reason = "×".join(map(str, images.shape)), " ".join(str(error).split())
        what = "images" if masks is None else "images and masks"
        raise MMLError(
            f"augmentations.transforms: {step.name} does not take {what} {shape} in 0..1 ({reason}); leave it out"
        ) from error
    return changed, moved
