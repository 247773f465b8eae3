"""Presets: `optimizer: adam` stands for `config/optimizer/adam.yaml`, below any of the study's config folders."""

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mml_lib.config.reading.magnitudes import scaled
from mml_lib.config.reading.scalars import text_of
from mml_lib.config.reading.study_files import read_preset
from mml_lib.errors import MMLError, nearest

GROUPS = (
    "arch",
    "augmentations",
    "callbacks",
    "decoder",
    "features",
    "loss",
    "lr_scheduler",
    "metrics",
    "mode",
    "optimizer",
    "preprocessing",
    "sampling",
    "trainer",
    "tta",
    "tune",
)


@functools.cache
def _files(folder: Path) -> tuple[Path, ...]:
    return tuple(sorted(folder.glob("*.yaml")))


def preset_names(group: str, folders: Sequence[Path]) -> dict[str, Path]:
    """Return the presets of `group` by name. Earlier folders take precedence."""
    return {file.stem: file for folder in reversed(folders) for file in _files(folder / group)}


def resolve_presets(config: Mapping[str, Any], folders: Sequence[Path]) -> dict[str, Any]:
    """Return `config` with the content of each group's preset, overlaid by the keys of the section.

    Raises:
        MMLError: a preset does not exist.
    """
    resolved = dict(config)
    for group in GROUPS:
        value = resolved.get(group)
        if isinstance(value, str) or _names_preset(value, group, folders):
            value = {"preset": text_of(value)}
        if isinstance(value, Mapping) and "preset" in value:
            resolved[group] = _resolve(group, value, folders)
    if isinstance(resolved.get("features"), Mapping):
        resolved["features"] = _resolve_features(resolved["features"], folders)
    return resolved


def _resolve_features(features: Mapping[str, Any], folders: Sequence[Path]) -> dict[str, Any]:
    """Return the section `features` with the content of the presets of its sections.

    A name that is not a preset of `arch` is the name of a timm network. Features are from pretrained networks, unless
    the study sets `pretrained`.
    """
    resolved = dict(features)
    for group in ("arch", "preprocessing"):
        value = resolved.get(group)
        if isinstance(value, str) or _names_preset(value, group, folders):
            name = text_of(value)
            value = {"preset": name}
            if group == "arch" and name not in preset_names(group, folders):
                value = {"preset": "timm", "name": name}
        if isinstance(value, Mapping) and "preset" in value:
            content = _resolve(group, value, folders)
            unset = ("pretrained",) if group == "arch" and "pretrained" not in value else ()
            resolved[group] = {key: item for key, item in content.items() if key not in unset}
    return resolved


def _resolve(group: str, value: Mapping[str, Any], folders: Sequence[Path]) -> Any:
    own = {key: item for key, item in value.items() if key != "preset"}
    presets = preset_names(group, folders)
    name = _name(group, value["preset"])
    if name not in presets:
        network = f"; for a network of timm, write {{preset: timm, name: {name}}}" if group == "arch" else ""
        raise MMLError(f"{group}: there is no preset '{name}'{nearest(name, presets)}{network}")
    preset = read_preset(presets[name])
    if preset is None and own:  # the preset switches the section off, and the keys switch it on
        return own
    if group in ("mode", "preprocessing"):
        preset = {"id": name} | preset
    if own and not isinstance(preset, Mapping):
        raise MMLError(f"{group}: the preset '{name}' is not a mapping, so no keys can change it")
    content = merge(preset, own) if own else preset
    return scaled(content) if isinstance(preset, Mapping) and "magnitude" in preset else content


def _names_preset(value: Any, group: str, folders: Sequence[Path]) -> bool:
    """Return True if a number is the name of a preset."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and text_of(value) in preset_names(group, folders)


def _name(group: str, preset: Any) -> str:
    try:
        name = text_of(preset)
    except ValueError as error:
        raise MMLError(f"{group}: preset: {error}") from error
    if name is None:
        raise MMLError(f"{group}: preset is {preset}; write the name of a preset, or leave preset out")
    return name


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` overlaid by `over`, key by key at every depth."""
    merged = dict(base)
    for key, value in over.items():
        if isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            merged[key] = merge(merged[key], value)
        else:
            merged[key] = value
    return merged
