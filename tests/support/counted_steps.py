"""Steps of a finished study, done again to count what they do: `python -m tests.support.counted_steps`.

Its arguments are the `python` of a warm process, the study file, in the folder of the study, and an artefact of its
project. The last line is JSON: for each rule what its step imports
in a process of its own, and which calls it makes and how many bytes it writes in a fork of a process that has imported
everything.
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
def note():
    with open("noted.json", "w") as file:
        json.dump(len(set(sys.modules) - before), file)
atexit.register(note)
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
def note():
    profile.disable()
    counts = {{"bytes": written() - before, **counted(profile)}}
    with open("noted.json", "w") as file:
        json.dump(counts, file)
atexit.register(note)
profile.enable()
runpy.run_path(snakemake.script, {{"snakemake": snakemake}})
"""


def main(python: str, study: str, artefact: str) -> None:
    """Do the steps that make an artefact of the project again, one of each rule, and print their counts."""
    counts: dict[str, dict[str, Any]] = {}
    with parsed_workflow(SNAKEFILE, [study], {}) as workflow:
        folder = workflow.globals["study"].fm.proj_path
        for step in steps_for(workflow, str(folder / artefact), {}).values():
            of_rule = counts[step.rule] = note(step, python, WARM)
            if step.rule in COLD_RULES:
                of_rule["imports"] = note(step, sys.executable, COLD)
    print(json.dumps(counts))


def steps_for(workflow: "Workflow", path: str, steps: dict[str, "Snakemake"]) -> dict[str, "Snakemake"]:
    """Return a step of each rule that a file needs, by rule, those of its inputs first."""
    rule = next(rule for rule in workflow.rules if rule.script and rule.is_producer(path))
    if rule.name not in steps:
        step = step_of(workflow, rule.name, 1, rule.get_wildcards(path))
        for needed in step.input:
            steps_for(workflow, needed, steps)
        steps[rule.name] = step
    return steps


def note(step: "Snakemake", python: str, source: str) -> Any:
    """Run the script of a step, and return what it notes at its end."""
    for output in map(Path, step.output):
        shutil.rmtree(output) if output.is_dir() else output.unlink(missing_ok=True)
    Path("step.pickle").write_bytes(pickle.dumps(step))
    Path("step.py").write_text(source)
    subprocess.run([python, "step.py"], check=True, stdout=subprocess.DEVNULL)
    return json.loads(Path("noted.json").read_text())


if __name__ == "__main__":
    main(*sys.argv[1:])
