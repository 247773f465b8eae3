"""Steps of a study in forks of a warm process: `python -m tests.support.forked_steps`, in the folder of the study.

The arguments are the study file and artefacts of its project, which may name the `{task}` and `{run}` of a network. A
line of JSON has the modules that the steps of each rule import although their process might have imported them.
"""

import json
import os
import pickle
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from mml_lib.machine.locks import name_supervisor
from mml_lib.machine.warm_start import FOLDER, RELAYED, launch_relay, launch_warm_process, offer_warm_start, run_in_fork
from mml_lib.steps.mock_snakemake import SNAKEFILE, parsed_workflow, step_of

if TYPE_CHECKING:
    from snakemake.workflow import Workflow

SCRIPTS = sorted((SNAKEFILE.parent / "scripts").glob("*.py"))

WAIT = """
import sys
sys.exit("mml_lib.reports.study_report.report_page" not in sys.modules)
"""
"""Script that succeeds once the process has imported the modules of the last script."""

STEP = """
import atexit, json, pickle, runpy, sys
with open("step.pickle", "rb") as file:
    snakemake = pickle.load(file)
before = set(sys.modules)
def note():
    with open("imported.json", "w") as file:
        json.dump(sorted(set(sys.modules) - before), file)
atexit.register(note)
runpy.run_path(snakemake.script, {"snakemake": snakemake})
"""


def run(source: str) -> int:
    """Run a script in a fork, and return its exit status."""
    Path("step.py").write_text(source)
    ended = run_in_fork("step.py", dict(os.environ) | {"OMP_NUM_THREADS": "1"}, wait=True)
    assert ended is not None
    return int(ended["status"])


def make(workflow: "Workflow", path: str, imported: dict[str, list[str]]) -> None:
    """Make an artefact, and all that it needs."""
    if os.path.exists(path):
        return
    rule = next(rule for rule in workflow.rules if rule.script and rule.is_producer(path))
    wildcards = dict(rule.get_wildcards(path).items())
    for needed in step_of(workflow, rule.name, 1, wildcards).input:
        make(workflow, needed, imported)
    step = step_of(workflow, rule.name, 1, wildcards)  # some params depend on the inputs
    for output in step.output:
        Path(output).parent.mkdir(parents=True, exist_ok=True)
    Path("step.pickle").write_bytes(pickle.dumps(step))
    assert run(STEP) == 0, rule.name
    imported[rule.name] = sorted({*imported.get(rule.name, ()), *json.loads(Path("imported.json").read_text())})


def main(study: str, *artefacts: str) -> None:
    """Make artefacts of a study, and print what their steps import."""
    imported: dict[str, list[str]] = {}
    with parsed_workflow(SNAKEFILE, [study], {}) as workflow:
        planned = workflow.globals["study"]
        name_supervisor()
        offer_warm_start()
        launch_warm_process(map(str, SCRIPTS))
        launch_relay()
        while not Path(os.environ[FOLDER], RELAYED).exists() or run(WAIT):
            time.sleep(0.2)
        scheduler = planned.scheduler(planned.cfg.mode.id)
        network = scheduler.networks(scheduler.task_names[0])[0]
        for artefact in artefacts:
            make(workflow, str(planned.fm.proj_path / artefact.format(**network.tokens)), imported)
    print(json.dumps(imported))


if __name__ == "__main__":
    main(*sys.argv[1:])
