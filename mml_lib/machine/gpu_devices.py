"""GPUs of this machine, from `nvidia-smi`, without initialising CUDA."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mml_lib.errors import MMLError

VISIBLE = "CUDA_VISIBLE_DEVICES"
TOOL = "nvidia-smi"
TIMEOUT = 60
"""Seconds to wait for `nvidia-smi`, which may have to start the driver."""

DEVICE_FILES = ("nvidia*", "nvhost-gpu", "kfd", "dxg")
"""Files below /dev of GPUs: NVIDIA, Jetson, AMD, Windows."""


@dataclass(frozen=True)
class Gpu:
    """One GPU.

    Args:
        uuid: identifier for CUDA_VISIBLE_DEVICES. Unlike an index, it is the same in containers.
        memory: total memory in MB.
        used: memory that all programs use, in MB.
    """

    uuid: str
    memory: int
    used: int = 0


def all_gpus() -> list[Gpu]:
    """Return the NVIDIA GPUs of this machine in the order of `nvidia-smi`.

    Raises:
        MMLError: the tool fails.
    """
    if shutil.which(TOOL) is None:
        return []
    command = [TOOL, "--query-gpu=uuid,memory.total,memory.used", "--format=csv,noheader,nounits"]
    try:
        process = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _broken(error) from error
    if process.returncode and "no devices" in (process.stdout + process.stderr).lower():
        return []
    if process.returncode:
        raise _broken(process.stdout + process.stderr)
    try:
        rows = [[cell.strip() for cell in line.split(",")] for line in process.stdout.splitlines() if line.strip()]
        return [Gpu(uuid, int(memory), int(used)) for uuid, memory, used in rows]
    except ValueError as error:
        raise _broken(process.stdout) from error


def _broken(output: object) -> MMLError:
    return MMLError(
        f"{TOOL} cannot list GPUs ({str(output).strip()}); repair the driver, or set trainer.accelerator: cpu"
    )


def visible_gpus() -> list[Gpu]:
    """Return the GPUs in CUDA_VISIBLE_DEVICES, in its order; all GPUs if it is not set.

    Indices refer to the order of `nvidia-smi`. Parts of a GPU (MIG) are returned if the variable names them, with a
    memory of 0.
    """
    chosen = os.environ.get(VISIBLE)
    gpus = all_gpus() if chosen is None or chosen.strip() else []
    if chosen is None:
        return gpus
    visible: list[Gpu] = []
    for name in map(str.strip, chosen.split(",")):
        gpu = _named(name, gpus)
        if gpu is None:  # like CUDA, ignore everything after the first unknown GPU
            break
        visible.append(gpu)
    return visible


def _named(name: str, gpus: Sequence[Gpu]) -> Gpu | None:
    if name.startswith("MIG-"):
        return Gpu(name, 0)
    if name.isdigit():
        return gpus[int(name)] if int(name) < len(gpus) else None
    return next((gpu for gpu in gpus if name and gpu.uuid.startswith(name)), None)


def may_have_gpu() -> bool:
    """Return True if this machine may have a GPU, also one that `nvidia-smi` does not list."""
    return bool(shutil.which(TOOL)) or any(any(Path("/dev").glob(pattern)) for pattern in DEVICE_FILES)
