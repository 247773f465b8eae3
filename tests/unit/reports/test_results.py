"""The report: what is drawn and written of results."""

import base64
import logging
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mml_lib.evaluation.comparisons.leaderboard import ENSEMBLE, leaderboard, standings
from mml_lib.evaluation.ensembles.ensemble_storage import EnsembleStorage, Member
from mml_lib.evaluation.run_comparison import resample_runs
from mml_lib.evaluation.run_labels import RunLabel
from mml_lib.images.decoding import decode_row
from mml_lib.machine.forked_calls import ForkedCalls
from mml_lib.predictions.predictions import MaskPredictions, Predictions
from mml_lib.reports.gallery import SAMPLES, Gallery, confusion_of, pool
from mml_lib.reports.pages import ROWS, table_page, text_page
from mml_lib.reports.run_results import (
    best_first,
    by_run,
    long_form,
    procedures_of,
    read_comparison,
    standing_of,
    usable,
)
from mml_lib.reports.run_times import run_times
from tests.support.described_tasks import CLASSES, task_of

# --- pictures -----------------------------------------------------------------------------------------------------


def predict(task: Any, seed: int = 0) -> Predictions | MaskPredictions:
    """Return random predictions of the test split."""
    kind, rng = task.header["task_type"], np.random.default_rng(seed)
    rows = np.flatnonzero(np.array(task.column["split"]) == "test")
    ids = np.array(task.samples["id"])[rows]
    if kind == "semantic_segmentation":
        masks, targets = ([rng.integers(0, 3, (8, 9), dtype=np.uint8) for _ in ids] for _ in range(2))
        targets[0][:] = 255
        return MaskPredictions.of(masks, targets, ids, 3)
    targets = task.targets.values[rows]
    outputs = 1 if kind == "regression" else len(task.header["classes"])
    targets = targets if kind == "classification" else targets.astype(np.float32)
    return Predictions(rng.normal(size=(len(ids), outputs)).astype(np.float32), targets, ids, kind)


LABELS = {run: RunLabel("t", run, label, run, "") for run, label in (("0a0a0a0a", "lr=1"), ("0b0b0b0b", ""))}
PICTURES = {
    "classification": ["confusion_matrix.svg", "largest_losses.jpg", "roc_and_precision_recall.svg"],
    "multilabel_classification": ["largest_losses.jpg", "roc_and_precision_recall.svg"],
    "semantic_segmentation": ["confusion_matrix.svg", "largest_losses.jpg", "overlap_by_class.svg"],
    "regression": ["largest_losses.jpg", "predicted_values.svg"],
}


def for_print(name: str) -> str:
    return name.replace(".svg", "-300dpi.png")


@pytest.mark.long
@pytest.mark.parametrize("task_type", PICTURES)
def test_each_task_type_has_its_pictures(tmp_path: Path, task_type: str):
    (tmp_path / "images").mkdir()
    task, dataset = task_of(tmp_path / "images", task_type, classes=CLASSES[:3])
    runs = {"0b0b0b0b": {fold: predict(task, fold) for fold in range(2)}}
    gallery = Gallery(tmp_path / "drawn", task, LABELS, [])
    gallery.draw_predictions(runs, list(runs), dataset)
    gallery.draw_calibration(runs, {}, list(runs))
    names = {path.name for path in tmp_path.glob("drawn/predictions/0b0b0b0b/*")}
    assert names == {*PICTURES[task_type], *(for_print(name) for name in PICTURES[task_type] if name.endswith("svg"))}
    has_probabilities = task_type in ("classification", "multilabel_classification")
    assert (tmp_path / "drawn/calibration/0b0b0b0b/reliability.svg").exists() == has_probabilities


def test_pictures_are_the_same_by_several_processes(tmp_path: Path):
    task, dataset = task_of(tmp_path, "classification")
    runs = {run: {0: predict(task)} for run in LABELS}
    drawn = []
    for processes in (1, 2):
        folder = tmp_path / f"drawn{processes}"
        gallery = Gallery(folder, task, LABELS, [], calls=ForkedCalls(processes))
        gallery.draw_predictions(runs, list(runs), dataset)
        assert folder.exists() == (processes == 1)
        gallery.finish()
        drawn.append({path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.*")})
    assert drawn[0] == drawn[1]
    assert drawn[0]


def test_reliability_is_drawn_before_and_after(tmp_path: Path):
    task, _ = task_of(tmp_path, "classification")
    runs = {run: {0: predict(task)} for run in LABELS}
    Gallery(tmp_path, task, LABELS, []).draw_calibration(runs, {"0a0a0a0a": runs["0a0a0a0a"]}, list(runs))
    both, one = ((tmp_path / f"calibration/{run}/reliability.svg").read_text() for run in LABELS)
    assert "before (" in both
    assert "after (" in both
    assert "as predicted (" in one


def test_sample_is_drawn_once_by_the_fold_that_is_furthest_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    task, dataset = task_of(tmp_path, "classification", 60)
    folds = {fold: predict(task, fold) for fold in range(3)}
    tables: list[pd.DataFrame] = []
    monkeypatch.setattr("mml_lib.reports.gallery.draw_largest_losses", lambda worst, *_: tables.append(worst))
    Gallery(tmp_path, task, LABELS, []).draw_predictions({"0a0a0a0a": folds}, ["0a0a0a0a"], dataset)
    (worst,) = tables
    tested = len(folds[0].ids)
    assert len(worst) == min(SAMPLES, tested)
    assert worst["id"].is_unique
    assert worst["loss"].is_monotonic_decreasing


def test_masks_are_drawn_beside_the_image_that_the_network_saw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    task, dataset = task_of(tmp_path, "semantic_segmentation", 60, classes=CLASSES[:3])
    folds = {fold: predict(task, fold) for fold in range(2)}
    calls: list[tuple] = []
    monkeypatch.setattr("mml_lib.reports.gallery.draw_worst_masks", lambda *arguments: calls.append(arguments))
    transforms = {"0a0a0a0a": [{"name": "center_crop", "size": (8, 9)}]}
    cropped: list[object] = []
    monkeypatch.setattr(
        "mml_lib.reports.gallery.decode_row", lambda data, row, how: cropped.append(how) or decode_row(data, row, how)
    )
    Gallery(tmp_path, task, LABELS, [], transforms).draw_predictions({"0a0a0a0a": folds}, ["0a0a0a0a"], dataset)
    ((worst, images, masks, _, _),) = calls
    assert cropped == [transforms["0a0a0a0a"]] * len(worst)
    assert {image.shape for image in images} == {(8, 9, 3)}
    of_id = {
        (id_, mask.tobytes())
        for predictions in folds.values()
        for id_, (mask, _) in zip(predictions.ids, predictions.images(), strict=True)
    }
    assert {(id_, mask.tobytes()) for id_, (mask, _) in zip(worst["id"], masks, strict=True)} <= of_id


def test_networks_that_exploded_are_left_out_and_named(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    task, _ = task_of(tmp_path, "classification")
    good = predict(task)
    bad = Predictions(np.full_like(good.logits, np.nan), good.targets, good.ids)
    with caplog.at_level(logging.WARNING):
        networks = usable({"a": {0: good, 1: bad}, "b": {0: bad}})
    assert {run: list(folds) for run, folds in networks.items()} == {"a": [0]}
    assert "run b: outputs of 1 networks" in caplog.text


def test_what_cannot_be_drawn_leaves_no_empty_folder(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    task, dataset = task_of(tmp_path, "classification")
    nothing = predict(task)
    nothing = Predictions(nothing.logits[:0], nothing.targets[:0], nothing.ids[:0])
    gallery = Gallery(tmp_path / "drawn", task, LABELS, [])
    gallery.draw_predictions({"0a0a0a0a": {0: nothing}}, ["0a0a0a0a"], dataset)
    gallery.finish()
    assert not list(tmp_path.glob("drawn/predictions/*"))
    assert "no predictions/0a0a0a0a/largest_losses.jpg: " in caplog.text


def test_nested_networks_are_folds_of_one_run():
    labels = {"0000000a": RunLabel("t", "recipe", "", "p", "", fold=3), "0000000b": RunLabel("t", "other", "", "q", "")}
    networks = [{"run": "0000000a", "fold": "0"}, {"run": "0000000b", "fold": "1"}]
    assert by_run(networks, "xy", labels) == {"recipe": {3: "x"}, "other": {1: "y"}}


def test_leaderboard_of_a_file_is_drawn_as_that_of_predictions(tmp_path: Path):
    task, _ = task_of(tmp_path, "classification", 60)
    runs = {run: {0: predict(task, seed)} for seed, run in enumerate(LABELS)}
    standing = standings(resample_runs(runs, ["f1", "accuracy"], 50))
    leaderboard(standing, "f1").to_csv(tmp_path / "board.csv", index=False)
    read = long_form(read_comparison(tmp_path / "board.csv"))
    columns = ["metric", "kind", "run", "mean", "ci_low", "ci_high", "rank", "among_best"]
    order = [frame[columns].sort_values(["metric", "run"], ignore_index=True) for frame in (read, standing)]
    pd.testing.assert_frame_equal(*order, check_dtype=False)
    assert best_first(read, [*LABELS, "ffffffff"]) == [*read["run"][:2], "ffffffff"]


def test_seeds_are_drawn_as_one_procedure(tmp_path: Path):
    task, _ = task_of(tmp_path, "classification", 60)
    labels = {run: replace(label, procedure="0c0c0c0c", procedure_label="plain") for run, label in LABELS.items()}
    assert procedures_of(labels) == {"0c0c0c0c": list(LABELS)}
    runs = {run: {fold: predict(task, 9 * seed + fold) for fold in range(2)} for seed, run in enumerate(LABELS)}
    standing = standing_of(runs, ["accuracy"], 50, procedures=procedures_of(labels))
    Gallery(tmp_path / "drawn", task, labels, ["accuracy"]).draw_comparison(standing)
    drawn = (tmp_path / "drawn/comparison/leaderboard.svg").read_text()
    assert drawn.count(">plain<") == 1
    assert not any(label.label and f">{label.label}<" in drawn for label in LABELS.values())
    leaderboard(standing, "accuracy").to_csv(tmp_path / "board.csv", index=False)
    assert set(best_first(long_form(read_comparison(tmp_path / "board.csv")), [])) == set(LABELS)


def test_without_intervals_there_is_no_leaderboard(tmp_path: Path):
    task, _ = task_of(tmp_path, "classification")
    runs = {"0a0a0a0a": {0: predict(task)}}
    assert standing_of(runs, ["accuracy"], 0) is None
    assert standing_of(runs, ["accuracy"], 20)["run"].tolist() == ["0a0a0a0a"]


def test_only_the_best_runs_have_pictures_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("mml_lib.reports.gallery.RUNS", 1)
    task, dataset = task_of(tmp_path, "regression")
    runs = {run: {0: predict(task)} for run in LABELS}
    Gallery(tmp_path, task, LABELS, []).draw_predictions(runs, ["0b0b0b0b", "0a0a0a0a"], dataset)
    assert [path.name for path in (tmp_path / "predictions").iterdir()] == ["0b0b0b0b"]


def test_pixels_that_are_ignored_are_not_counted():
    masks = [np.array([[0, 1], [2, 2]], np.uint8), np.array([[1]], np.uint8)]
    targets = [np.array([[0, 2], [2, 255]], np.uint8), np.array([[1]], np.uint8)]
    pooled = pool([MaskPredictions.of([m], [t], np.array(["a"]), 3) for m, t in zip(masks, targets, strict=True)])
    assert confusion_of(pooled).tolist() == [[1, 0, 0], [0, 1, 0], [0, 1, 1]]


def ensemble(runs: Mapping[str, float]) -> EnsembleStorage:
    members = [Member("t", run) for run in runs]
    values = (
        "t",
        "classification",
        "greedy",
        members,
        list(runs.values()),
        False,
        1.0,
        "log_loss",
        0.1,
        [],
        0.2,
        3,
        5,
        0,
    )
    return EnsembleStorage(*values)


def test_members_of_an_ensemble_are_drawn_with_their_folds(tmp_path: Path):
    task, _ = task_of(tmp_path, "classification")
    gallery = Gallery(tmp_path, task, LABELS, [])
    gallery.draw_ensembles({"t": ensemble({"0a0a0a0a": 0.75, "0b0b0b0b": 0.25})}, {"0a0a0a0a": [1, 0]})
    drawn = (tmp_path / "ensemble/members.svg").read_text()
    assert all(text in drawn for text in ("lr=1, fold 0, 1", "0b0b0b0b, fold all", "0.750"))
    nested = {"0a0a0a0a": RunLabel("t", "recipe", "", "recipe", "", fold=2)}
    Gallery(tmp_path, task, nested, []).draw_ensembles({"t+nested~2": ensemble({"0a0a0a0a": 1.0})}, {})
    assert "recipe, fold 2" in (tmp_path / "ensemble/fold2/members.svg").read_text()


def test_run_looks_the_same_with_and_without_an_ensemble(tmp_path: Path):
    task, _ = task_of(tmp_path, "classification")
    styles = Gallery(tmp_path, task, {"ffffffff": RunLabel("t", "ffffffff", "", "ffffffff", "")}, [])._styles
    assert list(styles) == [ENSEMBLE, "ffffffff"]


def test_tables_of_a_comparison_become_pages_with_the_names_of_runs(tmp_path: Path):
    task, _ = task_of(tmp_path, "classification")
    calibration = pd.DataFrame([["0a0a0a0a", 0, "brier", 0.5, 0.25], ["0a0a0a0a", 1, "brier", 0.3, 0.15]])
    calibration.columns = ["run", "fold", "metric", "before", "after"]
    Gallery(tmp_path, task, LABELS, []).write_tables({"calibration": calibration, "groups": pd.DataFrame()})
    page = (tmp_path / "calibration/calibration_table.html").read_text()
    assert "<td>0a0a0a0a</td><td>lr=1</td>" in page
    assert not (tmp_path / "comparison").exists()
    assert "0.400" in (tmp_path / "calibration/errors.svg").read_text()  # the mean of both folds


# --- pages and times ----------------------------------------------------------------------------------------------


def test_page_shows_a_table_and_offers_all_of_it():
    rows = [{"run": "00000001", "x<y": "<b>", "p": 0.00001, "n": 3, "best": True, "a._b": 1.5, "empty": ""}] * (
        ROWS + 1
    )
    page = table_page("a & b", pd.DataFrame(rows), "t.csv")
    assert page.count("<tr>") == 1 + ROWS
    numbers = [f'<td class="number">{text}</td>' for text in ("1e-05", "3", "1.5000")]
    cells = f"<td>00000001</td><td>&lt;b&gt;</td>{numbers[0]}{numbers[1]}<td>yes</td>{numbers[2]}"
    assert f"<tr>{cells}</tr>" in page
    assert "<th>a._b</th>" in page
    assert "<th>empty</th>" not in page
    assert "a &amp; b" in page
    content = base64.b64decode(re.search(r"base64,([^\"]*)", page)[1]).decode().splitlines()
    assert content[:2] == ["run,x<y,p,n,best,a._b,empty", "00000001,<b>,1e-05,3,True,1.5,"]
    assert len(content) == 2 + ROWS


def test_page_of_a_text_keeps_it_as_it_is():
    assert "<pre>a: &lt;b&gt;\n  c</pre>" in text_page("config", "a: <b>\n  c")


def test_run_times_are_those_of_the_study(tmp_path: Path):
    tmp_path = tmp_path / "BENCHMARKS"
    head = "s\th:m:s\tmax_rss\tmax_vms\n"
    for name, seconds, mb in (("a-0a-fold0", "10", "100"), ("a-0a-fold1", "30", "-"), ("a-0b-fold0", "99", "1")):
        file = tmp_path / f"train_fold/{name}.tsv"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{head}{seconds}\t0:00:10\t{mb}\t1\n")
    (tmp_path / "create_dataset").mkdir()
    (tmp_path / "create_dataset/DSET_a.tsv").write_text(f"{head}3600\t1:00:00\t1000\t1\n")
    (tmp_path / "create_dataset/DSET_ab.tsv").write_text(f"{head}1\t1:00:00\t1000\t1\n")
    first, second = run_times([tmp_path], ["DSET_a", "a-0a"]).to_dict("records")
    assert (first["rule"], first["steps"], first["hours"]) == ("create_dataset", 1, 1)
    assert (second["rule"], second["steps"], second["seconds_mean"], second["seconds_max"]) == ("train_fold", 2, 20, 30)
    assert second["mb_max"] == pytest.approx(104.8576)
    assert run_times([tmp_path], ["nothing"]).empty
    log = tmp_path.parent / "LOGS/train_fold/a-0a-fold1.log"
    log.parent.mkdir(parents=True)
    log.write_text("2026-01-01 00:00:00 peak memory 900 MB\n2026-01-02 00:00:00 peak memory 1500 MB\n")
    assert run_times([tmp_path], ["a-0a"])["mb_max"].tolist() == [1500], "of a step forked off another process"
