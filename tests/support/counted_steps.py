"""Counts of steps of a finished study, which run again: `python -m tests.support.counted_steps`.

Run it in the folder of the study. The arguments are the `python` of a warm process, the study file, and an artefact of
its project. The last line is JSON: for a step of each rule, the number of modules that it imports in a process of its
own, and of its calls and written bytes in a fork of a process that has imported everything.
"""

import json
import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mml_lib.steps.mock_snakemake import SNAKEFILE, parsed_workflow, step_of

if TYPE_CHECKING:
    from snakemake.iocontainers import Snakemake
    from snakemake.workflow import Workflow

COLD_RULES = ("write_pipeline", "create_task", "preprocess_shard", "test_fold", "summarize")
"""Rules of light steps whose imports are counted."""

HEAD = """
import atexit, json, pickle, runpy, sys
with open("step.pickle", "rb") as file:
    snakemake = pickle.load(file)
"""

COLD = f"""{HEAD}
before = set(sys.modules)
def write_counts():
    with open("noted.json", "w") as file:
        json.dump(len(set(sys.modules) - before), file)
atexit.register(write_counts)
runpy.run_path(snakemake.script, {{"snakemake": snakemake}})
"""

WARM = f"""{HEAD}
import cProfile
from tests.support.counted_plan import counted
profile = cProfile.Profile()
def written():
    with open("/proc/self/io") as file:
        return int(dict(line.split(":") for line in file)["wchar"])
before = written()
def write_counts():
    profile.disable()
    counts = {{"bytes": written() - before, **counted(profile)}}
    with open("noted.json", "w") as file:
        json.dump(counts, file)
atexit.register(write_counts)
profile.enable()
runpy.run_path(snakemake.script, {{"snakemake": snakemake}})
"""


def main(python: str, study: str, artefact: str) -> None:
    """Run again a step of each rule that an artefact of the project needs, and print the counts."""
    counts: dict[str, dict[str, Any]] = {}
    with parsed_workflow(SNAKEFILE, [study], {}) as workflow:
        folder = workflow.globals["study"].fm.proj_path
        for step in steps_for(workflow, str(folder / artefact), {}).values():
            rule_counts = counts[step.rule] = counts_of_run(step, python, WARM)
            if step.rule in COLD_RULES:
                rule_counts["imports"] = counts_of_run(step, sys.executable, COLD)
    print(json.dumps(counts))


def steps_for(workflow: "Workflow", path: str, steps: dict[str, "Snakemake"]) -> dict[str, "Snakemake"]:
    """Return a step of each rule that a file needs, by rule; steps of its inputs come first."""
    rule = next(rule for rule in workflow.rules if rule.script and rule.is_producer(path))
    if rule.name not in steps:
        step = step_of(workflow, rule.name, 1, rule.get_wildcards(path))
        for needed in step.input:
            steps_for(workflow, needed, steps)
        steps[rule.name] = step
    return steps


def counts_of_run(step: "Snakemake", python: str, source: str) -> Any:
    """Run the script of a step, and return the counts that it writes at its end."""
    for output in map(Path, step.output):
        shutil.rmtree(output) if output.is_dir() else output.unlink(missing_ok=True)
    Path("step.pickle").write_bytes(pickle.dumps(step))
    Path("step.py").write_text(source)
    subprocess.run([python, "step.py"], check=True, stdout=subprocess.DEVNULL)
    return json.loads(Path("noted.json").read_text())


if __name__ == "__main__":
    main(*sys.argv[1:])
