"""Scripts use the paths of their inputs and outputs, whatever they are."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.places import REPOSITORY
from tests.support.workplaces import TINY, Workplace

STUDY = TINY | {"mode": "post", "sweep": {"seed": [0, 1]}}
STUDY["tasks"] = {"stripes": TINY["tasks"]["stripes"] | {"test_fraction": 0.25}}

RULES = {
    *("create_dataset", "create_task", "preprocess_shard", "preprocess_task", "write_pipeline", "train_fold"),
    *("predict_fold", "test_fold", "calibrate_fold", "select_ensemble", "predict_ensemble", "compare_runs"),
    *("summarize", "draw_results", "describe_study", "finish_exp"),
}


@pytest.mark.long
def test_a_step_gives_the_same_outputs_from_copies_of_its_inputs_at_other_paths(tmp_path: Path):
    place = Workplace(tmp_path / "study")
    place.folder.mkdir()
    place.write(STUDY)
    place.run("post", "--notemp")
    answer = subprocess.run(
        [sys.executable, "-m", "tests.support.moved_steps", "study.yaml", str(tmp_path / "moved")],
        cwd=place.folder,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
    )
    assert answer.returncode == 0, answer.stderr
    differences = json.loads(answer.stdout.splitlines()[-1])
    assert set(differences) >= RULES
    assert {rule: lines for rule, lines in differences.items() if lines} == {}
