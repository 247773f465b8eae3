"""What the sections of a study are made of."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints


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


PROJECT_REFERENCE = r"^[A-Za-z0-9][A-Za-z0-9_.-]*(#[0-9a-f]{8})?$"


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


References = Annotated[
    list[Annotated[str, StringConstraints(pattern=PROJECT_REFERENCE)]],
    BeforeValidator(_as_list),
]
"""Projects, or one run of each: `project`, `[a, b]`, `project#3f9ac21b`."""


class Reuse(Section):
    """Other projects below the results root, whose artefacts are read: never written, never made anew."""

    models: References = Field(
        default_factory=list, description="Where mode tl finds models of the pretrain_task, and their weights."
    )
    predictions: References = Field(
        default_factory=list, description="Where mode post finds predictions of further runs for its ensemble."
    )
    blueprint: References = Field(default_factory=list, description="Where mode.use_blueprint finds a blueprint.")
