"""Loggers of Lightning: they receive the pipeline and the history of a training, without changing them."""

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before lightning)
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.loggers.logger import Logger
from lightning.pytorch.utilities.seed import isolate_rng

from mml_lib.config.factories import TARGET, import_target, instantiate
from mml_lib.machine.terminal import warn
from mml_lib.pipelines.differences import flatten
from mml_lib.training.module import MMLModule

NAME = "{task} {run} fold {fold}"
"""Default name of a training in tracking services."""

DEFAULTS = {
    "CSVLogger": {"save_dir": "{folder}", "name": "", "version": ""},
    "TensorBoardLogger": {"save_dir": "{folder}", "name": "", "version": ""},
    "WandbLogger": {"save_dir": "{folder}", "project": "{project}", "name": NAME},
    "MLFlowLogger": {"experiment_name": "{project}", "run_name": NAME},
    "CometLogger": {"project": "{project}"},
}
"""Default arguments of Lightning's loggers."""


class RunLogging(Callback):
    """Reports a training to a logger, epoch by epoch.

    A resumed training reports all epochs again, so that the file or the new run in a service is complete. A logger
    that fails receives no further values; the training continues.

    Args:
        spec: `_target_` and arguments of the logger. The placeholders `{project}`, `{task}`, `{run}`, `{fold}` and
            `{folder}` in texts are replaced by the names of the training and the folder of the logger.
        names: project, task, run and fold of the training.
        folder: folder for files of the logger.
        pipeline: content of the pipeline, which is reported as hyper-parameters.
    """

    def __init__(self, spec: Mapping[str, Any], names: Mapping[str, Any], folder: Path, pipeline: Mapping[str, Any]):
        self.spec = spec
        self.names = {**names, "folder": folder}
        self.folder = folder
        self.pipeline = pipeline
        self._logger: Logger | None = None
        self._reported = 0

    def build(self) -> Logger:
        """Return the logger.

        Raises:
            MMLError: the logger cannot be built.
        """
        target = import_target(self.spec[TARGET])
        defaults = DEFAULTS.get(self.spec[TARGET].rpartition(".")[2], {})
        arguments = {**defaults, **self.spec}
        if "save_dir" in inspect.signature(target).parameters and "{folder}" in str(arguments.get("save_dir")):
            self.folder.mkdir(parents=True, exist_ok=True)
        return instantiate({key: self._without_placeholders(value) for key, value in arguments.items()}, Logger)

    def _without_placeholders(self, value: Any) -> Any:
        """Return a value in which the names of the training replace their placeholders."""
        if isinstance(value, str):
            for key, name in self.names.items():
                value = value.replace(f"{{{key}}}", str(name))
            return value
        if isinstance(value, Mapping):
            return {key: self._without_placeholders(item) for key, item in value.items()}
        return [self._without_placeholders(item) for item in value] if isinstance(value, list) else value

    def _attempt(self, call: Callable[[], Any]) -> Any:
        """Call a function of the logger. After a failure, the logger is no longer used."""
        try:
            with isolate_rng():  # a logger may draw random numbers
                return call()
        except Exception as error:
            self._logger = None
            reason = " ".join(str(error).split()) or type(error).__name__
            warn(f"logger {self.spec[TARGET]}: {reason}; the training continues without it")
            return None

    def on_train_start(self, trainer: Trainer, pl_module: MMLModule) -> None:
        self._reported = 0
        self._logger = self._attempt(self.build)
        self._call("log_hyperparams", flatten(self.pipeline))
        self._report(pl_module)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: MMLModule, checkpoint: dict[str, Any]) -> None:
        """Report the epoch whose checkpoint is about to be written."""
        self._report(pl_module)

    def _report(self, pl_module: MMLModule) -> None:
        rows, self._reported = pl_module.history[self._reported :], len(pl_module.history)
        for row in rows:
            values = {key: value for key, value in row.items() if key != "epoch"}
            self._call("log_metrics", values, step=int(row["epoch"]))
        if rows:
            self._call("save")

    def on_train_end(self, trainer: Trainer, pl_module: MMLModule) -> None:
        self._report(pl_module)
        self._call("finalize", "success")
        self._logger = None

    def on_exception(self, trainer: Trainer, pl_module: MMLModule, exception: BaseException) -> None:
        self._call("finalize", "failed")
        self._logger = None

    def _call(self, name: str, *arguments: Any, **keywords: Any) -> None:
        logger = self._logger
        if logger is not None:
            self._attempt(lambda: getattr(logger, name)(*arguments, **keywords))
