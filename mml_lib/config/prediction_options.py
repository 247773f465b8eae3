"""The section of a study about predictions of trained networks."""

from typing import Literal

from pydantic import Field

from mml_lib.config.sections import Section, Target


class TTA(Section):
    """Test-time augmentation: predictions of the original image and of augmented views are merged."""

    transforms: list[Target] = Field(
        default_factory=list,
        description="Augmented views, each a class with `do` and, for masks, `undo` (see mml_lib.data.tta); []: no "
        "test-time augmentation.",
    )
    merge: Literal["mean", "max"] = Field(
        "mean",
        description="Merge the views by the mean of their probabilities or values, or by the maximum of "
        "their probabilities.",
    )
