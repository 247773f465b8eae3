"""Step: what a script opens with the object that Snakemake gives it."""

import atexit
import os
import signal
import sys
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from mml_lib.config.loading import load_study, preset_folders
from mml_lib.config.plugins import import_plugin
from mml_lib.config.schema import StudyConfig
from mml_lib.files.atomic import remove_leftovers, write_text
from mml_lib.files.checksums import checksum_path, seal_outputs
from mml_lib.files.manager import MMLFileManager
from mml_lib.files.stored import json_text
from mml_lib.machine.locks import follow_parent, follow_supervisor, process_rank
from mml_lib.machine.rule_names import name_in_step
from mml_lib.pipelines.step_hooks import StepHooks, mode_of, overrides_hooks, own_scheduler
from mml_lib.steps.step_log import open_log
from mml_lib.steps.warm_start import start_warm

if TYPE_CHECKING:
    from mml_lib.studies.study import Study

TRAINING_RULES = ("train_fold", "tune_fold")
"""Rules that train the pipeline of their input."""

_held: list[IO[Any]] = []  # locks stay taken as long as their process


class Step:
    """One execution of one rule. It builds nothing of the study; `cfg`, `fm` and `open_study()` do so on request.

    Attributes:
        input, output, params: files and settings of the rule.
        config: the study, before it is validated.
        task, eval_task, run, fold: the wildcards of these names; `eval_task` is `task` if the rule has none of its own.
        mode: the wildcard of this name, or the mode of the study.
        threads: number of threads.
        terminal: stream of the terminal; None without one.
        return_value: the return value of the plan, for `before_finishing_hook`.

    Args:
        snakemake: the object that Snakemake gives a script.
        terminal: stream of the terminal.
    """

    def __init__(self, snakemake: Any, terminal: IO[str] | None = None):
        self.rule = name_in_step(snakemake.rule)
        self.input = snakemake.input
        self.output = snakemake.output
        self.params = snakemake.params
        self.config: dict[str, Any] = snakemake.config
        self.threads: int = snakemake.threads
        self.terminal = terminal
        wildcards = snakemake.wildcards
        self.task: str | None = wildcards.get("task")
        self.eval_task: str | None = wildcards.get("eval_task", self.task)
        self.run: str | None = wildcards.get("run")
        fold = wildcards.get("fold")
        self.fold: int | None = None if fold is None else int(fold)
        self.mode: str = wildcards.get("mode") or str(mode_of(self.config, self._folders)["id"])
        self.return_value: Any = None

    @property
    def _folders(self) -> list[Path]:
        return preset_folders(self.config)

    @cached_property
    def cfg(self) -> StudyConfig:
        """The validated config of the study."""
        return load_study(self.config)

    @cached_property
    def fm(self) -> MMLFileManager:
        """The file manager of the study, for scripts that look for further artefacts."""
        cfg = self.cfg
        if MMLFileManager.exists():
            MMLFileManager.clear_instance()
        return MMLFileManager(cfg.paths.data, cfg.paths.results, cfg.project, cfg.remove, cfg.reuse.references)

    @property
    def pivot(self) -> str | None:
        """The task that the study is about, tags included; None if it is about all tasks alike."""
        pivot = self.cfg.pivot
        return None if pivot.name is None else pivot.name + pivot.tags

    @cached_property
    def hooks(self) -> StepHooks:
        """The hooks of the mode: those of the user's own scheduler if it overrides one."""
        overrides = overrides_hooks(own_scheduler(mode_of(self.config, self._folders, self.mode)))
        return self.open_study().scheduler(self.mode) if overrides else StepHooks()

    def open_study(self) -> "Study":
        """Return the study, for the few steps that plan."""
        from mml_lib.studies.study import Study

        return Study(self.config)

    def reused(self, key: str) -> list[Path]:
        """Return the files of `reuse.<key>` for all tasks, project by project; of each project the latest comes last.

        Files of one task are in `reused` of its struct.
        """
        return self.fm.reusables.paths(key)

    def finish(self, path: str | Path) -> None:
        """Write the return value of the plan."""
        write_text(path, json_text("return_value", {"mode": self.mode, "return_value": self.return_value}, indent=None))


def open_step(snakemake: Any, warm: bool = False) -> Any:
    """Open the step of a script: its log, its ties to the Snakemake that started it, the checksums of its outputs.

    Where several processes train together, each of them runs the script.

    Args:
        snakemake: the object that Snakemake gives a script, or one of `mock_snakemake`.
        warm: for scripts that need torch: go on in a fork of a process that has imported it, on GPUs of the step's own.

    Returns:
        a `TrainingStep` if the rule declares an input `pipeline` (of the class that a user's scheduler names as its
        `Step`), otherwise a `Step`.
    """
    if warm:
        start_warm()
    if process_rank():
        follow_parent()
    terminal = open_log(snakemake.rule, snakemake.log[0] if snakemake.log else None)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    if held := follow_supervisor():
        _held.append(held)
    if not process_rank():
        _prepare_outputs(list(snakemake.output), terminal)
    for plugin in snakemake.config.get("plugins") or ():
        import_plugin(plugin)
    step = _step_class(snakemake)(snakemake, terminal)
    if step.rule in TRAINING_RULES:
        step.check_code()
    if warm:
        from mml_lib.steps.step_gpus import take_gpus

        take_gpus(step, step.rule, terminal)
    step.hooks.after_preparation_hook(step)
    return step


def _step_class(snakemake: Any) -> type[Step]:
    if not snakemake.input.get("pipeline"):
        return Step
    from mml_lib.steps.training_step import TrainingStep

    scheduler = own_scheduler(mode_of(snakemake.config, preset_folders(snakemake.config)))
    return getattr(scheduler, "Step", None) or TrainingStep


def _prepare_outputs(outputs: list[str], terminal: IO[str]) -> None:
    """Remove what an earlier step of these outputs left, and write their checksums when this step ends."""
    for output in outputs:
        remove_leftovers(output)
        checksum_path(output).unlink(missing_ok=True)  # others would compare it with the new output
    atexit.register(_seal, outputs, terminal)


def _seal(outputs: list[str], terminal: IO[str]) -> None:
    try:
        seal_outputs(outputs)
    except OSError as error:
        print(f"error: the checksums of {', '.join(outputs)} cannot be written: {error}", file=terminal, flush=True)
        os._exit(1)  # an exception would be shown, and the step would count as done
