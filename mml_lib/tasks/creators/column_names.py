"""Names of columns of tables: the meanings that they may have, and the names that public tables give them."""

import re
from collections.abc import Mapping, Sequence
from typing import TypeAlias

ColumnText: TypeAlias = str | list[str] | dict[str, str] | dict[str, list[str]]
"""A column, a template, a list of one-hot columns or of columns of images, the columns of a shape, or those of the
channels of an image."""

TARGETS = {
    "label": "classification",
    "labels": "multilabel_classification",
    "value": "regression",
    "mask": "semantic_segmentation",
}
"""The columns of targets, with the task type of each."""

OPTIONAL = ("split", "group", "fold", "weight")
COLUMNS = ("image", *TARGETS, *OPTIONAL)

COMMON_NAMES: Mapping[str, tuple[str, ...]] = {
    "image": (
        *("filename", "filepath", "file", "path", "imagepath", "img", "imgpath", "imageid", "isicid", "imagename"),
        *("imagefile", "imgname", "imgid", "imagefilename", "imgfile", "fname", "filenames", "imageindex", "images"),
        *("picture", "photo", "idcode", "imageurl", "relativepath", "id"),
    ),
    "label": (
        *("class", "target", "diagnosis", "dx", "finding", "category", "disease", "classname", "classid", "grade"),
        *("level", "groundtruth", "gt", "labelname", "diag", "benignmalignant", "species", "pathology", "y", "type"),
        *("classlabel", "annotation", "severity", "stage"),
    ),
    "labels": ("findinglabels", "tags", "findings", "targets", "classes", "diagnoses", "categories", "diseases"),
    "value": ("score", "boneage", "age", "ejectionfraction", "ef", "regression", "number"),
    "mask": ("maskpath", "maskfile", "masks", "segmentation", "seg", "maskname", "segmentationpath", "maskid"),
    "group": (
        *("patientid", "patient", "subject", "subjectid", "pid", "caseid", "case", "lesionid", "studyid", "mrn"),
        *("participant", "participantid", "donor", "donorid", "person", "personid", "individual", "animalid", "mouse"),
        *("mouseid", "videoid", "video", "slideid", "patientname", "patientno", "patientnumber", "groupid", "groups"),
        *("patienten", "patientuid", "anonpatientid", "visitid", "examid", "sequenceid", "sessionid"),
    ),
    "split": ("set", "subset", "partition", "phase", "splits", "usage", "datasplit", "traintest", "datasettype"),
    "fold": ("folds", "cvfold", "kfold", "foldid", "foldnumber", "cv"),
    "weight": (),
}
"""Names of each column in public tables, in lower case without punctuation."""


def plain(name: str) -> str:
    """Return a column's name in small letters without signs: `Patient ID` and `patient_id` are alike."""
    return re.sub(r"[\W_]+", "", name).lower()


def role_of(name: str, roles: Sequence[str] = COLUMNS) -> str | None:
    """Return the probable meaning of a column by its name; None if it is unknown."""
    word = plain(name)
    for role in roles:
        if word == role or word in COMMON_NAMES[role]:
            return role
    return "group" if "group" in roles and "patient" in word else None


def rank(name: str, role: str) -> int:
    """Return the sort key of a column's name: that of the meaning itself first, then the order of common names."""
    word = plain(name)
    return COMMON_NAMES[role].index(word) if word in COMMON_NAMES[role] else -(word == role)


def as_yaml(text: ColumnText) -> str:
    """Return a text, or a list or mapping of texts, as it is written in YAML's braces."""
    if isinstance(text, dict):
        return "{" + ", ".join(f"{key}: {as_yaml(value)}" for key, value in text.items()) + "}"
    if isinstance(text, list):
        return f"[{', '.join(map(as_yaml, text))}]"
    return text if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_ ./-]*", text) else '"' + text.replace('"', '\\"') + '"'
