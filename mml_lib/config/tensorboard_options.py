"""The section of a study about TensorBoard logs of trainings."""

import importlib.util
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, NonNegativeInt, PositiveInt, model_validator

from mml_lib.config.sections import Section

SAMPLES = 8
"""Number of samples of a picture that is switched on by `true`."""


def _counted(value: Any) -> Any:
    return SAMPLES * value if isinstance(value, bool) else value


Samples = Annotated[NonNegativeInt, BeforeValidator(_counted, json_schema_input_type=bool | NonNegativeInt)]


class TensorBoard(Section):
    """TensorBoard pictures of a training, in addition to the curves of its history."""

    images: Samples = Field(
        0, description=f"Training images as the network sees them, augmented and mixed; true: {SAMPLES}, 0: none."
    )
    predictions: Samples = Field(
        0, description=f"Validation images with what is true and what is predicted; true: {SAMPLES}, 0: none."
    )
    confusion_matrix: bool = Field(
        False,
        description="Show the confusion matrix of the validation split (images or pixels; one per label for "
        "multi-label tasks); for regression, predictions against targets.",
    )
    every_n_epochs: PositiveInt = Field(1, description="Interval in epochs at which the pictures are drawn.")

    @property
    def observes(self) -> bool:
        """True if pictures are drawn."""
        return bool(self.images or self.predictions or self.confusion_matrix)

    @model_validator(mode="after")
    def _is_installed(self) -> "TensorBoard":
        if importlib.util.find_spec("tensorboard") is None:
            raise ValueError("the package tensorboard is missing; pip install 'mml[tensorboard]', or set it to null")
        return self
