"""Files of Fisher embeddings: the Fisher information of a backbone for a task."""

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mml_lib.files.atomic import write_whole
from mml_lib.files.checksums import damaged, verify
from mml_lib.files.containers import npz_content
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
        verify(path)
        try:
            content = FORMAT.migrated(npz_content(path), path)
            return cls(content["values"], str(content["backbone"]), int(content["samples"]))
        except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
            raise damaged(path, str(error)) from error
