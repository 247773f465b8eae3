"""Reading ahead by a thread: the batches, errors and ends of a loader that does not."""

import json
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from mml_lib.config.training_options import Sampling
from mml_lib.data.datamodule import MMLDataModule
from mml_lib.data.read_ahead import AHEAD, ReadAhead
from mml_lib.data.sampling import BatchSampler
from tests.support.small_tasks import fake_task, small_model
from tests.support.small_trainings import fit

SAMPLER = BatchSampler(np.zeros(23, np.int64), Sampling(batch_size=4), seed=0)


class Numbers(Dataset[torch.Tensor]):
    """Says which positions it is asked for, and fails at one of them.

    Args:
        broken: the position.
    """

    def __init__(self, broken: int | None = None):
        self.broken = broken
        self.read: list[int] = []

    def __getitem__(self, batch: np.ndarray) -> torch.Tensor:
        if self.broken in batch:
            raise OSError("the disk is gone")
        self.read += batch.tolist()
        return torch.from_numpy(batch)


def test_batches_come_in_the_order_of_the_sampler_in_every_epoch():
    plain, ahead = (kind(Numbers(), sampler=SAMPLER, batch_size=None) for kind in (DataLoader, ReadAhead))
    for epoch in range(3):
        epochs = []
        for loader in (plain, ahead):
            SAMPLER.set_epoch(epoch)
            epochs.append([batch.tolist() for batch in loader])
        assert epochs[0] == epochs[1]
        assert sum(map(len, epochs[1])) == 23


def test_next_batches_are_read_meanwhile_and_no_more_of_them():
    numbers, before = Numbers(), threading.active_count()
    batches = iter(ReadAhead(numbers, sampler=SAMPLER, batch_size=None))
    next(batches)
    batches.close()
    assert len(numbers.read) == 4 * (1 + AHEAD)
    assert threading.active_count() == before


def test_error_of_reading_reaches_the_training_and_ends_the_thread():
    before = threading.active_count()
    broken = int(list(SAMPLER)[3][0])
    batches = iter(ReadAhead(Numbers(broken), sampler=SAMPLER, batch_size=None))
    with pytest.raises(OSError, match="the disk is gone"):
        list(batches)
    assert threading.active_count() == before


@pytest.mark.filterwarnings("ignore:::lightning")
def test_training_is_the_same_with_and_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    struct = fake_task(tmp_path, "classification")
    models = [small_model(struct) for _ in range(2)]
    fit(models[0], struct, tmp_path / "plain", epochs=2)
    module = MMLDataModule.__init__

    def reads_ahead(self: MMLDataModule, *args: object, **kwargs: object) -> None:
        module(self, *args, **kwargs)
        self.loader = ReadAhead

    monkeypatch.setattr(MMLDataModule, "__init__", reads_ahead)
    fit(models[1], struct, tmp_path / "ahead", epochs=2)
    plain, ahead = (json.dumps(model.history) for model in models)  # as text: undefined metrics are NaN
    assert plain == ahead
    for one, other in zip(models[0].parameters(), models[1].parameters(), strict=True):
        assert torch.equal(one, other)
