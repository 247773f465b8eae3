"""Checks of a pipeline before anything is trained."""

import re
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from numbers import Real
from typing import Any

from mml_lib.config.metric_options import NAMED, is_metric, lower_is_better
from mml_lib.config.schema import StudyConfig
from mml_lib.config.sections import Target
from mml_lib.config.task_options import ARGUMENT, REDIVIDING, SEPARATOR
from mml_lib.config.training_options import CLASS_WEIGHTS
from mml_lib.data.tta import build_view
from mml_lib.errors import MMLError, nearest
from mml_lib.studies.checks.colour_checks import check_stated_colours
from mml_lib.studies.checks.crop_sizes import check_patches
from mml_lib.studies.checks.named_parts.target_arguments import check_targets
from mml_lib.studies.checks.network_names import check_network_name
from mml_lib.studies.checks.partial_labels import check_partial_labels
from mml_lib.studies.checks.weighing import check_weighing_metrics
from mml_lib.task_types import IGNORE, TASK_TYPES
from mml_lib.tasks.task_identity import TaskIdentity, held_out_key

CROSS_ENTROPY = "torch.nn.CrossEntropyLoss"
FOCAL = "mml_lib.models.losses.FocalLoss"
GPU_RULES = ("train_fold", "tune_fold", "train_trial", "predict_fold", "extract_features", "compute_fisher")
WITHOUT_MASKS = ("torchvision.transforms.", "torch.nn.", "kornia.enhance.", "kornia.filters.", "kornia.geometry.")
"""Packages whose transforms do not support masks, unlike `torchvision.transforms.v2`."""
AVERAGING = ("StochasticWeightAveraging", "EMAWeightAveraging", "WeightAveraging")

LOSSES: Mapping[str, tuple[str, ...]] = {
    CROSS_ENTROPY: ("classification", "semantic_segmentation"),
    "torch.nn.BCEWithLogitsLoss": ("multilabel_classification",),
    "torch.nn.MultiLabelSoftMarginLoss": ("multilabel_classification",),
    "mml_lib.models.losses.CrossEntropyDice": ("semantic_segmentation",),
    FOCAL: ("classification", "multilabel_classification", "semantic_segmentation"),
    "torch.nn.MSELoss": ("regression",),
    "torch.nn.L1Loss": ("regression",),
    "torch.nn.SmoothL1Loss": ("regression",),
    "torch.nn.HuberLoss": ("regression",),
    "torch.nn.BCELoss": (),
    "torch.nn.HingeEmbeddingLoss": (),
    "torch.nn.KLDivLoss": (),
    "torch.nn.MultiLabelMarginLoss": (),
    "torch.nn.NLLLoss": (),
    "torch.nn.SoftMarginLoss": (),
}
"""Task types of well-known losses. With other targets, or with logits, they would run with meaningless results."""


def check_trainable(task: TaskIdentity, cfg: StudyConfig) -> None:
    """Refuse a pipeline that cannot train a task.

    Raises:
        MMLError: an unknown network, an object that cannot be built, no loss or one of another task type, no decoder,
            no metrics or those of another type, balance without classes, mixing or class weights that do not suit it,
            callbacks that get in each other's way, views (`tta`) that cannot be built.
    """
    kind = task.task_type
    _check_loss(task, cfg)
    if task.is_partial:
        check_partial_labels(task.name, kind, cfg)
    if task.is_weighted and cfg.weighted_metrics:
        check_weighing_metrics(task.name, kind, cfg)
    check_targets(task, cfg)
    check_network_name(cfg.arch.spec())
    _check_rates(cfg)
    _check_class_weights(task, cfg)
    _check_mixing(task, cfg)
    _check_augmentations(task, cfg)
    _check_store_best(task, cfg)
    _check_monitored(task, cfg)
    _check_averaging(cfg)
    _check_tune(cfg)
    _check_devices(cfg)
    _check_gpus(cfg)
    _check_validated(cfg)
    _check_tta(task, cfg)
    _check_adapters(cfg)
    _check_decoder(task, cfg)
    check_patches(task, cfg)
    check_stated_colours(task, cfg)
    if cfg.sampling.balanced and not TASK_TYPES[kind].is_single_label:
        raise MMLError(f"sampling.balanced: {task.name} is a {kind}, which has no classes to balance; set it to false")
    if not cfg.metrics_of(kind):
        raise MMLError(f"metrics: there is none for {task.name}, a {kind}; name one, or set metrics: default")
    for metric in cfg.metrics_of(kind):
        if isinstance(metric, str) and not is_metric(metric, kind):
            raise MMLError(f"metrics: '{metric}' is not for {kind} ({task.name}){nearest(metric, NAMED[kind])}")


def check_co_task(task: TaskIdentity, cfg: StudyConfig) -> None:
    """Refuse a pipeline that cannot train a co-task.

    Raises:
        MMLError: no loss or one of another task type, an object that cannot be built, no decoder.
    """
    _check_loss(task, cfg)
    if task.is_partial:
        check_partial_labels(task.name, task.task_type, cfg)
    check_targets(task, cfg)
    _check_augmentations(task, cfg)
    _check_decoder(task, cfg)


def check_pretraining(
    task: TaskIdentity, cfg: StudyConfig, pretrained_on: Mapping[str, Any], reported: bool, freeze: bool
) -> None:
    """Refuse to start from a model that cannot be trained further, or that has seen test samples of a task.

    Args:
        task: task to be learned.
        cfg: a variant of the study.
        pretrained_on: entry of the task in the model's pipeline.
        reported: True if the task's validation split is reported.
        freeze: True if the backbone is frozen.

    Raises:
        MMLError: leakage, or callbacks and adapters that change what is frozen.
    """
    if freeze and cfg.adapters:
        raise MMLError("mode.freeze: adapters change the backbone, which is to be kept; leave one of them out")
    swa = [name for name, callback in cfg.callbacks.items() if callback.target.endswith("StochasticWeightAveraging")]
    if freeze and swa:
        raise MMLError(
            f"mode.freeze: callbacks.{swa[0]} gathers the backbone's batch statistics anew; leave one of them out"
        )
    if pretrained_on["dataset"] != task.dataset:
        return
    definition = task.definition()
    whole, other = (held_out_key(part, task.brings_test, REDIVIDING) for part in (definition, pretrained_on))
    if whole != other:
        raise MMLError(
            f"mode.pretrain_task: {pretrained_on['name']} divides the images of {task.name} in another way, so its "
            "models may have seen what is tested; give both the same folds, test_fraction, seed and idx_to_class, "
            "or one data set in datasets that states its folds"
        )
    nested = re.match(rf".*?\{SEPARATOR}nested{ARGUMENT}[^{SEPARATOR}]*", task.name)
    if nested and held_out_key(definition, False, ["nested"]) != held_out_key(pretrained_on, False, ["nested"]):
        raise MMLError(
            f"mode.pretrain_task: {pretrained_on['name']} has images that {task.name} holds out for its test; choose a "
            f"task of other images, a tag on {nested[0]}, or, of one division, +nested of the same fold"
        )
    if not nested and reported:
        raise MMLError(
            f"mode.pretrain_task: {pretrained_on['name']} has the images that {task.name} is validated on, which is "
            f"reported; give it a test split (tasks.{task.base_name}.test_fraction), or choose a task of other images"
        )


def _check_decoder(task: TaskIdentity, cfg: StudyConfig) -> None:
    if TASK_TYPES[task.task_type].has_masks and cfg.decoder is None:
        raise MMLError(f"decoder: the segmentation {task.name} needs one; set decoder: unet")


def _check_loss(task: TaskIdentity, cfg: StudyConfig) -> None:
    kind, loss = task.task_type, cfg.loss_of(task.task_type)
    if loss is None:
        raise MMLError(f"loss: there is none for {kind} ({task.name}); set loss: default, or loss.{kind}")
    if kind not in LOSSES.get(loss.target, (kind,)):
        raise MMLError(f"loss: {loss.target} is not for {kind} ({task.name}); set loss: default, or loss.{kind}")
    if TASK_TYPES[kind].has_masks and loss.target == CROSS_ENTROPY and loss.spec().get("ignore_index") != IGNORE:
        raise MMLError(
            f"loss: {loss.target} has to leave out ignored pixels of {task.name}; set ignore_index: {IGNORE}"
        )


def _check_rates(cfg: StudyConfig) -> None:
    optimizer = cfg.optimizer.spec()
    for key, least in (("lr", "above 0"), ("weight_decay", "of 0 or more")):
        value = optimizer.get(key, 1)
        number = isinstance(value, Real) and not isinstance(value, bool)
        if not number or not (0 < value < float("inf") or (value == 0 and key != "lr")):
            raise MMLError(f"optimizer.{key} is {value!r}; write a number {least}")


def _check_class_weights(task: TaskIdentity, cfg: StudyConfig) -> None:
    if cfg.class_weights is None:
        return
    if TASK_TYPES[task.task_type].has_values:
        raise MMLError(f"class_weights: {task.name} is a regression, which has no classes; leave it out")
    if cfg.class_weights == "balanced" and cfg.sampling.balanced:
        raise MMLError("class_weights: with sampling.balanced the classes are balanced already; set one of them only")
    loss = cfg.loss_of(task.task_type)
    if weights := [key for key in CLASS_WEIGHTS if loss and key in loss.spec()]:
        raise MMLError(f"class_weights: the loss has weights of its own, loss.{weights[0]}; set one of them only")


def _check_mixing(task: TaskIdentity, cfg: StudyConfig) -> None:
    if cfg.mixing is None:
        return
    if not TASK_TYPES[task.task_type].is_mixable:
        raise MMLError(f"mixing: the targets of a {task.task_type} ({task.name}) cannot be mixed; set mixing: null")
    loss = cfg.loss_of(task.task_type)
    if TASK_TYPES[task.task_type].is_single_label and loss and loss.target == FOCAL:
        raise MMLError("mixing: the focal loss takes no mixed classes; set loss: default, or mixing: null")


def _check_augmentations(task: TaskIdentity, cfg: StudyConfig) -> None:
    """Refuse transforms that are known not to move masks. Others are checked when they are built."""
    for transform in cfg.augmentations.of(task.task_type) if TASK_TYPES[task.task_type].has_masks else ():
        path = transform.target
        if path.startswith(WITHOUT_MASKS) and not path.startswith("torchvision.transforms.v2."):
            first = path.startswith("torchvision.")
            name = f"torchvision.transforms.v2.{path.rpartition('.')[2]}" if first else "a part of kornia.augmentation"
            raise MMLError(
                f"augmentations.transforms: {path} cannot move the masks of {task.name}; name {name}, which does, or "
                "leave it out"
            )


def _check_monitored(task: TaskIdentity, cfg: StudyConfig) -> None:
    columns = ["train/loss", "val/loss", *(f"val/{metric}" for metric in NAMED[task.task_type])]
    if cfg.lr_scheduler and "lr_scheduler" in cfg.monitored and cfg.lr_scheduler.interval != "epoch":
        raise MMLError("lr_scheduler.interval: a plateau is looked for epoch by epoch; set it to epoch")
    for key, column in cfg.monitored.items():
        split, _, name = column.partition("/")
        if column not in columns and not (split == "val" and is_metric(name, task.task_type)):
            raise MMLError(f"{key}.monitor: {task.name} has no '{column}'{nearest(column, columns)}")
        of_schedule = key == "lr_scheduler"
        section: Target | None = cfg.lr_scheduler if of_schedule else cfg.callbacks[key.removeprefix("callbacks.")]
        metric = column.split("/")[1]
        mode = "min" if lower_is_better(metric) else "max"
        is_directed = section and section.target.endswith((".EarlyStopping", ".ReduceLROnPlateau"))
        if section and is_directed and section.spec().get("mode", "min") != mode:
            raise MMLError(f"{key}.mode: the best {metric} is the {mode}imum; set mode: {mode}")


def _check_validated(cfg: StudyConfig) -> None:
    extra_options = cfg.trainer.model_extra or {}
    every = extra_options.get("check_val_every_n_epoch", 1)
    if not isinstance(every, int) or every < 1 or cfg.trainer.max_epochs % every:
        raise MMLError(
            f"trainer.check_val_every_n_epoch is {every}, but the last epoch has to be validated; set a divisor of "
            f"trainer.max_epochs ({cfg.trainer.max_epochs})"
        )
    others = [f"trainer.{key}" for key in ("max_time", "max_steps") if key in extra_options]
    others += [f"callbacks.{name}" for name, callback in cfg.callbacks.items() if callback.target.endswith(AVERAGING)]
    if every > 1 and others:
        raise MMLError(
            f"trainer.check_val_every_n_epoch: with {others[0]} the last epoch has to be validated; leave it out"
        )


def _check_tune(cfg: StudyConfig) -> None:
    schedule = cfg.lr_scheduler.spec() if cfg.lr_scheduler else {}
    if cfg.tune and cfg.tune.lr and isinstance(schedule.get("max_lr"), int | float):
        raise MMLError("tune.lr: lr_scheduler.max_lr would win over the rate that is found; set it to ${lr}")


def _check_devices(cfg: StudyConfig) -> None:
    devices = cfg.trainer.devices
    if devices > 1 and cfg.sampling.batch_size < 2 * devices:
        raise MMLError(
            f"trainer.devices: {devices} devices cannot divide batches of {cfg.sampling.batch_size} images; set "
            f"sampling.batch_size to {2 * devices} or more"
        )
    if devices > 1 and cfg.tune:
        raise MMLError("tune: what is tried out on one device does not hold for trainer.devices; set tune: none")
    if cfg.trainer.strategy != "auto" and devices == 1:
        raise MMLError(f"trainer.strategy: {cfg.trainer.strategy} is for several; set trainer.devices, or leave it out")


def _check_gpus(cfg: StudyConfig) -> None:
    accelerator, devices = cfg.trainer.accelerator, cfg.trainer.devices
    for rule, request in cfg.resources.items():
        if request.gpu is None and request.gpu_mem_mb is None:
            continue
        key = f"resources.{rule}.{'gpu' if request.gpu is not None else 'gpu_mem_mb'}"
        if rule not in GPU_RULES and not cfg.rules:
            raise MMLError(
                f"{key}: these steps compute on no GPU, but those of {', '.join(GPU_RULES)} do; leave it out"
            )
        if accelerator == "cpu" and request.gpu != 0:
            raise MMLError(f"{key}: with trainer.accelerator: cpu no GPU is used; leave one of them out")
        if accelerator in ("gpu", "cuda") and request.gpu == 0:
            raise MMLError(f"{key}: trainer.accelerator: {accelerator} needs a GPU; leave one of them out")
        if request.gpu and rule == "train_fold" and request.gpu != devices:
            raise MMLError(f"{key} is {request.gpu}, but trainer.devices is {devices}; leave one of them out")
        if (request.gpu or 0) > 1 and rule in GPU_RULES[1:]:
            raise MMLError(f"{key} is {request.gpu}, but such a step uses one GPU; set it to 1, or leave it out")


def _check_averaging(cfg: StudyConfig) -> None:
    for name, callback in cfg.callbacks.items():
        if callback.target.startswith("lightning.") and callback.target.endswith(AVERAGING):
            raise MMLError(
                f"callbacks.{name}: {callback.target} loses the average when it is interrupted after the last epoch; "
                "set callbacks: swa, or ema"
            )
        if not callback.target.endswith("StochasticWeightAveraging"):
            continue
        limits = [f"trainer.{key}" for key in ("max_time", "max_steps") if key in (cfg.trainer.model_extra or {})]
        stopping = [key for key, callback in cfg.callbacks.items() if "EarlyStopping" in callback.target]
        limits += [f"callbacks.{key}" for key in stopping]
        if limits:
            raise MMLError(f"{limits[0]} could end a training before callbacks.{name} averages; leave one of them out")


def _check_store_best(task: TaskIdentity, cfg: StudyConfig) -> None:
    if cfg.store_best is None:
        return
    metrics = ["loss", *NAMED[task.task_type]]
    if cfg.store_best.metric != "loss" and not is_metric(cfg.store_best.metric, task.task_type):
        raise MMLError(
            f"store_best: '{cfg.store_best.metric}' tells nothing of {task.task_type} ({task.name})"
            f"{nearest(cfg.store_best.metric, metrics)}"
        )
    if any(callback.target.endswith(AVERAGING) for callback in cfg.callbacks.values()):
        raise MMLError("store_best: averaged weights are no epoch's; leave out store_best, or the averaging callback")


def _check_tta(task: TaskIdentity, cfg: StudyConfig) -> None:
    if cfg.tta.transforms and cfg.tta.merge == "max" and TASK_TYPES[task.task_type].has_values:
        raise MMLError(
            f"tta.merge: max is not defined for the values of a regression ({task.name}); set tta.merge: mean"
        )
    for transform in cfg.tta.transforms:
        # Other classes are built for predictions: importing them here might import torch.
        if transform.target.rpartition(".")[0] in sys.modules:
            build_view(transform.spec())


def _check_adapters(cfg: StudyConfig) -> None:
    if cfg.adapters and find_spec("peft") is None:
        raise MMLError('adapters: the package peft, which they need, is missing; run pip install "mml[peft]"')


def check_other(other: TaskIdentity, task: TaskIdentity) -> None:
    """Refuse to test a network on another task whose test samples it may have learned.

    Raises:
        MMLError: leakage.
    """
    if not other.has_test or other.dataset != task.dataset:
        return
    brings, definition = task.brings_test, task.definition()
    learned = {held_out_key(definition, brings, tags) for tags in (REDIVIDING, (*REDIVIDING, "nested"))}
    if held_out_key(other.definition(), brings, (*REDIVIDING, "nested")) not in learned:
        raise MMLError(
            f"mode.eval_on: {task.name} may learn images that {other.name} is tested on, as they are divided in "
            "another way; give both the same folds, test_fraction, seed and idx_to_class, or one data set in datasets "
            "that states its folds, or leave it out"
        )


def holds_out_alike(task: TaskIdentity, learned: Mapping[str, Any]) -> bool:
    """Return True if a network of a fold saw no sample that a task holds out in this fold or for the test.

    So it is with other images, and where folds and test split of both come from one division: tags that only leave out
    samples, or change labels, keep it.

    Args:
        task: predicted task.
        learned: entry of the learned task in a pipeline.
    """
    tags = (*REDIVIDING, "nested")
    same_division = held_out_key(learned, False, tags) == held_out_key(task.definition(), False, tags)
    return learned["dataset"] != task.dataset or same_division


def check_leakage(task: TaskIdentity, cfg: StudyConfig) -> None:
    """Refuse to report a validation split by which the pipeline chooses something.

    Raises:
        MMLError: the pipeline looks at the validation split.
    """
    lookers = {"search": cfg.search is not None, "store_best": cfg.store_best is not None}
    lookers["lr_scheduler"] = cfg.lr_scheduler is not None and "ReduceLROnPlateau" in cfg.lr_scheduler.target
    lookers["callbacks"] = any("EarlyStopping" in callback.target for callback in cfg.callbacks.values())
    if choosing := [key for key, looks in lookers.items() if looks]:
        raise MMLError(
            f"{choosing[0]} chooses by the validation split of {task.name}, which is reported too; set mode.nested: "
            f"true, give the task a test split (tasks.{task.base_name}.test_fraction), or leave {choosing[0]} out"
        )
