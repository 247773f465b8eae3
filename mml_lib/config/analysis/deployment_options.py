"""The sections of a study that use trained networks: `apply` and `export`."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PositiveInt

from mml_lib.config.sections import Section, checked_run_id
from mml_lib.config.task_options import TaggedName

BEST, ENSEMBLE = "best", "ensemble"
"""Values of `run` other than a run id."""

NAME = r"^[A-Za-z0-9][A-Za-z0-9_.+~-]*$"


def _run_or_word(run: str) -> str:
    return run if run in (BEST, ENSEMBLE) else checked_run_id(run)


def _each_once(folds: list[int] | None) -> list[int] | None:
    """Return distinct folds, because a network that is listed twice would count twice in an average."""
    return None if folds is None else list(dict.fromkeys(folds))


class DeployedRun(Section):
    """Trained networks of a study to deploy."""

    task: TaggedName | None = Field(None, description="Task of the networks; unset: the pivot, or the only task.")
    run: Annotated[str, AfterValidator(_run_or_word)] = Field(
        BEST,
        description="Run id; best: the best run by validation; ensemble: the ensemble of mode post.",
    )
    folds: Annotated[list[Annotated[int, Field(ge=0, strict=True)]] | None, AfterValidator(_each_once)] = Field(
        None, min_length=1, description="Folds whose networks are averaged; unset: all."
    )


class Apply(DeployedRun):
    """Options of the mode apply."""

    images: str | None = Field(
        None,
        description="New images: a folder, a CSV with a column image (or file, path), an archive or an image file.",
    )
    name: Annotated[str, Field(pattern=NAME, max_length=100)] | None = Field(
        None, description="Name of the table APPLIED/<name>.csv; unset: that of the folder or file."
    )
    distance: Literal["features", "confidence", "none"] = Field(
        "features",
        description="Distance of each image to the training images: features (to the 10th nearest training image, "
        "between features of the network), confidence (1 minus the largest probability, for masks the mean over "
        "pixels), or none.",
    )
    warn_from: float = Field(
        0.99,
        gt=0,
        le=1,
        description="Warn about images that are farther from the training images than this share of the task's "
        "held-out images.",
    )
    masks: bool = Field(True, description="Write the masks of a segmentation as PNG files of class indices.")
    batch_size: PositiveInt = Field(32, description="Number of images per batch.")


class Export(DeployedRun):
    """Options of the mode export."""

    license: str | None = Field(
        None, description="Licence of the weights, for the model card, as an SPDX name such as mit or cc-by-4.0."
    )
    intended_use: str | None = Field(None, description="Intended use and users, for the model card.")
    limits: str | None = Field(None, description="Known limitations, for the model card.")
