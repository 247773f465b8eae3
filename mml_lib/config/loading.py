"""Reading of a study: resolves its presets, checks it against the schema, and reports a mistake in one line."""

import math
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_origin

from pydantic import BaseModel, ValidationError

from mml_lib.config.download_options import FILE_NAME, KAGGLE_NAME, MD5, SHA256, URL
from mml_lib.config.reading.origins import Location, Origins, Source
from mml_lib.config.reading.presets import GROUPS, resolve_presets
from mml_lib.config.reading.scalars import text_of
from mml_lib.config.reading.settling import KindError
from mml_lib.config.reading.shared_datasets import resolve_datasets
from mml_lib.config.schema import StudyConfig
from mml_lib.config.sections import NAME, PROJECT_REFERENCE, parts_of
from mml_lib.config.task_options import TAGGED_NAME, TAGS
from mml_lib.errors import MMLError, nearest
from mml_lib.files.manager import MMLFileManager

ROOTS = {"data": "MML_DATA_PATH", "results": "MML_RESULTS_PATH"}
"""Environment variable of each root. Without it, the root is a folder of this name in the working directory."""


USUAL_NAMES = {
    "lr": "optimizer.lr",
    "learning_rate": "optimizer.lr",
    "weight_decay": "optimizer.weight_decay",
    "batch_size": "sampling.batch_size",
    "precision": "trainer.precision",
    "epochs": "trainer.max_epochs",
    "num_epochs": "trainer.max_epochs",
    "image_size": "preprocessing.size",
    "img_size": "preprocessing.size",
    "model": "arch.name",
    "network": "arch.name",
    "backbone": "arch.name",
}
"""Keys of a study by their usual names in training scripts."""

NAMED = ("tasks", "datasets")
"""Sections whose keys are names that users choose."""

OTHER_FORMS = ("literal_error", "model_type", "dict_type", "list_type", "string_type")
"""Types of pydantic's errors for values of another form than the schema allows."""

MEMBER = re.compile(
    r"\[key\]|by_type|one|Named|Metric|Window|constrained-\w+|(function-\w+|literal|tuple|list|dict)\[.*\]"
)
"""Parts that pydantic inserts into a key's path for members of unions."""

NO_NAME = (
    "'{value}' ({key}) is not a valid name: use letters, digits, '_', '-' and '.', no space, no slash, and begin with "
    "a letter or digit"
)

MISMATCHES = {
    TAGS: "{key}: '{value}' is not a chain of tags; write it as +tag~argument, e.g. +subset~0.1+nested~0",
    URL: "{key}: '{value}' cannot be fetched: a URL begins with https://, http:// or file://",
    PROJECT_REFERENCE: "{key}: '{value}' names no project; write it as project, or project#run for one run of it",
    FILE_NAME: "{key}: '{value}' is not a file name; write it without folders, of letters, digits and ( ) + - . _",
    KAGGLE_NAME: "{key}: '{value}' is not a data set of Kaggle; write owner/name, or competitions/name",
    SHA256: "{key}: '{value}' is not a SHA-256 checksum, which has 64 hexadecimal digits (sha256sum prints it)",
    MD5: "{key}: '{value}' is not an MD5 checksum, which has 32 hexadecimal digits (md5sum prints it)",
    NAME: NO_NAME,
    TAGGED_NAME: NO_NAME,
}
"""Errors of values that do not match a pattern of the schema."""


def load_study(
    config: Mapping[str, Any], files: Sequence[Source] = (), varied: Mapping[tuple[str, ...], Location] | None = None
) -> StudyConfig:
    """Return the checked study of a merged config.

    Args:
        config: the library's defaults, overlaid by files and values.
        files: the config files and the values of `--config`; later ones take precedence. Errors name them.
        varied: keys that a sweep or a variant sets, with their own location in the study.

    Raises:
        MMLError: the first mistake, with its file, key and remedy.
    """
    folders = preset_folders(config)
    origins = Origins(config, files, folders, varied or {})
    if not isinstance(config.get("paths") or {}, Mapping):
        raise MMLError(
            origins.of(("paths",)).mark(f"paths: input should be a valid dictionary, not {config['paths']!r}")
        )
    try:
        resolved = resolve_presets(config, folders)
    except MMLError as error:
        group = str(error).split(":", 1)[0]
        raise MMLError(origins.of((group,)).mark(str(error)) if group in GROUPS else str(error)) from error
    try:
        resolved = resolve_datasets(resolved, folders)
    except MMLError as error:
        raise MMLError(origins.place(str(error))) from error
    resolved["paths"] = _paths(resolved.get("paths"))
    if keys := _not_a_number(resolved):
        raise MMLError(origins.of(keys).mark(f"{'.'.join(map(str, keys))} is not a number (nan); write one"))
    try:
        return StudyConfig.model_validate(resolved)
    except ValidationError as error:
        problem = dict(_most_specific(error.errors()))
        cause = problem.get("ctx", {}).get("error")
        if isinstance(cause, KindError):
            problem["loc"] += cause.location
        location = _location(problem)
        placed = origins.of(location).mark(_sentence(problem)) if location else origins.place(_sentence(problem))
        raise MMLError(placed) from error


def open_files(cfg: StudyConfig) -> MMLFileManager:
    """Create the file manager of a study. It replaces the file manager of this process."""
    data, results = cfg.paths.data, cfg.paths.results
    assert data, "load_study sets the roots"
    assert results
    MMLFileManager.clear_instance()
    return MMLFileManager(data, results, cfg.project, cfg.remove, cfg.reuse.references)


def preset_folders(config: Mapping[str, Any]) -> list[Path]:
    """Return the folders of presets of a config; the first takes precedence."""
    paths = config.get("paths")
    folders = paths.get("presets") if isinstance(paths, Mapping) else None
    return [Path(str(folder)) for folder in (folders if isinstance(folders, list) else [])]


def project_folder(config: Mapping[str, Any]) -> Path:
    """Return the folder of a study's project without validating the study."""
    default = StudyConfig.model_fields["project"].default
    return Path(str(_paths(config.get("paths"))["results"])) / (text_of(config.get("project")) or default)


def _paths(paths: Any) -> Any:
    """Return the paths of a study with defaults for unset roots."""
    filled = {key: value for key, value in (paths or {}).items() if value is not None}
    return {key: os.environ.get(variable) or key for key, variable in ROOTS.items()} | filled


def _not_a_number(value: Any) -> list[str | int]:
    """Return the path of the first NaN; empty without one."""
    if isinstance(value, float) and math.isnan(value):
        return [""]
    items = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        if location := _not_a_number(item):
            return [key, *location] if location != [""] else [key]
    return []


def _location(problem: Mapping[str, Any]) -> list[str | int]:
    """Return the path of a key in the study, without pydantic's insertions. Names of tasks always remain."""
    path = problem["loc"]
    names = {1} if path and path[0] in NAMED else set()
    return [part for place, part in enumerate(path) if place in names or not MEMBER.fullmatch(str(part))]


def _most_specific(problems: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the problem to report: the first, or for a value with several allowed forms, that of the closest form.

    A missing key may be present in another spelling, so an unknown key beside it comes first.
    """
    unknown = [problem for problem in problems if problem["type"] == "extra_forbidden"]
    if problems[0]["type"] == "missing":
        beside = [problem for problem in unknown if problem["loc"][:-1] == problems[0]["loc"][:-1]]
        problems = [*beside, *problems]
    first = _location(problems[0])
    if len(first) == len(problems[0]["loc"]):
        return problems[0]
    same_key = [problem for problem in problems if _location(problem)[: len(first)] == first]
    same_key = [problem for problem in same_key if problem["type"] not in OTHER_FORMS] or same_key
    return max(same_key, key=lambda problem: len(_location(problem)))


def _sentence(problem: Mapping[str, Any]) -> str:
    location = [str(part) for part in _location(problem)]
    key = ".".join(location)
    kind = problem["type"]
    if kind == "extra_forbidden" and (head := location[-1].partition("."))[0] in _known_keys(location[:-1]) and head[1]:
        return f"unknown key '{key}'; write {head[0]}: {{{head[2]}: …}}"
    if kind == "extra_forbidden":
        if len(location) == 1 and (home := _home(key)):
            return f"unknown key '{key}', did you mean '{home}'?"
        return f"unknown key '{key}'{nearest(location[-1], _known_keys(location[:-1]))}"
    if kind == "missing":
        return f"the key '{key}' is missing; config/config.yaml shows an example, config/schema.json describes all keys"
    if kind == "string_pattern_mismatch" and (text := MISMATCHES.get(problem["ctx"]["pattern"])):
        return text.format(key=key, value=problem["input"])
    if kind == "value_error":
        return f"{key}: {problem['ctx']['error']}" if key else str(problem["ctx"]["error"])
    if kind == "string_type" and problem["input"] is None:
        return f"{key}: the value is missing or null; write one, or the word null in quotes: 'null'"
    if kind == "too_short":
        return f"{key} is empty; name at least one entry"
    value = repr(problem["input"])
    value = value if len(value) < 60 else value[:57] + "..."
    message = problem["msg"].partition(" or instance of ")[0]
    keys = ", ".join(_known_keys(location)) if kind in ("dict_type", "model_type") else ""
    return f"{key}: {message[0].lower()}{message[1:]}, not {value}{f'; its keys: {keys}' if keys else ''}"


def _home(key: str) -> str | None:
    """Return the dotted key for a key of a section that was written at the top level."""
    sections = {section: _known_keys([section]) for section in StudyConfig.model_fields if section not in NAMED}
    homes = [f"{section}.{key}" for section, keys in sections.items() if key in keys]
    return USUAL_NAMES.get(key) or (homes[0] if len(homes) == 1 else None)


def _known_keys(location: Sequence[str]) -> list[str]:
    """Return the keys of the schema at `location`."""
    model: Any = StudyConfig
    is_name = False
    for part in location:
        if is_name:  # of a task
            is_name = False
            continue
        field = model.model_fields.get(part) if _is_model(model) else None
        if field is None:
            return []
        kinds = parts_of(field.annotation)
        is_name = any(get_origin(kind) is dict for kind in kinds)
        model = next((kind for kind in kinds if _is_model(kind)), None)
    return [field.alias or name for name, field in model.model_fields.items()] if _is_model(model) else []


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
