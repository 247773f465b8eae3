"""Progress bar and TensorBoard of a training. Neither changes the training."""

import fcntl
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before lightning)
import torch
from lightning.pytorch import Callback, LightningDataModule, Trainer
from lightning.pytorch.loggers.logger import Logger
from tqdm import tqdm

from mml_lib.config.watching_options import TensorBoard
from mml_lib.images.display import displayed
from mml_lib.models.metric_modules import predictions_of
from mml_lib.task_types import IGNORE, TASK_TYPES
from mml_lib.tasks.struct import TaskStruct
from mml_lib.training.module import MMLModule

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

INTERVAL = 1.0
"""Seconds between updates of the progress bar, because each waits for the GPU to return a loss."""


class ProgressBar(Callback):
    """One line in a terminal, removed at the end of the training.

    Parallel trainings share the line: the first to lock the terminal uses it, and another one takes over at its end.
    The lock is a `flock`, so the kernel releases it when its process ends.

    Args:
        terminal: terminal for the progress bar.
        label: name of the training.
    """

    def __init__(self, terminal: TextIO, label: str):
        self.terminal = terminal
        self.label = label
        self._screen: TextIO | None = None
        self._bar: tqdm | None = None
        self._due = 0.0
        self._batches = 0
        self._first = 0
        self._started = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: MMLModule) -> None:
        self._batches = int(trainer.num_training_batches)  # now: it is one too many in the epoch of weight averaging
        self._first = len(pl_module.history) * self._batches
        self._started = time.monotonic()
        try:
            # Opened again, because locks belong to an open file, and all steps of a Snakemake inherit the same one.
            name = os.ttyname(self.terminal.fileno())
            self._screen = open(name, "w", encoding=self.terminal.encoding, opener=_open_without_control)
        except OSError:
            self._screen = None

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: MMLModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        now = time.monotonic()
        if now < self._due or self._screen is None:
            return
        self._due = now + INTERVAL
        done = pl_module.current_epoch * self._batches + batch_idx + 1
        try:
            if self._bar is None:
                fcntl.flock(self._screen, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._bar = self._new_bar(trainer.max_epochs * self._batches)
            rate = self._bar.format_dict["rate"] or (done - self._first) / (now - self._started)
            # Lightning divides the loss by the batches of an optimizer step.
            loss = float(outputs["loss"]) * trainer.accumulate_grad_batches
            self._bar.set_description_str(
                f"{self.label}: epoch {pl_module.current_epoch + 1} of {trainer.max_epochs}, "
                f"batch {batch_idx + 1} of {self._batches}, loss {loss:.4g}, {1 / rate:.3g} s/batch",
                refresh=False,
            )
            self._bar.update(done - self._bar.n)
        except BlockingIOError:
            pass  # another training uses the line
        except OSError:
            self._close()  # the terminal cannot be locked or written to; the training continues

    def _new_bar(self, total: int) -> tqdm:
        bar = tqdm(
            total=total,
            initial=self._first,
            file=self._screen,
            leave=False,
            dynamic_ncols=True,
            mininterval=0,
            miniters=1,
            delay=1e-6,  # suppresses the first drawing
            bar_format="{desc} |{bar}| {percentage:.0f}% {elapsed}<{remaining}",
        )
        # The training may be older than its bar.
        bar.start_t = bar.last_print_t = bar.start_t - (time.monotonic() - self._started)
        return bar

    def _close(self) -> None:
        bar, screen, self._bar, self._screen = self._bar, self._screen, None, None
        try:
            if bar is not None:
                bar.close()
            if screen is not None:
                screen.close()
        except OSError:
            pass

    def on_train_end(self, trainer: Trainer, pl_module: MMLModule) -> None:
        self._close()

    def on_exception(self, trainer: Trainer, pl_module: MMLModule, exception: BaseException) -> None:
        self._close()


def _open_without_control(path: str, flags: int) -> int:
    """Open a terminal without making it the controlling terminal of the process."""
    return os.open(path, flags | os.O_NOCTTY)


class ValidationOutputs:
    """Outputs of a network on a validation split: some samples at equal intervals, and counts or values of all.

    Args:
        samples: number of samples to keep.
        struct: the task.
        compares: True to count pairs of true and predicted classes, or to keep all values of a regression.
    """

    def __init__(self, samples: int, struct: TaskStruct, compares: bool):
        self.samples = samples
        self.struct = struct
        self.compares = compares
        self.kept: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = []
        self.compared: list[torch.Tensor] = []
        self._images_added = 0
        self._stride = 1

    def add(self, images: torch.Tensor, targets: torch.Tensor, outputs: torch.Tensor) -> None:
        """Add a batch: packed images N×C×H×W, targets, and outputs of the network."""
        outputs = outputs.detach()
        if self.compares:
            self._compare(targets, outputs)
        if not self.samples:
            return
        first = -self._images_added % self._stride
        self._images_added += len(images)
        rows = slice(first, None, self._stride)
        if first < len(images):
            predictions = predictions_of(self.struct.task_type, outputs[rows])
            batch = [tensor.cpu() for tensor in (images[rows], targets[rows], predictions)]
            self.kept += zip(*batch, strict=True)
        while len(self.kept) >= 2 * self.samples:
            self.kept = self.kept[::2]
            self._stride *= 2

    def _compare(self, targets: torch.Tensor, outputs: torch.Tensor) -> None:
        kind, classes = TASK_TYPES[self.struct.task_type], self.struct.num_classes
        if kind.has_values:
            self.compared.append(torch.stack([targets.to(outputs.dtype), outputs.squeeze(1)]))
            return
        if kind.is_multilabel:
            true, predicted = (targets >= 0.5).long(), (outputs >= 0).long()
            pairs, size = torch.arange(classes, device=true.device) * 4 + true * 2 + predicted, 4 * classes
            pairs = pairs[~targets.isnan()]
        else:
            counted = targets != IGNORE if kind.has_masks else slice(None)
            pairs, size = targets[counted] * classes + outputs.argmax(dim=1)[counted], classes**2
        counts = torch.bincount(pairs.flatten(), minlength=size)
        self.compared = [counts + self.compared[0] if self.compared else counts]

    def selected(self) -> list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        """Return image, target and prediction of at most `samples` samples."""
        count = min(self.samples, len(self.kept))
        return [self.kept[number * len(self.kept) // count] for number in range(count)]

    def predictions(self) -> Any:
        """Return the picture of the selected samples, H×W×3 (uint8)."""
        from mml_lib.training.pictures import draw_predictions

        samples = self.selected()
        images = [displayed(image.permute(1, 2, 0).numpy()) for image, _, _ in samples]
        targets, outputs = ([sample[place].numpy() for sample in samples] for place in (1, 2))
        return draw_predictions(images, targets, outputs, self.struct.classes, self.struct.task_type)

    def comparison(self) -> Any:
        """Return the picture of the confusion matrix, or of predicted over true values, H×W×3 (uint8)."""
        from mml_lib.training.pictures import draw_confusion, draw_label_confusions, draw_scatter

        kind, classes = TASK_TYPES[self.struct.task_type], self.struct.classes
        if kind.has_values:
            return draw_scatter(*torch.cat(self.compared, dim=1).float().cpu().numpy())
        counts = self.compared[0].cpu().numpy()
        if kind.is_multilabel:
            return draw_label_confusions(counts.reshape(-1, 2, 2), classes)
        unit = "pixels" if kind.has_masks else "images"
        return draw_confusion(counts.reshape(len(classes), -1), classes, unit)


class StepLogger(Logger):
    """Values that Lightning callbacks log, such as a learning-rate monitor, by batch, in separate event files.

    Args:
        folder: folder of the event files.
    """

    def __init__(self, folder: Path):
        super().__init__()
        self.folder = folder
        self._writer: SummaryWriter | None = None
        self._steps: dict[str, int | None] = {}

    @property
    def name(self) -> str:
        return "tensorboard"

    @property
    def version(self) -> int:
        return 0

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Write numbers, except those of the module, which `Board` writes by epoch."""
        by_batch = {
            key: value for key, value in metrics.items() if key != "epoch" and key.split("/")[0] not in OF_EPOCHS
        }
        if not by_batch:
            return
        if self._writer is None:
            # An interrupted training may have written later steps, which are purged.
            self._writer = _writer(self.folder, purge_step=step)
        for key, value in by_batch.items():
            if self._steps.get(key) != step:  # a monitor logs the first step of an epoch twice
                self._steps[key] = step
                self._writer.add_scalar(key, value, step)

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing: the pipeline is stored elsewhere."""

    def save(self) -> None:
        if self._writer is not None:
            self._writer.flush()

    def finalize(self, status: str) -> None:
        if self._writer is not None:
            self._writer.close()


OF_EPOCHS = ("train", "val")
"""First parts of the keys of values by epoch."""


class Board(Callback):
    """Writes a training to event files of TensorBoard: the columns of its history, and pictures on request.

    An epoch is written before its checkpoint, and a resumed training replaces the events after its checkpoint.
    Therefore the files contain each epoch once.

    Args:
        folder: folder of the event files.
        config: which pictures to draw, and how often.
    """

    def __init__(self, folder: Path, config: TensorBoard):
        self.folder = folder
        self.config = config
        self.logger = StepLogger(folder / "batches")
        self._writer: SummaryWriter | None = None
        self._structs: dict[str, TaskStruct] = {}
        self._written = 0
        self._seconds = 0.0
        self._draws = False
        self._training_samples: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}
        self._outputs: ValidationOutputs | None = None

    def on_train_start(self, trainer: Trainer, pl_module: MMLModule) -> None:
        data: LightningDataModule = trainer.datamodule
        self._structs = {struct.name: struct for struct in (data.struct, *data.co_structs)}
        self._written, self._seconds = len(pl_module.history), pl_module.seconds
        self._writer = _writer(self.folder, purge_step=self._written)
        if self.config.observes:
            pl_module.observer = self  # now, because averaging callbacks have already copied the module

    def on_train_epoch_start(self, trainer: Trainer, pl_module: MMLModule) -> None:
        self._draws = (pl_module.current_epoch + 1) % self.config.every_n_epochs == 0
        self._training_samples, self._outputs = {}, None

    def on_validation_start(self, trainer: Trainer, pl_module: MMLModule) -> None:
        self._outputs = None

    def observe_batch(self, task: str, images: torch.Tensor, targets: torch.Tensor) -> None:
        """Keep the first training images of a task in an epoch, N×C×H×W in 0..1, and their targets."""
        count = self.config.images
        if self._draws and count and task not in self._training_samples:
            self._training_samples[task] = images[:count].detach().float().cpu(), targets[:count].float().cpu()

    def observe_outputs(self, task: str, images: torch.Tensor, targets: torch.Tensor, outputs: torch.Tensor) -> None:
        """Keep samples and counts of a validation batch: packed images N×C×H×W, targets and outputs."""
        if not self._draws or not (self.config.predictions or self.config.confusion_matrix):
            return
        if self._outputs is None:
            self._outputs = ValidationOutputs(
                self.config.predictions, self._structs[task], self.config.confusion_matrix
            )
        self._outputs.add(images, targets, outputs)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: MMLModule, checkpoint: dict[str, Any]) -> None:
        """Write the epoch whose checkpoint is about to be written."""
        if self._writer is None or len(pl_module.history) == self._written:
            return
        row = pl_module.history[-1]
        self._written, step = len(pl_module.history), int(row["epoch"])
        self._writer.add_scalar("seconds", pl_module.seconds - self._seconds, step)
        self._seconds = pl_module.seconds
        for key, value in row.items():
            if key != "epoch":
                self._writer.add_scalar(key, value, step)
        self._draw(self._writer, step)
        self._writer.flush()
        self.logger.save()

    def _draw(self, writer: "SummaryWriter", step: int) -> None:
        pictures = {f"images/{task}": self._picture(task, *batch) for task, batch in self._training_samples.items()}
        if self._outputs is not None and self._outputs.kept:
            pictures[f"predictions/{self._outputs.struct.name}"] = self._outputs.predictions()
        if self._outputs is not None and self._outputs.compared:
            pictures[f"confusion_matrix/{self._outputs.struct.name}"] = self._outputs.comparison()
        for tag, picture in pictures.items():
            writer.add_image(tag, picture, step, dataformats="HWC")
        self._training_samples, self._outputs = {}, None

    def _picture(self, task: str, images: torch.Tensor, targets: torch.Tensor) -> Any:
        from mml_lib.training.pictures import draw_samples

        struct = self._structs[task]
        pixels = [displayed(image) for image in images.permute(0, 2, 3, 1).numpy()]
        masks = TASK_TYPES[struct.task_type].has_masks
        return draw_samples(pixels, targets.byte().numpy() if masks else targets.numpy(), struct.classes, masks)

    def on_train_end(self, trainer: Trainer, pl_module: MMLModule) -> None:
        self._close(pl_module)

    def on_exception(self, trainer: Trainer, pl_module: MMLModule, exception: BaseException) -> None:
        self._close(pl_module)

    def _close(self, pl_module: MMLModule) -> None:
        pl_module.observer = None
        if self._writer is not None:
            self._writer.close()
            self._writer = None


def _writer(folder: Path, purge_step: int | None) -> "SummaryWriter":
    """Return a writer whose events replace existing ones from a step on."""
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder), purge_step=purge_step)
