"""`mock_snakemake`: the object of a script by hand, from the study's own plan."""

import os
from pathlib import Path

import pytest
import yaml

from mml_lib.errors import MMLError
from mml_lib.machine.locks import SUPERVISOR
from mml_lib.steps import mock_snakemake
from tests.support.places import REPOSITORY
from tests.support.workplaces import TINY


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(SUPERVISOR, raising=False)
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(TINY))
    return path


def test_a_script_gets_the_files_and_settings_of_its_step(study: Path):
    environment = dict(os.environ)
    snakemake = mock_snakemake("train_fold", study, {"project": "later"}, task="stripes", run=run_of(study), fold=1)
    name = f"stripes/{run_of(study)}-fold1"
    assert snakemake.output.parameters == f"results/later/PARAMETERS/{name}.safetensors"
    assert snakemake.params.checkpoints == f"results/later/CHECKPOINTS/{name}"
    assert all(path.startswith("data/PREPROCESSED/") for path in snakemake.input.images)
    assert not snakemake.input.selection
    assert (snakemake.rule, snakemake.wildcards.fold, list(snakemake.log)) == ("train_fold", "1", [])
    assert Path(snakemake.script) == REPOSITORY / "scripts/train_fold.py"
    assert snakemake.config["project"] == "later"
    assert dict(os.environ) == environment
    assert SUPERVISOR not in environment
    assert list(study.parent.iterdir()) == [study], "nothing is written"


def run_of(study: Path) -> str:
    """Return the id of the run that the study plans."""
    from mml_lib.config.reading.layers import with_defaults
    from mml_lib.config.reading.study_files import read_study
    from mml_lib.studies.study import Study

    config = with_defaults(read_study(study))
    config["paths"] = {**(config.get("paths") or {}), "presets": [str(REPOSITORY / "config")]}
    (run,) = Study(config).scheduler("train").runs_of("stripes")
    return run.id


@pytest.mark.parametrize(
    ("rule", "wildcards", "message"),
    [
        ("train_fodl", {}, "rule 'train_fodl', did you mean 'train_fold'?"),
        ("write_pipeline", {"task": "stripes", "rnu": "1"}, "wildcard 'rnu', did you mean 'run'?"),
        ("write_pipeline", {"task": "stripes"}, "the wildcards run are missing"),
    ],
)
def test_mistakes_are_named(study: Path, rule: str, wildcards: dict[str, str], message: str):
    with pytest.raises(MMLError) as error:
        mock_snakemake(rule, study, **wildcards)
    assert message in str(error.value)


def test_a_mistake_in_the_study_is_named(study: Path):
    with pytest.raises(MMLError, match=r"optimiser.*did you mean 'optimizer'"):
        mock_snakemake("write_pipeline", study, {"optimiser": "adamw"}, task="stripes", run="0a1b2c3d")
