"""Planning: what this library adds to Snakemake's own time and memory.

Other numbers of runs: `MML_BENCHMARK_RUNS=6670 pytest -m benchmark -n 0 tests/benchmarks/test_planning.py`.
"""

import os
import re
import statistics
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.support.benchmark_figures import Figures
from tests.support.places import REPOSITORY
from tests.support.timing import median_ratio

RUNS = int(os.environ.get("MML_BENCHMARK_RUNS", 667))
"""Runs of five networks, with three steps each and a pipeline: 16 steps a run."""

FOLDS = 5

STUDY = {
    "project": "large",
    "mode": {"preset": "train", "subroutines": ["train", "predict", "test"]},
    "tasks": {"stripes": {"creator": "fake", "folds": FOLDS}},
    "preprocessing": "size32",
    "arch": "test_resnet",
    "loss": "cross_entropy",
    "optimizer": "adamw",
    "lr_scheduler": "one_cycle",
    "sweep": {"seed": list(range(RUNS))},
}

PLAIN = f"""
RUNS = ["%08x" % number for number in range({RUNS})]
FOLDS = range({FOLDS})
METRICS = expand("r/METRICS/stripes/{{run}}-fold{{fold}}/test.json", run=RUNS, fold=FOLDS)
PREDICTIONS = expand("r/PREDICTIONS/stripes/{{run}}-fold{{fold}}/test.npz", run=RUNS, fold=FOLDS)
MODELS = expand("r/MODELS/stripes/{{run}}-fold{{fold}}.json", run=RUNS, fold=FOLDS)
wildcard_constraints:
    task=r"[A-Za-z0-9][A-Za-z0-9_.+~-]*", run=r"[0-9a-f]{{8}}", fold=r"\\d+", eval="val|test|unlabelled",
rule all:
    input: METRICS, PREDICTIONS, MODELS, "r/RESULTS/train.json"
rule create_dataset:
    output: dataset="d/RAW/fake/dataset.json"
    log: "d/LOGS/create_dataset.log"
    benchmark: "d/BENCHMARKS/create_dataset.tsv"
    message: "create the data set"
    DO
rule create_task:
    input: dataset="d/RAW/fake/dataset.json"
    output: description="d/TASKS/stripes/1.json"
    log: "d/LOGS/create_task.log"
    benchmark: "d/BENCHMARKS/create_task.tsv"
    message: "create the task"
    DO
rule preprocess_shard:
    input: dataset=ancient("d/RAW/fake/dataset.json")
    output: packed=temp(directory("d/PREPROCESSED/1-0of1"))
    log: "d/LOGS/preprocess_shard.log"
    benchmark: "d/BENCHMARKS/preprocess_shard.tsv"
    message: "pack"
    DO
rule preprocess_task:
    input: shards=ancient("d/PREPROCESSED/1-0of1")
    output: packed=directory("d/PREPROCESSED/1")
    log: "d/LOGS/preprocess_task.log"
    message: "lay together"
    DO
rule write_pipeline:
    output: pipeline="r/PIPELINES/{{task}}/{{run}}.yaml"
    log: "r/LOGS/write_pipeline/{{task}}-{{run}}.log"
    message: "write {{wildcards.run}}"
    DO
rule train_fold:
    input:
        pipeline=ancient("r/PIPELINES/{{task}}/{{run}}.yaml"),
        task=ancient("d/TASKS/stripes/1.json"),
        images=ancient("d/PREPROCESSED/1"),
    output:
        parameters="r/PARAMETERS/{{task}}/{{run}}-fold{{fold}}.safetensors",
        model="r/MODELS/{{task}}/{{run}}-fold{{fold}}.json",
        history="r/HISTORY/{{task}}/{{run}}-fold{{fold}}.csv",
    log: "r/LOGS/train_fold/{{task}}-{{run}}-fold{{fold}}.log"
    benchmark: "r/BENCHMARKS/train_fold/{{task}}-{{run}}-fold{{fold}}.tsv"
    params: label=lambda wildcards, output: wildcards.run
    threads: 4
    resources: mem_mb=8000, runtime=240
    message: "train {{wildcards.task}} fold {{wildcards.fold}}: {{params.label}}"
    DO
rule predict_fold:
    input:
        pipeline=ancient("r/PIPELINES/{{task}}/{{run}}.yaml"),
        parameters="r/PARAMETERS/{{task}}/{{run}}-fold{{fold}}.safetensors",
        task=ancient("d/TASKS/stripes/1.json"),
        images=ancient("d/PREPROCESSED/1"),
    output: predictions="r/PREDICTIONS/{{task}}/{{run}}-fold{{fold}}/{{eval}}.npz"
    log: "r/LOGS/predict_fold/{{task}}-{{run}}-fold{{fold}}-{{eval}}.log"
    benchmark: "r/BENCHMARKS/predict_fold/{{task}}-{{run}}-fold{{fold}}-{{eval}}.tsv"
    params: label=lambda wildcards, output: wildcards.run
    threads: 4
    resources: mem_mb=8000, runtime=60
    message: "predict {{wildcards.eval}} of {{wildcards.task}} with fold {{wildcards.fold}}: {{params.label}}"
    DO
rule test_fold:
    input: predictions="r/PREDICTIONS/{{task}}/{{run}}-fold{{fold}}/{{eval}}.npz"
    output: metrics="r/METRICS/{{task}}/{{run}}-fold{{fold}}/{{eval}}.json"
    log: "r/LOGS/test_fold/{{task}}-{{run}}-fold{{fold}}-{{eval}}.log"
    message: "test {{wildcards.task}} fold {{wildcards.fold}}: {{wildcards.run}}"
    DO
rule summarize:
    input: metrics=METRICS
    output: summary="r/RESULTS/train.csv", folds="r/RESULTS/train-folds.csv"
    log: "r/LOGS/summarize.log"
    message: "sum up"
    DO
rule finish_exp:
    input: METRICS, PREDICTIONS, MODELS, "r/RESULTS/train.csv", "r/RESULTS/train-folds.csv"
    output: return_value="r/RESULTS/train.json"
    log: "r/LOGS/finish_exp.log"
    message: "finish"
    DO
"""


def plan(folder: Path, snakefile: Path, *arguments: str) -> tuple[float, float, str]:
    """Return seconds of processors, peak memory in MB and words of a dry run."""
    command = [sys.executable, "-m", "snakemake", "-n", "--snakefile", str(snakefile), *arguments]
    with open(folder / "said", "w+") as output:
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        output.seek(0)
        words = output.read()
    assert status == 0, words[-2000:]
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, words


@pytest.mark.benchmark
def test_planning_a_large_study_costs_no_more_than_plain_snakemake(tmp_path: Path, figures: Figures):
    ours, plain = tmp_path / "ours", tmp_path / "plain"
    for folder in (ours, plain):
        folder.mkdir()
    (ours / "study.yaml").write_text(yaml.safe_dump(STUDY))
    (plain / "Snakefile").write_text(PLAIN.replace("DO", 'script: "step.py"'))
    (plain / "step.py").touch()
    (plain / "shell.smk").write_text(PLAIN.replace("DO", 'shell: "true"'))
    profile = ("--profile", str(REPOSITORY / "profiles/default"))
    seconds: dict[str, list[float]] = {"ours": [], "plain": []}
    memory: dict[str, float] = {}
    for _ in range(3 if RUNS < 1000 else 1):
        took, memory["ours"], output = plan(ours, REPOSITORY / "Snakefile", *profile, "--configfile", "study.yaml")
        seconds["ours"].append(took)
        steps = 1 + int(re.search(r"to do: ([\d,]+) steps", output)[1].replace(",", ""))  # and the target
        took, memory["plain"], output = plan(plain, plain / "Snakefile", *profile)
        seconds["plain"].append(took)
        assert int(re.search(r"\ntotal +(\d+)", output)[1]) == steps
    with_shell, _, _ = plan(plain, plain / "shell.smk", *profile)
    name, of = f"planning {steps:,} steps", "plain Snakemake"
    figures.record(f"{name}: seconds", statistics.median(seconds["ours"]), "s", by="processor")
    figures.record(f"{name}: memory", memory["ours"] / memory["plain"], of=of)
    shells = statistics.median(seconds["ours"]) / with_shell
    figures.record(f"{name}, to shell rules", shells, of=f"{of} with shell rules", by="processor")
    ratio = median_ratio(seconds["ours"], seconds["plain"])
    figures.record(name, ratio, of=of, by="processor", at_most=1.05)  # 1, and what two measurements differ by
