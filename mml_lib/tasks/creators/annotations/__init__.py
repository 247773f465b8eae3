"""Creators of annotated images, in the formats of COCO and labelme; importing this room registers them."""

from mml_lib.tasks.creators.annotations import coco, labelme  # noqa: F401  (they register themselves)
