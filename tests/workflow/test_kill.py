"""Killed studies go on where they were, and end as if nothing had happened."""

import base64
import os
import re
import time

import psutil
import pytest
from safetensors.numpy import load_file

from tests.support.killed_trainings import LONG, checkpoints, comparable, leftovers, training
from tests.support.messages import mentions
from tests.support.workplaces import TINY, Workplace, kill, once, steps_of, wait_for


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    return once(tmp_path_factory, "undisturbed", LONG)


def epochs_logged(place: Workplace) -> int:
    """Return how many epochs the latest start of the training has done; each start begins a new log."""
    return sum(log.read_text().count(" of 8: ") for log in place.files("results/tiny/LOGS/train_fold/*.log"))


@pytest.mark.long
def test_killed_training_ends_bit_identical_even_if_its_latest_checkpoint_is_damaged(
    undisturbed: Workplace, workplace: Workplace
):
    workplace.write(LONG)
    running = workplace.start()
    kill(wait_for(lambda: steps_of(running, "tune_fold.py"))[-1])
    running.communicate()
    assert running.returncode != 0
    done = 0
    for epochs, seconds in ((1, 0.3), (2, 0.7)):
        running = workplace.start()
        step = training(running)
        wait_for(lambda: epochs_logged(workplace) >= epochs and checkpoints(workplace))  # noqa: B023
        time.sleep(seconds)
        kill(step)
        running.communicate()
        assert running.returncode != 0
        done += epochs_logged(workplace)
    latest = checkpoints(workplace)[-1]
    os.truncate(latest, latest.stat().st_size // 2)
    output = workplace.run()
    (log,) = workplace.files("results/tiny/LOGS/train_fold/*.log")
    for text in (output, log.read_text()):
        assert mentions(text, f"{latest.name} is cut off or damaged: ")
    assert done + epochs_logged(workplace) <= 8 + 2 + 1, "each kill costs one epoch at most, and so does the damage"
    assert comparable(workplace) == comparable(undisturbed)
    assert leftovers(workplace.folder) == []


@pytest.mark.long
def test_killed_snakemake_needs_no_help_and_leaves_no_orphan(undisturbed: Workplace, workplace: Workplace):
    workplace.write(LONG)
    running = workplace.start()
    step = training(running)
    wait_for(lambda: epochs_logged(workplace) >= 1)
    kill(running)
    again = workplace.start()  # at once, while the orphan still trains
    wait_for(lambda: not step.is_running() or step.status() == psutil.STATUS_ZOMBIE, 30)
    output, _ = again.communicate(timeout=600)
    assert again.returncode == 0, output
    assert comparable(workplace) == comparable(undisturbed)
    assert leftovers(workplace.folder) == []


@pytest.mark.long
def test_kill_between_storing_and_snakemakes_notice_costs_no_epoch(workplace: Workplace):
    workplace.write(TINY | {"mode": {"preset": "train", "cv": False, "subroutines": ["train"]}})
    target = re.search(r"results/tiny/MODELS/\S+?\.json", workplace.run("-n", "--verbose"))[0]
    workplace.run(target)
    stored = comparable(workplace)
    (workplace.folder / target).unlink()  # as Snakemake does with what it has not seen finished
    workplace.run()
    (log,) = workplace.files("results/tiny/LOGS/train_fold/*.log")
    assert "epoch 1 of 1" not in log.read_text()
    assert comparable(workplace) == stored
    assert leftovers(workplace.folder) == []


@pytest.mark.long
def test_second_snakemake_on_a_project_is_refused_with_the_holder(workplace: Workplace):
    workplace.write(LONG)
    running = workplace.start()
    training(running)
    output = workplace.run(fails=True)
    assert f"project results/tiny is in use: Snakemake process {running.pid}" in output
    assert "train" in workplace.run("-n"), "a dry run is allowed"
    kill(running)


@pytest.mark.long
def test_finished_training_weights_are_those_of_ten_epochs_not_noise(undisturbed: Workplace):
    weights = load_file(undisturbed.files("results/tiny/PARAMETERS/*/*.safetensors")[0])
    assert any(abs(value).max() > 0 for value in weights.values())


@pytest.mark.long
def test_a_step_that_was_done_but_not_down_as_done_hides_nothing_of_the_plan(workplace: Workplace):
    running = workplace.start()
    wait_for(lambda: workplace.files("data/RAW/*/dataset.json"))
    (dataset,) = workplace.files("data/RAW/*/dataset.json")
    kill(running)
    marks = workplace.folder / ".snakemake/incomplete"
    name = base64.urlsafe_b64encode(str(dataset.relative_to(workplace.folder)).encode()).decode()
    (marks / name).write_text("{}")
    assert "a run removes unfinished outputs of a killed step" in workplace.run("-n")
    output = workplace.run("pp")
    assert (
        f"planning again without unfinished outputs of a killed step: {dataset.relative_to(workplace.folder)}" in output
    )
    assert workplace.files("data/PREPROCESSED/*/*/images.npy")
    assert "create_dataset" not in workplace.planned()
