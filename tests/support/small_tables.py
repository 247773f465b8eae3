"""Small tables beside images."""

from pathlib import Path
from typing import Any

from mml_lib.tasks.dataset import Delivery
from tests.support.image_folders import images_of
from tests.support.plans import deliver


def write(root: Path, text: str, **encoding: Any) -> Path:
    """Write a table beside images x.png to z.png, and more of them below `img/`."""
    images_of(root, *(f"{place}{name}.png" for name in "xyz" for place in ("", "img/", "img/deep/", "mask/")))
    (root / "table.csv").write_bytes(text.encode(**({"encoding": "utf-8"} | encoding)))
    return root / "table.csv"


def read(root: Path, text: str, **arguments: Any) -> Delivery:
    return deliver("csv", write(root, text), **arguments)
