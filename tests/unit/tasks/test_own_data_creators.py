"""Own data: folders of images and tables, for every task type."""

import itertools
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from mml_lib.config.task_options import Task
from mml_lib.errors import MMLError
from mml_lib.images.surveying import survey_images
from mml_lib.tasks.creators.creator_registry import CREATORS
from mml_lib.tasks.dataset import EMPTY_MASK_TOKEN, Sample
from mml_lib.tasks.task_identity import TaskIdentity
from tests.support.image_folders import images_of, sample_fields
from tests.support.plans import check_plan, deliver


def table(root: Path, text: str, **encoding: Any) -> Path:
    images_of(root, *(f"{name}.png" for name in "xyz"), *(f"mask/{name}.png" for name in "xyz"))
    (root / "table.csv").write_text(text, **({"encoding": "utf-8"} | encoding))
    return root / "table.csv"


# --- tables -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "kind", "classes", "labels"),
    [
        ("image,label\nx.png,dog\ny.png,cat", "classification", ["cat", "dog"], ["dog", "cat"]),
        ("image,label\nx.png,10\ny.png,9\nz.png,09", "classification", ["09", "9", "10"], ["10", "9", "09"]),
        (
            "image,labels\nx.png,b|a\ny.png,\nz.png,a:0.7 | icd:c:0.2",
            "multilabel_classification",
            ["a", "b", "icd:c"],
            [{"a": 1.0, "b": 1.0}, {}, {"a": 0.7, "icd:c": 0.2}],
        ),
        ("image,value\nx.png,-1.5e3\ny.png,2", "regression", [], [-1500.0, 2.0]),
        ("image,patient\nx.png,p\ny.png,q", "no_task", [], [None, None]),
    ],
)
def test_the_column_says_what_is_learned(tmp_path: Path, text: str, kind: str, classes: list[str], labels: list):
    delivery = deliver("csv", table(tmp_path, text))
    assert (delivery.task_type, delivery.classes, sample_fields(delivery, "label")) == (kind, classes, labels)


def test_a_table_names_masks(tmp_path: Path):
    delivery = deliver("csv", table(tmp_path, f"image,mask\nx.png,mask/x.png\ny.png,{EMPTY_MASK_TOKEN}"))
    assert sample_fields(delivery, "mask") == [str(tmp_path / "mask/x.png"), EMPTY_MASK_TOKEN]
    values = survey_images(delivery, "d", tmp_path, 2).values
    assert (set(values[0]), values[1]) == ({0, 1}, {0: 4})


def test_splits_groups_and_folds_are_columns(tmp_path: Path):
    text = "image,label,split,group,fold\nx.png,a,train,p,0\ny.png,b,test,q,\nz.png,ignored,unlabelled,,"
    delivery = deliver("csv", table(tmp_path, text))
    assert sample_fields(delivery, "label", "split", "group", "fold") == [
        ("a", "train", "p", 0),
        ("b", "test", "q", None),
        (None, "unlabelled", None, None),
    ]
    assert delivery.classes == ["a", "b"]


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffimage,label\nx.png,a b\ny.png,c\n",
        "image,label\r\n\r\nx.png,a b\r\n,\r\ny.png,c",
        '"image", "label"\n"x.png", "a b"\n"y.png","c"\n\n',
        "label;image;note\na b;x.png;1,5\nc;y.png;",
        "image\tlabel\nx.png\ta b\ny.png\tc\n",
        "image , label,\n x.png , a b ,\n y.png,c,,\n",
        "image,label\nx.png,a b,\ny.png,c,\n",
    ],
    ids=[
        *("byte order mark", "blank lines", "quotes", "semicolons", "tabs", "spaces and surplus commas"),
        "rows that end in a comma",
    ],
)
def test_tables_are_read_as_people_save_them(tmp_path: Path, text: str):
    assert sample_fields(deliver("csv", table(tmp_path, text)), "id", "label") == [("x.png", "a b"), ("y.png", "c")]


def test_own_images_may_lie_anywhere(tmp_path: Path):
    images_of(tmp_path / "elsewhere", "one.png", "ä ü.png")
    path = table(tmp_path / "t", f"image,label\n../elsewhere/ä ü.png,a\n{tmp_path / 'elsewhere/one.png'},b")
    assert survey_images(deliver("csv", path), "d", tmp_path / "data", 1).sizes == [(2, 2), (2, 2)]


def test_a_folder_may_stand_for_its_only_table(tmp_path: Path):
    table(tmp_path, "image,label\nx.png,a\ny.png,b")
    assert len(deliver("csv", tmp_path).samples) == 2
    assert CREATORS["csv"].survey(str(tmp_path)) == CREATORS["csv"].survey(str(tmp_path / "table.csv"))
    (tmp_path / "second.csv").touch()
    with pytest.raises(MMLError, match=r"second\.csv, table\.csv"):
        deliver("csv", tmp_path)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no column 'image'"),
        ("picture,label\nx.png,a", "no column 'image'"),
        ("Image,label\nx.png,a", "no column 'image', did you mean 'Image'"),
        ("image,label,Split\nx.png,a,test", "write the column 'Split' as 'split'"),
        ("image,lable\nx.png,a", "no column 'label', did you mean 'lable'"),
        ("image,masks\nx.png,mask/x.png", "no column 'mask', did you mean 'masks'"),
        ("image,label,label\nx.png,a,b", "the column 'label' appears twice"),
        ("image,label,value\nx.png,a,1", "choose one by task_type"),
        ("image,label\nx.png,a\ny.png,b, c", "line 3: .*3 cells, 2"),
        ("image,label,group,note\nx.png,a,P1,\ny.png,b, c,P2,", "line 3: .*5 cells, 4"),
        ("image,label\nx.png,a\ny.png", "line 3: the column 'label' is empty"),
        ("image,mask\nx.png,", "line 2: the column 'mask' is empty"),
        ("image,label\n,a", "line 2: the column 'image' is empty"),
        ("image,label\nx.png,a\nmissing.png,b", "line 3: .*missing.png"),
        ("image,mask\nx.png,mask/missing.png", "line 2: .*missing.png"),
        ("image,value\nx.png,1\ny.png,many", "line 3: 'many' is not a number"),
        ("image,value\nx.png,nan", r"line 2: .*'value' .*\('nan'\)"),
        ("image,value\nx.png,1e999", "'x.png' has the value inf"),
        ("image,labels\nx.png,a:1.5", "label 'a' with probability 1.5"),
        ("image,labels\nx.png,a|b|a", "line 2: the label 'a' appears twice"),
        ("image,label,fold\nx.png,a,first", "line 2: the fold 'first' is not a number"),
        ("image,label,fold\nx.png,a,²", "line 2: the fold '²' is not a number"),
        ("image,label,split\nx.png,a,training\ny.png,b,test", "split 'training'; splits: train, val"),
        ("image,label\nx.png,a\nx.png,b", r"table\.csv: sample 'x.png' is listed twice \(line 2, line 3\)"),
        ("image,label\nx.png,a\n./x.png,b", r"x.png is listed twice, .*'x.png' .*'./x.png' \(line 2, line 3\)"),
        ("image,label,split\nx.png,a,train\ny.png,b,test\nx.png,a,test", r"is in train and in test \(line 2, line 4\)"),
        ("image,label,split,group\nx.png,a,train,p\ny.png,b,test,p", "group 'p' is in the splits train and test"),
        ("image,label\nx.png,a\ny.png,a", "only the class 'a'"),
        ("image,value,split\nx.png,1,unlabelled", "all images are unlabelled"),
        ('image,label\nx.png,"a\ny.png,b', "close quotes"),
    ],
)
def test_a_wrong_table_is_refused(tmp_path: Path, text: str, why: str):
    with pytest.raises(MMLError, match=why):
        deliver("csv", table(tmp_path, text))


def test_a_mistake_in_a_line_shows_when_planning(tmp_path: Path):
    path = table(tmp_path, "image,value\nx.png,1\ny.png,many")
    with pytest.raises(MMLError, match=r"tasks\.t: .*table\.csv, line 3: 'many'"):
        TaskIdentity.of("t", Task(creator="csv", path=str(path)))


def test_a_table_that_is_not_utf8_is_refused(tmp_path: Path):
    with pytest.raises(MMLError, match=r"table\.csv is not UTF-8"):
        deliver("csv", table(tmp_path, "image,label\nx.png,ä\n", encoding="latin-1"))


# --- folders ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "kind", "labels"),
    [
        (["cat/1.png", "dog/deep/er/2.JPG"], None, ["cat", "dog"]),
        (["a/1.png", "a|b/2.png"], "multilabel_classification", [{"a": 1.0}, {"a": 1.0, "b": 1.0}]),
        (["-1.5/1.png", "20/2.png", "3/3.png"], "regression", [-1.5, 3.0, 20.0]),
        (["1.png", "deep/2.tif"], "no_task", [None, None]),
    ],
)
def test_folder_names_are_labels(tmp_path: Path, names: list[str], kind: str | None, labels: list):
    images_of(tmp_path, *names, ".hidden/9.png", str(Path(names[0]).with_name(".9.png")))
    (tmp_path / names[0]).with_suffix(".txt").touch()
    delivery = deliver("image_folder", tmp_path, task_type=kind)
    assert sorted(sample_fields(delivery, "label"), key=str) == sorted(labels, key=str)
    assert delivery.task_type == (kind or "classification")


def test_classes_are_in_natural_order(tmp_path: Path):
    images_of(tmp_path, "grade10/1.png", "grade9/1.png", "grade09/1.png", "²/1.png")
    assert deliver("image_folder", tmp_path).classes == ["grade09", "grade9", "grade10", "²"]


def test_the_first_level_may_be_splits(tmp_path: Path):
    images_of(tmp_path, "train/a/1.png", "train/b/2.png", "val/a/3.png", "test/b/4.png", "unlabelled/5.png")
    (tmp_path / ".git").mkdir()
    assert sample_fields(deliver("image_folder", tmp_path), "id", "label", "split") == [
        ("train/a/1.png", "a", "train"),
        ("train/b/2.png", "b", "train"),
        ("val/a/3.png", "a", "val"),
        ("test/b/4.png", "b", "test"),
        ("unlabelled/5.png", None, "unlabelled"),
    ]


def test_train_may_be_a_class(tmp_path: Path):
    assert deliver("image_folder", images_of(tmp_path, "train/1.png", "tram/2.png")).classes == ["train", "tram"]


@pytest.mark.parametrize("place", ["outside", "inside"])
@pytest.mark.parametrize("level", ["", "train/"])
def test_masks_lie_in_a_folder_of_their_own(tmp_path: Path, place: str, level: str):
    root = images_of(tmp_path / "data", f"{level}1.jpg", f"{level}deep/2.png", "unlabelled/3.png")
    masks = images_of(root / "mask" if place == "inside" else tmp_path / "mask", f"{level}1.png", f"{level}deep/2.bmp")
    delivery = deliver("image_folder", root, masks=str(masks))
    assert sample_fields(delivery, "id", "split", "mask") == [
        (f"{level}1.jpg", level[:-1] or None, str(masks / level / "1.png")),
        (f"{level}deep/2.png", level[:-1] or None, str(masks / level / "deep/2.bmp")),
        ("unlabelled/3.png", "unlabelled", None),
    ]


@pytest.mark.parametrize(
    ("names", "arguments", "why"),
    [
        ([], {}, "there are no images"),
        (["a/1.png"], {}, "only the class 'a'"),
        (["a/1.png", "b/2.png", "3.png"], {}, r"3\.png lies in no folder that tells its class.*task_type: no_task"),
        (["train/a/1.png", "train/b/2.png", "test/3.png"], {}, "test/3.png lies in no folder"),
        (["train/a/1.png", "Validation/b/2.png"], {}, "'Validation' lies among folders of splits"),
        (["Train/a/1.png", "Test/b/2.png"], {}, "'Test' lies among folders of splits"),
        (["Training/a/1.png", "Testing/b/2.png"], {}, "'Testing'.*splits.*rename.*'test'"),
        (["training_set/a/1.png", "test_set/b/2.png"], {}, "'test_set' lies among folders of splits"),
        (["seg_train/a/1.png", "seg_test/b/2.png", "seg_pred/3.png"], {}, "'seg_pred' lies among folders of splits"),
        (["trainset/1.png", "valset/2.png", "m/1.png"], {"masks": "m"}, "'trainset' lies among folders of splits"),
        (["unlabelled/1.png"], {}, "all images are unlabelled"),
        (["a/1.png"], {"task_type": "regression"}, "folder .*/a: 'a' is not a number"),
        (["1.png"], {"task_type": "semantic_segmentation"}, "needs the key 'masks'"),
        (["1.png", "mask/2.png"], {"masks": "mask"}, "1.png has no mask .*mask/1.png"),
        (["1.png", "mask/1.png", "mask/1.bmp"], {"masks": "mask"}, "are masks of one image"),
        (["1.png"], {"masks": "nowhere"}, "the path .*nowhere does not exist"),
    ],
)
def test_a_wrong_folder_is_refused(tmp_path: Path, names: list[str], arguments: dict[str, str], why: str):
    if "masks" in arguments:
        arguments = arguments | {"masks": str(tmp_path / arguments["masks"])}
    with pytest.raises(MMLError, match=why):
        deliver("image_folder", images_of(tmp_path, *names), **arguments)


def test_names_and_links_that_lead_nowhere_are_told(tmp_path: Path):
    images_of(tmp_path, "a/1.png", "b/2.png")
    (tmp_path / "b/3.png").symlink_to("gone.png")
    with pytest.raises(MMLError, match=r"b/3.png cannot be read"):
        CREATORS["image_folder"].survey(str(tmp_path))
    (tmp_path / "b/3.png").rename(tmp_path / "b" / os.fsdecode(b"\xe4.png"))
    with pytest.raises(MMLError, match="is not UTF-8; rename it"):
        CREATORS["image_folder"].survey(str(tmp_path))


# --- what is planned with ---------------------------------------------------------------------------------------


SPLITS = [
    (),
    ("train", "test"),
    ("train", "val", "test"),
    ("train", "val"),
    ("", "unlabelled"),
    ("train", "unlabelled"),
]
COLUMNS = {
    "classification": ("label", "a", "b"),
    "multilabel_classification": ("labels", "a", "a|b"),
    "regression": ("value", "1", "2"),
    "semantic_segmentation": ("mask", "mask/x.png", "mask/y.png"),
    "no_task": ("note", "", ""),
}
MASK_VALUES = {"semantic_segmentation": {0: "no", 1: "yes"}}


@pytest.mark.parametrize("folds", ["none", "all", "some"])
@pytest.mark.parametrize("splits", SPLITS, ids="+".join)
def test_a_table_gives_the_folds_and_splits_that_were_planned(tmp_path: Path, splits: Sequence[str], folds: str):
    images_of(tmp_path, *(f"{n}.png" for n in range(24)), "mask/x.png", "mask/y.png")
    for kind, (column, *cells) in COLUMNS.items():
        rows = []
        for n, split in zip(range(24), itertools.cycle(splits or [""]), strict=False):
            fold = "" if folds == "none" or (folds == "some" and n % 5 == 0) else n // 4 % 3
            if fold != "" and split not in ("", "train"):
                fold = 7  # says nothing
            rows.append(f"{n}.png,{cells[n // 3 % 2]},{split},{fold}")
        (tmp_path / "t.csv").write_text("\n".join([f"image,{column},split,fold", *rows]))
        task = Task(
            creator="csv", path=str(tmp_path / "t.csv"), folds=2, task_type=kind, idx_to_class=MASK_VALUES.get(kind)
        )
        check_plan(task, tmp_path / "data")


@pytest.mark.parametrize("kind", COLUMNS)
@pytest.mark.parametrize("splits", SPLITS, ids="+".join)
def test_a_folder_gives_the_folds_and_splits_that_were_planned(tmp_path: Path, splits: Sequence[str], kind: str):
    flat = kind in ("semantic_segmentation", "no_task")
    names = [
        f"{split}/{'' if flat or split == 'unlabelled' else f'{label}/'}{split}{n}.png".lstrip("/")
        for split in splits or [""]
        for label, n in itertools.product("12", range(12))
    ]
    root = images_of(tmp_path / "images", *names)
    if "test" in splits:
        (root / "val").mkdir(exist_ok=True)  # an empty one is none
    masks = str(images_of(tmp_path / "mask", *names)) if kind == "semantic_segmentation" else None
    task = Task(
        creator="image_folder", path=str(root), masks=masks, folds=2, task_type=kind, idx_to_class=MASK_VALUES.get(kind)
    )
    check_plan(task, tmp_path / "data")


@pytest.mark.parametrize("creator", ["csv", "image_folder"])
def test_data_that_moved_are_the_same_and_data_that_changed_are_not(tmp_path: Path, creator: str):
    root = tmp_path / "a"
    rows = "\n".join(f"images/{n}.png,mask/{n}.png" for n in range(8))
    images_of(root, *(f"{folder}/{n}.png" for folder in ("images", "mask") for n in range(8)))
    (root / "images/t.csv").write_text(f"image,mask\n{rows}")

    def look(root: Path) -> str | None:
        if creator == "csv":
            shutil.copy(root / "images/t.csv", root / "t.csv")
            return CREATORS[creator].survey(str(root / "t.csv")).fingerprint
        return CREATORS[creator].survey(str(root / "images"), masks=str(root / "mask")).fingerprint

    seen = [look(root)]
    assert look(Path(shutil.copytree(root, tmp_path / "b"))) == seen[0]
    for changed in ("images/3.png", "mask/3.png"):
        Image.new("L", (3, 3), 1).save(root / changed)
        seen.append(look(root))
    (root / "images/t.csv").write_text("image,mask\nimages/1.png,mask/1.png")
    (root / "images/7.png").unlink()
    seen.append(look(root))
    assert len(set(seen)) == 4


def test_samples_say_nothing_of_unlabelled_images(tmp_path: Path):
    path = table(tmp_path, "image,value,split\nx.png,1,train\ny.png,no number,unlabelled")
    assert deliver("csv", path).samples[1] == Sample("y.png", str(tmp_path / "y.png"), split="unlabelled")
