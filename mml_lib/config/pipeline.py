"""Pipelines: the part of a study that decides what a training gives, and the runs that it expands into."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from mml_lib.config.identity import digest
from mml_lib.config.loading import load_study, preset_folders
from mml_lib.config.presets import merge, read_yaml, resolve_presets
from mml_lib.config.schema import StudyConfig
from mml_lib.config.training import LRScheduler
from mml_lib.errors import MMLError

STEP_VERSION = 1
"""Raised when a training of the same pipeline begins to give another result."""

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
)
"""The sections of a study that change what a training gives."""

LATER_KEYS = ("store_best", "class_weights", "mixing", "compile")
"""Sections that came later: left at their default they are left out, so that older runs keep their ids."""

DEVICE_KEYS = ("accelerator",)
"""Keys of the trainer that say where a training runs, not what it gives."""


@dataclass(frozen=True)
class Pipeline:
    """One pipeline on one task: the content of `PIPELINES/<task>/<run>.yaml`."""

    content: Mapping[str, Any]

    @classmethod
    def of(cls, study: StudyConfig, task: Mapping[str, Any]) -> "Pipeline":
        """Return the pipeline of a study (without sweep and variants) for a task's identity.

        What the study says of other task types is left out: it changes nothing here.
        """
        content = study.model_dump(mode="json", by_alias=True, include=set(PIPELINE_KEYS))
        loss = study.loss_of(task["task_type"])
        content["loss"] = loss.spec() if loss else None
        if task["task_type"] != "semantic_segmentation":
            del content["decoder"]
        for key in DEVICE_KEYS:
            del content["trainer"][key]
        if study.lr_scheduler and study.lr_scheduler.monitor == LRScheduler.model_fields["monitor"].default:
            del content["lr_scheduler"]["monitor"]  # came later too
        for key in LATER_KEYS:
            if getattr(study, key) == StudyConfig.model_fields[key].get_default(call_default_factory=True):
                del content[key]
        return cls({"version": STEP_VERSION, "task": dict(task), **content})

    @classmethod
    def read(cls, path: Path) -> "Pipeline":
        """Read a pipeline file.

        Raises:
            MMLError: the file is unreadable, or its content is not what its name says.
        """
        pipeline = cls(read_yaml(path))
        if pipeline.run != path.stem:
            raise MMLError(
                f"{path} is not the pipeline that its name says (content: {pipeline.run}); "
                "remove it, and the study writes it again"
            )
        return pipeline

    @cached_property
    def run(self) -> str:
        """The run id; the names of presets and the patience with a solver do not count."""
        preprocessing = {key: value for key, value in self.content["preprocessing"].items() if key != "id"}
        task = {key: value for key, value in self.task.items() if key != "fold_time_limit"}
        task["pack"] = task["pack"].split("-")[-1]
        return digest({**self.content, "preprocessing": preprocessing, "task": task})

    @property
    def recipe(self) -> str:
        """What the pipeline does, whatever the task: 8 digits of a digest."""
        return Pipeline({**self.content, "task": {"pack": ""}}).run

    @property
    def task(self) -> Mapping[str, Any]:
        """Name, id, data set, images and definition of the task."""
        return self.content["task"]

    def to_yaml(self) -> str:
        return yaml.safe_dump(dict(self.content), sort_keys=False)


@dataclass(frozen=True)
class Variant:
    """One study out of the sweep and the variants, with a label that says how it differs."""

    label: str
    study: StudyConfig


def expand(config: Mapping[str, Any], files: Sequence[Path] = ()) -> list[Variant]:
    """Return the studies that the sweep and the variants of a config stand for, the plain one if there are none.

    Raises:
        MMLError: a variant or a swept key does not fit the schema, or is not part of a pipeline.
    """
    base = dict(config)
    sweep, variants = base.pop("sweep", None) or {}, base.pop("variants", None) or {}
    for key in [*sweep, *(key for overlay in variants.values() for key in overlay)]:
        if str(key).split(".")[0] not in PIPELINE_KEYS:
            raise MMLError(
                f"'{key}' cannot be varied: sweep and variants take {', '.join(PIPELINE_KEYS)} and keys below these"
            )
    expanded = []
    for name, overlay in variants.items() or [("", {})]:
        for values in itertools.product(*sweep.values()):
            point = dict(zip(sweep, values, strict=True))
            words = [name] if name else []
            words += [f"{key}={value}" for key, value in point.items()]
            expanded.append(Variant(", ".join(words), load_study(_lay(base, overlay, point), files)))
    return expanded


def _lay(base: Mapping[str, Any], overlay: Mapping[str, Any], point: Mapping[str, Any]) -> dict[str, Any]:
    """Lay a variant and a point of the sweep over the base, dotted keys spelled out."""
    config, folders = dict(base), preset_folders(base)
    for key, value in [*overlay.items(), *point.items()]:
        nested = value
        *parents, last = str(key).split(".")
        for part in [last, *reversed(parents)]:
            nested = {part: nested}
        group = next(iter(nested))
        if isinstance(nested[group], Mapping) and "preset" not in nested[group]:
            config[group] = merge(resolve_presets({group: config.get(group) or {}}, folders)[group], nested[group])
        else:
            config[group] = nested[group]
    return config
