"""Hooks of a scheduler in the steps of its mode, and the blocks of a step that its `Step` may override."""

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mml_lib.config.factories import TARGET, import_target
from mml_lib.config.plugins import module_of
from mml_lib.config.reading.presets import resolve_presets
from mml_lib.pipelines.own_code import code_of_hooks, code_of_patches

if TYPE_CHECKING:
    from lightning.pytorch import Trainer

    from mml_lib.data.datamodule import MMLDataModule
    from mml_lib.steps.step import Step
    from mml_lib.steps.training_step import TrainingStep
    from mml_lib.training.module import MMLModule

STEP_HOOKS = ("after_preparation_hook", "before_training_hook", "after_training_hook")
"""Hooks that light steps and trainings call."""

ALL_HOOKS = (*STEP_HOOKS, "before_finishing_hook")

BLOCKS = (
    *("get_struct", "get_structs", "get_eval_struct", "create_datamodule", "create_model", "create_network"),
    *("create_module", "pretrained", "create_trainer", "lightning_tune", "apply_tuning", "last_checkpoint"),
    *("load_model", "predict", "store_model"),
)
"""Building blocks of a `TrainingStep` that a class derived from it may override."""

TRAINING = (
    *STEP_HOOKS,
    *("get_struct", "get_structs", "create_datamodule", "create_model", "create_network", "create_module"),
    *("pretrained", "create_trainer", "lightning_tune", "apply_tuning", "last_checkpoint", "store_model"),
)
"""Hooks and blocks that the result of a training depends on."""

PREDICTING = ("after_preparation_hook", "get_struct", "get_eval_struct", "load_model", "create_module", "predict")
"""Hooks and blocks that the predictions of a network depend on."""


class StepHooks:
    """Hooks that schedulers override. By default, they do nothing. The first argument is the calling step."""

    def after_preparation_hook(self, step: "Step") -> None:
        """Called in every step after it is opened."""

    def before_training_hook(
        self, step: "TrainingStep", data: "MMLDataModule", model: "MMLModule", trainer: "Trainer"
    ) -> None:
        """Called before a network is trained."""

    def after_training_hook(
        self, step: "TrainingStep", data: "MMLDataModule", model: "MMLModule", trainer: "Trainer"
    ) -> None:
        """Called after a network is trained, before it is stored."""

    def before_finishing_hook(self, step: "Step") -> None:
        """Called in the last step of a plan. It may set `step.return_value`."""


def mode_of(config: Mapping[str, Any], folders: Sequence[Path], mode: str | None = None) -> dict[str, Any]:
    """Return the section `mode` of a study, or the preset of another mode.

    Args:
        config: config of the study, before validation.
        folders: folders of presets.
        mode: id of the mode; None: the study's own.
    """
    own = resolve_presets({"mode": config["mode"]}, folders)["mode"]
    return own if mode in (None, str(own["id"])) else resolve_presets({"mode": mode}, folders)["mode"]


def own_scheduler(config: Mapping[str, Any], folders: Sequence[Path], mode: str | None = None) -> type | None:
    """Import the scheduler class of a mode if steps may depend on it.

    Args:
        config: config of the study, before validation.
        folders: folders of presets.
        mode: id of the mode; None: the study's own.

    Returns:
        The class; None for a class of MML in a study without plugins, because only plugins could change it.
    """
    target = mode_of(config, folders, mode)["scheduler"][TARGET]
    return import_target(target) if config.get("plugins") or not target.startswith("mml_lib.") else None


def overrides_hooks(scheduler: type | None) -> bool:
    """Return True if a scheduler class overrides a hook that steps call before the last one."""
    return any(getattr(scheduler, hook) is not getattr(StepHooks, hook) for hook in STEP_HOOKS if scheduler)


def misfit_hooks(hooks: StepHooks) -> list[str]:
    """Return the signature of each hook that cannot be called with the arguments that steps pass."""
    misfits = []
    for name in ALL_HOOKS:
        arguments = list(inspect.signature(getattr(StepHooks, name)).parameters)
        try:
            inspect.signature(getattr(hooks, name)).bind(*arguments[1:])
        except TypeError:
            misfits.append(f"{name}({', '.join(arguments)})")
    return misfits


def code_of_steps(plugins: Sequence[str], scheduler: type | None) -> dict[str, str]:
    """Return the digests of the user's own modules that every training of a study depends on.

    These are plugins that change other modules, and modules with classes that override a hook or block of a training.

    Args:
        plugins: modules or files.
        scheduler: scheduler class of the study; None for a class of MML.
    """
    patches = code_of_patches([module_of(plugin) for plugin in plugins])
    return {**patches, **code_of_hooks(scheduler, TRAINING)} if scheduler else patches
