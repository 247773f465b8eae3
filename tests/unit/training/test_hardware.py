"""Hardware of a training: its names, and the energy of its counters."""

from pathlib import Path
from types import SimpleNamespace

import pytest

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before torch modules that need torchvision)
import torch

from mml_lib.training import hardware
from mml_lib.training.hardware import EnergyMeter, hardware_of, measured_energy, processor_joules, processor_name

CPU = torch.device("cpu")


def counter(folder: Path, name: str, joules: float) -> None:
    (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / name / "energy_uj").write_text(f"{int(joules * 1e6)}\n")


def trainer(epoch: int = 0, device: str = "cpu", **more: object) -> SimpleNamespace:
    strategy = SimpleNamespace(root_device=torch.device(device))
    return SimpleNamespace(current_epoch=epoch, global_step=epoch, strategy=strategy, **more)


def test_processor_is_named_by_the_system_or_by_python(tmp_path: Path):
    (tmp_path / "cpuinfo").write_text("processor : 0\nmodel name\t: ACME  Fast 9000\nprocessor : 1\n")
    assert processor_name(tmp_path / "cpuinfo") == "ACME Fast 9000"
    assert processor_name(tmp_path / "none")
    assert set(hardware_of(CPU)) == {"processor"}


def test_energy_is_that_of_all_processors_between_start_and_end(tmp_path: Path):
    meter = EnergyMeter(tmp_path)
    for name in ("intel-rapl:0", "intel-rapl:1"):
        counter(tmp_path, name, 1000)
    counter(tmp_path, "intel-rapl:0:0", 50)  # the cores of a package, which counts them
    meter.on_train_start(trainer(), None)
    counter(tmp_path, "intel-rapl:0", 1000 + 3.6e6)
    counter(tmp_path, "intel-rapl:0:0", 5000)
    meter.on_train_end(trainer(), None)
    assert meter.kwh == pytest.approx(1.0)
    assert measured_energy(SimpleNamespace(callbacks=[meter])) == meter.kwh
    assert measured_energy(SimpleNamespace(callbacks=[])) is None


def test_energy_of_a_resumed_training_or_of_a_counter_that_began_again_is_unknown(tmp_path: Path):
    counter(tmp_path, "intel-rapl:0", 1000)
    meter = EnergyMeter(tmp_path)
    meter.on_train_start(trainer(epoch=2), None)
    counter(tmp_path, "intel-rapl:0", 2000)
    meter.on_train_end(trainer(), None)
    assert meter.kwh is None
    meter.on_train_start(trainer(), None)
    counter(tmp_path, "intel-rapl:0", 10)
    meter.on_train_end(trainer(), None)
    assert meter.kwh is None


def test_without_counters_nothing_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "intel-rapl:0").mkdir()
    assert processor_joules(tmp_path) == processor_joules(tmp_path / "none") == {}
    counter(tmp_path, "intel-rapl:0", 10)
    monkeypatch.setattr(hardware, "gpu_joules", dict)
    meter = EnergyMeter(tmp_path)  # the processors alone are no energy of a training on a GPU
    meter.on_train_start(trainer(device="cuda"), None)
    meter.on_train_end(trainer(device="cuda"), None)
    assert meter.kwh is None
