"""The plan of mode audit: its steps by task type, predictions of networks, and what it refuses."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mml_lib.errors import MMLError
from mml_lib.schedulers import audit
from mml_lib.studies.study import Study
from tests.support.planned_studies import describe
from tests.support.small_projects import FAKE, small_study

MASKS = {"creator": "fake", "task_type": "semantic_segmentation", "num_samples": 24}
ALWAYS = ("find_duplicates", "find_outliers", "check_shortcuts", "draw_map", "draw_audit")
FEATURES = {"arch": "test_resnet", "pretrained": False}


def audit_study(folder: Path, **changes: Any) -> Study:
    tasks = {"shapes": FAKE | {"test_fraction": 0.25}, "organs": MASKS}
    return small_study(folder, **{"mode": "audit", "tasks": tasks, "features": FEATURES} | changes)


def test_each_task_is_audited_and_labels_where_images_have_classes(tmp_path: Path):
    scheduler = audit_study(tmp_path).scheduler("audit")
    steps = scheduler.steps_by_rule
    assert {rule: [step.get("task") for step in planned] for rule, planned in steps.items()} == {
        **{rule: ["shapes", "organs"] for rule in ALWAYS},
        "find_label_errors": ["shapes"],
        "compare_datasets": [None],
    }
    assert [line.split(":")[0] for line in scheduler.announcement] == ["organs"]


def test_pivot_is_audited_alone_and_without_a_map_where_it_is_switched_off(tmp_path: Path):
    study = audit_study(tmp_path, pivot={"name": "organs"}, audit={"map": None})
    rules = study.scheduler("audit").commands
    assert rules == ["find_duplicates", "find_outliers", "check_shortcuts", "draw_audit"]


def test_predictions_are_those_of_all_networks_where_the_study_asks(tmp_path: Path):
    study = audit_study(tmp_path, audit={"predictions": "networks"})
    shapes = SimpleNamespace(task="shapes")
    paths = study.inputs.audit.predictions(shapes)
    runs = [run.id for run in study.scheduler("audit").runs_of("shapes")]
    assert paths == [
        study.fm.path("predictions", task="shapes", run=run, fold=fold, eval=split)
        for run in runs
        for fold in range(2)
        for split in ("val", "test")
    ]
    assert len(runs) == 2
    probe = audit_study(tmp_path / "probe").inputs.audit.predictions(shapes)
    assert [Path(path).name for path in probe] == ["predictions.npz"]


def test_map_without_its_package_is_refused_with_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(audit, "find_spec", lambda name: None)
    with pytest.raises(MMLError, match=r'audit.map: .*pip install "mml\[analysis\]".*map: pca'):
        audit_study(tmp_path).scheduler("audit").steps  # noqa: B018
    assert audit_study(tmp_path, audit={"map": "pca"}).scheduler("audit").steps


def test_table_that_makes_a_task_is_not_written_over(tmp_path: Path):
    table = tmp_path / "results/demo/AUDIT/shapes/labels.csv"
    table.parent.mkdir(parents=True)
    table.write_text("task,id\nshapes,1\n")
    study = audit_study(tmp_path, tasks={"shapes": FAKE | {"exclude": "AUDIT/shapes/labels.csv"}})
    with pytest.raises(MMLError, match=r"tasks.shapes.exclude: mode audit would write over .*labels.csv; copy it"):
        study.scheduler("audit").steps  # noqa: B018
    assert study.scheduler("create").steps


@pytest.mark.parametrize(
    ("options", "key"),
    [({"neighbours": 2}, "audit.neighbours"), ({"map": "umap"}, "audit.map"), ({"hash_bits": 40}, "audit.hash_bits")],
)
def test_options_out_of_range_are_refused(tmp_path: Path, options: dict[str, Any], key: str):
    with pytest.raises(MMLError, match=key):
        audit_study(tmp_path, audit=options)


def test_info_estimates_dimensions_where_the_study_asks(tmp_path: Path):
    study = audit_study(tmp_path, dimension="features")
    steps = study.scheduler("info").steps_by_rule
    assert [step["task"] for step in steps["estimate_dimension"]] == ["shapes", "organs"]
    assert "draw_dimensions" in steps
    shapes = SimpleNamespace(task="shapes")
    assert study.inputs.info.dimension_values(shapes) == study.inputs.audit.features(shapes)
    plain = audit_study(tmp_path / "plain")
    assert "estimate_dimension" not in plain.scheduler("info").commands
    assert plain.inputs.info.dimensions(None) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"audit": {"neighbours": 25}}, r"shapes: 24 samples .*audit.neighbours below 24"),
        ({"mode": "info", "dimension": "features"}, r"shapes: 24 samples .*lower dimension.neighbours"),
    ],
    ids=str,
)
def test_too_few_samples_are_refused_once_a_task_is_described(changes: dict[str, Any], words: str, tmp_path: Path):
    study = audit_study(tmp_path, **changes)
    assert study.scheduler(study.cfg.mode.id).steps
    describe(study, "shapes", all=24, train=18, test=6)
    study = audit_study(tmp_path, **changes)
    with pytest.raises(MMLError, match=words):
        study.scheduler(study.cfg.mode.id).steps  # noqa: B018
