"""Items of reporting checklists, and which of them the methods text answers.

Items are named by their subject, after the Checklist for Artificial Intelligence in Medical Imaging (CLAIM, update of
2024) and the TRIPOD+AI statement (2024), whose numbers of items are given.
"""

from typing import NamedTuple

AUTHORS = "the authors"
"""Who answers an item that no file of a study can."""


class Item(NamedTuple):
    """An item of a checklist.

    Args:
        subject: subject of the item.
        answered: section of the methods text that answers it, or `the authors`.
        part: remaining part for the authors, if a section answers the item in part.
    """

    subject: str
    answered: str
    part: str = ""


CLAIM = (
    Item("title and abstract identify the study as one of AI", AUTHORS),
    Item("background, clinical role, objectives and hypotheses", AUTHORS),
    Item("prospective or retrospective design, goal of the study", AUTHORS),
    Item("data sources", "Data", "dates, sites and why they were chosen"),
    Item("inclusion and exclusion criteria", AUTHORS),
    Item("data preprocessing", "Images"),
    Item("selection of data subsets", "Data", "reasons"),
    Item("de-identification", AUTHORS),
    Item("missing data", "Data", "reasons and patterns"),
    Item("image acquisition protocol", AUTHORS),
    Item("reference standard, its rationale, annotators and their agreement", AUTHORS),
    Item("assignment of data to partitions", "Divisions"),
    Item("level at which partitions are disjoint", "Divisions"),
    Item("intended sample size", AUTHORS),
    Item("model, inputs, outputs, all layers", "Networks", "a figure of the architecture"),
    Item("software libraries, frameworks and packages", "Software and hardware"),
    Item("initialisation of model parameters", "Networks"),
    Item("training approach, augmentation, hyper-parameters, number of models", "Training"),
    Item("selection of the final model", "Hyper-parameters"),
    Item("ensembles", "Evaluation"),
    Item("performance metrics", "Evaluation", "why they fit the clinical question"),
    Item("statistical measures of significance and uncertainty", "Evaluation"),
    Item("robustness or sensitivity analysis", AUTHORS),
    Item("explainability", AUTHORS),
    Item("evaluation on internal data", "Evaluation"),
    Item("evaluation on external data", AUTHORS),
    Item("clinical trial registration", AUTHORS),
    Item("numbers of patients or examinations included and excluded", "Data", "a flow diagram"),
    Item("demographic and clinical characteristics of each partition", AUTHORS),
    Item("performance on all partitions with intervals", "RESULTS", ""),
    Item("failure analysis", AUTHORS),
    Item("limitations, implications, intended use", AUTHORS),
    Item("availability of protocol, software, model and data", AUTHORS),
    Item("funding and conflicts of interest", AUTHORS),
)

TRIPOD = (
    Item("1-2 title and abstract", AUTHORS),
    Item("3-4 background and objectives", AUTHORS),
    Item("5 data sources and dates", "Data", "dates"),
    Item("6 participants: setting, eligibility, treatments", AUTHORS),
    Item("7 data preparation", "Images"),
    Item("8 outcome: definition and assessment", AUTHORS),
    Item("9 predictors: choice and definition", "Images", "why these images"),
    Item("10 sample size", AUTHORS),
    Item("11 missing data", "Data", "reasons"),
    Item("12 analytical methods", "Training", ""),
    Item("13 class imbalance", "Training", ""),
    Item("14 fairness", AUTHORS),
    Item("15 model output", "Networks", "how classes follow from probabilities, where a threshold is used"),
    Item("16 training versus evaluation", "Divisions"),
    Item("17 ethical approval", AUTHORS),
    Item("18 open science: funding, protocol, registration, data, code", AUTHORS),
    Item("19 patient and public involvement", AUTHORS),
    Item("20 participants: flow and characteristics", AUTHORS),
    Item("21 model development: numbers in each analysis", "Data"),
    Item("22 model specification", "Networks", "where the weights can be had"),
    Item("23 model performance", "RESULTS"),
    Item("24 model updating", AUTHORS),
    Item("25-27 interpretation, limitations, usability", AUTHORS),
)


def checklist_table(items: tuple[Item, ...], results: str) -> str:
    """Return a checklist as a Markdown table.

    Args:
        items: its items.
        results: name of the table of results.
    """
    rows = ["| item | answered in | left to the authors |", "| --- | --- | --- |"]
    for item in items:
        where = f"`{results}`" if item.answered == "RESULTS" else item.answered
        answered = "" if item.answered == AUTHORS else where
        rows.append(f"| {item.subject} | {answered} | {'all of it' if item.answered == AUTHORS else item.part} |")
    return "\n".join(rows)
