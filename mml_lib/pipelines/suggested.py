"""Pipelines of a suggestion or a search: planned by its definition, written after its step.

A planned pipeline contains the study's own sections and the entry `suggestion` or `search`, which defines it. The
digest of both is the run id. The pipeline file contains the suggested or chosen sections, and the study's own sections
in that entry.
"""

from collections.abc import Mapping
from typing import Any

SUGGESTED_SOURCE = "suggested"
"""Value of `pretrain_task` for networks that start from the source of their suggestion."""

FOLLOWED = ("augmentations", "loss", "optimizer", "lr_scheduler", "sampling", "trainer", "class_weights", "mixing")
"""Sections that a training can take from a suggestion of the same plan, because no earlier step depends on them."""


ENTRIES = ("suggestion", "search")
"""Entries of pipelines whose sections a step of the plan suggests or chooses."""

DONE = ("replaced", "added", "trained_as")
"""Keys of such an entry that are unknown while planning."""


def as_planned(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a pipeline as it was planned, without the sections of its suggestion or search."""
    for name in ENTRIES:
        entry = content.get(name, {})
        if "replaced" in entry:
            planned = {key: value for key, value in content.items() if key not in entry["added"]}
            definition = {key: value for key, value in entry.items() if key not in DONE}
            return {**planned, **entry["replaced"], name: definition}
    return content
