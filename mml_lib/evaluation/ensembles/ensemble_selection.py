"""Selection of an ensemble by some of the samples, and its assessment on the others."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from mml_lib.errors import MMLError
from mml_lib.evaluation.ensembles.combining import mixed, mixed_masks
from mml_lib.evaluation.ensembles.ensemble_search import all_members, best_member, budget_search, forward_selection
from mml_lib.evaluation.ensembles.ensemble_storage import EnsembleStorage, Member
from mml_lib.evaluation.ensembles.objective import Objective, score
from mml_lib.evaluation.ensembles.options import PROGRAM_NEEDS_ALL, PROGRAM_WEIGHS_NONE, EnsembleOptions
from mml_lib.evaluation.ensembles.parts import divide
from mml_lib.evaluation.ensembles.pool import Pool, check_selectable, same_masks
from mml_lib.evaluation.ensembles.votes import Vote, best_vote
from mml_lib.evaluation.evaluation import evaluate, finite_or_none
from mml_lib.predictions.predictions import AnyPredictions, MaskPredictions, are_masks
from mml_lib.task_types import TASK_TYPES


def select_ensemble(
    task: str,
    members: Sequence[Member],
    predictions: Sequence[AnyPredictions],
    options: EnsembleOptions,
    groups: Sequence[str] | np.ndarray | None = None,
) -> EnsembleStorage:
    """Select an ensemble by a share of labelled samples, and assess it on the others. The result depends on the seed.

    Args:
        task: task that is predicted.
        members: networks or runs, K.
        predictions: predictions of the same samples by each member, K; the order of samples may differ.
        options: options of the selection.
        groups: group (patient) of each sample, N, in the order of the first predictions. Groups are not divided.

    Raises:
        MMLError: samples, classes or targets of the predictions differ, or the samples do not suffice for a selection.
    """
    if are_masks(predictions):
        return _select_by_masks(task, members, predictions, options, groups)
    pool = Pool.of(members, predictions)
    metric = options.metric_of(pool.task_type)
    chooses = options.strategy != "mean"
    _check(pool, options, chooses)
    selects = divide(pool.targets, pool.task_type, groups, options.eval_frac, options.seed, chooses)
    selection = pool.part(np.flatnonzero(selects))
    weights, temperature, candidates, proof = _selected(selection, metric, options)
    chosen = np.flatnonzero(weights).tolist()
    votes = proof is not None

    def value(rows: np.ndarray) -> float:
        part = replace(pool.part(rows), members=[members[row] for row in chosen], logits=pool.logits[chosen][:, rows])
        return score(
            pool.task_type, metric, mixed(part, weights[chosen], votes, temperature), part.targets, part.weights
        )

    return EnsembleStorage(
        task=task,
        task_type=pool.task_type,
        members=[members[row] for row in chosen],
        weights=weights[chosen].tolist(),
        votes=votes,
        member_temperature=temperature,
        candidates=candidates,
        proof=proof,
        **_assessment(pool.ids, selects, value(np.flatnonzero(selects)), value(np.flatnonzero(~selects))),
        **_choice(options, metric),
    )


def _check(pool: Pool, options: EnsembleOptions, chooses: bool) -> None:
    """Check that members can be selected from a pool.

    Raises:
        MMLError: the samples do not suffice, the strategy does not support them, or there are too few members.
    """
    check_selectable(pool, chooses)
    if options.strategy == "program" and not TASK_TYPES[pool.task_type].has_values and np.isnan(pool.targets).any():
        raise MMLError(PROGRAM_NEEDS_ALL)
    if options.strategy == "program" and pool.weights is not None:
        raise MMLError(PROGRAM_WEIGHS_NONE)
    options.check_members(len(pool.members))


def _assessment(ids: np.ndarray, selects: np.ndarray, selection: float, assessed: float) -> dict[str, Any]:
    """Return the fields of an ensemble about the samples that select it, and about those that assess it."""
    return {
        "selection_value": finite_or_none(selection),
        "selection_ids": ids[selects].tolist(),
        "assessed_value": finite_or_none(assessed),
        "assessed_samples": int((~selects).sum()),
    }


def _choice(options: EnsembleOptions, metric: str) -> dict[str, Any]:
    """Return the fields of an ensemble about the choice of its members."""
    named = asdict(options) | {"metric": metric, "member_temperatures": list(options.member_temperatures)}
    return {"strategy": options.strategy, "metric": metric, "seed": options.seed, "options": named}


def _selected(
    pool: Pool, metric: str, options: EnsembleOptions
) -> tuple[np.ndarray, float, int, dict[str, Any] | None]:
    """Return weights of all members, K, their temperature, the number of candidates, and the proof of a vote."""
    if options.strategy == "program":
        targets = pool.targets >= 0.5 if TASK_TYPES[pool.task_type].is_multilabel else pool.targets
        vote = Vote.of(pool.votes(), targets, metric == "balanced_accuracy")
        chosen, proof, tried = best_vote(vote, options.max_ensemble_size, options.seed, options.time_limit)
        weights = np.zeros(len(pool.members))
        weights[chosen] = 1 / len(chosen)
        return weights, 1.0, tried, proof
    tried, searches = 0, []
    for temperature in options.member_temperatures:
        objective = Objective(pool, metric, temperature)
        weights, count = _searched(objective, options)
        tried += count
        searches.append((objective.of_weights(weights[None])[0], weights, float(temperature)))
    _, weights, temperature = min(searches, key=lambda search: search[0])
    return weights, temperature, tried, None


def _searched(objective: Objective, options: EnsembleOptions) -> tuple[np.ndarray, int]:
    if options.strategy == "mean":
        return all_members(objective)
    if options.strategy == "greedy":
        return forward_selection(objective, options.max_ensemble_size)
    if options.strategy == "budget":
        return budget_search(objective, options)
    return best_member(objective)


def _select_by_masks(
    task: str,
    members: Sequence[Member],
    predictions: Sequence[MaskPredictions],
    options: EnsembleOptions,
    groups: Sequence[str] | np.ndarray | None,
) -> EnsembleStorage:
    """Select an ensemble of masks: all members, or the best one."""
    task_type = MaskPredictions.task_type
    metric = options.metric_of(task_type)
    ordered = same_masks(members, predictions, by_classes=options.strategy != "mean")
    ids = ordered[0].ids
    selects = divide(np.zeros(len(ids)), task_type, groups, options.eval_frac, options.seed)
    selection, others = ([masks.take(np.flatnonzero(rows)) for masks in ordered] for rows in (selects, ~selects))
    chosen = list(range(len(members)))
    if options.strategy == "best":
        singles = [evaluate(masks, [metric])[metric] for masks in selection]
        chosen = [int(np.nan_to_num(singles, nan=-np.inf).argmax())]
    weights = [1 / len(chosen)] * len(chosen)

    def value(part: Sequence[MaskPredictions]) -> float:
        return evaluate(mixed_masks([part[row] for row in chosen], weights), [metric])[metric]

    return EnsembleStorage(
        task=task,
        task_type=task_type,
        members=[members[row] for row in chosen],
        weights=weights,
        votes=True,
        member_temperature=1.0,
        candidates=len(members) if options.strategy == "best" else 1,
        **_assessment(ids, selects, value(selection), value(others)),
        **_choice(options, metric),
    )
