"""Layers of a study: the files and values that the command line names."""

import sys
from argparse import ArgumentError, ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mml_lib.config.pipeline_folder import demo_study
from mml_lib.config.reading.layers import merge_layers, overlay, with_defaults
from mml_lib.config.reading.scalars import flow_text
from mml_lib.config.reading.study_files import parse_values, read_study, shorten
from mml_lib.engine.patches import set_job_config
from mml_lib.errors import MMLError

if TYPE_CHECKING:
    from snakemake.workflow import Workflow


@dataclass(frozen=True)
class StudyLayers:
    """Files and values that a study is composed of.

    Args:
        files: config files; later ones take precedence.
        values: values of `--config`, or the config that an outer pipeline gives; they take precedence over the files.
        config: the config of the study: files and values on the library's defaults.
    """

    files: Sequence[Path]
    values: Mapping[str, Any]
    config: Mapping[str, Any]

    @classmethod
    def read(cls, files: Sequence[Path], entries: Sequence[str] = ()) -> "StudyLayers":
        """Return the layers of config files and of entries of `--config`.

        Raises:
            MMLError: a file or a value that cannot be read.
        """
        for file in files[1:]:
            if not file.exists() and not file.suffix:
                raise MMLError(f"--configfile: there is no file {file.name}; write targets before this option")
        file_config = with_defaults(*map(read_study, map(shorten, files)))
        values = merge_layers(parse_values(entries, file_config))
        return cls(files, values, overlay(file_config, values))


def study_layers(workflow: "Workflow", pipeline: Path) -> StudyLayers:
    """Return the layers of the study that a Snakemake call names, and set them for the jobs that Snakemake starts.

    Snakemake keeps only the last one of a repeated option. MML merges all of them.

    Args:
        workflow: Snakemake's workflow object.
        pipeline: folder of MML's Snakefile.

    Raises:
        MMLError: a file or a value that cannot be read.
    """
    settings = workflow.config_settings
    options = _options(sys.argv[1:])
    start = Path(workflow.workdir_init)
    files = [start / file for files in options.configfile for file in files]
    last_files = [start / file for file in options.configfile[-1]] if options.configfile else []
    if last_files != list(settings.configfiles):  # they come from a profile or a Python program
        files = list(settings.configfiles)
    entries = [entry for entries in options.config for entry in entries]
    last_entries = options.config[-1] if options.config else []
    if last_entries != list(settings.config_args or ()):
        entries = list(settings.config_args or ())
    files = list(dict.fromkeys(reversed(files)))[::-1]  # the last place of a repeated file counts
    layers = StudyLayers.read(files or [demo_study(pipeline)], entries)
    values = [f"{key}={flow_text(value)}" for key, value in layers.values.items()] if entries else []
    set_job_config(workflow, layers.files if files else [], values)
    workflow.configfiles[:] = layers.files
    return layers


def _options(arguments: Sequence[str]) -> Namespace:
    """Return all values of the options that name a study: for each option, one list per occurrence."""
    parser = ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--configfile", "--configfiles", nargs="+", action="append", default=[])
    parser.add_argument("--config", "-C", nargs="*", action="append", default=[])
    try:
        return parser.parse_known_args(list(arguments))[0]
    except ArgumentError:  # not a command line of Snakemake
        return Namespace(configfile=[], config=[])
