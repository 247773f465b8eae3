"""Mode audit on images with known faults, and a task that leaves out what it has found."""

import csv
import json
from pathlib import Path

import pytest

from tests.support.audited_images import CLASSES, COPIES, FAULTS, WRONG, write_audited_images
from tests.support.workplaces import TINY, Workplace

pytestmark = pytest.mark.long

TASK = {"creator": "csv", "path": "table.csv", "folds": 3, "metadata": ["site"]}
STUDY = TINY | {
    "project": "audited",
    "mode": "audit",
    "tasks": {"stripes": TASK, "archive": {"creator": "fake", "num_samples": 24, "task_type": "no_task", "size": 24}},
    "preprocessing": {"size": 48},
    "features": {"arch": "test_resnet", "pretrained": False},
    "audit": {"neighbours": 5, "map": "pca"},
}


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """A finished audit."""
    place = Workplace(tmp_path_factory.mktemp("audited") / "place")
    place.folder.mkdir()
    write_audited_images(place.folder)
    place.write(STUDY)
    place.run()
    return place


def rows(place: Workplace, name: str) -> list[dict[str, str]]:
    """Return the rows of a table, with the names of images in place of their paths."""
    text = (place.folder / f"results/audited/AUDIT/{name}.csv").read_text("utf-8")
    return list(csv.DictReader(text.replace("images/", "").replace(".png", "").splitlines()))


def test_faults_are_found(audited: Workplace):
    pairs = {(row["id"], row["other"]) for row in rows(audited, "stripes/duplicates")}
    assert pairs == {(image, copy) for copy, image in COPIES.items()}
    assert {row["relation"] for row in rows(audited, "stripes/duplicates")} == {"across splits"}
    labels = {row["id"]: row["suggested"] for row in rows(audited, "stripes/labels")}
    assert {name: labels.get(name) for name in WRONG} == {name: CLASSES["cr".index(name[0])] for name in WRONG}
    faults = {row["id"]: row["fault"] for row in rows(audited, "stripes/images")}
    assert {name: faults.get(name) for name in FAULTS} == FAULTS
    assert set(FAULTS) - {"c20"} <= {row["id"] for row in rows(audited, "stripes/outliers")}
    (pair,) = rows(audited, "stripes/classes")
    assert float(pair["auroc"]) > 0.85


def test_shortcuts_have_intervals_and_chance(audited: Workplace):
    shortcuts = {(row["source"], row["target"]): row for row in rows(audited, "stripes/shortcuts")}
    assert shortcuts["features", "split"]["above_chance"] == "False"
    assert shortcuts["features", "site"]["above_chance"] == "True"
    assert float(shortcuts["features", "site"]["ci_low"]) > float(shortcuts["features", "site"]["chance"]) == 0.5
    assert shortcuts["image size", "label"]["note"] == "the same for all samples"


def test_pages_pictures_and_return_value_name_the_suspects(audited: Workplace):
    folder = audited.folder / "results/audited/AUDIT/stripes"
    pages = {path.name for path in (folder / "pages").iterdir()}
    assert {f"{name}.jpg" for name in ("near_duplicates", "wrong_labels", "outliers", "bad_images")} < pages
    assert {"suspects.html", "shortcuts.html", "classes.html", "wrong_labels.html"} < pages
    assert (folder / "map.png").stat().st_size > 10_000
    result = json.loads((audited.folder / "results/audited/RESULTS/audit.json").read_text())["return_value"]
    assert result["stripes"]["near duplicate"] == len(COPIES)
    assert result["archive"] == {}


def test_task_without_classes_is_audited_without_labels(audited: Workplace):
    assert not audited.files("results/audited/AUDIT/archive/labels.csv")
    assert rows(audited, "archive/outliers") == []
    assert rows(audited, "duplicates") == []


def test_info_estimates_the_dimension_of_features(audited: Workplace):
    audited.write(STUDY | {"dimension": {"of": "features", "neighbours": 5}})
    audited.run("info")
    tables = (audited.folder / f"results/audited/INFO/{name}.csv" for name in ("tasks", "stripes/dimension"))
    table, single = (list(csv.DictReader(path.read_text("utf-8").splitlines())) for path in tables)
    by_task = {row["task"]: float(row["dimension"]) for row in table}
    assert by_task["stripes"] == float(single[0]["dimension"])
    assert all(1 < dimension < 40 for dimension in by_task.values())
    assert "no trained networks" in (audited.folder / "results/audited/INFO/dimension.svg").read_text()


def test_suspects_can_be_left_out_and_their_table_is_not_written_over(audited: Workplace):
    table = "AUDIT/stripes/suspects.csv"
    audited.write(STUDY | {"tasks": {"stripes": TASK | {"exclude": table}}}, "study.yaml")
    assert audited.planned("create") == {"create_task": 1, "finish_exp": 1}
    audited.run("create")
    described = [json.loads(Path(path).read_text()) for path in audited.files("data/TASKS/stripes/*.json")]
    ids = sorted(({Path(id_).stem for id_ in task["samples"]["id"]} for task in described), key=len)
    assert ids[1] - ids[0] == {row["id"] for row in rows(audited, "stripes/suspects")}
    assert "write over" in audited.run("-n", fails=True)
    audited.write(STUDY)
