"""The sections of a study that say how a network is trained."""

import re
from typing import Any, Literal

from pydantic import ConfigDict, Field, PositiveFloat, PositiveInt, field_validator, model_validator

from mml_lib.config.sections import Section, Target
from mml_lib.config.task_types import LEARNABLE
from mml_lib.errors import nearest


class Augmentations(Section):
    """Random changes of training images: for all task types, and lists of their own for some."""

    transforms: list[Target] | None = Field(
        None,
        description="For task types without their own list: augmentations of kornia, of torchvision.transforms.v2, or "
        "modules on N×3×H×W floats in 0..1, in their order; each sample has its own draw, masks are moved with their "
        "images.",
    )
    classification: list[Target] | None = Field(None, description="The same for classifications only.")
    multilabel_classification: list[Target] | None = Field(None, description="The same for several labels an image.")
    semantic_segmentation: list[Target] | None = Field(None, description="The same for segmentations only.")
    regression: list[Target] | None = Field(None, description="The same for regressions only.")

    @model_validator(mode="after")
    def _transforms_are_used(self) -> "Augmentations":
        if self.transforms is not None and set(self.by_type) == set(LEARNABLE):
            raise ValueError("every task type has a list of its own, so transforms is for none; leave out one of them")
        return self

    @property
    def by_type(self) -> dict[str, list[Target]]:
        """The lists of single task types."""
        lists = {name: getattr(self, name) for name in type(self).model_fields if name != "transforms"}
        return {name: transforms for name, transforms in lists.items() if transforms is not None}

    def of(self, task_type: str) -> list[Target]:
        """Return the transforms of a task type, none where the study names none."""
        return self.by_type.get(task_type, self.transforms or [])


class Mixing(Section):
    """Images of a batch mixed with each other, and their targets alike."""

    mixup: PositiveFloat | None = Field(
        None, description="MixUp: its alpha, the parameter of the Beta distribution of shares (usual: 0.2)."
    )
    cutmix: PositiveFloat | None = Field(
        None, description="CutMix: its alpha (usual: 1.0). With both, each batch has one of them, in half of the cases."
    )
    p: float = Field(1.0, gt=0, le=1, description="Probability that a batch is mixed at all.")

    @model_validator(mode="after")
    def _at_least_one(self) -> "Mixing":
        if self.mixup is None and self.cutmix is None:
            raise ValueError("nothing would be mixed; set mixup (usual: 0.2), cutmix (usual: 1.0), or both")
        return self


class Losses(Section):
    """The loss of each task type: called with outputs and targets."""

    classification: Target | None = Field(None, description="Logits N×classes, classes N.")
    multilabel_classification: Target | None = Field(None, description="Logits N×classes, probabilities N×classes.")
    semantic_segmentation: Target | None = Field(None, description="Logits N×classes×H×W, classes N×H×W, 255 ignored.")
    regression: Target | None = Field(None, description="Standardised values N, standardised values N.")


class LRScheduler(Target):
    interval: Literal["epoch", "step"] = Field("epoch", description="When the scheduler steps.")
    monitor: str = Field(
        "val/loss", description="What a plateau scheduler looks at: train/loss, val/loss, val/<metric>."
    )

    def spec(self) -> dict[str, Any]:
        return {key: value for key, value in super().spec().items() if key not in ("interval", "monitor")}


class Sampling(Section):
    batch_size: PositiveInt = Field(64, description="Images a batch.")
    sample_num: PositiveInt | None = Field(None, description="Samples an epoch; unset: each training sample once.")
    min_sample_num: PositiveInt | None = Field(
        None,
        description="Samples an epoch at least: a smaller data set is gone through several times an epoch; unset: no "
        "minimum.",
    )
    balanced: bool = Field(False, description="Draw every class equally often (with replacement).")
    drop_last: bool = Field(False, description="Leave out the last batch of an epoch when it is not full.")


FURTHER = {
    "min_epochs": "Epochs to train at least, whatever a callback says.",
    "max_steps": "Optimizer steps to train at most.",
    "min_steps": "Optimizer steps to train at least, whatever a callback says.",
    "max_time": "Time to train at most: '00:04:00:00' (days, hours, minutes, seconds), or {hours: 4}.",
    "check_val_every_n_epoch": "Validate after every so many epochs.",
    "val_check_interval": "Validate after so many batches, or this share of an epoch.",
    "inference_mode": "Whether validation runs in PyTorch's inference mode.",
    "benchmark": "Whether cuDNN tries its algorithms and takes the fastest; not with deterministic.",
    "detect_anomaly": "Whether to look for the operation that made a NaN; slow.",
    "profiler": "Lightning's profiler: simple or advanced.",
    "sync_batchnorm": "Whether batch normalisation looks at the batches of all devices.",
}
"""Further arguments of Lightning's trainer, which are handed on."""

UNITS = {"weeks", "days", "hours", "minutes", "seconds", "milliseconds", "microseconds"}
"""What `max_time` may be given in."""

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
    devices: PositiveInt = Field(1, description="Devices of this kind; they divide each batch among themselves.")
    strategy: Literal["auto", "ddp", "ddp_find_unused_parameters_true"] = Field(
        "auto", description="How several devices train together; auto: ddp, one process for each."
    )

    @model_validator(mode="after")
    def _further_arguments(self) -> "Trainer":
        for key, value in (self.model_extra or {}).items():
            if key in SET_HERE:
                raise ValueError(f"'{key}' is not for a study to set: leave it out")
            if key not in FURTHER:
                raise ValueError(f"unknown key '{key}'{nearest(key, [*type(self).model_fields, *FURTHER])}")
            units = isinstance(value, dict) and set(value) <= UNITS
            if key == "max_time" and not units and not re.fullmatch(r"\d+(:\d\d){3}", str(value)):
                raise ValueError(f"max_time is {value}; write '00:04:00:00' in quotes (4 hours), or {{hours: 4}}")
        return self


class Adapters(Section):
    """Low-rank adapters (LoRA) in a frozen backbone, in the words of the package peft."""

    r: PositiveInt = Field(8, description="Rank of the matrices beside a layer's weight.")
    lora_alpha: PositiveInt = Field(16, description="The adapters' outputs are scaled by lora_alpha / r.")
    lora_dropout: float = Field(0.0, ge=0, lt=1, description="Share of the adapters' inputs that is left out.")
    target_modules: Literal["auto"] | list[str] = Field(
        "auto",
        description="Layers of the backbone, linear or convolutions without groups: their names, ends of these from a "
        "dot on, or regular expressions for either; auto: all linear layers, or where there are none all convolutions.",
    )
    use_rslora: bool = Field(False, description="Scale by lora_alpha / √r instead (rank-stabilised LoRA).")
    use_dora: bool = Field(False, description="Train lengths of the weights too (weight-decomposed LoRA); slower.")

    @field_validator("target_modules", mode="before")
    @classmethod
    def _auto_or_regular_expressions(cls, value: Any) -> Any:
        if value != "auto" and (not value or not isinstance(value, list)):
            raise ValueError(f"this is {value}; set auto, or name layers in a list: [qkv, proj]")
        for pattern in map(str, value if isinstance(value, list) else ()):
            try:
                re.compile(f"(?:{pattern})")
            except re.error as error:
                raise ValueError(f"'{pattern}' is no regular expression: {error}") from error
        return value


class Compile(Section):
    """Arguments of `torch.compile`."""

    backend: str = Field("inductor", description="What compiles the network.")
    mode: Literal["default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs"] = Field(
        "default", description="How long to look for a fast form."
    )
    dynamic: bool | None = Field(
        None, description="Compile for batches of any size; unset: where they turn out to vary."
    )
    fullgraph: bool = Field(False, description="Fail where the network cannot be compiled as a whole.")


class Tune(Section):
    """What is tried out before a training, by Lightning's tuner."""

    lr: bool = Field(False, description="Look for the learning rate by a range test (Smith 2017).")
    bs: bool = Field(False, description="Look for the largest batch size that the device has memory for.")
    min_lr: PositiveFloat = Field(1e-6, description="The least learning rate of the range test.")
    max_lr: PositiveFloat = Field(1.0, description="The largest learning rate of the range test.")
    num_training: int = Field(100, ge=20, description="Optimizer steps of the range test.")
    max_bs: PositiveInt = Field(512, description="The largest batch size to try; it begins with sampling.batch_size.")

    @model_validator(mode="after")
    def _something_to_look_for(self) -> "Tune":
        if not (self.lr or self.bs):
            raise ValueError("nothing would be looked for; set lr: true, bs: true, or both")
        if self.min_lr >= self.max_lr:
            raise ValueError(f"min_lr ({self.min_lr}) has to be less than max_lr ({self.max_lr})")
        return self
