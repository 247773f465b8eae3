"""Studies that are interrupted again and again, and the results that they must still reach.

Long form: `python -m tests.workflow.interruptions --kills 60 --seed 7`. It runs each study undisturbed, then interrupts
the same study at random moments until it is done, from nothing again and again until all kills are used, and compares.
`--study` chooses some of the studies. The seed repeats the choices, the machine's load moves the moments.
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
from typing import Any

import psutil

from mml_lib.machine.warm_start import RELAY
from tests.support.workplaces import TINY, Workplace

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
TARGETS = ("snakemake", "relay", "fork", "warm process", "all")
FULL_DISK = 0.1
"""Share of interruptions by which a process finds no more space for its files, instead of a signal."""

PATIENCE = 3600
"""Seconds that a study may take to end, also on a loaded machine."""

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

SIMILARITY = TINY | {
    "mode": "similarity",
    "tasks": {
        name: TINY["tasks"]["stripes"] | {"seed": seed, "keywords": keywords}
        for seed, (name, keywords) in enumerate({"a": ["x", "y"], "b": ["x"], "c": []}.items())
    },
    "features": {"arch": "test_resnet", "pretrained": False},
    "similarity": {"distance": ["emd", "knn", "leep"], "options": {"knn": {"k": 3}}},
}

SEARCH = TINY | {
    "mode": TINY["mode"] | {"cv": False},
    "trainer": {"max_epochs": 4, "accelerator": "cpu"},
    "sampling": {"batch_size": 4},
    "bootstrap": 0,
    "search": {
        "trials": 6,
        "parallel": 2,
        "objective": "loss",
        "halving": {"min_epochs": 1, "factor": 2},
        "space": {"optimizer.lr": {"low": 1e-5, "high": 0.1, "log": True}, "optimizer": ["adamw", "sgd"]},
    },
}

STUDIES: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "post": (STUDY, ("post",)),
    "search": (SEARCH, ("train",)),
    "similarity": (SIMILARITY, ("similarity",)),
    "export": (TINY | {"mode": TINY["mode"] | {"cv": False}}, ("train", "export")),
}
"""Studies by name, with the targets that are made one after the other."""

TOLD_APART_BY_TIME = ("LOGS", "BENCHMARKS", "PAGES", "REPORTS")
"""Folders of logs, times and memory, and of pages and reports that show them."""

WITH_TIMES = ("-times.csv", "-methods.md", "optuna.log", ".run.json")
"""Parts of names of files with times."""


def tree(folder: Path) -> dict[str, bytes]:
    """Return every file of data and results by its path, without what tells of times."""
    contents = {}
    for root in ("data", "results"):
        for path in sorted((folder / root).rglob("*")):
            timed = set(path.parts) & set(TOLD_APART_BY_TIME) or path.name == ".lock"
            timed = timed or any(part in path.name for part in WITH_TIMES)
            if path.is_file() and not timed and path.name != ".snakemake_timestamp":
                contents[str(path.relative_to(folder))] = _timeless(path)
    return contents


def _timeless(path: Path) -> bytes:
    """Return the content of a file without times of models; of the checksum of such a file nothing."""
    if not {"MODELS", "SELECTIONS"} & set(path.parts):
        return path.read_bytes()
    if path.suffix == ".sha256":
        return b""
    return re.sub(rb'"(created|training_time|energy_kwh)": [^\n]+', b"", path.read_bytes())


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
        rng: chooses moments, signals and processes.
        targets: what Snakemake makes, one after the other.
        longest: seconds after which a start is interrupted at the latest.
    """

    place: Workplace
    rng: random.Random
    targets: tuple[str, ...] = ("all",)
    longest: float = 12.0
    kills: list[str] = field(default_factory=list)

    def until_done(self, most: int) -> None:
        """Start the study again and again, interrupted up to `most` times, until all its targets are done."""
        for target in self.targets:
            self._until_done(target, most)

    def _until_done(self, target: str, most: int) -> None:
        while len(self.kills) < most:
            if self._interrupted_start(target):
                return
        running = self._start(target)
        output, _ = running.communicate(timeout=PATIENCE)
        assert running.returncode == 0, output

    def _start(self, target: str) -> subprocess.Popen:
        return subprocess.Popen(
            self.place.command(target, "--quiet", "all"),
            cwd=self.place.folder,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def _interrupted_start(self, target: str) -> bool:
        """Start the study and interrupt it; return whether it was done before that."""
        running = self._start(target)
        try:
            output, _ = running.communicate(timeout=self.rng.uniform(0.5, self.longest))
        except subprocess.TimeoutExpired:
            self._interrupt(running)
            running.communicate(timeout=PATIENCE)
            return False
        assert running.returncode == 0, output
        return True

    def _interrupt(self, running: subprocess.Popen) -> None:
        number, kind = self.rng.choice(SIGNALS), self.rng.choice(TARGETS)
        if self.rng.random() < FULL_DISK:
            self._fill_disk(running)
            return
        self.kills.append(f"{signal.Signals(number).name} to {kind}")
        with contextlib.suppress(ProcessLookupError):
            if kind == "all":
                os.killpg(running.pid, number)
            elif chosen := _processes(running, kind):
                os.kill(self.rng.choice(chosen).pid, number)
            else:
                running.send_signal(number)

    def _fill_disk(self, running: subprocess.Popen) -> None:
        """Let a fork find no space for more than a block of a file, as on a full disk."""
        self.kills.append("no space for a fork")
        for process in _processes(running, "fork"):
            with contextlib.suppress(psutil.Error, OSError):
                process.rlimit(psutil.RLIMIT_FSIZE, (4096, 4096))


def _processes(running: subprocess.Popen, kind: str) -> list[psutil.Process]:
    """Return the processes of a Snakemake that are forks of the warm process, that process, or its relay of signals."""
    processes = psutil.Process(running.pid).children(recursive=True)
    warm = [process for process in processes if _has(process, "mml_lib.steps.warm_process")]
    forks = [process for process in warm if process.ppid() in {parent.pid for parent in warm}]
    if kind == "fork":
        return forks
    if kind == "warm process":
        return [process for process in warm if process not in forks]
    return [process for process in processes if _has(process, RELAY)] if kind == "relay" else []


def _has(process: psutil.Process, word: str) -> bool:
    with contextlib.suppress(psutil.Error):
        return any(word in part for part in process.cmdline())
    return False


def differences(one: dict[str, bytes], other: dict[str, bytes]) -> list[str]:
    """Return the paths of files that only one tree has, or that are not the same in both."""
    return sorted(path for path in one.keys() | other.keys() if one.get(path) != other.get(path))


def run(folder: Path, kills: int, seed: int, longest: float = 12.0, study: str = "post") -> list[str]:
    """Interrupt a study `kills` times and compare it with one that was not interrupted.

    Args:
        folder: empty, for both.
        kills: how many, over as many runs of the study from nothing as it takes.
        seed: of all that is random.
        longest: seconds after which a start is interrupted at the latest.
        study: its name.

    Returns:
        What was interrupted, and how.
    """
    config, targets = STUDIES[study]
    undisturbed = Workplace(folder / "undisturbed")
    undisturbed.folder.mkdir(parents=True)
    undisturbed.write(config)
    for target in targets:
        undisturbed.run(target, "--quiet", "all")
    expected = tree(undisturbed.folder)
    done: list[str] = []
    for number in range(kills):
        if len(done) >= kills:
            break
        place = Workplace(folder / f"interrupted{number}")
        place.folder.mkdir()
        place.write(config)
        interruptions = Interruptions(place, random.Random(f"{seed} {number}"), targets, longest)
        interruptions.until_done(kills - len(done))
        done += interruptions.kills
        print(f"{study}: {len(done)} interruptions", flush=True)
        place_and_kills = f"in {place.folder}, after {', '.join(interruptions.kills)}"
        different = differences(tree(place.folder), expected)
        assert different == [], f"{different} {place_and_kills}"
        left = leftovers(place.folder)
        assert left == [], f"{left} {place_and_kills}"
        shutil.rmtree(place.folder)
    return done


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50, help="how often each study is interrupted")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="of the moments and signals")
    parser.add_argument("--longest", type=float, default=12, help="seconds before a start is interrupted")
    parser.add_argument("--study", choices=STUDIES, action="append", help="some of the studies; all unless stated")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    total = 0
    for study in options.study or STUDIES:
        folder = Path(tempfile.mkdtemp(prefix=f"interruptions-{study}-"))  # stays where something differs
        done = run(folder, options.kills, options.seed, options.longest, study)
        shutil.rmtree(folder)
        print("\n".join(f"{number + 1:4} {kill}" for number, kill in enumerate(done)))
        total += len(done)
    print(f"{total} interruptions, and not a byte is another (seed {options.seed})")


if __name__ == "__main__":
    main()
