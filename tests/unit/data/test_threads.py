"""Threads and workers of a training: it keeps the threads that it began with, and is fed as fast as it learns."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from mml_lib.data.datamodule import best_workers
from mml_lib.images.packing import IMAGES
from mml_lib.tasks.struct import TaskStruct
from mml_lib.training.module import MMLModule


def test_a_training_goes_on_with_the_threads_that_it_began_with():
    module, before = SimpleNamespace(trainer=SimpleNamespace(should_stop=False), best=None), torch.get_num_threads()
    try:
        MMLModule.on_load_checkpoint(
            module, {"mml": {"history": [], "seconds": 0.0, "stopped": False, "threads": before + 1}}
        )
        assert torch.get_num_threads() == before + 1
        module.history, module.seconds = [], 0.0
        saved: dict[str, dict[str, int]] = {}
        MMLModule.on_save_checkpoint(module, saved)
        assert saved["mml"]["threads"] == before + 1
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("packed", "threads", "on_gpu", "workers"),
    [(True, 16, True, 0), (False, 16, False, 0), (False, 8, True, 0), (False, 12, True, 12), (False, 64, True, 16)],
)
def test_workers_are_started_where_they_read_faster(
    tmp_path: Path, packed: bool, threads: int, on_gpu: bool, workers: int
):
    if packed:
        np.save(tmp_path / IMAGES, np.zeros(1))
    assert best_workers(TaskStruct("mine", {"packed": tmp_path}), threads, on_gpu) == workers
