"""Catalogue of public data sets: `catalogue: bloodmnist` in a task stands for `config/catalogue/bloodmnist.yaml`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mml_lib.config.reading.presets import merge, preset_names
from mml_lib.config.reading.scalars import plain, text_of
from mml_lib.config.reading.study_files import read_preset
from mml_lib.errors import MMLError, nearest

CATALOGUE = "catalogue"
"""Folder of the entries below a folder of presets, and the key of a task that names one."""

KEYS = ("about", "images", "side", "facts", "task", "variants")


@dataclass(frozen=True)
class Entry:
    """A public data set.

    Args:
        name: name of the entry.
        about: description of the data set in one line.
        images: number of images; 0 if the entry does not state it.
        facts: sources of its URLs, checksums and other facts.
        task: keys of a task.
        variants: further keys of the task by an option of the entry (`size`) and its value. The first value of an
            option is the default.
        sides: height and width of its square images in pixels, for each available size; empty for other images.
    """

    name: str
    about: str
    images: int
    facts: str
    task: Mapping[str, Any]
    variants: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)
    sides: tuple[int, ...] = ()

    @property
    def task_type(self) -> str:
        """Task type; classification if the entry states none."""
        return str(self.task.get("task_type", "classification"))

    @property
    def modalities(self) -> list[str]:
        """Modalities of the images."""
        return list(map(str, (self.task.get("modalities") or {}).values()))

    def resolve(self, where: str, own: Mapping[str, Any]) -> dict[str, Any]:
        """Return the keys of a task or data set: the entry, overlaid by the chosen variants and by the study's keys.

        Args:
            where: key of the task or data set, for errors.
            own: keys of the task or data set in the study.

        Raises:
            MMLError: the study names a variant that the entry lacks, or another creator.
        """
        if "creator" in own:
            raise MMLError(
                f"{where}.creator: the catalogue entry '{self.name}' has the creator '{self.task['creator']}'; "
                "leave creator or catalogue out"
            )
        keys = dict(self.task)
        for option, values in self.variants.items():
            chosen = _text(own[option]) if option in own else next(iter(values))
            if chosen not in values:
                raise MMLError(
                    f"{where}.{option}: the catalogue entry '{self.name}' has no {option} {chosen}; "
                    f"write one of {', '.join(values)}"
                )
            keys = merge(keys, values[chosen])
        return merge(keys, {key: value for key, value in own.items() if key not in self.variants})


def _text(value: Any) -> str:
    """Return the value of an option as it is written. Invalid values (switches, lists) have a text too."""
    scalar = None if isinstance(value, bool) else text_of(value)
    return str(plain(value)) if scalar is None else scalar


def read_entry(name: str, path: Path) -> Entry:
    """Read an entry.

    Raises:
        MMLError: the file is not an entry.
    """
    content = read_preset(path)
    if problem := _problem(content):
        raise MMLError(f"{path}: the catalogue entry '{name}' {problem}")
    about, facts = (str(content.get(key) or "") for key in ("about", "facts"))
    variants = {
        option: {value: keys or {} for value, keys in values.items()}
        for option, values in (content.get("variants") or {}).items()
    }
    images, sides = plain(content.get("images") or 0), _sides(content)
    return Entry(name, about, images, facts, content["task"], variants, tuple(sides))


def _problem(content: Any) -> str:
    """Return the first mistake in the content of an entry; empty if there is none."""
    if not isinstance(content, Mapping) or not isinstance(content.get("task"), Mapping):
        return "has no key 'task' with the keys of a task"
    if unknown := [key for key in content if key not in KEYS]:
        return f"has the unknown key '{unknown[0]}'{nearest(unknown[0], KEYS)}"
    task, images = content["task"], plain(content.get("images") or 0)
    if "creator" not in task:
        return "has no key 'creator' in its task"
    if type(images) is not int:
        return f"has the images {images}; write a whole number such as 1295, or leave the key out"
    if any(type(side) is not int or side < 1 for side in _sides(content)):
        return f"has the side {content['side']}; write pixels such as 28, or [28, 64], or leave the key out"
    if not isinstance(task.get("modalities") or {}, Mapping):
        return "has modalities that are not a mapping; write task: {modalities: {image: x-ray}}"
    if not isinstance(task.get("keywords") or [], list):
        return "has keywords that are not a list; write task: {keywords: [medical, skin]}"
    return _problem_of_variants(content.get("variants") or {})


def _sides(content: Mapping[str, Any]) -> list[Any]:
    """Return the sides that an entry states."""
    side = content.get("side")
    return [] if side is None else [plain(item) for item in (side if isinstance(side, list) else [side])]


def _problem_of_variants(variants: Any) -> str:
    if not isinstance(variants, Mapping):
        return "has variants that are not a mapping; write variants: {size: {28: {path: small}, 64: {path: large}}}"
    for option, values in variants.items():
        if not isinstance(values, Mapping) or not values:
            return f"has no values of variants.{option}; write {option}: {{VALUE: {{KEY OF THE TASK: …}}, …}}"
        if malformed := [value for value, keys in values.items() if not isinstance(keys or {}, Mapping)]:
            return f"has no mapping at variants.{option}.{malformed[0]}; write {malformed[0]}: {{KEY OF THE TASK: …}}"
    return ""


def catalogue_entries(folders: Sequence[Path]) -> dict[str, Entry]:
    """Return all entries by name. Earlier folders of presets take precedence."""
    return {name: read_entry(name, path) for name, path in sorted(preset_names(CATALOGUE, folders).items())}


def resolve_catalogue(config: Mapping[str, Any], folders: Sequence[Path]) -> dict[str, Any]:
    """Return a config whose tasks and data sets contain the keys of their catalogue entries, overlaid by their own.

    Args:
        config: config of a study.
        folders: folders of presets.

    Raises:
        MMLError: an entry, or a variant of it, does not exist.
    """
    resolved = dict(config)
    for section in ("datasets", "tasks"):
        if isinstance(entries := config.get(section), Mapping):
            resolved[section] = {name: _resolved(f"{section}.{name}", task, folders) for name, task in entries.items()}
    return resolved


def _resolved(where: str, task: Any, folders: Sequence[Path]) -> Any:
    if not isinstance(task, Mapping):
        return task
    if "catalog" in task and "creator" not in task:
        raise MMLError(f"{where}: unknown key 'catalog', did you mean '{CATALOGUE}'?")
    if CATALOGUE not in task:
        return task
    try:
        entry = text_of(task[CATALOGUE])
    except ValueError as error:
        raise MMLError(f"{where}.{CATALOGUE}: {error}") from error
    if not entry:
        raise MMLError(f"{where}.{CATALOGUE}: write the name of one entry, such as {CATALOGUE}: bloodmnist")
    paths = preset_names(CATALOGUE, folders)
    if entry not in paths:
        raise MMLError(
            f"{where}.{CATALOGUE}: there is no entry '{entry}' (`snakemake info --config list={CATALOGUE}` lists "
            f"all){nearest(str(entry).lower(), paths)}"
        )
    own = {key: value for key, value in task.items() if key != CATALOGUE}
    return read_entry(entry, paths[entry]).resolve(where, own)
