"""Costs of steps: imported modules, file operations and written bytes, counted rather than timed.

The limits are a tenth to a fifth above the counts, which are the same in each run.
"""

import shutil
from base64 import b64decode

import pytest

from tests.support.printed_json import printed_json
from tests.support.warm_steps import warm_python
from tests.support.workplaces import Workplace

pytestmark = pytest.mark.long

Counts = dict[str, dict[str, int]]

IN_A_FORK = {
    # calls of functions, calls of stat, opened files, listed folders
    "write_pipeline": (25_000, 14, 12, 6),
    "create_dataset": (45_000, 85, 68, 7),
    "create_task": (34_000, 36, 29, 20),
    "preprocess_shard": (10_500, 35, 22, 10),
    "preprocess_task": (10_500, 70, 29, 15),
    "train_fold": (245_000, 380, 82, 35),
    "predict_fold": (95_000, 85, 42, 18),
    "test_fold": (17_500, 35, 25, 10),
    "summarize": (76_000, 54, 34, 10),
    "finish_exp": (60_000, 95, 46, 20),
}
"""Largest counts of a step in a fork of the warm process, in a study of two tiny networks."""

IMPORTED = {
    "write_pipeline": 350,
    "create_task": 730,
    "preprocess_shard": 590,
    "test_fold": 550,
    "summarize": 900,
}
"""Largest number of modules that light steps import in a process of their own."""


@pytest.fixture(scope="module")
def counts(finished: Workplace, tmp_path_factory: pytest.TempPathFactory) -> Counts:
    """Counts of a step of each rule of a tiny study."""
    folder = tmp_path_factory.mktemp("counted") / "study"
    shutil.copytree(finished.folder, folder, symlinks=True)
    counted: Counts = printed_json(folder, "counted_steps", str(warm_python()), "study.yaml", "RESULTS/train.json")
    assert counted.keys() == IN_A_FORK.keys()
    return counted


@pytest.mark.parametrize("rule", IN_A_FORK)
def test_step_in_a_fork_makes_few_calls_and_file_operations(rule: str, counts: Counts):
    kinds = ("calls", "stats", "opens", "listings")
    limits = dict(zip(kinds, IN_A_FORK[rule], strict=True))
    assert {kind: counts[rule][kind] for kind in kinds if counts[rule][kind] > limits[kind]} == {}


@pytest.mark.parametrize("rule", IMPORTED)
def test_light_step_imports_few_modules(rule: str, counts: Counts):
    assert counts[rule]["imports"] <= IMPORTED[rule]


def test_network_writes_little_beside_its_weights(counts: Counts, finished: Workplace):
    """A training of one epoch writes its weights, and a checkpoint with two moments of each."""
    weights = finished.files("results/tiny/PARAMETERS/*/*-fold0.safetensors")[0].stat().st_size
    written = {rule: counts[rule]["bytes"] for rule in ("train_fold", "predict_fold", "test_fold")}
    assert written["train_fold"] <= 4 * weights + 45_000
    assert written["predict_fold"] <= 3_000
    assert written["test_fold"] <= 14_500


def test_network_leaves_few_small_files_beside_its_weights(finished: Workplace):
    """Outputs, checksums, logs and measured times of a network, and Snakemake's records of its outputs."""
    records = {path: b64decode(path.name).decode() for path in finished.folder.glob(".snakemake/metadata/*")}
    files = [path for path in finished.folder.glob("results/**/*") if path.is_file() and "-fold0" in str(path)]
    files += [path for path, output in records.items() if "-fold0" in output]
    assert len(files) <= 26
    assert sum(path.stat().st_size for path in files if path.suffix != ".safetensors") <= 35_000
