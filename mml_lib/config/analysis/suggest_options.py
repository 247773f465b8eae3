"""The section of a study about suggestions: pipelines merged from the best runs on similar tasks."""

from typing import Annotated

from pydantic import Field, PositiveInt, StringConstraints

from mml_lib.config.sections import Section


class Suggestions(Section):
    """Suggestions of sources and pipelines for the pivot, by distances between tasks."""

    distance: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")] = Field(
        description="Measure for the distances of sources: DISTANCES/<distance>.csv of the projects of "
        "reuse.distances. Without these projects, the section similarity computes it, or MML reads it from this "
        "project."
    )
    train_sources: bool = Field(
        False,
        description="Train networks on the sources in the same plan: the runs of the study's sweep and variants, on "
        "the first fold of each source. Otherwise, the networks must exist, in this project or in those of "
        "reuse.models.",
    )
    quantile: float = Field(
        0.25,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="Sources are the tasks whose distance to the pivot is within this quantile of all tasks' "
        "distances; 0: only the nearest, 1: all.",
    )
    runs: PositiveInt = Field(
        1, description="Number of procedures of each source to merge, the best ones by validation."
    )
    n: Annotated[int, Field(ge=1, le=1000)] = Field(3, description="Number of suggestions with different pipelines.")
    temperature: float = Field(
        0,
        ge=0,
        allow_inf_nan=False,
        description="0: the value with the largest weight wins; above 0: values are drawn with probabilities "
        "proportional to their weight to the power of 1/temperature.",
    )
    seed: Annotated[int, Field(ge=0, lt=2**32)] = Field(0, description="Seed of all draws.")
    keys: Annotated[list[str], Field(min_length=1)] | None = Field(
        None,
        description="Sections to suggest; unset: all to which another task's pipeline can contribute. The other "
        "sections are those of the study.",
    )
