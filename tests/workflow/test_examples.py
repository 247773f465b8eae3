"""Every example study runs, shortened by single values on the command line."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.support.image_folders import write_images
from tests.support.places import REPOSITORY
from tests.support.workplaces import TINY, Workplace

ONE_THREAD = f"resources={json.dumps(TINY['resources'])}"
WITHOUT_PICTURES = "mode={subroutines: [train, predict, test]}"
SHORTER = {
    "own_images": ["preprocessing={size: 32}", "arch={name: test_resnet}", "mode={cv: false, subroutines: [train]}"],
    "sweep": ["sweep={optimizer.lr: [0.003]}", "mode={subroutines: [train]}"],
    "medmnist": ["mode={subroutines: [train]}"],
    "unlabelled": ["mode={eval: [unlabelled], subroutines: [train, predict]}"],
    "tags": ["tagging={variants: [+subset~0.25]}", "mode={subroutines: [train]}"],
    "transfer": ["mode={pretrain_with: {trainer.max_epochs: 1}, subroutines: [train]}"],
    "ablation": ["repeats=1", WITHOUT_PICTURES],
    "learning_curve": ["repeats=1", "tagging={variants: [+identity, +subset~0.4]}", WITHOUT_PICTURES],
    "post": ["mode={subroutines: [test, calibrate, ensemble, compare]}"],
    "tuned": ["mode={pretrain_with: {trainer.max_epochs: 1}, subroutines: [train]}"],
    "multitask": ["mode={eval_on: [discs], subroutines: [train, predict, test]}"],
    "shared_images": ["mode={eval_on: [parity], subroutines: [train, predict, test]}"],
    "which_source": ["repeats=1", "mode={pretrain_with: {trainer.max_epochs: 1}, subroutines: [train, predict, test]}"],
    "search": ["search={trials: 4, halving: {min_epochs: 1}}", "trainer={max_epochs: 2}", WITHOUT_PICTURES],
    "patches": ["tasks={discs: {num_samples: 16, size: 128}}", WITHOUT_PICTURES],
}
MODELS = {
    "ablation": 10,
    "learning_curve": 2,
    "sweep": 2,
    "transfer": 2,
    "tuned": 2,
    "post": 4,
    "search": 5,
    "which_source": 25,
}

RUN_ELSEWHERE = ("ablation", "learning_curve", "multitask", "post", "search", "transfer", "tuned", "which_source")
"""Examples whose modes and tables smaller studies check in full: test_questions.py, test_post.py, test_search.py …"""


def prepare(folder: Path) -> None:
    """Write what the examples expect beside them."""
    for seed, label in enumerate(("benign", "malignant")):
        write_images(folder / "images" / label, 10, seed)
    rng = np.random.default_rng(0)
    arrays = {}
    for split, count in (("train", 24), ("val", 8), ("test", 8)):
        arrays[f"{split}_images"] = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        arrays[f"{split}_labels"] = np.arange(count, dtype=np.uint8)[:, None] % 2
    np.savez_compressed(folder / "breastmnist.npz", **arrays)


def write_example(place: Workplace, study: str) -> None:
    """Write an example as the study of a workplace, in a form in which the command line can change its mode."""
    content = (REPOSITORY / f"config/studies/{study}.yaml").read_text().replace("mode: train", "mode: {preset: train}")
    (place.folder / "study.yaml").write_text(content)


@pytest.mark.parametrize("study", RUN_ELSEWHERE)
def test_example_study_that_is_not_run_in_the_gate_is_planned(workplace: Workplace, study: str):
    write_example(workplace, study)
    assert (
        workplace.planned()["train_fold"]
        == {
            "ablation": 20,
            "learning_curve": 18,
            "multitask": 1,
            "post": 4,
            "search": 3,
            "transfer": 2,
            "tuned": 2,
            "which_source": 80,
        }[study]
    )


@pytest.mark.long
@pytest.mark.parametrize(
    "study",
    [
        pytest.param(file.stem, marks=[pytest.mark.thorough] if file.stem in RUN_ELSEWHERE else [])
        for file in sorted((REPOSITORY / "config/studies").glob("*.yaml"))
    ],
)
def test_example_study_runs(workplace: Workplace, study: str):
    prepare(workplace.folder)
    write_example(workplace, study)
    workplace.run("--config", "trainer={max_epochs: 1}", ONE_THREAD, *SHORTER.get(study, [WITHOUT_PICTURES]))
    assert len(workplace.files(f"results/{study}/MODELS/*/*.json")) == MODELS.get(study, 1)
    assert workplace.files(f"results/{study}/RESULTS/*.json")
    if study == "segmentation":
        (table,) = workplace.files("results/segmentation/METRICS/discs/*/test-classes.csv")
        assert table.read_text().startswith("class,metric,value,ci_low,ci_high,reason,images\n,dice,")
        assert ",dice_original," in table.read_text()


def test_demo_study_is_the_default(tmp_path: Path):
    place = Workplace(tmp_path)
    command = [part for part in place.command("-n") if part not in ("--configfile", "study.yaml")]
    assert "--configfile" not in command
    place.command = lambda *_: [*command, "--directory", str(REPOSITORY)]
    output = place.run("--config", f"paths={{results: {tmp_path}/results, data: {tmp_path}/data}}")
    assert "task digits" in output
