"""The catalogue: each entry downloads, creates and surveys a miniature of its data set, as it was planned."""

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from mml_lib.config.loading import load_study
from mml_lib.config.reading.catalogue_entries import catalogue_entries
from mml_lib.config.reading.layers import with_defaults
from mml_lib.config.task_options import Download, Task
from mml_lib.files.downloads import download
from mml_lib.files.unpacking import unpack
from mml_lib.images.surveying import survey_images
from mml_lib.tasks.creators.creator_registry import create, get_creator
from mml_lib.tasks.dataset import Dataset
from mml_lib.tasks.delivery_checks import check_delivery
from mml_lib.tasks.mask_classes import check_masks
from mml_lib.tasks.splits.copies import Copies
from mml_lib.tasks.splits.splitting import Splitting, assign
from mml_lib.tasks.targets import Targets
from mml_lib.tasks.task_identity import TaskIdentity
from tests.support.catalogue_miniatures import MINIATURES
from tests.support.places import CONFIG

ENTRIES = catalogue_entries([CONFIG])


@dataclass
class FileServer(ThreadingHTTPServer):
    """A server of files in memory."""

    files: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)

    __hash__ = object.__hash__


class Handler(BaseHTTPRequestHandler):
    server: FileServer

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        body = self.server.files[urlsplit(self.path).path]
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture(scope="module")
def server() -> Iterator[FileServer]:
    server = FileServer()
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def task_of(name: str, **changes) -> Task:
    study = {"project": "p", "tasks": {"t": {"catalogue": name, **changes}}, "paths": {"presets": [str(CONFIG)]}}
    return load_study(with_defaults(study)).tasks["t"]


def served(server: FileServer, task: Task) -> Task:
    """Return a task whose downloads are those of a miniature on a server, with its checksums of the same kind."""
    downloads = []
    for file in task.downloads:
        parts = urlsplit(file.url)
        body = server.files[f"/{parts.path.rsplit('/', 1)[-1]}"]
        digests = {
            "sha256": hashlib.sha256(body).hexdigest(),
            "md5": hashlib.md5(body).hexdigest(),
            "trust": file.trust,
        }
        key = next(key for key in digests if getattr(file, key))
        query = f"?{parts.query}" if parts.query else ""
        url = f"http://127.0.0.1:{server.server_port}/{parts.path.rsplit('/', 1)[-1]}{query}"
        downloads.append(Download(url=url, **{key: digests[key]}))
    return task.model_copy(update={"downloads": downloads})


def make(task: Task, folder: Path) -> Dataset:
    """Download, unpack, create and survey a data set as the steps do."""
    paths = []
    for file in task.downloads:
        path = folder / "DOWNLOADS" / file.checksum / urlsplit(file.url).path.rsplit("/", 1)[-1]
        download(file.url, path, file.checksum)
        paths.append(path)
    root = folder / "RAW"
    files = unpack(paths, root / "files")
    creator = get_creator("t", task.creator)
    delivery = create(task.creator, creator.arguments(task), root, files)
    check_delivery(delivery, "RAW")
    return survey_images(delivery, "RAW", root, 2, folder)


@pytest.mark.parametrize("name", sorted(ENTRIES))
def test_an_entry_makes_the_task_that_was_planned(name: str, server: FileServer, tmp_path: Path):
    task = task_of(name)
    server.files = {f"/{file}": body for file, body in MINIATURES[name](task).items()}
    task = served(server, task)
    planned = TaskIdentity.of("t", task)
    dataset = make(task, tmp_path)

    assert dataset.delivery.task_type == planned.task_type == ENTRIES[name].task_type
    named = (planned.idx_to_class, "t", planned.colors)
    targets = Targets.of(dataset, *named)
    if planned.task_type == "semantic_segmentation":
        check_masks(dataset, *named)
    definition = planned.definition()
    copies = Copies(dataset, "t", task.duplicates == "allow")
    assignment = assign(dataset.delivery.samples, targets, "t", Splitting.of(definition), copies)
    assert assignment.num_folds == planned.num_folds
    assert ("test" in assignment.split) == planned.has_test
    assert ("unlabelled" in assignment.split) == planned.has_unlabelled
    assert planned.classes in (None, tuple(targets.classes))


def test_each_entry_has_a_miniature_and_its_facts():
    assert set(ENTRIES) == set(MINIATURES)
    for entry in ENTRIES.values():
        assert entry.about, entry.name
        assert entry.facts, entry.name
        assert entry.modalities, entry.name
        assert entry.task.get("reference"), entry.name


@pytest.mark.parametrize(
    "name", [name for name, entry in ENTRIES.items() if entry.task_type == "semantic_segmentation"]
)
def test_the_background_is_the_first_class_so_that_metrics_leave_it_out(name: str):
    assert TaskIdentity.of("t", task_of(name)).idx_to_class[0] == "background"
