"""Names in a study file are what the user wrote, whatever YAML would make of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from mml_lib.config.loading import load_study
from mml_lib.config.pipeline_folder import add_presets
from mml_lib.config.reading.layers import with_defaults
from mml_lib.config.reading.scalars import flow_text, plain, study_text
from mml_lib.config.reading.study_files import parse_values, read_study
from mml_lib.config.schema import StudyConfig
from mml_lib.errors import MMLError
from mml_lib.pipelines.variants import expand
from mml_lib.schedulers.post import PostOptions
from mml_lib.tasks.creators.creator_registry import get_creator
from tests.support.places import REPOSITORY

BASE = "tasks:\n  t: {creator: fake}\n"

RUN_IDS = ["54e21430", "12345678", "01234567", "1e234567", "00000007"]
NAMES = [
    *RUN_IDS,
    "2024",
    "1e10",
    "no",
    "on",
    "Yes",
    "OFF",
    "2024-01-05",
    "007",
    "0x1F",
    "1_000",
    "1.10",
    "0b11",
    "0o17",
]
TEXTS = [*NAMES, "12:30:00", ".5", "+5", "-1", "5.", "1e-3", "2024-01-05 10:00:00"]


def read(folder: Path, text: str) -> dict[str, Any]:
    (folder / "study.yaml").write_text(text)
    config = with_defaults(read_study(folder / "study.yaml"))
    add_presets(config, REPOSITORY / "config")
    return config


def load(folder: Path, text: str) -> StudyConfig:
    return load_study(read(folder, text), [folder / "study.yaml"])


def options(study: StudyConfig) -> PostOptions:
    return PostOptions(**study.mode.options)


def arguments(study: StudyConfig, task: str = "u") -> dict[str, Any]:
    return get_creator(task, study.tasks[task].creator).arguments(study.tasks[task])


OF_NAMES: dict[str, tuple[str, Callable[[StudyConfig], Any]]] = {
    "project": (BASE + "project: @", lambda study: study.project),
    "tasks": ("tasks: {@: {creator: fake}}", lambda study: next(iter(study.tasks))),
    "pivot.name": (BASE + "pivot: {name: @}", lambda study: study.pivot.name),
    "reuse.models": (BASE + "reuse: {models: @}", lambda study: study.reuse.models[0]),
    "reuse.models, of several": (BASE + "reuse: {models: [a, @]}", lambda study: study.reuse.models[1]),
    "reuse, of a plugin": (BASE + "reuse: {heatmaps: @}", lambda study: study.reuse.heatmaps[0]),
    "clean.projects": (BASE + "clean: {projects: [@]}", lambda study: study.clean.projects[0]),
    "mode.pretrain_task": (BASE + "mode: {preset: post, pretrain_task: @}", lambda s: options(s).pretrain_task),
    "mode.co_tasks": (
        BASE + "mode: {preset: train, multitask: true, co_tasks: [@]}",
        lambda s: options(s).co_tasks[0],
    ),
    "mode.eval_on": (BASE + "mode: {preset: train, eval_on: [@]}", lambda s: options(s).eval_on[0]),
    "mode.source_tasks": (BASE + "mode: {preset: post, source_tasks: [@]}", lambda s: options(s).source_tasks[0]),
    "mode.use_blueprint": (BASE + "mode: {preset: train, use_blueprint: @}", lambda s: options(s).use_blueprint),
}

OF_TEXTS: dict[str, tuple[str, Callable[[StudyConfig], Any]]] = {
    "idx_to_class": (BASE + "  u: {creator: fake, idx_to_class: {0: @}}", lambda s: s.tasks["u"].idx_to_class[0]),
    "metadata": (BASE + "  u: {creator: csv, metadata: [@]}", lambda study: study.tasks["u"].metadata[0]),
    "release": (BASE + "  u: {creator: fake, release: @}", lambda study: study.tasks["u"].release),
    "license": (BASE + "  u: {creator: fake, license: @}", lambda study: study.tasks["u"].license),
    "keywords": (BASE + "  u: {creator: fake, keywords: [@]}", lambda study: study.tasks["u"].keywords[0]),
    "modalities": (BASE + "  u: {creator: fake, modalities: {a: @}}", lambda s: s.tasks["u"].modalities["a"]),
    "path": (BASE + "  u: {creator: csv, path: @}", lambda study: str(arguments(study)["path"])),
    "name of a creator's": (BASE + "  u: {creator: medmnist, path: x, name: @}", lambda s: arguments(s)["name"]),
    "class_weights": (BASE + "class_weights: {@: 2}", lambda study: next(iter(study.class_weights))),
    "paths.data": (BASE + "paths: {data: @}", lambda study: str(study.paths.data)),
    "plugins": (BASE + "plugins: [@]", lambda study: study.plugins[0]),
    "callbacks": (BASE + "callbacks: {@: {_target_: a.B}}", lambda study: next(iter(study.callbacks))),
    "resources": (BASE + "resources: {@: {threads: 1}}", lambda study: next(iter(study.resources))),
    "metric": (BASE + "metrics: [{_target_: a.B, name: @}]", lambda study: study.metrics[0].name),
}

OF_RUNS: dict[str, tuple[str, Callable[[StudyConfig], Any]]] = {
    "run": (BASE + "run: @", lambda study: study.run),
    "mode.model_selection": (
        BASE + "mode: {preset: post, pretrain_task: t, model_selection: @}",
        lambda study: options(study).model_selection,
    ),
}


@pytest.mark.parametrize(
    ("place", "spellings"),
    [
        *((place, NAMES) for place in OF_NAMES),
        *((place, TEXTS) for place in OF_TEXTS),
        *((p, RUN_IDS) for p in OF_RUNS),
    ],
)
def test_name_is_what_the_user_wrote(tmp_path: Path, place: str, spellings: list[str]):
    text, value = (OF_NAMES | OF_TEXTS | OF_RUNS)[place]
    for spelling in spellings:
        for written in (spelling, f"'{spelling}'", f'"{spelling}"'):
            assert value(load(tmp_path, text.replace("@", written))) == spelling, written


@pytest.mark.parametrize("switch", ["true", "False"])
@pytest.mark.parametrize("place", [place for place in OF_NAMES | OF_TEXTS if place != "metric"])
def test_switch_in_the_place_of_a_name_is_refused_with_the_quoting_that_helps(tmp_path: Path, place: str, switch: str):
    text, value = (OF_NAMES | OF_TEXTS)[place]
    unquoted = text.replace("@", switch)
    if "{@:" in text:
        assert value(load(tmp_path, unquoted)) == switch, "a key is text in any case"
    else:
        with pytest.raises((MMLError, ValueError), match=f"is not text; put it in quotes: '{switch.lower()}'"):
            value(load(tmp_path, unquoted))
    assert value(load(tmp_path, text.replace("@", f"'{switch}'"))) == switch


def test_null_in_the_place_of_a_class_is_refused(tmp_path: Path):
    with pytest.raises(MMLError, match=r"study\.yaml: tasks\.u\.idx_to_class\.0: the value is missing or null.*'null'"):
        load(tmp_path, BASE + "  u: {creator: fake, idx_to_class: {0: null}}")


@pytest.mark.parametrize("spelling", NAMES)
def test_variant_and_swept_value_keep_their_names(tmp_path: Path, spelling: str):
    config = read(tmp_path, BASE + f"variants: {{{spelling}: {{}}}}\nsweep: {{store_best: [{spelling}]}}")
    config["sweep"] = {"seed": [1]}
    assert expand(config)[0].label == f"{spelling}, seed=1"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("trainer: {gradient_clip_val: 1e-3}", lambda study: study.trainer.gradient_clip_val == 1e-3),
        ("optimizer: {lr: 1e-3}", lambda study: study.optimizer.spec()["lr"] == 1e-3),
        ("optimizer: {lr: .5}", lambda study: study.optimizer.spec()["lr"] == 0.5),
        ("optimizer: {preset: sgd, nesterov: no}", lambda study: study.optimizer.spec()["nesterov"] is False),
        ("optimizer: {preset: sgd, nesterov: 'no'}", lambda study: study.optimizer.spec()["nesterov"] == "no"),
        ("arch: {name: '54e21430'}", lambda study: study.arch.spec()["name"] == "54e21430"),
        ("arch: {pretrained: yes}", lambda study: study.arch.spec()["pretrained"] is True),
        ("warm_start: off", lambda study: study.warm_start is False),
        ("adapters: no", lambda study: study.adapters is None),
        ("store_best: on", lambda study: study.store_best.metric == "loss"),
        ("seed: 1_000", lambda study: study.seed == 1000),
        ("seed: 007", lambda study: study.seed == 7),
        ("sampling: {batch_size: 0x10}", lambda study: study.sampling.batch_size == 16),
        ("trainer: {max_time: 00:04:00:00}", lambda study: study.trainer.max_time == "00:04:00:00"),
        ("mode: {preset: train, cv: no}", lambda study: options(study).cv is False),
        ("mode: {preset: post, prior: [1e-1, .9]}", lambda study: options(study).prior == [0.1, 0.9]),
        ("mode: {preset: train, multitask: yes, co_tasks: 2}", lambda study: options(study).co_tasks == 2),
    ],
)
def test_numbers_and_switches_are_such_where_the_schema_says_so_or_says_nothing(tmp_path: Path, text: str, value: Any):
    study = load(tmp_path, BASE + text)
    assert value(study)
    assert yaml.safe_load(yaml.safe_dump(study.model_dump(mode="json", exclude={"mode", "tasks"})))


@pytest.mark.parametrize("switch", ["no", "on", "true"])
@pytest.mark.parametrize("text", ["seed: @", "trainer: {max_epochs: @}", "bootstrap: @", "sampling: {batch_size: @}"])
def test_switch_is_no_number(tmp_path: Path, text: str, switch: str):
    with pytest.raises(MMLError, match=f"{switch} is not a number; write one"):
        load(tmp_path, BASE + text.replace("@", switch))


@pytest.mark.parametrize("section", ["sensitivity: [true]", "specificity: [0.9, no]"])
def test_switch_is_no_number_of_a_list(tmp_path: Path, section: str):
    with pytest.raises(
        MMLError, match=rf"operating_points\.{section.partition(':')[0]}: .* is not a number; write one"
    ):
        load(tmp_path, BASE + f"operating_points: {{{section}}}")


def test_fold_that_is_named_twice_counts_once(tmp_path: Path):
    assert load(tmp_path, BASE + "export: {folds: [1, 0, 1]}").export.folds == [1, 0]


def test_arguments_of_a_creator_are_of_their_types(tmp_path: Path):
    study = load(tmp_path, BASE + "  u: {creator: fake, num_samples: 1_0, soft: no}")
    assert arguments(study) == {"num_samples": 10, "soft": False}
    assert type(arguments(study)["num_samples"]) is int


def test_values_of_the_command_line_are_read_alike(tmp_path: Path):
    entries = ["project=2024", "run=54e21430", "optimizer.lr=1e-3", "pivot={'name': None}", "seed=7", "reuse.models=no"]
    config = with_defaults(read(tmp_path, BASE), *parse_values(entries))
    study = load_study(config)
    assert (study.project, study.run, study.optimizer.spec()["lr"]) == ("2024", "54e21430", 1e-3)
    assert (study.pivot.name, study.seed, study.reuse.models) == (None, 7, ["no"])


def test_config_can_be_written_and_read_without_a_loss(tmp_path: Path):
    config = read_study(tmp_path / "study.yaml") if read(tmp_path, BASE) else {}
    config |= {"looks": [*TEXTS], "spelled": None, "quoted": "it's\n: #{x}"}
    (tmp_path / "looks.yaml").write_text("a: [" + ", ".join(TEXTS) + ", true, null, '1e3', 1.5, -7]\nb: {no: 1e3}")
    config |= read_study(tmp_path / "looks.yaml")
    for text in (study_text(config), flow_text(config)):
        (tmp_path / "again.yaml").write_text(text)
        again = read_study(tmp_path / "again.yaml")
        assert flow_text(again) == flow_text(config)
        assert str(plain(again)) == str(plain(config))
