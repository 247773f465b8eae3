"""Differences between pipelines: key by key, dotted."""

from collections.abc import Mapping, Sequence
from typing import Any

NOT_SET = "not set"
"""Placeholder for the value of a key that a pipeline does not have."""


def flatten(content: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Return the leaves of nested mappings by dotted key; the items of lists of mappings are numbered.

    Empty mappings and lists say nothing, so they are left out.
    """
    flat: dict[str, Any] = {}
    for key, value in content.items():
        if isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
            value = {str(number): item for number, item in enumerate(value)}
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{above}{key}.")
        elif value != []:
            flat[f"{above}{key}"] = value
    return flat


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return both values of each dotted key in which two pipelines differ."""
    ours, theirs = flatten(one), flatten(other)
    both = {key: (ours.get(key, NOT_SET), theirs.get(key, NOT_SET)) for key in ours | theirs}
    return {key: values for key, values in both.items() if not _same(*values)}


def varying(contents: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the dotted keys in which any of these pipelines differ from the first."""
    return list(dict.fromkeys(key for content in contents[1:] for key in differences(contents[0], content)))


def _same(one: Any, other: Any) -> bool:
    # True == 1, yet a switch is not a number.
    return one == other and isinstance(one, bool) == isinstance(other, bool)
