"""The report of a study: who wins, what networks say of single images, checks, and a page of bounded size."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mml_lib.evaluation.run_labels import RunLabel
from mml_lib.predictions.predictions import MaskPredictions, Predictions
from mml_lib.reports.run_results import RunResults
from mml_lib.reports.study_report.answer_building import paper_table
from mml_lib.reports.study_report.answer_checks import answer_checks
from mml_lib.reports.study_report.provenance import commit_of, provenance
from mml_lib.reports.study_report.report_page import StudyPages, report_page
from mml_lib.reports.study_report.report_section import ReportSection, figure_section
from mml_lib.reports.study_report.report_tables import ReportTable, TableShelf, write_tables
from mml_lib.reports.study_report.sample_rows import chosen_rows, sample_rows
from mml_lib.reports.study_report.standing_rows import standing_rows, summary_standing, winner
from mml_lib.reports.study_report.task_answer import TaskAnswer
from mml_lib.reports.study_report.thumbnails import Thumbnails, outlined
from mml_lib.reports.study_report.weak_spots import (
    calibration_sentence,
    classes_of,
    groups_of,
    guess_sentence,
    weak_classes,
    weak_groups,
)
from tests.support.described_tasks import task_of
from tests.support.messages import mentions

CLASSES = ["cat", "dog"]


def summary(*rows: tuple[str, str, float, bool]) -> pd.DataFrame:
    """Return a summary of procedures: name, kind, mean, and whether it is among the best."""
    return pd.DataFrame(
        [
            {
                **{"task": "t", "kind": kind, "procedure": name.split("/")[0], "run": name.split("/")[-1]},
                **{"label": f"label {name}", "on": None, "split": "test", "metric": "accuracy", "runs": 1, "folds": 2},
                **{"mean": mean, "std": 0.01, "ci_low": mean - 0.1, "ci_high": mean + 0.1, "about": "procedure"},
                **{"reason": None, "difference": None, "p_holm": None, "among_best": best},
            }
            for name, kind, mean, best in rows
        ]
    )


def predicted(rights: list[bool], sure: float = 3.0, ids: str = "abcdefgh") -> Predictions:
    """Return predictions of cats and dogs in turn, right or wrong."""
    targets = np.arange(len(rights)) % 2
    outputs = np.where(rights, targets, 1 - targets)
    logits = np.zeros((len(rights), 2), np.float32)
    logits[np.arange(len(rights)), outputs] = sure
    return Predictions(logits, targets, np.array(list(ids[: len(rights)])))


def answer_of(**changes: Any) -> TaskAnswer:
    rows = standing_rows(
        summary(("aaaa", "procedure", 0.9, True), ("bbbb", "procedure", 0.8, True), ("cccc", "procedure", 0.5, False)),
        "accuracy",
    )
    header = {"name": "t", "task_type": "classification", "classes": CLASSES, "num_samples": {"train": 90, "test": 8}}
    return replace(TaskAnswer(header, "test", "accuracy", rows, 8), **changes)


PAGES = StudyPages("mine <b>", "train", [], "# Methods\n\nOne *way*.", "seed: 1", [("networks", "2")], [], [])

# --- runs -----------------------------------------------------------------------------------------------------------


def test_winner_is_the_best_procedure_and_ties_are_named():
    answer = answer_of()
    assert answer.winner.name == "aaaa"
    assert [row.name for row in answer.equals] == ["bbbb"]
    assert answer.winner.title == "label aaaa"


def test_procedure_has_its_runs_and_other_splits_are_left_out():
    table = summary(("p", "procedure", 0.9, True), ("p/r1", "run", 0.91, False), ("p/r2", "run", 0.89, False))
    other = table.assign(split="val", mean=0.1)
    (row,) = standing_rows(summary_standing(pd.concat([table, other]), "t", "test"), "accuracy")
    assert row.runs == ("r1", "r2")
    assert row.networks == 4, "two runs of two folds"
    assert row.mean == 0.9


def test_nobody_wins_where_the_metric_is_undefined():
    assert winner(standing_rows(summary(("aaaa", "procedure", np.nan, True)), "accuracy")) is None


# --- samples --------------------------------------------------------------------------------------------------------


def test_sample_is_what_most_networks_say():
    networks = [predicted([True, False]), predicted([True, False]), predicted([True, True])]
    table = sample_rows(networks, CLASSES, {"a": "patient 1"}).set_index("id")
    assert list(table.index) == ["b", "a"], "the largest loss first"
    assert dict(table.loc["b", ["true", "predicted", "right", "networks"]]) == {
        **{"true": "dog", "predicted": "cat", "right": 1, "networks": 3},
    }
    assert list(table["group"]) == ["", "patient 1"]


def test_values_and_masks_have_errors_of_their_own(tmp_path: Path):
    values = Predictions(np.array([[1.0], [4.0]], np.float32), np.array([2.0, 4.0], np.float32), np.array(["a", "b"]))
    table = sample_rows([replace(values, task_type="regression")] * 2, [], {}).set_index("id")
    assert list(table["error"]) == [1.0, 0.0]
    assert list(table["predicted"]) == [1.0, 4.0]


def test_image_without_foreground_has_no_row_and_others_count_all_networks():
    empty, disc = np.zeros((4, 4), np.uint8), np.eye(4, dtype=np.uint8)
    first = MaskPredictions.of([empty, disc], [empty, disc], np.array(["a", "b"]), 2)
    second = MaskPredictions.of([empty, empty], [empty, disc], np.array(["a", "b"]), 2)
    (row,) = sample_rows([first, second], ["ground", "disc"], {}).to_dict("records")
    assert (row["id"], row["networks"], row["dice"]) == ("b", 2, 0.5)


def test_table_of_samples_is_bounded_and_keeps_the_worst():
    table = pd.DataFrame({"id": range(1000)})
    chosen = chosen_rows(table, 100)["id"].tolist()
    assert len(chosen) == 100
    assert chosen[:50] == list(range(50))
    assert chosen[-1] == 999
    assert chosen_rows(table, 1000)["id"].tolist() == list(range(1000))


def test_outlines_change_edges_only():
    mask = np.zeros((6, 6), np.uint8)
    mask[2:4, 2:4] = 1
    drawn = outlined(np.full((6, 6, 3), 99, np.uint8), mask)
    assert (drawn[0, 0] == 99).all()
    assert {0, 255} <= set(drawn[1:5, 1:5].ravel().tolist())


def test_picture_of_an_unreadable_image_is_left_out(tmp_path: Path):
    task, dataset = task_of(tmp_path, "classification", classes=["a", "b"])
    (tmp_path / "0.png").write_bytes(b"")
    first, second = Thumbnails(task, dataset).of(["0", "1"], 32)
    assert first == ""
    assert second.startswith("data:image/webp;base64,")


# --- weak spots and checks ------------------------------------------------------------------------------------------


def test_weakest_class_comes_first_and_counts_images_once(tmp_path: Path):
    task, _ = task_of(tmp_path, "classification", classes=CLASSES)
    table = classes_of([predicted([True, False, True, True])] * 3, task)
    assert table["class"].tolist() == ["dog", "cat"]
    assert table["support"].tolist() == [2, 2]
    assert weak_classes(table, task)[0][0] == "dog"
    assert groups_of([predicted([True] * 4)], task, "accuracy").empty


@pytest.mark.parametrize(
    ("rights", "sure", "verdict"), [([True, False] * 4, 9.0, "overconf"), ([True] * 8, 0.1, "underc")]
)
def test_calibration_is_stated_in_words(rights: list[bool], sure: float, verdict: str):
    assert verdict in calibration_sentence([predicted(rights, sure)])
    assert "50.0\u00a0%" in guess_sentence([predicted(rights, sure)], CLASSES)


def states(task: Any, *folds: list[int], images: int = 200) -> list[str]:
    """Return the checks that need care, of runs with so many evaluated folds and images."""
    ids = [id_ for id_, split in zip(task.samples["id"], task.samples["split"], strict=True) if split == "test"]
    evaluated = {f"run{place}": dict.fromkeys(of_run, ids[:images]) for place, of_run in enumerate(folds)}
    checks = answer_checks(task, "test", answer_of().rows, "accuracy", evaluated, [])
    return [check.text for check in checks if check.state == "care"]


def test_copies_of_training_images_in_the_test_split_need_care(tmp_path: Path):
    task, _ = task_of(tmp_path, "classification", classes=CLASSES)
    digests = [f"{number:064x}" for number in range(len(task.samples["id"]))]
    clean = states(replace(task, samples={**task.samples, "digest": digests}), [0, 1])
    first = {split: task.samples["split"].index(split) for split in ("train", "test")}
    digests[first["test"]] = digests[first["train"]]
    leaking = states(replace(task, samples={**task.samples, "digest": digests}), [0, 1])
    assert len(leaking) == len(clean) + 1
    assert any("1 test image" in text for text in leaking)


def test_missing_folds_need_care(tmp_path: Path):
    task, _ = task_of(tmp_path, "classification", classes=CLASSES)
    assert any("1 of 2 folds" in text for text in states(task, [0]))
    assert any("1 run of 2" in text for text in states(task, [0, 1], [0]))
    assert not any("folds" in text for text in states(task, [0, 1], [0, 1]))
    assert any("finite" in text for text in states(task))


def test_only_evaluated_images_count(tmp_path: Path):
    task, _ = task_of(tmp_path, "classification", classes=CLASSES)
    assert any("Only 2 images" in text for text in states(task, [0, 1], images=2))


# --- page and files -------------------------------------------------------------------------------------------------


def test_page_escapes_names_and_shows_the_sections_of_other_steps():
    section = ReportSection("t", "Where it looks", "<p>at the ears</p>")
    pages = replace(PAGES, sections=[section])
    page = report_page(pages, [answer_of()])
    assert "mine &lt;b&gt;" in page
    assert "mine <b>" not in page
    assert "<p>at the ears</p>" in page
    assert "<em>way</em>" in page
    assert not re.findall(r"(?:src|href)=[\"']?https?:", page)


def test_pictures_of_a_folder_are_a_section(tmp_path: Path):
    (tmp_path / "most_confident.jpg").write_bytes(b"picture")
    (tmp_path / "table.html").write_text("a table")
    html = figure_section("t", "Explanations", tmp_path).html
    assert html.count("<img") == 1
    assert "most confident" in html


def test_page_leaves_thumbnails_out_where_it_would_be_too_large():
    samples = pd.DataFrame({"id": [f"</script>{number}" for number in range(100)], "loss": 1.0})
    answer = answer_of(
        samples=samples, sample_addresses=["data:image/webp;base64," + "A" * 1000] * 100, total_samples=100
    )
    bare = len(report_page(PAGES, [replace(answer, sample_addresses=[""] * 100)]))
    page = report_page(PAGES, [answer], limit=bare + 30_000)
    assert bare < len(page) <= bare + 30_000
    content = json.loads(re.search(r'<script type="application/json">(.*?)</script>', page)[1])
    assert content["rows"][3] == ["</script>3", 1.0]
    assert content["pictures"][0]
    assert not content["pictures"][-1]


def test_tables_are_written_as_csv_and_latex(tmp_path: Path):
    shelf = TableShelf()
    table = pd.DataFrame({"a_b": ["50 %"], "n": [1]})
    assert shelf.add(ReportTable("t-runs", "Runs", table, printed=table))
    assert shelf.add(ReportTable("empty", "None", table.head(0))) is None
    write_tables(shelf, tmp_path)
    assert (tmp_path / "t-runs.csv").read_text() == "a_b,n\n50 %,1\n"
    assert "50 \\%" in (tmp_path / "t-runs.tex").read_text()
    assert not (tmp_path / "empty.csv").exists()


def test_provenance_states_what_files_state(tmp_path: Path):
    model = {"created": "2026-01-02 03:04:05", "training_time": 60.0, "device": "cpu", "versions": {"torch": "2"}}
    times = pd.DataFrame({"rule": ["train_fold"], "mb_max": [1500.0]})
    entries = dict(provenance([model, model], times, {"MML": "abc", "the study": ""}))
    assert entries["networks"] == "2"
    assert entries["time of all trainings"] == "2 minutes"
    assert entries["largest memory of a step"] == "1.50 GB"
    assert "commit of the study" not in entries
    assert entries["energy"] == "not measured"
    assert commit_of(tmp_path) == ""


def test_provenance_states_hardware_and_measured_energy():
    model = {"training_time": 60.0, "device": "cuda", "hardware": {"processor": "ACME 9000", "gpu": "H200"}}
    times = pd.DataFrame({"rule": [], "mb_max": []})
    entries = dict(provenance([model | {"energy_kwh": 0.25}, model | {"energy_kwh": None}], times, {}))
    assert (entries["processors of trainings"], entries["GPUs of trainings"]) == ("ACME 9000", "H200")
    assert mentions(entries["energy"], "0.25 kWh", "1 of 2")


def test_small_groups_are_no_weak_groups():
    table = pd.DataFrame({"column": "site", "group": ["tiny", "large"], "samples": [3, 30], "value": [0.1, 0.7]})
    assert [name for name, _ in weak_groups(table)] == ["site large"]


def test_metric_that_no_run_defines_has_no_column():
    table = summary(("aaaa", "procedure", 0.9, True))
    (row,) = paper_table(pd.concat([table, table.assign(metric="f1", mean=np.nan)])).to_dict("records")
    assert row == {"run": "label aaaa", "networks": "2", "accuracy": "0.900 [0.800, 1.000]"}


def test_calibrated_predictions_are_those_of_the_answer():
    raw, calibrated = predicted([True, False]), predicted([True, True])
    labels = {run: RunLabel("t", run, "", run, "") for run in "ab"}
    results = RunResults(labels, {}, {}, {"a": {0: raw, 1: raw}, "b": {0: raw}}, {"a": {0: calibrated}}, {}, {})
    assert results.delivered == {"a": {0: raw, 1: raw}, "b": {0: raw}}, "half of a run is not compared"
    whole = replace(results, calibrated={"b": {0: calibrated}})
    assert whole.delivered["b"][0] is calibrated


def test_study_without_answers_and_metrics_without_direction_have_a_page():
    assert 'href="#summary"' in report_page(PAGES, [])
    own = answer_of(metric="OwnMetric")
    assert own.metric_sentence == ""
    assert "OwnMetric" in report_page(PAGES, [own])
