"""Guards: a training with infinite values or too little memory ends with one line that states a remedy."""

import logging
import math
from collections.abc import Mapping
from typing import Any

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before lightning)
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch.nn.utils import get_total_norm

from mml_lib.errors import TrainingFailed
from mml_lib.machine.leases import own_share

logger = logging.getLogger(__name__)

EVERY = 50
"""Number of batches between checks of the losses, because each check waits for the GPU."""


class FiniteGuard(Callback):
    """Ends a training when losses or weights are no longer finite, before they are written to a checkpoint."""

    def __init__(self) -> None:
        self._losses: list[torch.Tensor] = []
        self._batch = 0
        self._stepped = False

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._losses.clear()
        self._stepped = False

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Mapping[str, Any], batch: Any, batch_idx: int
    ) -> None:
        self._losses.append(outputs["loss"])
        self._batch = batch_idx
        self._stepped = True
        if len(self._losses) == EVERY:
            self._check_losses(trainer, pl_module)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Check before metrics are computed, because some of them refuse infinite values with other messages."""
        self._check_all(trainer, pl_module)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        loss = trainer.callback_metrics.get("val/loss")
        if loss is not None and not torch.isfinite(loss):
            logger.warning(
                "the validation loss of %s is %s in epoch %d, its training loss is finite: training continues, and "
                "store_best does not choose this epoch",
                pl_module.task,
                loss.item(),
                trainer.current_epoch,
            )

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._check_all(trainer, pl_module)

    def _check_all(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Check the losses, and the weights after the last optimizer step, which affects no loss yet."""
        self._check_losses(trainer, pl_module)
        if self._stepped:
            self._stepped = False
            weights = [weight.detach() for weight in pl_module.parameters() if weight.requires_grad]
            largest = get_total_norm(weights, math.inf)
            if not torch.isfinite(largest):
                raise _diverged(trainer, pl_module, "weights", largest.item(), self._batch)

    def _check_losses(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not self._losses:
            return
        losses = torch.stack(self._losses).float()  # as in the history
        first = self._batch - len(losses) + 1
        self._losses.clear()
        finite = losses.isfinite()
        if not finite.all():
            place = int(finite.int().argmin())
            raise _diverged(trainer, pl_module, "loss", losses[place].item(), first + place)


def _diverged(trainer: Trainer, pl_module: LightningModule, what: str, value: float, batch: int) -> TrainingFailed:
    clipped = trainer.gradient_clip_val
    remedies = ["lower optimizer.lr", "lower trainer.gradient_clip_val" if clipped else "set trainer.gradient_clip_val"]
    if trainer.precision == "16-mixed":
        remedies.append("set trainer.precision: bf16-mixed")
    before = trainer.current_epoch - 1
    kept = f", and the checkpoint of epoch {before} of this one is kept" if before >= 0 else ""
    return TrainingFailed(
        f"the {what} of {', '.join(pl_module.network.heads)} became {value} at batch {batch} (from 0) in epoch "
        f"{trainer.current_epoch}; {', '.join(remedies[:-1])} or {remedies[-1]} (which makes a new run{kept})"
    )


class MemoryGuard(Callback):
    """Reports a batch that does not fit into memory, with a remedy."""

    def __init__(self) -> None:
        self._images = ""

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        self._images = describe_images(batch)

    def on_validation_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        self._images = describe_images(batch)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        if not is_out_of_memory(exception):
            return
        device, names = trainer.strategy.root_device, ", ".join(pl_module.network.heads)
        if not self._images:
            raise TrainingFailed(
                f"out of memory on {device} before the first batch of {names}; {gpu_share_remedy()}set a smaller arch, "
                "or free memory that other processes use"
            ) from exception
        remedy = (
            f"{gpu_share_remedy()}halve sampling.batch_size, and keep the effective batch by "
            f"trainer.accumulate_grad_batches: {2 * trainer.accumulate_grad_batches}"
        )
        if device.type == "cuda" and trainer.precision in ("32-true", "64-true"):
            remedy += "; or set trainer.precision: bf16-mixed"
        raise TrainingFailed(
            f"out of memory on {device} in epoch {trainer.current_epoch} of {names} with {self._images}; {remedy}"
        ) from exception


def is_out_of_memory(error: BaseException | None) -> bool:
    """Return True if an error, or an error that it was raised from, means a lack of memory."""
    if error is None:
        return False
    message = str(error)
    has_phrase = isinstance(error, RuntimeError) and any(
        phrase in message for phrase in ("out of memory", "can't allocate memory", "ALLOC_FAILED")
    )
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or has_phrase or is_out_of_memory(error.__cause__)


def gpu_share_remedy() -> str:
    """Return the remedy for a step with a share of a GPU; empty for others."""
    share = own_share()
    return f"raise gpu_mem_mb of its resources ({share} now), or " if share else ""


def describe_images(batch: Mapping[str, Any]) -> str:
    """Return the number and sizes of the images of a batch, or of the batches of several tasks, as text."""
    batches = [batch] if "image" in batch else list(batch.values())
    shapes = {tuple(item["image"].shape) for item in batches}
    return " and ".join(f"a batch of {shape[0]} images of {shape[2]}×{shape[3]}" for shape in sorted(shapes))
