"""Tasks of the catalogue in a study: what is fetched, trusted and described."""

import hashlib
import json

import numpy as np
import yaml

from tests.support.workplaces import TINY, Workplace


def test_an_entry_is_fetched_checked_and_described(workplace: Workplace):
    rng = np.random.default_rng(0)
    urls = []
    for split in ("train", "test"):
        file = workplace.folder / f"{split}.npz"
        images = rng.integers(0, 256, (30, 8, 8), dtype=np.uint8)
        np.savez(file, images=images, labels=np.arange(30, dtype=np.uint8) % 3)
        urls.append(file.as_uri())
    md5 = hashlib.md5((workplace.folder / "train.npz").read_bytes()).hexdigest()
    task = {"creator": "npz_arrays", "path": ".", "files": {"train": "train.npz", "test": "test.npz"}, "license": "CC0"}
    task["downloads"] = [{"url": urls[0], "md5": md5}, {"url": urls[1], "trust": "first_use"}]
    entry = {"about": "Noise", "task": task, "variants": {"amount": {"few": {"classes": ["a", "b", "c"]}}}}
    (workplace.folder / "presets/catalogue").mkdir(parents=True)
    (workplace.folder / "presets/catalogue/noise.yaml").write_text(yaml.safe_dump(entry))
    study = TINY | {"tasks": {"noise": {"catalogue": "noise", "folds": 2}}, "mode": "create"}
    workplace.write(study | {"paths": {"presets": [str(workplace.folder / "presets")]}})
    workplace.run()

    (file,) = workplace.files("data/TASKS/noise/*.json")
    header = json.loads(file.read_text())["header"]
    assert (header["classes"], header["num_folds"], header["num_samples"]["test"]) == (["a", "b", "c"], 2, 30)
    (pin,) = workplace.files("data/DOWNLOADS/PINS/*.json")
    sha256 = hashlib.sha256((workplace.folder / "test.npz").read_bytes()).hexdigest()
    assert json.loads(pin.read_text()) == {"url": urls[1], "sha256": sha256}
    assert [path.parent.name.partition("-")[0] for path in workplace.files("data/DOWNLOADS/*/*.npz")] == ["md5", "url"]
    assert workplace.planned() == {}
