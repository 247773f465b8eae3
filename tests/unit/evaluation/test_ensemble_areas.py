"""Areas under the ROC curve of many mixtures: bounds hold, and the best is found as if all were counted."""

from dataclasses import replace

import numpy as np
import pytest

from mml_lib.evaluation.ensembles import areas as module
from mml_lib.evaluation.ensembles.areas import Areas
from mml_lib.evaluation.ensembles.ensemble_search import budget_search, forward_selection
from mml_lib.evaluation.ensembles.objective import Objective
from mml_lib.evaluation.ensembles.options import EnsembleOptions
from mml_lib.evaluation.ensembles.pool import Pool
from mml_lib.predictions.scores import score
from tests.support.small_ensembles import names, predictions

KINDS = ("classification", "multilabel_classification")


def mixtures(seed: int, tied: bool) -> tuple[Areas, np.ndarray, np.ndarray]:
    """Return areas, probabilities (mixtures×classes×N) and targets; the last class of none."""
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, 4, 200)
    strength = np.linspace(0, 4, 30)[:, None, None]
    logits = strength * (targets == np.arange(5)[:, None]) + 2 * rng.normal(size=(30, 5, 200))
    probabilities = (1 / (1 + np.exp(5 - logits))).astype(np.float32)  # many are next to 0
    if tied:
        probabilities = np.round(probabilities, 1)
    return Areas(targets == np.arange(5)[:, None]), probabilities, targets


@pytest.mark.parametrize("tied", [False, True])
def test_no_area_exceeds_its_bound_and_few_have_to_be_counted(tied: bool):
    areas, probabilities, targets = mixtures(0, tied)
    members = areas.sorted(probabilities)
    exact = areas.exact(members)
    assert exact == pytest.approx(
        [score("classification", "auroc", member.T, targets) for member in probabilities], abs=1e-12
    )
    bounds = areas.at_most(members)
    assert (bounds >= exact).all()
    assert tied or (bounds - exact).max() < 0.01


@pytest.mark.parametrize("tied", [False, True])
def test_best_area_is_that_of_all_counted(tied: bool, monkeypatch: pytest.MonkeyPatch):
    for seed in range(10):
        areas, probabilities, _ = mixtures(seed, tied)
        members = areas.sorted(probabilities)
        exact = areas.exact(members)
        values = areas.best(members, -np.inf)
        assert values.argmax() == exact.argmax()
        assert values.max() == exact.max()
        assert (areas.best(members, areas.at_most(members).max() + 1e-9) == -np.inf).all()
    counted, pairs = [], module._pairs
    monkeypatch.setattr(module, "_pairs", lambda *arguments: counted.append(1) or pairs(*arguments))
    areas.best(members, -np.inf)
    assert 0 < len(counted) < 4 * 30 // (1 if tied else 2)


def test_area_that_nothing_defines_is_not_the_best():
    areas = Areas(np.ones((1, 4), bool))
    members = areas.sorted(np.full((2, 1, 4), 0.5, np.float32))
    assert np.isnan(areas.exact(members)).all()
    assert not (areas.best(members, -np.inf) > 0).any()


@pytest.mark.parametrize("kind", KINDS)
def test_searches_find_what_they_find_by_counting_all(kind: str):
    outputs = predictions(kind, 8)
    pool = Pool.of(names(8), outputs)
    objective, slow = Objective(pool, "auroc"), Objective(pool, "auroc")
    slow.losses = lambda mixed, least=None: Objective.losses(slow, mixed)
    options = EnsembleOptions(max_ensemble_size=4, budget=200)
    for search in (lambda pool: budget_search(pool, options), lambda pool: forward_selection(pool, 4)):
        (weights, tried), (expected, expected_tried) = search(objective), search(slow)
        assert np.array_equal(weights, expected)
        assert tried == expected_tried
        truth = outputs[0].targets if kind == "classification" else outputs[0].targets >= 0.5
        together = np.tensordot(weights, replace(pool).outputs(), 1)
        area = score(kind, "auroc", together, truth)
        assert 1 - objective.of_weights(weights[None])[0] == pytest.approx(area, abs=1e-6)
