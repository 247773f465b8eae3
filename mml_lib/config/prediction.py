"""The section of a study that says how a trained network predicts."""

from typing import Literal

from pydantic import Field

from mml_lib.config.sections import Section, Target


class TTA(Section):
    """Test-time augmentation: each image is predicted as it is and in further views, and the outputs are merged."""

    transforms: list[Target] = Field(
        default_factory=list,
        description="The further views, each by a class with `do` and, for masks, `undo` (see mml_lib.data.tta); "
        "[] predicts images as they are.",
    )
    merge: Literal["mean", "max"] = Field(
        "mean", description="The mean of the views' probabilities (or values), or their maximum (not for values)."
    )
