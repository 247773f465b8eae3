"""Plan of a report: which pictures follow from a study, and the labels of its runs."""

import re
from pathlib import Path
from typing import Any

from snakemake.iocontainers import Wildcards

from mml_lib.studies.study import Study
from tests.support.train_studies import study

ALL = ["train", "predict", "test", "draw"]
STUDY = ["describe_study", "write_methods", "write_report"]


def ask(study: Study, method: str, task: str = "mine", mode: str = "train") -> Any:
    return getattr(study.inputs.report, method)(Wildcards(fromdict={"task": task, "mode": mode}))


def names(paths: list[str]) -> list[str]:
    return sorted(re.sub(r"[0-9a-f]{8}", "RUN", path.split("results/default/")[-1]) for path in paths)


def test_report_is_planned_for_tasks_that_something_is_tested_of():
    tasks = {"mine": {"creator": "fake", "unlabelled": 3}, "other": {"creator": "fake", "num_samples": 40}}
    planned = study(tasks=tasks)
    assert planned.scheduler("train").commands[-4:] == ["draw_results", *STUDY]
    assert planned.scheduler("train").params[-4:] == [{"task": "mine", "mode": "train"}, *[{"mode": "train"}] * 3]
    elsewhere = study({"eval": ["unlabelled"], "eval_on": ["other"]}, tasks=tasks).scheduler("train")
    assert "test_other" in elsewhere.commands
    assert elsewhere.commands[-4:] == ["summarize", *STUDY]
    for left_out in (ALL[:3], ["train", "draw"]):
        assert not {"draw_results", *STUDY} & set(study({"subroutines": left_out}).scheduler("train").commands)


def test_absent_steps_are_absent_pictures():
    plain = study({"folds": [0]})
    assert names(ask(plain, "histories")) == ["HISTORY/mine/RUN-fold0.csv"]
    assert names(ask(plain, "predictions")) == ["PREDICTIONS/mine/RUN-fold0/test.npz"]
    assert not any(ask(plain, method) for method in ("tunings", "calibrated", "ensembles", "tables"))
    assert names(ask(study({"folds": [0]}, tune="lr"), "tunings")) == ["TUNING/mine/RUN-fold0.json"]


def test_mode_post_adds_what_it_plans():
    post = study({"preset": "post", "folds": [0, 1]})
    assert names(ask(post, "calibrated", mode="post")) == [
        f"CALIBRATED/mine/RUN-fold{fold}/test.npz" for fold in (0, 1)
    ]
    assert names(ask(post, "ensembles", mode="post")) == ["ENSEMBLES/mine/post.json"]
    assert "COMPARISONS/mine/post/leaderboard.csv" in names(ask(post, "tables", mode="post"))
    less = study({"preset": "post", "folds": [0], "subroutines": [*ALL, "calibrate"]})
    assert not ask(less, "ensembles", mode="post") + ask(less, "tables", mode="post")
    assert len(ask(less, "calibrated", mode="post")) == 1


def test_nested_networks_are_drawn_with_the_task_that_they_come_from():
    nested = study({"nested": True})
    assert names(ask(nested, "predictions")) == [f"PREDICTIONS/mine+nested~{k}/RUN-fold0/test.npz" for k in range(3)]
    labels = ask(nested, "run_labels")
    assert len(labels) == 3
    assert len({label["run"] for label in labels.values()}) == 1


def test_validation_split_is_drawn_where_nothing_else_is_tested():
    planned = study({"eval": ["val"], "folds": [0]})
    assert names(ask(planned, "predictions")) == ["PREDICTIONS/mine/RUN-fold0/val.npz"]
    both = study({"eval": ["val", "test"], "folds": [0]})
    assert names(ask(both, "predictions")) == ["PREDICTIONS/mine/RUN-fold0/test.npz"]


def test_what_is_removed_is_not_drawn():
    removing = study(remove={"predictions": True, "history": True})
    assert ask(removing, "predictions") == ask(removing, "histories") == []


def test_lost_history_is_no_reason_to_train(tmp_path: Path):
    lost = study({"folds": [0, 1]}, paths=study().config["paths"] | {"results": str(tmp_path)})
    models = [Path(lost.fm.path("models", **network.tokens)) for network in lost.scheduler("train").networks("mine")]
    models[0].parent.mkdir(parents=True)
    models[0].touch()
    assert [path[-5:] for path in ask(lost, "histories")] == ["1.csv"]
    Path(path := lost.fm.path("history", **lost.scheduler("train").networks("mine")[0].tokens)).parent.mkdir(
        parents=True
    )
    Path(path).touch()
    assert len(ask(lost, "histories")) == 2


def test_config_is_told_without_what_changes_no_result():
    plain = {"trainer": {"max_epochs": 2}, "tta": {"transforms": []}}
    same = plain | {"trainer": {"max_epochs": 2, "accelerator": "cpu"}, "num_workers": 3, "tta": "none"}
    assert ask(study(**plain), "config") == ask(study(**same), "config")
    other = study(**plain | {"tta": "flips"})
    assert ask(other, "config") != ask(study(**plain), "config")


def test_runs_are_told_with_what_differs_between_them():
    tasks = {"mine": {"creator": "fake"}, "other": {"creator": "fake", "task_type": "regression"}}
    swept = {"sweep": {"optimizer.lr": [0.1, 0.2]}, "variants": {"a": {}, "b": {"augmentations": "flips"}}}
    both = ask(study(tasks=tasks, pivot={}, **swept), "runs")
    runs = [run for run in both if run["task"] == "mine"]
    assert len(both) == 2 * len(runs)
    assert [run["label"] for run in runs] == [f"{name}, optimizer.lr={lr}" for name in "ab" for lr in (0.1, 0.2)]
    assert [run["optimizer.lr"] for run in runs] == [0.1, 0.2, 0.1, 0.2]
    assert not {"seed", "optimizer._target_", "loss._target_"} & runs[0].keys()
    assert any(key.startswith("augmentations.") for key in runs[0])


def test_labels_hold_no_markup():
    marked = study(variants={"</script>": {}, "other": {"seed": 1}})
    for run in {label["run"] for label in ask(marked, "run_labels").values()}:
        tokens = {"task": "mine", "mode": "train", "figure": "confusion_matrix", "part": run}
        labels = marked.inputs.report.figure(Wildcards(fromdict=tokens))
        assert labels["content"] == "confusion matrix"
        assert labels["subject"].startswith(run)
        assert "<" not in labels["subject"]
