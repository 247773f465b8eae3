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

from mml_lib.config.schema import LRScheduler
from mml_lib.config.targets import instantiate
from mml_lib.data.augmentation import Augmentation
from mml_lib.errors import MMLError
from mml_lib.models.network import Network

logger = logging.getLogger(__name__)


class MMLModule(LightningModule):
    """Trains the head of one task, and the backbone with it.

    All randomness of a batch follows from seed, epoch and batch, so a resumed training is the uninterrupted one.

    Args:
        network: what is trained.
        task: whose head is used.
        mean, std: per channel, 3 values each, for images in 0..1.
        loss: called with logits and targets.
        optimizer: spec of the optimizer.
        lr_scheduler: its learning-rate scheduler, if any.
        augmentation: applied to training images.
        metrics: torchmetrics by name, for validation.
        seed: seed of the training.
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
    ):
        super().__init__()
        self.network = network
        self.task = task
        self.loss = loss
        self.augmentation = augmentation
        self.metrics = nn.ModuleDict(metrics)
        self.optimizer_spec = optimizer
        self.lr_scheduler = lr_scheduler
        self.seed = seed
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)
        self.history: list[dict[str, float]] = []
        self.seconds = 0.0
        self._losses: list[tuple[int, torch.Tensor]] = []
        self._outputs: list[tuple[torch.Tensor, torch.Tensor]] = []
        self._epoch_started = 0.0

    def prepare(self, images: torch.Tensor, augment: bool = False) -> torch.Tensor:
        """Return normalised floats N×3×H×W for uint8 images of the same shape."""
        images = images.to(self.mean.dtype).div_(255)
        if augment:
            images = self.augmentation(images)
        return (images - self.mean) / self.std

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits for uint8 images N×3×H×W."""
        return self.network(self.prepare(images), self.task)

    def on_train_epoch_start(self) -> None:
        self._epoch_started = time.monotonic()

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Seed everything for this batch."""
        seed = int(np.random.SeedSequence([self.seed, self.current_epoch, batch_idx]).generate_state(1)[0])
        torch.manual_seed(seed)
        np.random.seed(seed)
        random.seed(seed)

    def training_step(self, batch: Mapping[str, torch.Tensor], batch_idx: int) -> torch.Tensor:
        images = self.prepare(batch["image"], augment=True)
        loss = self.loss(self.network(images, self.task), batch["target"])
        self._losses.append((len(images), loss.detach()))
        return loss

    def validation_step(self, batch: Mapping[str, torch.Tensor], batch_idx: int) -> None:
        self._outputs.append((self(batch["image"]).float(), batch["target"]))

    def on_validation_epoch_end(self) -> None:
        """Compute loss and metrics once, on all gathered outputs."""
        logits, targets = (torch.cat(parts) for parts in zip(*self._outputs, strict=True))
        self._outputs.clear()
        self.log("val/loss", self.loss(logits, targets))
        for name, metric in self.metrics.items():
            self.log(f"val/{name}", metric(logits, targets).float())
            metric.reset()

    def on_train_epoch_end(self) -> None:
        """Log the mean loss of the epoch, and write the epoch down."""
        counts, losses = zip(*self._losses, strict=True)
        self._losses.clear()
        weights = torch.tensor(counts, dtype=torch.float32, device=self.device)
        mean_loss = torch.stack(losses).float() @ weights / weights.sum()
        if not torch.isfinite(mean_loss):
            raise MMLError(
                f"the loss of {self.task} became {mean_loss.item()} in epoch {self.current_epoch}; "
                "lower optimizer.lr or set trainer.gradient_clip_val"
            )
        self.log("train/loss", mean_loss)
        self.seconds += time.monotonic() - self._epoch_started
        # Callbacks that monitor a metric, the checkpoint among them, run after this hook.
        row = {"epoch": self.current_epoch, "lr": self._lr(), "train/loss": mean_loss.item()}
        row |= {key: value.item() for key, value in self.trainer.callback_metrics.items() if key.startswith("val/")}
        self.history.append(row)
        words = "  ".join(f"{key} {value:.4g}" for key, value in row.items() if key != "epoch")
        logger.info("epoch %d of %d: %s", self.current_epoch + 1, self.trainer.max_epochs, words)

    def _lr(self) -> float:
        return float(self.trainer.optimizers[0].param_groups[0]["lr"])

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["mml"] = {"history": self.history, "seconds": self.seconds}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.history = list(checkpoint["mml"]["history"])
        self.seconds = checkpoint["mml"]["seconds"]

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
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": self.lr_scheduler.interval, "monitor": "val/loss"},
        }
