"""Patches of Snakemake and of its executor for SLURM: a test here fails once a patch is needed no more.

That hooks of modules are ignored is tested in `test_outer_pipeline.py`.
"""

import asyncio
import hashlib
import inspect
import os
import pickle
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest
import snakemake.common
import snakemake.io
import snakemake.rules
from snakemake.api import Workflow
from snakemake.cli import get_argument_parser, parse_config
from snakemake.common import get_input_function_aux_params
from snakemake.common.configfile import load_configfile
from snakemake.dag import DAG, ScriptProcessor
from snakemake.io import IOFile, _IOFile, ancient, pipe, temp
from snakemake.iocontainers import AttributeGuard, InputFiles, Namedlist
from snakemake.persistence import PersistenceBase
from snakemake.persistence.file import FilePersistence
from snakemake.script import PythonScript
from snakemake_interface_executor_plugins.settings import ExecMode

from mml_lib.engine import patches
from tests.support.places import REPOSITORY

ORIGINAL_PREAMBLE = inspect.unwrap(PythonScript.generate_preamble)


def test_patches_are_cheap_to_import():
    code = "import sys, mml_lib.engine.patches; print([name for name in ('snakemake', 'yaml') if name in sys.modules])"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True, cwd=REPOSITORY)
    assert process.stdout.strip() == "[]"


def test_snakemake_still_refuses_dotted_keys_and_reads_nested_values_as_text():
    with pytest.raises(ValueError, match="valid identifier"):
        parse_config(["trainer.max_epochs=3"])
    assert parse_config(["trainer={max_epochs: 3}"]) == {"trainer": {"max_epochs": "3"}}
    with pytest.raises(IsADirectoryError):
        load_configfile(REPOSITORY)


def test_snakemake_still_keeps_the_last_occurrence_of_an_option_only():
    arguments = get_argument_parser().parse_args(["--configfile", "a.yaml", "--configfile", "b.yaml"])
    assert list(map(str, arguments.configfile)) == ["b.yaml"]


def test_snakemake_still_imports_pandas_for_params():
    # Of the module's file: other tests of this process may have patched the class.
    source = Path(inspect.getsourcefile(PersistenceBase)).read_text()
    assert "import pandas" in inspect.getsource(PersistenceBase._serialize_param_pandas)
    assert "find_spec" in source[source.index("def _serialize_param(") :][:600]


def test_params_are_serialized_without_pandas(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(PersistenceBase, "_serialize_param", PersistenceBase._serialize_param)
    patches.skip_pandas_import()
    persistence = SimpleNamespace(_serialize_param_builtin="the plain one")
    assert PersistenceBase._serialize_param.fget(persistence) == "the plain one"


def test_snakemake_still_reads_the_signature_of_a_function_for_each_job(monkeypatch: pytest.MonkeyPatch):
    original = inspect.unwrap(snakemake.common.get_function_params)
    for module in (snakemake.common, snakemake.rules):
        monkeypatch.setattr(module, "get_function_params", original)
    read: list[Any] = []
    signature = inspect.signature
    monkeypatch.setattr(inspect, "signature", lambda function: read.append(function) or signature(function))
    arguments = {"output": "a", "input": "b"}
    for _ in range(2):
        assert get_input_function_aux_params(lambda_of_output, arguments) == {"output": "a"}
    assert len(read) == 2
    patches.cache_signatures()
    for _ in range(2):
        assert get_input_function_aux_params(lambda_of_output, arguments) == {"output": "a"}
    assert len(read) == 3
    assert list(snakemake.rules.get_function_params(lambda_of_output)) == ["wildcards", "output"]
    assert list(snakemake.common.get_function_params(WithoutHash())) == ["wildcards"]


def lambda_of_output(wildcards: Any, output: Any) -> str:
    return f"{wildcards}{output}"


class WithoutHash:
    __hash__ = None

    def __call__(self, wildcards: Any) -> None:
        """Take wildcards only."""


@pytest.mark.parametrize(("path", "times"), [("step.py", 1), ("{wildcards.task}.py", 2)])
def test_snakemake_still_reads_the_script_of_a_rule_for_each_job(
    monkeypatch: pytest.MonkeyPatch, path: str, times: int
):
    read: list[Any] = []
    monkeypatch.setattr("snakemake.script.get_source", lambda entry, *_: read.append(entry) or (entry, *"abcd"))
    monkeypatch.setattr(ScriptProcessor, "process_job", inspect.unwrap(ScriptProcessor.process_job))
    rule = MagicMock(script=path)

    def reads_of_two_jobs() -> int:
        read.clear()
        processor = ScriptProcessor(MagicMock())
        for _ in range(2):
            processor.process_job(MagicMock(is_script=True, rule=rule))
        return len(read)

    assert reads_of_two_jobs() == 2
    patches.check_scripts_once()
    assert reads_of_two_jobs() == times


def test_snakemake_still_asks_an_abstract_class_for_each_flag(monkeypatch: pytest.MonkeyPatch):
    original = inspect.unwrap(snakemake.io.is_flagged)
    assert "isinstance(value, AnnotatedStringInterface)" in inspect.getsource(original)
    for name, module in list(sys.modules.items()):
        if name.startswith("snakemake.") and hasattr(module, "is_flagged"):
            monkeypatch.setattr(module, "is_flagged", original)
    files = ["a", ancient("b"), temp("c"), pipe("d"), lambda wildcards: "e", ancient(lambda wildcards: "f"), 7, None]
    files += [IOFile(file, None) for file in files[:6]]
    before = [[original(file, flag) for flag in ("ancient", "temp", "pipe")] for file in files]
    patches.read_flags_directly()
    assert sys.modules[DAG.__module__].is_flagged is snakemake.io.is_flagged is not original
    assert [[snakemake.io.is_flagged(file, flag) for flag in ("ancient", "temp", "pipe")] for file in files] == before
    assert sum(map(sum, before)) == 8


def test_snakemake_still_makes_an_object_of_wildcards_for_each_function(monkeypatch: pytest.MonkeyPatch):
    original = inspect.unwrap(snakemake.rules.Wildcards)
    monkeypatch.setattr(snakemake.rules, "Wildcards", original)
    received: list[Any] = []

    def functions_of_two_jobs() -> int:
        received.clear()
        rule = SimpleNamespace()
        for job in ({"run": "a"}, {"run": "b"}):
            for _ in range(3):
                snakemake.rules.Rule.apply_input_function(rule, lambda wildcards: received.append(wildcards), job)
        assert [wildcards.run for wildcards in received] == ["a"] * 3 + ["b"] * 3
        return len(set(map(id, received)))

    assert functions_of_two_jobs() == 6
    patches.reuse_wildcards()
    assert functions_of_two_jobs() == 2


def test_snakemake_still_makes_guards_for_each_list():
    assert "__new__" not in inspect.getsource(AttributeGuard)
    patches.share_guards()  # stays, as Python does not give a class its first constructor back
    files = InputFiles(fromdict={"sort": "a"})
    assert InputFiles().sort is InputFiles().sort is not InputFiles().index
    assert files.sort == pickle.loads(pickle.dumps(files)).sort == "a"
    with pytest.raises(AttributeError, match=r"index\(\) cannot be used"):
        files.index()


def preamble(script: str) -> list[str]:
    """Return the statements that Snakemake puts before a script."""
    path = MagicMock()
    path.get_basedir().get_path_or_uri.return_value = "/scripts"
    named = ("input_", "output", "params", "wildcards", "resources", "log")
    others = dict.fromkeys(list(inspect.signature(ORIGINAL_PREAMBLE).parameters)[3:-1])
    return PythonScript.generate_preamble(path, None, script, **others | {name: Namedlist() for name in named}).split(
        ";"
    )


def test_steps_still_import_snakemake_before_their_first_line(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(PythonScript, "generate_preamble", staticmethod(ORIGINAL_PREAMBLE))
    heavy, light, foreign = "step = open_step(snakemake, warm=True)", "step = open_step(snakemake)", "print(1)"
    assert "import pickle" in preamble(heavy)
    assert "start_warm" not in " ".join(preamble(heavy))
    patches.start_scripts_warm()
    patches.start_scripts_warm()
    for source, wait in ((heavy, True), (light, False)):
        statements = preamble(source)
        assert statements.count(f"start_warm({wait})") == 1
        assert statements.index(f"start_warm({wait})") < statements.index("import pickle")
    assert "start_warm" not in " ".join(preamble(foreign))


STEP = "step = open_step(snakemake)"


def executed(run: list[str], source: str = STEP, **options: Any) -> None:
    """Execute a script whose shell notes itself."""
    plain = {"conda_env": None, "container_img": None, "env_modules": None, "shadow_dir": None, "resources": {}}
    script = SimpleNamespace(source=source, _execute_cmd=lambda *_, **__: run.append("shell"), **plain | options)
    PythonScript.execute_script(script, "step.py")


def test_snakemake_still_starts_a_shell_for_each_script(monkeypatch: pytest.MonkeyPatch):
    run: list[str] = []
    executed(run)
    assert run == ["shell"]
    monkeypatch.setattr(PythonScript, "execute_script", PythonScript.execute_script)
    statuses: list[int | None] = [0, None, 3, -9]
    patches.run_scripts_directly(lambda script, path: run.append(path) or statuses.pop(0))
    executed(run)
    executed(run)
    assert run[1:] == ["step.py", "step.py", "shell"]
    for status in (3, 137):
        with pytest.raises(subprocess.CalledProcessError) as failed:
            executed(run)
        assert failed.value.returncode == status


@pytest.mark.parametrize(
    "options", [{"source": "print(1)"}, {"shadow_dir": "aside"}, {"resources": {"shell_exec": "zsh"}}], ids=str
)
def test_scripts_that_need_their_own_shell_get_one(options: dict[str, Any], monkeypatch: pytest.MonkeyPatch):
    run: list[str] = []
    monkeypatch.setattr(PythonScript, "execute_script", PythonScript.execute_script)
    patches.run_scripts_directly(lambda script, path: run.append(path))
    executed(run, **options)
    assert run == ["shell"]


def marks(number: str | None) -> list[Any]:
    """Return the job numbers that Snakemake notes when a job with one output starts."""
    noted: list[Any] = []
    persistence = SimpleNamespace(
        _clear_cache=lambda: None, _get_key=str, _mark_incomplete=lambda key, number: noted.append(number)
    )
    PersistenceBase.started(persistence, SimpleNamespace(output=["a.txt"]), number)
    return noted


def test_snakemake_within_a_cluster_job_still_drops_its_number(monkeypatch: pytest.MonkeyPatch):
    assert marks(None) == [None]
    monkeypatch.setattr(PersistenceBase, "started", PersistenceBase.started)
    patches.keep_job_number(lambda: "17")
    assert marks(None) == ["17"]
    assert marks("18") == ["18"]


def test_snakemake_counts_the_jobs_that_a_job_waits_for():
    source = inspect.getsource(DAG)
    assert all(name in source for name in ("self._ready_jobs", "self._n_until_ready", "self.depending"))
    early, late = MagicMock(), MagicMock(group=None)
    plan = SimpleNamespace(depending=defaultdict(dict), _n_until_ready=Counter(), _ready_jobs={late})
    patches.start_after(plan, late, [early])
    assert (plan._ready_jobs, plan._n_until_ready, plan.depending) == (set(), {late: 1}, {early: {late: set()}})


def test_localrules_still_keep_their_names_in_a_module():
    rules: set[str] = set()
    modifier = SimpleNamespace(modify_rulename=lambda name: f"mml_{name}")
    workflow: Any = SimpleNamespace(_localrules=rules, modifier=modifier)
    workflow.localrules = lambda *names: Workflow.localrules(workflow, *names)
    workflow.localrules("test_fold")
    patches.make_local(workflow, "create_task")
    assert rules == {"test_fold", "mml_create_task"}


@pytest.mark.parametrize(
    ("line", "profile", "own"),
    [
        ("", "", True),
        ("train --configfile study.yaml", "", True),
        ("-j 4", "", False),
        ("-j4", "", False),
        ("--jobs=4", "", False),
        ("--executor slurm", "", False),
        ("--profile slurm", "", False),
        ("", "slurm", False),
    ],
)
def test_only_a_workstation_gets_all_cores_by_default(
    monkeypatch: pytest.MonkeyPatch, line: str, profile: str, own: bool
):
    monkeypatch.setattr(sys, "argv", ["snakemake", *line.split()])
    monkeypatch.setenv("SNAKEMAKE_PROFILE", profile)
    assert patches.uses_own_machine() == own


def test_snakemake_still_computes_a_checksum_of_each_input_for_each_output(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    original = inspect.unwrap(_IOFile.checksum)
    computed: list[str] = []

    async def checksum(file: Any, *arguments: Any, **options: Any) -> str | None:
        computed.append(str(file))
        return await original(file, *arguments, **options)

    monkeypatch.setattr(_IOFile, "checksum", checksum)
    monkeypatch.setattr(PersistenceBase, "finished", inspect.unwrap(PersistenceBase.finished))
    persistence = FilePersistence(path=tmp_path / "records", dag=MagicMock())
    persistence.dag.workflow.exec_mode = ExecMode.DEFAULT
    persistence.max_checksum_file_size = 1000
    rule = MagicMock(shellcmd="")
    rule.name = "step"
    rule.workflow.iocache.active = False  # as in a run
    rule.pathvars.apply.side_effect = str
    source, *outputs = [IOFile(str(tmp_path / name), rule) for name in ("input", "one", "two")]
    for file in (source, *outputs):
        Path(file).write_text(Path(file).name)
    absent = dict.fromkeys(("shellcmd", "conda_env", "container_img_url", "env_modules"))
    job = MagicMock(input=[source], output=outputs, log=[], non_derived_params=[], rule=rule, **absent)

    def finish_step() -> tuple[int, list[Any]]:
        computed.clear()
        asyncio.run(persistence.finished(job))
        persistence.deactivate_cache()
        return len(computed), [persistence.metadata(output).input_checksums for output in outputs]

    recorded = [{str(source): f"sha256:{hashlib.sha256(b'input').hexdigest()}"}] * 2
    assert finish_step() == (2, recorded)
    patches.checksum_inputs_once()
    assert finish_step() == (1, recorded)


def test_snakemake_still_compares_the_inputs_of_its_records_as_text(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(PersistenceBase, "_input_changed", inspect.unwrap(PersistenceBase._input_changed))
    persistence = MagicMock(record_format_version=lambda file: 6, input=lambda file: ["data/a"])
    compared: list[tuple[list[str], list[str]]] = []

    def is_same(recorded: list[str], inputs: list[str]) -> bool:
        compared.append((recorded, inputs))
        return inputs == ["/data/a"]

    def changes() -> list[bool]:
        answers = []
        for inputs in (["data/a"], ["/data/a"], ["data/b"]):
            persistence._input.return_value = inputs
            answers.append(PersistenceBase._input_changed(persistence, MagicMock(), "output"))
        return answers

    assert changes() == [False, True, True]
    patches.compare_inputs_below(is_same)
    patches.compare_inputs_below(lambda recorded, inputs: False)  # of another study in the same outer pipeline
    assert changes() == [False, False, True]
    assert compared == [(["data/a"], ["/data/a"]), (["data/a"], ["data/b"])]


INTERRUPTED_PLAN = """
import sys
import snakemake.cli
from mml_lib.engine import patches

def plan(*_):
    raise KeyboardInterrupt

snakemake.cli.args_to_api = plan
for _ in range(int(sys.argv.pop(1))):
    patches.end_interrupted_quietly()
snakemake.cli.main(["--cores", "1", "--profile", "none"])
"""


def test_snakemake_still_prints_a_traceback_of_an_interrupted_plan(tmp_path: Path):
    def end(calls: int) -> tuple[int, list[str]]:
        command = [sys.executable, "-c", INTERRUPTED_PLAN, str(calls)]
        environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
        process = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
        return process.returncode, process.stderr.splitlines()

    status, lines = end(0)
    assert "Traceback (most recent call last):" in lines
    assert end(2) == (status, ["interrupted"])
