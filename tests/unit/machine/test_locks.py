"""Locks: steps follow their Snakemake."""

import os
import sys

import psutil
import pytest

from mml_lib.machine.locks import SUPERVISOR, name_supervisor, supervisor_lives


@pytest.fixture(autouse=True)
def named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(SUPERVISOR, "")
    name_supervisor()


def test_a_step_follows_a_snakemake_that_lives():
    assert supervisor_lives()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells when a process started, whatever the clock says")
def test_setting_the_clock_ends_no_step(monkeypatch: pytest.MonkeyPatch):
    started = psutil.Process().create_time()
    monkeypatch.setattr(psutil.Process, "create_time", lambda _: started + 3600)
    assert supervisor_lives()


def test_another_process_of_the_same_number_is_not_followed(monkeypatch: pytest.MonkeyPatch):
    host, pid, started = os.environ[SUPERVISOR].split()
    monkeypatch.setenv(SUPERVISOR, f"{host} {pid} {float(started) - 3600}")
    assert not supervisor_lives()
