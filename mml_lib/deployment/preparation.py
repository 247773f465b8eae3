"""Preparation: new images become pixels as the images of the training did when they were packed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from mml_lib.config.factories import TARGET
from mml_lib.config.task_options import Preprocessing
from mml_lib.deployment.new_images import NewImage
from mml_lib.errors import MMLError
from mml_lib.images.colours import has_clear_colours
from mml_lib.images.conversion.rendering import render
from mml_lib.images.deep_images import DeepImage
from mml_lib.images.filters import size_of
from mml_lib.images.image_files import errors_named
from mml_lib.images.readers import Picture
from mml_lib.images.transforms import apply, draft_size, is_restorable, resolve
from mml_lib.pipelines.pipeline import Pipeline
from mml_lib.tasks.dataset import Dataset
from mml_lib.tasks.pixel_format import GREY, Conversion

MIXED = ("depth", "stated", "own")
"""Sources of a range of values with which images of 8 bits may be mixed."""


@dataclass(frozen=True)
class Prepared:
    """An image as a network sees it.

    Args:
        id: its name.
        pixels: H×W×C, with the dtype of the packed images.
        size: height and width before the transforms.
    """

    id: str
    pixels: np.ndarray
    size: tuple[int, int]


@dataclass(frozen=True)
class Preparation:
    """Conversion and preprocessing of the images of a training.

    Args:
        task: name of the task, for messages.
        conversion: how image files became pixels.
        transforms: preprocessing of the pipeline, resolved by `transforms.resolve`.
        takes_luma: True if colours are converted to grey by their luma.
    """

    task: str
    conversion: Conversion
    transforms: Sequence[Mapping[str, Any]]
    takes_luma: bool = False

    @classmethod
    def of(cls, pipeline: Pipeline, dataset: str | Path) -> Self:
        """Return the preparation of a run.

        Args:
            pipeline: of the run.
            dataset: manifest of the data set of its task.

        Raises:
            MMLError: the manifest is missing or damaged.
        """
        task = pipeline.task
        images = task.get("images") or {}
        transforms = resolve(Preprocessing(**pipeline.content["preprocessing"]))
        luma = isinstance(images, Mapping) and images.get("channels") == "luma"
        return cls(task["name"], Dataset.read(dataset).conversion, transforms, luma)

    @property
    def is_restorable(self) -> bool:
        """True if masks can be brought back to the size of their image."""
        return is_restorable(self.transforms)

    @property
    def own_transforms(self) -> list[str]:
        """Names of the user's transforms."""
        return [spec[TARGET] for spec in self.transforms if TARGET in spec]

    def __call__(self, image: NewImage, draft: bool = True) -> Prepared:
        """Return an image as a network sees it.

        Args:
            image: the image.
            draft: decode JPEGs at a smaller size if the transforms allow it; the size is then that of the draft.

        Raises:
            MMLError: the image cannot be read, or differs in kind from the training images.
        """
        samples = image.read(draft=draft_size(self.transforms) if draft else None, **self.conversion.reading)
        with errors_named(image):
            self._check(samples, image)
            rendered, _ = render(samples, self.conversion, str(image))
            pixels, _ = apply(self.transforms, rendered, None)
        return Prepared(image.id, pixels, size_of(rendered))

    def _check(self, samples: DeepImage | Picture, image: NewImage) -> None:
        """Refuse an image that is not of the kind of those of the training.

        Raises:
            MMLError: number of channels, colour or depth differ from the training images.
        """
        wanted, value_range = self.conversion.pixels, self.conversion.value_range
        values = np.asarray(samples.image) if isinstance(samples, Picture) else samples.stored
        count = 1 if values.ndim == 2 else values.shape[2]
        trained = f"the network of {self.task} was trained on images of {wanted}"
        if self.conversion.picked is not None:
            fits = count > max(self.conversion.picked)
        else:
            fits = count == 1 or (count == 3 and not self.conversion.windows)
        if not fits:
            raise MMLError(f"the image {image} has {count} channels, and {trained}; give images of that kind")
        if wanted.channels == GREY and count == 3 and not self.takes_luma and has_clear_colours(values):
            raise MMLError(f"the image {image} has colour, and {trained}; convert it to grey")
        is_shallow = values.dtype == np.uint8 and (isinstance(samples, Picture) or samples.rescale is None)
        if not is_shallow and value_range is None and not self.conversion.windows:
            raise MMLError(f"the image {image} has {values.dtype} values, and {trained}; convert it to 8 bits")
        if is_shallow and value_range is not None and value_range.source not in MIXED:
            raise MMLError(
                f"the image {image} has 8 bits, and {trained} with values of {value_range}; give it with its original "
                "values"
            )
