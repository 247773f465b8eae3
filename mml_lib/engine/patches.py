"""Patches of Snakemake, each with its reason and the condition for its removal.

Those of its scheduler are in `engine/scheduler_patches.py`, those of its groups and of its executor for SLURM in
`engine/cluster`.

`tests/unit/engine/test_patches.py` has a test for each that fails when the installed version no longer needs it. The
default profile imports this module before Snakemake has read anything, so that imports are inside of the functions.
"""

import functools
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from snakemake.dag import DAG
    from snakemake.jobs import Job
    from snakemake.workflow import Workflow


def leave_config_to_mml() -> None:
    """Keep Snakemake from reading config files and `--config`: `engine.command_line` reads them.

    Snakemake reports unreadable files by a traceback or without their names, refuses dotted keys, and reads nested
    values as text. This can go when Snakemake names the file in all its errors,
    and takes `--config trainer.max_epochs=3`.
    """
    import snakemake.cli
    import snakemake.settings.types

    snakemake.cli.parse_config = _nothing
    snakemake.settings.types.load_configfile = _nothing


def _nothing(_: Any) -> dict[str, Any]:
    return {}


def end_interrupted_quietly() -> None:
    """Have Ctrl-C before the first step end Snakemake with one line, and exit status 130 as before.

    Snakemake prints a traceback. This can go when it reports an interruption of its planning itself.
    """
    report = sys.excepthook
    if hasattr(report, "__wrapped__"):
        return

    @functools.wraps(report)
    def report_error(kind: type[BaseException], error: BaseException, traceback: Any) -> None:
        if issubclass(kind, KeyboardInterrupt):
            return print("interrupted", file=sys.stderr)
        return report(kind, error, traceback)

    sys.excepthook = report_error


def uses_own_machine() -> bool:
    """Return True if the command line leaves executor and number of cores to the default profile.

    Steps on a cluster would be limited by `cores` to as many threads as this machine has, and `--jobs` would no longer
    stand for it. This can go when a profile may state cores for local execution only.
    """
    options = ("--executor", "--profile", "--jobs")
    is_chosen = any(argument.partition("=")[0] in options or argument[:2] in ("-e", "-j") for argument in sys.argv[1:])
    return not is_chosen and not os.environ.get("SNAKEMAKE_PROFILE")


def set_job_config(workflow: "Workflow", files: Sequence[Path], values: Sequence[str]) -> None:
    """Set the config files and values of `--config` for the jobs that Snakemake starts.

    Snakemake keeps only the last one of a repeated option. This can go when it keeps all of them.

    Args:
        workflow: Snakemake's workflow object.
        files: config files; empty: unchanged.
        values: entries of `--config`; empty: unchanged.
    """
    if files:
        workflow.config_settings.configfiles = files
    if values:
        workflow.config_settings.config_args = values


def skip_pandas_import() -> None:
    """Keep Snakemake from importing pandas for every plan: a quarter of a second, in each cluster job as well.

    Snakemake imports it for rules with params, to recognize data frames. MML's params have none. This can go when
    Snakemake checks `sys.modules` instead.
    """
    from snakemake.persistence import PersistenceBase

    if hasattr(PersistenceBase, "_serialize_param_builtin"):
        PersistenceBase._serialize_param = property(lambda self: self._serialize_param_builtin)


def cache_signatures() -> None:
    """Cache the signatures of functions of inputs, params and resources: a seventh of the time of a plan.

    Snakemake inspects them again for each job. This can go when it caches them.
    """
    import snakemake.common
    import snakemake.rules

    read = snakemake.common.get_function_params
    if hasattr(read, "__wrapped__"):
        return
    remember = functools.lru_cache(maxsize=4096)(read)

    @functools.wraps(read)
    def get_function_params(function: Callable[..., Any]) -> Any:
        try:
            return remember(function)
        except TypeError:  # a callable without a hash
            return read(function)

    snakemake.common.get_function_params = snakemake.rules.get_function_params = get_function_params


def check_scripts_once() -> None:
    """Have Snakemake read the script of each rule once: a twelfth of the time of a plan.

    It reads the script again for each job. This can go when it reads scripts without wildcards in their paths once.
    """
    from snakemake.dag import ScriptProcessor

    check = ScriptProcessor.process_job
    if hasattr(check, "__wrapped__"):
        return

    @functools.wraps(check)
    def process_job(processor: Any, job: "Job") -> None:
        checked = processor.__dict__.setdefault("_mml_checked", set())
        if job.rule not in checked:
            check(processor, job)
        if "{" not in str(getattr(job.rule, processor.script_type) or ""):
            checked.add(job.rule)

    ScriptProcessor.process_job = process_job


def read_flags_directly() -> None:
    """Have Snakemake read the flags of files from their own attribute.

    It checks each file against an abstract class first, a tenth of the calls of a plan. This can go when it does not.
    """
    import snakemake.io
    from snakemake.io import AnnotatedString, _IOFile

    original = snakemake.io.is_flagged
    if hasattr(original, "__wrapped__"):
        return

    @functools.wraps(original)
    def is_flagged(value: Any, flag: str) -> bool:
        text = value
        while type(text) is _IOFile:
            text = text._file
        if type(text) is str:
            return False
        return bool(text._flags.get(flag) if type(text) is AnnotatedString else original(value, flag))

    for name, module in list(sys.modules.items()):
        if name.startswith("snakemake.") and getattr(module, "is_flagged", None) is original:
            vars(module)["is_flagged"] = is_flagged


def reuse_wildcards() -> None:
    """Have Snakemake pass one object with the wildcards of a job to the functions of its inputs, params and resources.

    It makes nine of them for each job. This can go when it makes one.
    """
    import snakemake.rules

    make = snakemake.rules.Wildcards
    if hasattr(make, "__wrapped__"):
        return
    latest: list[Any] = [None, None]

    @functools.wraps(make, updated=())
    def wildcards_of(fromdict: dict[str, str]) -> Any:
        if fromdict is not latest[0]:
            latest[:] = fromdict, make(fromdict=fromdict)
        return latest[1]

    snakemake.rules.Wildcards = wildcards_of


def share_guards() -> None:
    """Share Snakemake's guards of attribute names between lists of files: a fortieth of the memory of a plan.

    It creates two for each list, and ten lists for each job. This can go when it shares them.
    """
    from snakemake.iocontainers import AttributeGuard

    make = AttributeGuard.__new__
    if hasattr(make, "__wrapped__"):
        return
    guard_of = functools.cache(lambda name: object.__new__(AttributeGuard))

    @functools.wraps(make)
    def guard(cls: type, name: str | None = None) -> Any:
        return guard_of(name) if name else object.__new__(cls)  # without a name: a copy

    AttributeGuard.__new__ = guard


def checksum_inputs_once() -> None:
    """Have Snakemake compute the checksum of an input once for a finished step, not once for each output.

    Each checksum takes seven file operations. This can go when `PersistenceBase.finished` computes them before its
    loop over outputs.
    """
    from snakemake.io import _IOFile
    from snakemake.persistence import PersistenceBase

    finished, checksum = PersistenceBase.finished, _IOFile.checksum
    if hasattr(finished, "__wrapped__"):
        return
    of_step: ContextVar[dict[str, str | None] | None] = ContextVar("of_step", default=None)

    @functools.wraps(finished)
    async def record_finished(persistence: Any, job: "Job") -> None:
        token = of_step.set({})
        try:
            await finished(persistence, job)
        finally:
            of_step.reset(token)

    @functools.wraps(checksum)
    async def checksum_once(file: Any, *arguments: Any, **options: Any) -> str | None:
        checksums = of_step.get()
        if checksums is None:
            return await checksum(file, *arguments, **options)
        if str(file) not in checksums:
            checksums[str(file)] = await checksum(file, *arguments, **options)
        return checksums[str(file)]

    PersistenceBase.finished, _IOFile.checksum = record_finished, checksum_once


def compare_inputs_below(is_same: Callable[[list[str], list[str]], bool]) -> None:
    """Have Snakemake accept the inputs of a finished step after the data root moved, or is written in another way.

    It compares paths as text, and would train all networks again. Each call adds a comparison: an outer pipeline may
    contain several studies. This can go when Snakemake compares the inputs of
    its records by more than their paths.

    Args:
        is_same: returns True if recorded paths, which differ from the paths of a step's inputs, name the same inputs.
    """
    from snakemake.persistence import PersistenceBase

    has_changed = PersistenceBase._input_changed

    @functools.wraps(has_changed)
    def input_changed(persistence: Any, job: "Job", file: Any = None) -> bool:
        return has_changed(persistence, job, file) and not is_same(persistence.input(file), persistence._input(job))

    PersistenceBase._input_changed = input_changed


def start_scripts_warm() -> None:
    """Start scripts in the warm process before their first import, which saves each step half a second.

    Snakemake's preamble of each script imports Snakemake; imports of the library follow. Steps without `warm=True` use
    the warm process only if it is ready. This can go when Snakemake lets workflows extend the preamble.
    """
    from snakemake.script import PythonScript

    generate = PythonScript.generate_preamble
    if hasattr(generate, "__wrapped__"):
        return

    @functools.wraps(generate)
    def preamble(path: Any, cache_path: str | None, source: str, *arguments: Any, **options: Any) -> str:
        lines: str = generate(path, cache_path, source, *arguments, **options)
        wait = "warm=True" in source
        early = f"from mml_lib.machine.warm_start import start_warm;start_warm({wait});import pickle;"
        return lines.replace("import pickle;", early, 1) if "open_step(snakemake" in source else lines

    PythonScript.generate_preamble = staticmethod(preamble)


def run_scripts_directly(run: Callable[[Any, str], int | None]) -> None:
    """Have Snakemake fork the warm process for a step, without a shell and a Python in between.

    These take 0.05 s of processor time, a third of a light step. This can go when a plugin may run scripts.

    Args:
        run: runs a script by its object and path; returns its exit status, None if it cannot run it.
    """
    from subprocess import CalledProcessError

    from snakemake.script import PythonScript
    from snakemake.shell import shell

    execute = PythonScript.execute_script
    if hasattr(execute, "__wrapped__"):
        return

    @functools.wraps(execute)
    def execute_script(script: Any, fname: str, edit: bool = False) -> None:
        is_isolated = script.conda_env or script.container_img or script.env_modules or script.shadow_dir
        has_own_shell = shell._process_prefix or shell._process_suffix or script.resources.get("shell_exec")
        is_step = "open_step(snakemake" in script.source and not (edit or is_isolated or has_own_shell)
        status = run(script, fname) if is_step else None
        if status is None:
            execute(script, fname, edit)
        elif status:
            raise CalledProcessError(status if status > 0 else 128 - status, f"{sys.executable} {fname}")

    PythonScript.execute_script = execute_script


def keep_job_number(number: Callable[[], str | None]) -> None:
    """Have Snakemake keep the id of this cluster job in its records of unfinished outputs.

    The Snakemake that submits a job records it; the one inside of the job overwrites it with None. This can go when it
    keeps the id.

    Args:
        number: returns the id of this job; None outside of a job.
    """
    from snakemake.persistence import PersistenceBase

    started = PersistenceBase.started
    PersistenceBase.started = lambda self, job, external_jobid=None: started(self, job, external_jobid or number())


def start_after(dag: "DAG", job: "Job", predecessors: Iterable["Job"]) -> None:
    """Let a job wait for other jobs without inputs from them.

    An input that is added to a study later would make Snakemake repeat finished jobs. Snakemake counts the jobs that a
    job waits for; this adds to the count. This can go when a rule may name jobs to wait for.

    Args:
        dag: Snakemake's plan, before its first step.
        job: the job.
        predecessors: the jobs that it waits for.
    """
    dag._ready_jobs.discard(job if job.group is None else dag._group[job])
    for predecessor in predecessors:
        dag.depending[predecessor][job] = set()  # none of its files
        dag._n_until_ready[job] += 1


def make_local(workflow: "Workflow", *rules: str) -> None:
    """Declare local rules, also in a module whose `use rule` statement renames them.

    `localrules:` does not apply the new names. This can go when it does.

    Args:
        workflow: Snakemake's workflow object.
        rules: names in the Snakefile.
    """
    workflow.localrules(*map(workflow.modifier.modify_rulename, rules))


def chain_hooks(workflow: "Workflow", module: str | None) -> None:
    """Have Snakemake call the hooks of a module before those of the outer pipeline.

    Snakemake ignores `onstart`, `onsuccess` and `onerror` of modules. This can go when it calls them.

    Args:
        workflow: Snakemake's workflow object, before the module's Snakefile registers its hooks.
        module: name of the module; None without one.
    """
    if module is None:
        return
    if not hasattr(workflow, "_mml_hooks"):
        workflow._mml_hooks = {}
        for event in ("onstart", "onsuccess", "onerror"):
            _chain(workflow, event)
    workflow._mml_hooks[module] = {}


def _chain(workflow: "Workflow", event: str) -> None:
    register = getattr(workflow, event)

    def chained(outer: Callable[[Any], None]) -> Callable[[Any], None]:
        def call(log: Any) -> None:
            for hooks in workflow._mml_hooks.values():
                hooks.get(event, _nothing)(log)
            outer(log)

        return call

    def register_chained(function: Callable[[Any], None]) -> None:
        modifier = workflow.modifier
        hooks = None if modifier.is_main_snakefile() else workflow._mml_hooks.get(modifier.namespace)
        if hooks is None:
            register(chained(function))
        else:
            hooks[event] = function

    setattr(workflow, f"_{event}", chained(getattr(workflow, f"_{event}")))
    setattr(workflow, event, register_chained)
