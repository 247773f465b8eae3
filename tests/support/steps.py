"""Training steps without a Snakemake: objects as a script gets them, on made-up paths."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from mml_lib.steps.training_step import TrainingStep


class Paths(dict):
    """Paths or settings by name, as Snakemake gives them."""

    __getattr__ = dict.__getitem__


def training_step(
    config: Mapping[str, Any],
    inputs: Mapping[str, Any] | None = None,
    outputs: Mapping[str, Any] | None = None,
    params: Mapping[str, Any] | None = None,
    **wildcards: Any,
) -> TrainingStep:
    """Return a training step of a study; its pipeline is what the test sets."""
    files = {"input": inputs, "output": outputs, "params": params, "wildcards": wildcards}
    snakemake = SimpleNamespace(
        rule="train_fold", config=dict(config), threads=1, **{key: Paths(value or {}) for key, value in files.items()}
    )
    return TrainingStep(snakemake)
