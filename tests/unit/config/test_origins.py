"""An error names the file, or the option, and the line that the user wrote."""

import re
from pathlib import Path

import pytest

from mml_lib.config.loading import load_study, preset_folders
from mml_lib.config.pipeline_folder import add_presets
from mml_lib.config.reading.layers import with_defaults
from mml_lib.config.reading.origins import Origins
from mml_lib.config.reading.study_files import parse_values, read_study
from mml_lib.errors import MMLError
from mml_lib.pipelines.variants import expand
from tests.support.places import REPOSITORY

FIRST = "project: p\ntasks:\n  a.b: {creator: fake}\narch: test_resnet\npaths: {presets: [mine]}\n"
PRESETS = {
    "trainer/negative.yaml": "precision: 32-true\nmax_epochs: -3\n",
    "optimizer/nan.yaml": "_target_: torch.optim.AdamW\nlr: .nan\n",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, text in PRESETS.items():
        (tmp_path / "mine" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "mine" / name).write_text(text)
    return tmp_path


def read(first: str, second: str = "", values: list[str] | None = None) -> tuple[dict, list]:
    Path("first.yaml").write_text(FIRST + first)
    Path("second.yaml").write_text(second or "{}")
    layers = [*map(read_study, map(Path, ("first.yaml", "second.yaml"))), *parse_values(values or [])]
    config = with_defaults(*layers)
    add_presets(config, REPOSITORY / "config")
    return config, [Path("first.yaml"), Path("second.yaml"), with_values(values)]


def with_values(values: list[str] | None) -> dict:
    merged: dict = {}
    for layer in parse_values(values or []):
        merged |= layer
    return merged


def planned(config: dict, sources: list) -> None:
    load_study(config, sources)
    expand(config, sources)


CASES = {
    "first file": ("seed: -1", "", [], "first.yaml: seed: .* (line 6)"),
    "second file": ("seed: 1", "num_workers: 2\nseed: -1", [], "second.yaml: seed: .* (line 2)"),
    "one that is right again": ("seed: -1", "trainer:\n  max_epochs: x", [], "first.yaml: seed: .* (line 6)"),
    "value of the command line": ("seed: 1", "seed: 2", ["seed=x"], "--config: seed: "),
    "dotted value": ("", "", ["trainer.max_epochs=x"], "--config: trainer.max_epochs: "),
    "key in a list": ("metrics:\n- accuracy\n- acuracy", "", [], "first.yaml: metrics.1: .* (line 8)"),
    "key of a section at the top": ("", "", ["batch_size=8"], "--config: unknown key .* 'sampling.batch_size'"),
    "usual name of a key": ("lr: 1e-3", "", [], "first.yaml: unknown key 'lr', did you mean 'optimizer.lr'.* (line 6)"),
    "unknown key": ("optimizr: 3", "", [], "first.yaml: unknown key 'optimizr', did you mean 'optimizer'? (line 6)"),
    "the user's own preset": (
        "trainer: negative",
        "",
        [],
        "mine/trainer/negative.yaml: trainer.max_epochs: .* (line 2)",
    ),
    "change of a preset": (
        "trainer: {preset: negative, max_epochs: 2,\n  precision: x}",
        "",
        [],
        "first.yaml: trainer.precision: .* (line 7)",
    ),
    "number that is none in a preset": ("optimizer: nan", "", [], "mine/optimizer/nan.yaml: optimizer.lr .* (line 2)"),
    "variant": ("variants:\n  a: {seed: 1}\n  b: {seed: x}", "", [], "first.yaml: seed: .* (line 8)"),
    "swept value": ("", "sweep:\n  trainer.max_epochs: [1, x]", [], "second.yaml: trainer.max_epochs: .* (line 2)"),
    "swept on the command line": ("", "", ["sweep.seed=[1, x]"], "--config: seed: "),
    "task with a dot": ("  # nothing", "tasks: {a.b: {folds: 1}}", [], "second.yaml: tasks.a.b.folds: .* (line 1)"),
    "key of a task that is named as unions are": (
        "",
        "tasks:\n  one: {creator: digits, images: {rang: [0, 1]}}",
        [],
        "second.yaml: unknown key 'tasks.one.images.rang', did you mean 'range'? (line 2)",
    ),
    "task without a creator": ("", "tasks:\n  c: {folds: 2}", [], "second.yaml: the key 'tasks.c.creator' .* (line 2)"),
    "switch for a number": (
        "seed: no",
        "num_workers: 1",
        [],
        "first.yaml: seed: no is not a number; write one (line 6)",
    ),
    "tagged task without a base": (
        "  # nothing",
        "tasks:\n  b+nested~0:",
        [],
        r"second.yaml: tasks.b\+nested~0: its base 'b' is not a task of the study.* (line 2)",
    ),
    "options of a task with tags": (
        "  # nothing",
        "tasks:\n  b: {creator: digits}\n  b+nested~0: {exclude: a.csv}",
        [],
        r"second.yaml: tasks.b\+nested~0: .*has all options of b, including exclude.* (line 3)",
    ),
    "paths that are none": ("", "seed: 1", ["paths=3"], "--config: paths: input should be a valid dictionary, not 3"),
    "list for keys": (
        "",
        "augmentations: [a]",
        [],
        "second.yaml: augmentations: .*; its keys: classification, .*transforms",
    ),
    "negative weight": ("", "class_weights: {a: -1}", [], "second.yaml: class_weights.a: input should be greater.* -1"),
    "dotted key": (
        "",
        "trainer.max_epochs: 3",
        [],
        "second.yaml: .*; write trainer: {max_epochs: …} (line",
    ),
    "switch for a name": ("pivot:\n  name: true", "", [], "first.yaml: pivot.name: true is not text.* (line 7)"),
}


@pytest.mark.parametrize("case", CASES)
def test_error_names_the_place_that_counts(folder: Path, case: str):
    first, second, values, line = CASES[case]
    config, sources = read(first, second, values)
    pattern = line.replace("(", r"\(").replace(")", r"\)").replace("?", r"\?")
    with pytest.raises(MMLError, match=f"^{pattern}"):
        planned(config, sources)


@pytest.mark.parametrize(
    ("sentence", "placed"),
    [
        ("tasks.a.b: the creator 'fake' takes no 'sise'", "second.yaml: tasks.a.b: the .* 'sise' (line 3)"),
        ("tasks.a.b.sise: is wrong", "second.yaml: tasks.a.b.sise: is wrong (line 3)"),
        ("mode (train): unknown option 'cvv', did you mean 'cv'?", "--config: mode (train): unknown option .*"),
        ("pivot.name: there is no task 'x'", "first.yaml: pivot.name: there is no task 'x' (line 6)"),
        ("first.yaml: seed: wrong", "first.yaml: seed: wrong"),
        ("class_weights: wrong", "first.yaml: class_weights: wrong (line 8)"),
        ("trainer.max_epochs: wrong (trainer.max_epochs=5)", "first.yaml: trainer.max_epochs: wrong .* (line 9)"),
        ("trainer.max_epochs: wrong (b, trainer.max_epochs=5)", "first.yaml: trainer.max_epochs: wrong .* (line 9)"),
        ("loss: wrong", "first.yaml: loss: wrong (line 8)"),
        ("data are used by another study", "data are used by another study"),
        ("mode: is what a file is called", "--config: mode: is what a file is called"),
        ("mode.yaml: seed: wrong", "mode.yaml: seed: wrong"),
    ],
)
def test_sentence_of_a_check_gets_its_place(folder: Path, sentence: str, placed: str):
    config, sources = read(
        "pivot: {name: x}\nvariants:\n  a: {loss: x, class_weights: x}\nsweep: {trainer.max_epochs: [5]}",
        "tasks:\n  a.b:\n    sise: 3",
        ["mode.cvv=true"],
    )
    place = Origins(config, sources, preset_folders(config)).place(sentence)
    assert re.fullmatch(placed.replace("(", r"\(").replace(")", r"\)").replace("?", r"\?"), place), place


UNREADABLE = {
    "nothing": ("", "is empty; a study file needs the keys project and tasks"),
    "a comment": ("# project: x", "is empty"),
    "a list": ("- project", "contains a list; a study file has keys at its top"),
    "a word": ("project", "contains a single value"),
    "a tab": ("tasks:\n\tt: 1", r"indent by spaces, not by tabs \(line 2\)"),
    "an @": ("project: x\nname: @x", r"put the value in quotes \(line 2\)"),
    "a colon": ("project: a: b", "put the value in quotes"),
    "a backslash": ('project: x\nname: "\\d+"', r"put a value with backslashes in single quotes \(line 2\)"),
    "an open bracket": ("tasks: [", "is not valid YAML"),
    "a key given twice": ("seed: 1\nseed: 2", "the key 'seed' appears twice, in lines 1 and 2; keep one"),
    "a nested key given twice": ("a: {b: 1, b: 1}", "the key 'b' appears twice"),
    "a list for a key": ("? [a]\n: b", "a key has to be a word"),
    "a list that holds itself": ("a: &a [*a]", r"an alias refers to a section that contains it \(line 1\)"),
    "an object": ("a: !!python/object:os.system x", "could not determine a constructor"),
    "an expression that fails": ("__use_yte__: true\nseed: ?1/0", r"its expressions \(__use_yte__\) fail"),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_study_file_that_cannot_be_read_ends_in_one_line(tmp_path: Path, case: str):
    text, line = UNREADABLE[case]
    (tmp_path / "s.yaml").write_text(text)
    with pytest.raises(MMLError, match=line) as error:
        read_study(tmp_path / "s.yaml")
    assert str(error.value).startswith(str(tmp_path / "s.yaml"))
    assert "\n" not in str(error.value)


def test_study_file_that_is_none_ends_in_one_line(tmp_path: Path):
    (tmp_path / "latin.yaml").write_bytes("project: Läsion".encode("latin-1"))
    for name, line in (("", "Is a directory"), ("none.yaml", "No such file"), ("latin.yaml", "is not UTF-8")):
        with pytest.raises(MMLError, match=line):
            read_study(tmp_path / name)


def test_other_forms_of_study_files_are_read(tmp_path: Path):
    (tmp_path / "s.yaml").write_text("\ufeff__use_yte__: true\nseed: ?3 + 4\ntasks:\n  ?if True:\n    t: {}")
    assert read_study(tmp_path / "s.yaml") == {"seed": 7, "tasks": {"t": {}}}
    (tmp_path / "s.json").write_text('{\n\t"seed": 7,\n\t"tasks": {"2024": null}\n}')
    assert read_study(tmp_path / "s.json") == {"seed": 7, "tasks": {"2024": None}}


@pytest.mark.parametrize("entry", ["seed", "=7", ".seed=7", "a..b=7", "seed.=7", "7=3", "info", "seed=[1", "a=b: c: d"])
def test_value_of_the_command_line_that_is_none_ends_in_one_line(entry: str):
    with pytest.raises(MMLError, match=r"--config .*(write key=value|is not valid YAML)") as error:
        parse_values([entry])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("entry", "layer"),
    [
        ("trainer.max_epochs=3", {"trainer": {"max_epochs": 3}}),
        ("trainer={max_epochs: 3}", {"trainer": {"max_epochs": 3}}),
        ("sweep.optimizer.lr=[1e-3, 1e-2]", {"sweep": {"optimizer.lr": [1e-3, 1e-2]}}),
        ("variants.flipped.augmentations=flips", {"variants": {"flipped": {"augmentations": "flips"}}}),
        ("variants.long.trainer.max_epochs=9", {"variants": {"long": {"trainer.max_epochs": 9}}}),
        ("mode.pretrain_with.optimizer.lr=1e-3", {"mode": {"pretrain_with": {"optimizer.lr": 1e-3}}}),
        ("mixing=", {"mixing": None}),
        ("foo={'bar': True, 'no': None}", {"foo": {"bar": True, "no": None}}),
        ("project=a=b", {"project": "a=b"}),
    ],
)
def test_dotted_keys_are_understood(entry: str, layer: dict):
    assert parse_values([entry]) == [layer]


def test_dotted_key_leads_through_names_with_dots():
    config = {"tasks": {"v1.2": {"folds": 5}}, "sweep": {"optimizer.lr": [1]}}
    assert parse_values(["tasks.v1.2.folds=3"], config) == [{"tasks": {"v1.2": {"folds": 3}}}]
    assert parse_values(["sweep.optimizer.lr=[2]"], config) == [{"sweep": {"optimizer.lr": [2]}}]
