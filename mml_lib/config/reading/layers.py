"""Layers of a study: the library's defaults, the study files in their order, and the values of `--config`."""

import functools
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mml_lib.config.reading.presets import GROUPS, merge
from mml_lib.config.reading.scalars import Word
from mml_lib.config.reading.study_files import read_study
from mml_lib.errors import MMLError

DEFAULTS = Path(__file__).parents[1] / "defaults.yaml"

WHOLE = ("preset", "_target_", "id", "scheduler")
"""Keys with which a section replaces the section of the layer below, instead of being merged into it."""


@functools.cache
def _defaults() -> dict[str, Any]:
    return read_study(DEFAULTS)


def with_defaults(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Return the config of a study: its layers, merged in order into the library's defaults."""
    return functools.reduce(overlay, layers, dict(_defaults()))


def merge_layers(layers: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Merge layers in order, without the defaults."""
    return functools.reduce(overlay, layers, {})


def overlay(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Merge a layer into another, key by key at every depth.

    A section with its preset or `_target_` replaces the section below; other sections are merged.
    """
    merged = merge(base, over)
    for group in GROUPS:
        if group in over:
            merged[group] = _overlay_group(group, base.get(group), over[group])
    return merged


def with_values(content: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a config with values set by dotted key. Sections are set before the keys below them."""
    merged = dict(content)
    for key in sorted(map(str, values), key=lambda key: key.count(".")):
        layer: Any = values[key]
        for part in reversed(key.split(".")):
            layer = {part: layer}
        merged = overlay(merged, layer)
    return merged


def check_dotted(where: str, key: str) -> None:
    """Refuse a dotted key with an empty part, or with spaces around one.

    Args:
        where: section of the study that has the key.
        key: the key.

    Raises:
        MMLError: a part is not the name of a key.
    """
    parts = key.split(".")
    if any(not part or part != part.strip() for part in parts):
        corrected = ".".join(part.strip() for part in parts if part.strip()) or "optimizer.lr"
        raise MMLError(f"{where}: '{key}' has a part that is not the name of a key; write {corrected}")


def _is_whole(group: str, over: Mapping[str, Any]) -> bool:
    """Return True if a section replaces the section of the layer below.

    Augmentations with `transforms` do: otherwise, the lists for each task type in the defaults would take precedence.
    """
    return any(key in over for key in WHOLE) or (group == "augmentations" and "transforms" in over)


def _overlay_group(group: str, base: Any, over: Any) -> Any:
    if not isinstance(over, Mapping) or _is_whole(group, over):
        return over
    if isinstance(base, str | int | float) and not isinstance(base, bool | Word):
        base = {"preset": base}
    return merge(base, over) if isinstance(base, Mapping) else over
