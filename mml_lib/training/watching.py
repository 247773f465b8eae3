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
from mml_lib.models.metric_modules import answers_of
from mml_lib.task_types import IGNORE, TASK_TYPES
from mml_lib.tasks.struct import TaskStruct
from mml_lib.training.module import MMLModule

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

INTERVAL = 1.0
"""Seconds between two looks at a training; each waits for the GPU, for the loss of one batch."""


class ProgressBar(Callback):
    """One line in a terminal, removed at the end of the training.

    Trainings side by side share the line: the first to hold a lock on the terminal has it, and when that one ends,
    another takes it. The lock is the kernel's and goes with its process.

    Args:
        terminal: where to draw.
        label: what is trained.
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
        self._batches = int(trainer.num_training_batches)  # once: averaging counts one too many in its own epoch
        self._first = len(pl_module.history) * self._batches
        self._started = time.monotonic()
        try:
            # Opened anew: the lock is on what is opened, and all steps of a Snakemake inherit the same stream.
            name = os.ttyname(self.terminal.fileno())
            self._screen = open(name, "w", encoding=self.terminal.encoding, opener=_without_adopting)
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
                self._bar = self._begin(trainer.max_epochs * self._batches)
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
            pass  # another training has the line
        except OSError:
            self._close()  # no terminal to lock or to write to; the training goes on

    def _begin(self, total: int) -> tqdm:
        bar = tqdm(
            total=total,
            initial=self._first,
            file=self._screen,
            leave=False,
            dynamic_ncols=True,
            mininterval=0,
            miniters=1,
            delay=1e-6,  # draws nothing by itself
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


def _without_adopting(path: str, flags: int) -> int:
    """Open a terminal that does not become the process's own."""
    return os.open(path, flags | os.O_NOCTTY)


class Answers:
    """Predictions of a network on a validation split: some samples, evenly spread, and counts or values of all.

    Args:
        samples: how many to keep.
        struct: the task.
        compares: whether to count pairs of true and predicted classes.
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
        """Add a batch: images N×C×H×W as they are packed, targets, and outputs of the network."""
        outputs = outputs.detach()
        if self.compares:
            self._compare(targets, outputs)
        if not self.samples:
            return
        first = -self._images_added % self._stride
        self._images_added += len(images)
        chosen = slice(first, None, self._stride)
        if first < len(images):
            answered = answers_of(self.struct.task_type, outputs[chosen])
            batch = [tensor.cpu() for tensor in (images[chosen], targets[chosen], answered)]
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

    def chosen(self) -> list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        """Return image, target and output of the samples, as many as are wanted."""
        count = min(self.samples, len(self.kept))
        return [self.kept[number * len(self.kept) // count] for number in range(count)]

    def predictions(self) -> Any:
        """Draw the samples."""
        from mml_lib.training.pictures import draw_predictions

        chosen = self.chosen()
        images = [displayed(image.permute(1, 2, 0).numpy()) for image, _, _ in chosen]
        targets, outputs = ([sample[place].numpy() for sample in chosen] for place in (1, 2))
        return draw_predictions(images, targets, outputs, self.struct.classes, self.struct.task_type)

    def comparison(self) -> Any:
        """Draw the confusion matrix, or predicted over true values."""
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
    """Values that Lightning callbacks log themselves, such as a learning-rate monitor: a separate board, by batches.

    Args:
        folder: of the event files.
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
        """Write numbers; those of the module are on the board already, by epochs."""
        own = {key: value for key, value in metrics.items() if key != "epoch" and key.split("/")[0] not in OF_EPOCHS}
        if not own:
            return
        if self._writer is None:
            # From here on an interrupted training did it already.
            self._writer = _writer(self.folder, purge_step=step)
        for key, value in own.items():
            if self._steps.get(key) != step:  # a monitor repeats itself where an epoch begins
                self._steps[key] = step
                self._writer.add_scalar(key, value, step)

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """The pipeline is written down elsewhere."""

    def save(self) -> None:
        if self._writer is not None:
            self._writer.flush()

    def finalize(self, status: str) -> None:
        if self._writer is not None:
            self._writer.close()


OF_EPOCHS = ("train", "val")


class Board(Callback):
    """Writes a training to event files of TensorBoard: the columns of its history, and pictures on request.

    All of an epoch is on the disk before its checkpoint is, and a resumed training overwrites what comes after its
    checkpoint, so that each epoch is there once.

    Args:
        folder: of the event files.
        config: what to draw, and how often.
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
        self._learnt: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}
        self._answers: Answers | None = None

    def on_train_start(self, trainer: Trainer, pl_module: MMLModule) -> None:
        data: LightningDataModule = trainer.datamodule
        self._structs = {struct.name: struct for struct in (data.struct, *data.co_structs)}
        self._written, self._seconds = len(pl_module.history), pl_module.seconds
        self._writer = _writer(self.folder, purge_step=self._written)
        if self.config.observes:
            pl_module.observer = self  # not before: averaging callbacks have copied the module by now

    def on_train_epoch_start(self, trainer: Trainer, pl_module: MMLModule) -> None:
        self._draws = (pl_module.current_epoch + 1) % self.config.every_n_epochs == 0
        self._learnt, self._answers = {}, None

    def on_validation_start(self, trainer: Trainer, pl_module: MMLModule) -> None:
        self._answers = None

    def observe_batch(self, task: str, images: torch.Tensor, targets: torch.Tensor) -> None:
        """Keep the first training images of a task in an epoch: floats N×C×H×W in 0..1, and targets."""
        count = self.config.images
        if self._draws and count and task not in self._learnt:
            self._learnt[task] = images[:count].detach().float().cpu(), targets[:count].float().cpu()

    def observe_outputs(self, task: str, images: torch.Tensor, targets: torch.Tensor, outputs: torch.Tensor) -> None:
        """Keep samples and counts of a validation batch: images (N×C×H×W as packed), targets and outputs."""
        if not self._draws or not (self.config.predictions or self.config.confusion_matrix):
            return
        if self._answers is None:
            self._answers = Answers(self.config.predictions, self._structs[task], self.config.confusion_matrix)
        self._answers.add(images, targets, outputs)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: MMLModule, checkpoint: dict[str, Any]) -> None:
        """Write the epoch that is about to be kept."""
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
        pictures = {f"images/{task}": self._drawn(task, *seen) for task, seen in self._learnt.items()}
        if self._answers is not None and self._answers.kept:
            pictures[f"predictions/{self._answers.struct.name}"] = self._answers.predictions()
        if self._answers is not None and self._answers.compared:
            pictures[f"confusion_matrix/{self._answers.struct.name}"] = self._answers.comparison()
        for tag, picture in pictures.items():
            writer.add_image(tag, picture, step, dataformats="HWC")
        self._learnt, self._answers = {}, None

    def _drawn(self, task: str, images: torch.Tensor, targets: torch.Tensor) -> Any:
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
    """Return a writer whose events replace those that are there from a step on."""
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder), purge_step=purge_step)
