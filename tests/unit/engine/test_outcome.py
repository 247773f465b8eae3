"""Outcome of a finished study: its results, and commands for the same study."""

import csv
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mml_lib.engine.screen.outcome import study_command
from mml_lib.engine.screen.outcome_table import MOST_ROWS, leaderboard_rows, outcome_lines, summary_rows
from mml_lib.errors import MMLError

ROW = {
    **{"task": "moles", "kind": "procedure", "label": "", "on": "", "split": "test", "metric": "accuracy", "runs": 1},
    **{"folds": 5, "mean": 0.91234, "std": 0.01, "ci_low": 0.85, "ci_high": 0.95, "about": "procedure", "reason": ""},
    **{"difference": "", "difference_low": "", "difference_high": "", "p_holm": "", "among_best": "True"},
}


def write_table(path: Path, rows: list[dict[str, Any]]) -> Path:
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def summary(folder: Path, *rows: dict[str, Any]) -> Path:
    complete = [ROW | {"run": row["procedure"]} | row for row in rows]
    return write_table(folder / "train.csv", complete)


def test_runs_have_interval_networks_and_the_mark_of_the_best(tmp_path: Path):
    path = summary(
        tmp_path,
        {"procedure": "aaaaaaaa", "label": "optimizer.lr=0.1"},
        {"procedure": "bbbbbbbb", "label": "optimizer.lr=0.2", "mean": 0.9, "among_best": "False"},
    )
    header, best, other, *_ = outcome_lines(summary_rows(path, {}))
    assert header.split()[:3] == ["task", "run", "differs"]
    assert " ".join(best.split()) == "moles aaaaaaaa optimizer.lr=0.1 5 accuracy 0.9123 = 0.8500 … 0.9500"
    assert "=" not in other.replace("lr=", "")


def test_a_single_run_has_no_mark(tmp_path: Path):
    lines = outcome_lines(summary_rows(summary(tmp_path, {"procedure": "aaaaaaaa"}), {}))
    assert len(lines) == 3, "header, run, subject of the interval"
    assert "=" not in "".join(lines)
    assert lines[-1].startswith("  95 % interval of a run: ")


def test_only_the_main_metric_of_each_task_is_printed(tmp_path: Path):
    names = ("accuracy", "auroc")
    path = summary(tmp_path, *({"procedure": "aaaaaaaa", "metric": name} for name in names))
    assert [row.metric for row in summary_rows(path, {"moles": "auroc"})] == ["auroc"]
    assert [row.metric for row in summary_rows(path, {"moles": "f1"})] == ["accuracy"], "the first, without that one"


def test_runs_beneath_their_procedure_are_left_to_the_file(tmp_path: Path):
    rows = [
        {"procedure": "aaaaaaaa", "run": "", "runs": 2},
        {"kind": "run", "procedure": "aaaaaaaa", "run": "cccccccc"},
    ]
    (row,) = summary_rows(summary(tmp_path, *rows), {})
    assert (row.name, row.runs) == ("aaaaaaaa", "2")
    header, line, *_ = outcome_lines([row])
    assert re.split("  +", header.strip())[:4] == ["task", "procedure", "runs", "networks per run"]
    assert line.split()[:4] == ["moles", "aaaaaaaa", "2", "5"]


def test_a_reason_stands_where_there_is_no_interval(tmp_path: Path):
    path = summary(tmp_path, {"procedure": "aaaaaaaa", "ci_low": "", "ci_high": "", "reason": "one class only"})
    lines = outcome_lines(summary_rows(path, {}))
    assert lines[1].endswith("one class only")
    assert len(lines) == 2, "no sentence on intervals"


def test_tables_of_any_size_are_short(tmp_path: Path):
    tasks = [{"procedure": f"{run:08}", "task": f"task{task}"} for task in range(30) for run in range(20)]
    lines = outcome_lines(summary_rows(summary(tmp_path, *tasks), {}))
    assert sum("accuracy" in line for line in lines) == MOST_ROWS
    assert any(f"{600 - MOST_ROWS} more" in line for line in lines)
    assert len(lines) <= 12


def test_results_on_another_task_name_it(tmp_path: Path):
    path = summary(tmp_path, {"procedure": "aaaaaaaa"}, {"procedure": "aaaaaaaa", "on": "warts"})
    assert [row.split for row in summary_rows(path, {})] == ["test", "test of warts"]


def test_leaderboard_has_procedures_and_ensemble(tmp_path: Path):
    estimate = {
        "f1": 0.8,
        "f1_low": 0.7,
        "f1_high": 0.9,
        "f1_about": "procedure",
        "f1_reason": "",
        "f1_among_best": True,
    }
    kinds = [("procedure", "aaaaaaaa"), ("run", "bbbbbbbb"), ("ensemble", "ensemble")]
    entries = [{"kind": kind, "procedure": run, "run": run, "runs": 1, "folds": 5} | estimate for kind, run in kinds]
    rows = leaderboard_rows(write_table(tmp_path / "leaderboard.csv", entries), "moles")
    assert [(row.name, row.metric, row.mean) for row in rows] == [
        ("aaaaaaaa", "f1", "0.8000"),
        ("ensemble", "f1", "0.8000"),
    ]


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("--cores all", "snakemake post --cores all"),
        ("train -n --quiet rules --configfile my study.yaml", "snakemake post --configfile my study.yaml"),
        ("-c4 --config optimizer.lr=1e-4 a=b --forceall", "snakemake post -c4 --config optimizer.lr=1e-4 a=b"),
        ("--profile slurm --rerun-incomplete", "snakemake post --profile slurm"),
        ("", "snakemake post"),
    ],
)
def test_further_commands_are_for_the_same_study(line: str, command: str):
    assert study_command("post", command_line=line.split()) == command


@pytest.mark.parametrize("content", [b"kind\n\xff\xfe", b"a,b\n1,2\n"], ids=["bytes", "columns"])
def test_a_damaged_table_is_named_with_what_to_do(content: bytes, tmp_path: Path):
    path = tmp_path / "train.csv"
    path.write_bytes(content)
    with pytest.raises(MMLError, match=rf"{path} is damaged; delete it and run the command again"):
        summary_rows(path, {})
    with pytest.raises(MMLError, match="is damaged; delete it"):
        leaderboard_rows(path, "moles")


def test_the_outcome_is_printed_without_pandas():
    code = "import sys, mml_lib.engine.screen.run_screen; sys.exit('pandas' in sys.modules or 'rich' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
