"""Creators make data sets. Register your own in a plugin:

    from mml_lib.tasks.creators import Delivery, Sample, class_names, find_files, register_creator

    @register_creator("shapes")
    def shapes(folder: Path, path: str) -> Delivery:
        samples = [Sample(file.stem, file, label=file.parent.name) for file in find_files(path, "*.png")]
        return Delivery(samples, class_names(samples))

The names in `__all__` are for creators in plugins; config/guide/extending.md shows three complete ones.
"""

from mml_lib.errors import MMLError
from mml_lib.tasks.creators import (  # noqa: F401  (they register themselves)
    annotations,
    arrays,
    digits,
    fake,
    folders,
    patterned,
    public_sets,
    table,
)
from mml_lib.tasks.creators.annotated.annotated_images import AnnotatedImage, Annotation, annotated_delivery
from mml_lib.tasks.creators.creator_registry import CREATORS, register_creator
from mml_lib.tasks.creators.helpers.creator_survey import Survey
from mml_lib.tasks.creators.helpers.finding import find_files, state_of_files, text_in
from mml_lib.tasks.creators.helpers.mask_arrays import draw_mask, mask_of_colors, merge_masks
from mml_lib.tasks.creators.helpers.table_rows import table_rows
from mml_lib.tasks.creators.helpers.unpacked_archives import unpack_archive
from mml_lib.tasks.creators.helpers.written_arrays import write_image, write_mask
from mml_lib.tasks.creators.labels import class_names
from mml_lib.tasks.creators.shared_images.creator_sharing import Sharing
from mml_lib.tasks.creators.split_names import split_of
from mml_lib.tasks.dataset import EMPTY_MASK_TOKEN, About, Delivery, Sample
from mml_lib.tasks.drawings import Box, CocoRuns, Polygon, RunLengths

__all__ = [
    "CREATORS",
    "EMPTY_MASK_TOKEN",
    "About",
    "AnnotatedImage",
    "Annotation",
    "Box",
    "CocoRuns",
    "Delivery",
    "MMLError",
    "Polygon",
    "RunLengths",
    "Sample",
    "Sharing",
    "Survey",
    "annotated_delivery",
    "class_names",
    "draw_mask",
    "find_files",
    "mask_of_colors",
    "merge_masks",
    "register_creator",
    "split_of",
    "state_of_files",
    "table_rows",
    "text_in",
    "unpack_archive",
    "write_image",
    "write_mask",
]
