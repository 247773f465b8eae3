"""A mistake in a study ends in one line that says what, where and the remedy, while it is planned."""

import re
from pathlib import Path

import pytest

from mml_lib.config.pipeline_folder import add_presets
from mml_lib.errors import MMLError
from mml_lib.studies.study import Study
from tests.support.bad_studies import PLANNING
from tests.support.places import REPOSITORY
from tests.support.workplaces import TINY, Workplace


@pytest.mark.parametrize("case", PLANNING)
def test_mistake_in_a_study_shows_when_it_is_planned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str):
    study, line = PLANNING[case]
    monkeypatch.chdir(tmp_path)
    Workplace(tmp_path).write(study)
    config = dict(study)
    add_presets(config, REPOSITORY / "config")
    with pytest.raises(MMLError) as error:
        Study(config, [Path("study.yaml")]).check()
    assert re.search(line.format(folder=tmp_path), str(error.value))
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("case", ["missing path", "unknown key", "unknown tag", "metric of another task type"])
def test_mistake_in_a_study_is_one_line_of_snakemakes(workplace: Workplace, case: str):
    study, line = PLANNING[case]
    workplace.write(study)
    output = workplace.run("-n", fails=True)
    errors = [words for words in output.splitlines() if words.startswith("error: ")]
    assert len(errors) == 1, output
    assert re.search(line.format(folder=workplace.folder), errors[0])
    assert "Traceback" not in output
    assert not (workplace.folder / "data").exists()


def test_service_without_its_variable_is_refused_by_a_dry_run(workplace: Workplace):
    workplace.write(TINY | {"notify": ["NO_SUCH_SERVICE"]})
    output = workplace.run("-n", fails=True)
    assert re.search(r"^error: study\.yaml: notify: .*NO_SUCH_SERVICE", output, re.MULTILINE), output
