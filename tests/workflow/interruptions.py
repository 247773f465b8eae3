"""A study that is interrupted again and again, and the results that it must still reach.

Long form: `python -m tests.workflow.interruptions --kills 60 --seed 7`. It runs the study undisturbed, then interrupts
the same study at random moments until it is done, from nothing again and again until all kills are used, and compares.
"""

import argparse
import contextlib
import os
import random
import re
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.support.workplaces import TINY, Workplace

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
TARGETS = ("snakemake", "step", "all")

STUDY = TINY | {
    "mode": {
        "preset": "post",
        "pretrain_task": "many+subset~0.5",
        "pretrain_with": {"trainer.max_epochs": 3},
        "ensemble": {"max_ensemble_size": 2},
    },
    "pivot": {"name": "few"},
    "tagging": {"all": "+subset~0.5"},
    "tasks": {
        "few": {"creator": "fake", "num_samples": 90, "num_classes": 3, "size": 24, "folds": 2, "test_fraction": 0.3},
        "many": {"creator": "fake", "num_samples": 160, "num_classes": 3, "size": 24, "folds": 2, "image_seed": 1},
    },
    "preprocess_shards": 2,
    "augmentations": "flips",
    "tune": {"lr": True, "num_training": 20},
    "trainer": {"max_epochs": 3, "accelerator": "cpu"},
    "variants": {"plain": {}, "averaged": {"callbacks": "ema"}},
    "remove": {"calibrated": True},
    "bootstrap": 100,
}

TOLD_APART_BY_TIME = ("LOGS", "BENCHMARKS", "PAGES")
"""Folders of logs, times and memory, and of the pages that show them."""


def tree(folder: Path) -> dict[str, bytes]:
    """Return every file of data and results by its path, without what tells of times."""
    contents = {}
    for root in ("data", "results"):
        for path in sorted((folder / root).rglob("*")):
            timed = set(path.parts) & set(TOLD_APART_BY_TIME) or "-times.csv" in path.name or path.name == ".lock"
            if path.is_file() and not timed and path.name != ".snakemake_timestamp":
                contents[str(path.relative_to(folder))] = _timeless(path)
    return contents


def _timeless(path: Path) -> bytes:
    """Return the content of a file without times of models; of the checksum of such a file nothing."""
    if not {"MODELS", "SELECTIONS"} & set(path.parts):
        return path.read_bytes()
    if path.suffix == ".sha256":
        return b""
    return re.sub(rb'"(created|training_time)": [^\n]+', b"", path.read_bytes())


def leftovers(folder: Path, seconds: float = 20) -> list[str]:
    """Return leftovers of a finished study: half-written files, checkpoints, claims, processes.

    Args:
        folder: of the study.
        seconds: to wait at most for what ends after its Snakemake.
    """
    deadline = time.monotonic() + seconds
    while (left := _leftovers_now(folder)) and time.monotonic() < deadline:
        time.sleep(0.2)
    return left


def _leftovers_now(folder: Path) -> list[str]:
    unfinished = [str(path) for path in folder.rglob("*") if ".part" in path.name or "CHECKPOINTS" in path.parts]
    unfinished += [str(path) for path in folder.glob("data/.claims/*.json")]
    return unfinished + [f"process {process.pid}: {process.cmdline()}" for process in processes_of(folder)]


def processes_of(folder: Path) -> list[psutil.Process]:
    """Return the processes that work in a folder."""
    running = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.cwd() == str(folder) and process.status() != psutil.STATUS_ZOMBIE:
                running.append(process)
    return running


@dataclass
class Interruptions:
    """Interrupts a study at random moments.

    Args:
        place: a folder of its own.
        rng: chooses moments, signals and targets.
        longest: seconds after which a start is interrupted at the latest.
    """

    place: Workplace
    rng: random.Random
    longest: float = 12.0
    kills: list[str] = field(default_factory=list)

    def until_done(self, most: int) -> None:
        """Start the study again and again, interrupted up to `most` times, until it is done."""
        while len(self.kills) < most:
            if self._interrupted_start():
                return
        running = self._start()
        said, _ = running.communicate(timeout=600)
        assert running.returncode == 0, said

    def _start(self) -> subprocess.Popen:
        return subprocess.Popen(
            self.place.command("--quiet", "all"),
            cwd=self.place.folder,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def _interrupted_start(self) -> bool:
        """Start the study and interrupt it; return whether it was done before that."""
        running = self._start()
        try:
            said, _ = running.communicate(timeout=self.rng.uniform(0.5, self.longest))
        except subprocess.TimeoutExpired:
            self._interrupt(running)
            running.communicate(timeout=600)
            return False
        assert running.returncode == 0, said
        return True

    def _interrupt(self, running: subprocess.Popen) -> None:
        number, target = self.rng.choice(SIGNALS), self.rng.choice(TARGETS)
        steps = [child for child in psutil.Process(running.pid).children(recursive=True) if _is_step(child)]
        self.kills.append(f"{signal.Signals(number).name} to {target}")
        with contextlib.suppress(ProcessLookupError):
            if target == "all":
                os.killpg(running.pid, number)
            elif target == "step" and steps:
                os.kill(self.rng.choice(steps).pid, number)
            else:
                running.send_signal(number)


def _is_step(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return any(".snakemake/scripts" in part for part in process.cmdline())
    return False


def differences(one: dict[str, bytes], other: dict[str, bytes]) -> list[str]:
    """Return the paths of files that only one tree has, or that are not the same in both."""
    return sorted(path for path in one.keys() | other.keys() if one.get(path) != other.get(path))


def run(folder: Path, kills: int, seed: int, longest: float = 12.0) -> list[str]:
    """Interrupt a study `kills` times and compare it with one that was not interrupted.

    Args:
        folder: empty, for both.
        kills: how many, over as many runs of the study from nothing as it takes.
        seed: of all that is random.
        longest: seconds after which a start is interrupted at the latest.

    Returns:
        What was interrupted, and how.
    """
    undisturbed = Workplace(folder / "undisturbed")
    undisturbed.folder.mkdir(parents=True)
    undisturbed.write(STUDY)
    undisturbed.run("--quiet", "all")
    expected = tree(undisturbed.folder)
    done: list[str] = []
    for number in range(kills):
        if len(done) >= kills:
            break
        place = Workplace(folder / f"interrupted{number}")
        place.folder.mkdir()
        place.write(STUDY)
        interruptions = Interruptions(place, random.Random(f"{seed} {number}"), longest)
        interruptions.until_done(kills - len(done))
        done += interruptions.kills
        print(f"{len(done)} interruptions", flush=True)
        place_and_kills = f"in {place.folder}, after {', '.join(interruptions.kills)}"
        different = differences(tree(place.folder), expected)
        assert different == [], f"{different} {place_and_kills}"
        left = leftovers(place.folder)
        assert left == [], f"{left} {place_and_kills}"
        shutil.rmtree(place.folder)
    return done


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50, help="how often")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="of the moments and signals")
    parser.add_argument("--longest", type=float, default=12, help="seconds before a start is interrupted")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="interruptions-"))  # stays, to be looked at, where something differs
    done = run(folder, options.kills, options.seed, options.longest)
    shutil.rmtree(folder)
    print("\n".join(f"{number + 1:4} {kill}" for number, kill in enumerate(done)))
    print(f"{len(done)} interruptions, and not a byte is another (seed {options.seed})")


if __name__ == "__main__":
    main()
