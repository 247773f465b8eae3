"""Model storage: data, settings, duration and performance of a training."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mml_lib.files.stored import Stored


@dataclass(frozen=True)
class ModelStorage(Stored):
    """The JSON beside a trained model.

    Args:
        task: what it was trained on.
        run: its pipeline.
        fold: what it was validated on.
        performance: validation loss of the stored weights; None where undefined.
        metrics: all values of the stored epoch, as in the history; None where undefined.
        epochs: epochs trained.
        stored_epoch: whose weights are stored, from 0 on.
        training_time: seconds spent in epochs, interruptions left out.
        num_parameters: trainable numbers of the network.
        device: what it was trained on.
        versions: of the libraries that matter.
        created: when, local time.
        co_tasks: other tasks that were learned beside.
        pretrained: the model whose backbone it started from (`project`, `task`, `run`, `fold`), if any.
        hardware: names of the processor and of the GPU.
        energy_kwh: that processors and GPUs took during the training; None: not measured.
    """

    task: str
    run: str
    fold: int
    performance: float | None
    metrics: Mapping[str, float | None]
    epochs: int
    stored_epoch: int
    training_time: float
    num_parameters: int
    device: str
    versions: Mapping[str, str] = field(default_factory=dict)
    created: str = ""
    co_tasks: Sequence[str] = field(default_factory=list)
    pretrained: Mapping[str, Any] | None = None
    hardware: Mapping[str, str] = field(default_factory=dict)
    energy_kwh: float | None = None

    KIND = "models"
    LATER = ("hardware", "energy_kwh")
