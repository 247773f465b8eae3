"""Files of Fisher embeddings: the Fisher information of a backbone for a task."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mml_lib.files.atomic import write_whole
from mml_lib.files.containers import reading_arrays
from mml_lib.files.formats import FORMATS

FORMAT = FORMATS["fisher"]


@dataclass(frozen=True, eq=False)
class FisherEmbedding:
    """Diagonal Fisher information of a backbone for a task, averaged within each filter of its weights.

    Args:
        values: mean of each filter, F (float64).
        backbone: digest of the backbone's weights. Embeddings of different backbones are not compared.
        samples: number of samples in the average.
    """

    values: np.ndarray
    backbone: str
    samples: int

    def write(self, path: str | Path) -> None:
        """Write the embedding as `.npz`, atomically."""
        arrays: dict[str, Any] = {"values": self.values, "backbone": np.str_(self.backbone)}
        arrays["samples"] = np.int64(self.samples)
        with write_whole(path) as temporary:
            np.savez(temporary, **FORMAT.stamp, **arrays)

    @classmethod
    def read(cls, path: str | Path) -> "FisherEmbedding":
        """Read an embedding.

        Raises:
            MMLError: the file is missing, damaged, or of another format.
        """
        with reading_arrays(path, "fisher") as content:
            return cls(content["values"], str(content["backbone"]), int(content["samples"]))
