"""Every example study runs, shortened by single values on the command line."""

import csv
from pathlib import Path

import pytest

from tests.workflow.conftest import REPOSITORY, Workplace
from tests.workflow.test_own_data import write_images

SHORTER = {
    "own_images": [
        "trainer={max_epochs: 1}",
        "preprocessing={size: 32}",
        "arch={name: test_resnet}",
        "mode={cv: false}",
    ],
    "sweep": ["trainer={max_epochs: 1}", "sweep={optimizer.lr: [0.003]}"],
}
RUNS = {"own_images": 1, "sweep": 2}


@pytest.mark.parametrize("study", [file.stem for file in (REPOSITORY / "config/studies").glob("*.yaml")])
def test_example_study_runs(workplace: Workplace, study: str):
    for seed, label in enumerate(("benign", "malignant")):
        write_images(workplace.folder / "images" / label, 10, seed)
    content = (REPOSITORY / f"config/studies/{study}.yaml").read_text().replace("mode: train", "mode: {preset: train}")
    (workplace.folder / "study.yaml").write_text(content)
    workplace.run("--config", *SHORTER[study])
    (summary,) = workplace.files(f"results/{study}/RESULTS/train.csv")
    with open(summary) as file:
        runs = {row["run"] for row in csv.DictReader(file)}
    assert len(runs) == RUNS[study]


def test_demo_study_is_the_default(tmp_path: Path):
    place = Workplace(tmp_path)
    command = [part for part in place.command("-n") if part not in ("--configfile", "study.yaml")]
    assert "--configfile" not in command
    place.command = lambda *_: [*command, "--directory", str(REPOSITORY)]
    said = place.run("--config", f"paths={{results: {tmp_path}/results, data: {tmp_path}/data}}")
    assert "task digits" in said
