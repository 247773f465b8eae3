"""Checks of the names of networks while planning, by the sources of their packages: importing these imports torch."""

import functools
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import takewhile
from pathlib import Path
from typing import Any

from mml_lib.config.factories import TARGET
from mml_lib.errors import MMLError, nearest


@dataclass(frozen=True)
class NetworkPackage:
    """A package of networks.

    Args:
        name: name of the package.
        folder: its folder with the sources of networks.
        registry: module and variable with networks by name, available after import.
        kind: word for a network of it.
        definition: pattern of a name in the sources.
        tags: module and variable with weights by `name.tag`, available after import; None: names have no tags.
    """

    name: str
    folder: str
    registry: tuple[str, str]
    kind: str
    definition: str
    tags: tuple[str, str] | None = None

    @functools.cached_property
    def files(self) -> dict[str, Path]:
        """Files with its networks by their names; empty if its sources are no files."""
        spec = find_spec(self.name)
        folders = spec.submodule_search_locations if spec else None
        return {file.stem: file for folder in folders or () for file in sorted(Path(folder, self.folder).glob("*.py"))}

    @functools.cached_property
    def _sizes(self) -> dict[str, int]:
        return {stem: file.stat().st_size for stem, file in self.files.items()}

    def sources(self, name: str) -> Iterator[str]:
        """Yield the sources of its networks: those of the family of a network first, then the largest ones.

        A planning job of a known network reads one or a few of its more than 100 files.
        """
        for stem in sorted(self.files, key=lambda stem: (-_common(stem, name), -self._sizes[stem])):
            yield _source(self.files[stem])

    def is_known(self, name: str) -> bool:
        """Return True if a network may have the name: it is registered, or written in the sources."""
        return name in self._registered(self.registry) or self._is_written(name)

    @functools.cache  # noqa: B019  (packages live as long as the process)
    def _is_written(self, name: str) -> bool:
        spellings = (f"def {name}(", f"'{name}'", f'"{name}"')
        return not self.files or any(spelling in source for source in self.sources(name) for spelling in spellings)

    def has_weights(self, name: str, tag: str) -> bool:
        """Return True if a network may have weights of a tag: they are registered, or written in the sources.

        Networks of a plugin alone have any tag.
        """
        full = f"{name}.{tag}"
        if not self.tags or not self.files or full in self._registered(self.tags):
            return True
        spellings = tuple(quote + text + quote for text in (full, tag) for quote in "'\"")
        written = any(spelling in source for source in self.sources(name) for spelling in spellings)
        return written or not any(f"def {name}(" in source for source in self.sources(name))

    def tags_of(self, name: str) -> list[str]:
        """Return the tags of weights of a network in the sources."""
        pattern = re.compile(rf"""['"]{re.escape(name)}\.([\w-]+)['"]""")
        return sorted({tag for source in self.sources(name) for tag in pattern.findall(source)})

    @staticmethod
    def _registered(place: tuple[str, str]) -> Mapping[str, Any]:
        """Return a mapping of the package; empty until a plugin imports it."""
        module, variable = place
        return getattr(sys.modules.get(module), variable, {})

    @property
    def names(self) -> list[str]:
        """Names of networks in the sources."""
        return [name for source in self.sources("") for name in re.findall(self.definition, source, re.MULTILINE)]


@functools.cache
def _source(file: Path) -> str:
    return file.read_text(encoding="utf-8")


def _common(stem: str, name: str) -> int:
    """Return the length of the common start of a file's and a network's name; 0 if it is shorter than 3."""
    pairs = zip(stem.replace("_", ""), name.replace("_", "").replace("-", ""), strict=False)
    length = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    return length if length > 2 else 0


PACKAGES = {
    "mml_lib.models.network.timm_backbone": NetworkPackage(
        "timm",
        "models",
        ("timm.models._registry", "_model_entrypoints"),
        "network",
        r"^@register_model\s*def (\w+)\(",
        ("timm.models._registry", "_model_pretrained_cfgs"),
    ),
    "mml_lib.models.encoders.smp_encoder": NetworkPackage(
        "segmentation_models_pytorch",
        "encoders",
        ("segmentation_models_pytorch.encoders", "encoders"),
        "encoder",
        r'^    "([\w-]+)": {',
    ),
}
"""Packages by the target of a backbone."""


def check_network_name(arch: Mapping[str, Any], key: str = "arch") -> None:
    """Refuse a backbone whose name is unknown in its package, without imports.

    Args:
        arch: target of the backbone with its arguments.
        key: key of the study, for messages.

    Raises:
        MMLError: the network or the weights of its tag do not exist.
    """
    package, name = PACKAGES.get(arch[TARGET]), arch.get("name")
    if package is None or not isinstance(name, str):
        return
    if name.startswith("tu-"):
        raise MMLError(f"{key}.name: {name} is a network of timm; set {key}: {{preset: timm, name: {name[3:]}}}")
    plain, _, tag = name.partition(".")
    if not package.is_known(plain):
        raise MMLError(f"{key}.name: {package.name} has no {package.kind} '{plain}'{nearest(plain, package.names)}")
    if tag and not package.has_weights(plain, tag):
        tags = nearest(tag, package.tags_of(plain))
        raise MMLError(f"{key}.name: {package.name} has no weights '{tag}' of the {package.kind} {plain}{tags}")
