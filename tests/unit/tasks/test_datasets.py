"""Data sets: their checks, their manifest, and what downloads are unpacked to."""

import json
import shutil
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mml_lib.errors import MMLError
from mml_lib.files.unpacking import unpack
from mml_lib.images.surveying import survey_images
from mml_lib.tasks.creators.creator_registry import CREATORS, create, register_creator
from mml_lib.tasks.dataset import (
    EMPTY_MASK_TOKEN,
    About,
    Dataset,
    Delivery,
    Label,
    Sample,
    natural_key,
)
from mml_lib.tasks.delivery_checks import check_delivery
from mml_lib.tasks.targets import class_mapping

# --- checks -----------------------------------------------------------------------------------------------------


def delivery(*labels: Label, task_type: str = "classification", classes: str = "ab", **fields: Any) -> Delivery:
    samples = [Sample(str(n), f"{n}.png", label, **fields) for n, label in enumerate(labels)]
    return Delivery(samples, list(classes), task_type)


ONE, TWO = Sample("1", "1.png", "a"), Sample("2", "2.png", "b")


@pytest.mark.parametrize(
    ("delivered", "why"),
    [
        (delivery(), "there are no images"),
        (delivery("a", None), "sample '1' has no label"),
        (delivery("a", "c"), "sample '1' .*label 'c'"),
        (delivery("a", classes="a"), "only the class 'a'"),
        (delivery("a", "b", split="training"), "is in split 'training'; splits: train, val, test, unlabelled"),
        (delivery("a", task_type="clasification"), "type 'clasification', did you mean 'classification'"),
        (delivery(None, split="unlabelled"), "all images are unlabelled"),
        (delivery("a", task_type="multilabel_classification"), "sample '0' has no labels"),
        (delivery({"c": 1.0}, task_type="multilabel_classification"), "label 'c', which is not a class"),
        (delivery({"a": -0.1}, task_type="multilabel_classification"), "probability -0.1"),
        (delivery({"a": float("nan")}, task_type="multilabel_classification"), "probability nan"),
        (delivery({}, task_type="multilabel_classification", classes=""), "there is no label"),
        (delivery(1.0, "x", task_type="regression"), "sample '1' .*'x'.*finite number"),
        (delivery(float("inf"), task_type="regression"), "the value inf, which is not a finite number"),
        (delivery(None, task_type="semantic_segmentation"), "sample '0' has no mask"),
        (delivery(None, mask="./0.png", task_type="semantic_segmentation"), "'0' has its own image as its mask"),
        (Delivery([ONE, ONE, replace(ONE)], ["a", "b"]), "sample '1' is listed twice"),
        (Delivery([ONE, replace(ONE, split="test")], ["a", "b"]), "sample '1' is in no split and in test"),
        (Delivery([ONE, replace(TWO, image="x/../1.png")], ["a", "b"]), "is listed twice, as '1' and as '2'"),
        (
            Delivery([replace(ONE, group="p", split="train"), replace(TWO, group="p", split="val")], ["a", "b"]),
            "group 'p' is in the splits train and val",
        ),
    ],
)
def test_what_no_task_can_be_made_of_is_refused(delivered: Delivery, why: str):
    with pytest.raises(MMLError, match=f"^name: .*{why}"):
        check_delivery(delivered, "name")


def test_an_image_may_be_listed_twice_within_a_group():
    twice = [replace(ONE, group="p"), replace(TWO, image=ONE.image, group="p")]
    check_delivery(Delivery(twice, ["a", "b"]), "name")


def test_names_have_a_natural_order_without_ties():
    names = ["", "a", "a01", "a1", "a2", "a10", "b", "²"]
    for order in (1, -1):
        assert sorted(names[::order], key=natural_key) == names


# --- masks ------------------------------------------------------------------------------------------------------


def segmented(folder: Path, mask: Any, size: tuple[int, int] = (4, 6), **fields: Any) -> Dataset:
    folder.mkdir(exist_ok=True)
    Image.new("RGB", size[::-1]).save(folder / "image.png")
    if not isinstance(mask, str):
        Image.fromarray(np.array(mask)).save(folder / "mask.png")
    samples = [Sample("1", "image.png", mask=mask if isinstance(mask, str) else "mask.png")]
    return survey_images(Delivery(samples, ["no", "yes"], "semantic_segmentation"), "d", folder, 1)


def test_values_of_masks_are_counted(tmp_path: Path):
    mask = np.zeros((4, 6), np.uint8)
    mask[0, :2], mask[3] = 1, 255
    assert segmented(tmp_path, mask).values == [{0: 16, 1: 2, 255: 6}]
    assert segmented(tmp_path, EMPTY_MASK_TOKEN).values == [{0: 24}]
    assert class_mapping(segmented(tmp_path, mask), None, "t") == {0: "no", 1: "yes"}


@pytest.mark.parametrize(
    ("mask", "why"),
    [
        (np.zeros((6, 4), np.uint8), r"mask.png has 6×4.*image.png 4×6"),
        (np.full((4, 6), 256, np.uint16), r"mask.png.*outside 0..255"),
        ("missing.png", r"mask .*missing.png does not exist"),
        ("image.txt", r"mask .*image.txt is in no format"),
    ],
)
def test_masks_that_do_not_fit_their_image_are_refused(tmp_path: Path, mask: Any, why: str):
    (tmp_path / "image.txt").write_text("no image")
    with pytest.raises(MMLError, match=why):
        segmented(tmp_path, mask)


def test_mask_values_without_a_class_are_refused(tmp_path: Path):
    data = segmented(tmp_path, np.full((4, 6), 7, np.uint8))
    with pytest.raises(MMLError, match=r"mask.png.*value 7,.*class \(0: no, 1: yes\)"):
        class_mapping(data, None, "t")
    assert class_mapping(data, {0: "no", 7: "yes"}, "t") == {0: "no", 7: "yes"}


# --- the manifest -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "delivered",
    [
        delivery("a", "b", group="p", fold=2, split="train"),
        delivery({"a": 0.25, "b": 1.0}, {}, None, task_type="multilabel_classification"),
        delivery(0.1 + 0.2, -3.0, task_type="regression", classes=""),
        delivery(None, mask=EMPTY_MASK_TOKEN, task_type="semantic_segmentation"),
        replace(delivery("ä", classes="ä/"), about=About({"image": "x-ray"}, ["k"], "MIT", "ref", "url", "v1")),
    ],
    ids=["classes", "probabilities", "numbers", "masks", "about"],
)
def test_a_data_set_survives_its_manifest(tmp_path: Path, delivered: Delivery):
    rows = len(delivered.samples)
    data = Dataset("DSET_x", delivered, [(8, 9)] * rows, tmp_path, [{0: 70, 255: 2}] + [None] * (rows - 1))
    data.write(tmp_path / "dataset.json")
    assert Dataset.read(tmp_path / "dataset.json") == data


def test_own_images_below_the_data_root_are_moved_with_it(tmp_path: Path):
    (tmp_path / "data/mine").mkdir(parents=True)
    for file in ("data/mine/image.png", "own.png"):
        Image.new("L", (5, 4)).save(tmp_path / file)
    samples = [Sample("1", str(tmp_path / "data/mine/image.png"), "a"), Sample("2", str(tmp_path / "own.png"), "b")]
    folder = tmp_path / "data/RAW/DSET_mine"
    folder.mkdir(parents=True)
    dataset = survey_images(Delivery(samples, ["a", "b"]), "DSET_mine", folder, 1, tmp_path / "data")
    dataset.write(folder / "dataset.json")
    (tmp_path / "data").rename(tmp_path / "moved")
    moved = Dataset.read(tmp_path / "moved/RAW/DSET_mine/dataset.json")
    assert moved.image_path(0).resolve() == tmp_path / "moved/mine/image.png"
    assert moved.image_path(1) == tmp_path / "own.png"


def test_a_data_set_can_be_moved(tmp_path: Path):
    Image.new("L", (5, 4)).save(tmp_path / "own.png")
    segmented(tmp_path / "a", EMPTY_MASK_TOKEN)
    samples = [
        Sample("1", str(tmp_path / "a/image.png"), mask=str(tmp_path / "a/image.png")),
        Sample("2", str(tmp_path / "own.png"), mask=str(tmp_path / "a/mask.png")),
    ]
    Image.new("L", (6, 4)).save(tmp_path / "a/image.png")
    Image.new("L", (5, 4)).save(tmp_path / "a/mask.png")
    dataset = survey_images(Delivery(samples, ["a", "b"], "semantic_segmentation"), "d", tmp_path / "a", 1)
    dataset.write(tmp_path / "a/dataset.json")
    (tmp_path / "a").rename(tmp_path / "b")
    moved = Dataset.read(tmp_path / "b/dataset.json")
    assert [moved.image_path(0), moved.mask_path(0)] == [tmp_path / "b/image.png"] * 2
    assert [moved.image_path(1), moved.mask_path(1)] == [tmp_path / "own.png", tmp_path / "b/mask.png"]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "cannot be read"),
        ("", "is damaged"),
        ('{"format": 4, "samples"', "is damaged"),
        ('{"format": 4}', "is damaged .*'samples'.*make it again by: snakemake"),
        ("[]", "is damaged"),
        ('{"format": 99}', "format 99, .*4; install a newer MML"),
    ],
)
def test_a_manifest_that_cannot_be_read_is_told(tmp_path: Path, content: str | None, why: str):
    if content is not None:
        (tmp_path / "dataset.json").write_text(content)
    with pytest.raises(MMLError, match=rf"dataset\.json .*{why}"):
        Dataset.read(tmp_path / "dataset.json")


def test_a_manifest_is_plain_json_with_columns(tmp_path: Path):
    Dataset("DSET_x", delivery("a", "b"), [(8, 9), (7, 9)], tmp_path).write(tmp_path / "dataset.json")
    content = json.loads((tmp_path / "dataset.json").read_text())
    assert (content["samples"]["label"], content["sizes"]) == (["a", "b"], [[8, 9], [7, 9]])


# --- downloads --------------------------------------------------------------------------------------------------


def zipped(file: Path, **members: str) -> Path:
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file


def content(folder: Path) -> Mapping[str, str]:
    return {str(file.relative_to(folder)): file.read_text() for file in folder.rglob("*") if file.is_file()}


def test_downloads_are_laid_into_one_folder(tmp_path: Path):
    first = zipped(tmp_path / "a.zip", **{"data/1.txt": "1", "data/deep/2.txt": "2", ".0/.0": "0", "LICENSE": "MIT"})
    second = zipped(tmp_path / "b.zip", **{"data/3.txt": "3", "data/deep/4.txt": "4", ".1": "1", "LICENSE": "MIT"})
    table = tmp_path / "table.csv"
    table.write_text("image")
    (tmp_path / "files").mkdir()
    (tmp_path / "files/old.txt").touch()
    files = unpack([first, second, table], tmp_path / "files")
    assert content(files) == {
        **{"data/1.txt": "1", "data/deep/2.txt": "2", "data/3.txt": "3", "data/deep/4.txt": "4"},
        **{".0/.0": "0", ".1": "1", "LICENSE": "MIT", "table.csv": "image"},
    }
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zip", "b.zip", "files", "table.csv"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"x/1.txt": "1"}, {"x/1.txt": "other"}),
        ({"1.txt/2.txt": "1"}, {"1.txt": "2"}),
        ({"1.txt": "1"}, {"1.txt/2": "2"}),
    ],
)
def test_different_files_of_one_name_are_refused(tmp_path: Path, first: dict[str, str], second: dict[str, str]):
    archives = [zipped(tmp_path / "a.zip", **first), zipped(tmp_path / "b.zip", **second)]
    with pytest.raises(MMLError, match=r"b.zip contains 1.txt"):
        unpack(archives, tmp_path / "files")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zip", "b.zip"]


def test_two_downloads_of_one_name_are_refused(tmp_path: Path):
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.npz").write_text(name)
    with pytest.raises(MMLError, match=r"1.npz contains 1.npz"):
        unpack([tmp_path / "a/1.npz", tmp_path / "b/1.npz"], tmp_path / "files")


@pytest.mark.parametrize("name", ["../secret.png", "{folder}/secret.png", "x/../../secret.png"])
@pytest.mark.parametrize("column", ["image", "mask"])
def test_a_downloaded_table_names_downloaded_files_only(tmp_path: Path, column: str, name: str):
    files = tmp_path / "files"
    (files / "x").mkdir(parents=True)
    for path in (tmp_path / "secret.png", files / "own.png"):
        path.touch()
    named = {"image": "own.png", "mask": "own.png", column: name.format(folder=tmp_path)}
    (files / "t.csv").write_text(f"image,mask\n{named['image']},{named['mask']}\n")
    with pytest.raises(MMLError, match=rf"the file {tmp_path}/secret\.png is not in the folder of downloads"):
        create("csv", {"path": "t.csv"}, tmp_path / "raw", files)
    (files / "t.csv").write_text("image,mask\nx/../own.png,own.png\n")
    assert len(create("csv", {"path": "t.csv"}, tmp_path / "raw", files).samples) == 1


def test_a_bad_archive_leaves_nothing(tmp_path: Path):
    good, bad = zipped(tmp_path / "a.zip", **{"1.txt": "1"}), tmp_path / "b.tar"
    with tarfile.open(bad, "w") as archive:
        archive.addfile(tarfile.TarInfo("../out.txt"))
    with pytest.raises(MMLError, match=r"b\.tar"):
        unpack([good, bad], tmp_path / "files")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zip", "b.tar"]


def test_paths_of_a_creator_are_relative_to_its_downloads(tmp_path: Path):
    for folder in ("images", "mask"):
        (tmp_path / "files/x" / folder).mkdir(parents=True)
        Image.new("L", (4, 4)).save(tmp_path / "files/x" / folder / "1.png")
    (tmp_path / "link").symlink_to(tmp_path / "files")
    arguments = {"path": "x/images", "masks": "x/mask"}
    sample = create("image_folder", arguments, tmp_path, tmp_path / "link").samples[0]
    assert (sample.image, sample.mask) == tuple(
        str(tmp_path / "link/x" / name / "1.png") for name in ("images", "mask")
    )


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"path": "../files-of-others"}, r"path '../files-of-others' leads out"),
        ({"path": "/etc"}, "the path '/etc' leads out"),
        ({"path": "out"}, "the path 'out' leads out"),
        ({"path": "x", "masks": "../.."}, r"the path '../..' leads out"),
        ({"path": "imges"}, "'imges', did you mean 'images'"),
    ],
)
def test_paths_lead_into_the_downloads(tmp_path: Path, arguments: dict[str, str], why: str):
    for name in ("files/x", "files/images", "files-of-others"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "files/out").symlink_to(tmp_path / "files-of-others")
    with pytest.raises(MMLError, match=why):
        create("image_folder", arguments, tmp_path, tmp_path / "files")


def test_a_creator_is_registered_once():
    with pytest.raises(MMLError, match=r"'csv'.*mml_lib.tasks.creators.table already"):
        register_creator("csv")(test_a_creator_is_registered_once)
    assert CREATORS["csv"].function.__name__ == "table"


@pytest.mark.parametrize("kind", ["zip", "gztar"])
def test_archive_without_an_ending_is_known_by_its_content(tmp_path: Path, kind: str):
    (tmp_path / "packed").mkdir()
    (tmp_path / "packed/a.txt").write_text("a")
    archive = shutil.make_archive(str(tmp_path / "x"), kind, tmp_path / "packed")
    shutil.move(archive, tmp_path / "content")
    assert [file.name for file in unpack([tmp_path / "content"], tmp_path / "files").iterdir()] == ["a.txt"]
    (tmp_path / "labels").write_text("image,label")
    assert [file.name for file in unpack([tmp_path / "labels"], tmp_path / "plain").iterdir()] == ["labels"]


def test_archive_of_another_kind_is_named(tmp_path: Path):
    (tmp_path / "x.tar.zst").write_bytes(b"x")
    with pytest.raises(MMLError, match=r"x\.tar\.zst.*supported: \.zip, \.tar"):
        unpack([tmp_path / "x.tar.zst"], tmp_path / "files")
    assert not (tmp_path / "files").exists()
