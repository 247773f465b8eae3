"""Ensembles that vote: the best members are found, and what is proved of them holds."""

from dataclasses import replace
from itertools import combinations
from time import monotonic

import numpy as np
import pytest

from mml_lib.evaluation.ensembles.combining import combine
from mml_lib.evaluation.ensembles.ensemble_program import solve
from mml_lib.evaluation.ensembles.votes import Contest, Vote, best_vote, exhaustive_search
from mml_lib.evaluation.evaluation import evaluate
from mml_lib.predictions.predictions import Predictions
from mml_lib.predictions.scores import sigmoid, softmax
from tests.support.small_ensembles import names, of_members, part, predictions, rows_of, select


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("balanced", [False, True])
@pytest.mark.parametrize(("classes", "size"), [(2, 3), (2, 4), (3, 2), (5, 3), (3, 5)])
def test_counting_and_program_equal_brute_force(classes: int, size: int, balanced: bool, seed: int):
    rng = np.random.default_rng(seed)
    targets = np.append(np.arange(classes), rng.integers(0, classes, 15))
    votes = np.where(rng.random((7, len(targets))) < 0.5, targets, rng.integers(0, classes, (7, len(targets))))
    vote = Vote.of(votes, targets, balanced)
    choices = sorted(combinations(range(7), size), key=lambda places: vote.value(np.array(places)))
    worst, most = np.array(choices[0]), vote.value(np.array(choices[-1]))
    contest, end = Contest.of(vote, size), monotonic() + 60
    ways = [exhaustive_search(vote, contest, worst, end)] + ([solve(vote, contest, worst, 0, end)] if seed == 0 else [])
    for chosen, bound in ways:
        assert len({*chosen}) == size
        assert vote.value(chosen) == pytest.approx(most, abs=1e-9)
        assert bound == pytest.approx(most, abs=1e-9)
    _, proof, _ = best_vote(vote, size, 0, 60)
    assert proof["optimal"]
    assert proof["value"] == pytest.approx(most)


def test_gap_remains_where_time_ends_the_solver():
    outputs = predictions(number=60, samples=600)
    ensemble = select(outputs, strategy="program", max_ensemble_size=7, time_limit=0.1)
    proof = ensemble.proof
    assert proof["method"] == "integer program"
    assert proof["gap"] > 0
    assert proof["gap"] == pytest.approx(proof["bound"] - proof["value"])
    assert not proof["optimal"]
    assert ensemble.selection_value == pytest.approx(proof["value"])


def test_votes_are_counted_and_ties_go_to_the_lower_class():
    ids, logits = np.array(["a", "b"]), ([[0, 9, 0], [9, 0, 0]], [[0, 0, 1], [2, 0, 0]])
    outputs = [Predictions(np.array(rows, "f"), np.array([2, 0]), ids) for rows in logits]
    storage = replace(select(predictions(number=3), strategy="program"), members=names(2), weights=[0.5, 0.5])
    shares = softmax(combine(storage, outputs).logits)
    assert shares == pytest.approx(np.array([[1 / 3, 4 / 3, 4 / 3], [7 / 3, 1 / 3, 1 / 3]]) / 3, abs=1e-6)
    assert shares[0].argmax() == 1


def test_labels_are_voted_for_one_by_one():
    outputs = predictions("multilabel_classification", number=4)
    ensemble = select(outputs, strategy="program")
    together, members = combine(ensemble, of_members(ensemble, outputs)), of_members(ensemble, outputs)
    orders = [np.argsort(member.ids)[np.argsort(np.argsort(together.ids))] for member in members]
    votes = sum((member.logits[order] > 0).astype(int) for member, order in zip(members, orders, strict=True))
    assert sigmoid(together.logits) == pytest.approx((votes + 0.5) / 4, abs=1e-6)
    rows = rows_of(together, ensemble.selection_ids)
    assert evaluate(part(together, rows), ["accuracy"])["accuracy"] == pytest.approx(ensemble.proof["value"])


def test_rare_classes_count_as_much_in_a_balanced_vote():
    rare = [
        part(member, np.flatnonzero((member.targets > 1) | (member.ids < "s3"))) for member in predictions(number=6)
    ]
    plain, balanced = (select(rare, strategy="program", metric=metric) for metric in ("accuracy", "balanced_accuracy"))
    for ensemble in (plain, balanced):
        together = combine(ensemble, of_members(ensemble, rare))
        selected = part(together, rows_of(together, ensemble.selection_ids))
        assert evaluate(selected, [ensemble.metric])[ensemble.metric] == pytest.approx(ensemble.proof["value"])
    assert plain.proof["value"] != pytest.approx(balanced.proof["value"])
