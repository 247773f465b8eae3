"""Parts of a training: batches, losses and metrics of an epoch, checkpoints, kept files."""

from pathlib import Path
from typing import Any

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before lightning)
import numpy as np
import pytest
import torch

from mml_lib.config.metric_options import NAMED, Metric
from mml_lib.config.training_options import LRScheduler, Sampling
from mml_lib.data.sampling import BatchSampler
from mml_lib.errors import MMLError
from mml_lib.evaluation.evaluation import evaluate
from mml_lib.models.metric_modules import build_metrics
from mml_lib.models.model_storage import ModelStorage
from mml_lib.task_types import LEARNABLE
from mml_lib.training.checkpoint_files import last_checkpoint, remove_checkpoints
from mml_lib.training.checkpoints import WholeCheckpointIO
from mml_lib.training.trainer import history_csv, storage_of
from tests.support.small_tasks import fake_task, small_model
from tests.support.small_trainings import fit, predicted

pytestmark = pytest.mark.filterwarnings("ignore:::lightning")

LABELS = np.array([0] * 90 + [1] * 10)


def batches(sampler: BatchSampler, epoch: int = 0) -> list[list[int]]:
    sampler.set_epoch(epoch)
    return [batch.tolist() for batch in sampler]


class CountedLoss(torch.nn.Module):
    """The number of samples of a batch."""

    def forward(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return outputs.sum() * 0 + len(targets)


# --- batches ------------------------------------------------------------------------------------------------------


def test_batches_follow_from_seed_and_epoch_alone():
    first = batches(BatchSampler(LABELS, Sampling(batch_size=16), 1), 3)
    assert first == batches(BatchSampler(LABELS, Sampling(batch_size=16), 1), 3)
    assert first != batches(BatchSampler(LABELS, Sampling(batch_size=16), 1), 4)
    assert first != batches(BatchSampler(LABELS, Sampling(batch_size=16), 2), 3)
    assert sorted(number for batch in first for number in batch) == list(range(100))
    assert [len(batch) for batch in first] == [16] * 6 + [4]


@pytest.mark.parametrize(("number", "most"), [(30, 1), (250, 3)])
def test_sample_num_sets_the_length_of_an_epoch(number: int, most: int):
    drawn = np.concatenate(batches(BatchSampler(LABELS, Sampling(batch_size=10, sample_num=number), 0)))
    assert len(drawn) == number
    assert np.bincount(drawn).max() == most


@pytest.mark.parametrize(
    ("labels", "settings", "batch_sizes"),
    [
        (LABELS[:20], {}, [32] * 8),  # fewer samples than a batch
        (LABELS, {"batch_size": 50}, [50] * 5 + [6]),
        (LABELS, {"min_sample_num": 100}, [32, 32, 32, 4]),
        (LABELS[:20], {"sample_num": 40}, [32, 8]),
        (LABELS[:20], {"balanced": True}, [32] * 8),
    ],
)
def test_min_sample_num_goes_through_a_small_data_set_several_times_an_epoch(
    labels: np.ndarray, settings: dict[str, Any], batch_sizes: list[int]
):
    sampling = Sampling(**{"batch_size": 32, "min_sample_num": 256} | settings)
    drawn = batches(BatchSampler(labels, sampling, 0))
    assert [len(batch) for batch in drawn] == batch_sizes
    if not sampling.balanced:
        counts = np.bincount(np.concatenate(drawn), minlength=len(labels))
        assert counts.max() - counts.min() <= 1


def test_balanced_draws_every_class_equally_often():
    sampling = Sampling(batch_size=50, sample_num=2000, balanced=True)
    drawn = np.concatenate(batches(BatchSampler(LABELS, sampling, 0)))
    assert abs(LABELS[drawn].mean() - 0.5) < 0.05


def test_last_batch_is_dropped_where_asked_and_where_it_is_a_single_sample():
    assert len(batches(BatchSampler(LABELS, Sampling(batch_size=16, drop_last=True), 0))) == 6
    assert [len(batch) for batch in batches(BatchSampler(LABELS, Sampling(batch_size=33), 0))] == [33] * 3
    assert len(batches(BatchSampler(LABELS[:1], Sampling(batch_size=8), 0))) == 1


# --- epochs -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task_type", LEARNABLE)
def test_every_task_type_is_learned(tmp_path: Path, task_type: str):
    struct = fake_task(tmp_path, task_type, num_samples=40, soft=True)
    model = small_model(struct)
    fit(model, struct, tmp_path, epochs=5)
    losses = [epoch["train/loss"] for epoch in model.history]
    assert losses[-1] < 0.9 * losses[0]


@pytest.mark.parametrize("task_type", LEARNABLE)
def test_history_has_what_an_evaluation_of_the_predictions_finds(tmp_path: Path, task_type: str):
    struct = fake_task(tmp_path, task_type, num_samples=40)
    model = small_model(struct)
    fit(model, struct, tmp_path)
    values = evaluate(predicted(struct, model, "val"), list(NAMED[task_type]))
    assert {name: model.history[-1][f"val/{name}"] for name in values} == pytest.approx(values, abs=1e-5, nan_ok=True)


@pytest.mark.parametrize("task_type", LEARNABLE)
def test_validation_loss_is_the_mean_over_samples_not_batches(tmp_path: Path, task_type: str):
    struct = fake_task(tmp_path, task_type, num_samples=28)  # a fold of 7: batches of 5 and 2
    model = small_model(struct, metrics={}, loss=CountedLoss())
    fit(model, struct, tmp_path)
    assert len(struct.select("val", 0)) == 7
    assert model.history[-1]["val/loss"] == pytest.approx((5 * 5 + 2 * 2) / 7)


@pytest.mark.parametrize("task_type", LEARNABLE)
def test_fold_that_leaves_metrics_undefined_does_not_stop_a_training(tmp_path: Path, task_type: str):
    struct = fake_task(tmp_path, task_type)
    _, *others = struct.select("val", 0)
    struct.samples["fold"][others] = 1  # one sample is left to be validated on
    too_few = Metric(name="own", _target_="torchmetrics.R2Score")
    metrics = [*NAMED[task_type], *([too_few] if task_type == "regression" else [])]
    model = small_model(struct, metrics=build_metrics(metrics, task_type, struct.num_outputs))
    trainer = fit(model, struct, tmp_path)
    last = model.history[-1]
    undefined = {"classification": "auroc", "regression": "own"}.get(task_type)
    assert undefined is None or np.isnan(last[f"val/{undefined}"])
    assert np.isfinite(last["val/loss"])
    storage = storage_of(model, trainer, last, {"task": "t", "run": "0a1b2c3d", "fold": 0}, created="now")
    storage.write(tmp_path / "s.json")
    assert "NaN" not in (tmp_path / "s.json").read_text()
    assert ModelStorage.read(tmp_path / "s.json") == storage


@pytest.mark.parametrize("precision", ["bf16-true", "64-true"])
@pytest.mark.parametrize("task_type", LEARNABLE)
def test_other_precisions_train_every_task_type(tmp_path: Path, task_type: str, precision: str):
    struct = fake_task(tmp_path, task_type)
    model = small_model(struct)
    if (task_type, precision) == ("regression", "bf16-true"):
        with pytest.raises(MMLError, match="set bf16-mixed"):
            fit(model, struct, tmp_path, precision=precision)
    else:
        fit(model, struct, tmp_path, precision=precision)
        assert np.isfinite(model.history[-1]["val/loss"])


def test_diverged_training_ends_in_one_line(tmp_path: Path):
    struct = fake_task(tmp_path, "classification")
    model = small_model(struct, optimizer={"_target_": "torch.optim.SGD", "lr": 1e30})
    with pytest.raises(MMLError, match=r"the loss of t became .* in epoch \d; lower optimizer\.lr"):
        fit(model, struct, tmp_path, epochs=3)


def test_scheduler_is_told_the_numbers_of_the_training(tmp_path: Path):
    struct = fake_task(tmp_path, "classification")
    one_cycle = {"max_lr": "${lr}", "total_steps": "${total_steps}", "interval": "step"}
    scheduler = LRScheduler(_target_="torch.optim.lr_scheduler.OneCycleLR", **one_cycle)
    model = small_model(struct, lr_scheduler=scheduler)
    fit(model, struct, tmp_path, epochs=3)
    rates = [epoch["lr"] for epoch in model.history]
    assert rates[-1] < 0.1 * max(rates)
    assert max(rates) <= 0.01


# --- what is kept -------------------------------------------------------------------------------------------------


def test_history_has_a_column_for_everything_logged_in_any_epoch():
    text = history_csv([{"epoch": 0, "lr": 0.1}, {"epoch": 1, "lr": 0.1, "val/loss": 0.5}])
    assert text == "epoch,lr,val/loss\n0,0.1,\n1,0.1,0.5\n"


def test_last_checkpoint_is_the_latest_whole_one(tmp_path: Path):
    for epoch in (2, 10, 9):
        WholeCheckpointIO().save_checkpoint({"epoch": epoch}, tmp_path / f"epoch={epoch:06d}.ckpt")
    (tmp_path / ".epoch=000011.host-1.part.ckpt").write_bytes(b"half")
    checkpoint = last_checkpoint(tmp_path)
    assert torch.load(checkpoint, weights_only=True) == {"epoch": 10}
    assert len(list(tmp_path.iterdir())) == 3
    remove_checkpoints(tmp_path)
    assert not tmp_path.exists()


@pytest.mark.parametrize("task_type", LEARNABLE)
def test_resumed_training_is_the_uninterrupted_one(tmp_path: Path, task_type: str):
    struct = fake_task(tmp_path, task_type)
    whole, begun, resumed = (small_model(struct) for _ in range(3))
    fit(whole, struct, tmp_path / "whole", epochs=2)
    fit(begun, struct, tmp_path / "begun", epochs=1)
    fit(resumed, struct, tmp_path / "begun", epochs=2, resume=last_checkpoint(tmp_path / "begun/checkpoints"))
    assert history_csv(resumed.history) == history_csv(whole.history)
    weights = (model.network.state_dict() for model in (resumed, whole))
    assert all(torch.equal(*pair) for pair in zip(*(state.values() for state in weights), strict=True))
