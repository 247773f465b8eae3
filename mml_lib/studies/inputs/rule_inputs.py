"""Base of the inputs and params of a rule file."""

from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from snakemake.iocontainers import Wildcards

    from mml_lib.schedulers.train import TrainScheduler
    from mml_lib.studies.study import Study


class RuleInputs:
    """Inputs and params of one rule file: functions of wildcards.

    Args:
        study: the study.
    """

    def __init__(self, study: "Study"):
        self.study = study
        self.fm = study.fm

    def _scheduler(self, wildcards: "Wildcards") -> "TrainScheduler":
        """Return the scheduler of the mode in the wildcards, for rules that only modes with networks plan."""
        return cast("TrainScheduler", self.study.scheduler(wildcards.mode))
