"""Mode features: features of a trained network of the study, and their reuse by another project."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

from mml_lib.features.feature_files import Features
from mml_lib.interactive import load_metrics
from mml_lib.predictions.predictions import read_predictions
from tests.support.messages import mentions
from tests.support.workplaces import TINY, Workplace

STUDY = {**TINY, "mode": "features", "features": {"task": "stripes", "preprocessing": {"size": 16}, "batch_size": 7}}


def extracted(workplace: Workplace, project: str) -> list[Path]:
    return list(workplace.files(f"results/{project}/FEATURES/stripes/*.npz"))


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    workplace = Workplace(tmp_path_factory.mktemp("features"))
    workplace.write(STUDY)
    workplace.run()
    return workplace


@pytest.mark.long
def test_the_features_of_a_task_are_those_of_its_trained_network(workplace: Workplace):
    (path,) = extracted(workplace, "tiny")
    features = Features.load(path)
    (weights,) = workplace.files("results/tiny/PARAMETERS/stripes/*.safetensors")
    head = next(tensor for name, tensor in load_file(weights).items() if re.match(r"head\..*weight", name))
    assert features.values.shape == (48, head.shape[1])
    assert np.isfinite(features.values).all()
    assert len(np.unique(features.values.round(5), axis=0)) > 24
    assert not list(path.parent.glob("*-parts"))
    assert workplace.planned() == {}


def test_another_batch_size_extracts_nothing_and_another_pooling_all(workplace: Workplace):
    workplace.write(STUDY | {"features": STUDY["features"] | {"batch_size": 3}})
    assert workplace.planned() == {}
    workplace.write(STUDY | {"features": STUDY["features"] | {"pooling": "tokens"}})
    assert workplace.planned()["extract_features"] == 1
    workplace.write(STUDY)


def test_another_project_reuses_networks_and_features(workplace: Workplace):
    other = STUDY | {"project": "other", "reuse": {"features": "tiny", "models": "tiny"}}
    workplace.write(other)
    assert not {"extract_features", "train_fold"} & workplace.planned().keys()
    workplace.write(other | {"reuse": {"models": "tiny"}})
    planned = workplace.planned()
    assert (planned["extract_features"], planned.get("train_fold", 0)) == (1, 0)
    workplace.write(STUDY)


def test_a_network_that_timm_does_not_have_stops_the_study_before_it_starts(workplace: Workplace):
    workplace.write(STUDY | {"project": "mistaken", "features": {"arch": "test_resnt", "pretrained": False}})
    output = workplace.run(fails=True)
    assert mentions(output, "features.arch.name: ", "did you mean 'test_resnet'")
    assert not re.search(r"extract|FAILED", output)
    workplace.write(STUDY)


@pytest.mark.long
def test_baselines_are_tested_as_networks_are(workplace: Workplace):
    random = {"arch": "test_resnet", "pretrained": False, "preprocessing": {"size": 16}}
    workplace.write(STUDY | {"project": "base", "mode": "baselines", "features": random})
    workplace.run()
    table = pd.read_csv(workplace.folder / "results/base/RESULTS/baselines.csv")
    assert set(table["metric"]) == {"accuracy"}
    assert sorted(label.partition(" ")[0] for label in table["label"]) == ["linear_probe", "nearest_neighbour"]
    (metrics, *_) = load_metrics(workplace.folder / "results/base", fold=1).to_dict("records")
    path = workplace.folder / f"results/base/BASELINES/stripes/{metrics['run']}-fold1/{metrics['split']}.npz"
    predictions = read_predictions(path)
    assert metrics["accuracy"] == pytest.approx((predictions.logits.argmax(1) == predictions.targets).mean())
    assert workplace.planned() == {}
    workplace.write(STUDY)
