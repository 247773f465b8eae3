"""The sections of a study about the training of networks."""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, PositiveFloat, PositiveInt, field_validator, model_validator

from mml_lib.config.sections import Section, Target, as_pair, per_task_type
from mml_lib.errors import nearest
from mml_lib.task_types import LEARNABLE, TaskType

DEFAULT_FOREGROUND = 0.5
"""Default share of crops around labelled pixels."""

CLASS_WEIGHTS = ("pos_weight", "weight", "class_weights")
"""Arguments of losses with a number for each class. The first one that a loss has gets the class weights."""


def _augmentations(task_type: TaskType) -> tuple[Any, Any]:
    return list[Target] | None, Field(None, description=f"Augmentations of {task_type.title} tasks.")


def _loss(task_type: TaskType) -> tuple[Any, Any]:
    return Target | None, Field(None, description=f"Loss of {task_type.title}: {task_type.shapes}.")


class Augmentations(per_task_type(_augmentations)):  # type: ignore[misc]  # the fields are those of the task types
    """Random augmentations of training images: one list for all task types, or separate lists per task type."""

    transforms: list[Target] | None = Field(
        None,
        description="Augmentations of the task types without a list of their own, applied in this order: classes "
        "of kornia or torchvision.transforms.v2, or modules on N×3×H×W floats in 0..1. Each sample "
        "gets its own random parameters; masks are transformed with their images.",
    )

    @model_validator(mode="after")
    def _transforms_are_used(self) -> "Augmentations":
        if self.transforms is not None and set(self.by_type) == set(LEARNABLE):
            raise ValueError("every task type has its own list, so transforms is not used; leave one of them out")
        return self

    @property
    def by_type(self) -> dict[str, list[Target]]:
        """The lists of single task types."""
        lists = {name: getattr(self, name) for name in type(self).model_fields if name != "transforms"}
        return {name: transforms for name, transforms in lists.items() if transforms is not None}

    def of(self, task_type: str) -> list[Target]:
        """Return the transforms of a task type."""
        return self.by_type.get(task_type, self.transforms or [])


class Mixing(Section):
    """Mixing of the images of a batch, and of their targets."""

    mixup: PositiveFloat | None = Field(
        None, description="Alpha of MixUp, the parameter of the Beta distribution of mixing weights (usually 0.2)."
    )
    cutmix: PositiveFloat | None = Field(
        None,
        description="Alpha of CutMix (usually 1.0). If both are set, each batch uses one of them, chosen "
        "with equal probability.",
    )
    p: float = Field(1.0, gt=0, le=1, description="Probability that a batch is mixed.")

    @model_validator(mode="after")
    def _at_least_one(self) -> "Mixing":
        if self.mixup is None and self.cutmix is None:
            raise ValueError("mixing needs mixup (usually 0.2), cutmix (usually 1.0), or both; set one of them")
        return self


class Losses(per_task_type(_loss)):  # type: ignore[misc]  # the fields are those of the task types
    """The loss of each task type. It is called with outputs and targets."""


class LRScheduler(Target):
    interval: Literal["epoch", "step"] = Field(
        "epoch", description="When the scheduler steps: after each epoch or after each optimizer step."
    )
    monitor: str = Field(
        "val/loss", description="Quantity that a plateau scheduler monitors: train/loss, val/loss or val/<metric>."
    )

    def spec(self) -> dict[str, Any]:
        return {key: value for key, value in super().spec().items() if key not in ("interval", "monitor")}


class Sampling(Section):
    batch_size: PositiveInt = Field(64, description="Images per batch.")
    sample_num: PositiveInt | None = Field(None, description="Samples per epoch; unset: each training sample once.")
    min_sample_num: PositiveInt | None = Field(
        None,
        description="Minimum number of samples per epoch: a smaller data set is repeated within an epoch; unset: "
        "no minimum.",
    )
    balanced: bool = Field(False, description="Sample all classes equally often (with replacement).")
    drop_last: bool = Field(False, description="Drop the last batch of an epoch if it is incomplete.")


class Patches(Section):
    """Training on random crops of images, and prediction by a sliding window of the same size."""

    size: Annotated[PositiveInt | tuple[PositiveInt, PositiveInt], AfterValidator(as_pair)] = Field(
        description="Height and width of crops and windows in pixels, or one number for both."
    )
    per_image: PositiveInt = Field(4, description="Crops of each training image in an epoch.")
    foreground: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Share of crops that contain a labelled pixel of their image, of any class but the first "
        "(background). Segmentation only; unset: 0.5.",
    )
    overlap: float = Field(0.5, ge=0, lt=1, description="Overlap of neighbouring windows, as a share of their size.")

    @property
    def sides(self) -> tuple[int, int]:
        """Height and width of crops and windows."""
        return as_pair(self.size)

    def share_of_foreground(self, masks: bool) -> float:
        """Return the share of crops around labelled pixels, for images with or without masks."""
        if not masks:
            return 0.0
        return DEFAULT_FOREGROUND if self.foreground is None else self.foreground


FURTHER = {
    "min_epochs": "Minimum number of epochs, regardless of callbacks.",
    "max_steps": "Maximum number of optimizer steps.",
    "min_steps": "Minimum number of optimizer steps, regardless of callbacks.",
    "max_time": "Maximum training time: '00:04:00:00' (days, hours, minutes, seconds) or {hours: 4}.",
    "check_val_every_n_epoch": "Interval in epochs between validations.",
    "val_check_interval": "Interval between validations in batches, or as a fraction of an epoch.",
    "inference_mode": "Run validation in PyTorch's inference mode.",
    "benchmark": "Let cuDNN benchmark its algorithms and use the fastest; not with deterministic.",
    "detect_anomaly": "Trace the operation that produced a NaN; slow.",
    "profiler": "Lightning's profiler: simple or advanced.",
    "sync_batchnorm": "Synchronise batch normalisation across devices.",
}
"""Further arguments that are passed to Lightning's trainer."""

UNITS = {"weeks", "days", "hours", "minutes", "seconds", "milliseconds", "microseconds"}
"""Units of `max_time`."""

SET_HERE = (
    *("callbacks", "plugins", "logger", "default_root_dir", "enable_checkpointing", "model_registry"),
    *("enable_progress_bar", "enable_model_summary", "enable_autolog_hparams", "num_sanity_val_steps"),
    *("log_every_n_steps", "fast_dev_run", "barebones", "overfit_batches", "reload_dataloaders_every_n_epochs"),
    *("limit_test_batches", "limit_predict_batches", "num_nodes", "use_distributed_sampler"),
)
"""Arguments of Lightning's trainer that the pipeline sets itself, or that have no meaning here."""


class Trainer(Section):
    """Arguments of `lightning.pytorch.Trainer`."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra=lambda schema: schema.update(
            additionalProperties=False,
            properties=schema["properties"] | {key: {"description": text} for key, text in FURTHER.items()},
        ),
    )
    max_epochs: PositiveInt = Field(10, description="Number of epochs.")
    precision: Literal["32-true", "16-mixed", "bf16-mixed", "bf16-true", "64-true"] = Field(
        "32-true", description="Numerical precision; 16-mixed is for GPUs only."
    )
    gradient_clip_val: float | None = Field(None, ge=0, description="Clip gradients at this value; unset: never.")
    gradient_clip_algorithm: Literal["norm", "value"] = Field(
        "norm", description="Clip gradients by their norm or by value."
    )
    accumulate_grad_batches: PositiveInt = Field(1, description="Number of batches per optimizer step.")
    limit_train_batches: PositiveInt | None = Field(
        None, description="Maximum number of training batches per epoch (for experiments)."
    )
    limit_val_batches: PositiveInt | None = Field(
        None, description="Maximum number of validation batches per epoch (for experiments)."
    )
    deterministic: bool = Field(True, description="Use deterministic algorithms if the device offers a choice.")
    accelerator: Literal["auto", "cpu", "gpu", "cuda", "mps"] = Field("auto", description="Device to train on.")
    devices: PositiveInt = Field(1, description="Number of devices; each batch is divided among them.")
    strategy: Literal["auto", "ddp", "ddp_find_unused_parameters_true"] = Field(
        "auto", description="Strategy for several devices; auto: ddp, one process per device."
    )

    @model_validator(mode="after")
    def _further_arguments(self) -> "Trainer":
        for key, value in (self.model_extra or {}).items():
            if key in SET_HERE:
                raise ValueError(f"'{key}' cannot be set in a study; leave it out")
            if key not in FURTHER:
                raise ValueError(f"unknown key '{key}'{nearest(key, [*type(self).model_fields, *FURTHER])}")
            units = isinstance(value, dict) and set(value) <= UNITS
            if key == "max_time" and not units and not re.fullmatch(r"\d+(:\d\d){3}", str(value)):
                raise ValueError(f"max_time is {value}; write '00:04:00:00' in quotes (4 hours), or {{hours: 4}}")
        return self


class Adapters(Section):
    """Low-rank adapters (LoRA) in a frozen backbone; the arguments are those of the package peft."""

    r: PositiveInt = Field(8, description="Rank of the adapter matrices.")
    lora_alpha: PositiveInt = Field(16, description="Scaling factor: adapter outputs are multiplied by lora_alpha / r.")
    lora_dropout: float = Field(0.0, ge=0, lt=1, description="Dropout rate of the adapters' inputs.")
    target_modules: Literal["auto"] | list[str] = Field(
        "auto",
        description="Layers that get adapters (linear, or convolutions without groups): names, name suffixes after "
        "a dot, or regular expressions; auto: all linear layers, or all convolutions if there are "
        "none.",
    )
    use_rslora: bool = Field(False, description="Scale by lora_alpha / √r (rank-stabilised LoRA).")
    use_dora: bool = Field(
        False, description="Train the magnitudes of the weights too (weight-decomposed LoRA, DoRA); slower."
    )

    @field_validator("target_modules", mode="before")
    @classmethod
    def _auto_or_regular_expressions(cls, value: Any) -> Any:
        if value != "auto" and (not value or not isinstance(value, list)):
            raise ValueError(f"{value!r} is not a list of layers; set auto, or name layers in a list: [qkv, proj]")
        for pattern in map(str, value if isinstance(value, list) else ()):
            try:
                re.compile(f"(?:{pattern})")
            except re.error as error:
                raise ValueError(f"'{pattern}' is not a regular expression: {error}") from error
        return value


class Compile(Section):
    """Arguments of `torch.compile`."""

    backend: str = Field("inductor", description="Compiler backend.")
    mode: Literal["default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs"] = Field(
        "default", description="Compiler mode: how much time to spend on optimisation."
    )
    dynamic: bool | None = Field(None, description="Compile for variable batch shapes; unset: only if shapes vary.")
    fullgraph: bool = Field(False, description="Fail if the network cannot be compiled as a single graph.")


class Tune(Section):
    """Tuning before a training, by Lightning's tuner."""

    lr: bool = Field(False, description="Find the learning rate by a range test (Smith 2017).")
    bs: bool = Field(False, description="Find the largest batch size that fits into the device's memory.")
    min_lr: PositiveFloat = Field(1e-6, description="Smallest learning rate of the range test.")
    max_lr: PositiveFloat = Field(1.0, description="Largest learning rate of the range test.")
    num_training: int = Field(100, ge=20, description="Number of optimizer steps of the range test.")
    max_bs: PositiveInt = Field(512, description="Largest batch size to try, starting from sampling.batch_size.")

    @model_validator(mode="after")
    def _something_to_look_for(self) -> "Tune":
        if not (self.lr or self.bs):
            raise ValueError("tune needs lr: true, bs: true, or both; set one of them")
        if self.min_lr >= self.max_lr:
            raise ValueError(f"min_lr ({self.min_lr}) must be less than max_lr ({self.max_lr})")
        return self
