"""The study behind a Snakefile: its config, its file manager, its tasks and runs, and the functions that rules ask."""

import functools
import importlib
import importlib.util
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mml_lib.config.identity import digest
from mml_lib.config.loading import load_study
from mml_lib.config.pipeline import PIPELINE_KEYS, Pipeline, Variant, expand
from mml_lib.config.presets import preset_names, resolve_presets
from mml_lib.config.schema import StudyConfig
from mml_lib.config.targets import import_target
from mml_lib.config.tasks import Preprocessing
from mml_lib.data.transforms import resolve
from mml_lib.errors import MMLError, nearest
from mml_lib.files.locks import check_writable, lock_project
from mml_lib.files.manager import SHARDS, MMLFileManager
from mml_lib.schedulers.checks import check_trainable
from mml_lib.schedulers.study_tasks import StudyTasks
from mml_lib.tasks.identity import TaskIdentity

if TYPE_CHECKING:
    from mml_lib.schedulers.base import AbstractBaseScheduler

PACK_VERSION = 2
"""Raised when the same images and preprocessing begin to give other pixels."""


@dataclass(frozen=True)
class Run:
    """One pipeline on one task, and what the study calls it."""

    pipeline: Pipeline
    labels: list[str] = field(default_factory=list)

    @property
    def id(self) -> str:
        return self.pipeline.run

    @property
    def label(self) -> str:
        return " = ".join(label for label in self.labels if label)


class Study(StudyTasks):
    """All that a plan and its steps have in common. Tasks and runs are worked out when first asked for.

    Args:
        config: what Snakemake merged.
        files: the config files, to name them in errors.

    Raises:
        MMLError: the first mistake in the config.
    """

    def __init__(self, config: Mapping[str, Any], files: Sequence[Path] = ()):
        self.config = dict(config)
        self.files = [Path(file) for file in files]
        cfg = load_study(config, files)
        self.folders = cfg.paths.presets
        for plugin in cfg.plugins:
            import_plugin(plugin)
        if MMLFileManager.exists():
            MMLFileManager.clear_instance()
        super().__init__(cfg, MMLFileManager(cfg.paths.data, cfg.paths.results, cfg.project, cfg.remove))
        self._old: dict[tuple[str, str], Run] = {}
        self._targets: dict[str, list[str]] = {}

    # --- tasks and runs -----------------------------------------------------------------------------------------

    @cached_property
    def variants(self) -> list[Variant]:
        """What the sweep and the variants stand for."""
        return expand(self.config, self.files)

    def runs_of(self, task: str) -> list[Run]:
        """Return the runs of a task of the study, or of one that tags derive from it."""
        return list(self._runs(task).values())

    @functools.cache  # noqa: B019  (a study lives as long as its process)
    def _runs(self, task: str) -> dict[str, Run]:
        """The runs of a task by run id."""
        identity, runs = self.task(task), {}
        if identity.task_type == "no_task":
            return runs
        for variant in self.variants:
            check_trainable(identity, variant.study)
            pipeline = Pipeline.of(variant.study, self.task_content(identity, variant.study.preprocessing))
            runs.setdefault(pipeline.run, Run(pipeline)).labels.append(variant.label)
        return runs

    @staticmethod
    def task_content(task: TaskIdentity, preprocessing: Preprocessing) -> dict[str, Any]:
        """Return what a pipeline says of its task."""
        return task.definition() | {"pack": pack_id(preprocessing)}

    def run(self, task: str, run: str) -> Run:
        """Return a run of this study, or one whose pipeline file is on the disk.

        Raises:
            MMLError: neither is the case.
        """
        if self.is_known(task) and run in self._runs(task):
            return self._runs(task)[run]
        key = (task, run)
        if key not in self._old:
            path = self.fm.construct_saving_path(None, "pipeline", task_name=task, run=run)
            if not path.exists():
                raise MMLError(f"run {run} of task {task} is not part of the study, and there is no {path}")
            self._old[key] = Run(Pipeline.read(path))
        return self._old[key]

    def old_definitions(self) -> list[Mapping[str, Any]]:
        told = [run.pipeline.task for run in self._old.values()]
        return [{key: value for key, value in task.items() if key != "pack"} for task in told]

    # --- what rules ask, by their wildcards ---------------------------------------------------------------------

    def content(self, wildcards: Any) -> dict[str, Any]:
        """The content of a pipeline file."""
        return dict(self.run(wildcards.task, wildcards.run).pipeline.content)

    def label(self, wildcards: Any) -> str:
        """What the study calls a run, for messages."""
        run = self.run(wildcards.task, wildcards.run)
        return f"run {run.id} ({run.label})" if run.label else f"run {run.id}"

    def metrics(self, wildcards: Any) -> list[Any]:
        """The metrics of a run's task."""
        metrics = self.cfg.metrics_of(self.run(wildcards.task, wildcards.run).pipeline.task["task_type"])
        return [metric if isinstance(metric, str) else metric.model_dump(by_alias=True) for metric in metrics]

    def prediction_params(self) -> dict[str, Any]:
        """What makes predictions anew where it changes; nothing where images are predicted as they are."""
        return {"tta": self.cfg.tta.model_dump(by_alias=True)} if self.cfg.tta.transforms else {}

    def description(self, wildcards: Any) -> str:
        """The task description that a run was made for; without a run, that of the study's task."""
        if not hasattr(wildcards, "run"):
            task = self.tasks[wildcards.task]
            return self.fm.path("description", task=task.name, task_id=task.id)
        return self._inputs(wildcards.task, wildcards.run)["description"]

    def packed(self, wildcards: Any) -> str:
        """The packed images of a run."""
        return self._inputs(wildcards.task, wildcards.run)["packed"]

    def other_description(self, wildcards: Any) -> str:
        """The description of another task that a network predicts."""
        task = self.task(wildcards.eval_task)
        return self.fm.path("description", task=task.name, task_id=task.id)

    def other_packed(self, wildcards: Any) -> str:
        """The images of another task that a network predicts, packed as those that it was trained on."""
        pack = self.run(wildcards.task, wildcards.run).pipeline.task["pack"]
        return self.fm.path("packed", dataset=self.task(wildcards.eval_task).dataset, pack=pack)

    @functools.cache  # noqa: B019  (a study lives as long as its process; a plan asks for each run many times)
    def _inputs(self, task: str, run: str) -> dict[str, str]:
        told = self.run(task, run).pipeline.task
        return {
            "packed": self.fm.path("packed", dataset=told["dataset"], pack=told["pack"]),
            "description": self.fm.path("description", task=told["name"], task_id=told["id"]),
        }

    def transforms(self, wildcards: Any) -> list[dict[str, Any]]:
        """The transforms behind the id of packed images."""
        sections = [variant.study.preprocessing for variant in self.variants]
        sections += [Preprocessing(**run.pipeline.content["preprocessing"]) for run in self._old.values()]
        for section in sections:
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
        """What a step of `rule` asks for: `resources.<rule>.<name>`, or the default."""
        asked = self.cfg.resources.get(rule)
        return (getattr(asked, name) if asked else None) or default

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

    def pipeline_config(self, pipeline: Pipeline) -> StudyConfig:
        """Return the config of a step: the pipeline's sections, and the study's own for all else."""
        config = {key: value for key, value in self.config.items() if key not in ("sweep", "variants")}
        config |= {key: pipeline.content.get(key) for key in PIPELINE_KEYS}
        config["trainer"] = {**pipeline.content["trainer"], "accelerator": self.cfg.trainer.accelerator}
        return load_study(config, self.files)

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
        kept = [str(output) for output in outputs if not getattr(output, "flags", {}).get("temp")]
        return [output for output in kept if output in always] or kept

    def metrics_of(self, mode: str) -> list[str]:
        """Return the metrics files that a mode's plan makes."""
        scheduler, keys = self.scheduler(mode), {"test_fold": "metrics", "test_other": "other_metrics"}
        steps = zip(scheduler.commands, scheduler.params, strict=True)
        return [self.fm.path(keys[command], **wildcards) for command, wildcards in steps if command in keys]

    def shown(self, mode: str) -> dict[str, dict[str, Any]]:
        """What tables of a mode call each run, by run id."""
        scheduler = self.scheduler(mode)
        return {run.id: scheduler.shown(task, run) for task in scheduler.trained_tasks for run in self.runs_of(task)}

    def check(self, modes: Sequence[str] = ()) -> None:
        """Plan these modes, the configured one by default, so that every mistake shows before anything runs."""
        for mode in modes or [self.cfg.mode.id]:
            _ = self.scheduler(mode).commands
        for key, root in (("data", self.fm.data_path), ("results", self.fm.results_path)):
            check_writable(root, key)

    def lock(self) -> None:
        """Take the project for this process, until it ends.

        Raises:
            MMLError: another Snakemake holds it, or it cannot be written.
        """
        self._held = lock_project(self.fm.proj_path, self.fm.lock_path, self.fm.steps_lock_path)

    def overview(self, modes: Sequence[str] = ()) -> str:
        """Return what the study is about in these modes, the configured one by default, in a few lines."""
        modes = modes or [self.cfg.mode.id]
        lines = [f"study {self.cfg.project}, mode {', '.join(modes)}"]
        for name in dict.fromkeys(task for mode in modes for task in self.scheduler(mode).trained_tasks):
            task = self.task(name)
            lines.append(f"  task {name} ({task.id}): {task.task_type.replace('_', ' ')}, {task.num_folds} folds")
            runs = self.runs_of(name)
            lines += [f"    run {run.id}  {run.label}".rstrip() for run in runs[:20]]
            if len(runs) > 20:
                lines.append(f"    … and {len(runs) - 20} more runs")
        return "\n".join(lines)


def pack_id(preprocessing: Preprocessing) -> str:
    """Return the folder name of packed images: the preset, and 8 digits of the digest of what it does."""
    return f"{preprocessing.id}-{digest({'version': PACK_VERSION, 'transforms': resolve(preprocessing)})}"


def import_plugin(plugin: str) -> None:
    """Import a module by dotted path, or a Python file by its path, for what it registers.

    Raises:
        MMLError: it cannot be imported.
    """
    if not plugin.endswith(".py"):
        try:
            importlib.import_module(plugin)
        except ImportError as error:
            raise MMLError(f"plugins: '{plugin}' cannot be imported: {error}") from error
        return
    path = Path(plugin).absolute()
    if path.stem in sys.modules and getattr(sys.modules[path.stem], "__file__", None) == str(path):
        return
    if not path.is_file():
        raise MMLError(f"plugins: the file {path} does not exist")
    # Its folder joins the path, so that `_target_: <stem>.Name` finds what it defines.
    sys.path.insert(0, str(path.parent))
    importlib.import_module(path.stem)
