"""Tables of an audit: which sample of a pair goes, labels of several classes, and samples with all their reasons."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mml_lib.audit import audit_pages
from mml_lib.audit.audit_tables import duplicate_table, fault_table, label_tables, shared_table, suspect_table
from mml_lib.audit.audited_task import AuditedTask
from mml_lib.audit.image_measures import ImageMeasures
from mml_lib.audit.near_duplicates import Pairs
from mml_lib.audit.sample_map import embed, map_table
from mml_lib.errors import MMLError
from mml_lib.features.feature_files import Features
from mml_lib.files.templates import BUILT_IN
from mml_lib.predictions.predictions import Predictions
from mml_lib.schedulers.audit import LABEL_TABLES, TABLES
from mml_lib.tasks.dataset import Dataset, Delivery, Sample
from mml_lib.tasks.description import TaskDescription
from mml_lib.tasks.splits.splitting import Assignment
from mml_lib.tasks.targets import Targets

SPLITS = ["train", "train", "train", "test", "test", "unlabelled"] + ["train"] * 24
FOLDS = [0, 1, 1, -1, -1, -1] + [number % 2 for number in range(24)]


def audited(kind: str, labels: list, classes: list[str], name: str = "t") -> AuditedTask:
    rows = zip(labels, SPLITS, strict=True)
    samples = [Sample(f"{name}{number}", "none", label, split) for number, (label, split) in enumerate(rows)]
    dataset = Dataset("d", Delivery(samples, classes, kind), [(4, 4)] * len(samples), None)
    task = TaskDescription.of(
        {"name": name, "id": "0a1b2c3d"}, dataset, Targets.of(dataset, None, name), Assignment(SPLITS, FOLDS, 2)
    )
    return AuditedTask(task)


@pytest.fixture
def task() -> AuditedTask:
    return audited("classification", ["ab"[number % 2] for number in range(30)], ["a", "b"])


def pairs(*rows: tuple[int, int]) -> Pairs:
    first, second = np.array(rows).T
    count = len(rows)
    return Pairs(first, second, np.zeros(count, int), np.full(count, 2), np.full(count, 0.99), np.full(count, np.nan))


def test_sample_to_leave_out_is_no_test_sample_and_otherwise_the_later_one(task: AuditedTask):
    table = duplicate_table(task, pairs((0, 1), (1, 2), (0, 3), (3, 4), (3, 5), (1, 5)))
    assert table[["relation", "other", "id"]].to_numpy().tolist() == [
        ["across splits", "t3", "t0"],
        ["across splits", "t1", "t5"],
        ["across splits", "t3", "t5"],
        ["across folds", "t0", "t1"],
        ["within a part", "t1", "t2"],
        ["within a part", "t3", "t4"],
    ]
    assert table["fold"].tolist()[0] == 0


def test_pairs_of_one_task_are_none_across_data_sets(task: AuditedTask):
    other = audited("classification", ["ab"[number % 2] for number in range(30)], ["a", "b"], "u")
    table = shared_table([task, other], pairs((0, 1), (2, 33)))
    assert table[["task", "id", "other_task", "other", "hash_bits"]].to_numpy().tolist() == [["t", "t2", "u", "u3", 2]]


def test_pages_say_how_many_pairs_they_draw(task: AuditedTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    figures = []
    monkeypatch.setattr(audit_pages, "show_sample", lambda *arguments: None)
    monkeypatch.setattr(audit_pages, "save", lambda figure, path: figures.append(figure))
    for count in (12, 13):
        tables = {"near_duplicates": duplicate_table(task, pairs(*[(6, 7 + number) for number in range(count)]))}
        audit_pages.write_pages(tmp_path, task.task, None, tables, suspect_table(tables))
    titles = [figure.get_suptitle() for figure in figures]
    assert titles == ["t: near duplicates (12)", "t: near duplicates (13, the first 12)"]
    assert "exclude" in (tmp_path / "suspects.html").read_text("utf-8")


def test_pages_name_their_tables_as_the_audit_does():
    templates = {template.key: template.path.rpartition("/")[2] for template in BUILT_IN}
    assert {key: page.table for key, page in audit_pages.PAGES.items()} == {
        key: templates[key] for key in (*TABLES, *LABEL_TABLES)
    }


def test_wrong_labels_of_several_classes_are_those_of_each_label():
    rng = np.random.default_rng(0)
    truth = rng.random((30, 2)) < 0.5
    stated = truth.astype(float)
    stated[7, 1] = 1 - stated[7, 1]
    labels = [{name: value for name, value in zip("ab", row, strict=True) if value} for row in stated.tolist()]
    labels[9] = {"a": None, "b": stated[9, 1] or 0.0}
    task = audited("multilabel_classification", labels, ["a", "b"])
    probabilities = np.where(truth, 0.9, 0.1)
    table, classes, estimates = label_tables(task, probabilities)
    word = {False: "no", True: "yes"}[bool(truth[7, 1])]
    assert table[["id", "suggested"]].to_numpy().tolist() == [["t7", f"b: {word}"]]
    assert len(classes) == 0
    assert estimates["samples"] == 57, "neither unlabelled nor unknown entries"
    assert estimates["agreement"] == pytest.approx(56 / 57)


def test_samples_without_predictions_are_no_suspects(task: AuditedTask):
    logits = np.eye(2, dtype=np.float32)[task.task.targets.values[:10]] * 4
    logits[6] = logits[7]
    parts = [Predictions(logits, np.zeros(10), task.ids[:10])] * 2
    table, _, estimates = label_tables(task, task.probabilities(parts))
    assert table["id"].tolist() == ["t6"]
    assert estimates["samples"] == 9


def test_each_suspect_stands_once_with_its_reasons(task: AuditedTask):
    columns = {name: np.full(30, 0.5) for name in ("bright_end", "contrast", "saturated", "sharpness")}
    columns["contrast"][4] = 0
    measures = ImageMeasures(task.ids, np.zeros((30, 32, 32), np.uint8), border=np.zeros((30, 8)), **columns)
    outliers = task.table(np.array([4, 8]))
    table = suspect_table({"outliers": outliers, "image_faults": fault_table(task, measures)})
    assert table[["id", "reasons", "number"]].to_numpy().tolist() == [["t4", "outlier; blank", 2], ["t8", "outlier", 1]]
    assert suspect_table({"outliers": outliers.head(0)}).empty


def test_features_of_the_samples_of_the_task_are_taken(task: AuditedTask):
    values = np.arange(30, dtype=np.float32)[:, None]
    features = Features(task.ids.tolist(), SPLITS, np.array(FOLDS), values, "x-0a1b2c3d")
    assert task.values(features)[:, 0].tolist() == list(range(30))
    tokens = replace(features, values=np.stack([features.values, features.values + 2], axis=1))
    assert task.values(tokens)[:, 0].tolist() == [number + 1 for number in range(30)]
    for other in (["other", *features.ids[1:]], features.ids[::-1]):
        with pytest.raises(MMLError, match=r"of other samples .*--forcerun extract_features"):
            task.values(replace(features, ids=other))


@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_map_keeps_neighbours_near_and_marks_errors(task: AuditedTask, method: str):
    values = np.random.default_rng(0).normal(size=(30, 6)) + 20 * task.task.targets.values[:, None]
    logits = np.eye(2, dtype=np.float32)[task.task.targets.values]
    logits[2] = 1 - logits[2]
    labelled = np.flatnonzero(task.task.targets.values >= 0)
    predictions = Predictions(logits[labelled], np.zeros(len(labelled)), task.ids[labelled])
    table = map_table(task, values, [predictions], method, 100)
    places = table[["x", "y"]].to_numpy()
    distances = np.linalg.norm(places[:, None] - places, axis=2) + 1e9 * np.eye(30)
    assert (table["label"].to_numpy()[distances.argmin(axis=1)] == table["label"])[task.split == "train"].mean() > 0.9
    assert table[table["wrong"]]["id"].tolist() == ["t2"]
    assert len(map_table(task, values, [], method, 20)) == 20
    assert np.array_equal(embed(values, method), embed(values, method))


def test_map_of_values_shows_quartiles():
    task = audited("regression", [float(number) for number in range(30)], [])
    table = map_table(task, np.random.default_rng(0).normal(size=(30, 4)), [], "pca", 100)
    assert set(table["label"].str[:3]) == {"Q1:", "Q2:", "Q3:", "Q4:", ""}, "and no label of the unlabelled sample"
