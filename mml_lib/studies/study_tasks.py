"""The tasks of a study: which there are, what they are made of, and what their rules ask."""

import contextlib
import functools
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote, urlsplit

from mml_lib.config.schema import StudyConfig
from mml_lib.config.task_options import SEPARATOR, Download
from mml_lib.errors import MMLError, nearest
from mml_lib.files.manager import MMLFileManager
from mml_lib.tasks.creators.creator_registry import get_creator, made_paths
from mml_lib.tasks.made_data import read_first_state
from mml_lib.tasks.task_identity import TaskIdentity, lineage


class StudyTasks:
    """Tasks by name, worked out when first asked for; methods that take wildcards are what rules ask.

    Args:
        cfg: the study.
        fm: its file manager.
    """

    def __init__(self, cfg: StudyConfig, fm: MMLFileManager):
        self.cfg = cfg
        self.fm = fm
        self._definitions_of: dict[int, dict[tuple[str, str], dict[str, Any]]] = {}

    def old_definitions(self) -> list[Mapping[str, Any]]:
        """The definitions of tasks that only old runs tell of."""
        return []

    @cached_property
    def tasks(self) -> dict[str, TaskIdentity]:
        """The tasks of the study by name, tags applied: the pivot's own, and those of `tagging` to all others.

        Raises:
            MMLError: the pivot is none of them, or a tag cannot be put on a task.
        """
        tagging, pivot = self.cfg.tagging, self.cfg.pivot
        if pivot.name is not None and pivot.name not in self.cfg.tasks:
            raise MMLError(
                f"pivot.name: there is no task '{pivot.name}' in the study{nearest(pivot.name, self._bases)}"
            )
        if pivot.tags and pivot.name is None:
            raise MMLError(f"pivot.tags: '{pivot.tags}' has no task to be put on; set pivot.name")
        names = []
        for name in self.cfg.tasks:
            if name == pivot.name:
                names.append(name + pivot.tags)
            else:
                names += [name + tagging.all + _tags(variant) for variant in tagging.variants or [""]]
        return {name: self._tagged(name) for name in dict.fromkeys(names)}

    @cached_property
    def _bases(self) -> dict[str, TaskIdentity]:
        """The tasks of the study without tags."""
        return {
            name: TaskIdentity.of(name, task, self._first_state)
            for name, task in self.cfg.tasks.items()
            if task is not None
        }

    def _first_state(self, dataset: str) -> str | None:
        return read_first_state(Path(self.fm.path("dataset", dataset=dataset)).parent)

    def _tagged(self, name: str) -> TaskIdentity:
        base, *tags = name.split(SEPARATOR)
        return functools.reduce(TaskIdentity.tagged, tags, self._bases[base])

    def is_known(self, name: str) -> bool:
        """Whether a name is that of a task of the study, with any tags."""
        return name.split(SEPARATOR)[0] in self._bases

    @functools.cache  # noqa: B019  (a study lives as long as its process)
    def task(self, name: str) -> TaskIdentity:
        """Return a task of the study, or one that tags derive from it.

        Raises:
            MMLError: it is neither.
        """
        if name in self.tasks:
            return self.tasks[name]
        if not self.is_known(name):
            raise MMLError(f"there is no task '{name}' in the study{nearest(name, self.tasks)}")
        return self._tagged(name)

    @property
    def pivot(self) -> str | None:
        """The task that the study is about, tags included; None if it is about all alike."""
        return None if self.cfg.pivot.name is None else self.cfg.pivot.name + self.cfg.pivot.tags

    @property
    def task_names(self) -> list[str]:
        """Tasks of the study: the pivot if there is one, otherwise all."""
        return list(self.tasks) if self.pivot is None else [name for name in self.tasks if name == self.pivot]

    untagged = r"[^+/]+"
    tagged = r"[^+/]+(\+[^+/]+)+"

    def description_of(self, name: str) -> str:
        """Return the description of a task of the study, or of one that tags derive from it."""
        return self.fm.path("description", task=name, task_id=self.task(name).id)

    def classes_of(self, name: str) -> Sequence[str] | None:
        """Return the classes of a task: what planning knows, or its description says, if it is made; None otherwise."""
        known = self.task(name).classes
        if known is None and Path(path := self.description_of(name)).is_file():
            from mml_lib.tasks.description import read_header  # numpy, which plans do without

            with contextlib.suppress(MMLError):  # what is damaged is told where it is read in earnest
                return read_header(path)["classes"]
        return known

    def descriptions(self, wildcards: Any) -> list[str]:
        """The descriptions of all tasks."""
        return [self.description_of(name) for name in self.tasks]

    def datasets(self, wildcards: Any) -> list[str]:
        """The manifests of the data sets of all tasks."""
        return [self.fm.path("dataset", dataset=task.dataset) for task in self.tasks.values()]

    def definition(self, wildcards: Any) -> dict[str, Any]:
        """Definition of a task, by name and id."""
        name, id_ = wildcards.task, wildcards.task_id
        if (name, id_) in self._definitions:
            return self._definitions[name, id_]
        if self.is_known(name) and self.task(name).id == id_:
            return self.task(name).definition()
        raise MMLError(f"the task {name} with the id {id_} is part of no run of the study")

    def describes(self, task: str, task_id: str) -> bool:
        """Return True if rules can describe a task: the study says where its data set comes from."""
        try:
            definition = self.definition(SimpleNamespace(task=task, task_id=task_id))
            self.source(SimpleNamespace(dataset=definition["dataset"]))
        except MMLError:
            return False
        return True

    def planned(self, wildcards: Any) -> dict[str, Any] | None:
        """Planned folds and splits of a task; None for a task of an old run."""
        task = self._bases.get(wildcards.task)
        if task is None or task.id != wildcards.task_id:
            return None
        return {key: getattr(task, key) for key in ("task_type", "num_folds", "has_test", "has_unlabelled")}

    def about(self, wildcards: Any) -> dict[str, Any]:
        """Description of a task in the study, beyond that of its data set."""
        task = self._bases.get(wildcards.task)
        return dict(task.about) if task else {}

    def duplicates(self, wildcards: Any) -> str:
        """Treatment of copies that cross given splits; a task that only old runs tell of was made with them."""
        task = self.cfg.tasks.get(wildcards.task)
        return task.duplicates if task else "allow"

    def base(self, wildcards: Any) -> str:
        """The description that a task's last tag is put on."""
        *_, base, _ = lineage(self.definition(wildcards))
        return self.fm.path("description", task=base["name"], task_id=base["id"])

    def dataset(self, wildcards: Any) -> str:
        """The manifest of a task's data set."""
        if not hasattr(wildcards, "task_id"):
            return self.fm.path("dataset", dataset=self.tasks[wildcards.task].dataset)
        return self.fm.path("dataset", dataset=self.definition(wildcards)["dataset"])

    def source(self, wildcards: Any) -> dict[str, Any]:
        """The creator of a data set, its arguments, and what is stated of its images."""
        if task := self._task_on(wildcards.dataset):
            creator = get_creator(task.name, self.cfg.tasks[task.name].creator)
            own = {"creator": creator.name, "arguments": creator.arguments(self.cfg.tasks[task.name])}
            own |= {"code": creator.code} if creator.code else {}
            if "made_by_rule" in task.source:
                own |= {key: task.source[key] for key in ("made_by_rule", "fingerprint") if key in task.source}
            images = self.cfg.tasks[task.name].image_options
            return own | ({"images": images} if images else {})
        for definition in self._definitions.values():
            source = definition["source"]
            again = "arguments" in source and not {"downloads", "made_by_rule"} & set(source)
            if definition["dataset"] == wildcards.dataset and again:
                return {key: source[key] for key in ("creator", "arguments", "images", "code") if key in source}
        raise MMLError(f"no task of the study says where the data set {wildcards.dataset} comes from; add one to tasks")

    def metadata_source(self, wildcards: Any) -> dict[str, Any]:
        """Where the metadata of a task come from: `creator`, `arguments`, `columns`, whether they are `downloaded`."""
        task = self.cfg.tasks[wildcards.task]
        creator = get_creator(wildcards.task, task.creator)
        told = {"creator": creator.name, "arguments": creator.arguments(task)}
        return told | {"columns": list(task.metadata), "downloaded": bool(task.downloads)}

    def dataset_of_base(self, wildcards: Any) -> str:
        """The manifest of the data set of a task without tags."""
        return self.fm.path("dataset", dataset=self._bases[wildcards.task].dataset)

    def metadata_of(self, name: str) -> list[str]:
        """Return the metadata of a task of the study, where it names some; tags share those of their base."""
        base = self.task(name).base_name
        return [self.fm.path("sample_metadata", task=base)] if self.cfg.tasks[base].metadata else []

    def downloads(self, wildcards: Any) -> list[str]:
        """The downloaded files of a data set."""
        task = self._task_on(wildcards.dataset)
        return [self._download(file) for file in self.cfg.tasks[task.name].downloads] if task else []

    def made_files(self, wildcards: Any) -> list[str]:
        """Return the files and folders of a data set that another rule makes."""
        task = self._task_on(wildcards.dataset)
        return made_paths(task.source["arguments"]) if task and "made_by_rule" in task.source else []

    def _task_on(self, dataset: str) -> TaskIdentity | None:
        return next((task for task in self._bases.values() if task.dataset == dataset), None)

    def _download(self, file: Download) -> str:
        name = re.sub(r"[^A-Za-z0-9_.-]", "_", unquote(urlsplit(file.url).path).rsplit("/", 1)[-1]).lstrip("._-")
        return self.fm.path("download", sha256=file.sha256.lower(), file_name=name or "download")

    def url(self, wildcards: Any) -> str:
        """Where a download comes from."""
        for task in self.cfg.tasks.values():
            for file in task.downloads if task else ():
                if file.sha256.lower() == wildcards.sha256:
                    return file.url
        raise MMLError(f"no task of the study downloads a file with the SHA-256 {wildcards.sha256}")

    @property
    def _definitions(self) -> dict[tuple[str, str], dict[str, Any]]:
        """The definitions of all tasks, of what they are derived from, and of the tasks of old runs, by name and id."""
        old = self.old_definitions()
        if len(old) not in self._definitions_of:
            known = [task.definition() for task in (*self._bases.values(), *self.tasks.values())]
            told = [*old, *known]
            self._definitions_of[len(old)] = {
                (each["name"], each["id"]): each for task in told for each in lineage(task)
            }
        return self._definitions_of[len(old)]


def _tags(variant: str) -> str:
    return "" if variant == f"{SEPARATOR}identity" else variant
