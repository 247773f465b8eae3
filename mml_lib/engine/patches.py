"""Patches of Snakemake, each with its reason and the condition for its removal.

Those of its groups and of its executor for SLURM are in `engine/cluster`.

`tests/unit/engine/test_patches.py` has a test for each that fails once the installed version needs it no more. The
default profile imports this module before Snakemake reads anything: imports stand within the functions.
"""

import _thread
import functools
import os
import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from snakemake.dag import DAG
    from snakemake.jobs import AbstractJob, Job
    from snakemake.workflow import Workflow


def leave_config_to_mml() -> None:
    """Keep Snakemake from reading config files and `--config`, which `engine.command_line` does.

    Snakemake reads both before the Snakefile. It ends with a traceback or without the file's name where it cannot,
    refuses dotted keys, and reads nested values as text. This can go when Snakemake names the file in all its errors,
    and takes `--config trainer.max_epochs=3`.
    """
    import snakemake.cli
    import snakemake.settings.types

    snakemake.cli.parse_config = _nothing
    snakemake.settings.types.load_configfile = _nothing


def _nothing(_: Any) -> dict[str, Any]:
    return {}


def uses_own_machine() -> bool:
    """Return True if the command line leaves executor and number of cores to the default profile.

    Steps on a cluster would be limited by `cores` to as many threads as this machine has, and `--jobs` would no longer
    stand for it. This can go when a profile may state cores for local execution only.
    """
    others = ("--executor", "--profile", "--jobs")
    named = any(word.partition("=")[0] in others or word[:2] in ("-e", "-j") for word in sys.argv[1:])
    return not named and not os.environ.get("SNAKEMAKE_PROFILE")


def hand_config_on(workflow: "Workflow", files: Sequence[Path], values: Sequence[str]) -> None:
    """Set the config files and values of `--config` for the jobs that Snakemake starts.

    Of an option that is given twice Snakemake keeps the last one only. This can go when each counts.

    Args:
        workflow: Snakemake's workflow object.
        files: config files; empty: as Snakemake has them.
        values: entries of `--config`; empty: as Snakemake has them.
    """
    if files:
        workflow.config_settings.configfiles = files
    if values:
        workflow.config_settings.config_args = values


def keep_pandas_out() -> None:
    """Keep Snakemake from importing pandas for every plan, a quarter of a second that each cluster job pays again.

    It does so wherever pandas is installed and a rule has params, in case one is a data frame; none is here. This can
    go when Snakemake looks at `sys.modules` instead.
    """
    from snakemake.persistence import PersistenceBase

    if hasattr(PersistenceBase, "_serialize_param_builtin"):
        PersistenceBase._serialize_param = property(lambda self: self._serialize_param_builtin)


def remember_signatures() -> None:
    """Have Snakemake read the signature of each function once, a seventh of the time of a plan.

    It reads those of the functions of inputs, params and resources again for each job. This can go when Snakemake
    keeps them.
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
    """Have Snakemake look for the script of each rule once, a twelfth of the time of a plan.

    It reads the script again for each job. This can go when Snakemake looks once where a path has no wildcards.
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

    For each flag of each file, it asks an abstract class whether the file has flags: a tenth of the calls of a plan.
    This can go when it asks no abstract class.
    """
    import snakemake.io
    from snakemake.io import AnnotatedString, _IOFile

    ask = snakemake.io.is_flagged
    if hasattr(ask, "__wrapped__"):
        return

    @functools.wraps(ask)
    def is_flagged(value: Any, flag: str) -> bool:
        text = value
        while type(text) is _IOFile:
            text = text._file
        if type(text) is str:
            return False
        return bool(text._flags.get(flag) if type(text) is AnnotatedString else ask(value, flag))

    for name, module in list(sys.modules.items()):
        if name.startswith("snakemake.") and getattr(module, "is_flagged", None) is ask:
            vars(module)["is_flagged"] = is_flagged


def reuse_wildcards() -> None:
    """Have Snakemake pass one object with the wildcards of a job to the functions of its inputs, params and resources.

    It makes nine of them for each job. This can go when it makes one.
    """
    import snakemake.rules

    make = snakemake.rules.Wildcards
    if hasattr(make, "__wrapped__"):
        return
    last: list[Any] = [None, None]

    @functools.wraps(make, updated=())
    def wildcards_of(fromdict: dict[str, str]) -> Any:
        if fromdict is not last[0]:
            last[:] = fromdict, make(fromdict=fromdict)
        return last[1]

    snakemake.rules.Wildcards = wildcards_of


def share_guards() -> None:
    """Have Snakemake make one guard for each guarded name of its lists of files, a fortieth of the memory of a plan.

    It makes two for each list, of which each job has ten. This can go when it shares them.
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


def end_on_sigterm() -> None:
    """Have Snakemake end at SIGTERM whatever it is doing.

    Its handler takes the lock of its scheduler, which the thread that it interrupts may hold: while jobs are selected,
    Snakemake then waits for itself for ever. A thread of its own takes the lock as soon as it is free. This can go
    when the handler takes no lock.
    """
    from snakemake.scheduling.job_scheduler import JobScheduler

    handler = JobScheduler.exit_gracefully
    if handler.__module__ != __name__:
        JobScheduler.exit_gracefully = lambda self, *_: _thread.start_new_thread(handler, (self,))


def select_in_order(first: Callable[..., Sequence["AbstractJob"]]) -> None:
    """Have the greedy scheduler choose among the few steps that should come next, in their order.

    Before each step, Snakemake looks for the sizes of the inputs of all ready steps, goes through all steps of the
    plan, and compares all ready ones: 0.14 s where 3,335 are ready. This can go when a plugin for schedulers is called
    before that.

    Args:
        first: gives the steps that should come next: out of ready ones, by free resources and the steps that run.
    """
    from snakemake.scheduling.greedy import Scheduler
    from snakemake.scheduling.job_scheduler import JobScheduler

    select, remaining = JobScheduler.job_selector, JobScheduler.remaining_jobs.fget
    if hasattr(select, "__wrapped__"):
        return

    @functools.wraps(select)
    def job_selector(scheduler: Any, jobs: Collection["AbstractJob"]) -> Sequence["AbstractJob"]:
        if not isinstance(scheduler._scheduler, Scheduler):
            return select(scheduler, jobs)
        scheduler._scheduler.settings.omit_prioritize_by_temp_and_input = True
        scheduler._mml_selects = True
        try:
            return select(scheduler, first(jobs, scheduler.resources, scheduler.running))
        finally:
            scheduler._mml_selects = False

    def remaining_jobs(scheduler: Any) -> Sequence["AbstractJob"]:
        return () if getattr(scheduler, "_mml_selects", False) else remaining(scheduler)

    JobScheduler.job_selector = job_selector
    JobScheduler.remaining_jobs = property(remaining_jobs)


def start_warm_first() -> None:
    """Have steps go on in the warm process before they import anything, not when they are opened.

    Snakemake puts lines before each script that import Snakemake, and imports of the library follow: half a second of
    processor time for each step, which the warm process has spent already. Steps without `warm=True` use the process
    only if it is ready. This can go when Snakemake takes lines of others to put there.
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
    """Have Snakemake itself ask for the fork in which a step goes on.

    It starts a shell and a Python for each step, and measures these: 0.05 s of processor time, which are a third of a
    light step. This can go when a plugin may run scripts.

    Args:
        run: runs a script by its object and path; gives its exit status, None if it cannot.
    """
    from subprocess import CalledProcessError

    from snakemake.script import PythonScript
    from snakemake.shell import shell

    execute = PythonScript.execute_script
    if hasattr(execute, "__wrapped__"):
        return

    @functools.wraps(execute)
    def execute_script(script: Any, fname: str, edit: bool = False) -> None:
        elsewhere = script.conda_env or script.container_img or script.env_modules or script.shadow_dir
        own_shell = shell._process_prefix or shell._process_suffix or script.resources.get("shell_exec")
        is_step = "open_step(snakemake" in script.source and not (edit or elsewhere or own_shell)
        status = run(script, fname) if is_step else None
        if status is None:
            execute(script, fname, edit)
        elif status:
            raise CalledProcessError(status if status > 0 else 128 - status, f"{sys.executable} {fname}")

    PythonScript.execute_script = execute_script


def keep_job_number(number: Callable[[], str | None]) -> None:
    """Have Snakemake keep the number of this cluster job among the marks of unfinished outputs.

    The Snakemake that submits a job writes it there; the one inside of the job overwrites it with none. This can go
    when it keeps the number.

    Args:
        number: gives the number of this job; None outside of a job.
    """
    from snakemake.persistence import PersistenceBase

    started = PersistenceBase.started
    PersistenceBase.started = lambda self, job, external_jobid=None: started(self, job, external_jobid or number())


def start_after(dag: "DAG", job: "Job", earlier: Iterable["Job"]) -> None:
    """Let a job start after others whose outputs are none of its inputs.

    Where the others come later into a study, an input would make Snakemake do finished jobs again. It counts for each
    job the jobs that it waits for; the others are added there. This can go when a rule may name jobs to wait for.

    Args:
        dag: Snakemake's plan, before its first step.
        job: the job.
        earlier: the others.
    """
    dag._ready_jobs.discard(job if job.group is None else dag._group[job])
    for other in earlier:
        dag.depending[other][job] = set()  # none of its files
        dag._n_until_ready[job] += 1


def make_local(workflow: "Workflow", *rules: str) -> None:
    """Run rules beside Snakemake, also those of a module, which have the names of its `use rule` statement.

    `localrules:` takes names as they stand. This can go when it takes those of a module for its rules.

    Args:
        workflow: Snakemake's workflow object.
        rules: names in the Snakefile.
    """
    workflow.localrules(*map(workflow.modifier.modify_rulename, rules))


def chain_hooks(workflow: "Workflow", module: str | None) -> None:
    """Have the hooks of a module called before those of the outer pipeline, wherever these stand.

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
