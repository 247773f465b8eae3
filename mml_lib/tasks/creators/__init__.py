"""Creators make data sets. Register your own in a plugin:

@register_creator("shapes")
def shapes(folder: Path, num_samples: int = 100) -> Delivery:
    ...write images below `folder`, return a Delivery...
"""

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
from mml_lib.tasks.drawings import Box, CocoRuns, Polygon, RunLengths

__all__ = [
    "CREATORS",
    "AnnotatedImage",
    "Annotation",
    "Box",
    "CocoRuns",
    "Polygon",
    "RunLengths",
    "annotated_delivery",
    "register_creator",
]
