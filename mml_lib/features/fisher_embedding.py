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
    """Diagonal Fisher information of a backbone for a task, the mean of each filter of its weights.

    Args:
        values: float64, one for each filter.
        backbone: digest of the backbone's weights; those of different backbones are not compared.
        samples: number of samples that it is averaged over.
    """

    values: np.ndarray
    backbone: str
    samples: int

    def write(self, path: str | Path) -> None:
        arrays: dict[str, Any] = {"values": self.values, "backbone": np.str_(self.backbone)}
        arrays["samples"] = np.int64(self.samples)
        with write_whole(path) as beside:
            np.savez(beside, **FORMAT.stamp, **arrays)

    @classmethod
    def read(cls, path: str | Path) -> "FisherEmbedding":
        """Read an embedding.

        Raises:
            MMLError: the file is missing, damaged, or of another format.
        """
        with reading_arrays(path, "fisher") as content:
            return cls(content["values"], str(content["backbone"]), int(content["samples"]))
