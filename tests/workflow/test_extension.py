"""Who extends the project does it from a folder of their own."""

import json
import shutil
from pathlib import Path

import pytest

from mml_lib.files.checksums import checksum_path
from tests.support.workplaces import TINY, Workplace

EXTENSION = Path(__file__).parent / "extension"


SHADES = TINY | {
    "plugins": ["mine/shades.py"],
    "rules": ["mine/shades.smk"],
    "mode": {
        "id": "shades",
        "scheduler": {"_target_": "shades.ShadesScheduler"},
        "cv": False,
        "subroutines": ["train"],
    },
}


@pytest.mark.long
def test_own_scheduler_with_new_atomic_steps_whose_artefacts_are_reused(workplace: Workplace):
    shutil.copytree(EXTENSION, workplace.folder / "mine")
    workplace.write(SHADES)
    workplace.run()
    (shades,) = workplace.files("results/tiny/SHADES/stripes/*-fold0.txt")
    fold, brightness, models, earlier = shades.read_text().split()
    assert (fold, models, earlier) == ("0", "1", "0")
    assert 0.3 < float(brightness) < 0.7
    returned = json.loads((workplace.folder / "results/tiny/RESULTS/shades.json").read_text())
    assert returned["return_value"] == {"measured": 1}
    (log,) = workplace.files("results/tiny/LOGS/train_fold/*.log")
    assert "own step: trainer created" in log.read_text()
    assert "own hook: training stripes fold 0" in log.read_text()
    assert workplace.planned("shades") == {}

    range_ = workplace.folder / "results/tiny/SHADES/range.txt"
    range_.write_text("0.1 0.9\n")
    checksum_path(range_).unlink()
    here = {"project": "later", "reuse": {"shades": "tiny", "shade_range": ["tiny"]}}
    workplace.write(SHADES | here | {"remove": {"shades": True}})
    workplace.run()
    assert (workplace.folder / "results/later/SHADES/range.txt").read_text() == "0.1 0.9\n"
    assert shades.exists()  # what is removed in this project is kept in the other
    assert workplace.files("results/later/SHADES/stripes/*.txt") == []
    workplace.write(SHADES | here | {"reuse": {"shade": "tiny"}})
    refusal = "error: study.yaml: reuse.shade: there is no key 'shade', did you mean 'shades'?"
    assert refusal in workplace.run("-n", fails=True)


def test_own_data_set_registers_with_a_decorator(workplace: Workplace):
    (workplace.folder / "blobs.py").write_text(
        "import numpy as np\n"
        "from PIL import Image\n"
        "from mml_lib.tasks.creators import register_creator\n"
        "from mml_lib.tasks.dataset import Delivery, Sample\n"
        "@register_creator('blobs')\n"
        "def blobs(folder, count=12):\n"
        "    folder.mkdir(parents=True, exist_ok=True)\n"
        "    samples = []\n"
        "    for n in range(count):\n"
        "        Image.fromarray(np.full((8, 8), n * 10, np.uint8)).save(folder / f'{n}.png')\n"
        "        samples.append(Sample(str(n), f'{n}.png', 'ab'[n % 2]))\n"
        "    return Delivery(samples, ['a', 'b'])\n"
    )
    workplace.write(
        TINY | {"plugins": ["blobs.py"], "tasks": {"mine": {"creator": "blobs", "count": 16, "folds": 2}}, "mode": "pp"}
    )
    workplace.run()
    (described,) = workplace.files("data/TASKS/mine/*.json")
    assert json.loads(described.read_text())["header"]["num_samples"]["all"] == 16
