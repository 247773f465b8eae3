"""Transfers of a study: procedures that start from a source, each with the procedure from scratch beside it."""

from collections import Counter
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from mml_lib.pipelines.pipeline import PIPELINE_KEYS

if TYPE_CHECKING:
    from mml_lib.pipelines.variants import Variant
    from mml_lib.studies.questions import Questions

COMPARED_KEYS = {key for key in PIPELINE_KEYS if key != "seed"}
NAMING = ("mode.pretrain_task=", "mode.co_tasks=", "mode.multitask=")
"""Values of a sweep that name a source."""


@dataclass(frozen=True)
class Transfer:
    """A procedure that starts from a source.

    Args:
        source: task whose model networks start from, or the tasks that are learned beside.
        setting: other values of the procedure; empty if it is the only one of the source.
        procedure: its name.
        scratch: name of the procedure without a source that differs least.
    """

    source: str
    setting: str
    procedure: str
    scratch: str

    def as_params(self) -> dict[str, str]:
        """Return the transfer as params of a rule."""
        return asdict(self)


class Transfers:
    """The transfers of a mode, if its variants have sources and train from scratch too.

    Args:
        questions: procedures of the mode, by name.
    """

    def __init__(self, questions: "Questions"):
        self.questions = questions
        self.scheduler = questions.scheduler

    @cached_property
    def all(self) -> list[Transfer]:
        """All transfers, each procedure once."""
        by_parts = {variant.parts: variant for variant in reversed(self.scheduler.variants)}
        variants = list(reversed(by_parts.values()))
        scratch = [variant for variant in variants if self._source(variant) is None]
        sources = {variant.parts: source for variant in variants if (source := self._source(variant))}
        if not scratch or not sources:
            return []
        named = bool(self.scheduler.study.cfg.variants)
        rests = {variant.parts: _rest(variant, named) for variant in variants}
        counts = Counter((source, rests[parts]) for parts, source in sources.items())
        transfers = []
        for variant in variants:
            if source := sources.get(variant.parts):
                rest = rests[variant.parts]
                setting = rest if counts[source, rest] == 1 else (*variant.parts[:1], *rest)
                nearest = min(scratch, key=lambda other: _differences(variant, other))
                names = (self.questions.name_of(variant), self.questions.name_of(nearest))
                transfers.append(Transfer(source, ", ".join(setting), *names))
        return list(dict.fromkeys(transfers))

    @property
    def metrics(self) -> list[str]:
        """The metrics by which transfers are compared: all named ones of the tasks."""
        study, tasks = self.scheduler.study, self.scheduler.task_names
        named = [metric for task in tasks for metric in study.cfg.named_metrics_of(study.task(task).task_type)]
        return list(dict.fromkeys(named)) if self.all else []

    @property
    def refusal(self) -> str | None:
        """The reason why sources that variants differ in are compared with nothing; None if they are compared."""
        sources = {source for variant in self.scheduler.variants if (source := self._source(variant))}
        if len(sources) < 2 or self.all:
            return None
        key = "mode.pretrain_task" if self.scheduler.pretrain_tasks else "mode.co_tasks"
        return f"  no gains over training from scratch: no variant does without a source; add none to {key}"

    def _source(self, variant: "Variant") -> str | None:
        options = self.scheduler.options_of(variant.study)
        if self.scheduler.pretrain_tasks:
            source: str | None = options.source
            return source
        return _co_tasks(options.co_tasks) if options.learns_co_tasks else None


def _co_tasks(co_tasks: list[str] | int | None) -> str:
    if isinstance(co_tasks, list):
        return " + ".join(co_tasks)
    return "all others" if co_tasks is None else f"{co_tasks} drawn"


def _rest(variant: "Variant", named: bool) -> tuple[str, ...]:
    """Return the values of the sweep, without the seed, that name no source."""
    return tuple(part for part in variant.parts[1 if named else 0 :] if not part.startswith(NAMING))


def _differences(first: "Variant", second: "Variant") -> tuple[int, int]:
    """Return the number of sections of the pipeline, and of values of the sweep, in which variants differ."""
    parts = [{part for part in variant.parts if not part.startswith(NAMING)} for variant in (first, second)]
    contents: list[dict[str, Any]] = [
        variant.study.model_dump(mode="json", include=COMPARED_KEYS) for variant in (first, second)
    ]
    sections = sum(contents[0][key] != contents[1][key] for key in COMPARED_KEYS)
    return sections, len(parts[0] ^ parts[1])
