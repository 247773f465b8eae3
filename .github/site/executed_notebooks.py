"""Notebooks of the guide: Markdown pages whose Python is executed, with the results below each cell."""

import base64
import re
from pathlib import Path
from typing import Any

from staged_pages import SiteError

NOTEBOOKS = ("notebook_runs", "notebook_images")
"""Pages of the guide that are notebooks."""

CELL = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TIMEOUT = 600
"""Most seconds of a cell."""


def execute(text: str, folder: Path) -> list[list[dict[str, Any]]]:
    """Return the outputs of each cell of a page.

    Args:
        text: text of the page.
        folder: working folder, with `results/` and `data/`.

    Raises:
        SiteError: a cell fails.
    """
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    cells = [nbformat.v4.new_code_cell(code) for code in CELL.findall(text)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    client = NotebookClient(
        notebook, timeout=TIMEOUT, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    try:
        client.execute()
    except CellExecutionError as error:
        last = re.sub(r"\x1b\[[\d;]*m", "", str(error)).strip().splitlines()[-1]
        raise SiteError(f"a cell of a notebook fails: {last}") from error
    return [cell.outputs for cell in cells]


def notebook_page(text: str, project: Path, pages: Path, name: str) -> str:
    """Return a page with the outputs of its cells.

    Args:
        text: text of the page.
        project: a finished project, `…/results/<project>`.
        pages: folder of the page, for its pictures.
        name: name of the page.
    """
    outputs = iter(execute(text, project.parents[1]))
    number = 0

    def with_outputs(match: re.Match[str]) -> str:
        nonlocal number
        parts = [match[0]]
        for output in next(outputs):
            number += 1
            parts.append(_rendered(output, pages, f"{name}-{number}.png"))
        return "\n\n".join(part for part in parts if part)

    return CELL.sub(with_outputs, text)


def _rendered(output: dict[str, Any], pages: Path, file: str) -> str:
    """Return an output as Markdown: a table, a picture, or text. The standard error is left out."""
    if output["output_type"] == "stream":
        return "" if output["name"] == "stderr" else f"```text\n{output['text'].rstrip()}\n```"
    data = output.get("data", {})
    if "image/png" in data:
        pages.mkdir(parents=True, exist_ok=True)
        (pages / file).write_bytes(base64.b64decode(data["image/png"]))
        return f"![Picture that the cell above draws]({file})"
    if "text/html" in data:
        html = re.sub(r"<style.*?</style>", "", data["text/html"], flags=re.DOTALL)
        return f"```{{raw}} html\n{html.strip()}\n```"
    return f"```text\n{data['text/plain']}\n```" if "text/plain" in data else ""
