"""The Lightning module that trains a network on one task or several."""

import logging
import random
import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before lightning)
import numpy as np
import torch
from lightning.pytorch import LightningModule
from torch import nn
from torch.optim import Optimizer, lr_scheduler

from mml_lib.config.factories import instantiate
from mml_lib.config.metric_options import StoreBest
from mml_lib.config.task_options import learned_as
from mml_lib.config.training_options import LRScheduler
from mml_lib.data.augmentation import Augmentation
from mml_lib.data.learned_divisions import DIVISIONS
from mml_lib.data.sliding_window import SlidingWindow
from mml_lib.models.metric_modules import update, value_of
from mml_lib.models.network import Network
from mml_lib.task_types import TASK_TYPES
from mml_lib.training.best_epoch import BestEpoch
from mml_lib.training.image_outputs import ImageOutputs
from mml_lib.training.objectives import Objective

logger = logging.getLogger(__name__)


Loss = tuple[float | torch.Tensor, torch.Tensor]
"""Number of samples in the mean, and the mean loss."""


class Observer(Protocol):
    """Receives the inputs and outputs of a network without changing them."""

    def observe_batch(self, task: str, images: torch.Tensor, targets: torch.Tensor) -> None:
        """Receive a training batch of a task: augmented and mixed images, N×C×H×W in 0..1, and targets."""

    def observe_outputs(self, task: str, images: torch.Tensor, targets: torch.Tensor, outputs: torch.Tensor) -> None:
        """Receive a validation batch of a task: packed images N×C×H×W, targets and outputs."""


class MMLModule(ImageOutputs, LightningModule):
    """Trains the heads of one or several tasks and their common backbone. Only the first task is validated.

    All randomness of a batch is a function of seed, epoch and batch, so a resumed training equals an uninterrupted one.

    Args:
        network: network that is trained, in place.
        objectives: objectives of the tasks, the main one first. With several tasks, a batch contains one batch of each,
            by task.
        mean, std: mean and standard deviation per channel of the network, C values each, for images in 0..1.
        optimizer: spec of the optimizer.
        lr_scheduler: learning-rate scheduler; None without one.
        augmentation: augmentation of training images, by task type or for all.
        metrics: torchmetrics by name, for validation.
        seed: seed of the training.
        store_best: metric of the best epoch, whose weights are kept; None: the last epoch is kept.
        compile_with: arguments of `torch.compile` for the network; None: it is not compiled.
        window: sliding window for whole images, if the network is trained on crops; None: whole images are one input.
    """

    def __init__(
        self,
        network: Network,
        objectives: Sequence[Objective],
        mean: list[float],
        std: list[float],
        optimizer: Mapping[str, Any],
        lr_scheduler: LRScheduler | None,
        augmentation: Augmentation | Mapping[str, Augmentation],
        metrics: Mapping[str, Any],
        seed: int,
        store_best: StoreBest | None = None,
        compile_with: Mapping[str, Any] | None = None,
        window: SlidingWindow | None = None,
    ):
        super().__init__()
        self.network = network
        self.best = BestEpoch(store_best) if store_best else None
        self.objectives = nn.ModuleList(objectives)
        self.task = objectives[0].task
        kinds = {objective.task_type for objective in objectives}
        by_type = augmentation if isinstance(augmentation, Mapping) else dict.fromkeys(kinds, augmentation)
        self.augmentation = nn.ModuleDict(by_type)
        self.compile_with = compile_with
        self.window = window
        self.metrics = nn.ModuleDict(metrics)
        self.optimizer_spec = optimizer
        self.lr_scheduler = lr_scheduler
        self.seed = seed
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1), persistent=False)
        self.history: list[dict[str, float]] = []
        self.observer: Observer | None = None
        self.seconds = 0.0
        self._losses: list[Loss] = []
        self._task_losses: dict[str, list[Loss]] = {part.task: [] for part in objectives}
        self._val_losses: list[Loss] = []
        self._checked: set[str] = set()
        self._validated = False
        self._rate = 0.0
        self.divisions: Mapping[str, str] = {}
        """Digest of the division of each task of the training."""
        self._epoch_started = 0.0

    def redirect(self, task: str) -> None:
        """Return outputs for another task from now on, by its head if the network has one, else by the first head."""
        self.task = learned_as(task, self.network.heads) or self.task

    def loss_of(
        self, outputs: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return the loss of a batch of the first task, weighted if samples have weights."""
        objective = self.objectives[0]
        return objective(self.network.head_of(objective.task), outputs, targets, weights)

    def on_fit_start(self) -> None:
        if self.compile_with is not None:
            self.network.compile(**self.compile_with)  # in place, so that weights keep their names

    def on_train_start(self) -> None:
        """Step a plateau scheduler by the last epoch. Lightning does so after the checkpoint, but not when resuming."""
        for config in self.trainer.lr_scheduler_configs if self.history else ():
            if config.reduce_on_plateau and len(self.history) % config.frequency == 0:
                config.scheduler.step(self.history[-1][config.monitor])

    def on_train_epoch_start(self) -> None:
        self._epoch_started = time.monotonic()

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Seed all random number generators for this batch, and store its learning rate."""
        self._rate = float(self.trainer.optimizers[0].param_groups[0]["lr"])
        rank = [self.global_rank] if self.global_rank else []  # processes of one training augment differently
        seed = int(np.random.SeedSequence([self.seed, self.current_epoch, batch_idx, *rank]).generate_state(1)[0])
        torch.manual_seed(seed)
        np.random.seed(seed)
        random.seed(seed)

    def training_step(self, batch: Mapping[str, Any], batch_idx: int) -> torch.Tensor:
        if len(self.objectives) == 1:
            batch = {self.task: batch}
        counted = [self._loss(objective, batch[objective.task]) for objective in self.objectives]
        losses = [loss for _, loss in counted]
        weighted = [objective.weight * loss for objective, loss in zip(self.objectives, losses, strict=True)]
        total = losses[0] if len(losses) == 1 else sum(weighted)
        for objective, (count, loss) in zip(self.objectives, counted, strict=True):
            self._task_losses[objective.task].append((count, loss.detach()))
        self._losses.append((counted[0][0] if len(losses) == 1 else len(batch[self.task]["image"]), total.detach()))
        return total

    def _loss(self, objective: Objective, batch: Mapping[str, torch.Tensor]) -> Loss:
        """Return the loss of a training batch of one task, with the number of its samples."""
        images, targets, weights = self.scale(batch["image"]), batch["target"], batch.get("weight")
        augmentation = self.augmentation[objective.task_type]
        segmentation = TASK_TYPES[objective.task_type].has_masks
        if objective.task not in self._checked:
            augmentation.check(images, targets if segmentation else None)
        if segmentation:
            images, targets = augmentation.with_masks(images, targets)
        else:
            images = augmentation(images)
        if objective.mixing:
            images, targets, weights = objective.mixing(images, targets, weights)
        if self.observer is not None:
            self.observer.observe_batch(objective.task, images, targets)
        outputs = self.network(self.normalise(images), objective.task)
        head = self.network.head_of(objective.task)
        if objective.task not in self._checked:
            objective.check(head, outputs, targets)
            self._checked.add(objective.task)
        return objective.counted(targets, weights), objective(head, outputs, targets, weights)

    def validation_step(self, batch: Mapping[str, torch.Tensor], batch_idx: int) -> None:
        outputs, targets = self.outputs_of_whole(batch["image"]), batch["target"]
        weights = batch.get("weight")
        counted = self.objectives[0].counted(targets, weights)
        self._val_losses.append((counted, self.loss_of(outputs, targets, weights)))
        if self.observer is not None:
            self.observer.observe_outputs(self.task, batch["image"], targets, outputs)
        for metric in self.metrics.values():
            update(metric, self.task_type, outputs, targets)

    def on_validation_epoch_end(self) -> None:
        """Log loss and metrics of the whole split; undefined metrics are NaN."""
        self._validated = True
        self.log("val/loss", _mean(self._val_losses), sync_dist=True)
        self._val_losses.clear()
        for name, metric in self.metrics.items():
            self.log(f"val/{name}", value_of(name, metric), sync_dist=True)
            metric.reset()

    def on_train_epoch_end(self) -> None:
        """Log the mean loss of the epoch, and add the epoch to the history."""
        mean_loss = self._mean_of_all(self._losses)
        self._losses.clear()
        self.log("train/loss", mean_loss, sync_dist=True)
        self.seconds += time.monotonic() - self._epoch_started
        # Callbacks that monitor a metric, the checkpoint among them, run after this hook.
        row = {"epoch": self.current_epoch, "lr": self._rate, "train/loss": mean_loss.item()}
        for task, losses in self._task_losses.items():
            if len(self.objectives) > 1:
                row[f"train/loss/{task}"] = self._mean_of_all(losses).item()
            losses.clear()
        if self._validated:
            row |= {key: value.item() for key, value in self.trainer.callback_metrics.items() if key.startswith("val/")}
            self._validated = False
        self.history.append(row)
        if self.best and self.best.config.key in row:
            self.best.update(self.network, row)
        values = "  ".join(f"{key} {value:.4g}" for key, value in row.items() if key != "epoch")
        logger.info("epoch %d of %d: %s", self.current_epoch + 1, self.trainer.max_epochs, values)

    def _mean_of_all(self, losses: list[Loss]) -> torch.Tensor:
        """Return the mean loss of batches over all processes of the training."""
        return self.trainer.strategy.reduce(_mean(losses), reduce_op="mean")

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["mml"] = {
            "history": self.history,
            "seconds": self.seconds,
            "stopped": self.trainer.should_stop,
            "torch": str(torch.__version__),
            "threads": torch.get_num_threads(),
            DIVISIONS: self.divisions,
        }
        if self.best:
            checkpoint["mml"]["best"] = self.best.state()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.history = list(checkpoint["mml"]["history"])
        self.seconds = checkpoint["mml"]["seconds"]
        self.trainer.should_stop = checkpoint["mml"]["stopped"]  # Lightning does not restore it
        threads = checkpoint["mml"]["threads"]
        if threads != torch.get_num_threads():  # the number of threads affects the order of additions
            logger.info("continuing with %d threads, as at the start of the training", threads)
            torch.set_num_threads(threads)
        if self.best:
            self.best.load(checkpoint["mml"]["best"])

    def keep_best(self) -> dict[str, float]:
        """Load the weights to keep into the network, and return the row of their epoch in the history."""
        if self.best is None:
            return self.history[-1]
        epoch = self.best.restore(self.network)
        return next(row for row in self.history if row["epoch"] == epoch)

    def create_optimizer(self) -> Optimizer:
        """Return a new optimizer of the trainable weights."""
        parameters = [parameter for parameter in self.parameters() if parameter.requires_grad]
        return instantiate(self.optimizer_spec, Optimizer, parameters)

    def configure_optimizers(self) -> Any:
        optimizer = self.create_optimizer()
        if self.lr_scheduler is None:
            return optimizer
        variables = {
            "${max_epochs}": self.trainer.max_epochs,
            "${total_steps}": int(self.trainer.estimated_stepping_batches),
            "${lr}": self.optimizer_spec.get("lr"),
        }
        spec = {
            key: variables.get(value, value) if isinstance(value, str) else value
            for key, value in self.lr_scheduler.spec().items()
        }
        scheduler = instantiate(spec, lr_scheduler.LRScheduler, optimizer)
        config = {"scheduler": scheduler, "interval": self.lr_scheduler.interval, "monitor": self.lr_scheduler.monitor}
        if isinstance(scheduler, lr_scheduler.ReduceLROnPlateau):
            config["frequency"] = self.trainer.check_val_every_n_epoch
        return {"optimizer": optimizer, "lr_scheduler": config}


def _mean(losses: Sequence[Loss]) -> torch.Tensor:
    """Return the mean loss of batches, weighted by their numbers of samples."""
    counts, values = zip(*losses, strict=True)
    if isinstance(counts[0], torch.Tensor):
        weights = torch.stack(counts).float()
    else:
        weights = torch.tensor(counts, dtype=torch.float32, device=values[0].device)
    total = weights.sum()
    return torch.stack(values).float() @ weights / total.where(total > 0, 1)
