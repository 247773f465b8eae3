"""Python access: a project's models, predictions, metrics and tasks as data frames."""

import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mml_lib.errors import MMLError
from mml_lib.evaluation.network_metrics import NetworkMetrics
from mml_lib.features.feature_files import Features
from mml_lib.files.manager import MMLFileManager
from mml_lib.interactive import load_features, load_metrics, load_predictions, load_project_models, task_infos
from mml_lib.predictions.predictions import MaskPredictions, Predictions
from tests.support.places import REPOSITORY
from tests.support.small_projects import CLASSES, Project, small_project, write

KEYS = ["task", "run", "fold", "on", "split"]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(tmp_path)
    for variable in ("MML_DATA_PATH", "MML_RESULTS_PATH"):
        monkeypatch.delenv(variable, raising=False)
    made = small_project(tmp_path)
    MMLFileManager.clear_instance()
    return made


# --- features -----------------------------------------------------------------------------------------------------


def store_features(project: Project, extractor: str, values: np.ndarray) -> None:
    folds = np.array([0, 1, -1])
    features = Features(["a", "b", "c"], ["train", "train", "test"], folds, values, extractor, "shapes", "0a1b2c3d")
    path = project.path("features", task_id="0a1b2c3d", extractor=extractor)
    path.parent.mkdir(parents=True, exist_ok=True)
    features.save(path)


def test_features_have_a_row_for_each_sample(project: Project):
    store_features(project, "small-0a1b2c3d", np.array([[1, 2], [3, 4], [5, 6]], np.float32))
    store_features(project, "large-0a1b2c3d", np.zeros((3, 3), np.float32))
    table = load_features("demo", task="shapes", extractor="small-0a1b2c3d", split=["train"])
    assert table.columns.tolist() == ["task", "task_id", "extractor", "id", "split", "fold", "feature/0", "feature/1"]
    assert table[["id", "fold", "feature/1"]].to_numpy().tolist() == [["a", 0, 2.0], ["b", 1, 4.0]]
    assert len(load_features("demo")) == 6
    with pytest.raises(MMLError, match=r"extractor: .*did you mean 'small-0a1b2c3d'"):
        load_features("demo", extractor="smal-0a1b2c3d")


def test_the_example_of_the_guide_reads_features(project: Project):
    store_features(project, "resnet18-0a1b2c3d", np.arange(6, dtype=np.float32).reshape(3, 2))
    page = (REPOSITORY / "config/guide/features.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", page, re.M | re.S)
    (code,) = [block for block in blocks if "load_features" in block]
    names: dict[str, object] = {}
    exec(code.replace("lesions", "shapes"), names)
    assert len(names["table"]) == 2
    assert names["features"].values.tolist() == [[0, 1], [2, 3], [4, 5]]


def test_features_of_tokens_are_left_out_of_tables(project: Project):
    store_features(project, "tokens-0a1b2c3d", np.zeros((3, 4, 2), np.float32))
    with pytest.warns(UserWarning, match=r"Features\.load"):
        assert load_features("demo").empty


# --- models -------------------------------------------------------------------------------------------------------


def test_models_have_a_row_each_with_the_keys_in_which_their_runs_differ(project: Project):
    models = load_project_models("demo")
    assert len(models) == 4
    lr = dict(zip(models["run"], models["optimizer.lr"], strict=True))
    assert lr == {run: rate for rate, run in project.runs.items()}
    (best,) = models[models["performance"] == 0].to_dict("records")
    assert (best["run"], best["fold"], best["val/accuracy"], best["stored_epoch"]) == (project.runs[0.1], 1, 1, 1)
    assert (best["weights"], best["predictions"], best["checkpoint"]) == (True, "test unlabelled", False)
    columns = {"seed", "optimizer._target_", "val/loss", "label"}
    assert not columns & set(models.columns), "what is the same for all, or said already"


def test_lists_and_keys_that_some_pipelines_lack_are_columns_too(tmp_path: Path):
    callbacks = {"mean": {"_target_": "lightning.pytorch.callbacks.Timer", "duration": [0.1, 0.2]}}
    made = small_project(
        tmp_path,
        sweep={},
        variants={"plain": {"optimizer.lr": 0.1}, "mean": {"callbacks": callbacks, "optimizer.lr": 0.2}},
    )
    models = load_project_models(made.root / "demo").set_index("run")
    assert models.loc[made.runs[0.2], "callbacks.mean.duration"].tolist() == ["[0.1,0.2]"] * 2
    assert models.loc[made.runs[0.1], "callbacks.mean.duration"].isna().all()


def test_filters_take_a_value_or_several(project: Project):
    run = project.runs[0.2]
    assert load_project_models("demo", run=run, fold=1)[["run", "fold"]].values.tolist() == [[run, 1]]
    assert len(load_project_models("demo", task=["shapes"], fold=range(2))) == 4
    assert len(load_project_models("demo", fold=np.int64(0))) == 2
    assert "optimizer.lr" not in load_project_models("demo", run=run), "one run differs from none"
    assert set(load_predictions("demo", split="unlabelled")["split"]) == {"unlabelled"}
    assert load_metrics("demo", run=run, split=["test"])["fold"].tolist() == [0, 1]


@pytest.mark.parametrize(
    ("call", "output"),
    [
        (lambda: load_project_models("dmo"), r"project 'dmo' in .*results, did you mean 'demo'\?"),
        (lambda: load_project_models("./demo"), "there is no project 'demo'"),
        (lambda: load_project_models("demo", task="shape"), "task: .*'shape'.*'shapes'"),
        (lambda: load_predictions("demo", split="val"), "split: .*'val'.*; known"),
        (lambda: load_metrics("demo", fold=2), "fold: .*'2'.*; known: 0, 1"),
        (lambda: load_predictions("demo", form="broad"), "form: 'broad' is neither wide nor long"),
        (lambda: task_infos(task="shapez"), "task: .*'shapez'.*'shapes'"),
    ],
)
def test_what_is_misspelt_is_refused_with_what_is_known(project: Project, call, output: str):
    with pytest.raises(MMLError, match=output):
        call()
    assert not MMLFileManager.exists()


def test_project_is_found_by_name_by_folder_and_by_the_environment(project: Project, monkeypatch: pytest.MonkeyPatch):
    by_name = load_metrics("demo")
    assert len(by_name) == 4
    assert load_metrics("results/demo").equals(by_name)
    assert load_metrics(Path("results/demo")).equals(by_name)
    monkeypatch.chdir("/")
    roots = {"results": project.root, "data": project.root.parent / "data"}
    assert load_metrics("demo", results=roots["results"]).equals(by_name)
    assert load_metrics(project.root / "demo").equals(by_name)
    assert load_metrics(str(project.root / "demo")).equals(by_name)
    assert len(task_infos(data=roots["data"])) == 1
    monkeypatch.setenv("MML_RESULTS_PATH", str(roots["results"]))
    monkeypatch.setenv("MML_DATA_PATH", str(roots["data"]))
    assert load_metrics("demo").equals(by_name)
    assert len(task_infos("demo")) == 1


def test_project_without_results_gives_empty_frames(tmp_path: Path):
    (tmp_path / "new").mkdir()
    frames = [load(tmp_path / "new") for load in (load_project_models, load_predictions, load_metrics)]
    assert [len(frame) for frame in frames] == [0, 0, 0]
    assert [frame.columns[:3].tolist() for frame in frames] == [["task", "run", "fold"]] * 3
    assert task_infos(data=tmp_path).empty


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"format": 99}'])
def test_damaged_files_are_left_out_with_a_warning(project: Project, content: str):
    for key, more in (("models", {}), ("metrics", {"eval": "test"}), ("predictions", {"eval": "test"})):
        project.path(key, **more).write_text(content)
    lost = [project.runs[0.1], 0]
    for load in (load_project_models, load_metrics, lambda name: load_predictions(name, split="test")):
        with pytest.warns(UserWarning, match="left out: .*fold0") as caught:
            left = load("demo")
        assert len(caught) == 1
        assert caught[0].filename == __file__, "the warning points to the call"
        rows = left[["run", "fold"]].drop_duplicates().values.tolist()
        assert (len(rows), lost in rows) == (3, False)


def test_model_whose_pipeline_is_gone_keeps_its_row(project: Project):
    project.path("pipeline").unlink()
    with pytest.warns(UserWarning, match=r"left out: .*PIPELINES.* cannot be read"):
        assert len(load_project_models("demo")) == 4
    assert "probability/0" in load_predictions("demo", run=project.runs[0.1]), "classes are called by number"


def test_file_manager_of_the_process_is_left_as_it_was(project: Project):
    own = MMLFileManager(Path("a"), Path("b"))
    load_project_models("demo")
    assert MMLFileManager.instance() is own


# --- predictions --------------------------------------------------------------------------------------------------


def test_wide_predictions_have_a_row_for_each_sample(project: Project):
    table = load_predictions("demo", run=project.runs[0.1], fold=1, split="test")
    assert table.columns.tolist() == [
        *(*KEYS, "id", "target", "prediction"),
        *(f"{column}/{name}" for column in ("probability", "logit") for name in CLASSES),
    ]
    assert len(table) == 5
    assert (table["target"] == table["prediction"]).all()
    likely = np.exp(2) / (np.exp(2) + 2)
    assert table["probability/angle000"].tolist() == pytest.approx(
        [likely if target == "angle000" else (1 - likely) / 2 for target in table["target"]]
    )
    assert set(table["logit/angle060"]) == {0, 2}


def test_long_predictions_have_a_row_for_each_sample_and_class(project: Project):
    chosen = {"run": project.runs[0.1], "fold": 1, "split": "test"}
    table, wide = (load_predictions("demo", **chosen, form=form) for form in ("long", "wide"))
    assert table.columns.tolist() == [*KEYS, "id", "class", "target", "probability", "logit"]
    assert len(table) == 15
    for column in ("probability", "logit"):
        pivoted = table.pivot(index="id", columns="class", values=column).loc[wide["id"]]
        for name in CLASSES:
            assert pivoted[name].tolist() == wide[f"{column}/{name}"].tolist()
    assert table[table["target"] == 1]["class"].tolist() == wide["target"].tolist()


def test_targets_of_unlabelled_samples_are_missing(project: Project):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = load_predictions("demo")
        long = load_predictions("demo", form="long")
    missing = table.groupby("split")["target"].agg(lambda values: values.isna().mean())
    assert missing.to_dict() == {"test": 0, "unlabelled": 1}
    assert long[long["split"] == "unlabelled"]["target"].isna().all()
    assert long[long["split"] == "test"].groupby(["run", "fold", "id"])["target"].sum().eq(1).all()


def test_other_tasks_and_calibrated_predictions_are_told_apart(project: Project):
    other = Predictions(np.eye(3, dtype="f"), np.arange(3), np.array(["x", "y", "z"]))
    other.write(project.path("other_predictions", eval_task="others", eval="test"))
    Predictions(5 * other.logits, other.targets, other.ids).write(project.path("calibrated", eval="test"))
    tokens = {"task": "shapes", "run": project.runs[0.1], "fold": 0, "on": "others", "split": "test"}
    metrics = NetworkMetrics(metrics={"f1": 0.25}, **tokens)
    metrics.write(project.path("other_metrics", eval_task="others", eval="test"))
    table = load_predictions("demo", split="test")
    assert table[table["on"] == "others"]["id"].tolist() == ["x", "y", "z"]
    assert load_predictions("demo", calibrated=True)["logit/angle000"].tolist() == [5, 0, 0]
    metrics = load_metrics("demo", run=project.runs[0.1], fold=0).set_index("on")
    assert metrics.loc["others", "f1"] == 0.25
    assert metrics.loc["", ["accuracy", "accuracy_low", "accuracy_high"]].tolist() == [0.5, 0.2, 1.0]


def put(project: Project, predictions: Predictions | MaskPredictions) -> list[pd.DataFrame]:
    """Return predictions in both forms."""
    predictions.write(project.path("predictions", task="t", run="0" * 8, eval="test"))
    return [load_predictions("demo", task="t", form=form).drop(columns=KEYS) for form in ("wide", "long")]


def test_labels_have_probabilities_of_their_own(project: Project):
    targets = np.array([[1, 0.25]], "f")
    wide, long = put(
        project, Predictions(np.array([[0, 9]], "f"), targets, np.array(["a"]), "multilabel_classification")
    )
    assert wide.iloc[0][["target/0", "target/1", "probability/0"]].tolist() == [1, 0.25, 0.5]
    assert long["probability"].tolist() == pytest.approx([0.5, 1 / (1 + np.exp(-9))])
    assert long["class"].tolist() == ["0", "1"]


def test_values_are_the_same_in_both_forms(project: Project):
    targets = np.array([1.5, np.nan], "f")
    for table in put(project, Predictions(np.array([[2], [3]], "f"), targets, np.array(["a", "b"]), "regression")):
        assert table.columns.tolist() == ["id", "target", "prediction"]
        assert table["prediction"].tolist() == [2, 3]
        assert table["target"].tolist()[0] == 1.5
        assert table["target"].isna().tolist() == [False, True]


def test_masks_are_counted_in_pixels_without_the_ignored_ones(project: Project):
    masks = [np.array([[0, 0, 1]], np.uint8), np.array([[1], [1]], np.uint8)]
    targets = [np.array([[0, 1, 255]], np.uint8), np.array([[1], [1]], np.uint8)]
    wide, long = put(project, MaskPredictions.of(masks, targets, np.array(["a", "b"]), 2))
    assert wide.drop(columns="id").to_dict("list") == {
        **{"target/0": [1, 0], "target/1": [1, 2]},
        **{"prediction/0": [2, 0], "prediction/1": [0, 2]},
        **{"hits/0": [1, 0], "hits/1": [0, 2]},
    }
    assert long[["id", "class", "hits"]].values.tolist() == [["a", "0", 1], ["a", "1", 0], ["b", "0", 0], ["b", "1", 2]]


# --- tasks --------------------------------------------------------------------------------------------------------


def test_tasks_are_those_of_a_project_or_all(project: Project):
    own = Path(project.study.fm.path("description", task="shapes", task_id=project.study.tasks["shapes"].id))
    write(own.with_name("0123abcd.json"), own.read_text())
    assert len(task_infos()) == 2
    (row,) = task_infos("demo").to_dict("records")
    assert (row["task"], row["classes"], row["test"], row["unlabelled"]) == ("shapes", 3, 5, 3)
    write(own.with_name("0123abcd.json"), "{}")
    with pytest.warns(UserWarning, match="0123abcd.json is damaged"):
        assert len(task_infos()) == 1


# --- the example --------------------------------------------------------------------------------------------------


def test_example_of_the_readme_runs_and_imports_no_torch(project: Project):
    (example,) = re.findall(
        r"```python\n(from mml_lib\.interactive .*?)```", (REPOSITORY / "config/guide/notebooks.md").read_text(), re.S
    )
    results = "best.run, best.fold, len(tasks), len(metrics), len(wrong), 'torch' in sys.modules"
    program = f"import sys\n{example}\nprint({results})"
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [project.runs[0.1], "1", "1", "2", "0", "False"]
