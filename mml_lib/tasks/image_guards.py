"""Image guards: which images no network may have learned, because it is tested on them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PARTS = ("test", "val", "fold")
"""Parts of a task that are held out: its test split, all its folds, or from the network of each fold that very fold."""


@dataclass(frozen=True)
class ImageGuard:
    """Parts of one task whose images must not be training images of another.

    Args:
        learned: name and id of the task that networks have learned.
        tested: name and id of the task whose parts are held out.
        parts: some of `PARTS`.
        key: the key of the study that brings both together, for errors.
    """

    learned: tuple[str, str]
    tested: tuple[str, str]
    parts: tuple[str, ...]
    key: str

    def as_json(self) -> dict[str, Any]:
        """Return its fields, lists for tuples."""
        fields = {key: list(getattr(self, key)) for key in ("learned", "tested", "parts")}
        return {**fields, "key": self.key}

    @classmethod
    def of_json(cls, content: Mapping[str, Any]) -> "ImageGuard":
        """Return a guard from its fields, lists for tuples."""
        return cls(tuple(content["learned"]), tuple(content["tested"]), tuple(content["parts"]), content["key"])
