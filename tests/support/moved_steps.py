"""Steps of studies, each repeated on copies of its inputs at other paths: `python tests/support/moved_steps.py`.

The arguments are a folder for the copies and a YAML file: for each study file the artefacts to make, which may name the
`{task}`, `{run}` and `{fold}` of a network of the study. The working directory is that of the studies. All steps run in
this process, without Snakemake. A line of JSON has the differences of each rule, null for a rule that was not repeated.
"""

import csv
import json
import os
import runpy
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from mml_lib.files.templates import MANIFEST
from mml_lib.steps.mock_snakemake import SNAKEFILE, parsed_workflow, step_of

if TYPE_CHECKING:
    from snakemake.iocontainers import Snakemake
    from snakemake.rules import Rule
    from snakemake.workflow import Workflow

FOLDERS = ("checkpoints", "tensorboard", "logger", "folder")
"""Params that are folders which a step writes to."""

STORES = "stores"
"""Param with patterns of the paths of networks that a step may read or write."""

KEPT = "files"
"""Param with files that a step stores one after another, so that one that is killed goes on with the rest."""

VOLATILE = {"created", "training_time", "energy_kwh", "seconds"}
"""Keys and columns that say when a step ran and how long."""

MEASURED = ("-times.csv", "run_times_and_memory.html")
"""Ends of the names of files about the steps that have run so far."""

PATHS = {"table", "folder"}
"""Keys of JSON files with the path of an input."""

LOCK = ".lock-steps"
"""Name of the lock of the steps of a project, which each step takes."""

ABOUT_THE_PROJECT = {"clean_up"}
"""Rules about all that lies in a project: what no study uses."""

PICTURES = {".svg", ".png", ".jpg", ".pdf"}
"""Files that are compared by their names."""


class Repetitions:
    """Makes artefacts, and repeats steps of each rule at other paths: one for each set of inputs that has files.

    Meanwhile the data and the projects are elsewhere, so that a path that a script derives leads nowhere.

    Attributes:
        differences: of the outputs of each rule; None if none of its steps was repeated.

    Args:
        folder: where the copies of inputs and the repeated outputs go.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.differences: dict[str, list[str] | None] = {}
        self._repeated: set[tuple[str, ...]] = set()

    def of_study(self, study: str, targets: Sequence[str]) -> None:
        """Make artefacts of a study, and all that they need."""
        with parsed_workflow(SNAKEFILE, [study], {}) as workflow:
            for rule in workflow.rules:
                if rule.output:
                    self.differences.setdefault(rule.name, None)
            planned = workflow.globals["study"]
            scheduler = planned.scheduler(planned.cfg.mode.id)
            network = scheduler.networks(scheduler.task_names[0])[0]
            for target in targets:
                self._make(workflow, str(planned.fm.proj_path / target.format(**network.tokens)))

    def _make(self, workflow: "Workflow", path: str) -> None:
        if os.path.exists(path):
            return
        rule = next(rule for rule in workflow.rules if rule.script and rule.is_producer(path))
        for needed in _step(workflow, rule, path).input:
            self._make(workflow, needed)
        snakemake = _step(workflow, rule, path)  # some params depend on the inputs
        _run(snakemake)
        inputs = [name for name, files in snakemake.input.items() if files]
        if (kind := (rule.name, *inputs)) not in self._repeated:
            self._repeated.add(kind)
            self._repeat(snakemake, self.folder / f"{len(self._repeated):02d}-{rule.name}")

    def _repeat(self, snakemake: "Snakemake", folder: Path) -> None:
        rule, outputs = snakemake.rule, list(snakemake.output)
        move(snakemake, folder)
        lines = []
        if rule in ABOUT_THE_PROJECT:
            _run(snakemake)
        else:
            lines += _run_alone(snakemake, folder)
        for old, new in zip(outputs, snakemake.output, strict=True):
            lines += differing(Path(old), Path(new))
        self.differences[rule] = (self.differences[rule] or []) + lines


def _step(workflow: "Workflow", rule: "Rule", path: str) -> "Snakemake":
    return step_of(workflow, rule.name, 1, dict(rule.get_wildcards(path).items()))


def _run(snakemake: "Snakemake") -> None:
    for path in snakemake.output:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    runpy.run_path(snakemake.script, {"snakemake": snakemake})


def _run_alone(snakemake: "Snakemake", folder: Path) -> Iterator[str]:
    """Run a script while the data and the projects are elsewhere; yield its error, and what it writes there."""
    hidden = {Path(root): folder / "hidden" / root for root in ("data", "results") if os.path.exists(root)}
    for root, aside in hidden.items():
        aside.parent.mkdir(exist_ok=True)
        root.rename(aside)
    try:
        _run(snakemake)
    except Exception as error:
        yield f"{type(error).__name__}: {error}"
    for root, aside in hidden.items():
        yield from (f"{path} is written" for path in root.rglob("*") if path.is_file() and path.name != LOCK)
        shutil.rmtree(root, ignore_errors=True)
        aside.rename(root)


def move(snakemake: "Snakemake", folder: Path) -> None:
    """Copy the inputs of a step to a folder, and let it read them and write its outputs there."""
    for section in ("input", "output"):
        files = getattr(snakemake, section)
        for number, path in enumerate(list(files)):
            target = folder / section / str(number) / Path(path).name
            if section == "input":
                target = copied(Path(path), target)
            target.parent.mkdir(parents=True, exist_ok=True)
            files[number] = str(target)
        for name, (start, end) in dict(files._names).items():
            files._set_name(name, start, end=end)
    params = snakemake.params  # a copy
    for name in FOLDERS:
        if isinstance(params.get(name), str):
            position, _ = params._names[name]
            params[position] = str(folder / name)
            params._set_name(name, position)
    if STORES in params._names:
        params[params._names[STORES][0]] = {key: str(folder / key / path) for key, path in params.stores.items()}
    if kept := params.get(KEPT):
        position, _ = params._names[KEPT]
        params[position] = [str(folder / KEPT / str(number)) for number in range(len(kept))]
        params._set_name(KEPT, position)
    for number, model in enumerate(params.get("models", ())):  # of all studies, which no rule of one study makes
        model["path"] = str(copied(Path(model["path"]), folder / "models" / str(number) / Path(model["path"]).name))
    snakemake._safely_store_params(params)


def copied(path: Path, target: Path) -> Path:
    """Copy an input; a manifest with the images beside it."""
    if path.name == MANIFEST:
        shutil.copytree(path.parent, target.parent / "dataset")
        return target.parent / "dataset" / path.name
    target.parent.mkdir(parents=True)
    shutil.copytree(path, target) if path.is_dir() else shutil.copyfile(path, target)
    return target


def differing(old: Path, new: Path) -> Iterator[str]:
    """Yield the differences of two outputs."""
    if not new.exists():
        yield f"{old.name} is missing"
    elif old.is_dir():
        names = [
            {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file() and path.name[0] != "."}
            for root in (old, new)
        ]
        yield from (f"{name} is in one folder only" for name in sorted(names[0] ^ names[1]))
        for name in sorted(names[0] & names[1]):
            yield from differing(old / name, new / name)
    elif old.suffix not in PICTURES and not old.name.endswith(MEASURED) and content(old) != content(new):
        yield f"{old.name} differs"


def content(path: Path) -> Any:
    """Return the content of a file without times."""
    if path.suffix == ".json":
        stored = json.loads(path.read_text(), object_hook=_without_paths)
        return {key: value for key, value in stored.items() if key not in VOLATILE}
    if path.suffix == ".csv":
        with path.open(newline="") as file:
            rows = csv.DictReader(file)
            return [{key: value for key, value in row.items() if key not in VOLATILE} for row in rows]
    return path.read_bytes()


def _without_paths(content: dict[str, Any]) -> dict[str, Any]:
    """Return a mapping with the names of files in place of their paths: those of inputs that a hook returns."""
    return {key: Path(value).name if key in PATHS else value for key, value in content.items()}


def save_empty_figures() -> None:
    """Let figures be saved without what they show: pictures are compared by their names."""
    from matplotlib.figure import Figure

    save = Figure.savefig
    Figure.savefig = lambda figure, *path, **options: save(Figure((1, 1)), *path, **options)


def trace_networks_once() -> None:
    """Let the repetition of an export write the graph files of the first one; tracing takes seconds, and no paths."""
    from mml_lib.deployment.exporting import export_folder

    trace = export_folder._write_graph
    traced: list[tuple[Any, dict[str, bytes]]] = []

    def write(*arguments: Any) -> Any:
        folder = arguments[-1]
        if not traced:
            files = trace(*arguments)
            traced.append((files, {path.name: path.read_bytes() for path in (files.torch, files.onnx)}))
            return files
        files, contents = traced.pop()
        for name, content in contents.items():
            (folder / name).write_bytes(content)
        return replace(files, torch=folder / files.torch.name, onnx=folder / files.onnx.name)

    export_folder._write_graph = write


if __name__ == "__main__":
    save_empty_figures()
    trace_networks_once()
    repetitions = Repetitions(Path(sys.argv[1]))
    for study, targets in yaml.safe_load(Path(sys.argv[2]).read_text()).items():
        repetitions.of_study(study, targets)
    print(json.dumps(repetitions.differences), file=sys.__stdout__)
