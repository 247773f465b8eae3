"""Combination of the distances of several measures."""

from collections.abc import Mapping

import numpy as np

from mml_lib.errors import MMLError, nearest


def combine(matrices: Mapping[str, np.ndarray], weights: Mapping[str, float]) -> np.ndarray:
    """Return the weighted sum of z-scored distances.

    Args:
        matrices: T×T distances of each measure by its name, row = source, column = target; NaN where undefined.
        weights: positive weight of each measure.

    Returns:
        T×T; NaN on the diagonal, and where one of the distances is undefined. Means and standard deviations are over
        the pairs of different tasks for which all measures are defined.

    Raises:
        MMLError: a measure has no matrix, or shapes differ.
    """
    for name in weights:
        if name not in matrices:
            raise MMLError(f"ensemble: there are no distances of '{name}'{nearest(name, matrices)}")
    stack = np.stack([np.asarray(matrices[name], dtype=np.float64) for name in weights])
    defined = np.isfinite(stack).all(axis=0) & ~np.eye(stack.shape[1], dtype=bool)
    combined = np.full(stack.shape[1:], np.nan)
    if not defined.any():
        return combined
    values = stack[:, defined]  # measures × pairs
    centred = values - values.mean(axis=1, keepdims=True)
    spread = values.std(axis=1, keepdims=True)
    # A measure with equal distances for all pairs counts as 0; rounding may leave it a small spread.
    scored = np.divide(centred, spread, out=np.zeros_like(centred), where=spread > 1e-12 * np.abs(values).max())
    combined[defined] = np.array(list(weights.values())) @ scored
    return combined
