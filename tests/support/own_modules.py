"""Modules of a user's own code, and runs of studies that use them."""

import itertools
from pathlib import Path
from typing import Any

from mml_lib.schedulers.base import AbstractBaseScheduler
from tests.support.planned_studies import FAKE, planned

LOSS = '''
from torch import nn

class Own(nn.Module):
    """A loss."""

    def forward(self, logits, target):
        return nn.functional.cross_entropy(logits, target) * 1.0
'''

NUMBERS = itertools.count()
"""Numbers of modules, so that no two tests import the same one."""


def leave_alone(image: Any, mask: Any) -> tuple[Any, Any]:
    """Return an image and its mask, as a transform that moves nothing."""
    return image, mask


def plan(folder: Path, mode: dict[str, Any] | None = None, **changes: Any) -> AbstractBaseScheduler:
    return planned(mode or {}, folder, **{"tasks": {"mine": FAKE}} | changes)


def run_of(folder: Path, **changes: Any) -> str:
    (run,) = plan(folder, **changes).runs_of("mine")
    return run.id


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
