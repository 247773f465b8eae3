"""Trainings on GPUs, real or fake, that write down where they ran."""

import json
from pathlib import Path
from typing import Any

import pytest

from mml_lib.machine.gpu_devices import visible_gpus
from tests.support.workplaces import TINY, Workplace

LOOK = """
import json, os, time
from pathlib import Path
from lightning.pytorch import Callback

class Look(Callback):
    def on_fit_start(self, trainer, module):
        self.began = time.monotonic()
        time.sleep(1)  # so that trainings that may run at once do

    def on_fit_end(self, trainer, module):
        told = {"gpu": os.environ["CUDA_VISIBLE_DEVICES"], "began": self.began, "ended": time.monotonic()}
        Path(f"look-{os.getpid()}.json").write_text(json.dumps(told))
"""


STUDY = TINY | {
    "mode": {"preset": "train", "subroutines": ["train"]},
    "tasks": {"stripes": TINY["tasks"]["stripes"] | {"folds": 3}},
    "plugins": ["plugin.py"],  # its folder joins the path, where the callback is
    "callbacks": {"look": {"_target_": "look.Look"}},
    "trainer": {"max_epochs": 1},
}


def prepare(folder: Path, **changes: Any) -> Workplace:
    folder.mkdir(exist_ok=True)
    place = Workplace(folder)
    (folder / "look.py").write_text(LOOK)
    (folder / "plugin.py").touch()
    place.write(STUDY | changes)
    return place


def trainings(*places: Workplace) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for place in places for path in place.files("look-*.json")]


def at_once(first: dict[str, Any], second: dict[str, Any]) -> bool:
    return first["began"] < second["ended"] and second["began"] < first["ended"]


GPUS = visible_gpus()


@pytest.fixture(autouse=True)
def one_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", GPUS[0].uuid)
