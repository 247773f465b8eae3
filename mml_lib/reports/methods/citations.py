"""Citations of the methods of a study. Entries are those of `references.bib`, by their keys."""

import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("references.bib")

TARGETS = {
    "torch.optim.Adam": "kingma2015adam",
    "torch.optim.AdamW": "loshchilov2019adamw",
    "timm.optim.Lamb": "you2020lamb",
    "torch.optim.lr_scheduler.OneCycleLR": "smith2019superconvergence",
    "torch.optim.lr_scheduler.CosineAnnealingLR": "loshchilov2017sgdr",
    "torch.optim.lr_scheduler.CosineAnnealingWarmRestarts": "loshchilov2017sgdr",
    "mml_lib.models.schedules.warmup_cosine": "loshchilov2017sgdr",
    "mml_lib.models.losses.FocalLoss": "lin2017focal",
    "mml_lib.models.losses.CrossEntropyDice": "milletari2016vnet",
    "mml_lib.models.averaging.StochasticWeightAveraging": "izmailov2018swa",
    "segmentation_models_pytorch.decoders.unet.decoder.UnetDecoder": "ronneberger2015unet",
    "segmentation_models_pytorch.decoders.unetplusplus.decoder.UnetPlusPlusDecoder": "zhou2018unetplusplus",
    "segmentation_models_pytorch.decoders.deeplabv3.decoder.DeepLabV3PlusDecoder": "chen2018deeplabv3plus",
}
"""Citation of a class or function by its dotted path."""

FAMILIES = {
    "resnext": "xie2017resnext",
    "resnet": "he2016resnet",
    "densenet": "huang2017densenet",
    "efficientnetv2": "tan2021efficientnetv2",
    "efficientnet": "tan2019efficientnet",
    "convnext": "liu2022convnext",
    "vit_": "dosovitskiy2021vit",
    "swin_": "liu2021swin",
    "mobilenetv3": "howard2019mobilenetv3",
    "regnet": "radosavovic2020regnet",
}
"""Citation of a network by the beginning of its name in timm, the more special ones first."""

SAMPLERS = {"tpe": "bergstra2011tpe", "cmaes": "hansen2001cmaes"}
"""Citation of the sampler of a search."""


@cache
def entries() -> Mapping[str, str]:
    """Return the entries of the bibliography by key."""
    text = FILE.read_text(encoding="utf-8")
    return {match[1]: match[0].strip() for match in re.finditer(r"^@\w+\{(\w+),.*?^\}", text, re.DOTALL | re.MULTILINE)}


def cite(*keys: str | None) -> str:
    """Return citations as Pandoc writes them, with a space before; an empty text without keys."""
    citations = [key for key in keys if key is not None]
    for key in citations:
        assert key in entries(), f"{key} is in the bibliography"
    return f" [{'; '.join(f'@{key}' for key in citations)}]" if citations else ""


def cite_target(section: Mapping[str, Any] | None) -> str:
    """Return the citation of the class or function that a section names."""
    return cite(TARGETS.get((section or {}).get("_target_", "")))


def cite_network(name: str) -> str:
    """Return the citation of a network of timm by its name."""
    own = name.removeprefix("test_")
    return cite(next((key for family, key in FAMILIES.items() if own.startswith(family)), None))


def cited(text: str) -> list[str]:
    """Return the keys that a text cites, in the order of their first citations."""
    keys = re.findall(r"(?<!\\)@(\w+)", text)
    return [key for key in dict.fromkeys(keys) if key in entries()]


def bibliography(keys: Iterable[str]) -> str:
    """Return the entries of keys as a BibTeX file."""
    return "\n".join(f"{entries()[key]}\n" for key in keys)


def reference_line(key: str) -> str:
    """Return an entry as a line of a list: authors, title, where, year."""
    fields = {name: _plain(value) for name, value in re.findall(r"(\w+) = \{(.*?)\}(?:,|\n|$)", entries()[key])}
    where = fields.get("journal") or fields.get("booktitle") or fields.get("publisher") or fields.get("url")
    doi = f", doi:{fields['doi']}" if "doi" in fields else ""
    authors = fields["author"].replace(" and others", " et al.").replace(" and ", "; ")
    return f"{authors}: {fields['title']}. {f'{where}, ' if where else ''}{fields['year']}{doi}"


def _plain(text: str) -> str:
    """Return a field without TeX: accents as letters, no braces."""
    accents = {r"{\"o}": "ö", r"{\'a}": "á", r"{\'e}": "é"}
    for tex, letter in accents.items():
        text = text.replace(tex, letter)
    return text.replace("{", "").replace("}", "").replace("--", "–")
