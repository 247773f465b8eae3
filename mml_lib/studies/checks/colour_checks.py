"""Checks of colours while planning: no part of a pipeline changes colours of images that are to have none."""

from mml_lib.config.schema import StudyConfig
from mml_lib.data.colour_transforms import without_colours
from mml_lib.errors import MMLError
from mml_lib.images.transforms import check_colours, resolve
from mml_lib.tasks.pixel_format import GREY, PixelFormat
from mml_lib.tasks.task_identity import TaskIdentity

WITHOUT_COLOUR = ("grey", "luma")
"""Values of `images.channels` that convert all images to grey."""


def check_stated_colours(task: TaskIdentity, cfg: StudyConfig) -> None:
    """Refuse transforms and augmentations of colours for a task whose `images` leave none.

    Images without such a key are checked when their data set is created.

    Raises:
        MMLError: a transform needs colours.
    """
    images = task.source.get("images", {})
    window = images.get("window")
    if images.get("channels") in WITHOUT_COLOUR:
        pixels = PixelFormat(channels=GREY)
    elif isinstance(window, list):
        pixels = PixelFormat(channels=tuple(f"window {number}" for number in range(len(window))))
    else:
        return
    try:
        check_colours(resolve(cfg.preprocessing), pixels)
        for transform in cfg.augmentations.of(task.task_type):
            without_colours(transform.spec(), pixels)
    except MMLError as error:
        raise MMLError(f"tasks.{task.base_name}.images leaves no colour: {error}") from error
