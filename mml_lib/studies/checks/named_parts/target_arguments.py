"""Checks of `_target_` and its arguments while planning, without imports."""

import functools
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mml_lib.config.factories import check_package
from mml_lib.config.schema import StudyConfig
from mml_lib.config.sections import Target
from mml_lib.config.training_options import CLASS_WEIGHTS
from mml_lib.errors import MMLError, nearest
from mml_lib.studies.checks.named_parts.source_signatures import Signature, find_definition
from mml_lib.tasks.task_identity import TaskIdentity

MODULE = "torch.nn.Module"
MODULES = ("torch.nn.", "kornia.augmentation.", "mml_lib.")
"""Packages whose classes are all modules. Reading the source of `nn.Module` would take as long as all other checks."""

DECODER = ("depth", "output_stride", "least_side")
"""Arguments of a decoder that its network takes where the decoder itself does not."""


@dataclass(frozen=True)
class Role:
    """The part that an object named by `_target_` plays in a training.

    Args:
        kind: dotted path of its required base class; None: any class with the right methods.
        positional: number of positional arguments that MML passes.
        offered: keyword arguments that MML passes if the object accepts them.
        dropped: arguments that MML reads and does not pass.
        states_all: True if the study must set all other arguments without a default.
    """

    kind: str | None
    positional: int = 0
    offered: Collection[str] = ()
    dropped: Collection[str] = ()
    states_all: bool = True


ROLES = {
    "arch": Role(MODULE, offered=("in_chans", "output_stride"), states_all=False),
    "features": Role(MODULE, offered=("in_chans",), states_all=False),
    "decoder": Role(MODULE, dropped=DECODER, states_all=False),
    "loss": Role(MODULE, offered=CLASS_WEIGHTS, states_all=False),
    "optimizer": Role("torch.optim.Optimizer", positional=1),
    "lr_scheduler": Role("torch.optim.lr_scheduler.LRScheduler", positional=1),
    "callbacks": Role("lightning.pytorch.callbacks.Callback"),
    "logger": Role("lightning.pytorch.loggers.Logger", offered=("save_dir",)),
    "augmentations": Role(MODULE),
    "metrics": Role("torchmetrics.Metric", offered=("num_classes", "num_labels")),
    "tta": Role(None),
    "search": Role("optuna.samplers.BaseSampler", offered=("seed",)),
}
"""Roles by section of a study."""


def check_targets(task: TaskIdentity, cfg: StudyConfig) -> None:
    """Refuse parts that cannot be built: missing packages or names, wrong base classes, wrong arguments.

    Objects whose arguments are unknown are tried in the pre-flight check.

    Raises:
        MMLError: the first mistake, and the keys of the others.
    """
    problems = []
    for key, target in _targets(task, cfg):
        try:
            if target is not None:
                check_target(key, target.spec())
        except MMLError as error:
            problems.append(str(error))
    if problems:
        others = list(dict.fromkeys(problem.partition(": ")[0] for problem in problems[1:]))
        raise MMLError(problems[0] + (f"; wrong too: {', '.join(others)}" if others else ""))


def _targets(task: TaskIdentity, cfg: StudyConfig) -> Iterator[tuple[str, Target | None]]:
    """Yield keys of a study with their `_target_`."""
    yield from (("arch", cfg.arch), ("decoder", cfg.decoder), ("loss", cfg.loss_of(task.task_type)))
    yield from (("optimizer", cfg.optimizer), ("lr_scheduler", cfg.lr_scheduler), ("logger", cfg.logger))
    yield from ((f"callbacks.{name}", callback) for name, callback in cfg.callbacks.items())
    lists: dict[str, Sequence[Target]] = {
        "augmentations.transforms": cfg.augmentations.of(task.task_type),
        "metrics": [metric for metric in cfg.metrics_of(task.task_type) if not isinstance(metric, str)],
        "tta.transforms": cfg.tta.transforms,
    }
    for key, targets in lists.items():
        yield from ((key, target) for target in targets)


def check_target(key: str, spec: Mapping[str, Any]) -> None:
    """Refuse an object that cannot be built for a section.

    Args:
        key: key of the study, for messages; its first part is the section.
        spec: `_target_` and its arguments.

    Raises:
        MMLError: a package or name is missing, a base class or an argument is wrong.
    """
    path, role = spec["_target_"], ROLES[key.partition(".")[0]]
    try:
        check_package(path)
        signature = _signature(path, role.kind, role.positional)
    except MMLError as error:
        raise MMLError(f"{key}: {error}") from error
    if signature is None:
        return
    arguments = [name for name in spec if name != "_target_" and name not in role.dropped]
    for name in arguments:
        if name not in signature.names:
            raise MMLError(f"{key}.{name}: {path} takes no argument '{name}'{nearest(name, signature.names)}")
    lacking = [name for name in signature.needed if name not in (*arguments, *role.offered)]
    if lacking and role.states_all:
        raise MMLError(f"{key}: {path} needs {' and '.join(lacking)}; set {key}.{lacking[0]}")


@functools.cache
def _signature(path: str, kind: str | None, positional: int) -> Signature | None:
    """Return the arguments of a target; None if they are unknown.

    Raises:
        MMLError: the object does not exist, or has the wrong base class.
    """
    definition = find_definition(path)
    if definition is None:
        return None
    needed = find_definition(kind) if kind and not (kind == MODULE and path.startswith(MODULES)) else None
    if kind and needed and definition.is_class() and definition.is_a(needed) is False:
        raise MMLError(f"{path} does not derive from {kind}; name a class that does")
    return definition.signature(positional)
