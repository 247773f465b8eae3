"""Modules that the warm process imports, and state of libraries that its forks inherit.

Without them, each fork would spend time on the same imports and look-ups.
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
"""Modules that all steps import."""

IMPORTED = (
    *IMPORTED_BY_STEPS,
    "mml_lib.steps.planned_code",
    "mml_lib.steps.training_step",
    "mml_lib.steps.step_gpus",
    "mml_lib.schedulers.transfer",
    "mml_lib.training.trainer",
    "mml_lib.inference.prediction",
    "mml_lib.training.watching",
    "mml_lib.models.schedules",
    "torch.utils.serialization.config",
)
"""Modules of trainings and predictions. The warm process imports them before it accepts requests."""

IMPORTED_LATE = {
    "mml_lib.search.trial_tables": ("optuna", "optuna.importance", "optuna.storages"),
    "mml_lib.evaluation": ("scipy.special",),
    "mml_lib.reports": (
        *("matplotlib.pyplot", "matplotlib.backends.backend_svg"),
        *("pandas.core.methods.to_dict", "pandas.io.formats.style"),
    ),
    "mml_lib.reports.gallery": ("sklearn.metrics",),
    "mml_lib.reports.study_report": ("PIL.WebPImagePlugin", "importlib.resources.readers"),
    "mml_lib.tasks": (
        *("PIL.BmpImagePlugin", "PIL.GifImagePlugin", "PIL.JpegImagePlugin", "PIL.PpmImagePlugin"),
        "PIL.PngImagePlugin",
    ),
    "pandas": ("pandas.io.formats.csvs", "pandas.io.formats.string"),
}
"""Modules that functions of a module or a package import."""


def modules_of_scripts(scripts: Iterable[str]) -> Iterator[str]:
    """Return the modules that scripts import, and those that functions of these modules import."""
    for script in scripts:
        for module in imported_by(Path(script).read_text(encoding="utf-8")):
            yield module
            for name, late in IMPORTED_LATE.items():
                if module == name or module.startswith(f"{name}."):
                    yield from late


def imported_by(source: str) -> Iterator[str]:
    """Return the names of modules in the import statements of a script."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


@functools.cache
def thread_pools() -> "ThreadpoolController":
    """Return the thread pools of the loaded libraries. Finding them takes longer than limiting them."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def cache_entry_points() -> None:
    """Cache the entry points of installed packages, which Lightning reads for each trainer."""
    if registry := sys.modules.get("lightning.fabric.utilities.registry"):
        remembered = functools.cache(entry_points)
        remembered(group="lightning.pytorch.callbacks_factory")
        vars(registry)["entry_points"] = remembered


def skip_finalizers() -> None:
    """Skip the finalizers of imported libraries in forks: torch's take half of the time of a short step."""
    for finalizer in list(weakref.finalize._registry):  # type: ignore[attr-defined]  # private: no list of them
        finalizer.atexit = False
    if dynamo := sys.modules.get("torch._dynamo.utils"):
        atexit.unregister(dynamo.dump_compile_times)
