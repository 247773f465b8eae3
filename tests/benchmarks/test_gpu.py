"""A GPU, where there is one: how fast a packed task feeds it, four trainings in turn and at once."""

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before lightning)
import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from mml_lib.config.factories import instantiate
from mml_lib.config.loading import load_study
from mml_lib.config.training_options import Sampling
from mml_lib.data.datamodule import MMLDataModule
from mml_lib.models.network import Network, head_spec
from mml_lib.tasks.struct import TaskStruct
from mml_lib.training.trainer import build_trainer
from tests.support.benchmark_figures import Figures
from tests.support.demo_study import demo
from tests.support.gpu_trainings import GPUS, one_gpu  # noqa: F401  (a fixture)
from tests.support.small_tasks import ARCH, PRESETS, small_model
from tests.support.workplaces import TINY, Workplace

pytestmark = [pytest.mark.benchmark, pytest.mark.skipif(not GPUS, reason="nvidia-smi tells of no GPU here")]

RESNET = ARCH | {"name": "resnet50"}
OPTIMIZER = {"_target_": "torch.optim.AdamW", "lr": 0.001}
COUNT, SIZE, BATCH = 12_800, 224, 128


class FixedBatch:
    """The same network on one batch that lies on the GPU already, normalised, in plain PyTorch.

    Args:
        struct: the task.
    """

    def __init__(self, struct: TaskStruct):
        self.network = Network(RESNET, {struct.name: head_spec(struct, None)}).cuda()
        self.optimizer = instantiate(OPTIMIZER, torch.optim.Optimizer, self.network.parameters())
        self.images = torch.randn(BATCH, 3, SIZE, SIZE, device="cuda").to(memory_format=torch.channels_last)
        self.targets = torch.randint(2, (BATCH,), device="cuda")
        self.task, self.loss = struct.name, torch.nn.CrossEntropyLoss()

    def rate(self, steps: int) -> float:
        """Train so many steps; return images per second."""
        torch.cuda.synchronize()
        started = time.perf_counter()
        for _ in range(steps):
            self.optimizer.zero_grad()
            with torch.autocast("cuda", torch.bfloat16):
                loss = self.loss(self.network(self.images, self.task), self.targets)
            loss.backward()
            self.optimizer.step()
        torch.cuda.synchronize()
        return steps * BATCH / (time.perf_counter() - started)


class Rates(Callback):
    """Takes images per second of each epoch's training, from its beginning on, and of a fixed batch before it.

    Args:
        fixed: to compare with.
    """

    def __init__(self, fixed: FixedBatch):
        self.fixed = fixed
        self.pairs: list[tuple[float, float]] = []

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.base = self.fixed.rate(trainer.num_training_batches)
        self.started = time.perf_counter()

    def on_train_batch_end(self, trainer: Trainer, *_: object) -> None:
        if trainer.is_last_batch:
            torch.cuda.synchronize()
            images = trainer.num_training_batches * BATCH
            self.pairs.append((images / (time.perf_counter() - self.started), self.base))


@pytest.mark.parametrize("workers", [0, 4])  # without workers a thread reads ahead
def test_packed_task_trains_resnet50_at_0_9_of_the_speed_of_a_fixed_batch(
    packed: Callable[[int, int], TaskStruct], tmp_path: Path, figures: Figures, workers: int
):
    struct, options = packed(COUNT, SIZE), {"max_epochs": 3, "accelerator": "gpu", "precision": "bf16-mixed"}
    sampling = Sampling(batch_size=BATCH, drop_last=True)
    data = MMLDataModule(struct, 1, sampling, seed=0, num_workers=workers, pin_memory=True)
    cfg = load_study(TINY | {"trainer": options, "lr_scheduler": None, "paths": {"presets": [str(PRESETS)]}})
    trainer = build_trainer(cfg, tmp_path / "checkpoints", {})
    rates = Rates(FixedBatch(struct))
    trainer.callbacks.insert(0, rates)
    network = Network(RESNET, {struct.name: head_spec(struct, None)})
    loss = torch.nn.CrossEntropyLoss()
    trainer.fit(small_model(struct, network=network, loss=loss, optimizer=OPTIMIZER, metrics={}), data)
    ratio = statistics.median(a / b for a, b in rates.pairs[1:])  # the first warms up
    name = f"images/s of resnet50 at 224×224, GPU, {workers} workers"
    figures.record(name, ratio, of="a fixed batch on the GPU", by="clock", at_least=0.9)


def test_four_trainings_at_once_take_less_than_one_after_another(tmp_path: Path, figures: Figures):
    mode = {"preset": "train", "subroutines": ["train"], "folds": [0, 1, 2, 3]}
    demo(tmp_path, 4, "pp")
    in_turn = demo(tmp_path, 4, mode=mode)
    shares = {"train_fold": {"threads": 1, "gpu_mem_mb": GPUS[0].memory // 4}}
    together = demo(tmp_path, 4, project="together", mode=mode, resources=shares)
    for project in ("measured", "together"):
        assert len(Workplace(tmp_path).files(f"results/{project}/MODELS/digits/*.json")) == 4
    name = "four demo trainings at once on one GPU"
    figures.record(name, together / in_turn, of="one after another", by="clock", at_most=1)
