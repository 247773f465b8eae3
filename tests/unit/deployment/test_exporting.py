"""Exports: graphs give what the networks give, and the script prepares images as MML does."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from mml_lib.config.prediction_options import TTA
from mml_lib.deployment.candidate_networks import CandidateNetwork
from mml_lib.deployment.exporting import export_folder, graph_files
from mml_lib.deployment.exporting.export_check import refuse_differences
from mml_lib.deployment.exporting.export_folder import write_export
from mml_lib.deployment.exporting.exported_ensemble import ExportedEnsemble
from mml_lib.deployment.exporting.exported_network import ExportedNetwork
from mml_lib.deployment.exporting.graph_files import (
    GraphFiles,
    lacking_operator,
    largest_difference,
    run_torch,
    write_graph,
    write_graph_of_any_size,
)
from mml_lib.deployment.exporting.onnx_script import script_text
from mml_lib.deployment.new_images import NewImage
from mml_lib.deployment.preparation import Preparation
from mml_lib.errors import MMLError
from mml_lib.evaluation.calibration.calibration_methods import Calibration
from mml_lib.evaluation.ensembles.combining import combine
from mml_lib.evaluation.ensembles.ensemble_storage import EnsembleStorage, Member
from mml_lib.evaluation.network_metrics import NetworkMetrics
from mml_lib.interactive import load_predictor
from mml_lib.predictions.scores import sigmoid, softmax
from mml_lib.tasks.pixel_format import GREY, Conversion, PixelFormat, ValueRange
from tests.support.deployed_projects import CROPPED, DeployedProject, deployed_project


def export(project: DeployedProject, folder: Path, **changes: Any) -> dict[str, float]:
    """Write the export of a project's run."""
    folder.mkdir()
    names = ("parameters", "models", "pipeline")
    paths = [[str(project.path(key, fold)) for key in names] for fold in (0, 1)]
    networks = [CandidateNetwork("t", project.run, fold, *paths[fold]) for fold in (0, 1)]
    metrics = {"metrics": {"accuracy": 0.25}, "intervals": {"accuracy": (0.125, 0.5)}, "samples": 6}
    arguments: dict[str, Any] = {
        "predictor": load_predictor(**project.options, device="cpu"),
        "networks": networks,
        "struct": project.struct,
        "dataset": str(project.struct.paths["dataset"]),
        "stored": [project.stored(0), project.stored(1)],
        "metrics": [NetworkMetrics(task="t", run=project.run, fold=fold, split="test", **metrics) for fold in (0, 1)],
        "split": "test",
        "tta": TTA(),
        "options": {"license": "mit", "intended_use": "Only for tests.", "limits": None},
    }
    return write_export(folder, **arguments | changes)


def read(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "description.json").read_text())


@pytest.mark.long
def test_an_export_reproduces_stored_predictions_and_its_script_those_of_the_predictor(tmp_path: Path):
    project = deployed_project(tmp_path, transforms=CROPPED, cuts=[(96, 64), (50, 96)], size=96)
    folder = tmp_path / "export"
    differences = export(project, folder)
    assert set(differences) == {"networks", "onnx", "torch_export"}
    assert max(differences.values()) < 1e-4
    description = read(folder)
    assert description["classes"] == project.struct.classes
    assert description["input"]["dtype"] == "uint8"
    assert description["preprocessing"] == [dict(spec) for spec in CROPPED]
    card = (folder / "README.md").read_text()
    assert "license: mit" in card.split("---")[1]
    assert "| 1 | test | 6 | accuracy | 0.2500 | 0.1250 … 0.5000 |" in card
    assert "Only for tests." in card
    files = [str(file) for file in project.files(project.stored().ids.tolist()[:3]).values()]
    done = subprocess.run([sys.executable, "run_onnx.py", *files], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    table = load_predictor(**project.options)(files)
    for name in project.struct.classes:
        np.testing.assert_allclose([row[name] for row in rows], table[f"probability/{name}"], atol=1e-3)


@pytest.mark.long
def test_graphs_of_masks_give_probabilities_of_pixels_for_batches_of_any_size(tmp_path: Path):
    project = deployed_project(tmp_path, "semantic_segmentation")
    differences = export(project, tmp_path / "export")
    assert max(differences.values()) < 1e-3
    run = run_torch(tmp_path / "export/model.pt2")
    images = np.load(project.struct.paths["packed"] / "images.npy")[:5]
    maps = run(images)
    assert maps.shape == (5, 3, 32, 32)
    np.testing.assert_allclose(maps.sum(1), 1, atol=1e-5)


@pytest.mark.long
@pytest.mark.parametrize("kind", ["classification", pytest.param("semantic_segmentation", marks=pytest.mark.thorough)])
def test_graphs_take_images_of_several_sizes_where_preprocessing_sets_none(kind: str, tmp_path: Path):
    project = deployed_project(tmp_path, kind, transforms=(), cuts=[(48, 40), (64, 96)], size=96)
    differences = export(project, tmp_path / "export")
    assert max(differences.values()) < 1e-3
    assert set(differences) == {"networks", "onnx", "torch_export"}
    size = [read(tmp_path / "export")["input"][key] for key in ("height", "width")]
    assert size == [None, None]
    (file,) = project.files(project.stored().ids.tolist()[:1]).values()
    command = [sys.executable, "run_onnx.py", str(file)]
    done = subprocess.run(command, cwd=tmp_path / "export", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    if kind == "classification":
        table = load_predictor(**project.options)([file])
        row = json.loads(done.stdout)
        for name in project.struct.classes:
            assert row[name] == pytest.approx(table[f"probability/{name}"][0], abs=1e-3)
    else:
        mask = Image.open(tmp_path / "export" / f"{Path(file).stem}-mask.png")
        assert mask.size == Image.open(file).size


class OfOneSize(torch.nn.Module):
    """A network that takes images of 40×48 only."""

    output, task_type = "probabilities", "classification"

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(40 * 48, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.layer(images.float()[..., 0].reshape(-1, 40 * 48)).softmax(1)


class Pooled(torch.nn.Module):
    """A network that takes images of any size."""

    output, task_type = "probabilities", "classification"

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.float().mean((1, 2)).softmax(1)


def test_a_network_of_one_size_has_a_graph_where_all_images_have_it(tmp_path: Path):
    example = np.random.default_rng(0).integers(0, 256, (2, 40, 48, 3), dtype=np.uint8)
    files = write_graph_of_any_size(OfOneSize(), example, {(40, 48)}, tmp_path)
    assert files.size == (40, 48)
    for run in files.runners.values():
        assert run(example[:1]).shape == (1, 3)
    with pytest.raises(MMLError, match=r"several sizes.*resize or center_crop"):
        write_graph_of_any_size(OfOneSize(), example, {(40, 48), (64, 48)}, tmp_path)


def test_a_graph_that_does_not_take_small_images_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    example = np.random.default_rng(0).integers(0, 256, (2, 6, 5, 3), dtype=np.uint8)
    files = write_graph_of_any_size(Pooled(), example, {(6, 5), (7, 300)}, tmp_path)
    assert (set(files.runners), files.size) == ({"onnx", "torch_export"}, None)

    def refuses(path: Path) -> Any:
        raise RuntimeError("Expected input at *args[0].shape[1] to be >= 33, but got 6")

    monkeypatch.setattr(graph_files, "run_torch", refuses)
    files = write_graph_of_any_size(Pooled(), example, {(6, 5), (7, 300)}, tmp_path)
    assert files.torch is None
    assert not (tmp_path / "model.pt2").exists()
    assert files.runners["onnx"](np.zeros((1, 6, 5, 3), np.uint8)).shape == (1, 3)


def test_other_predictions_than_the_stored_ones_end_the_export(tmp_path: Path):
    project = deployed_project(tmp_path)
    swapped = [project.stored(1), project.stored(0)]
    with pytest.raises(MMLError, match=f"export of run {project.run}: networks differs by"):
        export(project, tmp_path / "export", stored=swapped)
    refuse_differences({"onnx": 1e-3}, "r")
    for difference in (1.1e-3, float("nan")):
        with pytest.raises(MMLError, match="onnx differs"):
            refuse_differences({"onnx": difference}, "r")
    assert largest_difference([(np.array([1.0]), np.array([np.nan]))]) == float("inf")


@pytest.mark.parametrize("kind", ["classification", "multilabel_classification", "regression", "semantic_segmentation"])
def test_graphs_merge_folds_and_calibrate_as_predictors_do(kind: str, tmp_path: Path):
    from mml_lib.evaluation.calibration.calibration_methods import Calibration

    project = deployed_project(tmp_path, kind)
    predictor = load_predictor(**project.options, device="cpu")
    group = predictor.members[0].group
    if kind.endswith("classification"):
        maps = [Calibration(kind, "affine", (2.0, 1.0, 0.5), (0.1, 0.2, -0.3), (0.3, 0.4, 0.3)) for _ in (0, 1)]
        group.calibrations[:] = [maps[0], maps[1].with_prior((0.5, 0.25, 0.25))]
    files = project.files(project.stored().ids.tolist()[:4])
    images = np.load(project.struct.paths["packed"] / "images.npy")
    rows = {sample.id: row for row, sample in enumerate(project.dataset.delivery.samples)}
    with torch.no_grad():
        outputs = ExportedNetwork(group)(torch.from_numpy(images[[rows[name] for name in files]])).numpy()
    table = predictor(files)
    if kind == "semantic_segmentation":
        masks = [mask for _, mask in predictor.masks(files)]
        assert np.mean(outputs.argmax(1) != masks) < 1e-3
    else:
        columns = [column for column in table if column.startswith("probability/")] or ["prediction"]
        np.testing.assert_allclose(outputs, table[columns].to_numpy(float), atol=1e-4, rtol=1e-4)


class Odd(torch.nn.Module):
    """A network with an operator that ONNX does not have."""

    output, task_type = "probabilities", "classification"

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.linalg.eigvals(images.float()[..., 0]).real


def test_an_operator_that_onnx_lacks_is_named_and_torch_export_written(tmp_path: Path):
    images = np.zeros((2, 4, 4, 1), np.uint8)
    files = write_graph(Odd(), images, tmp_path)  # type: ignore[arg-type]
    assert files.onnx is None
    assert "eig" in files.lacking
    assert list(files.runners) == ["torch_export"]
    assert files.runners["torch_export"](images).shape == (2, 4)
    assert lacking_operator(ValueError("no names at all"))


# --- the script -----------------------------------------------------------------------------------------------------

TRANSFORMS: dict[str, Sequence[dict[str, Any]]] = {
    "resize": [{"name": "resize", "size": [30, 20]}],
    "smallest": [{"name": "resize_smallest", "size": 24, "interpolation": "bicubic"}],
    "longest": [{"name": "resize_longest", "size": 40}, {"name": "pad_to_square"}],
    "enlarged": [{"name": "resize_longest", "size": 91, "enlarge": True}],
    "crop": [{"name": "center_crop", "size": [33, 70]}, {"name": "resize", "size": [16, 16]}],
}


@pytest.mark.parametrize("name", TRANSFORMS)
@pytest.mark.parametrize("kind", ["jpg", "png", "grey", "transparent", "deep"])
def test_the_script_prepares_images_as_mml_does(name: str, kind: str, tmp_path: Path):
    pixels = np.random.default_rng(0).integers(0, 256, (61, 46, 4), dtype=np.uint8)
    images = {
        "jpg": Image.fromarray(pixels[..., :3]).resize((460, 610)),
        "png": Image.fromarray(pixels[..., :3]),
        "grey": Image.fromarray(pixels[..., 0]),
        "transparent": Image.fromarray(pixels),
        "deep": Image.fromarray(pixels[..., 0].astype(np.uint16) * np.uint16(16)),
    }
    file = tmp_path / f"image.{'jpg' if kind == 'jpg' else 'png'}"
    images[kind].save(file)
    conversion = Conversion()
    if kind == "grey":
        conversion = Conversion(PixelFormat("uint8", GREY))
    elif kind == "deep":
        conversion = Conversion(PixelFormat("uint16", GREY), ValueRange(16, 4000))
    text, problem = script_text(conversion, TRANSFORMS[name], "classification")
    assert problem == ""
    names: dict[str, Any] = {}
    exec(text[text.index("import json") : text.index("here = ")].replace("import onnxruntime\n", ""), names)
    exec(text[text.index("def prepare") : text.index("for file in")], names)
    expected = Preparation("t", conversion, TRANSFORMS[name])(NewImage("a", file)).pixels
    made = names["prepare"](file)
    assert made.shape == expected.shape
    scale = 1 if expected.dtype == np.uint8 else conversion.pixels.full_scale
    assert np.abs(made.astype(float) - expected.astype(float) / scale).max() <= (0 if scale == 1 else 2e-5)


@pytest.mark.parametrize(
    ("conversion", "transforms", "windows", "why"),
    [
        (Conversion(), [{"name": "clahe"}], False, "clahe"),
        (Conversion(), [{"_target_": "own.turn"}], False, "own.turn"),
        (Conversion(), [], True, "window by window"),
        (Conversion(PixelFormat("uint16", ("a", "b")), picked=(0, 1)), [], False, "channels a, b"),
    ],
)
def test_the_script_says_what_it_cannot_prepare(conversion: Conversion, transforms: list, windows: bool, why: str):
    text, problem = script_text(conversion, transforms, "classification", windows)
    assert why in problem
    assert problem in text


# --- ensembles ----------------------------------------------------------------------------------------------------


def ensemble_of(project: DeployedProject, **changes: Any) -> EnsembleStorage:
    members = [Member("t", project.run, fold) for fold in (0, 1)]
    storage = EnsembleStorage(
        **{"task": "t", "task_type": project.struct.task_type, "strategy": "greedy", "metric": "accuracy"},
        **{"members": members, "selection_value": None, "selection_ids": [], "assessed_value": None},
        **{"assessed_samples": 0, "candidates": 2, "seed": 0},
        **{"weights": [0.8, 0.2], "votes": False, "member_temperature": 1.0} | changes,
    )
    storage.write(project.fm.path("ensemble", task="t", mode="post"))
    return storage


@pytest.mark.long
@pytest.mark.parametrize(
    "task_type", ["classification", "multilabel_classification", "semantic_segmentation", "regression"]
)
def test_an_export_of_an_ensemble_reproduces_its_stored_predictions(
    task_type: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    project = deployed_project(tmp_path, task_type)
    stored = combine(ensemble_of(project), [project.stored(0), project.stored(1)])
    predictor = load_predictor(**project.options, run="ensemble", device="cpu")
    differences = export(project, tmp_path / "export", predictor=predictor, of_ensemble=stored)
    assert max(differences.values()) <= 1e-3
    description = read(tmp_path / "export")
    assert description["run"] == "ensemble"
    assert [member["weight"] for member in description["ensemble"]["members"]] == [0.8, 0.2]
    assert len(description["normalization"]) == 2
    assert project.run in (tmp_path / "export/README.md").read_text()
    wrong = ensemble_of(project, weights=[0.2, 0.8])
    other = combine(wrong, [project.stored(0), project.stored(1)])
    if task_type in ("classification", "regression"):
        graphs = GraphFiles(tmp_path / "export/model.pt2", tmp_path / "export/model.onnx")  # of the same networks
        monkeypatch.setattr(export_folder, "_write_graph", lambda *_: graphs)
        with pytest.raises(MMLError, match="nothing was exported"):
            export(project, tmp_path / "other", predictor=predictor, of_ensemble=other)


@pytest.mark.parametrize("changes", [{"votes": True}, {"member_temperature": 2.5}, {"calibrated": True}], ids=str)
@pytest.mark.parametrize("task_type", ["classification", "multilabel_classification"])
def test_graphs_of_ensembles_vote_divide_and_calibrate(task_type: str, changes: dict[str, Any], tmp_path: Path):
    project = deployed_project(tmp_path, task_type)
    classes = project.struct.num_classes
    if changes.pop("calibrated", False):
        changes["calibration"] = Calibration(
            task_type, "affine", [1.7] * classes, np.linspace(-0.5, 0.5, classes), [1 / classes] * classes
        )
    storage = ensemble_of(project, **changes)
    groups = [member.group for member in load_predictor(**project.options, run="ensemble", device="cpu").members]
    images = np.load(project.struct.paths["packed"] / "images.npy")
    rows = dict(zip(project.struct.samples["id"], project.struct.samples["row"], strict=True))
    places = [rows[name] for name in project.stored().ids]
    with torch.no_grad():
        outputs = ExportedEnsemble(groups, storage)(torch.from_numpy(images[places])).numpy()
    expected = combine(storage, [project.stored(0), project.stored(1)]).logits
    squash = softmax if task_type == "classification" else sigmoid
    np.testing.assert_allclose(outputs, squash(expected), atol=1e-4)


def test_members_that_preprocess_images_differently_have_no_graph(tmp_path: Path):
    project = deployed_project(tmp_path)
    ensemble_of(project)
    predictor = load_predictor(**project.options, run="ensemble", device="cpu")
    second = predictor.members[1]
    changed = replace(second, preparation=replace(second.preparation, transforms=[]))
    with pytest.raises(MMLError, match="name a run"):
        export(project, tmp_path / "export", predictor=replace(predictor, members=[predictor.members[0], changed]))
