"""Decoders and encoders of segmentation-models-pytorch: each by its name, with images of any size, and stored whole."""

from pathlib import Path
from typing import Any

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before timm)
import pytest
import torch
import yaml
from segmentation_models_pytorch import MODEL_ARCHITECTURES_MAPPING
from segmentation_models_pytorch.encoders import get_encoder_names

from mml_lib.config.loading import load_study
from mml_lib.errors import MMLError
from mml_lib.models.encoders import smp_encoder
from mml_lib.models.losses import CrossEntropyDice
from mml_lib.models.network import Network, load_network, save_network
from tests.support.small_tasks import ARCH, PRESETS
from tests.support.workplaces import TINY

DECODERS = sorted(path.stem for path in (PRESETS / "decoder").glob("*.yaml"))
ENCODER = {"_target_": "mml_lib.models.encoders.smp_encoder", "pretrained": False}
CLASSES = {"task_type": "classification", "outputs": 2}


def decoder(name: str, **changes: Any) -> dict[str, Any]:
    return yaml.safe_load((PRESETS / f"decoder/{name}.yaml").read_text()) | changes


def network(arch: dict[str, Any], spec: dict[str, Any], **heads: Any) -> Network:
    torch.manual_seed(0)
    return Network(arch, {"t": {"task_type": "semantic_segmentation", "outputs": 3, "decoder": spec}, **heads})


def train_a_step(model: Network, height: int, width: int) -> None:
    """Train on one batch, of which all that is used has to learn."""
    images, masks = torch.rand(2, 3, height, width), torch.randint(0, 3, (2, height, width))
    logits = model.train()(images, "t")
    assert logits.shape == (2, 3, height, width)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    loss = CrossEntropyDice()(logits, masks)
    loss.backward()
    assert torch.isfinite(loss)
    assert all(weight.grad is not None for weight in model.head_of("t").parameters())
    first = next(iter(model.backbone.parameters()))
    assert first.grad is not None
    assert torch.isfinite(first.grad).all()
    optimizer.step()


def arch_for(name: str) -> dict[str, Any]:
    return ARCH | ({"name": "test_vit", "img_size": [64, 96]} if name == "dpt" else {})


def test_there_is_a_preset_for_every_decoder_of_the_package():
    assert set(MODEL_ARCHITECTURES_MAPPING) == set(DECODERS) - {"unet_small"}


@pytest.mark.parametrize("name", DECODERS)
def test_every_decoder_learns_and_is_rebuilt_from_its_file(tmp_path: Path, name: str):
    sides = (64, 96) if name == "dpt" else (42, 63)
    narrow = {"intermediate_channels": [32, 32, 32, 32], "fusion_channels": 32} if name == "dpt" else {}
    model = network(arch_for(name), decoder(name, **narrow), other=CLASSES)
    train_a_step(model, *sides)
    save_network(model, tmp_path / "weights", {})
    rebuilt, _ = load_network(tmp_path / "weights")
    images = torch.rand(1, 3, *sides)
    with torch.inference_mode():
        assert torch.equal(model.eval()(images, "t"), rebuilt.eval()(images, "t"))
        assert rebuilt(images, "other").shape == (1, 2)


@pytest.mark.parametrize("name", DECODERS)
def test_every_decoder_is_named_by_a_study(name: str):
    cfg = load_study(TINY | {"decoder": name, "arch": "smp", "paths": {"presets": [str(PRESETS)]}})
    assert cfg.decoder.spec() == decoder(name)
    assert cfg.arch.spec()["name"] == "resnet34"


@pytest.mark.parametrize(
    ("name", "head"), [("resnet18", "deeplabv3plus"), ("mit_b0", "fpn"), ("timm-tf_efficientnet_lite0", "unet")]
)
def test_encoders_learn_by_their_names(name: str, head: str):
    model = network(ENCODER | {"name": name}, decoder(head), other=CLASSES)
    train_a_step(model, 40, 33)
    assert model(torch.rand(2, 3, 64, 64), "other").shape == (2, 2)


@pytest.mark.thorough  # only another release of segmentation-models-pytorch or timm, both pinned, can change it
def test_every_encoder_learns():
    for name in get_encoder_names():  # one after the other: the largest takes 7 GB
        train_a_step(network(ENCODER | {"name": name}, decoder("fpn")), 64, 64)


@pytest.mark.long
@pytest.mark.parametrize("head", DECODERS)
@pytest.mark.parametrize(
    "name",
    ["densenet121", "mobilenetv3_small_050", "efficientnet_lite0", "test_convnext"],
)
def test_decoders_fit_networks_of_timm_or_say_what_does(name: str, head: str):
    if problem := refusal(name, head):
        assert head in ("dpt", "deeplabv3", "deeplabv3plus", "pan"), "which ask for transformers, or for dilation"
        assert "choose" in problem
    else:
        train_a_step(network(ARCH | {"name": name}, decoder(head)), 64, 50)


def refusal(name: str, head: str) -> str:
    """Return why a decoder does not fit a network of timm, nothing where it does."""
    try:
        network(ARCH | {"name": name}, decoder(head))
    except MMLError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("head", ["deeplabv3", "deeplabv3plus", "pan"])
def test_stages_are_dilated_as_the_decoder_asks(head: str):
    for arch in (ARCH | {"name": "resnet18"}, ENCODER | {"name": "resnet18"}):
        spec = decoder(head)
        model = network(arch, spec).eval()
        maps = model.head_of("t").reader.maps(model.backbone, torch.rand(1, 3, 64, 64))
        assert [64 // feature_map.shape[-1] for feature_map in maps] == [
            min(2**level, spec["output_stride"]) for level in range(6)
        ]
        assert [feature_map.shape[1] for feature_map in maps] == [3, 64, 64, 128, 256, 512]


@pytest.mark.parametrize(
    ("arch", "head", "words"),
    [
        (
            {"name": "densenet121"},
            "deeplabv3",
            r"Decoder needs .* \(output_stride 8\), which densenet121 does not support",
        ),
        (
            {"name": "mobilenetv3_small_050"},
            "pan",
            "PANDecoder needs .* which mobilenetv3_small_050 does not support; choose another network",
        ),
        ({"name": "resnet18"}, "dpt", "not a vision transformer .* or another decoder"),
        ({"name": "test_vit"}, "fpn", "no feature maps of several sizes.* or decoder: dpt"),
        (ENCODER | {"name": "densenet121"}, "deeplabv3plus", "densenet121.*choose another network"),
    ],
)
def test_what_does_not_fit_names_network_and_decoder(arch: dict[str, Any], head: str, words: str):
    with pytest.raises(MMLError, match=words):
        network(ARCH | arch, decoder(head))


def test_batch_of_one_image_says_what_to_change():
    model = network(ARCH, decoder("deeplabv3")).train()
    with pytest.raises(MMLError, match=r"batch of one image; set sampling\.drop_last: true"):
        model(torch.rand(1, 3, 64, 64), "t")


@pytest.mark.parametrize(
    ("name", "pretrained", "words"),
    [
        ("resnet19", False, "no encoder 'resnet19', did you mean 'resnet1"),
        ("tu-resnet18", False, r"set arch: \{preset: timm, name: resnet18\}"),
        ("mobileone_s0", "instagram", r"mobileone_s0 has no weights 'instagram'; choose from imagenet"),
        ("resnet18", True, r"resnet18.*or set arch\.pretrained: false"),
    ],
)
def test_encoders_that_cannot_be_had_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, pretrained: Any, words: str
):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(MMLError, match=words):
        smp_encoder(name, pretrained)
