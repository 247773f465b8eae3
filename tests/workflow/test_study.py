"""A finished study, and what editing it plans."""

import csv
import json
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import yaml

from mml_lib.models.network import load_network
from tests.support.places import REPOSITORY
from tests.support.workplaces import TINY, Workplace


def run_of(place: Workplace) -> str:
    (pipeline,) = place.files("results/tiny/PIPELINES/stripes/*.yaml")
    return pipeline.stem


def test_study_delivers_models_predictions_metrics_and_summary(finished: Workplace):
    run = run_of(finished)
    base = finished.folder / "results/tiny"
    for fold in (0, 1):
        storage = json.loads((base / f"MODELS/stripes/{run}-fold{fold}.json").read_text())
        assert (storage["task"], storage["run"], storage["fold"], storage["epochs"]) == ("stripes", run, fold, 1)
        with np.load(base / f"PREDICTIONS/stripes/{run}-fold{fold}/test.npz", allow_pickle=False) as predictions:
            assert predictions["logits"].shape == (10, 2)
            assert predictions["targets"].shape == predictions["ids"].shape == (10,)
        network, header = load_network(base / f"PARAMETERS/stripes/{run}-fold{fold}.safetensors")
        assert header["run"] == run
        assert network.heads == {"stripes": {"task_type": "classification", "outputs": 2}}
    with open(base / "RESULTS/train.csv") as file:
        (row,) = csv.DictReader(file)
    assert (row["metric"], row["folds"]) == ("accuracy", "2")
    assert 0 <= float(row["mean"]) <= 1
    assert 0 <= float(row["ci_low"]) < float(row["ci_high"]) <= 1, "folds that are alike have an interval too"
    assert (row["kind"], row["run"], row["runs"], row["about"]) == ("procedure", run, "1", "procedure")
    (returned,) = json.loads((base / "RESULTS/train.json").read_text())["return_value"]
    assert returned["run"] == run
    assert returned["mean"] == float(row["mean"])
    assert returned["chosen_by"] == "val/accuracy"


def test_pipeline_file_names_what_made_the_run(finished: Workplace):
    content = yaml.safe_load((finished.folder / f"results/tiny/PIPELINES/stripes/{run_of(finished)}.yaml").read_text())
    assert content["optimizer"]["lr"] == 0.003
    assert content["task"]["name"] == "stripes"
    assert not {"num_workers", "paths", "resources", "metrics"} & content.keys()


def test_no_step_leaves_temporary_files_or_checkpoints(finished: Workplace):
    assert [p for p in finished.folder.rglob("*") if ".part" in p.name or p.name == "CHECKPOINTS"] == []


def test_planning_imports_neither_torch_nor_pandas_nor_lightning(finished: Workplace):
    command = [sys.executable, "-X", "importtime", *finished.command("-n")[1:]]
    output = subprocess.run(command, cwd=finished.folder, capture_output=True, text=True, check=True).stderr
    imported = {line.split("|")[-1].strip() for line in output.splitlines() if line.startswith("import time:")}
    assert "mml_lib.studies.study" in imported
    with_slurm = find_spec("snakemake_executor_plugin_slurm")  # Snakemake imports every plugin, and this one pandas
    assert not {"torch", "lightning", "sklearn", *(() if with_slurm else ("pandas",))} & imported


def test_running_again_does_nothing(finished: Workplace):
    assert finished.planned() == {}


def test_plan_says_in_words_what_it_does(copy: Workplace):
    copy.write(TINY | {"sweep": {"optimizer.lr": [0.003, 0.01]}})
    output = copy.run("-n")
    assert "train stripes fold 0: run" in output
    assert "optimizer.lr=0.01" in output


def test_modes_are_targets_whatever_the_mode_of_the_study(finished: Workplace):
    assert finished.planned("create") == {"finish_exp": 1}
    assert finished.planned("pp") == {"finish_exp": 1}
    assert finished.planned("train") == {}


def test_single_file_is_a_target(copy: Workplace):
    (metrics, _) = copy.files("results/tiny/METRICS/stripes/*/test.json")
    metrics.unlink()
    assert copy.planned(str(metrics.relative_to(copy.folder))) == {"test_fold": 1}


def test_editing_lr_leaves_old_models_in_place_and_going_back_costs_nothing(copy: Workplace):
    copy.write(TINY | {"optimizer": {"preset": "adamw", "lr": 0.001}})
    plan = copy.planned()
    assert (plan["train_fold"], plan["write_pipeline"]) == (2, 1)
    assert not {"create_task", "preprocess_task"} & plan.keys()
    old = {path: path.stat().st_mtime_ns for path in copy.files("results/tiny/*/stripes/*") if path.is_file()}
    copy.run("--until", "train_fold")
    assert len(copy.files("results/tiny/MODELS/stripes/*.json")) == 4
    assert {path: path.stat().st_mtime_ns for path in old} == old
    copy.write(TINY)
    assert copy.planned() == {}


def test_old_run_is_rebuilt_by_asking_for_its_path(copy: Workplace):
    model = copy.files("results/tiny/MODELS/stripes/*-fold1.json")[0]
    weights = copy.files("results/tiny/PARAMETERS/stripes/*-fold1.safetensors")[0]
    content = weights.read_bytes()
    model.unlink()
    weights.unlink()
    copy.write(TINY | {"optimizer": "sgd", "seed": 7})
    copy.run(str(model.relative_to(copy.folder)))
    assert weights.read_bytes() == content


def test_more_folds_train_only_these(copy: Workplace):
    for file in copy.files("results/tiny/*/stripes/*-fold1*"):
        shutil.rmtree(file) if file.is_dir() else file.unlink()
    copy.write(TINY | {"mode": {"preset": "train", "folds": [0]}})
    assert not {"train_fold", "predict_fold", "test_fold"} & copy.planned().keys()
    copy.write(TINY)
    assert copy.planned() == {
        "train_fold": 1,
        "predict_fold": 1,
        "test_fold": 1,
        "summarize": 1,
        "finish_exp": 1,
    }


def test_new_metric_trains_and_predicts_nothing(copy: Workplace):
    own = {"name": "hamming", "_target_": "torchmetrics.classification.MulticlassHammingDistance"}
    copy.write(TINY | {"metrics": ["accuracy", "f1", own]})
    assert copy.planned() == {"test_fold": 2, "summarize": 1, "finish_exp": 1}
    copy.run()
    with open(copy.folder / "results/tiny/RESULTS/train-folds.csv") as file:
        assert {"accuracy", "f1", "hamming"} <= set(next(csv.DictReader(file)))


def test_other_tta_predicts_anew_and_trains_nothing(copy: Workplace):
    again = {"predict_fold": 2, "test_fold": 2, "summarize": 1, "finish_exp": 1}
    copy.write(TINY | {"tta": "flips"})
    assert copy.planned() == again


def test_without_views_tta_is_no_reason_to_do_anything(copy: Workplace):
    copy.write(TINY | {"tta": {"preset": "none", "merge": "max"}})
    assert copy.planned() == {}


def test_other_image_size_packs_anew_and_trains_new_runs(copy: Workplace):
    copy.write(TINY | {"preprocessing": {"size": 40}})
    plan = copy.planned()
    assert (plan["preprocess_task"], plan["train_fold"]) == (1, 2)
    assert "create_dataset" not in plan


def test_workers_threads_and_device_are_no_reason_to_do_anything(copy: Workplace):
    copy.write(TINY | {"num_workers": 2, "resources": {"train_fold": {"threads": 2}}, "trainer": {"max_epochs": 1}})
    assert copy.planned() == {}


def test_label_of_a_variant_is_no_reason_to_train(copy: Workplace):
    copy.write(TINY | {"variants": {"renamed": {}}})
    assert copy.planned() == {"summarize": 1, "finish_exp": 1}


def test_comment_in_a_script_is_no_reason_to_train(copy: Workplace, tmp_path: Path):
    pipeline = tmp_path / "pipeline"
    for part in ("rules", "scripts", "config", "profiles"):
        shutil.copytree(REPOSITORY / part, pipeline / part)
    shutil.copy(REPOSITORY / "Snakefile", pipeline)
    edited = Workplace(copy.folder, pipeline / "Snakefile")
    for script in (pipeline / "scripts").glob("*.py"):
        script.write_text(script.read_text() + "\n# a comment\n")
    assert edited.planned() == {}


@pytest.mark.long  # a whole training; see test_clean.py for all that `remove` can drop
def test_removed_weights_are_not_missed(copy: Workplace):
    study = TINY | {"remove": {"parameters": True}, "seed": 1, "mode": TINY["mode"] | {"folds": [0]}}
    copy.write(study)
    copy.run()
    assert len(copy.files("results/tiny/PARAMETERS/stripes/*.safetensors")) == 2, "those of the first run"
    assert copy.planned() == {}
    copy.write(study | {"metrics": ["accuracy", "f1"]})
    assert copy.planned() == {"test_fold": 1, "summarize": 1, "finish_exp": 1}


def test_moved_folders_go_on(copy: Workplace, tmp_path: Path):
    shutil.move(copy.folder / "data", tmp_path / "elsewhere")
    shutil.move(copy.folder / "results", tmp_path / "results")
    copy.write(TINY | {"paths": {"data": str(tmp_path / "elsewhere"), "results": str(tmp_path / "results")}})
    assert copy.planned() == {}
    copy.write(TINY | {"paths": {"data": str(tmp_path / "elsewhere"), "results": str(tmp_path / "results")}, "seed": 3})
    assert copy.planned()["train_fold"] == 2
    assert not {"preprocess_task", "create_task", "create_dataset"} & copy.planned().keys()
