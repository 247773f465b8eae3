"""The section `explain` of a study: image regions that the predictions of the best run depend on."""

from typing import Literal

from pydantic import Field, PositiveInt

from mml_lib.config.sections import Section

GRAD_CAM, INTEGRATED_GRADIENTS = "grad_cam", "integrated_gradients"
"""Methods of explanations."""


class Explain(Section):
    """Explanations of predictions of the best run."""

    method: Literal["grad_cam", "integrated_gradients"] | None = Field(
        None,
        description="grad_cam: regions, from the last feature maps (of a vision transformer, its patch tokens); "
        "integrated_gradients: pixels, whose attributions sum to the difference from a baseline image; unset: "
        "grad_cam for networks with feature maps, otherwise integrated_gradients.",
    )
    images: PositiveInt = Field(
        6,
        le=50,
        description="Number of images in each group: correct, wrong, and the most confident mistakes; small and "
        "large errors of values; best and worst masks.",
    )
