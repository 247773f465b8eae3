"""The methods section of a paper as Markdown, with citations that Pandoc resolves, and its bibliography."""

from collections.abc import Callable, Iterator

from mml_lib.reports.methods import methods_sections
from mml_lib.reports.methods.checklists import CLAIM, TRIPOD, checklist_table
from mml_lib.reports.methods.citations import bibliography, cite, cited, reference_line
from mml_lib.reports.methods.facts import StudyFacts

SECTIONS: dict[str, Callable[[StudyFacts], Iterator[str]]] = {
    "Data": methods_sections.data,
    "Divisions": methods_sections.divisions,
    "Images": methods_sections.preprocessing,
    "Networks": methods_sections.networks,
    "Training": methods_sections.training,
    "Hyper-parameters": methods_sections.hyperparameters,
    "Evaluation": methods_sections.evaluation,
    "Software and hardware": methods_sections.software,
}
"""Sections of the text in their order."""


def methods_text(facts: StudyFacts) -> str:
    """Return the methods of a study as Markdown: sections, references, and checklists of what they answer."""
    parts = ["# Methods"]
    for title, sentences in SECTIONS.items():
        text = " ".join(f"{sentence}." if sentence else "\n\n" for sentence in sentences(facts))
        if paragraphs := [paragraph.strip() for paragraph in text.split("\n\n") if paragraph.strip()]:
            parts += [f"## {title}", *paragraphs]
    results = f"{facts.evaluation['mode']}.csv"
    parts += [
        "# Reporting checklists",
        "This text states what the study did, from the files of the study. The reasons are left to the "
        "authors. The tables list the items that the text answers.",
        f"## CLAIM, update of 2024{cite('tejani2024claim')}",
        checklist_table(CLAIM, results),
        f"## TRIPOD+AI{cite('collins2024tripod')}",
        checklist_table(TRIPOD, results),
    ]
    text = "\n\n".join(parts)
    references = "\n".join(f"- `{key}` {reference_line(key)}" for key in cited(text))
    return f"{text}\n\n# References\n\n{references}\n"


def methods_bibliography(text: str) -> str:
    """Return the entries that a text cites as a BibTeX file."""
    return bibliography(cited(text))
