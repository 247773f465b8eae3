"""What the sections of a study are made of."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Section(BaseModel):
    """A part of a study: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True, protected_namespaces=())


class Target(BaseModel):
    """Any importable class or function, with the keyword arguments it is called with beside `_target_`."""

    model_config = ConfigDict(extra="allow", populate_by_name=True)
    target: str = Field(alias="_target_", description="Dotted path of an importable class or function.")

    def spec(self) -> dict[str, Any]:
        """Return the mapping as it stands in the config, `_target_` included."""
        return self.model_dump(by_alias=True)
