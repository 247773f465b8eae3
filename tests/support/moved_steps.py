"""Steps of a finished study, repeated on copies of their inputs at other paths: `python -m tests.support.moved_steps`.

The working directory is that of the study; its file and a folder for the copies are the arguments. A line of JSON says
which rules were repeated, and what differs.
"""

import json
import os
import runpy
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mml_lib.files.manager import MANIFEST
from mml_lib.steps.mock_snakemake import SNAKEFILE, parsed_workflow, step_of

FOLDERS = ("checkpoints", "tensorboard", "trial")
"""Params that are folders which a step writes to."""

VOLATILE = {"created", "training_time", "seconds"}
"""Keys and columns that say when a step ran and how long."""

MEASURED = ("-times.csv", "run_times_and_memory.html")
"""Ends of the names of files about the steps that have run so far."""

PICTURES = {".svg", ".png", ".jpg", ".pdf"}
"""Files that are compared by their names."""


def repeat_steps(study: Path, folder: Path) -> dict[str, list[str]]:
    """Repeat one step of each rule whose outputs exist; return the differences of each rule."""
    differences = {}
    with parsed_workflow(SNAKEFILE, [study], {}) as workflow:
        files = existing_files()
        for rule in workflow.rules:
            path = next((path for path in files if rule.script and rule.is_producer(path)), None)
            if path is None:
                continue
            wildcards = dict(rule.get_wildcards(path).items())
            snakemake = step_of(workflow, rule.name, 1, wildcards)
            outputs = list(snakemake.output)
            if not all(map(os.path.exists, outputs)):
                continue
            move(snakemake, folder / rule.name)
            runpy.run_path(snakemake.script, {"snakemake": snakemake})
            moved = zip(outputs, snakemake.output, strict=True)
            differences[rule.name] = [line for old, new in moved for line in differing(Path(old), Path(new))]
    return differences


def existing_files() -> list[str]:
    """Return the files and folders of the study, as rules name them."""
    return sorted(str(path) for root in ("data", "results") for path in Path(root).rglob("*"))


def move(snakemake: Any, folder: Path) -> None:
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
    for name in FOLDERS:
        if name in dict(snakemake.params.items()):
            position, _ = snakemake.params._names[name]
            snakemake.params[position] = str(folder / name)
            snakemake.params._set_name(name, position)


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
    """Return the content of a file without what depends on when it was written."""
    if path.suffix == ".json":
        return {key: value for key, value in json.loads(path.read_text()).items() if key not in VOLATILE}
    if path.suffix == ".csv":
        import pandas as pd

        table = pd.read_csv(path)
        return table.drop(columns=[column for column in table if column in VOLATILE]).to_csv()
    return path.read_bytes()


if __name__ == "__main__":
    print(json.dumps(repeat_steps(Path(sys.argv[1]), Path(sys.argv[2]))), file=sys.__stdout__)
