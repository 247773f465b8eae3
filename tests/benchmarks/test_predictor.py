"""Predictor: images per second from 224×224 JPEGs, of one processor, next to decoding and the bare network."""

import statistics
import time
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

COUNT, SIZE, BATCH, ROUNDS = 64, 224, 32, 5
ARCH = {"_target_": "mml_lib.models.network.timm_backbone", "name": "resnet18", "pretrained": False}


@pytest.mark.benchmark
def test_a_predictor_takes_little_more_than_decoding_and_its_network(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
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

    seconds: dict[str, list[float]] = {"ours": [], "decoding": [], "bare": []}
    for loop in (ours, decoding, bare):  # the first round is not counted
        loop()
    for _ in range(ROUNDS):
        for loop in (ours, decoding, bare):
            started = time.process_time()
            loop()
            seconds[loop.__name__].append(time.process_time() - started)
    rounds = list(zip(*seconds.values(), strict=True))
    beside_decoding = statistics.median(bare_ / (own - decoded) for own, decoded, bare_ in rounds)
    whole = statistics.median((decoded + bare_) / own for own, decoded, bare_ in rounds)
    rates = {name: COUNT / statistics.median(values) for name, values in seconds.items()}
    with capsys.disabled():
        text = "  ".join(f"{name} {rate:.0f} images/s" for name, rate in rates.items())
        print(f"\n{text}; of the bare network beside decoding {beside_decoding:.2f}, of both {whole:.2f}")
    assert beside_decoding >= 0.8
