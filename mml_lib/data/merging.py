"""Merging of the outputs of a network for several views, or windows, of an image."""

import torch
from torch.nn.functional import logsigmoid

from mml_lib.task_types import TASK_TYPES


def merge_outputs(outputs: torch.Tensor, task_type: str, merge: str) -> torch.Tensor:
    """Return the merged outputs of several views or windows, N×outputs: logits of merged probabilities, or mean values.

    For classes, the softmax of the result is the mean of probabilities, or the normalised maximum. For labels, its
    sigmoid is the mean or the maximum. Computations use logarithms, to preserve probabilities near 0 and 1.

    Args:
        outputs: logits or values, views×N×outputs.
        task_type: task type of the outputs, except segmentation.
        merge: `mean` or `max`; values are always averaged.
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
