"""Graph files: ONNX and torch.export, and how far their outputs are from those of the networks."""

import re
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from mml_lib.deployment.exporting.exported_ensemble import ExportedEnsemble
from mml_lib.deployment.exporting.exported_network import INPUT, ExportedNetwork
from mml_lib.errors import MMLError

ONNX, TORCH = "model.onnx", "model.pt2"
"""Names of the files."""

OPSET = 18

TOLERANCE = 1e-3
"""Largest difference from the stored predictions, in probabilities, or in standard deviations of values."""

Run = Callable[[np.ndarray], np.ndarray]
"""Function that runs a graph file on pixels N×H×W×C."""


@dataclass(frozen=True)
class GraphFiles:
    """Files of a graph.

    Args:
        torch: the file of torch.export.
        onnx: the file of ONNX; None: ONNX lacks an operator.
        lacking: what ONNX lacks; empty: nothing.
    """

    torch: Path
    onnx: Path | None
    lacking: str = ""

    @property
    def runners(self) -> dict[str, Run]:
        """A function for each file that runs it, by the name of its format."""
        runners = {"torch_export": run_torch(self.torch)}
        return runners if self.onnx is None else {"onnx": run_onnx(self.onnx), **runners}


def write_graph(model: ExportedNetwork | ExportedEnsemble, example: np.ndarray, folder: Path) -> GraphFiles:
    """Write a network as graph files for batches of any size.

    Args:
        model: the network.
        example: pixels N×H×W×C, two images or more.
        folder: where the files go.

    Returns:
        The files. Where ONNX lacks an operator, there is that of torch.export alone.

    Raises:
        MMLError: torch.export cannot trace the network.
    """
    images = torch.from_numpy(np.ascontiguousarray(example))
    batch = torch.export.Dim("batch", min=1, max=2**16)
    model = model.cpu().eval()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        try:
            program = torch.export.export(model, (images,), dynamic_shapes=({0: batch},), strict=False)
        except Exception as error:  # torch raises many kinds
            raise MMLError(f"export: torch.export cannot trace the network ({_short(error)})") from error
        torch.export.save(program, folder / TORCH)
        try:
            made = torch.onnx.export(
                program,
                (images,),
                dynamo=True,
                input_names=[INPUT],
                output_names=[model.output],
                opset_version=OPSET,
                external_data=False,
                verbose=False,
            )
            assert made is not None, "with dynamo=True a program is returned"
            made.save(folder / ONNX)
        except Exception as error:
            (folder / ONNX).unlink(missing_ok=True)
            return GraphFiles(folder / TORCH, None, lacking_operator(error))
    return GraphFiles(folder / TORCH, folder / ONNX)


def lacking_operator(error: BaseException) -> str:
    """Return the operator that ONNX lacks, or else the first line of the error."""
    text = str(error)
    names = re.findall(r"No (?:ONNX function|decompositions|dispatch)[^<']*[<'](?:OpOverload\(op=')?([\w.:]+)", text)
    names = names or re.findall(r"\b((?:aten|torchvision|_?\w+)[.:]{1,2}\w+(?:\.\w+)?)\b", text)
    return names[0] if names else _short(error)


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def run_onnx(path: Path) -> Run:
    """Return a function that runs an ONNX file on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda images: session.run(None, {INPUT: images})[0]


def run_torch(path: Path) -> Run:
    """Return a function that runs a file of torch.export."""
    module = torch.export.load(path).module()

    def run(images: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return module(torch.from_numpy(np.ascontiguousarray(images))).numpy()

    return run


def largest_difference(pairs: Iterable[tuple[np.ndarray, np.ndarray]], scale: float = 1.0) -> float:
    """Return the largest difference of pairs of arrays, divided by a scale; NaN counts as infinite."""
    largest = 0.0
    for one, other in pairs:
        difference = np.abs(np.asarray(one, np.float64) - np.asarray(other, np.float64)).max(initial=0.0) / scale
        largest = max(largest, float(difference) if np.isfinite(difference) else float("inf"))
    return largest
