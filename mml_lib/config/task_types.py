"""Task types: what a network is asked about an image."""

from typing import Literal, get_args

TaskType = Literal["classification", "multilabel_classification", "semantic_segmentation", "regression", "no_task"]

TASK_TYPES: tuple[str, ...] = get_args(TaskType)
"""One class an image; any number of classes, hard or soft; one class a pixel; a number; nothing (unlabelled images)."""

LEARNABLE = TASK_TYPES[:-1]
"""The types that a network can be trained on."""

MIXABLE = ("classification", "multilabel_classification")
"""The types whose targets MixUp and CutMix can mix."""

IGNORE = 255
"""Value of mask pixels that no loss and no metric looks at."""

IGNORED = "ignore"
"""Name, in place of that of a class, of mask values or colours that no loss and no metric looks at."""
