"""Check of an export: outputs of graphs, networks and stored predictions must agree."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from mml_lib.data.datamodule import TaskImages, by_size, images_of
from mml_lib.deployment.deployed_network import NetworkGroup
from mml_lib.deployment.exporting.exported_ensemble import ExportedEnsemble
from mml_lib.deployment.exporting.exported_network import ExportedNetwork
from mml_lib.deployment.exporting.graph_files import TOLERANCE, Run, largest_difference
from mml_lib.deployment.predictor import Member
from mml_lib.deployment.preparation import Prepared
from mml_lib.errors import MMLError
from mml_lib.predictions.predictions import AnyPredictions, MaskPredictions, Predictions
from mml_lib.predictions.scores import sigmoid, softmax
from mml_lib.task_types import TASK_TYPES
from mml_lib.tasks.struct import TaskStruct

BATCH = 16
"""Number of images in a batch."""


@dataclass(frozen=True)
class ExportCheck:
    """Comparison of an export with stored predictions.

    Args:
        member: the networks and their preparation.
        struct: the task with the images that they are packed to.
        sizes: height and width of each delivered image, by row.
    """

    member: Member
    struct: TaskStruct
    sizes: Sequence[tuple[int, int]]

    @property
    def group(self) -> NetworkGroup:
        return self.member.group

    @property
    def scale(self) -> float:
        """The standard deviation of values by which differences are divided; 1 for probabilities."""
        network = self.group.networks[0]
        head = network.network.heads[network.task]
        return float(head["std"]) if TASK_TYPES[self.group.task_type].has_values else 1.0

    def images(self, ids: Sequence[str]) -> TaskImages:
        """Return the packed images of some samples, in their order."""
        index_of_id = {str(name): index for index, name in enumerate(self.struct.samples["id"])}
        positions = np.array([index_of_id[str(name)] for name in ids])
        return images_of(self.struct, positions, masks=False)

    def example(self, ids: Sequence[str]) -> np.ndarray:
        """Return pixels N×H×W×C of two images, or windows, in the input format of the graph."""
        batch = next(self._pixels(self.images(ids)))
        return np.repeat(batch[:1], 2, axis=0) if len(batch) < 2 else batch[:2]

    def of_graphs(
        self, model: ExportedNetwork | ExportedEnsemble, runners: Mapping[str, Run], ids: Sequence[str]
    ) -> dict[str, float]:
        """Return the largest difference of each graph file from the networks, by format."""
        batches = list(self._pixels(self.images(ids)))
        with torch.no_grad():
            expected = [model(torch.from_numpy(batch)).numpy() for batch in batches]
        return {
            name: largest_difference(
                ((run(batch), one) for batch, one in zip(batches, expected, strict=True)), self.scale
            )
            for name, run in runners.items()
        }

    def of_networks(self, stored: Sequence[AnyPredictions]) -> float:
        """Return the largest difference of the networks from their stored predictions.

        Args:
            stored: predictions of each network. For masks, the difference is the share of pixels with another class.
        """
        largest = 0.0
        for index, predictions in enumerate(stored):
            networks = [self.group.networks[index]]
            single = replace(self.member, group=replace(self.group, networks=networks, calibrations=[None]))
            answers = list(self._answers(single, predictions.ids.tolist()))
            if isinstance(predictions, MaskPredictions):
                pairs = zip(answers, predictions.images(), strict=True)
                wrong = sum(int((mask != true).sum()) for mask, (true, _) in pairs)
                largest = max(largest, wrong / max(1, len(predictions.masks)))
            else:
                pair = self._comparable(np.stack(answers)), self._comparable(predictions.logits)
                largest = max(largest, largest_difference([pair], self.scale))
        return largest

    def of_outputs(self, runners: Mapping[str, Run], stored: Sequence[AnyPredictions]) -> dict[str, float]:
        """Return the largest difference of each graph file from the merged stored predictions, by format.

        It is None for masks, for windows, and for networks that predicted different samples.
        """
        ids = [predictions.ids.tolist() for predictions in stored]
        whole = [predictions for predictions in stored if isinstance(predictions, Predictions)]
        if not whole or self.group.networks[0].window is not None or any(one != ids[0] for one in ids):
            return {}
        merged = self.group.merged([predictions.logits for predictions in whole])
        return self._of_expected(runners, ids[0], self._comparable(merged))

    def of_ensemble(self, runners: Mapping[str, Run], stored: AnyPredictions) -> dict[str, float]:
        """Return the largest difference of each graph file from the stored predictions of an ensemble, by format.

        For masks it is the share of pixels with another class; masks that are not at the packed size have none.
        """
        ids = stored.ids.tolist()
        if isinstance(stored, Predictions):
            return self._of_expected(runners, ids, self._comparable(stored.logits))
        images, differences = self.images(ids), {}
        if [tuple(size) for size in images.sizes.tolist()] != [tuple(size) for size in stored.sizes.tolist()]:
            return {}
        for name, run in runners.items():
            wrong = 0
            for position, (mask, _) in enumerate(stored.images()):
                pixels = torch.from_numpy(np.array(images.image(position))[None]).permute(0, 3, 1, 2)
                wrong += int((run(self._as_input(pixels))[0].argmax(0) != mask).sum())
            differences[name] = wrong / max(1, len(stored.masks))
        return differences

    def _of_expected(self, runners: Mapping[str, Run], ids: Sequence[str], expected: np.ndarray) -> dict[str, float]:
        images, differences = self.images(ids), {}
        for name, run in runners.items():
            outputs = np.zeros_like(expected)
            for batch in by_size(images.sizes, BATCH):
                outputs[batch] = run(self._as_input(images[batch]["image"]))
            differences[name] = largest_difference([(outputs, expected)], self.scale)
        return differences

    def _answers(self, member: Member, ids: Sequence[str]) -> Iterator[np.ndarray]:
        images = self.images(ids)
        for position, name in enumerate(ids):
            size = self.sizes[int(images.rows[position])]
            prepared = Prepared(str(name), np.array(images.image(position)), size)
            window = self.group.networks[0].window is not None
            (answer,) = member.answers([prepared], is_packed=not window)
            yield answer

    def _pixels(self, images: TaskImages) -> Iterator[np.ndarray]:
        """Yield batches of pixels in the input format of the graph: images of one size, or windows of some images."""
        window = self.group.networks[0].window
        if window is None:
            for batch in by_size(images.sizes, BATCH):
                yield self._as_input(images[batch]["image"])
            return
        for position in range(min(len(images), BATCH)):
            for _, windows in window.batches(images.image(position)):
                yield self._as_input(windows)

    def _as_input(self, pixels: torch.Tensor) -> np.ndarray:
        """Return packed pixels N×C×H×W in the input format of the graph, N×H×W×C."""
        form = self.member.preparation.conversion.pixels
        arrays = np.ascontiguousarray(pixels.permute(0, 2, 3, 1).numpy())
        return arrays if form.depth == "uint8" else (arrays.astype(np.float32) / np.float32(form.full_scale))

    def _comparable(self, logits: np.ndarray) -> np.ndarray:
        kind = TASK_TYPES[self.group.task_type]
        if kind.has_values:
            return logits
        return sigmoid(logits) if kind.is_multilabel else softmax(logits)


def refuse_differences(differences: Mapping[str, float], run: str) -> None:
    """Refuse an export that differs from the stored predictions.

    Raises:
        MMLError: a difference exceeds the tolerance.
    """
    for name, difference in differences.items():
        if not difference <= TOLERANCE:
            raise MMLError(
                f"export of run {run}: {name} differs by {difference:.2g} from the stored predictions, more than "
                f"{TOLERANCE:g}; nothing was exported (predict again if the weights or the library changed)"
            )
