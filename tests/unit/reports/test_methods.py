"""The methods text of a study: it states what the files contain, and nothing else."""

import re
from dataclasses import replace
from typing import Any

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before segmentation_models_pytorch)
import pytest

from mml_lib.config.factories import import_target
from mml_lib.reports.methods.checklists import AUTHORS, CLAIM, TRIPOD
from mml_lib.reports.methods.citations import FAMILIES, SAMPLERS, TARGETS, cite_network, cited, entries, reference_line
from mml_lib.reports.methods.facts import StudyFacts, describe_metrics
from mml_lib.reports.methods.methods_text import SECTIONS, methods_bibliography, methods_text

TASK = {
    "name": "lesions",
    "task_type": "classification",
    "modalities": {"image": "dermatoscopy"},
    "num_samples": {"all": 1200, "train": 960, "test": 240},
    "num_folds": 4,
    "classes": ["benign", "malignant"],
    "imbalance_ratio": 3.5,
    "sizes": {"min_width": 600, "max_width": 1024, "min_height": 450, "max_height": 768},
    "reference": "A. Author: A data set. 2020",
    "license": "CC BY 4.0",
    "protocol": ["created from DSET_lesions"],
    "test_fraction": 0.2,
    "seed": 7,
}
PIPELINE: dict[str, Any] = {
    "seed": 42,
    "preprocessing": {"id": "default", "size": [224, 224], "transforms": ["resize"]},
    "normalization": "task",
    "arch": {"_target_": "mml_lib.models.network.timm_backbone", "name": "resnet18", "pretrained": False},
    "augmentations": {"transforms": []},
    "loss": {"_target_": "torch.nn.CrossEntropyLoss"},
    "optimizer": {"_target_": "torch.optim.AdamW", "lr": 0.001},
    "lr_scheduler": {"_target_": "torch.optim.lr_scheduler.OneCycleLR", "max_lr": "${lr}"},
    "sampling": {"batch_size": 32},
    "trainer": {"max_epochs": 20, "precision": "32-true"},
    "callbacks": {},
}
MODEL = {
    "num_parameters": 11_177_538,
    "versions": {"mml": "0.1.0", "torch": "2.13.0"},
    "device": "cuda",
    "training_time": 600.0,
}
EVALUATION = {
    **{"mode": "train", "nested": False, "bootstrap": 1000, "per_group": "mean", "weighted_metrics": False},
    **{"tta": False, "compared": 1},
}
FACTS = StudyFacts(
    tasks=[TASK],
    groups={},
    pipelines=[PIPELINE],
    models=[MODEL] * 4,
    metrics=describe_metrics({"classification": ["auroc"]}),
    evaluation=EVALUATION,
    rows=[{"split": "test", "runs": "1", "folds": "4", "about": "procedure"}],
)
SEARCH = {
    **{"sampler": "tpe", "trials": 27, "objective": ["auroc"], "folds": [0], "halving": {"min_epochs": 2, "factor": 3}},
    "space": [{"key": "optimizer.lr", "choices": [], "low": 1e-5, "high": 0.1, "log": True}],
}


def prose(facts: StudyFacts) -> str:
    return methods_text(facts).partition("# Reporting checklists")[0]


def test_networks_of_a_procedure_are_those_of_all_its_runs():
    row = FACTS.rows[0]
    rows = [row | {"kind": "procedure", "runs": "2"}, row | {"kind": "run"}, row | {"kind": "run"}]
    assert "mean over 8 networks" in prose(replace(FACTS, rows=rows))


def test_data_pipeline_and_evaluation_are_stated_with_their_numbers():
    text = prose(FACTS)
    for words in ("1,200 samples", "240 samples, was drawn at random (seed 7)", "960 samples", "4 folds", "3.5 times"):
        assert words in text
    for words in ("`resnet18` [@he2016resnet]", "random weights", "`AdamW(lr=0.001)`", "32 samples", "20 epochs"):
        assert words in text
    for words in (
        "mean over 4 networks",
        "`auroc`",
        "1,000 bootstrap resamples",
        "ran on cuda",
        "10 minutes",
        "40 minutes",
    ):
        assert words in text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"groups": {"lesions": 310}}, "310 groups"),
        ({"pipelines": [{**PIPELINE, "search": SEARCH}]}, "27 trials"),
        ({"pipelines": [{**PIPELINE, "store_best": "auroc"}]}, "best auroc"),
        ({"pipelines": [{**PIPELINE, "mixing": {"mixup": 0.2}}]}, "@zhang2018mixup"),
        ({"pipelines": [{**PIPELINE, "tune": {"lr": True}}]}, "range test"),
        ({"evaluation": {**EVALUATION, "compared": 3}}, "@holm1979"),
        ({"evaluation": {**EVALUATION, "nested": True}}, "held out in turn"),
        ({"evaluation": {**EVALUATION, "tta": True}}, "test-time augmentation"),
        ({"evaluation": {**EVALUATION, "weighted_metrics": True}}, "weighted in the metrics"),
        ({"rows": [{"split": "out_of_fold", "about": "networks"}]}, "held it out"),
        ({"pipelines": [PIPELINE, {**PIPELINE, "optimizer": {"_target_": "torch.optim.SGD"}}]}, "differ in optimizer"),
    ],
)
def test_only_what_was_done_is_stated(changes: dict[str, Any], words: str):
    assert words in prose(replace(FACTS, **changes))
    assert words not in prose(FACTS)


def test_a_task_that_is_only_predicted_has_no_division():
    archive = TASK | {"name": "archive", "task_type": "no_task", "num_samples": {"all": 9, "unlabelled": 9}}
    text = prose(replace(FACTS, tasks=[TASK, archive | {"classes": [], "imbalance_ratio": None}]))
    assert "The task archive" in text
    assert "No network was trained on archive" in text


def test_a_study_without_networks_on_the_disk_claims_no_software_versions():
    text = prose(replace(FACTS, models=[], rows=[]))
    assert not re.search(r"trainable|trained with|ran on|mean over", text)


def test_the_bibliography_has_all_cited_entries_and_no_others():
    text = methods_text(replace(FACTS, pipelines=[{**PIPELINE, "search": SEARCH}]))
    keys = re.findall(r"^@\w+\{(\w+),", methods_bibliography(text), re.MULTILINE)
    assert keys == cited(text)
    assert {"li2020asha", "bergstra2011tpe", "tejani2024claim"} <= set(keys)
    assert all(f"- `{key}` " in text for key in keys)


def test_citations_are_in_the_bibliography_and_of_parts_that_exist():
    assert {*TARGETS.values(), *FAMILIES.values(), *SAMPLERS.values()} <= entries().keys()
    for path in TARGETS:
        assert callable(import_target(path))
    for key in entries():
        line = reference_line(key)
        assert re.search(r"[a-z].*: .+\. .*(19|20)\d\d", line), line
        assert not set("{}\\") & set(line), line


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("resnext50_32x4d", "xie2017resnext"),
        ("tf_efficientnetv2_s", None),
        ("efficientnetv2_rw_s", "tan2021efficientnetv2"),
        ("vgg16", None),
    ],
)
def test_networks_are_cited_by_their_family(name: str, key: str | None):
    assert cite_network(name) == (f" [@{key}]" if key else "")


def test_checklists_name_sections_of_the_text():
    for item in (*CLAIM, *TRIPOD):
        assert item.answered in (*SECTIONS, AUTHORS, "RESULTS"), item


def test_names_in_the_text_are_shown_as_they_are():
    from markdown_it import MarkdownIt

    names = ["*bold*", "_a_", "[x](http:y)", "<b>", "a|b", "@key", "50 % & more"]
    hostile = {"classes": names, "license": "`code` #1", "protocol": ["created", "**left out**"]}
    page = MarkdownIt("commonmark").render(methods_text(replace(FACTS, tasks=[TASK | hostile])))
    assert "*bold*, _a_, [x](http:y), &lt;b&gt;, a|b, @key and 50 % &amp; more" in page
    assert "`code` #1" in page
    assert "**left out**" in page


def test_hardware_and_energy_are_stated_where_files_have_them():
    assert "kWh" not in prose(FACTS)
    model = MODEL | {"hardware": {"processor": "ACME 9000", "gpu": "H200"}, "energy_kwh": 0.5}
    text = prose(replace(FACTS, models=[model] * 4))
    assert "cuda (ACME 9000; H200)" in text
    assert "2 kWh" in text
    assert "kWh" not in prose(replace(FACTS, models=[model, MODEL]))
