"""Warm start: a step in a fork is the step that it would be without."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from mml_lib.config.pipeline_folder import LIBRARY
from mml_lib.machine.locks import SUPERVISOR, name_supervisor
from mml_lib.machine.slurm import JOB
from mml_lib.machine.warm_start import FOLDER, offer_warm_start
from mml_lib.steps.warm_process import is_gone

EXECUTE = "os.execv(sys.executable, [sys.executable, '-c', sys.argv[1]])"
"""Python that goes on as another one, which runs the code of its argument."""

STEP = """
import os, sys
from mml_lib.machine.warm_start import start_warm
start_warm(wait=os.environ.get("WAIT") != "no")
print("warm" if "torch" in sys.modules else "plain", *sys.argv[1:], os.getcwd(), os.environ.get("OWN"), flush=True)
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of steps that share a warm process, which this process is the Snakemake of."""
    before = dict(os.environ)
    name_supervisor()
    offer_warm_start()
    variables = {**os.environ, "PYTHONPATH": str(LIBRARY)}
    for key in (SUPERVISOR, FOLDER):
        os.environ.pop(key)
    os.environ.update(before)
    start(variables, tmp_path_factory.mktemp("first")).communicate()  # starts the process, in this environment
    yield variables
    for process in processes(variables):
        process.kill()
    shutil.rmtree(variables[FOLDER], ignore_errors=True)


def processes(environment: dict[str, str]) -> list[psutil.Process]:
    """Return the warm process and its forks."""
    return [process for process in psutil.process_iter() if environment[FOLDER] in _line(process)]


def _line(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def start(environment: dict[str, str], folder: Path, rest: str = "", *arguments: str) -> subprocess.Popen:
    script = folder / "step.py"
    script.write_text(STEP + rest)
    return subprocess.Popen(
        [sys.executable, str(script), *arguments],
        cwd=folder,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_fork_has_temporary_files_where_its_step_has_them(environment: dict[str, str], tmp_path: Path):
    step = start({**environment, "TMPDIR": str(tmp_path)}, tmp_path, "import tempfile; print(tempfile.gettempdir())")
    assert step.communicate()[0].splitlines()[1] == str(tmp_path)


def test_fork_has_arguments_folder_environment_and_streams_of_its_step(environment: dict[str, str], tmp_path: Path):
    step = start({**environment, "OWN": "value"}, tmp_path, "print('woe', file=sys.stderr)", "a", "b c")
    output, complained = step.communicate()
    assert output == f"warm a b c {tmp_path} value\n"
    assert complained == "woe\n"
    assert step.returncode == 0


@pytest.mark.parametrize(
    ("end", "status", "complaint"),
    [
        ("sys.exit(3)", 3, ""),
        ("sys.exit('no')", 1, "no\n"),
        ("raise ValueError('bad')", 1, "ValueError: bad\n"),
        ("os.kill(os.getpid(), 9)", -9, ""),
        ("os.kill(os.getpid(), 15)", -15, ""),
        ("import atexit; atexit.register(print, 'bye', file=sys.stderr)", 0, "bye\n"),
    ],
)
def test_step_ends_as_its_fork_does(end: str, status: int, complaint: str, environment: dict[str, str], tmp_path: Path):
    step = start(environment, tmp_path, end)
    output, complained = step.communicate()
    assert output.startswith("warm")
    assert step.returncode == status
    assert complained.endswith(complaint)


CATCH = """
import signal, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
print(os.getpid(), flush=True)
time.sleep(60)
"""


def fork_of(step: subprocess.Popen) -> psutil.Process:
    assert step.stdout.readline().startswith("warm")
    return psutil.Process(int(step.stdout.readline()))


def catches(pid: int, number: int) -> bool:
    (mask,) = re.findall(r"SigCgt:\s*(\w+)", Path(f"/proc/{pid}/status").read_text())
    return bool(int(mask, 16) >> (number - 1) & 1)


def test_signal_to_a_step_reaches_its_fork(environment: dict[str, str], tmp_path: Path):
    step = start(environment, tmp_path, CATCH)
    fork_of(step)
    while not catches(step.pid, signal.SIGTERM):  # the fork may print before the step forwards signals
        time.sleep(0.01)
    step.send_signal(signal.SIGTERM)
    assert step.wait(10) == 143


def test_killed_step_takes_its_fork_along(environment: dict[str, str], tmp_path: Path):
    step = start(environment, tmp_path, CATCH)
    fork = fork_of(step)
    step.kill()
    psutil.wait_procs([fork], timeout=10)
    assert not fork.is_running() or fork.status() == psutil.STATUS_ZOMBIE


def test_step_whose_warm_process_is_killed_ends_as_killed_and_takes_its_fork_along(tmp_path: Path):
    folder = tmp_path / "warm"
    folder.mkdir()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(folder / "socket"))
    listener.listen()
    (folder / "started").write_text(str(os.getpid()))
    fork = subprocess.Popen(["sleep", "60"])
    step = start({**os.environ, FOLDER: str(folder), "PYTHONPATH": str(LIBRARY)}, tmp_path)
    connection, _ = listener.accept()
    request = connection.makefile("rb")
    request.readline()
    request.close()
    connection.sendall(f'{{"pid": {fork.pid}}}\n'.encode())
    connection.close()
    step.communicate(timeout=60)
    assert step.returncode == -signal.SIGKILL
    assert fork.wait(timeout=60) == -signal.SIGKILL


@pytest.mark.parametrize(
    "change", [{"PYTORCH_OWN": "1"}, {"LOCAL_RANK": "1"}, {FOLDER: ""}, {FOLDER: "/proc/nowhere"}], ids=str
)
def test_step_starts_plainly_in_another_environment(
    change: dict[str, str], environment: dict[str, str], tmp_path: Path
):
    step = start(environment | change, tmp_path, "sys.exit(4)")
    output, _ = step.communicate()
    assert output.startswith("plain")
    assert step.returncode == 4


def test_step_starts_plainly_where_the_library_has_changed(environment: dict[str, str], tmp_path: Path):
    other = tmp_path / "library"
    other.mkdir()
    (other / "mml_lib").symlink_to(LIBRARY / "mml_lib")
    step = start({**environment, "PYTHONPATH": str(other)}, tmp_path)
    assert step.communicate()[0].startswith("plain")


def test_light_step_goes_on_in_the_process_only_if_it_is_ready(environment: dict[str, str], tmp_path: Path):
    ready = start({**environment, "WAIT": "no"}, tmp_path)
    assert ready.communicate()[0].startswith("warm")
    folder = str(tmp_path / "nowhere")
    alone = start({**environment, "WAIT": "no", FOLDER: folder}, tmp_path)
    assert alone.communicate()[0].startswith("plain")
    assert not Path(folder).exists()


@pytest.mark.long
def test_process_imports_the_modules_of_planned_scripts_and_ends_with_its_snakemake(tmp_path: Path):
    boss = tmp_path / "boss.py"
    boss.write_text(
        "import os, subprocess, sys\n"
        "from mml_lib.machine.locks import name_supervisor\n"
        "from mml_lib.machine.warm_start import FOLDER, launch_warm_process, offer_warm_start\n"
        "name_supervisor(); offer_warm_start(); print(os.environ[FOLDER]); launch_warm_process(sys.argv[2:])\n"
        "for _ in range(600):\n"
        "    said = subprocess.run([sys.executable, sys.argv[1]], text=True, stdout=subprocess.PIPE).stdout\n"
        "    if 'late' in said:\n"
        "        print(said)\n"
        "        break\n"
    )
    (tmp_path / "planned.py").write_text("from no_such_package import part\nfrom this_late import part\n")
    (tmp_path / "this_late.py").write_text("part = 1\n")
    step = STEP + "print('late' if 'this_late' in sys.modules else 'early')"
    (tmp_path / "step.py").write_text(step)
    folder, *output = subprocess.run(
        [sys.executable, str(boss), str(tmp_path / "step.py"), str(tmp_path / "planned.py")],
        env={**os.environ, "PYTHONPATH": f"{LIBRARY}:{tmp_path}"},
        text=True,
        stdout=subprocess.PIPE,
        check=True,
    ).stdout.splitlines()
    assert output[0].startswith("warm")
    assert output[1] == "late"
    deadline = time.monotonic() + 20
    while processes({FOLDER: folder}) or Path(folder).exists():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_fork_takes_nothing_apart_at_its_end_that_the_process_has_imported(environment: dict[str, str], tmp_path: Path):
    rest = (
        "import weakref, torch._dynamo.utils as utils\n"
        "utils.compile_times = lambda **_: print('compilations')\n"
        "left = weakref.finalize(utils, print, 'own')\n"
        "print(sum(finalizer.atexit for finalizer in weakref.finalize._registry))"
    )
    assert start(environment, tmp_path, rest).communicate()[0].splitlines()[1:] == ["1", "own"]


def test_fork_has_the_threads_of_its_step(environment: dict[str, str], tmp_path: Path):
    rest = "import threadpoolctl; print({pool['num_threads'] for pool in threadpoolctl.threadpool_info()})"
    for threads in ("1", "2"):
        step = start({**environment, "OMP_NUM_THREADS": threads}, tmp_path, rest)
        assert step.communicate()[0].splitlines()[1] == f"{{{threads}}}"


def test_client_of_the_process_imports_nothing_slow():
    lines = "import sys; import mml_lib.machine.warm_start; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-S", "-c", lines], env={"PYTHONPATH": str(LIBRARY)}, capture_output=True)
    slow = {"psutil", "subprocess", "tempfile", "shutil", "pathlib", "asyncio", "typing", "inspect"}
    assert not slow & set(modules.stdout.decode().split())


def test_step_killed_with_an_answer_unread_is_gone():
    warm, step = socket.socketpair()
    step.sendall(b".")
    assert not is_gone(warm)
    warm.sendall(b"answer")
    step.close()
    assert is_gone(warm)


DIRECT = """
import json, os, signal, sys, threading, time
import psutil
from mml_lib.machine.locks import name_supervisor
from mml_lib.machine.warm_start import FOLDER, RELAY, RELAYED, launch_relay, launch_warm_process
from mml_lib.machine.warm_start import offer_warm_start, run_in_fork

name_supervisor(); offer_warm_start(); launch_warm_process([]); launch_relay()
relayed = os.path.join(os.environ[FOLDER], RELAYED)
while not os.path.exists(relayed):
    time.sleep(0.05)

def run(text):
    open("step.py", "w").write(text)
    return run_in_fork("step.py", {**os.environ, "OWN": "value"}, wait=True)

ended = [run("import os, sys; print('torch' in sys.modules, os.environ['OWN']); sys.exit(3)")]
ended.append(run("import os; os.kill(os.getpid(), 9)"))
signal.signal(signal.SIGTERM, signal.SIG_IGN)
threading.Timer(3, os.killpg, (0, signal.SIGTERM)).start()
ended.append(run("import signal, sys, time; signal.signal(15, lambda *_: sys.exit(7)); time.sleep(90)"))
relay, = (child for child in psutil.Process().children() if RELAY in child.cmdline())
relay.kill()
while os.path.exists(relayed):
    time.sleep(0.05)
ended.append(run("print('not run')"))
print(json.dumps(ended))
"""


def run_as_snakemake(code: str, folder: Path) -> list[str]:
    """Run code in a folder as a Snakemake with a warm process of its own, and return the lines that it prints."""
    variables = {key: value for key, value in os.environ.items() if key not in (SUPERVISOR, FOLDER)}
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=variables | {"PYTHONPATH": f"{LIBRARY}:{folder}"},
        text=True,
        stdout=subprocess.PIPE,
        start_new_session=True,
        check=True,
    ).stdout.splitlines()


def test_snakemake_gets_forks_without_clients_and_its_group_signals_them(tmp_path: Path):
    first, last = run_as_snakemake(DIRECT, tmp_path)
    assert first == "True value"
    *ended, without_relay = json.loads(last)
    assert [end["status"] for end in ended] == [3, -9, 7]
    assert all(end["kib"] > 0 and end["seconds"] > 0 for end in ended)
    assert without_relay is None


KILLED = """
import os, signal
from mml_lib.machine.locks import name_supervisor
from mml_lib.machine.warm_start import FOLDER, launch_relay, launch_warm_process, offer_warm_start, run_in_fork

name_supervisor(); offer_warm_start(); launch_warm_process([], light=True); launch_relay()
open("step.py", "w").write("import os; os.kill(os.getppid(), 9)")
KILL
print(os.environ[FOLDER], os.path.exists(os.environ[FOLDER]))
"""


@pytest.mark.parametrize(
    "kill",
    [
        'run_in_fork("step.py", dict(os.environ), wait=False)',
        'os.kill(int(open(os.path.join(os.environ[FOLDER], "started")).read()), 9)',
    ],
    ids=["by a step", "while it imports"],
)
def test_folder_of_a_killed_process_is_removed_when_its_snakemake_has_ended(kill: str, tmp_path: Path):
    (line,) = run_as_snakemake(KILLED.replace("KILL", kill), tmp_path)
    folder, was_there = line.split()
    assert was_there == "True"
    deadline = time.monotonic() + 20
    while os.path.exists(folder):
        assert time.monotonic() < deadline
        time.sleep(0.1)


LIGHT = """
import os
import re
from mml_lib.machine.locks import name_supervisor
from mml_lib.machine.warm_start import launch_relay, launch_warm_process, offer_warm_start, run_in_fork

name_supervisor(); offer_warm_start(); launch_warm_process(["planned.py"], light=True); launch_relay()
open("step.py", "w").write("import sys; print('torch' in sys.modules, 'this_planned' in sys.modules)")
print(run_in_fork("step.py", dict(os.environ), wait=False)["status"])
"""


def test_steps_wait_for_a_light_process_that_imports_their_modules_and_no_torch(tmp_path: Path):
    (tmp_path / "planned.py").write_text("from no_such_package import part\nfrom this_planned import part\n")
    (tmp_path / "this_planned.py").write_text("part = 1\n")
    assert run_as_snakemake(LIGHT, tmp_path) == ["False True", "0"]


def test_process_within_a_cluster_job_leaves_its_signals_to_steps(tmp_path: Path):
    code = f"""
import signal
from pathlib import Path
from mml_lib.steps.warm_process import WarmProcess

process = WarmProcess(Path({str(tmp_path)!r}), [])
print(signal.getsignal(signal.SIGTERM).name)
process.close_streams()
print(signal.getsignal(signal.SIGTERM).name, signal.getsignal(signal.SIGUSR1).name)
"""
    ignoring = f"import os, signal, sys; signal.signal(signal.SIGUSR1, signal.SIG_IGN); {EXECUTE}"
    output = subprocess.run(
        [sys.executable, "-c", ignoring, code],
        env=os.environ | {"PYTHONPATH": str(LIBRARY), JOB: "12"},
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    assert output.split() == ["SIG_IGN", "SIG_DFL", "SIG_IGN"], "of SIGUSR1, trainings have a handler of their own"
