"""DICOM images: pixels next to references that pydicom computes itself, groups of patients, and what is refused."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mml_lib.config.image_options import Images
from mml_lib.errors import MMLError
from mml_lib.images.decoding import decode
from mml_lib.images.mask_files import decode_mask
from mml_lib.images.readers import read_header, read_samples
from mml_lib.images.readers.frames import expand_frames, read_contents
from mml_lib.images.surveying import survey_images
from mml_lib.tasks.creators.creator_registry import create
from mml_lib.tasks.dataset import Dataset, Delivery, Sample
from mml_lib.tasks.pixel_format import Conversion, ValueRange
from tests.support.dicom_files import SHIPPED, dicom_file
from tests.support.image_samples import in_eight_bits

pydicom = pytest.importorskip("pydicom")

from pydicom.pixels import apply_color_lut, apply_modality_lut, apply_voi_lut, convert_color_space, pixel_array  # noqa: E402

GREY = [
    *("693_J2KI", "CT_small", "J2K_pixelrep_mismatch", "JPEG2000", "JPEGLSNearLossless_16", "MR_small", "MR_small_RLE"),
    *("MR_small_bigendian", "MR_small_expb", "MR_small_implicit", "MR_small_jp2klossless", "MR_small_padded"),
    *("MR_small_jpeg_ls_lossless", "examples_overlay", "rtdose_1frame", "image_dfl", "JPEGLSNearLossless_08"),
]
COLOUR = [
    *("SC_rgb_dcmtk_+eb+cr", "SC_rgb_dcmtk_+eb+cy+n1", "SC_rgb_dcmtk_+eb+cy+s4", "SC_rgb_jpeg_gdcm", "SC_rgb_rle"),
    *("SC_rgb_rle_16bit", "SC_rgb_small_odd_jpeg", "SC_rgb_jls_lossy_line", "GDCMJ2K_TextGBR", "examples_rgb_color"),
    *("examples_jpeg2k", "SC_jpeg_no_color_transform", "SC_rgb_jpeg_app14_dcmd", "SC_rgb_small_odd_big_endian"),
]
OWN = ValueRange(0, 1, "own")


def eight_bits(values: np.ndarray, low: float, high: float) -> np.ndarray:
    return np.rint(255 * ((values.astype(float) - low) / (high - low)).clip(0, 1))


def survey(folder: Path, *files: Path, images: Images | None = None, **about: str) -> Dataset:
    samples = [Sample(file.name, str(file), **about) for file in files]
    delivery = expand_frames(Delivery(samples, [], "no_task"), "data", folder, 1, images)
    return survey_images(delivery, "data", folder, 1, images=images)


def decoded(dataset: Dataset, row: int = 0) -> np.ndarray:
    return decode(dataset.image_path(row), conversion=in_eight_bits(dataset.conversion))[0][..., 0]


# --- next to pydicom ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", GREY)
def test_grey_values_are_the_modality_values_of_pydicom(name: str):
    file = SHIPPED / f"{name}.dcm"
    dataset = pydicom.dcmread(file)
    reference = apply_modality_lut(dataset.pixel_array, dataset)
    samples, header = read_samples(file), read_header(file)
    is_image = dataset.pixel_array != dataset.get("PixelPaddingValue")
    assert (samples.values[is_image] == reference[is_image]).all()
    assert (samples.values.shape, str(samples.values.dtype)) == (header.size, header.depth)


@pytest.mark.parametrize("name", COLOUR)
def test_colours_are_those_of_pydicom_in_rgb(name: str):
    file = SHIPPED / f"{name}.dcm"
    samples = read_samples(file)
    assert (samples.values == pixel_array(file)).all()
    assert str(samples.values.dtype) == read_header(file).depth


def test_uncompressed_ybr_becomes_rgb():
    file = SHIPPED / "SC_ybr_full_422_uncompressed.dcm"
    raw = pixel_array(file, raw=True)
    assert (read_samples(file).values == convert_color_space(raw, "YBR_FULL", "RGB")).all()


def test_palette_is_looked_up():
    dataset = pydicom.dcmread(SHIPPED / "examples_palette.dcm")
    reference = apply_color_lut(dataset.pixel_array, dataset)
    samples = read_samples(SHIPPED / "examples_palette.dcm")
    assert reference.dtype == np.uint16
    assert (samples.values == reference >> 8).all()


@pytest.mark.parametrize("name", ["693_J2KI", "MR_small", "examples_overlay"])
def test_own_window_is_that_of_pydicom(name: str):
    file = SHIPPED / f"{name}.dcm"
    dataset = pydicom.dcmread(file)
    windowed = apply_voi_lut(apply_modality_lut(dataset.pixel_array, dataset), dataset)
    ends = apply_voi_lut(np.array([-1e9, 1e9]), dataset)
    image = decode(file, conversion=Conversion(value_range=OWN))[0][..., 0]
    is_image = dataset.pixel_array != dataset.get("PixelPaddingValue")
    assert np.abs(image - eight_bits(windowed, *ends))[is_image].max() <= 1, "one rounding"


RAMP = np.arange(4096, dtype=np.uint16).reshape(64, 64)


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_curves_of_windows_are_those_of_pydicom(tmp_path: Path, function: str):
    file = dicom_file(tmp_path / "x.dcm", RAMP, WindowCenter=1000, WindowWidth=700, VOILUTFunction=function)
    dataset = pydicom.dcmread(file)
    reference = eight_bits(apply_voi_lut(RAMP, dataset), 0, 2**dataset.BitsStored - 1)
    assert np.abs(decode(file, conversion=Conversion(value_range=OWN))[0][..., 0] - reference).max() <= 1


@pytest.mark.parametrize("bits", [12, 16])
def test_look_up_tables_are_those_of_pydicom(tmp_path: Path, bits: int):
    tables = {}
    for keyword, last in (("ModalityLUTSequence", 4095), ("VOILUTSequence", 1023)):
        item = pydicom.Dataset()
        item.LUTDescriptor = [4096, 0, bits if last == 4095 else 10]
        item.LUTData = np.rint(last * (np.arange(4096) / 4095) ** 2).astype("<u2").tobytes()
        if keyword == "ModalityLUTSequence":
            item.ModalityLUTType = "US"
        tables[keyword] = [item]
    file = dicom_file(tmp_path / "x.dcm", RAMP, **tables)
    dataset = pydicom.dcmread(file)
    dataset.ModalityLUTSequence[0].LUTDescriptor = [4096, 0, 16]  # of 12 bits pydicom knows none
    values = apply_modality_lut(RAMP, dataset)
    assert (read_samples(file).values == values).all()
    windowed = eight_bits(apply_voi_lut(values, dataset), 0, 1023)
    assert (decode(file, conversion=Conversion(value_range=OWN))[0][..., 0] == windowed).all()


@pytest.mark.parametrize("bits", [8, 12])
def test_monochrome1_is_turned_round(tmp_path: Path, bits: int):
    values = RAMP >> (12 - bits)
    for kind in ("MONOCHROME1", "MONOCHROME2"):
        dicom_file(tmp_path / f"{kind}.dcm", values, bits=bits, PhotometricInterpretation=kind)
    first, second = (survey(tmp_path, tmp_path / f"MONOCHROME{number}.dcm") for number in (1, 2))
    assert (decoded(first) == 255 - decoded(second)).all()


@pytest.mark.parametrize("slope", ["2", "0.5", "-1"])
def test_any_slope_is_applied(tmp_path: Path, slope: str):
    file = dicom_file(tmp_path / "x.dcm", RAMP, RescaleSlope=slope, RescaleIntercept="-1000")
    assert (read_samples(file).values == RAMP * float(slope) - 1000).all()
    assert str(read_samples(file).values.dtype) == read_header(file).depth


def test_few_bits_become_all_grey_levels(tmp_path: Path):
    file = dicom_file(tmp_path / "x.dcm", np.array([[0, 1], [2, 3]], np.uint8), bits=2)
    assert read_samples(file).values.tolist() == [[0, 85], [170, 255]]


# --- mapping of a data set -------------------------------------------------------------------------------------------


def test_radiographs_are_mapped_by_the_window_of_each_file(tmp_path: Path):
    files = [
        dicom_file(tmp_path / f"{center}.dcm", RAMP, Modality="DX", WindowCenter=center, WindowWidth=1000)
        for center in (1000, 2000)
    ]
    dataset = survey(tmp_path, *files)
    assert dataset.value_range == OWN
    for row, low in enumerate((500, 1500)):
        assert np.abs(decoded(dataset, row) - eight_bits(RAMP, low, low + 999)).max() <= 1


@pytest.mark.parametrize(("centers", "low"), [((40, 40), -160), ((40, 50), -1024)])
def test_hounsfield_units_have_one_mapping(tmp_path: Path, centers: tuple[int, int], low: int):
    files = [
        dicom_file(
            tmp_path / f"{number}.dcm",
            RAMP,
            Modality="CT",
            RescaleSlope="1",
            RescaleIntercept="-1024",
            WindowCenter=center,
            WindowWidth=400,
        )
        for number, center in enumerate(centers)
    ]
    value_range = survey(tmp_path, *files).value_range
    assert (value_range.low, value_range.source) == (low, "files" if centers == (40, 40) else "measured")


@pytest.mark.parametrize("other", [("0.5", "-1024", 1), ("1", "0", 1), ("1", "-1024", 16)])
def test_hounsfield_units_of_any_scale_are_comparable(tmp_path: Path, other: tuple[str, str, int]):
    """Of other slopes, without negative values, and with metal."""
    scales = [*[("1", "-1024", 1)] * 4, *[other] * 4]
    files = [
        dicom_file(
            tmp_path / f"{n}.dcm",
            (RAMP // 16 + n) * factor,
            16,
            Modality="CT",
            RescaleSlope=slope,
            RescaleIntercept=intercept,
        )
        for n, (slope, intercept, factor) in enumerate(scales)
    ]
    dataset = survey(tmp_path, *files)
    values = [apply_modality_lut(pixel_array(file), pydicom.dcmread(file)) for file in files]
    low, high = dataset.value_range.low, dataset.value_range.high
    assert (low, high) == (min(map(np.min, values)), max(map(np.max, values)))
    for row, reference in enumerate(values):
        assert (decoded(dataset, row) == eight_bits(reference, low, high)).all()


def test_one_range_holds_where_files_have_no_window(tmp_path: Path, capsys: pytest.CaptureFixture):
    files = [
        dicom_file(tmp_path / "1.dcm", RAMP, WindowCenter=1000, WindowWidth=1000),
        dicom_file(tmp_path / "2.dcm", RAMP),
    ]
    assert survey(tmp_path, *files).value_range == ValueRange(0, 4095, "measured")
    assert "1 of 2 images have no window of their own" in capsys.readouterr().out


def test_stated_window_holds_for_all(tmp_path: Path):
    file = dicom_file(tmp_path / "x.dcm", RAMP, WindowCenter=1000, WindowWidth=1000)
    images = Images(window={"center": 2000.0, "width": 500.0})
    dataset = survey(tmp_path, file, images=images)
    assert dataset.value_range == ValueRange(1750, 2250, "stated")
    assert (decoded(dataset) == eight_bits(RAMP, 1750, 2250)).all()
    with pytest.raises(MMLError, match=r"images\.window: .* 0 … 4095, all beyond .*x\.dcm.*state a window"):
        survey(tmp_path, file, images=Images(window={"center": 9000.0, "width": 10.0}))


def test_same_picture_has_one_digest_as_dicom_and_as_png(tmp_path: Path):
    Image.fromarray(RAMP).save(tmp_path / "x.png")
    dataset = survey(tmp_path, dicom_file(tmp_path / "x.dcm", RAMP), tmp_path / "x.png")
    assert len(set(dataset.digests)) == 1


@pytest.mark.parametrize(
    ("bits", "elements"),
    [
        *((8, {}), (2, {}), (8, {"PhotometricInterpretation": "MONOCHROME1"}), (8, {"PixelPaddingValue": 3})),
        *((16, {"PixelPaddingValue": 0}), (16, {"WindowCenter": 2, "WindowWidth": 4})),
    ],
)
def test_numbers_of_masks_are_those_of_the_file(tmp_path: Path, bits: int, elements: dict[str, Any]):
    file = dicom_file(tmp_path / "x.dcm", RAMP % 4, bits, **elements)
    assert (decode_mask(file) == RAMP % 4).all()


# --- frames and folders --------------------------------------------------------------------------------------


def test_each_frame_is_a_sample_of_one_group(tmp_path: Path):
    dataset = survey(tmp_path, SHIPPED / "examples_ybr_color.dcm")
    samples, reference = dataset.delivery.samples, pixel_array(SHIPPED / "examples_ybr_color.dcm")
    assert [sample.id for sample in samples] == [f"examples_ybr_color.dcm#{frame}" for frame in range(30)]
    assert {sample.group for sample in samples} == {"patient-1"}
    assert (decode(dataset.image_path(7))[0] == reference[7]).all()
    first = survey(tmp_path, SHIPPED / "examples_ybr_color.dcm", images=Images(frames="first"))
    assert [sample.id for sample in first.delivery.samples] == ["examples_ybr_color.dcm"]
    file = dicom_file(tmp_path / "x.dcm", np.stack([RAMP, RAMP]))
    assert {sample.group for sample in survey(tmp_path, file).delivery.samples} == {"x.dcm"}, "no patient is stated"
    assert (decode(first.image_path(0))[0] == reference[0]).all()


def test_frames_are_mapped_by_their_own_functional_groups(tmp_path: Path):
    groups = []
    for slope in (1, 2):
        item, values, window = pydicom.Dataset(), pydicom.Dataset(), pydicom.Dataset()
        values.RescaleSlope, values.RescaleIntercept, values.RescaleType = str(slope), "0", "US"
        window.WindowCenter, window.WindowWidth = 1000 * slope, 500
        item.PixelValueTransformationSequence, item.FrameVOILUTSequence = [values], [window]
        groups.append(item)
    file = dicom_file(tmp_path / "x.dcm", np.stack([RAMP, RAMP]), PerFrameFunctionalGroupsSequence=groups)
    second = read_samples(f"{file}#1")
    assert (second.values == 2 * RAMP.astype(int)).all()
    assert second.own_range == ValueRange(1750, 2249, "own")


def test_folder_has_files_without_suffix_too(tmp_path: Path):
    (tmp_path / "a").mkdir()
    for name in ("IM1", "1.2.840.5", "x.DCM"):
        dicom_file(tmp_path / "a" / name, RAMP)
    (tmp_path / "a" / "README").write_text("no image")
    (tmp_path / "a" / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM")
    delivery = create("image_folder", {"path": str(tmp_path), "task_type": "no_task"}, tmp_path)
    assert sorted(sample.id for sample in delivery.samples) == ["a/1.2.840.5", "a/IM1", "a/x.DCM"]
    assert {read_header(sample.image).size for sample in delivery.samples} == {(64, 64)}


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["rtplan", "rtstruct", "test-SR", "waveform_ecg", "reportsi", "no_meta"])
def test_file_without_pixels_is_refused(name: str):
    with pytest.raises(MMLError, match=rf"{name}\.dcm is a DICOM without pixels \(.+\); remove it"):
        read_header(SHIPPED / f"{name}.dcm")


@pytest.mark.parametrize("name", ["MR_truncated", "badVR"])
def test_damaged_file_is_refused_by_name(name: str):
    with pytest.raises(MMLError, match=rf"{name}\.dcm is a truncated or damaged DICOM"):
        read_samples(SHIPPED / f"{name}.dcm")


@pytest.mark.parametrize("slope", ["nan", "1e400"])
def test_values_that_are_no_numbers_are_refused(tmp_path: Path, slope: str):
    file = dicom_file(tmp_path / "x.dcm", RAMP, RescaleSlope="0.123", RescaleIntercept="0")
    file.write_bytes(file.read_bytes().replace(b"0.123 ", slope.encode().ljust(6)))
    with pytest.raises(MMLError, match=r"x\.dcm has values that are not numbers"):
        survey(tmp_path, file)


def test_file_of_another_format_is_refused(tmp_path: Path):
    (tmp_path / "x.dcm").write_bytes(b"hello " * 100)
    with pytest.raises(MMLError, match=r"x\.dcm .*DICOM"):
        read_header(tmp_path / "x.dcm")


@pytest.mark.parametrize(
    ("syntax", "words"), [("1.2.840.10008.1.2.4.100", "MPEG2 .* no package reads"), ("1.2.3", "no package")]
)
def test_transfer_syntax_that_nothing_reads_is_refused(tmp_path: Path, syntax: str, words: str):
    file = dicom_file(tmp_path / "x.dcm", RAMP)
    dataset = pydicom.dcmread(file)
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.PixelData = pydicom.encaps.encapsulate([dataset.PixelData])
    dataset["PixelData"].VR = "OB"
    pydicom.filewriter.dcmwrite(file, dataset, implicit_vr=False, little_endian=True, enforce_file_format=False)
    with pytest.raises(MMLError, match=r"x\.dcm has the transfer syntax .*(MPEG2|unknown).*, which no package reads"):
        read_header(file)


def test_decoder_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch):
    decoder = pydicom.pixels.get_decoder(pydicom.uid.JPEGLSNearLossless)
    monkeypatch.setattr(decoder, "_available", {})
    monkeypatch.setattr(decoder, "_unavailable", {"gdcm": ("gdcm>=3.0.10",), "pyjpegls": ("jpeg_ls",)})
    with pytest.raises(MMLError, match=r"JPEG-LS .* needs pyjpegls or python-gdcm: pip install 'mml\[dicom\]'"):
        read_header(SHIPPED / "JPEGLSNearLossless_08.dcm")


def test_kind_of_jpeg_that_no_free_package_decodes_is_named():
    with pytest.raises(MMLError, match=r"JPEG Extended .*12 bits.* pylibjpeg-libjpeg decodes it \(GPL licence\)"):
        read_samples(SHIPPED / "JPGExtended.dcm")


def test_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(MMLError, match=r"needs pydicom: pip install 'mml\[dicom\]'"):
        read_header(SHIPPED / "CT_small.dcm")


def test_package_is_found_beside_a_folder_that_gdcm_takes_for_a_module(tmp_path: Path):
    (tmp_path / "dl").mkdir()
    code = f"from mml_lib.images.readers import read_header; print(read_header('{SHIPPED / 'CT_small.dcm'}').size)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(Path(__file__).parents[3])])}
    output = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert output.stdout.strip() == "(128, 128)"


def test_contents_name_patient_and_series():
    contents = read_contents(SHIPPED / "CT_small.dcm")
    assert (contents.patient, contents.size, contents.frames) == ("1CT1", (128, 128), 1)
