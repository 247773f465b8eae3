"""Value ranges: one mapping of deep images to 8 bits for a whole data set, measured or stated."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from mml_lib.config.image_options import Images
from mml_lib.config.task_options import Task
from mml_lib.errors import MMLError
from mml_lib.images.decoding import decode
from mml_lib.images.readers import read_header
from mml_lib.images.surveying import survey_images
from mml_lib.images.value_mapping import to_depth
from mml_lib.tasks.dataset import Dataset, Delivery, Sample
from mml_lib.tasks.pixel_format import ValueRange
from tests.support.image_samples import in_eight_bits
from tests.support.messages import mentions

GREY = np.random.default_rng(0).integers(0, 256, (6, 4)).astype(np.float64)
GREY[0, :2] = 0, 255


def survey(folder: Path, arrays: Sequence[np.ndarray], images: Images | None = None, suffix: str = "tif") -> Dataset:
    """Write arrays as images, and return the data set of them."""
    samples = []
    for number, array in enumerate(arrays):
        file = folder / f"{number}.{'png' if array.dtype == np.uint8 else suffix}"
        Image.fromarray(array).save(file)
        samples.append(Sample(str(number), str(file)))
    return survey_images(Delivery(samples, [], "no_task"), "data", folder, 2, images=images)


def decoded(dataset: Dataset) -> list[np.ndarray]:
    rows = range(len(dataset.sizes))
    return [decode(dataset.image_path(row), conversion=in_eight_bits(dataset.conversion))[0][..., 0] for row in rows]


def stated(low: float, high: float) -> Images:
    return Images(range=(low, high))


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("top", [255, 1023, 4095, 65535])
def test_measured_range_becomes_all_grey_levels(tmp_path: Path, suffix: str, top: int):
    deep = np.rint(GREY / 255 * top).astype(np.uint16)
    dataset = survey(tmp_path, [deep, deep // 2], suffix=suffix)
    assert dataset.value_range == ValueRange(0, top, "measured")
    whole, half = decoded(dataset)
    assert (whole == GREY).all()
    assert (half == np.rint(deep // 2 / top * 255)).all(), "one mapping holds for all images"


@pytest.mark.parametrize("kind", [np.float32, np.int32, np.int16])
def test_values_of_other_kinds_are_mapped_by_the_same_rule(tmp_path: Path, kind: type):
    values = (GREY - 100).astype(kind)
    dataset = survey(tmp_path, [values] if kind != np.int16 else [(GREY - 100).astype(np.int32)])
    assert dataset.value_range == ValueRange(-100, 155, "measured")
    assert (decoded(dataset)[0] == GREY).all()


def test_range_of_a_manifest_is_kept(tmp_path: Path):
    dataset = survey(tmp_path, [GREY.astype(np.float32) / 255])
    dataset.write(tmp_path / "dataset.json")
    assert Dataset.read(tmp_path / "dataset.json") == dataset


def test_images_of_eight_bits_need_no_range(tmp_path: Path):
    assert survey(tmp_path, [GREY.astype(np.uint8)]).value_range is None


def test_stated_range_cuts_values_off(tmp_path: Path):
    dataset = survey(tmp_path, [(GREY * 100).astype(np.uint16)], stated(10_000, 20_000))
    assert dataset.value_range == ValueRange(10_000, 20_000, "stated")
    assert (decoded(dataset)[0] == np.rint(np.clip((GREY * 100 - 10_000) / 10_000, 0, 1) * 255)).all()


@pytest.mark.parametrize("kind", [np.uint16, np.float32])
def test_percentiles_leave_outliers_out(tmp_path: Path, kind: type):
    values = np.arange(10_000).reshape(100, 100).astype(kind)
    values[0, 0] = 60_000
    value_range = survey(tmp_path, [values], Images(percentiles=(1, 99))).value_range
    assert value_range.source == "percentiles"
    assert value_range.low == pytest.approx(100, abs=2)
    assert value_range.high == pytest.approx(9900, abs=2)


def test_eight_bit_values_in_sixteen_bits_compare_with_eight_bits(tmp_path: Path):
    dataset = survey(tmp_path, [(GREY // 2).astype(np.uint8), (GREY // 2).astype(np.uint16)])
    assert dataset.value_range == ValueRange(0, 255, "depth")
    eight, sixteen = decoded(dataset)
    assert (eight == sixteen).all()
    assert (eight == GREY // 2).all()


def test_full_sixteen_bits_compare_with_eight_bits(tmp_path: Path):
    eight, sixteen = decoded(survey(tmp_path, [GREY.astype(np.uint8), (GREY * 257).astype(np.uint16)]))
    assert (eight == sixteen).all()


MIXED = {
    "8 bits and 12 in 16": [GREY.astype(np.uint8), (GREY * 16).astype(np.uint16)],
    "8 bits and floats": [GREY.astype(np.uint8), (GREY / 255).astype(np.float32)],
    "8 bits and negative numbers": [GREY.astype(np.uint8), (GREY - 100).astype(np.int32)],
    "integers and floats": [(GREY * 16).astype(np.uint16), (GREY / 255).astype(np.float32)],
    "10 bits and 12, of which no image is saturated": [GREY * 4, GREY * 3.98, GREY * 15, GREY * 14],
    "floats up to 1 and up to 255": [GREY / 255, GREY / 300, GREY, GREY],
    "signed and unsigned": [(GREY * 16 - 1024).astype(np.int32), (GREY * 16).astype(np.uint16)],
    "12 bits and 16": [(GREY * 16).astype(np.uint16)] * 2 + [(GREY * 257).astype(np.uint16)] * 2,
    "8 bits, 12 in 16 and 16": [GREY.astype(np.uint8)]
    + [(GREY * 16).astype(np.uint16)] * 2
    + [(GREY * 257).astype(np.uint16)] * 2,
}
KINDS = {"10 bits and 12, of which no image is saturated": np.uint16, "floats up to 1 and up to 255": np.float32}
MIXED |= {case: [array.astype(kind) for array in MIXED[case]] for case, kind in KINDS.items()}


@pytest.mark.parametrize("case", MIXED)
def test_depths_that_do_not_compare_are_refused_unless_a_range_is_stated(tmp_path: Path, case: str):
    with pytest.raises(MMLError, match=r"data: .*images: \{range: \[low, high\]\}"):
        survey(tmp_path, MIXED[case])
    dataset = survey(tmp_path, MIXED[case], stated(0, 4080))
    if case == "8 bits and 12 in 16":
        eight, twelve = decoded(dataset)
        assert (eight == twelve).all(), "images of 8 bits keep their values"


def test_bright_and_dark_images_are_no_depths(tmp_path: Path):
    arrays = [np.linspace(0, top, 24).reshape(6, 4).astype(np.uint16) for top in (1000, 3000, 9000, 27_000, 60_000)]
    assert survey(tmp_path, arrays).value_range == ValueRange(0, 60_000, "measured")


def test_images_that_lose_their_grey_levels_are_named(tmp_path: Path, capsys: pytest.CaptureFixture):
    outlier = np.full((6, 4), 500, np.uint16)
    outlier[0, 0] = 65_000
    survey(tmp_path, [np.arange(24).reshape(6, 4).astype(np.uint16) * 20, outlier])
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("warning: "))
    assert "0.tif" in line
    assert "percentiles" in line


def warnings_of(capsys: pytest.CaptureFixture) -> list[str]:
    return [line for line in capsys.readouterr().out.splitlines() if line.startswith("warning: ")]


@pytest.mark.parametrize("eight_bits", [False, True])
def test_markers_that_darken_all_images_are_named(tmp_path: Path, capsys: pytest.CaptureFixture, eight_bits: bool):
    ramp = np.arange(400).reshape(20, 20).astype(np.uint16) * 10  # 12 bits
    ramp[0, 0] = 65_535
    others = [ramp[1:].clip(0, 255).astype(np.uint8)] if eight_bits else []
    survey(tmp_path, [ramp, ramp, *others])
    (line,) = warnings_of(capsys)
    assert mentions(line, "2 of 2 images", "few grey levels")
    assert ("range" if eight_bits else "percentiles") in line.split("0.tif")[1]


def test_padding_that_takes_the_grey_levels_is_named(tmp_path: Path, capsys: pytest.CaptureFixture):
    ramp = np.arange(400).reshape(20, 20).astype(np.float32) / 400
    survey(tmp_path, [np.where(np.arange(20) < 3, np.float32(-1e9), ramp)] * 2)
    (line,) = warnings_of(capsys)
    assert "most pixels of 2 of 2 images" in line


def test_percentiles_beside_extreme_outliers_are_exact(tmp_path: Path):
    values = np.arange(10_000).reshape(100, 100).astype(np.float32) / 10_000
    values[0, :50], values[99, :10] = -3e38, 1e9
    value_range = survey(tmp_path, [values], Images(percentiles=(1, 99))).value_range
    assert value_range.low == pytest.approx(0.01, abs=1e-3)
    assert value_range.high == pytest.approx(0.99, abs=2e-3)


OF_INTEGERS = {
    "12 bits": (np.uint16, 0, 4096),
    "16 bits": (np.uint16, 0, 65_536),
    "negative": (np.int16, -1024, 3000),
    "32 bits": (np.int32, -(10**9), 2 * 10**9),
    "few": (np.int32, 0, 3),
}


@pytest.mark.parametrize("case", OF_INTEGERS)
@pytest.mark.parametrize("percentiles", [(0, 100), (0.5, 99.5), (3, 61.7)])
def test_percentiles_of_integers_are_those_of_numpy(tmp_path: Path, case: str, percentiles: tuple[float, float]):
    kind, low, high = OF_INTEGERS[case]
    arrays = [np.random.default_rng(seed).integers(low, high, (13, 11)).astype(kind) for seed in range(3)]
    samples = [Sample(str(number), str(tmp_path / f"{number}.npy")) for number in range(3)]
    for sample, array in zip(samples, arrays, strict=True):
        np.save(sample.image, array)
    delivery = Delivery(samples, [], "no_task")
    value_range = survey_images(delivery, "d", tmp_path, 2, images=Images(percentiles=percentiles)).value_range
    assert (value_range.low, value_range.high) == pytest.approx(np.percentile(np.stack(arrays), percentiles), rel=1e-12)


def test_a_percentile_between_two_integers_is_interpolated(tmp_path: Path):
    values = np.array([[0, 10, 135, 40_000, 2**31 - 1]], np.int32)
    value_range = survey(tmp_path, [values], Images(percentiles=(30, 85))).value_range
    assert (value_range.low, value_range.high) == pytest.approx(np.percentile(values, (30, 85)), rel=1e-12)


@pytest.mark.parametrize(("low", "high"), [(0, 65_535), (0, 1)])
def test_stated_range_that_leaves_few_grey_levels_is_warned_of(
    tmp_path: Path, capsys: pytest.CaptureFixture, low: int, high: int
):
    survey(tmp_path, [(GREY * 16).astype(np.uint16)] * 2, stated(low, high))
    (line,) = warnings_of(capsys)
    assert "images.range" in line
    assert "0.tif" in line


@pytest.mark.parametrize(("low", "high"), [(0, 4095), (100, 180)])
def test_stated_range_that_fits_is_not_warned_of(tmp_path: Path, capsys: pytest.CaptureFixture, low: int, high: int):
    survey(tmp_path, [(GREY * 16).astype(np.uint16)] * 2, stated(low, high))
    assert not warnings_of(capsys)


def test_percentiles_beside_images_of_eight_bits_are_refused(tmp_path: Path):
    arrays = [GREY.astype(np.uint8), (GREY * 257).astype(np.uint16)]
    with pytest.raises(MMLError, match=r"images\.percentiles: .*8 bits \(1\) keep"):
        survey(tmp_path, arrays, Images(percentiles=(1, 99)))


def test_rows_of_deep_arrays_are_mapped_as_files_are(tmp_path: Path):
    np.save(tmp_path / "all.npy", np.stack([GREY * 16, GREY * 8]).astype(np.uint16))
    samples = [Sample(str(row), str(tmp_path / f"all.npy#{row}")) for row in range(2)]
    dataset = survey_images(Delivery(samples, [], "no_task"), "data", tmp_path, 1)
    assert dataset.value_range == ValueRange(0, 4080, "measured")
    assert (decoded(dataset)[0] == GREY).all()


def test_mapping_is_printed_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture):
    survey(tmp_path, [(GREY * 16).astype(np.uint16)])
    assert "data: images become uint16, grey; values 0 … 4080 become 0 … 65535" in capsys.readouterr().out


@pytest.mark.parametrize("images", [stated(0, 10), Images(percentiles=(1, 99))])
def test_option_without_an_effect_is_refused(tmp_path: Path, images: Images):
    with pytest.raises(MMLError, match="all images have 8 bits"):
        survey(tmp_path, [GREY.astype(np.uint8)], images)


@pytest.mark.parametrize("value", [0, 7])
def test_one_value_everywhere_is_refused(tmp_path: Path, value: int):
    with pytest.raises(MMLError, match=rf"data: all images have one value, {value} .*0\.tif"):
        survey(tmp_path, [np.full((6, 4), value, np.uint16)] * 2)


def test_range_beyond_all_values_is_refused(tmp_path: Path):
    with pytest.raises(MMLError, match="values of 0 … 255"):
        survey(tmp_path, [GREY.astype(np.uint16)], stated(1000, 2000))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_no_numbers_are_refused(tmp_path: Path, value: float):
    values = GREY.astype(np.float32)
    values[2, 2] = value
    with pytest.raises(MMLError, match=r"0\.tif has values that are not numbers"):
        survey(tmp_path, [values])


def test_deep_image_without_a_range_is_refused_with_the_remedy(tmp_path: Path):
    Image.fromarray(GREY.astype(np.uint16)).save(tmp_path / "x.png")
    assert read_header(tmp_path / "x.png").size == (6, 4)
    with pytest.raises(MMLError, match=r"x\.png has uint16 samples.*snakemake --force"):
        decode(tmp_path / "x.png")


@pytest.mark.parametrize(
    "images",
    [
        {"range": [1, 1]},
        {"range": [2, 1]},
        {"range": [0, float("nan")]},
        {"range": [0, float("inf")]},
        {"range": ["0", "1"]},
        {"range": [False, True]},
        {"range": [1]},
        {"range": 1},
        {"percentiles": [99, 1]},
        {"percentiles": [-1, 50]},
        {"percentiles": [50, 101]},
        {"percentiles": [0.005, 0.995]},
        {"range": [0, 1], "percentiles": [1, 99]},
        {"ranges": [0, 1]},
    ],
)
def test_range_that_makes_no_sense_is_refused_while_planning(images: dict):
    with pytest.raises(ValidationError, match="images"):
        Task.model_validate({"creator": "image_folder", "path": "x", "images": images})


def test_tasks_with_other_ranges_have_data_sets_of_their_own(tmp_path: Path):
    from mml_lib.tasks.task_identity import TaskIdentity

    for label in "ab":
        (tmp_path / label).mkdir()
        for number in range(4):
            Image.fromarray(GREY.astype(np.uint16)).save(tmp_path / f"{label}/{number}.png")
    options = [None, {}, {"range": [0, 100]}, {"range": [0.0, 100.0]}, {"range": [0, 200]}, {"percentiles": [1, 99]}]
    tasks = [Task(creator="image_folder", path=str(tmp_path), images=images) for images in options]
    identities = [TaskIdentity.of("t", task) for task in tasks]
    for names in ([task.dataset for task in identities], [task.id for task in identities]):
        assert names[0] == names[1]
        assert names[2] == names[3]
        assert len(set(names)) == 4


@pytest.mark.parametrize(
    ("kind", "least"), [(np.int64, 2**60), (np.int64, -(2**63)), (np.int64, 2**63 - 256), (np.uint64, 2**64 - 256)]
)
def test_large_whole_numbers_keep_their_grey_levels(
    tmp_path: Path, capsys: pytest.CaptureFixture, kind: type, least: int
):
    values = np.array([[int(grey) + least for grey in row] for row in GREY], kind)
    np.save(tmp_path / "a.npy", values)
    dataset = survey_images(Delivery([Sample("a", str(tmp_path / "a.npy"))], [], "no_task"), "data", tmp_path, 1)
    assert (dataset.value_range.low, dataset.value_range.high) == (least, least + 255)
    assert (decoded(dataset)[0] == GREY).all()
    assert f"values {least} … {least + 255} become" in capsys.readouterr().out


@pytest.mark.parametrize("kind", [np.int64, np.uint64, np.int32, np.float64])
@pytest.mark.parametrize("ends", [(10, 20), (10.5, 20.25), (-1e30, 1e30), (-3, 300), (300, 400)])
def test_all_types_are_mapped_alike(kind: type, ends: tuple[float, float]):
    values = np.arange(40).reshape(5, 8)
    share = np.clip((values - ends[0]) / (ends[1] - ends[0]), 0, 1)
    assert np.allclose(to_depth(values.astype(kind), ValueRange(*ends), "float32"), share, rtol=1e-6, atol=0)


def test_whole_numbers_across_their_type_are_mapped():
    values = np.array([[-(2**63), 0, 2**63 - 1]])
    assert to_depth(values, ValueRange(-(2**63), 2**63 - 1), "uint16").tolist() == [[0, 32768, 65535]]


@pytest.mark.parametrize(
    ("ends", "text"),
    [
        ((0, 4095), "0 … 4095"),
        ((-0.5, 1 / 3), "-0.5 … 0.333333"),
        ((1e9, 1e9 + 1), "1000000000 … 1000000001"),
        ((2**60, 2**60 + 1), "1152921504606846976 … 1152921504606846977"),
        ((1234567, 9876543), "1.23457e+06 … 9.87654e+06"),
        ((0.0, 5e-324), "0 … 4.94066e-324"),
        ((-1.5e308, 1.5e308), "-1.5e+308 … 1.5e+308"),
    ],
)
def test_ends_are_printed_with_the_digits_that_tell_them_apart(ends: tuple[float, float], text: str):
    assert str(ValueRange(*ends)) == text
