"""Start of the pre-flight check: selection of pipelines, the process that tries them, and its answers."""

import hashlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies

from mml_lib.config.reading.scalars import flow_text
from mml_lib.errors import MMLError
from mml_lib.files.atomic import write_text
from mml_lib.machine.terminal import say, summarized, warn
from mml_lib.pipelines.digests import canonical_json
from mml_lib.pipelines.pipeline import Pipeline
from mml_lib.steps.training_step import TrainingStep
from mml_lib.steps.warm_start import FOLDER

if TYPE_CHECKING:
    from snakemake.dag import DAG

    from mml_lib.studies.study import Study

TIME_LIMIT = 900
"""Seconds that a check may take; it may have to fetch the weights of pretrained networks."""

CHECK = "mml_lib.engine.preflight"
"""The module that tries pipelines."""

PACKAGES = (
    *("mml", "torch", "torchvision", "timm", "lightning", "kornia", "torchmetrics", "peft"),
    "segmentation-models-pytorch",
)
"""Packages that pipelines are built from: of another version, they are tried again."""

REMEMBERED = 20_000
"""Pipelines that a project remembers as tried."""

OFFLINE = ("HF_HOME", "HF_HUB_CACHE", "HF_HUB_OFFLINE", "TORCH_HOME")
"""Variables that say where weights come from."""


HUB = "https://huggingface.co"
"""Address of the hub of pretrained weights, unless HF_ENDPOINT names another."""


@dataclass
class Candidate:
    """Runs of one pipeline, whatever their seeds.

    Args:
        pipeline: of the first of them.
        labels: what the study calls each run.
    """

    pipeline: Pipeline
    labels: list[str] = field(default_factory=list)


class Mistakes(MMLError):
    """Several mistakes, a line for each."""

    def __init__(self, lines: Sequence[str]):
        Exception.__init__(self, "\n".join(lines))


def check_pipelines(study: "Study", dag: "DAG") -> None:
    """Try each distinct pipeline that is to be trained, unless it was tried before.

    Args:
        study: the study.
        dag: Snakemake's plan.

    Raises:
        Mistakes: some pipelines cannot be trained; a line for each mistake.
    """
    step = study.scheduler(study.cfg.mode.id).Step or TrainingStep
    if step.create_model is not TrainingStep.create_model:
        return  # a step with networks of its own
    wildcards = [job.wildcards for job in study.rule_names.jobs(dag.needrun_jobs(), "train_fold", "tune_fold")]
    runs = dict.fromkeys((candidate.task, candidate.run) for candidate in wildcards)
    if not runs:
        return
    candidates = distinct_pipelines(study, runs)
    tried = read_tried(study.fm.checked_path)
    left = {name: candidate for name, candidate in candidates.items() if name not in tried}
    if not left:
        return
    answers = try_pipelines(study, [candidate.pipeline for candidate in left.values()])
    lines = lines_of(list(left.values()), answers, len(runs))
    sound = [name for name, mistakes in zip(left, answers, strict=False) if not mistakes]
    if sound:
        remember(study.fm.checked_path, [*tried, *sorted(sound)])
    if lines:
        raise Mistakes([study.origins.place(line) for line in lines])


def distinct_pipelines(study: "Study", runs: Mapping[tuple[str, str], Any]) -> dict[str, Candidate]:
    """Return the pipelines of runs by the digest of everything that a trial depends on."""
    around = [*surroundings(study), repr(study.cfg.tta), study.cfg.trainer.accelerator]
    candidates: dict[str, Candidate] = {}
    for task, run in runs:
        planned = study.run(task, run)
        content = {key: value for key, value in planned.pipeline.content.items() if key != "seed"}
        metrics = [repr(study.cfg.metrics_of(task_learned["task_type"])) for task_learned in planned.pipeline.tasks]
        name = hashlib.sha256(canonical_json([content, metrics, around]).encode()).hexdigest()[:16]
        candidate = candidates.setdefault(name, Candidate(planned.pipeline))
        candidate.labels.append(planned.display_name)
    return candidates


def surroundings(study: "Study") -> list[Any]:
    """Return versions, variables and plugins that the outcome of a trial depends on."""
    versions = {package: _version(package) for package in PACKAGES} | {key: os.environ.get(key) for key in OFFLINE}
    return [versions, [(str(path), path.stat().st_mtime_ns) for path in map(Path, study.cfg.plugins) if path.exists()]]


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def try_pipelines(study: "Study", pipelines: Sequence[Pipeline]) -> list[list[str]]:
    """Return the mistakes of each pipeline, of those only that the check got to."""
    pretrained = any(pipeline.content["arch"].get("pretrained") for pipeline in pipelines)
    return ask(study, "pipelines", [dict(pipeline.content) for pipeline in pipelines], pretrained)


def ask(study: "Study", kind: str, contents: Sequence[Mapping[str, Any]], pretrained: bool) -> list[list[str]]:
    """Return the mistakes of each part of a study, by a process that imports torch; of those only that it got to.

    A check that does not come to its end refuses nothing.

    Args:
        study: the study.
        kind: `pipelines` or `backbones`.
        contents: what is tried.
        pretrained: True if weights have to be fetched from the hub.
    """
    # The config as text, in which numbers and words are as they were spelled.
    request = json.dumps({"config": flow_text(study.config), kind: contents}).encode()
    environment = dict(os.environ)
    if study.gpus.on_cluster:
        environment.pop(FOLDER, None)  # no step of this machine would use the warm process
    if pretrained and not reaches_hub():
        environment["HF_HUB_OFFLINE"] = "1"  # the hub's client would try again for a minute
    say(f"checking {len(contents)} {kind if len(contents) != 1 else kind[:-1]} before anything runs")
    process = subprocess.Popen(
        [sys.executable, "-m", CHECK],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        said, _ = process.communicate(request, timeout=TIME_LIMIT)
        problem = f"ended with status {process.returncode}" if process.returncode else None
    except subprocess.TimeoutExpired:
        process.kill()
        said, _ = process.communicate()
        problem = f"took longer than {TIME_LIMIT // 60} minutes"
    except BaseException:
        process.kill()
        raise
    answers = [json.loads(line) for line in said.splitlines() if line.endswith(b"]")]
    if problem or len(answers) < len(contents):
        left = len(contents) - len(answers)
        warn(f"the check of {kind} {problem or 'ended early'}; {left} were not tried, mistakes show in their steps")
    return answers


def reaches_hub(seconds: float = 3) -> bool:
    """Return False if the hub of pretrained weights cannot be connected to; behind a proxy it is not tried."""
    address = urlsplit(os.environ.get("HF_ENDPOINT") or HUB)
    port = address.port or (80 if address.scheme == "http" else 443)
    if getproxies():
        return True
    try:
        socket.create_connection((address.hostname, port), timeout=seconds).close()
    except OSError:
        return False
    return True


def lines_of(candidates: Sequence[Candidate], answers: Sequence[Sequence[str]], runs: int) -> list[str]:
    """Return a line for each mistake, with the runs that make it where others do not."""
    labels: dict[str, list[str]] = {}
    for candidate, mistakes in zip(candidates, answers, strict=False):
        for mistake in mistakes:
            labels.setdefault(mistake, []).extend(candidate.labels)
    return [
        mistake if len(labels_of_mistake) == runs else f"{mistake} ({summarized(labels_of_mistake)})"
        for mistake, labels_of_mistake in labels.items()
    ]


def read_tried(path: Path) -> list[str]:
    """Return the digests of pipelines that were tried in a project, the latest last."""
    try:
        return path.read_text(encoding="utf-8").split()
    except (OSError, ValueError):
        return []


def remember(path: Path, digests: Sequence[str]) -> None:
    """Keep the digests of pipelines that can be trained; where they cannot be kept, they are tried again."""
    try:
        write_text(path, "".join(f"{name}\n" for name in digests[-REMEMBERED:]))
    except OSError:
        return
