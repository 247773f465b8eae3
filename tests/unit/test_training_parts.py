"""What a training is made of: batches, networks, checkpoints, metrics."""

import subprocess
import sys
from pathlib import Path

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before lightning)
import numpy as np
import pytest
import torch

from mml_lib.config.metrics import NAMED
from mml_lib.config.schema import Augmentations, Sampling
from mml_lib.data.augmentation import Augmentation
from mml_lib.data.datamodule import MMLDataModule
from mml_lib.data.sampling import BatchSampler
from mml_lib.errors import MMLError
from mml_lib.files.checkpoints import last_checkpoint, remove_checkpoints
from mml_lib.models.checkpoints import WholeCheckpointIO
from mml_lib.models.metrics import build_metrics
from mml_lib.models.network import Network, load_network, save_network, timm_backbone
from mml_lib.postprocessing.predictions import Predictions
from mml_lib.postprocessing.scores import SCORES, softmax
from mml_lib.tasks.dataset import Dataset, Delivery, Sample
from mml_lib.tasks.description import TaskDescription
from mml_lib.tasks.splitting import Assignment
from mml_lib.tasks.struct import TaskStruct

ARCH = {"_target_": "mml_lib.models.network.timm_backbone", "name": "test_resnet", "pretrained": False}
LABELS = np.array([0] * 90 + [1] * 10)


def batches(sampler: BatchSampler, epoch: int = 0) -> list[list[int]]:
    sampler.set_epoch(epoch)
    return [batch.tolist() for batch in sampler]


def test_batches_follow_from_seed_and_epoch_alone():
    first = batches(BatchSampler(LABELS, Sampling(batch_size=16), 1), 3)
    assert first == batches(BatchSampler(LABELS, Sampling(batch_size=16), 1), 3)
    assert first != batches(BatchSampler(LABELS, Sampling(batch_size=16), 1), 4)
    assert first != batches(BatchSampler(LABELS, Sampling(batch_size=16), 2), 3)
    assert sorted(number for batch in first for number in batch) == list(range(100))
    assert [len(batch) for batch in first] == [16] * 6 + [4]


@pytest.mark.parametrize(("number", "most"), [(30, 1), (250, 3)])
def test_sample_num_sets_the_length_of_an_epoch(number: int, most: int):
    drawn = np.concatenate(batches(BatchSampler(LABELS, Sampling(batch_size=10, sample_num=number), 0)))
    assert len(drawn) == number
    assert np.bincount(drawn).max() == most


def test_balanced_draws_every_class_equally_often():
    sampling = Sampling(batch_size=50, sample_num=2000, balanced=True)
    drawn = np.concatenate(batches(BatchSampler(LABELS, sampling, 0)))
    assert abs(LABELS[drawn].mean() - 0.5) < 0.05


def test_last_batch_is_dropped_where_asked_and_where_it_is_a_single_sample():
    assert len(batches(BatchSampler(LABELS, Sampling(batch_size=16, drop_last=True), 0))) == 6
    assert [len(batch) for batch in batches(BatchSampler(LABELS, Sampling(batch_size=33), 0))] == [33] * 3
    assert len(batches(BatchSampler(LABELS[:1], Sampling(batch_size=8), 0))) == 1


@pytest.mark.parametrize("num_workers", [0, 2])
def test_data_module_yields_the_images_of_its_part(tmp_path: Path, num_workers: int):
    pixels = np.random.default_rng(0).integers(0, 256, (20, 8, 6, 3), dtype=np.uint8)
    np.save(tmp_path / "images.npy", pixels)
    samples = [Sample(str(n), "none", "ab"[n % 2]) for n in range(20)]
    dataset = Dataset("DSET_x", Delivery(samples, ["a", "b"]), [(8, 6)] * 20, tmp_path)
    folds = [n // 10 for n in range(20)]
    TaskDescription.of({}, dataset, Assignment(["train"] * 20, folds, 2)).write(tmp_path / "t.json")
    struct = TaskStruct("t", {"images": tmp_path / "images.npy", "description": tmp_path / "t.json"})
    data = MMLDataModule(struct, 1, Sampling(batch_size=4), seed=0, num_workers=num_workers)
    found = list(data.val_dataloader())
    images = torch.cat([batch["image"] for batch in found])
    assert images.dtype == torch.uint8
    assert (images.permute(0, 2, 3, 1).numpy() == pixels[10:]).all()
    assert torch.cat([batch["target"] for batch in found]).tolist() == [n % 2 for n in range(10, 20)]
    assert sum(len(batch["target"]) for batch in data.train_dataloader()) == 10
    with pytest.raises(MMLError, match="there is no fold 2"):
        MMLDataModule(struct, 2, Sampling(), seed=0)


def test_network_is_rebuilt_from_its_header(tmp_path: Path):
    network = Network(ARCH, {"a+subset~0.1": 3, "b": 2}).eval()
    save_network(network, tmp_path / "n.safetensors", {"run": "0a1b2c3d"})
    rebuilt, header = load_network(tmp_path / "n.safetensors")
    images = torch.rand(2, 3, 32, 32)
    assert header["run"] == "0a1b2c3d"
    assert torch.equal(network(images, "a+subset~0.1"), rebuilt.eval()(images, "a+subset~0.1"))
    assert rebuilt(images, "b").shape == (2, 2)


def test_weights_are_the_same_bytes_from_every_process(tmp_path: Path):
    code = (
        "import sys, torch; from mml_lib.models.network import Network, save_network; torch.manual_seed(0)\n"
        f"save_network(Network({ARCH!r}, {{'a': 2}}), sys.argv[1], {{'x': 1, 'y': [2], 'z': 'w'}})"
    )
    for name in "ab":
        subprocess.run([sys.executable, "-c", code, str(tmp_path / f"{name}.safetensors")], check=True)
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


def test_truncated_weights_are_named(tmp_path: Path):
    save_network(Network(ARCH, {"a": 2}), tmp_path / "n.safetensors", {})
    content = (tmp_path / "n.safetensors").read_bytes()
    (tmp_path / "n.safetensors").write_bytes(content[: len(content) // 2])
    with pytest.raises(MMLError, match=r"n\.safetensors cannot be loaded"):
        load_network(tmp_path / "n.safetensors")


def test_unknown_network_gets_the_nearest_name():
    with pytest.raises(MMLError, match="no network 'resnet1x', did you mean 'resnet"):
        timm_backbone("resnet1x")


def test_weights_out_of_reach_name_the_way_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(MMLError, match=r"cannot be loaded from the hub .* or set arch\.pretrained: false"):
        timm_backbone("resnet18", pretrained=True)


def test_last_checkpoint_is_the_latest_whole_one(tmp_path: Path):
    for epoch in (2, 10, 9):
        WholeCheckpointIO().save_checkpoint({"epoch": epoch}, tmp_path / f"epoch={epoch:06d}.ckpt")
    (tmp_path / ".epoch=000011.host-1.part.ckpt").write_bytes(b"half")
    found = last_checkpoint(tmp_path)
    assert torch.load(found, weights_only=True) == {"epoch": 10}
    assert len(list(tmp_path.iterdir())) == 3
    remove_checkpoints(tmp_path)
    assert not tmp_path.exists()


@pytest.mark.parametrize("name", NAMED)
def test_named_metric_is_the_same_on_arrays_and_on_tensors(name: str):
    rng = np.random.default_rng(0)
    logits, targets = rng.normal(size=(300, 4)).astype(np.float32), rng.integers(0, 4, 300)
    logits[np.arange(300), targets] += 1
    metric = build_metrics([name], 4)[name]
    expected = float(metric(torch.from_numpy(logits).softmax(1), torch.from_numpy(targets)))
    assert SCORES[name](softmax(logits), targets) == pytest.approx(expected, abs=1e-5)


def test_predictions_survive_their_file_and_pickles_are_refused(tmp_path: Path):
    predictions = Predictions(np.ones((2, 3), np.float32), np.array([0, 1]), np.array(["x", "yy"]))
    predictions.write(tmp_path / "p.npz")
    read = Predictions.read(tmp_path / "p.npz")
    assert (read.logits == 1).all()
    assert read.ids.tolist() == ["x", "yy"]
    np.savez(tmp_path / "evil.npz", logits=np.array([{"a": 1}], dtype=object), targets=[0], ids=["x"])
    with pytest.raises(MMLError, match="allow_pickle=False"):
        Predictions.read(tmp_path / "evil.npz")


def test_samples_of_a_batch_are_augmented_each_in_its_own_way():
    flips = Augmentations(transforms=[{"_target_": "kornia.augmentation.RandomHorizontalFlip", "p": 0.5}])
    image = torch.arange(12.0).view(1, 1, 3, 4).expand(16, 3, 3, 4) / 12
    torch.manual_seed(0)
    flipped = (Augmentation(flips)(image) != image).flatten(1).any(1)
    assert 0 < flipped.sum() < 16
