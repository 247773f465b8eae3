"""Mode train: what it plans, and what it refuses to."""

import csv
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mml_lib.errors import MMLError
from mml_lib.models.model_storage import ModelStorage
from mml_lib.schedulers.base import AbstractBaseScheduler
from tests.support.places import CONFIG
from tests.support.train_studies import FAKE, study


def planned(mode: dict[str, Any] | None = None, **changes: Any) -> AbstractBaseScheduler:
    return study(mode, **changes).scheduler("train")


def steps(scheduler: AbstractBaseScheduler) -> list[tuple[str, ...]]:
    """Return the planned steps without their runs."""
    keys = ("task", "fold", "eval_task", "eval")
    rows = zip(scheduler.commands, scheduler.params, strict=True)
    return [(command, *(str(params[key]) for key in keys if key in params)) for command, params in rows]


def test_predict_and_test_are_modes_that_do_a_part_of_train():
    predicted = steps(study({"preset": "predict", "folds": [1]}).scheduler("predict"))
    assert predicted == [("predict_fold", "mine", "1", "test")]
    tested = Counter(step[0] for step in steps(study().scheduler("test")))
    assert tested == {"predict_fold": 3, "test_fold": 3, "summarize": 1}


def test_masks_are_measured_by_class_and_image_wherever_they_are_tested():
    discs = FAKE | {"task_type": "semantic_segmentation"}
    tasks = {"mine": discs, "other": discs | {"num_samples": 27}}
    counts = Counter(step[0] for step in steps(planned({"eval_on": ["other"]}, tasks=tasks, decoder="unet_small")))
    assert counts["measure_masks"] == counts["test_fold"] == 3
    assert counts["measure_other_masks"] == counts["test_other"] == 3
    pooled = planned(tasks={"mine": discs | {"test_fraction": 0}}, decoder="unet_small").commands
    assert pooled.count("measure_out_of_fold_masks") == pooled.count("test_out_of_fold") == 1


def test_nested_holds_each_fold_out_and_tests_on_the_own_test_split_too():
    planned_steps = steps(planned({"nested": True}))
    for fold in "012":
        assert ("train_fold", f"mine+nested~{fold}", "0") in planned_steps
        assert ("test_fold", f"mine+nested~{fold}", "0", "test") in planned_steps
        assert ("test_other", f"mine+nested~{fold}", "0", "mine", "test") in planned_steps
    assert Counter(step[0] for step in planned_steps) == {
        **dict.fromkeys(("train_fold", "predict_fold", "predict_other", "test_fold", "test_other"), 3),
        **dict.fromkeys(("summarize", "draw_results", "describe_study", "write_methods", "write_report"), 1),
    }
    assert steps(planned({"nested": True, "cv": False})) == [
        s for s in planned_steps if not {"mine+nested~1", "mine+nested~2"} & set(s)
    ]


def test_folds_of_nested_validation_are_those_of_one_run_in_tables():
    scheduler = planned({"nested": True}, sweep={"seed": [1, 2]})
    labels = scheduler.run_labels.values()
    assert len(labels) == 6
    by_run = Counter((label.task, label.run, label.label) for label in labels)
    assert sorted(by_run.values()) == [3, 3]
    assert {label for _, _, label in by_run} == {"seed=1", "seed=2"}
    assert {label.fold for label in labels} == {0, 1, 2}


def test_networks_are_evaluated_on_other_tasks_and_predict_those_without_labels():
    planned_steps = steps(planned({"eval_on": ["other", "archive"], "cv": False}))
    assert [step for step in planned_steps if "other" in step[0]] == [
        ("predict_other", "mine", "0", "other", "test"),
        ("test_other", "mine", "0", "other", "test"),
        ("predict_other", "mine", "0", "archive", "unlabelled"),
    ]


def test_nothing_is_summed_up_where_nothing_is_tested():
    tasks = {"mine": FAKE | {"unlabelled": 3}}
    assert steps(planned({"eval": ["unlabelled"], "cv": False}, tasks=tasks)) == [
        ("train_fold", "mine", "0"),
        ("predict_fold", "mine", "0", "unlabelled"),
    ]


def test_images_of_another_task_are_packed_as_those_of_the_training():
    plan = study({"eval_on": ["other"]}, variants={"a": {}, "b": {"preprocessing": {"size": 64}}})
    for run in plan.scheduler("train").runs_of("mine"):
        wildcards = type("Wildcards", (), {"task": "mine", "run": run.id, "eval_task": "other"})
        assert plan.inputs.evaluate.other_packed_images(wildcards).rsplit("/", 1)[1] == run.pipeline.task["pack"]


REGRESSION = {"mine": FAKE, "other": FAKE | {"task_type": "regression"}}
UNTESTED = {"mine": FAKE | {"test_fraction": 0}}


@pytest.mark.parametrize(
    ("mode", "changes", "why"),
    [
        ({"eval_on": ["othr"]}, {}, "mode.eval_on: .*task 'othr'.*did you mean 'other'"),
        ({"eval_on": ["other"]}, {"tasks": REGRESSION}, "mode.eval_on: other is a regression, mine a classification"),
        (
            {"eval_on": ["other"]},
            {"tasks": {"mine": FAKE, "other": FAKE | {"test_fraction": 0}}},
            r"mode.eval_on: .*set tasks\.other\.test_fraction",
        ),
        ({"nested": True}, {"pivot": {"name": "mine", "tags": "+nested~0"}}, "it is nested already"),
        ({}, {"pivot": {"name": "mine", "tags": "+nested~0+subset~0.5+nested~1"}}, "it is nested already"),
        ({}, {"store_best": "dice"}, r"store_best: 'dice'.*known: accuracy"),
        (
            {},
            {
                "store_best": True,
                "callbacks": {
                    "swa": {"_target_": "lightning.pytorch.callbacks.StochasticWeightAveraging", "swa_lrs": 1}
                },
            },
            "store_best: averaged weights",
        ),
    ],
)
def test_what_cannot_be_trained_or_evaluated_is_refused(mode: dict, changes: dict, why: str):
    with pytest.raises(MMLError, match=why):
        study(mode, **changes).check()


LOOKERS = {
    "store_best": {"store_best": True},
    "lr_scheduler": {"lr_scheduler": {"_target_": "torch.optim.lr_scheduler.ReduceLROnPlateau"}},
    "callbacks": {
        "callbacks": {"stop": {"_target_": "lightning.pytorch.callbacks.EarlyStopping", "monitor": "val/loss"}}
    },
}


@pytest.mark.parametrize("key", LOOKERS)
def test_validation_split_that_was_chosen_by_is_not_reported(key: str, tmp_path):
    paths = {"presets": [str(CONFIG)], "data": str(tmp_path), "results": str(tmp_path)}
    for mode, tasks in (({"eval": ["val"]}, {"mine": FAKE}), ({}, UNTESTED)):
        with pytest.raises(
            MMLError, match=f"{key} chooses by the validation split of mine, which is reported too; set mode"
        ):
            study(mode, tasks=tasks, paths=paths, **LOOKERS[key]).check()
    study({}, paths=paths, **LOOKERS[key]).check()
    study({"nested": True}, tasks=UNTESTED, paths=paths, **LOOKERS[key]).check()
    study({"eval": ["val"]}, paths=paths).check()


VALIDATED = {"plain": (0.6, 0.7), "better": (0.9, 0.8)}
"""Validation accuracy of two seeds, each on all folds."""


def finished(folder: Path, **changes: Any) -> AbstractBaseScheduler:
    """Return a plan whose networks were validated, and whose summary says the opposite of their validation."""
    paths = {"presets": [str(CONFIG)], "results": str(folder)}
    variants = {"plain": {}, "better": {"optimizer.lr": 0.5}}
    plan = planned({}, paths=paths, variants=variants, sweep={"seed": [1, 2]}, metrics=["accuracy"], **changes)
    rows = []
    for run in plan.runs_of("mine"):
        name, seed = run.label.split(", seed=")
        value = VALIDATED[name][int(seed) - 1]
        about = {"task": "mine", "on": "", "split": "test", "metric": "accuracy", "procedure": run.pipeline.procedure}
        rows.append(about | {"kind": "run", "run": run.id, "mean": 1 - value, "ci_low": "", "ci_high": ""})
        rows.append(about | {"kind": "procedure", "run": "", "mean": 0.5, "ci_low": 0.4, "ci_high": 0.6})
        for fold in range(3):
            metrics = {"val/accuracy": value, "val/loss": 1.0}
            results = {"performance": 1.0, "metrics": metrics, "epochs": 1, "stored_epoch": 0, "training_time": 1.0}
            storage = ModelStorage("mine", run.id, fold, **results, num_parameters=1, device="cpu")
            storage.write(plan.fm.path("models", task="mine", run=run.id, fold=fold))
    path = Path(plan.fm.path("summary", mode="train"))
    path.parent.mkdir(parents=True)
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return plan


def test_best_procedure_and_run_are_chosen_by_validation_and_not_by_what_is_reported(tmp_path: Path):
    plan = finished(tmp_path)
    step = SimpleNamespace(
        input=SimpleNamespace(summary=[plan.fm.path("summary", mode="train")], **plan.finishing_files)
    )
    plan.before_finishing_hook(step)
    (best,) = step.return_value
    assert best["label"] == "better, seed=1"
    assert (best["chosen_by"], best["validation"]) == ("val/accuracy", pytest.approx(0.9))
    assert (best["metric"], best["mean"]) == ("accuracy", pytest.approx(0.1))
    assert (best["procedure_mean"], best["ci_low"], best["ci_high"]) == (0.5, 0.4, 0.6)
    chosen = next(run for run in plan.runs_of("mine") if run.id == best["run"])
    assert chosen.pipeline.procedure == best["procedure"]


def test_seeds_are_repetitions_of_one_procedure():
    plan = planned({}, variants={"plain": {}, "flipped": {"augmentations": "flips"}}, sweep={"seed": [1, 2, 3]})
    labels = plan.run_labels.values()
    assert Counter(label.procedure_label for label in labels) == {"plain": 3, "flipped": 3}
    assert len({label.procedure for label in labels}) == 2
    assert len({label.run for label in labels}) == 6
    seeds_only = planned({}, variants={"plain": {}, "again": {"seed": 7}})
    assert {label.procedure_label for label in seeds_only.run_labels.values()} == {"plain = again"}
    nested = planned({"nested": True}, sweep={"seed": [1, 2]}).run_labels.values()
    assert len({label.procedure for label in nested}) == 1
