"""A process that has imported what steps import, and a `python` that runs scripts in forks of it.

The steps of a Snakemake that tests run (`Workplace.run`) thus import nothing: otherwise each takes half a second of
processor time for imports, and each Snakemake seven seconds for torch. The `python` is `warm_client.py`. It starts the
real one for modules, and where the environment or the library differ from those of the session. All test processes of
a session share it. The study of `interruptions.py` runs as users' do.
"""

import ast
import fcntl
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from hashlib import sha256
from pathlib import Path

import psutil

from mml_lib.config.pipeline_folder import LIBRARY
from mml_lib.engine.preflight.launch import MODULE
from mml_lib.machine.locks import SUPERVISOR, _start_of
from mml_lib.machine.warm_start import PROCESS, RELAY, code_key
from mml_lib.machine.warm_start import READ_AT_IMPORT as READ_BY_LIBRARIES
from mml_lib.steps import warm_process
from tests.support.places import REPOSITORY

CLIENT = Path(__file__).with_name("warm_client.py")

WARM_JOBS = "MML_TESTS_WARM_JOBS"
"""Environment variable that lets cluster jobs of a warm `python` be forks; else they import everything themselves."""

PRETENDED, COUNTED = "tests.support.pretended_steps", "tests.support.counted_plan"
"""Modules that run Snakemake in their own way."""

IMPORTED_LATE = (
    "mml_lib.engine.preflight.tried_pipelines",
    "matplotlib.pyplot",
    "pandas",
    "scipy.io",
    "scipy.ndimage",
    "scipy.optimize",
    "scipy.sparse.csgraph",
    "scipy.stats",
    "sklearn.datasets",
    "sklearn.metrics",
    "sklearn.model_selection",
    *("snakemake.cli", "snakemake.dag", "snakemake.scheduling.job_scheduler", "snakemake.workflow"),
    *("mml_lib.engine.failures", "mml_lib.engine.hooks", "mml_lib.engine.leakage", "mml_lib.engine.opening"),
)
"""Modules that functions of steps import, and those of the Snakemakes of jobs."""

READ_AT_IMPORT = (*READ_BY_LIBRARIES, "HF_", "HOME", "MPL", "XDG_")
"""Prefixes of environment variables that libraries read once."""

SET_LATER = (
    *("_NUM_THREADS", "LD_LIBRARY_PATH", "KMP_DUPLICATE_LIB_OK", "KMP_INIT_AT_FORK"),
    *("PYTORCH_NVML_BASED_CUDA_CHECK", "TORCHINDUCTOR_CACHE_DIR"),
)
"""Endings of those of them that forks set again, or that libraries set when a test imports them."""

_environment = dict(os.environ)  # of the session: no test has changed it yet


def warm_python() -> Path:
    """Return the path of a `python` that runs scripts in forks of the session's warm process."""
    session = psutil.Process(os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid())
    supervisor = f"{socket.gethostname()} {session.pid} {_start_of(session)}"  # the process ends with it
    folder = Path(tempfile.gettempdir()) / f"mml-{sha256(supervisor.encode()).hexdigest()[:16]}"
    folder.mkdir(mode=0o700, exist_ok=True)
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "python").exists():
            _start(folder, supervisor)
    return folder / "python"


def _start(folder: Path, supervisor: str) -> None:
    folders = [str(LIBRARY), *filter(None, _environment.get("PYTHONPATH", "").split(os.pathsep))]
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(folder)],
            cwd=REPOSITORY,
            env=_environment | {SUPERVISOR: supervisor, "PYTHONPATH": os.pathsep.join(dict.fromkeys(folders))},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    while not (folder / "socket").exists():
        assert process.poll() is None, (folder / "log").read_text()
        time.sleep(0.05)
    (folder / "python").write_text(f"#!{sys.executable} -IS\n{CLIENT.read_text()}")
    (folder / "python").chmod(0o700)


def main(folder: Path) -> None:
    """Import, listen in a folder, and run scripts in forks; a file there names what clients must have in common."""
    environment = {key: value for key, value in os.environ.items() if key.startswith(READ_AT_IMPORT)}
    common = {
        "python": sys.executable,
        "prefixes": READ_AT_IMPORT,
        "set_later": SET_LATER,
        "environment": {key: value for key, value in environment.items() if not key.endswith(SET_LATER)},
        "snakemake": str(CLIENT.with_name("warm_snakemake.py")),
        "kinds_of_snakemake": [PRETENDED, COUNTED],
        "warm_jobs": WARM_JOBS,
        "modules": {MODULE: str(LIBRARY / MODULE.replace(".", "/") / "__main__.py")},
        "code": code_key(),
        "processes": [PROCESS, RELAY],
    }
    (folder / "common.json").write_text(json.dumps(common))
    sys.path.append(str(CLIENT.with_name("executors")))  # where Snakemakes look for executors as they are imported
    warm_process.IMPORTED += (*_imported_by_scripts(), *IMPORTED_LATE)
    warm_process.main(folder)


def _imported_by_scripts() -> list[str]:
    """Return the modules from which the scripts of the rules import."""
    texts = [script.read_text() for script in (REPOSITORY / "scripts").glob("*.py")]
    nodes = [node for text in texts for node in ast.walk(ast.parse(text))]
    return sorted({node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
