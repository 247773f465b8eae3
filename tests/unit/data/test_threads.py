"""Threads of a training: it keeps those that it began with."""

from types import SimpleNamespace

import torch

from mml_lib.training.module import MMLModule


def test_a_training_goes_on_with_the_threads_that_it_began_with():
    before = torch.get_num_threads()
    module = SimpleNamespace(trainer=SimpleNamespace(should_stop=False), best=None, divisions={})
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
