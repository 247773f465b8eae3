"""Build the documentation site: `python .github/site/build.py`, into `build/site/`.

It is made of README, guide, docstrings and schema, and of the results of the demo study, which runs first if it is not
finished. A broken link and an undocumented public name fail the build. It needs `pip install -e ".[site]"`.

Sphinx, MyST and Furo (BSD, MIT) make it: MkDocs has no releases since 2024, and Material for MkDocs ends in 2026.
"""

import argparse
import re
import shutil
import subprocess
import sys
from pathlib import Path

from config_reference import config_page
from executed_notebooks import NOTEBOOKS, notebook_page
from figure_gallery import gallery_page
from python_reference import PublicName, python_page, undocumented
from staged_pages import REPOSITORY, SiteError, page_texts, write_page

CONF = """
project = "MML"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
html_theme = "furo"
html_title = "MML"
html_static_path = ["_static"]
html_css_files = ["site.css"]
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]
default_role = "code"
autodoc_typehints = "none"
napoleon_custom_sections = ["Returns"]  # else it takes what stands before a colon for the type
autodoc_member_order = "bysource"
suppress_warnings = ["misc.highlighting_failure", "myst.header"]
templates_path = []
"""
"""Configuration of Sphinx."""

STYLE = """
table.docutils { font-size: 0.85rem; }
td, th { vertical-align: top; }
.table-wrapper td:last-child { min-width: 14rem; }
img { height: auto; }
table.dataframe { border-collapse: collapse; border: 0; font-size: 0.85rem; display: block; overflow-x: auto; }
table.dataframe :is(td, th) { border: 0; padding: 0.2rem 0.6rem; }
table.dataframe tr { border-bottom: 1px solid var(--color-background-border); }
"""

TREE = """
```{{toctree}}
:hidden:
:caption: {caption}
{pages}
```
"""


def stage(source: Path, project: Path | None) -> None:
    """Write all pages of the site.

    Args:
        source: folder of the pages, which is empty.
        project: a finished project for gallery and notebooks; None: both are left out.

    Raises:
        SiteError: a link leads nowhere.
    """
    texts = page_texts()
    linked = re.findall(r"\(guide/(\w+)\.md\)", texts["config/README.md"])  # in the order of its table
    guide = [name for name in dict.fromkeys(linked) if name not in NOTEBOOKS]
    contents = {
        "First study": ["README <self>", "config/README", "reference/examples"],
        "Topics": [f"config/guide/{name}" for name in guide],
        "Notebooks": [f"config/guide/{name}" for name in NOTEBOOKS],
        "Reference": ["reference/config", "reference/python"],
        "Cookbook of errands": ["contributing"],
        "More": [*(["reference/gallery"] if project else []), "CHANGELOG"],
    }
    trees = "".join(TREE.format(caption=caption, pages="\n".join(pages)) for caption, pages in contents.items())
    for name, text in texts.items():
        if (stem := Path(name).stem) in NOTEBOOKS and project is not None:
            text = notebook_page(text, project, source / "config/guide", stem)
        write_page(source, name, text + (trees.replace("README <self>\n", "") if name == "README.md" else ""))
    (source / "reference").mkdir(exist_ok=True)
    (source / "reference/config.md").write_text(config_page(), encoding="utf-8")
    (source / "reference/python.rst").write_text(python_page(), encoding="utf-8")
    if project is not None:
        (source / "reference/gallery.md").write_text(gallery_page(project, source / "reference"), encoding="utf-8")
    (source / "_static").mkdir()
    (source / "_static/site.css").write_text(STYLE, encoding="utf-8")
    (source / "conf.py").write_text(f"root_doc = 'README'\n{CONF}", encoding="utf-8")


def demo_project(folder: Path) -> Path:
    """Return the project of the demo study below a folder; run the study first unless it is finished."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        [sys.executable, "-m", "snakemake", "--snakefile", str(REPOSITORY / "Snakefile")], cwd=folder, check=True
    )
    return folder / "results/demo"


def check_names(names: list[PublicName]) -> None:
    """Refuse public names without documentation.

    Raises:
        SiteError: there are some.
    """
    if names:
        raise SiteError(f"public names without a docstring: {', '.join(map(str, names))}")


def build(output: Path, project: Path | None) -> None:
    """Build the site.

    Args:
        output: its folder, which is replaced.
        project: a finished project; None: without gallery, and notebooks without results.

    Raises:
        SiteError: a link leads nowhere, or a public name has no docstring.
    """
    from sphinx.cmd.build import main

    check_names(undocumented())
    source = output.with_name(f"{output.name}-source")
    for folder in (source, output):
        shutil.rmtree(folder, ignore_errors=True)
    source.mkdir(parents=True)
    stage(source, project)
    # Warnings are errors: links without a target are among them.
    if main(["-W", "--keep-going", "-q", "-b", "html", str(source), str(output)]):
        raise SiteError("Sphinx has warned of the pages above; mend them")
    shutil.copyfile(output / "README.html", output / "index.html")


def run(arguments: list[str] | None = None) -> int:
    """Build the site as the command line says; return the exit status."""
    parser = argparse.ArgumentParser(description="Build the documentation site.")
    parser.add_argument("--output", type=Path, default=REPOSITORY / "build/site", help="folder; default: build/site")
    parser.add_argument("--without-runs", action="store_true", help="no gallery, and notebooks without results")
    parser.add_argument("--runs", type=Path, default=REPOSITORY, help="folder in which the demo study runs")
    options = parser.parse_args(arguments)
    try:
        project = None if options.without_runs else demo_project(options.runs)
        build(options.output.absolute(), project)
    except SiteError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"the site: {options.output.absolute() / 'index.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(run())
