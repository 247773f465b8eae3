"""Differences between pipelines, by dotted key."""

from collections.abc import Mapping, Sequence
from typing import Any

NOT_SET = "not set"
"""Placeholder for the value of a key that a pipeline does not have."""


def flatten(content: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Return the leaves of nested mappings by dotted key. Items of lists of mappings are numbered.

    Empty mappings and lists are omitted.
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


def differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return both values of each dotted key in which two pipelines differ."""
    leaves = flatten(first), flatten(second)
    pairs = {key: (leaves[0].get(key, NOT_SET), leaves[1].get(key, NOT_SET)) for key in leaves[0] | leaves[1]}
    return {key: values for key, values in pairs.items() if not _are_equal(*values)}


def varying(contents: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the dotted keys in which any of the pipelines differs from the first."""
    return list(dict.fromkeys(key for content in contents[1:] for key in differences(contents[0], content)))


def _are_equal(first: Any, second: Any) -> bool:
    # True == 1, yet a switch is not a number.
    return first == second and isinstance(first, bool) == isinstance(second, bool)
