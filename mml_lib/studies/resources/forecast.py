"""Forecast of the remaining steps of a plan: their time and disk space, by measurements of similar steps.

The line names rules without measurements.
"""

import functools
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mml_lib.config.gpu_options import TRAININGS
from mml_lib.errors import MMLError
from mml_lib.files.removing import size_of
from mml_lib.machine.measured import Measured, benchmark_files
from mml_lib.models.model_storage import ModelStorage
from mml_lib.pipelines.digests import canonical_json
from mml_lib.pipelines.pipeline import Pipeline
from mml_lib.studies.checks.study_checks import GPU_RULES
from mml_lib.studies.resources.planned_steps import Step
from mml_lib.tasks.description import read_header
from mml_lib.wording import enumerated

if TYPE_CHECKING:
    from mml_lib.studies.study import Study

LIGHT = 1.0
"""Assumed seconds of a step whose rule is not measured."""

SMALL_MB = 0.1
"""Assumed size of artefacts of other kinds, in 10⁶ bytes."""

LITTLE_MB = 10.0
"""Known size below which disk usage is not reported if other sizes are unknown, in 10⁶ bytes."""

LARGE = ("packed", "parameters", "predictions", "other_predictions", "calibrated", "other_calibrated")
"""Assignment keys of large artefacts."""

LATEST = 100
"""Number of trainings, and of artefacts of each kind, that a forecast reads."""

ALIKE = ("arch", "decoder", "adapters", "preprocessing", "compile", "patches")
"""Sections of a pipeline that decide the training time per image."""


@dataclass(frozen=True)
class Training:
    """A measured training.

    Args:
        kind: key of trainings with a similar duration per image.
        images: number of images over all epochs; None: unknown.
        seconds: duration of its epochs.
        overhead: further seconds.
    """

    kind: str
    images: float | None
    seconds: float
    overhead: float


class Forecast:
    """Forecast of the duration and size of steps.

    Args:
        study: the study.
    """

    def __init__(self, study: "Study"):
        self.study = study
        self.fm = study.fm

    def missing(self, steps: Iterable[Step]) -> list[Step]:
        """Return the steps of a plan with a missing output."""
        return [step for step in steps if not all(Path(path).exists() for _, path in step.outputs)]

    def line(self, steps: Iterable[Step]) -> str:
        """Return the remaining steps and their expected resources, in one line."""
        steps = list(steps)
        if not steps:
            return "to do: nothing"
        words = f"to do: {len(steps)} step{'s' * (len(steps) != 1)}"
        if trainings := sum(step.rule in TRAININGS for step in steps):
            shares = self.study.gpus.shares()
            words += f", {trainings} of them training{'s' * (trainings != 1)}{f' ({shares})' if shares else ''}"
        return f"{words}; {self._time(steps)}; {self._disk(steps)}"

    def seconds(self, step: Step) -> float | None:
        """Return the expected seconds of a step; None: no similar step was measured."""
        return self._seconds(step)

    def seconds_left(self, steps: Iterable[tuple[Step, float]]) -> float | None:
        """Return the expected seconds until steps have ended on this machine.

        Args:
            steps: the remaining steps, with the seconds that each has run for.

        Returns:
            None on a cluster, and if no training like these was measured.
        """
        seconds = 0.0
        for step, elapsed in steps:
            expected = self._seconds(step)
            if expected is None and step.rule in TRAININGS:
                return None
            seconds += max(0.0, (expected or 0.0) - elapsed) / self._at_once(step.rule)
        return seconds if self.study.gpus.cores is not None else None

    # --- time ---------------------------------------------------------------------------------------------------

    def _time(self, steps: list[Step]) -> str:
        """Return the expected duration of steps: side by side on this machine, in total on a cluster."""
        estimates = [(step, self._seconds(step)) for step in steps]
        unknown = list(dict.fromkeys(step.rule for step, seconds in estimates if seconds is None))
        if any(rule in TRAININGS for rule in unknown):
            return "time unknown until a similar training has ended"
        timed = [(step, seconds) for step, seconds in estimates if seconds is not None]
        if self.study.gpus.cores is not None:
            amount = _duration(sum(seconds / self._at_once(step.rule) for step, seconds in timed))
        else:
            gpu = sum(seconds * step.gpus for step, seconds in timed)
            other = sum(seconds for step, seconds in timed if not step.gpus)
            amounts = [f"{_duration(gpu)} of GPUs"] * (gpu > 0) + [f"{_duration(other)} without a GPU"] * (other > 0)
            amount = f"{' and '.join(amounts)} in all jobs"
        return f"about {amount}{f', and {enumerated(unknown)}, not measured yet' if unknown else ''}"

    def _at_once(self, rule: str) -> int:
        """Return the number of parallel steps of a rule."""
        rule = "predict_fold" if rule == "predict_other" else rule
        return self.study.gpus.at_once(rule) if rule in GPU_RULES else 1

    def _seconds(self, step: Step) -> float | None:
        """Return the expected seconds of a step; None: no similar step was measured."""
        if step.benchmark is None:
            return LIGHT
        measured = self._measured_of(step.rule)
        if step.rule == "train_fold":
            return self._training(step)
        if step.rule == "train_trial":
            return self._trial(step)
        own = step.wildcards
        if "run" in own:  # the same network, another one of its run, or a similar one on the same task
            prefixes = [f"{own['task']}-{own['run']}-"]
            similar = self._alike(own["task"], own["run"])
            prefixes += [f"{own['task']}-{run}-" for task, run in similar if task == own["task"]]
        else:
            prefixes = [f"{step.benchmark.stem.split('-')[0]}-"]
        for prefix in prefixes:
            if seconds := [value for name, value in measured.items() if f"{name}-".startswith(prefix)]:
                return sum(seconds) / len(seconds)
        return None

    @functools.cache  # noqa: B019  (a forecast lives for one line)
    def _measured_of(self, rule: str) -> dict[str, float]:
        """Return the seconds of the latest measured steps of a rule, by the names of their benchmark files."""
        files = sorted(benchmark_files(self.fm.benchmark_folders, rule), key=lambda file: file.stat().st_mtime)
        measured = [Measured.of(file) for file in files[-LATEST:]]
        return {step.name: step.seconds for step in measured if not math.isnan(step.seconds)}

    def _training(self, step: Step) -> float | None:
        """Return the expected seconds of a training, from others of its run, or else from trainings of its kind."""
        pipeline = self._pipeline(step.wildcards["task"], step.wildcards["run"])
        if pipeline is None:
            return None
        if own := self._trainings.get((step.wildcards["task"], pipeline.run)):
            return sum(training.seconds + training.overhead for training in own) / len(own)
        return self._alike_seconds(pipeline, pipeline.content["trainer"]["max_epochs"])

    def _trial(self, step: Step) -> float | None:
        """Return the expected seconds of a trial's epochs in its rung, assuming the pipeline of the study."""
        search = self.study.searches.find(step.wildcards["task"], step.wildcards["search"])
        rung = search.rungs[int(step.wildcards["rung"])]
        below = 0 if rung.below is None else search.rungs[rung.below].epochs
        return self._alike_seconds(search.base, rung.epochs - below)

    def _alike_seconds(self, pipeline: Pipeline, epochs: int) -> float | None:
        """Return the expected seconds of some epochs of a pipeline, by trainings of its kind."""
        images, kind = self._images(pipeline, epochs), _kind(pipeline)
        similar = [
            training for trainings in self._trainings.values() for training in trainings if training.kind == kind
        ]
        seconds = [
            training.overhead + training.seconds * images / training.images
            for training in similar
            if images and training.images
        ]
        return sum(seconds) / len(seconds) if seconds else None

    @cached_property
    def _trainings(self) -> dict[tuple[str, str], list[Training]]:
        """The measured trainings of the project by task and run."""
        measured, trainings = self._measured_of("train_fold"), dict[tuple[str, str], list[Training]]()
        for tokens in self.fm.existing("models")[-LATEST:]:
            pipeline = self._pipeline(tokens["task"], tokens["run"])
            if pipeline is None:
                continue
            try:
                model = ModelStorage.read(self.fm.path("models", **tokens))
            except MMLError:
                continue
            whole = measured.get(f"{tokens['task']}-{tokens['run']}-fold{tokens['fold']}", model.training_time)
            training = Training(
                _kind(pipeline),
                self._images(pipeline, model.epochs),
                model.training_time,
                max(0.0, whole - model.training_time),
            )
            trainings.setdefault((tokens["task"], tokens["run"]), []).append(training)
        return trainings

    @functools.cache  # noqa: B019  (a forecast lives for one line)
    def _alike(self, task: str, run: str) -> list[tuple[str, str]]:
        """Return task and run of the measured trainings of the same kind as a run."""
        pipeline = self._pipeline(task, run)
        kind = None if pipeline is None else _kind(pipeline)
        return [name for name, trainings in self._trainings.items() if trainings[0].kind == kind]

    def _pipeline(self, task: str, run: str) -> Pipeline | None:
        try:
            return self.study.run(task, run).pipeline
        except MMLError:  # its file is missing or damaged
            return None

    def _images(self, pipeline: Pipeline, epochs: int) -> float | None:
        """Return the number of images, or crops, that a training learns; None: its task is not described yet."""
        sampling, task = pipeline.content["sampling"], pipeline.task
        limit = (pipeline.content["trainer"].get("limit_train_batches") or math.inf) * sampling["batch_size"]
        header = self._header(task["name"], task["id"])
        if header is None:
            return None
        folds = header["num_folds"]
        samples = header["num_samples"].get("train", 0) * (folds - 1) / folds if folds > 1 else 0
        samples *= (pipeline.content.get("patches") or {}).get("per_image", 1)
        samples = sampling["sample_num"] or max(samples, sampling.get("min_sample_num") or 0)
        return epochs * min(samples, limit) or None

    @functools.cache  # noqa: B019  (a forecast lives for one line)
    def _header(self, task: str, task_id: str) -> Mapping[str, Any] | None:
        """Return the header of a task's description; None: the task is not described yet."""
        try:
            return read_header(self.fm.path("description", task=task, task_id=task_id))
        except MMLError:
            return None

    # --- disk ---------------------------------------------------------------------------------------------------

    def _disk(self, steps: list[Step]) -> str:
        sizes = [self._size(key, step.wildcards) for step in steps for key, _ in step.outputs]
        mb = sum(size for size in sizes if size is not None)
        if None in sizes:
            return "disk unknown" if mb < LITTLE_MB else f"disk at least {_bytes(mb)}"
        return f"{_bytes(mb)} of disk"

    def _size(self, key: str, wildcards: Mapping[str, str]) -> float | None:
        """Return the expected size of an artefact, in 10⁶ bytes: the mean of existing ones of its kind."""
        if key not in LARGE:
            return SMALL_MB
        run = wildcards.get("run") if key == "parameters" else None
        return self._mean_size(key, wildcards.get("task"), wildcards.get("dataset"), run)

    @functools.cache  # noqa: B019  (a forecast lives for one line)
    def _mean_size(self, key: str, task: str | None, dataset: str | None, run: str | None) -> float | None:
        if task and run:
            similar = self._alike(task, run)
            sizes = [size for tokens, size in self._latest(key) if (tokens["task"], tokens["run"]) in similar]
        else:
            kind = (task, dataset)
            sizes = [size for tokens, size in self._latest(key) if (tokens.get("task"), tokens.get("dataset")) == kind]
        return sum(sizes) / len(sizes) if sizes else None

    @functools.cache  # noqa: B019  (a forecast lives for one line)
    def _latest(self, key: str) -> list[tuple[dict[str, str], float]]:
        """Return wildcards and size, in 10⁶ bytes, of the latest artefacts of a key."""
        existing = self.fm.existing(key)[-LATEST:]
        return [(tokens, size_of([Path(self.fm.path(key, **tokens))]) / 1e6) for tokens in existing]


def _kind(pipeline: Pipeline) -> str:
    """Return the key of trainings with similar duration: computation per image, and number of devices."""
    content = pipeline.content
    trainer = {key: content["trainer"].get(key) for key in ("precision", "devices")}
    sections = {key: content.get(key) for key in ALIKE}
    sections["preprocessing"] = re.sub(r"^.*-", "", pipeline.task["pack"])  # its digest
    kinds = [task["task_type"] for task in pipeline.tasks]
    return canonical_json([sections, trainer, kinds, pipeline.freezes])


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 3600:.1f} hours" if seconds >= 5400 else f"{round(seconds / 60)} min"


def _bytes(mb: float) -> str:
    return f"{mb / 1000:.1f} GB" if mb >= 1000 else f"{max(1, round(mb))} MB"
