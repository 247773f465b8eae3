"""Schedulers of a study: one for each mode."""

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mml_lib.config.factories import import_target
from mml_lib.config.reading.presets import preset_names, resolve_presets
from mml_lib.errors import MMLError

if TYPE_CHECKING:
    from mml_lib.schedulers.base import AbstractBaseScheduler
    from mml_lib.studies.study import Study

BASE = "mml_lib.schedulers.base.AbstractBaseScheduler"
"""The class that users derive their schedulers from."""


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
    def of(self, mode: str) -> "AbstractBaseScheduler":
        """Return the scheduler of a mode; the mode of the study keeps its options.

        Raises:
            MMLError: the scheduler class or an option does not exist.
        """
        config = self.study.cfg.mode
        if mode != config.id:
            config = type(config)(**resolve_presets({"mode": mode}, self.study.folders)["mode"])
        scheduler_class = import_target(config.scheduler.target)
        if not (isinstance(scheduler_class, type) and issubclass(scheduler_class, import_target(BASE))):
            raise MMLError(f"mode.scheduler: {config.scheduler.target} is not a scheduler; derive it from {BASE}")
        return scheduler_class(self.study, config)

    def providing(self, mode: str) -> "AbstractBaseScheduler":
        """Return the scheduler that plans the steps of a mode: that of the study if it does, else that of the mode."""
        own = self.of(self.study.cfg.mode.id)
        return own if own.provides == mode else self.of(mode)

    def plan(self, modes: Sequence[str]) -> None:
        """Plan modes, to find mistakes of the study before the first step.

        Raises:
            MMLError: the first mistake.
        """
        for mode in modes:
            _ = self.of(mode).commands
            self.planned.append(mode)
            if self.of(mode).alone and len(modes) > 1:
                others = ", ".join(other for other in modes if other != mode)
                raise MMLError(f"mode {mode} cannot be combined with other modes; ask for {others} before or after it")
