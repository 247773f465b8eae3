"""Damage: an artefact that has changed since it was made is never used; the message says how to make it again."""

import itertools
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mml_lib.files.checksums import checksum_path
from tests.support.workplaces import TINY, Workplace, once

STUDY = TINY | {
    "mode": {"preset": "post", "ensemble": {"strategy": "mean"}},
    "tasks": {
        "stripes": {
            "creator": "fake",
            "num_samples": 64,
            "num_classes": 2,
            "size": 24,
            "folds": 2,
            "test_fraction": 0.2,
        },
    },
    "tune": {"lr": True, "num_training": 20},
    "bootstrap": 100,
}

READERS = {
    "data/RAW/*/dataset.json": "data/TASKS/stripes/*.json",
    "data/TASKS/*/*.json": "results/tiny/PREDICTIONS/*/*/test.npz",
    "data/PREPROCESSED/*/*/images.npy": "results/tiny/PREDICTIONS/*/*/test.npz",
    "results/tiny/PIPELINES/*/*.yaml": "results/tiny/PREDICTIONS/*/*/test.npz",
    "results/tiny/TUNING/*/*-fold0.json": "results/tiny/MODELS/*/*-fold0.json",
    "results/tiny/PARAMETERS/*/*-fold0.safetensors": "results/tiny/PREDICTIONS/*/*-fold0/test.npz",
    "results/tiny/HISTORY/*/*.csv": "results/tiny/FIGURES/stripes/post",
    "results/tiny/PREDICTIONS/*/*-fold0/val.npz": "results/tiny/CALIBRATED/*/*-fold0/test.npz",
    "results/tiny/METRICS/*/*-fold0/test.json": "results/tiny/RESULTS/post.csv",
    "results/tiny/METRICS/*/*-fold0/test.npz": "results/tiny/RESULTS/post.csv",
    "results/tiny/CALIBRATED/*/*-fold0/test.npz": "results/tiny/COMPARISONS/stripes/post/leaderboard.csv",
    "results/tiny/ENSEMBLES/*/post.json": "results/tiny/ENSEMBLES/stripes/post/test.npz",
    "results/tiny/ENSEMBLES/*/post/test.npz": "results/tiny/COMPARISONS/stripes/post/leaderboard.csv",
    "results/tiny/COMPARISONS/stripes/post/leaderboard.csv": "results/tiny/FIGURES/stripes/post",
    "results/tiny/RESULTS/post-folds.csv": "results/tiny/PAGES/post",
}
"""Each kind of artefact that steps read, and what a step makes out of it."""


def emptied(content: bytes) -> bytes:
    return b""


def truncated(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.fixture(scope="session")
def answered(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    return once(tmp_path_factory, "answered", STUDY)


@pytest.mark.long
@pytest.mark.parametrize(
    ("artefact", "damage"), list(zip(READERS, itertools.cycle([flipped, emptied, truncated]), strict=False))
)
def test_damage_is_named_and_mended_by_the_command_that_is_given(
    answered: Workplace, tmp_path: Path, artefact: str, damage: Callable[[bytes], bytes]
):
    place = Workplace(tmp_path / "copy")
    shutil.copytree(answered.folder, place.folder, symlinks=True)
    before = {file.relative_to(place.folder): file.read_bytes() for file in place.files(artefact)}
    path = place.folder / min(before)
    path.write_bytes(damage(path.read_bytes()))
    reader = place.files(READERS[artefact])[0]

    output = place.run("--force", str(reader.relative_to(place.folder)), fails=True)
    line = next(line for line in output.splitlines() if line.startswith("error in"))
    assert f"{min(before)} is damaged" in line
    assert "Traceback" not in output

    command = shlex.split(re.search(r"make it again by: snakemake (.*)", line)[1])
    mending = command[: command.index("--force") + 1]
    output = place.run(*mending)
    assert path.read_bytes() == before[min(before)] or path.suffix == ".json"
    assert checksum_path(path).exists() or checksum_path(path.parent).exists()
