"""Lists of the parts that a study can name: `snakemake info --config list=metrics`."""

import inspect
import operator
import re
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path

from mml_lib.config.reading.catalogue_entries import CATALOGUE, Entry, catalogue_entries
from mml_lib.config.reading.presets import GROUPS, preset_names
from mml_lib.distances import MEASURES
from mml_lib.errors import MMLError
from mml_lib.tasks.creators import CREATORS
from mml_lib.tasks.tags import TAGS

Entries = list[tuple[str, str]]
"""Names with their descriptions."""

COLUMNS = 100
"""Width of the lines of a list."""


def list_parts(kind: str, preset_folders: Sequence[Path]) -> str:
    """Return the names of one kind of part, with a description each.

    Args:
        kind: `modes`, `presets`, `creators`, `tags`, `metrics`, `measures`, a group of presets such as
            `augmentations`, or `catalogue`, whose entries conditions may narrow:
            `catalogue modality=x-ray images<10000`.
        preset_folders: folders of presets; an earlier one takes precedence.

    Raises:
        MMLError: the list is unknown, or no entry of the catalogue fulfils the conditions.
    """
    kind, *conditions = kind.split() or [""]
    lists: dict[str, Callable[[], Entries]] = {
        "modes": lambda: _presets("mode", preset_folders),
        "presets": lambda: [
            (f"{group}: {name}", line) for group in GROUPS for name, line in _presets(group, preset_folders)
        ],
        "creators": _creators,
        "tags": lambda: [(tag.usage, _first_line(tag.function)) for tag in TAGS.values()],
        "metrics": _metrics,
        "measures": lambda: [(measure.name, measure.description) for measure in MEASURES.values()],
        CATALOGUE: lambda: _entries(conditions, preset_folders),
    }
    if kind not in lists and kind not in GROUPS:
        names = dict.fromkeys([*lists, *GROUPS])
        raise MMLError(f"list: there is no list '{kind}'; write list= and one of {', '.join(names)}")
    if conditions and kind != CATALOGUE:
        raise MMLError(f"list: '{conditions[0]}': only the catalogue takes conditions; write list={kind}")
    entries = lists[kind]() if kind in lists else _presets(kind, preset_folders)
    width = max(len(name) for name, _ in entries)
    indent = " " * (width + 2)
    return "\n".join(
        textwrap.fill(f"{name:{width}}  {line}".rstrip(), COLUMNS, subsequent_indent=indent, break_on_hyphens=False)
        for name, line in entries
    )


def mode_descriptions(preset_folders: Sequence[Path]) -> dict[str, str]:
    """Return the description of each mode by its name."""
    return dict(_presets("mode", preset_folders))


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
    from mml_lib.metrics import metric_table  # imports NumPy, which planning does without

    better = {True: "lower", False: "higher"}
    return [
        (f"{metric.task_type}: {metric.name}", f"{metric.description} ({better[metric.lower_is_better]} is better)")
        for metric in metric_table()
    ]


def _first_line(function: Callable) -> str:
    return (inspect.getdoc(function) or "").partition("\n")[0]


# --- catalogue --------------------------------------------------------------------------------------------------------

CONDITION = re.compile(r"(modality|task_type|keyword)=(.+)|(images|side)([<>=])(\d+)")


COMPARISONS = {"<": operator.lt, ">": operator.gt, "=": operator.eq}


def _entries(conditions: Sequence[str], folders: Sequence[Path]) -> Entries:
    """Return the entries of the catalogue that fulfil all conditions.

    Raises:
        MMLError: a condition that cannot be read, or that no entry fulfils.
    """
    entries = list(catalogue_entries(folders).values())
    for condition in conditions:
        match = CONDITION.fullmatch(condition)
        if match is None:
            raise MMLError(
                f"list: '{condition}' is no condition; write modality=x-ray, task_type=classification, keyword=skin, "
                "images<10000, images>10000, side=28 or side>100 (pixels)"
            )
        matching = [entry for entry in entries if _fulfils(entry, match)]
        if not matching:
            modalities = sorted({modality for entry in entries for modality in entry.modalities})
            raise MMLError(
                f"list: no entry of the catalogue fulfils '{condition}'; modalities: {', '.join(modalities)}"
            )
        entries = matching
    return [(entry.name, _description(entry)) for entry in entries]


def _fulfils(entry: Entry, condition: re.Match[str]) -> bool:
    key, text, measure, order, number = condition.groups()
    if measure is not None:
        numbers = {"images": [entry.images] if entry.images else [], "side": entry.sides}
        return any(COMPARISONS[order](value, int(number)) for value in numbers[measure])
    values = {
        "modality": entry.modalities,
        "task_type": [entry.task_type],
        "keyword": [str(keyword) for keyword in entry.task.get("keywords") or []],
    }
    return any(text.lower() in value.lower() for value in values[key])


def _description(entry: Entry) -> str:
    facts = [entry.task_type, *entry.modalities, *([f"{entry.images:,} images"] if entry.images else [])]
    facts += [f"{option} {', '.join(values)}" for option, values in entry.variants.items()]
    return f"{entry.about}: {'; '.join(facts)}"
