"""Groups to divide into folds."""

import numpy as np


def problem(seed: int, count: int, classes: int, mean: float = 4) -> tuple[np.ndarray, np.ndarray]:
    """Return the class and the group of samples in `count` groups of skewed sizes, the later classes rarer."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(count), np.minimum(40, 1 + (rng.pareto(2, count) * mean).astype(int)))
    chance = 0.7 ** np.arange(classes)
    strata = rng.choice(classes, len(groups), p=chance / chance.sum())
    return np.array([f"class{c}" for c in strata]), np.array([f"patient{g}" for g in groups])
