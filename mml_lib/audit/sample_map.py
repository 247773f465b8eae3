"""Map of samples: features in two dimensions, by t-SNE or principal components."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from mml_lib.audit.audited_task import AuditedTask
from mml_lib.errors import MMLError
from mml_lib.predictions.predictions import Predictions

COMPONENTS = 50
"""Principal components that t-SNE starts from."""

PERPLEXITY = 30.0
"""Effective number of neighbours of t-SNE; smaller for few samples."""


def map_table(
    task: AuditedTask,
    values: np.ndarray,
    predictions: Sequence[Predictions],
    method: str,
    most_samples: int,
    threads: int = 1,
) -> pd.DataFrame:
    """Return the table of samples on a map.

    Its columns are `task`, `id`, `split`, `fold`, `group`, `label`, `x` and `y`, and for classifications `predicted`
    and `wrong`.

    Args:
        task: the task.
        values: features (N×D).
        predictions: out-of-sample predictions; empty for a task without classes.
        method: `tsne` or `pca`.
        most_samples: largest number of samples. Of more, a random subset is used.
        threads: number of threads.

    Raises:
        MMLError: there are too few samples.
    """
    if len(values) < 5:
        raise MMLError(f"{task.name}: a map needs 5 samples or more, not {len(values)}; set audit.map: null")
    rows = np.sort(np.random.default_rng(0).permutation(len(values))[:most_samples])
    places = embed(values[rows], method, threads)
    table = task.table(rows, x=places[:, 0].round(4).tolist(), y=places[:, 1].round(4).tolist())
    if task.kind.has_values:
        table["label"] = [task.strata[row] or "" for row in rows.tolist()]
    if predictions and task.kind.is_single_label:
        probabilities = task.probabilities(predictions)[rows]
        predicted = np.nan_to_num(probabilities, nan=-1).argmax(axis=1)
        is_predicted = ~np.isnan(probabilities).any(axis=1)
        names = np.where(is_predicted, np.array(task.classes)[predicted], "")
        table["predicted"] = names
        table["wrong"] = is_predicted & (table["label"] != "") & (names != table["label"])
    return table


def embed(values: np.ndarray, method: str, threads: int = 1) -> np.ndarray:
    """Return the positions of samples in two dimensions, N×2. Equal values give equal positions."""
    from sklearn.decomposition import PCA

    number = min(COMPONENTS if method == "tsne" else 2, *values.shape)
    components = PCA(number, random_state=0).fit_transform(values.astype(np.float64))
    if method == "pca":
        return components if number == 2 else np.column_stack([components, np.zeros(len(components))])
    from openTSNE import TSNE

    perplexity = min(PERPLEXITY, (len(values) - 1) / 3)
    tsne = TSNE(perplexity=perplexity, neighbors="exact", n_jobs=threads, random_state=0, verbose=False)
    return np.asarray(tsne.fit(components))
