"""Data of a task that measures compare."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, eq=False)
class TaskData:
    """Data of a task; a measure reads those that it `needs`, the others may be left out.

    Args:
        name: name of the task, for messages.
        keywords: keywords of the task.
        features: N×D float, pooled features of the task's samples. For measures of a source network they are the
            features of the target's samples by the source's network.
        extractor: name of the network that the features come from; features of different extractors are refused.
        probabilities: N×K float, class probabilities of the target's samples by the source's network.
        labels: N whole numbers, classes of these samples; for regression N float values; for several labels N×L of
            0 and 1.
        folds: N whole numbers, the fold of each of these samples; None: each sample is a fold of its own.
        fisher: P float, diagonal Fisher information of the extractor's parameters for the task.
    """

    name: str
    keywords: Sequence[str] = ()
    features: "np.ndarray | None" = None
    extractor: str = ""
    probabilities: "np.ndarray | None" = None
    labels: "np.ndarray | None" = None
    folds: "np.ndarray | None" = None
    fisher: "np.ndarray | None" = None
