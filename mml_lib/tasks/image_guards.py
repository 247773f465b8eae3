"""Image guards: images that a network is tested on, so that it must not be trained on them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PARTS = ("test", "val", "fold")
"""Held-out parts of a task: the test split, all folds, or, for the network of a fold, that fold."""


@dataclass(frozen=True)
class ImageGuard:
    """Parts of one task whose images must not be training images of another.

    Args:
        learned: name and id of the task that networks are trained on.
        tested: name and id of the task whose parts are held out.
        parts: held-out parts, some of `PARTS`.
        key: key of the study that combines both tasks, for errors.
    """

    learned: tuple[str, str]
    tested: tuple[str, str]
    parts: tuple[str, ...]
    key: str

    def as_json(self) -> dict[str, Any]:
        """Return the fields for a JSON file, with lists for tuples."""
        fields = {key: list(getattr(self, key)) for key in ("learned", "tested", "parts")}
        return {**fields, "key": self.key}

    @classmethod
    def of_json(cls, content: Mapping[str, Any]) -> "ImageGuard":
        """Return the guard of the fields in a JSON file."""
        return cls(tuple(content["learned"]), tuple(content["tested"]), tuple(content["parts"]), content["key"])
