"""Volumes, pages and arrays: slices next to nibabel and tifffile, groups of slices, masks, and what is refused."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mml_lib.config.image_options import Images
from mml_lib.errors import MMLError
from mml_lib.images.decoding import decode
from mml_lib.images.mask_files import decode_mask
from mml_lib.images.readers import read_header, read_samples
from mml_lib.images.readers.frames import expand_frames
from mml_lib.images.surveying import survey_images
from mml_lib.tasks.creators.creator_registry import create
from mml_lib.tasks.dataset import Dataset, Delivery, Sample
from mml_lib.tasks.pixel_format import ValueRange
from tests.support.image_samples import in_eight_bits

nibabel = pytest.importorskip("nibabel")
tifffile = pytest.importorskip("tifffile")

RNG = np.random.default_rng(0)
VALUES = RNG.integers(-1000, 2000, (5, 4, 3)).astype(np.int16)


def volume(path: Path, values: np.ndarray = VALUES, directions: str = "LPS") -> Path:
    """Write a volume whose axes point to given directions of the body."""
    affine = np.diag([0.0, 0.0, 0.0, 1.0])
    for axis, letter in enumerate(directions):
        affine["LRPAIS".index(letter) // 2, axis] = 1 if letter in "RAS" else -1
    nibabel.Nifti1Image(values, affine).to_filename(path)
    return path


def survey(folder: Path, *samples: Sample, images: Images | None = None, kind: str = "no_task") -> Dataset:
    delivery = expand_frames(Delivery(list(samples), [], kind), "data", folder, 2, images)
    return survey_images(delivery, "data", folder, 2, images=images)


# --- NIfTI -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["x.nii", "x.nii.gz"])
def test_each_slice_is_a_sample_of_one_group(tmp_path: Path, name: str):
    volume(tmp_path / name)
    dataset = survey(tmp_path, Sample("v", str(tmp_path / name)))
    assert [(sample.id, sample.group) for sample in dataset.delivery.samples] == [(f"v#{n}", "v") for n in range(3)]
    assert dataset.value_range == ValueRange(VALUES.min(), VALUES.max(), "measured")
    reference = nibabel.load(tmp_path / name).get_fdata()
    for number in range(3):
        assert (read_samples(dataset.image_path(number)).values == reference[:, :, number].T).all()


@pytest.mark.parametrize("directions", ["LPS", "RAS", "LAS", "PSR", "ASL", "RSA", "LIP", "SLP", "PLS"])
def test_slices_are_upright_as_those_of_dicom(tmp_path: Path, directions: str):
    """Rows run to the back or to the feet, columns to the left or to the back."""
    file = volume(tmp_path / "x.nii", directions=directions)
    through = next(axis for axis in ("LR", "PA", "IS") if directions[2] in axis)
    columns, rows = {"LR": "PI", "PA": "LI", "IS": "LP"}[through]
    image = nibabel.load(file)
    target = nibabel.orientations.axcodes2ornt(rows + columns + directions[2])
    turned = image.as_reoriented(nibabel.orientations.ornt_transform(nibabel.io_orientation(image.affine), target))
    for number in range(3):
        samples = read_samples(f"{file}#{number}")
        assert (samples.values == turned.get_fdata()[:, :, number]).all()
        assert read_header(f"{file}#{number}").size == samples.values.shape


def test_series_of_volumes_scaled_values_and_colours_are_read(tmp_path: Path):
    series = RNG.integers(0, 100, (5, 4, 3, 2)).astype(np.uint8)
    dataset = survey(tmp_path, Sample("v", str(volume(tmp_path / "s.nii", series))))
    assert len(dataset.sizes) == 6
    assert (read_samples(dataset.image_path(4)).values == series[:, :, 1, 1].T).all()

    scaled = nibabel.Nifti1Image(VALUES, np.diag([-1, -1, 1, 1]))
    scaled.header.set_slope_inter(0.5, 10)
    scaled.to_filename(tmp_path / "f.nii")
    reference = nibabel.load(tmp_path / "f.nii").get_fdata()
    assert np.allclose(read_samples(f"{tmp_path}/f.nii#1").values, reference[:, :, 1].T)

    colours = np.zeros((5, 4, 3), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    colours["G"] = 7
    volume(tmp_path / "c.nii", colours)
    assert (decode(f"{tmp_path}/c.nii#2")[0] == (0, 7, 0)).all()


def test_empty_slices_of_two_volumes_are_no_copies(tmp_path: Path):
    empty = VALUES.copy()
    empty[..., 0] = -1024
    for name in "ab":
        volume(tmp_path / f"{name}.nii", empty)
    dataset = survey(tmp_path, *(Sample(name, str(tmp_path / f"{name}.nii")) for name in "ab"))
    digests = np.array(dataset.digests).reshape(2, 3)
    assert (digests[0] == digests[1]).tolist() == [False, True, True]


def test_masks_of_volumes_are_volumes(tmp_path: Path):
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    classes = RNG.integers(0, 3, (5, 4, 3)).astype(np.uint8)
    volume(tmp_path / "images" / "liver.nii.gz")
    volume(tmp_path / "masks" / "liver.nii", classes)
    delivery = create(
        "image_folder", {"path": str(tmp_path / "images"), "masks": str(tmp_path / "masks")}, tmp_path / "data"
    )
    dataset = survey(tmp_path, *delivery.samples, kind="semantic_segmentation")
    assert [sample.id for sample in dataset.delivery.samples] == [f"liver.nii.gz#{n}" for n in range(3)]
    for number in range(3):
        assert (decode_mask(dataset.mask_path(number)) == classes[:, :, number].T).all()


@pytest.mark.parametrize("directions", ["LPI", "LSP"])
def test_mask_whose_slices_follow_another_axis_is_refused(tmp_path: Path, directions: str):
    values = RNG.integers(0, 9, (4, 4, 4)).astype(np.int16)
    image, mask = volume(tmp_path / "x.nii", values), volume(tmp_path / "m.nii", values, directions)
    with pytest.raises(MMLError, match=rf"different directions \(axes LPS and {directions}\)"):
        survey(tmp_path, Sample("v", str(image), mask=str(mask)), kind="semantic_segmentation")


def test_mask_that_is_turned_otherwise_than_its_image_is_warned_of(tmp_path: Path, capsys: pytest.CaptureFixture):
    image, mask = volume(tmp_path / "x.nii"), volume(tmp_path / "m.nii", (VALUES > 0).astype(np.uint8), "RAS")
    survey(tmp_path, Sample("v", str(image), mask=str(mask)), kind="semantic_segmentation")
    assert "1 masks have other axes than their images" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["x.png", "x.nii"])
def test_image_with_a_mask_of_several_slices_is_refused(tmp_path: Path, name: str):
    mask = volume(tmp_path / "m.nii", (VALUES > 0).astype(np.uint8))
    if name == "x.png":
        Image.fromarray(np.zeros((4, 5), np.uint8)).save(tmp_path / name)
    else:
        volume(tmp_path / name, VALUES[:, :, :1])
    with pytest.raises(MMLError, match=r"has 1 frames, its mask \S+ 3; give both the same number"):
        survey(tmp_path, Sample("v", str(tmp_path / name), mask=str(mask)), kind="semantic_segmentation")


def test_colours_of_a_single_slice_are_read(tmp_path: Path):
    colours = np.zeros((5, 4), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    colours["G"] = RNG.integers(0, 255, (5, 4))
    file = volume(tmp_path / "x.nii", colours)
    assert (read_samples(file).values[..., 1] == colours["G"].T).all()


def test_mask_with_other_slices_is_refused(tmp_path: Path):
    image, mask = volume(tmp_path / "i.nii"), volume(tmp_path / "m.nii", VALUES[..., :2].clip(0, 1))
    with pytest.raises(MMLError, match=r"i\.nii has 3 frames, its mask \S+m\.nii 2; give both the same number"):
        survey(tmp_path, Sample("v", str(image), mask=str(mask)), kind="semantic_segmentation")


@pytest.mark.parametrize("values", [np.zeros((2, 2, 2, 2, 2)), np.zeros((2, 2, 2), np.complex64)])
def test_volume_that_is_no_image_is_refused(tmp_path: Path, values: np.ndarray):
    nibabel.Nifti1Image(values, np.eye(4)).to_filename(tmp_path / "x.nii")
    with pytest.raises(MMLError, match=r"x\.nii has (the shape|values of type)"):
        read_header(tmp_path / "x.nii")


def test_damaged_volume_and_lack_of_nibabel_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "x.nii").write_bytes(b"hello")
    with pytest.raises(MMLError, match=r"x\.nii is damaged, or is not a NIfTI volume"):
        read_header(tmp_path / "x.nii")
    volume(tmp_path / "y.nii.gz")
    (tmp_path / "y.nii.gz").write_bytes((tmp_path / "y.nii.gz").read_bytes()[:-20])
    with pytest.raises(MMLError, match=r"y\.nii\.gz"):
        read_header(tmp_path / "y.nii.gz")
    monkeypatch.setitem(sys.modules, "nibabel", None)
    with pytest.raises(MMLError, match=r"z\.nii is a NIfTI volume, which needs nibabel: pip install 'mml\[nifti\]'"):
        read_header(volume_bytes(tmp_path / "z.nii"))


def volume_bytes(path: Path) -> Path:
    path.write_bytes(b"x")
    return path


# --- pages of TIFF ---------------------------------------------------------------------------------------------------

PAGES = {
    "grey": RNG.integers(0, 256, (3, 6, 4), dtype=np.uint8),
    "deep": RNG.integers(0, 65536, (3, 6, 4), dtype=np.uint16),
    "colours": RNG.integers(0, 256, (3, 6, 4, 3), dtype=np.uint8),
    "deep colours": RNG.integers(0, 65536, (3, 6, 4, 3), dtype=np.uint16),
    "floats": RNG.normal(size=(3, 6, 4)).astype(np.float32),
}


@pytest.mark.parametrize("kind", PAGES)
@pytest.mark.parametrize("suffix", [".tif", ".ome.tif"])
def test_pages_are_those_of_tifffile_where_the_study_asks_for_all(tmp_path: Path, kind: str, suffix: str):
    file = tmp_path / f"x{suffix}"
    colour = "rgb" if "colours" in kind else "minisblack"
    tifffile.imwrite(file, PAGES[kind], photometric=colour, compression="zlib", ome=suffix == ".ome.tif")
    dataset = survey(tmp_path, Sample("t", str(file)), images=Images(frames="all"))
    assert [(sample.id, sample.group) for sample in dataset.delivery.samples] == [(f"t#{n}", "t") for n in range(3)]
    for number in range(3):
        image, _ = decode(dataset.image_path(number), conversion=in_eight_bits(dataset.conversion))
        values, value_range = tifffile.imread(file, key=number).astype(float), dataset.value_range
        if value_range:
            values = np.rint(255 * (values - value_range.low) / (value_range.high - value_range.low))
        assert (image == (values if values.ndim == 3 else values[..., None])).all()
    assert len(survey(tmp_path, Sample("t", str(file))).sizes) == 1, "the first page, as before"


def test_pages_of_masks_belong_to_pages_of_images(tmp_path: Path):
    classes = PAGES["grey"] % 3
    tifffile.imwrite(tmp_path / "i.tif", PAGES["grey"], photometric="minisblack")
    tifffile.imwrite(tmp_path / "m.tif", classes, photometric="minisblack")
    sample = Sample("t", str(tmp_path / "i.tif"), mask=str(tmp_path / "m.tif"))
    dataset = survey(tmp_path, sample, images=Images(frames="all"), kind="semantic_segmentation")
    assert (decode_mask(dataset.mask_path(2)) == classes[2]).all()


def test_pages_of_different_sizes_are_refused(tmp_path: Path):
    with tifffile.TiffWriter(tmp_path / "x.tif") as writer:
        writer.write(PAGES["grey"][0])
        writer.write(PAGES["grey"][0, :3])
    with pytest.raises(MMLError, match=r"x\.tif has pages of different sizes \(6×4 and 3×4\)"):
        survey(tmp_path, Sample("t", str(tmp_path / "x.tif")), images=Images(frames="all"))


# --- arrays ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
@pytest.mark.parametrize("kind", ["uint8", ">u2", "float32", "bool"])
@pytest.mark.parametrize("channels", [(), (1,), (3,)])
def test_file_of_one_array_is_an_image(tmp_path: Path, suffix: str, kind: str, channels: tuple[int, ...]):
    values = RNG.integers(0, 2, (6, 4, *channels)).astype(kind)
    file = tmp_path / f"x{suffix}"
    np.save(file, values) if suffix == ".npy" else np.savez_compressed(file, values)
    samples = read_samples(file)
    expected = values[..., 0] if channels == (1,) else values
    assert (samples.values == (255 if kind == "bool" else 1) * expected.astype(float)).all()
    assert read_header(file).depth == str(samples.values.dtype)


@pytest.mark.parametrize("values", [np.zeros((2, 2, 5, 2)), np.zeros(3), np.array([[None]]), np.zeros((2, 2), complex)])
def test_array_that_is_no_image_is_refused(tmp_path: Path, values: np.ndarray):
    np.save(tmp_path / "x.npy", values, allow_pickle=True)
    with pytest.raises(MMLError, match=r"x\.npy"):
        read_header(tmp_path / "x.npy")


def test_file_of_several_arrays_is_refused_with_their_names(tmp_path: Path):
    np.savez(tmp_path / "x.npz", image=np.zeros((2, 2)), mask=np.zeros((2, 2)))
    with pytest.raises(MMLError, match=r"x\.npz has the arrays image, mask; save one array per file"):
        read_header(tmp_path / "x.npz")
