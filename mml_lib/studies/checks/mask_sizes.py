"""Sizes of the masks that compared or joined networks predict."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mml_lib.errors import MMLError
from mml_lib.images.transforms import is_restorable, moves_pixels, transforms_of_masks
from mml_lib.machine.terminal import summarized
from mml_lib.pipelines.digests import digest
from mml_lib.pipelines.trained_networks import TrainedNetwork

if TYPE_CHECKING:
    from mml_lib.studies.study import Study

Transforms = Sequence[Mapping[str, Any]]


def mask_transforms(study: "Study", networks: Iterable[TrainedNetwork]) -> list[list[dict[str, Any]]]:
    """Return the transforms between delivered images and the masks of each network.

    Masks have the size of packed images or, with `patches`, of delivered images.
    """
    listed, by_run = [], {}
    for network in networks:
        key = network.task, network.run, network.project
        if key not in by_run:
            trained, run, project = key
            used = study.runs.read(trained, run, project) if project else study.run(trained, run)
            by_run[key] = transforms_of_masks(used.pipeline)
        listed.append(by_run[key])
    return listed


def differ_in_size(transforms: Iterable[Transforms]) -> bool:
    """Return True if masks of one image may differ in size, or in the part of the image that they show."""
    return len({digest(moves_pixels(of_network)) for of_network in transforms}) > 1


def check_mask_sizes(study: "Study", task: str, mode: str, networks: Sequence[TrainedNetwork]) -> bool:
    """Return True if networks of a segmentation predict masks of several sizes, which are compared at the original one.

    Args:
        study: the study.
        task: task that is predicted.
        mode: name of the mode.
        networks: that answer the task together.

    Raises:
        MMLError: masks cannot be restored to the original size because of the user's transforms.
    """
    transforms = mask_transforms(study, networks)
    if not differ_in_size(transforms):
        return False
    pairs = zip(networks, transforms, strict=True)
    own = list(dict.fromkeys(network.run for network, of_network in pairs if not is_restorable(of_network)))
    if own:
        raise MMLError(
            f"mode.{mode}: masks of {task} differ in size, and those of the runs {summarized(own)} cannot be brought "
            "to the original size, as their preprocessing has transforms of your own; give all runs one preprocessing"
        )
    return True
