"""Pages of the site from the Markdown files of the repository, with links that lead to other pages of the site."""

import os
import re
import shutil
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]

PAGES = {
    "README.md": "README.md",
    "CHANGELOG.md": "CHANGELOG.md",
    "config/README.md": "config/README.md",
    ".github/CONTRIBUTING.md": "contributing.md",
}
"""Page of the site by file, beside the guide."""

FOLDERS = {"config/guide": "config/README.md", "config/studies": "reference/examples.md"}
"""Page of the site about a folder."""

LINK = re.compile(r"(!?\[(?:[^\[\]]|\[[^\]]*\])*\])\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
IMAGES = (".png", ".svg", ".jpg")


class SiteError(Exception):
    """A fault of the documentation, in one line."""


def page_texts() -> dict[str, str]:
    """Return the text of each page of the site by its file there; links lead to pages of the site.

    Raises:
        SiteError: a link leads nowhere.
    """
    guide = {f"config/guide/{path.name}": None for path in sorted((REPOSITORY / "config/guide").glob("*.md"))}
    pages = PAGES | {name: name for name in guide}
    texts = {page: linked(file, page, pages) for file, page in pages.items()}
    return texts | {"reference/examples.md": examples_page()}


def linked(file: str, page: str, pages: dict[str, str]) -> str:
    """Return the text of a file with its links as those of a page.

    Args:
        file: file in the repository.
        page: its file in the site.
        pages: page by file of all pages.

    Raises:
        SiteError: a link leads nowhere, or to a file that is no page.
    """
    text = (REPOSITORY / file).read_text(encoding="utf-8")
    fences = [match.span() for match in FENCE.finditer(text)]

    def target(match: re.Match[str]) -> str:
        words, link = match[1], match[2]
        if "://" in link or link.startswith("#") or any(start <= match.start() < end for start, end in fences):
            return match[0]
        name, _, anchor = link.partition("#")
        path = os.path.normpath(os.path.join(os.path.dirname(file), name))
        if not (REPOSITORY / path).exists():
            raise SiteError(f"{file}: the link to {link} leads nowhere")
        new = pages.get(path) or FOLDERS.get(path) or (path if path.endswith(IMAGES) else None)
        if new is None:
            raise SiteError(f"{file}: the link to {link} leads to no page of the site; add one in .github/site")
        return f"{words}({os.path.relpath(new, os.path.dirname(page) or '.')}{f'#{anchor}' if anchor else ''})"

    return LINK.sub(target, text)


def write_page(source: Path, page: str, text: str) -> None:
    """Write a page, with the images that it shows.

    Args:
        source: folder of the pages.
        page: file of the page in it.
        text: its text.
    """
    path = source / page
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    for link in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", text):
        image = os.path.normpath(os.path.join(os.path.dirname(page), link))
        if (REPOSITORY / image).exists() and not (source / image).exists():
            (source / image).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(REPOSITORY / image, source / image)


def examples_page() -> str:
    """Return the page of the example studies: each file as it is."""
    parts = ["# Example studies", "Each file is a whole study, of `config/studies/`."]
    files = [REPOSITORY / "config/config.yaml", *sorted((REPOSITORY / "config/studies").glob("*.yaml"))]
    parts += [f"## {path.stem}\n\n```yaml\n{path.read_text(encoding='utf-8').rstrip()}\n```" for path in files]
    return "\n\n".join(parts) + "\n"
