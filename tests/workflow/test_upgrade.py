"""Modes upgrade and downgrade of a study that a former MML has run."""

import json
import os
from pathlib import Path

import pytest

from tests.support.workplaces import TINY, Workplace, kill, wait_for


def make_former(place: Workplace) -> dict[Path, bytes]:
    """Give model storages their former format, times kept; return their contents by path."""
    former = {}
    for path in place.files("results/tiny/MODELS/*/*.json"):
        stat = path.stat()
        content = json.loads(path.read_text())
        kept = {key: value for key, value in content.items() if key not in ("co_tasks", "pretrained")}
        former[path] = (json.dumps({**kept, "format": 2}, indent=2) + "\n").encode()
        path.write_bytes(former[path])
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    for path in place.folder.glob("results/tiny/MODELS/*/.*.sha256"):
        path.unlink()
    return former


@pytest.mark.long
def test_an_upgrade_makes_nothing_again_and_is_undone(copy: Workplace):
    former = make_former(copy)
    assert former
    assert "models, format 2, is rewritten in format 3:" in copy.run("upgrade", "-n")
    assert f"rewrote {len(former)} files in the present formats" in copy.run("upgrade")
    assert all(json.loads(path.read_text())["format"] == 3 for path in former)
    assert copy.planned("train") == {}
    assert "all files have the present formats" in copy.run("upgrade", "-n")
    assert f"restored {len(former)} files" in copy.run("downgrade")
    assert {path: path.read_bytes() for path in former} == former
    assert copy.planned("train") == {}


@pytest.mark.long
def test_a_project_in_use_is_not_upgraded(copy: Workplace):
    make_former(copy)
    copy.write(TINY | {"trainer": {"max_epochs": 500, "accelerator": "cpu"}, "seed": 7})
    running = copy.start()
    wait_for(
        lambda: "pid" in (copy.folder / "results/tiny/.lock").read_text() and copy.files("results/tiny/CHECKPOINTS")
    )
    try:
        output = copy.run("upgrade", fails=True)
    finally:
        kill(running)
    assert "is in use: Snakemake process" in output
    assert not copy.files("results/tiny/BACKUPS/*")


def test_a_mode_that_rewrites_goes_with_no_other(workplace: Workplace):
    assert "mode upgrade cannot be combined with other" in workplace.run("upgrade", "train", fails=True)
