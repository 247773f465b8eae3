"""Training: what the stack of data module, Lightning module and trainer costs next to a bare loop, and metrics in it.

Seconds are processor time, which other processes on the machine do not change much: all of this computes in one thread.
"""

import time
from collections.abc import Callable
from pathlib import Path

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before lightning)
import numpy as np
import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from mml_lib.config.factories import instantiate
from mml_lib.config.loading import load_study
from mml_lib.config.reading.presets import resolve_presets
from mml_lib.config.training_options import Augmentations, LRScheduler, Sampling
from mml_lib.data.augmentation import Augmentation
from mml_lib.data.datamodule import MMLDataModule
from mml_lib.images.packing import IMAGES
from mml_lib.models.metric_modules import build_metrics
from mml_lib.models.network import Network, head_spec
from mml_lib.task_types import TASK_TYPES
from mml_lib.tasks.struct import TaskStruct
from mml_lib.training.module import MMLModule
from mml_lib.training.trainer import build_trainer
from tests.support.benchmark_figures import Figures
from tests.support.small_tasks import ARCH, PRESETS, fake_task, small_model
from tests.support.timing import median_ratio
from tests.support.workplaces import TINY

OPTIMIZER = {"_target_": "torch.optim.AdamW", "lr": 0.003, "weight_decay": 0.01}
ONE_CYCLE = {"_target_": "torch.optim.lr_scheduler.OneCycleLR", "max_lr": "${lr}", "total_steps": "${total_steps}"}


class Clock(Callback):
    """Takes the time of each epoch from its start to the next one's, validation and checkpoint included.

    Args:
        between: called before each epoch with the module; its time does not count.
    """

    def __init__(self, between: Callable[[LightningModule], object]):
        self.between = between
        self.epochs: list[float] = []
        self.started: float | None = None

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.started is not None:
            self.epochs.append(time.process_time() - self.started)
        self.between(pl_module)
        self.started = time.process_time()


def fit(model: MMLModule, data: MMLDataModule, folder: Path, epochs: int, clock: Clock) -> None:
    """Train for one epoch more than the clock gets to see the end of."""
    trainer = {"max_epochs": epochs + 1, "accelerator": "cpu"}
    cfg = load_study(TINY | {"trainer": trainer, "lr_scheduler": None, "paths": {"presets": [str(PRESETS)]}})
    built = build_trainer(cfg, folder, {})
    built.callbacks.insert(0, clock)
    built.fit(model, data)


class BareLoop:
    """The same training in plain PyTorch, validation loss included.

    Args:
        struct: the task.
        batch: batch size.
        steps: of the whole training.
        transforms: of the augmentation.
    """

    def __init__(self, struct: TaskStruct, batch: int, steps: int, transforms: list[torch.nn.Module]):
        self.images, self.labels = np.load(struct.paths["packed"] / IMAGES), struct.targets
        self.train, self.val = struct.select("train", 1), struct.select("val", 1)
        self.mean, self.std = (torch.tensor(values).view(1, 3, 1, 1) for values in (struct.means, struct.stds))
        self.network = Network(ARCH, {struct.name: head_spec(struct, None)})
        self.loss, self.task, self.batch, self.transforms = torch.nn.CrossEntropyLoss(), struct.name, batch, transforms
        self.optimizer = instantiate(OPTIMIZER, torch.optim.Optimizer, self.network.parameters())
        self.scheduler = torch.optim.lr_scheduler.OneCycleLR(self.optimizer, OPTIMIZER["lr"], steps)
        self.epochs: list[float] = []

    def forward(self, rows: np.ndarray, transforms: list[torch.nn.Module]) -> torch.Tensor:
        """Return the loss of a batch."""
        images = torch.from_numpy(self.images[rows]).permute(0, 3, 1, 2).float().div_(255)
        for transform in transforms:
            images = transform(images)
        outputs = self.network((images - self.mean) / self.std, self.task)
        return self.loss(outputs, torch.from_numpy(self.labels[rows]))

    def epoch(self, *_: object) -> None:
        """Train for an epoch, and take its time."""
        started = time.process_time()
        self.network.train()
        order = np.random.permutation(self.train)
        for start in range(0, len(order), self.batch):
            self.optimizer.zero_grad()
            self.forward(order[start : start + self.batch], self.transforms).backward()
            self.optimizer.step()
            self.scheduler.step()
        self.network.eval()
        with torch.inference_mode():
            for start in range(0, len(self.val), self.batch):
                self.forward(self.val[start : start + self.batch], [])
        self.epochs.append(time.process_time() - started)


@pytest.mark.benchmark
@pytest.mark.parametrize("augmentations", ["none", "baseline"])  # baseline: flips, affine, colour
@pytest.mark.parametrize(("count", "size", "batch"), [(2500, 32, 64), (1250, 64, 32)])
def test_epoch_through_the_stack_costs_at_most_1_15_times_a_bare_loop(
    packed: Callable[[int, int], TaskStruct],
    tmp_path: Path,
    figures: Figures,
    count: int,
    size: int,
    batch: int,
    augmentations: str,
):
    struct, epochs = packed(count, size), 8
    config = Augmentations(**resolve_presets({"augmentations": augmentations}, [PRESETS])["augmentations"])
    data = MMLDataModule(struct, 1, Sampling(batch_size=batch), seed=0)
    steps = (epochs + 1) * len(data.train_dataloader())
    bare = BareLoop(
        struct, batch, steps, [instantiate(transform.spec(), torch.nn.Module) for transform in config.transforms]
    )
    model = small_model(
        struct,
        loss=torch.nn.CrossEntropyLoss(),
        optimizer=OPTIMIZER,
        lr_scheduler=LRScheduler(**ONE_CYCLE, interval="step"),
        augmentation=Augmentation(config),
        metrics=build_metrics(["accuracy"], struct.task_type, struct.num_outputs),
    )
    clock = Clock(bare.epoch)
    fit(model, data, tmp_path / "checkpoints", epochs, clock)
    ratio = median_ratio(clock.epochs[1:], bare.epochs[1:-1])  # the first ones warm up
    name = f"epoch of {size}×{size}, batch {batch}, augmentations {augmentations}"
    figures.record(name, ratio, of="a bare loop", by="processor", at_most=1.15)


@pytest.mark.benchmark
@pytest.mark.parametrize(
    ("task_type", "count", "classes"), [("classification", 8000, 10), ("semantic_segmentation", 4000, 5)]
)
def test_epoch_with_all_default_metrics_costs_at_most_1_05_times_one_without(
    tmp_path: Path, figures: Figures, task_type: str, count: int, classes: int
):
    struct = fake_task(tmp_path, task_type, num_samples=count, num_classes=classes)
    metrics = build_metrics(TASK_TYPES[task_type].default_metrics, task_type, struct.num_outputs)
    turns = [torch.nn.ModuleDict(metrics), torch.nn.ModuleDict()]

    def take_turns(model: LightningModule) -> None:
        model.metrics = turns[0]
        turns.reverse()

    clock = Clock(take_turns)
    model = small_model(struct, metrics=metrics)
    fit(model, MMLDataModule(struct, 0, Sampling(batch_size=64), seed=0), tmp_path / "checkpoints", 10, clock)
    having, lacking = clock.epochs[::2], clock.epochs[1::2]
    assert all(f"val/{name}" in model.history[0] for name in TASK_TYPES[task_type].default_metrics)
    ratio = median_ratio(having[1:], lacking[1:])
    name = f"epoch of a {task_type} with {len(metrics)} metrics"
    figures.record(name, ratio, of="without metrics", by="processor", at_most=1.05)
