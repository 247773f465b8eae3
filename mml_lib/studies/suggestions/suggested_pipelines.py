"""Suggested pipelines: distinct pipelines, merged from those of near sources."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mml_lib.config.analysis.suggest_options import Suggestions
from mml_lib.errors import MMLError
from mml_lib.files.stored import yaml_text
from mml_lib.pipelines.differences import flatten
from mml_lib.pipelines.digests import canonical_json
from mml_lib.pipelines.pipeline import PIPELINE_KEYS, Pipeline
from mml_lib.pipelines.pipeline_merging import NOT_SET, Voter, chooser, merge
from mml_lib.studies.suggestions.near_sources import Source, SourceProcedure, as_content

OF_TASK_TYPE = ("decoder", "augmentations", "loss", "callbacks", "store_best", "class_weights", "mixing", "patches")
"""Sections that only pipelines of the pivot's task type can contribute to."""

OF_MACHINE = ("precision", "devices", "strategy")
"""Keys of the trainer that the study sets."""

SUGGESTED = tuple(key for key in PIPELINE_KEYS if key not in ("seed", "compile"))
"""Sections that are suggested by default."""

ATTEMPTS = 1000
"""Largest number of draws of weights in the search for distinct pipelines."""


@dataclass(frozen=True)
class Suggestion:
    """One suggested pipeline.

    Args:
        number: number of the suggestion, from 1.
        content: sections of the pipeline; sections that are not suggested are the study's own.
        weights: weight of each procedure, by run; they add up to 1.
        source: source to pretrain on; None: no source has weights of the study's backbone.
    """

    number: int
    content: Mapping[str, Any]
    weights: Mapping[str, float]
    source: str | None


def suggest(
    number: int,
    sources: Sequence[Source],
    own: Mapping[str, Any],
    options: Suggestions,
    pretrainable: Sequence[str] = (),
) -> Suggestion:
    """Return a suggestion that differs from all suggestions with smaller numbers.

    The first suggestion uses the weights of the sources. Each further one multiplies them by draws from an exponential
    distribution (Bayesian bootstrap, Rubin 1981), to simulate another sample of sources.

    Args:
        number: number of the suggestion, from 1.
        sources: tasks with their procedures and weights.
        own: content of the study's pipeline for the pivot.
        options: the section `suggest`.
        pretrainable: tasks with weights to start from.

    Raises:
        MMLError: there are too few distinct pipelines.
    """
    procedures = [(source, procedure) for source in sources for procedure in source.procedures]
    distinct: dict[str, Suggestion] = {}
    for attempt in range(ATTEMPTS):
        draws = random.Random(f"{options.seed}-{attempt}")
        factors = [draws.expovariate(1.0) if attempt else 1.0 for _ in procedures]
        products = [source.weight * factor for (source, _), factor in zip(procedures, factors, strict=True)]
        weights = [product / sum(products) for product in products]
        content = _merged([procedure for _, procedure in procedures], weights, own, options, draws)
        text = canonical_json(content)
        if text not in distinct:
            by_run = {
                procedure.pipeline.run: weight for (_, procedure), weight in zip(procedures, weights, strict=True)
            }
            source = _heaviest(procedures, weights, pretrainable)
            distinct[text] = Suggestion(len(distinct) + 1, content, by_run, source)
        if len(distinct) == number:
            return list(distinct.values())[-1]
    raise MMLError(
        f"suggest.n: the procedures of near sources ({len(procedures)}) give no more distinct pipelines than "
        f"{len(distinct)}; set suggest.n (and mode.suggestion) to {len(distinct)}, or raise suggest.quantile or "
        "suggest.runs"
    )


def check_differing(number: int, pipelines: Sequence[Pipeline], own: Mapping[str, Any], options: Suggestions) -> None:
    """Refuse several suggestions from pipelines that do not differ, before distances and networks exist.

    Args:
        number: number of the last suggestion.
        pipelines: pipelines of all networks of sources.
        own: content of the study's pipeline for the pivot.
        options: the section `suggest`.

    Raises:
        MMLError: each suggested section has only one value.
    """
    values: dict[str, set[str]] = {}
    for pipeline in pipelines if number > 1 else ():
        for section in options.keys or SUGGESTED:
            if _contributes(section, pipeline.content, own):
                values.setdefault(section, set()).add(canonical_json(pipeline.content.get(section)))
    if number > 1 and all(len(section_values) == 1 for section_values in values.values()):
        raise MMLError(
            "suggest.n: the pipelines of all sources are alike, and give 1 distinct pipeline; set suggest.n (and "
            "mode.suggestion) to 1, or train sources by several pipelines (sweep, variants, suggest.train_sources)"
        )


def _heaviest(
    procedures: Sequence[tuple[Source, SourceProcedure]], weights: Sequence[float], pretrainable: Sequence[str]
) -> str | None:
    totals: dict[str, float] = {}
    for (source, _), weight in zip(procedures, weights, strict=True):
        if source.task in pretrainable:
            totals[source.task] = totals.get(source.task, 0.0) + weight
    return max(totals, key=lambda task: totals[task]) if totals else None


def _merged(
    procedures: Sequence[SourceProcedure],
    weights: Sequence[float],
    own: Mapping[str, Any],
    options: Suggestions,
    draws: random.Random,
) -> dict[str, Any]:
    """Return the study's pipeline with the suggested sections merged from procedures."""
    content = {key: own[key] for key in ("version", "task", *PIPELINE_KEYS) if key in own}
    choose = chooser(options.temperature, draws)
    for section in options.keys or SUGGESTED:
        voters = [
            Voter(procedure.pipeline.content.get(section, NOT_SET), weight)
            for procedure, weight in zip(procedures, weights, strict=True)
            if _contributes(section, procedure.pipeline.content, own)
        ]
        if not voters:
            continue
        value = merge(section, voters, choose)
        if value is NOT_SET:
            content.pop(section, None)
        elif section == "trainer":
            machine_keys = {key: own["trainer"][key] for key in OF_MACHINE if key in own["trainer"]}
            content[section] = {key: item for key, item in value.items() if key not in OF_MACHINE} | machine_keys
        else:
            content[section] = value
    return content


def _contributes(section: str, content: Mapping[str, Any], own: Mapping[str, Any]) -> bool:
    """Return True if a section of a source's pipeline can be used for another task."""
    if section == "class_weights" and isinstance(content.get(section), Mapping):  # weights by class name
        return False
    same_type = content["task"]["task_type"] == own["task"]["task_type"] and "multitask" not in content
    return same_type or section not in OF_TASK_TYPE


def suggestion_text(
    suggestion: Suggestion, sources: Sequence[Source], own: Mapping[str, Any], options: Suggestions, threshold: float
) -> str:
    """Return the blueprint of a suggestion: its pipeline, and the sources and weights that it is merged from."""
    procedures = [procedure for source in sources for procedure in source.procedures]
    merged = ", ".join(source.task for source in sources if source.procedures)
    chosen = {
        "number": suggestion.number,
        "task": own["task"]["name"],
        "why": (
            f"merged from the best procedures on tasks within the quantile {options.quantile:g} of the distances "
            f"{options.distance}: {merged}"
        ),
        "options": options.model_dump(mode="json"),
        "threshold": threshold,
        "sources": as_content(sources),
        "weights": dict(suggestion.weights),
        "pretrain_task": suggestion.source,
        "keys": _keys(suggestion, procedures, own, options),
    }
    return yaml_text("blueprint", {"chosen": chosen, "pipeline": dict(suggestion.content)})


def _keys(
    suggestion: Suggestion, procedures: Sequence[SourceProcedure], own: Mapping[str, Any], options: Suggestions
) -> dict[str, dict[str, Any]]:
    """Return the values of each key that differ between suggestion, study and procedures.

    Values have the keys `suggested`, `study` and the run ids of procedures.
    """
    sections = options.keys or SUGGESTED
    contents = {
        "suggested": suggestion.content,
        "study": own,
        **{procedure.pipeline.run: procedure.pipeline.content for procedure in procedures},
    }
    flat = {name: flatten({key: content.get(key) for key in sections}) for name, content in contents.items()}
    keys = dict.fromkeys(key for values in flat.values() for key in values)
    rows = {key: {name: values.get(key) for name, values in flat.items()} for key in keys}
    return {key: row for key, row in rows.items() if len({canonical_json(value) for value in row.values()}) > 1}
