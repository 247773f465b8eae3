"""The creators `svhn`, `usps`, `semeion` and `npz_arrays`: small images in formats of numerical libraries."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mml_lib.errors import MMLError, nearest
from mml_lib.pipelines.digests import digest
from mml_lib.tasks.creators.creator_registry import Survey, register_creator
from mml_lib.tasks.creators.own_data import existing, only_file
from mml_lib.tasks.creators.public_sets.array_delivery import Arrays, damage_named, deliver_arrays, survey_files
from mml_lib.tasks.dataset import SPLITS, Delivery, Sample

DIGITS = tuple("0123456789")
SVHN_FILES = {"train": "train_32x32.mat", "test": "test_32x32.mat"}
USPS_FILES = {"train": "usps.bz2", "test": "usps.t.bz2"}


def _survey_svhn(path: str = ".", downloaded: bool = False) -> Survey:
    return survey_files(path, "svhn", list(SVHN_FILES.values()), set(SVHN_FILES), downloaded)


@register_creator("svhn", survey=_survey_svhn)
def svhn(folder: Path, path: str = ".") -> Delivery:
    """Cropped digits of Street View House Numbers, 32×32 pixels, from MATLAB files.

    Args:
        folder: where the arrays go.
        path: the folder of `train_32x32.mat` and `test_32x32.mat`.

    Source: Y. Netzer et al., Reading Digits in Natural Images with Unsupervised Feature Learning, 2011.
    """
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    arrays: dict[str, Arrays] = {}
    for split, name in SVHN_FILES.items():
        file = existing(str(Path(path) / name), "file", "svhn")
        with damage_named(file, MatReadError):
            content = loadmat(file)
            images, labels = content["X"].transpose(3, 0, 1, 2), content["y"].ravel()
        arrays[split] = (images, [int(label) % 10 for label in labels])  # 10 stands for the digit 0
    return deliver_arrays(folder, arrays, DIGITS, Path(path))


def _survey_usps(path: str = ".", downloaded: bool = False) -> Survey:
    return survey_files(path, "usps", list(USPS_FILES.values()), set(USPS_FILES), downloaded)


@register_creator("usps", survey=_survey_usps)
def usps(folder: Path, path: str = ".") -> Delivery:
    """USPS digits, 16×16 pixels, from LIBSVM files.

    Args:
        folder: where the arrays go.
        path: the folder of `usps.bz2` and `usps.t.bz2`.

    Source: J. J. Hull, A database for handwritten text recognition research, IEEE TPAMI 16(5), 1994.
    """
    import numpy as np
    from sklearn.datasets import load_svmlight_file

    arrays: dict[str, Arrays] = {}
    for split, name in USPS_FILES.items():
        file = existing(str(Path(path) / name), "file", "usps")
        with damage_named(file):
            values, labels = load_svmlight_file(str(file), n_features=256)  # from -1 to 1; labels from 1 to 10
            pixels = ((values.toarray() + 1) / 2 * 255).astype(np.uint8).reshape(-1, 16, 16)
        arrays[split] = (pixels, [int(label) - 1 for label in labels])
    return deliver_arrays(folder, arrays, DIGITS, Path(path))


def _survey_semeion(path: str = ".", downloaded: bool = False) -> Survey:
    return survey_files(path, "semeion", ["semeion.data"], set(), downloaded)


@register_creator("semeion", survey=_survey_semeion)
def semeion(folder: Path, path: str = ".") -> Delivery:
    """Semeion handwritten digits, 16×16 pixels in black and white, from a text file.

    Args:
        folder: where the arrays go.
        path: the folder of `semeion.data`.

    Source: Semeion Research Center of Sciences of Communication, UCI Machine Learning Repository.
    """
    import numpy as np

    file = existing(str(Path(path) / "semeion.data"), "file", "semeion")
    with damage_named(file):
        rows = np.loadtxt(file, ndmin=2)
        pixels = (rows[:, :256] * 255).astype(np.uint8).reshape(-1, 16, 16)
        labels = rows[:, 256:266].argmax(axis=1).tolist()
    delivery = deliver_arrays(folder, {"train": (pixels, labels)}, DIGITS, file)
    return Delivery([Sample(sample.id, sample.image, sample.label) for sample in delivery.samples], list(DIGITS))


def _survey_npz(
    path: str,
    files: dict[str, str],
    classes: list[str] | None = None,
    unknown: list[int] | None = None,
    downloaded: bool = False,
) -> Survey:
    if others := [split for split in files if split not in SPLITS]:
        raise MMLError(f"creator npz_arrays: files: there is no split '{others[0]}'{nearest(others[0], SPLITS)}")
    _check_labels(unknown, classes)
    splits = set(files)
    if unknown and not downloaded:
        root = existing(path, "folder", "npz_arrays")
        labels = {split: {*_npz_labels(_npz_file(root, name))} for split, name in files.items()}
        splits = {split for split, split_labels in labels.items() if split_labels - {*unknown}}
        splits |= {"unlabelled"} if any(split_labels & {*unknown} for split_labels in labels.values()) else set()
    survey = survey_files(path, "npz_arrays", list(files.values()), splits, downloaded)
    if not unknown or downloaded:
        return survey
    return replace(survey, fingerprint=digest([survey.fingerprint, sorted(unknown)]))


@register_creator("npz_arrays", survey=_survey_npz)
def npz_arrays(
    folder: Path,
    path: str,
    files: dict[str, str],
    classes: list[str] | None = None,
    unknown: list[int] | None = None,
) -> Delivery:
    """Arrays `images` (N×H×W or N×H×W×3, uint8) and `labels` (N) in one NumPy file per split.

    Args:
        folder: where the arrays go.
        path: the folder of the files.
        files: the `.npz` file of each split: {train: training.npz, test: testing.npz}.
        classes: names in the order of the labels; unset: the digits 0 to 9.
        unknown: labels that stand for no class, `[-1]`; their images are unlabelled.
    """
    root = existing(path, "folder", "npz_arrays")
    arrays = {split: _read_npz(_npz_file(root, name)) for split, name in files.items()}
    return deliver_arrays(folder, arrays, classes or DIGITS, root, unknown or ())


def _check_labels(unknown: Sequence[int] | None, classes: Sequence[str] | None) -> None:
    """Refuse labels that are unknown and stand for a class.

    Raises:
        MMLError: the first one.
    """
    names = classes or DIGITS
    if named := [label for label in unknown or () if 0 <= label < len(names)]:
        raise MMLError(f"unknown: {named[0]} is the label of the class '{names[named[0]]}'; leave it out, or the class")


def _npz_file(root: Path, name: str) -> Path:
    return only_file(str(root / name), ".npz", "npz_arrays")


def _npz_labels(file: Path) -> list[int]:
    import numpy as np

    with damage_named(file), np.load(file, allow_pickle=False) as content:
        labels = content["labels"].ravel()
    with np.errstate(invalid="ignore"):  # what is left of infinite numbers is NaN
        is_whole = labels.dtype.kind in "iub" or (labels.dtype.kind == "f" and (labels % 1 == 0).all())
    if not is_whole:
        raise MMLError(f"{file}: labels are not whole numbers; write -1 for an unknown one, and unknown: [-1]")
    return labels.astype(int).tolist()


def _read_npz(file: Path) -> Arrays:
    import numpy as np

    with damage_named(file), np.load(file, allow_pickle=False) as content:
        images = content["images"]
    if images.dtype != np.uint8 or images.ndim not in (3, 4):
        raise MMLError(f"{file}: images is {images.dtype} {images.shape}, not uint8 N×H×W or N×H×W×3")
    return images, _npz_labels(file)
