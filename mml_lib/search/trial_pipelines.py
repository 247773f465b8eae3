"""Pipelines of trials: the pipeline of the study with the proposed values."""

from collections.abc import Mapping
from typing import Any

from mml_lib.config.loading import load_study
from mml_lib.config.reading.layers import with_values
from mml_lib.config.schema import StudyConfig
from mml_lib.pipelines.pipeline import Pipeline, pipeline_sections

MODE_ENTRIES = ("multitask", "pretraining", "frozen")
"""Entries that a mode adds to a pipeline."""


def trial_pipeline(config: Mapping[str, Any], base: Pipeline, values: Mapping[str, Any]) -> Pipeline:
    """Return the pipeline of a trial. An ordinary run with this pipeline has the same run id.

    Args:
        config: the study, before it is validated.
        base: the pipeline that the search varies.
        values: values by dotted key.

    Raises:
        MMLError: the values are incompatible or invalid.
    """
    return pipeline_of(trial_config(config, base, values), base)


def pipeline_of(cfg: StudyConfig, base: Pipeline) -> Pipeline:
    """Return the pipeline of a config for the task of another pipeline."""
    entries = {key: base.content[key] for key in MODE_ENTRIES if key in base.content}
    return Pipeline.of(cfg, base.task, entries, base.content.get("code"))


def trial_config(config: Mapping[str, Any], base: Pipeline, values: Mapping[str, Any]) -> StudyConfig:
    """Return the validated config of a trial.

    Raises:
        MMLError: the values are incompatible or invalid.
    """
    content = pipeline_sections(config, base)
    derived = load_study({**content, "normalization": None})
    if derived.normalization_of("pretraining" in base.content) == base.content["normalization"]:
        content["normalization"] = None  # to be derived from the trial's arch
    return load_study(with_values(content, values))
