"""Base of the inputs and params of a rule file."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mml_lib.studies.study import Study


class RuleInputs:
    """Inputs and params of one rule file: functions of wildcards.

    Args:
        study: the study.
    """

    def __init__(self, study: "Study"):
        self.study = study
        self.fm = study.fm
