"""Reading of study files and values of `--config`."""

import functools
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from mml_lib.config.reading.scalars import StudyLoader, ValueLoader
from mml_lib.errors import MMLError

KEY = re.compile(r"[A-Za-z_][\w-]*")


def read_text(path: Path) -> str:
    """Read a text file in UTF-8.

    Raises:
        MMLError: the file is missing, not a file, or not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise MMLError(f"{path} is not UTF-8 ({error.reason} at byte {error.start}); save it as such") from error
    except OSError as error:
        raise MMLError(f"{path} cannot be read: {error.strerror}") from error


def read_yaml(path: Path) -> Any:
    """Read a YAML file that MML wrote.

    Raises:
        MMLError: the file is missing or is not YAML.
    """
    try:
        return yaml.safe_load(text := read_text(path))
    except yaml.YAMLError as error:
        raise MMLError(f"{path} is not valid YAML: {in_one_line(error, text)}") from error


def in_one_line(error: yaml.YAMLError | ValueError, text: str) -> str:
    """Return the mistake in a YAML text in one line, with its line number and a remedy for common mistakes."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem = getattr(error, "problem", None) or " ".join(str(error).split())
    lines = text.splitlines()
    line = lines[mark.line] if mark and mark.line < len(lines) else ""
    if "\t" in line[: len(line) - len(line.lstrip())]:
        problem += "; indent by spaces, not by tabs"
    elif "cannot start any token" in problem or "mapping values are not allowed" in problem:
        problem += "; put the value in quotes"
    elif "unknown escape character" in problem:
        problem += "; put a value with backslashes in single quotes"
    return f"{problem} (line {mark.line + 1})" if mark and len(lines) > 1 else problem


@functools.cache
def read_preset(path: Path) -> Any:
    """Read the file of a preset. Scalars keep their spelling.

    Raises:
        MMLError: the file cannot be read, is not YAML, or contains a key twice.
    """
    return _load(read_text(path), path)


def read_study(path: Path) -> dict[str, Any]:
    """Read a study file. Scalars keep their spelling.

    Raises:
        MMLError: the file cannot be read, is not YAML, has no keys at its top level, or contains a key twice.
    """
    content = _load(read_text(path), path)
    if isinstance(content, Mapping) and content.get("__use_yte__") is True:
        return _evaluated(path)
    if content is None:
        raise MMLError(f"{path} is empty; a study file needs the keys project and tasks")
    if not isinstance(content, Mapping):
        kind = "a list" if isinstance(content, list) else "a single value"
        raise MMLError(f"{path} contains {kind}; a study file has keys at its top level: `project: name`, `tasks: …`")
    return dict(content)


def _evaluated(path: Path) -> dict[str, Any]:
    """Return the content of a study file after its template expressions have been evaluated by yte."""
    import yte

    try:
        with open(path, encoding="utf-8") as file:
            content = yte.process_yaml(file, require_use_yte=True)
    except Exception as error:  # an expression may raise anything
        raise MMLError(f"{path}: its expressions (__use_yte__) fail: {' '.join(str(error).split())}") from error
    return json.loads(json.dumps(content, default=str))


def _load(text: str, path: Path) -> Any:
    loader = StudyLoader(text)
    try:
        node = loader.get_single_node()
        _check_keys(node, path, set())
        return None if node is None else loader.construct_document(node)
    except (yaml.YAMLError, ValueError) as error:
        with_tabs = _as_json(text)
        if with_tabs is not None:
            return with_tabs
        raise MMLError(f"{path} is not valid YAML: {in_one_line(error, text)}") from error
    finally:
        loader.dispose()


def _as_json(text: str) -> Any:
    """Return the content of a JSON text; None for other texts. YAML accepts JSON except with tabs."""
    try:
        return json.loads(text)
    except ValueError:
        return None


def node_of(path: Path) -> yaml.Node | None:
    """Return the tree of a YAML file with the line of each key; None if it cannot be read."""
    try:
        return yaml.compose(read_text(path), Loader=StudyLoader)
    except (MMLError, yaml.YAMLError):
        return None


def _check_keys(node: yaml.Node | None, path: Path, checked: set[int], above: tuple[int, ...] = ()) -> None:
    """Refuse a mapping that contains itself, or contains a key twice. YAML would silently keep the last one.

    Raises:
        MMLError: there is such a mapping; the error states the first one, with its lines.
    """
    if node is not None and id(node) in above:
        raise MMLError(f"{path}: an alias refers to a section that contains it (line {node.start_mark.line + 1})")
    if id(node) in checked:  # an alias
        return
    checked.add(id(node))
    above = (*above, id(node))
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _check_keys(item, path, checked, above)
    if not isinstance(node, yaml.MappingNode):
        return
    lines: dict[str, int] = {}
    for key, value in node.value:
        if isinstance(key, yaml.ScalarNode) and key.value != "<<":
            line = key.start_mark.line + 1
            if key.value in lines:
                raise MMLError(
                    f"{path}: the key '{key.value}' appears twice, in lines {lines[key.value]} and {line}; keep one"
                )
            lines[key.value] = line
        _check_keys(value, path, checked, above)


def parse_values(entries: Sequence[str], config: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    """Return a layer for each entry of `--config`: `seed=7`, `trainer={max_epochs: 3}`, `optimizer.lr=1e-3`.

    Args:
        entries: entries of the command line.
        config: config that the entries change. Its keys may contain dots: `tasks.v1.2.folds=3`.

    Raises:
        MMLError: an entry is not of the form `key=value`.
    """
    return [_parse_entry(entry, config or {}) for entry in entries]


def split_key(key: str, config: Mapping[str, Any]) -> list[str]:
    """Return the parts of a dotted key. A part may contain dots if the config has such a key."""
    location: list[str] = []
    value: Any = config
    parts = key.split(".")
    while parts:
        names = [".".join(parts[:end]) for end in range(len(parts), 0, -1)]
        name = next((name for name in names if isinstance(value, Mapping) and name in value), parts[0])
        location.append(name)
        value = value.get(name) if isinstance(value, Mapping) else None
        parts = parts[name.count(".") + 1 :]
    return location


def _parse_entry(entry: str, config: Mapping[str, Any]) -> dict[str, Any]:
    key, equals, text = entry.partition("=")
    parts = split_key(key, config)
    if not equals or not KEY.fullmatch(parts[0]) or not all(parts):
        raise MMLError(
            f"--config {entry}: write key=value, as seed=7, optimizer.lr=1e-3 or 'trainer={{max_epochs: 3}}'; "
            "targets go before it"
        )
    try:
        value = ValueLoader(text).get_single_data()
    except (yaml.YAMLError, ValueError) as error:
        raise MMLError(
            f"--config {entry}: the value is not valid YAML: {in_one_line(error, text)}; one with spaces needs quotes"
        ) from error
    for part in reversed(_nested(parts)):
        value = {part: value}
    return value


def _nested(parts: list[str]) -> list[str]:
    """Return the keys of the nested mappings of an entry. Keys below `sweep` and the like stay dotted."""
    for section, depth in (("sweep", 1), ("variants", 2), ("mode.pretrain_with", 2)):
        if ".".join(parts).startswith(f"{section}.") and len(parts) > depth:
            return [*parts[:depth], ".".join(parts[depth:])]
    return parts


def shorten(path: Path) -> Path:
    """Return a path relative to the working directory if it lies below it."""
    path = path.absolute()
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
