"""Creators in plugins: the complete ones of the guide, and what is refused of others."""

import io
import json
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import py7zr
import pytest
from PIL import Image, ImageDraw

from mml_lib.config.task_options import Task
from mml_lib.errors import MMLError
from mml_lib.images.drawing.drawn_masks import draw_masks
from mml_lib.images.surveying import survey_images
from mml_lib.tasks import creators
from mml_lib.tasks.creators import CREATORS, Delivery, Sample, Survey, register_creator
from mml_lib.tasks.creators.creator_registry import create
from mml_lib.tasks.dataset import Dataset
from mml_lib.tasks.delivery_checks import check_delivery
from mml_lib.tasks.task_identity import TaskIdentity
from tests.support.places import REPOSITORY

GUIDE = (REPOSITORY / "config/guide/extending.md").read_text(encoding="utf-8")
BLOCKS = [text for text in re.findall(r"```python\n(.*?)```", GUIDE, re.S) if "from mml_lib.tasks.creators" in text]


@pytest.fixture(autouse=True)
def creators_as_before() -> Iterator[None]:
    before = dict(CREATORS)
    yield
    CREATORS.clear()
    CREATORS.update(before)


def registered(name: str) -> None:
    """Run the code of the guide that registers a creator."""
    (block,) = (block for block in BLOCKS if f'@register_creator("{name}"' in block)
    exec(block, {"__name__": "guide"})


def made(name: str, folder: Path, path: Path) -> Dataset:
    delivery = create(name, {"path": str(path)}, folder)
    check_delivery(delivery, name)
    return survey_images(draw_masks(delivery, folder, 1), name, folder, 1, folder)


def picture(seed: int, size: tuple[int, int] = (20, 24)) -> bytes:
    stream = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


# --- the guide ------------------------------------------------------------------------------------------------------


def test_the_guide_shows_three_creators_of_at_most_20_lines():
    assert len(BLOCKS) == 3
    assert max(len([line for line in block.splitlines() if line.strip()]) for block in BLOCKS) <= 20


def test_an_archive_in_an_archive_with_a_table(tmp_path: Path):
    inner = io.BytesIO()
    with py7zr.SevenZipFile(inner, "w") as archive:
        for number in range(4):
            archive.writestr(picture(number), f"{number}.png")
    with zipfile.ZipFile(tmp_path / "polyps.zip", "w") as outer:
        outer.writestr("images.7z", inner.getvalue())
        outer.writestr("labels.csv", "id;histology;patient\n0;adenoma;p1\n1;adenoma;p1\n2;serrated;p2\n3;serrated;p2\n")
    registered("polyps")
    dataset = made("polyps", tmp_path / "set", tmp_path / "polyps.zip")
    samples = dataset.delivery.samples
    assert [(s.id, s.label, s.group) for s in samples[1:3]] == [("1", "adenoma", "p1"), ("2", "serrated", "p2")]
    assert dataset.delivery.classes == ["adenoma", "serrated"]
    assert dataset.image_path(2).read_bytes() == picture(2)
    task = TaskIdentity.of("t", Task(creator="polyps", path=str(tmp_path / "polyps.zip")))
    assert (task.task_type, task.has_test, task.num_folds) == ("classification", True, 5)


def test_outlines_become_masks(tmp_path: Path):
    corners = [2, 2, 18, 2, 18, 12, 2, 12]
    inner = [5, 5, 10, 5, 10, 9, 5, 9]
    outlines = [{"class": "cell", "points": corners}, {"class": "nucleus", "points": inner}]
    images = [{"file": f"{number}.png", "shapes": outlines if number else []} for number in range(3)]
    for number in range(3):
        (tmp_path / f"{number}.png").write_bytes(picture(number))
    (tmp_path / "outlines.json").write_text(json.dumps(images))
    registered("cells")
    dataset = made("cells", tmp_path / "set", tmp_path)
    assert dataset.mask_path(0) == "EMPTY_MASK_TOKEN"
    expected = np.zeros((20, 24), np.uint8)
    expected[2:12, 2:18] = 1
    expected[5:9, 5:10] = 2
    np.testing.assert_array_equal(np.asarray(Image.open(dataset.mask_path(1))), expected)
    assert dataset.delivery.classes == ["background", "cell", "nucleus"]
    task = TaskIdentity.of("t", Task(creator="cells", path=str(tmp_path)))
    assert (task.task_type, task.has_test) == ("semantic_segmentation", True)


def test_values_in_json_files(tmp_path: Path):
    for split, patient, months in [("Training", "p1", 30), ("Training", "p2", 41.5), ("Validation", "p3", 7)]:
        (tmp_path / split).mkdir(exist_ok=True)
        (tmp_path / split / f"{patient}_1.png").write_bytes(picture(int(months)))
        (tmp_path / split / f"{patient}_1.json").write_text(json.dumps({"months": months}))
    registered("bone_age")
    samples = made("bone_age", tmp_path / "set", tmp_path).delivery.samples
    assert [(s.label, s.split, s.group) for s in samples] == [
        (30, "train", "p1"),
        (41.5, "train", "p2"),
        (7, "val", "p3"),
    ]
    task = TaskIdentity.of("t", Task(creator="bone_age", path=str(tmp_path)))
    assert (task.task_type, task.num_folds, task.has_test) == ("regression", 1, False)


# --- the public surface ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", [name for name in creators.__all__ if name not in ("CREATORS", "EMPTY_MASK_TOKEN", "MMLError")]
)
def test_each_public_name_is_documented(name: str):
    doc = getattr(creators, name).__doc__
    assert "Args:" in doc
    if name[0].islower():
        assert "Example:" in doc


# --- results --------------------------------------------------------------------------------------------------------


def delivered(function: Callable, **options) -> Callable[[Path], Delivery]:
    register_creator("mine", **options)(function)
    return lambda folder: create("mine", {}, folder)


def test_paths_and_numbers_of_numpy_are_made_plain(tmp_path: Path):
    def mine(folder: Path) -> Delivery:
        numbers = {"group": np.int64(3), "fold": np.int64(1), "weight": np.float32(2)}
        sample = Sample(7, tmp_path / "a.png", np.float32(0.5), **numbers)
        return Delivery([sample, Sample("m", "b.png", {"a": np.float64(1)})], (), "regression")

    first, second = delivered(mine)(tmp_path).samples
    assert first == Sample("7", str(tmp_path / "a.png"), 0.5, group="3", fold=1, weight=2.0)
    plain = (first.label, first.fold, first.weight, second.label["a"])
    assert [type(value) for value in plain] == [float, int, float, float]


@pytest.mark.parametrize(
    ("result", "line"),
    [
        (None, "creator mine: it returns None; return a Delivery"),
        ([Sample("a", "a.png", "x")], "creator mine: it returns a list; return a Delivery"),
        (Delivery([("a", "a.png")], ["x"]), "among the samples is a tuple; each must be a Sample"),
        (Delivery([Sample("a", None, "x")], ["x"]), "sample 'a': image is None; name a file"),
        (Delivery([Sample("a", "a.png", ["x"])], ["x"]), "sample 'a': label is a list"),
        (Delivery([Sample("a", "a.png", mask=np.zeros((2, 2)))], []), "sample 'a': mask is a ndarray; name a file"),
        (Delivery([Sample("a", "a.png", "x")], [1, 2]), "the class 1 is a int; write class names as texts"),
    ],
)
def test_nonsense_is_one_line(tmp_path: Path, result: object, line: str):
    with pytest.raises(MMLError, match=re.escape(line)):
        delivered(lambda folder: result)(tmp_path)


def test_mistakes_in_the_code_are_one_line_with_their_place(tmp_path: Path):
    def mine(folder: Path) -> Delivery:
        return Delivery([], {}["missing"])

    with pytest.raises(MMLError, match=rf"creator mine: KeyError: 'missing' \({re.escape(__file__)}, line \d+\)"):
        delivered(mine)(tmp_path)


@pytest.mark.parametrize(
    ("survey", "line"),
    [
        (lambda: {"task_type": "regression"}, "creator mine: it returns a dict; return a Survey"),
        (lambda: Survey.of_splits({"train"}, wrong=1), "creator mine: TypeError: "),
    ],
)
def test_mistakes_of_a_survey_are_one_line(survey: Callable, line: str):
    register_creator("mine", survey=survey)(lambda folder: None)
    with pytest.raises(MMLError, match=line):
        TaskIdentity.of("t", Task(creator="mine"))


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"task_type": "segmentation"}, "no task type 'segmentation'"),
        ({"splits": ["training"]}, "no split 'training', did you mean 'train'"),
    ],
)
def test_what_a_creator_states_is_checked(options: dict, line: str):
    with pytest.raises(MMLError, match=line):
        register_creator("mine", **options)


def test_stated_splits_hold_for_downloads(tmp_path: Path):
    register_creator("mine", task_type="regression", splits=("train", "val", "test"))(lambda folder, path: None)
    task = Task(creator="mine", downloads=[{"url": "https://x/y.zip", "sha256": "4d2f" * 15 + "4d20"}])
    planned = TaskIdentity.of("t", task)
    assert (planned.task_type, planned.num_folds, planned.has_test) == ("regression", 1, True)


def test_a_fingerprint_of_files_tells_changed_data(tmp_path: Path):
    def survey(path: str) -> Survey:
        files = creators.find_files(path, "*.png")
        return Survey.of_splits({"train", "test"}, fingerprint=creators.state_of_files(files))

    register_creator("mine", survey=survey)(lambda folder, path: None)
    ImageDraw.Image.new("L", (4, 4)).save(tmp_path / "a.png")
    names = set()
    for size in (4, 4, 5):
        Image.new("L", (size, 4)).save(tmp_path / "a.png")
        names.add(TaskIdentity.of("t", Task(creator="mine", path=str(tmp_path))).dataset)
    assert len(names) == 2
