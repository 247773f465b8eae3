"""Mode `tl`: networks that start from the backbone of a model of another task."""

import functools
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar

from mml_lib.config.feature_options import SELECTIONS
from mml_lib.config.schema import StudyConfig
from mml_lib.errors import MMLError, nearest
from mml_lib.pipelines.pipeline import Pipeline
from mml_lib.pipelines.suggested import SUGGESTED_SOURCE
from mml_lib.pipelines.variants import Variant, expand
from mml_lib.schedulers.options.transfer_options import SCRATCH, TransferOptions
from mml_lib.schedulers.train import TrainScheduler
from mml_lib.studies.checks.study_checks import check_pretraining
from mml_lib.studies.runs import Run, task_content
from mml_lib.task_types import TASK_TYPES
from mml_lib.tasks.task_identity import TaskIdentity


class TransferScheduler(TrainScheduler):
    """Trains as the mode `train`, from the backbone of a model of the `pretrain_task`, which variants may set."""

    Options: ClassVar[type[TransferOptions]] = TransferOptions
    options: TransferOptions

    @cached_property
    def pretrain_tasks(self) -> list[str]:
        return list(dict.fromkeys(options.source for options in self.variant_options if options.source))

    @cached_property
    def task_names(self) -> list[str]:
        """The tasks that the study is about, but for one that all variants start from."""
        return [name for name in super().task_names if self.variants_of(name)]

    def variants_of(self, task: str) -> list[Variant]:
        """Return the variants that train a task; no task starts from its own model."""
        target = self.target_of(task)
        return [variant for variant in super().variants_of(task) if self._source(variant) != target]

    def _source(self, variant: Variant) -> str | None:
        """Return the task whose model a variant starts from; None: it starts from none."""
        source: str | None = self.options_of(variant.study).source
        return source

    def create_routine(self) -> None:
        names = super().task_names
        if not self.task_names or (len(names) == 1 and names[0] in self.pretrain_tasks):
            raise MMLError(
                f"mode.pretrain_task: {names[0]} is all that the study is about, so nothing is left to train from it; "
                "name another in pivot.name, or further tasks"
            )
        if SCRATCH in self.study.tasks:
            raise MMLError(f"tasks.{SCRATCH}: for mode.pretrain_task it means from scratch; give the task another name")
        if SUGGESTED_SOURCE in self.study.tasks:
            raise MMLError(
                f"tasks.{SUGGESTED_SOURCE}: for mode.pretrain_task it means the source of a suggestion; give the task "
                "another name"
            )
        super().create_routine()

    def additions(self, task: TaskIdentity, cfg: StudyConfig) -> dict[str, Any]:
        options, added = self.options_of(cfg), super().additions(task, cfg)
        if options.source is None:
            return added
        models = self._candidates(cfg, options)
        reported = "val" in self.splits(task.name) and not options.nested
        for model in models:
            for learned in self.study.runs.of_model(model).pipeline.tasks:
                check_pretraining(task, cfg, learned, reported, options.freeze)
        pretraining = {
            "task": options.source,
            "model_selection": options.model_selection,
            "by": self.study.main_metric(self._content(models[0])["task"]["task_type"]),
            "freeze": options.freeze,
        }
        # A copied project has its files in another order of time, which makes no other run.
        ordered = sorted(models, key=lambda model: (model["task"], model["run"], model["fold"], model["project"] or ""))
        by_time, by_name = ({**added, "pretraining": pretraining | {"models": order}} for order in (models, ordered))
        return by_time if models != ordered and self._is_stored(task, cfg, by_time) else by_name

    def _is_stored(self, task: TaskIdentity, cfg: StudyConfig, additions: Mapping[str, Any]) -> bool:
        """Return True if the pipeline of a run is on the disk: earlier ones list their models by time."""
        run = Pipeline.of(cfg, task_content(task, cfg.preprocessing), additions, self.code).run
        return self.study.fm.construct_saving_path(None, "pipeline", task=task.name, run=run).exists()

    @functools.cache  # noqa: B019  (a scheduler lives as long as its process)
    def runs_of(self, task: str) -> list[Run]:
        """Return the runs of a task; of one that is a source only, its pretraining. A task may be both."""
        starting = [variant for variant in self.variants if self._source(variant) == task]
        options = [self.options_of(variant.study) for variant in starting]
        pretraining = [
            run for variant, own in zip(starting, options, strict=True) for run in self._pretraining(variant.study, own)
        ]
        if task in self.pretrain_tasks and task not in self.task_names:
            return list({run.id: run for run in pretraining}.values())
        return super().runs_of(task)

    # --- candidates ---------------------------------------------------------------------------------------------

    def _candidates(self, cfg: StudyConfig, options: TransferOptions) -> list[dict[str, Any]]:
        """Return `project`, `task`, `run` and `fold` of the models that a variant may start from.

        Raises:
            MMLError: there is none.
        """
        task, choice = options.pretrain_task, options.model_selection
        if task == SUGGESTED_SOURCE:
            return self.study.suggestions.required_pretrained()
        if self.study.cfg.reuse.models:
            projects = [self.study.fm.reusables.project_of("models", name) for name in self.study.cfg.reuse.models]
            models = self._stored_models(cfg, task, projects)
        elif self.study.tasks.is_known(task):
            return self._own(cfg, options)
        else:
            models = self._stored_models(cfg, task, [(None, None)])
        if choice in SELECTIONS:
            return models
        if not (of_run := [model for model in models if model["run"] == choice]):
            runs = {model["run"] for model in models}
            raise MMLError(f"mode.model_selection: {task} has no model of a run '{choice}'{nearest(choice, runs)}")
        return of_run

    def _own(self, cfg: StudyConfig, options: TransferOptions) -> list[dict[str, Any]]:
        """Return the models of this study: those of the pretraining, or of the named run."""
        task, choice = options.pretrain_task, options.model_selection
        if choice in SELECTIONS:
            runs = self._pretraining(cfg, options)
        else:
            plain = self.plan_runs(task, expand(self.study.config, self.study.files))
            runs = [run for run in plain if run.id == choice] or [self.study.runs.read(task, choice)]
        self._check_arch(cfg, task, runs[0].pipeline.content)
        folds = range(self.study.task(task).num_folds if options.pretrain_cv else 1)
        return [{"project": None, "task": task, "run": run.id, "fold": fold} for run in runs for fold in folds]

    def _pretraining(self, cfg: StudyConfig, options: TransferOptions) -> list[Run]:
        """Return the run of the pretraining: the plain study without sweep, variants and repeats."""
        task, changes = options.pretrain_task, options.pretrain_with
        if not TASK_TYPES[self.study.task(task).task_type].is_learnable:
            raise MMLError(f"mode.pretrain_task: {task} has no labels to learn from; choose another")
        plain = {key: value for key, value in self.config.items() if key not in ("sweep", "variants", "repeats")}
        plain |= {"arch": cfg.arch.spec(), "variants": {"": changes}}
        key = json.dumps([task, plain["arch"], changes], default=str)
        if key not in self._pretrainings:
            self._pretrainings[key] = self.plan_runs(task, expand(plain, self.study.files))
        return self._pretrainings[key]

    @cached_property
    def _pretrainings(self) -> dict[str, list[Run]]:
        """Runs of pretrainings that are planned already: all targets share them."""
        return {}

    def _stored_models(
        self, cfg: StudyConfig, task: str, projects: Sequence[tuple[str | None, str | None]]
    ) -> list[dict[str, Any]]:
        """Return the models on the disk whose weights are still there, of the same backbone, the latest last.

        Args:
            cfg: a variant.
            task: task that the models have learned.
            projects: projects (None: this one), each with a run, or None for all of its runs.
        """
        fm = self.study.fm
        models, others = [], []
        for project, run in projects:
            wanted = {"task": task} | ({"run": run} if run else {})
            for stored in fm.existing("models", project=project, **wanted):
                model: dict[str, Any] = {"project": project, **stored, "fold": int(stored["fold"])}
                if fm.construct_saving_path(None, "parameters", **model).exists():
                    models.append(model)
            others += [stored["task"] for stored in fm.existing("models", project=project)]
        where = ", ".join(project or self.study.cfg.project for project, _ in projects)
        if not models:
            names = {*others, *self.study.tasks}
            raise MMLError(
                f"mode.pretrain_task: {where} has no model of '{task}' with its weights{nearest(task, names)} "
                "(a task of this study is trained first: name it among the tasks, and no reuse.models)"
            )
        fitting = [model for model in models if _same_arch(cfg, self._content(model))]
        if not fitting:
            self._check_arch(cfg, task, self._content(models[-1]))
        return fitting

    def _content(self, model: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the content of the pipeline of a model."""
        return self.study.runs.of_model(model).pipeline.content

    def _check_arch(self, cfg: StudyConfig, task: str, content: Mapping[str, Any]) -> None:
        if not _same_arch(cfg, content):
            stored = content["arch"].get("name", content["arch"]["_target_"])
            raise MMLError(
                f"arch: the models of {task} have the backbone {stored}; set arch to it, or "
                "choose another mode.pretrain_task"
            )


def _same_arch(cfg: StudyConfig, content: Mapping[str, Any]) -> bool:
    """Return True if a variant has the backbone of a pipeline; loading its weights checks the arguments."""
    return all(cfg.arch.spec().get(key) == content["arch"].get(key) for key in ("_target_", "name"))
