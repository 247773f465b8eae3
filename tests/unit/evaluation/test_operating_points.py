"""Operating points: thresholds see no reported sample, and measures and net benefits are those of their definitions."""

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import precision_score, recall_score

from mml_lib.evaluation.operating.decision_curves import THRESHOLDS, decision_rows, net_benefit, treat_all
from mml_lib.evaluation.operating.operating_points import measures, operating_point, operating_rows, threshold_for
from mml_lib.evaluation.operating.reported_scores import ClassScores, ReportedScores
from mml_lib.predictions.predictions import Predictions

MULTILABEL = "multilabel_classification"


def predictions_of(seed: int, number: int = 60, start: int = 0, strength: float = 1.5) -> Predictions:
    """Return predictions of two classes with ids from `start` on, and as much knowledge as a strength."""
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, 2, number)
    logits = np.stack([np.zeros(number), rng.normal(strength * (2 * targets - 1))], axis=1).astype(np.float32)
    return Predictions(logits, targets, np.array([f"s{start + place}" for place in range(number)]))


def scores_of(predictions: Predictions) -> ClassScores:
    return ClassScores.of(predictions, 1)


def on_test(validation: dict[int, Predictions], test: dict[int, Predictions], **groups: str) -> ReportedScores:
    return ReportedScores.on_test(validation, test, 1, groups)


VALIDATION = {0: predictions_of(1), 1: predictions_of(2, start=60)}


@pytest.mark.parametrize("wanted", [0.5, 0.9, 0.95, 1.0])
def test_thresholds_reach_what_is_wanted_and_no_more(wanted: float):
    scores = scores_of(VALIDATION[0])

    def reached(criterion: str, threshold: float) -> float:
        called = scores.scores >= threshold
        return float(
            called[scores.positive].mean() if criterion == "sensitivity" else (~called)[~scores.positive].mean()
        )

    sensitive, specific = (threshold_for(scores, criterion, wanted) for criterion in ("sensitivity", "specificity"))
    assert reached("sensitivity", sensitive) >= wanted > reached("sensitivity", np.nextafter(sensitive, 2))
    assert reached("specificity", specific) >= wanted
    lower = scores.scores[scores.scores < specific].max()
    assert reached("specificity", lower) < wanted


def test_thresholds_do_not_see_the_test_split():
    points = [
        operating_point(on_test(VALIDATION, {0: predictions_of(seed, start=500)}), "sensitivity", 0.9, 100)
        for seed in (3, 4)
    ]
    assert (
        points[0].threshold
        == points[1].threshold
        == threshold_for(
            ClassScores.of(
                Predictions(
                    *(
                        np.concatenate([getattr(part, key) for part in VALIDATION.values()])
                        for key in ("logits", "targets", "ids")
                    )
                ),
                1,
            ),
            "sensitivity",
            0.9,
        )
    )
    assert points[0].values != points[1].values


def test_thresholds_of_pooled_folds_do_not_see_their_own_fold():
    changed = {**VALIDATION, 1: predictions_of(7, start=60)}
    first, second = (ReportedScores.out_of_fold(folds, 1, {}) for folds in (VALIDATION, changed))
    (_, rows), (other, _) = first.choosing
    assert set(first.choosing[0][0].ids) == set(VALIDATION[1].ids)
    assert rows.sum() == 60
    assert threshold_for(other, "sensitivity", 0.9) == threshold_for(second.choosing[1][0], "sensitivity", 0.9)
    assert len(first.positive) == 120


def test_measures_are_those_of_scikit_learn():
    test = {0: predictions_of(3, start=500), 1: predictions_of(3, start=500, strength=1.2)}
    reported = on_test(VALIDATION, test)
    point = operating_point(reported, "sensitivity", 0.9, 200)
    called = [ClassScores.of(part, 1).scores >= point.threshold for part in test.values()]
    truth = test[0].targets
    expected = {
        "sensitivity": np.mean([recall_score(truth, calls) for calls in called]),
        "specificity": np.mean([recall_score(truth, calls, pos_label=0) for calls in called]),
        "ppv": np.mean([precision_score(truth, calls) for calls in called]),
        "npv": np.mean([precision_score(truth, calls, pos_label=0) for calls in called]),
    }
    for name, (value, low, high) in point.values.items():
        assert value == pytest.approx(expected[name])
        assert 0 <= low < value < high <= 1


def test_shares_of_one_have_an_interval_and_whole_groups_are_resampled():
    perfect = {0: predictions_of(3, start=500, strength=50.0)}
    value, low, high = operating_point(on_test(VALIDATION, perfect), "sensitivity", 0.9, 200).values["specificity"]
    assert (value, high) == (1, 1)
    assert 0.8 < low < 1
    test = {0: predictions_of(3, number=120, start=500)}
    alone = operating_point(on_test(VALIDATION, test), "sensitivity", 0.9, 200).values["sensitivity"]
    patients = {f"s{500 + place}": f"p{place // 12}" for place in range(120)}
    together = operating_point(ReportedScores.on_test(VALIDATION, test, 1, patients), "sensitivity", 0.9, 200)
    assert together.values["sensitivity"][0] == alone[0]
    assert together.values["sensitivity"][1:] != alone[1:]


def test_intervals_cover_the_sensitivity_at_their_rate():
    threshold = threshold_for(scores_of(predictions_of(0, number=20_000)), "sensitivity", 0.8)
    covered = []
    for seed in range(150):
        reported = on_test(VALIDATION, {0: predictions_of(100 + seed, number=80, start=500)})
        _, low, high = measures(reported, reported.scores >= threshold, 200)["sensitivity"]
        covered.append(low <= 0.8 <= high)
    assert np.mean(covered) >= 0.9


def test_the_net_benefit_is_that_of_its_definition():
    test = {0: predictions_of(3, start=500), 1: predictions_of(4, start=500)}
    test[1] = Predictions(test[1].logits, test[0].targets, test[1].ids)
    reported = on_test(VALIDATION, test)
    (benefit,) = net_benefit(reported, np.ones((60, 1))).T
    positive = reported.positive
    for place in (0, 20, 49, 98):
        threshold, number = THRESHOLDS[place], len(positive)
        expected = []
        for scores in reported.scores:
            called = scores >= threshold
            odds = threshold / (1 - threshold)
            expected.append((called & positive).sum() / number - (called & ~positive).sum() / number * odds)
        assert benefit[place] == pytest.approx(np.mean(expected))
    everyone = np.array([1e-9])
    assert net_benefit(reported, np.ones((60, 1)), everyone)[0, 0] == pytest.approx(treat_all(reported, everyone)[0])
    table = decision_rows({"b": reported}, "0a1b2c3d", 100)
    inside = table["net_benefit"].between(table["net_benefit_low"] - 1e-9, table["net_benefit_high"] + 1e-9)
    assert inside.all()
    assert (table["treat_none"] == 0).all()


def test_unknown_labels_count_nowhere_and_missing_sides_have_a_reason():
    targets = np.array([[1, 0], [np.nan, 0], [0, 0], [1, 0]], np.float32)
    logits = np.array([[2, 0], [3, 1], [-1, 0], [1, 0]], np.float32)
    parts = [Predictions(logits, targets, np.array(list(ids)), MULTILABEL) for ids in ("abcd", "efgh")]
    by_class: dict[str, Any] = {
        name: ReportedScores.on_test({0: parts[0]}, {0: parts[1]}, place, {}) for place, name in enumerate("uv")
    }
    table = operating_rows({"0a1b2c3d": by_class}, {}, [("sensitivity", 0.9)], 100).set_index("class")
    assert table.loc["u", ["samples", "positives"]].tolist() == [3, 2]
    assert table.loc["u", "sensitivity"] == 1
    assert np.isnan(table.loc["v", "threshold"])
    assert "positive" in table.loc["v", "reason"]
