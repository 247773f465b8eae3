"""Data of a task that measures compare."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, eq=False)
class TaskData:
    """Data of a task. A measure reads the fields that it `needs`; others may be missing.

    Args:
        name: name of the task, for messages.
        keywords: keywords of the task.
        features: pooled features of the task's samples (float, N×D). For measures of a source network, features of the
            target's samples by the source's network.
        extractor: name of the network that computed the features. Features of different extractors are refused.
        probabilities: class probabilities of the target's samples by the source's network (float, N×K).
        labels: labels of these samples: classes (int, N), values (float, N), or several labels (0 or 1, N×L).
        folds: fold of each of these samples (int, N); None: each sample is a fold of its own.
        fisher: diagonal Fisher information of the extractor's parameters for the task (float, P).
    """

    name: str
    keywords: Sequence[str] = ()
    features: "np.ndarray | None" = None
    extractor: str = ""
    probabilities: "np.ndarray | None" = None
    labels: "np.ndarray | None" = None
    folds: "np.ndarray | None" = None
    fisher: "np.ndarray | None" = None
