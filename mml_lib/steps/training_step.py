"""Training step: building blocks of scripts that train, tune or predict. Functions import modules that need torch."""

import logging
import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mml_lib.config.prediction_options import TTA
from mml_lib.config.schema import StudyConfig
from mml_lib.config.task_options import learned_as
from mml_lib.data.learned_divisions import DIVISIONS, check_divisions, divisions_of
from mml_lib.errors import MMLError
from mml_lib.files.atomic import passing_folder, write_text
from mml_lib.files.checksums import verify
from mml_lib.machine.locks import process_rank
from mml_lib.machine.slurm import own_job
from mml_lib.models.model_selection import Selection
from mml_lib.pipelines.pipeline import Pipeline, pipeline_config
from mml_lib.steps.step import Step
from mml_lib.steps.step_gpus import limit_gpu_memory
from mml_lib.steps.task_files import task_structs
from mml_lib.studies.checks.class_names import check_same_classes
from mml_lib.task_types import TASK_TYPES
from mml_lib.tasks.struct import TaskStruct
from mml_lib.training.checkpoint_files import last_checkpoint, remove_checkpoints, sole_training
from mml_lib.training.tuning import Tuning, tune

if TYPE_CHECKING:
    from lightning.pytorch import Trainer

    from mml_lib.data.datamodule import MMLDataModule
    from mml_lib.models.network import Network
    from mml_lib.models.normalization import Statistics
    from mml_lib.training.module import MMLModule

logger = logging.getLogger(__name__)

MODEL = ("task", "run", "fold")
"""Keys that identify a trained network."""


class TrainingStep(Step):
    """Step of a network, whose pipeline is the input `pipeline`. A user's scheduler may set a subclass as its `Step`.

    Trainings have the inputs `tasks` and `images`; predictions have `task`, `eval_task` and `images`.
    """

    started_from: Selection | None = None
    """Selection of the model whose weights the network starts from."""

    @cached_property
    def pipeline(self) -> Pipeline:
        """The pipeline of the run."""
        path = Path(self.input.pipeline)
        verify(path)
        return Pipeline.read(path)

    @cached_property
    def cfg(self) -> StudyConfig:
        """The validated config of the run: its pipeline, completed by the study."""
        return pipeline_config(self.config, self.pipeline)

    # --- data ---------------------------------------------------------------------------------------------------

    def get_struct(self, task: str | None = None) -> TaskStruct:
        """Return the struct of a task whose description is an input; by default, of the task of this step.

        Raises:
            MMLError: the rule declares no description of the task.
        """
        task = task or self.task
        if task not in self._structs:
            raise MMLError(
                f"rule {self.rule} declares no description of the task '{task}'; declare it as an input: "
                "task=ancient(study.inputs.evaluate.description)"
            )
        return self._structs[task]

    @cached_property
    def _structs(self) -> dict[str, TaskStruct]:
        return task_structs(self)

    def get_structs(self) -> list[TaskStruct]:
        """Return the structs of all tasks that the network learns, the main task first."""
        return [self.get_struct(task["name"]) for task in self.pipeline.tasks]

    def get_eval_struct(self, struct: TaskStruct) -> TaskStruct:
        """Return the struct of the predicted task: `struct`, the task of the training, or another one.

        Raises:
            MMLError: the other task has different classes.
        """
        if self.eval_task == struct.name:
            return struct
        eval_struct = self.get_struct(self.eval_task)
        own_head = learned_as(self.eval_task or "", [task["name"] for task in self.pipeline.tasks])
        if own_head is None and TASK_TYPES[eval_struct.task_type].is_learnable:
            key = "source_tasks" if self.cfg.mode.options.get("source_tasks") else "eval_on"
            check_same_classes(struct.name, struct.classes, eval_struct.name, eval_struct.classes, key)
        return eval_struct

    def create_datamodule(
        self, struct: TaskStruct, fold: int | None, co_structs: Sequence[TaskStruct] = ()
    ) -> "MMLDataModule":
        """Return the data module of a task.

        Args:
            struct: the task.
            fold: fold of the validation samples; None: only test or unlabelled samples are loaded.
            co_structs: other tasks of a multi-task training.
        """
        from mml_lib.data.datamodule import MMLDataModule
        from mml_lib.inference.prediction import best_device

        return MMLDataModule(
            struct,
            fold,
            self.cfg.sampling,
            self.cfg.seed,
            patches=self.cfg.patches,
            num_workers=self.cfg.num_workers or 0,
            pin_memory=best_device(self.cfg.trainer.accelerator).type == "cuda",
            co_structs=co_structs,
        )

    def create_model(self, structs: Sequence[TaskStruct], load_parameters: str | Path | None = None) -> "MMLModule":
        """Return a module with a head for each task, ready for training. The first task is validated.

        Args:
            structs: the tasks.
            load_parameters: path of weights for the backbone; None: weights according to `arch`.
        """
        from mml_lib.models.normalization import statistics_for

        network = self.create_network(structs, load_parameters)
        module = self.create_module(network, structs, statistics_for(network, self.cfg, structs[0], load_parameters))
        module.divisions = divisions_of(structs)
        return module

    def create_network(
        self, structs: Sequence[TaskStruct], load_parameters: str | Path | None = None, has_source: bool = False
    ) -> "Network":
        """Return a network with a head for each task, in its state before training.

        Args:
            structs: the tasks.
            load_parameters: path of weights for the backbone; None: weights according to `arch`.
            has_source: True: leave the backbone without weights, because its source network does not exist yet.
        """
        import numpy as np
        import torch

        from mml_lib.models.network import Network, channels_for, head_spec, start_from, untrained

        cfg = self.cfg
        seed = np.random.SeedSequence([cfg.seed, self.fold or 0]).generate_state(1)[0]
        torch.manual_seed(int(seed))
        decoder = cfg.decoder.spec() if cfg.decoder else None
        arch = untrained(cfg.arch.spec()) if has_source or load_parameters is not None else cfg.arch.spec()
        heads = {struct.name: head_spec(struct, decoder) for struct in structs}
        network = Network(arch, heads, channels_for(structs, load_parameters))
        if load_parameters is not None:
            copied_heads = start_from(load_parameters, network, {struct.name: struct.classes for struct in structs})
            for task, source_task in copied_heads.items():
                logger.info("the head of %s starts from the head of %s", task, source_task)
        if self.pipeline.freezes:
            network.freeze()
        if cfg.adapters:
            from mml_lib.models.adapters import add_adapters

            add_adapters(network, cfg.adapters)
        return network

    def pretrained(self, selection: str | Path) -> Path | None:
        """Return the path of the selected model's weights; None without a selection."""
        if not selection:
            return None
        selected = Selection.read(selection)
        key = [selected.chosen[name] for name in MODEL]
        index = [[model[name] for name in MODEL] for model in self.pipeline.pretraining["models"]].index(key)
        # The project of the model may have been renamed since the selection.
        self.started_from = replace(selected, chosen=self.params.candidates[index])
        logger.info("starting from %s: %s", dict(self.started_from.chosen), self.started_from.why)
        return Path(self.input.pretrained[index])

    def load_model(self, struct: TaskStruct, path: str | Path) -> "MMLModule":
        """Return the module of a stored network, with the head of a task."""
        from mml_lib.models.network import load_network
        from mml_lib.models.normalization import Statistics

        network, header = load_network(path)
        check_divisions(path, header, list(self._structs.values()))
        return self.create_module(network, [struct], Statistics(header["mean"], header["std"]))

    def create_module(
        self,
        network: "Network",
        structs: Sequence[TaskStruct],
        statistics: "Statistics",
    ) -> "MMLModule":
        """Return the Lightning module of a network: losses, augmentation, metrics, optimizer.

        Args:
            network: the network.
            structs: the tasks that it learns.
            statistics: mean and standard deviation for normalising images.
        """
        import torch

        from mml_lib.config.training_options import Augmentations
        from mml_lib.data.augmentation import Augmentation
        from mml_lib.data.sliding_window import SlidingWindow
        from mml_lib.models.input_channels import seen_format
        from mml_lib.models.metric_modules import build_metrics
        from mml_lib.training.module import MMLModule
        from mml_lib.training.objectives import build_objectives

        torch.set_num_threads(max(1, self.threads // self.cfg.trainer.devices))
        limit_gpu_memory()
        cfg, struct, pixels = self.cfg, structs[0], seen_format(structs, network.in_chans)
        weights = self.pipeline.task_weights
        return MMLModule(
            network=network,
            objectives=build_objectives(cfg, structs, self.fold or 0, weights[: len(structs)]),
            mean=statistics.mean,
            std=statistics.std,
            optimizer=cfg.optimizer.spec(),
            lr_scheduler=cfg.lr_scheduler,
            augmentation={
                kind: Augmentation(
                    Augmentations(transforms=cfg.augmentations.of(kind)), TASK_TYPES[kind].has_masks, pixels
                )
                for kind in {struct.task_type for struct in structs}
            },
            metrics=build_metrics(self._metrics(struct), struct.task_type, struct.num_outputs),
            seed=cfg.seed,
            store_best=cfg.store_best,
            compile_with=cfg.compile.model_dump() if cfg.compile else None,
            window=SlidingWindow.of(cfg.patches, cfg.sampling.batch_size) if cfg.patches else None,
        )

    def _metrics(self, struct: TaskStruct) -> list[Any]:
        """Return the metrics of a training: those of the study, and those that callbacks or `store_best` monitor."""
        metrics = self.cfg.metrics_of(struct.task_type)
        monitored = {column.removeprefix("val/") for column in self.cfg.monitored.values()}
        if self.cfg.store_best:
            monitored.add(self.cfg.store_best.metric)
        named = {metric for metric in metrics if isinstance(metric, str)}
        return [*metrics, *sorted(monitored - {"loss", "train/loss", *named})]

    def create_trainer(self, **arguments: Any) -> "Trainer":
        """Return the Lightning trainer of the pipeline, with its callbacks and a checkpoint each epoch.

        Args:
            arguments: arguments of `lightning.pytorch.Trainer`; they take precedence over the config.

        Raises:
            MMLError: the accelerator is not available.
        """
        from mml_lib.training.trainer import build_trainer
        from mml_lib.training.watching import Board, ProgressBar

        if process_rank():
            return build_trainer(self.cfg, self.checkpoints, arguments)
        callbacks: list[Any] = []
        if self.terminal is not None and self.terminal.isatty():
            callbacks.append(ProgressBar(self.terminal, f"{self.task} fold {self.fold}"))
        if self.cfg.tensorboard is not None and (folder := self.params.get("tensorboard")):
            callbacks.append(Board(Path(folder), self.cfg.tensorboard))
        if self.cfg.logger is not None and (folder := self.params.get("logger")):
            from mml_lib.training.run_logging import RunLogging

            names = {"project": self.cfg.project, "task": self.task, "run": self.run, "fold": self.fold}
            callbacks.append(RunLogging(self.cfg.logger.spec(), names, Path(folder), self.pipeline.content))
        if (job := own_job()) and arguments.get("enable_checkpointing", True):  # a requeued job resumes from these
            from mml_lib.training.requeueing import Requeue

            callbacks.append(Requeue(job, self.checkpoints))
        return build_trainer(self.cfg, self.checkpoints, arguments, callbacks)

    def lightning_tune(self, data: "MMLDataModule", model: "MMLModule") -> Tuning:
        """Search learning rate or batch size, as set in the section `tune`."""
        options = self.cfg.tune
        assert options is not None, "only runs with tune have this step"
        with passing_folder(Path(self.params.folder)) as folder:
            trainer = self.create_trainer(
                callbacks=[],
                enable_checkpointing=False,
                default_root_dir=folder,
                # The search counts steps, not epochs, and needs no validation.
                max_epochs=options.num_training * self.cfg.trainer.accumulate_grad_batches,
                check_val_every_n_epoch=sys.maxsize,
            )
            tuning = tune(trainer, model, data, options)
        logger.info("learning rate %s, batch size %s", tuning.lr or "unchanged", tuning.batch_size or "unchanged")
        return tuning

    def apply_tuning(self, path: str | Path) -> None:
        """Set the tuned values in the config, if the run has any."""
        if path:
            self.cfg = Tuning.read(path).merge_into(self.cfg)

    @property
    def checkpoints(self) -> Path:
        """Folder of this training's checkpoints."""
        return Path(self.params.checkpoints)

    def sole_training(self) -> AbstractContextManager[bool]:
        """Wait until no trial of a search trains the same pipeline on this fold, and keep new ones from starting.

        Returns:
            A context whose value is True if the step has waited.
        """
        return nullcontext(False) if process_rank() else sole_training(self.checkpoints)

    def last_checkpoint(self) -> Path | None:
        """Return the checkpoint from which an interrupted training resumes; None without one."""
        from mml_lib.training.checkpoints import problem_of

        problem = partial(problem_of, divisions=divisions_of(self.get_structs()))
        checkpoint = last_checkpoint(self.checkpoints, problem)
        if checkpoint:
            logger.info("resuming from %s", checkpoint.name)
        return checkpoint

    def predict(self, model: "MMLModule", data: "MMLDataModule", part: str) -> Any:
        """Return the predictions of a part of a task: `val`, `test` or `unlabelled`."""
        from mml_lib.inference.delivered_masks import DeliveredMasks
        from mml_lib.inference.merged_views import MergedViews
        from mml_lib.inference.prediction import best_device, predict

        options = self.params.get("tta")
        tta = MergedViews(TTA.model_validate(options), model.task_type) if options else None
        ids = data.struct.samples["id"][data.struct.select(part, data.fold)]
        device = best_device(self.cfg.trainer.accelerator)
        by_windows = model.window is not None and TASK_TYPES[model.task_type].has_masks
        delivered = DeliveredMasks.of_task(data.struct, self.cfg.preprocessing) if by_windows else None
        return predict(model, data.ordered(part), ids, device, tta, delivered)

    # --- results ------------------------------------------------------------------------------------------------

    def store_model(self, model: "MMLModule", trainer: "Trainer") -> None:
        """Write weights, history and model storage.

        Checkpoints are kept until Snakemake has recorded the step as finished: a kill in between loses no epochs.
        In distributed training, only the first process writes.
        """
        if process_rank():
            return
        from mml_lib.models.network import save_network
        from mml_lib.training.trainer import history_csv, storage_of

        structs = self.get_structs()
        tokens = {"task": self.task, "run": self.run, "fold": self.fold}
        header = {
            **tokens,
            "mean": model.mean.flatten().tolist(),
            "std": model.std.flatten().tolist(),
            "classes": {struct.name: struct.classes for struct in structs},
            DIVISIONS: divisions_of(structs),
        }
        best = model.keep_best()
        origin = {
            "co_tasks": [struct.name for struct in structs[1:]],
            "pretrained": self.started_from and self.started_from.chosen,
        }
        storage = storage_of(model, trainer, best, tokens | origin, created=time.strftime("%F %T"))
        if self.cfg.adapters:
            from mml_lib.models.adapters import merge_adapters

            merge_adapters(model.network)
        save_network(model.network, self.output.parameters, header)
        write_text(self.output.history, history_csv(model.history))
        storage.write(self.output.model)

    def drop_checkpoints(self) -> None:
        """Remove the checkpoints of the finished training."""
        remove_checkpoints(self.checkpoints)
