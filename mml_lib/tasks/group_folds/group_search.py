"""A greedy division, and local search by moves and swaps from it."""

import numpy as np

from mml_lib.tasks.group_folds.problem import EXACT, Key, Problem, better, key_of, proved, sums_of

CELLS = 30_000  # evaluated in one round of local search
MISSING = 1e9  # cost of a fold without a group of a class


def greedy(problem: Problem) -> np.ndarray:
    """Return a first division: big groups first, each to the fold that it brings nearest to its shares.

    The order and the measure are those of StratifiedGroupKFold, for any shares. Of equal groups the whole part of each
    share is dealt out at once.
    """
    vectors, kind = np.unique(problem.counts, axis=0, return_inverse=True)
    total = problem.counts.sum(0)
    fold = np.full(len(problem.counts), -1)
    table = np.zeros(problem.targets.shape)
    for vector in np.argsort(-(vectors / total).max(1), kind="stable"):
        members = np.flatnonzero(kind.ravel() == vector)
        whole = np.floor(len(members) * problem.shares + EXACT).astype(int)
        fold[members[: whole.sum()]] = np.repeat(np.arange(problem.folds), whole)
        table += whole[:, None] * vectors[vector]
        for member in members[whole.sum() :]:
            off = (table - problem.targets) / total
            gain = ((off + vectors[vector] / total) ** 2 - off**2).sum(1)
            fold[member] = np.argmin(gain / problem.shares)
            table[fold[member]] += vectors[vector]
    return fold


def fill(fold: np.ndarray, problem: Problem) -> np.ndarray:
    """Give each empty fold the smallest group of the fold that has most groups."""
    fold = fold.copy()
    for empty in np.flatnonzero(np.bincount(fold, minlength=problem.folds) == 0):
        rich = np.flatnonzero(fold == np.bincount(fold).argmax())
        fold[rich[np.argmin(problem.counts[rich].sum(1))]] = empty
    return fold


def search(problem: Problem, fold: np.ndarray, bounds: Key, rng: np.random.Generator, rounds: int) -> np.ndarray:
    """Return the best division met: half of the rounds lower the largest deviation, the others the total at this."""
    best = fold
    for part in range(4):
        limit = bounds[0] if part % 2 == 0 else problem.key(best)[0]
        best = _descend(problem, best, bounds, limit, rng, rounds // 4)
    return best


def _descend(
    problem: Problem, fold: np.ndarray, bounds: Key, limit: float, rng: np.random.Generator, rounds: int
) -> np.ndarray:
    """Return the best division met by moves and swaps that lower what exceeds the limit, and kicks where none does."""
    best, best_key = fold, problem.key(fold)
    fold, classes = fold.copy(), problem.counts.shape[1]
    # Samples of each class, then 1 for each class that a group shows and every fold needs.
    rows = problem.counts if problem.needs is None else np.hstack([problem.counts, problem.needs.shows])
    table = sums_of(rows, fold, problem.folds)
    padded = np.vstack([rows, np.zeros_like(rows[:1])])  # the last row is no group: a move
    stale = 0
    for _ in range(rounds):
        if proved(best_key, bounds):
            break
        if stale > 2 * problem.folds**2:
            fold = _kick(best, problem, rng)
            table, stale = sums_of(rows, fold, problem.folds), 0
        a, b = _pair(table[:, :classes], problem.targets, rng)
        swap = _best_swap(problem, padded, fold, table, (a, b), limit, rng)
        stale += 1
        if swap is None:
            continue
        out, back = swap
        table[a] += padded[back] - padded[out]
        table[b] += padded[out] - padded[back]
        # The row of no group is beyond the folds.
        fold[[g for g in (out,) if g < len(fold)]] = b
        fold[[g for g in (back,) if g < len(fold)]] = a
        stale = 0
        key = key_of(table[:, :classes], problem.targets)
        if better(key, best_key) and table[:, classes:].all():
            best, best_key = fold.copy(), key
    return best


def _pair(table: np.ndarray, targets: np.ndarray, rng: np.random.Generator) -> tuple[int, int]:
    """Return two folds: random ones, or that of the worst deviation and the one that errs most in its other sense."""
    folds = len(table)
    a, b = rng.choice(folds, 2, replace=False)
    if rng.random() < 0.4:
        off = (table - targets) / targets
        a, label = np.unravel_index(np.abs(off).argmax(), off.shape)
        sense = -np.sign(off[a, label])
        others = np.delete(np.arange(folds), a)
        b = others[np.argmax(sense * off[others, label])] if rng.random() < 0.5 else rng.choice(others)
    return int(a), int(b)


def _best_swap(
    problem: Problem,
    padded: np.ndarray,
    fold: np.ndarray,
    table: np.ndarray,
    pair: tuple[int, int],
    limit: float,
    rng: np.random.Generator,
) -> tuple[int, int] | None:
    """Return the groups of a sample that best change places between two folds, or None if none improves them."""
    classes = problem.counts.shape[1]
    size = max(8, int((CELLS / classes) ** 0.5))
    targets = problem.targets[list(pair)]
    off = np.abs(table[list(pair), :classes] - targets) / targets
    label = int(off.max(0).argmax())
    out, back = (np.append(_sample(padded, fold == k, label, size, rng), len(fold)) for k in pair)
    change = padded[out][:, None] - padded[back][None]  # (out, back, columns)
    after = [table[pair[0]] - change, table[pair[1]] + change]
    cost = sum(_cost(rows[..., :classes], target, limit) for rows, target in zip(after, targets, strict=True))
    cost += MISSING * sum((rows[..., classes:] < 1).sum(axis=-1) for rows in after)
    # A fold keeps its last group.
    if len(out) == 2:
        cost[0, -1] = np.inf
    if len(back) == 2:
        cost[-1, 0] = np.inf
    i, j = np.unravel_index(cost.argmin(), cost.shape)
    now = cost[-1, -1]
    return (int(out[i]), int(back[j])) if cost[i, j] < now - EXACT * max(1.0, now) else None


def _sample(padded: np.ndarray, inside: np.ndarray, label: int, size: int, rng: np.random.Generator) -> np.ndarray:
    """Return up to `size` groups of a fold, half of them with the class `label` where it has so many."""
    members = np.flatnonzero(inside)
    if len(members) <= size:
        return members
    with_label = members[padded[members, label] > 0]
    labelled = with_label if len(with_label) <= size // 2 else rng.choice(with_label, size // 2, replace=False)
    others = np.setdiff1d(members, labelled)
    return np.concatenate([labelled, rng.choice(others, min(len(others), size - len(labelled)), replace=False)])


def _cost(table: np.ndarray, targets: np.ndarray, limit: float) -> np.ndarray:
    """Return the cost of rows (…, C) of a fold: what exceeds the limit, steeply, and the total deviation."""
    # In place, as this is where the time goes.
    off = table - targets
    np.abs(off, out=off)
    total = off @ np.full(len(targets), 1 / targets.sum())
    off /= targets
    off -= limit + EXACT
    np.maximum(off, 0, out=off)
    off += off * off
    return off @ np.full(len(targets), 1e2) + total


def _kick(fold: np.ndarray, problem: Problem, rng: np.random.Generator) -> np.ndarray:
    """Send a few groups to random folds."""
    fold = fold.copy()
    some = rng.choice(len(fold), min(len(fold), int(rng.integers(2, 6))), replace=False)
    fold[some] = rng.integers(0, problem.folds, len(some))
    return fill(fold, problem)
