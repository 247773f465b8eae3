"""Test-time augmentation: views and their undoing, merged outputs, predictions, what is refused."""

from itertools import product
from pathlib import Path
from typing import Any

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before lightning)
import numpy as np
import pytest
import torch

from mml_lib.config.loading import load_study
from mml_lib.config.prediction_options import TTA
from mml_lib.config.training_options import Sampling
from mml_lib.data.datamodule import MMLDataModule, TaskImages
from mml_lib.data.merging import merge_outputs
from mml_lib.data.tta import Flip, Scale, Turn, build_view
from mml_lib.errors import MMLError
from mml_lib.inference.merged_views import MergedViews
from mml_lib.inference.prediction import predict
from mml_lib.models.network import Network, head_spec
from mml_lib.predictions.scores import score_arguments
from mml_lib.task_types import LEARNABLE
from mml_lib.tasks.struct import TaskStruct
from mml_lib.training.module import MMLModule
from tests.support.small_tasks import ARCH, fake_task, small_model
from tests.support.studies import run_id, study
from tests.support.train_studies import FAKE
from tests.support.train_studies import study as plan

CUTS = [(32, 24), (20, 32)]
PROBABILITIES = ("classification", "multilabel_classification")


class Darker:
    """A user's view that moves no pixel."""

    def do(self, images: torch.Tensor) -> torch.Tensor:
        return images * 0.5

    def undo(self, maps: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        return maps


class Cut:
    """A view that forgets to be undone."""

    def do(self, images: torch.Tensor) -> torch.Tensor:
        return images[..., 8:, :]


class CutHalf(Cut):
    def undo(self, maps: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        return maps


def tta(name: str, **changes: Any) -> TTA:
    return load_study(study(tta={"preset": name, **changes})).tta


def own(*targets: str, **arguments: Any) -> TTA:
    return TTA(transforms=[{"_target_": f"{__name__}.{target}", **arguments} for target in targets])


class Turned:
    """Images and masks turned by quarters."""

    def __init__(self, images: TaskImages, turns: int):
        self.images, self.turns = images, turns
        self.sizes = images.sizes

    def __getitem__(self, positions: np.ndarray) -> dict[str, torch.Tensor]:
        batch = self.images[positions]
        images, target = batch["image"].permute(0, 2, 3, 1), batch["target"]
        turned = torch.rot90(images, self.turns, (1, 2)).permute(0, 3, 1, 2)
        return {"image": turned, "target": torch.rot90(target, self.turns, (1, 2)) if target.ndim == 3 else target}


def predicted(struct: TaskStruct, model: MMLModule, config: TTA | None = None, turns: int = 0) -> Any:
    """Return predictions of the test split, of images turned by quarters if asked for."""
    data = MMLDataModule(struct, 0, Sampling(batch_size=3), seed=0)
    images = Turned(data.part("test"), turns)
    data.part = lambda part: images
    views = MergedViews(config, model.task_type) if config else None
    return predict(model, data.ordered("test"), struct.samples["id"][struct.select("test")], torch.device("cpu"), views)


def outputs_of(model: MMLModule, images: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        return model.eval()(images)


# --- views --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", ["flips", "d4"])
def test_undone_view_gives_back_every_pixel(preset: str):
    maps = torch.rand(2, 3, 4, 7)
    for spec in tta(preset).transforms:
        view = build_view(spec.spec())
        assert torch.equal(view.undo(view.do(maps), (4, 7)), maps)
        assert not torch.equal(view.do(maps).flatten(), maps.flatten())


@pytest.mark.parametrize("factor", [0.8, 1.25, 0.01])
def test_scaled_maps_come_back_in_their_size_and_place(factor: float):
    ramp = torch.linspace(0, 1, 31).expand(1, 2, 17, 31)
    view = Scale(factor)
    assert view.do(ramp).shape[-2:] == (max(1, round(17 * factor)), max(1, round(31 * factor)))
    back = view.undo(view.do(ramp), (17, 31))
    assert back.shape == ramp.shape
    assert (back - (ramp if factor > 0.1 else 0.5)).abs().max() < 0.03


def test_d4_is_each_symmetry_of_a_square_once():
    image = torch.arange(9.0).view(1, 1, 3, 3)
    views = [image, *(build_view(spec.spec()).do(image) for spec in tta("d4").transforms)]
    symmetries = [
        np.rot90(start, turns) for start in (image[0, 0].numpy(), image[0, 0].numpy().T) for turns in range(4)
    ]
    assert {tuple(view.flatten().tolist()) for view in views} == {
        tuple(symmetry.ravel().tolist()) for symmetry in symmetries
    }
    assert len(views) == 8


def test_flips_and_turns_go_where_they_say():
    image = torch.tensor([[1, 2], [3, 4]])
    assert Flip(horizontal=True).do(image).tolist() == [[2, 1], [4, 3]]
    assert Flip(vertical=True).do(image).tolist() == [[3, 4], [1, 2]]
    assert Turn(1).do(image).tolist() == [[2, 4], [1, 3]]
    assert Turn(1, mirrored=True).do(image).tolist() == [[1, 3], [2, 4]]


# --- merging ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("task_type", "merge"), list(product(PROBABILITIES, ["mean", "max"])))
def test_softmax_or_sigmoid_of_what_is_stored_is_the_merged_probability(task_type: str, merge: str):
    outputs = 4 * torch.randn(5, 6, 3, generator=torch.Generator().manual_seed(0))
    of_views = np.stack([score_arguments(task_type, view.numpy(), np.zeros(1))[0] for view in outputs])
    expected = of_views.mean(0) if merge == "mean" else of_views.max(0)
    stored = merge_outputs(outputs, task_type, merge).numpy()
    if task_type == "classification":
        expected /= expected.sum(axis=1, keepdims=True)
        assert np.allclose(np.exp(stored), expected, atol=1e-6), "logarithms of probabilities"
    assert np.allclose(score_arguments(task_type, stored, np.zeros(1))[0], expected, atol=1e-6)


@pytest.mark.parametrize(("task_type", "merge"), list(product(PROBABILITIES, ["mean", "max"])))
def test_views_that_agree_without_a_doubt_stay_finite(task_type: str, merge: str):
    certain = torch.tensor([[[300.0, -300.0]]]).expand(4, 1, 2)
    stored = merge_outputs(certain, task_type, merge)
    assert torch.isfinite(stored).all()
    assert stored[0, 0] - stored[0, 1] == 600


def test_values_are_averaged():
    assert merge_outputs(torch.tensor([[[1.0]], [[4.0]]]), "regression", "mean").tolist() == [[2.5]]


@pytest.mark.parametrize("task_type", [*PROBABILITIES, "regression"])
def test_view_that_exploded_is_not_hidden_by_the_others(task_type: str):
    outputs = torch.tensor([[[1.0, 2.0]], [[float("nan"), 0.0]]])
    for merge in ("mean", "max"):
        assert merge_outputs(outputs, task_type, merge).isnan().any()


# --- predictions --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("task_type", "preset"), list(product(LEARNABLE, ["d4", "flips"])))
def test_prediction_turns_with_images_of_any_size(tmp_path: Path, task_type: str, preset: str):
    """A network is not indifferent to how an image lies; the merged views of all ways that it can lie are."""
    struct = fake_task(tmp_path, task_type, transforms=(), cuts=CUTS)
    model, turns = small_model(struct), 1 if preset == "d4" else 2
    for config, alike in ((tta(preset), True), (None, False)):
        upright, turned = (predicted(struct, model, config, quarters) for quarters in (0, turns))
        if task_type == "semantic_segmentation":
            pairs = zip(upright.images(), turned.images(), strict=True)
            same = np.mean([(np.rot90(mask, turns) == other).mean() for (mask, _), (other, _) in pairs])
            assert (same > 0.999) == alike
        else:
            assert np.allclose(upright.logits, turned.logits, atol=1e-4) == alike
            assert np.array_equal(upright.targets, turned.targets)


def test_pixels_are_merged_as_probabilities(tmp_path: Path):
    struct = fake_task(tmp_path, "semantic_segmentation")
    model = small_model(struct)
    images = MMLDataModule(struct, 0, Sampling(), seed=0).part("test")[np.arange(6)]["image"]
    upright, mirrored = outputs_of(model, images), outputs_of(model, images.flip(-1)).flip(-1)
    for merge, expected in (
        ("mean", upright.softmax(1) + mirrored.softmax(1)),
        ("max", torch.maximum(upright.softmax(1), mirrored.softmax(1))),
    ):
        config = TTA(transforms=[{"_target_": "mml_lib.data.tta.Flip", "horizontal": True}], merge=merge)
        masks = np.stack([mask for mask, _ in predicted(struct, model, config).images()])
        assert np.array_equal(masks, expected.argmax(1).numpy())
        assert not np.array_equal(masks, upright.argmax(1).numpy())


@pytest.mark.parametrize("task_type", LEARNABLE)
def test_scales_and_own_views_are_merged_and_repeatable(tmp_path: Path, task_type: str):
    struct = fake_task(tmp_path, task_type, transforms=(), cuts=CUTS)
    model = small_model(struct)
    content = [
        (predictions.masks if task_type == "semantic_segmentation" else predictions.logits).tobytes()
        for config in (None, tta("scales"), own("Darker"), tta("scales"))
        for predictions in [predicted(struct, model, config)]
    ]
    assert content[1] == content[3]
    assert len(set(content)) == 3


def test_without_views_predictions_are_the_outputs_of_the_network(tmp_path: Path):
    struct = fake_task(tmp_path, "classification")
    model = small_model(struct)
    images = MMLDataModule(struct, 0, Sampling(), seed=0).part("test")[np.arange(3)]["image"]
    assert np.array_equal(predicted(struct, model).logits[:3], outputs_of(model, images).numpy())


# --- the study ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", ["none", "flips", "d4", "scales"])
def test_tta_is_no_part_of_a_run_but_of_its_predictions(preset: str):
    assert run_id(study(tta={"preset": preset, "merge": "max"})) == run_id(study())
    params = plan(tta=preset).inputs.evaluate.prediction_params()
    assert ("tta" in params) == (preset != "none")


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ({"preset": "flips", "merge": "max"}, r"tta.merge: .*regression.*set"),
        ("flip", "tta: .*preset 'flip', did you mean 'flips'"),
        ({"preset": "flips", "merge": "median"}, "tta.merge: .*'mean' or 'max', not 'median'"),
        ({"_target_": "mml_lib.data.tta.Flipp"}, "tta.transforms: .* no 'Flipp', did you mean 'Flip'"),
        ({"_target_": "mml_lib.data.tta.Flip"}, "would be mirrored; set horizontal: true"),
        ({"_target_": "mml_lib.data.tta.Turn", "quarters": 4}, "quarters has to be 1, 2 or 3"),
        ({"_target_": "mml_lib.data.tta.Turn", "quarter": 1}, "argument 'quarter', did you mean 'quarters'"),
        ({"_target_": "mml_lib.data.tta.Scale", "factor": 0}, "factor has to be a number above 0"),
        ({"_target_": "torch.nn.Identity"}, r"torch.nn.Identity has no method do\(images\)"),
    ],
)
def test_what_cannot_be_merged_or_built_is_refused_while_planning(config: Any, why: str):
    tasks = {"mine": FAKE | {"task_type": "regression"}}
    with pytest.raises(MMLError, match=why):
        plan(tasks=tasks, tta={"transforms": [config]} if "_target_" in config else config).check()


@pytest.mark.parametrize(
    ("view", "why"),
    [
        ("Cut", r"tta.transforms: Cut has no method undo\(maps, size\).*; leave it out"),
        ("CutHalf", "tta.transforms: CutHalf.undo.*56×96.*64×96; correct it"),
    ],
)
def test_view_that_cannot_be_undone_is_refused_for_masks_only(tmp_path: Path, view: str, why: str):
    masks, images = (fake_task(tmp_path / kind, kind) for kind in ("semantic_segmentation", "classification"))
    with pytest.raises(MMLError, match=why):
        predicted(masks, small_model(masks), own(view))
    assert np.isfinite(predicted(images, small_model(images), own(view)).logits).all()


def test_network_that_takes_one_size_only_tells_which_view_to_leave_out(tmp_path: Path):
    struct = fake_task(tmp_path, "classification")
    arch = ARCH | {"name": "test_vit", "img_size": 32}
    model = small_model(struct, network=Network(arch, {"t": head_spec(struct, None)}))
    assert np.isfinite(predicted(struct, model, tta("d4")).logits).all()
    with pytest.raises(MMLError, match=r"tta: Scale changes the size of images; leave it out .*takes images of 32×32"):
        predicted(struct, model, tta("scales"))


def test_maximum_of_a_regression_of_an_old_run_is_refused():
    with pytest.raises(MMLError, match=r"tta\.merge: max is not defined for the values of a regression"):
        MergedViews(tta("flips", merge="max"), "regression")


# --- views that are wrong -----------------------------------------------------------------------------------------


class Changed:
    """A view that does what is asked for, and undoes it or not."""

    def __init__(self, do: str, undo: str = "nothing"):
        self.change = CHANGES[do]
        self.restore = CHANGES[undo]

    def do(self, images: torch.Tensor) -> torch.Tensor:
        return self.change(images)

    def undo(self, maps: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        return self.restore(maps)


CHANGES = {
    "nothing": lambda images: images,
    "mirrored": lambda images: images.flip(-1),
    "upside down": lambda images: images.flip(-2),
    "half turned": lambda images: images.rot90(2, (-2, -1)),
    "shifted": lambda images: images.roll(20, -1),
    "inverted": lambda images: 1 - images,
    "blurred": lambda images: torch.nn.functional.avg_pool2d(images, 3, 1, 1),
    "random": lambda images: images * torch.rand(()),
    "levels": lambda images: images * 255,
    "nan": lambda images: images / 0 * 0,
    "grey": lambda images: images.mean(1, keepdim=True),
    "failing": lambda images: images @ images,
}


@pytest.mark.parametrize(
    ("do", "undo"),
    [("mirrored", "nothing"), ("mirrored", "upside down"), ("half turned", "mirrored"), ("shifted", "nothing")],
)
def test_undo_that_does_not_restore_positions_is_refused_for_masks_only(do: str, undo: str):
    with pytest.raises(MMLError, match=r"Changed\.undo does not return pixels to their original places"):
        MergedViews(own("Changed", do=do, undo=undo), "semantic_segmentation")
    MergedViews(own("Changed", do=do, undo=undo), "classification")


@pytest.mark.parametrize(
    ("do", "undo"),
    [("mirrored", "mirrored"), ("half turned", "half turned"), ("inverted", "nothing"), ("blurred", "nothing")],
)
def test_views_that_are_undone_are_taken(do: str, undo: str):
    MergedViews(own("Changed", do=do, undo=undo), "semantic_segmentation")


@pytest.mark.parametrize("preset", ["d4", "flips", "scales"])
def test_all_presets_are_undone(preset: str):
    MergedViews(tta(preset), "semantic_segmentation")


@pytest.mark.parametrize(
    ("do", "words"),
    [
        ("random", "do is random"),
        ("levels", r"leaves the range 0\.\.1"),
        ("nan", "must return finite floats"),
        ("grey", "must return finite floats"),
        ("failing", "fails on floats 2×3×64×96"),
    ],
)
def test_views_that_spoil_images_are_refused(do: str, words: str):
    with pytest.raises(MMLError, match=rf"tta\.transforms: Changed.*{words}"):
        MergedViews(own("Changed", do=do), "classification")
