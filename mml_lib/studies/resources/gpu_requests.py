"""GPU requests of rules, and the number of parallel steps on the GPUs of this machine.

Snakemake starts as many steps as there are GPUs, or as fit into their memory; a lease gives each its own. On a cluster,
which assigns GPUs to jobs, neither is needed.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from mml_lib.config.gpu_options import ACCELERATORS, TRAINING, TRAININGS, TRIAL, gpus_of, resources_of
from mml_lib.errors import MMLError
from mml_lib.machine.gpu_devices import Gpu, may_have_gpu, visible_gpus
from mml_lib.pipelines.trained_networks import TrainedNetwork
from mml_lib.studies.checks.study_checks import GPU_RULES

if TYPE_CHECKING:
    from snakemake.iocontainers import Wildcards
    from snakemake.workflow import Workflow

    from mml_lib.studies.study import Study


class Gpus:
    """GPU requests of the rules of a study.

    Args:
        study: config and runs.
    """

    def __init__(self, study: "Study"):
        self.study = study
        self.here: tuple[Gpu, ...] | None = None  # those of this machine; None where others do the steps
        self.cores: int | None = None
        self.on_cluster = False
        self.number_of_trainings = 0

    # --- requests of rules ------------------------------------------------------------------------------------------

    def number(self, rule: str) -> int | Callable[["Wildcards"], int]:
        """Return the number of GPUs of a step; for trainings, a function of the wildcards; 0 on a machine without GPUs.

        Functions, which Snakemake calls for each step, slow planning down.
        """
        cfg = self.study.cfg
        if self.here == ():
            return 0
        if rule not in TRAININGS:
            return gpus_of(cfg, rule)
        if rule != TRAINING:
            return lambda wildcards: gpus_of(
                cfg,
                rule,
                self._devices(wildcards.task, self.study.searches.find(wildcards.task, wildcards.search).base.run),
            )
        return lambda wildcards: gpus_of(cfg, rule, self._devices(wildcards.task, wildcards.run))

    def memory(self, rule: str) -> Callable[["Wildcards"], int | None] | None:
        """Return the function of wildcards for the GPU memory of a step, in MB; None if no step shares a GPU.

        On this machine, a whole GPU counts with the average memory of all GPUs. A share counts with the memory that it
        makes unavailable: with 10 of 16 GB, no second such step fits.
        """
        if self.here == () or not self._shared:
            return None
        number, share = self.number(rule), resources_of(self.study.cfg, rule).gpu_mem_mb

        def gpu_mem_mb(wildcards: "Wildcards") -> int | None:
            gpus = number(wildcards) if callable(number) else number
            if not gpus:
                return None
            if self.here is None:
                return share and gpus * share
            return gpus * (self._memory // (self._places(share) or len(self.here)))

        return gpu_mem_mb

    def threads(self, rule: str, default: int) -> int:
        """Return the number of threads of a step: that of the study, or else its share of the cores.

        Args:
            rule: rule of the step.
            default: number of threads on a cluster.
        """
        own = resources_of(self.study.cfg, rule).threads
        return own or (default if self.cores is None else max(1, self.cores // self.at_once(rule)))

    def at_once(self, rule: str = TRAINING) -> int:
        """Return the number of parallel steps of a rule on this machine.

        All trainings of the study count, including finished ones, so that the number of threads of a training does not
        depend on interruptions.
        """
        trainings = self.number_of_trainings
        if rule == TRIAL:
            trainings = sum(search.in_flight for search in self.study.searches.planned.values())
        cores, trainings = self.cores or 1, max(1, trainings)
        if not (self.here and gpus_of(self.study.cfg, rule)):
            return min(cores, trainings)
        places = self._places(resources_of(self.study.cfg, rule).gpu_mem_mb) or len(self.here)
        devices = self.study.cfg.trainer.devices if rule == TRAINING else 1
        return max(1, min(places // devices, trainings, cores))

    def shares(self) -> str | None:
        """Return the number of trainings at once and their threads as text; None without trainings or on a cluster."""
        if self.cores is None or not self.number_of_trainings:
            return None
        threads = min(self.threads(TRAINING, 1), self.cores)
        at_once = min(self.at_once(), max(1, self.cores // threads))
        return f"{at_once} at once, {threads} thread{'s' * (threads != 1)} each"

    @property
    def _shared(self) -> bool:
        return any(resources_of(self.study.cfg, rule).gpu_mem_mb for rule in GPU_RULES)

    @property
    def _memory(self) -> int:
        return sum(gpu.memory for gpu in self.here or ())

    def _places(self, share: int | None) -> int:
        """Return the number of steps with a share of a GPU that fit on this machine."""
        return sum(gpu.memory // share for gpu in self.here or ()) if share else 0

    # --- planning ---------------------------------------------------------------------------------------------------

    def prepare(self, workflow: "Workflow", modes: Iterable[str]) -> None:
        """Find the GPUs of this machine, unless a cluster runs the steps, and limit concurrent steps by them.

        Args:
            workflow: Snakemake's workflow object, whose own limits take precedence.
            modes: planned modes.

        Raises:
            MMLError: a remaining training needs more GPUs than this machine has.
        """
        limits = workflow.global_resources
        if limits["_nodes"].value is not None:  # a cluster allocates GPUs to jobs
            self.on_cluster = True
            return
        self.cores = limits["_cores"].value
        self.count_trainings(modes)
        self.here = tuple(visible_gpus()) if self.study.cfg.trainer.accelerator in ACCELERATORS else ()
        if self.here:
            name, limit = ("gpu_mem_mb", self._memory) if self._shared else ("gpu", len(self.here))
            if name not in limits:
                workflow.register_resource(name, limit)
        gpu_limit = limits["gpu"].value if "gpu" in limits else None
        if problem := self._problem(gpu_limit, modes):
            raise MMLError(problem)

    def count_trainings(self, modes: Iterable[str]) -> None:
        """Count all trainings of these modes, including finished ones: they share the cores."""
        self.number_of_trainings = len(set(self._trainings(modes)))

    def _problem(self, limit: int | None, modes: Iterable[str]) -> str | None:
        accelerator, gpus = self.study.cfg.trainer.accelerator, self.here or ()
        if accelerator in ("gpu", "cuda") and not gpus and not may_have_gpu():
            if self._left(modes):
                return f"trainer.accelerator '{accelerator}' is not available: this machine has no GPU; set it to auto"
            return None
        if not gpus:
            return None
        for rule in GPU_RULES:
            share = resources_of(self.study.cfg, rule).gpu_mem_mb
            if share and resources_of(self.study.cfg, rule).gpu != 0 and not self._places(share):
                largest = max(gpu.memory for gpu in gpus)
                return f"resources.{rule}.gpu_mem_mb is {share}, but the largest GPU here has {largest} MB; lower it"
        number = min(len(gpus), len(gpus) if limit is None else limit)
        devices = max(self._left(modes), default=0)
        if resources_of(self.study.cfg, TRAINING).gpu == 0 or devices <= number:
            return None
        whose = f"GPU{'s' * (number != 1)} of this machine may be used"
        return f"trainer.devices is {devices}, but {number} {whose}; lower it, which makes a new run"

    def _left(self, modes: Iterable[str]) -> list[int]:
        """Return the number of devices of each remaining training, and of the trials of each remaining search."""
        path = self.study.fm.path
        left = [network for network in self._trainings(modes) if not Path(path("models", **network.tokens)).exists()]
        searches = [search for mode in modes for search in self.study.scheduler(mode).planned_searches]
        trials = [
            search.base.content["trainer"].get("devices", 1)
            for search in searches
            if not all(
                Path(path("search_choice", task=search.task, search=search.id, run=pipeline.run)).exists()
                for pipeline in search.chosen.values()
            )
        ]
        return [self._devices(network.task, network.run) for network in left] + trials

    def _trainings(self, modes: Iterable[str]) -> list[TrainedNetwork]:
        return [network for mode in modes for network in self.study.scheduler(mode).trainings]

    def _devices(self, task: str, run: str) -> int:
        return self.study.run(task, run).pipeline.content["trainer"].get("devices", 1)
