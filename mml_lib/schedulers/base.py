"""Schedulers: one class behind each mode. It plans atomic steps; its hooks are called in these."""

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import ValidationError

from mml_lib.config.reading.settling import KindError
from mml_lib.config.schema import StudyConfig
from mml_lib.config.sections import Mode, Section, section_at
from mml_lib.errors import MMLError, nearest
from mml_lib.evaluation.run_labels import RunLabel
from mml_lib.pipelines.pipeline import Pipeline
from mml_lib.pipelines.step_hooks import BLOCKS, StepHooks, code_of_steps, misfit_hooks
from mml_lib.pipelines.trained_networks import TrainedNetwork
from mml_lib.pipelines.variants import Variant, expand, first_options, without_options
from mml_lib.studies.checks.class_names import check_class_names
from mml_lib.studies.checks.guarding import Guards
from mml_lib.studies.checks.study_checks import check_trainable
from mml_lib.studies.run_names import name_run
from mml_lib.studies.runs import Run, task_content
from mml_lib.studies.study import Study
from mml_lib.task_types import TASK_TYPES
from mml_lib.tasks.task_identity import TaskIdentity

if TYPE_CHECKING:
    from mml_lib.steps.training_step import TrainingStep
    from mml_lib.studies.searches.planned_search import PlannedSearch


class Options(Section):
    """Options of a mode besides `id` and `scheduler`."""


class AbstractBaseScheduler(StepHooks, ABC):
    """Plan of a mode: `create_routine` lists its atomic steps by `add`.

    A subclass may extend `Options`, override the hooks of `StepHooks`, and set a subclass of `TrainingStep` as `Step`.

    Args:
        study: config, file manager, tasks and runs.
        mode: id and options of the mode.

    Raises:
        MMLError: options that the mode does not have, building blocks that belong to a `Step`, or hooks that take other
            arguments than steps pass.
    """

    Options: ClassVar[type[Options]] = Options
    Step: ClassVar["type[TrainingStep] | None"] = None
    """Class of steps that train, tune or predict; None: `mml_lib.steps.training_step.TrainingStep`."""
    available_subroutines: ClassVar[tuple[str, ...]] = ()
    alone: ClassVar[bool] = False
    """True for a mode that excludes other modes, reads no data and records no study."""
    provides: ClassVar[str] = ""
    """The mode whose steps it plans: rules of these steps ask it for their inputs, also as the scheduler of another
    mode that is derived from it."""
    gives_answers: ClassVar[bool] = False
    """True if the mode has options for calibration, ensembles and comparisons."""
    next_modes: ClassVar[Mapping[str, str]] = {}
    """Modes to run after a finished study, with their purpose."""
    searches: ClassVar[bool] = False
    """True if the section `search` chooses the pipelines of the mode's runs."""

    def __init__(self, study: Study, mode: Mode):
        self.study = study
        self.cfg = study.cfg
        self.fm = study.fm
        self.mode = mode.id
        if blocks := [block for block in BLOCKS if hasattr(type(self), block)]:
            raise MMLError(
                f"mode.scheduler: {type(self).__name__} defines {', '.join(blocks)}; define it in a class derived from "
                "mml_lib.steps.training_step.TrainingStep, and name that class as Step of the scheduler"
            )
        if hooks := misfit_hooks(self):
            raise MMLError(
                f"mode.scheduler: hooks of {type(self).__name__} take other arguments than steps pass; define them as "
                f"{', '.join(hooks)}"
            )
        self.best_procedures: dict[str, str] = {}  # procedure of a variant by the procedure of its best trial
        self.options = self._read_options(mode.options)
        for name in self.subroutines:
            if name not in self.available_subroutines:
                raise MMLError(
                    f"mode.subroutines ({self.mode}): there is no '{name}'{nearest(name, self.available_subroutines)}"
                )

    def _read_options(self, options: Mapping[str, Any]) -> Any:
        """Return the checked options of the mode, where variants set some: those of the first variant."""
        first = first_options(self.study.config, options) if self._is_main else {}
        own = {key: value for key, value in first.items() if key in self.Options.model_fields}
        return self._check_options({**options, **own})

    def _check_options(self, options: Mapping[str, Any], variant: str = "") -> Any:
        """Check the options of the mode.

        Args:
            options: options by name.
            variant: label of their variant.

        Raises:
            MMLError: the first that the mode does not have, or that has no such value.
        """
        try:
            return self.Options(**options)
        except ValidationError as error:
            where = f" (with {variant})" if variant else ""
            raise MMLError(f"mode ({self.mode}): {self._sentence(error)}{where}") from error

    @property
    def _is_main(self) -> bool:
        """True for the mode of the study, whose options sweep and variants may set."""
        return self.mode == self.cfg.mode.id

    def _sentence(self, error: ValidationError) -> str:
        problem = error.errors()[0]
        cause = problem.get("ctx", {}).get("error")
        key = ".".join(map(str, (*problem["loc"], *(cause.location if isinstance(cause, KindError) else ()))))
        if problem["type"] == "value_error":
            return f"{key}: {cause}" if key else str(cause)
        section, last = section_at(self.Options, problem["loc"][:-1]), str(problem["loc"][-1]) if key else ""
        if problem["type"] == "missing" and section:
            return f"the option '{key}' is missing: {section.model_fields[last].description}"
        if problem["type"] == "too_short":
            return f"{key} is empty; name at least one entry"
        if problem["type"] == "extra_forbidden":
            return f"unknown option '{key}'{nearest(last, section.model_fields if section else ())}"
        return f"{key}: {problem['msg'][0].lower()}{problem['msg'][1:]}, not {problem['input']!r}"

    @property
    def subroutines(self) -> list[str]:
        """The planned parts of the mode; by default all."""
        return list(getattr(self.options, "subroutines", None) or self.available_subroutines)

    @property
    def pivot(self) -> str | None:
        """Name of the task that the study is about, tags included."""
        return self.study.pivot

    @property
    def task_names(self) -> list[str]:
        """The tasks that the mode is about: the pivot, or all."""
        return self.study.task_names

    def packs_of(self, dataset: str) -> set[str]:
        """Return the ids of packs of a data set that the mode certainly needs, so that they can be made early."""
        return set()

    @property
    def trained_tasks(self) -> list[str]:
        """The tasks that networks are trained on."""
        return self.task_names

    # --- runs ---------------------------------------------------------------------------------------------------

    @property
    def config(self) -> dict[str, Any]:
        """The config whose sweep and variants become runs: the study's."""
        return self.study.config

    @cached_property
    def variants(self) -> list[Variant]:
        """Combinations of the sweep and the variants."""
        return expand(self.config if self._is_main else without_options(self.config), self.study.files)

    def variants_of(self, task: str) -> list[Variant]:
        """Return the variants that train a task."""
        return self.variants

    def additions(self, task: TaskIdentity, cfg: StudyConfig) -> dict[str, Any]:
        """Return the entries that this mode adds to the pipeline of a task: `multitask` or `pretraining`."""
        return {}

    @cached_property
    def code(self) -> dict[str, str]:
        """Digests of the user's modules on which every training depends."""
        return code_of_steps(self.study.cfg.plugins, type(self.study.scheduler(self.study.cfg.mode.id)))

    @functools.cache  # noqa: B019  (a scheduler lives as long as its process)
    def runs_of(self, task: str) -> list[Run]:
        """Return the runs of a task of the study, or of one that tags derive from it."""
        return self.plan_runs(task, self.variants_of(task), self.additions, searches=self.searches)

    def plan_runs(
        self,
        task: str,
        variants: Sequence[Variant],
        additions: Callable[[TaskIdentity, StudyConfig], Mapping[str, Any]] | None = None,
        searches: bool = False,
    ) -> list[Run]:
        """Return the runs of a task, without duplicates of variants with the same pipeline.

        Args:
            task: the task.
            variants: the variants.
            additions: returns entries that a mode adds to pipelines.
            searches: True if variants with a section `search` become the runs that it chooses.

        Raises:
            MMLError: a variant cannot train the task.
        """
        identity = self.study.task(task)
        runs: dict[str, Run] = {}
        task_sections: dict[int, dict[str, Any]] = {}
        if not TASK_TYPES[identity.task_type].is_learnable:
            return []
        for variant in variants:
            if variant.repeats is None:
                _check_variant(identity, variant)
                check_class_names(task, identity.task_type, self.study.tasks.classes_of, variant.study)
                task_sections[id(variant.study)] = task_content(identity, variant.study.preprocessing)
            task_section = task_sections[id((variant.repeats or variant).study)]
            added = additions and additions(identity, variant.study)
            pipeline = Pipeline.of(variant.study, task_section, added, self.code)
            chosen = {"": pipeline}
            if searches and variant.study.search:
                chosen = self.study.searches.plan(identity, variant, pipeline).chosen
            for words, planned in chosen.items():
                run = runs.setdefault(planned.run, Run(planned))
                run.labels.append(", ".join(filter(None, (variant.label, words))))
                run.procedure_labels.append(", ".join(filter(None, (variant.procedure, words))))
            best = next(iter(chosen))
            self.best_procedures[variant.procedure] = ", ".join(filter(None, (variant.procedure, best)))
        self.study.runs.plan(task, list(runs.values()))
        return list(runs.values())

    def reports_validation(self, trained: str) -> bool:
        """Return True if results on the validation split of a trained task are reported."""
        return False

    # --- the plan -----------------------------------------------------------------------------------------------

    def run_label(self, network: TrainedNetwork) -> RunLabel:
        """Return the names of a network's run in tables and figures."""
        return name_run(self, network)

    @property
    def run_labels(self) -> dict[str, RunLabel]:
        """Names of all planned runs in tables and figures, by run id."""
        runs = [(task, run.id) for task in self.trained_tasks for run in self.runs_of(task)]
        return {run: self.run_label(TrainedNetwork(task, run, fold=0)) for task, run in runs}

    @property
    def announcement(self) -> list[str]:
        """Lines about the plan that are printed before anything is done."""
        return self.split_notes

    @property
    def split_notes(self) -> list[str]:
        """Lines that name the networks and samples behind the results."""
        return []

    @abstractmethod
    def create_routine(self) -> None:
        """List the atomic steps of this mode: `self.add(rule, **wildcards)` for each."""

    def add(self, command: str, **wildcards: Any) -> None:
        """Plan one atomic step.

        Args:
            command: name of the rule.
            wildcards: values of the wildcards in the outputs of the rule.
        """
        self._plan.append((command, wildcards))

    def add_tasks(self) -> None:
        """Plan the creation of all tasks of the study, or their derivation by tags."""
        for task in self.study.tasks.values():
            self.add("tag_task" if task.bases else "create_task", task=task.name, task_id=task.id)

    @cached_property
    def steps(self) -> list[tuple[str, dict[str, Any]]]:
        """Rule and wildcards of each planned step."""
        self._plan: list[tuple[str, dict[str, Any]]] = []
        self.create_routine()
        return self._plan

    @cached_property
    def steps_by_rule(self) -> dict[str, list[dict[str, Any]]]:
        """Wildcards of the planned steps by rule."""
        steps: dict[str, list[dict[str, Any]]] = {}
        for command, wildcards in self.steps:
            steps.setdefault(command, []).append(wildcards)
        return steps

    @property
    def commands(self) -> list[str]:
        """The planned steps: names of rules."""
        return [command for command, _ in self.steps]

    @property
    def params(self) -> list[dict[str, Any]]:
        """The wildcards of each planned step."""
        return [wildcards for _, wildcards in self.steps]

    @property
    def finishing_files(self) -> dict[str, list[str]]:
        """Files that `before_finishing_hook` reads besides outputs of planned steps, by assignment key."""
        return {}

    @cached_property
    def guards(self) -> Guards:
        """Image guards of this mode."""
        return Guards(self.study)

    @property
    def planned_searches(self) -> "list[PlannedSearch]":
        """The searches that the mode carries out."""
        return []

    @property
    def trainings(self) -> list[TrainedNetwork]:
        """All networks that are planned, and networks of this project that they start from."""
        planned = [TrainedNetwork(**wildcards) for wildcards in self.steps_by_rule.get("train_fold", ())]
        runs = dict.fromkeys((network.task, network.run) for network in planned)
        models = [model for run in runs for model in self.study.run(*run).pipeline.pretraining.get("models", ())]
        own = [TrainedNetwork(**model) for model in models if model["project"] is None]
        return list(dict.fromkeys(planned + own))


def _check_variant(task: TaskIdentity, variant: Variant) -> None:
    """Refuse a variant that cannot train a task, with its label."""
    try:
        check_trainable(task, variant.study)
    except MMLError as error:
        raise (MMLError(f"{error} ({variant.label})") if variant.label else error) from error
