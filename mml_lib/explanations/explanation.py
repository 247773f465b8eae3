"""Explanations of predictions of one run, as an array file and a table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from mml_lib.config.analysis.explain_options import GRAD_CAM, INTEGRATED_GRADIENTS
from mml_lib.data.packed_rows import open_packed
from mml_lib.deployment.deployed_network import DeployedNetwork
from mml_lib.explanations.attribution import Attribution, attribute
from mml_lib.explanations.chosen_images import ChosenImage, choose_images
from mml_lib.explanations.explanation_figures import ExplainedPicture, caption_of, draw_explanations
from mml_lib.files.atomic import write_text
from mml_lib.images.display import displayed
from mml_lib.predictions.predictions import AnyPredictions
from mml_lib.reports.canvas import shorten
from mml_lib.reports.pages import table_page
from mml_lib.tasks.struct import TaskStruct

METHODS = {GRAD_CAM: "Grad-CAM", INTEGRATED_GRADIENTS: "integrated gradients"}
"""Names of methods in figures."""


@dataclass(frozen=True)
class Explanation:
    """An image with the contributions of its pixels to outputs of a network.

    Args:
        image: the image, its group, label and prediction.
        picture: preprocessed image before the normalisation, uint8 H×W×3.
        attributions: attributions of the explained outputs, by name.
    """

    image: ChosenImage
    picture: np.ndarray
    attributions: Mapping[str, Attribution]

    @property
    def method(self) -> str:
        """The method of the explanation."""
        return next(iter(self.attributions.values())).method

    @property
    def drawn(self) -> ExplainedPicture:
        """The image as figures have it."""
        image, method = self.image, METHODS[self.method]
        maps = [
            (f"{method}\nfor {shorten(output, 24)}", attribution.values)
            for output, attribution in self.attributions.items()
        ]
        caption = caption_of(image.id, image.label, image.prediction, image.probability)
        return ExplainedPicture(self.picture, caption, maps, self.method == GRAD_CAM)


def explain_predictions(
    networks: Mapping[int, DeployedNetwork],
    predictions: Mapping[int, AnyPredictions],
    struct: TaskStruct,
    method: str,
    images: int,
) -> list[Explanation]:
    """Return explanations of some predictions, group by group.

    Args:
        networks: networks by fold.
        predictions: their predictions of one split, by fold.
        struct: the task with its packed images.
        method: `grad_cam` or `integrated_gradients`.
        images: images of each group.
    """
    packed = open_packed(struct.paths["packed"])
    rows = dict(zip(struct.samples["id"].tolist(), struct.samples["row"].tolist(), strict=True))
    explanations = []
    for image in choose_images(predictions, struct.classes, images):
        pixels = np.asarray(packed[rows[image.id]])
        attributions = {
            name: attribute(networks[image.fold], pixels, output, method, image.pixels)
            for name, output in image.outputs.items()
        }
        explanations.append(Explanation(replace(image, pixels=None), displayed(pixels), attributions))
    return explanations


COLUMNS = [
    *("id", "group", "run", "fold", "label", "prediction", "probability", "explained", "method"),
    *("score", "plain_score", "gap"),
]
"""Columns of the table, besides the number of the map."""


@dataclass(frozen=True)
class ExplainedRun:
    """Explanations of predictions of a run.

    Args:
        task: name of the task.
        run: id of the run.
        explanations: explanations, group by group.
    """

    task: str
    run: str
    explanations: Sequence[Explanation]

    @property
    def methods(self) -> list[str]:
        """The methods that were used."""
        return list(dict.fromkeys(explanation.method for explanation in self.explanations))

    def table(self) -> pd.DataFrame:
        """Return one row for each explained output.

        Returns:
            `number id group run fold label prediction probability explained method score plain_score gap`: `number` is
            that of the map in the array file; `score` is the logit or the value, and `plain_score` that of a plain
            image; `gap` is the difference between the sum of a map and that of the scores, as a share.
        """
        rows = [
            {
                **{
                    "id": explanation.image.id,
                    "group": explanation.image.group,
                    "run": self.run,
                    "fold": explanation.image.fold,
                },
                **{"label": explanation.image.label, "prediction": explanation.image.prediction},
                **{"probability": explanation.image.probability, "explained": output, "method": attribution.method},
                **{"score": attribution.score, "plain_score": attribution.plain_score, "gap": attribution.gap},
            }
            for explanation in self.explanations
            for output, attribution in explanation.attributions.items()
        ]
        table = pd.DataFrame(rows, columns=COLUMNS)
        table.insert(0, "number", range(len(table)))
        return table

    @property
    def maps(self) -> list[np.ndarray]:
        """The map of each explained output, H×W, in the order of the table."""
        return [
            attribution.values for explanation in self.explanations for attribution in explanation.attributions.values()
        ]

    def draw(self, folder: Path) -> None:
        """Draw a figure of each group of images into a folder, and write the table as a page."""
        for group in dict.fromkeys(explanation.image.group for explanation in self.explanations):
            pictures = [explanation.drawn for explanation in self.explanations if explanation.image.group == group]
            draw_explanations(pictures, folder / f"{group}.jpg")
        notes = [] if self.explanations else ["There are no labelled images to explain"]
        page = table_page(f"{self.task}: explained images", self.table(), "images.csv", notes)
        write_text(folder / "explained_images.html", page)
