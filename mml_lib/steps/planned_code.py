"""The user's code that decides the result of a step: it must be the code that the step was planned with."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from mml_lib.errors import MMLError
from mml_lib.pipelines.own_code import changed_modules, code_of, code_of_hooks, code_of_modules, code_of_registered
from mml_lib.pipelines.pipeline import own_code
from mml_lib.pipelines.step_hooks import PREDICTING, code_of_steps

if TYPE_CHECKING:
    from mml_lib.steps.step import Step
    from mml_lib.steps.training_step import TrainingStep

TRAINING_RULES = ("train_fold", "tune_fold", "train_trial")
"""Rules that train the pipeline of their input."""

PREDICTION_RULES = ("predict_fold", "predict_other", "compute_fisher")
"""Rules that load a network of the pipeline of their input."""

NETWORK = ("arch", "decoder", "adapters")
"""Sections of a pipeline that state a network."""


def check_planned_code(step: "Step") -> None:
    """Refuse a step if the user's code that decides its result is not the code that it was planned with.

    Its outputs would otherwise state other code than they come from, and be used again once the change is undone.

    Raises:
        MMLError: a module has changed.
    """
    if step.rule in TRAINING_RULES:
        check_training_code(cast("TrainingStep", step))
    elif step.rule in PREDICTION_RULES:
        check_network_code(cast("TrainingStep", step))
    check_param_code(step)


def check_training_code(step: "TrainingStep") -> None:
    """Refuse to train if the user's code has changed since planning.

    Raises:
        MMLError: a module has changed.
    """
    network = f"run {step.run} of {step.task}: "
    refuse_changes(step.pipeline.code, _code_now(step), network, remedy=", which trains a new run")


def check_network_code(step: "TrainingStep") -> None:
    """Refuse to predict if the user's code of the network is not that of its training. Code of a loss may differ.

    Raises:
        MMLError: a module has changed.
    """
    planned, content = step.pipeline.code, step.pipeline.content
    if not planned:
        return
    sections = {name: content.get(name) for name in NETWORK}
    names = planned.keys() & {**code_of(sections), **code_of_registered(content["arch"].get("name"))}.keys()
    if not names:
        return
    now = _code_now(step)
    trained, current = ({name: code.get(name, "") for name in names} for code in (planned, now))
    remedy = ", which trains a new run, or undo the change"
    refuse_changes(trained, current, f"run {step.run} of {step.task}: ", "the training", remedy)


def check_param_code(step: "Step") -> None:
    """Refuse a step if the user's code in its param `code` has changed since planning: metrics, views of `tta`, hooks.

    Raises:
        MMLError: a module has changed.
    """
    planned: Mapping[str, Any] = step.params.get("code") or {}
    if "modules" in planned:
        check_measure_code(step, planned["modules"])
        return
    if not planned:
        return
    now = code_of_modules(planned)
    if step.scheduler_class is not None:
        hooks = code_of_hooks(step.scheduler_class, PREDICTING)
        now |= {name: hooks[name] for name in planned if hooks.get(name) == planned[name]}
    refuse_changes(planned, {name: now.get(name, "") for name in planned})


def check_measure_code(step: "Step", planned: Mapping[str, str]) -> None:
    """Refuse to compute distances if the user's code of their measure has changed since planning.

    Args:
        step: step of a measure.
        planned: digest of each module; empty for a measure of MML.

    Raises:
        MMLError: a module has changed.
    """
    if not planned:
        return
    from mml_lib.distances import MEASURES

    refuse_changes(planned, MEASURES[str(step.measure)].code)


def refuse_changes(
    planned: Mapping[str, str], now: Mapping[str, str], subject: str = "", since: str = "planning", remedy: str = ""
) -> None:
    """Refuse code that differs from the planned code.

    Args:
        planned, now: digest of each module.
        subject: what the code belongs to, before the message.
        since: the event that the code is compared with.
        remedy: what follows "run the command again".

    Raises:
        MMLError: a module has changed.
    """
    if modules := changed_modules(planned, now):
        changed = f"the code of {', '.join(modules)} has changed since {since}"
        raise MMLError(f"{subject}{changed}; run the command again{remedy}")


def _code_now(step: "TrainingStep") -> dict[str, str]:
    code = code_of_steps(step.config.get("plugins") or (), step.scheduler_class)
    return own_code(step.pipeline.content, code)
