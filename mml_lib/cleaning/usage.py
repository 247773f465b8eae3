"""Usage: artefacts that studies refer to. Each study is planned in a separate process."""

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
from mml_lib.images.packs.pack_names import pack_id
from mml_lib.search.trials import Trial
from mml_lib.studies.study import Study
from mml_lib.tasks.task_identity import lineage


@dataclass(frozen=True)
class StudySource:
    """Files and values that a study is composed of.

    Args:
        files: config files relative to `folder`; later ones take precedence.
        values: values that take precedence over the files.
        folder: the working folder.
        config: the merged config; None: read it from the files and values.
        recorded: True for a study in the record of a project, False for one that the user has listed.
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
        source: files and values of the study.
        project: its project; None if its config cannot be read.
        problem: reason why it cannot be planned; None if it can.
        results: its results root.
        data: its data root.
        runs: project, task and id of its runs; task None: all tasks.
        reused: projects whose files it reuses.
        descriptions: names and ids of its tasks and their bases.
        datasets: its data sets.
        packs: its data sets with ids of preprocessing.
        downloads: the data sets made from each download, by checksum.
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
        """Add the tasks of pipelines with their data sets and packed images."""
        for task in tasks:
            self.descriptions |= {(ancestor["name"], ancestor["id"]) for ancestor in lineage(task)}
            self.datasets.add(task["dataset"])
            self.packs.add((task["dataset"], task["pack"]))


def usage_of(source: StudySource, roots: Mapping[str, str], presets: Path) -> Usage:
    """Return the artefacts that a study refers to.

    The study is planned in a fork of this process, with a file manager, plugins and a working folder of its own.

    Args:
        source: the study.
        roots: `data` and `results` of studies that do not set them.
        presets: the pipeline's own folder of presets.
    """
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
        usage.project = study.cfg.project
        usage.results, usage.data = study.fm.results_path.resolve(), study.fm.data_path.resolve()
        _plan(study, usage)
    except Exception as error:  # a plugin may raise anything
        usage.problem = str(error) if isinstance(error, MMLError | OSError) else f"{type(error).__name__}: {error}"
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
    """Plan a study in its mode, which must succeed, and in all other modes that it supports."""
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
    for task, search in study.searches.planned:
        for trial in study.fm.existing("trial", task=task, search=search):
            record = Trial.read(study.fm.path("trial", **trial)).record
            usage.runs |= {(project, task, record.run)} if record.run else set()
    for mode in study.schedulers.modes:
        with contextlib.suppress(MMLError):
            steps = study.scheduler(mode).steps_by_rule.get("predict_baseline", ())
            usage.runs |= {(project, step["task"], step["run"]) for step in steps}
    usage.packs |= {
        (dataset, pack_id(section)) for dataset in usage.datasets for section in study.extractors.preprocessings
    }
    usage.packs |= {(dataset, pack) for dataset in usage.datasets for _, pack in set(usage.packs)}
    for reference in _references(study):
        name, _, run = reference.partition("#")
        usage.runs |= {(name, None, run)} if run else set()
        usage.reused |= set() if run else {name}
    for name, options in study.cfg.tasks.items():
        for file in options.downloads if options else ():
            usage.downloads.setdefault(file.checksum, set()).add(study.task(name).dataset)


def _references(study: Study) -> Iterator[str]:
    for references in study.cfg.reuse.model_dump().values():
        yield from references
