"""The Lightning module: how a network learns a task."""

import logging
import random
import time
from collections.abc import Mapping
from typing import Any

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before lightning)
import numpy as np
import torch
from lightning.pytorch import LightningModule
from torch import nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from mml_lib.config.schema import StoreBest
from mml_lib.config.targets import instantiate
from mml_lib.config.training import LRScheduler
from mml_lib.data.augmentation import Augmentation
from mml_lib.data.mixing import BatchMixing
from mml_lib.errors import MMLError
from mml_lib.models.best import BestEpoch
from mml_lib.models.heads import ValueHead
from mml_lib.models.metrics import update, value_of
from mml_lib.models.network import Network

logger = logging.getLogger(__name__)


class MMLModule(LightningModule):
    """Trains the head of one task, and the backbone with it.

    All randomness of a batch follows from seed, epoch and batch, so a resumed training is the uninterrupted one.

    Args:
        network: what is trained.
        task: whose head is used.
        mean, std: per channel, 3 values each, for images in 0..1.
        loss: called with outputs and targets.
        optimizer: spec of the optimizer.
        lr_scheduler: its learning-rate scheduler, if any.
        augmentation: applied to training images.
        metrics: torchmetrics by name, for validation.
        seed: seed of the training.
        store_best: what tells the epoch whose weights are kept; None: the last.
        mixing: mixes augmented training images of a batch.
        compile_with: arguments of `torch.compile`, by which the network is trained; None: as it is.
    """

    def __init__(
        self,
        network: Network,
        task: str,
        mean: list[float],
        std: list[float],
        loss: nn.Module,
        optimizer: Mapping[str, Any],
        lr_scheduler: LRScheduler | None,
        augmentation: Augmentation,
        metrics: Mapping[str, Any],
        seed: int,
        store_best: StoreBest | None = None,
        mixing: BatchMixing | None = None,
        compile_with: Mapping[str, Any] | None = None,
    ):
        super().__init__()
        self.network = network
        self.best = BestEpoch(store_best) if store_best else None
        self.task = task
        self.loss = loss
        self.augmentation = augmentation
        self.mixing = mixing
        self.compile_with = compile_with
        self.metrics = nn.ModuleDict(metrics)
        self.optimizer_spec = optimizer
        self.lr_scheduler = lr_scheduler
        self.seed = seed
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)
        self.history: list[dict[str, float]] = []
        self.seconds = 0.0
        self._losses: list[tuple[int, torch.Tensor]] = []
        self._val_losses: list[tuple[int, torch.Tensor]] = []
        self._validated = False
        self._rate = 0.0
        self._epoch_started = 0.0

    @property
    def task_type(self) -> str:
        return self.network.heads[self.task]["task_type"]

    def scale(self, images: torch.Tensor) -> torch.Tensor:
        """Return floats in 0..1 for uint8 images of the same shape."""
        return images.to(self.mean.dtype).div_(255)

    def normalise(self, images: torch.Tensor) -> torch.Tensor:
        """Return what the network sees for floats N×3×H×W in 0..1."""
        return (images - self.mean) / self.std

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return outputs for uint8 images N×3×H×W: N×outputs, or N×classes×H×W."""
        return self.network(self.normalise(self.scale(images)), self.task)

    def loss_of(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the loss of a batch; of values it is that of the standardised ones.

        Raises:
            MMLError: the loss or the precision is not one for this type of task.
        """
        head = self.network.head_of(self.task)
        if isinstance(head, ValueHead):
            if targets.dtype == torch.bfloat16:
                raise MMLError(
                    "trainer.precision: bf16-true would round the values of a regression to 3 digits; set bf16-mixed"
                )
            outputs, targets = head.standardise(outputs).squeeze(1), head.standardise(targets)
        try:
            return self.loss(outputs, targets)
        except torch.OutOfMemoryError:
            raise
        except (IndexError, RuntimeError, TypeError, ValueError) as error:
            shapes = " with targets ".join("×".join(map(str, each.shape)) for each in (outputs, targets))
            raise MMLError(
                f"loss: {type(self.loss).__name__} does not take outputs {shapes} ({error}); set loss: default, or one "
                f"for {self.task_type}"
            ) from error

    def on_fit_start(self) -> None:
        if self.compile_with is not None:
            self.network.compile(**self.compile_with)  # in place: its weights keep their names

    def on_train_start(self) -> None:
        """Tell a plateau scheduler of the last epoch: Lightning tells it after the checkpoint, so not when resuming."""
        for config in self.trainer.lr_scheduler_configs if self.history else ():
            if config.reduce_on_plateau and len(self.history) % config.frequency == 0:
                config.scheduler.step(self.history[-1][config.monitor])

    def on_train_epoch_start(self) -> None:
        self._epoch_started = time.monotonic()

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Seed everything for this batch, and note its learning rate."""
        self._rate = float(self.trainer.optimizers[0].param_groups[0]["lr"])
        seed = int(np.random.SeedSequence([self.seed, self.current_epoch, batch_idx]).generate_state(1)[0])
        torch.manual_seed(seed)
        np.random.seed(seed)
        random.seed(seed)

    def training_step(self, batch: Mapping[str, torch.Tensor], batch_idx: int) -> torch.Tensor:
        images, targets = self.scale(batch["image"]), batch["target"]
        if self.task_type == "semantic_segmentation":
            images, targets = self.augmentation.with_masks(images, targets)
        else:
            images = self.augmentation(images)
        if self.mixing:
            images, targets = self.mixing(images, targets)
        loss = self.loss_of(self.network(self.normalise(images), self.task), targets)
        self._losses.append((len(images), loss.detach()))
        return loss

    def validation_step(self, batch: Mapping[str, torch.Tensor], batch_idx: int) -> None:
        outputs, targets = self(batch["image"]).float(), batch["target"]
        self._val_losses.append((len(targets), self.loss_of(outputs, targets)))
        for metric in self.metrics.values():
            update(metric, self.task_type, outputs, targets)

    def on_validation_epoch_end(self) -> None:
        """Log loss and metrics of the whole split; a metric that its samples leave undefined is NaN."""
        self._validated = True
        self.log("val/loss", _mean(self._val_losses))
        self._val_losses.clear()
        for name, metric in self.metrics.items():
            self.log(f"val/{name}", value_of(name, metric))
            metric.reset()

    def on_train_epoch_end(self) -> None:
        """Log the mean loss of the epoch, and write the epoch down."""
        mean_loss = _mean(self._losses)
        self._losses.clear()
        if not torch.isfinite(mean_loss):
            raise MMLError(
                f"the loss of {self.task} became {mean_loss.item()} in epoch {self.current_epoch}; "
                "lower optimizer.lr or set trainer.gradient_clip_val"
            )
        self.log("train/loss", mean_loss)
        self.seconds += time.monotonic() - self._epoch_started
        # Callbacks that monitor a metric, the checkpoint among them, run after this hook.
        row = {"epoch": self.current_epoch, "lr": self._rate, "train/loss": mean_loss.item()}
        if self._validated:
            row |= {key: value.item() for key, value in self.trainer.callback_metrics.items() if key.startswith("val/")}
            self._validated = False
        self.history.append(row)
        if self.best and self.best.config.key in row:
            self.best.see(self.network, row)
        words = "  ".join(f"{key} {value:.4g}" for key, value in row.items() if key != "epoch")
        logger.info("epoch %d of %d: %s", self.current_epoch + 1, self.trainer.max_epochs, words)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["mml"] = {"history": self.history, "seconds": self.seconds, "stopped": self.trainer.should_stop}
        if self.best:
            checkpoint["mml"]["best"] = self.best.state()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.history = list(checkpoint["mml"]["history"])
        self.seconds = checkpoint["mml"]["seconds"]
        self.trainer.should_stop = checkpoint["mml"].get("stopped", False)  # Lightning forgets it
        if self.best:
            self.best.load(checkpoint["mml"]["best"])

    def keep_best(self) -> dict[str, float]:
        """Give the network the weights to keep, and return their epoch's row of the history."""
        if self.best is None:
            return self.history[-1]
        epoch = self.best.restore(self.network)
        return next(row for row in self.history if row["epoch"] == epoch)

    def configure_optimizers(self) -> Any:
        parameters = [parameter for parameter in self.parameters() if parameter.requires_grad]
        optimizer = instantiate(self.optimizer_spec, parameters)
        if self.lr_scheduler is None:
            return optimizer
        words = {
            "${max_epochs}": self.trainer.max_epochs,
            "${total_steps}": int(self.trainer.estimated_stepping_batches),
            "${lr}": self.optimizer_spec.get("lr"),
        }
        spec = {
            key: words.get(value, value) if isinstance(value, str) else value
            for key, value in self.lr_scheduler.spec().items()
        }
        scheduler = instantiate(spec, optimizer)
        config = {"scheduler": scheduler, "interval": self.lr_scheduler.interval, "monitor": self.lr_scheduler.monitor}
        if isinstance(scheduler, ReduceLROnPlateau):
            config["frequency"] = self.trainer.check_val_every_n_epoch
        return {"optimizer": optimizer, "lr_scheduler": config}


def _mean(losses: list[tuple[int, torch.Tensor]]) -> torch.Tensor:
    """Return the mean loss of batches, weighted by their samples."""
    counts, values = zip(*losses, strict=True)
    weights = torch.tensor(counts, dtype=torch.float32, device=values[0].device)
    return torch.stack(values).float() @ weights / weights.sum()
