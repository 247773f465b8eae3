"""The user's code in a step: it is the code that the step was planned with, or the step is refused."""

import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mml_lib.errors import MMLError
from mml_lib.steps.planned_code import check_planned_code
from mml_lib.steps.step import Step
from tests.support.own_modules import LOSS, edit, plan
from tests.support.steps import Paths, training_step

NETWORK = "from torch import nn\n\n\nclass Own(nn.Module):\n    number = 1\n"
METRIC = "import torchmetrics\n\n\nclass Own(torchmetrics.Metric):\n    number = 1\n"
VIEW = "class Own:\n    number = 1\n"


def step_of_network(rule: str, tmp_path: Path, **sections: Any) -> Any:
    """Return a step of the run of a small study."""
    scheduler = plan(tmp_path, **sections)
    (run,) = scheduler.runs_of("mine")
    step = training_step(scheduler.study.config, task="mine", run=run.id)
    step.rule, step.pipeline = rule, run.pipeline
    return step


def test_a_step_trains_no_pipeline_by_other_code_than_it_was_planned_with(tmp_path: Path, module: Callable):
    loss = module(LOSS)
    step = step_of_network("train_fold", tmp_path, loss={"_target_": f"{loss.stem}.Own"})
    check_planned_code(step)
    edit(loss, "* 1.0", "* 3.0")
    with pytest.raises(MMLError, match=rf"run {step.run} of mine: the code of .*{loss.stem}.*run the"):
        check_planned_code(step)


@pytest.mark.parametrize("rule", ["predict_fold", "predict_other"])
def test_a_step_predicts_with_no_other_network_than_was_trained(rule: str, tmp_path: Path, module: Callable):
    network, loss = module(NETWORK, "network"), module(LOSS)
    sections = {"arch": {"_target_": f"{network.stem}.Own"}, "loss": {"_target_": f"{loss.stem}.Own"}}
    step = step_of_network(rule, tmp_path, **sections)
    check_planned_code(step)
    edit(loss, "* 1.0", "* 3.0")
    check_planned_code(step)  # predictions do not depend on the loss
    edit(network, "number = 1", "number = 2")
    with pytest.raises(MMLError, match=rf"run {step.run} of mine: the code of {network.stem}.*undo the change"):
        check_planned_code(step)


@pytest.mark.parametrize(("rule", "source"), [("test_fold", METRIC), ("apply_networks", VIEW)], ids=["metric", "view"])
def test_a_step_refuses_metrics_and_views_that_have_changed(rule: str, source: str, tmp_path: Path, module: Callable):
    path = module(source)
    own = {"_target_": f"{path.stem}.Own"}
    options = {"metrics": [{**own, "name": "mine"}]} if source == METRIC else {"tta": {"transforms": [own]}}
    inputs = plan(tmp_path, **options).study.inputs.evaluate
    params = inputs.metric_params() if source == METRIC else inputs.prediction_params()
    assert params["code"]
    step = light_step(rule, plan(tmp_path, **options).study.config, params)
    check_planned_code(step)
    edit(path, "number = 1", "number = 2")
    with pytest.raises(MMLError, match=rf"the code of {path.stem} {re.escape(f'({path})')} has changed since planning"):
        check_planned_code(step)


def light_step(rule: str, config: dict[str, Any], params: dict[str, Any]) -> Step:
    sections = {name: Paths() for name in ("input", "output", "wildcards")}
    return Step(SimpleNamespace(rule=rule, config=dict(config), threads=1, params=Paths(params), **sections))
