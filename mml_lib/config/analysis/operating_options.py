"""The section `operating_points` of a study: thresholds of probabilities."""

from typing import Annotated

from pydantic import Field, model_validator

from mml_lib.config.sections import Section

Share = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]


class OperatingPoints(Section):
    """Thresholds that validation samples choose, reported on other samples."""

    sensitivity: list[Share] = Field(
        default_factory=lambda: [0.9, 0.95], description="Required sensitivities, above 0 and up to 1."
    )
    specificity: list[Share] = Field(default_factory=list, description="Required specificities, above 0 and up to 1.")

    @model_validator(mode="after")
    def _has_some(self) -> "OperatingPoints":
        if not self.sensitivity and not self.specificity:
            raise ValueError("no sensitivity or specificity is required; write one, such as sensitivity: [0.9]")
        return self

    @property
    def wanted(self) -> list[tuple[str, float]]:
        """Criterion and value of each threshold."""
        fields = (("sensitivity", self.sensitivity), ("specificity", self.specificity))
        return [(criterion, value) for criterion, values in fields for value in dict.fromkeys(values)]
