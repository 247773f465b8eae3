"""Own images without code."""

import json
from pathlib import Path
from typing import Any

from tests.support.image_folders import write_images
from tests.support.workplaces import TINY, Workplace


def only(task: dict) -> dict:
    return TINY | {"tasks": {"mine": task}}


def description(place: Workplace, task: str = "mine") -> dict:
    return json.loads(place.files(f"data/TASKS/{task}/*.json")[-1].read_text())


def split_folders(folder: Path) -> dict[str, Any]:
    for split, count in (("train", 6), ("val", 3), ("test", 2)):
        for seed, label in enumerate(("a", "b")):
            write_images(folder / "images" / split / label, count, seed + 10 * count)
    return {"creator": "image_folder", "path": "images"}


def table_of_folds(folder: Path) -> dict[str, Any]:
    files = write_images(folder / "pictures", 24, 3)
    rows = ["image,label,group,fold"]
    rows += [f"pictures/{file.name},{'xy'[n % 2]},patient{n // 4},{n // 8}" for n, file in enumerate(files)]
    (folder / "table.csv").write_text("\n".join(rows))
    return {"creator": "csv", "path": "table.csv"}


def table_of_others(folder: Path) -> dict[str, Any]:
    files = write_images(folder / "img", 24, 5)
    rows = ["isic_id;folder;suffix;diagnosis;patient_id;site"]
    rows += [
        f"{f.stem};img;{f.suffix[1:]};{'xy'[n % 2]};{['', 'nan', n // 4][n % 3]};s{n % 2}" for n, f in enumerate(files)
    ]
    (folder / "others.csv").write_text("\n".join(rows))
    columns = {"image": "{folder}/{isic_id}.{suffix}", "label": "diagnosis", "group": "patient_id"}
    return {"creator": "csv", "path": "others.csv", "columns": columns, "folds": 2, "metadata": ["site"]}


def test_splits_groups_and_folds_of_own_data_are_kept(workplace: Workplace):
    """Three tasks in one study, as each run of Snakemake takes seconds."""
    makers = {"folders": split_folders, "table": table_of_folds, "others": table_of_others}
    workplace.write(TINY | {"tasks": {name: make(workplace.folder) for name, make in makers.items()}})
    plan = workplace.planned()
    assert (plan["train_fold"], plan["predict_fold"]) == (6, 6), "the validation split is the only fold; 3 folds; 2"
    terminal = workplace.run("create")

    folders = description(workplace, "folders")
    assert folders["header"]["num_samples"] == {"all": 22, "test": 4, "train": 18}
    samples = folders["samples"]
    in_training = [fold for fold, split in zip(samples["fold"], samples["split"], strict=True) if split == "train"]
    assert in_training.count(0) == 6

    assert description(workplace, "table")["samples"]["fold"] == [n // 8 for n in range(24)]

    assert "'nan' in patient_id (8)" in terminal
    samples = description(workplace, "others")["samples"]
    assert samples["group"] == [None if n % 3 < 2 else str(n // 4) for n in range(24)]
    assert samples["id"][:2] == ["img/0.png", "img/1.jpg"]


def test_changed_data_makes_a_new_task_and_moved_data_does_not(workplace: Workplace):
    for seed, label in enumerate(("a", "b")):
        write_images(workplace.folder / "images" / label, 6, seed)
    study = only({"creator": "image_folder", "path": "images", "folds": 2})
    workplace.write(study)
    workplace.run("pp")
    assert workplace.planned("pp") == {}
    (workplace.folder / "images").rename(workplace.folder / "moved")
    study["tasks"]["mine"]["path"] = "moved"
    workplace.write(study)
    assert "preprocess_task" not in workplace.planned("pp")
    write_images(workplace.folder / "more", 1, 9)[0].rename(workplace.folder / "moved/a/new.png")
    assert workplace.planned("pp")["preprocess_task"] == 1


def test_what_is_not_read_is_told_in_the_terminal_and_in_the_log(workplace: Workplace):
    for seed, label in enumerate(("a", "b")):
        write_images(workplace.folder / "images" / label, 6, seed)
    write_images(workplace.folder / "images/a/@eaDir/0.png", 1, 9)
    for number in range(7):
        (workplace.folder / f"images/b/{number}.mha").write_bytes(b"DICM")
    workplace.write(only({"creator": "image_folder", "path": "images", "folds": 2}))
    terminal = workplace.run("create")
    log = workplace.files("data/LOGS/create_dataset/*.log")[0].read_text()
    for text in (terminal, log):
        lines = [line for line in text.splitlines() if line.startswith("warning: ")]
        assert [
            word for word in ("@eaDir", "7 .mha in b (volumes", "images/b (7 of 13)") if word in "".join(lines)
        ] == [
            "@eaDir",
            "7 .mha in b (volumes",
            "images/b (7 of 13)",
        ]
        assert len(lines) == 3
    assert description(workplace)["header"]["num_samples"]["all"] == 12


def test_class_weight_of_no_class_is_refused_before_images_are_packed(workplace: Workplace):
    for seed, label in enumerate(("a", "b")):
        write_images(workplace.folder / "images" / label, 6, seed)
    workplace.write(only({"creator": "image_folder", "path": "images", "folds": 2}) | {"class_weights": {"c": 2}})
    assert "class_weights: mine has no class 'c'" in workplace.run("-n", fails=True)
    assert workplace.files("data/PREPROCESSED/*/*") == []
