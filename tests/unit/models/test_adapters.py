"""Low-rank adapters: where they are put, what is trained, what is stored, and that interruptions change nothing."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before lightning)
import pytest
import torch
from lightning.pytorch import Trainer
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file

from mml_lib.config.loading import load_study
from mml_lib.config.schema import StudyConfig
from mml_lib.config.training_options import Adapters
from mml_lib.data.datamodule import MMLDataModule
from mml_lib.errors import MMLError
from mml_lib.models.adapters import add_adapters, merge_adapters
from mml_lib.models.model_storage import ModelStorage
from mml_lib.models.network import Network, load_network
from mml_lib.pipelines.pipeline import Pipeline
from mml_lib.pipelines.variants import expand
from mml_lib.studies.checks import study_checks
from mml_lib.studies.study import Study
from mml_lib.task_types import LEARNABLE
from mml_lib.tasks.struct import TaskStruct
from mml_lib.training.module import MMLModule
from mml_lib.training.trainer import build_trainer
from tests.support.small_tasks import ARCH, PRESETS, fake_task
from tests.support.steps import training_step
from tests.support.studies import run_id, study
from tests.support.workplaces import TINY

pytestmark = pytest.mark.filterwarnings("ignore:::lightning", "ignore:::torch")

CLASSES = {"t": {"task_type": "classification", "outputs": 3}}
ARGUMENTS: dict[str, dict[str, Any]] = {
    "test_vit": {"img_size": 32},
    "test_resnet": {"zero_init_last": False},  # or nothing but the stem would see a gradient before it is trained
    "swinv2_tiny_window8_256": {
        "img_size": 64,
        "window_size": 2,
        "depths": (1, 1),
        "embed_dim": 24,
        "num_heads": (1, 2),
    },
}
FEW = {"target_modules": [r"layers?\.?3\.0\.conv1", "layer4.0.conv2"], "lora_dropout": 0.2}


def network(name: str) -> Network:
    torch.manual_seed(0)
    return Network(ARCH | {"name": name} | ARGUMENTS.get(name, {}), CLASSES).eval()


def adapted(network: Network, **config: Any) -> list[str]:
    """Put adapters into a network, and return the names of the layers that have them."""
    torch.manual_seed(0)
    add_adapters(network, Adapters(**config))
    return [name for name, layer in network.backbone.named_modules() if isinstance(layer, LoraLayer)]


def say_something(network: Network) -> None:
    """Train what is to be trained for two steps, the first of which moves B, the second A."""
    optimizer = torch.optim.Adam([parameter for parameter in network.parameters() if parameter.requires_grad], lr=0.01)
    for _ in range(2):
        network(torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(1)), "t").square().sum().backward()
        optimizer.step()


def trained(network: Network) -> set[str]:
    return {name for name, parameter in network.named_parameters() if parameter.requires_grad}


# --- layers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kind", "some", "none"),
    [
        ("test_vit", torch.nn.Linear, "blocks.0.attn.qkv", "patch_embed.proj"),
        ("test_convnext", torch.nn.Linear, "stages.0.blocks.0.mlp.fc1", "stages.0.blocks.0.conv_dw"),
        ("test_mambaout", torch.nn.Linear, "stages.0.blocks.0.fc1", "head.pre_logits.fc"),
        ("test_resnet", torch.nn.Conv2d, "layer1.0.conv1", "fc"),
        ("test_efficientnet", torch.nn.Conv2d, "conv_head", "blocks.1.0.conv_dw"),
    ],
)
def test_auto_takes_linear_layers_or_else_convolutions_without_groups(name: str, kind: type, some: str, none: str):
    subject = network(name)
    modules = dict(subject.backbone.named_modules())
    names = adapted(subject)
    assert {type(modules[layer]) for layer in names} == {kind}
    assert some in names
    assert none not in names
    plain = [layer for layer, module in modules.items() if type(module) is kind and getattr(module, "groups", 1) == 1]
    assert names == [layer for layer in plain if layer != none]


def test_layers_whose_weights_are_used_without_calling_them_get_no_adapters():
    names = adapted(network("swinv2_tiny_window8_256"))
    assert "layers.0.blocks.0.attn.proj" in names
    assert "layers.0.blocks.0.attn.qkv" not in names


def test_named_layers_are_whole_names_ends_of_them_or_expressions():
    assert adapted(network("test_vit"), target_modules=["qkv", r"blocks\.[01]\.mlp\.fc."]) == [
        *(f"blocks.0.{end}" for end in ("attn.qkv", "mlp.fc1", "mlp.fc2")),
        *(f"blocks.1.{end}" for end in ("attn.qkv", "mlp.fc1", "mlp.fc2")),
        *(f"blocks.{number}.attn.qkv" for number in (2, 3, 4, 5)),
    ]
    assert adapted(network("test_resnet"), target_modules=["layer1.0.conv1"]) == ["layer1.0.conv1"]


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        (
            "test_vit",
            {"target_modules": ["qvk"]},
            r"'qvk'.*did you mean 'qkv'\?; there are 25: patch_embed",
        ),
        ("test_efficientnet", {"target_modules": ["conv_dw"]}, "'conv_dw' is not a layer that can be adapted"),
        ("test_nfnet", {}, "test_nfnet.*27 convolutions 8 can"),
    ],
)
def test_layers_that_cannot_be_adapted_are_refused(name: str, changes: dict[str, Any], words: str):
    with pytest.raises(MMLError, match=words):
        adapted(network(name), **changes)


# --- what is trained ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["test_vit", "test_resnet"])
def test_adapters_and_head_are_trained_and_nothing_else(name: str):
    subject = network(name)
    before = {key: parameter.clone() for key, parameter in subject.named_parameters()}
    adapted(subject)
    assert {key for key in trained(subject) if "lora_" not in key} == {"head.t.weight", "head.t.bias"}
    say_something(subject)
    now = {key.replace(".base_layer", ""): parameter for key, parameter in subject.named_parameters()}
    assert {key for key, parameter in before.items() if not torch.equal(parameter, now[key])} == {
        "head.t.weight",
        "head.t.bias",
    }


def test_adapters_change_nothing_before_they_are_trained_and_follow_from_the_seed():
    images = torch.rand(2, 3, 32, 32)
    plain, *others = (network("test_vit") for _ in range(3))
    for other in others:
        adapted(other)
    assert torch.equal(others[0](images, "t"), plain(images, "t"))
    assert all(torch.equal(*pair) for pair in zip(*(subject.parameters() for subject in others), strict=True))


def test_frozen_backbone_and_adapters_do_not_go_together():
    subject = network("test_resnet")
    subject.freeze()
    with pytest.raises(MMLError, match="freeze: true does not train them"):
        adapted(subject)


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("test_vit", {"use_dora": True}),
        ("test_resnet", {"use_dora": True, "use_rslora": True}),
        ("test_convnext", {}),
        ("test_efficientnet", {"r": 2, "lora_alpha": 3}),
    ],
)
def test_merged_network_says_the_same_with_the_layers_it_was_built_with(name: str, config: dict[str, Any]):
    subject, images = network(name), torch.rand(2, 3, 32, 32)
    layers = adapted(subject, **config)
    say_something(subject)
    with torch.no_grad():
        output = subject(images, "t")
        merge_adapters(subject)
        assert torch.allclose(subject(images, "t"), output, atol=1e-4 * output.abs().max())
    plain = network(name).state_dict()
    merged = subject.state_dict()
    assert list(merged) == list(plain)
    changed = {key for key, weight in plain.items() if not torch.equal(weight, merged[key])}
    assert changed == {f"backbone.{layer}.weight" for layer in layers} | {"head.t.weight", "head.t.bias"}


def test_merging_keeps_what_half_precision_would_round_away():
    subject = network("test_vit")
    adapted(subject)
    subject.bfloat16()
    before = subject.backbone.blocks[0].attn.qkv.weight.detach().clone()
    for name, parameter in subject.named_parameters():
        if "lora_B" in name:
            torch.nn.init.constant_(parameter, 1e-6)
    merge_adapters(subject)
    assert (subject.backbone.blocks[0].attn.qkv.weight != before.float()).float().mean() > 0.9


# --- training -----------------------------------------------------------------------------------------------------


class Step:
    """A training as its script does it, on a task that lies elsewhere."""

    def __init__(self, struct: TaskStruct, folder: Path, **changes: Any):
        base = TINY | {"loss": "default", "lr_scheduler": None, "decoder": "unet_small", "adapters": FEW}
        base |= {"sampling": {"batch_size": 8}, "metrics": "default"}
        base["paths"] = {"presets": [str(PRESETS)], "results": str(folder), "data": str(folder)}
        trainer = {"max_epochs": 2, "accelerator": "cpu"} | changes.pop("trainer", {})
        config = base | {"trainer": trainer} | changes
        self.outputs = {key: folder / key for key in ("parameters", "history", "model")}
        self.step = training_step(config, outputs=self.outputs, task="t", run="0a1b2c3d", fold="0")
        self.step.cfg, self.step.pipeline = load_study(config), Pipeline({})
        self.step.get_structs = lambda: [struct]
        self.struct, self.folder = struct, folder

    def fit(self, resume: Path | None = None) -> tuple[MMLModule, Trainer]:
        model = self.step.create_model([self.struct])
        trainer = build_trainer(self.step.cfg, self.folder / f"after-{resume and resume.stem}", {})
        trainer.checkpoint_callback.save_top_k = -1
        data = MMLDataModule(self.struct, 0, self.step.cfg.sampling, seed=0)
        trainer.fit(model, data, ckpt_path=resume, weights_only=True)
        return model, trainer

    def store(self, model: MMLModule, trainer: Trainer) -> tuple[dict[str, bytes], str]:
        """Store a model, and return its weights and its history."""
        self.step.store_model(model, trainer)
        weights = load_file(self.file("parameters"))
        return {name: weight.numpy().tobytes() for name, weight in weights.items()}, self.file("history").read_text()

    def file(self, key: str) -> Path:
        return Path(self.outputs[key])

    @property
    def checkpoints(self) -> Iterable[Path]:
        return sorted((self.folder / "after-None").glob("*.ckpt"))


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> TaskStruct:
    return fake_task(tmp_path_factory.mktemp("images"), "classification")


@pytest.mark.parametrize("task_type", LEARNABLE)
def test_every_task_type_is_learned_and_stored_without_peft(tmp_path: Path, task_type: str):
    struct = fake_task(tmp_path, task_type, soft=True)
    step = Step(struct, tmp_path, trainer={"max_epochs": 1}, adapters=True)
    model, trainer = step.fit()
    expected = sum(parameter.numel() for parameter in model.network.parameters() if parameter.requires_grad)
    batch = torch.randint(0, 255, (2, 3, 32, 32), dtype=torch.uint8)
    output = model.eval()(batch)
    step.store(model, trainer)
    loaded, _ = load_network(step.file("parameters"))
    assert not any(isinstance(module, LoraLayer) for module in loaded.modules())
    again = loaded.eval()(model.normalise(model.scale(batch)), "t")
    assert torch.allclose(again, output, atol=1e-4)
    total = sum(parameter.numel() for parameter in loaded.parameters())
    assert ModelStorage.read(step.file("model")).num_parameters == expected
    assert expected < total
    decoder = [name for name, _ in model.network.named_parameters() if "decoder" in name]
    assert bool(decoder) == (task_type == "semantic_segmentation")
    assert set(decoder) <= trained(model.network)


PARTS: dict[str, dict[str, Any]] = {
    "dropout, mixing, augmentation": {"mixing": {"mixup": 0.2, "cutmix": 1.0}, "augmentations": "flips"},
    "dora, best epoch": {
        "store_best": True,
        "adapters": FEW | {"use_dora": True},
        "optimizer": {"preset": "sgd", "lr": 0.5},
    },
    "ema": {"callbacks": {"preset": "ema", "ema": {"decay": 0.9}}},
    "swa": {"callbacks": {"preset": "swa", "swa": {"swa_epoch_start": 1, "annealing_epochs": 1, "swa_lrs": 0.01}}},
}


@pytest.mark.parametrize("part", PARTS)
def test_training_that_is_interrupted_after_any_epoch_stores_the_same_weights(
    tmp_path: Path, images: TaskStruct, part: str
):
    step = Step(images, tmp_path, **PARTS[part])
    whole = step.store(*step.fit())
    assert len(step.checkpoints) == whole[1].count("\n") - 1 >= 2
    for checkpoint in step.checkpoints:
        assert step.store(*step.fit(checkpoint)) == whole


@pytest.mark.long  # compiling takes its time; without adapters it is a default test of test_pipeline_parts.py
def test_compiled_training_stores_ordinary_weights(tmp_path: Path, images: TaskStruct):
    step = Step(images, tmp_path, compile={"backend": "eager"}, trainer={"max_epochs": 1, "limit_train_batches": 1})
    model, trainer = step.fit()
    assert model.network._compiled_call_impl is not None
    weights, _ = step.store(model, trainer)
    assert weights.keys() == network("test_resnet").state_dict().keys()


# --- planning -----------------------------------------------------------------------------------------------------


def test_true_stands_for_the_defaults_and_nothing_for_no_adapters():
    assert run_id(study(adapters=True)) == run_id(study(adapters={"r": 8, "target_modules": "auto"}))
    assert run_id(study(adapters=False)) == run_id(study()) != run_id(study(adapters=True))


def test_a_sweep_varies_what_true_stands_for():
    ranks = [expanded.study.adapters.r for expanded in expand(study(adapters=True, sweep={"adapters.r": [2, 4]}))]
    assert ranks == [2, 4]


@pytest.mark.parametrize("value", ["qkv", [], ["("]])
def test_what_names_no_layers_is_refused(value: Any):
    with pytest.raises(MMLError, match=r"adapters\.target_modules: .*(in a list|not a regular expression)"):
        load_study(study(adapters={"target_modules": value}))


def test_missing_package_is_told_in_planning(monkeypatch: pytest.MonkeyPatch):
    planned(adapters=True)
    monkeypatch.setattr(study_checks, "find_spec", {"peft": None}.get)
    planned()
    with pytest.raises(MMLError, match=r'peft.*run pip install "mml\[peft\]"'):
        planned(adapters=True)


def planned(**changes: Any) -> StudyConfig:
    paths = {"presets": [str(PRESETS)]}
    return Study(TINY | {"paths": paths} | changes).check(["train"])
