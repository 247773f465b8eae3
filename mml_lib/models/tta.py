"""Test-time augmentation: what a network says of several views of an image, merged."""

from functools import reduce

import torch
from torch.nn.functional import logsigmoid

from mml_lib.config.prediction import TTA
from mml_lib.data.tta import View, build_view
from mml_lib.errors import MMLError
from mml_lib.models.module import MMLModule


class MergedViews:
    """Looks at a batch as it is and in each further view, one after the other.

    Args:
        config: the views, and how they are merged.
        task_type: what the network has learned.

    Raises:
        MMLError: a view that cannot be built, or not be undone where it has to be; the maximum for a regression.
    """

    def __init__(self, config: TTA, task_type: str):
        self.views = [build_view(transform.spec()) for transform in config.transforms]
        self.merge = config.merge
        self.segmentation = task_type == "semantic_segmentation"
        if task_type == "regression" and config.merge == "max":
            raise MMLError("tta.merge: max means nothing for a regression's values; set tta.merge: mean")
        for view in self.views if self.segmentation else ():
            if not callable(getattr(view, "undo", None)):
                name = type(view).__name__
                raise MMLError(f"tta.transforms: {name} has no method undo(maps, size), which masks need; leave it out")

    def __call__(self, model: MMLModule, images: torch.Tensor) -> torch.Tensor:
        """Return what is said of uint8 images N×3×H×W: as `merge_outputs` has it, N×outputs, or for the classes of
        pixels sums or maxima of probabilities, N×classes×H×W, whose argmax is meant.
        """
        scaled = model.scale(images)
        found = (self._seen(model, scaled, view) for view in (None, *self.views))
        if self.segmentation:  # view by view: the maps of all would be too large
            return reduce(torch.maximum if self.merge == "max" else torch.add, found)
        return merge_outputs(torch.stack(list(found)), model.task_type, self.merge)

    def _seen(self, model: MMLModule, images: torch.Tensor, view: View | None) -> torch.Tensor:
        """Return the outputs for one view of floats N×3×H×W, or the probabilities of the images' own pixels."""
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


def _undone(view: View, maps: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    size = (images.shape[-2], images.shape[-1])
    undone = view.undo(maps, size)
    if undone.shape != (*maps.shape[:2], *size):
        name, shapes = type(view).__name__, ["×".join(map(str, each)) for each in (undone.shape[-2:], size)]
        raise MMLError(f"tta.transforms: {name}.undo returns maps of {shapes[0]} for images of {shapes[1]}; mend it")
    return undone


def merge_outputs(outputs: torch.Tensor, task_type: str, merge: str) -> torch.Tensor:
    """Return the outputs of several views as one: logits whose softmax, or sigmoid, gives the merged probabilities.

    Of classes these are logarithms of the mean probabilities, or of the greatest ones divided by their sum; of labels
    they are logits of the mean probability, or of the greatest. Values are averaged. All is computed on logarithms,
    where a probability near 0 or 1 keeps its digits.

    Args:
        outputs: views×N×outputs.
        task_type: other than segmentation.
        merge: mean or max.
    """
    if task_type == "regression":
        return outputs.mean(0)
    if task_type == "multilabel_classification":
        if merge == "max":
            return outputs.amax(0)
        return logsigmoid(outputs).logsumexp(0) - logsigmoid(-outputs).logsumexp(0)
    logarithms = outputs.log_softmax(-1)
    merged = logarithms.amax(0) if merge == "max" else logarithms.logsumexp(0)
    return merged.log_softmax(-1)
