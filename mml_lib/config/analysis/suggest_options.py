"""The section of a study about suggestions: pipelines merged from the best runs on similar tasks."""

from typing import Annotated

from pydantic import Field, PositiveInt, StringConstraints

from mml_lib.config.sections import Section


class Suggestions(Section):
    """Suggestion of sources and pipelines for the pivot, by the distances of tasks to it."""

    distance: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")] = Field(
        description="Measure by which sources are near: DISTANCES/<distance>.csv of the projects of reuse.distances; "
        "without them it is computed by the section similarity, or read from this project."
    )
    train_sources: bool = Field(
        False,
        description="Train networks on the sources in the same plan: the runs of the study's sweep and variants, on "
        "their first fold. Otherwise networks have to be there, in this project or those of reuse.models.",
    )
    quantile: float = Field(
        0.25,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="Sources are the tasks whose distance to the pivot is within this quantile of all tasks' "
        "distances; 0: the nearest only, 1: all.",
    )
    runs: PositiveInt = Field(1, description="Procedures of each source, the best ones by validation, that are merged.")
    n: Annotated[int, Field(ge=1, le=1000)] = Field(3, description="Number of suggestions, each a pipeline of its own.")
    temperature: float = Field(
        0,
        ge=0,
        allow_inf_nan=False,
        description="0: the choice with the most weight wins; above: choices are drawn by their weight to the power of "
        "1/temperature.",
    )
    seed: Annotated[int, Field(ge=0, lt=2**32)] = Field(0, description="Seed of all draws.")
    keys: Annotated[list[str], Field(min_length=1)] | None = Field(
        None,
        description="Sections to suggest; unset: all that another task's pipeline can say something about. The others "
        "are those of the study.",
    )
