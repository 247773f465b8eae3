"""The pre-flight check: selection of pipelines, and the process that tries them."""

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
from mml_lib.machine.terminal import print_line, summarized, warn
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

MODULE = "mml_lib.engine.preflight"
"""The module that tries pipelines."""

PACKAGES = (
    *("mml", "torch", "torchvision", "timm", "lightning", "kornia", "torchmetrics", "peft"),
    "segmentation-models-pytorch",
)
"""Packages whose versions decide whether a pipeline can be built. Pipelines are tried again with other versions."""

MOST_TRIED = 20_000
"""Most pipelines that a project records as tried."""

WEIGHT_VARIABLES = ("HF_HOME", "HF_HUB_CACHE", "HF_HUB_OFFLINE", "TORCH_HOME")
"""Environment variables that select the source of pretrained weights."""


HUB = "https://huggingface.co"
"""Address of the hub of pretrained weights, if HF_ENDPOINT is not set."""


@dataclass
class Candidate:
    """Pipeline that the check tries, with the runs that use it. Runs that differ only in their seed share it.

    Args:
        pipeline: pipeline of the first run.
        labels: display names of the runs.
        searched: the key of a search space whose value differs from the study's; empty for the pipeline of a run.
    """

    pipeline: Pipeline
    labels: list[str] = field(default_factory=list)
    searched: str = ""


class Mistakes(MMLError):
    """Several mistakes, one line each."""

    def __init__(self, lines: Sequence[str]):
        Exception.__init__(self, "\n".join(lines))


def check_pipelines(study: "Study", dag: "DAG") -> None:
    """Try each distinct pipeline that the plan trains, if it was not tried before.

    Args:
        study: the study.
        dag: Snakemake's plan.

    Raises:
        Mistakes: some pipelines cannot be trained.
    """
    step = study.scheduler(study.cfg.mode.id).Step or TrainingStep
    if step.create_model is not TrainingStep.create_model:
        return  # this step builds its own networks
    jobs = partial(study.rule_names.jobs, list(dag.needrun_jobs()))
    runs = dict.fromkeys((job.wildcards.task, job.wildcards.run) for job in jobs("train_fold", "tune_fold"))
    ids = dict.fromkeys((job.wildcards.task, job.wildcards.search) for job in jobs("train_trial"))
    searches = [study.searches.find(*tokens) for tokens in ids]
    runs |= dict.fromkeys((search.task, search.base.run) for search in searches)
    if not runs:
        return
    candidates = distinct_pipelines(study, runs) | searched_pipelines(study, searches)
    tried = read_tried(study.fm.checked_path)
    untried = {name: candidate for name, candidate in candidates.items() if name not in tried}
    if not untried:
        return
    answers = try_pipelines(study, [candidate.pipeline for candidate in untried.values()])
    lines = mistake_lines(list(untried.values()), answers, len(runs))
    sound = [name for name, mistakes in zip(untried, answers, strict=False) if not mistakes]
    if sound:
        record_tried(study.fm.checked_path, [*tried, *sorted(sound)])
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
        self.environment = [*check_environment(study), repr(study.cfg.tta), study.cfg.trainer.accelerator]

    def of(self, pipeline: Pipeline, *extra: str) -> str:
        content = {key: value for key, value in pipeline.content.items() if key != "seed"}
        metrics = [repr(self.study.cfg.metrics_of(task["task_type"])) for task in pipeline.tasks]
        return hashlib.sha256(canonical_json([content, metrics, self.environment, *extra]).encode()).hexdigest()[:16]


def check_environment(study: "Study") -> list[Any]:
    """Return versions of packages, environment variables and plugins on which the result of a check depends."""
    versions = {package: _version(package) for package in PACKAGES} | {
        key: os.environ.get(key) for key in WEIGHT_VARIABLES
    }
    return [versions, [(str(path), path.stat().st_mtime_ns) for path in map(Path, study.cfg.plugins) if path.exists()]]


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def try_pipelines(study: "Study", pipelines: Sequence[Pipeline]) -> list[list[str]]:
    """Return the mistakes of each pipeline. The list is shorter if the check ended early."""
    pretrained = any(pipeline.content["arch"].get("pretrained") for pipeline in pipelines)
    return run_check(study, "pipelines", [dict(pipeline.content) for pipeline in pipelines], pretrained)


def run_check(study: "Study", kind: str, contents: Sequence[Mapping[str, Any]], pretrained: bool) -> list[list[str]]:
    """Return the mistakes of pipelines or backbones, which a separate process tries because it imports torch.

    The list is shorter if the check ended early: what was not tried is not refused.

    Args:
        study: the study.
        kind: `pipelines` or `backbones`.
        contents: pipelines or options of backbones.
        pretrained: True if weights are downloaded from the hub.
    """
    # Text keeps the spelling of numbers.
    request = json.dumps({"config": flow_text(study.config), kind: contents}).encode()
    environment = dict(os.environ)
    if study.gpus.on_cluster:
        environment.pop(FOLDER, None)  # its steps run on other machines
    if pretrained and not reaches_hub():
        environment["HF_HUB_OFFLINE"] = "1"  # the client of the hub would retry for a minute
    print_line(f"checking {len(contents)} {kind if len(contents) != 1 else kind[:-1]} before anything runs")
    process = subprocess.Popen(
        [sys.executable, "-m", MODULE],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        output, _ = process.communicate(request, timeout=TIME_LIMIT)
        problem = f"ended with status {process.returncode}" if process.returncode else None
    except subprocess.TimeoutExpired:
        process.kill()
        output, _ = process.communicate()
        problem = f"took longer than {TIME_LIMIT // 60} minutes"
    except BaseException:
        process.kill()
        raise
    answers = [json.loads(line) for line in output.splitlines() if line.endswith(b"]")]
    if problem or len(answers) < len(contents):
        untried = len(contents) - len(answers)
        warn(f"the check of {kind} {problem or 'ended early'}; {untried} were not tried: their steps report mistakes")
    return answers


def reaches_hub(seconds: float = 3) -> bool:
    """Return False if there is no connection to the hub of pretrained weights. It is not tested behind a proxy."""
    address = urlsplit(os.environ.get("HF_ENDPOINT") or HUB)
    port = address.port or (80 if address.scheme == "http" else 443)
    if getproxies():
        return True
    try:
        socket.create_connection((address.hostname, port), timeout=seconds).close()
    except OSError:
        return False
    return True


def mistake_lines(candidates: Sequence[Candidate], answers: Sequence[Sequence[str]], runs: int) -> list[str]:
    """Return a line for each mistake, with its runs unless all runs have it, or with its searched key."""
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
    """Return the digests of pipelines that were tried in a project, oldest first."""
    try:
        return path.read_text(encoding="utf-8").split()
    except (OSError, ValueError):
        return []


def record_tried(path: Path, digests: Sequence[str]) -> None:
    """Write the digests of pipelines that can be trained. If this fails, the next run tries them again."""
    try:
        write_text(path, "".join(f"{name}\n" for name in digests[-MOST_TRIED:]))
    except OSError:
        return
