"""Classes that a study names or counts. They are checked before images are packed, when a task's classes are known."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mml_lib.config.schema import StudyConfig
from mml_lib.config.task_options import SEPARATOR
from mml_lib.config.training_options import CLASS_WEIGHTS
from mml_lib.errors import MMLError, nearest
from mml_lib.studies.checks.partial_labels import check_partial_labels
from mml_lib.studies.checks.study_checks import LOSSES
from mml_lib.studies.checks.weighing import check_weighing_metrics

if TYPE_CHECKING:
    from mml_lib.schedulers.base import AbstractBaseScheduler


def check_class_names(
    task: str, task_type: str, classes_of: Callable[[str], Sequence[str] | None], cfg: StudyConfig
) -> None:
    """Refuse weights of classes that a task does not have, and lists of another length.

    Args:
        task: its name.
        task_type: task type.
        classes_of: returns its classes in the order of their indices; None if they are not known yet.
        cfg: a variant of the study.

    Raises:
        MMLError: the first key.
    """
    loss = cfg.loss_of(task_type)
    named = cfg.class_weights if isinstance(cfg.class_weights, Mapping) else {}
    counted = counted_classes(cfg, task_type) if loss and loss.target in LOSSES else {}
    if not (named or counted) or not (classes := classes_of(task)):
        return
    for name in named:
        if name not in classes:
            raise MMLError(f"class_weights: {task} has no class '{name}'{nearest(name, classes)}")
    for key, value in counted.items():
        _check_length(f"loss.{key}", value, task, classes)


def counted_classes(cfg: StudyConfig, task_type: str) -> dict[str, list[float]]:
    """Return the arguments of a loss that are lists with a number for each class."""
    loss = cfg.loss_of(task_type)
    arguments = loss.spec() if loss else {}
    return {key: value for key, value in arguments.items() if key in CLASS_WEIGHTS and isinstance(value, list)}


def check_prior(task: str, classes: Sequence[str] | None, prior: Any) -> None:
    """Refuse a prior that has not one frequency for each class.

    Raises:
        MMLError: it has more, or fewer.
    """
    if classes and isinstance(prior, list):
        _check_length("mode.prior", prior, task, classes)


def _check_length(key: str, values: Sequence[float], task: str, classes: Sequence[str]) -> None:
    if len(values) != len(classes):
        raise MMLError(
            f"{key}: there are {len(values)} numbers, and {task} has {len(classes)} classes; give one for each of "
            f"{', '.join(classes)}"
        )


def check_same_classes(
    task: str,
    classes: Sequence[str] | None,
    other: str,
    other_classes: Sequence[str] | None,
    key: str = "eval_on",
) -> None:
    """Refuse to evaluate a network on a task with different classes.

    Args:
        task: the task of the network.
        classes: its classes; None: they are not known yet.
        other: the predicted task.
        other_classes: the classes of this task; None: they are not known yet.
        key: option of the mode that names the other task.

    Raises:
        MMLError: both are known, and differ.
    """
    if classes and other_classes and list(classes) != list(other_classes):
        raise MMLError(
            f"mode.{key}: {other} has the classes {', '.join(other_classes)}, not those of {task} "
            f"({', '.join(classes)}); give both the same by idx_to_class"
        )


def check_described(scheduler: "AbstractBaseScheduler", header: Mapping[str, Any]) -> None:
    """Check the options of a study that name or count the classes of a newly described task, if the study trains it.

    Raises:
        MMLError: the first key that does not fit.
    """
    cfg, name = scheduler.study.cfg, header["name"]
    # The tasks of the study itself would look at the data of all of them.
    trained = list(cfg.tasks) if cfg.pivot.name is None else [cfg.pivot.name]
    if name.split(SEPARATOR)[0] not in [other.split(SEPARATOR)[0] for other in trained]:
        return
    for variant in scheduler.variants:
        check_class_names(name, header["task_type"], lambda _: header["classes"], variant.study)
        if "label_counts" in header:
            check_partial_labels(name, header["task_type"], variant.study)
        if "weights" in header and cfg.weighted_metrics:
            check_weighing_metrics(name, header["task_type"], variant.study)
    check_prior(name, header["classes"], getattr(scheduler.options, "prior", None))
