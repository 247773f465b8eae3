"""Step: inputs, outputs, settings and config of a running rule. Scripts get it from `open_step`."""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from mml_lib.config.loading import load_study, open_files, preset_folders
from mml_lib.config.schema import StudyConfig
from mml_lib.files.atomic import write_text
from mml_lib.files.manager import MMLFileManager
from mml_lib.files.stored import json_text
from mml_lib.machine.rule_names import name_in_step
from mml_lib.pipelines.step_hooks import StepHooks, mode_of, overrides_hooks, own_scheduler

if TYPE_CHECKING:
    from mml_lib.studies.study import Study


class Step:
    """One execution of one rule. `cfg`, `fm` and `open_study()` are built on request.

    Attributes:
        input, output, params: files and settings of the rule.
        config: the study, before it is validated.
        task, eval_task, run, fold, measure: wildcards of these names; `eval_task` defaults to `task`.
        mode: the wildcard of this name, or the mode of the study.
        threads: number of threads.
        terminal: stream of the terminal; None without one.
        return_value: the return value of the plan, for `before_finishing_hook`.

    Args:
        snakemake: the object `snakemake` of a script.
        terminal: stream of the terminal.
    """

    def __init__(self, snakemake: Any, terminal: TextIO | None = None):
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
        self.measure: str | None = wildcards.get("measure")
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
        """The file manager of the study."""
        return open_files(self.cfg)

    @property
    def pivot(self) -> str | None:
        """The pivot of the study with its tags; None without one."""
        pivot = self.cfg.pivot
        return None if pivot.name is None else pivot.name + pivot.tags

    @cached_property
    def scheduler_class(self) -> type | None:
        """The scheduler class of the study's mode; None for a class of MML in a study without plugins."""
        return own_scheduler(self.config, self._folders)

    @cached_property
    def hooks(self) -> StepHooks:
        """The hooks of the mode: those of the user's scheduler if it overrides any."""
        overrides = overrides_hooks(own_scheduler(self.config, self._folders, self.mode))
        return self.open_study().scheduler(self.mode) if overrides else StepHooks()

    def open_study(self) -> "Study":
        """Return the study. Each call returns the same object, because its schedulers may have a state."""
        return self._study

    @cached_property
    def _study(self) -> "Study":
        from mml_lib.studies.study import Study

        return Study(self.config)

    def reused(self, key: str) -> list[Path]:
        """Return the files of `reuse.<key>` for all tasks, ordered by project and, within a project, by time.

        The attribute `reused` of a struct has the files of one task.
        """
        return self.fm.reusables.paths(key)

    def finish(self, path: str | Path) -> None:
        """Write the return value of the plan."""
        write_text(path, json_text("return_value", {"mode": self.mode, "return_value": self.return_value}, indent=None))
