"""Pipelines: everything in a study that the result of a training depends on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from mml_lib.config.loading import load_study, preset_folders
from mml_lib.config.reading.origins import Source
from mml_lib.config.reading.presets import resolve_presets
from mml_lib.config.reading.study_files import read_yaml
from mml_lib.config.schema import StudyConfig
from mml_lib.config.task_options import NESTED, SEPARATOR
from mml_lib.config.training_options import LRScheduler, Trainer
from mml_lib.errors import MMLError
from mml_lib.files.formats import FORMATS
from mml_lib.files.stored import yaml_text
from mml_lib.pipelines.digests import digest
from mml_lib.pipelines.own_code import code_of, code_of_registered
from mml_lib.pipelines.suggested import as_planned
from mml_lib.task_types import TASK_TYPES

STEP_VERSION = 1
"""Version that is increased when a training of the same pipeline begins to have another result."""

PIPELINE_KEYS = (
    "seed",
    "preprocessing",
    "normalization",
    "arch",
    "decoder",
    "augmentations",
    "loss",
    "optimizer",
    "lr_scheduler",
    "sampling",
    "trainer",
    "callbacks",
    "store_best",
    "class_weights",
    "mixing",
    "compile",
    "adapters",
    "tune",
    "patches",
)
"""Sections of a study that change the result of a training."""

LATER_KEYS = ("store_best", "class_weights", "mixing", "compile", "adapters", "tune", "patches")
"""Sections that were added later. Pipelines omit their defaults, so that older runs keep their ids."""

LATER_TRAINER_KEYS = ("devices", "strategy")
"""Keys of the trainer that were added later. Pipelines omit their defaults too."""

DEVICE_KEYS = ("accelerator",)
"""Keys of the trainer for the device of a training, which do not change its result."""

EXPANDING = ("sweep", "variants", "repeats", "search")
"""Sections that make several runs of a study."""


@dataclass(frozen=True)
class Pipeline:
    """One pipeline on one task: the content of `PIPELINES/<task>/<run>.yaml`."""

    content: Mapping[str, Any]

    @classmethod
    def of(
        cls,
        study: StudyConfig,
        task: Mapping[str, Any],
        further: Mapping[str, Mapping[str, Any]] | None = None,
        code: Mapping[str, str] | None = None,
    ) -> "Pipeline":
        """Return the pipeline of a study (without sweep and variants) for a task's identity.

        Options for other task types are omitted, because they have no effect.

        Args:
            study: config of the study.
            task: name, id, data set, images and definition of the task.
            further: entries that a mode adds: `multitask` (co-tasks), `pretraining` (model that the training starts
                from), `frozen` (true: the backbone is not trained).
            code: digests of the user's own modules that change trainings other than by a `_target_`.

        Raises:
            MMLError: the source of a user's own module cannot be read.
        """
        further = dict(further or {})
        content = study.model_dump(mode="json", by_alias=True, include=set(PIPELINE_KEYS))
        content["normalization"] = study.normalization_of("pretraining" in further)
        kinds = sorted({entry["task_type"] for entry in (task, *further.get("multitask", {}).get("co_tasks", ()))})
        losses = {kind: loss.spec() if (loss := study.loss_of(kind)) else None for kind in kinds}
        content["loss"] = losses if further.get("multitask") else losses[task["task_type"]]
        content["augmentations"] = _augmentations(study, kinds)
        if not any(TASK_TYPES[kind].has_masks for kind in kinds):
            del content["decoder"]
        for key in DEVICE_KEYS:
            del content["trainer"][key]
        _drop_later_defaults(content, study)
        content = {"version": STEP_VERSION, "task": dict(task), **content, **further}
        if own := own_code(content, code):
            content["code"] = own
        return cls(content)

    @classmethod
    def read(cls, path: Path) -> "Pipeline":
        """Read a pipeline file.

        Raises:
            MMLError: the file cannot be read, has a newer format, or its content does not match its name.
        """
        pipeline = cls(read_stored_yaml(path, "pipeline"))
        if pipeline.run != path.stem:
            raise MMLError(
                f"{path} contains the pipeline of another run, {pipeline.run}; "
                "remove it, so that the study writes it again"
            )
        return pipeline

    @cached_property
    def run(self) -> str:
        """Run id. Names of presets and time limits of solvers do not count."""
        content = as_planned(self.content)
        preprocessing = {key: value for key, value in content["preprocessing"].items() if key != "id"}
        counted = {**content, "preprocessing": preprocessing, "task": _counted(self.task)}
        if multitask := content.get("multitask"):
            counted["multitask"] = {**multitask, "co_tasks": [_counted(co_task) for co_task in multitask["co_tasks"]]}
        if pretraining := content.get("pretraining"):
            models = [{key: model[key] for key in ("task", "run", "fold")} for model in pretraining["models"]]
            counted["pretraining"] = {**pretraining, "models": models}
        return digest(counted)

    @property
    def recipe(self) -> str:
        """Digest of the pipeline without its task (8 digits)."""
        content = {**self.content, "task": {"pack": ""}}
        if multitask := content.get("multitask"):
            co_tasks = [_without_nested(task) for task in multitask["co_tasks"]]
            content["multitask"] = {**multitask, "co_tasks": co_tasks}
        return Pipeline(content).run

    @cached_property
    def procedure(self) -> str:
        """Id of the procedure: 8 digits of the digest without the seed. Runs of a procedure are its repetitions."""
        return Pipeline({**self.content, "seed": None}).run

    @property
    def procedure_recipe(self) -> str:
        """Id of the procedure without its task."""
        return Pipeline({**self.content, "seed": None}).recipe

    @property
    def task(self) -> Mapping[str, Any]:
        """Name, id, data set, images and definition of the task."""
        return self.content["task"]

    @property
    def tasks(self) -> list[Mapping[str, Any]]:
        """Entries of all tasks that are trained together: the pipeline's task and its co-tasks."""
        return [self.task, *self.content.get("multitask", {}).get("co_tasks", ())]

    @property
    def task_weights(self) -> list[float]:
        """Weight of each task in the sum of losses."""
        return list(self.content.get("multitask", {}).get("task_weights", [1.0]))

    @property
    def pretraining(self) -> Mapping[str, Any]:
        """Source of the backbone's weights: `task`, candidate `models`, `model_selection` …; empty without one."""
        return self.content.get("pretraining", {})

    @property
    def freezes(self) -> bool:
        """True if only heads are trained, not the backbone."""
        return bool(self.content.get("frozen") or self.pretraining.get("freeze"))

    @property
    def code(self) -> Mapping[str, str]:
        """Digests of the user's own modules that the result depends on, by module name."""
        return self.content.get("code", {})

    @property
    def mode(self) -> str:
        """Mode that trains the pipeline: `tl`, `multitask` (an option of `train`) or `train`."""
        if self.pretraining:
            return "tl"
        return "multitask" if len(self.tasks) > 1 else "train"

    @property
    def story(self) -> str:
        """Description of the entries that a mode added to the pipeline."""
        words = []
        if len(self.tasks) > 1:
            words.append(f"together with {', '.join(task['name'] for task in self.tasks[1:])}")
        if suggestion := self.content.get("suggestion"):
            words.append(f"by suggestion {suggestion['number']}")
        if self.pretraining:
            entry, models = self.pretraining, self.pretraining["models"]
            source = f"run {models[0]['run']}" if len(models) == 1 else f"one of {len(models)} models"
            words.append(f"from {source} of {entry['task']}")
        story = "; ".join(words)
        return ", ".join([*([story] if story else []), "backbone frozen"]) if self.freezes else story

    def to_yaml(self) -> str:
        """Return the text of the pipeline file."""
        return yaml_text("pipeline", self.content)


def _without_nested(task: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entry of a co-task without its tag `nested`, which it shares with the main task."""
    name, _, fold = task["name"].rpartition(NESTED)
    if not name or SEPARATOR in fold:
        return dict(task)
    *bases, id_ = task["bases"]
    return {**task, "name": name, "id": id_, "bases": bases}


def own_code(content: Mapping[str, Any], code: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the digests of the user's own modules that the training of a pipeline depends on.

    Args:
        content: content of the pipeline.
        code: digests of modules that change trainings other than by a `_target_`.
    """
    sections = {key: value for key, value in content.items() if key not in ("code", "task")}
    return {**code_of(sections), **code_of_registered(content["arch"].get("name")), **(code or {})}


def read_stored_yaml(path: Path, kind: str) -> dict[str, Any]:
    """Read a YAML file of MML, migrated to the current format.

    Raises:
        MMLError: the file is missing or damaged, or has a newer format.
    """
    content = read_yaml(path)
    try:
        return FORMATS[kind].migrated(content, path)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise MMLError(f"{path} is damaged ({error}); remove it, so that MML writes it again") from error


def _augmentations(study: StudyConfig, task_types: Sequence[str]) -> dict[str, Any]:
    """Return the augmentations of task types: a list for each, or one list if all are equal."""
    lists = {kind: [transform.spec() for transform in study.augmentations.of(kind)] for kind in task_types}
    first, *others = lists.values()
    return lists if any(other != first for other in others) else {"transforms": first}


def _drop_later_defaults(content: dict[str, Any], study: StudyConfig) -> None:
    """Remove keys that were added later, if they have their defaults, so that older runs keep their ids."""
    for key in LATER_KEYS:
        if getattr(study, key) == StudyConfig.model_fields[key].get_default(call_default_factory=True):
            del content[key]
    for key in LATER_TRAINER_KEYS:
        if content["trainer"][key] == Trainer.model_fields[key].default:
            del content["trainer"][key]
    if study.lr_scheduler and study.lr_scheduler.monitor == LRScheduler.model_fields["monitor"].default:
        del content["lr_scheduler"]["monitor"]
    if study.sampling.min_sample_num is None:
        del content["sampling"]["min_sample_num"]


def _counted(task: Mapping[str, Any]) -> dict[str, Any]:
    """Return the properties of a task that are part of a run id."""
    counted = {key: value for key, value in task.items() if key != "fold_time_limit"}
    return counted | {"pack": task["pack"].split("-")[-1]}


def pipeline_config(config: Mapping[str, Any], pipeline: Pipeline, files: Sequence[Source] = ()) -> StudyConfig:
    """Return the config of a step: the sections of a pipeline, and all other sections of the study.

    Args:
        config: config of the study, before validation.
        pipeline: pipeline that the step trains or predicts with.
        files: config files of the study, for messages.
    """
    return load_study(pipeline_sections(config, pipeline), files)


def pipeline_sections(config: Mapping[str, Any], pipeline: Pipeline) -> dict[str, Any]:
    """Return the config of a study, before validation, with the sections of a pipeline, without sweep and search."""
    content = {key: value for key, value in config.items() if key not in EXPANDING}
    content |= {key: pipeline.content.get(key) for key in PIPELINE_KEYS}
    trainer = resolve_presets({"trainer": config.get("trainer")}, preset_folders(config))["trainer"]
    device = {key: trainer[key] for key in DEVICE_KEYS if isinstance(trainer, Mapping) and key in trainer}
    content["trainer"] = {"devices": 1, **pipeline.content["trainer"], **device}
    return content
