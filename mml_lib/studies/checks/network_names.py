"""Checks of the names of networks while planning, by the sources of their packages: importing these imports torch."""

import functools
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
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
        registry: its module and variable with networks by name, once it is imported.
        kind: word for a network of it.
        definition: pattern of a name in the sources.
    """

    name: str
    folder: str
    registry: tuple[str, str]
    kind: str
    definition: str

    @functools.cached_property
    def sources(self) -> str:
        """Sources of all its networks, 4 MB of text; empty if they are no files."""
        spec = find_spec(self.name)
        folders = spec.submodule_search_locations if spec else None
        files = sorted(file for folder in folders or () for file in Path(folder, self.folder).glob("*.py"))
        return "\n".join(file.read_text(encoding="utf-8") for file in files)

    def is_known(self, name: str) -> bool:
        """Return True if a network may have the name: it is registered, or written in the sources."""
        module, variable = self.registry
        if name in getattr(sys.modules.get(module), variable, {}):  # a plugin may have imported the package
            return True
        spellings = (f"def {name}(", f"'{name}'", f'"{name}"')
        return not self.sources or any(spelling in self.sources for spelling in spellings)

    @property
    def names(self) -> list[str]:
        """Names of networks in the sources."""
        return re.findall(self.definition, self.sources, re.MULTILINE)


PACKAGES = {
    "mml_lib.models.network.timm_backbone": NetworkPackage(
        "timm", "models", ("timm.models._registry", "_model_entrypoints"), "network", r"^@register_model\s*def (\w+)\("
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
    """Refuse a backbone whose package has no network of its name; nothing is imported.

    Args:
        arch: target of the backbone with its arguments.
        key: key of the study, for messages.

    Raises:
        MMLError: there is none.
    """
    package, name = PACKAGES.get(arch[TARGET]), arch.get("name")
    if package is None or not isinstance(name, str):
        return
    if name.startswith("tu-"):
        raise MMLError(f"{key}.name: {name} is a network of timm; set {key}: {{preset: timm, name: {name[3:]}}}")
    plain = name.partition(".")[0]  # the tag of its weights follows
    if not package.is_known(plain):
        raise MMLError(f"{key}.name: {package.name} has no {package.kind} '{plain}'{nearest(plain, package.names)}")
