"""Summary of a run whose steps failed.

Every way in which a step ends is a default test. That real trainings end so is long; that a training whose loss is
not finite ends in one line is a default test of `tests/unit/training/test_guards.py`.
"""

import re
from pathlib import Path

import pytest

from tests.support.workplaces import TINY, Workplace


@pytest.mark.long
def test_run_ends_with_the_steps_that_failed_why_and_where_their_logs_are(workplace: Workplace):
    workplace.write(
        TINY
        | {"mode": {"preset": "train", "subroutines": ["train"]}, "lr_scheduler": "none", "num_workers": 0}
        | {"optimizer": {"preset": "adamw", "lr": 1e30}, "trainer": {"max_epochs": 2, "accelerator": "cpu"}}
    )
    output = workplace.run(fails=True)
    summary = output[output.index("failed: 2 steps; all steps that do not depend on them are done") :]
    for fold in (0, 1):
        line = re.search(rf"  train_fold task=stripes run=\w+ fold={fold}: .*", summary)[0]
        assert re.search(r"became (nan|inf) at batch", line)
        log = re.search(r"\(log: (\S+)\)", line)[1]
        assert "became" in (workplace.folder / log).read_text()


CAUSES = {
    "raised": r"KeyError: 'lesion' \(log: \S+raised-0\.log\)",
    "refused": r"tasks\.lesions: they are not there \(log: \S+refused-0\.log\)",
    "left": r"exit status 7, without a message; its log ends with 'at work' \(log: \S+left-0\.log\)",
    "killed": r"killed \(SIGKILL\): out of memory, or by hand; its log ends with 'at work' \(log: \S+killed-0\.log\)",
    "missing": r"it did not write ended/missing-0\.txt.* \(log: \S+missing-0\.log\)",
    "shell": r"command ended with exit status 3: exit 3$",
    "words": r"command ended with exit status 4: .*; its log ends with 'the disk is square' \(log: \S+words-0\.log\)",
    "tool": r"command ended with exit status 127: no_such_tool ended/tool-0\.txt$",
    "run": r"its run block failed; see the message above$",
}


def test_every_way_in_which_a_step_ends_is_told_with_its_cause(workplace: Workplace):
    workplace.write(TINY | {"rules": [str(Path(__file__).with_name("endings.smk"))]})
    targets = [f"ended/{name}-0.txt" for name in CAUSES] + [f"ended/left-{number}.txt" for number in range(1, 5)]
    output = workplace.run(*targets, "--latency-wait", "0", fails=True)
    summary = output[output.index("failed: 13 steps; all steps that do not depend on them are done") :]
    for name, cause in CAUSES.items():
        (line,) = re.findall(rf"^  ended_{name} n=0.*$", summary, re.M)
        more = " and 4 more like it" if name == "left" else ""
        pattern = cause.replace(r"\.log\)", r"\.log and 4 more\)") if more else cause
        assert re.fullmatch(rf"  ended_{name} n=0{more}: {pattern}", line), line
