"""The next training of a search: a proposed trial, or one that halving continues."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mml_lib.config.analysis.search_options import Search
from mml_lib.errors import MMLError
from mml_lib.pipelines.pipeline import Pipeline
from mml_lib.search.rungs import choose_slot, comparable_trials
from mml_lib.search.space import Space
from mml_lib.search.trial_pipelines import trial_pipeline
from mml_lib.search.trials import Objective, Trial, TrialRecord, TrialResult, with_result

NONE_LEFT = "no training of the rung below is left to continue"


def next_trial(
    config: Mapping[str, Any],
    base: Pipeline,
    space: Space,
    options: Search,
    objectives: Sequence[Objective],
    earlier: Sequence[TrialRecord],
    results: Sequence[TrialResult],
    former: Sequence[TrialRecord] = (),
) -> Trial:
    """Propose a trial.

    Trials with invalid values fail without a training, and so do trials with the values of a failed one.

    Args:
        config: the study, before it is validated.
        base: the pipeline that trials vary.
        space: the search space.
        options: the section `search`.
        objectives: the objectives.
        earlier: the earlier trials, with the results that the previous proposal used.
        results: results of trial `number` - `parallel`, one for each fold; empty for samplers that need none.
        former: trials of earlier studies.

    Raises:
        MMLError: the sampler refuses the search.
    """
    from mml_lib.search.proposing import propose

    number, trials = len(earlier) + 1, list(earlier)
    if results:
        index = number - options.parallel - 1
        trials[index] = with_result(trials[index], results, objectives)
    epochs = base.content["trainer"]["max_epochs"]
    comparable = comparable_trials(number, epochs, options.early_stopping, trials)
    values = propose(space, options, objectives, comparable, former, number)
    try:
        pipeline = trial_pipeline(config, base, values)
    except MMLError as error:
        return Trial(TrialRecord(number, values, None, failure=str(error)), None, trials)
    failed = next((record for record in trials if record.run == pipeline.run and record.failure), None)
    if failed is not None:
        failure = f"the same pipeline failed as trial {failed.number}: {failed.failure}"
        return Trial(TrialRecord(number, values, pipeline.run, failure=failure), None, trials)
    return Trial(TrialRecord(number, values, pipeline.run), dict(pipeline.content), trials)


def continued_trial(
    config: Mapping[str, Any],
    base: Pipeline,
    factor: int,
    objective: Objective,
    previous: Sequence[Trial],
    candidates: Sequence[TrialRecord],
) -> Trial:
    """Return the training that a slot of a rung continues.

    Args:
        config: the study, before it is validated.
        base: the pipeline that trials vary.
        factor: factor of the halving.
        objective: objective for comparing trainings.
        previous: the previous slot; empty for the first one.
        candidates: the trainings of the rung below that become eligible with this slot, with their results.
    """
    lower_rung = [record for slot in previous for record in slot.earlier] + list(candidates)
    continued = [index for slot in previous for index in slot.continued]
    index = choose_slot(len(lower_rung) // factor, factor, lower_rung, continued, objective)
    if index is None:
        return Trial(TrialRecord(0, {}, None, failure=_why_none_is_left(lower_rung)), None, lower_rung, continued)
    record = replace(lower_rung[index], objectives=None, epochs=None)
    pipeline = trial_pipeline(config, base, record.values)
    return Trial(record, dict(pipeline.content), lower_rung, [*continued, index])


def _why_none_is_left(lower_rung: Sequence[TrialRecord]) -> str:
    """Return the reason why a slot continues no training: the first failure in the rung below."""
    failed = next((record for record in lower_rung if record.failure), None)
    if failed is None:
        return NONE_LEFT
    return str(failed.failure) if failed.run is None else f"{NONE_LEFT}; trial {failed.number} failed: {failed.failure}"


def read_records(
    trials: Sequence[str | Path], results: Sequence[str | Path], objectives: Sequence[Objective]
) -> list[TrialRecord]:
    """Read trials with their results. Results are ordered by trial, then by fold."""
    per_trial = len(results) // len(trials)
    records = []
    for number, path in enumerate(trials):
        of_trial = results[number * per_trial : (number + 1) * per_trial]
        records.append(
            with_result(Trial.read(path).record, [TrialResult.read(result) for result in of_trial], objectives)
        )
    return records
