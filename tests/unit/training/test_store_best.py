"""The best epoch's weights are kept, whatever interrupted the training."""

from pathlib import Path

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before lightning)
import pytest
import torch

from mml_lib.config.loading import load_study
from mml_lib.config.metric_options import StoreBest
from mml_lib.errors import MMLError
from mml_lib.training.best_epoch import BestEpoch
from mml_lib.training.checkpoint_files import last_checkpoint
from mml_lib.training.module import MMLModule
from mml_lib.training.trainer import storage_of
from tests.support.small_tasks import fake_task, small_model
from tests.support.small_trainings import fit
from tests.support.studies import run_id, study

EPOCHS = 4


def unsteady(struct, best: StoreBest | None) -> MMLModule:
    """Return a model whose best epoch is seldom its last: it learns far too fast."""
    return small_model(struct, store_best=best, optimizer={"_target_": "torch.optim.SGD", "lr": 0.5})


def weights(model: MMLModule) -> torch.Tensor:
    return torch.cat([tensor.flatten().float() for tensor in model.network.state_dict().values()])


@pytest.mark.parametrize(
    ("best", "column", "choose"),
    [
        (StoreBest(), "val/loss", min),
        (StoreBest(metric="accuracy"), "val/accuracy", max),
        (StoreBest(metric="accuracy", mode="min"), "val/accuracy", min),
    ],
)
def test_stored_weights_are_those_of_the_best_epoch(tmp_path: Path, best: StoreBest, column: str, choose):
    struct = fake_task(tmp_path, "classification")
    model = unsteady(struct, best)
    trainer = fit(model, struct, tmp_path / "whole", epochs=EPOCHS)
    values = [row[column] for row in model.history]
    expected = values.index(choose(values))
    kept = model.keep_best()
    assert kept["epoch"] == expected
    again = unsteady(struct, None)
    fit(again, struct, tmp_path / "again", epochs=expected + 1)
    assert torch.equal(weights(model), weights(again))
    storage = storage_of(model, trainer, kept, {"task": "t", "run": "0a1b2c3d", "fold": 0}, created="now")
    assert (storage.stored_epoch, storage.epochs) == (expected, EPOCHS)
    assert storage.performance == kept["val/loss"]


@pytest.mark.parametrize("interrupted", range(1, EPOCHS))
def test_interruption_forgets_no_best_epoch(tmp_path: Path, interrupted: int):
    struct = fake_task(tmp_path, "classification")
    whole, begun, resumed = (unsteady(struct, StoreBest()) for _ in range(3))
    fit(whole, struct, tmp_path / "whole", epochs=EPOCHS)
    fit(begun, struct, tmp_path / "begun", epochs=interrupted)
    fit(resumed, struct, tmp_path / "begun", epochs=EPOCHS, resume=last_checkpoint(tmp_path / "begun/checkpoints"))
    assert resumed.keep_best() == whole.keep_best()
    assert torch.equal(weights(resumed), weights(whole))


def test_epoch_with_an_undefined_metric_is_never_the_best():
    best, network = BestEpoch(StoreBest(metric="auroc")), torch.nn.Linear(1, 1)
    best.update(network, {"epoch": 0, "val/auroc": float("nan")})
    with pytest.raises(MMLError, match=r"auroc .*every epoch; choose another"):
        best.restore(network)
    best.update(network, {"epoch": 1, "val/auroc": 0.4})
    best.update(network, {"epoch": 2, "val/auroc": float("nan")})
    assert best.restore(network) == 1


def test_ways_to_say_the_same_give_the_same_run():
    assert len({run_id(study(store_best=value)) for value in (True, "loss", {"metric": "loss", "mode": "min"})}) == 1
    assert run_id(study(store_best=False)) == run_id(study()) != run_id(study(store_best=True))
    assert load_study(study(store_best="calibration_error")).store_best.mode == "min"
