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
"""Height and width of an image that views are tried on, and a patch of it that no symmetry keeps in its place."""

EXCESS = 0.2
"""Mean distance from 0..1 that a view may bring an image to."""


class MergedViews:
    """Outputs of a network for a batch and its views, one view after the other.

    Args:
        config: the views, and how they are merged.
        task_type: what the network has learned.

    Raises:
        MMLError: a view that cannot be built, or not be undone where it has to be; the maximum for a regression.
    """

    def __init__(self, config: TTA, task_type: str):
        self.views = [build_view(transform.spec()) for transform in config.transforms]
        self.merge = config.merge
        self.segmentation = TASK_TYPES[task_type].has_masks
        if TASK_TYPES[task_type].has_values and config.merge == "max":
            raise MMLError("tta.merge: max means nothing for a regression's values; set tta.merge: mean")
        for view in self.views:
            if self.segmentation and not callable(getattr(view, "undo", None)):
                name = type(view).__name__
                raise MMLError(f"tta.transforms: {name} has no method undo(maps, size), which masks need; leave it out")
            _check(view, self.segmentation)

    def __call__(self, model: ImageOutputs, images: torch.Tensor) -> torch.Tensor:
        """Return the merged outputs for images N×C×H×W as they are packed.

        They are N×outputs, as `merge_outputs` gives them, or for the classes of pixels sums or maxima of probabilities,
        N×classes×H×W, whose argmax is meant.
        """
        scaled = model.scale(images)
        outputs = (self._outputs(model, scaled, view) for view in (None, *self.views))
        if self.segmentation:  # view by view: the maps of all would be too large
            return reduce(torch.maximum if self.merge == "max" else torch.add, outputs)
        return merge_outputs(torch.stack(list(outputs)), model.task_type, self.merge)

    def _outputs(self, model: ImageOutputs, images: torch.Tensor, view: View | None) -> torch.Tensor:
        """Return the outputs for one view of floats N×C×H×W, or the probabilities of the images' own pixels."""
        seen = images if view is None else view.do(images)
        try:
            outputs = model.network(model.normalise(seen), model.task).float()
        except MMLError as error:
            if seen.shape == images.shape:
                raise
            raise MMLError(f"tta: {type(view).__name__} changes the size of images; leave it out ({error})") from error
        if not self.segmentation:
            return outputs
        maps = outputs.softmax(1)
        return maps if view is None else _undone(view, maps, images)


@torch.no_grad()
def _check(view: View, undone: bool) -> None:
    """Try a view on an image that is grey but for a patch of noise.

    Raises:
        MMLError: the view fails, is random, gives no images, or is not undone: noise is not where it was.
    """
    name, images = type(view).__name__, torch.full((2, 3, *PROBE), 0.5)
    images[:, :, *PATCH] = torch.rand(images[:, :, *PATCH].shape, generator=torch.Generator().manual_seed(0))
    try:
        seen, again = view.do(images.clone()), view.do(images.clone())
        sound = seen.is_floating_point() and seen.ndim == 4 and seen.shape[:2] == images.shape[:2]
        if not sound or not seen.isfinite().all():
            raise MMLError(f"tta.transforms: {name}.do has to return finite floats N×3×H×W of images N×3×H×W; mend it")
        if seen.shape != again.shape or not torch.equal(seen, again):
            raise MMLError(f"tta.transforms: {name}.do gives other images each time; a view must not be random")
        if (seen - seen.clamp(0, 1)).abs().mean() > EXCESS:
            raise MMLError(f"tta.transforms: {name}.do leaves the range 0..1 of images; mend it")
        maps = _undone(view, seen, images) if undone else None
    except MMLError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())
        size = "×".join(map(str, PROBE))
        raise MMLError(f"tta.transforms: {name} fails on floats 2×3×{size} in 0..1 ({reason}); mend it") from error
    if maps is not None and not _is_in_patch(maps):
        raise MMLError(f"tta.transforms: {name}.undo does not bring pixels back to where do took them from; mend it")


def _is_in_patch(maps: torch.Tensor) -> bool:
    """Return True if neighbouring pixels differ more in the patch than elsewhere."""
    change = maps.diff(dim=-1).abs()[..., 1:, :] + maps.diff(dim=-2).abs()[..., :, 1:]
    inside = torch.zeros(change.shape, dtype=torch.bool)
    inside[:, :, *PATCH] = True
    return bool(change[inside].mean() > change[~inside].mean())


def _undone(view: View, maps: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    size = (images.shape[-2], images.shape[-1])
    undone = view.undo(maps, size)
    if undone.shape != (*maps.shape[:2], *size):
        name, shapes = type(view).__name__, ["×".join(map(str, shape)) for shape in (undone.shape[-2:], size)]
        raise MMLError(f"tta.transforms: {name}.undo returns maps of {shapes[0]} for images of {shapes[1]}; mend it")
    return undone
