"""Checks of `patches` before anything is trained: crops fit into the images, and foreground has masks."""

from mml_lib.config.schema import StudyConfig
from mml_lib.errors import MMLError
from mml_lib.images.transforms import packed_size, resolve
from mml_lib.task_types import TASK_TYPES
from mml_lib.tasks.task_identity import TaskIdentity


def check_patches(task: TaskIdentity, cfg: StudyConfig) -> None:
    """Refuse crops that are larger than every image can be, and those around labelled pixels that are not there.

    Images of different sizes are checked when they are read.

    Raises:
        MMLError: crops are larger than images, or the task has no labelled pixels.
    """
    patches = cfg.patches
    if patches is None:
        return
    if patches.foreground and not TASK_TYPES[task.task_type].has_masks and not cfg.mode.options.get("co_tasks"):
        raise MMLError(
            f"patches.foreground: {task.name} is a {task.task_type}, which has no labelled pixels to lay crops around; "
            "leave it out"
        )
    transforms = resolve(cfg.preprocessing)
    size, bound = packed_size(transforms), None
    for spec in transforms:
        if spec.get("name") == "resize_longest" and not spec.get("enlarge"):
            bound = spec["size"], spec["size"]
    largest = size or bound
    if largest is None:
        return
    beyond = any(side > most for side, most in zip(patches.sides, largest, strict=True))
    if beyond if size else min(patches.sides) > max(largest):
        sizes = " than ".join("×".join(map(str, pair)) for pair in (patches.sides, largest))
        raise MMLError(
            f"patches.size: crops would be larger than images after the preprocessing, {sizes} pixels; lower it, or "
            "let images be larger (preprocessing: [{name: resize_longest, size: …}], or none)"
        )
