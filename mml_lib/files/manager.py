"""The file manager: builds all paths of artefacts."""

import contextlib
import glob
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from mml_lib.errors import MMLError, nearest
from mml_lib.files.reusables import Reusables
from mml_lib.files.templates import BUILT_IN, TOKENS, AssignmentTemplate
from mml_lib.machine.locks import STEPS_LOCK

TUNING = ".tuning-"
"""Prefix of the temporary folder of a tuning."""

RECORD, RUN_STATE = ".studies.json", ".run.json"
"""Files of a project: the studies that ran in it, and the state of the latest run."""

SHARDS = "shards.txt"
"""File in a folder of packed images with the number of shards that it was merged from."""


def projects_below(results_path: Path) -> list[str]:
    """Return the names of the projects below a results root."""
    return sorted(path.name for path in results_path.glob("*") if path.is_dir() and not path.name.startswith("."))


class MMLFileManager:
    """Builds paths from the roots of a study and assignment templates. A process has one file manager.

    Args:
        data_path: root of data sets, tasks and packed images.
        results_path: root of all projects.
        project: folder of the study below `results_path`.
        remove: keys whose artefacts Snakemake removes after their last consumer.
        reuse: other projects, or `project#run`, whose artefacts the study reads, by key.

    Raises:
        MMLError: there is a file manager already, or a key that cannot be removed or reused.
    """

    _instance: ClassVar["MMLFileManager | None"] = None
    _templates: ClassVar[dict[str, AssignmentTemplate]] = {template.key: template for template in BUILT_IN}

    def __init__(
        self,
        data_path: Path,
        results_path: Path,
        project: str = "default",
        remove: Mapping[str, bool] | None = None,
        reuse: Mapping[str, Sequence[str]] | None = None,
    ):
        if MMLFileManager._instance is not None:
            raise MMLError("there is a file manager already; use MMLFileManager.instance() or clear_instance() first")
        self.data_path = Path(data_path)
        self.results_path = Path(results_path)
        self.project = project
        self.remove = dict(remove or {})
        for key in self.remove:
            if not self.template(key).removable:
                removable = [template.key for template in self.templates() if template.removable]
                raise MMLError(f"remove.{key}: '{key}' is always kept; removable: {', '.join(removable)}")
        self.reusables = Reusables(self, reuse or {})
        MMLFileManager._instance = self

    @classmethod
    def instance(cls) -> "MMLFileManager":
        """Return the file manager of this process.

        Raises:
            MMLError: there is none yet.
        """
        if MMLFileManager._instance is None:
            raise MMLError("there is no file manager yet; build a study or MMLFileManager(...) first")
        return MMLFileManager._instance

    @classmethod
    def exists(cls) -> bool:
        """Return True if this process has a file manager."""
        return MMLFileManager._instance is not None

    @classmethod
    def clear_instance(cls) -> None:
        """Discard the file manager of this process (for tests and notebooks)."""
        MMLFileManager._instance = None

    @classmethod
    def add_assignment_path(
        cls,
        key: str,
        path: str | Path,
        obj_cls: type | None = None,
        reusable: bool = False,
        removable: bool = True,
    ) -> None:
        """Register a template before the file manager is built. Registering it again has no effect.

        Args:
            key: name of the kind of artefact.
            path: template such as ``PROJ_PATH/HEATMAPS/TASK_NAME/RUN-foldFOLD.npz``.
            obj_cls: type of the stored objects, which `construct_saving_path` checks.
            reusable: True if other projects may read these artefacts.
            removable: True if `remove.<key>` may remove them.

        Raises:
            MMLError: the template is malformed, its key is taken, or the file manager is built already.
        """
        template = AssignmentTemplate(key, str(path), obj_cls, reusable, removable)
        if cls._templates.get(key) == template:
            return
        if key in cls._templates:
            raise MMLError(f"assignment path '{key}' is taken by {cls._templates[key].path}; choose another key")
        if cls.exists():
            raise MMLError(
                f"assignment path '{key}' is registered too late; register it in a module of the study's plugins"
            )
        cls._templates[key] = template

    @classmethod
    def template(cls, key: str) -> AssignmentTemplate:
        """Return the template of `key`.

        Raises:
            MMLError: there is no such key.
        """
        if key not in cls._templates:
            raise MMLError(
                f"there is no assignment path '{key}'{nearest(key, cls._templates)}; a plugin adds one by "
                "MMLFileManager.add_assignment_path"
            )
        return cls._templates[key]

    @classmethod
    def templates(cls, *tokens: str, root: str | None = None) -> list[AssignmentTemplate]:
        """Return the templates that contain all of these tokens, of all roots or of one root."""
        templates = cls._templates.values()
        return [item for item in templates if set(tokens) <= set(item.tokens) and root in (None, item.root)]

    @classmethod
    def is_project(cls, folder: Path) -> bool:
        """Return True for a folder in which a study ran, or which contains artefacts."""
        artefacts = {template.path.split("/")[1] for template in cls.templates(root="PROJ_PATH")}
        return any((folder / name).exists() for name in (RECORD, RUN_STATE, *sorted(artefacts)))

    @classmethod
    @contextlib.contextmanager
    def for_a_while(cls, data_path: Path, results_path: Path, project: str) -> Iterator["MMLFileManager"]:
        """Yield a temporary file manager, and restore that of this process afterwards."""
        before, MMLFileManager._instance = MMLFileManager._instance, None
        try:
            yield cls(data_path, results_path, project)
        finally:
            MMLFileManager._instance = before

    @cached_property
    def proj_path(self) -> Path:
        """Folder of the project."""
        return self.results_path / self.project

    @property
    def projects(self) -> list[str]:
        """Names of the existing projects."""
        return projects_below(self.results_path)

    @property
    def temp_path(self) -> Path:
        """Folder of artefacts that Snakemake removes after their last consumer."""
        return self.proj_path / "TEMP"

    @property
    def constraints(self) -> dict[str, str]:
        """Regular expressions of the wildcards."""
        return dict(TOKENS.values())

    def _root(self, template: AssignmentTemplate, project: str | None = None) -> Path:
        if project is not None:
            if not template.reusable:
                raise MMLError(f"'{template.key}' of another project ({project}) cannot be reused")
            return self.results_path / project
        if template.root == "DATA_PATH":
            return self.data_path
        return self.proj_path if template.root == "PROJ_PATH" else self.temp_path

    def construct_saving_path(self, obj: Any, key: str, project: str | None = None, **tokens: Any) -> Path:
        """Return the path at which `obj` is stored; None stands for an object that does not exist yet.

        Args:
            obj: object to store. Its type is checked if the template states one.
            key: assignment key.
            project: another project, whose artefacts are only read; None: this project.
            tokens: values of the template's tokens: `task_name`, `run`, `fold`, `file_name` …

        Raises:
            MMLError: the object has the wrong type, or a token is missing or malformed.
        """
        template = self.template(key)
        if obj is not None and template.obj_cls is not None and not isinstance(obj, template.obj_cls):
            raise MMLError(
                f"assignment path '{key}' stores {template.obj_cls.__name__} objects, not {type(obj).__name__}"
            )
        return self._root(template, project) / template.fill(**tokens)

    def path(self, key: str, **tokens: Any) -> str:
        """Return the path of an artefact as a string, for targets and inputs of rules."""
        path = self.construct_saving_path(None, key, **tokens)
        if tokens.get("project") == self.project:
            # Paths of reused files of this project differ from those of outputs. Otherwise, Snakemake would make them
            # again or remove them.
            return os.path.join(self.proj_path, ".", path.relative_to(self.proj_path))
        return str(path)

    def existing(self, key: str, project: str | None = None, **tokens: Any) -> list[dict[str, str]]:
        """Return the wildcards of the existing artefacts of a key, the latest last.

        Args:
            key: assignment key.
            project: another project; None: this one.
            tokens: required values of wildcards.
        """
        template = self.template(key)
        root = self._root(template, project)
        entries = []
        required = {key: str(value) for key, value in tokens.items()}
        for path in root.glob(
            re.sub(r"\{(\w+)\}", lambda m: glob.escape(required.get(m[1], "")) or "*", template.below)
        ):
            wildcards = template.read(str(path.relative_to(root)))
            if wildcards is not None and required.items() <= wildcards.items():
                entries.append((path.stat().st_mtime, str(path), wildcards))
        return [wildcards for *_, wildcards in sorted(entries, key=lambda entry: entry[:2])]

    def wildcards(self, key: str, path: str | Path) -> dict[str, str]:
        """Return the wildcards in the path of an artefact of this project.

        Raises:
            MMLError: the path does not belong to `key`.
        """
        template = self.template(key)
        root = self._root(template)
        wildcards = template.read(str(Path(path).relative_to(root))) if Path(path).is_relative_to(root) else None
        if wildcards is None:
            raise MMLError(f"{path} is not a path of '{key}' ({template.path})")
        return wildcards

    def pattern(self, key: str) -> str:
        """Return the path pattern of `key` with Snakemake wildcards."""
        template = self.template(key)
        return str(self._root(template) / template.below)

    def key_of(self, pattern: str) -> str | None:
        """Return the key of a path pattern; None if it belongs to no key."""
        return self._patterns.get(pattern)

    @cached_property
    def _patterns(self) -> dict[str, str]:
        return {self.pattern(key): key for key in self._templates}

    def output(self, key: str) -> Any:
        """Return the pattern of `key` for the output of a rule, with `temp()` if the study removes it."""
        from snakemake.io import directory, temp

        template = self.template(key)
        pattern = directory(self.pattern(key)) if template.directory else self.pattern(key)
        return temp(pattern) if key in self.dropped_keys else pattern

    @property
    def dropped_keys(self) -> set[str]:
        """Keys whose artefacts Snakemake removes after their last consumer."""
        return {item.key for item in self.templates() if self.remove.get(item.key) or item.temporary}

    @property
    def artefacts_below(self) -> dict[Path, Callable[[str], bool]]:
        """For the roots of data and of projects: a function that returns True if a path below it is of an artefact."""

        def is_of(root: str, path: str) -> bool:
            return any(template.read(path) is not None for template in self.templates(root=root))

        return {
            self.data_path: lambda path: is_of("DATA_PATH", path),
            self.results_path: lambda path: is_of("PROJ_PATH", path.partition("/")[2]),
        }

    def log(self, rule: str, key: str) -> str:
        """Return the pattern of the log files of a rule that makes artefacts of `key`."""
        return self._beside("LOGS", rule, key, ".log")

    def benchmark(self, rule: str, key: str) -> str:
        """Return the pattern of the benchmark files (time, memory) of a rule that makes artefacts of `key`."""
        return self._beside("BENCHMARKS", rule, key, ".tsv")

    @property
    def benchmark_folders(self) -> list[Path]:
        """Folders of benchmark files: of this project, and of the data."""
        return [root / "BENCHMARKS" for root in (self.proj_path, self.data_path)]

    def _beside(self, folder: str, rule: str, key: str, suffix: str) -> str:
        template = self.template(key)
        name = "-".join(f"fold{{{w}}}" if w == "fold" else f"{{{w}}}" for w in (TOKENS[t][0] for t in template.tokens))
        root = self.data_path if template.root == "DATA_PATH" else self.proj_path
        return str(root / folder / rule / ((name or rule) + suffix))

    @property
    def lock_path(self) -> Path:
        """File that a running Snakemake locks."""
        return self.proj_path / ".lock"

    @property
    def steps_lock_path(self) -> Path:
        """File on which each running step holds a shared lock."""
        return self.proj_path / STEPS_LOCK

    @property
    def data_lock_path(self) -> Path:
        """File on which each Snakemake that uses the data holds a shared lock."""
        return self.data_path / ".lock"

    @property
    def record_path(self) -> Path:
        """File that lists the studies that ran in the project."""
        return self.proj_path / RECORD

    @property
    def run_state_path(self) -> Path:
        """File with the state of the latest run, for `python -m mml_lib.watch`."""
        return self.proj_path / RUN_STATE

    @property
    def submitted_path(self) -> Path:
        """File that lists the runs of the study whose steps are cluster jobs."""
        return self.proj_path / ".submitted.json"

    @property
    def checked_path(self) -> Path:
        """File that lists the pipelines that passed the pre-flight check."""
        return self.proj_path / ".checked"

    def tuning_path(self, task: str, run: str, fold: int) -> Path:
        """Return the temporary folder of a tuning."""
        return self.proj_path / f"{TUNING}{task}-{run}-fold{fold}"

    @property
    def claims_folder(self) -> Path:
        """Folder of the claims on outputs below the data root."""
        return self.data_path / ".claims"

    @property
    def task_index(self) -> dict[str, list[Path]]:
        """Existing task descriptions by task name, the latest last."""
        index: dict[str, list[Path]] = {}
        for path in sorted((self.data_path / "TASKS").glob("*/*.json"), key=lambda path: path.stat().st_mtime):
            index.setdefault(path.parent.name, []).append(path)
        return index
