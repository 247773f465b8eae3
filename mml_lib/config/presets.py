"""Presets: `optimizer: adam` stands for `config/optimizer/adam.yaml`, below any of the study's config folders."""

import functools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from mml_lib.errors import MMLError, nearest

GROUPS = (
    "arch",
    "augmentations",
    "callbacks",
    "decoder",
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
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")


def read_yaml(path: Path) -> Any:
    """Read one YAML file.

    Raises:
        MMLError: the file is missing or is not YAML.
    """
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MMLError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise MMLError(f"{path} is not UTF-8 ({error.reason} at byte {error.start}); save it as such") from error
    except yaml.YAMLError as error:
        raise MMLError(f"{path} is not valid YAML: {error}") from error


def check_keys(path: Path) -> None:
    """Refuse a YAML file in which a mapping has a key twice: of both values YAML would keep the last, without a word.

    Raises:
        MMLError: the first such key, with its lines.
    """
    with open(path, "rb") as file:
        _check_node(yaml.compose(file, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)), path, set())


def _check_node(node: yaml.Node | None, path: Path, seen: set[int]) -> None:
    if id(node) in seen:  # an alias
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _check_node(item, path, seen)
    if not isinstance(node, yaml.MappingNode):
        return
    lines: dict[str, int] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if isinstance(key, yaml.ScalarNode) and lines.setdefault(key.value, line) != line and key.value != "<<":
            raise MMLError(
                f"{path}: the key '{key.value}' is there twice, in lines {lines[key.value]} and {line}; keep one"
            )
        _check_node(value, path, seen)


@functools.cache
def _read_preset(path: Path) -> Any:
    return read_yaml(path)


@functools.cache
def _files(folder: Path) -> tuple[Path, ...]:
    return tuple(sorted(folder.glob("*.yaml")))


def preset_names(group: str, folders: Sequence[Path]) -> dict[str, Path]:
    """Return the presets of `group` by name; a folder named earlier wins."""
    return {file.stem: file for folder in reversed(folders) for file in _files(folder / group)}


def resolve_presets(config: Mapping[str, Any], folders: Sequence[Path]) -> dict[str, Any]:
    """Return `config` with every preset of a group replaced by what its file says, own keys laid over it.

    Raises:
        MMLError: no preset of that name.
    """
    resolved = dict(config)
    for group in GROUPS:
        value = resolved.get(group)
        if isinstance(value, str):
            value = {"preset": value}
        if isinstance(value, Mapping) and "preset" in value:
            resolved[group] = _resolve(group, value, folders)
        elif value is not None:
            resolved[group] = numbers(value)
    return resolved


def _resolve(group: str, value: Mapping[str, Any], folders: Sequence[Path]) -> Any:
    own = {key: item for key, item in value.items() if key != "preset"}
    known = preset_names(group, folders)
    name = str(value["preset"])
    if name not in known:
        raise MMLError(f"{group}: there is no preset '{name}'{nearest(name, known)}")
    preset = _read_preset(known[name])
    if group in ("mode", "preprocessing"):
        preset = {"id": name} | preset
    if own and not isinstance(preset, Mapping):
        raise MMLError(f"{group}: the preset '{name}' is no mapping, so nothing can be laid over it")
    return numbers(merge(preset, own) if own else preset)


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` with `over` laid on it, key by key at every depth."""
    merged = dict(base)
    for key, value in over.items():
        if isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            merged[key] = merge(merged[key], value)
        else:
            merged[key] = value
    return merged


def numbers(value: Any) -> Any:
    """Turn strings that are numbers, booleans or null into these, at every depth.

    YAML 1.1 reads `1e-3` as a string, and `--config` reads every nested value as one.
    """
    if isinstance(value, Mapping):
        return {key: numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [numbers(item) for item in value]
    if isinstance(value, str):
        words = {"true": True, "false": False, "null": None}
        if value.lower() in words:
            return words[value.lower()]
        if NUMBER.fullmatch(value):
            return int(value) if re.fullmatch(r"[-+]?\d+", value) else float(value)
    return value
