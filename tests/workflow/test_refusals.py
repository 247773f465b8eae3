"""Whatever a user can get wrong ends in one line with what, where and the remedy, soon, and with nothing done.

The tables: config in `refusals.py` and `test_bad_studies.py`; data here and in `test_bad_input.py`; artefacts and
environment here.
"""

import copy
import json
import re
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mml_lib.config.pipeline_folder import add_presets
from mml_lib.errors import MMLError
from mml_lib.files.checksums import seal
from mml_lib.models.model_storage import ModelStorage
from mml_lib.pipelines.pipeline import Pipeline
from mml_lib.predictions.predictions import read_predictions
from mml_lib.studies.study import Study
from mml_lib.tasks.creators.creator_registry import CREATORS, create
from mml_lib.tasks.delivery_checks import check_delivery
from mml_lib.tasks.description import TaskDescription
from tests.support.bad_configs import CONFIG
from tests.support.bad_input import STEPS
from tests.support.bad_studies import PLANNING
from tests.support.forked_snakemake import run_snakemake
from tests.support.messages import mentions
from tests.support.places import REPOSITORY
from tests.support.small_projects import Project, small_project
from tests.support.workplaces import TINY, Workplace

SECONDS = 20
"""Longest time that planning a study may take until it is refused."""


@contextmanager
def within(seconds: int) -> Iterator[None]:
    def stop(*_: object) -> None:
        raise TimeoutError(f"no answer within {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def plan(study: dict[Any, Any]) -> None:
    """Plan a study, and look at the data of its task as the step does that lists them."""
    config = copy.deepcopy(study)
    add_presets(config, REPOSITORY / "config")
    planned = Study(config, [Path("study.yaml")])
    planned.check()
    if "mine" in study["tasks"]:
        task = planned.cfg.tasks["mine"]
        check_delivery(create(task.creator, CREATORS[task.creator].arguments(task), Path("unused")), "mine")


def refusal_of(study: dict[Any, Any], folder: Path) -> str:
    """Return the line that refuses a study while it is planned."""
    before = {path.name for path in folder.iterdir()}
    Workplace(folder).write(study)
    with within(SECONDS), pytest.raises(MMLError) as error:
        plan(study)
    assert {path.name for path in folder.iterdir()} == before | {"study.yaml"}, "nothing is done"
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("case", CONFIG)
def test_mistake_in_a_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str):
    monkeypatch.chdir(tmp_path)
    changes, line = CONFIG[case]
    assert re.search(line, refusal_of(TINY | changes, tmp_path))


# --- data -------------------------------------------------------------------------------------------------------


def table(text: str | bytes) -> Callable[[Path], dict[str, Any]]:
    def write(folder: Path) -> dict[str, Any]:
        for name in "xyz":
            Image.new("RGB", (8, 8)).save(folder / f"{name}.png")
        (folder / "t.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
        return {"creator": "csv", "path": "t.csv"}

    return write


def files(*names: str, **task: Any) -> Callable[[Path], dict[str, Any]]:
    def write(folder: Path) -> dict[str, Any]:
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            Image.new("L", (8, 8)).save(folder / name) if name.endswith(".png") else (folder / name).mkdir()
        return {"creator": "image_folder", "path": "images", **task}

    return write


DATA: dict[str, tuple[Callable[[Path], dict[str, Any]], str]] = {
    "empty table": (table(""), r"t\.csv: there is no column 'image'"),
    "table of a header": (table("image,label\n"), r"mine: .*see config/guide/tasks\.md"),
    "table without labels' name": (table("image,lable\nx.png,a\n"), r"no column 'label', did you mean 'lable'\?"),
    "table with a column twice": (table("image,label,label\nx.png,a,b\n"), r"the column 'label' appears twice"),
    "table with a column in capitals": (
        table("image,label,Split\nx.png,a,test\n"),
        r"write the column 'Split' as 'split'",
    ),
    "table of another encoding": (table("image,label\nx.png,ä\n".encode("latin-1")), r"t\.csv is not UTF-8 .*save it"),
    "table of UTF-16": (table("image,label\nx.png,a\n".encode("utf-16")), r"t\.csv is not UTF-8"),
    "table with an open quote": (table('image,label\n"x.png,a\n'), r"t\.csv, line \d: .*close quotes"),
    "table with a cell too many": (table("image,label\nx.png,a,b\n"), r"line 2: .*3 cells, 2"),
    "table with an empty label": (table("image,label\nx.png,\n"), r"line 2: the column 'label'.*fill it"),
    "table with a fold in words": (table("image,label,fold\nx.png,a,one\n"), r"line 2: the fold 'one' is not a number"),
    "table of two targets": (table("image,label,value\nx.png,a,1\n"), r"choose one by task_type"),
    "table of other images": (table("image,label\n../../no.png,a\n"), r"line 2: .*no\.png"),
    "table that is a folder": (files("t.csv", creator="csv", path="t.csv"), r"t\.csv must hold one \.csv file"),
    "folder without images": (files("images"), r"mine: .*see config/guide/tasks\.md"),
    "class without images": (files("images/a/1.png", "images/b"), r"the class folder .*images/b holds no image"),
    "image in no class": (files("images/a/1.png", "images/2.png"), r"2\.png lies in no folder that tells its class"),
    "folder that is a file": (files("images/a.png", path="images/a.png"), r"images/a\.png is not a folder"),
    "missing folder of masks": (files("images/1.png", masks="masks"), r"the path .*masks does not exist"),
    "image without a mask": (
        files("images/1.png", "masks/2.png", masks="masks"),
        r"images/1\.png has no mask .*masks/1",
    ),
    "set that is none of MedMNIST": (files("x.npz", creator="medmnist", path="x.npz"), r"must hold one \.npz file"),
    "values in words": (files("images/high/1.png", task_type="regression"), r"'high' is not a number, which a regr"),
}


@pytest.mark.parametrize("case", DATA)
def test_mistake_in_data_shows_before_anything_is_packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str):
    monkeypatch.chdir(tmp_path)
    write, line = DATA[case]
    study = TINY | {
        "tasks": {"mine": write(tmp_path)},
        "loss": "default",
        "metrics": "default",
        "decoder": "unet_small",
    }
    assert re.search(line, refusal_of(study, tmp_path))


# --- artefacts --------------------------------------------------------------------------------------------------


def written(content: str | bytes) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(content if isinstance(content, bytes) else content.encode()) and None


def halved(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def newer(path: Path) -> None:
    text = path.read_text()
    for old in ('"format": ', "format: "):
        text = re.sub(rf"{old}\d+", f"{old}999", text, count=1)
    path.write_text(re.sub(r"(needs_mml\W+)[\d.]+", r"\g<1>99.0", text, count=1))


def without(key: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_text(
            json.dumps({name: value for name, value in json.loads(path.read_text()).items() if name != key})
        )

    return write


def sealed(path: Path) -> None:
    seal(path)
    path.write_bytes(path.read_bytes().replace(b"0", b"1", 1))


def without_arrays(path: Path) -> None:
    np.savez(path, other=np.zeros(3))


ARTEFACTS: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "model storage, empty": ("models", written(""), r"\.json is damaged .*; make it again by: snakemake "),
    "model storage, cut off": ("models", halved, r"\.json is damaged .*; make it again by: snakemake "),
    "model storage, a list": ("models", written("[1]"), r"\.json is damaged "),
    "model storage, without a key": ("models", without("performance"), r"\.json is damaged .*performance"),
    "model storage, changed": ("models", sealed, r"\.json is damaged .*SHA-256 is not the one in"),
    "model storage, of a newer MML": (
        "models",
        newer,
        r"format 999, and MML .*reads .*; install MML 99\.0 or newer",
    ),
    "model storage, gone": ("models", Path.unlink, r"\.json cannot be read: No such file or directory"),
    "pipeline, not YAML": ("pipeline", written("a: [b"), r"\.yaml is (not valid YAML|damaged)"),
    "pipeline, empty": ("pipeline", written(""), r"\.yaml is damaged"),
    "pipeline, not UTF-8": ("pipeline", written(b"a: \xff"), r"\.yaml is (not UTF-8|damaged)"),
    "pipeline, edited": (
        "pipeline",
        lambda path: path.write_text(path.read_text().replace("seed: ", "seed: 7")) and None,
        r"\.yaml (contains the pipeline of another run|is damaged)",
    ),
    "pipeline, of a newer MML": (
        "pipeline",
        newer,
        r"format 999, and MML .*reads .*; install MML 99\.0 or newer",
    ),
    "predictions, empty": ("predictions", written(""), r"test\.npz is damaged .*; make it again by: snakemake "),
    "predictions, cut off": ("predictions", halved, r"test\.npz is damaged "),
    "predictions, of other arrays": ("predictions", without_arrays, r"test\.npz is damaged"),
    "predictions, changed": ("predictions", sealed, r"test\.npz is damaged .*SHA-256"),
    "task description, cut off": ("description", halved, r"\.json is damaged .*; make it again by"),
    "task description, of a newer MML": (
        "description",
        newer,
        r"format 999, and MML .*reads .*; install MML 99\.0 or newer",
    ),
}

READERS: dict[str, Callable[[Path], object]] = {
    "models": ModelStorage.read,
    "pipeline": Pipeline.read,
    "predictions": read_predictions,
    "description": TaskDescription.read,
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return small_project(tmp_path_factory.mktemp("project"))


@pytest.mark.parametrize("case", ARTEFACTS)
def test_damage_of_an_artefact(project: Project, tmp_path: Path, case: str):
    key, damage, line = ARTEFACTS[case]
    identity = project.study.tasks["shapes"].id
    tokens = {"description": {"task_id": identity, "run": None, "fold": None}, "predictions": {"eval": "test"}}
    values = {name: value for name, value in tokens.get(key, {}).items() if value is not None}
    source = (
        Path(project.study.fm.path(key, task="shapes", **values))
        if key == "description"
        else project.path(key, **values)
    )
    path = tmp_path / source.name
    shutil.copyfile(source, path)
    READERS[key](path)
    damage(path)
    with within(SECONDS), pytest.raises(MMLError, match=line) as error:
        READERS[key](path)
    assert "\n" not in str(error.value)


# --- environment, and files that Snakemake reads -----------------------------------------------------------------


FILES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", r"error: study\.yaml is empty"),
    "a list": (b"- a\n", r"error: study\.yaml.*a study file has keys at its top"),
    "a tab": (b"project: x\n\tseed: 3\n", r"error: study\.yaml.*YAML: .*indent by spaces.*line 2"),
    "an open bracket": (b"project: [x\n", r"error: study\.yaml.*YAML: .*'\]'"),
    "two documents": (b"project: x\n---\nseed: 3\n", r"error: study\.yaml.*YAML: .*another document"),
    "an object": (
        b"seed: !!python/object/apply:os.mkdir [trace]\n",
        r"error: study\.yaml.*YAML: .*python/object/apply:os\.mkdir",
    ),
    "a function": (
        b"seed: !!python/name:os.mkdir\n",
        r"error: .*study\.yaml.*tag:yaml\.org,2002:python/name:os\.mkdir",
    ),
    "a key twice": (b"seed: 1\nproject: x\nseed: 2\n", r"study\.yaml: the key 'seed'.*lines 1 and 3"),
    "a nested key twice": (
        b"trainer: {max_epochs: 1, max_epochs: 2}\nx: 1\n",
        r"unknown key|'max_epochs' appears twice",
    ),
    "a wrong rule": (
        b"tasks: {t: {creator: fake}}\nresources: {trainfold: {threads: 1}}\n",
        r"resources\.trainfold: no rule has this name, did you",
    ),
}

ENVIRONMENT: dict[str, tuple[dict[str, str], str]] = {
    "data path that is a file": (
        {"MML_DATA_PATH": "study.yaml"},
        r"error: the data path study\.yaml cannot be written",
    ),
    "results path below a file": (
        {"MML_RESULTS_PATH": "study.yaml/x"},
        r"error: the results path study\.yaml/x cannot",
    ),
    "data path with braces": ({"MML_DATA_PATH": "a{b}"}, r"paths\.data: 'a\{b\}' contains braces"),
}


def snakemake(place: Workplace, **environment: str) -> str:
    """Return the output of a failing dry run."""
    status, output = run_snakemake(place.command("-n")[3:], place.folder, **environment)
    assert status != 0
    assert "Traceback" not in output
    assert not {"trace", "data", "results"} & {path.name for path in place.folder.iterdir()}
    return output


@pytest.mark.long
@pytest.mark.parametrize("case", FILES)
def test_study_file_with(workplace: Workplace, case: str):
    content, line = FILES[case]
    shutil.copytree(REPOSITORY / "config", workplace.folder / "config")
    (workplace.folder / "study.yaml").write_bytes(content)
    assert re.search(line, snakemake(workplace))


@pytest.mark.long
@pytest.mark.parametrize("case", ENVIRONMENT)
def test_mistake_in_the_environment(workplace: Workplace, case: str):
    environment, line = ENVIRONMENT[case]
    assert re.search(line, snakemake(workplace, **environment))


def test_library_that_is_missing_is_named_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("mml_lib.studies.checks.study_checks.find_spec", lambda name: None)
    line = refusal_of(TINY | {"adapters": True}, tmp_path)
    assert mentions(line, "adapters: ", "package peft", '; run pip install "mml[peft]"')


def test_an_empty_variable_stands_for_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MML_DATA_PATH", "")
    config = copy.deepcopy(TINY)
    add_presets(config, REPOSITORY / "config")
    assert Study(config).fm.data_path == Path("data")


def test_the_tables_hold_more_than_sixty_different_mistakes():
    tables = {"config": [CONFIG, PLANNING], "data": [DATA, STEPS], "artefacts": [ARTEFACTS]}
    tables["environment"] = [FILES, ENVIRONMENT]
    counts = {name: len({case for table in table_rows for case in table}) for name, table_rows in tables.items()}
    assert sum(counts.values()) >= 60
    assert min(counts.values()) >= 12
