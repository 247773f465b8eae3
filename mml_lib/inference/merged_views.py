"""Test-time augmentation: merged outputs of a network for several views of an image."""

from functools import reduce

import torch

from mml_lib.config.prediction_options import TTA
from mml_lib.data.merging import merge_outputs
from mml_lib.data.tta import View, build_view
from mml_lib.errors import MMLError
from mml_lib.task_types import TASK_TYPES
from mml_lib.training.image_outputs import ImageOutputs

PROBE = (64, 96)
PATCH = (slice(8, 20), slice(16, 28))
"""Height and width of an image that views are checked with, and a patch of it that no symmetry maps to itself."""

EXCESS = 0.2
"""Largest mean distance of the pixels of a view from 0..1."""


class MergedViews:
    """Merged outputs of a network for a batch and its views.

    Args:
        config: the views, and how they are merged.
        task_type: task type of the network.

    Raises:
        MMLError: a view cannot be built, or cannot be undone for masks; or `merge: max` is set for a regression.
    """

    def __init__(self, config: TTA, task_type: str):
        self.views = [build_view(transform.spec()) for transform in config.transforms]
        self.merge = config.merge
        self.segmentation = TASK_TYPES[task_type].has_masks
        if TASK_TYPES[task_type].has_values and config.merge == "max":
            raise MMLError("tta.merge: max is not defined for the values of a regression; set tta.merge: mean")
        for view in self.views:
            if self.segmentation and not callable(getattr(view, "undo", None)):
                name = type(view).__name__
                raise MMLError(f"tta.transforms: {name} has no method undo(maps, size), which masks need; leave it out")
            _check(view, self.segmentation)

    def __call__(self, model: ImageOutputs, images: torch.Tensor) -> torch.Tensor:
        """Return the merged outputs for packed images N×C×H×W.

        Returns:
            The results of `merge_outputs`, N×outputs. For a segmentation, sums or maxima of probabilities,
            N×classes×H×W, which are meant for an argmax.
        """
        scaled = model.scale(images)
        outputs = (self._outputs(model, scaled, view) for view in (None, *self.views))
        if self.segmentation:  # one view at a time, because the maps of all views would be too large
            return reduce(torch.maximum if self.merge == "max" else torch.add, outputs)
        return merge_outputs(torch.stack(list(outputs)), model.task_type, self.merge)

    def _outputs(self, model: ImageOutputs, images: torch.Tensor, view: View | None) -> torch.Tensor:
        """Return the outputs for one view of floats N×C×H×W; for masks, probabilities of the original pixels."""
        changed = images if view is None else view.do(images)
        try:
            outputs = model.network(model.normalise(changed), model.task).float()
        except MMLError as error:
            if changed.shape == images.shape:
                raise
            raise MMLError(f"tta: {type(view).__name__} changes the size of images; leave it out ({error})") from error
        if not self.segmentation:
            return outputs
        maps = outputs.softmax(1)
        return maps if view is None else _undone(view, maps, images)


@torch.no_grad()
def _check(view: View, with_masks: bool) -> None:
    """Check a view with an image that is grey except for a patch of noise.

    Raises:
        MMLError: the view fails, is random, does not return images, or `undo` does not return the noise to its place.
    """
    name, images = type(view).__name__, torch.full((2, 3, *PROBE), 0.5)
    images[:, :, *PATCH] = torch.rand(images[:, :, *PATCH].shape, generator=torch.Generator().manual_seed(0))
    try:
        changed, repeated = view.do(images.clone()), view.do(images.clone())
        are_images = changed.is_floating_point() and changed.ndim == 4 and changed.shape[:2] == images.shape[:2]
        if not are_images or not changed.isfinite().all():
            raise MMLError(
                f"tta.transforms: {name}.do must return finite floats N×3×H×W for images N×3×H×W; correct it"
            )
        if changed.shape != repeated.shape or not torch.equal(changed, repeated):
            raise MMLError(f"tta.transforms: {name}.do is random, which views must not be; correct it")
        if (changed - changed.clamp(0, 1)).abs().mean() > EXCESS:
            raise MMLError(f"tta.transforms: {name}.do leaves the range 0..1 of images; correct it")
        maps = _undone(view, changed, images) if with_masks else None
    except MMLError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())
        size = "×".join(map(str, PROBE))
        raise MMLError(f"tta.transforms: {name} fails on floats 2×3×{size} in 0..1 ({reason}); correct it") from error
    if maps is not None and not _is_in_patch(maps):
        raise MMLError(f"tta.transforms: {name}.undo does not return pixels to their original places; correct it")


def _is_in_patch(maps: torch.Tensor) -> bool:
    """Return True if neighbouring pixels differ more in the patch than elsewhere."""
    change = maps.diff(dim=-1).abs()[..., 1:, :] + maps.diff(dim=-2).abs()[..., :, 1:]
    inside = torch.zeros(change.shape, dtype=torch.bool)
    inside[:, :, *PATCH] = True
    return bool(change[inside].mean() > change[~inside].mean())


def _undone(view: View, maps: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """Return the maps of a view, N×classes×H'×W', at the pixels of the images, N×classes×H×W."""
    size = (images.shape[-2], images.shape[-1])
    undone = view.undo(maps, size)
    if undone.shape != (*maps.shape[:2], *size):
        name, shapes = type(view).__name__, ["×".join(map(str, shape)) for shape in (undone.shape[-2:], size)]
        raise MMLError(f"tta.transforms: {name}.undo returns maps of {shapes[0]} for images of {shapes[1]}; correct it")
    return undone
