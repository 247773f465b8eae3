"""Ensembles: who is selected, by which samples, and what members predict together."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mml_lib.config.metric_options import NAMED, lower_is_better
from mml_lib.errors import MMLError
from mml_lib.evaluation.ensembles.combining import combine
from mml_lib.evaluation.ensembles.ensemble_search import sets_of_members
from mml_lib.evaluation.ensembles.ensemble_storage import EnsembleStorage
from mml_lib.evaluation.ensembles.objective import Objective
from mml_lib.evaluation.ensembles.options import STRATEGIES, EnsembleOptions
from mml_lib.evaluation.ensembles.parts import divide
from mml_lib.evaluation.ensembles.pool import Pool
from mml_lib.evaluation.evaluation import evaluate
from mml_lib.predictions.predictions import MaskPredictions, Predictions
from mml_lib.predictions.scores import softmax
from tests.support.small_ensembles import CLASSES, NUMBER, masks, names, of_members, part, predictions, rows_of, select

SOFT = ("classification", "multilabel_classification", "regression")
REFUSED = ("regression", "program")
METRICS = [(kind, name) for kind in SOFT for name in NAMED[kind]]
BY_DIRECTION = {(kind, lower_is_better(name)): (kind, name) for kind, name in METRICS}
"""A metric of each task type and direction."""


# --- what is selected ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "strategy"), [pair for pair in product(SOFT, STRATEGIES) if pair != REFUSED])
def test_stored_values_are_those_of_the_combined_predictions(kind: str, strategy: str):
    outputs = predictions(kind)
    ensemble = select(outputs, strategy=strategy)
    assert sum(ensemble.weights) == pytest.approx(1, abs=1e-12)
    assert len(ensemble.members) <= {"mean": 8, "best": 1}.get(strategy, 3)
    together = combine(ensemble, of_members(ensemble, outputs))
    selected = rows_of(together, ensemble.selection_ids)
    others = np.setdiff1d(np.arange(NUMBER), selected)
    assert ensemble.assessed_samples == len(others) == NUMBER // 2
    for rows, value in ((selected, ensemble.selection_value), (others, ensemble.assessed_value)):
        assert evaluate(part(together, rows), [ensemble.metric])[ensemble.metric] == pytest.approx(value, rel=1e-5)


@pytest.mark.parametrize("strategy", ["budget", "greedy"])
@pytest.mark.parametrize(("kind", "metric"), BY_DIRECTION.values())
def test_ensemble_is_never_worse_than_best_member_on_selection_part(kind: str, metric: str, strategy: str):
    outputs = predictions(kind, samples=60)
    ensemble, alone = (select(outputs, strategy=name, metric=metric, budget=20) for name in (strategy, "best"))
    sign = -1 if lower_is_better(metric) else 1
    assert sign * ensemble.selection_value >= sign * alone.selection_value - 1e-6
    singles = [sign * evaluate(part(e, rows_of(e, alone.selection_ids)), [metric])[metric] for e in outputs]
    assert sign * alone.selection_value == pytest.approx(max(singles))


@pytest.mark.parametrize(("kind", "metric"), METRICS)
def test_search_goes_by_the_metric_itself(kind: str, metric: str):
    """Many mixtures at once have the losses that the named scores give one by one."""
    outputs = [
        replace(member, logits=member.logits.round()) for member in predictions(kind)
    ]  # the members alone have ties
    pool = Pool.of(names(8), outputs)
    weights = np.concatenate([np.random.default_rng(0).dirichlet(np.ones(8), 5), np.eye(8)[:2]])
    mean = select(outputs, strategy="mean")
    losses = Objective(pool, metric).of_weights(weights)
    for row, loss in zip(weights, losses, strict=True):
        taken = np.flatnonzero(row)
        storage = replace(mean, members=[mean.members[member] for member in taken], weights=row[taken].tolist())
        value = evaluate(combine(storage, [outputs[member] for member in taken]), [metric])[metric]
        rounding = 1e-3 if metric == "average_precision" else 3e-4  # it breaks ties
        assert loss == pytest.approx(value if lower_is_better(metric) else 1 - value, abs=rounding)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_assessed_samples_do_not_influence_the_selection(strategy: str):
    outputs = predictions()
    before = select(outputs, strategy=strategy)
    rng = np.random.default_rng(1)
    spoiled = []
    for member in outputs:
        logits = member.logits.copy()
        others = np.setdiff1d(np.arange(NUMBER), rows_of(member, before.selection_ids))
        logits[others] = rng.normal(size=(len(others), CLASSES))
        spoiled.append(replace(member, logits=logits))
    after = select(spoiled, strategy=strategy)
    assert (after.members, after.weights) == (before.members, before.weights)
    assert after.selection_value == before.selection_value
    assert after.assessed_value != before.assessed_value


def test_eval_frac_is_the_share_to_select_by_stratified():
    outputs = predictions()
    ensemble = select(outputs, strategy="mean", eval_frac=0.25)
    rows = rows_of(outputs[0], ensemble.selection_ids)
    assert np.bincount(outputs[0].targets[rows]).tolist() in ([8, 7, 8, 7], [7, 8, 7, 8])
    assert ensemble.assessed_samples == 90


@pytest.mark.parametrize("kind", SOFT)
def test_groups_stay_together(kind: str):
    outputs = predictions(kind)
    groups = np.arange(NUMBER) // 4
    rows = rows_of(outputs[0], select(outputs, groups, strategy="best").selection_ids)
    assert 0.3 * NUMBER < len(rows) < 0.7 * NUMBER
    assert not {*groups[rows]} & {*np.delete(groups, rows)}


@pytest.mark.parametrize("seed", range(4))
def test_classes_that_few_groups_have_are_in_both_parts(seed: int):
    """Class 1 is in two groups, which are mostly of class 0."""
    groups = np.repeat(np.arange(12), 10)
    targets = np.where(np.isin(np.arange(NUMBER), [3, 13]), 1, 0)
    selects = divide(targets, "classification", groups, 0.5, seed)
    assert selects[3] != selects[13]
    assert 40 <= selects.sum() <= 80


def test_seed_decides():
    outputs = predictions()
    first, again, other = (select(outputs, temperature=0.9, seed=seed) for seed in (0, 0, 1))
    assert first == again
    assert first.selection_ids != other.selection_ids


def test_budget_counts_candidates_and_ends_when_none_is_left():
    outputs = predictions(number=4)
    assert select(outputs, budget=7).candidates == 4 + 7
    assert select(outputs, budget=10**6, weights_budget=0).candidates == 4 + 6 + 4  # pairs, and sets of three
    assert select(outputs, budget=10**6, weights_budget=2).candidates == 4 + (6 + 4) * 3


@pytest.mark.parametrize("temperature", [0.0, 0.5, 0.99])
def test_every_set_is_tried_once_best_first_unless_drawn(temperature: float):
    options = EnsembleOptions(max_ensemble_size=3, temperature=temperature)
    order = np.array([4, 2, 0, 1, 3])
    subsets = [tuple(subset.tolist()) for subset in sets_of_members(order, options, np.random.default_rng(0))]
    every = [subset for size in (2, 3) for subset in combinations(order.tolist(), size)]
    assert len(subsets) == len(every)
    assert {*subsets} == {*every}
    assert ([subset for size in (2, 3) for subset in subsets if len(subset) == size] == every) == (temperature == 0)


def test_enough_budget_finds_the_best_of_all_sets():
    outputs = predictions(number=5)
    ensemble = select(outputs, budget=10**6, weights_budget=0)
    chosen = [np.isin(np.arange(5), subset) / size for size in (1, 2, 3) for subset in combinations(range(5), size)]
    pool = Pool.of(names(5), outputs)
    losses = Objective(pool.part(rows_of(pool, ensemble.selection_ids)), "log_loss").of_weights(np.array(chosen))
    assert ensemble.selection_value == pytest.approx(losses.min(), rel=1e-5)


@pytest.mark.parametrize("strategy", ["budget", "greedy"])
def test_member_that_others_only_spoil_stays_alone(strategy: str):
    good, *others = predictions(number=4)
    ensemble = select(
        [good, *(replace(member, logits=-member.logits) for member in others)], strategy=strategy, weights_budget=0
    )
    assert ensemble.members == names(1)
    assert ensemble.weights == [1.0]


def test_member_temperature_is_chosen_where_members_are_overconfident():
    outputs = [replace(member, logits=member.logits * 5) for member in predictions()]
    plain, ensemble = (select(outputs, strategy="best", member_temperatures=t) for t in ((1.0,), (1.0, 4.0)))
    assert ensemble.member_temperature == 4
    assert ensemble.selection_value < plain.selection_value


def test_greedy_repeats_good_members_and_keeps_to_its_size():
    ensemble = select(predictions(), strategy="greedy")
    assert len(ensemble.members) == 3
    assert len(set(ensemble.weights)) > 1


# --- combining ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", SOFT)
def test_combined_outputs_are_the_weighted_mean(kind: str):
    outputs = predictions(kind, number=2)
    storage = replace(
        select(outputs, strategy="mean"), weights=[3, 1], member_temperature=1.0 if kind == SOFT[2] else 2.0
    )
    order = [outputs[1].ids.tolist().index(id_) for id_ in outputs[0].ids]
    change, undo = {
        "classification": (lambda x: softmax(x / 2), softmax),
        "multilabel_classification": (lambda x: 1 / (1 + np.exp(-x / 2)), lambda x: 1 / (1 + np.exp(-x))),
        "regression": (lambda x: x, lambda x: x),
    }[kind]
    combined = combine(storage, outputs)
    wanted = 0.75 * change(outputs[0].logits) + 0.25 * change(outputs[1].logits[order])
    assert undo(combined.logits) == pytest.approx(wanted, abs=1e-5)
    assert combined.ids.tolist() == outputs[0].ids.tolist()
    assert combined.logits.dtype == np.float32


def test_unlabelled_samples_are_combined():
    outputs = predictions(number=2)
    storage = select(outputs, strategy="mean")
    bare = [replace(member, targets=np.full(NUMBER, -1)) for member in outputs]
    assert np.array_equal(combine(storage, bare).logits, combine(storage, outputs).logits)


@pytest.mark.parametrize("strategy", ["mean", "best"])
def test_masks_are_a_majority_vote(strategy: str):
    outputs = masks()
    ensemble = select(outputs, strategy=strategy)
    together = combine(ensemble, of_members(ensemble, outputs))
    assert together.ids.tolist() == outputs[0].ids.tolist()
    values = [evaluate(outputs_of, ["dice"])["dice"] for outputs_of in (together, outputs[3])]
    assert values[0] > values[1]
    assert ensemble.metric == "dice"
    assert len(ensemble.selection_ids) == ensemble.assessed_samples == 3


def test_tied_masks_take_the_lower_class_and_weights_count():
    ids, target = np.array(["a"]), [np.zeros((1, 2), np.uint8)]
    outputs = [MaskPredictions.of([np.array([value], np.uint8)], target, ids, 3) for value in ([2, 1], [1, 1], [0, 2])]
    storage = replace(select(masks(3), strategy="mean"), members=names(3))
    assert combine(replace(storage, weights=[0.5, 0.25, 0.25]), outputs).masks.tolist() == [2, 1]
    assert combine(storage, outputs).masks.tolist() == [0, 1]


@pytest.mark.parametrize("kind", ["classification", "semantic_segmentation"])
def test_storage_is_read_as_it_was_written(tmp_path: Path, kind: str):
    ensemble = select(masks(), strategy="mean") if "seg" in kind else select(predictions(), strategy="program")
    ensemble.write(tmp_path / "ensemble.json")
    assert EnsembleStorage.read(tmp_path / "ensemble.json") == ensemble
    (tmp_path / "ensemble.json").write_text('{"format": 1}')
    with pytest.raises(MMLError, match="is damaged"):
        EnsembleStorage.read(tmp_path / "ensemble.json")


def test_selection_imports_no_torch():
    code = "import sys, mml_lib.evaluation.ensembles.ensemble_selection; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


# --- bad input ----------------------------------------------------------------------------------------------------


THREE, LABELS, VALUES = (predictions(kind, number=3) for kind in SOFT)
SECOND = THREE[1]
ABSENT, SCARCE = np.arange(NUMBER) % 3, np.append(0, 1 + np.arange(NUMBER - 1) % 3)


def changed(**fields: Any) -> list[Predictions]:
    return [THREE[0], replace(SECOND, **fields), THREE[2]]


def all_with(members: list[Predictions], change: Callable[[Predictions], dict[str, Any]]) -> list[Predictions]:
    return [replace(member, **change(member)) for member in members]


WRONG = {
    "run 00000000, fold 0 has 120 samples, .* run 00000001, fold 0 has 120 samples; only one has": changed(
        ids=np.char.add("x", SECOND.ids)
    ),
    "run 00000000, fold 0 predicts 4 classes, .* run 00000001, fold 0 predicts 3": changed(logits=SECOND.logits[:, :3]),
    "run 00000001, fold 0 have different targets": changed(targets=(SECOND.targets + 1) % 4),
    "fold 0 is a classification, .* fold 0 is a regression": changed(task_type="regression"),
    "run 00000001, fold 0 has logits that are not finite": changed(logits=np.where(SECOND.logits > 4, np.inf, 0)),
    "the sample 's0' twice": [replace(THREE[0], ids=np.append("s0", THREE[0].ids[:-1])), *THREE[1:]],
    "predictions of 2 networks, fewer than max_ensemble_size": THREE[:2],
    "there are 0 predictions": [],
    "no predictions of this split": [part(member, np.arange(0)) for member in THREE],
    "class 3 is absent among the 120 samples": all_with(THREE, lambda e: {"ids": THREE[0].ids, "targets": ABSENT}),
    "class 1 is absent": all_with(LABELS, lambda e: {"targets": e.targets * [1, 0, 1, 1]}),
    "120 of 120 samples have no target": all_with(THREE, lambda e: {"targets": np.full(NUMBER, -1)}),
    "1 of 120 samples have no": all_with(VALUES, lambda e: {"targets": np.where(e.ids == "s3", np.nan, e.targets)}),
    "class 0 has 1 of the samples; 2 are": all_with(THREE, lambda e: {"ids": THREE[0].ids, "targets": SCARCE}),
}


@pytest.mark.parametrize("message", WRONG)
def test_predictions_that_do_not_fit_are_refused(message: str):
    with pytest.raises(MMLError, match=message):
        select(WRONG[message], strategy="budget")


@pytest.mark.parametrize("targets", [ABSENT, SCARCE])
def test_rare_classes_matter_only_where_members_are_chosen(targets: np.ndarray):
    outputs = all_with(THREE, lambda member: {"ids": THREE[0].ids, "targets": targets})
    for groups in (None, np.arange(NUMBER) // 2):
        assert len(select(outputs, groups, strategy="mean").members) == 3


def test_masks_that_do_not_fit_are_refused():
    outputs = masks(2)
    fewer = MaskPredictions.of(*zip(*list(outputs[1].images())[1:], strict=True), outputs[1].ids[1:], 3)
    other = replace(outputs[1], targets=np.zeros_like(outputs[1].targets))
    for second, message in (
        (fewer, "6 samples, .* 5 samples; only one has"),
        (replace(outputs[1], classes=4), "predicts 3 classes, .* predicts 4"),
        (other, "different targets for the same images"),
        (replace(outputs[1], sizes=outputs[1].sizes[:, ::-1]), "different sizes of masks"),
    ):
        with pytest.raises(MMLError, match=message):
            select([outputs[0], second], strategy="mean")
    with pytest.raises(MMLError, match="class 3 is absent among the masks"):
        select([replace(member, classes=4) for member in outputs], strategy="best")
    assert select([replace(member, classes=4) for member in outputs], strategy="mean").members


@pytest.mark.parametrize("weights", [[0.5, -0.5], [1, 0], [1, np.nan], [1]])
def test_weights_that_do_not_fit_are_refused(weights: list[float]):
    storage = select(predictions(number=2), strategy="mean")
    with pytest.raises(MMLError, match=r"must be positive|and 1 weights"):
        replace(storage, weights=weights)


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (SOFT[0], {"strategy": "gready"}, "did you mean 'greedy'"),
        (SOFT[0], {"metric": "acuracy"}, "did you mean 'accuracy'"),
        (
            SOFT[0],
            {"strategy": "program", "metric": "auroc"},
            "votes of a classification cannot be selected by 'auroc'",
        ),
        (SOFT[0], {"strategy": "program", "member_temperatures": [2.0]}, "not votes"),
        (SOFT[0], {"eval_frac": 1}, "eval_frac is 1"),
        (SOFT[0], {"temperature": 1}, "temperature is 1"),
        (SOFT[0], {"budget": 0}, "budget is 0; take 1 or more"),
        (SOFT[0], {"time_limit": 0}, "time_limit is 0"),
        (SOFT[0], {"member_temperatures": [0.0]}, "above 0"),
        (SOFT[2], {"strategy": "program"}, "counts votes"),
        (SOFT[2], {"member_temperatures": [2.0]}, "not a regression"),
        ("semantic_segmentation", {"strategy": "greedy"}, "take mean .a majority vote. or best"),
    ],
)
def test_options_that_do_not_fit_are_refused(kind: str, options: dict[str, Any], message: str):
    with pytest.raises(MMLError, match=message):
        EnsembleOptions(**options).metric_of(kind)
