"""The typed model of a study: the reference of every option. `config/schema.json` is generated from it."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    NonNegativeFloat,
    PositiveInt,
    Tag,
    model_validator,
)

from mml_lib.config.analysis.audit_options import Audit, Dimension, as_dimension
from mml_lib.config.analysis.deployment_options import Apply, Export
from mml_lib.config.analysis.explain_options import Explain
from mml_lib.config.analysis.operating_options import OperatingPoints
from mml_lib.config.analysis.search_options import Search
from mml_lib.config.analysis.similarity_options import Similarity
from mml_lib.config.analysis.suggest_options import Suggestions
from mml_lib.config.feature_options import Extraction
from mml_lib.config.metric_options import Metric, Metrics, Named, StoreBest, as_store_best
from mml_lib.config.prediction_options import TTA
from mml_lib.config.sections import Clean, Mode, Paths, Resources, Reuse, RunId, Section, Target
from mml_lib.config.task_options import Pivot, Preprocessing, SharedDataSet, TaggedName, Tagging, Task, TaskName
from mml_lib.config.training_options import (
    Adapters,
    Augmentations,
    Compile,
    Losses,
    LRScheduler,
    Mixing,
    Patches,
    Sampling,
    Trainer,
    Tune,
)
from mml_lib.config.watching_options import TensorBoard, checked_logger
from mml_lib.errors import MMLError, nearest


def _enough_for_percentiles(resamples: int) -> int:
    if 0 < resamples < 100:
        raise ValueError(f"{resamples} resamples are too few for a 95 % interval; set 100 or more, or 0 for none")
    return resamples


def _existing_file(path: Path) -> Path:
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    return path


def _variable(name: str) -> str:
    """Refuse a value that is not the name of an environment variable, without repeating it: it may be a secret URL."""
    if not re.fullmatch(r"[A-Za-z_]\w*", name):
        raise ValueError("the value is not the name of an environment variable; export the URL, and write its name")
    return name


def _switched(value: Any) -> Any:
    return ({} if value else None) if isinstance(value, bool) else value


def _as_list(value: Any) -> Any:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _one_or_by_type(value: Any) -> str:
    by_type = isinstance(value, Losses | Metrics) or (isinstance(value, dict) and "_target_" not in value)
    return "by_type" if by_type else "one"


SEEDS = 2**32
"""Number of seeds."""


class StudyConfig(Section):
    """A study: the library's defaults, overlaid by its files and values, with presets resolved."""

    project: TaskName = Field("default", description="Folder of the study below the results root.")
    mode: Mode = Field(description="What to deliver: a preset (create, pp, info, train …) or your own scheduler.")
    pivot: Pivot = Field(default_factory=Pivot, description="The task that the study is about.")
    datasets: dict[TaskName, SharedDataSet] = Field(
        default_factory=dict,
        description="Data sets by name, which several tasks share. MML unpacks, reads and packs their images once.",
    )
    tasks: dict[TaggedName, Task | None] = Field(
        description="The tasks of the study by name. A name with tags and an empty value derives a task from its base.",
        min_length=1,
    )
    tagging: Tagging = Field(default_factory=Tagging, description="Tags for all tasks.")
    seed: int = Field(42, ge=0, lt=SEEDS, description="Seed of weight initialisation, sampling and augmentation.")
    preprocessing: Preprocessing = Field(
        default_factory=Preprocessing,
        description="Preprocessing of images before they are packed: a preset, a preset with changes, or a list of "
        "transforms.",
    )
    preprocess_shards: int = Field(
        1,
        ge=1,
        le=10_000,
        description="Number of steps that pack one data set, in parallel or on several nodes of a cluster.",
    )
    normalization: Literal["pretrained", "imagenet", "task", "none"] | None = Field(
        None,
        description="Mean and standard deviation for normalising images: pretrained (those that the weights were "
        "trained with), imagenet, task (computed from the training samples) or none. Unset: pretrained "
        "for a pretrained network, otherwise task.",
    )
    arch: Target = Field(
        description="The backbone: a preset (timm, smp) with a name, or a function or class that returns features, "
        "N×num_features."
    )
    adapters: Annotated[Adapters | None, BeforeValidator(_switched)] = Field(
        None,
        description="Freeze the backbone and train low-rank adapters in it: true, or the adapters' arguments; "
        "needs mml[peft].",
    )
    augmentations: Augmentations = Field(
        default_factory=Augmentations, description="Random augmentations of training images."
    )
    decoder: Target | None = Field(
        None,
        description="Segmentation only: the decoder between the backbone's feature maps and the classes: unet, "
        "unetplusplus, manet, linknet, fpn, pspnet, deeplabv3, deeplabv3plus, pan, upernet, segformer, dpt.",
    )
    loss: Annotated[
        Annotated[Losses, Tag("by_type")] | Annotated[Target, Tag("one")], Discriminator(_one_or_by_type)
    ] = Field(description="The loss: one for all task types, or one per task type.")
    class_weights: Literal["balanced"] | dict[str, NonNegativeFloat] | None = Field(
        None,
        description="Class weights of the loss: by class name (others: 1), or balanced, computed from the class "
        "counts of the fold's training samples; unset: the loss's own weights.",
    )
    optimizer: Target = Field(description="The optimizer. It is called with the parameters.")
    lr_scheduler: LRScheduler | None = Field(
        None,
        description="The learning-rate scheduler. It is called with the optimizer; ${max_epochs}, ${total_steps} "
        "and ${lr} in its arguments are replaced by the values of the training.",
    )
    mixing: Mixing | None = Field(
        None, description="MixUp or CutMix of the images and targets of training batches; unset: none."
    )
    sampling: Sampling = Field(default_factory=Sampling, description="Sampling of training batches.")
    patches: Patches | None = Field(
        None,
        description="Train on random crops of large images, and predict by a sliding window; unset: whole images.",
    )
    trainer: Trainer = Field(
        default_factory=Trainer, description="Arguments of Lightning's trainer: epochs, precision, devices …"
    )
    compile: Annotated[Compile | None, BeforeValidator(_switched)] = Field(
        None,
        description="Compile the network with torch.compile: true, or its arguments. Useful for long "
        "trainings on a GPU.",
    )
    callbacks: dict[str, Target] = Field(default_factory=dict, description="Additional Lightning callbacks by name.")
    store_best: Annotated[StoreBest | None, BeforeValidator(as_store_best)] = Field(
        None,
        description="Store the weights of the epoch that is best on the validation split: true (lowest loss), the "
        "name of a metric, or {metric, mode}; unset: the last epoch.",
    )
    tune: Tune | None = Field(
        None,
        description="Tune the learning rate or batch size before each training, in a separate step; unset: no tuning.",
    )
    metrics: Annotated[
        Annotated[Metrics, Tag("by_type")] | Annotated[list[Named | Metric], Tag("one")],
        Discriminator(_one_or_by_type),
    ] = Field(
        default_factory=Metrics,
        description="Metrics of validation and test: one list for all task types, or one per task type; "
        "`python -m mml_lib.metrics` lists the named ones.",
    )
    weighted_metrics: bool = Field(
        False,
        description="Weight samples by the column weight of their task in metrics, their intervals and comparisons, "
        "and in the choice of ensembles, not only in the loss.",
    )
    tta: TTA = Field(
        default_factory=TTA,
        description="Test-time augmentation. It changes predictions and their metrics, not the training.",
    )
    bootstrap: Annotated[int, AfterValidator(_enough_for_percentiles)] = Field(
        1000,
        ge=0,
        le=1_000_000,
        description="Number of bootstrap resamples for the 95 % intervals of metrics, at least 100; 0: no intervals.",
    )
    per_group: Literal["mean", "max", "vote"] = Field(
        "mean",
        description="How to merge predictions of a group's samples (a patient's images) for metrics per group: mean "
        "of the probabilities, max (the highest class, or any label, among them), or vote. Values are always "
        "averaged, pixels of masks summed.",
    )
    features: Extraction = Field(
        default_factory=Extraction,
        description="Feature extraction: the frozen backbone that maps images to vectors, and its options.",
    )
    suggest: Suggestions | None = Field(
        None,
        description="Suggestions for the pivot: pipelines merged from the best runs on similar tasks. The mode "
        "suggest makes them, mode.suggestion trains by one.",
    )
    similarity: Similarity = Field(
        default_factory=Similarity, description="Distances between the tasks of a study, by the mode similarity."
    )
    search: Search | None = Field(
        None,
        description="Hyper-parameter search in modes that train, and in the mode search, which stops before it "
        "trains the best pipeline on all folds; unset: none.",
    )
    sweep: dict[str, Annotated[list[Any], Field(min_length=1)]] = Field(
        default_factory=dict, description="Dotted keys with lists of values. Each combination becomes a run."
    )
    repeats: Annotated[int, Field(strict=True)] = Field(
        1,
        ge=1,
        le=1000,
        description="Repetitions of each procedure, with the seeds seed, seed + 1, … Results are reported per "
        "procedure.",
    )
    variants: dict[str, dict[str, Any]] = Field(
        default_factory=dict,
        description="Named overlays of the study. Each becomes a run, for each combination of the sweep.",
    )
    baseline: Annotated[list[str], BeforeValidator(_as_list, json_schema_input_type=str | list[str])] = Field(
        default_factory=list,
        description="Reference of the ablation table: a variant, a value of the sweep (optimizer.lr=3e-3), or a "
        "procedure (plain, optimizer.lr=3e-3); or a list of them.",
    )
    rope: Annotated[float, Field(strict=True, ge=0, lt=1, allow_inf_nan=False)] = Field(
        0.01,
        description="Region of practical equivalence for comparisons of procedures across tasks: the largest "
        "irrelevant difference, for errors without an upper bound as a share of their mean.",
    )
    run: RunId | None = Field(
        None, description="Run id that mode info describes, with its differences from the runs of the study."
    )
    audit: Audit = Field(default_factory=Audit, description="Options of the mode audit. Not part of a run.")
    apply: Apply = Field(default_factory=Apply, description="Options of the mode apply. Not part of a run.")
    export: Export = Field(default_factory=Export, description="Options of the mode export. Not part of a run.")
    explain: Annotated[Explain | None, BeforeValidator(_switched, json_schema_input_type=bool | Explain | None)] = (
        Field(
            None,
            description="Explain predictions of the best run of each trained task: true, or a method and a number of "
            "images; unset: none. Not part of a run; needs mml[explain].",
        )
    )
    operating_points: Annotated[
        OperatingPoints | None, BeforeValidator(_switched, json_schema_input_type=bool | OperatingPoints | None)
    ] = Field(
        None,
        description="Thresholds for a required sensitivity or specificity, chosen by validation samples, and "
        "decision curves, for classes and labels: true, or the required values; unset: none. Not part of a run.",
    )
    dimension: Annotated[
        Dimension | None,
        BeforeValidator(as_dimension, json_schema_input_type=Literal["pixels", "features"] | Dimension | None),
    ] = Field(
        None,
        description="Intrinsic dimension of each task, as columns of the table of mode info: of pixels or features; "
        "unset: none. Not part of a run.",
    )
    reuse: Reuse = Field(default_factory=Reuse, description="Artefacts to read from other projects, by key.")
    tensorboard: Annotated[
        TensorBoard | None, BeforeValidator(_switched, json_schema_input_type=bool | TensorBoard | None)
    ] = Field(
        None,
        description="Log trainings to TensorBoard: true (curves), or a mapping with further pictures. Not part of a "
        "run; needs mml[tensorboard].",
    )
    logger: Annotated[Target, AfterValidator(checked_logger)] | None = Field(
        None,
        description="Lightning logger that trainings report to, a file or a service: {_target_: "
        "lightning.pytorch.loggers.CSVLogger}. Not part of a run.",
    )
    num_workers: Annotated[int, Field(ge=0, le=1024)] | None = Field(
        None,
        description="Number of data-loading processes of a training; unset or 0: the training process loads data, "
        "with a thread on a GPU.",
    )
    notify: Annotated[
        list[Annotated[str, AfterValidator(_variable)]],
        BeforeValidator(_as_list, json_schema_input_type=str | list[str]),
    ] = Field(
        default_factory=list,
        description="Names of environment variables with Apprise URLs (mail, Slack …). MML sends a message there "
        "when a run ends. The URLs contain secrets, so no file contains them.",
    )
    warm_start: bool = Field(
        True,
        description="Fork steps from a process that has imported torch and their modules; on a cluster within a job.",
    )
    networks_per_job: PositiveInt | Literal["auto"] = Field(
        "auto",
        description="Number of networks whose steps share a cluster job. auto: enough for 15 minutes by the "
        "forecast, or one network if no similar training was measured.",
    )
    resources: dict[str, Resources] = Field(default_factory=dict, description="Resources of the steps of each rule.")
    gpu_timeout: PositiveInt = Field(
        60, description="Minutes that a step waits for a GPU that programs outside of this pipeline use."
    )
    remove: dict[str, bool] = Field(
        default_factory=dict, description="Artefacts, by key, to remove once every step that needs them is done."
    )
    retrain: bool = Field(False, description="Retrain networks whose weights were removed if a step needs them.")
    clean: Clean = Field(
        default_factory=Clean,
        description="Options of the mode clean: which artefacts count as used and which may be removed.",
    )
    force: bool = Field(False, description="Let the mode clean remove the artefacts that it lists.")
    paths: Paths = Field(default_factory=Paths, description="Roots of data and results, and folders of presets.")
    plugins: list[str] = Field(
        default_factory=list, description="Python modules or files to import first, which register your own parts."
    )
    rules: list[Annotated[Path, AfterValidator(_existing_file)]] = Field(
        default_factory=list, description="Additional rule files."
    )

    @model_validator(mode="before")
    @classmethod
    def _tagged_tasks_have_no_options(cls, content: Any) -> Any:
        tasks = content.get("tasks") if isinstance(content, Mapping) else None
        for name, options in tasks.items() if isinstance(tasks, Mapping) else ():
            base, *tags = str(name).split("+")
            if tags and options is not None:
                raise ValueError(
                    f"tasks.{name}: a task with tags has all options of {base}, including exclude; set them there, and "
                    "leave this value empty"
                )
        return content

    @model_validator(mode="after")
    def _tagged_tasks_have_a_base(self) -> "StudyConfig":
        for name, task in self.tasks.items():
            base, *tags = name.split("+")
            if tags and self.tasks.get(base) is None:
                others = [other for other in self.tasks if other != name]
                raise ValueError(f"tasks.{name}: its base '{base}' is not a task of the study{nearest(base, others)}")
            if not tags and task is None:
                raise ValueError(f"tasks.{name}: the key creator is missing; set it")
        return self

    @model_validator(mode="after")
    def _as_many_devices_as_gpus(self) -> "StudyConfig":
        gpu = self.resources["train_fold"].gpu if "train_fold" in self.resources else None
        if gpu and "devices" not in self.trainer.model_fields_set and self.trainer.accelerator != "cpu":
            self.trainer.devices = gpu
        return self

    def loss_of(self, task_type: str) -> Target | None:
        """Return the loss for a task type; None if the study has none."""
        return self.loss if isinstance(self.loss, Target) else getattr(self.loss, task_type, None)

    def normalization_of(self, started: bool) -> str:
        """Return the normalisation of images.

        Args:
            started: True if the training starts from a stored network's weights.

        Raises:
            MMLError: `normalization: pretrained`, but there are no pretrained weights.
        """
        arguments = self.arch.spec()
        is_built_in = self.arch.target.startswith("mml_lib.models.")
        pretrained = arguments.get("pretrained", False if is_built_in else None)
        if self.normalization == "pretrained" and not started and pretrained is False:
            raise MMLError(
                "normalization: pretrained needs pretrained weights, but arch.pretrained is false; set it to true, or "
                "normalization: imagenet, task or none (for the pretraining of mode tl: by mode.pretrain_with)"
            )
        return self.normalization or ("pretrained" if started or pretrained else "task")

    @property
    def monitored(self) -> dict[str, str]:
        """Columns of the history that callbacks and a plateau scheduler monitor, by key of the config."""
        columns = {f"callbacks.{name}": callback.spec().get("monitor") for name, callback in self.callbacks.items()}
        if self.lr_scheduler is not None and "Plateau" in self.lr_scheduler.target:
            columns["lr_scheduler"] = self.lr_scheduler.monitor
        return {key: column for key, column in columns.items() if column is not None}

    def metrics_of(self, task_type: str) -> list[str | Metric]:
        """Return the distinct metrics for a task type."""
        metrics = self.metrics if isinstance(self.metrics, list) else getattr(self.metrics, task_type, [])
        return [metric for place, metric in enumerate(metrics) if metric not in metrics[:place]]

    def named_metrics_of(self, task_type: str) -> list[str]:
        """Return the named metrics for a task type, without the study's own metrics."""
        return [metric for metric in self.metrics_of(task_type) if isinstance(metric, str)]
