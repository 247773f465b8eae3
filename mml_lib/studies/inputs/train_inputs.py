"""Inputs and params of rules/train.smk."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mml_lib.errors import MMLError
from mml_lib.studies.inputs.rule_inputs import RuleInputs

if TYPE_CHECKING:
    from snakemake.iocontainers import OutputFiles, Wildcards


@dataclass(frozen=True)
class LearnedFiles:
    """Files of all tasks that a run learns, the main task first."""

    descriptions: list[str]
    packed_images: list[str]


class TrainInputs(RuleInputs):
    """Pipelines, tasks and models that trainings read."""

    # --- images of tasks, compared ------------------------------------------------------------------------------

    def guards(self, wildcards: "Wildcards") -> list[dict[str, Any]]:
        """The image guards with a digest, as JSON.

        Raises:
            MMLError: no mode of the study has them.
        """
        for mode in dict.fromkeys((*self.study.schedulers.planned, self.study.cfg.mode.id)):
            guards = self.study.scheduler(mode).guards
            if guards.guards and guards.sha256 == wildcards.sha256:
                return guards.as_json()
        raise MMLError(f"the study compares no images under {wildcards.sha256[:8]}…; ask for one of its modes")

    def guarded_descriptions(self, wildcards: "Wildcards") -> list[str]:
        """The descriptions of tasks in image guards that rules of this study can make."""
        tasks = [task for task in self._guarded_tasks(wildcards) if self.study.tasks.can_describe(*task)]
        return [self.fm.path("description", task=name, task_id=id_) for name, id_ in tasks]

    def foreign_descriptions(self, wildcards: "Wildcards") -> list[str]:
        """The descriptions of tasks in image guards that other projects have made.

        They are params: for inputs, Snakemake would search rules that create their data sets.
        """
        tasks = [task for task in self._guarded_tasks(wildcards) if not self.study.tasks.can_describe(*task)]
        return [self.fm.path("description", task=name, task_id=id_) for name, id_ in tasks]

    def _guarded_tasks(self, wildcards: "Wildcards") -> list[tuple[str, str]]:
        """Return name and id of each task in image guards."""
        guards = self.guards(wildcards)
        return list(dict.fromkeys(tuple(guard[key]) for guard in guards for key in ("learned", "tested")))

    # --- runs ---------------------------------------------------------------------------------------------------

    def pipeline_content(self, wildcards: "Wildcards") -> dict[str, Any]:
        """The content of a pipeline file."""
        return dict(self.study.run(wildcards.task, wildcards.run).pipeline.content)

    def suggestion(self, wildcards: "Wildcards") -> list[str]:
        """The suggestion that a run follows; none if it follows none."""
        entry = self.study.run(wildcards.task, wildcards.run).pipeline.content.get("suggestion")
        if not entry or "replaced" in entry:  # entries of stored runs are resolved
            return []
        return [self.fm.path("suggestion", task=self.study.suggestions.pivot, number=entry["number"])]

    def search_choice(self, wildcards: "Wildcards") -> list[str]:
        """The choice of the search that selects the pipeline of a run; empty without one."""
        entry = self.study.run(wildcards.task, wildcards.run).pipeline.content.get("search")
        if not entry or "replaced" in entry:
            return []
        search = self.study.searches.of_run(wildcards.task, wildcards.run)
        return [self.fm.path("search_choice", task=wildcards.task, search=search.id, run=wildcards.run)]

    def stores(self, wildcards: "Wildcards", output: "OutputFiles") -> dict[str, str]:
        """Where networks are stored, by run id and fold: that of a trial is not trained again for the chosen run."""
        return {key: self.fm.pattern(key) for key in ("parameters", "models", "history")}

    def reports_validation(self, wildcards: "Wildcards", output: "OutputFiles") -> bool:
        """True if results on the validation split of a run are reported."""
        return self.study.scheduler(self.study.cfg.mode.id).reports_validation(wildcards.task)

    @functools.cache  # noqa: B019  (a study lives as long as its process; a plan needs the files of each run many times)
    def learned_files(self, task: str, run: str) -> LearnedFiles:
        """Return the files of all tasks that a run learns."""
        tasks = self.study.run(task, run).pipeline.tasks
        packed = [self.fm.path("packed", dataset=learned["dataset"], pack=learned["pack"]) for learned in tasks]
        return LearnedFiles(
            [self.fm.path("description", task=learned["name"], task_id=learned["id"]) for learned in tasks],
            list(dict.fromkeys(packed)),
        )

    def descriptions(self, wildcards: "Wildcards") -> list[str]:
        """The descriptions of all tasks that a network learns, the run's own first."""
        return self.learned_files(wildcards.task, wildcards.run).descriptions

    def packed_images(self, wildcards: "Wildcards") -> list[str]:
        """The packed images of all tasks that a network learns."""
        return self.learned_files(wildcards.task, wildcards.run).packed_images

    def tuning(self, wildcards: "Wildcards") -> str | list[str]:
        """The results of a tuning before the training; none if the run has no `tune`."""
        if not self.study.run(wildcards.task, wildcards.run).pipeline.content.get("tune"):
            return []
        return self.fm.path("tuning", task=wildcards.task, run=wildcards.run, fold=wildcards.fold)

    # --- params that do not repeat a training: Snakemake does not compare functions of the output ---------------

    def training_name(self, wildcards: "Wildcards", output: "OutputFiles") -> str:
        """The name of a run in messages, with a note if only its weights are missing."""
        name = self.study.run(wildcards.task, wildcards.run).display_name
        weights_removed = Path(output.model).exists() and not Path(output.parameters).exists()
        return f"{name}, again, as its weights were removed" if weights_removed else name

    def datasets(self, wildcards: "Wildcards", output: "OutputFiles") -> list[str]:
        """The manifests behind the images that a network learns."""
        tasks = self.study.run(wildcards.task, wildcards.run).pipeline.tasks
        packs = dict.fromkeys((task["dataset"], task["pack"]) for task in tasks)
        return [self.fm.path("dataset", dataset=dataset) for dataset, _ in packs]

    def checkpoints(self, wildcards: "Wildcards", output: "OutputFiles") -> str:
        """The folder of a network's checkpoints."""
        return self.fm.path("checkpoint", task=wildcards.task, run=wildcards.run, fold=wildcards.fold)

    def tensorboard(self, wildcards: "Wildcards", output: "OutputFiles") -> str:
        """The folder of a training's TensorBoard files."""
        return self.fm.path("tensorboard", task=wildcards.task, run=wildcards.run, fold=wildcards.fold)

    def logger(self, wildcards: "Wildcards", output: "OutputFiles") -> str:
        """The folder of the files of a training's logger."""
        return self.fm.path("logger", task=wildcards.task, run=wildcards.run, fold=wildcards.fold)

    def tuning_folder(self, wildcards: "Wildcards", output: "OutputFiles") -> str:
        """The folder that a tuning uses while it runs."""
        return str(self.fm.tuning_path(wildcards.task, wildcards.run, wildcards.fold))

    # --- models to start from -----------------------------------------------------------------------------------

    def selection(self, wildcards: "Wildcards") -> str | list[str]:
        """The choice of the model that a run starts from; none if it starts from no model of MML."""
        if not self.study.run(wildcards.task, wildcards.run).pipeline.pretraining:
            return []
        return self.fm.path("selection", task=wildcards.task, run=wildcards.run)

    def candidate_models(self, wildcards: "Wildcards") -> list[str]:
        """The storages of the models that a run may start from."""
        return [self.fm.path("models", **model) for model in self._models(wildcards)]

    def candidate_parameters(self, wildcards: "Wildcards") -> list[str]:
        """The weights of the models that a run may start from."""
        return [self.fm.path("parameters", **model) for model in self._models(wildcards)]

    def candidates(self, wildcards: "Wildcards", output: "OutputFiles") -> list[dict[str, Any]]:
        """The models that a run may start from: `project` (None: this one), `task`, `run`, `fold`."""
        return [dict(model) for model in self._models(wildcards)]

    def _models(self, wildcards: "Wildcards") -> Sequence[Mapping[str, Any]]:
        return self.study.run(wildcards.task, wildcards.run).pipeline.pretraining.get("models", ())

    # --- blueprints ---------------------------------------------------------------------------------------------

    def models(self, wildcards: "Wildcards") -> list[str]:
        """The model storages of a task in a mode."""
        networks = self._scheduler(wildcards).networks(wildcards.task)
        return [self.fm.path("models", **network.tokens) for network in networks]

    def pipelines(self, wildcards: "Wildcards") -> list[str]:
        """The pipelines of a task in a mode."""
        networks = self._scheduler(wildcards).networks(wildcards.task)
        return list(dict.fromkeys(self.fm.path("pipeline", task=network.task, run=network.run) for network in networks))

    def main_metric(self, wildcards: "Wildcards") -> str:
        """The metric by which the best run of a task is chosen."""
        return self.study.main_metric(self.study.task(wildcards.task).task_type)
