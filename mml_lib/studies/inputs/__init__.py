"""Functions of wildcards for inputs and params of rules: one module per rule file."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from mml_lib.studies.inputs.audit_inputs import AuditInputs
from mml_lib.studies.inputs.evaluate_inputs import EvaluateInputs
from mml_lib.studies.inputs.features_inputs import FeaturesInputs
from mml_lib.studies.inputs.finish_inputs import FinishInputs
from mml_lib.studies.inputs.info_inputs import InfoInputs
from mml_lib.studies.inputs.network_inputs.deployment_inputs import DeploymentInputs
from mml_lib.studies.inputs.network_inputs.explain_inputs import ExplainInputs
from mml_lib.studies.inputs.network_inputs.operating_inputs import OperatingInputs
from mml_lib.studies.inputs.network_inputs.page_inputs import PageInputs
from mml_lib.studies.inputs.post_inputs import PostInputs
from mml_lib.studies.inputs.preprocess_inputs import PreprocessInputs
from mml_lib.studies.inputs.questions_inputs import QuestionsInputs
from mml_lib.studies.inputs.report_inputs import ReportInputs
from mml_lib.studies.inputs.search_inputs import SearchInputs
from mml_lib.studies.inputs.similarity_inputs import SimilarityInputs
from mml_lib.studies.inputs.suggest_inputs import SuggestInputs
from mml_lib.studies.inputs.tasks_inputs import TasksInputs
from mml_lib.studies.inputs.train_inputs import TrainInputs
from mml_lib.studies.inputs.transfer_inputs import TransferInputs

if TYPE_CHECKING:
    from snakemake.iocontainers import Wildcards

    from mml_lib.studies.study import Study


class Inputs:
    """Inputs and params of rules: `study.inputs.train` has those of rules/train.smk, and so on.

    Args:
        study: the study.
    """

    def __init__(self, study: "Study"):
        self.fm = study.fm
        self.audit = AuditInputs(study)
        self.deployment = DeploymentInputs(study)
        self.explain = ExplainInputs(study)
        self.operating = OperatingInputs(study)
        self.tasks = TasksInputs(study)
        self.preprocess = PreprocessInputs(study)
        self.train = TrainInputs(study)
        self.evaluate = EvaluateInputs(study)
        self.features = FeaturesInputs(study)
        self.post = PostInputs(study)
        self.questions = QuestionsInputs(study)
        self.transfer = TransferInputs(study)
        self.suggest = SuggestInputs(study)
        self.search = SearchInputs(study)
        self.info = InfoInputs(study)
        self.report = ReportInputs(study)
        self.page = PageInputs(study)
        self.similarity = SimilarityInputs(study)
        self.finish = FinishInputs(study)

    def reused(self, key: str) -> Callable[["Wildcards"], list[str]]:
        """Return the input function for files of `reuse.<key>`: of the step's task, if the files belong to tasks."""
        per_task = "TASK_NAME" in self.fm.template(key).tokens
        return lambda wildcards: self.fm.reusables.inputs(key, **({"task": wildcards.task} if per_task else {}))
