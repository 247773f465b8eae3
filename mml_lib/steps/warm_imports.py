"""Modules that the warm process imports, and the state of libraries that its forks inherit.

A fork that imports a module, or looks for the libraries of this process, does so again for each step.
"""

import ast
import atexit
import functools
import sys
import weakref
from collections.abc import Iterable, Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

IMPORTED_BY_STEPS = (
    "snakemake.script",
    "mml_lib.steps.open_step",
    "threadpoolctl",
    "encodings.cp437",
    "encodings.utf_8_sig",
)
"""Modules of all steps."""

IMPORTED = (
    *IMPORTED_BY_STEPS,
    "mml_lib.steps.training_step",
    "mml_lib.steps.step_gpus",
    "mml_lib.schedulers.transfer",
    "mml_lib.training.trainer",
    "mml_lib.inference.prediction",
    "mml_lib.training.watching",
    "mml_lib.models.schedules",
    "torch.utils.serialization.config",
)
"""Modules of trainings and predictions, which the process imports before it listens."""

IMPORTED_LATE = {
    "mml_lib.search.trial_tables": ("optuna", "optuna.importance", "optuna.storages"),
    "mml_lib.evaluation": ("scipy.special",),
    "mml_lib.reports": (
        *("matplotlib.pyplot", "matplotlib.backends.backend_svg"),
        *("pandas.core.methods.to_dict", "pandas.io.formats.style"),
    ),
    "mml_lib.tasks": (
        *("PIL.BmpImagePlugin", "PIL.GifImagePlugin", "PIL.JpegImagePlugin", "PIL.PpmImagePlugin"),
        "PIL.PngImagePlugin",
    ),
    "pandas": ("pandas.io.formats.csvs", "pandas.io.formats.string"),
}
"""Modules that functions of a module, or of a package, import."""


def modules_of(scripts: Iterable[str]) -> Iterator[str]:
    """Return the modules from which scripts import, and those that their functions import."""
    for script in scripts:
        for module in imported_by(Path(script).read_text(encoding="utf-8")):
            yield module
            for name, late in IMPORTED_LATE.items():
                if module == name or module.startswith(f"{name}."):
                    yield from late


def imported_by(source: str) -> Iterator[str]:
    """Return the modules that the source of a script imports, or from which it imports."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


@functools.cache
def thread_pools() -> "ThreadpoolController":
    """Return the thread pools of the loaded libraries. To look for them takes longer than to limit them."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def remember_entry_points() -> None:
    """Let Lightning look through the installed packages for callbacks once, not for each of its trainers."""
    if registry := sys.modules.get("lightning.fabric.utilities.registry"):
        remembered = functools.cache(entry_points)
        remembered(group="lightning.pytorch.callbacks_factory")
        vars(registry)["entry_points"] = remembered


def forget_exit_functions() -> None:
    """Keep forks from taking apart at their end what this process has imported, which half of a short step goes to.

    torch removes each operator that it has registered, and has a table of its compilations made.
    """
    for finalizer in list(weakref.finalize._registry):  # type: ignore[attr-defined]  # private: no list of them
        finalizer.atexit = False
    if dynamo := sys.modules.get("torch._dynamo.utils"):
        atexit.unregister(dynamo.dump_compile_times)
