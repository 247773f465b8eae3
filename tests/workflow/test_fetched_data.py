"""Data sets whose files are fetched by hand, from archives in archives with a password."""

import hashlib
import io
import zipfile
from pathlib import Path

import numpy as np
import py7zr
from PIL import Image

from tests.support.workplaces import TINY, Workplace

PASSWORD, SECRET = "published-on-the-page", "s3cret-of-the-study"


def delivered(path: Path) -> str:
    """Write a zip file with two encrypted 7z files, a class each; return its SHA-256."""
    rng = np.random.default_rng(0)
    with zipfile.ZipFile(path, "w") as outer:
        for label in "ab":
            inner = io.BytesIO()
            with py7zr.SevenZipFile(inner, "w", password=SECRET) as archive:
                for number in range(12):
                    picture = io.BytesIO()
                    Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(picture, "PNG")
                    archive.writestr(picture.getvalue(), f"{number}.png")
            outer.writestr(f"images/{label}.7z", inner.getvalue())
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_file_is_fetched_by_hand_and_unpacked_with_a_password(workplace: Workplace):
    sha256 = delivered(workplace.folder / "cells.zip")
    download = {"manual": "cells.zip", "from": "https://example.org/cells", "sha256": sha256, "nested": True}
    task = {"creator": "image_folder", "path": "images", "folds": 2, "downloads": [download]}
    study = TINY | {"tasks": {"cells": task | {"downloads": [download | {"password": {"env": "CELLS_PASSWORD"}}]}}}
    workplace.write(study | {"mode": "create"})
    assert "CELLS_PASSWORD, for the password of cells.zip, is not set" in workplace.run("-n", fails=True)

    task["downloads"] = [download | {"password": SECRET}]
    workplace.write(TINY | {"tasks": {"cells": task}, "mode": "create"})
    refusal = workplace.run("-n", fails=True)
    assert f"cells.zip from https://example.org/cells, and put it into {workplace.folder}/data/MANUAL" in refusal
    assert f"{workplace.folder}/cells.zip exists: move it there" in refusal
    (workplace.folder / "data/MANUAL").mkdir(parents=True)
    (workplace.folder / "cells.zip").rename(workplace.folder / "data/MANUAL/cells.zip")
    workplace.run()

    assert len(workplace.files("data/RAW/*/files/images/[ab]/*.png")) == 24
    (folder,) = workplace.files("data/RAW/*/dataset.json")
    written = [path for path in workplace.folder.rglob("*") if path.is_file() and path.name != "study.yaml"]
    assert not [path for path in written if SECRET.encode() in path.read_bytes()]
    task["downloads"] = [download | {"password": "another"}]
    workplace.write(TINY | {"tasks": {"cells": task}, "mode": "create"})
    assert workplace.planned() == {}, "a password is no part of the identity"
    assert folder.exists()
