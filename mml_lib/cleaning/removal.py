"""Removal of artefacts that no study uses, on demand; otherwise a list of them."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from mml_lib.cleaning.unused import Known, dead_warm_processes, unused_of_project
from mml_lib.cleaning.unused_data import DataUse, unused_data
from mml_lib.cleaning.usage import StudySource, Usage, usage_of
from mml_lib.config.pipeline_folder import DEMO, LIBRARY, demo_study
from mml_lib.config.reading.study_files import shorten
from mml_lib.errors import MMLError
from mml_lib.files.manager import MMLFileManager, projects_below
from mml_lib.files.records import recorded_studies
from mml_lib.files.removing import remove
from mml_lib.machine import slurm
from mml_lib.machine.locks import hold_idle_data, hold_idle_project
from mml_lib.pipelines.pipeline import Pipeline
from mml_lib.reports.unused_table import Unused
from mml_lib.studies.study import Study


@dataclass(frozen=True)
class Idle:
    """Idle projects and data.

    Args:
        projects: their names.
        why_no_data: reason why shared data are in use; None: they are idle as well.
    """

    projects: Sequence[str]
    why_no_data: str | None = None


class Cleaning:
    """Removable files of all projects and of their shared data.

    Artefacts are in use if the study at hand refers to them, a study file of the working folder or of `clean.studies`,
    or a study that ran in a project. Results of a project are removed only if all its studies are known.

    Args:
        study: the study at hand.
    """

    def __init__(self, study: Study):
        self.cfg = study.cfg
        self.fm = study.fm
        self.config = study.config

    @property
    def projects(self) -> list[str]:
        """The projects below the results root."""
        return projects_below(self.fm.results_path)

    # --- what is in use -----------------------------------------------------------------------------------------

    def find(self, idle: Idle) -> tuple[list[Unused], list[str]]:
        """Return files that no study refers to, and the problems of studies that cannot be planned.

        Args:
            idle: projects and data that are locked for the cleaning.
        """
        planned = self._usages()
        doubts = {project: why for project in self.projects if (why := self._doubt(project, planned))}
        fitting = [usage for usage in planned if usage.problem is None]
        busy = frozenset(project for project in self.projects if project not in idle.projects)
        context = Known(
            [usage for usage in fitting if usage.results == self.fm.results_path.resolve()],
            doubts,
            busy,
            self.cfg.clean.pipelines,
        )
        unused: list[Unused] = []
        needed: list[Usage] = []
        for project in self.projects:
            with MMLFileManager.for_a_while(self.fm.data_path, self.fm.results_path, project) as fm:
                unused += unused_of_project(fm, context)
                needed.append(_needed(fm, whole=context.why_kept(project) is not None))
        use = DataUse(
            [usage for usage in fitting if usage.data == self.fm.data_path.resolve()], needed, idle.why_no_data
        )
        return [*unused, *unused_data(self.fm, use), *dead_warm_processes()], self._problems(planned)

    def _usages(self) -> list[Usage]:
        demo = demo_study(LIBRARY)
        named = self.cfg.clean.studies
        files = [demo, *sorted((demo.parent / "studies").glob("*.yaml"))] if named is None else named
        named_sources = [StudySource([str(shorten(file))]) for file in files]
        sources = [StudySource([], config=self.config), *named_sources]
        for project in self.projects:
            sources += [source for source in self._recorded(project) or () if source not in sources]
        roots = {"data": str(self.fm.data_path.absolute()), "results": str(self.fm.results_path.absolute())}
        return [usage_of(source, roots, LIBRARY / DEMO.parent) for source in sources]

    def _recorded(self, project: str) -> list[StudySource] | None:
        """Return the recorded studies of a project, None without a record.

        Studies with values of the command line are left out if `clean.projects` names the project.
        """
        records = recorded_studies(self.fm.results_path / project / self.fm.record_path.name)
        if records is None:
            return None
        named = project in self.cfg.clean.projects
        return [StudySource(**vars(record), recorded=True) for record in records if not (named and record.values)]

    def _doubt(self, project: str, planned: Sequence[Usage]) -> str | None:
        """Return the reason why a project may have results of unknown studies; None if all its studies are known."""
        recorded, hint = self._recorded(project), f"; to remove it anyway: clean='{{projects: [{project}]}}'"
        if project in self.cfg.clean.projects:
            return None
        if recorded is None:
            return f"nobody knows which studies ran in {project}{hint}"
        for usage in planned:
            if usage.source in recorded and usage.problem:
                return (
                    f"{usage.source.name}, which ran in {project}, cannot be planned any more ({usage.problem}){hint}"
                )
        if not any(usage.project == project for usage in planned):
            return f"no study file is of the project {project}{hint}"
        return None

    def _problems(self, planned: Sequence[Usage]) -> list[str]:
        """Return the mistakes of studies that the user has listed, whose results would count as unused."""
        return [
            f"{usage.source.name} cannot be planned: {usage.problem}"
            for usage in planned
            if usage.problem and not usage.source.recorded
            if usage.project is None or usage.project in self.projects
        ]

    def advice(self, unused: Sequence[Unused], problems: Sequence[str]) -> list[str]:
        """Return the next commands, in lines."""
        lines = []
        if any(item.state == "removable" for item in unused) and not self.cfg.force:
            lines.append("nothing is removed yet; --config force=true removes what is removable")
        if problems and not self.cfg.force:
            lines.append("nothing could be removed before this is mended")
        if again := next((item.again for item in unused if item.run and item.again), None):
            lines.append(f"a run is made again from its pipeline file, which stays: {again}")
        return lines

    # --- removing -----------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def hold_idle(self) -> Iterator[Idle]:
        """Lock and yield all idle projects and data.

        The project of this study is locked by its Snakemake. Jobs that wait in the queue of a cluster hold no lock.
        """
        locks: list[IO[Any]] = []
        idle = []
        queueing = slurm.folders()
        for project in self.projects:
            with MMLFileManager.for_a_while(self.fm.data_path, self.fm.results_path, project) as fm:
                own = project == self.fm.project
                held = [] if own else hold_idle_project(fm.lock_path, fm.steps_lock_path)
                ran_in = {Path(record.folder) for record in recorded_studies(fm.record_path) or ()}
            if held is not None:
                locks += held
                if not ran_in & queueing:
                    idle.append(project)
        data = hold_idle_data(self.fm.data_lock_path) if self.fm.data_path.is_dir() else None
        busy = [project for project in self.projects if project not in idle]
        why = f"data are left alone while something runs in {', '.join(busy)}" if busy else None
        if data is None and why is None:
            why = "data are left alone while a Snakemake of another results folder uses them"
        try:
            yield Idle(idle, why)
        finally:
            for lock in filter(None, [*locks, data]):
                lock.close()

    def remove(self, unused: Sequence[Unused]) -> None:
        """Remove all removable artefacts, in this order."""
        for item in unused:
            if item.kept is None:
                for path in item.paths:
                    remove(path, item.root)
                item.removed = True


def _needed(fm: MMLFileManager, whole: bool) -> Usage:
    """Return the references of a project's pipeline files: tasks, and with `whole` also images."""
    needed = Usage(StudySource([]), fm.project)
    for wildcards in fm.existing("pipeline"):
        with contextlib.suppress(MMLError, KeyError, TypeError, AttributeError):
            needed.add_tasks(Pipeline.read(Path(fm.path("pipeline", **wildcards))).tasks)
    if not whole:
        needed.datasets, needed.packs = set(), set()
    return needed
