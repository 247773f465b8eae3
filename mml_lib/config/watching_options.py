"""The sections of a study about logging trainings: TensorBoard, and loggers of Lightning."""

import importlib.util
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, NonNegativeInt, PositiveInt, model_validator

from mml_lib.config.sections import Section, Target
from mml_lib.errors import nearest

SAMPLES = 8
"""Number of samples of a picture that is switched on by `true`."""


def _counted(value: Any) -> Any:
    return SAMPLES * value if isinstance(value, bool) else value


Samples = Annotated[NonNegativeInt, BeforeValidator(_counted, json_schema_input_type=bool | NonNegativeInt)]


class TensorBoard(Section):
    """TensorBoard pictures of a training, in addition to the curves of its history."""

    images: Samples = Field(
        0, description=f"Number of training images to show, augmented and mixed; true: {SAMPLES}, 0: none."
    )
    predictions: Samples = Field(
        0, description=f"Number of validation images with true and predicted values; true: {SAMPLES}, 0: none."
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
            raise ValueError(
                "the package tensorboard is missing; pip install 'mml[tensorboard]', or set tensorboard: null"
            )
        return self


LIGHTNING = ("lightning.pytorch.loggers", "pytorch_lightning.loggers")
"""Modules of Lightning's own loggers."""

PACKAGES = {
    "CSVLogger": None,
    "CometLogger": "comet_ml",
    "MLFlowLogger": "mlflow",
    "TensorBoardLogger": "tensorboard",
    "WandbLogger": "wandb",
}
"""Packages that Lightning's loggers need."""

INSTALLED_BY = {"comet_ml": "comet-ml", "tensorboard": "'mml[tensorboard]'"}
"""Arguments of `pip install` that differ from the name of the package."""


def checked_logger(target: Target) -> Target:
    """Return a logger after checking that it can be used.

    Raises:
        ValueError: Lightning has no such logger, or its package is missing.
    """
    module, _, name = target.target.rpartition(".")
    if module not in LIGHTNING:
        return target  # the user's own logger
    if name not in PACKAGES:
        raise ValueError(f"Lightning has no logger '{name}' that can be used here{nearest(name, PACKAGES)}")
    package = PACKAGES[name]
    if package is not None and importlib.util.find_spec(package) is None:
        pip = INSTALLED_BY.get(package, package)
        raise ValueError(f"{name} needs the package {package}; pip install {pip}, or set logger: null")
    return target
