"""Drawn figures and their texts."""

import re
from collections.abc import Callable
from pathlib import Path

LARGEST = 200_000


def drawn(folder: Path, draw: Callable[..., None], *arguments: object, **options: object) -> str:
    """Return a figure as SVG, and check that it is fit for a report."""
    path = folder / "figure.svg"
    place = draw.__code__.co_varnames.index("path")
    draw(*arguments[:place], path, *arguments[place:], **options)
    assert path.stat().st_size < LARGEST
    return path.read_text(encoding="utf-8")


def texts(svg: str) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)
