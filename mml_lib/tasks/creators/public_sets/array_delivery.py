"""Helpers of creators that read images from arrays: damage is named, and arrays become `.npy` files of a data set."""

import struct
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mml_lib.errors import MMLError
from mml_lib.files.atomic import write_whole
from mml_lib.pipelines.digests import digest
from mml_lib.tasks.creators.creator_registry import Survey
from mml_lib.tasks.creators.own_data import existing, sampled_digests
from mml_lib.tasks.dataset import Delivery, Sample

if TYPE_CHECKING:
    import numpy as np

Arrays = tuple["np.ndarray", Sequence[int] | None]
"""Images of a split, N×H×W or N×H×W×3 in uint8, and the class index of each; None: they are unlabelled."""

DAMAGE: tuple[type[Exception], ...] = (
    OSError,
    EOFError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    NotImplementedError,
    zlib.error,
    struct.error,
)
"""Exceptions that readers raise for damaged files."""


@contextmanager
def damage_named(file: Path, *further: type[Exception]) -> Iterator[None]:
    """Turn what a library raises about a damaged file into one line.

    Args:
        file: the file that is read.
        further: exceptions of the library's own.
    """
    try:
        yield
    except (*DAMAGE, *further) as error:
        raise MMLError(f"the file {file} is damaged or of another format ({error!r}); fetch it again") from error


def survey_files(path: str, creator: str, names: Sequence[str], splits: set[str], downloaded: bool) -> Survey:
    """Return the properties of a data set in files of known names.

    Args:
        path: folder of the files.
        creator: name of the creator, for errors.
        names: paths of the files below the folder.
        splits: splits that the files define.
        downloaded: whether the files are still to be fetched.

    Raises:
        MMLError: a file does not exist.
    """
    if downloaded:
        return Survey.of_splits(splits)
    files = [existing(str(Path(path).expanduser() / name), "file", creator) for name in names]
    state = [list(names), [file.stat().st_size for file in files], sampled_digests(files)]
    return Survey.of_splits(splits, fingerprint=digest(state))


def deliver_arrays(
    folder: Path, arrays: Mapping[str, Arrays], classes: Sequence[str], source: Path, unknown: Collection[int] = ()
) -> Delivery:
    """Write the images of each split to `<split>.npy`, and return the data set.

    Args:
        folder: where the arrays go.
        arrays: images and class indices of each split.
        classes: names in the order of their indices.
        source: the file or folder of the data, for errors.
        unknown: labels that stand for no class; their images are unlabelled.

    Raises:
        MMLError: images and labels differ in number, or a label is no index of a class.
    """
    import numpy as np

    samples: list[Sample] = []
    for split, (images, labels) in arrays.items():
        if labels is not None and len(labels) != len(images):
            raise MMLError(f"{source}: {split} has {len(images)} images and {len(labels)} labels; fetch it again")
        with write_whole(folder / f"{split}.npy") as beside, open(beside, "wb") as out:
            np.save(out, np.ascontiguousarray(images))
        for row in range(len(images)):
            label = None if labels is None or labels[row] in unknown else int(labels[row])
            if label is not None and not 0 <= label < len(classes):
                raise MMLError(f"{source}: a label of {split} is {label}, not from 0 to {len(classes) - 1}")
            name = None if label is None else classes[label]
            own_split = "unlabelled" if label is None else split
            samples.append(Sample(f"{split}/{row}", f"{split}.npy#{row}", name, own_split))
    return Delivery(samples, list(classes))
