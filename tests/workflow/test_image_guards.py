"""Images that networks learn are compared with those that they are tested on, before any of them is trained."""

import json

import numpy as np
import pytest
from PIL import Image

from tests.support.messages import mentions
from tests.support.workplaces import TINY, Workplace


def write_tables(place: Workplace, of_split: dict[str, int]) -> dict[str, dict]:
    """Write two tables of the same 20 images, as PNG and TIFF; the test split of each begins at another pair."""
    rng = np.random.default_rng(0)
    splits = ["train"] * 14 + ["test"] * 6
    images = rng.integers(0, 256, (20, 16, 16, 3), dtype=np.uint8)
    for table, suffix in (("png", "png"), ("tif", "tif")):
        (place.folder / table).mkdir(exist_ok=True)
        rows = ["image,label,split"]
        for number, pixels in enumerate(images):
            file = place.folder / f"{table}/{number}.{suffix}"
            Image.fromarray(pixels).save(file)
            split = splits[(number // 2 + of_split[table]) % 10 * 2]
            rows.append(f"{table}/{file.name},{'xy'[number % 2]},{split}")
        (place.folder / f"{table}.csv").write_text("\n".join(rows))
    return {table: {"creator": "csv", "path": f"{table}.csv", "folds": 2} for table in of_split}


def study(tasks: dict[str, dict], **mode: object) -> dict:
    return TINY | {"tasks": tasks, "pivot": {"name": "png"}, "mode": TINY["mode"] | {"cv": False, **mode}}


@pytest.mark.long
def test_test_images_that_another_table_trains_on_are_refused_and_equal_divisions_are_not(workplace: Workplace):
    crossed = write_tables(workplace, {"png": 0, "tif": 5})
    workplace.write(study(crossed, eval_on=["tif"]))
    output = workplace.run(fails=True)
    (line,) = [line for line in output.splitlines() if line.startswith("error in check_images")]
    assert "mode.eval_on: 6 test images of tif are training images of png (tif: tif/" in line
    assert workplace.files("results/tiny/LOGS/train_fold/*") == []
    output = workplace.run(fails=True)
    assert "mode.eval_on: 6 test images of tif are training images of png" in output
    assert "error in check_images" not in output, "refused before the first step"
    assert workplace.files("results/tiny/LOGS/train_fold/*") == []

    alike = write_tables(workplace, {"png": 0, "tif": 0})
    workplace.write(study(alike))
    workplace.run()
    workplace.write(study(alike, eval_on=["tif"]))
    plan = workplace.planned()
    assert "train_fold" not in plan
    assert plan["check_images"] == plan["predict_other"] == 1
    workplace.run()
    (overlaps,) = workplace.files("results/tiny/INFO/overlaps-*.json")
    assert [guard["shared"] for guard in json.loads(overlaps.read_text())["guards"]] == [20]
    assert workplace.planned() == {}


@pytest.mark.long
def test_copies_in_train_and_test_are_refused_or_allowed(workplace: Workplace):
    task = write_tables(workplace, {"png": 0, "tif": 0})["png"]
    table = workplace.folder / "png.csv"
    table.write_text(table.read_text() + "\ntif/0.tif,x,test\ntif/19.tif,y,train")
    workplace.write(TINY | {"tasks": {"mine": task}})
    output = workplace.run("create", fails=True)
    assert mentions(output, "error in create_task: mine: 2 images", "train and test")
    assert "/png/0.png = " in output
    workplace.write(TINY | {"tasks": {"mine": task | {"duplicates": "allow"}}})
    assert mentions(workplace.run("create"), "warning: mine: 2 images", "tasks.mine.duplicates")
    (manifest,) = workplace.files("data/RAW/*/dataset.json")
    digests = json.loads(manifest.read_text())["digests"]
    assert (len(digests), len(set(digests))) == (22, 20)
