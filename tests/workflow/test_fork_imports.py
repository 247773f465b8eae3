"""Modules that steps import in forks of the warm process, each time again."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from mml_lib.config.pipeline_folder import LIBRARY
from tests.support.workplaces import TINY

pytestmark = [pytest.mark.long, pytest.mark.thorough]

LIGHT = {
    *("create_dataset", "create_task", "preprocess_shard", "preprocess_task", "write_pipeline", "test_fold"),
    *("summarize", "describe_study", "write_methods", "draw_results", "write_report", "finish_exp"),
}

ALLOWED = {"torch.profiler._cupti_monitor"}
"""Modules that torch imports when a profiler or a data loader begins, where its version has them."""

SLOW = ("torch", "lightning", "pandas", "sklearn", "scipy", "timm", "matplotlib", "optuna", "cv2", "snakemake")
"""Packages of which steps import nothing anew, nor of this library."""


def test_forks_import_nothing_anew(tmp_path: Path):
    study = {key: value for key, value in TINY.items() if key != "mode"} | {"mode": {"preset": "train"}}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study | {"bootstrap": 100}))
    printed = subprocess.run(
        [sys.executable, "-m", "tests.support.forked_steps", "study.yaml", "RESULTS/train.json"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(LIBRARY)},
        text=True,
        stdout=subprocess.PIPE,
        check=True,
    ).stdout
    imported = json.loads(printed.splitlines()[-1])
    assert set(imported) >= LIGHT | {"train_fold", "predict_fold"}
    anew = {
        rule: [module for module in modules if module.partition(".")[0] in (*SLOW, "mml_lib")]
        for rule, modules in imported.items()
    }
    assert {rule: set(modules) - ALLOWED for rule, modules in anew.items()} == {rule: set() for rule in imported}
