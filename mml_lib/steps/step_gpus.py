"""GPUs of a running step, which leases them before it uses CUDA."""

import logging
import os
from typing import TYPE_CHECKING, TextIO

from mml_lib.config.gpu_options import ACCELERATORS, gpus_of, resources_of
from mml_lib.machine.gpu_devices import VISIBLE, visible_gpus
from mml_lib.machine.leases import SHARE, lease_gpus, own_share
from mml_lib.machine.locks import process_rank

if TYPE_CHECKING:
    from mml_lib.steps.training_step import TrainingStep

logger = logging.getLogger(__name__)

CONTEXT_MB = 500
"""MB of a process's share that CUDA itself uses."""


def take_gpus(step: "TrainingStep", rule: str, terminal: TextIO) -> None:
    """Lease the GPUs that a rule requests; report waiting to the log and the terminal.

    GPUs are hidden from steps without GPUs. SLURM jobs keep the GPUs of their allocation. In distributed training, only
    the first process leases GPUs.
    """
    cfg = step.cfg
    if process_rank() or cfg.trainer.accelerator not in ACCELERATORS:
        return
    number, mem_mb = gpus_of(cfg, rule, cfg.trainer.devices), resources_of(cfg, rule).gpu_mem_mb
    if number == 0:
        os.environ[VISIBLE] = ""
        return
    visible = os.environ.get(VISIBLE, "").split(",")
    if "SLURM_JOB_ID" in os.environ and visible != [""] and len(visible) <= number:
        return
    if not visible_gpus():
        return

    def report(state: str) -> None:
        logger.info("%s", state)
        if step.terminal is not None:
            print(f"{rule} of {step.task} fold {step.fold} is {state}", file=terminal, flush=True)

    lease_gpus(number, mem_mb, 60 * cfg.gpu_timeout, report)
    logger.info("on GPU %s%s", os.environ[VISIBLE], f", {mem_mb} MB" if mem_mb else "")
    if mem_mb:
        os.environ[SHARE] = str(mem_mb)


def limit_gpu_memory() -> None:
    """Limit the GPU memory of this process to the share that its step has leased."""
    import torch

    mem_mb, device = own_share(), int(os.environ.get("LOCAL_RANK", 0))
    if mem_mb and torch.cuda.is_available():
        memory = torch.cuda.get_device_properties(device).total_memory / 2**20
        torch.cuda.set_per_process_memory_fraction(min(1, max(mem_mb - CONTEXT_MB, mem_mb / 2) / memory), device)
