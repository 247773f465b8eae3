"""MML as a module of an outer pipeline, which makes the data and uses the predictions."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.support.places import REPOSITORY
from tests.support.workplaces import TINY

OUTER = Path(__file__).parent / "outer_pipeline"
TASK = {"creator": "csv", "path": "prepared/table.csv", "made_by_rule": True, "folds": 2}


class Pipeline:
    """A copy of the outer pipeline in a folder of its own."""

    def __init__(self, folder: Path):
        self.folder = folder
        shutil.copytree(OUTER, folder, dirs_exist_ok=True)
        snakefile = folder / "Snakefile"
        snakefile.write_text(snakefile.read_text().replace("/path/to/clone", str(REPOSITORY)))

    def write(self, seed: int = 0, **study: object) -> None:
        """Write the config of the outer pipeline, with changes of the study in it."""
        content = {"seed": seed, "mml": TINY | {"tasks": {"brightness": TASK}} | study}
        (self.folder / "config.yaml").write_text(yaml.safe_dump(content))

    def run(self, *arguments: str, fails: bool = False) -> str:
        """Run Snakemake and return its output."""
        command = [sys.executable, "-m", "snakemake", "--cores", "2", *arguments]
        process = subprocess.run(command, cwd=self.folder, text=True, capture_output=True, timeout=600)
        output = process.stdout + process.stderr
        assert (process.returncode != 0) == fails, output
        return output


@pytest.fixture
def outer(tmp_path: Path) -> Pipeline:
    pipeline = Pipeline(tmp_path / "outer")
    pipeline.write()
    return pipeline


def test_plan_makes_data_first_and_names_rules_with_the_prefix(outer: Pipeline):
    output = outer.run("-n")
    table = output.split("Job stats:\n")[-1].split("\ntotal ")[0].splitlines()[2:]
    planned = {rule: int(count) for rule, count in map(str.split, table)}
    assert planned["make_table"] == planned["count_confident"] == planned["all"] == 1
    assert planned["mml_train_fold"] == planned["mml_predict_fold"] == 2
    assert "mml_all" not in planned, "the first rule of the outer pipeline stays the default target"
    assert output.count("to do: 13 steps, 2 of them trainings") == 1
    assert "localrules directive specifies rules" not in output


@pytest.mark.parametrize(
    ("study", "message"),
    [
        ({"arch": "test_resnett"}, "there is no preset 'test_resnett', did you mean 'test_resnet'?"),
        ({"resources": {"train_folds": {"threads": 1}}}, "resources.train_folds: no rule has this name"),
        ({"mode": "trian"}, "there is no preset 'trian'"),
    ],
)
def test_mistakes_of_the_study_name_the_module(outer: Pipeline, study: dict, message: str):
    outer.write(**study)
    output = outer.run("-n", fails=True)
    assert "error: module mml: " in output
    assert message in output


@pytest.mark.long
def test_outer_pipeline_trains_on_data_of_its_own_and_uses_the_predictions(outer: Pipeline):
    output = outer.run()
    assert output.count("the outer pipeline starts") == output.count("the outer pipeline ends") == 1
    assert "used by train_fold" in output, "MML's own hooks were called"
    assert "rerun-triggers" not in output
    confident = (outer.folder / "confident.txt").read_text().splitlines()
    assert len(confident) == 2
    assert (outer.folder / "results/tiny/.lock").exists(), "the project was locked"
    assert "Nothing to be done" in outer.run("-n")

    first = {path.name for path in (outer.folder / "results/tiny/MODELS/brightness").glob("*.json")}
    outer.write(seed=1)
    changed = outer.run("--forcerun", "make_table", fails=True)
    assert "changed after the study was planned; run the same command again" in changed
    outer.run()
    later = {path.name for path in (outer.folder / "results/tiny/MODELS/brightness").glob("*.json")}
    assert first < later, "other data are another run, and the first stay"
    assert len(later) == 4
