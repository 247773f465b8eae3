"""Planning of searches: their options are checked, and all that decides their trials is written down."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from mml_lib.config.analysis.search_options import COSTS, LEARNING, SAMPLERS, UNCONDITIONAL, Search
from mml_lib.config.metric_options import lower_is_better
from mml_lib.config.schema import StudyConfig
from mml_lib.errors import MMLError, nearest
from mml_lib.pipelines.digests import digest
from mml_lib.pipelines.pipeline import PIPELINE_KEYS, Pipeline
from mml_lib.pipelines.variants import Variant
from mml_lib.search.former_trials import former_trials
from mml_lib.search.rungs import Rung, affordable_trials, plan_rungs
from mml_lib.search.space import Parameter, Space
from mml_lib.search.trial_pipelines import pipeline_of, trial_config
from mml_lib.search.trials import Objective, TrialRecord
from mml_lib.studies.checks.study_checks import check_trainable
from mml_lib.studies.runs import Run
from mml_lib.studies.searches.planned_search import PlannedSearch
from mml_lib.tasks.task_identity import TaskIdentity

if TYPE_CHECKING:
    from mml_lib.studies.study import Study

SEARCH_VERSION = 1
"""Raised when the same search begins to propose other trials."""

FIXED = {
    "preprocessing": "images are packed before trials are proposed; vary it by sweep",
    "seed": "trials share one seed, so that they differ in nothing else; set repeats for repetitions",
    "tune": "a search tunes by itself; leave it out",
    "trainer.devices": "all trials use the same devices",
    "trainer.strategy": "all trials use the same devices",
    "trainer.accelerator": "all trials use the same devices",
}
"""Keys that a search does not vary, with the reason."""

EPOCHS = "trainer.max_epochs"

PACKAGES = {"cmaes": "cmaes"}
"""Packages that samplers need beside Optuna."""


class Searches:
    """Searches of a study.

    Args:
        study: the study.
    """

    def __init__(self, study: "Study"):
        self.study = study
        self.planned: dict[tuple[str, str], PlannedSearch] = {}

    def plan(self, task: TaskIdentity, variant: Variant, base: Pipeline) -> PlannedSearch:
        """Plan the search of a variant for a task.

        Args:
            task: the task.
            variant: the variant, with a section `search`.
            base: its pipeline.

        Raises:
            MMLError: the first mistake in the section.
        """
        cfg, options = variant.study, variant.study.search
        assert options is not None, "only variants with the section have searches"
        _check_packages(options)
        _check_keys(options, self.study.config)
        present = {key: _present(base.content, key) for key in options.space}
        space = Space.of(options.space, present)
        _check_sampler(options, space)
        for number, start in enumerate(options.start, start=1):
            try:
                space.check_start(start)
            except MMLError as error:
                raise MMLError(f"search.start: trial {number}: {error}") from error
        objectives = self._objectives(task, cfg, options)
        _try_sampler(options, space, objectives)
        longest = max([base.content["trainer"]["max_epochs"], *_searched_epochs(space)])
        if options.max_epochs is not None:
            budget = options.max_epochs // len(options.folds)
            trials = affordable_trials(options.trials, longest, options.halving, budget)
            if trials < max(options.top, len(options.start)):
                raise MMLError(
                    f"search.max_epochs: {options.max_epochs} epochs are enough for {trials} trials; raise it"
                )
            options = options.model_copy(update={"trials": trials})
        examples = {parameter.key: self._examples(space, parameter, base, task) for parameter in space.parameters}
        former = self._former(task, options, space, objectives)
        search = PlannedSearch(
            task.name,
            base,
            options,
            space,
            objectives,
            tuple(self._rungs(options, longest, base, task)),
            self._definition(options, space, objectives, examples)
            | ({"former": digest([[record.values, record.objectives] for record in former])} if former else {}),
            present,
            variant.label,
            len(former),
            examples,
        )
        _check_variants(self.planned.get((task.name, search.id)), search)
        self.study.runs.plan(task.name, [Run(base)])
        self.planned[task.name, search.id] = search
        return search

    def find(self, task: str, id_: str) -> PlannedSearch:
        """Return a planned search.

        Raises:
            MMLError: the study has none of this id.
        """
        if (task, id_) not in self.planned:
            self.study.scheduler(self.study.cfg.mode.id).runs_of(task)
        if (task, id_) not in self.planned:
            raise MMLError(f"there is no search {id_} for {task} in the study")
        return self.planned[task, id_]

    def of_task(self, task: str) -> list[PlannedSearch]:
        """Return the searches for a task."""
        self.study.scheduler(self.study.cfg.mode.id).runs_of(task)
        return [search for (name, _), search in self.planned.items() if name == task]

    def of_run(self, task: str, run: str) -> PlannedSearch:
        """Return the search that chooses the pipeline of a planned run.

        Raises:
            MMLError: none does.
        """
        for search in self.of_task(task):
            if run in [pipeline.run for pipeline in search.chosen.values()]:
                return search
        raise MMLError(f"no search of the study chooses the pipeline of run {run} on {task}")

    def former_tables(self, task: str) -> list[str]:
        """Return the tables of trials of earlier studies on a task, in the projects of `reuse.trials`."""
        return self.study.fm.reusables.inputs("trials", task=task)

    def _former(
        self, task: TaskIdentity, options: Search, space: Space, objectives: Sequence[Objective]
    ) -> list[TrialRecord]:
        """Return the trials of earlier studies on a task that proposals know.

        Raises:
            MMLError: the sampler does not know trials of others, or the task of a project has other samples.
        """
        tables = self.former_tables(task.name)
        if not tables:
            return []
        if options.sampler not in LEARNING:
            raise MMLError(
                f"reuse.trials: the sampler {options.sampler} takes no trials of other studies; set search.sampler: "
                "tpe or gp, or leave reuse.trials out"
            )
        for reference in self.study.cfg.reuse.trials:
            for stored in self.study.fm.existing("pipeline", project=reference, task=task.name)[:1]:
                pipeline = self.study.runs.read(task.name, stored["run"], reference).pipeline
                if pipeline.task["id"] != task.id:
                    raise MMLError(
                        f"reuse.trials: the task {task.name} of project {reference} has other samples or splits "
                        f"({pipeline.task['id']}, not {task.id}); name a project with the same task"
                    )
        return former_trials(tables, space, objectives)

    # --- checks -------------------------------------------------------------------------------------------------

    def _objectives(self, task: TaskIdentity, cfg: StudyConfig, options: Search) -> tuple[Objective, ...]:
        names = options.objective or [self.study.main_metric(task.task_type)]
        metrics = [*cfg.named_metrics_of(task.task_type), "loss", *COSTS]
        for name in names:
            if name not in metrics:
                raise MMLError(
                    f"search.objective: '{name}' is no metric of {task.name} in this study{nearest(name, metrics)}; "
                    "add it to metrics, or name another one"
                )
        return tuple(Objective(name, name in COSTS or lower_is_better(name)) for name in names)

    def _rungs(self, options: Search, longest: int, base: Pipeline, task: TaskIdentity) -> Sequence[Rung]:
        for fold in options.folds:
            if not 0 <= fold < task.num_folds:
                last = task.num_folds - 1
                raise MMLError(f"search.folds: task {task.name} has no fold {fold}; it has 0 to {last}")
        if options.halving is None:
            return plan_rungs(options.trials, longest, None)
        for key in ("max_epochs", "min_epochs", "max_steps", "min_steps", "max_time"):
            if any(
                searched.split(".")[0] == "trainer" and searched in ("trainer", f"trainer.{key}")
                for searched in options.space
            ):
                raise MMLError(f"search.space.trainer.{key}: halving decides how long trials are trained; leave it out")
            if key != "max_epochs" and base.content["trainer"].get(key) is not None:
                raise MMLError(f"search.halving: it goes with no trainer.{key}; leave one of them out")
        rungs = plan_rungs(options.trials, longest, options.halving)
        every = base.content["trainer"].get("check_val_every_n_epoch") or 1
        if unmeasured := [rung.epochs for rung in rungs if rung.epochs % every]:
            raise MMLError(
                f"search.halving: trials are compared after {unmeasured[0]} epochs, but "
                f"trainer.check_val_every_n_epoch is {every}; set min_epochs to a multiple of it"
            )
        if options.top > rungs[-1].slots:
            raise MMLError(
                f"search.top is {options.top}, but halving trains {rungs[-1].slots} of {options.trials} trials in "
                "full; lower it, or raise search.trials"
            )
        return rungs

    def _definition(
        self,
        options: Search,
        space: Space,
        objectives: Sequence[Objective],
        examples: Mapping[str, Sequence[Pipeline]],
    ) -> dict[str, Any]:
        """Return all that decides the trials, beside the pipeline that they vary."""
        content = options.model_dump(mode="json", include={"sampler", "seed", "folds", "start"})
        if options.halving is not None:
            content["halving"] = options.halving.model_dump(exclude={"keep_checkpoints"})
        if not options.is_independent:
            content["parallel"] = options.parallel
        parameters = [
            asdict(parameter) | {"pipelines": [pipeline.recipe for pipeline in examples[parameter.key]]}
            for parameter in space.parameters
        ]
        return {
            "version": SEARCH_VERSION,
            **content,
            "objective": [objective.name for objective in objectives],
            "space": parameters,
        }

    def _examples(self, space: Space, parameter: Parameter, base: Pipeline, task: TaskIdentity) -> list[Pipeline]:
        """Return the pipelines with each choice, or with both ends of a range: presets are more than names.

        Raises:
            MMLError: a value does not fit the schema or the task, or all of them give the same pipeline.
        """
        by_key = {other.key: other for other in space.parameters}
        pipelines = []
        for value in parameter.examples:
            values, waiting = {parameter.key: value}, [parameter]
            while waiting:
                for key, needed in waiting.pop().when.items():
                    values[key] = needed
                    waiting.append(by_key[key])
            try:
                cfg = trial_config(self.study.config, base, values)
                check_trainable(task, cfg)
            except MMLError as error:
                raise MMLError(f"search.space.{parameter.key}: {error}") from error
            pipelines.append(pipeline_of(cfg, base))
        if len({pipeline.recipe for pipeline in pipelines}) == 1:
            raise MMLError(
                f"search.space.{parameter.key}: all of its values give the same run on {task.name}; leave it out"
            )
        return pipelines


def _check_packages(options: Search) -> None:
    for package in ("optuna", *([PACKAGES[options.sampler]] if options.sampler in PACKAGES else [])):
        if find_spec(package) is None:
            raise MMLError(f"search: the package {package} is missing; install mml[search]")


def _check_keys(options: Search, config: Mapping[str, Any]) -> None:
    """Refuse keys that a search cannot vary, or that a sweep or variants vary too.

    Raises:
        MMLError: the first one.
    """
    sweep, variants = config.get("sweep") or {}, config.get("variants") or {}
    varied = {str(key): f"sweep.{key}" for key in sweep}
    varied |= {str(key): f"variants.{name}.{key}" for name, keys in variants.items() for key in keys or ()}
    for key in options.space:
        section = key.split(".")[0]
        if section not in PIPELINE_KEYS:
            raise MMLError(
                f"search.space: '{key}' is no part of a run{nearest(section, PIPELINE_KEYS)}; a search takes "
                f"{', '.join(name for name in PIPELINE_KEYS if name not in FIXED)} and keys below these"
            )
        for fixed, why in FIXED.items():
            if f"{key}.".startswith(f"{fixed}."):
                raise MMLError(f"search.space: '{key}' cannot be searched: {why}")
        for other, place in varied.items():
            if f"{key}.".startswith(f"{other}.") or f"{other}.".startswith(f"{key}."):
                raise MMLError(f"search.space.{key}: {place} varies it too; leave it out of one of them")


def _check_sampler(options: Search, space: Space) -> None:
    if space.is_conditional and options.sampler in UNCONDITIONAL:
        (conditional, *_) = [parameter.key for parameter in space.parameters if parameter.when]
        raise MMLError(
            f"search.sampler: {options.sampler} needs every parameter in every trial, but {conditional} has a "
            "condition; set sampler: tpe or random"
        )
    ranges = [parameter.key for parameter in space.parameters if not parameter.choices]
    if options.sampler == "cmaes" and len(ranges) < 2:
        raise MMLError(
            f"search.sampler: cmaes needs at least two ranges, but the space has {len(ranges) or 'none'}; set sampler: "
            "tpe or gp"
        )
    if options.sampler == "grid" and options.trials > (points := len(space.points())):
        raise MMLError(f"search.trials is {options.trials}, but the grid has {points} points; lower it")


def _try_sampler(options: Search, space: Space, objectives: Sequence[Objective]) -> None:
    """Let a sampler that is named by its class propose a trial: only Optuna knows what it can search.

    Raises:
        MMLError: it is no sampler, needs further arguments, or cannot search the space for the objectives.
    """
    if options.sampler not in SAMPLERS:
        from mml_lib.search.proposing import propose  # imports Optuna, which takes a second

        propose(space, options, objectives, [])


def _searched_epochs(space: Space) -> list[int]:
    """Return the numbers of epochs in a space."""
    return [int(value) for parameter in space.parameters if parameter.key == EPOCHS for value in parameter.examples]


def _check_variants(earlier: PlannedSearch | None, search: PlannedSearch) -> None:
    """Refuse a search that differs from that of another variant only in the number of its trials, or of the best ones.

    Raises:
        MMLError: it has the same trials.
    """
    if earlier is None or earlier.options == search.options:
        return
    differing = [key for key, value in search.options if value != getattr(earlier.options, key)]
    raise MMLError(
        f"search.{differing[0]}: variants '{earlier.label}' and '{search.label}' have the same trials, and differ in "
        f"{' and '.join(differing)} only; vary search.seed too, or give both the same"
    )


def _present(content: Mapping[str, Any], key: str) -> Any:
    value: Any = content
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value
