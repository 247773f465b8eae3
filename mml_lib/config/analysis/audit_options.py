"""The sections of a study about its data: `audit` and `dimension`."""

from typing import Annotated, Any, Literal

from pydantic import Field

from mml_lib.config.sections import Section


class Audit(Section):
    """Options of the mode audit."""

    predictions: Literal["probe", "networks"] = Field(
        "probe",
        description="Out-of-fold predictions by which wrong labels are found: of a linear probe on features, or of the "
        "study's networks, which are trained where they are missing.",
    )
    neighbours: Annotated[int, Field(strict=True)] = Field(
        10, ge=3, le=1000, description="Nearest neighbours by which outliers and near duplicates are found."
    )
    hash_bits: Annotated[int, Field(strict=True)] = Field(
        4, ge=0, le=16, description="Most bits of 64 in which the perceptual hashes of near duplicates differ."
    )
    feature_distance: float = Field(
        0.2,
        gt=0,
        le=1,
        description="Largest feature distance of near duplicates, as a share of the median distance to the last of the "
        "neighbours.",
    )
    map: Literal["tsne", "pca"] | None = Field(
        "tsne",
        description="Two-dimensional map of the samples: tsne (needs mml[analysis]), pca (the first two principal "
        "components), or null for none.",
    )
    map_samples: Annotated[int, Field(strict=True)] = Field(
        10_000, ge=100, description="Most samples on a map; of more, a random choice is shown."
    )


class Dimension(Section):
    """Options of the intrinsic dimension in the table of tasks of mode info."""

    of: Literal["pixels", "features"] = Field(description="Values whose dimension is estimated.")
    neighbours: Annotated[int, Field(strict=True)] = Field(
        25, ge=3, le=1000, description="Number of neighbours, k, of the maximum-likelihood estimates."
    )
    subset: Annotated[int, Field(strict=True)] = Field(
        1000, ge=50, le=10_000, description="Samples of each random subset over which estimates are averaged."
    )
    subsets: Annotated[int, Field(strict=True)] = Field(10, ge=1, le=1000, description="Most subsets.")


def as_dimension(value: Any) -> Any:
    """Return the section for the name of its values alone."""
    return {"of": value} if isinstance(value, str) else value
