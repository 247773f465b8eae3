"""Functions of wildcards that give the inputs and params of rules: one module per rule file."""

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from mml_lib.studies.inputs.evaluate_inputs import EvaluateInputs
from mml_lib.studies.inputs.finish_inputs import FinishInputs
from mml_lib.studies.inputs.info_inputs import InfoInputs
from mml_lib.studies.inputs.post_inputs import PostInputs
from mml_lib.studies.inputs.preprocess_inputs import PreprocessInputs
from mml_lib.studies.inputs.questions_inputs import QuestionsInputs
from mml_lib.studies.inputs.report_inputs import ReportInputs
from mml_lib.studies.inputs.tasks_inputs import TasksInputs
from mml_lib.studies.inputs.train_inputs import TrainInputs

if TYPE_CHECKING:
    from snakemake.iocontainers import Wildcards

    from mml_lib.studies.study import Study


class Inputs:
    """Inputs and params of rules: `study.inputs.train` has those of rules/train.smk, and so on.

    Args:
        study: the study.
    """

    def __init__(self, study: "Study"):
        self.study = study

    def reused(self, key: str) -> Callable[["Wildcards"], list[str]]:
        """Return the input function for files of `reuse.<key>`: of the step's task, if the files belong to tasks."""
        fm = self.study.fm
        per_task = "TASK_NAME" in fm.template(key).tokens
        return lambda wildcards: fm.reusables.inputs(key, **({"task": wildcards.task} if per_task else {}))

    @cached_property
    def tasks(self) -> TasksInputs:
        """Inputs and params of rules/tasks.smk."""
        return TasksInputs(self.study)

    @cached_property
    def preprocess(self) -> PreprocessInputs:
        """Inputs and params of rules/preprocess.smk."""
        return PreprocessInputs(self.study)

    @cached_property
    def train(self) -> TrainInputs:
        """Inputs and params of rules/train.smk."""
        return TrainInputs(self.study)

    @cached_property
    def evaluate(self) -> EvaluateInputs:
        """Inputs and params of rules/evaluate.smk."""
        return EvaluateInputs(self.study)

    @cached_property
    def post(self) -> PostInputs:
        """Inputs and params of rules/post.smk."""
        return PostInputs(self.study)

    @cached_property
    def questions(self) -> QuestionsInputs:
        """Inputs and params of rules/questions.smk."""
        return QuestionsInputs(self.study)

    @cached_property
    def info(self) -> InfoInputs:
        """Inputs and params of rules/info.smk."""
        return InfoInputs(self.study)

    @cached_property
    def report(self) -> ReportInputs:
        """Inputs and params of rules/report.smk."""
        return ReportInputs(self.study)

    @cached_property
    def finish(self) -> FinishInputs:
        """Inputs and params of rules/finish.smk."""
        return FinishInputs(self.study)
