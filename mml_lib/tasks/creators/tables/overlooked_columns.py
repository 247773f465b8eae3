"""Overlooked columns: those that look like a group, a split or a fold and are not used, and splits without targets."""

import re
from collections.abc import Callable, Collection, Sequence

from mml_lib.tasks.creators.column_names import OPTIONAL, as_yaml, role_of
from mml_lib.tasks.creators.columns import Columns, cell
from mml_lib.tasks.creators.split_names import SPLIT_WORDS


def lost_splits(
    columns: Columns, cells: Sequence[Sequence[str]], missing: Callable[[str], bool], splits: Collection[str | None]
) -> list[str]:
    """Return a warning of each split of a table none of whose rows has a known target.

    Args:
        columns: the columns that are read.
        cells: cells of each row.
        missing: the test for cells without a value.
        splits: splits of the samples.
    """
    source = columns.sources.get("split")
    stated = {source.read(row, missing) for row in cells} if source else set()
    return [
        f"{columns.file}: no row of the split '{split}' has a known target, so there is no such split and its images "
        "are unlabelled"
        for split in sorted(stated - {"", *splits})
    ]


def overlooked(
    columns: Columns,
    cells: Sequence[Sequence[str]],
    missing: Callable[[str], bool],
    filtered: Collection[str] = (),
) -> list[str]:
    """Return warnings of columns that look like a group, a split or a fold and are not used.

    Args:
        columns: the columns that are read.
        cells: cells of each row.
        missing: the test for cells without a value.
        filtered: names of columns that the task's filter uses; as a split or a fold they are not overlooked.
    """
    shapes = (columns.shapes,) if columns.shapes else ()
    sources = (*columns.sources.values(), *columns.further_images, *columns.channels.values(), *shapes)
    read = {part for source in sources for part in source.parts}
    lines = []
    for place, name in enumerate(columns.header):
        role = role_of(name, [role for role in OPTIONAL if role not in columns.sources and role not in columns.unused])
        if role is None or (place in read and role != "group") or (name in filtered and role != "group"):
            continue
        values = [text for row in cells if not missing(text := cell(row, place))]
        different = set(values)
        if role == "group" and place not in read and 1 < len(different) < len(values):
            problem = (
                f"has {len(different):,} values in {len(values):,} rows and is not used: images of one {name} may be "
                "trained on and tested"
            )
        elif role == "split" and different and {value.lower() for value in different} <= set(SPLIT_WORDS):
            problem = f"looks like splits ({', '.join(sorted(different))}) and is not used"
        elif role == "fold" and different and all(re.fullmatch(r"\d{1,3}(\.0*)?", value) for value in different):
            problem = "looks like folds and is not used"
        else:
            continue
        remedy = f"write columns: {{{role}: {as_yaml(name)}}}, or {role}: null if that is right"
        lines.append(f"{columns.file}: the column '{name}' {problem}; {remedy}")
    return lines
