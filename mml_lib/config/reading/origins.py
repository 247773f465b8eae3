"""Origins of the keys of a study: the file and line, or `--config`."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from mml_lib.config.reading.presets import GROUPS, preset_names
from mml_lib.config.reading.study_files import node_of, split_key

KEY = re.compile(r"([a-z_]+(?:\.[^\s:]+)?)(?: \(?\w+\)?)?(?:: | is )(?:([\w.]+): )?")
"""Key at the beginning of an error: `tasks.t.path: …`, `mode (train): eval.0: …`."""

Location = Sequence[str | int]
Source = Path | Mapping[str, Any]
"""Source of a part of a config: a file, or the values of `--config`."""


@dataclass(frozen=True)
class Origin:
    """The place where a key is set.

    Args:
        name: the file, or `--config`.
        line: line in the file, from 1; None if unknown.
        depth: number of parts of the key's path that this place contains.
    """

    name: str
    line: int | None = None
    depth: int = 0

    def mark(self, sentence: str) -> str:
        """Return a message about the key, with its place."""
        return f"{self.name}: {sentence}{f' (line {self.line})' if self.line else ''}"


@dataclass(frozen=True)
class Origins:
    """The sources of a config.

    Args:
        config: the merged config, with the names of presets.
        sources: files of the study and values of `--config`; later ones take precedence.
        folders: folders of presets.
        varied: keys that a sweep or a variant sets, with their own location in the study.
    """

    config: Mapping[str, Any]
    sources: Sequence[Source] = ()
    folders: Sequence[Path] = ()
    varied: Mapping[tuple[str, ...], Location] = field(default_factory=dict)

    def of(self, location: Location) -> Origin:
        """Return the place that sets a key, or most of its path. Of several, it is the one that takes precedence."""
        for key, origin in self.varied.items():
            if tuple(map(str, location[: len(key)])) == key:
                return self._written([*origin, *location[len(key) :]])
        written = self._written(location)
        preset = self._preset_file(location[0]) if location else None
        if preset is not None and written.depth < len(location):
            in_preset = _in_file(preset, location[1:])
            if in_preset.depth and in_preset.depth + 1 > written.depth:
                return in_preset
        return written

    def place(self, sentence: str) -> str:
        """Return a message about a key, with the place that sets the key or one of the keys that the message quotes.

        A message that does not begin with a key, or that already names a place, is unchanged.
        """
        begin = KEY.match(sentence)
        location: list[str | int] = [*split_key(begin[1], self.config)] if begin and self.sources else []
        if begin is None or not location or Path(begin[1]).suffix in (".yaml", ".yml", ".json"):
            return sentence
        varied = self._varied_in(str(location[0]))
        if location[0] not in self.config and not varied:
            return sentence
        if variant_key := self._in_variant(sentence, str(location[0])):
            return self.of(variant_key).mark(sentence)
        location += filter(None, (begin[2] or "").split("."))
        further = [[*location, word] for word in re.findall(r"'([\w.]+)'", sentence)]
        origin = max(map(self.of, [location, *further]), key=lambda origin: origin.depth)
        if not origin.depth and varied:
            origin = self.of(varied)
        return origin.mark(sentence) if origin.depth else sentence

    def _in_variant(self, sentence: str, key: str) -> Location:
        """Return the key of the variant or sweep in brackets at the end of a message, if it sets the section."""
        label = re.search(r"\(([^()]*)\)$", sentence)
        name = label[1].partition(", ")[0] if label else ""
        overlay = (self.config.get("variants") or {}).get(name) or {}
        keys = [variant_key for variant_key in overlay if str(variant_key).partition(".")[0] == key]
        if keys:
            return ["variants", name, keys[0]]
        values = [part.partition("=")[0] for part in label[1].split(", ")] if label else []
        swept = [name for name in values if name in (self.config.get("sweep") or {}) and name.partition(".")[0] == key]
        return ["sweep", swept[0]] if swept else []

    def _varied_in(self, key: str) -> Location:
        """Return the variant or the sweep that sets a key that the study itself does not set; empty without one."""
        sections = {"variants": self.config.get("variants"), "sweep": {"": self.config.get("sweep")}}
        places = [
            [section, *filter(None, [name])]
            for section, overlays in sections.items()
            for name, overlay in (overlays.items() if isinstance(overlays, Mapping) else ())
            if isinstance(overlay, Mapping)
            and any(str(key_of_overlay).partition(".")[0] == key for key_of_overlay in overlay)
        ]
        return places[0][: 2 if len(places) == 1 else 1] if places else []

    def _written(self, location: Location) -> Origin:
        origins = [
            _in_file(source, location) if isinstance(source, Path) else _in_values(source, location)
            for source in self.sources
        ]
        if not origins:
            return Origin("config")
        deepest = max(origin.depth for origin in origins)
        files = [origin for origin in origins if origin.name != "--config"]
        if not deepest:
            return files[-1] if files else origins[-1]
        return [origin for origin in origins if origin.depth == deepest][-1]

    def _preset_file(self, group: str | int) -> Path | None:
        value = self.config.get(group) if group in GROUPS else None
        name = value.get("preset") if isinstance(value, Mapping) else value
        return preset_names(str(group), self.folders).get(str(name)) if name is not None else None


def _in_values(values: Mapping[str, Any], location: Location) -> Origin:
    value: Any = values
    for depth, key in enumerate(location):
        items = dict(enumerate(value)) if isinstance(value, list) else value
        if not isinstance(items, Mapping) or key not in items:
            return Origin("--config", depth=depth)
        value = items[key]
    return Origin("--config", depth=len(location))


def _in_file(path: Path, location: Location) -> Origin:
    node, line = node_of(path), None
    for depth, key in enumerate(location):
        entry = _below(node, key)
        if entry is None:
            return Origin(str(path), line, depth)
        mark, node = entry
        line = mark.line + 1
    return Origin(str(path), line, len(location))


def _below(node: yaml.Node | None, key: str | int) -> tuple[yaml.Mark, yaml.Node] | None:
    if isinstance(node, yaml.SequenceNode) and str(key).isdigit() and int(key) < len(node.value):
        return node.value[int(key)].start_mark, node.value[int(key)]
    for key_node, value in node.value if isinstance(node, yaml.MappingNode) else ():
        if isinstance(key_node, yaml.ScalarNode) and key_node.value == str(key):
            return key_node.start_mark, value
    return None
