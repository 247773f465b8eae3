"""End of a Snakemake: it waits for nothing after its last step, counted rather than timed."""

import json
import subprocess
import sys

from tests.support.workplaces import Workplace

SNAKEMAKE = """
import atexit, gc, json, threading

timers = []
start = threading.Timer.start
threading.Timer.start = lambda timer: (timers.append(timer.interval), start(timer))

def note():  # registered first, called last
    with open("noted.json", "w") as file:
        json.dump({"timers": timers, "objects": len(gc.get_objects())}, file)

atexit.register(note)

from snakemake.cli import main
main()
"""


def test_snakemake_ends_with_its_last_step(copy: Workplace):
    """Python waits for timers, and looks for garbage among all objects that it knows: 200,000 for a small plan."""
    command = [sys.executable, "-c", SNAKEMAKE, *copy.command("results/tiny/INFO/resources.csv")[3:]]
    subprocess.run(command, cwd=copy.folder, check=True, capture_output=True)
    assert (copy.folder / "results/tiny/INFO/resources.csv").exists()
    noted = json.loads((copy.folder / "noted.json").read_text())
    assert noted["timers"] == []
    assert noted["objects"] <= 1_000
