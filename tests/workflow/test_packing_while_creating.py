"""New data sets are packed while they are created: the same packs, taken over as they are, and nothing left over."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.support.workplaces import TINY, Workplace

STUDY: dict[str, Any] = TINY | {"mode": "pp", "tasks": {"photos": {"creator": "image_folder", "path": "images"}}}


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    rng = np.random.default_rng(0)
    for number in range(20):
        path = tmp_path / f"images/{'ab'[number % 2]}/{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (40, 48, 3), dtype=np.uint8)).save(path)
    workplace = Workplace(tmp_path)
    workplace.write(STUDY)
    return workplace


def packs(place: Workplace) -> dict[str, bytes]:
    """Return the files of all packs by name; the folder of packs has nothing else."""
    assert [path.name for path in place.files("data/PREPROCESSED/*/*") if not path.name.startswith("default-")] == []
    return {path.name: path.read_bytes() for path in place.files("data/PREPROCESSED/*/*/*")}


@pytest.mark.long
def test_packing_continues_with_the_images_that_were_packed_while_they_were_created(place: Workplace):
    place.run("create")
    assert place.files("data/PREPROCESSED/*") == [], "this mode needs no pack"
    place.run()
    decoded = packs(place)
    assert {"images.npy", "moments.npy"} <= decoded.keys()
    for path in (*place.files("data/PREPROCESSED/*"), *place.files("data/RAW/*")):
        path.rename(place.folder / f"old-{path.parent.name}")

    place.run("--until", "create_dataset")
    (early,) = place.files("data/PREPROCESSED/*/*")
    assert early.name.endswith("-early")
    inode = (early / "images.npy").stat().st_ino
    place.run()
    assert [path.stat().st_ino for path in place.files("data/PREPROCESSED/*/*/images.npy")] == [inode]
    assert packs(place) == decoded
    assert "create_dataset" not in place.planned()
