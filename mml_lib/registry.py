"""Registry: parts of one kind by name, which MML and plugins add."""

from typing import Any, TypeVar

from mml_lib.errors import MMLError, nearest

Part = TypeVar("Part")


class Registry(dict[str, Part]):
    """Parts of one kind by name; a missing name is an error that states the nearest.

    Args:
        kind: the kind in errors, such as `creator`.
        parts: names and parts to begin with.
    """

    def __init__(self, kind: str, *parts: tuple[str, Part]):
        super().__init__(parts)
        self.kind = kind

    def add(self, name: str, part: Part) -> None:
        """Add a part that has a `function`; a module may replace its own.

        Raises:
            MMLError: another module has registered the name.
        """
        if name in self and (module := _module(self[name])) != _module(part):
            raise MMLError(f"the {self.kind} '{name}' is registered by {module} already")
        self[name] = part

    def __missing__(self, name: str) -> Part:
        raise MMLError(f"there is no {self.kind} '{name}'{nearest(str(name), self)}")


def _module(part: Any) -> str:
    """Return the module of a part's function."""
    return part.function.__module__
