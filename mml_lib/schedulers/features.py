"""Mode `features`: embeddings of the samples of a study's tasks by a frozen backbone."""

from mml_lib.schedulers.base import AbstractBaseScheduler


class FeaturesScheduler(AbstractBaseScheduler):
    """Extracts the features of every task that the study is about, by the backbone of its section `features`."""

    def create_routine(self) -> None:
        inputs = self.study.inputs.features
        self.add_tasks()
        for task in self.task_names:
            if not inputs.is_reused(task):
                self.add("extract_features", **inputs.tokens(task))
