"""Hardware of a training: names of processor and GPU, and their energy counters."""

import os
import platform
from collections.abc import Mapping
from pathlib import Path

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before lightning)
import torch
from lightning.pytorch import Callback, LightningModule, Trainer

COUNTERS = Path("/sys/class/powercap")
"""Folder of the energy counters of processors (RAPL). On many systems, only administrators can read them."""

JOULES_PER_KWH = 3.6e6


def hardware_of(device: torch.device) -> dict[str, str]:
    """Return the names of the processor and, for a training on a GPU, of the GPU."""
    names = {"processor": f"{processor_name()}, {os.cpu_count()} logical cores"}
    if device.type == "cuda":
        names["gpu"] = torch.cuda.get_device_name(device)
    return names


def processor_name(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Return the model of the processor; if the system does not state it, the name that Python has."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return " ".join((models or [platform.processor() or platform.machine()])[0].split())


class EnergyMeter(Callback):
    """Reads the energy counters of the machine's processors and of the training's GPUs before and after a training.

    A counter includes all processes on its part, so the energy is an upper bound for a training that shares it. The
    energy of a resumed training is unknown, because its earlier part was not measured.

    Args:
        folder: folder of the counters of processors.
    """

    def __init__(self, folder: Path = COUNTERS):
        self.folder = folder
        self._before: Mapping[str, float] = {}
        self.kwh: float | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        is_new = trainer.current_epoch == 0 and trainer.global_step == 0
        self._before = self._joules(trainer) if is_new else {}

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        after = self._joules(trainer)
        spent = [after.get(name, -1.0) - joules for name, joules in self._before.items()]
        # A counter that has decreased was reset.
        self.kwh = sum(spent) / JOULES_PER_KWH if spent and min(spent) >= 0 else None

    def _joules(self, trainer: Trainer) -> dict[str, float]:
        """Return the counters by name, in joules; empty if a needed counter cannot be read."""
        processors = processor_joules(self.folder)
        if trainer.strategy.root_device.type != "cuda":
            return processors
        gpus = gpu_joules()
        return processors | gpus if gpus else {}


def measured_energy(trainer: Trainer) -> float | None:
    """Return the energy of a finished training in kWh; None if it was not measured."""
    meters = [callback for callback in trainer.callbacks if isinstance(callback, EnergyMeter)]  # type: ignore[attr-defined]
    return meters[0].kwh if meters else None


def processor_joules(folder: Path) -> dict[str, float]:
    """Return the counters of whole processors (packages) by name, in joules; empty if one cannot be read."""
    try:
        packages = [path for path in folder.glob("intel-rapl:*") if path.name.count(":") == 1]
        return {path.name: int((path / "energy_uj").read_text()) / 1e6 for path in packages}
    except (OSError, ValueError):
        return {}


def gpu_joules() -> dict[str, float]:
    """Return the counters of the visible GPUs by id, in joules; empty without NVML."""
    try:
        import pynvml

        pynvml.nvmlInit()
        ids = [f"GPU-{torch.cuda.get_device_properties(index).uuid}" for index in range(torch.cuda.device_count())]
        return {
            name: pynvml.nvmlDeviceGetTotalEnergyConsumption(pynvml.nvmlDeviceGetHandleByUUID(name)) / 1e3
            for name in ids
        }
    except Exception:  # the package, the driver, or a GPU without a counter
        return {}
