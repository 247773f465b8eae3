"""Input channels: networks for grey images, colours, and any other number of channels."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before timm)
import pytest
import timm
import torch
from torch import nn

from mml_lib.errors import MMLError
from mml_lib.models.input_channels import channels_after_start, channels_taken, input_format, seen_format
from mml_lib.models.network import Network, load_network, save_network, start_from
from mml_lib.models.normalization import IMAGENET, UNCHANGED, Statistics
from mml_lib.tasks.pixel_format import GREY, RGB, PixelFormat
from tests.support.small_tasks import ARCH, DECODER, fake_task, small_model

HEADS = {"t": {"task_type": "classification", "outputs": 3}}
MASK_HEADS = {"t": {"task_type": "semantic_segmentation", "outputs": 3, "decoder": DECODER}}
SMP = {"_target_": "mml_lib.models.encoders.smp_encoder", "name": "resnet18", "pretrained": False}
WINDOWS = ("window 40/400", "window 600/2800", "window -600/1500")


class OwnColours(nn.Module):
    """Backbone for 3 channels."""

    num_features = 3

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.mean((2, 3))


class OwnChannels(OwnColours):
    """Backbone for any number of channels."""

    def __init__(self, in_chans: int = 3):
        super().__init__()
        self.num_features = in_chans


def own(kind: type) -> dict[str, Any]:
    return {"_target_": f"{__name__}.{kind.__name__}"}


def struct_of(name: str, *channels: str, depth: Any = "uint8") -> Any:
    return SimpleNamespace(name=name, pixels=PixelFormat(depth, channels))


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
@pytest.mark.parametrize("arch", [ARCH, SMP])
@pytest.mark.parametrize("heads", [HEADS, MASK_HEADS])
def test_networks_take_as_many_channels_as_their_images_have(arch: dict, heads: dict, channels: int, tmp_path: Path):
    torch.manual_seed(0)
    network = Network(arch, heads, channels).eval()
    assert network.in_chans == channels
    images = torch.rand(2, channels, 64, 64)
    with torch.inference_mode():
        outputs = network(images, "t")
    save_network(network, tmp_path / "weights.safetensors", {})
    again, header = load_network(tmp_path / "weights.safetensors")
    assert header["in_chans"] == again.in_chans == channels
    with torch.inference_mode():
        assert torch.equal(again.eval()(images, "t"), outputs)


def test_weights_of_older_files_take_three_channels(tmp_path: Path):
    network = Network(ARCH, HEADS)
    save_network(network, tmp_path / "weights.safetensors", {"in_chans": None})
    assert load_network(tmp_path / "weights.safetensors")[0].in_chans == 3


@pytest.mark.parametrize("channels", [1, 5])
def test_pretrained_weights_are_adapted_as_timm_does(channels: int, tmp_path: Path):
    pretrained = timm.create_model("test_resnet", num_classes=0)
    torch.save(pretrained.state_dict(), tmp_path / "weights.pth")
    arch = ARCH | {"pretrained": True, "pretrained_cfg_overlay": {"file": str(tmp_path / "weights.pth")}}
    network = Network(arch, HEADS, channels)
    first = pretrained.get_parameter(
        "conv1.0.weight" if "conv1.0.weight" in pretrained.state_dict() else "conv1.weight"
    )
    name = next(name for name, value in pretrained.named_parameters() if value is first)
    adapted = timm.models.adapt_input_conv(channels, first.detach())
    assert torch.allclose(network.backbone.get_parameter(name), adapted)


def test_a_network_of_colours_repeats_grey_images(tmp_path: Path):
    struct = fake_task(tmp_path, "classification")
    model = small_model(struct).eval()
    grey = torch.randint(0, 256, (2, 1, 32, 32), dtype=torch.uint8)
    with torch.inference_mode():
        assert torch.allclose(model(grey), model(grey.repeat(1, 3, 1, 1)), atol=1e-5)
    with pytest.raises(MMLError, match=r"2 channels, .* takes 3; .*images: \{channels"):
        model(grey.repeat(1, 2, 1, 1))


@pytest.mark.parametrize(
    ("dtype", "full"), [(torch.uint8, 255), (torch.uint16, 65535), (torch.float16, 1), (torch.float32, 1)]
)
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16, torch.float16])
def test_images_of_any_type_are_scaled_to_0_and_1(
    dtype: torch.dtype, full: int, precision: torch.dtype, tmp_path: Path
):
    model = small_model(fake_task(tmp_path, "classification")).to(precision)
    values = torch.tensor([0, full / 5, full]).to(dtype).view(1, 3, 1, 1)
    scaled = model.scale(values)
    assert scaled.dtype == precision
    assert scaled.flatten().tolist() == pytest.approx([0, 0.2, 1], abs=4e-3)


def test_weights_of_grey_images_start_a_network_of_colours(tmp_path: Path):
    grey, colours = Network(ARCH, HEADS, 1).eval(), Network(ARCH, HEADS, 3).eval()
    save_network(grey, tmp_path / "grey.safetensors", {"classes": {"t": ["a", "b", "c"]}})
    start_from(tmp_path / "grey.safetensors", colours, {"t": ["a", "b", "c"]})
    images = torch.rand(2, 1, 32, 32)
    with torch.inference_mode():
        assert torch.allclose(colours(images.repeat(1, 3, 1, 1), "t"), grey(images, "t"), atol=1e-5)


@pytest.mark.parametrize(("of_images", "stored", "taken"), [(1, 3, 3), (3, 1, 3), (5, 5, 5), (None, 5, 5), (1, 1, 1)])
def test_a_network_that_starts_from_another_takes_images_of_both(of_images: int | None, stored: int, taken: int):
    assert channels_after_start(of_images, stored, "weights") == taken


@pytest.mark.parametrize(("of_images", "stored"), [(5, 3), (3, 5), (1, 5), (2, 1)])
def test_weights_of_other_channels_are_refused(of_images: int, stored: int):
    with pytest.raises(MMLError, match=r"the weights w .*images: \{channels"):
        channels_after_start(of_images, stored, "w")


@pytest.mark.parametrize(
    ("arch", "of_images", "taken"),
    [
        (ARCH, 1, 1),
        (ARCH, None, 3),
        (ARCH | {"in_chans": 3}, 1, 3),
        (ARCH | {"in_chans": 5}, 5, 5),
        (ARCH | {"in_chans": 5}, None, 5),
        (own(OwnColours), 1, 3),
        (own(OwnColours), 3, 3),
        (own(OwnChannels), 1, 1),
        (own(OwnChannels), 5, 5),
    ],
)
def test_backbones_take_the_channels_of_the_images_where_they_can(arch: dict, of_images: int | None, taken: int):
    assert channels_taken(arch, of_images) == taken
    assert Network(arch, HEADS, of_images).in_chans == taken


@pytest.mark.parametrize(
    ("arch", "of_images", "remedy"),
    [
        (ARCH | {"in_chans": 1}, 3, r"arch\.in_chans: it is 1, .*leave it out"),
        (ARCH | {"in_chans": 3}, 5, r"arch\.in_chans: it is 3, .*leave it out"),
        (own(OwnColours), 5, r"arch: .*5 channels.*in_chans.*channels: rgb"),
    ],
)
def test_backbones_that_cannot_take_the_images_are_refused(arch: dict, of_images: int, remedy: str):
    with pytest.raises(MMLError, match=remedy):
        Network(arch, HEADS, of_images)


def test_tasks_of_one_network_agree_on_channels():
    grey, colour = struct_of("a", *GREY), struct_of("b", *RGB)
    assert input_format([grey]).channels == GREY
    assert input_format([grey, colour]).is_colour
    assert seen_format([grey], 3).is_colour
    assert seen_format([grey], 1).channels == GREY
    windows = struct_of("c", *WINDOWS)
    assert input_format([windows]).channels == WINDOWS
    assert not input_format([windows, colour]).is_colour
    assert input_format([SimpleNamespace(name="planned", pixels=None)]) is None
    with pytest.raises(MMLError, match=r"images: b has 3 channels, d 5 channels.*images: \{channels"):
        input_format([colour, struct_of("d", *"12345")])


def test_statistics_follow_the_channels_of_the_network():
    assert IMAGENET.of_channels(3) == IMAGENET
    assert IMAGENET.of_channels(1) == Statistics([pytest.approx(0.449)], [pytest.approx(0.226)])
    assert UNCHANGED.of_channels(5) == Statistics([0.0] * 5, [1.0] * 5)
    assert Statistics([0.5], [0.1]).of_channels(3) == Statistics([0.5] * 3, [0.1] * 3)
