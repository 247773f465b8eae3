"""Headless browsers: a page with the errors that it prints."""

import shutil
import subprocess
from pathlib import Path

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")

HARMLESS = ("cdn.tailwindcss.com should not",)


def browser() -> str:
    """Return the path of a browser; without one, the test is skipped."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip("there is no browser; install chromium (apt-get install chromium)")
    return path


def open_page(page: Path, folder: Path, *options: str, virtual_time: bool = True) -> tuple[str, list[str]]:
    """Return the document that a page becomes without a network, and the lines of its console.

    Args:
        page: the file.
        folder: folder for the browser's own files.
        options: further options of the browser.
        virtual_time: False to let the clock of the page be that of this machine.
    """
    command = [browser(), "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"]
    command += [f"--user-data-dir={folder}/user", "--host-resolver-rules=MAP * ~NOTFOUND"]
    command += ["--virtual-time-budget=20000"] if virtual_time else []
    command += ["--dump-dom", *options, page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    console = [line for line in done.stderr.splitlines() if ":CONSOLE" in line]
    return done.stdout, [line for line in console if not any(text in line for text in HARMLESS)]
