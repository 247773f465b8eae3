"""Reference of the public Python interface, and the check that all of it is documented."""

import importlib
import inspect
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

MODULES = {
    "mml_lib.interactive": "Projects in Python",
    "mml_lib.steps": "Steps by hand",
    "mml_lib.tasks.creators": "Creators of data sets",
    "mml_lib.tasks.tags": "Tags of tasks",
    "mml_lib.images.readers": "Readers of image files",
    "mml_lib.metrics": "Metrics",
    "mml_lib.distances": "Distances between tasks",
}
"""Public modules with their titles; their names in `__all__` are public."""

FURTHER = {
    "Networks on new images": ("mml_lib.deployment.predictor.Predictor",),
    "Files of a project": (
        "mml_lib.files.manager.MMLFileManager",
        "mml_lib.predictions.predictions.Predictions",
        "mml_lib.predictions.predictions.read_predictions",
        "mml_lib.features.feature_files.Features",
    ),
    "Parts of a mode of your own": (
        "mml_lib.schedulers.base.AbstractBaseScheduler",
        "mml_lib.steps.open_step.open_step",
        "mml_lib.steps.step.Step",
        "mml_lib.tasks.description.TaskDescription",
    ),
}
"""Further public names by title."""


@dataclass(frozen=True)
class PublicName:
    """A public name.

    Args:
        module: module in which users find it.
        name: name in it.
    """

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"

    @property
    def value(self) -> Any:
        """The object."""
        return getattr(importlib.import_module(self.module), self.name)


def public_names() -> dict[str, list[PublicName]]:
    """Return all public names by title."""
    names = {
        title: [PublicName(module, name) for name in importlib.import_module(module).__all__]
        for module, title in MODULES.items()
    }
    return names | {title: [PublicName(*path.rsplit(".", 1)) for path in paths] for title, paths in FURTHER.items()}


def undocumented() -> list[PublicName]:
    """Return public names, and public methods of classes among them, without documentation."""
    names = [name for of_title in public_names().values() for name in of_title]
    return [missing for name in names for missing in _undocumented(name)]


def _undocumented(name: PublicName) -> Iterator[PublicName]:
    value = name.value
    if not (inspect.isclass(value) or inspect.isroutine(value)):
        if not _constant_doc(name):
            yield name
        return
    # The docstring that dataclasses write themselves is a signature.
    if not value.__doc__ or value.__doc__.startswith(f"{name.name}("):
        yield name
    if inspect.isclass(value):
        for key, member in vars(value).items():
            is_method = inspect.isroutine(member) or isinstance(member, property | cached_property)
            is_field = key in getattr(value, "__dataclass_fields__", {})
            if not key.startswith("_") and is_method and not is_field and not inspect.getdoc(getattr(value, key)):
                yield PublicName(name.module, f"{name.name}.{key}")


def _constant_doc(name: PublicName) -> str:
    """Return the text below a constant, where it is defined."""
    from sphinx.pycode import ModuleAnalyzer

    for module in _modules_of(name):
        docs = ModuleAnalyzer.for_module(module).find_attr_docs()
        if text := docs.get(("", name.name)):
            return "\n".join(text)
    return ""


def _modules_of(name: PublicName) -> list[str]:
    """Return the modules of MML that have a public constant: one of them defines it."""
    return [
        module
        for module in sorted(sys.modules)
        if module.startswith("mml_lib.") and vars(sys.modules[module]).get(name.name) is name.value
    ]


def python_page() -> str:
    """Return the page, in reStructuredText for Sphinx's autodoc."""
    parts = [_title("Python interface", "=")]
    for title, names in public_names().items():
        parts.append(_title(title, "-"))
        for module in dict.fromkeys(name.module for name in names):
            parts.append(f"From ``{module}``:")
            parts += [_directive(name) for name in names if name.module == module]
    return "\n\n".join(parts) + "\n"


def _directive(name: PublicName) -> str:
    value = name.value
    if inspect.isclass(value):
        return f".. autoclass:: {name}\n   :members:"
    if inspect.isroutine(value):
        return f".. autofunction:: {name}"
    text = _constant_doc(name)
    return f".. py:data:: {name}\n\n" + "\n".join(f"   {line}" for line in text.splitlines())


def _title(text: str, underline: str) -> str:
    return f"{text}\n{underline * len(text)}"
