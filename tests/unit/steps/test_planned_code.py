"""The user's code in a step: it is the code that the step was planned with, or the step is refused."""

import re
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mml_lib.config.task_options import Task
from mml_lib.distances import MEASURES
from mml_lib.errors import MMLError
from mml_lib.images.packs.pack_names import check_pack_code, pack_id
from mml_lib.steps.planned_code import check_planned_code
from mml_lib.steps.step import Step
from mml_lib.tasks.creators.creator_registry import CREATORS, check_creator_code
from mml_lib.tasks.sharing.redelivery import check_source_code
from mml_lib.tasks.tags import TAGS
from mml_lib.tasks.task_identity import TaskIdentity, check_tag_code
from tests.support.own_modules import LOSS, edit, plan
from tests.support.steps import Paths, training_step

NETWORK = "from torch import nn\n\n\nclass Own(nn.Module):\n    number = 1\n"
METRIC = "import torchmetrics\n\n\nclass Own(torchmetrics.Metric):\n    number = 1\n"
VIEW = "class Own:\n    number = 1\n"
TAG = """
from mml_lib.tasks.tags import register_tag

@register_tag("own")
def own(task):
    return task
"""
MEASURE = """
from mml_lib.distances import register_measure

@register_measure("own", needs=["keywords"], symmetric=True)
def own(source, target, options):
    return 1.0
"""
CREATOR = """
from mml_lib.tasks.creators.creator_registry import register_creator

@register_creator("own", splits=("train",))
def own(folder):
    return None
"""


@pytest.fixture
def registries() -> Iterator[None]:
    """Forget the parts that a test has registered."""
    before = [(registry, dict(registry)) for registry in (TAGS, MEASURES, CREATORS)]
    yield
    for registry, parts in before:
        registry.clear()
        registry.update(parts)


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


@pytest.mark.parametrize("rule", ["predict_fold", "predict_other", "compute_fisher"])
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


def test_a_step_refuses_a_backbone_that_has_changed(tmp_path: Path, module: Callable):
    path = module(NETWORK)
    study = plan(tmp_path, features={"arch": {"_target_": f"{path.stem}.Own"}}).study
    wildcards = SimpleNamespace(extractor=study.extractors.own.name)
    edit(path, "number = 1", "number = 2")
    step = light_step("extract_features", study.config, {"code": study.inputs.features.code(wildcards, [])})
    with pytest.raises(MMLError, match=rf"the code of {path.stem} {re.escape(f'({path})')} has changed since planning"):
        check_planned_code(step)
    edit(path, "number = 2", "number = 1")
    check_planned_code(step)


def test_a_step_refuses_a_measure_that_has_changed(tmp_path: Path, module: Callable, registries: None):
    path = module(MEASURE)
    import_module(path.stem)
    params = {"code": {"version": 1, "modules": MEASURES["own"].code}}
    step = light_step("compute_distances", plan(tmp_path).study.config, params, measure="own")
    check_planned_code(step)
    edit(path, "return 1.0", "return 2.0")
    with pytest.raises(MMLError, match=rf"the code of {path.stem} {re.escape(f'({path})')} has changed since planning"):
        check_planned_code(step)


@pytest.mark.parametrize("tags", ["own", "own+subset~0.5", "subset~0.5+own"])
def test_a_step_derives_no_task_by_another_tag_than_its_id_states(tags: str, module: Callable, registries: None):
    path = module(TAG)
    import_module(path.stem)
    task = TaskIdentity.of("mine", Task(creator="fake"))
    for tag in tags.split("+"):
        task = task.tagged(tag)
    check_tag_code(task.definition())
    edit(path, "return task", "return task.other")
    if not tags.endswith("own"):
        check_tag_code(task.definition())  # the step of its base is the one that refuses
        return
    with pytest.raises(MMLError, match=rf"{re.escape(task.name)} \({task.id}\) .* tag 'own': {path.stem} .* changed"):
        check_tag_code(task.definition())


def test_steps_of_a_data_set_refuse_a_creator_that_has_changed(tmp_path: Path, module: Callable, registries: None):
    path = module(CREATOR)
    import_module(path.stem)
    study = plan(tmp_path, tasks={"mine": {"creator": "own"}}).study
    task = study.tasks["mine"]
    check_source_code({**task.definition(), "targets": {}})
    edit(path, "return None", "return 1")
    source = study.tasks.source(task.dataset)  # Snakemake asks for it when the step starts
    words = rf"{task.dataset} .*creator 'own': {path.stem}"
    with pytest.raises(MMLError, match=words):
        check_creator_code(source["creator"], source.get("code", {}), task.dataset)
    with pytest.raises(MMLError, match=words):
        check_source_code({**task.definition(), "targets": {}})


def test_a_step_packs_no_images_by_other_transforms_than_the_pack_states(tmp_path: Path, module: Callable):
    path = module("def own(image, mask):\n    return image, mask\n")
    transforms = ["resize", {"_target_": f"{path.stem}.own"}]
    scheduler = plan(tmp_path, preprocessing={"size": 32, "transforms": transforms})
    pack = pack_id(scheduler.study.cfg.preprocessing)
    inputs = scheduler.study.inputs.preprocess
    check_pack_code(pack, inputs.transforms(SimpleNamespace(pack=pack)))
    edit(path, "return image", "return 255 - image")
    with pytest.raises(MMLError, match=rf"the code of {path.stem} .* changed since the preprocessing {pack} was"):
        check_pack_code(pack, inputs.transforms(SimpleNamespace(pack=pack)))
    with pytest.raises(MMLError, match=r"the preprocessing other-1234abcd is part of no run of the study"):
        inputs.transforms(SimpleNamespace(pack="other-1234abcd"))


def light_step(rule: str, config: dict[str, Any], params: dict[str, Any], **wildcards: str) -> Step:
    sections = {"input": Paths(), "output": Paths(), "wildcards": Paths(wildcards)}
    return Step(SimpleNamespace(rule=rule, config=dict(config), threads=1, params=Paths(params), **sections))
