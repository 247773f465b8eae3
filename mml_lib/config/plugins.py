"""Plugins: modules of a study that MML imports first, so that they register their parts."""

import importlib
import sys
import traceback
from pathlib import Path

from mml_lib.config.factories import same_working_directory, trust_plugin
from mml_lib.errors import MMLError


def import_plugin(plugin: str) -> None:
    """Import a module by dotted path, or a Python file by its path.

    Raises:
        MMLError: the module cannot be imported.
    """
    path = Path(plugin).absolute() if plugin.endswith(".py") else None
    name = module_of(plugin)
    if path and getattr(sys.modules.get(name), "__file__", None) != str(path):
        if not path.is_file():
            raise MMLError(f"plugins: the file {path} does not exist")
        if name in sys.modules:
            raise MMLError(f"plugins: {path} has the name of a module that is in use, {name}; rename it")
        # With its folder in the module path, `_target_: <stem>.Name` finds the module.
        sys.path.insert(0, str(path.parent))
    try:
        with same_working_directory(f"plugins: {path or plugin}"):
            importlib.import_module(name)
    except MMLError:
        raise
    except SyntaxError as error:
        raise MMLError(f"plugins: {error.filename}, line {error.lineno}: {error.msg}") from error
    except Exception as error:  # code of others may fail in any way
        frame = traceback.extract_tb(error.__traceback__)[-1]
        where = f" ({frame.filename}, line {frame.lineno})" if path else ""
        raise MMLError(f"plugins: '{plugin}' cannot be imported: {type(error).__name__}: {error}{where}") from error
    trust_plugin(name)


def module_of(plugin: str) -> str:
    """Return the name of a plugin's module."""
    return Path(plugin).stem if plugin.endswith(".py") else plugin
