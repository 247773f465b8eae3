"""A user's own schedulers: which part of their code decides a result."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mml_lib.errors import MMLError
from tests.support.own_modules import LOSS, edit, run_of
from tests.support.planned_studies import FAKE, planned

SCHEDULER = """
from mml_lib.schedulers.train import TrainScheduler

class Mine(TrainScheduler):
    def create_routine(self):
        super().create_routine()
        self.planned = 1
"""

HOOK = """
    def before_training_hook(self, step, data, model, trainer):
        model.lr = 1 if True else 2
"""

STEP = """
from mml_lib.steps.training_step import TrainingStep

class Own(TrainingStep):
    def create_model(self, structs, load_parameters=None):
        model = super().create_model(structs, load_parameters)
        return model if True else None

Mine.Step = Own
"""

NESTED_STEP = """
    from mml_lib.steps.training_step import TrainingStep

    class Step(TrainingStep):
        def create_model(self, structs, load_parameters=None):
            model = super().create_model(structs, load_parameters)
            return model if True else None
"""

BLOCK = """
    def create_model(self, structs, load_parameters=None):
        return None
"""


def scheduled(folder: Path, path: Path) -> str:
    mode = {"id": "mine", "scheduler": {"_target_": f"{path.stem}.Mine"}}
    (run,) = planned(mode | {"preset": "train"}, folder, tasks={"mine": FAKE}, plugins=[str(path)]).runs_of("mine")
    return run.id


def test_schedulers_that_only_plan_do_not_count(tmp_path: Path, module: Callable):
    path = module(SCHEDULER, "scheduler")
    assert scheduled(tmp_path, path) == run_of(tmp_path)
    edit(path, "self.planned = 1", "self.planned = 2")
    assert scheduled(tmp_path, path) == run_of(tmp_path)


@pytest.mark.parametrize("own", [HOOK, STEP, NESTED_STEP])
def test_hooks_and_steps_of_a_training_count_and_planning_beside_them_does_not(
    tmp_path: Path, module: Callable, own: str
):
    path = module(SCHEDULER + own, "scheduler")
    before = scheduled(tmp_path, path)
    assert before != run_of(tmp_path)
    edit(path, "self.planned = 1", "self.planned = 2")
    assert scheduled(tmp_path, path) == before
    edit(path, "if True", "if model")
    assert scheduled(tmp_path, path) != before


def test_a_scheduler_with_a_building_block_of_steps_is_refused(tmp_path: Path, module: Callable):
    with pytest.raises(MMLError, match=r"mode\.scheduler: Mine defines create_model; .*TrainingStep"):
        scheduled(tmp_path, module(SCHEDULER + BLOCK, "scheduler"))


def test_a_hook_that_takes_other_arguments_than_steps_pass_is_refused(tmp_path: Path, module: Callable):
    path = module(SCHEDULER + HOOK.replace("self, step, ", "self, "), "scheduler")
    with pytest.raises(MMLError, match=r"mode\.scheduler: .*before_training_hook\(self, step, data, model, trainer\)"):
        scheduled(tmp_path, path)


def test_a_loss_beside_a_scheduler_is_not_changed_by_it(tmp_path: Path, module: Callable):
    path = module(SCHEDULER + LOSS)
    study = {"loss": {"_target_": f"{path.stem}.Own"}}
    before = run_of(tmp_path, **study)
    edit(path, "self.planned = 1", "self.planned = 2")
    assert run_of(tmp_path, **study) == before
    edit(path, "* 1.0", "* 2.0")
    assert run_of(tmp_path, **study) != before
