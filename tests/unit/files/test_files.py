"""Files: templates, whole writes, locks."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mml_lib.errors import MMLError
from mml_lib.files import atomic
from mml_lib.files.atomic import remove_leftovers, write_text, write_whole, write_whole_folder
from mml_lib.files.manager import MMLFileManager
from mml_lib.machine.locks import lock_project


@pytest.fixture
def fm(tmp_path: Path) -> MMLFileManager:
    return MMLFileManager(tmp_path / "data", tmp_path / "results", "study", {"parameters": True})


def test_file_manager_is_a_singleton(fm: MMLFileManager):
    assert MMLFileManager.exists()
    assert MMLFileManager.instance() is fm
    with pytest.raises(MMLError, match="there is a file manager already"):
        MMLFileManager(Path("a"), Path("b"))
    MMLFileManager.clear_instance()
    assert not MMLFileManager.exists()
    with pytest.raises(MMLError, match="no file manager yet"):
        MMLFileManager.instance()


def test_template_is_filled_below_its_root(fm: MMLFileManager, tmp_path: Path):
    path = fm.construct_saving_path(None, "models", task_name="lesions+nested~0", run="0a1b2c3d", fold=4)
    assert path == tmp_path / "results/study/MODELS/lesions+nested~0/0a1b2c3d-fold4.json"
    assert fm.pattern("models") == str(tmp_path / "results/study/MODELS/{task}/{run}-fold{fold}.json")


def test_own_template_is_registered_before_the_manager_is_built(tmp_path: Path):
    MMLFileManager.add_assignment_path("maps", "PROJ_PATH/MAPS/TASK_NAME/RUN-foldFOLD/FILE_NAME.npz", dict)
    MMLFileManager.add_assignment_path("maps", "PROJ_PATH/MAPS/TASK_NAME/RUN-foldFOLD/FILE_NAME.npz", dict)
    MMLFileManager.add_assignment_path("scratch", "TEMP_PATH/TASK_NAME-RUN.npy")
    fm = MMLFileManager(tmp_path, tmp_path, "study")
    assert fm.pattern("maps").endswith("study/MAPS/{task}/{run}-fold{fold}/{file_name}.npz")
    assert fm.output("scratch").flags["temp"]
    with pytest.raises(MMLError, match="stores dict objects, not list"):
        fm.construct_saving_path([], "maps", task_name="a", run="0" * 8, fold=0, file_name="x")
    with pytest.raises(MMLError, match="is registered too late"):
        MMLFileManager.add_assignment_path("late", "PROJ_PATH/LATE/RUN.json")
    with pytest.raises(MMLError, match="'maps' is taken"):
        MMLFileManager.add_assignment_path("maps", "PROJ_PATH/OTHER/RUN.json")


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("PROJ_PATH/X/TASK_NAM/RUN.json", "token 'TASK_NAM', did you mean 'TASK_NAME'"),
        ("PROJ_PATH/X/RUN-FOLDER.json", "unknown token 'FOLDER'"),
        ("PROJ_PATH/../RUN.json", "without '..'"),
        ("PROJ_PATH/X/RUN/RUN.json", "may appear only once in a template"),
        ("PROJ_PATH", "a file below its root"),
        ("X/RUN.json", "begins with one of"),
        ("/X/RUN.json", "begins with one of"),
        ("PROJ_PATH/PROJ_PATH/RUN.json", "unknown token 'PROJ_PATH'"),
        ("PROJ_PATH/X Y/RUN.json", "letters, digits"),
    ],
)
def test_malformed_template_is_refused(path: str, why: str):
    with pytest.raises(MMLError, match=why):
        MMLFileManager.add_assignment_path("bad", path)


@pytest.mark.parametrize(
    ("tokens", "why"),
    [
        ({"task_name": "a", "run": "0" * 8}, "a value of FOLD is missing"),
        ({"task_name": "../a", "run": "0" * 8, "fold": 0}, "is not allowed for TASK_NAME"),
        ({"task_name": "a/b", "run": "0" * 8, "fold": 0}, "is not allowed for TASK_NAME"),
        ({"task_name": "a", "run": "xyz", "fold": 0}, "is not allowed for RUN"),
        ({"task_name": "a", "run": "0" * 8, "fold": 0, "folder": 1}, "argument 'folder', did you mean 'fold'"),
    ],
)
def test_malformed_token_is_refused(fm: MMLFileManager, tokens: dict, why: str):
    with pytest.raises(MMLError, match=why):
        fm.construct_saving_path(None, "models", **tokens)


def test_output_is_temporary_where_the_config_removes_it(fm: MMLFileManager):
    assert fm.output("parameters").flags["temp"]
    assert not hasattr(fm.output("models"), "flags")


@pytest.mark.parametrize(("key", "why"), [("pipeline", "always kept"), ("parameter", "did you mean 'parameters'")])
def test_removal_of_what_is_kept_or_unknown_is_refused(tmp_path: Path, key: str, why: str):
    with pytest.raises(MMLError, match=why):
        MMLFileManager(tmp_path, tmp_path, remove={key: True})


def test_task_index_lists_descriptions_by_name(fm: MMLFileManager):
    path = fm.construct_saving_path(None, "description", task_name="digits", task_id="0" * 8)
    assert fm.task_index == {}
    write_text(path, "{}")
    assert fm.task_index == {"digits": [path]}


def test_failed_write_keeps_the_old_file_and_leaves_nothing(tmp_path: Path):
    write_text(tmp_path / "file.txt", "old")
    with pytest.raises(TypeError), write_whole(tmp_path / "file.txt") as beside:
        beside.write_text("half" + beside)
    assert [path.name for path in tmp_path.iterdir()] == ["file.txt"]
    assert (tmp_path / "file.txt").read_text() == "old"


def test_folder_appears_whole(tmp_path: Path):
    (tmp_path / "out").mkdir()
    with write_whole_folder(tmp_path / "out") as beside:
        (beside / "inner").mkdir()
        (beside / "inner/a.txt").write_text("a")
        assert not any((tmp_path / "out").glob("*"))
    assert (tmp_path / "out/inner/a.txt").read_text() == "a"
    assert list(tmp_path.iterdir()) == [tmp_path / "out"]


def test_failed_folder_leaves_nothing(tmp_path: Path):
    with pytest.raises(ZeroDivisionError), write_whole_folder(tmp_path / "new/out") as beside:
        (beside / "a.txt").write_text("half") / 0
    assert list((tmp_path / "new").iterdir()) == []


def test_folder_that_holds_something_is_kept_before_any_work_is_done(tmp_path: Path):
    write_text(tmp_path / "out/a.txt", "old")
    with pytest.raises(OSError, match="not empty"), write_whole_folder(tmp_path / "out"):
        pytest.fail("the work was begun")
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "a.txt"]


@pytest.mark.parametrize(
    ("name", "writer"),
    [("a.npy", "write_whole"), ("a", "write_whole"), ("0of4", "write_whole_folder"), ("a.d", "write_whole_folder")],
)
def test_leftovers_of_dead_processes_go_and_those_of_living_ones_stay(tmp_path: Path, name: str, writer: str):
    code = (
        f"import os, sys; from mml_lib.files.atomic import {writer}\n"
        f"with {writer}(sys.argv[1]) as beside:\n"
        "    (beside / 'x' if beside.is_dir() else beside).write_text('half'); os.kill(os.getpid(), 9)"
    )
    for victim in (name, f"other{name}"):
        subprocess.run([sys.executable, "-c", code, str(tmp_path / victim)], check=False)
    (dead,) = tmp_path.glob(f".{name.split('.')[0]}.*")
    with getattr(atomic, writer)(tmp_path / name) as beside:
        (beside / "x" if beside.is_dir() else beside).write_text("whole")
        remove_leftovers(tmp_path / name)
        assert not dead.exists()
        assert beside.exists()
    assert len(list(tmp_path.iterdir())) == 2, "what was written, and the leftover of something else"


def test_project_lock_names_its_holder_and_dies_with_it(tmp_path: Path):
    code = (
        "import sys, time; from pathlib import Path; from mml_lib.machine.locks import lock_project\n"
        "p = Path(sys.argv[1]); held = lock_project(p, p / '.lock', p / '.steps'); print('held', flush=True)\n"
        "time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(MMLError, match=f"is in use: Snakemake process {holder.pid} on"):
        lock_project(tmp_path, tmp_path / ".lock", tmp_path / ".steps")
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    lock_project(tmp_path, tmp_path / ".lock", tmp_path / ".steps").close()
