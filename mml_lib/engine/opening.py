"""Opening of a study, while Snakemake reads the Snakefile."""

import atexit
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
from mml_lib.engine.jobs import prepare_job
from mml_lib.engine.notifications import check_services
from mml_lib.engine.outer_pipeline import module_name, name_rules, outer_layers, pipeline_folder, reserve_folders
from mml_lib.engine.part_lists import list_parts, mode_descriptions
from mml_lib.engine.patches import (
    cache_signatures,
    chain_hooks,
    check_scripts_once,
    checksum_inputs_once,
    compare_inputs_below,
    end_interrupted_quietly,
    read_flags_directly,
    reuse_wildcards,
    run_scripts_directly,
    share_guards,
    skip_pandas_import,
    start_scripts_warm,
)
from mml_lib.engine.recorded_inputs import is_same_below
from mml_lib.engine.scheduler_patches import end_on_sigterm, select_in_order, set_timers_at_limit
from mml_lib.engine.step_order import StepOrder
from mml_lib.engine.warm_scripts import run_script
from mml_lib.errors import MMLError, nearest
from mml_lib.files.checksums import set_command
from mml_lib.machine.locks import name_supervisor
from mml_lib.machine.warm_start import offer_warm_start
from mml_lib.studies.checks.download_checks import check_downloads, export_passwords
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
"""Thresholds of the garbage collector. A plan has hundreds of thousands of objects, of which none is garbage: with
Python's default, collections take a tenth of the time of planning."""

LISTING = frozenset({"--list-rules", "--list", "-l", "--list-target-rules", "--lt"})
"""Options that list rules, without a plan."""


def open_study(workflow: "Workflow", config: MutableMapping[str, Any]) -> Study:
    """Return the checked study of a Snakemake call or an outer pipeline; exit with one line if it has a mistake.

    Args:
        workflow: Snakemake's workflow object.
        config: Snakemake's config. It is replaced by the config of the study: files and values on the library's
            defaults. The config of an outer pipeline stays unchanged; only the global variable `config` is replaced.
    """
    if workflow.is_main_process:
        end_interrupted_quietly()
    gc.set_threshold(*GC_THRESHOLD)
    atexit.register(gc.freeze)  # at its end, Python would look for garbage among all objects of the plan
    sources: list[Source] = []
    folder = pipeline_folder(workflow, LIBRARY)
    try:
        outer = outer_layers(workflow, config)
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
        export_passwords(study)
        name_supervisor(study.fm.proj_path)
        if kind is not None:
            print(list_parts(kind, preset_folders(config)))
            sys.exit()
        is_first = reserve_folders(workflow, study.fm.data_path, study.fm.proj_path)
        if workflow.is_main_process:
            set_command(sys.argv[1:])
            _plan(study, workflow, layers, is_first)
    except MMLError as error:
        sys.exit(f"error: {_where(workflow)}{Origins(config, sources, preset_folders(config)).place(str(error))}")
    chain_hooks(workflow, module_name(workflow))
    _speed_up_snakemake()
    compare_inputs_below(partial(is_same_below, study.fm.artefacts_below))
    # Steps import this installation of the library, also in an environment that Snakemake deploys for them. The warm
    # process of a job must have the same PYTHONPATH as its steps: it is set before the process starts.
    folders = [str(LIBRARY), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(folders))
    _order_steps(study, workflow)
    if study.cfg.warm_start and workflow.is_main_process:
        offer_warm_start()
        start_scripts_warm()
        run_scripts_directly(run_script)
    return study


def _speed_up_snakemake() -> None:
    """Apply the patches that save time, memory and file operations."""
    skip_pandas_import()
    cache_signatures()
    check_scripts_once()
    read_flags_directly()
    reuse_wildcards()
    share_guards()
    checksum_inputs_once()


def _order_steps(study: Study, workflow: "Workflow") -> None:
    """Set the order of ready steps, and the groups of steps that share a cluster job."""
    one_by_one = partial(is_of_network, study.rule_names) if workflow.remote_exec else None
    select_in_order(StepOrder(lambda: study.runs.planned, one_by_one).first)
    end_on_sigterm()
    set_timers_at_limit()
    if workflow.remote_exec:
        prepare_job(study.cfg.warm_start)
        study.submitted = SubmittedRuns.read(study)
    if workflow.remote_exec or study.gpus.on_cluster:
        group_steps(partial(job_ids, study), partial(combined_resources, study))
        keep_finished_steps()


def _plan(study: Study, workflow: "Workflow", layers: StudyLayers, is_first: bool) -> None:
    """Plan the requested modes, and print their overview the first time."""
    modes = study.requested = requested_modes(sys.argv[1:], study, workflow.modifier.modify_rulename)
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
    """Set the description of each mode, from its preset, as that of its target in `snakemake --list`.

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
    name = workflow.modifier.modify_rulename("all")
    if workflow.is_rule(name):
        workflow.get_rule(name).docstring = f"The mode of this study: {study.cfg.mode.id}."


def check_rules(study: Study, workflow: "Workflow") -> None:
    """Set the names of rules in an outer pipeline; exit with one line if the study sets resources of an unknown rule.

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
    """Return `files` and `values` from which a study can be read again; values are text for `--config`."""
    values = {key: value for key, value in without_passwords(layers.values).items() if key not in WITHOUT_REFERENCES}
    if isinstance(paths := values.pop("paths", None), Mapping) and paths.get("presets"):
        values["paths"] = {"presets": paths["presets"]}
    return {
        "files": [str(shorten(file)) for file in layers.files],
        "values": {key: flow_text(value) for key, value in values.items()},
    }


def requested_modes(arguments: Iterable[str], study: Study, full_name: Callable[[str], str] = str) -> list[str]:
    """Return the modes among the targets of a Snakemake call; without any, the mode of the study.

    Snakemake parses its targets only after it has read the Snakefile.

    Args:
        arguments: of the call.
        study: the study.
        full_name: returns the name of a rule in the workflow, which may be an outer pipeline.
    """
    modes = {full_name(mode): mode for mode in study.schedulers.modes}
    return [modes[argument] for argument in arguments if argument in modes] or [study.cfg.mode.id]
