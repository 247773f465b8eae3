"""Assignment templates: how the path of an artefact is put together, checked once at registration."""

import re
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any

from mml_lib.errors import MMLError, nearest

ROOTS = ("DATA_PATH", "PROJ_PATH", "TEMP_PATH")

TOKENS = {
    "TASK_NAME": ("task", r"[A-Za-z0-9][A-Za-z0-9_.+~-]*"),
    "TASK_ID": ("task_id", r"[0-9a-f]{8}"),
    "DATASET": ("dataset", r"DSET_[A-Za-z0-9_.-]+"),
    "PACK_ID": ("pack", r"[a-z0-9_]+-[0-9a-f]{8}"),
    "SHARD": ("shard", r"\d+of\d+"),
    "DIGEST": ("sha256", r"[0-9a-f]{64}"),
    "RUN": ("run", r"[0-9a-f]{8}"),
    "FOLD": ("fold", r"\d+"),
    "EVAL_TASK": ("eval_task", r"[A-Za-z0-9][A-Za-z0-9_.+~-]*"),
    "EVAL": ("eval", r"val|test|unlabelled"),
    "MODE": ("mode", r"[a-z][a-z0-9_]+"),
    "BACKUP": ("backup", r"\d+"),
    "CURVE": ("curve", r"[A-Za-z0-9][A-Za-z0-9_.+~-]*"),
    "FILE_NAME": ("file_name", r"[A-Za-z0-9][A-Za-z0-9_.+~-]*"),
}
"""Each token with the wildcard that it is in a rule, and what may stand for it."""

ARGUMENTS = {wildcard: token for token, (wildcard, _) in TOKENS.items()} | {"task_name": "TASK_NAME"}

_ALLOWED = dict(TOKENS.values())

# `RUN`, `foldFOLD`: a token, led by lower-case letters or not, bounded by `-`, `.` or the ends of its part.
_TOKEN = re.compile(rf"(?<![^-.])(?P<lead>[a-z]*)(?P<token>{'|'.join(TOKENS)})(?![^-.])")
_SHOUTED = re.compile(r"(?<![A-Za-z_])[a-z]*(?P<word>[A-Z][A-Z_]*[A-Z])(?![A-Za-z_])")


@dataclass(frozen=True)
class AssignmentTemplate:
    """Where the artefacts of one key lie, for instance `PROJ_PATH/MODELS/TASK_NAME/RUN-foldFOLD.json`.

    Args:
        key: name of the kind of artefact.
        path: root, folders and file name, with tokens.
        obj_cls: type of what is stored.
        reusable: whether other projects may read it.
        removable: whether `remove.<key>` may drop it.
        directory: whether the artefact is a folder.
        temp: whether it goes once its consumers are done; all below TEMP_PATH does.
    """

    key: str
    path: str
    obj_cls: type | None = None
    reusable: bool = False
    removable: bool = True
    directory: bool = False
    temp: bool = False

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", self.key):
            raise self._error("a key is a lower-case word")
        parts = self.path.split("/")
        if not parts[0] or parts[0] not in ROOTS:
            raise self._error(f"a template begins with one of {', '.join(ROOTS)}")
        if len(parts) < 2 or any(part in ("", ".", "..") for part in parts):
            raise self._error("a template is a file below its root, without '..' and empty parts")
        if self.reusable and (self.root != "PROJ_PATH" or self.temporary):
            raise self._error("what other projects may reuse lies below PROJ_PATH, and stays there")
        if not re.fullmatch(r"[A-Za-z0-9_.-]+", "".join(parts)):
            raise self._error("a template has letters, digits, '_', '-' and '.' only")
        for part in parts[1:]:
            self._check_tokens(part, last=part is parts[-1])

    def _check_tokens(self, part: str, last: bool) -> None:
        literal = _TOKEN.sub("", part)
        for match in _SHOUTED.finditer(literal):
            word = match["word"]
            # A folder may be named in capitals, but not nearly like a token.
            misspelt = "_" in word and get_close_matches(word, TOKENS, n=1, cutoff=0.8)
            if word in ROOTS or last or misspelt:
                raise self._error(f"unknown token '{word}'{nearest(word, TOKENS)}")
        if sorted(set(self.tokens)) != sorted(self.tokens):
            raise self._error("a token stands in a template once")

    def _error(self, why: str) -> MMLError:
        return MMLError(f"assignment path '{self.key}' ({self.path}): {why}")

    @property
    def root(self) -> str:
        """The root's token."""
        return PurePosixPath(self.path).parts[0]

    @cached_property
    def tokens(self) -> list[str]:
        """The tokens below the root, in order."""
        return [match["token"] for part in self.path.split("/")[1:] for match in _TOKEN.finditer(part)]

    @property
    def temporary(self) -> bool:
        """True if Snakemake always removes the artefact after its last consumer."""
        return self.temp or self.root == "TEMP_PATH"

    @cached_property
    def below(self) -> str:
        """The pattern below the root, with Snakemake wildcards."""
        parts = self.path.split("/")[1:]
        return "/".join(_TOKEN.sub(lambda m: f"{m['lead']}{{{TOKENS[m['token']][0]}}}", part) for part in parts)

    def read(self, path: str) -> dict[str, str] | None:
        """Return the wildcards that a path below the root is filled with; None where it is not of this template."""
        pattern = re.sub(r"\\\{(\w+)\\\}", lambda m: f"(?P<{m[1]}>{_ALLOWED[m[1]]})", re.escape(self.below))
        match = re.fullmatch(pattern, path)
        return match.groupdict() if match else None

    def fill(self, **values: Any) -> str:
        """Return the path below the root, with `values` (wildcard or token arguments) for the tokens.

        Raises:
            MMLError: a value is missing, unknown, or would leave its part of the path.
        """
        by_wildcard = {}
        for argument, value in values.items():
            if argument not in ARGUMENTS:
                raise self._error(f"unknown argument '{argument}'{nearest(argument, ARGUMENTS)}")
            wildcard, allowed = TOKENS[ARGUMENTS[argument]]
            if not re.fullmatch(allowed, str(value)):
                raise self._error(f"'{value}' cannot stand for {ARGUMENTS[argument]}")
            by_wildcard[wildcard] = value
        missing = [token for token in self.tokens if TOKENS[token][0] not in by_wildcard]
        if missing:
            raise self._error(f"{', '.join(missing)} not given")
        return self.below.format(**by_wildcard)
