"""Folders of images: what is read, what is skipped or left out and named, and links."""

import runpy
import unicodedata
from pathlib import Path

import pytest
from PIL import Image

from mml_lib.config.task_options import Task
from mml_lib.errors import MMLError
from mml_lib.tasks.creators import file_kinds
from mml_lib.tasks.creators.creator_registry import CREATORS
from mml_lib.tasks.creators.file_kinds import LEFT_OUT, SUFFIXES
from mml_lib.tasks.creators.folders.walking import ImageTree, left_out_text
from mml_lib.tasks.task_identity import TaskIdentity
from tests.support.image_folders import images_of, sample_fields
from tests.support.messages import mentions
from tests.support.plans import deliver

NAIVE = [unicodedata.normalize(form, "naïve") for form in ("NFC", "NFD")]


def fill(root: Path, *names: str) -> None:
    """Write files that hold something, but no image."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"something")


# --- what systems and tools leave -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "folder",
    [
        *("@eaDir", "#recycle", "#snapshot", "@Recycle", "@Recently-Snapshot", ".@__thumb", "$RECYCLE.BIN", "RECYCLER"),
        *("System Volume Information", ".thumbnails", ".Trashes", ".Trash-1000", ".AppleDouble", "lost+found"),
        *("__MACOSX", ".ipynb_checkpoints", ".git", ".Spotlight-V100", "~snapshot", "$Recycle.Bin"),
    ],
)
def test_folders_of_systems_are_skipped_and_named(tmp_path: Path, warnings: list[str], folder: str):
    assert_skipped(tmp_path, warnings, folder)


@pytest.mark.parametrize("place", ["", "a/deep/"])
def test_folders_of_systems_are_skipped_at_any_depth(tmp_path: Path, warnings: list[str], place: str):
    assert_skipped(tmp_path, warnings, "@eaDir", place)


def assert_skipped(tmp_path: Path, warnings: list[str], folder: str, place: str = "a/") -> None:
    root = images_of(
        tmp_path, "a/1.png", "a/deep/2.png", "b/3.png", f"{place}{folder}/x/4.png", f"{place}{folder}/5.png"
    )
    before = CREATORS["image_folder"].survey(str(root)).fingerprint
    delivery = deliver("image_folder", root)
    assert (delivery.classes, sample_fields(delivery, "id")) == (["a", "b"], ["a/1.png", "a/deep/2.png", "b/3.png"])
    assert len(warnings) == 1
    assert folder in warnings[0]
    images_of(root, f"{place}{folder}/6.png")
    assert CREATORS["image_folder"].survey(str(root)).fingerprint == before


def test_litter_between_images_is_skipped(tmp_path: Path, warnings: list[str]):
    root = images_of(tmp_path, "a/1.png", "b/2.png", "a/._1.png", "b/._2.png")
    fill(root, "Thumbs.db", "a/Thumbs.db", "b/desktop.ini", "a/.DS_Store", "readme.txt", "a/notes.csv", "images.zip")
    assert sample_fields(deliver("image_folder", root), "id") == ["a/1.png", "b/2.png"]
    assert warnings == [f"warning: {root}: folders and files of systems and tools are skipped: hidden image files (2)"]


def test_data_below_a_hidden_folder_are_read(tmp_path: Path):
    root = images_of(tmp_path / ".cache/@eaDir/img", "a/1.png", "b/2.png")
    assert len(deliver("image_folder", root).samples) == 2


def test_a_class_of_waste_is_no_waste_basket(tmp_path: Path):
    assert deliver("image_folder", images_of(tmp_path, "recycled/1.png", "recycler/2.png")).classes == [
        "recycled",
        "recycler",
    ]


# --- which files are images -------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".gif", ".jfif", ".jpe", ".GIF", ".JFIF", ".Jpe", ".TIF", ".ppm", ".apng"])
def test_suffixes_of_images_are_read_as_images_and_as_masks(tmp_path: Path, suffix: str):
    kind = {"jfif": "JPEG", "jpe": "JPEG", "tif": "TIFF", "apng": "PNG"}.get(suffix[1:].lower(), suffix[1:].upper())
    for name in (f"img/a{suffix}", f"img/b{suffix}", f"mask/a{suffix}"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB" if "img" in name else "L", (4, 4)).save(tmp_path / name, kind)
    images_of(tmp_path, "mask/b.png")
    delivery = deliver("image_folder", tmp_path / "img", masks=str(tmp_path / "mask"))
    assert sample_fields(delivery, "id") == [f"a{suffix}", f"b{suffix}"]
    assert delivery.samples[0].mask == str(tmp_path / f"mask/a{suffix}")


def test_image_like_files_that_are_left_out_are_named(tmp_path: Path):
    root = images_of(tmp_path, *(f"{label}/{n}.png" for label in "ab" for n in range(5)))
    for suffix in LEFT_OUT:
        fill(root, f"a/deep/x{suffix}", f"b/y{suffix.upper()}", f"b/z{suffix}")
    tree = ImageTree(root)
    assert len(list(tree.images(root))) == 10
    text = left_out_text(tree.left_out(), root, most=len(LEFT_OUT))
    assert not [suffix for suffix, kind in LEFT_OUT.items() if f"3 {suffix} in b, a/deep ({kind}: " not in text]


def test_files_that_are_left_out_are_summarized_in_one_line(tmp_path: Path, warnings: list[str]):
    root = images_of(tmp_path, *(f"{label}{n}/{n}.png" for label in "ab" for n in range(5)))
    fill(root, *(f"b{n}/{n}{suffix}" for n in range(5) for suffix in LEFT_OUT))
    assert len(deliver("image_folder", root).samples) == 10
    assert " and 2 more (" in warnings[0]
    assert warnings[0].endswith(f" and {len(LEFT_OUT) - 6} more")
    assert len(warnings) == 2


def test_images_without_a_suffix_are_named(tmp_path: Path, warnings: list[str]):
    root = images_of(tmp_path, *(f"{label}/{n}.png" for label in "ab" for n in range(3)))
    (root / "a/0.png").rename(root / "a/IMG_0001")
    (root / "a/1.png").rename(root / "a/1.png~")
    fill(root, "a/README", "b/Makefile")
    assert len(deliver("image_folder", root).samples) == 4
    assert "1 no suffix in a" in warnings[0]
    assert "1 .png~ in a" in warnings[0]
    assert warnings[1].startswith(f"warning: most images of {root}/a (2 of 3) are not read")


@pytest.mark.parametrize("name", ["b/2.mha", "b/deep/2.nrrd", "b/2"])
@pytest.mark.parametrize("level", ["", "train/"])
def test_class_of_which_no_image_is_read_is_refused_while_planning(tmp_path: Path, name: str, level: str):
    root = images_of(tmp_path, f"{level}a/1.png")
    fill(root, f"{level}{name}")
    if name == "b/2":
        Image.new("L", (2, 2)).save(root / f"{level}b/2", "PNG")
    images_of(root, *(f"val/{label}/{label}.png" for label in "ab") if level else ())
    with pytest.raises(MMLError, match=rf"tasks\.t: .*class folder .*b is read: 1 .* in {level}b"):
        TaskIdentity.of("t", Task(creator="image_folder", path=str(root)))


def test_split_of_which_no_image_is_read_is_refused(tmp_path: Path):
    root = images_of(tmp_path, "train/a/1.png", "train/b/2.png")
    fill(root, "test/a/3.mha")
    with pytest.raises(MMLError, match=r"test.*1 \.mha in test/a \(volumes"):
        CREATORS["image_folder"].survey(str(root))


def test_format_of_an_extra_is_left_out_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    kinds = runpy.run_path(file_kinds.__file__)
    assert kinds["LEFT_OUT"][".dcm"] == "DICOM"
    assert kinds["REMEDIES"]["DICOM"] == "pip install 'mml[dicom]'"
    assert not {".dcm", ".ima"} & kinds["SUFFIXES"]


def test_folder_of_which_no_image_is_read_is_refused(tmp_path: Path):
    fill(tmp_path, *(f"{n}.mha" for n in range(7)))
    with pytest.raises(MMLError, match=r"7 \.mha.*\(volumes.*: export"):
        deliver("image_folder", tmp_path, task_type="no_task")


def test_folder_of_which_all_is_skipped_is_refused(tmp_path: Path):
    images_of(tmp_path, "@eaDir/a/1.png")
    with pytest.raises(MMLError, match=r"there are no images; .* skipped: @eaDir"):
        deliver("image_folder", tmp_path)


def test_mask_that_is_not_read_is_named(tmp_path: Path):
    images_of(tmp_path / "img", "1.png")
    fill(tmp_path / "masks", "1.nrrd")
    with pytest.raises(MMLError, match=r"1\.png.*masks.*1 \.nrrd"):
        deliver("image_folder", tmp_path / "img", masks=str(tmp_path / "masks"))


def test_mask_of_another_case_is_named_and_one_of_another_unicode_form_is_found(tmp_path: Path):
    images_of(tmp_path / "img", f"{NAIVE[0]}.png", "B.png")
    masks = images_of(tmp_path / "mask", f"{NAIVE[1]}.png", "b.png")
    with pytest.raises(MMLError, match=r"B\.png has no mask .*there is a mask 'b'"):
        deliver("image_folder", tmp_path / "img", masks=str(masks))
    (masks / "b.png").rename(masks / "B.png")
    assert len(deliver("image_folder", tmp_path / "img", masks=str(masks)).samples) == 2


@pytest.mark.parametrize("creator", ["image_folder", "csv"])
def test_empty_file_is_refused_while_planning(tmp_path: Path, creator: str):
    images_of(tmp_path, "a/1.png", "b/2.png")
    (tmp_path / "b/3.png").touch()
    (tmp_path / "t.csv").write_text("image,label\na/1.png,a\nb/3.png,b")
    with pytest.raises(MMLError, match=r"3\.png is empty \(0 bytes\)"):
        CREATORS[creator].survey(str(tmp_path))


def test_every_suffix_has_one_meaning():
    assert not SUFFIXES & set(LEFT_OUT)
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in (*SUFFIXES, *LEFT_OUT))


# --- links ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["..", ".", "../..", "../b/up"])
def test_link_that_leads_in_a_circle_is_named(tmp_path: Path, target: str):
    root = images_of(tmp_path / "img", "a/1.png", "b/2.png")
    (root / "b/up").symlink_to("..")
    (root / "a/loop").symlink_to(target)
    with pytest.raises(MMLError, match=r"(the link|cannot be read: it is a link to|the file) .*(a/loop|b/up)"):
        CREATORS["image_folder"].survey(str(root))


@pytest.mark.parametrize("name", ["loop", "loop.png"])
def test_link_to_itself_is_named(tmp_path: Path, name: str):
    root = images_of(tmp_path, "a/1.png", "b/2.png")
    (root / f"a/{name}").symlink_to(name)
    with pytest.raises(MMLError, match=rf"a/{name} cannot be read: it is a link to {name}"):
        CREATORS["image_folder"].survey(str(root))


@pytest.mark.parametrize("name", ["gone", "gone.png"])
def test_link_that_leads_nowhere_is_named(tmp_path: Path, name: str):
    root = images_of(tmp_path, "a/1.png", "b/2.png")
    (root / f"a/{name}").symlink_to("/nowhere/at/all")
    with pytest.raises(MMLError, match=rf"a/{name} cannot be read: it is a link to /nowhere/at/all"):
        CREATORS["image_folder"].survey(str(root))
    (root / f"a/{name}").rename(root / "a/notes.txt")
    assert len(deliver("image_folder", root).samples) == 2


def test_two_ways_to_one_folder_are_refused(tmp_path: Path):
    shots = images_of(tmp_path / "shots", "1.png", "2.png")
    root = images_of(tmp_path / "img", "a/3.png", "b/4.png")
    (root / "a/shots").symlink_to(shots)
    assert len(deliver("image_folder", root).samples) == 4
    (root / "b/same").symlink_to(shots)
    with pytest.raises(MMLError, match=r"b/same makes .*a/shots and .*b/same"):
        CREATORS["image_folder"].survey(str(root))


def test_class_folders_may_be_links(tmp_path: Path):
    images_of(tmp_path / "pool", "x/1.png", "y/2.png")
    root = tmp_path / "img"
    root.mkdir()
    (root / "a").symlink_to("../pool/x")
    (root / "b").symlink_to("../pool/y")
    assert deliver("image_folder", root).classes == ["a", "b"]


# --- names of classes -------------------------------------------------------------------------------------------


def test_class_that_is_composed_here_and_decomposed_there_is_one(tmp_path: Path, warnings: list[str]):
    root = images_of(tmp_path, f"train/{NAIVE[0]}/1.png", "train/b/2.png", f"val/{NAIVE[1]}/3.png", "val/b/4.png")
    delivery = deliver("image_folder", root)
    assert delivery.classes == ["b", NAIVE[0]]
    assert [sample.label for sample in delivery.samples if sample.split == "val"] == ["b", NAIVE[0]]
    assert "spelled in 2 ways that look alike" in warnings[0]


def test_class_named_like_a_missing_value_is_warned_of(tmp_path: Path, warnings: list[str]):
    assert deliver("image_folder", images_of(tmp_path, "nan/1.png", "b/2.png")).classes == ["b", "nan"]
    assert mentions(warnings[0], "class 'nan'", "missing value")


@pytest.mark.parametrize("separator", ["+", ",", " "])
def test_folders_may_be_named_by_other_separators(tmp_path: Path, separator: str):
    root = images_of(tmp_path, "a/1.png", "b/2.png", f"a{separator}b/3.png")
    delivery = deliver("image_folder", root, task_type="multilabel_classification", separator=separator)
    assert sample_fields(delivery, "label")[1] == {"a": 1.0, "b": 1.0}
    with pytest.raises(MMLError, match="several ones joined by"):
        deliver("image_folder", root, task_type="multilabel_classification")


@pytest.mark.parametrize("name", ["1,5", "1_000", "12 mm", "1.234,5"])
def test_folder_whose_name_is_no_number_is_refused(tmp_path: Path, name: str):
    with pytest.raises(MMLError, match=f"'{name}'"):
        deliver("image_folder", images_of(tmp_path, f"{name}/1.png", "2/2.png"), task_type="regression")


# --- masks ------------------------------------------------------------------------------------------------------


def test_masks_without_an_image_are_counted_and_named(tmp_path: Path, warnings: list[str]):
    images_of(tmp_path / "img", "1.png", "unlabelled/2.png")
    masks = images_of(tmp_path / "masks", "1.png", "unlabelled/2.png", "3.png", "deep/4.png")
    deliver("image_folder", tmp_path / "img", masks=str(masks))
    assert warnings == [
        f"warning: 2 masks have no image and are left out: {masks}/3.png, {masks}/deep/4.png; add the images, "
        "or remove them"
    ]


def test_images_without_a_mask_are_counted_beside_masks_without_an_image(tmp_path: Path):
    images_of(tmp_path / "img", "1.png", "2.png")
    masks = images_of(tmp_path / "masks", "1_mask.png", "2_mask.png")
    why = r"img/1\.png has no mask .* \(2 images have none\); .* masks without an image: .*/1_mask\.png, .*/2_mask\.png"
    with pytest.raises(MMLError, match=why):
        deliver("image_folder", tmp_path / "img", masks=str(masks))


@pytest.mark.parametrize("name", ["img", "img/../img", "link"])
def test_images_are_not_their_own_masks(tmp_path: Path, name: str):
    images_of(tmp_path / "img", "1.png")
    (tmp_path / "link").symlink_to("img")
    with pytest.raises(MMLError, match="path and masks are the same folder"):
        deliver("image_folder", tmp_path / "img", masks=str(tmp_path / name))


def test_images_may_lie_inside_the_folder_of_the_masks(tmp_path: Path, warnings: list[str]):
    images_of(tmp_path, "1.png", "img/1.png")
    (sample,) = deliver("image_folder", tmp_path / "img", masks=str(tmp_path)).samples
    assert (sample.image, sample.mask, warnings) == (str(tmp_path / "img/1.png"), str(tmp_path / "1.png"), [])
