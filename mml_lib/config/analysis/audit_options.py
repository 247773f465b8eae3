"""The sections of a study about its data: `audit` and `dimension`."""

from typing import Annotated, Any, Literal

from pydantic import Field

from mml_lib.config.sections import Section


class Audit(Section):
    """Options of the mode audit."""

    predictions: Literal["probe", "networks"] = Field(
        "probe",
        description="Out-of-fold predictions for finding wrong labels: of a linear probe on features, or of the "
        "study's networks (missing networks are trained).",
    )
    neighbours: Annotated[int, Field(strict=True)] = Field(
        10, ge=3, le=1000, description="Number of nearest neighbours for finding outliers and near duplicates."
    )
    hash_bits: Annotated[int, Field(strict=True)] = Field(
        4,
        ge=0,
        le=16,
        description="Maximum number of bits, of 64, in which the perceptual hashes of near duplicates differ.",
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
        10_000, ge=100, description="Maximum number of samples on a map. Larger tasks show a random subset."
    )


class Dimension(Section):
    """Options of the intrinsic dimension in the table of tasks of mode info."""

    of: Literal["pixels", "features"] = Field(description="Values whose dimension is estimated.")
    neighbours: Annotated[int, Field(strict=True)] = Field(
        25, ge=3, le=1000, description="Number of neighbours, k, of the maximum-likelihood estimates."
    )
    subset: Annotated[int, Field(strict=True)] = Field(
        1000,
        ge=50,
        le=10_000,
        description="Number of samples of each random subset. Estimates are means over the subsets.",
    )
    subsets: Annotated[int, Field(strict=True)] = Field(10, ge=1, le=1000, description="Maximum number of subsets.")


def as_dimension(value: Any) -> Any:
    """Return the section `dimension` of a study that states only its values, `pixels` or `features`."""
    return {"of": value} if isinstance(value, str) else value
