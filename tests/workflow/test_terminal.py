"""Output of a study: lines of a run, its outcome, the plan, lists of targets."""

import os
import re
import signal
import subprocess

import pytest

from mml_lib.engine.screen.live_view import FOOTER
from tests.support.terminals import run_in_terminal
from tests.support.warm_steps import warm_python
from tests.support.workplaces import TINY, Workplace

RESULT = re.compile(r"^  stripes +\w{8} +2 +accuracy +\d\.\d{4} ", re.M)

START_WITH_WARM_STEPS = """
import runpy, sys
sys.executable = sys.argv.pop(1)
runpy.run_module("snakemake", run_name="__main__", alter_sys=True)
"""


def test_a_finished_study_prints_its_outcome_again_in_few_lines(finished: Workplace):
    output = finished.run()
    outcome = output[output.index("study tiny, mode train: finished") :]
    assert RESULT.search(outcome)
    assert "results/tiny/RESULTS/train.csv" in outcome
    assert re.search(r"snakemake post .*--configfile study.yaml$", outcome, re.M)
    assert len(outcome.splitlines()) <= 25
    assert "finished" not in finished.run("--quiet", "all")


def test_other_errands_than_a_run_say_what_they_have_done(finished: Workplace):
    assert "Unlock" in finished.run("--unlock")


def test_a_plan_is_short_and_its_reasons_come_on_request(copy: Workplace):
    copy.write(TINY | {"sweep": {"optimizer.lr": [0.003, 0.01]}})
    plan = copy.run("-n")
    assert re.search(r"^  train_fold +2  train stripes fold 0: run \w+ \(optimizer.lr=0.01\)$", plan, re.M)
    assert re.search(r"again: 1 of summarize \(.*changed settings", plan)
    assert re.search(r"^to do: \d+ steps, 2 of them trainings", plan, re.M)
    assert len(plan) < 3000
    assert "Reason: " not in plan
    assert "Reason: " in copy.run("-n", "--printshellcmds")


def test_a_run_prints_a_line_for_each_step_and_its_log_has_everything(copy: Workplace):
    copy.write(TINY | {"seed": 7})
    output = copy.run()
    assert (
        len(re.findall(r"^\d\d:\d\d:\d\d +\d+/\d+  train stripes fold \d: run .*: loss .*, accuracy ", output, re.M))
        == 2
    )
    assert RESULT.search(output)
    assert "Reason: " not in output
    (log,) = sorted((copy.folder / ".snakemake/log").iterdir())[-1:]
    assert "Reason: " in log.read_text()


@pytest.mark.parametrize("option", ["--list", "--list-target-rules"])
def test_each_mode_is_described_in_its_own_words(finished: Workplace, option: str):
    output = finished.run(option)
    sentences = re.findall(r"^\w+ \(Mode: (.*)\)$", output, re.M)
    assert len(sentences) == len(set(sentences)) > 10
    assert "all (The mode of this study: train.)" in output


def on_terminal(place: Workplace, *arguments: str, react=None, **environment: str) -> tuple[int, str]:
    command = place.command(*arguments)
    command[1:3] = ["-c", START_WITH_WARM_STEPS, str(warm_python())]
    return run_in_terminal(command, place.folder, react, **environment)


def test_a_run_in_a_terminal_draws_a_view_and_leaves_the_outcome(workplace: Workplace):
    status, output = on_terminal(workplace)
    assert status == 0, output
    drawn, _, left = output.rpartition(FOOTER)
    assert re.search(r"tiny, train.*\d+/\d+", drawn)
    assert re.search(r"train_fold [12]/2", drawn)
    assert "train stripes fold 0: run" in drawn
    assert "\x1b[?25l" not in output, "a hidden cursor would stay hidden after a kill"
    assert re.search(r"\d+ of \d+ steps in ", left)
    assert RESULT.search(left.replace("\r", ""))
    assert "\x1b[" not in left[left.index("study tiny, mode train: finished") :]


def test_an_interrupted_run_says_how_to_go_on_and_counts_no_failure(workplace: Workplace):
    workplace.write(TINY | {"trainer": {"max_epochs": 1000, "accelerator": "cpu"}})

    interrupted: list[int] = []

    def interrupt(output: bytes, process: subprocess.Popen) -> None:
        if b"epoch " in output and not interrupted:  # once: a second one would end Snakemake in the middle of its words
            interrupted.append(process.pid)
            os.killpg(process.pid, signal.SIGINT)

    status, output = on_terminal(workplace, react=interrupt)
    assert status != 0
    assert "interrupted; " in output
    assert "FAILED" not in output
    assert "study.yaml" in output.partition("this command continues: ")[2]


@pytest.mark.parametrize(
    ("options", "environment"),
    [((), {"NO_COLOR": "1"}), (("--quiet",), {})],
    ids=["NO_COLOR", "quiet"],
)
def test_a_terminal_stays_plain_on_request(copy: Workplace, options: tuple[str, ...], environment: dict[str, str]):
    for path in copy.files("results/tiny/METRICS/*/*/*"):
        path.unlink()
    status, output = on_terminal(copy, *options, **environment)
    assert status == 0, output
    assert "\x1b[" not in output
    assert FOOTER not in output
    assert bool(re.search(r"\d+/\d+  test stripes fold 0", output)) == (not options)
    assert RESULT.search(output.replace("\r", ""))
