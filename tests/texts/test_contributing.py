"""Contributing guide: its errands work as written."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from sklearn.metrics import recall_score

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before torch modules that need torchvision)
import torch

from mml_lib.metrics import classification, find_metric, metric_registry
from mml_lib.models import losses
from tests.support.places import REPOSITORY
from tests.support.workplaces import TINY, Workplace

PAGE = (REPOSITORY / ".github/CONTRIBUTING.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"^```\w+\n# ([\w/.]+)\n(.*?)^```$", PAGE, re.M | re.S))
"""Text of each file in the examples, by its path."""


def test_errands_touch_at_most_three_files():
    errands = re.split(r"^## ", PAGE, flags=re.M)
    for errand in (text for text in errands if text.startswith("Errand")):
        files = set(re.findall(r"(?:mml_lib|config|mine)/[\w/]+\.\w+", errand.partition("To ship")[0]))
        tests_and_guide = {file for file in files if file.startswith("config/guide")}
        parts = 2 if "a loss and a metric" in errand else 1
        assert 1 <= len(files - tests_and_guide) <= 3 * parts, files


def test_loss_of_the_example_learns():
    names = dict(vars(losses))
    exec(FILES["mml_lib/models/losses.py"], names)
    spec = yaml.safe_load(FILES["config/loss/generalized_cross_entropy.yaml"])
    assert spec.pop("_target_") == "mml_lib.models.losses.GeneralizedCrossEntropy"
    loss = names["GeneralizedCrossEntropy"](**spec)
    logits = torch.tensor([[2.0, 0.0], [0.0, 2.0]], requires_grad=True)
    right, wrong = (loss(logits, torch.tensor(targets)) for targets in ([0, 1], [1, 0]))
    assert 0 < right < wrong < 1 / spec["q"]
    right.backward()
    assert (logits.grad.diagonal() < 0).all()


def test_metric_of_the_example_agrees_with_scikit_learn(monkeypatch: pytest.MonkeyPatch):
    of_type = metric_registry._METRICS["classification"]
    monkeypatch.setitem(metric_registry._METRICS, "classification", dict(of_type))
    exec(FILES["mml_lib/metrics/classification.py"], dict(vars(classification)))
    metric = find_metric("classification", "g_mean")
    rng = np.random.default_rng(0)
    probabilities, targets = rng.dirichlet(np.ones(3), 50), rng.integers(0, 3, 50)
    (value,) = metric.value_of(metric.statistic(probabilities, targets)(np.ones((50, 1))))
    recalls = recall_score(targets, probabilities.argmax(axis=1), average=None)
    assert value == pytest.approx(np.prod(recalls) ** (1 / 3))


@pytest.mark.long
def test_mode_of_the_example_runs(tmp_path: Path):
    workplace = Workplace(tmp_path)
    for name in ("mine/sizes.py", "mine/sizes.smk", "mine/count_samples.py"):
        path = workplace.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(FILES[name], encoding="utf-8")
    (study,) = re.findall(r"^```yaml\n(plugins: .*?)^```$", PAGE, re.M | re.S)
    workplace.write(TINY | yaml.safe_load(study))
    workplace.run()
    assert json.loads((workplace.folder / "results/tiny/SIZES/stripes.json").read_text())["train"] > 0


def test_modules_and_files_that_the_page_names_exist():
    rooms = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| ", PAGE.partition("## Rooms")[2].partition("## Errand")[0], re.M)
    names = {room for row in rooms for room in re.findall(r"`(\w+)`", row)}
    folders = {path.parent.name for path in (REPOSITORY / "mml_lib").glob("*/__init__.py")}
    assert names == folders
    for name in re.findall(r"`((?:mml_lib|tests|config|\.ci|\.github)/[\w./]+)`", PAGE):
        assert (REPOSITORY / name).exists() or name in (*FILES, "config/mode/sizes.yaml"), name
    (tested,) = re.findall(r"workflow runs the gate on ([\d., and]+\d)", PAGE)
    (matrix,) = re.findall(r"python: \[(.*)\]", (REPOSITORY / ".github/workflows/ci.yml").read_text())
    assert re.findall(r"\d\.\d+", tested) == re.findall(r"\d\.\d+", matrix)
