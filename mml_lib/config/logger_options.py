"""The section of a study about a logger of Lightning: a service or a file that trainings report to."""

import importlib.util

from mml_lib.config.sections import Target
from mml_lib.errors import nearest

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
"""Arguments of `pip install` where they are not the name of the package."""


def checked_logger(target: Target) -> Target:
    """Return a logger that can be used.

    Raises:
        ValueError: Lightning has no such logger, or its package is missing.
    """
    module, _, name = target.target.rpartition(".")
    if module not in LIGHTNING:
        return target  # one of the user's own
    if name not in PACKAGES:
        raise ValueError(f"Lightning has no logger '{name}' that can be used here{nearest(name, PACKAGES)}")
    package = PACKAGES[name]
    if package is not None and importlib.util.find_spec(package) is None:
        pip = INSTALLED_BY.get(package, package)
        raise ValueError(f"{name} needs the package {package}; pip install {pip}, or set it to null")
    return target
