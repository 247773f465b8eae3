"""The best trials of a search."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mml_lib.errors import MMLError
from mml_lib.files.checksums import verify
from mml_lib.files.stored import yaml_text
from mml_lib.pipelines.pipeline import Pipeline, read_stored_yaml
from mml_lib.search.trials import Objective, TrialRecord


def read_choice(path: str | Path) -> tuple[dict[str, Any], str]:
    """Read the pipeline that a search has chosen, and its run id.

    Raises:
        MMLError: the file is missing, damaged, or of a newer format.
    """
    verify(path)
    content = read_stored_yaml(Path(path), "blueprint")
    return content["pipeline"], content["chosen"]["run"]


def rank_trials(records: Sequence[TrialRecord], objective: Objective, rank: int) -> TrialRecord:
    """Return the trial at a rank, from 1 (the best) on, among trials with different pipelines.

    Of equal trials, the earlier one ranks first.

    Raises:
        MMLError: fewer trials than the rank have a value.
    """
    done = {record.run: record for record in reversed(records) if record.objectives is not None}
    ordered = sorted(done.values(), key=lambda record: (-objective.sign * _first(record), record.number))
    if len(ordered) < rank:
        raise MMLError(f"search: {_why_none_has(rank, len(ordered), records)}")
    return ordered[rank - 1]


def _why_none_has(rank: int, ranked: int, records: Sequence[TrialRecord]) -> str:
    """Return the reason why no trial has a rank: failures, with the first one, or too few different trials."""
    failed = [record for record in records if record.failure]
    if not failed:
        return f"{ranked} different trials of {len(records)} have a value, so none is number {rank}; lower search.top"
    place = f"trial {failed[0].number}: " if failed[0].number else ""  # slots of a rung may have none
    first = f"{place}{failed[0].failure}"
    if not ranked:
        return f"no trial ended with a value; the first failure is: {first}"
    return f"{ranked} different trials have a value, so none is number {rank}; {len(failed)} failed, first {first}"


def check_unchanged(path: str | Path, record: TrialRecord) -> None:
    """Refuse to change the trial behind a run whose pipeline exists, because its networks are not trained again.

    Args:
        path: path of the run's pipeline.
        record: the chosen trial.

    Raises:
        MMLError: the pipeline is that of another trial.
    """
    if not Path(path).exists():
        return
    written = Pipeline.read(Path(path)).content["search"]["trained_as"]
    if written != record.run:
        raise MMLError(
            f"search: the best trials have changed: {path} is that of run {written}, but trial {record.number} (run "
            f"{record.run}) is chosen now; remove this file and the networks of its run, or set another project"
        )


def _first(record: TrialRecord) -> float:
    assert record.objectives is not None, "only trials with a value are ranked"
    return record.objectives[0]


def choice_text(
    record: TrialRecord,
    pipeline: Mapping[str, Any],
    objectives: Sequence[Objective],
    number: int,
    rank: int,
) -> str:
    """Return a chosen pipeline as YAML, with the reason.

    Args:
        record: the trial.
        pipeline: its pipeline.
        objectives: the objectives.
        number: number of trials that it was chosen from.
        rank: its rank among them.
    """
    assert record.objectives is not None, "only trials with a value are chosen"
    values = {objective.name: value for objective, value in zip(objectives, record.objectives, strict=True)}
    best = "the best" if rank == 1 else f"number {rank}"
    reason = {
        "trial": record.number,
        "rank": rank,
        "run": record.run,
        "values": dict(record.values),
        "objectives": values,
        "why": f"{best} of {number} trials by validation {objectives[0].name} ({record.objectives[0]:.6g})",
    }
    return yaml_text("blueprint", {"chosen": reason, "pipeline": dict(pipeline)})
