"""Channels of files: bands, planes and pages of TIFF next to tifffile, frames of DICOM and volumes of NIfTI."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mml_lib.config.image_options import Images
from mml_lib.errors import MMLError
from mml_lib.images.decoding import decode_row
from mml_lib.images.readers.frames import expand_frames
from mml_lib.images.surveying import survey_images
from mml_lib.tasks.dataset import Dataset, Delivery, Sample
from mml_lib.tasks.pixel_format import RGB
from tests.support.dicom_files import dicom_file
from tests.support.messages import mentions

nibabel = pytest.importorskip("nibabel")
tifffile = pytest.importorskip("tifffile")
pytest.importorskip("pydicom")

RNG = np.random.default_rng(0)
FIVE = RNG.integers(0, 65536, (6, 4, 5), dtype=np.uint16)
WHOLE = (0, 65535)


def survey(folder: Path, *files: Path | Sample, kind: str = "no_task", **images: Any) -> Dataset:
    samples = [file if isinstance(file, Sample) else Sample(file.name, str(file)) for file in files]
    options = Images(**images)
    delivery = expand_frames(Delivery(samples, [], kind), "data", folder, 1, options)
    return survey_images(delivery, "data", folder, 1, images=options)


def decoded(dataset: Dataset, row: int = 0) -> np.ndarray:
    pixels = decode_row(dataset, row)[0]
    assert pixels.shape == (*dataset.sizes[row], len(dataset.pixels.channels))
    return pixels


# --- arrays ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "is_transposed"),
    [((3, 20, 24), True), ((1, 20, 24), True), ((4, 20, 16), True), ((20, 24, 8), False), ((4, 20, 8), False)],
)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_arrays_that_seem_to_have_their_channels_first_are_warned_of(
    tmp_path: Path, capsys: pytest.CaptureFixture, shape: tuple[int, int, int], is_transposed: bool, dtype: type
):
    values = RNG.integers(0, 256, shape).astype(dtype)
    np.save(tmp_path / "x.npy", values)
    assert survey(tmp_path, tmp_path / "x.npy", channels="all").sizes == [shape[:2]]
    numbers = "×".join(map(str, shape))
    warning = mentions(capsys.readouterr().out, "warning: 1 of 1", numbers, "x.npy", "numpy.moveaxis(image, 0, -1)")
    assert warning == is_transposed


# --- TIFF ------------------------------------------------------------------------------------------------------------

BANDS = {
    "bands": {"photometric": "minisblack", "planarconfig": "contig"},
    "compressed": {"photometric": "minisblack", "planarconfig": "contig", "compression": "zlib"},
    "colours and two bands": {"photometric": "rgb", "planarconfig": "contig", "extrasamples": ["unspecified"] * 2},
}


@pytest.mark.parametrize("kind", BANDS)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_bands_of_a_page_are_channels(tmp_path: Path, kind: str, dtype: type):
    if dtype is np.float32 and "colours" in kind:
        pytest.skip("tifffile writes no such file")
    values = (FIVE % 256 if dtype is np.uint8 else FIVE).astype(dtype)
    tifffile.imwrite(tmp_path / "x.tif", values, **BANDS[kind])
    options = {} if dtype is np.uint8 else {"range": WHOLE}
    dataset = survey(tmp_path, tmp_path / "x.tif", channels="all", depth=np.dtype(dtype).name, **options)
    assert dataset.pixels.channels == tuple(f"channel {number}" for number in range(5))
    expected = tifffile.imread(tmp_path / "x.tif")
    assert np.allclose(decoded(dataset), expected / 65535 if dtype is np.float32 else expected)


def test_planes_are_channels_and_some_are_picked(tmp_path: Path):
    planes = np.ascontiguousarray(FIVE.transpose(2, 0, 1))
    tifffile.imwrite(tmp_path / "x.tif", planes, photometric="minisblack", planarconfig="separate")
    dataset = survey(tmp_path, tmp_path / "x.tif", channels=[4, 0, 2], range=WHOLE)
    assert dataset.pixels.depth == "uint16"
    assert (decoded(dataset) == FIVE[..., [4, 0, 2]]).all()


def test_a_fourth_band_beside_colours_is_kept_where_all_are(tmp_path: Path, capsys: pytest.CaptureFixture):
    values = (FIVE[..., :4] % 256).astype(np.uint8)
    tifffile.imwrite(tmp_path / "x.tif", values, photometric="rgb", extrasamples=["unspecified"])
    assert (decoded(survey(tmp_path, tmp_path / "x.tif", channels="all")) == values).all()
    colours = survey(tmp_path, tmp_path / "x.tif", channels="rgb")
    assert colours.pixels.channels == RGB
    assert (decoded(colours) == values[..., :3]).all()
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb", extrasamples=["unassalpha"])
    assert survey(tmp_path, tmp_path / "a.tif", channels="all").pixels.channels == RGB, "opacity is no channel"


@pytest.mark.parametrize("kind", ["OME", "ImageJ"])
def test_channel_axes_of_pages_are_channels_and_others_samples(tmp_path: Path, kind: str):
    values = RNG.integers(0, 65536, (2, 3, 6, 4), dtype=np.uint16)  # slices, channels
    file = tmp_path / ("x.ome.tif" if kind == "OME" else "x.tif")
    names = ("DAPI", "GFP", "RFP") if kind == "OME" else ("channel 0", "channel 1", "channel 2")
    metadata: dict[str, Any] = {"axes": "ZCYX", **({"Channel": {"Name": names}} if kind == "OME" else {})}
    written = {"photometric": "minisblack"} if kind == "OME" else {"imagej": True}
    tifffile.imwrite(file, values, metadata=metadata, **written)
    dataset = survey(tmp_path, file, channels="all", frames="all", range=WHOLE)
    assert [sample.id for sample in dataset.delivery.samples] == [f"{file.name}#0", f"{file.name}#1"]
    if kind == "OME":
        assert dataset.pixels.channels == names
    for number in range(2):
        assert (decoded(dataset, number) == values[number].transpose(1, 2, 0)).all()
    assert (decoded(survey(tmp_path, file, channels=[1], range=WHOLE))[..., 0] == values[0, 1]).all(), "the first slice"
    assert len(survey(tmp_path, file, frames="all").sizes) == 6, "each page a sample, as before"


def test_files_whose_channels_have_other_names_are_refused(tmp_path: Path):
    for name, channels in (("a", ("DAPI", "GFP")), ("b", ("GFP", "DAPI"))):
        metadata = {"axes": "CYX", "Channel": {"Name": channels}}
        tifffile.imwrite(
            tmp_path / f"{name}.ome.tif", FIVE.transpose(2, 0, 1)[:2], photometric="minisblack", metadata=metadata
        )
    with pytest.raises(MMLError) as error:
        survey(tmp_path, tmp_path / "a.ome.tif", tmp_path / "b.ome.tif", channels="all")
    assert mentions(str(error.value), "data: ", "a.ome.tif", "DAPI, GFP", "b.ome.tif", "GFP, DAPI")


def test_turned_bands_are_upright(tmp_path: Path):
    tifffile.imwrite(tmp_path / "x.tif", FIVE, **BANDS["bands"], extratags=[(274, "H", 1, 6, True)])
    dataset = survey(tmp_path, tmp_path / "x.tif", channels="all", range=WHOLE)
    assert dataset.sizes == [(4, 6)]
    assert (decoded(dataset) == np.rot90(FIVE, -1)).all()


def test_bands_are_channels_unless_grey_or_colours_are_stated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    tifffile.imwrite(tmp_path / "x.tif", FIVE, photometric="minisblack", planarconfig="contig")
    assert len(survey(tmp_path, tmp_path / "x.tif").pixels.channels) == 5
    with pytest.raises(MMLError, match=r"data: .*x\.tif has 5 channels.*\{channels: all\}"):
        survey(tmp_path, tmp_path / "x.tif", channels="rgb")
    tifffile.imwrite(tmp_path / "y.tif", FIVE[..., :4], photometric="rgb", extrasamples=["unspecified"])
    monkeypatch.setitem(sys.modules, "tifffile", None)
    with pytest.raises(MMLError, match=r"y\.tif .*needs tifffile: pip install 'mml\[tiff\]'"):
        survey(tmp_path, tmp_path / "y.tif", channels="all")


# --- frames ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [2, 3, 4])
def test_frames_of_dicom_become_channels(tmp_path: Path, count: int):
    values = RNG.integers(0, 4096, (count, 6, 4), dtype=np.uint16)
    files = [tmp_path / "a.dcm", tmp_path / "b.dcm"]
    dicom_file(files[0], values)
    dicom_file(files[1], values[::-1])
    dataset = survey(tmp_path, *files, frames="channels", range=(0, 4095))
    assert dataset.pixels.channels == tuple(f"frame {number}" for number in range(count))
    assert len(dataset.sizes) == 2
    expected = np.rint(values / 4095 * 65535).transpose(1, 2, 0)
    assert (decoded(dataset, 0) == expected).all()
    assert (decoded(dataset, 1) == expected[..., ::-1]).all()
    assert (
        decoded(survey(tmp_path, *files, frames="channels", channels=[1], range=(0, 4095)))[..., 0] == expected[..., 1]
    ).all()


def test_volumes_of_a_series_become_channels_of_its_slices(tmp_path: Path):
    series = RNG.integers(-100, 900, (5, 4, 3, 2)).astype(np.int16)
    nibabel.Nifti1Image(series, np.diag([-1, -1, 1, 1])).to_filename(tmp_path / "x.nii")
    classes = RNG.integers(0, 2, (5, 4, 3)).astype(np.uint8)
    nibabel.Nifti1Image(classes, np.diag([-1, -1, 1, 1])).to_filename(tmp_path / "m.nii")
    sample = Sample("x", str(tmp_path / "x.nii"), mask=str(tmp_path / "m.nii"))
    dataset = survey(tmp_path, sample, kind="semantic_segmentation", frames="channels", range=(-100, 899))
    assert dataset.pixels.channels == ("volume 0", "volume 1")
    assert [sample.id for sample in dataset.delivery.samples] == ["x#0", "x#1", "x#2"]
    for number in range(3):
        pixels, mask = decode_row(dataset, number, with_mask=True)
        assert (pixels == np.rint((series[:, :, number].swapaxes(0, 1) + 100) / 999 * 65535)).all()
        assert (mask == classes[:, :, number].T).all()


def test_pages_of_tiff_become_channels(tmp_path: Path):
    pages = FIVE.transpose(2, 0, 1)
    tifffile.imwrite(tmp_path / "x.tif", pages, photometric="minisblack", metadata=None)
    dataset = survey(tmp_path, tmp_path / "x.tif", frames="channels", range=WHOLE)
    assert (decoded(dataset) == FIVE).all()


@pytest.mark.parametrize(
    ("images", "words"),
    [
        ({"frames": "channels"}, ["images.frames", "x.png"]),
        ({"frames": "channels", "channels": "all"}, ["images.frames", "x.png"]),
    ],
)
def test_frames_that_files_do_not_have_are_refused(tmp_path: Path, images: dict, words: list[str]):
    Image.fromarray((FIVE[..., 0] % 256).astype(np.uint8)).save(tmp_path / "x.png")
    with pytest.raises(MMLError) as error:
        survey(tmp_path, tmp_path / "x.png", **images)
    assert mentions(str(error.value), "data: ", *words)


def test_files_with_other_numbers_of_frames_are_refused(tmp_path: Path):
    for number in (2, 3):
        dicom_file(tmp_path / f"{number}.dcm", RNG.integers(0, 4096, (number, 6, 4), dtype=np.uint16))
    with pytest.raises(MMLError, match=r"2\.dcm has 2, .*3\.dcm 3"):
        survey(tmp_path, tmp_path / "2.dcm", tmp_path / "3.dcm", frames="channels")
