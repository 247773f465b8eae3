"""Predictor: images per second from 224×224 JPEGs, of one processor, next to decoding and the bare network."""

import statistics
from pathlib import Path

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before timm)
import numpy as np
import pytest
import torch
from PIL import Image

from mml_lib.deployment.deployed_network import DeployedNetwork, NetworkGroup
from mml_lib.deployment.new_images import new_images
from mml_lib.deployment.predictor import Member, Predictor, tensor_of
from mml_lib.deployment.preparation import Preparation
from mml_lib.models.network import Network
from mml_lib.tasks.pixel_format import Conversion
from tests.support.benchmark_figures import Figures
from tests.support.timing import take_turns

COUNT, SIZE, BATCH, ROUNDS = 64, 224, 32, 5
ARCH = {"_target_": "mml_lib.models.network.timm_backbone", "name": "resnet18", "pretrained": False}


@pytest.mark.benchmark
def test_a_predictor_takes_little_more_than_decoding_and_its_network(tmp_path: Path, figures: Figures):
    torch.set_num_threads(1)  # seconds of one processor are comparable, whatever else runs
    generator = np.random.default_rng(0)
    for number in range(COUNT):
        coarse = Image.fromarray(generator.integers(0, 256, (28, 28, 3), dtype=np.uint8))
        coarse.resize((SIZE, SIZE), Image.Resampling.BICUBIC).save(tmp_path / f"{number:03}.jpg", quality=90)
    network = Network(ARCH, {"t": {"task_type": "classification", "outputs": 10}}, 3)
    deployed = DeployedNetwork(network, {"mean": [0.5] * 3, "std": [0.25] * 3}, "t")
    preparation = Preparation("t", Conversion(), [{"name": "resize", "size": [SIZE, SIZE]}])
    member = Member("r", NetworkGroup([deployed], [None]), preparation)
    predictor = Predictor("t", [str(number) for number in range(10)], [member])
    batch = tensor_of([preparation(image) for image in new_images(tmp_path)][:BATCH])

    def ours() -> None:
        predictor(tmp_path, batch_size=BATCH, threads=1)

    def decoding() -> None:
        for file in sorted(tmp_path.glob("*.jpg")):
            with Image.open(file) as image:
                np.asarray(image.convert("RGB"))

    @torch.inference_mode()
    def bare() -> None:
        for _ in range(COUNT // BATCH):
            network((batch.float() / 255 - 0.5) / 0.25, "t").numpy()

    seconds = take_turns({"ours": ours, "decoding": decoding, "bare": bare}, ROUNDS)
    rounds = list(zip(*seconds.values(), strict=True))
    whole = statistics.median(own / (decoded + bare_) for own, decoded, bare_ in rounds)
    figures.record("predictor of 224×224 JPEGs", whole, of="decoding and the bare network", by="processor")
    beside = statistics.median((own - decoded) / bare_ for own, decoded, bare_ in rounds)
    name = "predictor of 224×224 JPEGs, less decoding"
    figures.record(name, beside, of="the bare network", by="processor", at_most=1.25)
