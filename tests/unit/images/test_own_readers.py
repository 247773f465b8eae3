"""Readers of a user's own: one decorated function makes a format of images known everywhere."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mml_lib.config.plugins import import_plugin
from mml_lib.config.task_options import Task
from mml_lib.errors import MMLError
from mml_lib.images.decoding import decode
from mml_lib.images.mask_files import decode_mask
from mml_lib.images.readers import READERS, read_header, register_reader
from mml_lib.images.readers.frames import read_contents
from mml_lib.images.readers.reader_registry import Contents, Header
from mml_lib.images.surveying import survey_image, survey_images
from mml_lib.tasks.creators import CREATORS
from mml_lib.tasks.creators.creator_registry import create
from mml_lib.tasks.creators.file_kinds import LEFT_OUT, OWN_READERS, SUFFIXES
from tests.support.image_samples import in_eight_bits
from tests.support.places import REPOSITORY

VALUES = np.arange(16, dtype=np.uint16).reshape(4, 4) * 100


@pytest.fixture(autouse=True)
def registries() -> Iterator[None]:
    """Forget what a test registers."""
    saved = [(registry, registry.copy()) for registry in (READERS, LEFT_OUT, OWN_READERS, SUFFIXES)]
    yield
    for registry, content in saved:
        registry.clear()
        registry.update(content)


def plugin_of_the_guide(tmp_path: Path, name: str) -> None:
    """Import the reader that the guide shows as a plugin."""
    guide = (REPOSITORY / "config/guide/extending.md").read_text("utf-8")
    (block,) = re.findall(r"```python\n(.*?@register_reader.*?)```", guide.split("## Image formats")[1], re.DOTALL)
    (tmp_path / f"{name}.py").write_text(block)
    import_plugin(str(tmp_path / f"{name}.py"))


def test_reader_of_the_guide_reads_images_of_a_folder(tmp_path: Path):
    plugin_of_the_guide(tmp_path, "reader_of_the_guide")
    for name in ("a/1", "a/2", "b/1"):
        file = tmp_path / "images" / f"{name}.R16"
        file.parent.mkdir(parents=True, exist_ok=True)
        (VALUES + len(name)).tofile(file)
    delivery = create("image_folder", {"path": str(tmp_path / "images")}, tmp_path / "data")
    dataset = survey_images(delivery, "data", tmp_path / "data", 1)
    assert [sample.label for sample in delivery.samples] == ["a", "a", "b"]
    assert dataset.sizes == [(4, 4)] * 3
    assert (dataset.value_range.low, dataset.value_range.high) == (3, 1503)
    image, _ = decode(dataset.image_path(0), conversion=in_eight_bits(dataset.conversion))
    assert (image[..., 0] == np.rint(VALUES / 1500 * 255)).all()


def test_edited_reader_makes_another_data_set(tmp_path: Path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.png").write_bytes(b"x")
    task = Task(creator="image_folder", path=str(tmp_path), task_type="no_task")
    creator = CREATORS["image_folder"]

    def name() -> str:
        return creator.dataset_name(creator.identity(task, creator.planned_survey(task)))

    plain = name()
    plugin_of_the_guide(tmp_path, "reader_that_is_edited")
    first = name()
    path = tmp_path / "reader_that_is_edited.py"
    path.write_text(path.read_text().replace("0.5", "(1 / 2)"))
    assert len({plain, first, name()}) == 3
    assert CREATORS["digits"].code == {}, "its images are no files"


def test_header_is_read_without_the_image_where_the_reader_can(tmp_path: Path):
    def no_image(file: Path) -> np.ndarray:
        raise AssertionError(f"{file} is read")

    register_reader("quick", suffixes=[".quick"], header=lambda file: Header((2, 3), "uint16"))(no_image)
    assert read_header(tmp_path / "x.quick").size == (2, 3)


@pytest.mark.parametrize("values", [np.zeros((2, 2, 5)), np.zeros(4), np.array([["a"]]), np.full((2, 2), np.nan)])
def test_what_is_no_image_is_refused_with_the_name_of_the_file(tmp_path: Path, values: np.ndarray):
    register_reader("odd", suffixes=[".odd"])(lambda file: values)
    with pytest.raises(MMLError, match=r"x\.odd"):
        decode(tmp_path / "x.odd")


def test_own_format_holds_masks(tmp_path: Path):
    register_reader("classes", suffixes=[".cls"])(lambda file: np.array([[0, 1], [2, 255]], np.int64))
    assert decode_mask(tmp_path / "x.cls", (2, 2)).tolist() == [[0, 1], [2, 255]]


def test_suffix_of_another_reader_is_refused():
    with pytest.raises(MMLError, match=r"the reader 'pillow' already reads files \.png"):
        register_reader("mine", suffixes=[".PNG"])(lambda file: None)


@pytest.mark.parametrize(
    "header", [None, ((2, 3), "uint8"), Header((0, 3), "uint8"), Header((2, 3), "banana"), Header("2x3", "uint8")]
)
def test_what_is_no_header_is_refused(tmp_path: Path, header: object):
    register_reader("odd", suffixes=[".odd"], header=lambda file: header)(lambda file: VALUES)
    with pytest.raises(MMLError, match=r"x\.odd: the reader 'odd' states the header .*; return Header"):
        read_header(tmp_path / "x.odd")


@pytest.mark.parametrize("header", [Header((2, 3), "uint16"), Header((4, 4), "uint8")])
def test_header_of_other_pixels_is_refused(tmp_path: Path, header: Header):
    register_reader("odd", suffixes=[".odd"], header=lambda file: header)(lambda file: VALUES)
    with pytest.raises(MMLError, match=r"x\.odd has uint16 values of the shape \(4, 4\), its header states .*'odd'"):
        survey_image(tmp_path / "x.odd", "x")


@pytest.mark.parametrize("contents", [None, 3, Contents(0, "Doe"), Contents(-1, "Doe"), Contents("2", "Doe")])
def test_what_is_no_contents_is_refused(tmp_path: Path, contents: object):
    register_reader("odd", suffixes=[".odd"], contents=lambda file: contents)(lambda file: VALUES)
    with pytest.raises(MMLError, match=r"x\.odd: the reader 'odd' states contents of .*; return Contents") as raised:
        read_contents(tmp_path / "x.odd")
    assert "Doe" not in str(raised.value)


def test_reader_is_told_which_images_are_masks(tmp_path: Path):
    def read(file: Path, as_numbers: bool = False) -> np.ndarray:
        return np.full((2, 2), 1 if as_numbers else 200, np.uint8)

    register_reader("both", suffixes=[".both"])(read)
    assert decode_mask(tmp_path / "x.both").tolist() == [[1, 1], [1, 1]]
    assert (decode(tmp_path / "x.both")[0] == 200).all()
