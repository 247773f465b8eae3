"""Configs: presets, overlays, identity."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from mml_lib.config.loading import load_study
from mml_lib.config.pipeline_folder import add_presets
from mml_lib.config.reading.layers import with_defaults
from mml_lib.config.reading.presets import GROUPS
from mml_lib.config.reading.study_files import read_study
from mml_lib.config.schema_json import schema_text
from mml_lib.engine.opening import requested_modes
from mml_lib.errors import MMLError
from mml_lib.pipelines.pipeline import Pipeline
from mml_lib.pipelines.variants import expand
from mml_lib.studies.study import Study
from tests.support.places import CONFIG, REPOSITORY
from tests.support.studies import TASK, run_id, study


def test_changes_are_laid_over_a_preset():
    optimizer = load_study(study(optimizer={"preset": "adamw", "lr": 1e-4})).optimizer.spec()
    assert optimizer == {"_target_": "torch.optim.AdamW", "lr": 1e-4, "weight_decay": 0.01}


def test_own_presets_win_over_those_of_the_pipeline(tmp_path: Path):
    (tmp_path / "optimizer").mkdir()
    (tmp_path / "optimizer/adamw.yaml").write_text("_target_: torch.optim.AdamW\nlr: 7")
    config = study(paths={"presets": [str(tmp_path), str(CONFIG)]})
    assert load_study(config).optimizer.spec()["lr"] == 7


@pytest.mark.parametrize("group", GROUPS)
def test_every_shipped_preset_is_valid(group: str):
    files = list((CONFIG / group).glob("*.yaml"))
    assert files
    for file in files:
        load_study(study(**{group: file.stem}))


@pytest.mark.parametrize("file", [CONFIG / "config.yaml", *(CONFIG / "studies").glob("*.yaml")], ids=lambda f: f.stem)
def test_every_shipped_study_is_valid(file: Path):
    config = with_defaults(read_study(file))
    add_presets(config, CONFIG)
    load_study(config, [file])


def test_schema_for_editors_is_in_step_with_the_models():
    assert (CONFIG / "schema.json").read_text() == schema_text(), "run: python -m mml_lib.config.schema_json"


def test_environment_for_conda_is_in_step_with_the_package():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    environment = yaml.safe_load((CONFIG / "environment.yaml").read_text())
    assert environment["dependencies"][-1]["pip"] == project["dependencies"]


def test_roots_come_from_the_study_then_the_environment_then_the_folder(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("MML_RESULTS_PATH", raising=False)
    monkeypatch.setenv("MML_DATA_PATH", "/from/environment")
    paths = load_study(study()).paths
    assert (paths.data, paths.results) == (Path("/from/environment"), Path("results"))
    paths = load_study(study(paths={"data": "/from/study", "results": None, "presets": [str(CONFIG)]})).paths
    assert (paths.data, paths.results) == (Path("/from/study"), Path("results"))


def test_error_names_the_last_file_that_sets_the_key(tmp_path: Path):
    for name, batch_size in (("first", 8), ("second", 0)):
        (tmp_path / f"{name}.yaml").write_text(f"sampling: {{batch_size: {batch_size}}}")
    files = [tmp_path / "first.yaml", tmp_path / "second.yaml"]
    with pytest.raises(MMLError, match=r"second\.yaml: sampling\.batch_size"):
        load_study(study(sampling={"batch_size": 0}), files)


@pytest.mark.parametrize(
    "change",
    [
        {"num_workers": 3},
        {"trainer": {"accelerator": "cpu"}},
        {"metrics": ["f1"]},
        {"resources": {"train_fold": {"threads": 2}}},
        {"project": "other"},
        {"remove": {"parameters": True}},
        {"optimizer": {"weight_decay": 0.01, "lr": 0.001, "_target_": "torch.optim.AdamW"}},
    ],
)
def test_run_id_ignores_what_changes_no_result(change: dict[str, Any]):
    assert run_id(study(**change)) == run_id(study())


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"optimizer": {"preset": "adamw", "lr": 0.5}},
        {"preprocessing": {"size": 64}},
        {"normalization": "imagenet"},
        {"augmentations": "flips"},
        {"trainer": {"max_epochs": 11}},
        {"sampling": {"balanced": True}},
    ],
)
def test_run_id_depends_on_what_changes_the_result(change: dict[str, Any]):
    assert run_id(study(**change)) != run_id(study())


SEGMENTATION = TASK | {"task_type": "semantic_segmentation"}
OTHER_TYPES = {"decoder": "unet", "loss": {"preset": "default", "regression": {"_target_": "torch.nn.L1Loss"}}}


@pytest.mark.parametrize("key", OTHER_TYPES)
def test_run_id_ignores_what_only_other_task_types_use(key: str):
    plain = study(loss="default", decoder="unet_small")
    changed = plain | {key: OTHER_TYPES[key]}
    assert run_id(changed) == run_id(plain)
    segmentation = [Pipeline.of(load_study(config), SEGMENTATION).run for config in (plain, changed)]
    assert len(set(segmentation)) == (2 if key == "decoder" else 1)


def test_run_id_depends_on_the_task():
    cfg = load_study(study())
    assert Pipeline.of(cfg, TASK).run != Pipeline.of(cfg, TASK | {"id": "1" * 8}).run


def test_pipeline_file_round_trip_keeps_the_run_id(tmp_path: Path):
    pipeline = Pipeline.of(load_study(study(lr_scheduler="one_cycle")), TASK)
    path = tmp_path / f"{pipeline.run}.yaml"
    path.write_text(pipeline.to_yaml())
    assert Pipeline.read(path).content == pipeline.content
    path.write_text(pipeline.to_yaml().replace("seed: 42", "seed: 43"))
    with pytest.raises(MMLError, match="contains the pipeline of another run"):
        Pipeline.read(path)


def test_sweep_and_variants_expand_to_all_combinations():
    config = study(
        sweep={"optimizer.lr": [0.1, 1e-2], "seed": [1, 2]},
        variants={"plain": {}, "flipped": {"augmentations": "flips"}},
    )
    variants = expand(config)
    assert len(variants) == 8
    assert variants[0].label == "plain, optimizer.lr=0.1, seed=1"
    assert {variant.study.optimizer.spec()["lr"] for variant in variants} == {0.1, 0.01}
    assert {len(variant.study.augmentations.of("classification")) for variant in variants} == {0, 2}
    assert {variant.study.optimizer.spec()["weight_decay"] for variant in variants} == {0.01}


@pytest.mark.parametrize("keys", [("optimizer.lr", "optimizer"), ("optimizer", "optimizer.lr")])
@pytest.mark.parametrize("section", ["sweep", "variants"])
def test_key_below_a_section_wins_over_the_section_in_any_order(section: str, keys: tuple[str, str]):
    values = {"optimizer": "sgd", "optimizer.lr": 0.3}
    keyed = {key: values[key] for key in keys}
    varied = {"a": keyed} if section == "variants" else {key: [value] for key, value in keyed.items()}
    (variant,) = expand(study(**{section: varied}))
    assert variant.study.optimizer.spec()["lr"] == 0.3
    assert variant.study.optimizer.spec()["_target_"].endswith("SGD")


def test_key_of_a_section_that_is_switched_off_is_varied():
    (variant,) = expand(study(tune="none", sweep={"tune.lr": [True]}))
    assert variant.study.tune is not None
    assert variant.study.tune.lr


@pytest.mark.parametrize(
    ("arguments", "modes"), [([], ["train"]), (["-n", "info", "pp"], ["info", "pp"]), (["results/x.json"], ["train"])]
)
def test_only_the_modes_that_are_asked_for_are_checked(arguments: list[str], modes: list[str]):
    assert requested_modes(arguments, Study(study())) == modes


@pytest.mark.parametrize("digest", ["0" * 64, "01" * 32, "deadbeef" * 8])
def test_placeholder_is_no_checksum(digest: str):
    task = {"creator": "csv", "downloads": [{"url": "https://x/t.zip", "sha256": digest}]}
    with pytest.raises(MMLError, match=r"tasks\.t\.downloads\.0\.sha256: .* is a placeholder, not a checksum"):
        load_study(study(tasks={"t": task}))
