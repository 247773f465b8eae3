"""The creator of folders of images; importing this room registers it."""

from mml_lib.tasks.creators.folders import image_folder  # noqa: F401  (it registers itself)
