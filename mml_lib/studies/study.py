"""The study behind a Snakefile: its config, its file manager, its tasks and runs, and the functions that rules ask."""

import functools
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mml_lib.config.loading import load_study
from mml_lib.config.origins import Origins, Source
from mml_lib.config.plugins import import_plugin
from mml_lib.config.presets import preset_names, resolve_presets
from mml_lib.config.targets import import_target
from mml_lib.config.task_options import Preprocessing
from mml_lib.errors import MMLError, nearest
from mml_lib.files.manager import SHARDS, MMLFileManager
from mml_lib.files.records import record_study
from mml_lib.images.transforms import resolve
from mml_lib.machine.claims import Claims
from mml_lib.machine.locks import check_writable, lock_project, share_data
from mml_lib.machine.rule_names import RuleNames
from mml_lib.pipelines.own_code import code_of, code_of_hooks
from mml_lib.pipelines.step_hooks import PREDICTING
from mml_lib.studies.answers import Answers
from mml_lib.studies.changed_code import changed_code
from mml_lib.studies.consumption import Consumption
from mml_lib.studies.forecast import Forecast
from mml_lib.studies.gpu_requests import Gpus
from mml_lib.studies.planned_steps import planned_steps
from mml_lib.studies.project_models import ProjectModels
from mml_lib.studies.results import Results
from mml_lib.studies.runs import Run, Runs, pack_id
from mml_lib.studies.study_tasks import StudyTasks

if TYPE_CHECKING:
    from mml_lib.schedulers.base import AbstractBaseScheduler


TESTS = {
    "test_fold": ("metrics", "resampled_metrics"),
    "test_other": ("other_metrics", "other_resampled_metrics"),
    "test_out_of_fold": ("out_of_fold_metrics", "out_of_fold_resampled_metrics"),
}
"""Keys of the metrics, and of these on resamples, by the rule that makes them."""


class Study(StudyTasks):
    """All that a plan and its steps have in common. Tasks and runs are worked out when first asked for.

    Args:
        config: what Snakemake merged.
        files: the config files, and values of `--config`, to name them in errors.

    Raises:
        MMLError: the first mistake in the config.
    """

    def __init__(self, config: Mapping[str, Any], files: Sequence[Source] = ()):
        self.config = dict(config)
        self.files = list(files)
        cfg = load_study(config, files)
        self.folders = cfg.paths.presets
        for plugin in cfg.plugins:
            import_plugin(plugin)
        if MMLFileManager.exists():
            MMLFileManager.clear_instance()
        super().__init__(
            cfg, MMLFileManager(cfg.paths.data, cfg.paths.results, cfg.project, cfg.remove, cfg.reuse.references)
        )
        self.runs = Runs(self.fm)
        self.claims = Claims(self.fm.claims_folder, cfg.project)
        self.recorded: Mapping[str, Any] | None = None  # what it is put together from, where that is to be remembered
        self.rule_names = RuleNames()
        self._targets: dict[str, list[str]] = {}
        self._planned_modes: list[str] = []

    @property
    def origins(self) -> Origins:
        """Where the keys of the study were written."""
        return Origins(self.config, self.files, self.folders)

    # --- runs ---------------------------------------------------------------------------------------------------

    def run(self, task: str, run: str) -> Run:
        """Return a run that this study plans, or one whose pipeline file is on the disk.

        Raises:
            MMLError: neither is the case.
        """
        key = (task, run)
        if key not in self.runs.planned and self.is_known(task):
            self.scheduler(self.cfg.mode.id).runs_of(task)
        return self.runs.planned.get(key) or self.runs.read(task, run)

    def old_definitions(self) -> list[Mapping[str, Any]]:
        return [{key: value for key, value in task.items() if key != "pack"} for task in self.runs.old_tasks]

    # --- what rules ask, by their wildcards ---------------------------------------------------------------------

    def content(self, wildcards: Any) -> dict[str, Any]:
        """The content of a pipeline file."""
        return dict(self.run(wildcards.task, wildcards.run).pipeline.content)

    def guarded(self, wildcards: Any) -> list[dict[str, Any]]:
        """The image guards behind a digest, as JSON.

        Raises:
            MMLError: no mode of the study has them.
        """
        for mode in dict.fromkeys((*self._planned_modes, self.cfg.mode.id)):
            guards = self.scheduler(mode).guards
            if guards.guards and guards.sha256 == wildcards.sha256:
                return guards.as_json()
        raise MMLError(f"the study compares no images under {wildcards.sha256[:8]}…; ask for one of its modes")

    def guarded_descriptions(self, wildcards: Any) -> list[str]:
        """The descriptions of the tasks that image guards name, of those that this study can describe."""
        return [
            self.fm.path("description", **task) for task in self._guarded_tasks(wildcards) if self.describes(**task)
        ]

    def foreign_descriptions(self, wildcards: Any) -> list[str]:
        """The descriptions of the other tasks that image guards name, which another project has written.

        They are no inputs: Snakemake would ask how to make their data sets, which no task of the study says.
        """
        tasks = [task for task in self._guarded_tasks(wildcards) if not self.describes(**task)]
        return [self.fm.path("description", **task) for task in tasks]

    def _guarded_tasks(self, wildcards: Any) -> list[dict[str, str]]:
        guards = self.guarded(wildcards)
        tasks = dict.fromkeys(tuple(guard[key]) for guard in guards for key in ("learned", "tested"))
        return [{"task": name, "task_id": id_} for name, id_ in tasks]

    def label(self, wildcards: Any) -> str:
        """Display name of a run in messages."""
        return self.name_of(self.run(wildcards.task, wildcards.run))

    def name_of(self, run: Run) -> str:
        """Return the id of a run, and its label if it has one."""
        return f"run {run.id} ({run.label})" if run.label else f"run {run.id}"

    def training_label(self, wildcards: Any, output: Any) -> str:
        """Display name of a run, with a note if it is retrained."""
        again = Path(output.model).exists() and not Path(output.parameters).exists()
        return f"{self.label(wildcards)}{', again, as its weights were removed' if again else ''}"

    def metrics(self, wildcards: Any) -> list[Any]:
        """The metrics of a run's task."""
        metrics = self.cfg.metrics_of(self.run(wildcards.task, wildcards.run).pipeline.task["task_type"])
        return [metric if isinstance(metric, str) else metric.model_dump(by_alias=True) for metric in metrics]

    def first_metric(self, wildcards: Any) -> str:
        """The metric that tells the best run of a task."""
        return self.main_metric(self.task(wildcards.task).task_type)

    def main_metric(self, task_type: str) -> str:
        """Return the first named metric of a task type, which tells the best of several models."""
        return next((each for each in self.cfg.metrics_of(task_type) if isinstance(each, str)), "loss")

    def prediction_params(self) -> dict[str, Any]:
        """Params that trigger new predictions: test-time augmentation, and own code of it."""
        params = {"tta": self.cfg.tta.model_dump(by_alias=True)} if self.cfg.tta.transforms else {}
        hooks = code_of_hooks(type(self.scheduler(self.cfg.mode.id)), PREDICTING)
        code = code_of(params) | hooks
        return params | ({"code": code} if code else {})

    def metric_params(self) -> dict[str, Any]:
        """Digests of the user's own metrics, which trigger their computation."""
        code = code_of(self.cfg.model_dump(include={"metrics"}, by_alias=True))
        return {"code": code} if code else {}

    def description(self, wildcards: Any) -> str:
        """The task description that a run was made for; without a run, that of the study's task."""
        if not hasattr(wildcards, "run"):
            return self.description_of(wildcards.task)
        return self._inputs(wildcards.task, wildcards.run)["descriptions"][0]

    def packed(self, wildcards: Any) -> str:
        """The packed images of a run."""
        return self._inputs(wildcards.task, wildcards.run)["packed"][0]

    def other_description(self, wildcards: Any) -> str:
        """The description of another task that a network predicts."""
        return self.description_of(wildcards.eval_task)

    def other_packed(self, wildcards: Any) -> str:
        """The images of another task that a network predicts, packed as those that it was trained on."""
        pack = self.run(wildcards.task, wildcards.run).pipeline.task["pack"]
        return self.fm.path("packed", dataset=self.task(wildcards.eval_task).dataset, pack=pack)

    def learned_descriptions(self, wildcards: Any) -> list[str]:
        """The descriptions of all tasks that a network learns, the run's own first."""
        return self._inputs(wildcards.task, wildcards.run)["descriptions"]

    def learned_images(self, wildcards: Any) -> list[str]:
        """The packed images of all tasks that a network learns."""
        return self._inputs(wildcards.task, wildcards.run)["packed"]

    @functools.cache  # noqa: B019  (a study lives as long as its process; a plan asks for each run many times)
    def _inputs(self, task: str, run: str) -> dict[str, list[str]]:
        tasks = self.run(task, run).pipeline.tasks
        packed = [self.fm.path("packed", dataset=told["dataset"], pack=told["pack"]) for told in tasks]
        return {
            "packed": list(dict.fromkeys(packed)),
            "descriptions": [self.fm.path("description", task=told["name"], task_id=told["id"]) for told in tasks],
        }

    def fold_predictions(self, wildcards: Any) -> list[str]:
        """The predictions of their validation samples by the networks of all folds, fold by fold."""
        tokens = {"task": wildcards.task, "run": wildcards.run, "eval": "val"}
        return [self.fm.path("predictions", fold=fold, **tokens) for fold in range(self.task(wildcards.task).num_folds)]

    def split_notes(self, wildcards: Any) -> list[str]:
        """Lines that say by which networks and on which samples the results of a mode are."""
        return self.scheduler(wildcards.mode).split_notes

    def tuning(self, wildcards: Any) -> str | list[str]:
        """Tuned values of a training, if the run requests tuning."""
        asked = self.run(wildcards.task, wildcards.run).pipeline.content.get("tune")
        tokens = {key: getattr(wildcards, key) for key in ("task", "run", "fold")}
        return self.fm.path("tuning", **tokens) if asked else []

    def pretraining(self, wildcards: Any) -> dict[str, Any]:
        """Description of the model that a run starts from."""
        return dict(self.run(wildcards.task, wildcards.run).pipeline.pretraining)

    def selection(self, wildcards: Any) -> str | list[str]:
        """The choice of the model that a run starts from, where it starts from one."""
        told = self.pretraining(wildcards)
        return self.fm.path("selection", task=wildcards.task, run=wildcards.run) if told else []

    def candidates(self, wildcards: Any) -> list[str]:
        """The storages of the models that a run may start from."""
        return [self.fm.path("models", **told) for told in self.pretraining(wildcards).get("models", ())]

    def reused(self, key: str) -> Callable[[Any], list[str]]:
        """Return the input function of what `reuse.<key>` brings: of the step's task, if the key is of tasks."""
        local = "TASK_NAME" in self.fm.template(key).tokens
        return lambda wildcards: self.fm.reusables.inputs(key, **({"task": wildcards.task} if local else {}))

    def candidate_parameters(self, wildcards: Any) -> list[str]:
        """The weights of the models that a run may start from."""
        return [self.fm.path("parameters", **told) for told in self.pretraining(wildcards).get("models", ())]

    def candidate_models(self, wildcards: Any, output: Any) -> list[dict[str, Any]]:
        """The models that a run may start from: `project` (None: this one), `task`, `run`, `fold`.

        A function of the output, as those below: a new value must not repeat a training.
        """
        return [dict(model) for model in self.pretraining(wildcards).get("models", ())]

    def checkpoints(self, wildcards: Any, output: Any) -> str:
        """The folder of a network's checkpoints."""
        return self.fm.path("checkpoint", **_network(wildcards))

    def tensorboard(self, wildcards: Any, output: Any) -> str:
        """The folder of a training's TensorBoard files."""
        return self.fm.path("tensorboard", **_network(wildcards))

    def trial(self, wildcards: Any, output: Any) -> str:
        """The folder that a tuning uses while it runs."""
        return str(self.fm.trial_path(**_network(wildcards)))

    def learned_datasets(self, wildcards: Any, output: Any) -> list[str]:
        """The manifests behind the images that a network learns, for images that are decoded while training."""
        tasks = self.run(wildcards.task, wildcards.run).pipeline.tasks
        packs = dict.fromkeys((task["dataset"], task["pack"]) for task in tasks)
        return [self.fm.path("dataset", dataset=dataset) for dataset, _ in packs]

    def predicted_dataset(self, wildcards: Any, output: Any) -> str:
        """The manifest behind the images that a network predicts."""
        if hasattr(wildcards, "eval_task"):
            return self.fm.path("dataset", dataset=self.task(wildcards.eval_task).dataset)
        return self.fm.path("dataset", dataset=self.run(wildcards.task, wildcards.run).pipeline.task["dataset"])

    def finished_checkpoints(self, wildcards: Any, output: Any) -> list[str]:
        """The folders of checkpoints of all networks that a mode trains."""
        return [self.fm.path("checkpoint", **network) for network in self.scheduler(wildcards.mode).trainings]

    def transforms(self, wildcards: Any) -> list[dict[str, Any]]:
        """The transforms behind the id of packed images."""
        runs = [*self.runs.planned.values(), *self.runs.old.values()]
        sections = [Preprocessing(**run.pipeline.content["preprocessing"]) for run in runs]
        for section in [self.cfg.preprocessing, *sections]:
            if pack_id(section) == wildcards.pack:
                return resolve(section)
        raise MMLError(f"the preprocessing {wildcards.pack} is part of no run of the study")

    def shards(self, wildcards: Any) -> list[str]:
        """The shards that a data set is packed in: as many as it was packed in, once it was."""
        told = {"dataset": wildcards.dataset, "pack": wildcards.pack}
        packed_in = Path(self.fm.path("packed", **told)) / SHARDS
        of = int(packed_in.read_text()) if packed_in.exists() else self.cfg.preprocess_shards
        return [self.fm.path("shard", **told, shard=f"{number}of{of}") for number in range(of)]

    def resource(self, rule: str, name: str, default: int) -> int:
        """Resource request of a step of `rule`: `resources.<rule>.<name>`, or the default."""
        asked = self.cfg.resources.get(rule)
        return (getattr(asked, name) if asked else None) or default

    def scaled(self, rule: str, name: str, default: int) -> Callable[[Any, int], int]:
        """Resource request of a step of `rule`, multiplied by the attempt."""
        asked = self.resource(rule, name, default)
        return lambda wildcards, attempt: asked * attempt

    def networks(self, wildcards: Any) -> list[dict[str, Any]]:
        """Task, run and fold of all networks that a mode trains for a task."""
        return self.scheduler(wildcards.mode).networks(wildcards.task)

    def models_of(self, wildcards: Any) -> list[str]:
        """The model storages of a task in a mode."""
        return [self.fm.path("models", **network) for network in self.networks(wildcards)]

    def pipelines_of(self, wildcards: Any) -> list[str]:
        """The pipelines of a task in a mode."""
        told = [{key: network[key] for key in ("task", "run")} for network in self.networks(wildcards)]
        return list(dict.fromkeys(self.fm.path("pipeline", **each) for each in told))

    @cached_property
    def gpus(self) -> Gpus:
        """GPU resources of the rules."""
        return Gpus(self)

    @cached_property
    def answers(self) -> Answers:
        """Inputs of the rules of mode `post`."""
        return Answers(self)

    @cached_property
    def results(self) -> Results:
        """Inputs of the rules of the report."""
        return Results(self)

    @cached_property
    def project_models(self) -> ProjectModels:
        """Inputs of the rules of mode `info` about models and runs."""
        return ProjectModels(self)

    # --- modes and their plans ----------------------------------------------------------------------------------

    @property
    def modes(self) -> list[str]:
        """The modes that can be asked for: all presets, and the study's own."""
        return sorted({*preset_names("mode", self.folders), self.cfg.mode.id})

    @functools.cache  # noqa: B019  (a study lives as long as its process)
    def scheduler(self, mode: str) -> "AbstractBaseScheduler":
        """Return the scheduler of a mode; the configured mode keeps its options.

        Raises:
            MMLError: no such scheduler class, or options that it does not have.
        """
        from mml_lib.schedulers.base import AbstractBaseScheduler

        config = self.cfg.mode
        if mode != config.id:
            config = type(config)(**resolve_presets({"mode": mode}, self.folders)["mode"])
        scheduler_class = import_target(config.scheduler.target)
        if not (isinstance(scheduler_class, type) and issubclass(scheduler_class, AbstractBaseScheduler)):
            raise MMLError(
                f"mode.scheduler: {config.scheduler.target} is no scheduler; derive it from "
                "mml_lib.schedulers.base.AbstractBaseScheduler"
            )
        return scheduler_class(self, config)

    def targets(self, mode: str, rules: Any) -> list[str]:
        """Return the outputs of a mode's planned steps that are kept.

        Args:
            mode: the mode.
            rules: Snakemake's `rules` object.

        Raises:
            MMLError: the plan names a step that no rule makes.
        """
        if mode not in self._targets:
            scheduler = self.scheduler(mode)
            patterns = {command: self._wanted(command, mode, rules) for command in dict.fromkeys(scheduler.commands)}
            steps = zip(scheduler.commands, scheduler.params, strict=True)
            self._targets[mode] = [
                pattern.format(**wildcards) for command, wildcards in steps for pattern in patterns[command]
            ]
        return self._targets[mode]

    def _wanted(self, command: str, mode: str, rules: Any) -> list[str]:
        """Return those outputs of a step's rule that a plan asks for: what is always kept, or else what is kept here.

        Weights that somebody has removed are thus made again when a step needs them, not because they are gone.
        """
        if not hasattr(rules, command):
            known = [name for name in vars(rules) if not name.startswith("_")]
            raise MMLError(
                f"mode {mode} plans the step '{command}', but no rule has this name{nearest(command, known)}"
            )
        outputs = getattr(rules, command).output
        always = {self.fm.pattern(key) for key in self.fm.kept_keys()} & set(map(str, outputs))
        # Snakemake's `rules` do not tell which outputs are temporary.
        dropped = {self.fm.pattern(key) for key in self.fm.dropped_keys}
        kept = [str(output) for output in outputs if str(output) not in dropped]
        return [output for output in kept if output in always] or kept

    def metrics_of(self, mode: str) -> list[str]:
        """Return the metrics files that a mode's plan makes."""
        return self._tested(mode, {key: metrics for key, (metrics, _) in TESTS.items()})

    def resampled_metrics_of(self, mode: str) -> list[str]:
        """Return the same metrics on resamples of the samples."""
        return self._tested(mode, {key: resampled for key, (_, resampled) in TESTS.items()})

    def _tested(self, mode: str, keys: Mapping[str, str]) -> list[str]:
        """Return an output of each test that a mode plans, by the key that it has for a rule."""
        scheduler = self.scheduler(mode)
        steps = zip(scheduler.commands, scheduler.params, strict=True)
        return [self.fm.path(keys[command], **wildcards) for command, wildcards in steps if command in keys]

    def shown(self, mode: str) -> dict[str, dict[str, Any]]:
        """Display names of the runs in the tables of a mode, by run id."""
        scheduler = self.scheduler(mode)
        return {
            run.id: scheduler.shown(task, run) for task in scheduler.trained_tasks for run in scheduler.runs_of(task)
        }

    @property
    def delivered(self) -> str:
        """The mode that tells what is left of the study: its own, or `train` where that only looks."""
        return "train" if self.scheduler(self.cfg.mode.id).alone or self.cfg.mode.id == "info" else self.cfg.mode.id

    def ahead(self, rules: Any) -> str:
        """Remaining steps of the study and their expected resources, in one line."""
        self.gpus.count_trainings([self.delivered])
        forecast = Forecast(self)
        return forecast.line(forecast.missing(planned_steps(self, self.delivered, rules)))

    def used(self, rules: Any) -> list[dict[str, Any]]:
        """Measured and requested resources of the steps, one row per rule."""
        return Consumption.of_plan(planned_steps(self, self.delivered, rules)).rows

    def check(self, modes: Sequence[str] = ()) -> None:
        """Plan these modes, the configured one by default, so that every mistake shows before anything runs."""
        modes = modes or [self.cfg.mode.id]
        self.fm.reusables.check()
        for mode in modes:
            _ = self.scheduler(mode).commands
            self._planned_modes.append(mode)
            if self.scheduler(mode).alone and len(modes) > 1:
                others = ", ".join(other for other in modes if other != mode)
                raise MMLError(f"mode {mode} goes with no other; ask for {others} before or after it")
        for key, root in (("data", self.fm.data_path), ("results", self.fm.results_path)):
            check_writable(root, key)

    def lock(self, before: Callable[[], None] = lambda: None) -> None:
        """Take the project for this process, until it ends.

        Args:
            before: called with the project taken, before steps that a killed Snakemake left are waited for.

        Raises:
            MMLError: another Snakemake holds it, or it cannot be written.
        """
        self._held = lock_project(self.fm.proj_path, self.fm.lock_path, self.fm.steps_lock_path, before)
        if self.recorded is None:
            return
        self._data_held = share_data(self.fm.data_lock_path)
        try:
            record_study(self.fm.record_path, **self.recorded)
        except OSError as error:
            raise MMLError(f"{self.fm.record_path} cannot be written ({error.strerror})") from error

    def overview(self, modes: Sequence[str] = ()) -> str:
        """Return an overview of the study in these modes (default: the configured one), in a few lines."""
        modes = modes or [self.cfg.mode.id]
        lines = [f"study {self.cfg.project}, mode {', '.join(modes)}"]
        plans = {task: self.scheduler(mode) for mode in modes for task in self.scheduler(mode).trained_tasks}
        for name, scheduler in plans.items():
            task = self.task(name)
            lines.append(f"  task {name} ({task.id}): {task.task_type.replace('_', ' ')}, {task.num_folds} folds")
            runs = scheduler.runs_of(name)
            told = ["; ".join(filter(None, (run.label, run.pipeline.story))) for run in runs[:20]]
            lines += [f"    run {run.id}  {words}".rstrip() for run, words in zip(runs, told, strict=False)]
            lines += [f"    {line}" for line in changed_code(self.fm, self.runs, name, runs)]
            if len(runs) > 20:
                lines.append(f"    … and {len(runs) - 20} more runs")
        lines += [line for mode in modes for line in self.scheduler(mode).announcement]
        if unknown := dict.fromkeys(name for mode in modes for name in self.scheduler(mode).guards.unknown):
            lines.append(
                f"warning: the data sets of {', '.join(unknown)} are not here, so their images are not compared with "
                "those that networks which have learned them are tested on"
            )
        return "\n".join([*lines, *self.project_models.announcement(modes)])


def _network(wildcards: Any) -> dict[str, Any]:
    return {key: getattr(wildcards, key) for key in ("task", "run", "fold")}
