"""Predictions: the logits of one network on one split, as plain arrays."""

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mml_lib.errors import MMLError
from mml_lib.files.atomic import write_whole


@dataclass(frozen=True)
class Predictions:
    """What a network says of some samples.

    Args:
        logits: float32, N×classes.
        targets: int64 class indices, N.
        ids: sample ids, N.
    """

    logits: np.ndarray
    targets: np.ndarray
    ids: np.ndarray

    def write(self, path: str | Path) -> None:
        with write_whole(path) as beside:
            np.savez(beside, logits=self.logits, targets=self.targets, ids=self.ids.astype(np.str_))

    @classmethod
    def read(cls, path: str | Path) -> "Predictions":
        """Read predictions; pickled arrays are refused.

        Raises:
            MMLError: the file is missing or damaged.
        """
        try:
            with np.load(path, allow_pickle=False) as arrays:
                return cls(arrays["logits"], arrays["targets"], arrays["ids"])
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise MMLError(
                f"the predictions {path} cannot be read ({error}); remove the file to make them again"
            ) from error
