"""Maps of explanations, as an array file."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mml_lib.files.atomic import write_whole
from mml_lib.files.containers import reading_arrays
from mml_lib.files.formats import FORMATS


def write_maps(maps: Sequence[np.ndarray], path: str | Path) -> None:
    """Write maps as arrays `map_0`, `map_1`, … (float32, H×W), which the column `number` of their table names."""
    named = {f"map_{number}": values.astype(np.float32) for number, values in enumerate(maps)}
    with write_whole(path) as beside:
        np.savez_compressed(beside, **FORMATS["explanations"].stamp, **named)  # type: ignore[arg-type]


def read_maps(path: str | Path) -> list[np.ndarray]:
    """Return the maps of a file, in the order of their numbers.

    Raises:
        MMLError: the file is missing, damaged, or of another format.
    """
    with reading_arrays(path, "explanations") as content:
        return [content[f"map_{number}"] for number in range(len(content))]
