"""Catalogue entries of one archive share its images."""

from pathlib import Path
from typing import Any

import pytest

from mml_lib.config.loading import load_study, open_files
from mml_lib.errors import MMLError
from mml_lib.files.unpacking import unpack
from mml_lib.images.surveying import survey_images
from mml_lib.studies.runs import Runs
from mml_lib.studies.study_tasks import StudyTasks
from mml_lib.tasks.creators.creator_registry import create
from mml_lib.tasks.sharing.matching import match_samples
from mml_lib.tasks.targets import Targets
from tests.support.catalogue_miniatures import MINIATURES
from tests.support.studies import study


def tasks_of(entry: str, tasks: dict[str, str | None], folder: Path) -> StudyTasks:
    keys = {
        name: {"dataset": "d", "duplicates": "allow"} | ({"catalogue": other} if other else {})
        for name, other in tasks.items()
    }
    roots = {"data": str(folder / "data"), "results": str(folder / "results")}
    config = study(datasets={"d": {"catalogue": entry}}, tasks=keys)
    cfg = load_study(config | {"paths": config["paths"] | roots})
    fm = open_files(cfg)
    return StudyTasks(cfg, fm, Runs(fm))


def learned(tasks: StudyTasks, entry: str, folder: Path) -> dict[str, tuple[list[Any], int]]:
    """Make the data set of a miniature, and its tasks, as the steps do; return classes and number of samples."""
    first = next(iter(tasks))
    downloads = []
    for name, body in MINIATURES[entry](tasks.options_of(first)).items():
        downloads.append(folder / name)
        downloads[-1].write_bytes(body)
    root = folder / "RAW"
    files = unpack(downloads, root / "files")
    source = tasks.source(tasks[first].dataset)
    dataset = survey_images(create(source["creator"], source["arguments"], root, files), "d", root, 2, folder)
    results = {}
    for name, task in tasks.items():
        view, targets = dataset, tasks.targets(task.definition())
        if targets:
            delivery = create(targets["creator"], targets["arguments"], root, files)
            view, _ = match_samples(dataset, delivery, name)
        learned_targets = Targets.of(view, task.idx_to_class, name)
        results[name] = (learned_targets.classes, len(view.sizes))
    return results


def test_parts_of_an_archive_are_one_data_set(tmp_path: Path):
    entries = {"all": None, "landmarks": "hyperkvasir_landmarks", "findings": "hyperkvasir_findings"}
    tasks = tasks_of("hyperkvasir", entries, tmp_path)
    assert len({task.dataset for task in tasks.values()}) == 1
    assert len({task.id for task in tasks.values()}) == 3
    results = learned(tasks, "hyperkvasir", tmp_path)
    assert len(results["all"][0]) == 13
    assert results["landmarks"][0] == ["cecum", "ileum", "pylorus", "z-line"]
    assert results["findings"][0] == ["barretts", "esophagitis-a", "hemorrhoids", "polyps"]
    assert results["landmarks"][1] * 13 == results["all"][1] * 4


def test_masks_and_labels_of_an_archive_are_one_data_set(tmp_path: Path):
    entries = {"masks": None, "breeds": "oxford_pets", "species": "oxford_pets_species"}
    tasks = tasks_of("oxford_pets_masks", entries, tmp_path)
    assert len({task.dataset for task in tasks.values()}) == 1
    assert [task.task_type for task in tasks.values()] == ["semantic_segmentation", "classification", "classification"]
    results = learned(tasks, "oxford_pets_masks", tmp_path)
    assert results["masks"][0] == ["background", "pet"]
    assert results["species"][0] == ["cat", "dog"]
    assert results["breeds"][0] == ["Abyssinian", "american_bulldog"]
    assert len({count for _, count in results.values()}) == 1


def test_data_set_without_masks_has_none_for_its_tasks(tmp_path: Path):
    with pytest.raises(MMLError, match=r"tasks\.masks\.mask: .* datasets\.d"):
        _ = tasks_of("oxford_pets", {"masks": "oxford_pets_masks"}, tmp_path)["masks"]
