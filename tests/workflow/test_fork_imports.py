"""Modules that steps import again in each fork of the warm process."""

from pathlib import Path

import pytest
import yaml

from tests.support.printed_json import printed_json
from tests.support.workplaces import TINY

pytestmark = [pytest.mark.long, pytest.mark.thorough]

LIGHT = {
    *("create_dataset", "create_task", "preprocess_shard", "preprocess_task", "write_pipeline", "test_fold"),
    *("summarize", "describe_study", "write_methods", "draw_results", "write_report", "finish_exp"),
}

ALLOWED = {"torch.profiler._cupti_monitor"}
"""Modules that some versions of torch import when a profiler or a data loader starts."""

SLOW = ("torch", "lightning", "pandas", "sklearn", "scipy", "timm", "matplotlib", "optuna", "cv2", "snakemake")
"""Packages from which steps import no further modules in a fork; nor do they from this library."""


def test_forks_import_nothing_anew(tmp_path: Path):
    study = {key: value for key, value in TINY.items() if key != "mode"} | {"mode": {"preset": "train"}}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study | {"bootstrap": 100}))
    imported = printed_json(tmp_path, "forked_steps", "study.yaml", "RESULTS/train.json")
    assert set(imported) >= LIGHT | {"train_fold", "predict_fold"}
    anew = {
        rule: [module for module in modules if module.partition(".")[0] in (*SLOW, "mml_lib")]
        for rule, modules in imported.items()
    }
    assert {rule: set(modules) - ALLOWED for rule, modules in anew.items()} == {rule: set() for rule in imported}
