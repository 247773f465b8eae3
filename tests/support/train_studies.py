"""Studies of mode train."""

from typing import Any

from mml_lib.studies.study import Study
from tests.support.places import CONFIG

FAKE = {"creator": "fake", "num_samples": 24, "folds": 3}


def study(mode: dict[str, Any] | None = None, **changes: Any) -> Study:
    base = {
        "mode": {"preset": "train", **(mode or {})},
        "pivot": {"name": "mine"},
        "tasks": {"mine": FAKE, "other": FAKE | {"num_samples": 27}, "archive": FAKE | {"task_type": "no_task"}},
        "arch": "test_resnet",
        "loss": "default",
        "optimizer": "adamw",
        "paths": {"presets": [str(CONFIG)]},
    }
    return Study(base | changes)
