"""Merging: the outputs of a network for several views, or windows, of an image as one."""

import torch
from torch.nn.functional import logsigmoid

from mml_lib.task_types import TASK_TYPES


def merge_outputs(outputs: torch.Tensor, task_type: str, merge: str) -> torch.Tensor:
    """Return the outputs of several views or windows as one: logits whose softmax, or sigmoid, gives what is merged.

    Of classes these are logarithms of the mean probabilities, or of the greatest ones divided by their sum; of labels
    they are logits of the mean probability, or of the greatest. Values are averaged. All is computed on logarithms,
    where a probability near 0 or 1 keeps its digits.

    Args:
        outputs: views×N×outputs.
        task_type: other than segmentation.
        merge: mean or max.
    """
    if TASK_TYPES[task_type].has_values:
        return outputs.mean(0)
    if TASK_TYPES[task_type].is_multilabel:
        if merge == "max":
            return outputs.amax(0)
        return logsigmoid(outputs).logsumexp(0) - logsigmoid(-outputs).logsumexp(0)
    logarithms = outputs.log_softmax(-1)
    merged = logarithms.amax(0) if merge == "max" else logarithms.logsumexp(0)
    return merged.log_softmax(-1)
