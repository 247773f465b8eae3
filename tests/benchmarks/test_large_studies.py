"""Large studies: choosing the next step, and a study whose steps only write their outputs.

Other numbers of runs: `MML_BENCHMARK_RUNS=6670 pytest -m benchmark -n 0 tests/benchmarks/test_large_studies.py`.
"""

import gc
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from mml_lib.engine.opening import GC_THRESHOLD
from mml_lib.engine.step_order import StepOrder
from tests.support.benchmark_figures import Figures
from tests.support.counted_plan import STUDY
from tests.support.places import REPOSITORY
from tests.support.simulated_schedule import greedy, networks, simulate, timeline

RUNS = int(os.environ.get("MML_BENCHMARK_RUNS", 667))
"""Runs of five networks, with three steps each and a pipeline: 16 steps a run. Over 1,000, only first steps are run."""

SNAKEMAKE = [sys.executable, "-m", "tests.support.pretended_steps", "--snakefile", str(REPOSITORY / "Snakefile")]
OPTIONS = ["--profile", str(REPOSITORY / "profiles/default"), "--configfile", "study.yaml", "--cores", "2"]


@pytest.mark.benchmark
@pytest.mark.parametrize(("runs", "seconds"), [(667, 0.02), (6670, 0.1)])
def test_choosing_a_step_is_quick_with_thousands_ready(figures: Figures, runs: int, seconds: float):
    steps = networks(runs, 5)
    ready = {step for step in steps if not step.needs}
    free, repeats = {"_cores": 2}, 5
    order = StepOrder(lambda: [("t", f"{run:08x}") for run in range(runs)])
    order.first(ready, free)  # each step is placed once
    gc.set_threshold(*GC_THRESHOLD)  # as in a run
    started = time.process_time()
    for _ in range(repeats):
        chosen = greedy().select_jobs(order.first(ready, free), [], free, {})
    ours = (time.process_time() - started) / repeats
    started = time.process_time()
    greedy().select_jobs(list(ready), [], free, {})
    plain = time.process_time() - started
    assert [step.jobid for step in chosen] == [0, 3]
    name = f"choosing a step of {len(ready):,} that are ready"
    figures.record(f"{name}, to Snakemake", ours / plain, of="the greedy scheduler, no sizes of inputs", by="processor")
    figures.record(name, ours, "s", by="processor", at_most=seconds)


@pytest.mark.benchmark
def test_timeline_of_twelve_runs_on_four_slots(figures: Figures, capsys: pytest.CaptureFixture):
    before, after = networks(12, 5), networks(12, 5)
    simulate(before, 4, lambda ready, free: sorted(ready, key=lambda step: hash((step.jobid, 7))))
    simulate(after, 4, StepOrder(lambda: [("t", f"{run:08x}") for run in range(12)]).first)
    first = [
        min(max(step.end for step in steps if step.run == run) for run in {step.run for step in steps})
        for steps in (before, after)
    ]
    with capsys.disabled():
        print("\nbefore: an arbitrary order", *timeline(before), "after: the order of MML", *timeline(after), sep="\n")
    figures.record("first finished run of 12", first[1] / first[0], of="an arbitrary order", at_most=0.5)
    last = [max(step.end for step in steps) for steps in (after, before)]
    figures.record("last finished run of 12", last[0] / last[1], of="an arbitrary order", at_most=1)


def finish(process: subprocess.Popen) -> tuple[float, float, int]:
    """Return processor seconds, peak memory in MB and exit status of a process."""
    _, status, usage = os.wait4(process.pid, 0)
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, os.waitstatus_to_exitcode(status)


def wait_for_steps(process: subprocess.Popen, log: Path, number: int) -> None:
    """Wait until a Snakemake has done some steps."""
    while not any(int(done) >= number for done in re.findall(r" (\d+)/\d+  ", log.read_text()[-20_000:])):
        assert process.poll() is None, log.read_text()[-2000:]
        time.sleep(0.2)


@pytest.mark.benchmark
def test_a_large_study_goes_on_after_a_kill(tmp_path: Path, figures: Figures):
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(STUDY | {"sweep": {"seed": list(range(RUNS))}}))
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}

    def start(*arguments: str, log: str) -> subprocess.Popen:
        command = [*SNAKEMAKE, *OPTIONS, *arguments]
        stream = open(tmp_path / log, "w")
        return subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=stream, stderr=stream)

    planning, _, _ = finish(start("-n", log="plan"))
    first = min(RUNS * 8, 5000)
    killed = start(log="killed")
    wait_for_steps(killed, tmp_path / "killed", first)
    os.kill(killed.pid, signal.SIGKILL)
    before_kill, memory, status = finish(killed)
    assert status == -signal.SIGKILL
    planning_again, _, _ = finish(start("-n", log="plan-again"))
    continued = start(log="continued")
    if RUNS > 1000:
        wait_for_steps(continued, tmp_path / "continued", 1000)
        os.kill(continued.pid, signal.SIGKILL)
    seconds, memory_again, status = finish(continued)
    assert status == (-signal.SIGKILL if RUNS > 1000 else 0), (tmp_path / "continued").read_text()[-2000:]
    memory = max(memory, memory_again)
    name, limit = f"study of {RUNS * 16:,} steps", None if RUNS > 1000 else 800 * RUNS / 667  # 400 s on two cores
    figures.record(f"{name}: planned", planning, "s", by="processor")
    again = planning_again / planning
    figures.record(f"{name}: planned after a kill", again, of="before it", by="processor", at_most=1.2)
    done = first + 1000 if RUNS > 1000 else RUNS * 16
    figures.record(f"{name}: run, {done:,} steps", before_kill + seconds, "s", by="processor", at_most=limit)
    figures.record(f"{name}: memory", memory, "MB", at_most=3000)
