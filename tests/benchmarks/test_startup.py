"""Start-up: seconds until a training has its first batch, and those that light steps take from start to end.

The steps are those of the demo study, run by Snakemake, which leaves their scripts here; they are started again as it
starts them. Light steps, of one process, are measured by processor time too, which others on the machine do not change.
"""

import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml

from mml_lib.files.checksums import seal
from mml_lib.machine.locks import SUPERVISOR, name_supervisor
from mml_lib.predictions.predictions import read_predictions
from mml_lib.torchvision_schemas import LIBRARY
from tests.support.benchmark_figures import Figures
from tests.support.places import REPOSITORY
from tests.support.timing import median_ratio
from tests.support.workplaces import Workplace

REPETITIONS = 5
CLASSES, PREDICTIONS = 10, 10_000

# What a script cannot do without. Declaring what a CPU build of torch lacks for torchvision costs nothing.
BARE = """
import time, torch
library = torch.library.Library("torchvision", "FRAGMENT")
for name in {missing}:
    library.define(name + "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
import lightning.pytorch, timm
print(time.monotonic())
"""

CALLBACK = """
import os, time
from pathlib import Path
from lightning.pytorch import Callback

class FirstBatch(Callback):
    def on_train_batch_start(self, *_):
        if told := os.environ.get("FIRST_BATCH"):
            Path(told).write_text(str(time.monotonic()))
            os._exit(0)
"""

STUDY = {
    "project": "startup",
    "plugins": ["plugin.py"],  # its folder joins the path, where the callback is
    "callbacks": {"first_batch": {"_target_": "first_batch.FirstBatch"}},
    "trainer": {"max_epochs": 1},
    "metrics": {"classification": ["accuracy", "f1", "auroc", "calibration_error"]},
}

TRANSFER = {
    "mode": {"preset": "tl", "pretrain_task": "digits"},
    "tasks": {"digits": {}, "few": {"creator": "fake", "num_samples": 60}},
}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """The demo study, finished, and a choice among its models; the scripts of all steps lie in .snakemake/scripts."""
    folder = tmp_path_factory.mktemp("demo")
    (folder / "first_batch.py").write_text(CALLBACK)
    (folder / "plugin.py").touch()
    (folder / "study.yaml").write_text(yaml.safe_dump(STUDY))
    (folder / "transfer.yaml").write_text(yaml.safe_dump(TRANSFER))
    demo_study = str(REPOSITORY / "config/config.yaml")
    for files, more in ((["study.yaml"], []), (["study.yaml", "transfer.yaml"], ["--until", "select_model"])):
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(REPOSITORY / "Snakefile"), "--cores", "2"]
        command += ["--skip-script-cleanup", *more, "--configfile", demo_study, *files]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=own_roots(folder))
        assert done.returncode == 0, done.stdout + done.stderr
    return Workplace(folder)


def own_roots(folder: Path, **more: str) -> dict[str, str]:
    return os.environ | {"MML_DATA_PATH": str(folder / "data"), "MML_RESULTS_PATH": str(folder / "results")} | more


@pytest.fixture(autouse=True)
def supervisor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let steps take this process for their Snakemake."""
    monkeypatch.setenv(SUPERVISOR, "")
    name_supervisor()


def processor_time() -> float:
    """Return the seconds that all finished processes of this one have computed."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def step(demo: Workplace, rule: str, **environment: str) -> float:
    """Do a step as Snakemake does, and return when it was started."""
    script = demo.files(f".snakemake/scripts/*.{rule}.py")[0]
    started = time.monotonic()
    env = own_roots(demo.folder, **environment)
    done = subprocess.run([sys.executable, script], cwd=demo.folder, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return started


def bare_imports() -> float:
    """Return the seconds that a process takes to have imported torch, Lightning and timm."""
    program = BARE.format(missing=() if LIBRARY is None else ("nms", "qnms"))
    started = time.monotonic()
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return float(done.stdout) - started


@pytest.mark.benchmark
def test_first_batch_comes_within_1_3_times_the_bare_imports(demo: Workplace, figures: Figures):
    marker = demo.folder / "told"
    ours, bare = [], []
    for _ in range(1 + REPETITIONS):
        started = step(demo, "train_fold", FIRST_BATCH=str(marker))
        ours.append(float(marker.read_text()) - started)
        bare.append(bare_imports())
    ratio = median_ratio(ours[1:], bare[1:])  # the first is for a warm disk cache
    of = "imports of torch, Lightning and timm"
    figures.record("first batch of a cold train_fold", ratio, of=of, by="clock", at_most=1.3)


@pytest.mark.benchmark
def test_light_steps_take_at_most_a_second_each(demo: Workplace, figures: Figures):
    rng = np.random.default_rng(0)
    targets = rng.integers(0, CLASSES, PREDICTIONS)
    logits = 2 * np.eye(CLASSES, dtype="f")[targets] + rng.normal(size=(PREDICTIONS, CLASSES)).astype("f")
    ids = np.array([f"image{number:05}" for number in range(PREDICTIONS)])
    for path in demo.files("results/startup/PREDICTIONS/*/*/test.npz"):
        type(read_predictions(path))(logits, targets, ids).write(path)
        seal(path)
    rules = ("test_fold", "summarize", "select_model", "finish_exp")
    seconds: dict[str, list[float]] = {rule: [] for rule in rules}
    for _ in range(1 + REPETITIONS):
        for rule in rules:
            before = processor_time()
            step(demo, rule)
            seconds[rule].append(processor_time() - before)
    measured = [path.read_text() for path in demo.files("results/startup/METRICS/*/*/test.json")]
    assert sum(f'"samples": {PREDICTIONS}' in text for text in measured) == 1
    for rule in rules:
        name = f"cold {rule} of {PREDICTIONS:,} predictions"
        figures.record(name, statistics.median(seconds[rule][1:]), "s", by="processor", at_most=1)
