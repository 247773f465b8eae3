"""Opening of a study, while Snakemake reads the Snakefile."""

import gc
import os
import sys
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from functools import partial
from typing import TYPE_CHECKING, Any

from mml_lib.config.download_options import without_passwords
from mml_lib.config.loading import preset_folders
from mml_lib.config.pipeline_folder import LIBRARY, add_presets
from mml_lib.config.reading.origins import Origins, Source
from mml_lib.config.reading.scalars import flow_text
from mml_lib.config.reading.study_files import shorten
from mml_lib.engine.cluster.group_patches import group_steps, keep_finished_steps
from mml_lib.engine.cluster.network_jobs import combined_resources, is_of_network, job_ids
from mml_lib.engine.command_line import StudyLayers, study_layers
from mml_lib.engine.hooks import forecast_dry_run
from mml_lib.engine.jobs import settle_in_job
from mml_lib.engine.notifications import check_services
from mml_lib.engine.outer_pipeline import enter_folders, given_layers, module_name, name_rules, pipeline_folder
from mml_lib.engine.part_lists import list_parts, mode_descriptions
from mml_lib.engine.patches import (
    chain_hooks,
    check_scripts_once,
    end_on_sigterm,
    keep_pandas_out,
    read_flags_directly,
    remember_signatures,
    reuse_wildcards,
    run_scripts_directly,
    select_in_order,
    share_guards,
    start_warm_first,
)
from mml_lib.engine.step_order import StepOrder
from mml_lib.engine.warm_scripts import run_script
from mml_lib.errors import MMLError, nearest
from mml_lib.files.checksums import name_command
from mml_lib.machine.locks import name_supervisor
from mml_lib.machine.warm_start import offer_warm_start
from mml_lib.studies.checks.download_checks import check_downloads, offer_passwords
from mml_lib.studies.resources.submitted_runs import SubmittedRuns
from mml_lib.studies.study import Study

if TYPE_CHECKING:
    from snakemake.workflow import Workflow

WITHOUT_REFERENCES = (
    *("clean", "force", "retrain", "run", "remove", "gpu_timeout"),
    *("preprocess_shards", "num_workers", "networks_per_job", "warm_start", "tensorboard", "logger"),
)
"""Keys that do not change which artefacts a study refers to."""

GC_THRESHOLD = (100_000, 20, 50)
"""New objects and collections before a garbage collection of each generation. A plan has hundreds of thousands of
objects that all stay: by Python's default, looking at them again and again takes a tenth of its time."""

LISTING = frozenset({"--list-rules", "--list", "-l", "--list-target-rules", "--lt"})
"""Options that list rules, without a plan."""


def open_study(workflow: "Workflow", config: MutableMapping[str, Any]) -> Study:
    """Return the checked study of a Snakemake call or an outer pipeline; leave with one line where it has a mistake.

    Args:
        workflow: Snakemake's workflow object.
        config: Snakemake's config, which becomes that of the study: its files and values on the library's defaults.
            That of an outer pipeline stays as it is; the global variable `config` becomes that of the study.
    """
    gc.set_threshold(*GC_THRESHOLD)
    sources: list[Source] = []
    folder = pipeline_folder(workflow, LIBRARY)
    try:
        outer = given_layers(workflow, config)
        layers = outer or study_layers(workflow, folder)
        if outer:
            config = workflow.globals["config"] = {}
        else:
            sources = [*map(shorten, layers.files), layers.values]
        config.clear()
        config.update(layers.config)
        add_presets(config, folder / "config")
        kind = str(config.pop("list") or "") if "list" in config else None
        study = Study(config, sources)
        offer_passwords(study)
        name_supervisor(study.fm.proj_path)
        if kind is not None:
            print(list_parts(kind, preset_folders(config)))
            sys.exit()
        is_first = enter_folders(workflow, study.fm.data_path, study.fm.proj_path)
        if workflow.is_main_process:
            name_command(sys.argv[1:])
            _plan(study, workflow, layers, is_first)
    except MMLError as error:
        sys.exit(f"error: {_where(workflow)}{Origins(config, sources, preset_folders(config)).place(str(error))}")
    chain_hooks(workflow, module_name(workflow))
    keep_pandas_out()
    remember_signatures()
    check_scripts_once()
    read_flags_directly()
    reuse_wildcards()
    share_guards()
    one_by_one = partial(is_of_network, study.rule_names) if workflow.remote_exec else None
    select_in_order(StepOrder(lambda: study.runs.planned, one_by_one).first)
    end_on_sigterm()
    # Steps use this very library, also in an environment that Snakemake deploys for them. The warm process of a job has
    # this environment, or it has no forks.
    folders = [str(LIBRARY), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(folders))
    if workflow.remote_exec:
        settle_in_job(study.cfg.warm_start)
        study.submitted = SubmittedRuns.read(study)
    if workflow.remote_exec or study.gpus.on_cluster:
        group_steps(partial(job_ids, study), partial(combined_resources, study))
        keep_finished_steps()
    if study.cfg.warm_start and workflow.is_main_process:
        offer_warm_start()
        start_warm_first()
        run_scripts_directly(run_script)
    return study


def _plan(study: Study, workflow: "Workflow", layers: StudyLayers, is_first: bool) -> None:
    """Plan the requested modes, and print their overview the first time."""
    modes = asked_modes(sys.argv[1:], study, workflow.modifier.modify_rulename)
    study.check(modes)
    check_services(study.cfg.notify)
    study.gpus.prepare(workflow, modes)
    if not any(study.scheduler(mode).alone for mode in modes):
        check_downloads(study)
        study.recorded = study_record(layers)
    if is_first and not LISTING & set(sys.argv[1:]):
        print(study.overview(modes), file=sys.stderr)
        forecast_dry_run(study, workflow)


def describe_targets(study: Study, workflow: "Workflow") -> None:
    """Describe the target of each mode for `snakemake --list`, in the words of its preset.

    Args:
        study: the study.
        workflow: Snakemake's workflow object, once the targets are defined.
    """
    if not LISTING & set(sys.argv[1:]):
        return
    descriptions = {mode: f"Mode: {line}" for mode, line in mode_descriptions(study.folders).items()}
    for mode in study.schedulers.modes:
        name = workflow.modifier.modify_rulename(mode)
        if workflow.is_rule(name) and mode in descriptions:
            workflow.get_rule(name).docstring = descriptions[mode]
    own = workflow.modifier.modify_rulename("all")
    if workflow.is_rule(own):
        workflow.get_rule(own).docstring = f"The mode of this study: {study.cfg.mode.id}."


def check_rules(study: Study, workflow: "Workflow") -> None:
    """Name the rules for an outer pipeline; leave with one line where the study sets resources of an unknown rule.

    Args:
        study: the study.
        workflow: Snakemake's workflow object, once all rule files are read.
    """
    study.rule_names = name_rules(workflow)
    rules = set(workflow.modifier.rule_proxies._rules)
    for name in study.cfg.resources:
        if name not in rules:
            problem = f"resources.{name}: no rule has this name{nearest(name, rules)}"
            sys.exit(f"error: {_where(workflow)}{study.origins.place(problem)}")


def _where(workflow: "Workflow") -> str:
    module = module_name(workflow)
    return f"module {module}: " if module else ""


def study_record(layers: StudyLayers) -> dict[str, Any]:
    """Return `files` and `values` that a study can be put together from again, values as text for `--config`."""
    values = {key: value for key, value in without_passwords(layers.values).items() if key not in WITHOUT_REFERENCES}
    if isinstance(paths := values.pop("paths", None), Mapping) and paths.get("presets"):
        values["paths"] = {"presets": paths["presets"]}
    return {
        "files": [str(shorten(file)) for file in layers.files],
        "values": {key: flow_text(value) for key, value in values.items()},
    }


def asked_modes(arguments: Iterable[str], study: Study, full_name: Callable[[str], str] = str) -> list[str]:
    """Return the modes that the arguments of a Snakemake call name as targets, the study's own where they name none.

    Snakemake tells its targets only after the Snakefile is read.

    Args:
        arguments: of the call.
        study: the study.
        full_name: gives the name of a rule in the workflow, which may be an outer pipeline's.
    """
    modes = {full_name(mode): mode for mode in study.schedulers.modes}
    return [modes[argument] for argument in arguments if argument in modes] or [study.cfg.mode.id]
