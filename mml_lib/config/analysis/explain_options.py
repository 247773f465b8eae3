"""The section `explain` of a study: the parts of images by which the best run decides."""

from typing import Literal

from pydantic import Field, PositiveInt

from mml_lib.config.sections import Section

GRAD_CAM, INTEGRATED_GRADIENTS = "grad_cam", "integrated_gradients"
"""Methods of explanations."""


class Explain(Section):
    """Explanations of predictions of the best run."""

    method: Literal["grad_cam", "integrated_gradients"] | None = Field(
        None,
        description="grad_cam: regions, by the last feature maps (of a vision transformer, its patch tokens); "
        "integrated_gradients: pixels, whose values add up to the difference from a plain image; unset: grad_cam for "
        "networks with feature maps, otherwise integrated_gradients.",
    )
    images: PositiveInt = Field(
        6,
        le=50,
        description="Images of each group: right, wrong, and the most confident mistakes; small and large errors of "
        "values; best and worst masks.",
    )
