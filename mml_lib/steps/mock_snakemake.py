"""The object `snakemake` of a script, from the plan of a study: for a debugger, a notebook or a test.

snakemake = mock_snakemake("predict_fold", task="digits", run="b3d559f4", fold=0, eval="test")
runpy.run_path(snakemake.script, {"snakemake": snakemake})
"""

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import mml_lib
from mml_lib.config.reading.scalars import flow_text
from mml_lib.errors import MMLError, nearest

if TYPE_CHECKING:
    from snakemake.iocontainers import Snakemake
    from snakemake.workflow import Workflow

SNAKEFILE = Path(mml_lib.__file__).parents[1] / "Snakefile"


def mock_snakemake(
    rule: str,
    configfile: str | Path | Sequence[str | Path] = (),
    config: Mapping[str, Any] | None = None,
    threads: int = 1,
    snakefile: str | Path = SNAKEFILE,
    **wildcards: Any,
) -> "Snakemake":
    """Return the object `snakemake` that Snakemake passes to the script of a step.

    This function runs, locks and writes nothing. A script that is run with the object writes the outputs of the step,
    and prints its log to the terminal.

    Args:
        rule: name of the rule.
        configfile: files of the study; none: the demo study.
        config: values that take precedence over the files, like those of `--config`.
        threads: number of threads.
        snakefile: path of the Snakefile.
        wildcards: wildcards of the step, for instance `task="digits", run="b3d559f4", fold=0`.

    Returns:
        the object, with the path of the rule's script as `script`.

    Raises:
        MMLError: a mistake in the study, an unknown rule, or wildcards that do not match the rule.
    """
    files = [configfile] if isinstance(configfile, str | Path) else list(configfile)
    # Parsing the Snakefile sets environment variables for steps.
    with mock.patch.dict(os.environ), parsed_workflow(Path(snakefile), files, config or {}) as workflow:
        return step_of(workflow, rule, threads, {key: str(value) for key, value in wildcards.items()})


@contextlib.contextmanager
def parsed_workflow(snakefile: Path, files: Sequence[str | Path], config: Mapping[str, Any]) -> Iterator["Workflow"]:
    """Yield a parsed workflow, as in a process that runs a single step.

    Args:
        snakefile: path of the Snakefile.
        files: files of the study; none: the demo study.
        config: values that take precedence over the files.

    Raises:
        MMLError: a mistake in the study.
    """
    from snakemake.api import SnakemakeApi
    from snakemake.settings.enums import Quietness
    from snakemake.settings.types import (
        ConfigSettings,
        DAGSettings,
        ExecMode,
        OutputSettings,
        ResourceSettings,
        WorkflowSettings,
    )

    settings = ConfigSettings(
        configfiles=[Path(file).absolute() for file in files],
        config_args=[f"{key}={flow_text(value)}" for key, value in config.items()],
    )
    try:
        # The arguments of the calling program are not those of a study.
        with (
            mock.patch.object(sys, "argv", sys.argv[:1]),
            SnakemakeApi(OutputSettings(quiet={Quietness.ALL}, enable_file_logging=False)) as api,
        ):
            workflow = api.workflow(
                resource_settings=ResourceSettings(cores=os.cpu_count()),
                config_settings=settings,
                workflow_settings=WorkflowSettings(exec_mode=ExecMode.SUBPROCESS),
                snakefile=snakefile,
            )._workflow
            workflow.dag_settings = DAGSettings()
            yield workflow
    except SystemExit as error:
        raise MMLError(str(error).removeprefix("error: ")) from error


def step_of(workflow: "Workflow", rule: str, threads: int, wildcards: Mapping[str, str]) -> "Snakemake":
    """Return the object `snakemake` of a step; `mock_snakemake` describes it."""
    from snakemake.dag import DAG
    from snakemake.iocontainers import Snakemake
    from snakemake.jobs import Job

    rules = {declared.name: declared for declared in workflow.rules}
    if rule not in rules:
        raise MMLError(f"there is no rule '{rule}'{nearest(rule, rules)}")
    if problem := _problem(rules[rule].wildcard_names, wildcards):
        raise MMLError(f"rule {rule}: {problem}")
    job = Job(rules[rule], DAG(workflow, rules=[rules[rule]], targetfiles=set()), dict(wildcards))
    files = {"input_": job.input, "output": job.output, "log": type(job.log)()}
    settings = {"params": job.params, "wildcards": job.wildcards, "resources": job.resources}
    step = Snakemake(**files, **settings, threads=threads, config=workflow.config, rulename=rule, bench_iteration=None)
    script = rules[rule].script
    step.script = script and os.path.normpath(rules[rule].basedir.join(script).get_path_or_uri(secret_free=True))
    return step


def _problem(names: set[str], wildcards: Mapping[str, str]) -> str | None:
    """Return the first mistake in the names of wildcards; None without one."""
    for name in wildcards:
        if name not in names:
            return f"it has no wildcard '{name}'{nearest(name, names)}"
    missing = ", ".join(sorted(names - set(wildcards)))
    return f"the wildcards {missing} are missing" if missing else None
