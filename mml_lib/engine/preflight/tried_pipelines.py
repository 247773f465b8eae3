"""Trial of pipelines: their parts are built as in a training, and run on a dummy batch.

Networks are built on torch's meta device, which has shapes without data, so that large networks take no memory and no
time. A network that fails there is tried again on the CPU, and only that result counts.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import nn

from mml_lib.config.gpu_options import TRAINING
from mml_lib.config.metric_options import Metrics
from mml_lib.config.schema import StudyConfig
from mml_lib.config.sections import Target
from mml_lib.config.training_options import Losses, Mixing
from mml_lib.engine.preflight.stand_in import CLASSES, dummy_batch, stand_in
from mml_lib.errors import MMLError
from mml_lib.images.transforms import packed_size, resolve
from mml_lib.inference.merged_views import MergedViews
from mml_lib.models.input_channels import COLOURS
from mml_lib.models.network import Network
from mml_lib.models.normalization import Statistics, statistics_for
from mml_lib.pipelines.pipeline import Pipeline, pipeline_config
from mml_lib.steps.training_step import TrainingStep
from mml_lib.studies.checks.class_names import counted_classes
from mml_lib.studies.study import Study
from mml_lib.task_types import LEARNABLE, TASK_TYPES
from mml_lib.tasks.struct import TaskStruct
from mml_lib.training.module import MMLModule
from mml_lib.training.trainer import build_trainer

BATCH = 4
"""Images of a dummy batch."""

LARGEST = 200_000_000
"""Parameters up to which a network that does not run on the meta device is tried on the CPU."""

SIDE = 224
"""Height and width of dummy images if the size of images is unknown."""

STEPS = 2_000
"""Most steps of a learning-rate schedule that are tried."""

DEVICE_ERROR = re.compile(r"cuda|gpu|triton|nvidia|capturable|mps", re.IGNORECASE)
"""Errors that may not occur on another device."""

META_ERROR = re.compile(r"\bmeta\b", re.IGNORECASE)
"""Errors that occur only on the meta device."""

PLAIN_OPTIMIZER = Target(target="torch.optim.SGD", lr=0.01, momentum=0.9)


class MetaNetwork(nn.Module):
    """Wrapper of a network on the meta device: takes images on the CPU and returns random outputs of the right shape.

    Args:
        network: network on the meta device; None: outputs have the shape of the heads.
        structs: the tasks.
    """

    def __init__(self, network: Network | None, structs: list[TaskStruct]):
        super().__init__()
        self.network = network
        self.in_chans = network.in_chans if network else COLOURS
        self.structs = {struct.name: struct for struct in structs}
        self.heads = {struct.name: {"task_type": struct.task_type} for struct in structs}
        if network is None:
            self.weights = nn.Linear(2, 2, bias=False)  # an optimizer needs parameters

    def forward(self, images: torch.Tensor, task: str) -> torch.Tensor:
        struct = self.structs[task]
        pixels = images.shape[-2:] if TASK_TYPES[struct.task_type].has_masks else ()
        shape = (len(images), struct.num_outputs, *pixels)
        if self.network is not None:
            shape = self.network(images.to(next(self.network.parameters()).device), task).shape
        return torch.randn(shape, generator=torch.Generator().manual_seed(0)).requires_grad_(torch.is_grad_enabled())

    def head_of(self, task: str) -> nn.Module | None:
        return self.network.head_of(task) if self.network is not None else None


@dataclass
class Outcome:
    """Outcome of building a part of a pipeline: its result, or the error."""

    result: Any = None
    mistakes: list[str] = field(default_factory=list)


def unplanned_step(study: Study) -> TrainingStep:
    """Return a training step without files, of the class that the study's mode uses."""
    snakemake = SimpleNamespace(
        **{"rule": TRAINING, "config": study.config, "threads": 1},
        **{key: {} for key in ("input", "output", "params", "wildcards")},
    )
    return (study.scheduler(study.cfg.mode.id).Step or TrainingStep)(snakemake)


class TriedPipelines:
    """Tries pipelines, each distinct part of them once.

    Args:
        study: its steps build the parts that are tried.
    """

    def __init__(self, study: Study):
        self.study = study
        self.step = unplanned_step(study)
        self._outcomes: dict[str, Outcome] = {}

    def mistakes(self, pipeline: Pipeline) -> list[str]:
        """Return the mistakes of a pipeline, one line each."""
        cfg = pipeline_config(self.study.config, pipeline, self.study.files)
        step, content = self.step, pipeline.content
        step.cfg, step.pipeline, step.fold, step.task = cfg, pipeline, 0, pipeline.task["name"]
        structs = [self._struct(task, cfg) for task in pipeline.tasks]
        size = self._size(cfg)
        network_key = [content.get(key) for key in ("arch", "decoder", "adapters")]
        network_key += [
            [[struct.name, struct.task_type, struct.num_outputs] for struct in structs],
            size,
            pipeline.pretraining,
        ]
        network = self._once("arch", network_key, lambda: self._try_network(structs, size))
        keys = ("loss", "class_weights", "mixing", "augmentations", "normalization", "store_best")
        module_key = [*network_key, cfg.monitored, cfg.metrics, *(content.get(key) for key in keys)]
        module_key.append([struct.is_weighted for struct in structs])
        model = self._once("training", module_key, lambda: self._try_module(structs, network.result, size))
        optimizer = cfg.optimizer.spec()
        outcomes = [network, model]
        if network.result is not None and not pipeline.pretraining:
            images_key = [*network_key, content.get("normalization"), content["preprocessing"]]
            build = partial(statistics_for, network.result, cfg, structs[0])
            outcomes.append(self._once("normalization", images_key, build))
        if model.result is not None:
            options = {
                key: value if isinstance(value, str) else type(value).__name__ for key, value in optimizer.items()
            }
            update = self._once("optimizer", [network_key, options], lambda: self._try_optimizer(model.result, cfg))
            trainer = {key: content["trainer"].get(key) for key in ("max_epochs", "check_val_every_n_epoch")}
            key = [
                optimizer,
                content.get("lr_scheduler"),
                trainer,
                content["sampling"],
                content.get("patches"),
            ]
            key.append(pipeline.task["id"])
            usable = cfg.model_copy(update={"optimizer": PLAIN_OPTIMIZER}) if update.mistakes else cfg
            schedule = self._once("lr_scheduler", key, lambda: self._try_schedule(model.result, usable, structs[0]))
            outcomes += [update, schedule]
        outcomes.append(
            self._once("trainer", [content["trainer"], content["callbacks"]], lambda: self._try_trainer(cfg))
        )
        if cfg.tta.transforms:
            kind = structs[0].task_type
            outcomes.append(self._once("tta", [cfg.tta, kind], partial(MergedViews, cfg.tta, kind)))
        return list(dict.fromkeys(line for outcome in outcomes for line in outcome.mistakes))

    def _once(self, part: str, key: Any, attempt: Callable[[], Any]) -> Outcome:
        """Return the outcome of a part, cached under its key."""
        name = f"{part} {key!r}"
        if name not in self._outcomes:
            try:
                result = attempt()
                self._outcomes[name] = result if isinstance(result, Outcome) else Outcome(result)
            except Exception as error:
                self._outcomes[name] = Outcome(mistakes=self._mistake_lines(part, error))
        return self._outcomes[name]

    def _mistake_lines(self, part: str, error: Exception) -> list[str]:
        """Return the line of a mistake; an empty list if it may be due to the device."""
        # Only the problem counts: the known arguments after it may be named after a device, as AdamW's `capturable`.
        problem = str(error).partition("; known: ")[0]
        is_device_error = self.step.cfg.trainer.accelerator != "cpu" and DEVICE_ERROR.search(problem)
        return [] if is_device_error else [mistake_line(part, error)]

    def _struct(self, task: Mapping[str, Any], cfg: StudyConfig) -> TaskStruct:
        path = Path(self.study.fm.path("description", task=task["name"], task_id=task["id"]))
        tasks, name = self.study.tasks, task["name"]
        is_weighted = tasks.is_known(name) and tasks.derived(name).is_weighted
        return stand_in(task, path, self._classes(task, cfg), is_weighted)

    def _classes(self, task: Mapping[str, Any], cfg: StudyConfig) -> Sequence[str] | None:
        """Return the classes of a task: known while planning, or invented, as many as the study names or counts."""
        if self.study.tasks.is_known(task["name"]) and (names := self.study.tasks.classes_of(task["name"])):
            return names
        for counted in counted_classes(cfg, task["task_type"]).values():
            return [f"class {number}" for number in range(len(counted))]
        named = list(cfg.class_weights) if isinstance(cfg.class_weights, dict) else []
        return named + [f"class {number}" for number in range(len(named), CLASSES)]

    def _size(self, cfg: StudyConfig) -> tuple[int, int] | None:
        """Return height and width of training images; None if they are unknown before packing."""
        if cfg.patches is not None:
            return cfg.patches.sides
        transforms = resolve(cfg.preprocessing)
        return None if any("_target_" in spec for spec in transforms) else packed_size(transforms)

    # --- the network --------------------------------------------------------------------------------------------

    def _try_network(self, structs: list[TaskStruct], size: tuple[int, int] | None) -> Network | None:
        """Return the network on the meta device or the CPU; None if it is too large to be tried."""
        try:
            with torch.device("meta"):
                network = self._build_network(structs)
            learn(network, structs, size)
        except Exception as error:
            if isinstance(error, MMLError) and not META_ERROR.search(str(error)):
                raise
            network = self._build_network(structs)
            if sum(parameter.numel() for parameter in network.parameters()) > LARGEST:
                return None
            learn(network, structs, size)
        return network

    def _build_network(self, structs: list[TaskStruct]) -> Network:
        return self.step.create_network(structs, has_source=bool(self.step.pipeline.pretraining))

    # --- loss, augmentation, metrics ----------------------------------------------------------------------------

    def _try_module(self, structs: list[TaskStruct], network: Network | None, size: tuple[int, int] | None) -> Outcome:
        """Try a training and a validation step. If one fails, find the sections that cause it."""
        cfg = self.step.cfg
        size = size or native_size(network)
        try:
            return Outcome(self._run_steps(cfg, structs, network, size))
        except Exception as error:
            first_error = error
        plain = {
            "augmentations": type(cfg.augmentations)(transforms=[]),
            "loss": Losses(**{name: {"_target_": TASK_TYPES[name].default_loss} for name in LEARNABLE}),
            "metrics": Metrics(),
            "class_weights": None,
            "mixing": None,
        }
        lines = []
        for section in plain:
            update = {key: value for key, value in plain.items() if key != section}
            try:
                self._run_steps(cfg.model_copy(update=update), structs, network, size)
            except Exception as error:
                lines += self._mistake_lines(section, error)
        try:
            model = self._run_steps(cfg.model_copy(update=plain), structs, network, size)
        except Exception:
            return Outcome(mistakes=self._mistake_lines("training", first_error))
        return Outcome(model, lines or self._mistake_lines("training", first_error))

    def _run_steps(
        self, cfg: StudyConfig, structs: list[TaskStruct], network: Network | None, size: tuple[int, int]
    ) -> MMLModule:
        """Return a module after a training step and a validation step."""
        mixing = cfg.mixing and Mixing(**cfg.mixing.model_dump() | {"p": 1.0})
        step, before = self.step, self.step.cfg
        step.cfg = cfg.model_copy(update={"mixing": mixing})
        try:
            meta = MetaNetwork(network, structs)
            neutral = Statistics([0.5] * meta.in_chans, [0.25] * meta.in_chans)
            model = step.create_module(meta, structs, neutral)
        finally:
            step.cfg = before
        batches = {}
        for struct in structs:
            batches[struct.name] = dummy_batch(struct, BATCH, size, meta.in_chans)
        for _ in range(2):  # augmentations are applied at random
            loss = model.training_step(batches if len(structs) > 1 else batches[structs[0].name], 0)
        if loss.ndim:
            raise MMLError(f"loss: it gives {'×'.join(map(str, loss.shape))} values for a batch; set reduction: mean")
        loss.backward()
        with torch.no_grad():
            model.eval().validation_step(batches[structs[0].name], 0)
        model.train()
        for metric in model.metrics.values():
            metric.compute()
        return model

    # --- optimizer and schedule ---------------------------------------------------------------------------------

    def _configure(self, model: MMLModule, cfg: StudyConfig, steps: int) -> tuple[Any, Any]:
        """Return the optimizer and the schedule of a training, the latter with its interval, or None."""
        every = (cfg.trainer.model_extra or {}).get("check_val_every_n_epoch", 1)
        model.optimizer_spec, model.lr_scheduler = cfg.optimizer.spec(), cfg.lr_scheduler
        model.trainer = SimpleNamespace(
            max_epochs=cfg.trainer.max_epochs, estimated_stepping_batches=steps, check_val_every_n_epoch=every
        )
        configured = model.configure_optimizers()
        if isinstance(configured, Mapping):
            return configured["optimizer"], configured["lr_scheduler"]
        return configured, None

    def _try_optimizer(self, model: MMLModule, cfg: StudyConfig) -> None:
        optimizer, _ = self._configure(model, cfg.model_copy(update={"lr_scheduler": None}), 1)
        try:
            optimizer.step(lambda: torch.zeros(()))
        except Exception as error:
            if not META_ERROR.search(str(error)):
                raise

    def _try_schedule(self, model: MMLModule, cfg: StudyConfig, struct: TaskStruct) -> None:
        """Try a schedule on the least number of steps that the training has."""
        samples = struct.header["num_samples"].get("train", 0) * (cfg.patches.per_image if cfg.patches else 1)
        batches = max(1, int(0.9 * samples * (1 - 1 / max(2, struct.num_folds)) / cfg.sampling.batch_size))
        total = cfg.trainer.max_epochs * batches
        _, schedule = self._configure(model, cfg, total)
        if schedule is None:
            return
        steps = total if schedule["interval"] == "step" else cfg.trainer.max_epochs
        value = [1.0] if isinstance(schedule["scheduler"], torch.optim.lr_scheduler.ReduceLROnPlateau) else []
        for _ in range(min(steps, STEPS)):
            schedule["scheduler"].step(*value)

    # --- callbacks and trainer ----------------------------------------------------------------------------------

    def _try_trainer(self, cfg: StudyConfig) -> Outcome:
        """Build each callback, and the trainer with them, for one device of this machine."""
        options = {"accelerator": "cpu", "devices": 1, "strategy": "auto", "profiler": None}
        if cfg.trainer.precision == "16-mixed":
            options["precision"] = "32-true"
        lines = []
        for name, callback in cfg.callbacks.items():
            try:
                build_trainer(cfg.model_copy(update={"callbacks": {name: callback}}), Path(), options)
            except Exception as error:
                lines += self._mistake_lines("callbacks", error)
        if not lines:
            build_trainer(cfg, Path(), options)
        return Outcome(mistakes=lines)


def learn(network: Network, structs: list[TaskStruct], size: tuple[int, int] | None) -> None:
    """Run the forward and the backward pass of a batch of each task."""
    device = next(network.parameters()).device
    network.train()
    for struct in structs:
        images = torch.zeros(BATCH, network.in_chans, *(size or native_size(network)), device=device)
        outputs = network(images, struct.name)
        outputs.sum().backward()


def native_size(network: Network | None) -> tuple[int, int]:
    """Return the image size of a backbone's pretraining, at most `SIDE` unless it is fixed."""
    settings = getattr(network.backbone, "pretrained_cfg", None) if network is not None else None
    height, width = (settings or {}).get("input_size", (3, SIDE, SIDE))[-2:]
    return (height, width) if (settings or {}).get("fixed_input_size") else (min(height, SIDE), min(width, SIDE))


def mistake_line(section: str, error: Exception) -> str:
    """Return a mistake as one line that starts with its key."""
    text = " ".join(str(error).split()) or type(error).__name__
    if not isinstance(error, MMLError):
        return f"{section}: {type(error).__name__}: {text}"
    key = ""
    if (match := re.match(r"([a-z_]+)((?:\.\w+)*)(: | )", text)) and match[1] in SECTIONS:
        if match[3] != ": ":
            return text
        section, key, text = match[1], match[2], text[match.end() :]
    if not key and (match := re.search(r"takes no argument '(\w+)'", text)):
        key = f".{match[1]}"
    return f"{section}{key}: {text}"


SECTIONS = (
    *("arch", "decoder", "adapters", "loss", "class_weights", "mixing", "augmentations", "normalization", "tta"),
    *("optimizer", "lr_scheduler", "trainer", "callbacks", "metrics", "preprocessing", "store_best", "sampling"),
)
