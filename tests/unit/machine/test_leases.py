"""Leases: who has which GPU, among processes that know nothing of each other."""

import fcntl
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from mml_lib.errors import MMLError
from mml_lib.machine import leases
from mml_lib.machine.gpu_devices import visible_gpus
from tests.support.fake_gpus import FakeGpus
from tests.support.messages import mentions

FORK = multiprocessing.get_context("fork")  # a process is there at once


def _hold(pipe: Connection, environment: dict[str, str], number: int, mem_mb: int, patience: float, fork: bool) -> None:
    """Lease GPUs, send a message about it, and hold them until killed."""
    os.environ.pop("CUDA_VISIBLE_DEVICES", None)
    os.environ.update(environment)
    leases.INTERVAL = 0.05
    try:
        leases.lease_gpus(number, mem_mb or None, patience, pipe.send)
    except MMLError as error:
        pipe.send(f"error: {error}")
        return
    if fork and not os.fork():
        time.sleep(3)  # what feeds a step outlives it for a while
        os._exit(0)
    pipe.send(f"has {os.environ['CUDA_VISIBLE_DEVICES']}")
    time.sleep(60)


class Step:
    """A process that leases GPUs, and holds them until it is killed."""

    def __init__(self, *arguments: Any):
        self.listening, output = FORK.Pipe(duplex=False)
        self.process = FORK.Process(target=_hold, args=(output, *arguments), daemon=True)
        self.process.start()

    def message(self) -> str:
        """Return the next message, within some seconds."""
        assert self.listening.poll(10), "there are no further messages"
        return self.listening.recv()

    def kill(self) -> None:
        self.process.kill()
        self.process.join()


Start = Callable[..., Step]


@pytest.fixture
def gpus(tmp_path: Path) -> FakeGpus:
    return FakeGpus(tmp_path / "two", a=24000, b=16000)


@pytest.fixture
def start(gpus: FakeGpus) -> Iterator[Start]:
    steps: list[Step] = []

    def build(number: int = 1, mem_mb: int = 0, patience: float = 60, fork: bool = False, **variables: str) -> Step:
        environment = gpus.environment(os.environ["PATH"]) | variables
        steps.append(Step(environment, number, mem_mb, patience, fork))
        return steps[-1]

    yield build
    for step in steps:
        step.kill()


def test_each_step_has_a_gpu_of_its_own_and_one_too_many_waits_until_one_is_killed(start: Start):
    first, second = start(), start()
    assert {first.message(), second.message()} == {"has a", "has b"}
    third = start()
    assert third.message() == "waiting for other steps to free a GPU"
    second.kill()
    assert third.message() in ("has a", "has b")


def test_many_steps_that_begin_at_once_do_not_share_a_whole_gpu(start: Start):
    steps = [start() for _ in range(8)]
    output = sorted(step.message() for step in steps)
    assert output == ["has a", "has b", *["waiting for other steps to free a GPU"] * 6]


def test_nobody_looks_while_another_looks(start: Start, gpus: FakeGpus):
    assert start().message() == "has a"
    with open(gpus.folder / "leases/looking") as looking:
        fcntl.flock(looking, fcntl.LOCK_EX)
        other = start()
        assert not other.listening.poll(0.5)
        fcntl.flock(looking, fcntl.LOCK_UN)
    assert other.message() == "has b"


def test_step_that_trains_on_two_gpus_has_both_or_none(start: Start):
    one = start()
    assert one.message() == "has a"
    both = start(2)
    assert both.message() == "waiting for other steps to free a GPU"
    other = start()
    assert other.message() == "has b"  # nothing is held while waiting
    one.kill()
    other.kill()
    assert both.message() == "has a,b"
    assert start().message() == "waiting for other steps to free a GPU"


def test_shares_of_a_gpu_never_add_up_to_more_than_it_has(start: Start):
    output = [start(1, 8000).message() for _ in range(6)]
    assert sorted(output[:5]) == ["has a"] * 3 + ["has b"] * 2
    assert output[5] == "waiting for other steps to free a GPU"


def test_whole_gpu_is_not_shared_and_a_shared_one_is_not_had_as_a_whole(start: Start):
    assert start().message() == "has a"
    sharing = start(1, 1000)
    assert sharing.message() == "has b"
    whole = start()
    assert whole.message() == "waiting for other steps to free a GPU"
    sharing.kill()
    assert whole.message() == "has b"
    assert start(1, 1000).message() == "waiting for other steps to free a GPU"


def test_share_that_is_given_back_is_had_again_in_pieces(start: Start):
    steps = [start(1, 6000, CUDA_VISIBLE_DEVICES="a") for _ in range(4)]
    assert [step.message() for step in steps] == ["has a"] * 4
    large = start(1, 12000, CUDA_VISIBLE_DEVICES="a")
    assert large.message() == "waiting for other steps to free a GPU"
    steps[0].kill()
    steps[2].kill()
    assert large.message() == "has a"


def test_killed_step_leaves_its_gpu_even_if_a_fork_of_it_lives_on(start: Start):
    step = start(fork=True, CUDA_VISIBLE_DEVICES="a")
    assert step.message() == "has a"
    step.kill()
    assert start(CUDA_VISIBLE_DEVICES="a").message() == "has a"


def test_gpu_that_other_programs_fill_is_left_out_and_waited_for_where_no_other_is_left(start: Start, gpus: FakeGpus):
    gpus.use(a=20000)
    assert start().message() == "has b"
    alone = start(1, 0, 60, CUDA_VISIBLE_DEVICES="a")
    assert mentions(alone.message(), "waiting", "20000 of 24000 MB of a")
    gpus.use(a=1500)  # a desktop
    assert alone.message() == "has a"


def test_waiting_for_other_programs_has_an_end(start: Start, gpus: FakeGpus):
    gpus.use(a=20000, b=9000)
    step = start(1, 0, 0.3)
    assert step.message().startswith("waiting for other programs to free 20000 of 24000 MB of a, 9000 of 16000 MB of b")
    assert step.message().startswith("error: other programs have filled the GPUs for 0.005 minutes: 20000 of 24000 MB")
    assert start(1, 7000, 0.3).message() == "has b"


def test_waiting_for_other_steps_has_none(start: Start, gpus: FakeGpus):
    gpus.use(a=20000)
    step = start()
    assert step.message() == "has b"
    waiting = start(1, 0, 0.1)
    assert waiting.message() == "waiting for other steps to free a GPU"
    time.sleep(0.5)
    step.kill()
    assert waiting.message() == "has b"


def test_what_others_use_is_not_taken_for_what_steps_have_leased(start: Start, gpus: FakeGpus):
    gpus.use(a=1500)
    assert [start(1, 8000, CUDA_VISIBLE_DEVICES="a").message() for _ in range(2)] == ["has a"] * 2
    gpus.use(a=1500 + 16000)  # the steps use now what they have leased
    third = start(1, 8000, CUDA_VISIBLE_DEVICES="a")
    assert third.message() == "waiting for other steps to free a GPU"
    gpus.use()
    assert third.message() == "has a"


def test_more_than_there_is_is_refused_in_one_line(start: Start):
    words = ", but here are 2, a with 24000 MB, b with 16000 MB; set trainer.devices, resources.<rule>.gpu_mem_mb or"
    assert start(3).message() == f"error: this step needs 3 GPUs{words} CUDA_VISIBLE_DEVICES"
    assert start(2, 20000).message().startswith(f"error: this step needs 2 GPUs with 20000 MB{words}")


def test_all_users_may_write_what_they_share(start: Start, gpus: FakeGpus):
    before = os.umask(0o077)
    try:
        assert start().message() == "has a"
    finally:
        os.umask(before)
    folder = gpus.folder / "leases"
    assert folder.stat().st_mode & 0o7777 == 0o1777
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o666}
    assert {path.name for path in folder.iterdir()} == {"a", "b", "looking"}


def test_folder_that_cannot_be_had_is_named(start: Start, tmp_path: Path):
    (tmp_path / "file").touch()
    output = start(MML_GPU_LEASES=str(tmp_path / "file")).message()
    assert output.startswith(f"error: the leases of GPUs cannot be kept in {tmp_path / 'file'}")
    assert output.endswith("set MML_GPU_LEASES to a folder where they may")


# --- which GPUs there are ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (None, ["GPU-aa", "GPU-ab", "GPU-b"]),
        ("", []),
        ("-1", []),
        ("2,0", ["GPU-b", "GPU-aa"]),
        ("GPU-ab", ["GPU-ab"]),
        ("GPU-b,GPU-a", ["GPU-b", "GPU-aa"]),
        ("1,7,0", ["GPU-ab"]),
        ("MIG-1", ["MIG-1"]),
    ],
)
def test_user_may_limit_the_gpus(
    chosen: str | None, expected: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    FakeGpus(tmp_path / "three", **{"GPU-aa": 1, "GPU-ab": 2, "GPU-b": 3})
    monkeypatch.setenv("PATH", str(tmp_path / "three"), prepend=":")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if chosen is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", chosen)
    assert [gpu.uuid for gpu in visible_gpus()] == expected


@pytest.mark.parametrize(
    ("output", "words"),
    [("echo Failed to initialize NVML: Driver/library version mismatch; exit 18", "mismatch"), ("echo a, N/A", "N/A")],
)
def test_driver_that_fails_is_named(output: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    gpus = FakeGpus(tmp_path / "broken")
    (gpus.folder / "nvidia-smi").write_text(f"#!/bin/sh\n{output}\n")
    monkeypatch.setenv("PATH", str(gpus.folder), prepend=":")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    with pytest.raises(MMLError, match=f"nvidia-smi cannot list GPUs .*{words}.*accelerator: cpu"):
        visible_gpus()


def test_machine_whose_driver_finds_no_gpu_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    gpus = FakeGpus(tmp_path / "none")
    (gpus.folder / "nvidia-smi").write_text("#!/bin/sh\necho No devices were found; exit 6\n")
    monkeypatch.setenv("PATH", str(gpus.folder), prepend=":")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert visible_gpus() == []
