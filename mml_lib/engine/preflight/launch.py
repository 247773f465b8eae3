"""Start of the pre-flight check: selection of pipelines, the process that tries them, and its answers."""

import hashlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies

from mml_lib.config.reading.scalars import flow_text
from mml_lib.errors import MMLError
from mml_lib.files.atomic import write_text
from mml_lib.machine.terminal import say, summarized, warn
from mml_lib.machine.warm_start import FOLDER
from mml_lib.pipelines.digests import canonical_json
from mml_lib.pipelines.pipeline import Pipeline
from mml_lib.steps.training_step import TrainingStep

if TYPE_CHECKING:
    from snakemake.dag import DAG

    from mml_lib.studies.searches.planned_search import PlannedSearch
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
        searched: the searched key that has another value in it than in the study; empty for the pipeline of a run.
    """

    pipeline: Pipeline
    labels: list[str] = field(default_factory=list)
    searched: str = ""


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
    jobs = partial(study.rule_names.jobs, list(dag.needrun_jobs()))
    runs = dict.fromkeys((job.wildcards.task, job.wildcards.run) for job in jobs("train_fold", "tune_fold"))
    ids = dict.fromkeys((job.wildcards.task, job.wildcards.search) for job in jobs("train_trial"))
    searches = [study.searches.find(*tokens) for tokens in ids]
    runs |= dict.fromkeys((search.task, search.base.run) for search in searches)
    if not runs:
        return
    candidates = distinct_pipelines(study, runs) | searched_pipelines(study, searches)
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
    """Return the pipelines of runs by the digest of everything that their check depends on."""
    candidates: dict[str, Candidate] = {}
    digests = _Digests(study)
    for task, run in runs:
        planned = study.run(task, run)
        candidate = candidates.setdefault(digests.of(planned.pipeline), Candidate(planned.pipeline))
        candidate.labels.append(planned.display_name)
    return candidates


def searched_pipelines(study: "Study", searches: Sequence["PlannedSearch"]) -> dict[str, Candidate]:
    """Return the pipelines with values of searched keys, by the digest of everything that their check depends on."""
    digests = _Digests(study)
    return {
        digests.of(pipeline, key): Candidate(pipeline, searched=key)
        for search in searches
        for key, pipelines in search.examples.items()
        for pipeline in pipelines
    }


class _Digests:
    """Digests of everything that the check of a pipeline depends on.

    Args:
        study: the study.
    """

    def __init__(self, study: "Study"):
        self.study = study
        self.around = [*surroundings(study), repr(study.cfg.tta), study.cfg.trainer.accelerator]

    def of(self, pipeline: Pipeline, *further: str) -> str:
        content = {key: value for key, value in pipeline.content.items() if key != "seed"}
        metrics = [repr(self.study.cfg.metrics_of(task["task_type"])) for task in pipeline.tasks]
        return hashlib.sha256(canonical_json([content, metrics, self.around, *further]).encode()).hexdigest()[:16]


def surroundings(study: "Study") -> list[Any]:
    """Return versions, variables and plugins that the outcome of a check depends on."""
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
    """Return a line for each mistake, with the runs that make it where others do not, or the searched key."""
    labels: dict[str, list[str]] = {}
    searched: dict[str, str] = {}
    for candidate, mistakes in zip(candidates, answers, strict=False):
        for mistake in mistakes:
            if candidate.searched:
                searched.setdefault(mistake, candidate.searched)
            else:
                labels.setdefault(mistake, []).extend(candidate.labels)
    lines = [
        mistake if len(labels_of_mistake) == runs else f"{mistake} ({summarized(labels_of_mistake)})"
        for mistake, labels_of_mistake in labels.items()
    ]
    return lines + [f"search.space.{key}: {mistake}" for mistake, key in searched.items() if mistake not in labels]


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
