"""Model storage: what a model was trained on, with what, how long, and how well."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mml_lib.files.atomic import write_text
from mml_lib.tasks.dataset import read_json

FORMAT = 2


@dataclass(frozen=True)
class ModelStorage:
    """The JSON beside a trained model.

    Args:
        task: what it was trained on.
        run: its pipeline.
        fold: what it was validated on.
        performance: validation loss of the stored weights; None where undefined.
        metrics: all values of the stored epoch, as in the history; None where undefined.
        epochs: epochs trained.
        stored_epoch: whose weights are stored, from 0 on.
        training_time: seconds spent in epochs, interruptions left out.
        num_parameters: trainable numbers of the network.
        device: what it was trained on.
        versions: of the libraries that matter.
        created: when, local time.
        co_tasks: other tasks that were learned beside.
        pretrained: the model whose backbone it started from (`project`, `task`, `run`, `fold`), if any.
    """

    task: str
    run: str
    fold: int
    performance: float | None
    metrics: Mapping[str, float | None]
    epochs: int
    stored_epoch: int
    training_time: float
    num_parameters: int
    device: str
    versions: Mapping[str, str] = field(default_factory=dict)
    created: str = ""
    co_tasks: Sequence[str] = field(default_factory=list)
    pretrained: Mapping[str, Any] | None = None

    def write(self, path: str | Path) -> None:
        write_text(path, json.dumps({"format": FORMAT, **asdict(self)}, indent=2) + "\n")

    @classmethod
    def read(cls, path: str | Path) -> "ModelStorage":
        """Read a storage.

        Raises:
            MMLError: it is missing, damaged, or of a newer format.
        """
        content = read_json(Path(path), FORMAT)
        content.setdefault("stored_epoch", content["epochs"] - 1)  # before format 2 always the last
        later = ("co_tasks", "pretrained")
        return cls(**{key: content[key] for key in cls.__dataclass_fields__ if key in content or key not in later})
