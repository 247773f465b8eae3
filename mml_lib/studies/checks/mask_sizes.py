"""Check that networks which are compared, or joined, predict masks of the same size."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from mml_lib.errors import MMLError
from mml_lib.images.transforms import transforms_of_masks
from mml_lib.machine.terminal import summarized
from mml_lib.pipelines.digests import digest
from mml_lib.pipelines.trained_networks import TrainedNetwork

if TYPE_CHECKING:
    from mml_lib.studies.study import Study


def check_mask_sizes(study: "Study", task: str, mode: str, networks: Iterable[TrainedNetwork]) -> None:
    """Refuse networks of a segmentation whose masks differ in size: pixels of one have no partner in the other.

    Masks have the size of the packed images, or with `patches` that of the delivered ones.

    Args:
        study: the study.
        task: task that is predicted.
        mode: name of the mode.
        networks: that answer the task together.

    Raises:
        MMLError: the runs of each size.
    """
    runs: dict[str, dict[str, None]] = {}
    for trained, run, project in dict.fromkeys((network.task, network.run, network.project) for network in networks):
        pipeline = (study.runs.read(trained, run, project) if project else study.run(trained, run)).pipeline
        runs.setdefault(digest(transforms_of_masks(pipeline)), {})[run] = None
    if len(runs) > 1:
        listed = " from ".join(summarized(alike) for alike in runs.values())
        raise MMLError(
            f"mode.{mode}: masks of {task} differ in size, those of the runs {listed}, by their preprocessing or "
            "patches, so they cannot be compared pixel by pixel; give all runs the same, or set mode: train, whose "
            "tables *-classes.csv measure all masks at the original size (dice_original)"
        )
