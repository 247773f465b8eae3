"""Small studies, as their files give them."""

from typing import Any

from mml_lib.config.loading import load_study
from mml_lib.pipelines.pipeline import Pipeline
from tests.support.places import CONFIG

TASK = {"name": "digits", "id": "0" * 8, "task_type": "classification", "pack": "size32-01234567"}


def study(**changes: Any) -> dict[str, Any]:
    base = {
        "tasks": {"digits": {"creator": "digits"}},
        "mode": "train",
        "arch": "test_resnet",
        "loss": "cross_entropy",
        "optimizer": "adamw",
        "paths": {"presets": [str(CONFIG)]},
    }
    return base | changes


def run_id(config: dict[str, Any]) -> str:
    return Pipeline.of(load_study(config), TASK).run
