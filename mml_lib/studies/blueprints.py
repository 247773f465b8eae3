"""Blueprints: best pipelines of one task for studies of other tasks."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mml_lib.config.reading.presets import resolve_presets
from mml_lib.errors import MMLError, nearest
from mml_lib.files.stored import yaml_text
from mml_lib.models.model_selection import best_run
from mml_lib.models.model_storage import ModelStorage
from mml_lib.pipelines.pipeline import PIPELINE_KEYS, Pipeline, read_stored_yaml

if TYPE_CHECKING:
    from mml_lib.studies.study import Study

BEST = "best"
"""Part of the name of a blueprint, after the task, for the best trial of a search."""

HANDED_ON = tuple(key for key in PIPELINE_KEYS if key != "seed")
"""Default sections of a blueprint."""


def blueprint(pipelines: Sequence[Pipeline], storages: Sequence[ModelStorage], by: str) -> str:
    """Return the best run's pipeline as YAML, with the reason: the best procedure by validation, and its best run.

    Args:
        pipelines: pipelines of all runs. Those that differ only in their nested task are one run.
        storages: model storages of these runs.
        by: metric; the validation loss for models without it.
    """
    ids = {pipeline.run: (pipeline.procedure_recipe, pipeline.recipe) for pipeline in pipelines}
    chosen = best_run(storages, ids, by)
    pipeline = next(candidate for candidate in pipelines if candidate.recipe == chosen.run)
    procedures, runs = len({procedure for procedure, _ in ids.values()}), len({run for _, run in ids.values()})
    repeated = f", of the best of {procedures} procedures ({chosen.procedure_value:.6g})" if procedures < runs else ""
    reason = {
        "run": pipeline.run,
        "task": pipeline.task["name"],
        "why": f"the best mean validation {chosen.metric} ({chosen.run_value:.6g}) of {runs} runs{repeated}",
    }
    return yaml_text("blueprint", {"chosen": reason, "pipeline": dict(pipeline.content)})


def lay_blueprint(study: "Study", task: str, keys: Sequence[str] | None) -> dict[str, Any]:
    """Return the config of the study with sections of a blueprint instead of its own.

    Args:
        study: the study with `reuse.blueprint`.
        task: the task that the blueprint was made on.
        keys: sections to take; None: all but the seed.

    Raises:
        MMLError: the blueprint or a section does not exist.
    """
    for key in keys or ():
        if key not in PIPELINE_KEYS:
            raise MMLError(f"mode.pipeline_keys: there is no section '{key}'{nearest(key, PIPELINE_KEYS)}")
    content = _find(study, task)
    config = dict(study.config)
    for key in keys or HANDED_ON:
        if key == "loss":
            config[key] = _losses(study, content)
        elif key != "decoder" or key in content:  # only segmentations have one
            config[key] = content.get(key)
    if "trainer" in (keys or HANDED_ON):
        config["trainer"] = {"devices": 1, **content["trainer"], "accelerator": study.cfg.trainer.accelerator}
    return config


def _find(study: "Study", task: str) -> Mapping[str, Any]:
    """Return the content of the pipeline that a blueprint holds, the latest of all projects named.

    A number after the task, as in `lesions#2`, is that of a suggestion for it; `lesions#best` is the best trial of the
    latest search.
    """
    task, _, number = task.partition("#")
    if not study.cfg.reuse.blueprint:
        raise MMLError("mode.use_blueprint: no project is named; set reuse: {blueprint: project}")
    paths: list[tuple[str, Path]] = []
    for reference in study.cfg.reuse.blueprint:
        project, run = study.fm.reusables.project_of("blueprint", reference)
        key, wanted = ("blueprint", {"task": task}) if run is None else ("pipeline", {"task": task, "run": run})
        if number == BEST:
            key, wanted = "search_choice", {"task": task}
        elif number:
            key, wanted = "suggestion", {"task": task, "number": number}
        paths += [
            (key, study.fm.construct_saving_path(None, key, project=project, **tokens))
            for tokens in study.fm.existing(key, project=project, **wanted)
        ]
    if number == BEST:
        paths = [(key, path) for key, path in paths if read_stored_yaml(path, "blueprint")["chosen"]["rank"] == 1]
    if not paths:
        where = ", ".join(study.cfg.reuse.blueprint)
        if number == BEST:
            raise MMLError(
                f"mode.use_blueprint: there is no search for the task {task} in {where}; a study with the section "
                "search makes one"
            )
        if number:
            raise MMLError(
                f"mode.use_blueprint: there is no suggestion {number} for the task {task} in {where}; mode suggest "
                "makes some"
            )
        raise MMLError(
            f"mode.use_blueprint: there is no blueprint of the task {task} in {where}; "
            "a study with mode.store_blueprint: true makes one"
        )
    kind, path = paths[-1]
    return Pipeline.read(path).content if kind == "pipeline" else read_stored_yaml(path, "blueprint")["pipeline"]


def _losses(study: "Study", content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the study's losses by task type, with that of the blueprint's task type in its place."""
    kind, loss = content["task"]["task_type"], content["loss"]
    own = resolve_presets({"loss": study.config["loss"]}, study.folders)["loss"]
    if "_target_" in own:
        return loss
    return {**own, **(loss if "_target_" not in loss else {kind: loss})}
