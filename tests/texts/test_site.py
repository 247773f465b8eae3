"""The documentation as a site: links, references, notebooks, and the build itself."""

import json
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.places import REPOSITORY

BUILD = REPOSITORY / ".github/site/build.py"


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The modules that build the site."""
    monkeypatch.syspath_prepend(str(BUILD.parent))
    names = "config_reference", "executed_notebooks", "figure_gallery", "python_reference", "staged_pages"
    return SimpleNamespace(**{name: __import__(name) for name in names})


@pytest.fixture
def pages(site: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a guide of two pages."""
    monkeypatch.setattr(site.staged_pages, "REPOSITORY", tmp_path)
    for folder in ("config/guide/images", "config/studies", ".github"):
        (tmp_path / folder).mkdir(parents=True)
    for name in ("config/guide/a.md", "config/guide/b.md", "config/guide/images/c.png", "LICENSE"):
        (tmp_path / name).write_text("# A\n")
    return tmp_path


ALL = {"README.md": "README.md", ".github/CONTRIBUTING.md": "contributing.md"}
ALL |= {f"config/guide/{name}.md": f"config/guide/{name}.md" for name in "ab"}


@pytest.mark.parametrize(
    ("file", "link", "new"),
    [
        ("config/guide/a.md", "b.md#part", "b.md#part"),
        ("config/guide/a.md", "../../.github/CONTRIBUTING.md", "../../contributing.md"),
        ("config/guide/a.md", "images/c.png", "images/c.png"),
        ("config/guide/a.md", "#part", "#part"),
        ("config/guide/a.md", "https://snakemake.github.io", "https://snakemake.github.io"),
        (".github/CONTRIBUTING.md", "../config/guide/a.md", "config/guide/a.md"),
        ("README.md", "config/studies/", "reference/examples.md"),
    ],
)
def test_links_lead_to_pages_of_the_site(site: Any, pages: Path, file: str, link: str, new: str):
    for name in (".github/CONTRIBUTING.md", file):
        (pages / name).write_text(f"a [page `x`]({link}) here\n")
    assert site.staged_pages.linked(file, ALL[file], ALL) == f"a [page `x`]({new}) here\n"


@pytest.mark.parametrize("link", ["c.md", "../b.md#part", "../../LICENSE"])
def test_broken_links_are_refused_with_their_page(site: Any, pages: Path, link: str):
    (pages / "config/guide/a.md").write_text(f"[b]({link})")
    with pytest.raises(site.staged_pages.SiteError, match=re.escape(link)):
        site.staged_pages.linked("config/guide/a.md", "config/guide/a.md", ALL)


def test_code_is_no_link(site: Any, pages: Path):
    text = "```python\nx[0](y)\n```\n"
    (pages / "config/guide/a.md").write_text(text)
    assert site.staged_pages.linked("config/guide/a.md", "config/guide/a.md", ALL) == text


def test_links_of_the_documentation_lead_to_pages(site: Any):
    assert "config/guide/notebooks.md" in site.staged_pages.page_texts()


def test_each_key_of_a_study_has_a_row(site: Any):
    schema = json.loads((REPOSITORY / "config/schema.json").read_text())
    page = site.config_reference.config_page()
    sections = [schema, *(section for section in schema["$defs"].values() if "properties" in section)]
    missing = {key for section in sections for key in section["properties"] if f"\n| `{key}` |" not in page}
    assert not missing
    assert "\n## `trainer`" in page
    assert "| `max_epochs` | integer (> 0) | `10` | Number of epochs. |" in page


def test_public_names_are_documented(site: Any):
    assert not site.python_reference.undocumented()


def test_names_without_a_docstring_are_named(site: Any, monkeypatch: pytest.MonkeyPatch):
    import mml_lib.interactive

    class Table:
        """A table."""

        def rows(self) -> None: ...

    monkeypatch.setattr(mml_lib.interactive, "Table", Table, raising=False)
    monkeypatch.setattr(mml_lib.interactive, "WIDTH", 3, raising=False)
    monkeypatch.setattr(mml_lib.interactive, "__all__", ["Table", "WIDTH", "load_network"])
    missing = map(str, site.python_reference.undocumented())
    assert list(missing) == ["mml_lib.interactive.Table.rows", "mml_lib.interactive.WIDTH"]


def test_notebooks_are_pages_of_the_guide(site: Any):
    pages = {path.stem for path in (REPOSITORY / "config/guide").glob("notebook_*.md")}
    assert pages == set(site.executed_notebooks.NOTEBOOKS)


@pytest.mark.long
def test_outputs_of_a_notebook_stand_below_its_cells(site: Any, tmp_path: Path):
    pytest.importorskip("nbclient", reason="pip install 'mml[site]'")
    (tmp_path / "results/demo").mkdir(parents=True)
    text = "# A\n\n```python\nprint(6 * 7)\n```\n\n```python\nimport os\nos.path.exists('results/demo')\n```\n"
    page = site.executed_notebooks.notebook_page(text, tmp_path / "results/demo", tmp_path, "a")
    assert page.index("print(6 * 7)") < page.index("```text\n42\n```") < page.index("import os") < page.index("True")
    with pytest.raises(site.staged_pages.SiteError, match="ZeroDivisionError"):
        site.executed_notebooks.execute("```python\n1 / 0\n```\n", tmp_path)


def build(*arguments: str) -> subprocess.CompletedProcess:
    pytest.importorskip("sphinx", reason="pip install 'mml[site]'")
    return subprocess.run([sys.executable, str(BUILD), *arguments], capture_output=True, text=True, timeout=1800)


@pytest.mark.long
@pytest.mark.thorough
def test_site_is_built_without_a_warning(tmp_path: Path):
    done = build("--without-runs", "--output", str(tmp_path / "site"))
    assert done.returncode == 0, done.stderr
    python = (tmp_path / "site/reference/python.html").read_text()
    assert 'id="mml_lib.interactive.load_predictor"' in python
    assert 'href="config/guide/notebook_runs.html"' in (tmp_path / "site/index.html").read_text()

    # A heading that is not there fails the build.
    page = tmp_path / "site-source/config/guide/sweeps.md"
    page.write_text(page.read_text() + "\n[nowhere](tasks.md#no-such-heading)\n")
    sphinx = [sys.executable, "-m", "sphinx", "-W", "-q", "-b", "html", str(tmp_path / "site-source")]
    broken = subprocess.run([*sphinx, str(tmp_path / "site")], capture_output=True, text=True)
    assert broken.returncode != 0
    assert "no-such-heading" in broken.stderr


@pytest.mark.long
@pytest.mark.thorough
def test_notebooks_and_gallery_are_made_from_the_demo_study(tmp_path: Path):
    done = build("--runs", str(tmp_path), "--output", str(tmp_path / "site"))
    assert done.returncode == 0, done.stderr
    runs = (tmp_path / "site/config/guide/notebook_runs.html").read_text()
    assert "b3d559f4" in runs
    assert "notebook_runs-" in runs, "a picture"
    assert "dataframe" in (tmp_path / "site/config/guide/notebook_images.html").read_text()
    assert "learning_curves.svg" in (tmp_path / "site/reference/gallery.html").read_text()
