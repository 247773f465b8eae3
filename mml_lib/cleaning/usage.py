"""Usage: what studies refer to. Each study is planned in a process of its own, so that none changes another."""

import contextlib
import multiprocessing
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mml_lib.config.loading import ROOTS
from mml_lib.config.pipeline_folder import add_presets
from mml_lib.config.reading.layers import with_defaults
from mml_lib.config.reading.study_files import parse_values, read_study
from mml_lib.errors import MMLError
from mml_lib.studies.runs import pack_id
from mml_lib.studies.study import Study
from mml_lib.tasks.task_identity import lineage


@dataclass(frozen=True)
class StudySource:
    """Files and values that a study is composed of.

    Args:
        files: config files relative to `folder`; later ones take precedence.
        values: values that take precedence over the files.
        folder: the working folder.
        config: the merged config, where it is known already.
        recorded: whether a project tells of it, and not the user.
    """

    files: Sequence[str]
    values: Mapping[str, Any] = field(default_factory=dict)
    folder: str = "."
    config: Mapping[str, Any] | None = None
    recorded: bool = False

    @property
    def name(self) -> str:
        """Name in messages."""
        if self.config is not None:
            return "this study"
        name = os.path.normpath(os.path.join(self.folder, self.files[-1])) if self.files else "a study without files"
        path = Path(name)
        path = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
        return f"{path} with --config {' '.join(self.values)}" if self.values else str(path)


@dataclass
class Usage:
    """Artefacts that one study refers to.

    Args:
        source: what it was read from.
        project: its project; None where it cannot be read.
        problem: why it cannot be planned.
        results: its results root; data: its data root.
        runs: project, task and id of its runs; of a `None` task: of all tasks.
        reused: projects that it takes anything from.
        descriptions: names and ids of its tasks, and of what they are derived from.
        datasets: its data sets, packs: these with the ids of preprocessing.
        downloads: the data sets that are made of each, by SHA-256.
    """

    source: StudySource
    project: str | None = None
    problem: str | None = None
    results: Path | None = None
    data: Path | None = None
    runs: set[tuple[str, str | None, str]] = field(default_factory=set)
    reused: set[str] = field(default_factory=set)
    descriptions: set[tuple[str, str]] = field(default_factory=set)
    datasets: set[str] = field(default_factory=set)
    packs: set[tuple[str, str]] = field(default_factory=set)
    downloads: dict[str, set[str]] = field(default_factory=dict)

    def add_tasks(self, tasks: Iterable[Mapping[str, Any]]) -> None:
        """Add what pipelines say of their tasks."""
        for task in tasks:
            self.descriptions |= {(ancestor["name"], ancestor["id"]) for ancestor in lineage(task)}
            self.datasets.add(task["dataset"])
            self.packs.add((task["dataset"], task["pack"]))


def usages(sources: Sequence[StudySource], roots: Mapping[str, str], presets: Path) -> list[Usage]:
    """Return the artefacts that each study refers to.

    Args:
        sources: the studies.
        roots: where `data` and `results` lie for studies that do not say it themselves.
        presets: the pipeline's own folder of presets.
    """
    return [_usage_apart(source, roots, presets) for source in sources]


def _usage_apart(source: StudySource, roots: Mapping[str, str], presets: Path) -> Usage:
    """Look at a study in a fork, which has all imported, and takes file manager, plugins and working folder with it."""
    try:
        with ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as fork:
            return fork.submit(_usage, source, roots, presets).result()
    except BrokenProcessPool:
        return Usage(source, problem="planning it ends its process, as a plugin may")


def _usage(source: StudySource, roots: Mapping[str, str], presets: Path) -> Usage:
    usage = Usage(source)
    try:
        os.chdir(source.folder)
        study = Study(_config(source, roots, presets), [Path(file) for file in source.files])
    except (MMLError, OSError) as error:
        usage.problem = str(error)
        return usage
    except Exception as error:  # a plugin may raise anything
        usage.problem = f"{type(error).__name__}: {error}"
        return usage
    usage.project = study.cfg.project
    usage.results, usage.data = study.fm.results_path.resolve(), study.fm.data_path.resolve()
    try:
        _plan(study, usage)
    except Exception as error:
        usage.problem = str(error) if isinstance(error, MMLError) else f"{type(error).__name__}: {error}"
    return usage


def _config(source: StudySource, roots: Mapping[str, str], presets: Path) -> dict[str, Any]:
    """Return the config of a study."""
    if source.config is not None:
        return dict(source.config)
    # Values are text for `--config`; records of older versions have what Snakemake made of it.
    values = [
        parsed
        for key, value in source.values.items()
        for parsed in (parse_values([f"{key}={value}"]) if isinstance(value, str) else [{key: value}])
    ]
    config = with_defaults(*[read_study(Path(file)) for file in source.files], *values)
    add_presets(config, presets)
    paths = {key: value for key, value in config["paths"].items() if value is not None}
    unset = {key: roots[key] for key in ROOTS if source.recorded or key not in paths}
    return config | {"paths": paths | unset}


def _plan(study: Study, usage: Usage) -> None:
    """Plan a study in its own mode, which must work, and in all other modes that it supports."""
    own, project = study.cfg.mode.id, study.cfg.project
    _ = study.scheduler(own).commands
    for mode in study.schedulers.modes:
        with contextlib.suppress(MMLError):
            _ = study.scheduler(mode).commands
    # A task that is trained in no mode is still one of the study.
    for identity in (*map(study.task, study.cfg.tasks), *study.tasks.values()):
        usage.add_tasks([identity.definition() | {"pack": pack_id(study.cfg.preprocessing)}])
    for (task, run), planned in study.runs.planned.items():
        usage.runs.add((project, task, run))
        usage.add_tasks(planned.pipeline.tasks)
        for model in planned.pipeline.pretraining.get("models", ()):
            usage.runs.add((model["project"] or project, model["task"], model["run"]))
    usage.packs |= {(dataset, pack) for dataset in usage.datasets for _, pack in set(usage.packs)}
    for reference in _references(study):
        name, _, run = reference.partition("#")
        usage.runs |= {(name, None, run)} if run else set()
        usage.reused |= set() if run else {name}
    for name, options in study.cfg.tasks.items():
        for file in options.downloads if options else ():
            usage.downloads.setdefault(file.sha256.lower(), set()).add(study.task(name).dataset)


def _references(study: Study) -> Iterator[str]:
    for references in study.cfg.reuse.model_dump().values():
        yield from references
