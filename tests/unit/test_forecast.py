"""Looking ahead and back: what a plan takes, by earlier steps; what steps took, by what they asked for."""

import os
from pathlib import Path

import pytest

from mml_lib.files.manager import MMLFileManager
from mml_lib.schedulers.forecast import Consumption, Forecast, Step, advice, as_rows


@pytest.fixture
def fm(tmp_path: Path) -> MMLFileManager:
    return MMLFileManager(tmp_path / "data", tmp_path / "results", "study")


def measure(fm: MMLFileManager, rule: str, name: str, seconds: float, mib: float = 100) -> Path:
    file = fm.benchmark_folders[0] / rule / f"{name}.tsv"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"s\tmax_rss\n{seconds}\t{mib}\n")
    return file


def training(fm: MMLFileManager, name: str, **asked: int) -> Step:
    return Step("train_fold", fm.benchmark_folders[0] / "train_fold" / f"{name}.tsv", **asked)


def test_a_plan_takes_as_long_as_earlier_steps_of_its_rules(fm: MMLFileManager):
    measure(fm, "train_fold", "a-00000000-fold0", 3600)
    measure(fm, "train_fold", "a-00000000-fold1", 7200)
    line = Forecast(fm).line([training(fm, "b-11111111-fold0", gpus=2), training(fm, "b-11111111-fold1")])
    assert line.startswith("ahead: 2 steps (2 train_fold); about 3.0 hours of GPUs, 1.5 hours without a GPU")
    assert "guessed" not in line


def test_steps_of_the_same_run_tell_more_than_those_of_the_task_and_these_more_than_all(fm: MMLFileManager):
    measure(fm, "train_fold", "a-00000000-fold0", 3600)
    measure(fm, "train_fold", "b-22222222-fold0", 36000)
    measure(fm, "train_fold", "b-11111111-fold0", 7200)

    def hours(name: str) -> str:
        return Forecast(fm).line([training(fm, name, gpus=1)]).split("about ")[1].split(" hours")[0]

    assert hours("b-11111111-fold1") == "2.0"
    assert hours("b-33333333-fold0") == "6.0"
    assert hours("a-33333333-fold0") == "1.0"


def test_what_was_never_measured_is_guessed_and_said_so(fm: MMLFileManager):
    step = training(fm, "a-00000000-fold0", gpus=1, minutes=240)
    line = Forecast(fm).line([step])
    assert "4.0 hours of GPUs" in line
    assert line.endswith("(guessed: train_fold by its time limit)")


def test_the_disk_is_told_by_artefacts_of_the_same_kind(fm: MMLFileManager):
    for fold, size in enumerate((3_000_000, 5_000_000)):
        path = Path(fm.path("parameters", task="a", run="00000000", fold=fold))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        os.truncate(path, size)
    outputs = tuple(("parameters", fm.path("parameters", task="b", run="00000000", fold=fold)) for fold in range(3))
    assert "12 MB on the disk" in Forecast(fm).line([Step("train_fold", outputs=outputs)])
    unknown = (("predictions", fm.path("predictions", task="b", run="00000000", fold=0, eval="test")),)
    assert Forecast(fm).line([Step("predict_fold", outputs=unknown)]).endswith("(guessed: size of predictions)")


def test_a_step_is_missing_until_all_its_outputs_are_there(fm: MMLFileManager, tmp_path: Path):
    step = Step("train_fold", outputs=(("models", str(tmp_path / "a")), ("parameters", str(tmp_path / "b"))))
    (tmp_path / "a").touch()
    assert Forecast(fm).missing([step]) == [step]
    (tmp_path / "b").touch()
    assert Forecast(fm).missing([step]) == []
    assert Forecast(fm).line([]) == "ahead: nothing"


def test_use_is_told_next_to_what_was_asked_for(fm: MMLFileManager):
    steps = []
    for fold, seconds in enumerate((60, 1200)):
        measure(fm, "train_fold", f"a-00000000-fold{fold}", seconds, mib=2000)
        steps.append(training(fm, f"a-00000000-fold{fold}", minutes=240, mem_mb=8000))
    used = Consumption([*steps, Step("summarize")])
    assert used.lines() == [
        "train_fold: 2 steps, at most 20 of 240 min, 2,097 of 8,000 MB; "
        "next time resources.train_fold: {mem_mb: 3000, runtime: 40}"
    ]
    (row,) = as_rows(used.rows)
    assert row["next_runtime"] == 40
    assert row["next_mem_mb"] == 3000


def test_a_step_that_was_killed_before_it_was_measured_gives_no_advice(fm: MMLFileManager):
    assert Consumption([training(fm, "a-00000000-fold0", minutes=10)]).lines() == []
    assert advice(None, None) == {}
