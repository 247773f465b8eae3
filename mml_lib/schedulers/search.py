"""Mode `search`: hyper-parameters of the tasks of a study, without the training of the best pipeline on all folds."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from mml_lib.errors import MMLError
from mml_lib.pipelines.pipeline import read_stored_yaml
from mml_lib.schedulers.train import TrainScheduler
from mml_lib.studies.blueprints import BEST

if TYPE_CHECKING:
    from mml_lib.steps.step import Step


class SearchScheduler(TrainScheduler):
    """Proposes, trains and compares trials of the section `search`."""

    next_modes: ClassVar[Mapping[str, str]] = {"train": "the best pipelines on all folds, with test metrics"}

    def create_routine(self) -> None:
        if all(variant.study.search is None for variant in self.variants):
            raise MMLError("search: the section is missing; name what to search, search: {space: {optimizer.lr: …}}")
        for task in self.task_names:
            self._check(task)
            for trained in self.trained_for(task):
                _ = self.runs_of(trained)
        self.add_searches()
        for search in self.planned_searches:
            for pipeline in search.chosen.values():
                self.add("choose_trial", task=search.task, search=search.id, run=pipeline.run)
        if self.guards.guards:
            self.add("check_images", sha256=self.guards.sha256)

    @property
    def trainings(self) -> list[Any]:
        return []

    def before_finishing_hook(self, step: "Step") -> None:
        """Return the best trials of each search: their values, results, and reasons of the choice."""
        labels = {pipeline.run: search.label for search in self.planned_searches for pipeline in search.chosen.values()}
        step.return_value = []
        for path in step.input.search_choice:
            tokens = self.fm.wildcards("search_choice", path)
            chosen = read_stored_yaml(Path(path), "blueprint")["chosen"]
            about = {"task": tokens["task"], "search": tokens["search"], "label": labels.get(tokens["run"], "")}
            blueprint = {"blueprint": f"{tokens['task']}#{BEST}"} if chosen["rank"] == 1 else {}
            step.return_value.append(about | chosen | blueprint)
