"""A mistake in data ends in one line that says what, where and the remedy, before anything is trained."""

import re
from pathlib import Path
from typing import Any

import pytest

from mml_lib.config.task_options import Task
from mml_lib.errors import MMLError
from tests.support.bad_input import IN_A_RUN, STEPS, table, values_table
from tests.support.bad_studies import of_type, with_task
from tests.support.plans import check_plan
from tests.support.workplaces import TINY, Workplace


def task_of(case: str, folder: Path) -> dict[str, Any]:
    """Write the data of a case into a folder of its own, and return its task."""
    build, _ = STEPS[case]
    folder.mkdir()
    task = build(Workplace(folder))
    return task | {key: f"{folder.name}/{task[key]}" for key in ("path", "masks") if key in task}


@pytest.mark.long
def test_mistakes_in_data_stop_before_any_training(workplace: Workplace):
    """One study has several mistakes, each in a task of its own: a run goes on with what does not need a failed step.

    Only one of the tasks would be trained, as each pipeline is checked before anything runs.
    """
    names = {case: f"case{number}" for number, case in enumerate(IN_A_RUN)}
    tasks = {name: task_of(case, workplace.folder / name) for case, name in names.items()}
    settings = {"loss": "default", "metrics": "default", "decoder": "unet_small"}
    settings |= {"pivot": {"name": names["class folder with one image"]}}
    workplace.write(TINY | settings | {"tasks": tasks, "plugins": [f"{names['label that is not a class']}/wrong.py"]})
    output = workplace.run("pp", "train", fails=True)
    errors = [line for line in output.splitlines() if line.startswith("error in ")]
    for case in IN_A_RUN:
        pattern = STEPS[case][1].format(folder=workplace.folder / names[case])
        assert sum(bool(re.search(pattern, error)) for error in errors) == 1, f"{case}\n{output}"
    assert len(errors) == len(IN_A_RUN), output
    assert "Traceback" not in output
    assert workplace.files("results/tiny/LOGS/train_fold/*") == []
    assert list(workplace.folder.rglob("*.part*")) == []
    assert workplace.files("data/RAW/*/*.npy") == []
    for packed in workplace.files("data/PREPROCESSED/*/*"):
        assert {"images.npy", "moments.npy"} <= {file.name for file in packed.iterdir()}, "whole or not at all"


@pytest.mark.parametrize("case", [case for case in STEPS if case not in IN_A_RUN])
def test_mistake_in_data_is_refused_by_the_functions_of_the_steps(tmp_path: Path, monkeypatch: Any, case: str):
    monkeypatch.chdir(tmp_path)
    task = task_of(case, tmp_path / "mine")
    with pytest.raises(MMLError, match=STEPS[case][1].format(folder=tmp_path / "mine")):
        check_plan(Task(**task), tmp_path / "data")


def test_value_that_is_no_number_shows_when_it_is_planned(workplace: Workplace):
    workplace.write(of_type("regression") | with_task(values_table(workplace, "1", "2.5", "about 3", "4", "5", "6")))
    output = workplace.run("-n", fails=True)
    assert re.search("table.csv, line 4: 'about 3' .*regression", output)
    assert output.count("error: ") == 1


@pytest.mark.parametrize(
    ("row", "head", "line"),
    [
        (
            "images/a/9.png,a,train",
            "image,label,split",
            "table.csv, line 12: .*{folder}/images/a/9.png",
        ),
        (",a,train", "image,label,split", "table.csv, line 12: .*'image'"),
        ("images/a/4.png,a,train", "image,lable,split", "column 'label', did you mean 'lable'"),
    ],
)
def test_mistake_in_a_table_shows_when_it_is_planned(workplace: Workplace, row: str, head: str, line: str):
    workplace.write(with_task(table(workplace, row, head=head)))
    output = workplace.run("-n", fails=True)
    assert re.search(line.format(folder=workplace.folder), output)
    assert output.count("error: ") == 1


def test_results_path_that_cannot_be_written_is_named(workplace: Workplace):
    (workplace.folder / "file").write_text("in the way")
    workplace.write(TINY | {"paths": {"results": "file"}})
    output = workplace.run(fails=True)
    assert re.search("error: .*results path file .*; set paths.results", output)
    assert not (workplace.folder / "data").exists()


def test_device_that_the_machine_lacks_fails_its_training_in_one_line(copy: Workplace):
    copy.write(TINY | {"seed": 5, "mode": {"preset": "train", "cv": False}, "trainer": {"accelerator": "mps"}})
    output = copy.run(fails=True)
    assert "trainer.accelerator 'mps' is not available" in output
    assert output.count("error in train_fold: ") == 1
    assert "Traceback" not in output
    assert len(copy.files("results/tiny/MODELS/stripes/*")) == 2
