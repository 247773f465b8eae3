"""Mode `suggest`: pipelines and pretraining sources for the pivot, from the best runs on similar tasks."""

from typing import TYPE_CHECKING

from mml_lib.schedulers.base import AbstractBaseScheduler
from mml_lib.studies.suggestions.account import read_suggestion, summary

if TYPE_CHECKING:
    from mml_lib.steps.step import Step


class SuggestScheduler(AbstractBaseScheduler):
    """Merges the pipelines of near tasks into blueprints for the pivot, with the section `suggest`."""

    def create_routine(self) -> None:
        suggestions = self.study.suggestions
        suggestions.check()
        for number in range(1, suggestions.options.n + 1):
            self.add("suggest_pipeline", task=suggestions.pivot, number=number)
        self.add("describe_suggestions", task=suggestions.pivot)

    def before_finishing_hook(self, step: "Step") -> None:
        """Return the blueprint of each suggestion for `mode.use_blueprint`, and the source to pretrain on."""
        step.return_value = [summary(read_suggestion(path)) for path in step.input.suggestion]
