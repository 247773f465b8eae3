"""The GPUs of this machine, as the driver's tool `nvidia-smi` lists them; CUDA is not initialised."""

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
"""Seconds to wait for `nvidia-smi`, which takes some where the driver has to start first."""

DEVICE_FILES = ("nvidia*", "nvhost-gpu", "kfd", "dxg")
"""Files below /dev of GPUs: NVIDIA, Jetson, AMD, Windows."""


@dataclass(frozen=True)
class Gpu:
    """One GPU.

    Args:
        uuid: what CUDA_VISIBLE_DEVICES may name it by; other than a number, the same in containers.
        memory: in MB.
        used: by all programs, in MB.
    """

    uuid: str
    memory: int
    used: int = 0


def all_gpus() -> list[Gpu]:
    """Return the NVIDIA GPUs of this machine, in the order in which `nvidia-smi` counts them.

    Raises:
        MMLError: the tool is there but fails.
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


def _broken(words: object) -> MMLError:
    return MMLError(
        f"{TOOL} cannot tell which GPUs there are ({str(words).strip()}); mend the driver, or set "
        "trainer.accelerator: cpu"
    )


def visible_gpus() -> list[Gpu]:
    """Return those GPUs that CUDA_VISIBLE_DEVICES leaves to this process, in its order: all where it is not set.

    Numbers count as `nvidia-smi` does. Parts of a GPU (MIG) are known where the variable names them, but for their
    memory, which is said to be 0.
    """
    chosen = os.environ.get(VISIBLE)
    gpus = all_gpus() if chosen is None or chosen.strip() else []
    if chosen is None:
        return gpus
    visible: list[Gpu] = []
    for word in map(str.strip, chosen.split(",")):
        gpu = _named(word, gpus)
        if gpu is None:  # CUDA, too, takes those up to the first that is not there
            break
        visible.append(gpu)
    return visible


def _named(word: str, gpus: Sequence[Gpu]) -> Gpu | None:
    if word.startswith("MIG-"):
        return Gpu(word, 0)
    if word.isdigit():
        return gpus[int(word)] if int(word) < len(gpus) else None
    return next((gpu for gpu in gpus if word and gpu.uuid.startswith(word)), None)


def may_have_gpu() -> bool:
    """Return True if this machine shows signs of a GPU of any kind, also one that `nvidia-smi` does not list."""
    return bool(shutil.which(TOOL)) or any(any(Path("/dev").glob(pattern)) for pattern in DEVICE_FILES)
