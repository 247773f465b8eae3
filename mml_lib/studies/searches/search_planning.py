"""Planning of searches: checks of their options, and definitions of their trials."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from mml_lib.config.analysis.search_options import COSTS, LEARNING, Search
from mml_lib.config.metric_options import lower_is_better
from mml_lib.config.schema import StudyConfig
from mml_lib.errors import MMLError, nearest
from mml_lib.pipelines.digests import digest
from mml_lib.pipelines.pipeline import Pipeline
from mml_lib.pipelines.variants import Variant
from mml_lib.search.former_trials import former_trials
from mml_lib.search.rungs import affordable_trials, plan_rungs
from mml_lib.search.space import Parameter, Space
from mml_lib.search.trial_pipelines import pipeline_of, trial_config
from mml_lib.search.trials import Objective, TrialRecord
from mml_lib.studies.checks.study_checks import check_trainable
from mml_lib.studies.runs import Run
from mml_lib.studies.searches.planned_search import PlannedSearch
from mml_lib.studies.searches.search_checks import (
    check_folds,
    check_keys,
    check_limits,
    check_objectives,
    check_packages,
    check_rungs,
    check_sampler,
    check_start,
    try_sampler,
)
from mml_lib.tasks.task_identity import TaskIdentity

if TYPE_CHECKING:
    from mml_lib.studies.study import Study

SEARCH_VERSION = 1
"""Version of searches. It is raised when the same search starts to propose other trials."""

EPOCHS = "trainer.max_epochs"


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
        check_packages(options)
        check_keys(options, self.study.config)
        check_folds(options, task)
        check_limits(options, base)
        present = {key: _present(base.content, key) for key in options.space}
        space = Space.of(options.space, present)
        check_start(options, space)
        check_sampler(options, space)
        objectives = self._objectives(task, cfg, options)
        check_objectives(options, objectives, base)
        try_sampler(options, space, objectives)
        longest = max([base.content["trainer"]["max_epochs"], *_searched_epochs(space)])
        options = _affordable(options, longest)
        rungs = plan_rungs(options.trials, longest, options.early_stopping)
        check_rungs(options, rungs, base)
        examples = {parameter.key: self._examples(space, parameter, base, task) for parameter in space.parameters}
        former = self._former(task, options, space, objectives)
        search = PlannedSearch(
            task=task.name,
            base=base,
            options=options,
            space=space,
            objectives=objectives,
            rungs=tuple(rungs),
            definition=_definition(options, space, objectives, examples, former),
            present=present,
            label=variant.label,
            former=len(former),
            examples=examples,
        )
        _check_variants(self.planned.get((task.name, search.id)), search)
        self.study.runs.plan(task.name, [Run(base)])
        self.planned[task.name, search.id] = search
        return search

    def find(self, task: str, id_: str) -> PlannedSearch:
        """Return a planned search.

        Raises:
            MMLError: the study has no search with this id.
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
        """Return the trials of earlier studies on a task for the proposals.

        Raises:
            MMLError: the sampler ignores other trials, or the task of a project has different samples.
        """
        tables = self.former_tables(task.name)
        if not tables:
            return []
        if options.sampler not in LEARNING:
            raise MMLError(
                f"reuse.trials: the sampler {options.sampler} takes no trials of other studies; set search.sampler: "
                "tpe or gp, or leave reuse.trials out"
            )
        if options.early_stopping is not None:
            raise MMLError(
                "reuse.trials: its trials were trained in full, so their values do not compare with those that "
                f"search.{options.early_stopping_key} compares first; leave one of them out"
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
                    f"search.objective: '{name}' is not a metric of {task.name} in this study{nearest(name, metrics)}; "
                    "add it to metrics, or name another one"
                )
        return tuple(Objective(name, name in COSTS or lower_is_better(name)) for name in names)

    def _examples(self, space: Space, parameter: Parameter, base: Pipeline, task: TaskIdentity) -> list[Pipeline]:
        """Return the pipelines with each choice, or with both ends of a range: presets are more than names.

        Raises:
            MMLError: a value is invalid for the schema or the task, or all values give the same pipeline.
        """
        pipelines = []
        for value in parameter.examples:
            try:
                pipelines.append(self._example(space, parameter, value, base, task))
            except MMLError as error:
                problem = str(error).removeprefix(f"{parameter.key}: ")
                raise MMLError(f"search.space.{parameter.key}: {problem}") from error
        if parameter.inner is not None:
            try:
                self._example(space, parameter, parameter.inner, base, task)
            except MMLError as error:
                raise MMLError(
                    f"search.space.{parameter.key}: {parameter.inner:g} lies in the range, but {error}; write low, "
                    "high and step as integers"
                ) from error
        if len({pipeline.recipe for pipeline in pipelines}) == 1:
            raise MMLError(
                f"search.space.{parameter.key}: all of its values give the same run on {task.name}; leave it out"
            )
        return pipelines

    def _example(self, space: Space, parameter: Parameter, value: Any, base: Pipeline, task: TaskIdentity) -> Pipeline:
        """Return the pipeline with a value of a parameter, and with the values that its conditions name.

        Raises:
            MMLError: the value does not fit the schema or the task.
        """
        by_key = {other.key: other for other in space.parameters}
        values, waiting = {parameter.key: value}, [parameter]
        while waiting:
            current = waiting.pop()
            # A key lies in any choice of its section where no condition names one.
            sections = [key for key in by_key if current.key.startswith(f"{key}.")]
            first = {key: by_key[key].examples[0] for key in sections if key not in values}
            for key, needed in (first | dict(current.when)).items():
                values[key] = needed
                waiting.append(by_key[key])
        cfg = trial_config(self.study.config, base, values)
        check_trainable(task, cfg)
        return pipeline_of(cfg, base)


def _affordable(options: Search, longest: int) -> Search:
    """Return the options with as many trials as `max_epochs` allows.

    Raises:
        MMLError: there are too few trials for the best or the initial ones.
    """
    if options.max_epochs is None:
        return options
    budget = options.max_epochs // len(options.folds)
    trials = affordable_trials(options.trials, longest, options.early_stopping, budget)
    if trials < max(options.top, len(options.start)):
        raise MMLError(f"search.max_epochs: {options.max_epochs} epochs are enough for {trials} trials; raise it")
    return options.model_copy(update={"trials": trials})


def _definition(
    options: Search,
    space: Space,
    objectives: Sequence[Objective],
    examples: Mapping[str, Sequence[Pipeline]],
    former: Sequence[TrialRecord],
) -> dict[str, Any]:
    """Return the settings that decide the trials, besides the pipeline that they vary."""
    content = options.model_dump(mode="json", include={"sampler", "seed", "folds", "start"})
    if options.early_stopping is not None:
        content[options.early_stopping_key] = options.early_stopping.model_dump(exclude={"keep_checkpoints"})
    if not options.is_independent:
        content["parallel"] = options.parallel
    if former:
        content["former"] = digest([[record.values, record.objectives] for record in former])
    return {
        "version": SEARCH_VERSION,
        **content,
        "objective": [objective.name for objective in objectives],
        "space": [
            asdict(parameter) | {"pipelines": [pipeline.recipe for pipeline in examples[parameter.key]]}
            for parameter in space.parameters
        ],
    }


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
