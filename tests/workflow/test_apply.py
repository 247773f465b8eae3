"""Mode apply: new images are predicted by the networks of a study, and anew when their files change."""

import csv
import re
import shutil
from pathlib import Path

import pytest

from tests.support.workplaces import Workplace


def applied(copy: Workplace, name: str = "new") -> list[dict[str, str]]:
    with open(copy.folder / f"results/tiny/APPLIED/{name}.csv", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture
def images(copy: Workplace) -> Path:
    """A folder of two images that are samples of the study's data set, too."""
    folder = copy.folder / "new"
    folder.mkdir()
    for number in (0, 1):
        (file,) = copy.folder.glob(f"data/RAW/**/00000{number}.png")
        shutil.copyfile(file, folder / f"{number}.png")
    return folder


@pytest.mark.long
def test_new_images_are_predicted_once_and_anew_when_they_change(copy: Workplace, images: Path):
    options = ("apply", "--config", f"apply={{images: {images}}}")
    assert copy.planned(*options) == {"apply_networks": 1, "finish_exp": 1}
    assert re.search(r"^  applied +\S+/APPLIED/new\.csv$", copy.run(*options), re.MULTILINE)
    rows = applied(copy)
    assert [row["id"] for row in rows] == ["0.png", "1.png"]
    assert all(abs(sum(float(row[key]) for key in row if key.startswith("probability/")) - 1) < 1e-5 for row in rows)
    assert all(0 <= float(row["distance_rank"]) <= 1 for row in rows)
    assert copy.planned(*options) == {}
    shutil.copyfile(images / "0.png", images / "2.png")
    assert "apply_networks" in copy.planned(*options)
    (images / "3.png").write_bytes(b"no image")
    copy.run(*options)
    assert [row["id"] for row in applied(copy)] == ["0.png", "1.png", "2.png"]
    assert [row["id"] for row in applied(copy, "refused/new")] == ["3.png"]


@pytest.mark.parametrize(
    ("options", "remedy"),
    [
        ("{}", "apply.images is missing"),
        ("{images: nowhere}", "no folder or file"),
        ("{images: new, run: 0a1b2c3d}", "apply.run: the study has no run"),
        ("{images: new, run: ensemble}", "set mode: post"),
        ("{images: new, folds: [7]}", "it has 0, 1"),
        ("{images: new, task: stripe}", "did you mean 'stripes'"),
    ],
)
def test_what_cannot_be_applied_is_refused_while_planning(options: str, remedy: str, copy: Workplace, images: Path):
    assert remedy in copy.run("-n", "apply", "--config", f"apply={options}", fails=True)
