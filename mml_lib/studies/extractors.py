"""Extractors: the frozen backbones by which a study extracts features, and their identity."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from mml_lib.config.feature_options import Extraction
from mml_lib.config.task_options import Preprocessing
from mml_lib.errors import MMLError, nearest
from mml_lib.images.packs.pack_names import pack_id
from mml_lib.pipelines.digests import digest
from mml_lib.pipelines.own_code import code_of, code_of_registered
from mml_lib.studies.checks.named_parts.target_arguments import check_target
from mml_lib.studies.checks.network_names import check_network_name

if TYPE_CHECKING:
    from mml_lib.studies.study import Study

EXTRACTION_VERSION = 1
"""Version of features. It is raised when the same extractor starts to return other features."""


@dataclass(frozen=True)
class Extractor:
    """A frozen backbone with its weights and preprocessing, which decide the features of an image.

    Args:
        options: the section `features` of a study.
        preprocessing: preprocessing of the images.
        models: trained networks to choose from: `project` (None: this one), `task`, `run`, `fold`; none for a backbone
            of a library.
        by: metric by which the best of them is chosen.
    """

    options: Extraction
    preprocessing: Preprocessing
    models: Sequence[Mapping[str, Any]] = ()
    by: str = "loss"

    @cached_property
    def content(self) -> dict[str, Any]:
        """Settings that decide features, without paths, batch size and workers."""
        content: dict[str, Any] = {"version": EXTRACTION_VERSION, "pooling": self.options.pooling}
        content["pack"] = self.pack.rpartition("-")[2]
        if self.options.precision != "32-true":
            content["precision"] = self.options.precision
        if self.models:
            content["models"] = [{key: model[key] for key in ("task", "run", "fold")} for model in self.models]
            if len(self.models) > 1:
                content |= {"model_selection": self.options.model_selection, "by": self.by}
            if len(self.models) > 1 and self.options.model_selection == "random":
                content["seed"] = self.options.seed
            return content
        backbone = self.options.backbone
        content["backbone"] = backbone
        if not backbone.get("pretrained"):
            content["seed"] = self.options.seed
        if code := code_of(backbone) | code_of_registered(backbone.get("name")):
            content["code"] = code
        return content

    @cached_property
    def name(self) -> str:
        """Name of the backbone, and 8 digits of the digest of these settings: `resnet18-1a2b3c4d`."""
        return f"{self._label}-{digest(self.content)}"

    @property
    def _label(self) -> str:
        if not self.models:
            name = str(self.options.backbone.get("name") or self.options.backbone["_target_"].rpartition(".")[2])
            return re.sub(r"[^A-Za-z0-9_.+~-]", "_", name).lstrip("_.+~-") or "backbone"
        first = self.models[0]
        chosen = self.options.model_selection if len(self.models) > 1 else f"{first['run']}-fold{first['fold']}"
        return f"{first['task']}-{chosen}"

    @cached_property
    def pack(self) -> str:
        """Folder name of the packed images."""
        return pack_id(self.preprocessing)


class Extractors:
    """Extractors of a study by name: that of its section `features`, and those of modes.

    Args:
        study: the study.
    """

    def __init__(self, study: "Study"):
        self.study = study
        self._by_name: dict[str, Extractor] = {}

    @cached_property
    def own(self) -> Extractor:
        """The extractor of the section `features`."""
        return self.of(self.study.cfg.features)

    def of(self, options: Extraction) -> Extractor:
        """Return the extractor of a section `features`.

        Raises:
            MMLError: the network of the section does not exist.
        """
        preprocessing = options.preprocessing or self.study.cfg.preprocessing
        if not options.is_trained:
            check_target("features.arch", options.backbone)
            check_network_name(options.backbone, "features.arch")
            return self._added(Extractor(options, preprocessing))
        models = Candidates(self.study, options).models
        by = self.study.main_metric(self.study.runs.of_model(models[0]).pipeline.task["task_type"])
        return self._added(Extractor(options, preprocessing, models, by))

    def of_network(self, task: str, run: str, fold: int) -> Extractor:
        """Return the extractor of a network of this study; all but its backbone is as in the section `features`."""
        network: dict[str, Any] = {"task": task, "run": run, "fold": fold}
        options = self.study.cfg.features.model_copy(update={"arch": None, "pretrained": None, **network})
        model = {"project": None, **network}
        by = self.study.main_metric(self.study.runs.of_model(model).pipeline.task["task_type"])
        return self._added(Extractor(options, options.preprocessing or self.study.cfg.preprocessing, [model], by))

    def named(self, name: str) -> Extractor:
        """Return an extractor of the study by its name.

        Raises:
            MMLError: there is none.
        """
        if name not in self._by_name:
            _ = self.own
        for mode in (self.study.cfg.mode.id, "similarity"):  # extractors of modes
            if name not in self._by_name:
                _ = self.study.scheduler(mode).steps
        if name not in self._by_name:
            raise MMLError(f"features: the study has no extractor '{name}'{nearest(name, self._by_name)}")
        return self._by_name[name]

    @property
    def preprocessings(self) -> list[Preprocessing]:
        """Preprocessing of all extractors so far, and of the section `features`."""
        own = self.study.cfg.features.preprocessing
        return [*([own] if own else []), *(extractor.preprocessing for extractor in self._by_name.values())]

    def _added(self, extractor: Extractor) -> Extractor:
        return self._by_name.setdefault(extractor.name, extractor)


@dataclass(frozen=True)
class Candidates:
    """Trained networks that a section `features` may mean."""

    study: "Study"
    options: Extraction

    @property
    def models(self) -> list[dict[str, Any]]:
        """`project`, `task`, `run` and `fold` of each, in the order of their names.

        Raises:
            MMLError: there is none.
        """
        references = self.study.cfg.reuse.models
        if references:
            models = self._stored([self.study.fm.reusables.project_of("models", name) for name in references])
        elif self.study.tasks.is_known(self.task) and self.options.run is None:
            models = self._planned
        elif self.study.tasks.is_known(self.task) and self.options.run in self._planned_runs:
            models = [model for model in self._planned if model["run"] == self.options.run]
        else:
            models = self._stored([(None, None)])
        return sorted(models, key=lambda model: (model["run"], model["fold"], model["project"] or ""))

    @cached_property
    def task(self) -> str:
        """The task that the networks were trained on."""
        return self.options.task or self.study.project_models.find(str(self.options.run))[0]

    @cached_property
    def _planned_runs(self) -> list[str]:
        scheduler = self.study.scheduler(self.study.cfg.mode.id)
        return [run.id for run in scheduler.runs_of(self.task)]

    @property
    def _planned(self) -> list[dict[str, Any]]:
        """Return the networks of the study itself, which are trained first."""
        fold, number = self.options.fold or 0, self.study.task(self.task).num_folds
        if fold >= number:
            raise MMLError(f"features.fold: task {self.task} has no fold {fold}; it has 0 to {number - 1}")
        if not self._planned_runs:
            raise MMLError(f"features.task: {self.task} has no labels to learn from; choose another")
        return [{"project": None, "task": self.task, "run": run, "fold": fold} for run in self._planned_runs]

    def _stored(self, projects: Sequence[tuple[str | None, str | None]]) -> list[dict[str, Any]]:
        """Return the networks on the disk whose weights are still there.

        Args:
            projects: projects (None: this one), each with a run, or None for all of its runs.
        """
        fm, models = self.study.fm, []
        for project, run in projects:
            for stored in fm.existing("models", project=project, task=self.task, **({"run": run} if run else {})):
                model: dict[str, Any] = {"project": project, **stored, "fold": int(stored["fold"])}
                if fm.construct_saving_path(None, "parameters", **model).exists():
                    models.append(model)
        where = ", ".join(project or self.study.cfg.project for project, _ in projects)
        if not models:
            tasks = {stored["task"] for project, _ in projects for stored in fm.existing("models", project=project)}
            raise MMLError(
                f"features.task: {where} has no network of '{self.task}' with its weights{nearest(self.task, tasks)} "
                "(a task of this study is trained first: name it among the tasks, and no reuse.models)"
            )
        for key in ("run", "fold"):
            wanted, values = getattr(self.options, key), {str(model[key]) for model in models}
            models = [model for model in models if wanted in (None, model[key])]
            if not models:
                raise MMLError(
                    f"features.{key}: {where} has no network of {self.task} of {key} {wanted} with its weights"
                    f"{nearest(str(wanted), values)}"
                )
        return models
