"""Mode post: what it plans, what belongs together, and what its tables say."""

from pathlib import Path

import numpy as np
import pytest

from mml_lib.errors import MMLError
from mml_lib.evaluation.comparisons.answer import Answer, ComparedNetwork
from mml_lib.evaluation.ensembles.combining import combine
from mml_lib.evaluation.ensembles.ensemble_selection import select_ensemble
from mml_lib.evaluation.ensembles.ensemble_storage import EnsembleStorage, Member
from mml_lib.evaluation.ensembles.fold_pools import pool_folds, spread
from mml_lib.evaluation.ensembles.options import EnsembleOptions
from mml_lib.tasks.description import TaskDescription
from tests.support.messages import mentions
from tests.support.planned_studies import FAKE, TASKS, wildcards
from tests.support.post_studies import IDS, NETWORKS, described, post, predictions, steps

# --- plans ------------------------------------------------------------------------------------------------------


def test_networks_are_calibrated_on_each_split_and_all_runs_are_one_ensemble(tmp_path: Path):
    plan = post(tmp_path, sweep={"seed": [1, 2]})
    assert len(steps(plan, "calibrate_fold")) == 2 * 3 * 2
    assert steps(plan, "select_ensemble") == [{"task": "mine", "mode": "post"}]
    assert [step["eval"] for step in steps(plan, "predict_ensemble")] == ["test", "unlabelled"]
    assert steps(plan, "compare_runs") == [{"task": "mine", "mode": "post"}]
    members = plan.study.inputs.post.member_predictions(wildcards(task="mine", mode="post"))
    assert len(members) == 6
    assert all(path.endswith("/val.npz") for path in members)


def test_nested_networks_are_calibrated_and_chosen_by_their_own_validation_part(tmp_path: Path):
    plan = post(tmp_path, {"nested": True}, sweep={"seed": [1, 2]})
    assert {step["task"] for step in steps(plan, "select_ensemble")} == {f"mine+nested~{fold}" for fold in range(3)}
    members = plan.study.inputs.post.members(wildcards(task="mine+nested~1", mode="post"))
    assert [(member["task"], member["fold"]) for member in members] == [("mine+nested~1", 0)] * 2
    networks = plan.study.inputs.post.compared_networks(wildcards(task="mine", mode="post"))
    assert sorted(network["shown"]["fold"] for network in networks) == [0, 0, 1, 1, 2, 2]
    assert len({network["shown"]["run"] for network in networks}) == 2


def test_values_and_masks_are_not_calibrated(tmp_path: Path):
    for task in ("c", "d"):
        plan = post(tmp_path, pivot={"name": task})
        assert not steps(plan, "calibrate_fold")
        assert steps(plan, "compare_runs")


def test_masks_of_several_sizes_belong_together_by_one_preprocessing(tmp_path: Path):
    of_masks = {"pivot": {"name": "d"}, "sweep": {"seed": [1, 2]}}
    patches = {"patches": {"size": 32}, "preprocessing": "none"}  # masks have the sizes of the delivered images
    assert steps(post(tmp_path, **of_masks, **patches), "compare_runs")
    plan = post(tmp_path, **of_masks)
    assert plan.study.inputs.post.compared_transforms(wildcards(task="d", mode="post")) is None
    assert plan.study.inputs.post.compared_dataset(wildcards(task="d", mode="post")) == []


def test_masks_that_differ_in_size_are_joined_and_compared_at_the_original_size(tmp_path: Path):
    plan = post(tmp_path, pivot={"name": "d"}, sweep={"preprocessing.size": [16, 32]})
    answers, of_task = plan.study.inputs.post, wildcards(task="d", mode="post")
    transforms = answers.compared_transforms(of_task)
    assert transforms is not None
    sizes = [spec[-1]["size"] for spec in transforms["networks"]]
    assert {tuple(size) for size in sizes} == {(16, 16), (32, 32)}
    assert transforms["ensembles"] == [[]]  # which is at the original size already
    assert len(answers.member_transforms(of_task) or []) == len(answers.members(of_task))
    assert answers.compared_dataset(of_task) == answers.member_dataset(of_task) != []
    assert any(mentions(line, "d", "size of the delivered images") for line in plan.announcement)


def test_masks_of_several_sizes_by_transforms_of_ones_own_are_refused(tmp_path: Path):
    own = {"_target_": "tests.support.own_modules.leave_alone"}
    pipelines = [{"name": "resize", "size": [16, 16]}], [{"name": "resize", "size": [32, 32]}, own]
    with pytest.raises(MMLError) as error:
        post(tmp_path, pivot={"name": "d"}, sweep={"preprocessing.transforms": list(pipelines)})
    assert mentions(str(error.value), "mode.post", "masks of d differ in size", "one preprocessing")


def test_prior_says_which_predictions_a_calibration_needs(tmp_path: Path):
    of_network = wildcards(task="mine", run="0a1b2c3d", fold=0, eval="test")
    for prior, needed in (("val", (False, False)), ("quantify", (False, True)), ("test", (True, False))):
        answers = post(tmp_path, {"prior": prior}).study.inputs.post
        assert answers.calibration(of_network)["prior"] == prior
        assert (bool(answers.test(of_network)), bool(answers.unlabelled(of_network))) == needed


def test_transfer_is_answered_where_a_pretrain_task_is_named(tmp_path: Path):
    plan = post(tmp_path, {"pretrain_task": "b"})
    assert plan.runs_of("mine")[0].pipeline.pretraining["task"] == "b"
    assert "pretraining" not in post(tmp_path).runs_of("mine")[0].pipeline.content


def test_ensemble_takes_all_alike_where_there_is_nothing_to_choose_from(tmp_path: Path):
    assert post(tmp_path).ensemble_options("mine").strategy == "mean"
    several = post(tmp_path, sweep={"seed": [1, 2, 3]}).ensemble_options("mine")
    assert (several.strategy, several.max_ensemble_size, several.seed) == ("greedy", 3, 42)


@pytest.mark.parametrize(
    ("mode", "changes", "why"),
    [
        ({"cv": False}, {"tasks": {"mine": FAKE | {"test_fraction": 0}}}, "mode.post: mine has no test split"),
        (
            {"subroutines": ["train", "predict", "calibrate"]},
            {"tasks": {"mine": FAKE | {"test_fraction": 0}}},
            "mode.post: mine has no test split",
        ),
        (
            {"ensemble": {"strategy": "greedy"}},
            {"tasks": {"mine": FAKE | {"test_fraction": 0}}, "sweep": {"seed": [1, 2]}},
            "mode.ensemble.strategy: greedy .*samples of mine",
        ),
        ({"prior": "quantify"}, {"tasks": TASKS}, "mode.prior: mine has no unlabelled samples"),
        ({"prior": "tset"}, {}, "prior"),
        ({"prior": [1.0]}, {}, "mode.prior: .*frequency for each class"),
        ({"prior": [0.5, 0.6, 0.2]}, {}, r"mode.prior: .*1.3; give frequencies"),
        ({"prior": [-0.5, 1, 0.5]}, {}, "mode.prior: .* has a number that is not a frequency"),
        ({"freeze": True}, {}, "freeze means nothing without pretrain_task"),
        ({"ensemble": {"budget": "many"}}, {}, r"mode.ensemble.budget: .*integer.*not 'many'"),
        ({"calibration": "plat"}, {}, "calibration"),
        ({"ensemble": {"strategie": "mean"}}, {}, "mode.ensemble: unknown key 'strategie', did you mean 'strategy'"),
        ({"ensemble": {"strategy": "greedi"}}, {}, "strategy 'greedi', did you mean 'greedy'"),
        ({"ensemble": {"strategy": "greedy"}}, {"pivot": {"name": "d"}}, "greedy is not for masks"),
        (
            {"ensemble": {"strategy": "greedy", "max_ensemble_size": 40}},
            {},
            r"max_ensemble_size \(40\); lower it",
        ),
    ],
)
def test_what_cannot_be_answered_is_refused(mode: dict, changes: dict, why: str, tmp_path: Path):
    with pytest.raises(MMLError, match=why):
        post(tmp_path, mode, **changes)


def test_runs_are_compared_out_of_fold_without_what_is_fitted_on_these_samples(tmp_path: Path):
    plan = post(tmp_path, tasks={"mine": FAKE | {"test_fraction": 0}}, sweep={"seed": [1, 2]})
    assert steps(plan, "compare_runs")
    assert "calibrate_fold" not in plan.commands
    assert plan.ensemble_options("mine").strategy == "mean"
    assert not plan.ensemble_options("mine").calibrate
    assert "test_out_of_fold" in plan.commands
    of_task = wildcards(task="mine", mode="post")
    answers = plan.study.inputs.post
    assert answers.is_out_of_fold(of_task)
    assert {Path(path).name for path in answers.compared_predictions(of_task)} == {"val.npz"}
    assert [Path(path).name for path in answers.compared_ensembles(of_task)] == ["val.npz"]
    assert answers.uncalibrated_predictions(of_task) == []
    assert any(mentions(note, "no calibration", "fitted on the samples") for note in plan.announcement)
    assert any("the mean of all runs" in note for note in plan.announcement)
    single = post(tmp_path, tasks={"mine": FAKE | {"test_fraction": 0}})
    assert not set(single.commands) & {"calibrate_fold", "select_ensemble", "predict_ensemble"}
    assert not post(tmp_path).study.inputs.post.is_out_of_fold(of_task)


# --- folds of a run ---------------------------------------------------------------------------------------------


def test_networks_of_a_run_are_one_member_which_predicts_every_sample_once():
    parts = [predictions(IDS[network.fold :: 2], seed) for seed, network in enumerate(NETWORKS)]
    members, pooled = pool_folds(NETWORKS, parts)
    assert members == [Member("t", "aaaaaaaa"), Member("t", "bbbbbbbb")]
    for predictions_of_fold in pooled:
        assert sorted(predictions_of_fold.ids.tolist()) == sorted(IDS)
    assert select_ensemble("t", members, pooled, EnsembleOptions("greedy", max_ensemble_size=2)).members


def ensemble_of(*runs: str) -> EnsembleStorage:
    assessment = {"selection_value": 0, "selection_ids": [], "assessed_value": 0, "assessed_samples": 1}
    return EnsembleStorage(
        task="t",
        task_type="classification",
        strategy="mean",
        members=[Member("t", run) for run in runs],
        weights=[1 / len(runs)] * len(runs),
        votes=False,
        member_temperature=1.0,
        metric="log_loss",
        candidates=0,
        seed=0,
        **assessment,
    )


def test_ensemble_of_runs_predicts_by_all_their_networks():
    ensemble = ensemble_of("bbbbbbbb")
    of_networks, places = spread(ensemble, NETWORKS)
    assert places == [2, 3]
    assert of_networks.weights == [0.5, 0.5]
    tested = [predictions(IDS, seed) for seed in range(4)]
    together = combine(of_networks, [tested[place] for place in places])
    softmax = [np.exp(member.logits) / np.exp(member.logits).sum(1, keepdims=True) for member in tested[2:]]
    assert np.allclose(np.exp(together.logits), (softmax[0] + softmax[1]) / 2, atol=1e-6)


# --- tables -----------------------------------------------------------------------------------------------------


@pytest.fixture
def answer() -> Answer:
    answer = Answer(["accuracy", "f1"], 200)
    task = described(["a", "b"] * 6 + [None] * 12)
    for seed, network in enumerate(NETWORKS):
        label = {"run": network.run, "label": f"run {network.run[0]}", "fold": network.fold}
        noise = 0.0 if network.run[0] == "b" else 6.0
        answer.add(ComparedNetwork.of({**network.tokens, "shown": label}), predictions(IDS[:12], seed, noise), task)
    answer.add_ensemble(ensemble_of("bbbbbbbb"), predictions(IDS[:12], 9, 6.0))
    return answer


def test_leaderboard_has_runs_and_the_ensemble_last(answer: Answer):
    board = answer.leaderboard(answer.resample())
    assert board["run"].tolist() == ["aaaaaaaa", "bbbbbbbb", "ensemble"]
    assert board["kind"].tolist() == ["procedure", "procedure", "ensemble"]
    assert board.set_index("run")["label"].to_dict() == {
        "aaaaaaaa": "run a",
        "bbbbbbbb": "run b",
        "ensemble": "of 1 of 2 runs",
    }


def test_tests_over_folds_know_how_many_samples_networks_were_trained_on(answer: Answer):
    assert answer.sizes == {0: (6, 12), 1: (6, 12)}
    tests = answer.fold_tests(answer.resample())
    row = tests[(tests["metric"] == "accuracy") & (tests["run"] == "aaaaaaaa") & (tests["other"] == "bbbbbbbb")].iloc[0]
    assert row["folds"] == 2
    assert row["difference"] > 0


def test_ensemble_of_all_folds_is_compared_with_no_fold(answer: Answer):
    """Its value is that of networks of both folds, and what it is worth stands under neither."""
    resamples = answer.resample()
    assert "ensemble" not in {*answer.fold_tests(resamples)["run"], *answer.fold_tests(resamples)["other"]}
    differences = answer.differences(resamples)
    row = differences[(differences["run"] == "ensemble") & (differences["metric"] == "accuracy")].set_index("other")
    expected = resamples.means("ensemble")[0] - resamples.means("bbbbbbbb")[0]
    assert row.loc["bbbbbbbb", "difference"] == pytest.approx(expected)
    assert row.loc["bbbbbbbb", "about"] == "networks"
    classes = answer.classes()
    assert set(classes["fold"][classes["run"] == "ensemble"]) == {""}
    assert set(classes["fold"][classes["run"] != "ensemble"]) == {0, 1}


def test_ensemble_of_each_fold_stands_under_it(answer: Answer):
    del answer.runs["ensemble"]
    answer._sizes.clear()
    for fold in (0, 1):
        members = ensemble_of(*["aaaaaaaa", "bbbbbbbb"][: fold + 1])
        answer.add_ensemble(members, predictions(IDS[:12], 9 + fold, 6.0), fold)
    classes = answer.classes()
    assert set(classes["fold"][classes["run"] == "ensemble"]) == {0, 1}
    assert answer.labels["ensemble"] == "of 1 to 2 of 2 runs"


def test_an_ensemble_does_not_count_baselines_among_its_candidates(answer: Answer):
    tokens = {"task": "t", "run": "cccccccc", "fold": 0, "baseline": True}
    network = ComparedNetwork.of({**tokens, "shown": {"run": "cccccccc", "label": "linear_probe", "fold": 0}})
    answer.add(network, predictions(IDS[:12], 5), answer.tasks[0])
    answer.calibrated |= {"aaaaaaaa": True, "bbbbbbbb": True}
    answer._sizes.clear()
    answer.add_ensemble(ensemble_of("bbbbbbbb"), predictions(IDS[:12], 9, 6.0))
    assert answer.labels["ensemble"] == "of 1 of 2 runs"
    assert answer.calibrated["ensemble"]
    assert not answer.calibrated["cccccccc"]


def test_groups_are_resampled_as_a_whole(answer: Answer):
    resamples = answer.resample()
    networks = [network for folds in resamples.runs.values() for network in folds.values()]
    assert {int(units) for network in networks for units in network.units} == {2}


def test_classes_and_groups_are_told_for_each_network(answer: Answer):
    classes, groups = answer.classes(), answer.groups()
    assert set(classes["class"]) == {"x", "y", "z"}
    assert len(classes) == 5 * 3
    assert set(groups["group"]) == {"a", "b"}
    assert (groups["samples"] == 6).all()


def test_runs_that_differ_in_their_seed_are_one_procedure(answer: Answer):
    both = Answer(["accuracy"], 100)
    for network, parts in zip(NETWORKS, answer.runs.values(), strict=False):
        called = {"procedure": "cccccccc", "procedure_label": "plain", "label": f"plain, seed={network.run[0]}"}
        for fold, part in parts.items():
            label = {"run": network.run, "fold": fold, **called}
            both.add(ComparedNetwork.of({**network.tokens, "fold": fold, "shown": label}), part, answer.tasks[0])
    for network in NETWORKS[2:]:
        label = {"run": "bbbbbbbb", "fold": network.fold, **called, "label": "plain, seed=b"}
        predicted = answer.runs["bbbbbbbb"][network.fold]
        both.add(ComparedNetwork.of({**network.tokens, "shown": label}), predicted, answer.tasks[0])
    board = both.leaderboard(both.resample())
    assert board["kind"].tolist() == ["procedure", "run", "run"]
    assert board["label"].tolist()[0] == "plain"
    assert both.differences(both.resample()).empty


def test_groups_as_many_as_patients_are_no_subgroups(answer: Answer):
    ids = [f"s{number}" for number in range(120)]
    columns = {"id": ids, "split": ["test"] * 120, "fold": [-1] * 120, "group": ids}
    network = ComparedNetwork("t", "aaaaaaaa", 0, "", "aaaaaaaa", "", held_out=0)
    many = Answer(["accuracy"], 100)
    many.add(network, predictions(ids, 0), TaskDescription({"name": "t", "classes": ["x", "y", "z"]}, columns))
    assert many.groups().empty


def test_calibration_is_told_before_and_after(answer: Answer):
    table = answer.calibration({"aaaaaaaa": {0: predictions(IDS[:12], 3)}})
    assert table["metric"].tolist() == ["log_loss", "brier", "calibration_error"]
    assert (table[["before", "after"]] >= 0).all(axis=None)
