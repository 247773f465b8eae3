"""Study files in YAML whose unquoted scalars keep their text.

In YAML, the spelling of a scalar decides its type: `54e21430` is a number, `no` a boolean, `2024-01-05` a date. In a
study, the schema decides: if it expects text, the value is the text that the user wrote. Numbers therefore keep their
spelling here. As in YAML 1.2, `1e-3` is a number, and dates and times of day are text.
"""

import math
import re
from collections.abc import Mapping
from typing import Any, ClassVar

import yaml

NO_VALUE = re.compile(r"~|null|Null|NULL|")
SWITCH = re.compile(r"true|True|TRUE|false|False|FALSE")
WORD = re.compile(r"yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF")
INTEGER = re.compile(r"[-+]?(0b[01_]+|0o[0-7_]+|0x[0-9a-fA-F_]+|[0-9][0-9_]*)")
FLOAT = re.compile(
    r"[-+]?(\.[0-9][0-9_]*|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)
TAG = "tag:yaml.org,2002:"


class IntText(int):
    """An integer in another spelling than Python's: `007`, `0x1F`, `1_000`."""

    text: str


class FloatText(float):
    """A number in another spelling than Python's: `1e-3`, `.5`, `54e21430`."""

    text: str


class Word(str):
    """An unquoted `yes`, `no`, `on` or `off`: a switch, or text if the schema expects text."""

    @property
    def switch(self) -> bool:
        """True for `yes` and `on`."""
        return self.lower() in ("yes", "on")


def integer(text: str) -> int:
    """Return an integer that keeps its spelling."""
    digits = text.replace("_", "").lower()
    base = 0 if re.match("[-+]?0[box]", digits) else 10  # 0: by the prefix
    return _spelled(IntText, int(digits, base), text)


def real(text: str) -> float:
    """Return a floating-point number that keeps its spelling."""
    return _spelled(FloatText, float(re.sub(r"[_]|\.(?=[in])", "", text.lower())), text)


def _spelled(kind: type, number: Any, text: str) -> Any:
    if repr(number) == text:
        return number
    spelled = kind(number)
    spelled.text = text
    return spelled


def text_of(value: Any) -> str | None:
    """Return the spelling of a scalar; None for null, a list or a mapping.

    Raises:
        ValueError: the value is `true` or `false`, whose spelling is unknown.
    """
    if isinstance(value, bool):
        raise ValueError(f"{str(value).lower()} is not text; put it in quotes: '{str(value).lower()}'")
    if isinstance(value, str):
        return str(value)
    return getattr(value, "text", repr(value)) if isinstance(value, int | float) else None


def plain(value: Any) -> Any:
    """Return a value with plain numbers and switches, without their spelling, at every depth."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, Word):
        return value.switch
    if isinstance(value, IntText | FloatText):
        return int(value) if isinstance(value, int) else float(value)
    return value


def flow_text(value: Any) -> str:
    """Return a value as one line of YAML that reads as the same value with the same spelling."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{flow_text(str(key))}: {flow_text(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(flow_text, value))}]"
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    if isinstance(value, IntText | FloatText):
        return value.text
    if isinstance(value, float) and not math.isfinite(value):
        return ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"
    if isinstance(value, Word | int | float):
        return str(value)
    return "'" + str(value).replace("'", "''") + "'" if "\n" not in str(value) else _double_quoted(str(value))


def _double_quoted(text: str) -> str:
    return yaml.dump(text, default_style='"', allow_unicode=True, width=math.inf).strip()


class StudyLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # PyYAML may lack libyaml
    """Loads study files: keys are text, and scalars keep their spelling."""

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}
    yaml_constructors: ClassVar[dict[str | None, Any]] = dict(yaml.SafeLoader.yaml_constructors)

    def construct_mapping(self, node: yaml.Node, deep: bool = False) -> dict[str, Any]:
        self.flatten_mapping(node)
        mapping = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(
                    "", None, "a key has to be a word, not a list or a mapping", key.start_mark
                )
            mapping[key.value] = self.construct_object(value, deep=deep)
        return mapping


for _tag, _pattern, _first in (
    ("merge", re.compile("<<"), ["<"]),
    ("null", NO_VALUE, ["~", "n", "N", ""]),
    ("bool", SWITCH, list("tTfF")),
    ("word", WORD, list("yYnNoO")),
    ("int", INTEGER, list("-+0123456789")),
    ("float", FLOAT, list("-+.0123456789")),
):
    StudyLoader.add_implicit_resolver(TAG + _tag, re.compile(rf"(?:{_pattern.pattern})\Z"), _first)
StudyLoader.add_constructor(TAG + "word", lambda loader, node: Word(node.value))
StudyLoader.add_constructor(TAG + "int", lambda loader, node: integer(node.value))
StudyLoader.add_constructor(TAG + "float", lambda loader, node: real(node.value))


class ValueLoader(StudyLoader):
    """Loads values of `--config`. Snakemake documents Python's notation for them too: `None` is null."""


ValueLoader.add_implicit_resolver(TAG + "null", re.compile(r"None\Z"), ["N"])


def config_of(text: str) -> dict[str, Any]:
    """Return the config in a text of `flow_text`."""
    return StudyLoader(text).get_single_data()


class StudyDumper(yaml.SafeDumper):
    """Writes study files: scalars of `StudyLoader` in their spelling, other texts in quotes."""

    yaml_implicit_resolvers = StudyLoader.yaml_implicit_resolvers


StudyDumper.add_representer(Word, lambda dumper, word: dumper.represent_scalar(TAG + "word", str(word)))
StudyDumper.add_representer(IntText, lambda dumper, number: dumper.represent_scalar(TAG + "int", number.text))
StudyDumper.add_representer(FloatText, lambda dumper, number: dumper.represent_scalar(TAG + "float", number.text))


def study_text(config: Mapping[str, Any]) -> str:
    """Return a config as the text of a study file."""
    return yaml.dump(config, Dumper=StudyDumper, sort_keys=False, allow_unicode=True)
