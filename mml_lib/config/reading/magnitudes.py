"""Magnitude of presets of augmentations: one number that scales the ranges of all their transforms."""

from collections.abc import Mapping
from typing import Any

from mml_lib.errors import MMLError

STRONGEST = 10
"""The largest magnitude, as in RandAugment (Cubuk et al. 2020)."""

ENDS = {"weakest", "strongest"}
"""Keys of a number that depends on the magnitude: its values at magnitude 0 and at the largest magnitude."""


def scaled(preset: Mapping[str, Any]) -> dict[str, Any]:
    """Return a preset at its magnitude, without the key `magnitude`.

    Raises:
        MMLError: the magnitude is not a number from 0 to 10.
    """
    content = dict(preset)
    magnitude = content.pop("magnitude")
    is_number = isinstance(magnitude, int | float) and not isinstance(magnitude, bool)
    if not is_number or not 0 <= magnitude <= STRONGEST:
        raise MMLError(f"augmentations.magnitude: {magnitude} is not a number from 0 to {STRONGEST}")
    return {key: _at(magnitude / STRONGEST, value) for key, value in content.items()}


def _at(share: float, value: Any) -> Any:
    if isinstance(value, Mapping):
        if set(value) == ENDS:
            return _between(share, value["weakest"], value["strongest"])
        return {key: _at(share, item) for key, item in value.items()}
    return [_at(share, item) for item in value] if isinstance(value, list) else value


def _between(share: float, weakest: float, strongest: float) -> float:
    """Return the number at a share of the way; a whole number between whole numbers."""
    if share == 1:
        return strongest
    is_whole = isinstance(weakest, int) and isinstance(strongest, int)
    return round(weakest + (strongest - weakest) * share, None if is_whole else 6)
