"""Several tasks at once, backbones of other models, tuning: what a training makes of them."""

from pathlib import Path
from typing import Any

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before lightning)
import numpy as np
import pytest
import torch

from mml_lib.config.loading import load_study
from mml_lib.config.training_options import Sampling, Tune
from mml_lib.data.datamodule import MMLDataModule
from mml_lib.data.sampling import BatchSampler
from mml_lib.errors import MMLError
from mml_lib.models.network import Network, head_spec, save_network, start_from
from mml_lib.tasks.struct import TaskStruct
from mml_lib.training.module import MMLModule
from mml_lib.training.objectives import build_objectives
from mml_lib.training.trainer import build_trainer
from mml_lib.training.tuning import Tuning, tune
from tests.support.small_tasks import ARCH, DECODER, PRESETS, fake_task, small_model
from tests.support.workplaces import TINY

pytestmark = pytest.mark.filterwarnings("ignore:::lightning", "ignore:::torch")

KINDS = {
    "classes": "classification",
    "masks": "semantic_segmentation",
    "values": "regression",  # the name of a method of modules
    "labels": "multilabel_classification",
}
SAMPLES = {"classes": 24, "masks": 60, "values": 16, "labels": 16}


def config(**changes: Any) -> Any:
    trainer = {"max_epochs": 3, "accelerator": "cpu"} | changes.pop("trainer", {})
    study = TINY | {"trainer": trainer, "loss": "default", "sampling": {"batch_size": 4}, "metrics": "default"}
    return load_study(study | {"paths": {"presets": [str(PRESETS)]}} | changes)


@pytest.fixture(scope="module")
def structs(tmp_path_factory: pytest.TempPathFactory) -> list[TaskStruct]:
    made = []
    for number, (name, kind) in enumerate(KINDS.items()):
        folder = tmp_path_factory.mktemp(name)
        struct = fake_task(folder, kind, num_samples=SAMPLES[name], image_seed=number)
        struct.name = name
        made.append(struct)
    return made


def joint_model(structs: list[TaskStruct], cfg: Any, weights: list[float] | None = None) -> MMLModule:
    torch.manual_seed(1)
    network = Network(ARCH, {struct.name: head_spec(struct, DECODER) for struct in structs})
    objectives = build_objectives(cfg, structs, 0, weights or [1.0] * len(structs))
    spec = cfg.optimizer.spec()
    return small_model(
        structs[0], network=network, objectives=objectives, optimizer=spec, lr_scheduler=cfg.lr_scheduler, metrics={}
    )


def fit(structs: list[TaskStruct], cfg: Any, folder: Path, resume: Path | None = None) -> MMLModule:
    model = joint_model(structs, cfg)
    data = MMLDataModule(structs[0], 0, cfg.sampling, 0, co_structs=structs[1:])
    build_trainer(cfg, folder, {}).fit(model, data, ckpt_path=resume, weights_only=True)
    return model


def same(first: MMLModule, second: MMLModule) -> bool:
    pairs = zip(first.network.state_dict().values(), second.network.state_dict().values(), strict=True)
    return all(torch.equal(*pair) for pair in pairs)


# --- several tasks ----------------------------------------------------------------------------------------------


def test_batches_of_all_tasks_come_side_by_side_and_shorter_tasks_are_cycled(structs: list[TaskStruct]):
    data = MMLDataModule(structs[0], 0, Sampling(batch_size=4), 0, co_structs=structs[1:])
    loaders = data.train_dataloader()
    assert list(loaders) == list(KINDS)
    assert len(loaders["masks"]) > len(loaders["values"])


def test_task_that_is_gone_through_again_in_an_epoch_is_shuffled_anew_but_alike_in_each_training():
    first, second = (BatchSampler(np.zeros(40, int), Sampling(batch_size=8), 3) for _ in range(2))
    for sampler in (first, second):
        sampler.set_epoch(2)
    rounds = [[batch.tolist() for batch in first] for _ in range(3)]
    assert rounds[0] != rounds[1] != rounds[2]
    assert rounds == [[batch.tolist() for batch in second] for _ in range(3)]
    first.set_epoch(2)
    assert [batch.tolist() for batch in first] == rounds[0]


def test_all_heads_and_the_backbone_learn_from_all_tasks(structs: list[TaskStruct], tmp_path: Path):
    cfg = config(trainer={"max_epochs": 1}, lr_scheduler=None)
    before, after = joint_model(structs, cfg), fit(structs, cfg, tmp_path)
    for name in ("backbone", *(f"head.{task}" for task in KINDS)):
        pairs = [
            (old, dict(after.network.named_parameters())[key])
            for key, old in before.network.named_parameters()
            if key.startswith(name)
        ]
        assert any(not torch.equal(*pair) for pair in pairs), name
    row = after.history[0]
    assert row["train/loss"] == pytest.approx(sum(row[f"train/loss/{task}"] for task in KINDS), rel=0.05)


def test_weight_of_a_task_scales_its_loss(structs: list[TaskStruct]):
    pair = [structs[0], structs[2]]
    batches = {
        struct.name: next(iter(MMLDataModule(struct, 0, Sampling(batch_size=4), 0).train_dataloader()))
        for struct in pair
    }
    alone, other, both = (
        joint_model(pair, config(), weights).eval().training_step(batches, 0).item()
        for weights in ([1.0, 1e-9], [1e-9, 1.0], [2.0, 0.5])
    )
    assert both == pytest.approx(2 * alone + 0.5 * other, rel=1e-4)


@pytest.mark.long
@pytest.mark.parametrize(
    "changes",
    [
        {"lr_scheduler": "one_cycle", "mixing": {"mixup": 0.3, "cutmix": 1.0}, "augmentations": "baseline"},
        {"callbacks": "swa", "class_weights": "balanced"},
    ],
    ids=["mixed", "averaged"],
)
def test_interrupted_training_of_several_tasks_ends_with_the_same_bytes(
    changes: dict, structs: list[TaskStruct], tmp_path: Path
):
    cfg = config(**changes)
    whole = fit(structs, cfg, tmp_path / "whole")
    with pytest.MonkeyPatch.context() as patch:

        def interrupted(self: MMLModule) -> None:
            if self.current_epoch == 1:
                raise KeyboardInterrupt

        patch.setattr(MMLModule, "on_train_epoch_start", interrupted)
        with pytest.raises((KeyboardInterrupt, SystemExit)):
            fit(structs, cfg, tmp_path / "cut")
    (kept,) = (tmp_path / "cut").glob("*.ckpt")
    resumed = fit(structs, cfg, tmp_path / "cut", kept)
    assert same(whole, resumed)
    assert [row["train/loss"] for row in whole.history] == [row["train/loss"] for row in resumed.history]


def test_images_that_the_main_task_holds_out_are_not_learned_by_others(tmp_path: Path):
    struct = fake_task(tmp_path, "classification")
    twin = TaskStruct("twin", struct.paths)
    twin.samples = {**struct.samples, "fold": (struct.samples["fold"] + 1) % 3, "split": np.full(24, "train")}
    data = MMLDataModule(struct, 0, Sampling(batch_size=4), 0, co_structs=[twin])
    learned = set(data.train_dataloader()["twin"].dataset.ids)
    assert learned
    assert not learned & {
        struct.samples["id"][position] for part in ("val", "test") for position in struct.select(part, 0)
    }


def test_network_answers_for_another_task_by_its_own_head(structs: list[TaskStruct]):
    model = joint_model(structs, config()).eval()
    images = torch.zeros(1, 3, 32, 32, dtype=torch.uint8)
    assert model(images).shape == (1, structs[0].num_classes)
    model.redirect("masks")
    assert model(images).shape == (1, structs[1].num_classes, 32, 32)
    assert model.task_type == "semantic_segmentation"
    model.redirect("stranger")
    assert model.task == "masks"


# --- backbones of other models ----------------------------------------------------------------------------------


def stored(struct: TaskStruct, folder: Path) -> tuple[Network, Path]:
    """Return a network of a task, and where it is stored."""
    torch.manual_seed(5)
    network = Network(ARCH, {struct.name: head_spec(struct, DECODER)})
    save_network(network, folder / "old.safetensors", {"classes": {struct.name: struct.classes}})
    return network, folder / "old.safetensors"


def test_backbone_is_taken_over_and_heads_only_where_the_classes_are_the_same(
    structs: list[TaskStruct], tmp_path: Path
):
    old, path = stored(structs[0], tmp_path)
    torch.manual_seed(6)
    heads = {name: head_spec(structs[0], None) for name in ("alike", "others")}
    network = Network(ARCH, heads)
    classes = {"alike": structs[0].classes, "others": [f"other {name}" for name in structs[0].classes]}
    assert start_from(path, network, classes) == {"alike": "classes"}
    assert all(map(torch.equal, network.backbone.state_dict().values(), old.backbone.state_dict().values()))
    assert torch.equal(network.head_of("alike").weight, old.head_of("classes").weight)
    assert not torch.equal(network.head_of("others").weight, old.head_of("classes").weight)


def test_weights_of_another_backbone_are_refused(structs: list[TaskStruct], tmp_path: Path):
    _, path = stored(structs[0], tmp_path)
    network = Network(ARCH | {"name": "test_vit", "img_size": 32}, {"t": head_spec(structs[0], None)})
    with pytest.raises(MMLError, match=r"test_resnet,.*\(test_vit\)"):
        start_from(path, network, {"t": structs[0].classes})


def test_frozen_backbone_stays_as_it_is_its_batch_statistics_included(structs: list[TaskStruct], tmp_path: Path):
    cfg = config(trainer={"max_epochs": 1}, lr_scheduler=None)
    for struct in structs[:2]:
        model = small_model(struct, metrics={})
        model.network.freeze()
        before = {name: tensor.clone() for name, tensor in model.network.state_dict().items()}
        build_trainer(cfg, tmp_path / struct.name, {}).fit(model, MMLDataModule(struct, 0, cfg.sampling, 0))
        changed = {name for name, tensor in model.network.state_dict().items() if not torch.equal(tensor, before[name])}
        assert changed
        assert all(name.startswith("head.") for name in changed)


# --- tuning -----------------------------------------------------------------------------------------------------


def found(structs: list[TaskStruct], folder: Path, **what: Any) -> tuple[Tuning, MMLModule, MMLDataModule]:
    cfg = config(trainer={"max_epochs": 100}, lr_scheduler=None)
    data = MMLDataModule(structs[0], 0, cfg.sampling, 0, co_structs=structs[1:])
    model = joint_model(structs, cfg)
    trainer = build_trainer(
        cfg, folder, {"callbacks": [], "enable_checkpointing": False, "check_val_every_n_epoch": 10**9}
    )
    return tune(trainer, model, data, Tune(**what)), model, data


def test_tuning_finds_a_rate_within_its_range_and_leaves_the_network_as_it_was(
    structs: list[TaskStruct], tmp_path: Path
):
    first, model, _ = found(structs[:1], tmp_path / "a", lr=True, num_training=30, min_lr=1e-5, max_lr=0.5)
    assert 1e-5 <= first.lr <= 0.5
    assert len(first.curve["lr"]) == len(first.curve["loss"]) > 20
    assert first.curve["lr"] == sorted(first.curve["lr"])
    assert same(model, joint_model(structs[:1], config()))
    assert first == found(structs[:1], tmp_path / "b", lr=True, num_training=30, min_lr=1e-5, max_lr=0.5)[0]
    first.write(tmp_path / "t.json")
    assert Tuning.read(tmp_path / "t.json") == first


@pytest.mark.parametrize(("limit", "expected"), [(2, 2), (6, 6), (512, 16)])
def test_batch_size_is_doubled_up_to_its_limit_or_that_of_the_task(
    limit: int, expected: int, structs: list[TaskStruct], tmp_path: Path
):
    assert len(structs[0].select("train", 0)) in range(9, 17)
    tuning, model, data = found(structs[:1], tmp_path, bs=True, max_bs=limit)
    assert tuning.batch_size == data.batch_size == expected
    assert same(model, joint_model(structs[:1], config()))


def test_batch_size_that_does_not_fit_is_not_taken(
    structs: list[TaskStruct], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    learn = MMLModule.training_step

    def small_memory(self: MMLModule, batch: Any, batch_idx: int) -> torch.Tensor:
        if len(batch["image"]) > 8:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return learn(self, batch, batch_idx)

    monkeypatch.setattr(MMLModule, "training_step", small_memory)
    assert found([structs[0]], tmp_path, bs=True)[0].batch_size == 8


def test_training_reads_what_was_found():
    cfg = Tuning(lr=0.25, batch_size=7).merge_into(config())
    assert cfg.optimizer.spec()["lr"] == 0.25
    assert cfg.sampling.batch_size == 7
    assert Tuning(lr=0.25).merge_into(config()).sampling == config().sampling


# --- several devices --------------------------------------------------------------------------------------------


def test_processes_share_each_batch_and_none_gets_a_single_sample():
    alone = [batch.tolist() for batch in BatchSampler(np.zeros(21, int), Sampling(batch_size=6), 3)]
    shares = [
        [batch.tolist() for batch in BatchSampler(np.zeros(21, int), Sampling(batch_size=6), 3, rank, 2)]
        for rank in (0, 1)
    ]
    assert [len(batch) for batch in alone] == [6, 6, 6, 3]
    assert [[len(batch) for batch in share] for share in shares] == [[3, 3, 3]] * 2
    for whole, *parts in zip(alone, *shares, strict=False):
        assert sorted(whole) == sorted(parts[0] + parts[1])
