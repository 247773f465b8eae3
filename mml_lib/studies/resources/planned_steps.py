"""Steps of a plan with their outputs and requested resources, from Snakemake's jobs or rules."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from mml_lib.files.manager import MMLFileManager

if TYPE_CHECKING:
    from snakemake.jobs import Job

    from mml_lib.studies.study import Study


@dataclass(frozen=True)
class Step:
    """A step of a plan.

    Args:
        rule: name of its rule.
        benchmark: its benchmark file; None: its rule has none.
        gpus: number of GPUs.
        minutes: time limit; None: its rule has none.
        mem_mb: requested memory in 10⁶ bytes.
        outputs: assignment key and path of each kept output.
        wildcards: wildcards of its rule.
    """

    rule: str
    benchmark: Path | None = None
    gpus: int = 0
    minutes: int | None = None
    mem_mb: int | None = None
    outputs: tuple[tuple[str, str], ...] = field(default=())
    wildcards: Mapping[str, str] = field(default_factory=dict)


def steps_of(study: "Study", jobs: Iterable["Job"]) -> list[Step]:
    """Return MML's steps among Snakemake's jobs, without targets."""
    return [
        Step(
            rule=study.rule_names.of_job(job) or job.rule.name,
            benchmark=Path(str(job.benchmark)) if job.benchmark else None,
            gpus=_whole(job.resources.get("gpu")) or 0,
            minutes=_whole(job.resources.get("runtime")),
            mem_mb=_whole(job.resources.get("mem_mb")),
            outputs=_kept(study.fm, job.rule.output, map(str, job.output)),
            wildcards=dict(job.wildcards.items()),
        )
        for job in study.rule_names.jobs(jobs)
        if not job.is_norun
    ]


def planned_steps(study: "Study", mode: str, rules: Any) -> list[Step]:
    """Return the steps of a mode's plan, with resources from Snakemake's `rules`."""
    scheduler, steps = study.scheduler(mode), []
    for command, wildcards in zip(scheduler.commands, scheduler.params, strict=True):
        rule = getattr(rules, command)
        requests = requests_of(rule.rule, wildcards)
        steps.append(
            Step(
                rule=command,
                benchmark=Path(str(rule.benchmark).format(**wildcards)) if rule.rule.benchmark else None,
                gpus=requests["gpu"] or 0,
                minutes=requests["runtime"],
                mem_mb=requests["mem_mb"],
                outputs=_kept(study.fm, rule.rule.output, [str(output).format(**wildcards) for output in rule.output]),
                wildcards={key: str(value) for key, value in wildcards.items()},
            )
        )
    return steps


def artefacts(study: "Study", rules: Any, key: str, mode: str | None = None, **wildcards: Any) -> list[str]:
    """Return the paths of planned artefacts, for the rules of an outer pipeline.

    Args:
        study: the study.
        rules: Snakemake's `rules` object.
        key: assignment key, `predictions` for example.
        mode: mode of the plan; None: mode of the study.
        wildcards: values that the steps must have, `eval="test"` for example.
    """
    steps = planned_steps(study, mode or study.cfg.mode.id, rules)
    fitting = [step for step in steps if all(step.wildcards.get(name) == str(wildcards[name]) for name in wildcards)]
    return [path for step in fitting for output_key, path in step.outputs if output_key == key]


def _kept(fm: MMLFileManager, declared: Iterable[Any], paths: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Return assignment key and path of the kept outputs of a rule."""
    from snakemake.io import is_flagged, strip_wildcard_constraints

    kept = [
        (fm.key_of(strip_wildcard_constraints(str(pattern))), path)
        for pattern, path in zip(declared, paths, strict=True)
        if not is_flagged(pattern, "temp")
    ]
    return tuple((key, path) for key, path in kept if key is not None)


def requests_of(rule: Any, wildcards: Mapping[str, Any]) -> dict[str, int | None]:
    """Return the resources that a rule requests at its first attempt; None if they depend on its input files."""
    from snakemake.exceptions import WorkflowError

    context = {"attempt": 1, "input": (), "rulename": rule.name, "async_run": rule.workflow.async_run}
    requests: dict[str, int | None] = {}
    for name in ("_cores", "gpu", "runtime", "mem_mb"):
        resource = rule.resources.get(name)
        try:
            requests[name] = resource and _whole(resource.evaluate(SimpleNamespace(**wildcards), **context).value)
        except WorkflowError:  # an expression of a profile, such as `input.size_mb`
            requests[name] = None
        context["threads"] = requests["_cores"] or 1
    return requests


def _whole(value: Any) -> int | None:
    return int(value) if isinstance(value, int | float) else None
