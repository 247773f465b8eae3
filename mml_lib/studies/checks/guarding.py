"""Image guards: pairs of tasks whose images are compared, because a network learns one and is tested on the other.

Tasks on one data set are compared by their divisions while planning (`checks`), except tasks of the user's tags. Images
of other data sets can be compared only by their content, after reading.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mml_lib.config.task_options import SEPARATOR
from mml_lib.errors import MMLError
from mml_lib.pipelines.trained_networks import TrainedNetwork
from mml_lib.studies.checks.study_checks import holds_out_alike
from mml_lib.studies.runs import Run
from mml_lib.tasks.image_guards import PARTS, ImageGuard
from mml_lib.tasks.tags import parse_tag

if TYPE_CHECKING:
    from mml_lib.schedulers.train import TrainScheduler
    from mml_lib.studies.study import Study


class Guards:
    """The image guards of a mode's plan.

    Args:
        study: the study.
    """

    def __init__(self, study: "Study"):
        self.study = study
        self._parts: dict[tuple[tuple[str, str], tuple[str, str]], tuple[set[str], str]] = {}
        self.unknown: dict[str, None] = {}

    @property
    def guards(self) -> list[ImageGuard]:
        """All guards, each pair of tasks once."""
        return [
            ImageGuard(learned, tested, tuple(part for part in PARTS if part in parts), key)
            for (learned, tested), (parts, key) in self._parts.items()
        ]

    def as_json(self) -> list[dict[str, Any]]:
        """Return all guards as JSON."""
        return [guard.as_json() for guard in self.guards]

    @property
    def sha256(self) -> str:
        """The digest of the comparison. Changed tasks or parts are compared again."""
        return hashlib.sha256(json.dumps(self.as_json(), sort_keys=True).encode()).hexdigest()

    def add(self, learned: Mapping[str, Any], tested: str, key: str, *parts: str, planned: bool = True) -> None:
        """Compare the images of a training with parts of another task, unless planning has compared both.

        Args:
            learned: entry of a task in a pipeline.
            tested: name of the task that is predicted.
            key: the key of the study that combines both.
            parts: some of `PARTS`.
            planned: True if planning compares the divisions of tasks on one data set.
        """
        identity = self.study.task(tested)
        own_tags = _has_own_tags(learned["name"]) or _has_own_tags(tested)
        if learned["dataset"] == identity.dataset and planned and not own_tags:
            return
        if learned["id"] == identity.id and "val" not in parts:
            return
        if not self._is_described(learned):
            self.unknown[learned["name"]] = None
            return
        pair = ((learned["name"], learned["id"]), (tested, identity.id))
        self._parts.setdefault(pair, (set(), key))[0].update(parts)

    def _is_described(self, learned: Mapping[str, Any]) -> bool:
        """Return True if the description of a task exists or can be created from the study or an existing data set."""
        name, id_ = learned["name"], learned["id"]
        tasks, fm = self.study.tasks, self.study.fm
        if tasks.is_known(name) and tasks.derived(name).id == id_:
            return True
        if not Path(fm.path("dataset", dataset=learned["dataset"])).exists():
            return False
        return tasks.can_describe(name, id_) or Path(fm.path("description", task=name, task_id=id_)).exists()


def _has_own_tags(name: str) -> bool:
    """Return True if a user's tag derives a task: its division is unknown while planning."""
    for text in name.split(SEPARATOR)[1:]:
        try:
            tag = parse_tag(text)[0]
        except MMLError:  # a tag of another project's plugin
            return True
        if not tag.function.__module__.startswith("mml_lib."):
            return True
    return False


def guards_of(scheduler: "TrainScheduler") -> Guards:
    """Return the image guards of a mode that trains."""
    guards = Guards(scheduler.study)
    for task in scheduler.task_names:
        for trained in scheduler.trained_for(task):
            others = [name for name, split in scheduler.others(trained) if split == "test"]
            reported = "val" in scheduler.splits(task) and not scheduler.options.nested
            for run in scheduler.runs_of(trained):
                _guard_run(guards, run, trained, others, reported)
    return guards


def _guard_run(guards: Guards, run: Run, trained: str, others: list[str], reported: bool) -> None:
    """Guard the tasks that networks of a run are tested on against all tasks that they have learned."""
    started = list(started_from(guards, run))
    for learned, directly in started:
        parts = ["test", "val"] if reported else ["test"]
        guards.add(learned, trained, "mode.pretrain_task", *parts, planned=directly)
    for other in others:
        for number, learned in enumerate(run.pipeline.tasks):
            guards.add(learned, other, "mode.co_tasks" if number else "mode.eval_on", "test", planned=number == 0)
        for learned, _ in started:
            guards.add(learned, other, "mode.pretrain_task", "test", planned=False)


def guard_joining(guards: Guards, trained: str, network: TrainedNetwork) -> None:
    """Guard a task from a network of another task or project, whose predictions of it join an ensemble."""
    project = network.project
    study, key = guards.study, "reuse.predictions" if project else "mode.source_tasks"
    run = study.runs.read(network.task, network.run, project) if project else study.run(network.task, network.run)
    for number, learned in enumerate(run.pipeline.tasks):
        guards.add(learned, trained, key, "test", "fold", planned=number == 0)
    for learned, directly in started_from(guards, run, project):
        guards.add(learned, trained, key, "test", "val", planned=directly)


def started_from(
    guards: Guards, run: Run, project: str | None = None, directly: bool = True
) -> Iterator[tuple[Mapping[str, Any], bool]]:
    """Yield each task that the models have learned which a run may start from, and theirs in turn.

    With each, whether the run itself starts from it. Tasks of runs whose pipelines are gone are noted as unknown.
    """
    models = run.pipeline.pretraining.get("models", ())
    runs = {(model["project"] or project, model["task"], model["run"]): model for model in models}
    for (where, *_), model in runs.items():
        try:
            started = guards.study.runs.of_model({**model, "project": where})
        except MMLError:
            guards.unknown[model["task"]] = None
            continue
        yield from ((task, directly) for task in started.pipeline.tasks)
        yield from started_from(guards, started, where, directly=False)


def seen_held_out(study: "Study", task: str, run: Run, project: str | None = None) -> str | None:
    """Return the reason why networks of a run may have seen held-out samples of a task; None: they have not.

    Args:
        study: the study.
        task: the task that they are to predict.
        run: a run of another task.
        project: project of the run; None: this one.
    """
    identity = study.task(task)
    for learned in run.pipeline.tasks:
        if not holds_out_alike(identity, learned):
            return (
                f"{learned['name']} divides the images of {task} in another way, so its networks may have seen "
                "what is held out; give both the same folds, test_fraction, seed and idx_to_class, or leave it out"
            )
    for model in run.pipeline.pretraining.get("models", ()):
        started = study.runs.of_model({**model, "project": model["project"] or project})
        # The fold that is chosen there may be another one than here.
        same = [learned["name"] for learned in started.pipeline.tasks if learned["dataset"] == identity.dataset]
        if same:
            return f"networks of {run.pipeline.task['name']} start from {same[0]}, which has images of {task}"
    return None
