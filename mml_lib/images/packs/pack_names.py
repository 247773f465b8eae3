"""Names of packed images, which state the transforms and the user's own code that they come from."""

from collections.abc import Mapping, Sequence
from typing import Any

from mml_lib.config.task_options import Preprocessing
from mml_lib.errors import MMLError
from mml_lib.images.transforms import resolve
from mml_lib.pipelines.digests import digest
from mml_lib.pipelines.own_code import changed_modules, code_of

PACK_VERSION = 2
"""Version of packed images. It is raised when the same images and preprocessing start to give other pixels."""


def pack_id(preprocessing: Preprocessing) -> str:
    """Return the folder name of packed images: the preset, and 8 digits of the digest of its transforms."""
    transforms = resolve(preprocessing)
    return f"{preprocessing.id}-{_digest(transforms, code_of(transforms))}"


def check_pack_code(pack: str, transforms: Sequence[Mapping[str, Any]]) -> None:
    """Refuse to pack images if the user's code of a transform is not the code that the pack is named by.

    Args:
        pack: folder name of the packed images.
        transforms: their transforms.

    Raises:
        MMLError: the code has changed.
    """
    code = code_of(transforms)
    if code and _digest(transforms, code) != pack.rpartition("-")[2]:
        raise MMLError(
            f"the code of {', '.join(changed_modules(code, {}))} has changed since the preprocessing {pack} was "
            "planned; run the command again"
        )


def _digest(transforms: Sequence[Mapping[str, Any]], code: Mapping[str, str]) -> str:
    content = {"version": PACK_VERSION, "transforms": transforms}
    return digest(content | ({"code": code} if code else {}))
