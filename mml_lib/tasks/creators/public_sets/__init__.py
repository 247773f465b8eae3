"""Creators of public data sets in formats of their own; importing this room registers them."""

from mml_lib.tasks.creators.public_sets import (  # noqa: F401  (they register themselves)
    binary_records,
    flowers,
    patch_camelyon,
    stored_arrays,
    torchvision_sets,
)
