"""Modes upgrade and downgrade on a project of former versions, also where they are killed at any moment."""

import hashlib
import os
import shutil
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mml_lib.errors import MMLError
from mml_lib.files.atomic import write_text
from mml_lib.files.backups import Backup, find_outdated
from mml_lib.files.checksums import checksum_path, seal, verify
from mml_lib.files.containers import stamp_of
from mml_lib.files.formats import FORMATS
from mml_lib.files.manager import MMLFileManager
from mml_lib.files.stored import json_text
from mml_lib.machine.locks import share_data
from tests.support.former_formats import FORMER, READ, older
from tests.support.small_projects import small_study

KIND, VERSION = FORMER[0]
COUNT = 4
"""Files of a former project: models of several folds."""

MADE = 1_700_000_000 * 10**9
"""When all of them were made, in ns."""


def place(fold: int) -> dict[str, object]:
    return {"task": "t", "run": "0a1b2c3d", "fold": fold}


def former_project(folder: Path, count: int = COUNT) -> MMLFileManager:
    """A project with files of a former version; every other has a checksum."""
    MMLFileManager.clear_instance()
    fm = MMLFileManager(folder / "data", folder / "results", "demo")
    for number, path in enumerate(paths_of(fm, count)):
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(older(KIND, VERSION), path)
        if number % 2:
            seal(path)
    for path in sorted(folder.rglob("*"), reverse=True):
        os.utime(path, ns=(MADE, MADE))
    return fm


def paths_of(fm: MMLFileManager, count: int = COUNT) -> list[Path]:
    return [Path(fm.path(KIND, **place(fold))) for fold in range(count)]


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
    backup.write_list(find_outdated(fm)[0])
    rewritten = backup.upgrade()
    write_text(fm.path("upgrade", backup=number), json_text("backup_report", {"rewritten": rewritten}))
    return rewritten


def downgrade(fm: MMLFileManager, number: str = "0001") -> tuple[int, list[str]]:
    done = Backup(fm, number).downgrade()
    write_text(fm.path("downgrade", backup=number), json_text("backup_report", {"laid_back": done[0]}))
    return done


def check_upgraded(fm: MMLFileManager, count: int = COUNT) -> None:
    for number, path in enumerate(paths_of(fm, count)):
        assert stamp_of(KIND, path) == FORMATS[KIND].stamp
        assert path.stat().st_mtime_ns == MADE
        assert checksum_path(path).exists() == bool(number % 2)
        verify(path)
        READ[KIND](path)


def test_every_former_version_is_rewritten_and_restored_byte_by_byte(tmp_path: Path):
    fm = former_project(tmp_path)
    before = tree(fm)
    assert {(entry.kind, entry.version) for entry in find_outdated(fm)[0]} == set(FORMER)
    assert upgrade(fm) == COUNT
    assert find_outdated(fm) == ([], [])
    assert tree(fm) != before
    assert downgrade(fm) == (COUNT, [])
    assert tree(fm) == before


def test_times_and_checksums_follow_so_that_nothing_is_made_again(tmp_path: Path):
    fm = former_project(tmp_path)
    assert upgrade(fm) == COUNT
    check_upgraded(fm)


def test_what_is_rewritten_says_the_same_as_what_was_read(tmp_path: Path):
    fm = former_project(tmp_path)
    read = [READ[KIND](path) for path in paths_of(fm)]
    upgrade(fm)
    assert [READ[KIND](path) for path in paths_of(fm)] == read


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


@pytest.mark.long
def test_an_upgrade_that_is_killed_at_any_moment_is_gone_on_with(tmp_path: Path):
    whole = former_project(tmp_path / "whole", 2)
    upgrade(whole)
    number = 0
    while True:
        fm = former_project(tmp_path / str(number), 2)
        if not killed_at(number, lambda fm=fm: upgrade(fm)):
            break
        upgrade(fm)
        assert tree(fm) == tree(whole), f"killed at {number}"
        check_upgraded(fm, 2)
        shutil.rmtree(tmp_path / str(number))
        number += 1
    assert number > 10


@pytest.mark.long
@pytest.mark.parametrize("work", [upgrade, downgrade])
def test_an_upgrade_and_a_downgrade_that_were_killed_can_be_undone(tmp_path: Path, work: Callable):
    untouched = tree(former_project(tmp_path / "untouched", 2))
    number = 0
    while True:
        fm = former_project(tmp_path / str(number), 2)
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
    changed, removed = paths_of(fm)[:2]
    content = changed.read_bytes()
    changed.write_bytes(content)
    removed.unlink()
    assert downgrade(fm) == (COUNT - 1, [str(changed.relative_to(fm.proj_path))])
    assert changed.read_bytes() == content
    assert not removed.exists()


def test_a_damaged_file_is_told_and_the_others_are_rewritten(tmp_path: Path):
    fm = former_project(tmp_path)
    sealed = next(path for path in paths_of(fm) if checksum_path(path).exists())
    sealed.write_bytes(sealed.read_bytes() + b" ")
    with pytest.raises(
        MMLError, match=rf"{sealed.name} is damaged .*; then upgrade again \(all other files are upgraded\)"
    ):
        upgrade(fm)
    assert [entry.path for entry in find_outdated(fm)[0]] == [str(sealed.relative_to(fm.proj_path))]


def test_data_in_use_are_left_alone(tmp_path: Path):
    fm = former_project(tmp_path)
    backup = Backup(fm, "0001")
    backup.write_list([replace(entry, kind="dataset") for entry in find_outdated(fm)[0]])
    with share_data(fm.data_lock_path), pytest.raises(MMLError, match=r"data .*data are in use by another Snakemake"):
        backup.hold_data()
    assert backup.hold_data()


def test_the_plan_lists_what_is_rewritten_and_refuses_what_is_newer(tmp_path: Path):
    former_project(tmp_path)
    study = small_study(tmp_path, mode="upgrade")
    assert study.scheduler("upgrade").params == [{"backup": "0001"}]
    output = study.overview()
    assert "  models, format 2, is rewritten in format 3:\n    MODELS/t/0a1b2c3d-fold0.json\n" in output
    path = Path(study.fm.path(KIND, **place(0)))
    path.write_text('{"format": 4, "needs_mml": "0.9"}')
    with pytest.raises(MMLError, match=r"0a1b2c3d-fold0\.json has format 4, .*install MML 0\.9"):
        small_study(tmp_path, mode="upgrade").check()
    path.write_text("{")
    assert "left as it is: " in small_study(tmp_path, mode="upgrade").overview()


def test_plans_follow_what_was_done(tmp_path: Path):
    fm = former_project(tmp_path)

    def planned(mode: str, **options: int) -> list[dict[str, str]]:
        return small_study(tmp_path, mode={"preset": mode, **options}).scheduler(mode).params

    with pytest.raises(MMLError, match=r"BACKUPS.*a snakemake upgrade makes one"):
        planned("downgrade")
    Backup(fm, "0001").write_list(find_outdated(fm)[0])
    assert planned("upgrade") == [{"backup": "0001"}], "an interrupted one is gone on with"
    upgrade(fm)
    assert planned("upgrade") == planned("downgrade") == [{"backup": "0001"}]
    downgrade(fm)
    assert planned("upgrade") == [{"backup": "0002"}]
    upgrade(fm, "0002")
    assert (planned("downgrade"), planned("downgrade", backup=1)) == ([{"backup": "0002"}], [{"backup": "0001"}])
    with pytest.raises(MMLError, match="there is no 7; there are 1, 2"):
        planned("downgrade", backup=7)
