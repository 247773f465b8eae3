"""The Lightning trainer of a pipeline, and the history and model storage of a finished training."""

import csv
import io
import logging
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before lightning)
import timm
import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.loggers.logger import DummyLogger, Logger
from lightning.pytorch.plugins.environments import LightningEnvironment
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from mml_lib import __version__
from mml_lib.config.factories import instantiate
from mml_lib.config.schema import StudyConfig
from mml_lib.errors import MMLError
from mml_lib.models.model_storage import ModelStorage
from mml_lib.training.checkpoints import LatestCheckpoints, WholeCheckpointIO
from mml_lib.training.guards import FiniteGuard, MemoryGuard
from mml_lib.training.hardware import EnergyMeter, hardware_of, measured_energy
from mml_lib.training.module import MMLModule
from mml_lib.training.watching import Board

for _name in ("lightning.pytorch", "lightning.fabric"):  # they repeat MML's log, and add advertisements
    logging.getLogger(_name).handlers.clear()
    logging.getLogger(_name).setLevel(logging.WARNING)


def build_trainer(
    cfg: StudyConfig, checkpoints: Path, arguments: Mapping[str, Any], watching: Sequence[Callback] = ()
) -> Trainer:
    """Return the trainer of a pipeline.

    Args:
        cfg: config of the step.
        checkpoints: folder of the training's checkpoints.
        arguments: arguments of the trainer, which take precedence over the config.
        watching: callbacks that observe the training.

    Raises:
        MMLError: the accelerator is not available, or the trainer or a callback refuses its arguments.
    """
    settings = {key: value for key, value in cfg.trainer.model_dump().items() if value is not None}
    if settings.pop("deterministic"):
        settings["deterministic"] = "warn"  # do not fail for operations without a deterministic implementation
        torch.utils.deterministic.fill_uninitialized_memory = False  # which costs a GPU an eighth of its time
    callbacks = [
        FiniteGuard(),
        *watching,
        *(_callback(name, callback.spec()) for name, callback in cfg.callbacks.items()),
        MemoryGuard(),
        EnergyMeter(),
        LatestCheckpoints(checkpoints),
    ]
    settings |= {
        "callbacks": callbacks,
        "plugins": [WholeCheckpointIO(), LightningEnvironment()],
        "use_distributed_sampler": False,  # `BatchSampler` divides batches itself
        "logger": _logger(cfg, watching),
        "log_every_n_steps": 1,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "num_sanity_val_steps": 0,
        "default_root_dir": checkpoints,
    }
    try:
        return Trainer(**settings | dict(arguments))
    except (MisconfigurationException, TypeError, ValueError) as error:
        if re.search("accelerator|backend", str(error)):
            raise MMLError(f"trainer.accelerator '{cfg.trainer.accelerator}' is not available: {error}") from error
        raise MMLError(f"trainer: {error}") from error


def _logger(cfg: StudyConfig, watching: Sequence[Callback]) -> Logger | bool:
    """Return the logger of the config's callbacks, because a learning-rate monitor requires one."""
    if not cfg.callbacks:
        return False  # the module keeps the history
    boards = [callback.logger for callback in watching if isinstance(callback, Board)]
    return boards[0] if boards else DummyLogger()


def _callback(name: str, spec: Mapping[str, Any]) -> Callback:
    """Return a callback of the config."""
    try:
        return instantiate(spec, Callback)
    except (MMLError, MisconfigurationException) as error:
        raise MMLError(f"callbacks.{name}: {error}") from error


def history_csv(history: Sequence[Mapping[str, float]]) -> str:
    """Return the history of a training as CSV, one row per epoch."""
    text = io.StringIO()
    columns = dict.fromkeys(column for row in history for column in row)  # epochs without validation have fewer columns
    writer = csv.DictWriter(text, fieldnames=list(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    return text.getvalue()


def storage_of(
    model: MMLModule, trainer: Trainer, kept: Mapping[str, float], tokens: Mapping[str, Any], created: str
) -> ModelStorage:
    """Return the model storage of a finished training.

    Args:
        model: trained module.
        trainer: trainer of the module.
        kept: row of the history of the epoch whose weights are kept.
        tokens: task, run and fold of the network.
        created: date and time of the end of the training.
    """
    metrics = {
        key: value if math.isfinite(value) else None for key, value in kept.items() if key not in ("epoch", "lr")
    }
    return ModelStorage(
        **tokens,
        performance=metrics["val/loss"],
        metrics=metrics,
        epochs=len(model.history),
        stored_epoch=int(kept["epoch"]),
        training_time=round(model.seconds, 3),
        num_parameters=sum(p.numel() for p in model.network.parameters() if p.requires_grad),
        device=str(trainer.strategy.root_device),
        versions={"mml": __version__, "torch": torch.__version__, "timm": timm.__version__},
        created=created,
        hardware=hardware_of(trainer.strategy.root_device),
        energy_kwh=measured_energy(trainer),
    )
