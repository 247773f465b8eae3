"""Tasks out of tasks, out of the net, in shards: what is made once, what is shared, what is kept."""

import csv
import hashlib
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.workplaces import TINY, Workplace

FAKE = TINY["tasks"]["stripes"]


def tagged(*names: str, **more: object) -> dict:
    return TINY | {"tasks": {"stripes": FAKE, **dict.fromkeys(names)}, **more}


def packed_bytes(place: Workplace) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in place.files("data/PREPROCESSED/*/*/*.npy")}


def test_tagged_tasks_use_the_packed_images_of_their_base(workplace: Workplace):
    workplace.write(tagged("stripes+nested~0", "stripes+subset~0.5+nested~1"))
    planned = workplace.planned("pp")
    assert (planned["create_task"], planned["tag_task"], planned["preprocess_task"]) == (1, 3, 1)
    workplace.run("pp")
    assert len(workplace.files("data/PREPROCESSED/*/*")) == 1
    (file,) = workplace.files("data/TASKS/stripes+subset~0.5+nested~1/*.json")
    header = json.loads(file.read_text())["header"]
    assert header["num_samples"]["train"] + header["num_samples"]["test"] == 19
    assert [step.split(",")[0] for step in header["protocol"][1:]] == [
        "0.5 of the training samples",
        "fold 1 became the test split",
    ]
    workplace.write(tagged("stripes+nested~0", "stripes+subset~0.5+nested~1", "stripes+nested~1"))
    assert workplace.planned("pp") == {"tag_task": 1, "finish_exp": 1}


@pytest.mark.long
def test_pivot_has_tags_of_its_own_and_the_other_tasks_have_theirs(workplace: Workplace):
    study = TINY | {
        "tasks": {"stripes": FAKE, "others": FAKE | {"seed": 1}},
        "pivot": {"name": "stripes", "tags": "+nested~1"},
        "tagging": {"all": "+shrink_train~16", "variants": ["+identity", "+confuse~0.25"]},
    }
    workplace.write(study)
    workplace.run("info")
    with open(workplace.folder / "results/tiny/INFO/tasks.csv") as file:
        rows = list(csv.DictReader(file))
    assert {row["task"]: row["train"] for row in rows} == {
        "stripes+nested~1": "19",
        "others+shrink_train~16": "16",
        "others+shrink_train~16+confuse~0.25": "16",
    }
    for row in rows:
        for picture in ("samples.png", "classes.png"):
            with Image.open(workplace.folder / "results/tiny/INFO" / row["task"] / picture) as image:
                assert len(set(image.convert("L").tobytes())) > 10, "not blank"
    assert (workplace.folder / "results/tiny/INFO/samples.png").exists()
    assert "train stripes+nested~1 fold 1" in workplace.run("-n", "train", "--verbose")


def test_own_tag_registers_with_a_decorator(workplace: Workplace):
    (workplace.folder / "odd.py").write_text(
        "import numpy as np\n"
        "from mml_lib.tasks.tags import register_tag\n"
        "@register_tag('every')\n"
        "def every(task, number: int):\n"
        "    keep = np.array(task.samples['row']) % number == 0\n"
        "    return task.changed(f'every {number}th row', keep=keep)\n"
    )
    workplace.write(tagged("stripes+every~3", plugins=["odd.py"]))
    workplace.run("create")
    (file,) = workplace.files("data/TASKS/stripes+every~3/*.json")
    assert json.loads(file.read_text())["samples"]["row"] == list(range(0, 48, 3))


def test_shards_give_the_bytes_of_one_pack_and_finished_ones_are_kept(workplace: Workplace, finished: Workplace):
    workplace.write(TINY | {"preprocess_shards": 3})
    workplace.run("create")
    (image,) = workplace.files("data/RAW/*/000040.png")
    content = image.read_bytes()
    image.write_bytes(content[:200])
    assert "000040.png is truncated or damaged" in workplace.run("pp", fails=True)
    assert [folder.name[-4:] for folder in workplace.files("data/PREPROCESSED/*/*of*")] == ["0of3", "1of3"]
    image.write_bytes(content)
    assert workplace.planned("pp")["preprocess_shard"] == 1
    workplace.run("pp")
    assert packed_bytes(workplace) == packed_bytes(finished)
    workplace.write(TINY | {"preprocess_shards": 2})
    assert workplace.planned("pp") == {}, "another number of shards packs nothing again"


@pytest.mark.long
def test_images_of_different_sizes_are_packed_at_their_own(workplace: Workplace):
    rng = np.random.default_rng(0)
    for number in range(24):
        file = workplace.folder / f"images/{'ab'[number % 2]}/{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        shape = (int(rng.integers(32, 48)), int(rng.integers(32, 48)), 3)
        Image.fromarray(rng.integers(0, 128, shape, dtype=np.uint8) + 100 * (number % 2)).save(file)
    study = TINY | {"tasks": {"mine": {"creator": "image_folder", "path": "images", "folds": 2}}}
    mode = {"preset": "train", "cv": False, "subroutines": ["train"]}
    workplace.write(study | {"preprocessing": "none", "num_workers": 1, "mode": mode})
    workplace.run()
    packed = [file.name for file in workplace.files("data/PREPROCESSED/*/none-*/*.npy")]
    assert packed == ["moments.npy", "offsets.npy", "pixels.npy", "sizes.npy"]
    (model,) = workplace.files("results/tiny/MODELS/mine/*.json")
    assert np.isfinite(json.loads(model.read_text())["performance"])


class Server(http.server.ThreadingHTTPServer):
    """Serves a folder; breaks off its first answer half-way, and records its requests."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.requests: list[tuple[str, str | None]] = []
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        content = (self.server.folder / self.path[1:]).read_bytes()
        wanted = self.headers.get("Range")
        self.server.requests.append((self.path, wanted))
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        self.send_response(206 if wanted else 200)
        self.send_header("ETag", '"1"')
        self.send_header("Content-Length", str(len(content) - start))
        if wanted:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        half = len(self.server.requests) == 1
        self.wfile.write(content[start : len(content) // 2 if half else None])
        if half:
            self.connection.close()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "served").mkdir()
    with Server(tmp_path / "served") as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_tasks_share_a_download_that_goes_on_where_it_broke_off(workplace: Workplace, server: Server):
    rng = np.random.default_rng(0)
    arrays = {}
    for split in ("train", "val", "test"):
        arrays[f"{split}_images"] = rng.integers(0, 256, (60, 28, 28, 3), dtype=np.uint8)
        arrays[f"{split}_labels"] = np.arange(60, dtype=np.uint8)[:, None] % 8
    np.savez(server.folder / "bloodmnist.npz", **arrays)
    digest = hashlib.sha256((server.folder / "bloodmnist.npz").read_bytes()).hexdigest()
    task = {"creator": "medmnist", "name": "bloodmnist"}
    task["downloads"] = [{"url": f"{server.url}/bloodmnist.npz", "sha256": digest}]
    grades = {"idx_to_class": {number: "ab"[number % 2] for number in range(8)}}
    workplace.write(TINY | {"tasks": {"blood": task, "halves": task | grades}, "mode": "pp"})
    workplace.run()
    (first, begun), (second, resumed) = server.requests
    assert (first, begun, second) == ("/bloodmnist.npz", None, "/bloodmnist.npz")
    assert resumed.startswith("bytes=")
    assert len(workplace.files("data/RAW/*")) == len(workplace.files("data/PREPROCESSED/*/*")) == 1
    (file,) = workplace.files("data/TASKS/halves/*.json")
    header = json.loads(file.read_text())["header"]
    assert (header["classes"], header["num_folds"], header["num_samples"]["test"]) == (["a", "b"], 1, 60)
    assert workplace.planned() == {}
