"""Gallery of figures that a run of the demo study has drawn."""

import shutil
from pathlib import Path

SUFFIXES = (".svg", ".png", ".jpg")


def gallery_page(project: Path, pages: Path) -> str:
    """Return the page, and copy its figures.

    Args:
        project: a finished project.
        pages: folder of the page.
    """
    parts = ["# Gallery", f"Figures of the study `{project.name}`, as its run has drawn them in `FIGURES/`."]
    (pages / "figures").mkdir(parents=True)
    for path in sorted(path for path in (project / "FIGURES").rglob("*") if path.suffix in SUFFIXES):
        below = path.relative_to(project / "FIGURES")
        name = "-".join(below.parts)
        shutil.copyfile(path, pages / "figures" / name)
        words = below.stem.replace("_", " ")
        title = words[0].upper() + words[1:]
        parts.append(f"## {title}: {below.parts[0]}\n\n`FIGURES/{below}`\n\n![{title}](figures/{name})")
    return "\n\n".join(parts) + "\n"
