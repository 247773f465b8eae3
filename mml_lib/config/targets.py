"""Import and build what a config names by `_target_`."""

import importlib
import inspect
from collections.abc import Mapping
from typing import Any

from mml_lib.errors import MMLError, nearest

TARGET = "_target_"


def import_target(path: str) -> Any:
    """Import the object behind a dotted path like ``torch.optim.Adam``.

    Raises:
        MMLError: no such module, or no such name in it.
    """
    module_name, _, name = path.rpartition(".")
    if not module_name:
        raise MMLError(f"{TARGET} '{path}' is not a dotted path; write it as package.module.Name")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise MMLError(f"{TARGET} '{path}' cannot be imported: {error}") from error
    if not hasattr(module, name):
        names = [key for key in vars(module) if not key.startswith("_")]
        match = nearest(name, names)
        raise MMLError(f"{TARGET} '{path}': module {module_name} has no '{name}'{match if '?' in match else ''}")
    return getattr(module, name)


def instantiate(spec: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
    """Call the target of `spec` with `args` and its remaining keys; `kwargs` win over the keys.

    Raises:
        MMLError: the target cannot be imported or does not take these arguments.
    """
    target = import_target(spec[TARGET])
    arguments = {key: value for key, value in spec.items() if key != TARGET} | kwargs
    check_arguments(target, spec[TARGET], args, arguments)
    try:
        return target(*args, **arguments)
    except (TypeError, ValueError) as error:
        raise MMLError(f"{spec[TARGET]} refuses its arguments {arguments}: {error}") from error


def check_arguments(target: Any, label: str, args: tuple, kwargs: Mapping[str, Any]) -> None:
    """Refuse keyword arguments that `target` does not take, with the nearest one that it does."""
    try:
        signature = inspect.signature(target)
    except (TypeError, ValueError):  # built-ins without a signature
        return
    if any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values()):
        return
    known = [p.name for p in signature.parameters.values() if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)]
    known = known[len(args) :]
    for key in kwargs:
        if key not in known:
            raise MMLError(f"{label} takes no argument '{key}'{nearest(key, known)}")
