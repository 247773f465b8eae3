"""Two Snakemakes at once: what their studies share is made by one of them, the other waits and uses it.

That shared steps are done once is a default test. The two that stop or kill a Snakemake at work are long, as each
needs two whole runs.
"""

import json
import re
import signal
import threading
from pathlib import Path

import pytest

from tests.support.workplaces import TINY, Workplace, kill, wait_for

STUDY = TINY | {"mode": "pp"}
MAKING = r"(create the data set|create the task|pack the images|join the packed images)"


def test_shared_steps_are_done_once(workplace: Workplace):
    workplace.write(STUDY)
    both = [workplace.start("--config", f"project={project}") for project in ("first", "second")]
    output = [running.communicate(timeout=600)[0] for running in both]
    made = re.findall(rf"\d+/\d+  {MAKING}", "".join(output))
    assert sorted(made) == sorted(set(made)), output
    assert len(made) == 4
    assert len(workplace.files("results/*/RESULTS/pp.json")) == 2
    assert not workplace.files("data/.claims/*.json")


@pytest.mark.long
def test_a_claim_of_a_killed_snakemake_is_void(workplace: Workplace):
    running = workplace.start()
    (claim,) = wait_for(lambda: workplace.files("data/.claims/*.json"))
    claim_content = wait_for(lambda: claim.read_text() and json.loads(claim.read_text()))
    assert claim_content["project"] == "tiny"
    assert any(path.startswith("RAW/DSET_fake") for path in claim_content["paths"])
    kill(running)
    workplace.write(STUDY | {"project": "other"})
    output = workplace.run()
    assert "waiting" not in output
    assert workplace.files("results/other/RESULTS/pp.json")
    assert not workplace.files("data/.claims/*.json")


@pytest.mark.long
def test_who_waits_says_for_whom_and_plans_anew(workplace: Workplace):
    # So many images that the first step is under way for seconds: one that is done, but not down as done, is no claim.
    many = STUDY | {"tasks": {"stripes": TINY["tasks"]["stripes"] | {"num_samples": 5000}}}
    workplace.write(many)
    running = workplace.start()
    wait_for(lambda: workplace.files("data/LOGS/create_dataset/*.log"))  # the lock of its claims is free again
    running.send_signal(signal.SIGSTOP)
    workplace.write(many | {"project": "other"})
    waiting = workplace.start()
    lines = iter(waiting.stdout.readline, "")
    limit = threading.Timer(300, waiting.kill)  # its output would be waited for without end
    limit.start()
    line = next((line for line in lines if "waiting for" in line), "")
    limit.cancel()
    assert re.search(rf"waiting for data/\S+, which the project tiny \(process {running.pid} on \S+\) writes", line)
    running.send_signal(signal.SIGCONT)
    finished, _ = running.communicate(timeout=600)
    assert running.returncode == 0, finished
    output = "".join(lines)
    assert waiting.wait(300) == 0
    assert "planning again with new data of another study" in output
    assert not re.search(rf"\d+/\d+  {MAKING}", output)
    assert Path(workplace.folder, "results/other/RESULTS/pp.json").exists()
