"""Training: what the stack of data module, Lightning module and trainer costs next to a bare loop."""

import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before lightning)
import numpy as np
import pytest
import torch
from lightning.pytorch import Callback

from mml_lib.config.loading import load_study
from mml_lib.config.schema import StudyConfig
from mml_lib.config.training import Augmentations, Sampling
from mml_lib.data.augmentation import Augmentation
from mml_lib.data.datamodule import MMLDataModule
from mml_lib.data.packing import IMAGES
from mml_lib.models.metrics import build_metrics
from mml_lib.models.module import MMLModule
from mml_lib.models.network import Network, head_spec
from mml_lib.models.training import build_trainer
from mml_lib.tasks.struct import TaskStruct
from tests.workflow.conftest import REPOSITORY, TINY

EPOCHS = 6
ARCH = {"_target_": "mml_lib.models.network.timm_backbone", "name": "test_resnet"}


class Clock(Callback):
    """Takes the time of each epoch, its validation included."""

    def __init__(self) -> None:
        self.epochs: list[float] = []

    def on_train_epoch_start(self, *_) -> None:
        self.started = time.perf_counter()

    def on_train_epoch_end(self, *_) -> None:
        self.epochs.append(time.perf_counter() - self.started)


def config() -> StudyConfig:
    return load_study(
        TINY
        | {"trainer": {"max_epochs": EPOCHS, "accelerator": "cpu"}, "lr_scheduler": None}
        | {"paths": {"presets": [str(REPOSITORY / "config")]}}
    )


def through_the_stack(struct: TaskStruct, sampling: Sampling, folder: Path) -> list[float]:
    """Return the seconds of each epoch."""
    cfg = config()
    model = MMLModule(
        network=Network(ARCH, {struct.name: head_spec(struct, None)}),
        task=struct.name,
        mean=struct.means,
        std=struct.stds,
        loss=torch.nn.CrossEntropyLoss(),
        optimizer=cfg.optimizer.spec(),
        lr_scheduler=None,
        augmentation=Augmentation(Augmentations()),
        metrics=build_metrics(cfg.metrics_of(struct.task_type), struct.task_type, struct.num_outputs),
        seed=0,
    )
    clock = Clock()
    trainer = build_trainer(cfg, folder, {})
    trainer.callbacks.append(clock)
    trainer.fit(model, MMLDataModule(struct, 1, sampling, seed=0))
    return clock.epochs


def bare_loop(struct: TaskStruct, sampling: Sampling) -> list[float]:
    """Return the seconds of each epoch of the same work, validation loss included."""
    images = np.load(struct.paths["packed"] / IMAGES, mmap_mode="r")
    labels = struct.targets
    train, val = struct.select("train", 1), struct.select("val", 1)
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (struct.means, struct.stds))
    network, loss = Network(ARCH, {struct.name: head_spec(struct, None)}), torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.003, weight_decay=0.01)
    size, epochs = sampling.batch_size, []

    def forward(rows: np.ndarray) -> torch.Tensor:
        batch = torch.from_numpy(images[rows]).permute(0, 3, 1, 2).float().div_(255)
        return loss(network((batch - mean) / std, struct.name), torch.from_numpy(labels[rows]))

    for _ in range(EPOCHS):
        started = time.perf_counter()
        network.train()
        order = np.random.permutation(train)
        for start in range(0, len(order), size):
            optimizer.zero_grad()
            forward(order[start : start + size]).backward()
            optimizer.step()
        network.eval()
        with torch.inference_mode():
            for start in range(0, len(val), size):
                forward(val[start : start + size])
        epochs.append(time.perf_counter() - started)
    return epochs


@pytest.mark.benchmark
@pytest.mark.parametrize(("count", "size", "batch"), [(2500, 32, 64), (1250, 64, 32)])
def test_epoch_through_the_stack_costs_at_most_1_15_times_a_bare_loop(
    packed: Callable[[int, int], TaskStruct], tmp_path: Path, capsys, count: int, size: int, batch: int
):
    struct, sampling = packed(count, size), Sampling(batch_size=batch)
    torch.set_num_threads(1)
    ratios, seconds = [], []
    for repetition in range(4):
        ours = statistics.median(through_the_stack(struct, sampling, tmp_path / str(repetition))[1:])
        bare = statistics.median(bare_loop(struct, sampling)[1:])
        ratios.append(ours / bare)
        seconds.append((ours, bare))
    ours, bare = (statistics.median(column) for column in zip(*seconds, strict=True))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    with capsys.disabled():
        print(
            f"\nepoch of {count} images at {size}×{size}, batch {batch}: {ours:.3f} s, bare loop {bare:.3f} s; "
            f"ratio {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f}); peak memory {peak:.0f} MB"
        )
    assert statistics.median(ratios) <= 1.15
