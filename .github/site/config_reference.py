"""Reference of every key of a study, from `config/schema.json`."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from staged_pages import REPOSITORY

Schema = Mapping[str, Any]


def config_page() -> str:
    """Return the page: a table of all sections, and one for the keys of each section that has some."""
    schema = json.loads((REPOSITORY / "config/schema.json").read_text(encoding="utf-8"))
    parts = [
        "# Keys of a study",
        "All keys, from `config/schema.json`, with their defaults where the schema states one. "
        "[Defaults](../config/guide/defaults.md) gives the reasons of those that presets set.",
        _table(schema["properties"], schema["$defs"]),
    ]
    sections: dict[str, dict[str, Any]] = {}
    for name, section in sorted(schema["properties"].items()):
        for title, keys in _sections(name, section, schema["$defs"], ()):
            sections[title] = sections.get(title, {}) | keys  # with a preset, a group has other keys than without
    parts += [f"## `{title}`\n\n{_table(keys, schema['$defs'])}" for title, keys in sections.items()]
    return "\n\n".join(parts) + "\n"


def _sections(name: str, schema: Schema, defs: Schema, above: tuple[str, ...]) -> Iterator[tuple[str, Schema]]:
    """Yield name and keys of a section, and of the sections in it; a section that has its own kind in it comes once."""
    for option in options_of(schema, defs):
        keys = option.get("properties", {})
        kind = ", ".join(keys)
        if kind and kind in above:
            continue
        if keys:
            yield name, keys
            for key, value in keys.items():
                yield from _sections(f"{name}.{key}", value, defs, (*above, kind))
        if isinstance(items := option.get("items"), Mapping):
            yield from _sections(f"{name}[]", items, defs, (*above, kind))
        further = [option.get("additionalProperties"), *option.get("patternProperties", {}).values()]
        for value in (value for value in further if isinstance(value, Mapping)):
            yield from _sections(f"{name}.<name>", value, defs, (*above, kind))


def options_of(schema: Schema, defs: Schema) -> list[Schema]:
    """Return the alternatives of a value, without references."""
    if "$ref" in schema:
        return options_of(defs[schema["$ref"].rpartition("/")[2]], defs)
    for word in ("anyOf", "oneOf", "allOf"):
        if word in schema:
            return [option for part in schema[word] for option in options_of(part, defs)]
    return [schema]


def _table(keys: Schema, defs: Schema) -> str:
    rows = ["| key | value | default | meaning |", "| --- | --- | --- | --- |"]
    for name, schema in sorted(keys.items()):
        options = options_of(schema, defs)
        kinds = " or ".join(dict.fromkeys(_kind(option, defs) for option in options))
        default = f"`{_cell(json.dumps(schema['default'], ensure_ascii=False))}`" if "default" in schema else ""
        described = schema.get("description") or next((o["description"] for o in options if o.get("description")), "")
        rows.append(f"| `{name}` | {kinds} | {default} | {_cell(' '.join(described.split()))} |")
    return "\n".join(rows)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _kind(option: Schema, defs: Schema) -> str:
    """Return the type of a value in words."""
    if "enum" in option or "const" in option:
        return ", ".join(f"`{_cell(json.dumps(value))}`" for value in option.get("enum", [option.get("const")]))
    kind = option.get("type", "any value")
    if isinstance(kind, list):
        return " or ".join(kind)
    if kind == "array":
        items = option.get("items")
        inner = options_of(items, defs) if isinstance(items, Mapping) else []
        return "list of " + (" or ".join(dict.fromkeys(_kind(item, defs) for item in inner)) or "values")
    if kind == "object":
        return "mapping"
    bounds = [f"{word} {option[key]:g}" for key, word in BOUNDS.items() if key in option]
    return f"{kind} ({', '.join(bounds)})" if bounds else {"null": "`null`"}.get(kind, kind)


BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
"""Signs of the bounds of numbers."""
