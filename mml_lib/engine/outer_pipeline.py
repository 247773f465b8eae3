"""Use in an outer pipeline, by `module` or `include`: where the study comes from, names of rules, hooks."""

from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mml_lib.config.reading.layers import with_defaults
from mml_lib.engine.command_line import StudyLayers
from mml_lib.errors import MMLError
from mml_lib.machine.rule_names import RuleNames, publish_names, withdraw_names
from mml_lib.machine.terminal import warn

if TYPE_CHECKING:
    from snakemake.workflow import Workflow

TRIGGERS = {"mtime", "params", "input"}
"""Reasons for which a step may run again; by others an edited comment would train networks again."""


def module_name(workflow: "Workflow") -> str | None:
    """Return the name of the `module` statement by which an outer pipeline reads MML's Snakefile; None without one."""
    return None if workflow.modifier.is_main_snakefile() else workflow.modifier.namespace


def given_layers(workflow: "Workflow", config: Mapping[str, Any]) -> StudyLayers | None:
    """Return the study that an outer pipeline gives; None where the command line names it.

    Args:
        workflow: Snakemake's workflow object, while MML's Snakefile is read.
        config: Snakemake's config.

    Raises:
        MMLError: a `module` statement without a config, or with a prefix of paths.
    """
    name = module_name(workflow)
    if name is None:
        included = len(workflow.included_stack) > 1
        by_pipeline = included and config and not workflow.config_settings.configfiles
        return _layers(config) if by_pipeline else None
    if not config:
        raise MMLError(f'the statement has no study; write in it config: config["{name}"], or any mapping')
    paths = workflow.modifier.path_modifier
    if paths.prefix is not None or paths.modifies_prefixes:
        raise MMLError("prefix and replace_prefix do not move results; leave them out, and set paths.results")
    return _layers(config)


def _layers(config: Mapping[str, Any]) -> StudyLayers:
    return StudyLayers((), config, with_defaults(deepcopy(dict(config))))


def pipeline_folder(workflow: "Workflow", fallback: Path) -> Path:
    """Return the folder of MML's Snakefile while it is read.

    Args:
        workflow: Snakemake's workflow object.
        fallback: folder of the installed pipeline, for a Snakefile that is read from a host.
    """
    folder = Path(workflow.current_basedir.get_path_or_uri(secret_free=True))
    return folder if (folder / "config").is_dir() else fallback


def name_rules(workflow: "Workflow") -> RuleNames:
    """Return MML's names of its rules, and hand them to steps.

    Args:
        workflow: Snakemake's workflow object, once MML's Snakefile is read.
    """
    module = module_name(workflow)
    if module is None:
        withdraw_names()
        return RuleNames()
    all_names: dict[str, dict[str, str]] = getattr(workflow, "_mml_rule_names", {})
    names = dict(all_names.get(module, {}))  # of rules that were used one by one before
    for name in workflow.modifier.rule_proxies._rules:
        if (full_name := workflow.modifier.avail_rulename(name)) is not None:
            names[full_name] = name
    workflow._mml_rule_names = {**all_names, module: names}
    publish_names(module, RuleNames(names))
    return RuleNames(names)


def warn_of_triggers(workflow: "Workflow") -> None:
    """Warn if the outer pipeline's profile lets more than data and settings train networks again."""
    if further := sorted({str(trigger) for trigger in workflow.rerun_triggers} - TRIGGERS):
        warn(
            f"rerun-triggers {', '.join(further)} may train networks again without need; put "
            "'rerun-triggers: [mtime, params, input]' into the profile of the pipeline"
        )


def enter_folders(workflow: Any, data: Path, project: Path) -> bool:
    """Note the folders of a module, and refuse those of another one: rules of both could make the same files.

    Args:
        workflow: Snakemake's workflow object.
        data: the data root of the study.
        project: the folder of its project.

    Returns:
        False if the module is read again, as it is by each further `use rule`.

    Raises:
        MMLError: another module has one of them.
    """
    if (module := module_name(workflow)) is None:
        return True
    folders: dict[str, tuple[Path, Path]] = getattr(workflow, "_mml_folders", {})
    own = data.resolve(), project.resolve()
    for other, taken in folders.items():
        if other != module and (own[0] == taken[0] or own[1] == taken[1]):
            key = "paths.data" if own[0] == taken[0] else "project"
            raise MMLError(f"{key}: the module {other} has the same; set another, or put all tasks into one study")
    workflow._mml_folders = {**folders, module: own}
    return module not in folders
