"""Searches for a good ensemble: a fixed number of candidates, or forward selection."""

import itertools
import math
from collections.abc import Iterator

import numpy as np

from mml_lib.evaluation.ensembles.objective import Objective
from mml_lib.evaluation.ensembles.options import EnsembleOptions

BATCH = 256  # number of candidates in one computation
ROUNDS = 50  # of forward selection: weights are multiples of 1/50 or of a larger fraction
LEAST = 1e-4  # smaller weights become 0, because they have no effect

SearchResult = tuple[np.ndarray, int]
"""Weights of all members, K, most of them 0; and the number of evaluated candidates."""


def best_member(objective: Objective) -> SearchResult:
    """Return the best member only."""
    losses = objective.singles()
    weights = np.zeros(len(losses))
    weights[losses.argmin()] = 1
    return weights, len(losses)


def all_members(objective: Objective) -> SearchResult:
    """Return all members with equal weights."""
    return np.full(len(objective.features), 1 / len(objective.features)), 1


def forward_selection(objective: Objective, size: int) -> SearchResult:
    """Return an ensemble of at most `size` different members by forward selection with replacement.

    The first members are the n best ones, for the n with the lowest loss (sorted initialisation). Each round adds the
    member that lowers the loss most, perhaps again. The result is the best ensemble of all rounds (Caruana et al. 2004,
    doi:10.1145/1015330.1015432).
    """
    features, singles = objective.features, objective.singles()
    order = np.argsort(singles, kind="stable")
    grown = np.cumsum(features[order[:size]], axis=0) / np.arange(1, size + 1, dtype=features.dtype)[:, None]
    starts = objective.losses(grown)
    number = int(starts.argmin()) + 1
    counts = np.bincount(order[:number], minlength=len(features))
    total = features[order[:number]].sum(axis=0)
    best, least, tried = counts.copy(), starts[number - 1], len(singles) + size
    for chosen in range(number + 1, ROUNDS + 1):
        open_ = np.arange(len(features)) if (counts > 0).sum() < size else np.flatnonzero(counts)
        losses = _grown(objective, total, open_, chosen)
        pick = open_[losses.argmin()]
        counts[pick] += 1
        total += features[pick]
        tried += len(open_)
        if losses.min() < least:
            best, least = counts.copy(), losses.min()
    return best / best.sum(), tried


def _grown(objective: Objective, total: np.ndarray, members: np.ndarray, number: int) -> np.ndarray:
    """Return the loss of the ensemble with each of the members added, one number per member; the least is exact.

    Args:
        objective: the objective.
        total: sum of the features of the ensemble.
        members: indices of the members to add.
        number: size of the ensemble with the added member.
    """
    size = max(1, 2**22 // len(total))
    chunks = (members[start : start + size] for start in range(0, len(members), size))
    return np.concatenate([objective.losses((total + objective.features[chunk]) / number, np.inf) for chunk in chunks])


def budget_search(objective: Objective, options: EnsembleOptions) -> SearchResult:
    """Return the best of `budget` candidates with 2 to `max_ensemble_size` members, or the best single member.

    A candidate has a random size. Its members are the next best set by rank, or a random set with the probability
    `temperature`. Each set is evaluated with equal weights and with `weights_budget` draws from a Dirichlet
    distribution, which prefers good members.
    """
    singles = objective.singles()
    rng = np.random.default_rng(options.seed)
    best, _ = best_member(objective)
    least, tried = singles.min(), len(singles)
    sets = sets_of_members(np.argsort(singles, kind="stable"), options, rng)
    candidates = itertools.islice(_weighted(sets, singles, options, rng), options.budget)
    while batch := list(itertools.islice(candidates, BATCH)):
        weights = np.stack(batch)
        losses = objective.of_weights(weights, least)
        tried += len(batch)
        if losses.min() < least:
            best, least = weights[losses.argmin()], losses.min()
    return best, tried


def sets_of_members(order: np.ndarray, options: EnsembleOptions, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Yield all sets of members, each once."""
    number = len(order)
    left = {size: math.comb(number, size) for size in range(2, min(options.max_ensemble_size, number) + 1)}
    in_order = {size: itertools.combinations(range(number), size) for size in left}
    seen: set[tuple[int, ...]] = set()
    while left:
        size = list(left)[rng.integers(len(left))]
        chosen = None
        if rng.random() < options.temperature:
            chosen = tuple(sorted(rng.choice(number, size, replace=False).tolist()))
        if chosen is None or chosen in seen:
            chosen = next(candidate for candidate in in_order[size] if candidate not in seen)
        seen.add(chosen)
        left[size] -= 1
        if not left[size]:
            del left[size]
        yield order[list(chosen)]


def _weighted(
    sets: Iterator[np.ndarray], singles: np.ndarray, options: EnsembleOptions, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    """Yield the weights of all members, K, of each candidate."""
    for chosen in sets:
        # A member with half the loss has twice the weight on average. Equal losses: all weights are equally likely.
        inverse = 1 / np.maximum(singles[chosen], 1e-6)
        alpha = np.clip(inverse / max(inverse.mean(), 1e-9), 0.05, None) * (1 - options.weights_temperature)
        drawn = rng.dirichlet(alpha, options.weights_budget) if options.weights_budget else ()
        for share in (np.ones(len(chosen)), *drawn):
            weights = np.zeros(len(singles))
            weights[chosen] = np.where(share < LEAST, 0, share)
            yield weights / weights.sum()
