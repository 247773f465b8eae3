"""A project in the middle of its study, as files: of two networks one is trained, and one runs."""

import json
import time
from pathlib import Path
from typing import Any

from mml_lib.files.manager import MMLFileManager

RUN = "b3d559f4"
EPOCHS = """2026-11-28 17:28:17 --- train_fold
2026-11-28 17:28:18 epoch 1 of 4: lr 0.0007  train/loss 2.186  val/loss 2.389  val/accuracy 0.1667
2026-11-28 17:28:19 epoch 2 of 4: lr 1.2e-08  train/loss 1.318  val/loss nan  val/accuracy 0.3368
"""
LOG = f"LOGS/train_fold/digits-{RUN}-fold1.log"


def run_state(**changes: Any) -> dict[str, Any]:
    """Return the content of the file about a run that trains a network."""
    step = {"rule": "train_fold", "name": "train digits fold 1", "started": time.time() - 30, "logs": [LOG]}
    return {
        **{"format": 1, "status": "running", "host": "node7", "began": time.time() - 60, "written": time.time()},
        **{"heartbeat": 15.0, "left": "about 2 min left", "modes": ["train"], "main_metrics": {"digits": "f1"}},
        "rules": [
            {"name": "train_fold", "planned": 2, "finished": 1, "failed": 0},
            {"name": "test_fold", "planned": 2, "finished": 1, "failed": 0},
        ],
        "follows": [["train_fold", "test_fold"]],
        "running": [step | {"threads": 2, "gpus": 1, "is_local": False}],
        "failures": [],
        **changes,
    }


def watched_project(folder: Path) -> MMLFileManager:
    """Write the project below a folder, and return its file manager."""
    files = {
        ".run.json": json.dumps(run_state()),
        f"PIPELINES/digits/{RUN}.yaml": "optimizer: {lr: 0.1}\n",
        "PIPELINES/digits/00000000.yaml": "optimizer: {lr: 0.2}\n",
        f"MODELS/digits/{RUN}-fold0.json": json.dumps(
            {"performance": 0.25, "metrics": {"val/loss": 0.25, "val/f1": 0.75, "val/accuracy": 0.5}}
        ),
        f"METRICS/digits/{RUN}-fold0/test.json": json.dumps({"metrics": {"accuracy": 0.5, "f1": 0.625}}),
        f"HISTORY/digits/{RUN}-fold0.csv": "epoch,train/loss,val/f1\n0,2.5,0.5\n1,1.5,0.75\n",
        f"LOGS/train_fold/digits-{RUN}-fold0.log": EPOCHS,
        LOG: EPOCHS,
        f"BENCHMARKS/train_fold/digits-{RUN}-fold0.tsv": "s\tmax_rss\n12.5\t100\n",
        f"PREDICTIONS/digits/{RUN}-fold0/secret.log": "no log of a step",
    }
    for name, text in files.items():
        path = folder / "results/watched" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return MMLFileManager(folder / "data", folder / "results", "watched")
