"""Model storage: data, settings, duration and performance of a trained network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mml_lib.files.stored import Stored


@dataclass(frozen=True)
class ModelStorage(Stored):
    """The JSON file of a trained model.

    Args:
        task: task of the training.
        run: id of the run.
        fold: fold of the validation.
        performance: validation loss of the stored weights; None if undefined.
        metrics: all values of the stored epoch, as in the history; None if undefined.
        epochs: number of epochs of the training.
        stored_epoch: epoch whose weights are stored, from 0.
        training_time: time in epochs in seconds, without interruptions.
        num_parameters: number of trainable parameters of the network.
        device: device of the training.
        versions: versions of libraries that affect results.
        created: local time of the end of the training.
        co_tasks: further tasks of the training.
        pretrained: model whose backbone it started from (`project`, `task`, `run`, `fold`); None without one.
        hardware: names of the processor and of the GPU.
        energy_kwh: energy of processors and GPUs during the training in kWh; None if it was not measured.
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
