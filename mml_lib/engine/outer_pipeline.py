"""Use in an outer pipeline, by `module` or `include`: source of the study, names of rules, hooks."""

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
"""Rerun triggers of MML. With others, an edited comment would train networks again."""


def module_name(workflow: "Workflow") -> str | None:
    """Return the name of the `module` statement by which an outer pipeline reads MML's Snakefile; None without one."""
    return None if workflow.modifier.is_main_snakefile() else workflow.modifier.namespace


def outer_layers(workflow: "Workflow", config: Mapping[str, Any]) -> StudyLayers | None:
    """Return the study in the config of an outer pipeline; None if the command line names the study.

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
        raise MMLError(f'the module statement has no study; add config: config["{name}"], or any mapping')
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
    """Return the names of MML's rules, and publish them to steps.

    Args:
        workflow: Snakemake's workflow object, once MML's Snakefile is read.
    """
    module = module_name(workflow)
    if module is None:
        withdraw_names()
        return RuleNames()
    all_names: dict[str, dict[str, str]] = getattr(workflow, "_mml_rule_names", {})
    names = dict(all_names.get(module, {}))  # from earlier `use rule` statements
    for name in workflow.modifier.rule_proxies._rules:
        if (full_name := workflow.modifier.avail_rulename(name)) is not None:
            names[full_name] = name
    workflow._mml_rule_names = {**all_names, module: names}
    publish_names(module, RuleNames(names))
    return RuleNames(names)


def warn_of_triggers(workflow: "Workflow") -> None:
    """Warn if the outer pipeline's profile has rerun triggers besides those of MML."""
    if triggers := sorted({str(trigger) for trigger in workflow.rerun_triggers} - TRIGGERS):
        warn(
            f"rerun-triggers {', '.join(triggers)} may train networks again without need; put "
            "'rerun-triggers: [mtime, params, input]' into the profile of the pipeline"
        )


def reserve_folders(workflow: Any, data: Path, project: Path) -> bool:
    """Reserve the folders of a module, and refuse those of another one: rules of both could write the same files.

    Args:
        workflow: Snakemake's workflow object.
        data: the data root of the study.
        project: the folder of its project.

    Returns:
        False if the module was read before: Snakemake reads it again for each `use rule`.

    Raises:
        MMLError: another module has reserved one of them.
    """
    if (module := module_name(workflow)) is None:
        return True
    folders: dict[str, tuple[Path, Path]] = getattr(workflow, "_mml_folders", {})
    folders_of_module = data.resolve(), project.resolve()
    for other, reserved in folders.items():
        if other != module and (folders_of_module[0] == reserved[0] or folders_of_module[1] == reserved[1]):
            key = "paths.data" if folders_of_module[0] == reserved[0] else "project"
            raise MMLError(f"{key}: the module {other} has the same; set another, or put all tasks into one study")
    workflow._mml_folders = {**folders, module: folders_of_module}
    return module not in folders
