"""Searches: what a trial costs beside its training, and what planning a thousand of them costs next to Snakemake alone.

Planning is measured by processor time, which others on the machine change little. The wall time of a search is
compared with that of its trainings in the same run, so that both are slower where the machine is busy.
"""

import csv
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from tests.support.benchmark_figures import Figures
from tests.support.places import REPOSITORY
from tests.support.workplaces import TINY

pytestmark = pytest.mark.benchmark

PLANNED, TRIALS, PARALLEL = 1000, 64, 2

SEARCH = {
    "objective": "loss",
    "parallel": PARALLEL,
    "space": {
        "optimizer.lr": {"low": 1e-4, "high": 0.1, "log": True},
        "optimizer.weight_decay": {"low": 0, "high": 0.1},
    },
}

STUDY = TINY | {
    "mode": "search",
    "tasks": {"digits": {"creator": "digits", "folds": 3, "test_fraction": 0.2}},
    "preprocessing": "none",
    "sampling": {"preset": "default", "batch_size": 32},
    "trainer": {"max_epochs": 9, "accelerator": "cpu"},
}

PLAIN = f"""
TRIALS = range(1, {PLANNED} + 1)
rule all:
    input: "r/trials.csv", "r/choice.yaml"
rule write_pipeline:
    output: "r/base.yaml"
    script: "step.py"
rule pack:
    output: "d/packed"
    script: "step.py"
rule propose_trial:
    input:
        pipeline=ancient("r/base.yaml"),
        previous=ancient(lambda wildcards: [f"r/trial-{{int(wildcards.n) - 1}}.json"] if int(wildcards.n) > 1 else []),
        results=ancient(
            lambda wildcards: [f"r/result-{{int(wildcards.n) - 8}}.json"] if int(wildcards.n) > 8 else []
        ),
    output: "r/trial-{{n}}.json"
    log: "r/LOGS/trial-{{n}}.log"
    priority: 50
    params: number=lambda wildcards: wildcards.n
    message: "propose {{wildcards.n}}"
    script: "step.py"
rule train_trial:
    input:
        pipeline=ancient("r/base.yaml"),
        trial=ancient("r/trial-{{n}}.json"),
        images=ancient("d/packed"),
    output: "r/result-{{n}}.json"
    log: "r/LOGS/result-{{n}}.log"
    benchmark: "r/BENCHMARKS/result-{{n}}.tsv"
    params: number=lambda wildcards, output: wildcards.n
    resources: mem_mb=8000, runtime=240
    message: "train {{wildcards.n}}"
    script: "step.py"
rule choose_trial:
    input: ancient(expand("r/trial-{{n}}.json", n=TRIALS)), ancient(expand("r/result-{{n}}.json", n=TRIALS))
    output: "r/choice.yaml"
    script: "step.py"
rule collect_search:
    input: expand("r/trial-{{n}}.json", n=TRIALS), expand("r/result-{{n}}.json", n=TRIALS)
    output: "r/trials.csv"
    script: "step.py"
"""


def snakemake(folder: Path, snakefile: Path, *arguments: str) -> tuple[float, float, float, str]:
    """Run Snakemake and return wall time, processor time (its own and that of finished children), MB, and its output.

    Steps that go on in the warm process compute there; their time is not part of the processor time.
    """
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(snakefile), *arguments]
    command += ["--profile", str(REPOSITORY / "profiles/default"), "--cores", "2"]
    env = os.environ | {"MML_DATA_PATH": str(folder / "data"), "MML_RESULTS_PATH": str(folder / "results")}
    with open(folder / "said", "w+") as printed:
        started = time.monotonic()
        process = subprocess.Popen(command, cwd=folder, stdout=printed, stderr=subprocess.STDOUT, env=env)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - started
        printed.seek(0)
        output = printed.read()
    assert status == 0, output[-2000:]
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, output


@pytest.mark.parametrize("halving", [False, True], ids=["full", "halving"])
def test_a_thousand_trials_are_planned_in_at_most_15_seconds(tmp_path: Path, figures: Figures, halving: bool):
    ours, plain = tmp_path / "ours", tmp_path / "plain"
    for folder in (ours, plain):
        folder.mkdir()
    search = SEARCH | {"trials": PLANNED, "parallel": 8} | ({"halving": {"min_epochs": 1}} if halving else {})
    (ours / "study.yaml").write_text(yaml.safe_dump(STUDY | {"search": search}))
    (plain / "Snakefile").write_text(PLAIN)
    (plain / "step.py").touch()
    _, computed, memory, output = snakemake(ours, REPOSITORY / "Snakefile", "-n", "--configfile", "study.yaml")
    _, base, base_memory, base_output = snakemake(plain, plain / "Snakefile", "-n")
    steps = int(re.search(r"to do: ([\d,]+) steps", output)[1].replace(",", ""))
    base_steps = int(re.search(r"\ntotal +(\d+)", base_output)[1])
    name = f"planning 1,000 trials{' with halving' if halving else ''}"
    of = "plain Snakemake, per step"
    figures.record(f"{name}: memory", memory / base_memory, of="plain Snakemake")
    figures.record(f"{name}, to Snakemake", computed / steps / (base / base_steps), of=of, by="processor")
    figures.record(name, computed, "s", by="processor", at_most=15)


def test_trials_cost_at_most_a_second_beside_training_and_keep_two_cores_busy(tmp_path: Path, figures: Figures):
    """The first trials prepare the data; more trials continue the search, and are measured as a whole command."""
    first, trials = 2, TRIALS + 2
    for number in (first, trials):
        (tmp_path / "study.yaml").write_text(yaml.safe_dump(STUDY | {"search": SEARCH | {"trials": number}}))
        wall, computed, _, _ = snakemake(tmp_path, REPOSITORY / "Snakefile", "--configfile", "study.yaml")
    files = sorted(tmp_path.glob("results/tiny/BENCHMARKS/train_trial/*.tsv"), key=lambda path: path.stat().st_mtime)
    trainings = [float(next(csv.DictReader(open(path), delimiter="\t"))["s"]) for path in files][first:]
    assert len(trainings) == TRIALS
    ratio = wall / (sum(trainings) / PARALLEL)
    figures.record("trial, beside its training", computed / TRIALS, "s", by="processor", at_most=1)
    figures.record("64 trials on two cores", ratio, of="half of the time of trainings", by="clock", at_most=1.15)
