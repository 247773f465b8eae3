"""The creator `torchvision`: data sets that torchvision's own classes read."""

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mml_lib.errors import MMLError, nearest
from mml_lib.files.atomic import write_whole
from mml_lib.pipelines.digests import digest
from mml_lib.tasks.creators.creator_registry import Survey, register_creator
from mml_lib.tasks.creators.helpers.written_arrays import write_image, write_mask
from mml_lib.tasks.creators.labels import class_names
from mml_lib.tasks.creators.own_data import existing
from mml_lib.tasks.creators.public_sets.torchvision_classes import CLASSES, WITH_MASKS, TorchvisionClass
from mml_lib.tasks.dataset import Delivery, Sample

FETCHED = "torchvision"
"""Folder, in that of a data set, of what torchvision downloads."""


def _class_of(name: str, task_type: str | None) -> TorchvisionClass:
    """Return a data-set class.

    Raises:
        MMLError: it is none of those that are read, or of another task type.
    """
    if name not in CLASSES:
        raise MMLError(f"creator torchvision: '{name}' is not a data-set class that it reads{nearest(name, CLASSES)}")
    for kind in (CLASSES[name], *([WITH_MASKS[name]] if name in WITH_MASKS else [])):
        if task_type in (None, kind.task_type):
            return kind
    raise MMLError(f"creator torchvision: {name} is a {CLASSES[name].task_type}, not a {task_type}")


def _survey_torchvision(
    name: str,
    path: str | None = None,
    task_type: str | None = None,
    download: bool = False,
    options: dict[str, Any] | None = None,
    downloaded: bool = False,
) -> Survey:
    kind = _class_of(name, task_type)
    if not downloaded and not download:
        if path is None:
            raise MMLError("creator torchvision: name the folder of the files by path, or set download: true")
        existing(path, "folder", "torchvision")
    # The class and its options define a public data set, wherever it lies.
    fingerprint = None if downloaded else digest([name, kind.task_type, options or {}])
    return Survey.of_splits(set(kind.splits), task_type=kind.task_type, fingerprint=fingerprint)


@register_creator("torchvision", survey=_survey_torchvision)
def torchvision(
    folder: Path,
    name: str,
    path: str | None = None,
    task_type: str | None = None,
    download: bool = False,
    options: dict[str, Any] | None = None,
) -> Delivery:
    """A data set that a class of `torchvision.datasets` reads, with its official splits.

    Args:
        folder: folder for images and masks that the class does not read from files of their own.
        name: name of the class, `DTD`.
        path: the class's `root`; unset with `download`: a folder of the data set.
        task_type: `semantic_segmentation` reads the masks of OxfordIIITPet.
        download: the class downloads the files where they are missing, and checks them.
        options: further arguments of the class, `{partition: 2}`.
    """
    kind = _class_of(name, task_type)
    root = folder / FETCHED if path is None else Path(path).expanduser().absolute()
    root.mkdir(parents=True, exist_ok=True)
    samples: list[Sample] = []
    names: dict[str, None] = {}
    splits: list[tuple[str | None, Mapping[str, Any]]] = [*kind.splits.items()] or [(None, {})]
    for split, arguments in splits:
        with _refusals_named(name, root, download):
            data = _opened(name, root, {**kind.arguments, **arguments, **(options or {})}, download)
            by_index = {} if kind.masks else _class_names(data)
            names |= dict.fromkeys(by_index.values())
            for id_, image, target in _images(data, folder, split or "all"):
                if kind.masks:
                    samples.append(Sample(id_, image, split=split, mask=_mask(target, kind, folder, id_)))
                else:
                    samples.append(Sample(id_, image, by_index.get(int(target), str(int(target))), split))
    present = dict.fromkeys(class_names(samples))
    classes = list(kind.masks) or [label for label in (names or present) if label in present]
    return Delivery(samples, classes, kind.task_type, has_ignored_value=255 in kind.values.values())


@contextmanager
def _refusals_named(name: str, root: Path, download: bool) -> Iterator[None]:
    """Turn what a class raises about missing files, arguments or the net into one line."""
    try:
        yield
    except MMLError:
        raise
    except Exception as error:  # classes, decoders and the net raise errors of many kinds
        text = " ".join(str(error).split()) or type(error).__name__
        if isinstance(error, TypeError) or "argument" in text:
            raise MMLError(f"creator torchvision: options: {name} refuses them ({text})") from error
        remedy = (
            "fetch it on a machine with access to the net, and name its folder by path"
            if download
            else "put its files there, or set download: true"
        )
        raise MMLError(f"creator torchvision: {name} cannot be read from {root} ({text}); {remedy}") from error


def _opened(name: str, root: Path, arguments: Mapping[str, Any], download: bool) -> Any:
    """Return the data set of one split; classes that read files by a `loader` return their paths as images."""
    import torchvision.datasets

    import mml_lib.torchvision_schemas  # noqa: F401  (before torchvision)

    kind = getattr(torchvision.datasets, name)
    parameters = inspect.signature(kind).parameters
    arguments = dict(arguments)
    if "loader" in parameters:
        arguments["loader"] = str
    if download:
        arguments["download"] = True
    return kind(root, **arguments)


def _images(data: Any, folder: Path, split: str) -> Iterator[tuple[str, str, Any]]:
    """Yield id, image file and target of each sample."""
    import numpy as np

    array = None
    if hasattr(data, "data") and len(data):  # images of one size, all in memory
        first = np.asarray(data[0][0])
        with write_whole(folder / f"{split}.npy") as beside:
            array = np.lib.format.open_memmap(beside, "w+", first.dtype, (len(data), *first.shape))
            for row in range(len(data)):
                array[row] = np.asarray(data[row][0])
            array.flush()
    for row in range(len(data)):
        image, target = data[row]
        if array is not None:
            yield f"{split}/{row}", f"{split}.npy#{row}", target
        elif isinstance(image, str):
            yield f"{split}/{row}-{Path(image).name}", image, target
        else:
            yield f"{split}/{row}", write_image(folder, f"images/{split}/{row:06d}", np.asarray(image)), target


def _class_names(data: Any) -> dict[int, str]:
    """Return the names of the classes by index; empty where the class has none, or the same name twice."""
    listed = getattr(data, "classes", None) or getattr(data, "categories", None) or []
    names = [name if isinstance(name, str) else ", ".join(map(str, name)) for name in listed]
    return dict(enumerate(names)) if len(set(names)) == len(names) else {}


def _mask(target: Any, kind: TorchvisionClass, folder: Path, id_: str) -> str:
    import numpy as np

    values = np.asarray(target)
    if kind.values:
        table = np.full(256, 255, np.uint8)
        for value, meaning in kind.values.items():
            table[value] = meaning
        values = table[values]
    return write_mask(folder, f"masks/{id_}", values)
