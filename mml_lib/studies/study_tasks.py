"""Tasks of a study by name, with their definitions and the sources of their data sets."""

import contextlib
import functools
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from mml_lib.config.schema import StudyConfig
from mml_lib.config.task_options import SEPARATOR, DataSet, Task
from mml_lib.errors import MMLError, nearest
from mml_lib.files.manager import MMLFileManager
from mml_lib.studies.checks.data_folders import check_data_folders
from mml_lib.studies.runs import Runs
from mml_lib.tasks.creators.creator_registry import Creator, get_creator
from mml_lib.tasks.made_data import read_first_state
from mml_lib.tasks.sharing.dataset_identity import DatasetIdentity
from mml_lib.tasks.splits.excluded_samples import ExcludedSamples
from mml_lib.tasks.task_identity import TaskIdentity, lineage


class StudyTasks(Mapping[str, TaskIdentity]):
    """Tasks of a study by name, tags applied: those of the pivot to it, those of `tagging` to all others.

    They are worked out when they are first needed.

    Args:
        cfg: the study.
        fm: its file manager.
        runs: its runs; those on the disk name tasks that the study may no longer have.
    """

    def __init__(self, cfg: StudyConfig, fm: MMLFileManager, runs: Runs):
        self.cfg = cfg
        self.fm = fm
        self.runs = runs
        self._definitions_by_old_tasks: dict[int, dict[tuple[str, str], dict[str, Any]]] = {}

    def __getitem__(self, name: str) -> TaskIdentity:
        return self._identities[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._identities)

    def __len__(self) -> int:
        return len(self._identities)

    def __hash__(self) -> int:  # by identity, as methods are cached
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other

    @cached_property
    def _identities(self) -> dict[str, TaskIdentity]:
        """Tasks by name.

        Raises:
            MMLError: the pivot is none of them, or a tag does not suit a task.
        """
        tagging, pivot = self.cfg.tagging, self.cfg.pivot
        if pivot.name is not None and pivot.name not in self.cfg.tasks:
            raise MMLError(f"pivot.name: there is no task '{pivot.name}' in the study{nearest(pivot.name, self.bases)}")
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
    def bases(self) -> dict[str, TaskIdentity]:
        """Tasks without tags, by name."""
        check_data_folders("tasks", self.cfg.tasks, self._written)
        return {
            name: TaskIdentity.of(
                *(name, task, self._first_state, self.datasets.get(task.dataset or "")), self.excluded(name).digest
            )
            for name, task in self.cfg.tasks.items()
            if task is not None
        }

    @cached_property
    def datasets(self) -> dict[str, DatasetIdentity]:
        """Data sets that tasks share, by their names in the study; those of no task are left out."""
        check_data_folders("datasets", self.cfg.datasets, self._written)
        used = dict.fromkeys(task.dataset for task in self.cfg.tasks.values() if task and task.dataset)
        return {name: DatasetIdentity.of(name, self.cfg.datasets[name], self._first_state) for name in used}

    @property
    def _written(self) -> dict[str, Path]:
        return {"paths.data": self.fm.data_path, "paths.results": self.fm.results_path}

    @functools.cache  # noqa: B019  (a study lives as long as its process)
    def excluded(self, base: str) -> ExcludedSamples:
        """Return the samples that tables leave out of a task without tags.

        Raises:
            MMLError: a table cannot be read, or is one of another task.
        """
        return ExcludedSamples.read(base, self.options_of(base).excluding_tables, self.fm.proj_path)

    def _first_state(self, dataset: str) -> str | None:
        return read_first_state(Path(self.fm.path("dataset", dataset=dataset)).parent)

    def _tagged(self, name: str) -> TaskIdentity:
        base, *tags = name.split(SEPARATOR)
        return functools.reduce(TaskIdentity.tagged, tags, self.bases[base])

    def is_known(self, name: str) -> bool:
        """Return True if a name is that of a task of the study, with any tags."""
        return name.split(SEPARATOR)[0] in self.bases

    @functools.cache  # noqa: B019  (a study lives as long as its process)
    def derived(self, name: str) -> TaskIdentity:
        """Return a task of the study, or one that tags derive from it.

        Raises:
            MMLError: it is neither.
        """
        if name in self._identities:
            return self._identities[name]
        if not self.is_known(name):
            raise MMLError(f"there is no task '{name}' in the study{nearest(name, self)}")
        return self._tagged(name)

    @property
    def pivot(self) -> str | None:
        """Name of the task that the study is about, tags included; None for a study of all its tasks alike."""
        return None if self.cfg.pivot.name is None else self.cfg.pivot.name + self.cfg.pivot.tags

    @property
    def main_names(self) -> list[str]:
        """Names of the tasks that the study is about: the pivot, or else all."""
        return list(self) if self.pivot is None else [name for name in self if name == self.pivot]

    def description_path(self, name: str) -> str:
        """Return the description file of a task of the study, or of one that tags derive from it."""
        return self.fm.path("description", task=name, task_id=self.derived(name).id)

    def classes_of(self, name: str) -> Sequence[str] | None:
        """Return the classes of a task, from the study or the task's description; None if neither names them yet."""
        classes = self.derived(name).classes
        return self._header(name).get("classes") if classes is None else classes

    def num_samples(self, name: str) -> dict[str, int]:
        """Return the number of samples of a task by split, and of `all`; empty if it is not described yet."""
        return self._header(name).get("num_samples", {})

    def _header(self, name: str) -> dict[str, Any]:
        """Return the header of a task's description; empty if there is none yet."""
        if Path(path := self.description_path(name)).is_file():
            from mml_lib.tasks.description import read_header  # imports numpy, which plans do without

            with contextlib.suppress(MMLError):  # the step that reads the whole description reports damage
                return read_header(path)
        return {}

    def metadata_paths(self, name: str) -> list[str]:
        """Return the metadata file of a task of the study, if it names columns; tags share that of their base."""
        base = self.derived(name).base_name
        return [self.fm.path("sample_metadata", task=base)] if self.options_of(base).metadata else []

    def options_of(self, base: str) -> Task:
        """Return the options of a task without tags.

        Raises:
            MMLError: the study does not define it.
        """
        options = self.cfg.tasks.get(base)
        if options is None:
            raise MMLError(f"tasks: the study does not define the task {base}")
        return options

    # --- definitions --------------------------------------------------------------------------------------------

    def definition(self, name: str, id_: str) -> dict[str, Any]:
        """Return the definition of a task of the study, or of a run on the disk.

        Raises:
            MMLError: there is none.
        """
        if (name, id_) in self.definitions:
            return self.definitions[name, id_]
        if self.is_known(name) and self.derived(name).id == id_:
            return self.derived(name).definition()
        raise MMLError(f"the task {name} with the id {id_} is part of no run of the study")

    @property
    def definitions(self) -> dict[tuple[str, str], dict[str, Any]]:
        """Definitions of all tasks, of their bases, and of the tasks of runs on the disk, by name and id."""
        old = self.runs.old_tasks
        if len(old) not in self._definitions_by_old_tasks:
            without_pack = [{key: value for key, value in task.items() if key != "pack"} for task in old]
            own = [task.definition() for task in (*self.bases.values(), *self.values())]
            self._definitions_by_old_tasks[len(old)] = {
                (definition["name"], definition["id"]): definition
                for task in (*without_pack, *own)
                for definition in lineage(task)
            }
        return self._definitions_by_old_tasks[len(old)]

    def source(self, dataset: str) -> dict[str, Any]:
        """Return the `creator` of a data set, its `arguments` and `code`, and options of its `images`.

        `images_alone` is true for images that are delivered without what is learned.

        Raises:
            MMLError: no task names the source of the data set.
        """
        if shared := next((shared for shared in self.datasets.values() if shared.folder == dataset), None):
            return _steps_source(shared.creator, shared.arguments, shared.options, shared.source)
        if task := self.task_on(dataset):
            options = self.options_of(task.name)
            creator = get_creator(f"tasks.{task.name}", options.creator)
            return _steps_source(creator, creator.arguments(options), options, task.source)
        for definition in self.definitions.values():
            source = definition["source"]
            repeatable = "arguments" in source and not {"downloads", "made_by_rule"} & set(source)
            if definition["dataset"] == dataset and repeatable:
                keys = ("creator", "arguments", "images", "code", "images_alone")
                return {key: source[key] for key in keys if key in source}
        raise MMLError(f"no task of the study says where the data set {dataset} comes from; add one to tasks")

    def targets(self, definition: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the `creator` of what a task learns from a data set that tasks share, its `arguments`, and whether
        files are `downloaded`; None where the task learns what the data set brings.

        Raises:
            MMLError: the table has changed since, and no task of the study learns the same.
        """
        if "targets" not in definition:
            return None
        base = lineage(definition)[0]
        task = self.bases.get(base["name"])
        source, targets = definition["source"], definition["targets"]
        if task is not None and task.id == base["id"]:
            options = self.options_of(task.name)
            targets = {"arguments": get_creator(f"tasks.{task.name}", options.creator).arguments(options)}
        if "arguments" not in targets:
            raise MMLError(f"no task of the study says what {base['name']} ({base['id']}) learns; add one to tasks")
        downloaded = bool(source.get("downloads"))
        return {"creator": source["creator"], "arguments": targets["arguments"], "downloaded": downloaded}

    def division(self, definition: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the division that tasks of a data set have in common: the data set's name in the study, its `creator`
        and `arguments`, and whether files are `downloaded`; None for a task with a division of its own.

        Raises:
            MMLError: the table has changed since, and no task of the study is divided alike.
        """
        if "division" not in definition:
            return None
        base = lineage(definition)[0]
        task = self.bases.get(base["name"])
        source, division = definition["source"], definition["division"]
        content = {"creator": source["creator"], "downloaded": bool(source.get("downloads"))}
        if task is not None and task.id == base["id"]:
            dataset = self.datasets[self.options_of(task.name).dataset or ""]
            arguments = dataset.creator.arguments(dataset.options) if dataset.creator.images_alone else None
            return {**content, "name": f"datasets.{dataset.name}", "arguments": arguments}
        if "fingerprint" in division:
            raise MMLError(f"no task of the study says how {base['name']} ({base['id']}) is divided; add one to tasks")
        return {**content, "name": base["name"], "arguments": division.get("arguments")}

    def excluding_tables(self, definition: Mapping[str, Any]) -> list[str]:
        """Return the tables that leave samples out of a task.

        Raises:
            MMLError: no task of the study leaves out the same.
        """
        if "exclude" not in definition:
            return []
        base = lineage(definition)[0]
        task = self.bases.get(base["name"])
        if task is None or task.exclude != definition["exclude"]:
            raise MMLError(
                f"no task of the study says which samples {base['name']} ({base['id']}) leaves out; set its exclude"
            )
        return [str(file) for file in self.excluded(task.name).files]

    def task_on(self, dataset: str) -> TaskIdentity | None:
        """Return the first task without tags on a data set; None if there is none."""
        return next((task for task in self.bases.values() if task.dataset == dataset), None)

    def can_describe(self, name: str, id_: str) -> bool:
        """Return True if rules can describe a task: the study knows its definition and the source of its data set."""
        try:
            definition = self.definition(name, id_)
            self.source(definition["dataset"])
            self.targets(definition)
            self.division(definition)
            self.excluding_tables(definition)
        except MMLError:
            return False
        return True


def _steps_source(
    creator: Creator, arguments: Mapping[str, Any], options: DataSet, identity: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the parameters of the step that creates a data set."""
    source: dict[str, Any] = {"creator": creator.name, "arguments": dict(arguments)}
    # The code of the plan, not that of now: the step refuses if they differ.
    source |= {"code": identity["code"]} if "code" in identity else {}
    source |= {"images": options.image_options} if options.image_options else {}
    source |= {"images_alone": True} if "images_alone" in identity else {}
    if "made_by_rule" in identity:
        source |= {key: identity[key] for key in ("made_by_rule", "fingerprint") if key in identity}
    return source


def _tags(variant: str) -> str:
    return "" if variant == f"{SEPARATOR}identity" else variant
