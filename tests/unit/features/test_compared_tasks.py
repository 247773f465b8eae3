"""Data of tasks that measures compare: probabilities of a source's classes, and what decides a distance."""

import json
from pathlib import Path

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before timm)
import numpy as np
import pytest
import torch

from mml_lib.distances import MEASURES
from mml_lib.features.compared_tasks import ComparedFiles, head_probabilities
from mml_lib.files.formats import FORMATS
from mml_lib.models.network import Network, save_network
from tests.support.small_tasks import ARCH


@pytest.mark.parametrize("task", ["source", "v1.5", "values"])
@torch.inference_mode()
def test_probabilities_of_features_are_those_of_the_whole_network(task: str, tmp_path: Path):
    network = Network(ARCH, {task: {"task_type": "classification", "outputs": 3}}).eval()
    path = tmp_path / "parameters.safetensors"
    save_network(network, path, {})
    images = torch.rand(5, 3, 32, 32)
    expected = network(images, task).softmax(dim=1).numpy()
    features = network.backbone(images).numpy()
    assert head_probabilities(features, str(path), task) == pytest.approx(expected, abs=1e-5)
    assert np.ptp(expected, axis=0).max() > 0


def definition(folder: Path, name: str, changes: dict[str, str] | None = None, **options: str) -> str:
    """Return the definition of a distance from a to b, with changes of the contents of files."""
    names = ("a.npz", "b.npz", "a.safetensors", "b.fisher")
    contents = {name: name for name in names} | {"keywords": "x"} | (changes or {})
    for task in "ab":
        header = {"id": f"{task}0000000", "keywords": [contents["keywords"]]}
        content = {**FORMATS["description"].stamp, "header": header}
        (folder / f"{task}.json").write_text(json.dumps(content)[:-1] + ",\n")
    for name_of_file in names:
        (folder / name_of_file).write_text(contents[name_of_file])
    measure = MEASURES[name]
    features = [folder / "b.npz"] if measure.of_source_networks else [folder / "a.npz", folder / "b.npz"]
    features = features if "keywords" not in measure.needs else []
    parameters = [folder / "a.safetensors"] if name == "leep" else []
    tasks = {task: folder / f"{task}.json" for task in "ab"}
    compared = ComparedFiles.of(measure, tasks, [("a", "b")], features, parameters, [])
    return compared.definition("a", "b", measure.read_options(options))


def test_a_distance_is_defined_by_options_and_files_that_it_reads(tmp_path: Path):
    emd = definition(tmp_path, "emd")
    assert emd == definition(tmp_path, "emd", {"keywords": "y"})
    others = [
        definition(tmp_path, "emd", {"b.npz": "others"}),
        definition(tmp_path, "emd", method="binned"),
        definition(tmp_path, "fid"),
    ]
    assert len({emd, *others}) == 4
    assert definition(tmp_path, "semantic") != definition(tmp_path, "semantic", {"keywords": "y"})
    leep = definition(tmp_path, "leep")
    assert leep != definition(tmp_path, "leep", {"a.safetensors": "others"})
    assert leep == definition(tmp_path, "leep", {"a.npz": "others"})
