"""The doing half of a scheduler: what a step builds and stores. What needs torch is imported where it is used."""

import json
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mml_lib.errors import MMLError
from mml_lib.files.atomic import write_text
from mml_lib.files.checkpoints import last_checkpoint, remove_checkpoints
from mml_lib.schedulers.study import Study
from mml_lib.tasks.struct import TaskStruct

if TYPE_CHECKING:
    from lightning.pytorch import Trainer

    from mml_lib.data.datamodule import MMLDataModule
    from mml_lib.models.module import MMLModule

logger = logging.getLogger(__name__)

IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
FORMAT = 1


class Doing:
    """What scripts call. In a step, `cfg` is the config of its pipeline, `task`, `run` and `fold` are its wildcards;
    `eval_task` is what it predicts or tests on.

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
        if self.run is not None and task == self.task:
            told = self.study.run(task, self.run).pipeline.task
        else:
            told = self.study.task_content(self.study.task(task), self.cfg.preprocessing)
        paths = {
            "description": Path(self.fm.path("description", task=task, task_id=told["id"])),
            "dataset": Path(self.fm.path("dataset", dataset=told["dataset"])),
            "packed": Path(self.fm.path("packed", dataset=told["dataset"], pack=told["pack"])),
        }
        return TaskStruct(task, paths, self._models(task))

    def get_eval_struct(self, struct: TaskStruct) -> TaskStruct:
        """Return the struct of the task that this step predicts: `struct`, which it was trained on, or another.

        Raises:
            MMLError: the other has other classes.
        """
        if self.eval_task == struct.name:
            return struct
        other = self.get_struct(self.eval_task)
        if other.task_type != "no_task" and other.classes != struct.classes:
            raise MMLError(
                f"mode.eval_on: {other.name} has the classes {', '.join(other.classes)}, not those of {struct.name} "
                f"({', '.join(struct.classes)}); give both the same by idx_to_class"
            )
        return other

    def _models(self, task: str) -> list[Any]:
        from mml_lib.models.storage import ModelStorage

        folder = Path(self.fm.path("models", task=task, run="0" * 8, fold=0)).parent
        files = sorted(folder.glob("[0-9a-f]*-fold*.json"), key=lambda path: path.stat().st_mtime)
        return [ModelStorage.read(path) for path in files]

    def create_datamodule(self, struct: TaskStruct, fold: int | None) -> "MMLDataModule":
        """Return what feeds a task, validated on a fold; None where only other splits are asked for."""
        from mml_lib.data.datamodule import MMLDataModule
        from mml_lib.data.transforms import resolve
        from mml_lib.models.prediction import best_device

        return MMLDataModule(
            struct,
            fold,
            self.cfg.sampling,
            self.cfg.seed,
            transforms=resolve(self.cfg.preprocessing),
            threads=self.threads,
            num_workers=self.cfg.num_workers,
            pin_memory=best_device(self.cfg.trainer.accelerator).type == "cuda",
        )

    def create_model(self, structs: Sequence[TaskStruct], load_parameters: str | Path | None = None) -> "MMLModule":
        """Return a network with a head for each task, ready to learn the first one.

        Args:
            structs: the tasks.
            load_parameters: weights of a stored network to start from; None draws new ones from the seed.
        """
        import numpy as np
        import torch

        from mml_lib.data.augmentation import Augmentation
        from mml_lib.data.mixing import BatchMixing
        from mml_lib.models.losses import build_loss
        from mml_lib.models.metrics import build_metrics
        from mml_lib.models.module import MMLModule
        from mml_lib.models.network import Network, head_spec, load_network

        torch.set_num_threads(self.threads)
        struct, cfg = structs[0], self.cfg
        seed = np.random.SeedSequence([cfg.seed, self.fold or 0]).generate_state(1)[0]
        torch.manual_seed(int(seed))
        if load_parameters is None:
            decoder = cfg.decoder.spec() if cfg.decoder else None
            network = Network(cfg.arch.spec(), {each.name: head_spec(each, decoder) for each in structs})
        else:
            network, _ = load_network(load_parameters)
        mean, std = self._normalization(struct)
        return MMLModule(
            network=network,
            task=struct.name,
            mean=mean,
            std=std,
            loss=build_loss(cfg.loss_of(struct.task_type).spec(), struct, self.fold or 0, cfg.class_weights),
            optimizer=cfg.optimizer.spec(),
            lr_scheduler=cfg.lr_scheduler,
            augmentation=Augmentation(cfg.augmentations),
            metrics=build_metrics(self._metrics(struct), struct.task_type, struct.num_outputs),
            seed=cfg.seed,
            store_best=cfg.store_best,
            mixing=BatchMixing(cfg.mixing, struct.num_classes) if cfg.mixing else None,
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

    def _normalization(self, struct: TaskStruct) -> tuple[list[float], list[float]]:
        if self.cfg.normalization == "task":
            return struct.means, [max(std, 1e-3) for std in struct.stds]
        return IMAGENET if self.cfg.normalization == "imagenet" else ([0.0] * 3, [1.0] * 3)

    def create_trainer(self, **arguments: Any) -> "Trainer":
        """Return the Lightning trainer of the pipeline, with its callbacks and a checkpoint each epoch.

        Args:
            arguments: of `lightning.pytorch.Trainer`; they win over the config.

        Raises:
            MMLError: the accelerator is not there.
        """
        from mml_lib.models.training import build_trainer

        return build_trainer(self.cfg, self.checkpoints, arguments)

    @property
    def checkpoints(self) -> Path:
        """Folder of this training's checkpoints."""
        return self.fm.construct_saving_path(None, "checkpoint", task_name=self.task, run=self.run, fold=self.fold)

    def last_checkpoint(self) -> Path | None:
        """Return where an interrupted training goes on, None if it begins."""
        found = last_checkpoint(self.checkpoints)
        if found:
            logger.info("resuming from %s", found.name)
        return found

    def predict(self, model: "MMLModule", data: "MMLDataModule", part: str) -> Any:
        """Return the predictions of a part of a task: `val`, `test` or `unlabelled`."""
        from mml_lib.models.prediction import best_device, predict
        from mml_lib.models.tta import MergedViews

        tta = MergedViews(self.cfg.tta, model.task_type) if self.cfg.tta.transforms else None
        ids = data.struct.samples["id"][data.struct.select(part, data.fold)]
        return predict(model, data.ordered(part), ids, best_device(self.cfg.trainer.accelerator), tta)

    # --- results ------------------------------------------------------------------------------------------------

    def store_model(self, model: "MMLModule", trainer: "Trainer") -> None:
        """Write weights, history and model storage of this step.

        Its checkpoints stay until Snakemake has it down as done, or a kill at this very moment would cost all epochs.
        """
        from mml_lib.models.network import save_network
        from mml_lib.models.training import history_csv, storage_of

        about = {
            "task": self.task,
            "run": self.run,
            "fold": self.fold,
            "mean": model.mean.flatten().tolist(),
            "std": model.std.flatten().tolist(),
        }
        tokens = {"task": self.task, "run": self.run, "fold": self.fold}
        kept = model.keep_best()
        save_network(model.network, self.fm.path("parameters", **tokens), about)
        write_text(self.fm.path("history", **tokens), history_csv(model.history))
        storage = storage_of(model, trainer, kept, tokens, created=time.strftime("%F %T"))
        storage.write(self.fm.construct_saving_path(storage, "models", **tokens))

    def drop_checkpoints(self, **training: Any) -> None:
        """Remove the checkpoints of a finished training, `task`, `run` and `fold`: of this step's own by default."""
        tokens = training or {"task": self.task, "run": self.run, "fold": self.fold}
        remove_checkpoints(self.fm.construct_saving_path(None, "checkpoint", **tokens))

    def finish(self, path: str | Path) -> None:
        """Write the return value of the plan."""
        write_text(path, json.dumps({"format": FORMAT, "mode": self.mode, "return_value": self.return_value}))
