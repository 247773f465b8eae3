"""Schedulers of a study: one for each mode, and the part of their interface that a study uses."""

import functools
from abc import ABC
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from mml_lib.config.factories import import_target
from mml_lib.config.reading.presets import preset_names, resolve_presets
from mml_lib.errors import MMLError

if TYPE_CHECKING:
    from mml_lib.config.sections import Section
    from mml_lib.evaluation.run_labels import RunLabel
    from mml_lib.studies.checks.guarding import Guards
    from mml_lib.studies.runs import Run
    from mml_lib.studies.study import Study

BASE = "mml_lib.schedulers.base.AbstractBaseScheduler"
"""The class that users derive their schedulers from."""


class StudyScheduler(ABC):
    """Interface of schedulers for studies. Users derive theirs from `AbstractBaseScheduler`, which completes it."""

    alone: ClassVar[bool] = False
    """True for a mode that is planned without others, reads no data and records no study."""
    gives_answers: ClassVar[bool] = False
    """True if the mode has options for calibration, ensembles and comparisons."""

    mode: str
    options: "Section"

    @property
    def subroutines(self) -> list[str]:
        """Parts of the mode that are planned."""
        raise NotImplementedError

    @property
    def task_names(self) -> list[str]:
        """Tasks that the mode is for."""
        raise NotImplementedError

    @property
    def trained_tasks(self) -> list[str]:
        """Tasks that networks are trained on."""
        raise NotImplementedError

    @property
    def commands(self) -> list[str]:
        """Names of the planned steps."""
        raise NotImplementedError

    @property
    def params(self) -> list[dict[str, Any]]:
        """Wildcards of each planned step."""
        raise NotImplementedError

    @property
    def trainings(self) -> list[dict[str, Any]]:
        """Wildcards of the planned trainings."""
        raise NotImplementedError

    @property
    def guards(self) -> "Guards":
        """Tasks whose test images nothing trains on."""
        raise NotImplementedError

    @property
    def announcement(self) -> list[str]:
        """Lines that are printed before anything runs."""
        raise NotImplementedError

    @property
    def split_notes(self) -> list[str]:
        """Notes on the splits that results are of."""
        raise NotImplementedError

    @property
    def run_labels(self) -> dict[str, "RunLabel"]:
        """Labels of runs, by run."""
        raise NotImplementedError

    def runs_of(self, task: str) -> list["Run"]:
        """Return the planned runs of a task."""
        raise NotImplementedError

    def run_label(self, task: str, run: "Run") -> "RunLabel":
        """Return the names of a run in tables and figures."""
        raise NotImplementedError


class StudySchedulers:
    """Schedulers by mode. Each is built when it is first needed.

    Args:
        study: the study.
    """

    def __init__(self, study: "Study"):
        self.study = study
        self.planned: list[str] = []

    @property
    def modes(self) -> list[str]:
        """Names of all modes: the presets, and the mode of the study."""
        return sorted({*preset_names("mode", self.study.folders), self.study.cfg.mode.id})

    @functools.cache  # noqa: B019  (a study lives as long as its process)
    def of(self, mode: str) -> Any:
        """Return the scheduler of a mode; the mode of the study keeps its options.

        Raises:
            MMLError: there is no such scheduler class, or an option that it does not have.
        """
        config = self.study.cfg.mode
        if mode != config.id:
            config = type(config)(**resolve_presets({"mode": mode}, self.study.folders)["mode"])
        scheduler_class = import_target(config.scheduler.target)
        if not (isinstance(scheduler_class, type) and issubclass(scheduler_class, StudyScheduler)):
            raise MMLError(f"mode.scheduler: {config.scheduler.target} is no scheduler; derive it from {BASE}")
        return scheduler_class(self.study, config)

    def plan(self, modes: Sequence[str]) -> None:
        """Plan modes, so that mistakes of the study are found before anything runs.

        Raises:
            MMLError: the first mistake.
        """
        for mode in modes:
            _ = self.of(mode).commands
            self.planned.append(mode)
            if self.of(mode).alone and len(modes) > 1:
                others = ", ".join(other for other in modes if other != mode)
                raise MMLError(f"mode {mode} goes with no other; ask for {others} before or after it")
