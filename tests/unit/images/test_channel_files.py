"""Images whose channels lie in several files: pixels, copies, frames, groups, shared data sets, what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from mml_lib.config.image_options import Images
from mml_lib.config.task_options import SharedDataSet, Task
from mml_lib.errors import MMLError
from mml_lib.images.decoding import decode_row
from mml_lib.images.packing import IMAGES, pack
from mml_lib.images.readers.frames import expand_frames
from mml_lib.images.surveying import survey_images
from mml_lib.tasks.creators.creator_registry import read_metadata
from mml_lib.tasks.dataset import Dataset, Delivery, Sample
from mml_lib.tasks.delivery_checks import check_delivery
from mml_lib.tasks.splits.copies import copied_rows
from tests.support.dicom_files import dicom_file
from tests.support.messages import mentions
from tests.support.plans import deliver
from tests.support.shared_data import make_dataset, match, shared_tasks

RNG = np.random.default_rng(0)
STAINS = ("dapi", "gfp", "rfp")
CHANNELS = {"channels": list(STAINS)}
WHOLE = {"range": [0, 65535]}


def survey(delivery: Delivery, folder: Path, **images: Any) -> Dataset:
    options = Images(**images)
    expanded = expand_frames(delivery, "data", folder, 2, options)
    return survey_images(expanded, "data", folder, 2, images=options)


def stained(folder: Path, rows: int = 2, dtype: type = np.uint16) -> np.ndarray:
    """Write a file for each stain of each row, and their table; return the images, rows×H×W×3."""
    values = RNG.integers(0, np.iinfo(dtype).max, (rows, 12, 10, 3), dtype=dtype, endpoint=True)
    lines = ["id,dapi,gfp,rfp,label,patient"]
    for row in range(rows):
        for number, stain in enumerate(STAINS):
            Image.fromarray(values[row, ..., number]).save(folder / f"{row}_{stain}.png")
        lines.append(",".join([str(row), *(f"{row}_{stain}.png" for stain in STAINS), "ab"[row % 2], f"p{row}"]))
    (folder / "table.csv").write_text("\n".join(lines))
    return values


def delivered(folder: Path, image: object = CHANNELS, **options: Any) -> Delivery:
    columns = {"image": image, **options.pop("columns", {})}
    return deliver("csv", folder / "table.csv", columns=columns, **options)


# --- pixels ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_files_of_a_row_are_the_channels_of_one_image(tmp_path: Path, dtype: type):
    values = stained(tmp_path, dtype=dtype)
    delivery = delivered(tmp_path)
    assert [sample.id for sample in delivery.samples] == ["0_dapi.png", "1_dapi.png"]
    dataset = survey(delivery, tmp_path, **(WHOLE if dtype is np.uint16 else {}))
    assert dataset.pixels.channels == STAINS
    assert dataset.sizes == [(12, 10)] * 2
    for row in range(2):
        assert (decode_row(dataset, row)[0] == values[row]).all()
    dataset.write(tmp_path / "dataset.json")
    assert Dataset.read(tmp_path / "dataset.json") == dataset
    resize = [{"name": "resize", "size": [6, 5]}]
    pack(dataset, range(2), resize, str(tmp_path / "packed"), 1)
    assert (np.load(tmp_path / "packed" / IMAGES)[1] == decode_row(dataset, 1, resize)[0]).all()


def test_channels_have_names_templates_and_an_order(tmp_path: Path):
    values = stained(tmp_path)
    image = {"channels": ["{id}_r*.png", "{id}_dapi.png"], "names": ["RFP", "DAPI"]}
    dataset = survey(delivered(tmp_path, image), tmp_path, **WHOLE)
    assert dataset.pixels.channels == ("RFP", "DAPI")
    assert (decode_row(dataset, 0)[0] == values[0][..., [2, 0]]).all()
    picked = survey(delivered(tmp_path, image), tmp_path, channels=[1], **WHOLE)
    assert picked.pixels.channels == ("DAPI",)
    assert (decode_row(picked, 0)[0][..., 0] == values[0][..., 0]).all()


def differing(folder: Path) -> np.ndarray:
    """Write three stains of 16 bits that differ in brightness by orders of magnitude; return them, 2×12×10×3."""
    values = stained(folder).astype(float) * (1, 0.001, 0) + (0, 20, 7)
    for row in range(2):
        for number, stain in enumerate(STAINS):
            Image.fromarray(values[row, ..., number].clip(0, 65535).astype(np.uint16)).save(
                folder / f"{row}_{stain}.png"
            )
    return values.clip(0, 65535).astype(np.uint16)


@pytest.mark.parametrize(("options", "percentiles"), [({}, (0, 100)), ({"percentiles": [5, 95]}, (5, 95))])
@pytest.mark.parametrize("picked", [None, [1, 0]])
def test_each_channel_has_its_own_range(
    tmp_path: Path, options: dict, percentiles: tuple, picked: list | None, capsys: pytest.CaptureFixture
):
    values = differing(tmp_path)
    channels = {"channels": picked} if picked else {}
    dataset = survey(delivered(tmp_path), tmp_path, depth="float32", **options, **channels)
    image = decode_row(dataset, 1)[0]
    for place, channel in enumerate(picked or (0, 1)):
        low, high = np.percentile(values[..., channel], percentiles)
        expected = (values[1, ..., channel] - low) / (high - low)
        assert np.allclose(image[..., place], expected.clip(0, 1), atol=1e-6)
    dataset.write(tmp_path / "dataset.json")
    assert Dataset.read(tmp_path / "dataset.json") == dataset
    printed = capsys.readouterr().out
    assert mentions(printed, *(["values gfp", "dapi"] if picked else ["values dapi", "gfp", "rfp"]), "2 of uint16")
    assert (image[..., 2:] == 0).all()
    assert ("one value in all images" in printed) == (picked is None)


def test_one_range_holds_where_the_study_states_it_or_files_are_mixed(tmp_path: Path):
    values = differing(tmp_path)
    dataset = survey(delivered(tmp_path), tmp_path, range=[0, 65535])
    assert (decode_row(dataset, 0)[0] == values[0]).all()
    dataset = survey(Delivery([Sample("x", str(_saved(tmp_path, values[0])))], [], "no_task"), tmp_path)
    assert dataset.conversion.windows == ()


def _saved(folder: Path, values: np.ndarray) -> Path:
    np.save(folder / "x.npy", values)
    return folder / "x.npy"


def test_channels_that_a_file_names_have_their_own_ranges(tmp_path: Path):
    tifffile = pytest.importorskip("tifffile")
    values = np.moveaxis(differing(tmp_path)[..., :2], -1, 1)
    for folder, names in (("named", {"Channel": {"Name": ["dapi", "gfp"]}}), ("numbered", {})):
        (tmp_path / folder).mkdir()
        files = [tmp_path / folder / f"{row}.ome.tif" for row in range(2)]
        for file, image in zip(files, values, strict=True):
            tifffile.imwrite(file, image, metadata={"axes": "CYX", **names})
        samples = [Sample(file.stem, str(file)) for file in files]
        dataset = survey(Delivery(samples, [], "no_task"), tmp_path, depth="float32")
        low, high = (edge(values, axis=(0, 2, 3) if names else None) for edge in (np.min, np.max))
        expected = (np.moveaxis(values[1], 0, -1).astype(float) - low) / (high.astype(float) - low)
        assert np.allclose(decode_row(dataset, 1)[0], expected, atol=1e-6)


@pytest.mark.parametrize("section", [Task, SharedDataSet])
def test_two_kinds_of_channels_are_refused_while_planning(section: type):
    with pytest.raises(ValidationError, match=r"images\.frames: channels.*columns\.image.*leave frames out"):
        section(creator="csv", path="t.csv", columns={"image": CHANNELS}, images={"frames": "channels"})


def test_metadata_and_groups_belong_to_the_image(tmp_path: Path):
    stained(tmp_path)
    columns = {"image": CHANNELS, "group": "patient"}
    assert [sample.group for sample in deliver("csv", tmp_path / "table.csv", columns=columns).samples] == ["p0", "p1"]
    values = read_metadata("csv", {"path": str(tmp_path / "table.csv"), "columns": columns}, ["patient"])
    assert values["patient"] == {"0_dapi.png": "p0", "1_dapi.png": "p1"}


def test_copies_are_images_whose_channels_are_all_the_same(tmp_path: Path):
    values = stained(tmp_path, rows=4)
    for number, stain in enumerate(STAINS):
        Image.fromarray(values[0, ..., number]).save(tmp_path / f"1_{stain}.png")
        Image.fromarray(values[2, ..., number if number < 2 else 0]).save(tmp_path / f"3_{stain}.png")
    np.save(tmp_path / "x.npy", values[0])
    samples = [*delivered(tmp_path, task_type="no_task").samples, Sample("x", str(tmp_path / "x.npy"))]
    digests = survey_images(Delivery(samples[:4], [], "no_task"), "data", tmp_path, 1).digests
    assert list(copied_rows(digests)) == [[0, 1]]
    assert survey_images(Delivery(samples[4:], [], "no_task"), "data", tmp_path, 1).digests == digests[:1]


# --- frames and patients ---------------------------------------------------------------------------------------------


def test_slices_of_volumes_have_a_channel_for_each_sequence(tmp_path: Path):
    nibabel = pytest.importorskip("nibabel")
    series = RNG.integers(0, 900, (2, 5, 4, 3)).astype(np.int16)
    for values, name in zip(series, ("t1", "flair"), strict=True):
        nibabel.Nifti1Image(values, np.diag([-1, -1, 1, 1])).to_filename(tmp_path / f"p_{name}.nii.gz")
    classes = RNG.integers(0, 2, (5, 4, 3)).astype(np.uint8)
    nibabel.Nifti1Image(classes, np.diag([-1, -1, 1, 1])).to_filename(tmp_path / "p_seg.nii.gz")
    (tmp_path / "table.csv").write_text("id,mask\np,p_seg.nii.gz")
    image = {"channels": ["{id}_t1.nii.gz", "{id}_flair.nii.gz"], "names": ["T1", "FLAIR"]}
    dataset = survey(delivered(tmp_path, image), tmp_path, range=[0, 899])
    assert [sample.id for sample in dataset.delivery.samples] == [f"p_t1.nii.gz#{number}" for number in range(3)]
    assert {sample.group for sample in dataset.delivery.samples} == {"p_t1.nii.gz"}
    for number in range(3):
        pixels, mask = decode_row(dataset, number, with_mask=True)
        expected = np.rint(series[..., number].transpose(2, 1, 0) / 899 * 65535)
        assert (pixels == expected).all()
        assert (mask == classes[..., number].T).all()


def test_files_of_one_image_show_one_patient(tmp_path: Path):
    for name, patient in (("a", "p1"), ("b", "P1 "), ("c", "p2")):
        dicom_file(tmp_path / f"{name}.dcm", RNG.integers(0, 4096, (6, 4)), PatientID=patient)
    (tmp_path / "table.csv").write_text("one,two\na.dcm,b.dcm")
    dataset = survey(delivered(tmp_path, {"channels": ["one", "two"]}), tmp_path)
    assert dataset.pixels.channels == ("one", "two")
    (tmp_path / "table.csv").write_text("one,two\na.dcm,c.dcm")
    with pytest.raises(MMLError, match=r"a\.dcm.*c\.dcm.* two patients \(PatientID\)") as error:
        survey(delivered(tmp_path, {"channels": ["one", "two"]}), tmp_path)
    assert "p2" not in str(error.value)


def test_channels_of_a_file_cannot_be_stacked_once_more(tmp_path: Path):
    stained(tmp_path)
    with pytest.raises(
        MMLError, match=r"data: images\.frames: channels: .*0_dapi\.png.* 3 files already; leave it out"
    ):
        survey(delivered(tmp_path), tmp_path, frames="channels")


# --- shared data sets ------------------------------------------------------------------------------------------------


def test_tasks_share_images_of_several_files(tmp_path: Path):
    values = stained(tmp_path, rows=4)
    dataset = {"creator": "csv", "path": str(tmp_path / "table.csv"), "image": CHANNELS}
    tasks = shared_tasks(dataset, {"kind": {"label": "label"}, "some": {"label": "label", "filter": "id in [0, 3]"}})
    made = make_dataset(tasks, "kind")
    whole, rows = match(tasks, "kind", made)
    assert rows == [0, 1, 2, 3]
    assert [sample.label for sample in whole.delivery.samples] == ["a", "b", "a", "b"]
    some, rows = match(tasks, "some", made)
    assert rows == [0, 3]
    assert (decode_row(some, 1)[0].shape, len(some.delivery.samples[1].image_files)) == (values[3].shape, 3)
    other = shared_tasks(dataset | {"image": {"channels": ["gfp", "dapi", "rfp"]}}, {"kind": {"label": "label"}})
    assert other["kind"].dataset != tasks["kind"].dataset, "another order is another image"


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((12, 11), np.uint16), ["has 12×11 pixels", "0_dapi.png has 12×10", "alike"]),
        (np.zeros((12, 10), np.uint8), ["has uint8 values", "0_dapi.png has uint16", "alike"]),
        (RNG.integers(0, 256, (12, 10, 3), dtype=np.uint8), ["has colours", "save it"]),
    ],
)
def test_files_that_do_not_fit_are_refused_by_name(tmp_path: Path, array: np.ndarray, words: list[str]):
    stained(tmp_path)
    Image.fromarray(array).save(tmp_path / "0_gfp.png")
    with pytest.raises(MMLError) as error:
        survey(delivered(tmp_path), tmp_path)
    assert mentions(str(error.value), "0_gfp.png (channel gfp)", *words)
    assert "\n" not in str(error.value)


def test_grey_stored_as_colours_is_one_channel(tmp_path: Path):
    values = stained(tmp_path, dtype=np.uint8)
    Image.fromarray(values[0, ..., 1]).convert("RGB").save(tmp_path / "0_gfp.png")
    assert (decode_row(survey(delivered(tmp_path), tmp_path), 0)[0] == values[0]).all()


@pytest.mark.parametrize(
    ("image", "words"),
    [
        ({"channels": ["dapi"]}, ["columns.image", "two columns or more"]),
        ({"channels": ["dapi", "dapi"]}, ["columns.image", "each once"]),
        ({"channels": "dapi"}, ["columns.image", "{channels: [dapi, gfp]}"]),
        ({"stains": ["dapi", "gfp"]}, ["columns.image", "{channels: [dapi, gfp]}"]),
        ({"dapi": "gfp"}, ["columns.image", "{channels: [dapi, gfp]}"]),
        ({"channels": ["dapi", "gfp"], "names": ["DAPI"]}, ["columns.image", "names"]),
        ({"channels": ["dapi", "gfp"], "names": ["A", "B", "C"]}, ["columns.image.names", "3 names of 2 channels"]),
        ({"channels": ["dapi", "gpf"]}, ["'gpf'", "gfp"]),
        ({"channels": ["dapi", "{id}_dapi.png"]}, ["line 2", "0_dapi.png", "dapi and {id}_dapi.png"]),
        ({"channels": ["dapi", "{id}_x.png"]}, ["line 2", "0_x.png", "does not exist"]),
    ],
)
def test_mistakes_in_columns_of_channels_are_refused_while_planning(tmp_path: Path, image: dict, words: list[str]):
    stained(tmp_path)
    with pytest.raises(MMLError) as error:
        delivered(tmp_path, image)
    assert mentions(str(error.value), *words)


def test_a_channel_without_a_file_is_refused_by_its_line(tmp_path: Path):
    stained(tmp_path)
    text = (tmp_path / "table.csv").read_text().replace("1_gfp.png", "")
    (tmp_path / "table.csv").write_text(text)
    with pytest.raises(MMLError, match=r"line 3: the column 'gfp' of the channel gfp is empty; .*filter"):
        delivered(tmp_path)
    assert len(delivered(tmp_path, filter="gfp is not None", task_type="no_task").samples) == 1


def test_a_file_in_two_images_is_refused_unless_they_stay_together(tmp_path: Path):
    stained(tmp_path)
    text = (tmp_path / "table.csv").read_text().replace("1_rfp.png", "0_rfp.png")
    (tmp_path / "table.csv").write_text(text)
    with pytest.raises(MMLError, match=r"0_rfp\.png is listed twice"):
        check_delivery(delivered(tmp_path), "data")


@pytest.mark.parametrize(
    "channels", [{"one": "a.png"}, {"one": "b.png", "two": "a.png"}, {"one": "a.png", "two": "./a.png"}]
)
def test_channels_of_creators_in_python_are_checked(channels: dict[str, str]):
    with pytest.raises(MMLError, match=r"data: sample 'x' .*(two files|one file)"):
        check_delivery(Delivery([Sample("x", "a.png", channels=channels)], [], "no_task"), "data")
