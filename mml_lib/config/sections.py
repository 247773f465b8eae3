"""Base classes of the sections of a study, and sections that several modules use."""

import functools
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PositiveInt,
    StringConstraints,
    create_model,
    model_validator,
)

from mml_lib.config.factories import check_path
from mml_lib.config.reading.scalars import Word
from mml_lib.config.reading.settling import UNSETTLED, KindError, Settled
from mml_lib.task_types import LEARNABLE, TASK_TYPES, TaskType


class Section(Settled):
    """A part of a study. Unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True, protected_namespaces=())

    @model_validator(mode="before")
    @classmethod
    def _no_switch_is_a_number(cls, values: Any) -> Any:
        for key in _numbers(cls) if isinstance(values, dict) else ():
            value = values.get(key)
            for entry in value if isinstance(value, list) else [value]:
                if isinstance(entry, bool | Word):
                    raise KindError(f"{str(entry).lower()} is not a number; write one", (key,))
        return values


def per_task_type(field: Callable[[TaskType], tuple[Any, Any]]) -> type[Section]:
    """Return a section with a field for each task type that networks can learn.

    Args:
        field: function that returns the type and the default (or `Field`) of the field of a task type.
    """
    fields: dict[str, Any] = {name: field(TASK_TYPES[name]) for name in LEARNABLE}
    return create_model("PerTaskType", __base__=Section, **fields)


@functools.cache
def _numbers(section: type[BaseModel]) -> list[str]:
    """Return the keys of a section that accept numbers, but neither booleans nor text."""
    kinds = {
        key: set(parts_of(field.annotation))
        for key, field in section.model_fields.items()
        # A validator may turn a switch into a number.
        if not any(isinstance(marker, BeforeValidator) for marker in field.metadata)
    }
    return [key for key, types in kinds.items() if types & {int, float} and not types & {bool, str, Any}]


def parts_of(annotation: Any) -> list[Any]:
    """Return an annotation and its parts: members of unions, keys and values of mappings."""
    return [annotation, *(kind for part in get_args(annotation) for kind in parts_of(part))]


def section_at(section: type[BaseModel], location: Sequence[str | int]) -> type[BaseModel] | None:
    """Return the section at a path of keys and list indices; None if there is none."""
    model: type[BaseModel] | None = section
    for part in location:
        if isinstance(part, int):
            continue
        field = model.model_fields.get(part) if model else None
        kinds = parts_of(field.annotation) if field else []
        model = next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)
    return model


TargetPath = Annotated[str, AfterValidator(check_path)]


class Target(Settled):
    """An importable class or function (`_target_`) and its keyword arguments."""

    model_config = ConfigDict(extra="allow", populate_by_name=True)
    target: TargetPath = Field(alias="_target_", description="Dotted path of an importable class or function.")

    def spec(self) -> dict[str, Any]:
        """Return the mapping of the config, including `_target_`."""
        return self.model_dump(by_alias=True)


def as_pair(size: Any) -> tuple[int, int]:
    """Return height and width of a size, which may be a single number for both."""
    return (size, size) if isinstance(size, int) else tuple(size)


NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"
"""Names of tasks and projects."""
PROJECT_REFERENCE = r"^[A-Za-z0-9][A-Za-z0-9_.-]*(#[0-9a-f]{8})?$"


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


Reference = Annotated[str, StringConstraints(pattern=PROJECT_REFERENCE)]

References = Annotated[
    list[Reference],
    BeforeValidator(_as_list, json_schema_input_type=Reference | list[Reference]),
]
"""Projects, or one run of each: `project`, `[a, b]`, `project#3f9ac21b`."""


def checked_run_id(run: str) -> str:
    """Return a run id.

    Raises:
        ValueError: it does not have 8 hexadecimal digits.
    """
    if not re.fullmatch(r"[0-9a-f]{8}", run):
        raise ValueError(f"'{run}' is not a run id, which has 8 hexadecimal digits; INFO/models.csv lists the runs")
    return run


RunId = Annotated[str, AfterValidator(checked_run_id)]


def _no_pattern(path: Any) -> Any:
    if isinstance(path, str | Path) and not str(path).strip():
        raise ValueError("the path is empty; name a folder, or leave it out")
    if isinstance(path, str | Path) and re.search(r"[{}\0]", str(path)):
        raise ValueError(f"{str(path)!r} contains braces or a zero byte, which is not allowed; name another folder")
    return path


def _existing_folder(path: Path) -> Path:
    if not path.is_dir():
        raise ValueError(f"there is no folder {path}")
    return path


Root = Annotated[Path, BeforeValidator(_no_pattern)]


class Paths(Section):
    data: Root | None = Field(
        None,
        description="Root of data sets, tasks and packed images. Unset: the variable MML_DATA_PATH, or ./data.",
    )
    results: Root | None = Field(
        None,
        description="Root of all projects. Unset: the variable MML_RESULTS_PATH, or ./results.",
    )
    presets: list[Annotated[Path, AfterValidator(_existing_folder)]] = Field(
        default_factory=list,
        description="Folders with your own presets, with the layout of config/. They take precedence over those of "
        "the pipeline.",
    )


class Clean(Section):
    """Options of the mode clean: which artefacts count as used and which may be removed."""

    studies: list[Path] | None = Field(
        None,
        description="Study files whose results are in use, in addition to this study and the studies recorded in "
        "projects; unset: the demo study and config/studies/*.yaml.",
    )
    projects: list[Annotated[str, StringConstraints(pattern=NAME)]] = Field(
        default_factory=list,
        description="Projects whose results may be removed even if some study might still need them.",
    )
    pipelines: bool = Field(
        False, description="Also remove pipeline files and blueprints, which are needed to reproduce a removed run."
    )


class Reuse(Section):
    """Other projects below the results root whose artefacts are read. They are never written, remade or removed.

    The keys are those of all reusable assignment paths, including those that plugins register.
    """

    model_config = ConfigDict(extra="allow", populate_by_name=True, protected_namespaces=())
    __pydantic_extra__: dict[str, References] = Field(init=False)
    further = References

    models: References = Field(
        default_factory=list,
        description="Projects in which mode tl looks for models of the pretrain_task, and for their weights.",
    )
    predictions: References = Field(
        default_factory=list,
        description="Projects in which mode post looks for predictions of further runs, calibrated if available, "
        "for its leaderboard and its ensemble.",
    )
    features: References = Field(
        default_factory=list,
        description="Projects in which MML looks for features of the study's tasks; it extracts the missing ones.",
    )
    blueprint: References = Field(
        default_factory=list, description="Projects in which mode.use_blueprint looks for a blueprint."
    )
    distances: References = Field(
        default_factory=list,
        description="Projects whose distances between tasks are compared with gains from transfer.",
    )
    trials: References = Field(
        default_factory=list,
        description="Projects whose trials on the same task the samplers tpe and gp use for the proposals of a search.",
    )
    pipeline: References = Field(
        default_factory=list, description="Pipeline files for your own steps: struct.reused['pipeline']."
    )
    parameters: References = Field(
        default_factory=list, description="Weights for your own steps: struct.reused['parameters']."
    )
    other_predictions: References = Field(
        default_factory=list,
        description="Predictions of other tasks for your own steps: struct.reused['other_predictions'].",
    )
    calibrated: References = Field(
        default_factory=list,
        description="Calibrated predictions for your own steps: struct.reused['calibrated'].",
    )
    other_calibrated: References = Field(
        default_factory=list,
        description="Calibrated predictions of other tasks for your own steps: struct.reused['other_calibrated'].",
    )

    @property
    def references(self) -> dict[str, list[str]]:
        """Names of projects, or of runs in them, by key."""
        return {key: projects for key, projects in self if projects}


class Mode(Settled):
    """Deliverables of a study. Keys that are not listed here are options of the scheduler."""

    model_config = ConfigDict(extra="allow")
    further = UNSETTLED
    id: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]+$")] = Field(description="Name of the mode.")
    scheduler: Target = Field(description="The scheduler class that plans this mode.")

    @property
    def options(self) -> dict[str, Any]:
        """The scheduler's options: all keys that are not fields of a mode."""
        return dict(self.model_extra or {})


class Resources(Section):
    """Resources of each step of a rule."""

    threads: PositiveInt | None = Field(
        None,
        description="CPU cores. Unset, for trainings, tuning and prediction: the cores of this machine divided by "
        "the number of simultaneous steps; 4 on a cluster.",
    )
    mem_mb: PositiveInt | None = Field(None, description="Main memory in MB.")
    runtime: PositiveInt | None = Field(None, description="Time limit in minutes, enforced by a cluster.")
    gpu: int | None = Field(
        None,
        ge=0,
        description="Number of GPUs; a training uses all of its GPUs together; 0: none. Unset: trainer.devices for "
        "trainings and 1 for other rules, if the machine has GPUs.",
    )
    gpu_mem_mb: PositiveInt | None = Field(
        None,
        description="GPU memory in MB, so that several steps can share a GPU. Unset: a whole GPU, or the value of "
        "train_fold.",
    )
