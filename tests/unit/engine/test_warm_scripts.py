"""Scripts that Snakemake runs in forks."""

import os
from types import SimpleNamespace
from typing import Any

import pytest
from snakemake.benchmark import BenchmarkRecord
from snakemake.shell import shell

from mml_lib.engine import warm_scripts


def script_of(**options: Any) -> SimpleNamespace:
    return SimpleNamespace(
        **{"threads": 3, "resources": {"tmpdir": "/tmp"}, "source": "", "bench_record": None} | options
    )


def test_fork_has_the_environment_that_the_shell_of_a_script_has():
    expected = dict(
        line.split("=", 1)
        for line in shell("env -0", read=True, threads=3, resources={"tmpdir": "/tmp"}).split("\0")
        if line
    )
    environment = warm_scripts.step_environment(script_of())
    changed = {key for key, value in environment.items() if os.environ.get(key) != value}
    assert {key: environment[key] for key in changed} == {key: expected[key] for key in changed}
    assert changed >= {key for key in expected if os.environ.get(key) != expected[key]} - {"_", "SHLVL"}


def test_time_and_memory_of_a_fork_are_noted(monkeypatch: pytest.MonkeyPatch):
    ended = {"status": 0, "seconds": 2.0, "kib": 2048.0}
    monkeypatch.setattr(warm_scripts, "run_in_fork", lambda *_, **__: ended)
    record = BenchmarkRecord()
    assert warm_scripts.run_script(script_of(bench_record=record), "step.py") == 0
    record.running_time = 4.0
    row = dict(zip(record.get_header(), record.to_tsv(False).split("\t"), strict=True))
    assert (row["max_rss"], row["cpu_time"], row["mean_load"]) == ("2.00", "2.00", "50.00")


def test_script_that_has_not_run_has_no_status(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(warm_scripts, "run_in_fork", lambda *_, **__: None)
    assert warm_scripts.run_script(script_of(), "step.py") is None
