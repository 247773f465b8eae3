"""Tuning of learning rate and batch size before a training, by Lightning's tuner."""

import contextlib
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mml_lib.config.schema import StudyConfig
from mml_lib.config.training_options import Tune
from mml_lib.errors import MMLError
from mml_lib.files.stored import Stored

if TYPE_CHECKING:
    from lightning.pytorch import Trainer
    from lightning.pytorch.tuner import Tuner

    from mml_lib.data.datamodule import MMLDataModule
    from mml_lib.training.module import MMLModule


@dataclass(frozen=True)
class Tuning(Stored):
    """Result of a tuning.

    Args:
        lr: learning rate at the steepest descent of the loss; None if it was not tuned.
        batch_size: largest batch size that fits into memory; None if it was not tuned.
        curve: learning rates `lr` of the range test, and the smoothed `loss` at each; None for an infinite loss.
    """

    lr: float | None = None
    batch_size: int | None = None
    curve: Mapping[str, Sequence[float | None]] = field(default_factory=dict)

    KIND = "tuning"

    def merge_into(self, cfg: StudyConfig) -> StudyConfig:
        """Return a config with the learning rate and batch size of this tuning."""
        update: dict[str, Any] = {}
        if self.lr is not None:
            update["optimizer"] = cfg.optimizer.model_copy(update={"lr": self.lr})
        if self.batch_size is not None:
            update["sampling"] = cfg.sampling.model_copy(update={"batch_size": self.batch_size})
        return cfg.model_copy(update=update)


def _scale_batch_size(tuner: "Tuner", model: "MMLModule", data: "MMLDataModule", limit: int) -> int:
    """Return the largest batch size, at most `limit`, with which some steps succeed. It is doubled after each trial.

    Lightning may return a size that it has not tried (its limit), or one that failed (larger than the task). Therefore
    the sizes of successful trials are recorded here.
    """
    successful = []
    model.on_train_end = lambda: successful.append(data.batch_size)  # called at the end of each successful trial
    try:
        first = min(data.batch_size, limit)
        tuner.scale_batch_size(model, datamodule=data, init_val=first, max_val=2 * limit)
    finally:
        del model.on_train_end
    return min(max(successful), limit)


def tune(trainer: "Trainer", model: "MMLModule", data: "MMLDataModule", config: Tune) -> Tuning:
    """Return the tuned batch size and learning rate, in this order of tuning. The network is restored afterwards.

    Args:
        trainer: trainer without callbacks.
        model: module that will be trained.
        data: data of the training.
        config: options of the tuning.

    Raises:
        MMLError: the loss is infinite for all learning rates.
    """
    from lightning.pytorch.tuner import Tuner

    tuner, batch_size = Tuner(trainer), None
    if config.bs:
        batch_size = data.batch_size = _scale_batch_size(tuner, model, data, config.max_bs)
    if not config.lr:
        return Tuning(batch_size=batch_size)
    with contextlib.redirect_stderr(io.StringIO()):  # hides the progress bar; logs use another stream
        finder = tuner.lr_find(
            model,
            datamodule=data,
            min_lr=config.min_lr,
            max_lr=config.max_lr,
            num_training=config.num_training,
            update_attr=False,
        )
    lr = finder.suggestion()
    if lr is None:
        raise MMLError(
            f"tune.lr: the loss of {model.task} was infinite from the start; lower tune.min_lr ({config.min_lr})"
        )
    losses = [loss if math.isfinite(loss) else None for loss in finder.results["loss"]]
    return Tuning(lr, batch_size, {"lr": finder.results["lr"][: len(losses)], "loss": losses})
