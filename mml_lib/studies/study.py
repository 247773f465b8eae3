"""A study: one config, with its files, tasks, runs, schedulers, and the inputs of rules."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from mml_lib.config.loading import load_study, open_files
from mml_lib.config.plugins import import_plugin
from mml_lib.config.reading.origins import Origins, Source
from mml_lib.errors import MMLError
from mml_lib.files.records import record_study
from mml_lib.machine.claims import Claims
from mml_lib.machine.locks import check_writable, lock_project, share_data
from mml_lib.machine.rule_names import RuleNames
from mml_lib.pipelines.variants import option_places
from mml_lib.studies.checks.weighing import check_weights_exist
from mml_lib.studies.extractors import Extractors
from mml_lib.studies.inputs import Inputs
from mml_lib.studies.overview import overview
from mml_lib.studies.project_models import ProjectModels
from mml_lib.studies.resources.gpu_requests import Gpus
from mml_lib.studies.resources.rule_resources import RuleResources
from mml_lib.studies.resources.submitted_runs import SubmittedRuns
from mml_lib.studies.runs import Run, Runs
from mml_lib.studies.searches.search_planning import Searches
from mml_lib.studies.study_schedulers import StudySchedulers
from mml_lib.studies.study_tasks import StudyTasks
from mml_lib.studies.suggestions.candidates import SuggestionCandidates
from mml_lib.tasks.task_identity import TaskIdentity

if TYPE_CHECKING:
    from mml_lib.schedulers.base import AbstractBaseScheduler


class Study:
    """One config and its parts. Plans and steps share it; each part is worked out when it is first needed.

    Args:
        config: the config that Snakemake merged.
        files: config files and values of `--config`, for error messages.

    Raises:
        MMLError: the first mistake in the config.
    """

    def __init__(self, config: Mapping[str, Any], files: Sequence[Source] = ()):
        self.config = dict(config)
        self.files = list(files)
        self.cfg = load_study(config, files)
        self.folders = self.cfg.paths.presets
        for plugin in self.cfg.plugins:
            import_plugin(plugin)
        self.fm = open_files(self.cfg)
        self.runs = Runs(self.fm)
        self.tasks = StudyTasks(self.cfg, self.fm, self.runs)
        self.schedulers = StudySchedulers(self)
        self.extractors = Extractors(self)
        self.resources = RuleResources(self.cfg)
        self.claims = Claims(self.fm.claims_folder, self.cfg.project)
        self.rule_names = RuleNames()
        self.requested: Sequence[str] = ()  # modes of this Snakemake call, which a cluster job does not know
        self.submitted: SubmittedRuns | None = None  # in a cluster job: runs that need no plan
        self.recorded: Mapping[str, Any] | None = None  # files and values of the study; None: it is not recorded

    # --- parts --------------------------------------------------------------------------------------------------

    @property
    def origins(self) -> Origins:
        """Files and lines of the study's keys."""
        return Origins(self.config, self.files, self.folders, option_places(self.config))

    @cached_property
    def inputs(self) -> Inputs:
        """Inputs and params of rules."""
        return Inputs(self)

    @cached_property
    def gpus(self) -> Gpus:
        """GPU resources of rules."""
        return Gpus(self)

    @cached_property
    def project_models(self) -> ProjectModels:
        """Runs of the project, planned or stored."""
        return ProjectModels(self)

    @cached_property
    def suggestions(self) -> SuggestionCandidates:
        """Inputs of the suggestions for the pivot."""
        return SuggestionCandidates(self)

    @cached_property
    def searches(self) -> Searches:
        """Searches of hyper-parameters."""
        return Searches(self)

    # --- tasks, runs, schedulers --------------------------------------------------------------------------------

    def task(self, name: str) -> TaskIdentity:
        """Return a task of the study, or one that tags derive from it."""
        return self.tasks.derived(name)

    @property
    def pivot(self) -> str | None:
        """Name of the task that the study is about, tags included."""
        return self.tasks.pivot

    @property
    def task_names(self) -> list[str]:
        """Names of the tasks that the study is about: the pivot, or else all."""
        return self.tasks.main_names

    def scheduler(self, mode: str) -> "AbstractBaseScheduler":
        """Return the scheduler of a mode."""
        return self.schedulers.of(mode)

    def run(self, task: str, run: str) -> Run:
        """Return a run that this study plans, or one whose pipeline file exists.

        Raises:
            MMLError: neither exists.
        """
        key = (task, run)
        if key not in self.runs.planned and (submitted := self.submitted and self.submitted.run(self, task, run)):
            return self.runs.planned.setdefault(key, submitted)
        if key not in self.runs.planned and self.tasks.is_known(task):
            self.scheduler(self.cfg.mode.id).runs_of(task)
        return self.runs.planned.get(key) or self.runs.read(task, run)

    def main_metric(self, task_type: str) -> str:
        """Return the metric by which the best model of a task type is chosen: the first that has a name."""
        return next(iter(self.cfg.named_metrics_of(task_type)), "loss")

    # --- before the first step ----------------------------------------------------------------------------------

    def check(self, modes: Sequence[str] = ()) -> None:
        """Plan these modes, by default the mode of the study, to find mistakes before the first step.

        Raises:
            MMLError: the first mistake.
        """
        self.fm.reusables.check()
        check_weights_exist(self.tasks.values(), self.cfg)
        self.schedulers.plan(modes or [self.cfg.mode.id])
        for key, root in (("data", self.fm.data_path), ("results", self.fm.results_path)):
            check_writable(root, key)

    def overview(self, modes: Sequence[str] = ()) -> str:
        """Return an overview of tasks and runs in these modes, by default the mode of the study."""
        return overview(self, modes or [self.cfg.mode.id])

    def lock(self, on_lock: Callable[[], None] = lambda: None) -> None:
        """Lock the project for this process, until it ends.

        Args:
            on_lock: called after locking, before waiting for steps of a killed Snakemake.

        Raises:
            MMLError: another Snakemake holds the lock, or it cannot be written.
        """
        self._held = lock_project(self.fm.proj_path, self.fm.lock_path, self.fm.steps_lock_path, on_lock)
        if self.recorded is None:
            return
        self._data_held = share_data(self.fm.data_lock_path)
        try:
            record_study(self.fm.record_path, **self.recorded)
        except OSError as error:
            raise MMLError(f"{self.fm.record_path} cannot be written ({error.strerror})") from error
