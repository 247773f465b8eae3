"""Networks, their heads and losses."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before timm)
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from mml_lib.errors import MMLError
from mml_lib.models.heads import ValueHead
from mml_lib.models.losses import CrossEntropyDice, PixelCrossEntropy
from mml_lib.models.network import Network, head_spec, load_network, save_network, timm_backbone
from mml_lib.task_types import IGNORE, LEARNABLE
from tests.support.small_tasks import ARCH, DECODER, fake_task, small_model

SWIN = {
    "name": "swin_tiny_patch4_window7_224",
    "embed_dim": 24,
    "depths": [1, 1, 1, 1],
    "num_heads": [1, 1, 2, 2],
}
PYRAMIDS = {
    "test_resnet": [3, 32, 32, 48, 192, 96],
    "test_efficientnet": [3, 16, 24, 32, 48, 64],
    "test_convnext": [3, 0, 24, 32, 48, 64],
    "resnet18": [3, 64, 64, 128, 256, 512],
    "mobilenetv3_small_050": [3, 16, 8, 16, 24, 288],
    "swin_tiny_patch4_window7_224": [3, 0, 24, 48, 96, 192],
}
HEADS: dict[str, dict[str, Any]] = {
    "classification": {"task_type": "classification", "outputs": 3},
    "multilabel_classification": {"task_type": "multilabel_classification", "outputs": 1},
    "regression": {"task_type": "regression", "outputs": 1, "mean": 50.0, "std": 4.0},
    "semantic_segmentation": {"task_type": "semantic_segmentation", "outputs": 3, "decoder": DECODER},
}


def segmenting(decoder: dict[str, Any] = DECODER, **arch: Any) -> Network:
    return Network(ARCH | arch, {"t": HEADS["semantic_segmentation"] | {"decoder": decoder}}).eval()


@pytest.mark.parametrize("name", PYRAMIDS)
@torch.inference_mode()
def test_pixels_get_logits_from_a_pyramid_of_any_backbone(name: str):
    network = segmenting(**(SWIN | {"strict_img_size": False} if name == SWIN["name"] else {"name": name}))
    reader = network.head_of("t").reader
    maps = reader.maps(network.backbone, torch.rand(2, 3, 64, 96))
    assert reader.channels == PYRAMIDS[name] == [feature_map.shape[1] for feature_map in maps]
    assert [tuple(feature_map.shape[2:]) for feature_map in maps] == [(64 >> level, 96 >> level) for level in range(6)]
    logits = network(torch.rand(2, 3, 50, 70), "t")
    assert logits.shape == (2, 3, 50, 70)
    assert logits.isfinite().all()


@pytest.mark.parametrize("size", [(33, 32), (7, 100), (64, 32)])
@torch.inference_mode()
def test_sides_are_padded_to_what_the_levels_divide(size: tuple[int, int]):
    network, images = segmenting(), torch.rand(1, 3, *size)
    padded = torch.zeros(1, 3, 64, 128)[..., : 32 * -(-size[0] // 32), : 32 * -(-size[1] // 32)]
    padded[..., : size[0], : size[1]] = images
    assert torch.equal(network(images, "t"), network(padded, "t")[..., : size[0], : size[1]])


def test_backbone_that_stops_early_takes_a_decoder_of_fewer_levels():
    shallow = DECODER | {"decoder_channels": [32, 16, 8]}
    assert segmenting(shallow, name="resnet18", output_stride=8)(torch.rand(1, 3, 40, 24), "t").shape == (1, 3, 40, 24)
    with pytest.raises(MMLError, match=r"decoder\.decoder_channels is \[64, .* write 3 numbers"):
        segmenting(name="resnet18", output_stride=8)


@pytest.mark.parametrize("widths", [[16, 8], [16, 16, 8, 8, 0], 16, None])
def test_decoder_of_wrong_widths_is_refused(widths: Any):
    with pytest.raises(MMLError, match=r"decoder_channels is .*; write 5 numbers above 0, one for each level"):
        segmenting(DECODER | {"decoder_channels": widths})


def test_decoder_that_refuses_its_arguments_is_named():
    with pytest.raises(MMLError, match=r"decoder: .*UnetDecoder.*argument 'wide'"):
        segmenting(DECODER | {"wide": True})


def test_backbone_without_a_pyramid_is_refused():
    with pytest.raises(MMLError, match=r"no feature maps of several sizes.*choose a convolutional"):
        segmenting(name="test_vit")


@pytest.mark.parametrize("task_type", ["classification", "semantic_segmentation"])
def test_network_of_a_fixed_size_says_which(task_type: str):
    images, heads = torch.rand(1, 3, 64, 64), {"t": HEADS[task_type]}
    with pytest.raises(MMLError, match=r"224×224 and gets 64×64.*arch\.img_size"):
        Network(ARCH | SWIN, heads)(images, "t")
    assert len(Network(ARCH | SWIN | {"img_size": 64}, heads)(images, "t")) == 1


def test_user_backbone_has_to_tell_its_features():
    with pytest.raises(MMLError, match=r"arch: torch\.nn\.Flatten.*num_features"):
        Network({"_target_": "torch.nn.Flatten"}, {"t": HEADS["classification"]})


# --- regression, multi-label --------------------------------------------------------------------------------------


def test_values_are_learned_standardised_and_given_in_their_unit(tmp_path: Path):
    struct = fake_task(tmp_path, "regression")
    model = small_model(struct)
    training = struct.targets[struct.samples["split"] == "train"]
    values, head = torch.tensor([[10.0], [40.0]]), model.network.head_of("t")
    assert (head.mean, head.std) == (pytest.approx(training.mean(), rel=1e-5), pytest.approx(training.std(), rel=1e-5))
    assert head(torch.zeros(1, 96)).item() == pytest.approx(head.mean + head.std * head.linear.bias.item(), rel=1e-5)
    expected = ((np.array([10, 40]) - 25) ** 2).mean() / training.var()
    assert model.loss_of(values, torch.tensor([25.0, 25.0])).item() == pytest.approx(expected, rel=1e-4)


def test_equal_targets_are_not_divided_by_their_rounding_error(tmp_path: Path):
    struct = fake_task(tmp_path, "regression")
    struct.header["target"] = {"mean": 0.1, "std": 1.4e-17, "min": 0.1, "max": 0.1}
    assert head_spec(struct, None)["std"] == 1.0


def test_half_precision_does_not_round_values():
    head = ValueHead(4, mean=2019.3, std=2.0).bfloat16()
    value = head(torch.ones(1, 4, dtype=torch.bfloat16))
    assert value.dtype == torch.float32
    assert head.standardise(value).item() == pytest.approx(head.linear(torch.ones(1, 4).bfloat16()).item(), abs=1e-3)


def test_precision_that_rounds_targets_is_refused(tmp_path: Path):
    model = small_model(fake_task(tmp_path, "regression"))
    with pytest.raises(MMLError, match=r"trainer\.precision: bf16-true .* set bf16-mixed"):
        model.loss_of(torch.rand(2, 1), torch.rand(2).bfloat16())


def test_loss_of_soft_labels_is_least_where_probabilities_are_the_labels(tmp_path: Path):
    struct = fake_task(tmp_path, "multilabel_classification", soft=True)
    soft = torch.from_numpy(struct.targets).clamp(0.01, 0.99)
    logits = soft.logit().requires_grad_()
    small_model(struct).loss_of(logits, soft).backward()
    assert logits.grad.abs().max() < 1e-6


def test_loss_of_another_task_type_is_refused(tmp_path: Path):
    model = small_model(fake_task(tmp_path, "semantic_segmentation"), loss=torch.nn.CrossEntropyLoss())
    with pytest.raises(MMLError, match=r"CrossEntropyLoss does not take outputs 1×3×4×4 with targets 1×4×4 .*255"):
        model.loss_of(torch.rand(1, 3, 4, 4), torch.full((1, 4, 4), IGNORE))


# --- losses of pixels ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weight", [None, torch.tensor([1.0, 0.5, 3.0])])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_of_pixels_is_that_of_torch(weight: torch.Tensor | None, smoothing: float):
    logits, targets = torch.randn(2, 3, 6, 5, requires_grad=True), torch.randint(0, 3, (2, 6, 5))
    targets[:, :2] = IGNORE
    computed = PixelCrossEntropy(weight, label_smoothing=smoothing)(logits, targets)
    expected = torch.nn.CrossEntropyLoss(weight, ignore_index=IGNORE, label_smoothing=smoothing)(logits, targets)
    torch.testing.assert_close(computed, expected)
    gradients = [torch.autograd.grad(loss, logits)[0] for loss in (computed, expected)]
    torch.testing.assert_close(*gradients)


def test_cross_entropy_dice_is_what_one_computes_by_hand():
    logits = np.array([[[[1.0, 0.0, 2.0]], [[0.0, 3.0, -1.0]]]])  # 1×2×1×3
    targets = np.array([[[0, 1, 1]]])
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    cross_entropy = -np.log([p[0, 0, 0, 0], p[0, 1, 0, 1], p[0, 1, 0, 2]]).mean()
    dice = [2 * p[0, 0, 0, 0] / (p[0, 0].sum() + 1), 2 * p[0, 1, 0, 1:].sum() / (p[0, 1].sum() + 2)]
    loss = CrossEntropyDice(dice=0.5)(torch.from_numpy(logits), torch.from_numpy(targets))
    assert loss.item() == pytest.approx(cross_entropy + 0.5 * (1 - np.mean(dice)), rel=1e-6)


def test_ignored_pixels_give_no_gradient():
    logits, targets = torch.randn(2, 3, 4, 4, requires_grad=True), torch.randint(0, 3, (2, 4, 4))
    targets[:, :2] = IGNORE
    CrossEntropyDice(weight=[1.0, 2.0, 3.0], label_smoothing=0.1)(logits, targets).backward()
    assert (logits.grad[:, :, :2] == 0).all()
    assert (logits.grad[:, :, 2:] != 0).all()


def test_batch_of_ignored_pixels_alone_changes_nothing():
    logits = torch.randn(2, 3, 4, 4, requires_grad=True)
    loss = CrossEntropyDice(label_smoothing=0.1)(logits, torch.full((2, 4, 4), IGNORE))
    (loss * 2.0**16).backward()  # as half precision scales it
    assert loss.item() == 0
    assert (logits.grad == 0).all()


def test_sums_over_many_pixels_are_not_taken_in_half_precision():
    logits, targets = torch.zeros(2, 2, 300, 300), torch.zeros(2, 300, 300, dtype=torch.long)
    loss = CrossEntropyDice()
    assert loss(logits.half(), targets).item() == pytest.approx(loss(logits, targets).item(), rel=1e-6)


# --- weights ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task_type", LEARNABLE)
def test_network_is_rebuilt_from_its_header(tmp_path: Path, task_type: str):
    network = Network(ARCH, {"a+subset~0.1": HEADS[task_type], "b": HEADS["classification"]}).eval()
    save_network(network, tmp_path / "n.safetensors", {"run": "0a1b2c3d"})
    rebuilt, header = load_network(tmp_path / "n.safetensors")
    images = torch.rand(2, 3, 32, 32)
    assert header["run"] == "0a1b2c3d"
    assert torch.equal(network(images, "a+subset~0.1"), rebuilt.eval()(images, "a+subset~0.1"))
    assert rebuilt(images, "b").shape == (2, 3)


@pytest.mark.long
def test_weights_are_the_same_bytes_from_every_process(tmp_path: Path):
    code = (
        "import sys, torch; from mml_lib.models.network import Network, save_network; torch.manual_seed(0)\n"
        f"save_network(Network({ARCH!r}, {HEADS!r}), sys.argv[-1], {{'x': 1, 'y': [2], 'z': 'w'}})"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "other")], check=True)
    torch.manual_seed(0)
    save_network(Network(ARCH, HEADS), tmp_path / "own", {"x": 1, "y": [2], "z": "w"})
    assert (tmp_path / "own").read_bytes() == (tmp_path / "other").read_bytes()


@pytest.mark.parametrize(
    ("damage", "why"), [("cut", "is damaged"), ("foreign", "is damaged"), ("newer", "install MML")]
)
def test_weights_that_cannot_be_read_are_named(tmp_path: Path, damage: str, why: str):
    path = tmp_path / "n.safetensors"
    save_network(Network(ARCH, {"a": HEADS["classification"]}), path, {"format": 99} if damage == "newer" else {})
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    if damage == "foreign":
        save_file({"w": torch.ones(1)}, path)
    with pytest.raises(MMLError, match=rf"n\.safetensors .*{why}|n\.safetensors {why}"):
        load_network(path)


def test_unknown_network_gets_the_nearest_name():
    with pytest.raises(MMLError, match="no network 'resnet1x', did you mean 'resnet"):
        timm_backbone("resnet1x")


def test_weights_out_of_reach_name_the_way_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(MMLError, match=r"cannot be loaded from the hub .* or set arch\.pretrained: false"):
        timm_backbone("resnet18", pretrained=True)
