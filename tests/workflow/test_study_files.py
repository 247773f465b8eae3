"""Study files and values of the command line, as Snakemake and its steps see them."""

import json
import re
from pathlib import Path

import pytest
import yaml

from tests.support.workplaces import Workplace

MINIMAL = "project: p\ntasks: {t: {creator: fake, num_samples: 30, folds: 3}}\n"


def call(place: Workplace, *arguments: str, fails: bool = False) -> str:
    """Run Snakemake with no study file of the workplace's own."""
    command = place.command(*arguments)[:-2]
    return Workplace.run(_Bare(place.folder, command), fails=fails)


class _Bare(Workplace):
    def __init__(self, folder: Path, command: list[str]):
        super().__init__(folder)
        self._command = command

    def command(self, *_: str) -> list[str]:
        return self._command


def runs(output: str) -> list[str]:
    return re.findall(r"^ +run ([0-9a-f]{8})", output, re.MULTILINE)


def test_every_file_and_value_reaches_the_steps(tmp_path: Path):
    place = Workplace(tmp_path)
    (tmp_path / "first.yaml").write_text(MINIMAL)
    (tmp_path / "second.yaml").write_text("tasks: {2024: {creator: fake, num_classes: 4}, t: {num_classes: 4}}")
    files = ("--configfile", "first.yaml", "--configfile", "second.yaml")
    values = ("--config", "tasks.t.num_samples=40", "--config", "tasks.t.folds=4", "paths.results=no")
    call(place, "create", *files, *values)
    (task,) = place.files("data/TASKS/t/*.json")
    header = json.loads(task.read_text())["header"]
    assert header["source"]["arguments"] == {"num_samples": 40, "num_classes": 4}
    assert header["folds"] == 4
    assert place.files("data/TASKS/2024/*.json")
    (study,) = json.loads((tmp_path / "no/p/.studies.json").read_text())["studies"]
    assert study["files"] == ["first.yaml", "second.yaml"]
    assert yaml.safe_load(study["values"]["tasks"]) == {"t": {"num_samples": 40, "folds": 4}}


def test_study_means_the_same_in_any_folder_beside_any_demo_study(tmp_path: Path):
    (tmp_path / "study.yaml").write_text(MINIMAL)
    place = Workplace(tmp_path)
    ids = runs(place.run("-n"))
    assert len(ids) == 1
    (tmp_path / "config").mkdir()
    (tmp_path / "config/config.yaml").write_text("seed: 3\ntasks: {other: {creator: digits}}\narch: test_resnet\n")
    assert runs(place.run("-n")) == ids
    output = call(place, "-n")
    assert "task other" in output, "without a file the demo study counts, that of the working folder first"
    assert runs(output) != ids


def test_profile_names_a_study_file_and_values(tmp_path: Path):
    (tmp_path / "profile").mkdir()
    (tmp_path / "profile/config.yaml").write_text("configfile: study.yaml\nconfig: {seed: 7}\n")
    (tmp_path / "study.yaml").write_text(MINIMAL)
    (tmp_path / "seven.yaml").write_text(MINIMAL + "seed: 7\n")
    place = Workplace(tmp_path)
    expected = runs(call(place, "-n", "--configfile", "seven.yaml"))
    assert runs(call(place, "-n", "--profile", "profile")) == expected
    assert runs(call(place, "-n", "--profile", "profile", "--workflow-profile", "none", "--nolock")) == expected


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--configfile", "latin.yaml"], "error: latin.yaml is not UTF-8"),
        (
            ["--configfile", "study.yaml", "info"],
            "error: --configfile: there is no file info; write targets before this option",
        ),
        (
            ["--config", "trainer.max_epochs=x", "--configfile", "study.yaml"],
            "error: --config: trainer.max_epochs: ",
        ),
    ],
)
def test_mistake_of_the_command_line_is_one_line(workplace: Workplace, arguments: list[str], line: str):
    (workplace.folder / "latin.yaml").write_bytes("project: Läsion".encode("latin-1"))
    output = call(workplace, "-n", *arguments, fails=True)
    assert [words for words in output.splitlines() if words.startswith("error: ")] == [
        words for words in output.splitlines() if line in words
    ]
    assert line in output
    assert "Traceback" not in output
