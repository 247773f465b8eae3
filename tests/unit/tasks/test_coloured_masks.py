"""Masks in colours, of three channels or with a palette, in folders and tables."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mml_lib.config.task_options import Task
from mml_lib.tasks.mask_classes import check_masks
from mml_lib.tasks.targets import Targets
from mml_lib.tasks.task_identity import TaskIdentity
from tests.support.annotated_images import HEIGHT, WIDTH, made, write_pictures
from tests.support.mask_surveys import BLACK, GREEN, RED, colored, paletted

CLASSES = np.zeros((HEIGHT, WIDTH), np.uint8)
CLASSES[2:7, 3:9], CLASSES[10:12, 20:] = 1, 2
COLORS = {"background": BLACK, "lesion": RED, "vessel": GREEN}


def write_mask(file: Path, mask: np.ndarray | Image.Image) -> None:
    file.parent.mkdir(exist_ok=True)
    (Image.fromarray(mask) if isinstance(mask, np.ndarray) else mask).save(file)


@pytest.mark.parametrize("kind", [colored, paletted])
@pytest.mark.parametrize("creator", ["csv", "image_folder"])
def test_masks_are_read_by_their_colours(tmp_path: Path, creator: str, kind):
    root = write_pictures(tmp_path / "own", "images/a.png", "images/b.png")
    write_mask(root / "masks" / "a.png", kind(CLASSES, BLACK, RED, GREEN))
    # In another order of the palette, the numbers of the file are others, the colours are not.
    write_mask(root / "masks" / "b.png", kind(np.array([2, 1, 0], np.uint8)[CLASSES], GREEN, RED, BLACK))
    (root / "table.csv").write_text("id\na\nb\n")
    columns = {"image": "images/{id}.png", "mask": "masks/{id}*.png"}
    folders = {"path": str(root / "images"), "masks": str(root / "masks")}
    keys = {"path": str(root / "table.csv"), "columns": columns} if creator == "csv" else folders
    task = Task(creator=creator, colors=COLORS, **keys)
    identity = TaskIdentity.of("t", task)
    assert (identity.task_type, identity.classes) == ("semantic_segmentation", ("background", "lesion", "vessel"))
    data = made(creator, keys.pop("path"), tmp_path / "made", **keys)
    targets = Targets.of(data, None, "t", identity.colors)
    assert targets.classes == ["background", "lesion", "vessel"]
    assert targets.values.tolist() == [[550, 30, 20]] * 2
    assert check_masks(data, None, "t", identity.colors) == []
