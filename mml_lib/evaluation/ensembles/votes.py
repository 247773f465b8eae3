"""The best members of a vote, by a local search, followed by an exhaustive search or an integer program.

The vote on a sample (or on one label of a sample) is correct if no class has more votes than its target. Ties go to the
lower class, as in all metrics.
"""

import itertools
import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from mml_lib.evaluation.ensembles.ensemble_program import solve

EXACT = 1e-9
STARTS = 8  # starts of the local search
EXHAUSTIVE = 3e8  # largest number of samples × classes × choices of all members but one: a few seconds of search
NEVER = 100  # lead over the target's own class, which never loses


@dataclass(frozen=True)
class Vote:
    """Samples and choices of a vote.

    Args:
        votes: class that each member votes for, K×N (int).
        targets: class of each sample, N (int).
        classes: number of classes.
        weights: weight of each sample in the value of a vote, N, with sum 1.
    """

    votes: np.ndarray
    targets: np.ndarray
    classes: int
    weights: np.ndarray

    @classmethod
    def of(cls, votes: np.ndarray, targets: np.ndarray, balanced: bool) -> "Vote":
        """Return a vote with equal weights of samples, or of classes (`balanced`).

        Labels, K×N×labels and N×labels, become samples of two classes.
        """
        votes, targets = votes.reshape(len(votes), -1), targets.ravel().astype(int)
        classes = int(max(votes.max(), targets.max())) + 1
        amounts = np.bincount(targets, minlength=classes)
        weights = 1 / amounts[targets] if balanced else np.ones(len(targets))
        return cls(votes, targets, classes, weights / weights.sum())

    def value(self, chosen: np.ndarray) -> float:
        """Return the weight of the samples with a correct vote, in [0, 1], for the indices of the chosen members."""
        counts = sum((self.votes[member][:, None] == np.arange(self.classes)).astype(int) for member in chosen)
        return float(self.weights[counts.argmax(axis=1) == self.targets].sum())


@dataclass(frozen=True)
class Contest:
    """Samples whose vote depends on the choice of `size` members: n kinds of samples with equal votes and target.

    Args:
        leads: contribution of each member to the lead of the target over each class, -1 to 1, K×classes×n.
        needs: lead that the target needs, classes×n: 1 over lower classes, 0 over higher ones, and -`NEVER` for its own
            class.
        weights: weights of the kinds, n.
        sure: weight of the samples on which every choice is correct.
        size: number of members of a choice.
    """

    leads: np.ndarray
    needs: np.ndarray
    weights: np.ndarray
    sure: float
    size: int

    @classmethod
    def of(cls, vote: Vote, size: int) -> "Contest":
        """Return the contest of a vote, without the samples on which all choices are correct, or all wrong."""
        kinds, kind = np.unique(np.vstack([vote.votes, vote.targets]), axis=1, return_inverse=True)
        weights = np.bincount(kind.ravel(), vote.weights)
        votes, targets = kinds[:-1, None], kinds[-1]
        classes = np.arange(vote.classes)[:, None]
        number = np.int8 if size < NEVER // 2 else np.int16
        leads = ((votes == targets).astype(number) - (votes == classes)) * (classes != targets)
        needs = np.where(classes == targets, -NEVER, classes < targets)
        ordered = np.sort(leads, axis=0)
        at_worst, at_best = ordered[:size].sum(axis=0), ordered[-size:].sum(axis=0)
        sure = (at_worst >= needs).all(axis=0)
        open_ = (at_best >= needs).all(axis=0) & ~sure
        return cls(
            leads[:, :, open_].astype(number),
            needs[:, open_].astype(number),
            weights[open_],
            float(weights[sure].sum()),
            size,
        )


def best_vote(vote: Vote, size: int, seed: int, time_limit: float) -> tuple[np.ndarray, dict[str, Any], int]:
    """Return the indices of the best `size` members, the proof, and the number of choices that the local search tried.

    If there are few choices, all are evaluated. Otherwise an integer program improves the result of the local search
    and gives an upper bound. If the time limit ends either, the result may depend on the speed of the machine.

    Args:
        vote: the vote.
        size: number of members to choose.
        seed: seed of the local search and of the integer program.
        time_limit: time limit in seconds.

    Returns:
        Sorted indices, the `proof` of `EnsembleStorage`, and the number of choices.
    """
    end = time.monotonic() + time_limit
    best, tried = local_search(vote, size, seed)
    contest = Contest.of(vote, size)
    number = len(vote.votes)
    if math.comb(number, size - 1) * contest.needs.size <= EXHAUSTIVE:
        best, bound, method = *exhaustive_search(vote, contest, best, end), "all choices"
    else:
        best, bound, method = *solve(vote, contest, best, seed, end), "integer program"
    value = vote.value(best)
    bound = max(bound, value)
    optimal = bound - value <= EXACT
    bound = value if optimal else bound
    proof = {"method": method, "value": value, "bound": bound, "gap": bound - value, "optimal": optimal}
    return np.sort(best), proof, tried


def local_search(vote: Vote, size: int, seed: int) -> tuple[np.ndarray, int]:
    """Return a good choice and the number of tried choices. From several starts, members are exchanged one by one."""
    rng = np.random.default_rng(seed)
    ballots = (vote.votes[:, :, None] == np.arange(vote.classes)).astype(np.int16)
    accuracies = np.array([vote.weights[votes == vote.targets].sum() for votes in vote.votes])
    number = len(ballots)
    starts = [np.argsort(-accuracies, kind="stable")[:size]]
    starts += [rng.choice(number, size, replace=False) for _ in range(STARTS - 1)] if size < number else []
    best, best_value, tried = starts[0], -1.0, 0
    for start in starts:
        chosen, value, count = _exchanged(vote, ballots, start)
        tried += count
        if value > best_value + EXACT:
            best, best_value = chosen, value
    return best, tried


def _exchanged(vote: Vote, ballots: np.ndarray, chosen: np.ndarray) -> tuple[np.ndarray, float, int]:
    """Return the local optimum under exchanges of one member, its value, and the number of evaluated choices."""
    chosen, tried = chosen.copy(), 1
    value = vote.value(chosen)
    while True:
        counts = ballots[chosen].sum(axis=0)
        exchanges = [(value, -1, -1)]
        for place, other in itertools.product(range(len(chosen)), np.setdiff1d(np.arange(len(ballots)), chosen)):
            wins = (counts - ballots[chosen[place]] + ballots[other]).argmax(axis=1) == vote.targets
            exchanges.append((float(vote.weights @ wins), place, int(other)))
        tried += len(exchanges) - 1
        best = max(exchanges, key=lambda exchange: exchange[0])
        if best[0] <= value + EXACT:
            return chosen, value, tried
        value, chosen[best[1]] = best[0], best[2]


def exhaustive_search(vote: Vote, contest: Contest, best: np.ndarray, end: float) -> tuple[np.ndarray, float]:
    """Return the best of all choices and an upper bound of their values. Choices that cannot be better are skipped.

    All members but the last are enumerated; the effect of the last one is computed by one matrix product for all
    candidates. With m the least excess of the lead over the needed lead, the last member changes two kinds of samples:
    those with m = 0 are lost if it votes for a class with this lead, and those with m = -1 are won if it votes for the
    target. The search stops at `end` of the monotonic clock.
    """
    number, _, kinds = contest.leads.shape
    unit = contest.weights.min() if kinds else 1.0  # equal weights become integers, whose sums are exact
    weights = (contest.weights / unit).astype(np.float32)
    against = (contest.leads == -1) * weights  # K×classes×n: votes for another class
    wins = (contest.leads.max(axis=1) == 1) * weights  # K×n: votes for the target
    changes = np.concatenate([-against.reshape(number, -1), wins], axis=1).T
    best_value = vote.value(best)
    if contest.size == 1 or not kinds:
        return best, best_value  # the local search tried all members; or all choices are equal
    for chosen in itertools.combinations(range(number), contest.size - 2):
        if time.monotonic() > end:
            return best, contest.sure + float(contest.weights.sum())
        first = chosen[-1] + 1 if chosen else 0
        lead = contest.leads[list(chosen)].sum(axis=0, dtype=contest.leads.dtype) - contest.needs
        to_beat = (best_value - contest.sure + EXACT) / unit
        if (lead.min(axis=0) >= -2) @ weights <= to_beat:
            continue
        leads = lead + contest.leads[first : number - 1]
        least = leads.min(axis=1)
        rows = np.flatnonzero((least >= -1) @ weights > to_beat)
        if not len(rows):
            continue
        near = (leads[rows] == 0) & (least[rows] == 0)[:, None]
        decided = np.concatenate([near.reshape(len(rows), -1), least[rows] == -1], axis=1).astype(np.float32)
        values = ((least[rows] >= 0) @ weights)[:, None] + decided @ changes[:, first + 1 :]
        values[np.arange(first + 1, number) <= (first + rows)[:, None]] = -np.inf  # each choice once
        row, last = np.unravel_index(values.argmax(), values.shape)
        if values[row, last] > to_beat:
            better = np.array([*chosen, first + rows[row], first + 1 + last])
            if (value := vote.value(better)) > best_value + EXACT:
                best, best_value = better, value
    return best, best_value
