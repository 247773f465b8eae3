"""The best members of a vote: a local search first, then all choices are counted out or an integer program goes on.

A sample (of a multi-label task: one of its labels) is right if no class has more votes than its target; ties go to the
lower class, as everywhere.
"""

import itertools
import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from mml_lib.evaluation.ensembles.ensemble_program import solve

EXACT = 1e-9
STARTS = 8  # of the local search
COUNTED = 3e8  # samples × classes × choices of all members but one: some seconds of counting all choices out
NEVER = 100  # the lead over a class that is no rival


@dataclass(frozen=True)
class Vote:
    """Samples and choices of a vote.

    Args:
        votes: the class that each member votes for, K×N.
        targets: N.
        classes: number of classes.
        weights: what it is worth to be right on each sample, N, summing to 1.
    """

    votes: np.ndarray
    targets: np.ndarray
    classes: int
    weights: np.ndarray

    @classmethod
    def of(cls, votes: np.ndarray, targets: np.ndarray, balanced: bool) -> "Vote":
        """Count each sample, or each class (`balanced`), alike; labels, K×N×labels and N×labels, are samples of two."""
        votes, targets = votes.reshape(len(votes), -1), targets.ravel().astype(int)
        classes = int(max(votes.max(), targets.max())) + 1
        amounts = np.bincount(targets, minlength=classes)
        weights = 1 / amounts[targets] if balanced else np.ones(len(targets))
        return cls(votes, targets, classes, weights / weights.sum())

    def value(self, chosen: np.ndarray) -> float:
        """Return the share that the members of a choice, given by their numbers, get right."""
        counts = sum((self.votes[member][:, None] == np.arange(self.classes)).astype(int) for member in chosen)
        return float(self.weights[counts.argmax(axis=1) == self.targets].sum())


@dataclass(frozen=True)
class Contest:
    """Samples that decide a vote of `size` members: n kinds that some choices get right and others wrong.

    Args:
        leads: how a member helps the target against each class, -1 to 1, K×classes×n.
        needs: the lead that the target needs, 1 over lower classes and 0 over others; below any lead for its own,
            classes×n.
        weights: of the kinds, n.
        sure: weight of the samples that every choice gets right.
        size: members of a choice.
    """

    leads: np.ndarray
    needs: np.ndarray
    weights: np.ndarray
    sure: float
    size: int

    @classmethod
    def of(cls, vote: Vote, size: int) -> "Contest":
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
    """Return the numbers of the best `size` members, what is proved of them, and how many choices the search tried.

    Where there are few choices, all are counted out; otherwise an integer program improves on the search and bounds
    what is possible. If the time limit (seconds) ends either, what it found may depend on the speed of the machine.
    """
    end = time.monotonic() + time_limit
    best, tried = local_search(vote, size, seed)
    contest = Contest.of(vote, size)
    number = len(vote.votes)
    if math.comb(number, size - 1) * contest.needs.size <= COUNTED:
        best, bound, method = *count_out(vote, contest, best, end), "all choices"
    else:
        best, bound, method = *solve(vote, contest, best, seed, end), "integer program"
    value = vote.value(best)
    bound = max(bound, value)
    optimal = bound - value <= EXACT
    bound = value if optimal else bound
    proof = {"method": method, "value": value, "bound": bound, "gap": bound - value, "optimal": optimal}
    return np.sort(best), proof, tried


def local_search(vote: Vote, size: int, seed: int) -> tuple[np.ndarray, int]:
    """Return a good choice: members are exchanged one by one as long as that helps, from some starts."""
    rng = np.random.default_rng(seed)
    ballots = (vote.votes[:, :, None] == np.arange(vote.classes)).astype(np.int16)
    right = np.array([vote.weights[votes == vote.targets].sum() for votes in vote.votes])
    number = len(ballots)
    starts = [np.argsort(-right, kind="stable")[:size]]
    starts += [rng.choice(number, size, replace=False) for _ in range(STARTS - 1)] if size < number else []
    best, most, tried = starts[0], -1.0, 0
    for start in starts:
        chosen, value, count = _exchanged(vote, ballots, start)
        tried += count
        if value > most + EXACT:
            best, most = chosen, value
    return best, tried


def _exchanged(vote: Vote, ballots: np.ndarray, chosen: np.ndarray) -> tuple[np.ndarray, float, int]:
    """Return where exchanges of one member lead to, how good it is, and how many choices were evaluated."""
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


def count_out(vote: Vote, contest: Contest, best: np.ndarray, end: float) -> tuple[np.ndarray, float]:
    """Return the best choice and a bound that none exceeds: all are tried, but for those that cannot be better.

    Members but one are chosen; what the last one changes is one matrix product for all. With m the least lead over what
    is needed, of the samples with m = 0 those are lost where it votes for a class that is as near, and of those with
    m = -1 those won where it votes for the target.
    """
    number, _, kinds = contest.leads.shape
    unit = contest.weights.min() if kinds else 1.0  # equal weights become whole numbers, which add up exactly
    weights = (contest.weights / unit).astype(np.float32)
    against = (contest.leads == -1) * weights  # K×classes×n: votes for another class
    wins = (contest.leads.max(axis=1) == 1) * weights  # K×n: votes for the target
    changes = np.concatenate([-against.reshape(number, -1), wins], axis=1).T
    most = vote.value(best)
    if contest.size == 1 or not kinds:
        return best, most  # the search tried each of them; or all are alike
    for chosen in itertools.combinations(range(number), contest.size - 2):
        if time.monotonic() > end:
            return best, contest.sure + float(contest.weights.sum())
        first = chosen[-1] + 1 if chosen else 0
        lead = contest.leads[list(chosen)].sum(axis=0, dtype=contest.leads.dtype) - contest.needs
        hopeful = (most - contest.sure + EXACT) / unit
        if (lead.min(axis=0) >= -2) @ weights <= hopeful:
            continue
        leads = lead + contest.leads[first : number - 1]
        least = leads.min(axis=1)
        rows = np.flatnonzero((least >= -1) @ weights > hopeful)
        if not len(rows):
            continue
        near = (leads[rows] == 0) & (least[rows] == 0)[:, None]
        decided = np.concatenate([near.reshape(len(rows), -1), least[rows] == -1], axis=1).astype(np.float32)
        values = ((least[rows] >= 0) @ weights)[:, None] + decided @ changes[:, first + 1 :]
        values[np.arange(first + 1, number) <= (first + rows)[:, None]] = -np.inf  # each choice once
        row, last = np.unravel_index(values.argmax(), values.shape)
        if values[row, last] > hopeful:
            better = np.array([*chosen, first + rows[row], first + 1 + last])
            if (value := vote.value(better)) > most + EXACT:
                best, most = better, value
    return best, most
