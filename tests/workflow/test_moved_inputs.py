"""Scripts use the paths of their inputs and outputs, whatever they are."""

import csv
import hashlib
import json
import os
import re
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from tests.support import moved_steps
from tests.support.places import REPOSITORY
from tests.support.warm_steps import warm_python
from tests.support.workplaces import TINY, Workplace

FAKE = {"creator": "fake", "num_classes": 2, "size": 16, "folds": 2}
STRIPES = FAKE | {"num_samples": 24, "test_fraction": 0.4}
PROCEDURES = {"plain": {}, "slower": {"optimizer.lr": 0.001}}

QUESTIONS = TINY | {
    "mode": {"preset": "train", "cv": False, "subroutines": ["train", "predict", "test"]},
    "tasks": {"stripes": STRIPES},
    "tagging": {"variants": ["+identity", "+subset~0.5"]},
    "variants": PROCEDURES,
    "baseline": "plain",
    "bootstrap": 100,
}

ANSWERS = TINY | {
    "mode": {
        **{"preset": "post", "eval_on": ["others"], "store_blueprint": True},
        **{"pretrain_task": "stripes", "pretrain_with": {"tune": "none"}},
    },
    "tasks": {"stripes": STRIPES, "others": STRIPES | {"image_seed": 1}},
    "pivot": {"name": "downloaded"},
    "variants": PROCEDURES,
    "tune": {"lr": True, "num_training": 20},
    "bootstrap": 100,
    "explain": {"images": 1},
    "operating_points": {"sensitivity": [0.9]},
    "clean": {"studies": []},
}

MASKS = TINY | {
    "mode": {"preset": "train", "eval_on": ["others"], "subroutines": ["train", "predict", "test"]},
    "tasks": {
        "discs": STRIPES | {"task_type": "semantic_segmentation", "test_fraction": 0},
        "others": STRIPES | {"task_type": "semantic_segmentation", "image_seed": 1},
    },
    "pivot": {"name": "discs"},
    "decoder": "unet_small",
    "loss": "default",
    "metrics": ["dice"],
    "bootstrap": 100,
}

ANALYSES = TINY | {
    "mode": {"preset": "train", "cv": False, "subroutines": ["train"]},
    "tasks": {"stripes": STRIPES, "others": STRIPES | {"image_seed": 1, "test_fraction": 0}},
    "features": {"arch": "test_resnet", "pretrained": False},
    "similarity": {"distance": ["fed", "emd"]},
    "audit": {"neighbours": 5, "map": "pca"},
    "dimension": {"of": "features", "neighbours": 5, "subset": 50, "subsets": 1},
    "bootstrap": 100,
}

SOURCES = TINY | {
    "mode": {"preset": "tl", "pretrain_task": "others", "cv": False, "subroutines": ["train", "predict", "test"]},
    "tasks": {"stripes": STRIPES, "others": STRIPES | {"image_seed": 1}},
    "pivot": {"name": "stripes"},
    "variants": {"scratch": {"mode.pretrain_task": "none"}, "others": {"mode.pretrain_task": "others"}},
    "bootstrap": 100,
}

SUGGESTED = TINY | {
    "mode": {"preset": "train", "cv": False, "subroutines": ["train"]},
    "tasks": {"stripes": STRIPES},
    "pivot": {"name": "stripes"},
    "suggest": {"distance": "emd", "quantile": 1, "runs": 1, "n": 1},
    "reuse": {"distances": "analyses", "models": "sources"},
}

SEARCHED = TINY | {
    "mode": {"preset": "train", "cv": False, "subroutines": ["train"]},
    "tasks": {"stripes": STRIPES},
    "pivot": {"name": "stripes"},
    "trainer": {"max_epochs": 2, "accelerator": "cpu"},
    "search": {
        **{"trials": 2, "objective": "loss", "halving": {"min_epochs": 1, "factor": 2}},
        "space": {"optimizer.lr": {"low": 0.001, "high": 0.01}},
    },
}

STUDIES = {
    "questions": QUESTIONS,
    "masks": MASKS,
    "analyses": ANALYSES,
    "sources": SOURCES,
    "suggested": SUGGESTED,
    "searched": SEARCHED,
}

TARGETS = {
    "questions.yaml": ["RESULTS/train.json"],
    "answers.yaml": [
        *("RESULTS/post.json", "RESULTS/info.json", "INFO/run-{run}.yaml", "INFO/unused.csv"),
        *("RESULTS/apply.json", "RESULTS/export.json"),
        "CALIBRATED/{task}/{run}-fold{fold}/others/test.npz",
    ],
    "masks.yaml": ["RESULTS/train.json", "RESULTS/apply.json"],
    "analyses.yaml": [f"RESULTS/{mode}.json" for mode in ("similarity", "audit", "info", "baselines")],
    "sources.yaml": ["RESULTS/tl.json"],
    "suggested.yaml": ["RESULTS/suggest.json"],
    "searched.yaml": ["RESULTS/train.json"],
}

PRINTED_BY_EACH_STEP = re.compile(r"^\S+ \S+ (--- |peak memory )")
"""Lines of a log that say nothing about a failure."""

UNCOMPARED = {
    "upgrade_formats": "rewrites the files of a project in place; nothing is left for a second time",
    "downgrade_formats": "restores the files of a project in place, from a backup that it knows by its number",
}
"""Rules whose steps cannot be repeated elsewhere, with the reason."""


def write_archive(folder: Path) -> dict[str, Any]:
    """Write an archive of a table and its images; return a task that downloads it."""
    rng = np.random.default_rng(0)
    table = folder / "table.csv"
    with zipfile.ZipFile(folder / "images.zip", "w") as archive, open(table, "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["image", "label", "site"])
        for number in range(24):
            image = folder / f"{number}.png"
            Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(image)
            archive.write(image, image.name)
            rows.writerow([image.name, ("angle000", "angle090")[number % 2], "xyz"[number % 3]])
        file.flush()
        archive.write(table, table.name)
    digest = hashlib.sha256((folder / "images.zip").read_bytes()).hexdigest()
    download = {"url": (folder / "images.zip").as_uri(), "sha256": digest}
    arguments = {"creator": "csv", "path": "table.csv", "metadata": ["site"], "downloads": [download]}
    return arguments | {"folds": 2, "test_fraction": 0.4}


def last_lines(log: str, number: int = 30) -> str:
    """Return the last lines of a log, without those that steps print when they end well."""
    lines = [line for line in log.splitlines() if line.strip() and not PRINTED_BY_EACH_STEP.search(line)]
    return "\n".join(lines[-number:])


@pytest.mark.long
def test_a_step_of_each_rule_gives_the_same_outputs_from_copies_of_its_inputs_at_other_paths(tmp_path: Path):
    place, delivery = Workplace(tmp_path / "studies"), tmp_path / "delivery"
    place.folder.mkdir()
    delivery.mkdir()
    new_images = tmp_path / "new"
    new_images.mkdir()
    answers = ANSWERS | {"tasks": ANSWERS["tasks"] | {"downloaded": write_archive(delivery)}}
    for number in range(2):
        shutil.copyfile(delivery / f"{number}.png", new_images / f"{number}.png")
    for name, study in {**STUDIES, "answers": answers}.items():
        applied = {"apply": {"images": str(new_images)}} if name in ("answers", "masks") else {}
        place.write(study | {"project": name} | applied, f"{name}.yaml")
    (place.folder / "targets").write_text(yaml.safe_dump(TARGETS, sort_keys=False))
    answer = subprocess.run(
        [str(warm_python()), moved_steps.__file__, str(tmp_path / "moved"), "targets"],
        cwd=place.folder,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY), "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert answer.returncode == 0, last_lines(answer.stderr)
    differences = json.loads(answer.stdout.splitlines()[-1])
    assert {rule: lines for rule, lines in differences.items() if lines} == {}
    assert {rule for rule, lines in differences.items() if lines is None} == set(UNCOMPARED)
