"""The doing half of a scheduler: what a step builds and stores. What needs torch is imported where it is used."""

import logging
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from mml_lib.config.task_types import TASK_TYPES
from mml_lib.errors import MMLError
from mml_lib.files.atomic import passing_folder, write_text
from mml_lib.files.stored import json_text
from mml_lib.machine.locks import process_rank
from mml_lib.machine.slurm import own_job
from mml_lib.machine.terminal import warn
from mml_lib.models.model_selection import Selection
from mml_lib.models.model_storage import ModelStorage
from mml_lib.pipelines.pipeline import Pipeline
from mml_lib.studies.gpu_requests import keep_to_share
from mml_lib.studies.runs import task_content
from mml_lib.studies.study import Study
from mml_lib.tasks.struct import TaskStruct
from mml_lib.training.checkpoint_files import last_checkpoint, remove_checkpoints
from mml_lib.training.tuning import Tuning, tune

if TYPE_CHECKING:
    from lightning.pytorch import Trainer

    from mml_lib.data.datamodule import MMLDataModule
    from mml_lib.models.network import Network
    from mml_lib.models.normalization import Statistics
    from mml_lib.training.module import MMLModule

logger = logging.getLogger(__name__)


class Doing:
    """Interface for scripts.

    In a step, `cfg` is the config of its `pipeline`; `task`, `run` and `fold` are its wildcards; `eval_task` is the
    task that it predicts or tests on.

    Args:
        study: config, file manager, tasks and runs.
    """

    def __init__(self, study: Study):
        self.study = study
        self.cfg = study.cfg
        self.fm = study.fm
        self.mode: str = study.cfg.mode.id
        self.return_value: Any = None
        self.task: str | None = None
        self.eval_task: str | None = None
        self.run: str | None = None
        self.fold: int | None = None
        self.threads = 1
        self.terminal: IO[str] | None = None
        self.pipeline: Pipeline | None = None
        self.started_from: Selection | None = None

    # --- hooks, for schedulers to override ----------------------------------------------------------------------

    def after_preparation_hook(self) -> None:
        """Called in every step, once it is open."""

    def before_training_hook(self, data: "MMLDataModule", model: "MMLModule", trainer: "Trainer") -> None:
        """Called before a network is trained."""

    def after_training_hook(self, data: "MMLDataModule", model: "MMLModule", trainer: "Trainer") -> None:
        """Called after a network is trained, before it is stored."""

    def before_finishing_hook(self) -> None:
        """Called in the last step of a plan; may set `return_value`."""

    # --- building blocks ----------------------------------------------------------------------------------------

    def get_struct(self, task: str | None = None) -> TaskStruct:
        """Return the struct of a task: of this step's own by default."""
        task = task or self.task
        if task is None:
            raise MMLError("this step is about no task; name one: get_struct('digits')")
        of_run = {told["name"]: told for told in self.pipeline.tasks} if self.pipeline else {}
        told = of_run.get(task) or task_content(self.study.task(task), self.cfg.preprocessing)
        paths = {
            "description": Path(self.fm.path("description", task=task, task_id=told["id"])),
            "dataset": Path(self.fm.path("dataset", dataset=told["dataset"])),
            "packed": Path(self.fm.path("packed", dataset=told["dataset"], pack=told["pack"])),
        }
        return TaskStruct(task, paths, lambda: self._models(task), self.fm.reusables.of_task(task))

    def reused(self, key: str) -> list[Path]:
        """Return all files that `reuse.<key>` brings, of whatever task they are, or of none: of each project the latest
        last. Those of one task are in `reused` of its struct.
        """
        return self.fm.reusables.paths(key)

    def get_structs(self) -> list[TaskStruct]:
        """Return the structs of all tasks that this step's network learns, the main one first."""
        structs = [self.get_struct(told["name"]) for told in self.pipeline.tasks]
        for struct in structs:
            if not struct.knows_images:
                warn(
                    f"{struct.name}: an older MML described this task, and did not look for copies of images across "
                    "its splits and folds; describe it anew: snakemake --forcerun create_task"
                )
        return structs

    def get_eval_struct(self, struct: TaskStruct) -> TaskStruct:
        """Return the struct of the task that this step predicts: `struct`, which it was trained on, or another.

        Raises:
            MMLError: the other has other classes.
        """
        if self.eval_task == struct.name:
            return struct
        other = self.get_struct(self.eval_task)
        own_head = self.eval_task in [told["name"] for told in self.pipeline.tasks]
        if not own_head and TASK_TYPES[other.task_type].is_learnable and other.classes != struct.classes:
            key = "source_tasks" if getattr(self.options, "source_tasks", ()) else "eval_on"
            raise MMLError(
                f"mode.{key}: {other.name} has the classes {', '.join(other.classes)}, not those of {struct.name} "
                f"({', '.join(struct.classes)}); give both the same by idx_to_class"
            )
        return other

    def _models(self, task: str) -> list[Any]:
        return [ModelStorage.read(self.fm.path("models", **told)) for told in self.fm.existing("models", task=task)]

    def create_datamodule(
        self, struct: TaskStruct, fold: int | None, co_structs: Sequence[TaskStruct] = ()
    ) -> "MMLDataModule":
        """Return the data loaders of a task and its co-tasks, validated on a fold.

        The fold is None if only other splits are loaded.
        """
        from mml_lib.data.datamodule import MMLDataModule, best_workers
        from mml_lib.images.transforms import resolve
        from mml_lib.inference.prediction import best_device

        on_gpu = best_device(self.cfg.trainer.accelerator).type == "cuda"
        workers = self.cfg.num_workers
        if workers is None:
            workers = best_workers(struct, self.threads, on_gpu)
        return MMLDataModule(
            struct,
            fold,
            self.cfg.sampling,
            self.cfg.seed,
            transforms=resolve(self.cfg.preprocessing),
            threads=max(1, self.threads // max(1, workers)),
            num_workers=workers,
            pin_memory=on_gpu,
            co_structs=co_structs,
        )

    def create_model(self, structs: Sequence[TaskStruct], load_parameters: str | Path | None = None) -> "MMLModule":
        """Return a network with a head for each task, ready to learn them; the first is validated.

        Args:
            structs: the tasks.
            load_parameters: weights of a stored network whose backbone to start from; None: as `arch` says.
        """
        from mml_lib.models.normalization import statistics_for

        network = self.create_network(structs, load_parameters)
        return self.create_module(network, structs, statistics_for(network, self.cfg, structs[0], load_parameters))

    def create_network(
        self, structs: Sequence[TaskStruct], load_parameters: str | Path | None = None, started: bool = False
    ) -> "Network":
        """Return a network with a head for each task, as its training begins with it.

        Args:
            structs: the tasks.
            load_parameters: weights of a stored network whose backbone to start from; None: as `arch` says.
            started: leave the backbone without weights, for those of a stored network that is not there yet.
        """
        import numpy as np
        import torch

        from mml_lib.models.network import Network, head_spec, start_from, untrained

        cfg = self.cfg
        seed = np.random.SeedSequence([cfg.seed, self.fold or 0]).generate_state(1)[0]
        torch.manual_seed(int(seed))
        decoder = cfg.decoder.spec() if cfg.decoder else None
        arch = untrained(cfg.arch.spec()) if started or load_parameters is not None else cfg.arch.spec()
        network = Network(arch, {each.name: head_spec(each, decoder) for each in structs})
        if load_parameters is not None:
            taken = start_from(load_parameters, network, {each.name: each.classes for each in structs})
            for task, old in taken.items():
                logger.info("the head of %s starts as that of %s", task, old)
        if self.pipeline and self.pipeline.pretraining.get("freeze"):
            network.freeze()
        if cfg.adapters:
            from mml_lib.models.adapters import add_adapters

            add_adapters(network, cfg.adapters)
        return network

    def pretrained(self, selection: str | Path) -> Path | None:
        """Return the weights that a selection has chosen to start from, None where there is no selection."""
        if not selection:
            return None
        chosen = Selection.read(selection)
        self.started_from = replace(chosen, chosen=self._located(chosen.chosen))
        logger.info("starting from %s: %s", dict(self.started_from.chosen), self.started_from.why)
        return self.fm.construct_saving_path(None, "parameters", **self.started_from.chosen)

    def _located(self, model: Mapping[str, Any]) -> dict[str, Any]:
        """Return a model to start from with the project that it lies in now, which may have got another name."""
        of_plan = self.study.run(self.task, self.run).pipeline.pretraining["models"]
        return next(
            (dict(told) for told in of_plan if all(told[key] == model[key] for key in ("task", "run", "fold"))),
            dict(model),
        )

    def load_model(self, struct: TaskStruct, path: str | Path) -> "MMLModule":
        """Return a stored network, which answers for a task."""
        from mml_lib.models.network import load_network
        from mml_lib.models.normalization import Statistics, statistics_for

        network, header = load_network(path)
        # As it was trained: what it predicts now may be all that is left of its images.
        if "mean" in header:
            statistics = Statistics(header["mean"], header["std"])
        else:
            statistics = statistics_for(network, self.cfg, struct)
        return self.create_module(network, [struct], statistics)

    def create_module(
        self,
        network: "Network",
        structs: Sequence[TaskStruct],
        statistics: "Statistics",
    ) -> "MMLModule":
        """Return a network with all that its training needs.

        Args:
            network: the network.
            structs: the tasks that it learns.
            statistics: by which images are normalised.
        """
        import torch

        from mml_lib.config.training_options import Augmentations
        from mml_lib.data.augmentation import Augmentation
        from mml_lib.models.metric_modules import build_metrics
        from mml_lib.training.module import MMLModule
        from mml_lib.training.objectives import build_objectives

        torch.set_num_threads(max(1, self.threads // self.cfg.trainer.devices))
        keep_to_share()
        cfg, struct = self.cfg, structs[0]
        weights = self.pipeline.task_weights if self.pipeline else [1.0] * len(structs)
        return MMLModule(
            network=network,
            objectives=build_objectives(cfg, structs, self.fold or 0, weights[: len(structs)]),
            mean=statistics.mean,
            std=statistics.std,
            optimizer=cfg.optimizer.spec(),
            lr_scheduler=cfg.lr_scheduler,
            augmentation={
                kind: Augmentation(
                    Augmentations(transforms=cfg.augmentations.of(kind)), masks=TASK_TYPES[kind].has_masks
                )
                for kind in {each.task_type for each in structs}
            },
            metrics=build_metrics(self._metrics(struct), struct.task_type, struct.num_outputs),
            seed=cfg.seed,
            store_best=cfg.store_best,
            compile_with=cfg.compile.model_dump() if cfg.compile else None,
        )

    def _metrics(self, struct: TaskStruct) -> list[Any]:
        """Return the metrics of a training: the study's, and those that steer it."""
        metrics = self.cfg.metrics_of(struct.task_type)
        steering = {column.removeprefix("val/") for column in self.cfg.monitored.values()}
        if self.cfg.store_best:
            steering.add(self.cfg.store_best.metric)
        return [
            *metrics,
            *sorted(steering - {"loss", "train/loss", *(each for each in metrics if isinstance(each, str))}),
        ]

    def create_trainer(self, **arguments: Any) -> "Trainer":
        """Return the Lightning trainer of the pipeline, with its callbacks and a checkpoint each epoch.

        Args:
            arguments: of `lightning.pytorch.Trainer`; they win over the config.

        Raises:
            MMLError: the accelerator is not there.
        """
        from mml_lib.training.trainer import build_trainer
        from mml_lib.training.watching import Board, ProgressBar

        if process_rank():
            return build_trainer(self.cfg, self.checkpoints, arguments)
        watching: list[Any] = []
        if self.terminal is not None and self.terminal.isatty():
            watching.append(ProgressBar(self.terminal, f"{self.task} fold {self.fold}"))
        if self.cfg.tensorboard is not None:
            folder = self.fm.construct_saving_path(None, "tensorboard", task=self.task, run=self.run, fold=self.fold)
            watching.append(Board(folder, self.cfg.tensorboard))
        if (job := own_job()) and arguments.get("enable_checkpointing", True):  # else there is nothing to go on from
            from mml_lib.training.requeueing import Requeue

            watching.append(Requeue(job, self.checkpoints))
        return build_trainer(self.cfg, self.checkpoints, arguments, watching)

    def lightning_tune(self, data: "MMLDataModule", model: "MMLModule") -> Tuning:
        """Tune learning rate or batch size before a training, as `tune` requests, and return their values."""
        with passing_folder(self.fm.trial_path(self.task, self.run, self.fold)) as folder:
            trainer = self.create_trainer(
                callbacks=[],
                enable_checkpointing=False,
                default_root_dir=folder,
                # Steps are counted, however many epochs they take, and nothing is validated.
                max_epochs=self.cfg.tune.num_training * self.cfg.trainer.accumulate_grad_batches,
                check_val_every_n_epoch=sys.maxsize,
            )
            found = tune(trainer, model, data, self.cfg.tune)
        logger.info("learning rate %s, batch size %s", found.lr or "as it was", found.batch_size or "as it was")
        return found

    def apply_tuning(self, path: str | Path) -> None:
        """Train with what was found out before, if there is something."""
        if path:
            self.cfg = Tuning.read(path).lay_over(self.cfg)

    @property
    def checkpoints(self) -> Path:
        """Folder of this training's checkpoints."""
        return self.fm.construct_saving_path(None, "checkpoint", task_name=self.task, run=self.run, fold=self.fold)

    def last_checkpoint(self) -> Path | None:
        """Return where an interrupted training goes on, None if it begins; say so if a checkpoint is not usable."""
        from mml_lib.training.checkpoints import problem_of

        found = last_checkpoint(self.checkpoints, problem_of)
        if found:
            logger.info("resuming from %s", found.name)
        return found

    def predict(self, model: "MMLModule", data: "MMLDataModule", part: str) -> Any:
        """Return the predictions of a part of a task: `val`, `test` or `unlabelled`."""
        from mml_lib.inference.merged_views import MergedViews
        from mml_lib.inference.prediction import best_device, predict

        tta = MergedViews(self.cfg.tta, model.task_type) if self.cfg.tta.transforms else None
        ids = data.struct.samples["id"][data.struct.select(part, data.fold)]
        return predict(model, data.ordered(part), ids, best_device(self.cfg.trainer.accelerator), tta)

    # --- results ------------------------------------------------------------------------------------------------

    def store_model(self, model: "MMLModule", trainer: "Trainer") -> None:
        """Write weights, history and model storage of this step.

        Its checkpoints stay until Snakemake has it down as done, or a kill at this very moment would cost all epochs.
        Where several processes train together, the first one writes.
        """
        if process_rank():
            return
        from mml_lib.models.network import save_network
        from mml_lib.training.trainer import history_csv, storage_of

        structs = self.get_structs()
        about = {
            "task": self.task,
            "run": self.run,
            "fold": self.fold,
            "mean": model.mean.flatten().tolist(),
            "std": model.std.flatten().tolist(),
            "classes": {struct.name: struct.classes for struct in structs},
        }
        tokens = {"task": self.task, "run": self.run, "fold": self.fold}
        kept = model.keep_best()
        further = {
            "co_tasks": [struct.name for struct in structs[1:]],
            "pretrained": self.started_from and self.started_from.chosen,
        }
        storage = storage_of(model, trainer, kept, tokens | further, created=time.strftime("%F %T"))
        if self.cfg.adapters:
            from mml_lib.models.adapters import merge_adapters

            merge_adapters(model.network)
        save_network(model.network, self.fm.path("parameters", **tokens), about)
        write_text(self.fm.path("history", **tokens), history_csv(model.history))
        storage.write(self.fm.construct_saving_path(storage, "models", **tokens))

    def drop_checkpoints(self, **training: Any) -> None:
        """Remove the checkpoints of a finished training, `task`, `run` and `fold`: of this step's own by default."""
        tokens = training or {"task": self.task, "run": self.run, "fold": self.fold}
        remove_checkpoints(self.fm.construct_saving_path(None, "checkpoint", **tokens))

    def finish(self, path: str | Path) -> None:
        """Write the return value of the plan."""
        write_text(path, json_text("return_value", {"mode": self.mode, "return_value": self.return_value}, indent=None))
