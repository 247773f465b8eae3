"""The creator `flowers102`: the Oxford flowers, whose labels and splits are in MATLAB files."""

from pathlib import Path

from mml_lib.errors import MMLError
from mml_lib.tasks.creators.creator_registry import Survey, register_creator
from mml_lib.tasks.creators.labels import class_names
from mml_lib.tasks.creators.own_data import existing
from mml_lib.tasks.creators.public_sets.array_delivery import damage_named, survey_files
from mml_lib.tasks.dataset import Delivery, Sample

LABELS, SPLITS = "imagelabels.mat", "setid.mat"
IDS = {"train": "trnid", "val": "valid", "test": "tstid"}
"""Array of each split with the numbers of its images, from 1."""


def _survey_flowers(path: str = ".", downloaded: bool = False) -> Survey:
    images = (
        [] if downloaded else sorted(f"jpg/{file.name}" for file in (Path(path).expanduser() / "jpg").glob("*.jpg"))
    )
    return survey_files(path, "flowers102", [LABELS, SPLITS, *images], set(IDS), downloaded)


@register_creator("flowers102", survey=_survey_flowers)
def flowers102(folder: Path, path: str = ".") -> Delivery:
    """Oxford 102 flowers, whose classes are the numbers 1 to 102.

    Args:
        folder: unused, the images stay where they are.
        path: folder with `jpg/`, `imagelabels.mat` and `setid.mat`.

    Source: M.-E. Nilsback, A. Zisserman, Automated Flower Classification over a Large Number of Classes, 2008.
    """
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    root = existing(path, "folder", "flowers102")
    files = [existing(str(root / name), "file", "flowers102") for name in (LABELS, SPLITS)]
    with damage_named(files[0], MatReadError):
        labels = loadmat(files[0])["labels"].ravel()
    with damage_named(files[1], MatReadError):
        content = loadmat(files[1])
        numbers = {split: content[key].ravel().tolist() for split, key in IDS.items()}
    samples = []
    for split, images in numbers.items():
        for number in images:
            name = f"jpg/image_{number:05d}.jpg"
            if not 0 < number <= len(labels) or not (root / name).is_file():
                raise MMLError(f"creator flowers102: {files[1]} lists the image {number}, but {root / name} is missing")
            samples.append(Sample(name, str(root / name), str(labels[number - 1]), split))
    return Delivery(samples, class_names(samples))
