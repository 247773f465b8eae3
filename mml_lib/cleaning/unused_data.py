"""Unused data: tasks, data sets, packed images and downloads that no study refers to, and unpacked downloads.

Only artefacts that can be created again are removed. The user's images, and artefacts of missing images, are listed.
"""

import contextlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mml_lib.cleaning.unused import BY_ITSELF
from mml_lib.cleaning.usage import Usage
from mml_lib.errors import MMLError
from mml_lib.files.checksums import checksum_path
from mml_lib.files.leftovers import leftovers_below
from mml_lib.files.manager import MMLFileManager
from mml_lib.files.templates import MANIFEST
from mml_lib.files.unpacking import UNPACKED
from mml_lib.reports.unused_table import Unused
from mml_lib.tasks.dataset import Dataset
from mml_lib.tasks.description import read_header


@dataclass
class DataUse:
    """Shared data that studies refer to.

    Args:
        usages: artefacts that each study refers to.
        needed: artefacts that pipeline files refer to: tasks of all files, images of projects in doubt.
        kept: reason for keeping all data; None: they may be removed.
    """

    usages: list[Usage]
    needed: list[Usage]
    kept: str | None = None

    def uses(self, kind: str, value: Any) -> bool:
        """Return True if a study or an uncertain run refers to one of `datasets`, `packs`, `descriptions`."""
        return any(value in getattr(usage, kind) for usage in (*self.usages, *self.needed))


def unused_data(fm: MMLFileManager, use: DataUse) -> list[Unused]:
    """Return data that no study refers to, and leftovers among them."""
    tasks = dict(_tasks_on_disk(fm))
    sources = dict(tasks.values())
    sets = [_dataset(fm, use, wildcards["dataset"], sources) for wildcards in fm.existing("dataset")]
    listed = [dataset for dataset in sets if dataset is not None]
    going = {dataset.paths[0].name for dataset in listed if dataset.kept is None}
    staying = {dataset.paths[0].name for dataset in listed if dataset.kept is not None}
    unused = [*listed, *_packed(fm, use, going), *_downloads(fm, use, sources, going)]
    unused += _tasks(fm, use, tasks, staying)  # last, because they contain the sources of data sets
    for what, paths in leftovers_below(fm.data_path, fm.templates(root="DATA_PATH")).items():
        unused.append(Unused("leftover", what, paths, fm.data_path, kept=use.kept))
    return unused


def _tasks_on_disk(fm: MMLFileManager) -> Iterator[tuple[Path, tuple[str, dict[str, Any]]]]:
    """Yield the path of each readable task description, with the task's data set and its source."""
    for path in (path for paths in fm.task_index.values() for path in paths):
        with contextlib.suppress(MMLError, KeyError, TypeError):
            header = read_header(path)
            yield path, (header["dataset"], header["source"])


def _tasks(
    fm: MMLFileManager, use: DataUse, tasks: Mapping[Path, tuple[str, dict[str, Any]]], staying: Collection[str]
) -> Iterator[Unused]:
    for name, paths in sorted(fm.task_index.items()):
        for path in paths:
            description = (name, path.stem)
            if any(description in usage.descriptions for usage in use.usages):
                continue
            kept = use.kept
            dataset, source = tasks.get(path, ("", {}))
            if use.uses("descriptions", description):
                kept = "tasks that pipeline files name are kept"
            elif kept is None and dataset in staying:
                kept = "tasks are kept as long as their data set is"
            elif kept is None and "arguments" not in source:
                kept = "tasks of own images are kept: images that have changed since would not give them again"
            yield Unused("task of no study", "description", [path], fm.data_path, task=name, kept=kept, again=BY_ITSELF)


def _dataset(fm: MMLFileManager, use: DataUse, dataset: str, sources: Mapping[str, Any]) -> Unused | None:
    if use.uses("datasets", dataset):
        return None
    folder = Path(fm.path("dataset", dataset=dataset)).parent
    kept = use.kept or _why_not_again(fm, folder, sources.get(dataset))
    return Unused("data set of no study", "dataset", [folder], fm.data_path, kept=kept, again=BY_ITSELF)


def _why_not_again(fm: MMLFileManager, folder: Path, source: Mapping[str, Any] | None) -> str | None:
    """Return the reason why a data set cannot be created again identically; None if it can."""
    if source is None or "arguments" not in source:
        return "data sets of own images, or of unknown origin, are never touched"
    here = {wildcards["checksum"] for wildcards in fm.existing("download")}
    if not here.issuperset(source.get("downloads", ())):
        return f"the downloads that {folder.name} was made of are gone"
    try:
        manifest = Dataset.read(folder / MANIFEST)
    except MMLError:
        return f"{folder / MANIFEST} cannot be read"
    made = {folder / MANIFEST, *_files(manifest)}
    made |= set(map(checksum_path, made))
    for path in folder.rglob("*"):
        unpacked = source.get("downloads") and path.is_relative_to(folder / UNPACKED)
        if not (path in made or path.is_dir() or unpacked):
            return f"{path} is not part of the data set"
    return None


def _files(manifest: Dataset) -> set[Path]:
    """Return the files of images and masks. Images in the rows of an array share its file."""
    named = {name for sample in manifest.delivery.samples for name in sample.files}
    return {manifest.folder / name.partition("#")[0] if ".npy#" in name else manifest.folder / name for name in named}


def _packed(fm: MMLFileManager, use: DataUse, going: set[str]) -> Iterator[Unused]:
    packed = {(wildcards["dataset"], wildcards["pack"]) for wildcards in fm.existing("packed")}
    for dataset, pack in sorted(packed):
        if not use.uses("packs", (dataset, pack)):
            kept = use.kept or (None if dataset in going else _why_not_packed_again(fm, dataset))
            path = Path(fm.path("packed", dataset=dataset, pack=pack))
            yield Unused("packed images of no study", "packed", [path], fm.data_path, kept=kept, again=BY_ITSELF)
    paths = {
        Path(fm.path(key, **wildcards))
        for key in ("shard", "early_pack")
        for wildcards in fm.existing(key)
        if (own := (wildcards["dataset"], wildcards["pack"])) in packed or not use.uses("packs", own)
    }
    for path in sorted(paths):
        yield Unused("leftover", "shard", [path], fm.data_path, kept=use.kept, again=BY_ITSELF)


def _why_not_packed_again(fm: MMLFileManager, dataset: str) -> str | None:
    """Return why images cannot be packed again; None: they can."""
    path = Path(fm.path("dataset", dataset=dataset))
    try:
        missing = [file for file in _files(Dataset.read(path)) if not file.exists()]
    except MMLError:
        return f"{dataset} has no manifest any more, so its images cannot be packed again"
    return f"images of {dataset} are gone, so they cannot be packed again ({min(missing)})" if missing else None


def _downloads(fm: MMLFileManager, use: DataUse, sources: Mapping[str, Any], going: set[str]) -> Iterator[Unused]:
    """Yield downloads that are unpacked into data sets that stay, and downloads of no data set."""
    made: dict[str, set[str]] = {}
    for wildcards in fm.existing("dataset"):
        for checksum in sources.get(wildcards["dataset"], {}).get("downloads", ()):
            made.setdefault(checksum, set()).add(wildcards["dataset"])
    for wildcards in sorted(fm.existing("download"), key=lambda wildcards: wildcards["checksum"]):
        here = made.get(wildcards["checksum"], set())
        wanted = {name for usage in use.usages for name in usage.downloads.get(wildcards["checksum"], ())}
        path, staying = Path(fm.path("download", **wildcards)), here - going
        if path.name.endswith((".part", ".part.json")) or (wanted - here):
            continue  # on its way, or still to be unpacked
        if wanted or staying:
            what, kept = "unpacked download", use.kept
            again = "fetched again where a study needs it"
        else:
            what = "download of no study"
            kept = use.kept or "no study says where it came from"
            again = ""
        yield Unused(what, "download", [path], fm.data_path, kept=kept, again=again)
