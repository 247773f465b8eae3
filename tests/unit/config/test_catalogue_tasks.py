"""Tasks that name an entry of the catalogue: the keys of the entry, changed by their own."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from mml_lib.config.loading import load_study
from mml_lib.config.reading.catalogue_entries import catalogue_entries
from mml_lib.config.reading.layers import with_defaults
from mml_lib.config.task_options import Download, Task
from mml_lib.errors import MMLError
from mml_lib.tasks.task_identity import TaskIdentity
from tests.support.places import CONFIG

MD5 = "0a1b" * 7 + "cdef"
BLOOD = catalogue_entries([CONFIG])["bloodmnist"]


def task_of(task: dict[str, Any], *folders: Path) -> Task:
    paths = {"presets": [str(folder) for folder in (*folders, CONFIG)]}
    return load_study(with_defaults({"project": "p", "tasks": {"blood": task}, "paths": paths})).tasks["blood"]


def test_a_task_is_the_same_as_one_with_the_keys_written_out():
    written = task_of({**BLOOD.task, **BLOOD.variants["size"]["64"], "folds": 3})
    named = task_of({"catalogue": "bloodmnist", "size": 64, "folds": 3})
    assert named == written
    assert TaskIdentity.of("blood", named) == TaskIdentity.of("blood", written)


def test_another_size_is_another_data_set():
    first, second, default = (
        TaskIdentity.of("blood", task_of({"catalogue": "bloodmnist", **own}))
        for own in ({"size": 28}, {"size": 128}, {})
    )
    assert first == default
    assert first.dataset != second.dataset


@pytest.mark.parametrize(
    ("task", "error"),
    [
        ({"catalogue": "bloodmnst"}, r"tasks.blood.catalogue: .*'bloodmnst' .*did you mean 'bloodmnist'\?"),
        ({"catalogue": "bloodmnist", "size": 32}, r"tasks.blood.size: .*'bloodmnist' .* 32; .* 28, 64, 128, 224"),
        ({"catalogue": "BloodMNIST"}, r"tasks.blood.catalogue: .*'BloodMNIST' .*did you mean 'bloodmnist'\?"),
        ({"catalogue": "bloodmnist", "size": True}, r"tasks.blood.size: .*'bloodmnist' .* True; .* 28, 64, 128, 224"),
        ({"catalogue": "bloodmnist", "size": [28, 64]}, r"tasks.blood.size: .*'bloodmnist' .* \[28, 64\]; "),
        ({"catalogue": "bloodmnist", "size": None}, r"tasks.blood.size: .*'bloodmnist' .* None; "),
        ({"catalogue": "bloodmnist", "creator": "csv"}, r"tasks.blood.creator: .*'bloodmnist'"),
        ({"catalogue": True}, r"tasks.blood.catalogue: true is not text"),
        ({"catalogue": None}, r"tasks.blood.catalogue: write the name of one entry"),
        ({"catalogue": ["bloodmnist"]}, r"tasks.blood.catalogue: write the name of one entry"),
        ({"catalog": "bloodmnist"}, r"tasks.blood: .*'catalog', did you mean 'catalogue'\?"),
    ],
)
def test_a_mistake_names_the_key_and_the_entry(task: dict[str, Any], error: str):
    with pytest.raises(MMLError, match=error):
        task_of(task)


def test_a_mistake_in_a_file_is_given_its_line(tmp_path: Path):
    file = tmp_path / "study.yaml"
    file.write_text("project: p\ntasks:\n  blood:\n    catalogue: bloodmnst\n")
    study = with_defaults(yaml.safe_load(file.read_text()), {"paths": {"presets": [str(CONFIG)]}})
    with pytest.raises(MMLError, match=rf"^{file}: tasks.blood.catalogue: .* \(line 4\)$"):
        load_study(study, [file])


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("about: cells", "mine.yaml: the catalogue entry 'mine' has no key 'task'"),
        ("task: {path: x}", "mine.yaml: the catalogue entry 'mine' has no key 'creator'"),
        ("task: {creator: csv}\nvariant: {}", "mine.yaml: .*'variant', did you mean 'variants'"),
        ("task: {creator: csv}\nimages: 1,295", "mine.yaml: .* images 1,295; write a whole number"),
        ("task: {creator: csv}\nimages: true", "mine.yaml: .* images True; write a whole number"),
        ("task: {creator: csv, modalities: x-ray}", "mine.yaml: .* modalities that are not a mapping"),
        ("task: {creator: csv, keywords: skin}", "mine.yaml: .* keywords that are not a list"),
        ("task: {creator: csv}\nvariants: size", "mine.yaml: .* variants that are not a mapping"),
        ("task: {creator: csv}\nvariants: {size: [28, 64]}", "mine.yaml: .* no values of variants.size"),
        ("task: {creator: csv}\nvariants: {size: {}}", "mine.yaml: .* no values of variants.size"),
        ("task: {creator: csv}\nvariants: {size: {28: small}}", "mine.yaml: .* no mapping at variants.size.28"),
    ],
)
def test_a_file_that_is_no_entry_is_refused(tmp_path: Path, text: str, error: str):
    (tmp_path / "catalogue").mkdir()
    (tmp_path / "catalogue/mine.yaml").write_text(text)
    with pytest.raises(MMLError, match=error):
        task_of({"catalogue": "mine"}, tmp_path)


def test_an_own_entry_takes_precedence(tmp_path: Path):
    (tmp_path / "catalogue").mkdir()
    (tmp_path / "catalogue/bloodmnist.yaml").write_text("task: {creator: fake, num_samples: 12}")
    assert task_of({"catalogue": "bloodmnist"}, tmp_path).arguments == {"num_samples": 12}


def test_a_value_of_an_option_may_have_no_further_keys(tmp_path: Path):
    (tmp_path / "catalogue").mkdir()
    text = "task: {creator: fake, num_samples: 12}\nvariants:\n  size:\n    small:\n    large: {num_samples: 40}\n"
    (tmp_path / "catalogue/mine.yaml").write_text(text)
    assert task_of({"catalogue": "mine"}, tmp_path).arguments == {"num_samples": 12}
    assert task_of({"catalogue": "mine", "size": "large"}, tmp_path).arguments == {"num_samples": 40}


@pytest.mark.parametrize("entry", catalogue_entries([CONFIG]).values(), ids=lambda entry: entry.name)
def test_each_value_of_an_option_is_a_task(entry):
    for option, values in entry.variants.items():
        tasks = [task_of({"catalogue": entry.name, option: value}) for value in values]
        identities = {TaskIdentity.of("blood", task).id for task in tasks}
        assert len(identities) == len(values)


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"sha256": "0a1b" * 15 + "cdef", "md5": "0a1b" * 7 + "cdef"},
        {"md5": "0a1b" * 7 + "cdef", "trust": "first_use"},
    ],
)
def test_a_download_has_one_checksum(keys: dict[str, str]):
    with pytest.raises(ValueError, match=r"one of the keys sha256, md5 .* and trust: first_use"):
        Download(url="https://example.org/a.zip", **keys)
