"""Task types: each is one object, and everything that names them agrees with it."""

from pathlib import Path
from typing import get_args

import pytest
import yaml

from mml_lib.config.metric_options import Metrics
from mml_lib.config.training_options import Augmentations, Losses
from mml_lib.errors import MMLError
from mml_lib.metrics import find_metric
from mml_lib.task_types import LEARNABLE, TASK_TYPES, TaskTypeName

PRESETS = Path(__file__).parents[2] / "config"


def test_a_config_can_name_the_types_that_there_are():
    assert list(TASK_TYPES) == list(get_args(TaskTypeName))


@pytest.mark.parametrize("section", [Augmentations, Losses, Metrics])
def test_sections_have_a_key_for_each_type_that_can_be_learned(section: type):
    assert set(section.model_fields) - {"transforms"} == set(LEARNABLE)


def test_presets_name_the_default_loss_and_metrics_of_each_type():
    losses = yaml.safe_load((PRESETS / "loss/default.yaml").read_text(encoding="utf-8"))
    metrics = yaml.safe_load((PRESETS / "metrics/default.yaml").read_text(encoding="utf-8"))
    assert losses == {name: {"_target_": TASK_TYPES[name].default_loss} for name in LEARNABLE}
    assert metrics == {name: [*TASK_TYPES[name].default_metrics] for name in LEARNABLE}
    assert all(find_metric(name, metric) for name in LEARNABLE for metric in metrics[name])


@pytest.mark.parametrize("name", TASK_TYPES)
def test_a_type_has_one_kind_of_target(name: str):
    kind = TASK_TYPES[name]
    kinds = [kind.is_single_label, kind.is_multilabel, kind.has_masks, kind.has_values, not kind.is_learnable]
    assert kinds.count(True) == 1
    assert kind.num_outputs(3) == (1 if name == "regression" else 3)


def test_an_unknown_type_is_named_with_the_nearest():
    with pytest.raises(MMLError, match=r"no task type 'regresion'.*regression"):
        TASK_TYPES["regresion"]
