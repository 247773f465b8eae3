"""Pipelines that follow a suggestion or a search: planned by its definition, written once it is made.

A planned pipeline has the study's own sections and the entry `suggestion` or `search`, which defines it; the digest of
both is the run id. The pipeline file has the suggested or chosen sections in their place, and keeps the study's own in
that entry.
"""

from collections.abc import Mapping
from typing import Any

SUGGESTED_SOURCE = "suggested"
"""The `pretrain_task` of networks that start from the source which their suggestion names."""

FOLLOWED = ("augmentations", "loss", "optimizer", "lr_scheduler", "sampling", "trainer", "class_weights", "mixing")
"""Sections that a training takes from a suggestion that is not made yet: no step before it depends on them."""


ENTRIES = ("suggestion", "search")
"""Entries of pipelines whose sections are known only when a step has made or chosen them."""

DONE = ("replaced", "added", "trained_as")
"""Keys of such an entry that are not known while planning."""


def as_planned(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a pipeline as it was planned, without the sections of its suggestion or search."""
    for name in ENTRIES:
        entry = content.get(name, {})
        if "replaced" in entry:
            planned = {key: value for key, value in content.items() if key not in entry["added"]}
            definition = {key: value for key, value in entry.items() if key not in DONE}
            return {**planned, **entry["replaced"], name: definition}
    return content
