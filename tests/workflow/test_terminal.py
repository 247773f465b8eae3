"""Output of a study: lines of a run, its outcome, the plan, lists of targets."""

import re

import pytest

from tests.support.workplaces import TINY, Workplace

RESULT = re.compile(r"^  stripes +\w{8} +2 +accuracy +\d\.\d{4} ", re.M)


def test_a_finished_study_prints_its_outcome_again_in_few_lines(finished: Workplace):
    said = finished.run()
    outcome = said[said.index("study tiny, mode train: finished") :]
    assert RESULT.search(outcome)
    assert "results/tiny/RESULTS/train.csv" in outcome
    assert re.search(r"snakemake post .*--configfile study.yaml$", outcome, re.M)
    assert len(outcome.splitlines()) <= 25
    assert "finished" not in finished.run("--quiet", "all")


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
    said = copy.run()
    assert (
        len(re.findall(r"^\d\d:\d\d:\d\d +\d+/\d+  train stripes fold \d: run .*: loss .*, accuracy ", said, re.M)) == 2
    )
    assert RESULT.search(said)
    assert "Reason: " not in said
    (log,) = sorted((copy.folder / ".snakemake/log").iterdir())[-1:]
    assert "Reason: " in log.read_text()


@pytest.mark.parametrize("option", ["--list", "--list-target-rules"])
def test_each_mode_is_described_in_its_own_words(finished: Workplace, option: str):
    said = finished.run(option)
    sentences = re.findall(r"^\w+ \(Mode: (.*)\)$", said, re.M)
    assert len(sentences) == len(set(sentences)) > 10
    assert "all (The mode of this study: train.)" in said
