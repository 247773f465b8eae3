"""Lists of the parts that a study can name: `snakemake info --config list=metrics`."""

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path

from mml_lib.config.reading.presets import GROUPS, preset_names
from mml_lib.errors import MMLError
from mml_lib.tasks.creators import CREATORS
from mml_lib.tasks.tags import TAGS

Entries = list[tuple[str, str]]
"""Names with one line each."""


def catalogue(kind: str, preset_folders: Sequence[Path]) -> str:
    """Return the names of one kind of part, with one line each.

    Args:
        kind: `modes`, `presets`, `creators`, `tags`, `metrics`, or a group of presets such as `augmentations`.
        preset_folders: folders of presets; an earlier one takes precedence.

    Raises:
        MMLError: there is no such list.
    """
    lists: dict[str, Callable[[], Entries]] = {
        "modes": lambda: _presets("mode", preset_folders),
        "presets": lambda: [
            (f"{group}: {name}", line) for group in GROUPS for name, line in _presets(group, preset_folders)
        ],
        "creators": _creators,
        "tags": lambda: [(tag.usage, _first_line(tag.function)) for tag in TAGS.values()],
        "metrics": _metrics,
    }
    if kind not in lists and kind not in GROUPS:
        names = dict.fromkeys([*lists, *GROUPS])
        raise MMLError(f"list: there is no list '{kind}'; write one of {', '.join(names)}")
    entries = lists[kind]() if kind in lists else _presets(kind, preset_folders)
    width = max(len(name) for name, _ in entries)
    return "\n".join(f"{name:{width}}  {line}".rstrip() for name, line in entries)


def _presets(group: str, folders: Sequence[Path]) -> Entries:
    return [(name, _first_comment(path)) for name, path in sorted(preset_names(group, folders).items())]


def _first_comment(path: Path) -> str:
    """Return the comment in the first line of a preset, which describes it."""
    line, *_ = path.read_text(encoding="utf-8-sig").splitlines() or [""]
    return line.lstrip("# ") if line.startswith("#") else ""


def _creators() -> Entries:
    creators = sorted(CREATORS.values(), key=lambda creator: creator.name)
    keys = {creator.name: ", ".join(key for key in creator.parameters if key != "task_type") for creator in creators}
    lines = [(creator.name, _first_line(creator.function)) for creator in creators]
    return [(name, f"{line} Keys: {keys[name]}." if keys[name] else line) for name, line in lines]


def _metrics() -> Entries:
    from mml_lib.metrics import metric_table  # it imports NumPy, which planning does without

    better = {True: "lower", False: "higher"}
    return [
        (f"{metric.task_type}: {metric.name}", f"{metric.description} ({better[metric.lower_is_better]} is better)")
        for metric in metric_table()
    ]


def _first_line(function: Callable) -> str:
    return (inspect.getdoc(function) or "").partition("\n")[0]
