"""Unused artefacts of a project: no study refers to them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mml_lib.cleaning.usage import Usage
from mml_lib.files.checksums import checksum_path
from mml_lib.files.leftovers import dead_warm_folders, leftovers_below
from mml_lib.files.manager import MMLFileManager
from mml_lib.reports.unused_table import Unused

KEPT_ON = ("pipeline", "blueprint")
"""Keys of artefacts from which runs and studies can be repeated."""

FIRST = ("models", "metrics", "other_metrics", "out_of_fold_metrics")
"""Keys that are removed first, so that a partially removed run is recognized as incomplete."""

BY_ITSELF = "a study that needs it makes it again"


@dataclass
class Known:
    """Artefacts that any study refers to, and uncertain ones.

    Args:
        usages: artefacts that each study refers to.
        doubts: by project, the reason why it may have unknown studies.
        busy: projects in which something runs.
        pipelines: True if pipeline files and blueprints are removed with their runs.
    """

    usages: Sequence[Usage]
    doubts: Mapping[str, str]
    busy: frozenset[str]
    pipelines: bool

    def names(self, project: str) -> bool:
        """Return True if a study belongs to this project."""
        return any(usage.project == project for usage in self.usages)

    def uses_run(self, project: str, task: str, run: str) -> bool:
        """Return True if a study refers to a run."""
        return any(
            {(project, task, run), (project, None, run)} & usage.runs or project in usage.reused
            for usage in self.usages
        )

    def uses_task(self, project: str, task: str) -> bool:
        """Return True if a study of a project, or one that reuses the project, has a task."""
        if any(project in usage.reused for usage in self.usages):
            return True
        named = {name for usage in self.usages if usage.project == project for name, _ in usage.descriptions}
        return task in named or any((project, task) == run[:2] for usage in self.usages for run in usage.runs)

    def why_busy(self, project: str) -> str | None:
        """Return why no leftovers of a project are removed; None: they may be."""
        return f"something runs in {project}" if project in self.busy else None

    def why_kept(self, project: str) -> str | None:
        """Return why no artefacts of a project are removed; None: they may be."""
        return self.why_busy(project) or self.doubts.get(project)


# --- projects ---------------------------------------------------------------------------------------------------


def unused_of_project(fm: MMLFileManager, context: Known) -> list[Unused]:
    """Return artefacts of a file manager's project that no study refers to, and leftovers.

    Args:
        fm: the file manager of the project.
        context: artefacts that studies refer to.
    """
    runs = _by_run(fm)
    used = {run for run in runs if context.uses_run(fm.project, *run)}
    unused = [item for run in sorted(runs.keys() - used) for item in _of_run(fm, context, *run, runs[run])]
    unused += _finished_checkpoints(fm, context, {run: runs[run] for run in sorted(used)})
    unused += _without_run(fm, context)
    for what, paths in leftovers_below(fm.proj_path, fm.templates(root="PROJ_PATH")).items():
        # Snakemake has removed the table of the step that cleans up.
        paths = [path for path in paths if path != checksum_path(fm.path("unused"))]
        if paths:
            kept = context.why_busy(fm.project)
            unused.append(Unused("leftover", what, paths, fm.proj_path, fm.project, kept=kept))
    return unused


def _by_run(fm: MMLFileManager) -> dict[tuple[str, str], dict[str, list[Path]]]:
    """Return the existing artefacts of each task and run, by key."""
    runs: dict[tuple[str, str], dict[str, list[Path]]] = {}
    for key in (template.key for template in fm.templates("TASK_NAME", "RUN")):
        for wildcards in fm.existing(key):
            runs.setdefault((wildcards["task"], wildcards["run"]), {}).setdefault(key, []).append(
                Path(fm.path(key, **wildcards))
            )
    return runs


def _of_run(
    fm: MMLFileManager, context: Known, task: str, run: str, by_key: Mapping[str, list[Path]]
) -> Iterator[Unused]:
    by_key = {key: paths for key, paths in by_key.items() if context.pipelines or key != "pipeline"}
    if not by_key:
        return
    logged = [path for folder in ("LOGS", "BENCHMARKS") for path in sorted((fm.proj_path / folder).glob("*/*"))]
    of_run = [path for path in logged if re.match(rf"{re.escape(f'{task}-{run}')}[-.]", path.name)]
    by_key |= {"logs": of_run} if of_run else {}
    again = ""
    if not context.pipelines and Path(fm.path("pipeline", task=task, run=run)).exists():
        model = fm.path("models", task=task, run=run, fold=0)
        again = f"snakemake --cores all {model} --config project={fm.project} (and so with other folds)"
    for key in sorted(by_key, key=lambda key: (key not in FIRST, key in KEPT_ON, key)):
        yield Unused(
            "run of no study",
            key,
            sorted(by_key[key]),
            fm.proj_path,
            fm.project,
            task,
            run,
            context.why_kept(fm.project),
            again,
        )


def _finished_checkpoints(
    fm: MMLFileManager, context: Known, runs: Mapping[tuple[str, str], Mapping[str, list[Path]]]
) -> Iterator[Unused]:
    """Yield checkpoints of finished trainings. Before a training is repeated, Snakemake removes the model."""
    for (task, run), by_key in runs.items():
        finished = {path.stem for path in by_key.get("models", ())}
        left = [path for path in by_key.get("checkpoint", ()) if path.name in finished]
        if left:
            kept = context.why_busy(fm.project)
            yield Unused("leftover", "checkpoint", left, fm.proj_path, fm.project, task, run, kept)


def _without_run(fm: MMLFileManager, context: Known) -> Iterator[Unused]:
    """Yield artefacts of tasks and projects that no study has any more."""
    named = context.names(fm.project)
    for template in fm.templates(root="PROJ_PATH"):
        key, tokens = template.key, template.tokens
        if "RUN" in tokens or (key in KEPT_ON and not context.pipelines) or (named and "TASK_NAME" not in tokens):
            continue
        by_task: dict[str, list[Path]] = {}
        for wildcards in fm.existing(key):
            if "task" not in wildcards or not context.uses_task(fm.project, wildcards["task"]):
                by_task.setdefault(wildcards.get("task", ""), []).append(Path(fm.path(key, **wildcards)))
        for task, paths in sorted(by_task.items()):
            what = "task of no study" if named else "project of no study"
            kept = context.why_kept(fm.project)
            yield Unused(what, key, sorted(paths), fm.proj_path, fm.project, task, "", kept, "its study makes it again")


def dead_warm_processes() -> list[Unused]:
    """Return leftovers of dead warm processes."""
    folders = dead_warm_folders()
    return [Unused("leftover", "warm processes", folders, folders[0].parent)] if folders else []
