"""Import and build objects that a config names by `_target_`.

A study can name any object, but MML calls only three kinds of targets: a class of the right kind, a function whose
return type is such a class, and a function of the study's own plugins. Other targets are imported at most.
"""

import importlib
import inspect
import os
import sys
import typing
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mml_lib.errors import MMLError, nearest

TARGET = "_target_"

_plugins: set[str] = set()
_installed: set[str] = set()


def check_path(path: str) -> str:
    """Return a path after checking that it can be a `_target_`.

    Raises:
        ValueError: the path is not dotted, or names an object of Python's standard library.
    """
    if "." not in path or not all(part.isidentifier() for part in path.split(".")):
        raise ValueError(f"'{path}' is not a dotted path; write it as package.module.Name")
    package = path.partition(".")[0]
    if package in sys.stdlib_module_names:
        raise ValueError(
            f"'{path}' is in Python's standard library, which has no suitable class; name one of another package"
        )
    return path


def check_package(path: str) -> None:
    """Refuse a path whose package is not installed, without importing it.

    Raises:
        MMLError: there is no such package.
    """
    package = path.partition(".")[0]
    if package not in sys.modules and package not in _installed and find_spec(package) is None:
        raise MMLError(f"'{path}': there is no package '{package}'; install it, or name its file in plugins")
    _installed.add(package)


def trust_plugin(module: str) -> None:
    """Allow calls of functions of a plugin and of modules in its folder. Their code runs in any case."""
    _plugins.add(module)


def is_of_plugin(target: Any) -> bool:
    """Return True if an object is defined in a plugin or in a module in the same folder."""
    name = getattr(target, "__module__", None) or ""
    file = getattr(sys.modules.get(name), "__file__", None)
    files = [getattr(sys.modules.get(plugin), "__file__", None) for plugin in _plugins]
    return name in _plugins or (
        file is not None and Path(file).parent in [Path(plugin_file).parent for plugin_file in files if plugin_file]
    )


@contextmanager
def same_working_directory(name: str) -> Iterator[None]:
    """Restore the working directory after an import. Relative paths of a study depend on it.

    Args:
        name: imported object, for the error.

    Raises:
        MMLError: the import has changed the working directory.
    """
    folder = os.getcwd()
    yield
    if (other := os.getcwd()) != folder:
        os.chdir(folder)
        raise MMLError(
            f"{name} changes the working directory to {other} when it is imported, but paths of a study are relative "
            "to it; remove os.chdir, and find its own files by Path(__file__).parent"
        )


def import_target(path: str) -> Any:
    """Import the object behind a dotted path like ``torch.optim.Adam``.

    Raises:
        MMLError: the module does not exist, or lacks the name.
    """
    try:
        module_name, _, name = check_path(path).rpartition(".")
    except ValueError as error:
        raise MMLError(f"{TARGET} {error}") from error
    try:
        with same_working_directory(f"{TARGET} '{path}'"):
            module = importlib.import_module(module_name)
    except ImportError as error:
        raise MMLError(f"{TARGET} '{path}' cannot be imported: {error}") from error
    if not hasattr(module, name):
        names = [key for key in vars(module) if not key.startswith("_")]
        match = nearest(name, names)
        raise MMLError(f"{TARGET} '{path}': module {module_name} has no '{name}'{match if '?' in match else ''}")
    return getattr(module, name)


def instantiate(spec: Mapping[str, Any], kind: type, *args: Any, **kwargs: Any) -> Any:
    """Call the target of `spec` with `args` and the other keys of `spec`. `kwargs` override these keys.

    Args:
        spec: `_target_`, and arguments.
        kind: base class of the target, or of its result.
        args: positional arguments.
        kwargs: further arguments.

    Raises:
        MMLError: the target cannot be imported, is of another kind, or does not accept the arguments.
    """
    target = import_target(spec[TARGET])
    _check_kind(target, spec[TARGET], kind)
    arguments = {key: value for key, value in spec.items() if key != TARGET} | kwargs
    check_arguments(target, spec[TARGET], args, arguments)
    try:
        return target(*args, **arguments)
    except (TypeError, ValueError) as error:
        raise MMLError(f"{spec[TARGET]} refuses its arguments {arguments}: {error}") from error


def _check_kind(target: Any, path: str, kind: type) -> None:
    """Refuse a target of another kind, before it is called.

    Raises:
        MMLError: it is neither a class of this kind nor a function that returns one.
    """
    if isinstance(target, type):
        if issubclass(target, kind):
            return
        raise MMLError(f"{path} does not derive from {kind.__module__}.{kind.__name__}; name a class that does")
    if not inspect.isfunction(target) or not (is_of_plugin(target) or _makes(target, kind)):
        raise MMLError(
            f"{path} is not called: its return type is not {kind.__module__}.{kind.__name__}; name such a class, a "
            "function with this return type, or one of a file in plugins"
        )


def _makes(function: Any, kind: type) -> bool:
    try:
        returned = typing.get_type_hints(function).get("return")
    except Exception:  # annotations of others may fail in any way
        return False
    return isinstance(returned, type) and issubclass(returned, kind)


def check_arguments(target: Any, label: str, args: tuple, kwargs: Mapping[str, Any]) -> None:
    """Refuse keyword arguments that `target` does not accept. The error suggests the most similar name."""
    try:
        signature = inspect.signature(target)
    except (TypeError, ValueError):  # built-ins without a signature
        return
    if any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values()):
        return
    names = [p.name for p in signature.parameters.values() if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)]
    names = names[len(args) :]
    for key in kwargs:
        if key not in names:
            raise MMLError(f"{label} takes no argument '{key}'{nearest(key, names)}")
