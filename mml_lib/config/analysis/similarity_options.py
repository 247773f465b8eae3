"""The section of a study about distances between its tasks."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from mml_lib.config.sections import Section


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


class Similarity(Section):
    """Options of the mode similarity."""

    distance: Annotated[list[str], BeforeValidator(_as_list), Field(min_length=1)] = Field(
        ["mmd"],
        description="Measure of distance, or a list of several: semantic, kld, emd, fid, mmd, fed, logme, leep, "
        "hscore, knn, ensemble, or one of a plugin.",
    )
    options: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="Options of measures by name, e.g. {mmd: {kernel: gaussian}}."
    )
