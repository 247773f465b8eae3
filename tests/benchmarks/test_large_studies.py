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
from tests.support.counted_plan import STUDY
from tests.support.places import REPOSITORY
from tests.support.simulated_schedule import greedy, networks, simulate, timeline

RUNS = int(os.environ.get("MML_BENCHMARK_RUNS", 667))
"""Runs of five networks, with three steps each and a pipeline: 16 steps a run. Over 1,000, only first steps are run."""

SNAKEMAKE = [sys.executable, "-m", "tests.support.pretended_steps", "--snakefile", str(REPOSITORY / "Snakefile")]
OPTIONS = ["--profile", str(REPOSITORY / "profiles/default"), "--configfile", "study.yaml", "--cores", "2"]


@pytest.mark.benchmark
@pytest.mark.parametrize(("runs", "seconds"), [(667, 0.02), (6670, 0.1)])
def test_choosing_a_step_is_quick_with_thousands_ready(capsys, runs: int, seconds: float):
    steps = networks(runs, 5)
    ready = {step for step in steps if step.after is None}
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
    with capsys.disabled():
        print(
            f"\n{len(ready)} steps ready: {ours:.4f} s a choice; Snakemake's greedy scheduler {plain:.4f} s, "
            f"without the sizes of inputs; ratio {ours / plain:.2f}"
        )
    assert [step.jobid for step in chosen] == [0, 3]
    assert ours <= seconds


@pytest.mark.benchmark
def test_timeline_of_twelve_runs_on_four_slots(capsys):
    before, after = networks(12, 5), networks(12, 5)
    simulate(before, 4, lambda ready, free: sorted(ready, key=lambda step: hash((step.jobid, 7))))
    simulate(after, 4, StepOrder(lambda: [("t", f"{run:08x}") for run in range(12)]).first)
    first = [
        min(max(step.end for step in steps if step.run == run) for run in {step.run for step in steps})
        for steps in (before, after)
    ]
    with capsys.disabled():
        print("\nbefore: an arbitrary order", *timeline(before), "after: the order of MML", *timeline(after), sep="\n")
        print(f"first finished run: {first[0]:.0f} before, {first[1]:.0f} after")
    assert first[1] <= 0.5 * first[0]
    assert max(step.end for step in after) <= max(step.end for step in before)


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
def test_a_large_study_goes_on_after_a_kill(tmp_path: Path, capsys):
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(STUDY | {"sweep": {"seed": list(range(RUNS))}}))
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}

    def start(*arguments: str, log: str) -> subprocess.Popen:
        command = [*SNAKEMAKE, *OPTIONS, *arguments]
        stream = open(tmp_path / log, "w")
        return subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=stream, stderr=stream)

    planning, _, _ = finish(start("-n", log="plan"))
    first = min(RUNS * 8, 5000)
    started = time.monotonic()
    killed = start(log="killed")
    wait_for_steps(killed, tmp_path / "killed", first)
    os.kill(killed.pid, signal.SIGKILL)
    before_kill, memory, status = finish(killed)
    clock = time.monotonic() - started
    assert status == -signal.SIGKILL
    planning_again, _, _ = finish(start("-n", log="plan-again"))
    started = time.monotonic()
    continued = start(log="continued")
    if RUNS > 1000:
        wait_for_steps(continued, tmp_path / "continued", 1000)
        os.kill(continued.pid, signal.SIGKILL)
    seconds, memory_again, status = finish(continued)
    clock += time.monotonic() - started
    assert status == (-signal.SIGKILL if RUNS > 1000 else 0), (tmp_path / "continued").read_text()[-2000:]
    memory = max(memory, memory_again)
    done = first + 1000 if RUNS > 1000 else RUNS * 16
    with capsys.disabled():
        print(
            f"\n{RUNS * 16} steps: planned in {planning:.1f} s of processors, after a kill -9 in step {first} in "
            f"{planning_again:.1f} s (ratio {planning_again / planning:.2f}); {done} steps run in {before_kill:.1f} "
            f"and {seconds:.1f} s with the planning, {clock:.0f} s by the clock; {memory:.0f} MB"
        )
    assert planning_again <= 1.2 * planning
    assert RUNS > 1000 or before_kill + seconds <= 800 * RUNS / 667  # 400 s on two cores
    assert memory <= 3000
