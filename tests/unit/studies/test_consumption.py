"""Memory and time that steps used, next to their requests."""

from pathlib import Path

from mml_lib.files.manager import MMLFileManager
from mml_lib.studies.resources.consumption import advice, as_lines, as_rows, consumption
from mml_lib.studies.resources.planned_steps import Step


def training(folder: Path, name: str, **resources: int) -> Step:
    return Step("train_fold", folder / "train_fold" / f"{name}.tsv", **resources)


def test_use_is_told_next_to_what_was_asked_for(tmp_path: Path):
    folder = MMLFileManager(tmp_path / "data", tmp_path / "results", "study").benchmark_folders[0]
    steps = []
    for fold, seconds in enumerate((60, 1200)):
        step = training(folder, f"a-00000000-fold{fold}", minutes=240, mem_mb=8000)
        step.benchmark.parent.mkdir(parents=True, exist_ok=True)
        step.benchmark.write_text(f"s\tmax_rss\n{seconds}\t2000\n")
        steps.append(step)
    used = consumption([*steps, Step("summarize")])
    assert as_lines(used) == [
        "train_fold: 2 steps, at most 20 of 240 min, 2,097 of 8,000 MB; "
        "next time resources.train_fold: {mem_mb: 3000, runtime: 40}"
    ]
    (row,) = as_rows(used)
    assert row["next_runtime"] == 40
    assert row["next_mem_mb"] == 3000


def test_a_step_that_was_killed_before_it_was_measured_gives_no_advice(tmp_path: Path):
    assert as_lines(consumption([training(tmp_path, "a-00000000-fold0", minutes=10)])) == []
    assert advice(None, None) == {}
