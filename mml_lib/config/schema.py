"""The typed model of a study: the reference of every option. `config/schema.json` is generated from it."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PositiveInt, StringConstraints

from mml_lib.config.metrics import NAMED
from mml_lib.errors import nearest

TASK_NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"

TaskName = Annotated[str, StringConstraints(pattern=TASK_NAME)]
Fraction = Annotated[float, Field(ge=0, lt=1)]


def _as_pair(size: Any) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else tuple(size)


def _known_metric(name: str) -> str:
    if name not in NAMED:
        raise ValueError(f"there is no metric '{name}'{nearest(name, NAMED)}")
    return name


class Section(BaseModel):
    """A part of a study: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True, protected_namespaces=())


class Target(BaseModel):
    """Any importable class or function, with the keyword arguments it is called with beside `_target_`."""

    model_config = ConfigDict(extra="allow", populate_by_name=True)
    target: str = Field(alias="_target_", description="Dotted path of an importable class or function.")

    def spec(self) -> dict[str, Any]:
        """Return the mapping as it stands in the config, `_target_` included."""
        return self.model_dump(by_alias=True)


class Paths(Section):
    data: Path | None = Field(
        None,
        description="Root of data sets, tasks and packed images. Unset: the variable MML_DATA_PATH, or ./data.",
    )
    results: Path | None = Field(
        None,
        description="Root of all projects. Unset: the variable MML_RESULTS_PATH, or ./results.",
    )
    presets: list[Path] = Field(
        default_factory=list,
        description="Folders with presets of your own, laid out like config/; they win over those of the pipeline.",
    )


class Task(BaseModel):
    """One learning problem. Keys that are not listed here are arguments of the creator."""

    model_config = ConfigDict(extra="allow")
    creator: str = Field(description="What makes the data set: digits, fake, image_folder, csv, or one of a plugin.")
    folds: int = Field(5, ge=2, description="Cross-validation folds, unless the data set brings its own.")
    test_fraction: Fraction = Field(
        0.2, description="Share held out as test split, unless the data set brings its own."
    )
    seed: int = Field(0, ge=0, description="Seed of the split into folds and test split.")

    @property
    def arguments(self) -> dict[str, Any]:
        """The creator's arguments: all keys that are not fields of a task."""
        return dict(self.model_extra or {})


class Pivot(Section):
    name: str | None = Field(None, description="The task that the study is about; unset: all tasks alike.")


class Preprocessing(Section):
    size: Annotated[PositiveInt | tuple[PositiveInt, PositiveInt], AfterValidator(_as_pair)] = Field(
        (224, 224), description="Height and width of the packed images in pixels; one number for both."
    )
    fit: Literal["squash", "crop", "pad"] = Field(
        "squash",
        description="How another aspect ratio is met: squash (distort), crop (centre crop), pad (black borders).",
    )
    interpolation: Literal["nearest", "bilinear", "bicubic", "lanczos"] = Field(
        "bilinear", description="Resampling filter; all but nearest are anti-aliased."
    )


class Augmentations(Section):
    transforms: list[Target] = Field(
        default_factory=list,
        description="kornia augmentations, or modules on N×3×H×W floats in 0..1, in their order.",
    )


class LRScheduler(Target):
    interval: Literal["epoch", "step"] = Field("epoch", description="When the scheduler steps.")

    def spec(self) -> dict[str, Any]:
        return {key: value for key, value in super().spec().items() if key != "interval"}


class Sampling(Section):
    batch_size: PositiveInt = Field(64, description="Images a batch.")
    sample_num: PositiveInt | None = Field(None, description="Samples an epoch; unset: each training sample once.")
    balanced: bool = Field(False, description="Draw every class equally often (with replacement).")
    drop_last: bool = Field(False, description="Leave out the last batch of an epoch when it is not full.")


class Trainer(Section):
    """Arguments of `lightning.pytorch.Trainer`."""

    max_epochs: PositiveInt = Field(10, description="Epochs to train.")
    precision: Literal["32-true", "16-mixed", "bf16-mixed", "bf16-true", "64-true"] = Field(
        "32-true", description="Numbers to compute with; 16-mixed is for GPUs only."
    )
    gradient_clip_val: float | None = Field(None, ge=0, description="Clip gradients at this value; unset: never.")
    gradient_clip_algorithm: Literal["norm", "value"] = Field("norm", description="What gradients are clipped by.")
    accumulate_grad_batches: PositiveInt = Field(1, description="Batches an optimizer step.")
    limit_train_batches: PositiveInt | None = Field(None, description="Training batches an epoch at most (for trials).")
    limit_val_batches: PositiveInt | None = Field(None, description="Validation batches an epoch at most (for trials).")
    deterministic: bool = Field(True, description="Use deterministic algorithms where the device has a choice.")
    accelerator: Literal["auto", "cpu", "gpu", "cuda", "mps"] = Field("auto", description="Device to train on.")


class Metric(Target):
    name: str = Field(description="Name of the metric in tables, histories and messages.")

    def spec(self) -> dict[str, Any]:
        return {key: value for key, value in super().spec().items() if key != "name"}


class Mode(BaseModel):
    """What a study is to deliver. Keys that are not listed here are options of the scheduler."""

    model_config = ConfigDict(extra="allow")
    id: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]+$")] = Field(description="Name of the mode.")
    scheduler: Target = Field(description="The scheduler class that plans this mode.")

    @property
    def options(self) -> dict[str, Any]:
        """The scheduler's options: all keys that are not fields of a mode."""
        return dict(self.model_extra or {})


class Resources(Section):
    """What one step of a rule asks for."""

    threads: PositiveInt | None = Field(None, description="Processor cores.")
    mem_mb: PositiveInt | None = Field(None, description="Main memory in MB.")
    runtime: PositiveInt | None = Field(None, description="Time limit in minutes, where a cluster enforces one.")


class StudyConfig(Section):
    """A study: the content of `config/config.yaml` and its overlays, presets resolved."""

    project: TaskName = Field("default", description="Folder of the study below the results root.")
    mode: Mode = Field(description="What to deliver: a preset (create, pp, train) or an own scheduler.")
    pivot: Pivot = Field(default_factory=Pivot, description="The task that the study is about.")
    tasks: dict[TaskName, Task] = Field(description="The tasks of the study by name.", min_length=1)
    seed: int = Field(42, ge=0, lt=2**32, description="Seed of weights, sampling and augmentation.")
    preprocessing: Preprocessing = Field(default_factory=Preprocessing, description="How images are packed.")
    normalization: Literal["imagenet", "task", "none"] = Field(
        "imagenet", description="Means and deviations that images are normalised by: ImageNet's or the task's own."
    )
    arch: Target = Field(description="The backbone: a function or class that gives features, N×num_features.")
    augmentations: Augmentations = Field(
        default_factory=Augmentations, description="Random changes of training images."
    )
    loss: Target = Field(description="The loss: called with logits and targets.")
    optimizer: Target = Field(description="The optimizer: called with the parameters.")
    lr_scheduler: LRScheduler | None = Field(
        None,
        description="The learning-rate scheduler: called with the optimizer; the words ${max_epochs}, ${total_steps} "
        "and ${lr} in its arguments stand for these numbers of the training.",
    )
    sampling: Sampling = Field(default_factory=Sampling, description="How training batches are drawn.")
    trainer: Trainer = Field(default_factory=Trainer, description="How long and in what precision to train.")
    callbacks: dict[str, Target] = Field(default_factory=dict, description="Further Lightning callbacks by name.")
    metrics: list[Annotated[str, AfterValidator(_known_metric)] | Metric] = Field(
        default=["accuracy"], description="Metrics of validation and test: names, or `_target_`s with a name."
    )
    sweep: dict[str, list[Any]] = Field(
        default_factory=dict, description="Dotted keys with lists of values; all combinations become runs."
    )
    variants: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="Named overlays of the study; each becomes a run (times the sweep)."
    )
    num_workers: int = Field(0, ge=0, description="Processes that feed a training; 0: the training feeds itself.")
    resources: dict[str, Resources] = Field(default_factory=dict, description="What the steps of a rule ask for.")
    remove: dict[str, bool] = Field(
        default_factory=dict, description="Artefacts to drop once every step that needs them is done, by key."
    )
    paths: Paths = Field(default_factory=Paths, description="Where data and results lie.")
    plugins: list[str] = Field(
        default_factory=list, description="Python modules or files to import first: they register what is yours."
    )
    rules: list[Path] = Field(default_factory=list, description="Further rule files.")
