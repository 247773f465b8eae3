"""Page about a project, in a browser, after a real run of a study."""

import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mml_lib.deployment.access import open_project
from mml_lib.watch.page_server import PageServer, open_server
from mml_lib.watch.project_view import ProjectView
from tests.support.workplaces import TINY, Workplace, once

pytestmark = pytest.mark.long

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """A finished study."""
    return once(tmp_path_factory, "watched", TINY)


@pytest.fixture
def server(watched: Workplace) -> Iterator[PageServer]:
    with open_project(watched.folder / "results/tiny") as fm:
        server = open_server(ProjectView(fm), 0, "word")
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        server.server_close()
        thread.join()


def state(place: Workplace) -> dict[str, Any]:
    return json.loads((place.folder / "results/tiny/.run.json").read_text())


def test_a_run_leaves_its_state(watched: Workplace):
    run = state(watched)
    assert (run["status"], run["running"], run["failures"]) == ("finished", [], [])
    finished = {rule["name"]: rule["finished"] for rule in run["rules"]}
    assert (finished["train_fold"], finished["test_fold"]) == (2, 2)
    assert all(rule["planned"] == rule["finished"] for rule in run["rules"])
    assert ["train_fold", "predict_fold"] in run["follows"]


def test_plan_without_a_run_keeps_the_state(watched: Workplace):
    before = state(watched)
    watched.run("-n", "--forceall")
    watched.run()
    assert state(watched) == before


def test_browser_shows_the_project_without_an_error(server: PageServer, tmp_path: Path):
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip("there is no browser; install chromium (apt-get install chromium)")
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=390,900", "--enable-logging=stderr"]
    options += [f"--user-data-dir={tmp_path}", "--virtual-time-budget=5000", "--dump-dom"]
    command = [browser, *options, server.address]
    page = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert not re.findall(r"CONSOLE.*", page.stderr)
    text = re.sub(r"<[^>]*>", " ", page.stdout)
    assert "tiny, mode train" in text
    assert re.search(r"finished\s+·\s+\d+ of \d+ steps", text)
    assert re.search(r"stripes, run [0-9a-f]{8}", text)
    assert re.search(r"train_fold\s+2/2", text)
    assert page.stdout.count('class="curve') >= 6, "training and validation loss and accuracy of two folds"
