"""Modes upgrade and downgrade on a project of former versions, also where they are killed at any moment."""

import hashlib
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from mml_lib.errors import MMLError
from mml_lib.files.atomic import write_text
from mml_lib.files.backups import Backup, find_outdated
from mml_lib.files.checksums import checksum_path, seal, verify
from mml_lib.files.containers import CONTAINERS
from mml_lib.files.formats import FORMATS
from mml_lib.files.manager import MMLFileManager
from mml_lib.files.stored import json_text
from mml_lib.machine.locks import share_data
from tests.support.former_formats import FORMER, READ, older
from tests.support.small_projects import small_study

RUN = {"task": "t", "run": "5d7c9b6f", "fold": 0}
PLACES = {
    "dataset": {"dataset": "DSET_x"},
    "description": {"task": "t", "task_id": "0a1b2c3d"},
    "packed": {"dataset": "DSET_x", "pack": "own-0a1b2c3d"},
    "predictions": {**RUN, "eval": "test"},
    "metrics": {**RUN, "eval": "test"},
    "study_config": {"mode": "train"},
}
LATEST = dict(FORMER)
"""The version before the present one, by kind."""

FEW = [("pipeline", "metrics"), pytest.param(("models", "packed", "metrics", "pipeline"), marks=pytest.mark.long)]
"""Kinds to be killed at, the last of them with a checksum; in the long form of folders too."""

MADE = 1_700_000_000 * 10**9
"""When all of it was made, in ns."""


def former_project(folder: Path, versions: dict[str, int] = LATEST) -> MMLFileManager:
    """A project with a file of each kind that had former versions; every other has a checksum."""
    MMLFileManager.clear_instance()
    fm = MMLFileManager(folder / "data", folder / "results", "demo")
    for number, (kind, version) in enumerate(versions.items()):
        path = Path(fm.path(FORMATS[kind].keys[0], **PLACES.get(kind, RUN)))
        source = older(kind, version)[0]
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, path) if source.is_dir() else shutil.copyfile(source, path)
        if number % 2:
            seal(path)
    for path in sorted(folder.rglob("*"), reverse=True):
        os.utime(path, ns=(MADE, MADE))
    return fm


def of(kinds: Iterable[str]) -> dict[str, int]:
    return {kind: LATEST[kind] for kind in kinds}


def paths_of(fm: MMLFileManager, kinds: Iterable[str] = LATEST) -> dict[str, Path]:
    return {kind: Path(fm.path(FORMATS[kind].keys[0], **PLACES.get(kind, RUN))) for kind in kinds}


def tree(fm: MMLFileManager) -> dict[str, str]:
    """All files but those of backups, with their digests; nothing else may lie there."""
    roots = (fm.data_path, fm.proj_path)
    files = [path for root in roots for path in root.rglob("*") if path.is_file() and "BACKUPS" not in path.parts]
    return {
        str(path.relative_to(fm.data_path.parent)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path.name != ".lock"
    }


def upgrade(fm: MMLFileManager, number: str = "0001") -> int:
    """Do as the script of the step does."""
    backup = Backup(fm, number)
    backup.begin(find_outdated(fm)[0])
    rewritten = backup.upgrade()
    write_text(fm.path("upgrade", backup=number), json_text("backup_report", {"rewritten": rewritten}))
    return rewritten


def downgrade(fm: MMLFileManager, number: str = "0001") -> tuple[int, list[str]]:
    done = Backup(fm, number).downgrade()
    write_text(fm.path("downgrade", backup=number), json_text("backup_report", {"laid_back": done[0]}))
    return done


def check_upgraded(fm: MMLFileManager, kinds: Iterable[str] = LATEST) -> None:
    for number, (kind, path) in enumerate(paths_of(fm, kinds).items()):
        assert CONTAINERS[kind].stamp(path) == FORMATS[kind].stamp
        assert CONTAINERS[kind].anchor(path).stat().st_mtime_ns == MADE
        assert path.parent.stat().st_mtime_ns == MADE
        assert checksum_path(path).exists() == bool(number % 2)
        verify(path)
        READ[kind](path)


def test_every_former_version_is_rewritten_and_laid_back_byte_by_byte(tmp_path: Path):
    for number, (kind, version) in enumerate(FORMER):
        fm = former_project(tmp_path / str(number), {kind: version})
        before = tree(fm)
        assert [(entry.kind, entry.version) for entry in find_outdated(fm)[0]] == [(kind, version)]
        assert upgrade(fm) == 1
        assert find_outdated(fm) == ([], [])
        assert tree(fm) != before
        assert downgrade(fm) == (1, [])
        assert tree(fm) == before


def test_times_and_checksums_follow_so_that_nothing_is_made_again(tmp_path: Path):
    fm = former_project(tmp_path)
    assert upgrade(fm) == len(LATEST)
    check_upgraded(fm)


def test_what_is_rewritten_says_the_same_as_what_was_read(tmp_path: Path):
    fm = former_project(tmp_path)
    read = {kind: repr(READ[kind](path)) for kind, path in paths_of(fm).items() if kind != "parameters"}
    upgrade(fm)
    assert {kind: repr(READ[kind](path)) for kind, path in paths_of(fm).items() if kind != "parameters"} == read


def killed_at(number: int, work: Callable[[], object]) -> bool:
    """Do some work in a process that is killed before it touches the disk for the n-th time; whether it was."""
    child = os.fork()
    if not child:
        left = number

        def watch(event: str, arguments: tuple) -> None:
            nonlocal left
            writes = event == "open" and (arguments[1] or "r") not in ("r", "rb")
            if writes or event in ("os.rename", "os.remove", "os.link", "os.utime", "os.mkdir", "os.truncate"):
                left -= 1
                if left < 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(watch)
        try:
            work()
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("kinds", FEW)
def test_an_upgrade_that_is_killed_at_any_moment_is_gone_on_with(tmp_path: Path, kinds: tuple[str, ...]):
    whole = former_project(tmp_path / "whole", of(kinds))
    upgrade(whole)
    number = 0
    while True:
        fm = former_project(tmp_path / str(number), of(kinds))
        if not killed_at(number, lambda fm=fm: upgrade(fm)):
            break
        upgrade(fm)
        assert tree(fm) == tree(whole), f"killed at {number}"
        check_upgraded(fm, kinds)
        shutil.rmtree(tmp_path / str(number))
        number += 1
    assert number > 10


@pytest.mark.parametrize("kinds", FEW)
@pytest.mark.parametrize("work", [upgrade, downgrade])
def test_an_upgrade_and_a_downgrade_that_were_killed_can_be_undone(
    tmp_path: Path, work: Callable, kinds: tuple[str, ...]
):
    untouched = tree(former_project(tmp_path / "untouched", of(kinds)))
    number = 0
    while True:
        fm = former_project(tmp_path / str(number), of(kinds))
        if work is downgrade:
            upgrade(fm)
        if not killed_at(number, lambda fm=fm: work(fm)):
            break
        if Backup.all(fm):
            downgrade(fm)
        assert tree(fm) == untouched, f"killed at {number}"
        shutil.rmtree(tmp_path / str(number))
        number += 1
    assert number > 5


def test_what_was_made_anew_since_stays(tmp_path: Path):
    fm = former_project(tmp_path)
    upgrade(fm)
    paths = paths_of(fm)
    content = paths["models"].read_bytes()
    paths["models"].write_bytes(content)
    paths["metrics"].unlink()
    assert downgrade(fm) == (len(LATEST) - 1, [str(paths["models"].relative_to(fm.proj_path))])
    assert paths["models"].read_bytes() == content
    assert not paths["metrics"].exists()


def test_a_damaged_file_is_told_and_the_others_are_rewritten(tmp_path: Path):
    fm = former_project(tmp_path)
    sealed = next(path for kind, path in paths_of(fm).items() if checksum_path(path).exists() and kind != "packed")
    sealed.write_bytes(sealed.read_bytes() + b" ")
    with pytest.raises(MMLError, match=rf"{sealed.name} is damaged .*; then upgrade again, all else is done"):
        upgrade(fm)
    assert [entry.path for entry in find_outdated(fm)[0]] == [
        str(sealed.relative_to(fm.data_path if sealed.is_relative_to(fm.data_path) else fm.proj_path))
    ]


def test_data_in_use_are_left_alone(tmp_path: Path):
    fm = former_project(tmp_path)
    backup = Backup(fm, "0001")
    backup.begin(find_outdated(fm)[0])
    with share_data(fm.data_lock_path), pytest.raises(MMLError, match=r"data .*data are in use by another Snakemake"):
        backup.hold_data()
    assert backup.hold_data()


def test_the_plan_lists_what_is_rewritten_and_refuses_what_is_newer(tmp_path: Path):
    former_project(tmp_path)
    study = small_study(tmp_path, mode="upgrade")
    assert study.scheduler("upgrade").params == [{"backup": "0001"}]
    said = study.overview()
    assert "  models, format 2, is rewritten in format 3:\n    MODELS/t/5d7c9b6f-fold0.json\n" in said
    path = Path(study.fm.path("models", **RUN))
    path.write_text('{"format": 4, "needs_mml": "0.9"}')
    with pytest.raises(MMLError, match=r"5d7c9b6f-fold0\.json has format 4, .*install MML 0\.9 or newer"):
        small_study(tmp_path, mode="upgrade").check()
    path.write_text("{")
    assert "left as it is: " in small_study(tmp_path, mode="upgrade").overview()


def test_plans_follow_what_was_done(tmp_path: Path):
    fm = former_project(tmp_path)

    def planned(mode: str, **options: int) -> list[dict[str, str]]:
        return small_study(tmp_path, mode={"preset": mode, **options}).scheduler(mode).params

    with pytest.raises(MMLError, match=r"of the backups in .*BACKUPS there is none; a snakemake upgrade makes one"):
        planned("downgrade")
    Backup(fm, "0001").begin(find_outdated(fm)[0])
    assert planned("upgrade") == [{"backup": "0001"}], "an interrupted one is gone on with"
    upgrade(fm)
    assert planned("upgrade") == planned("downgrade") == [{"backup": "0001"}]
    downgrade(fm)
    assert planned("upgrade") == [{"backup": "0002"}]
    upgrade(fm, "0002")
    assert (planned("downgrade"), planned("downgrade", backup=1)) == ([{"backup": "0002"}], [{"backup": "0001"}])
    with pytest.raises(MMLError, match="there is no 7; there are 1, 2"):
        planned("downgrade", backup=7)
