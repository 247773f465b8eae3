"""The JSON schema of study files, for editors: `python -m mml_lib.config.schema_json > config/schema.json`."""

import json
from typing import Any

from mml_lib.config.reading.magnitudes import STRONGEST
from mml_lib.config.reading.presets import GROUPS
from mml_lib.config.schema import StudyConfig

KEYS: dict[str, dict[str, Any]] = {
    "augmentations": {
        "magnitude": {
            "description": "Strength of the preset randaugment, and of your own presets that scale their ranges.",
            "type": "number",
            "minimum": 0,
            "maximum": STRONGEST,
        }
    }
}
"""Keys of a group that only presets accept."""


def schema_text() -> str:
    """Return the content of `config/schema.json`.

    In this schema no key is required, because another layer of the study may set it, and each group may be the name of
    a preset. Additional keys are allowed only where the model allows them.
    """
    schema = StudyConfig.model_json_schema(by_alias=True)
    schema["title"] = "MML study"
    for section in ("Task", "SharedDataSet"):
        schema["$defs"][section]["properties"]["catalogue"] = {
            "description": "Entry of the catalogue of public data sets, `config/catalogue/<name>.yaml`, in place of "
            "`creator`. Further keys of the section change those of the entry.",
            "title": "Catalogue",
            "type": "string",
        }
    _relax(schema)
    for group in GROUPS:
        schema["properties"][group] = _or_preset(schema["properties"][group], schema["$defs"], KEYS.get(group, {}))
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _relax(node: Any) -> None:
    """Remove `required`, because a layer is a part of a study, and accept numbers as text, as the loader does."""
    if isinstance(node, dict):
        node.pop("required", None)
        if node.get("type") == "string" and not {"const", "enum"} & node.keys():
            node["type"] = ["string", "number"]
        for value in node.values():
            _relax(value)
    elif isinstance(node, list):
        for value in node:
            _relax(value)


def _or_preset(field: dict[str, Any], definitions: dict[str, Any], keys: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a group: the name of a preset, a preset with changes, or the whole section.

    Args:
        field: schema of the whole section.
        definitions: all schemas of sections.
        keys: schemas of keys that only presets accept.
    """
    described = {key: field.pop(key) for key in ("description", "default") if key in field}
    model = next((kind["$ref"] for kind in [field, *field.get("anyOf", [])] if "$ref" in kind), "").split("/")[-1]
    full = definitions.get(model, {"type": "object"})
    changed = full | {
        "properties": {"preset": {"type": "string"}, **keys, **full.get("properties", {})},
        "required": ["preset"],
    }
    return described | {"anyOf": [{"type": "string", "description": "Name of a preset."}, changed, field]}


if __name__ == "__main__":
    print(schema_text(), end="")
