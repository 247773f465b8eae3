"""Graph files: ONNX and torch.export, and how far their outputs are from those of the networks."""

import re
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

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


TRACED_SIZE = (72, 104)
"""Height and width of the images that a graph for images of any size is traced with."""


@dataclass(frozen=True)
class GraphFiles:
    """Files of a graph.

    Args:
        torch: path of the torch.export file; None if torch.export does not support images as small as the task's.
        onnx: path of the ONNX file; None if ONNX lacks an operator.
        lacking: operators that ONNX lacks; empty without any.
        size: height and width of the images; None: any size.
    """

    torch: Path | None
    onnx: Path | None
    lacking: str = ""
    size: tuple[int, int] | None = None

    @property
    def runners(self) -> dict[str, Run]:
        """A function for each file that runs it, by the name of its format."""
        runners = {} if self.onnx is None else {"onnx": run_onnx(self.onnx)}
        return runners if self.torch is None else runners | {"torch_export": run_torch(self.torch)}


def write_graph_of_any_size(
    model: ExportedNetwork | ExportedEnsemble, example: np.ndarray, sizes: Collection[tuple[int, int]], folder: Path
) -> GraphFiles:
    """Write a network as graph files for batches and images of any size.

    A network with a fixed size of images has a graph if all images have this size.

    Args:
        model: the network.
        example: pixels N×H×W×C, two images or more.
        sizes: height and width of all images of the graph's input.
        folder: folder of the files.

    Raises:
        MMLError: the network cannot be traced for all sizes.
    """
    traced = np.zeros((2, *TRACED_SIZE, example.shape[-1]), example.dtype)
    any_size = torch.export.Dim.DYNAMIC
    try:
        files = _write(model, traced, {1: any_size, 2: any_size}, folder)
    except MMLError as error:
        if len(set(sizes)) == 1:
            return write_graph(model, example, folder)
        raise MMLError(
            f"export.run: the network has no graph for images of several sizes ({error}); export a run whose "
            "preprocessing ends with resize or center_crop"
        ) from error
    least = min(height for height, _ in sizes), min(width for _, width in sizes)
    try:
        run_torch(folder / TORCH)(np.zeros((1, *least, example.shape[-1]), example.dtype))
    except (AssertionError, RuntimeError):  # graphs of torch have a smallest size, unlike those of ONNX
        if files.onnx is None:
            raise MMLError(
                f"export.run: the graph of the network does not take images as small as {least[0]}×{least[1]}; export "
                "a run whose preprocessing ends with resize or center_crop"
            ) from None
        (folder / TORCH).unlink()
        return replace(files, torch=None)
    return files


def write_graph(model: ExportedNetwork | ExportedEnsemble, example: np.ndarray, folder: Path) -> GraphFiles:
    """Write a network as graph files for batches of any size, and images of the size of the example.

    Args:
        model: the network.
        example: pixels N×H×W×C, two images or more.
        folder: where the files go.

    Returns:
        The files. If ONNX lacks an operator, only the torch.export file.

    Raises:
        MMLError: torch.export cannot trace the network.
    """
    files = _write(model, example, {}, folder)
    return replace(files, size=(example.shape[1], example.shape[2]))


def _write(
    model: ExportedNetwork | ExportedEnsemble, example: np.ndarray, dimensions: Mapping[int, Any], folder: Path
) -> GraphFiles:
    """Write graph files with dynamic dimensions besides the batch."""
    images = torch.from_numpy(np.ascontiguousarray(example))
    shapes = {0: torch.export.Dim("batch", min=1, max=2**16), **dimensions}
    model = model.cpu().eval()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        try:
            program = torch.export.export(model, (images,), dynamic_shapes=(shapes,), strict=False)
        except Exception as error:  # torch raises many kinds
            raise MMLError(f"export: torch.export cannot trace the network ({_short(error)})") from error
        torch.export.save(program, folder / TORCH)
        try:
            onnx_program = torch.onnx.export(
                program,
                (images,),
                dynamo=True,
                input_names=[INPUT],
                output_names=[model.output],
                opset_version=OPSET,
                external_data=False,
                verbose=False,
            )
            assert onnx_program is not None, "with dynamo=True a program is returned"
            onnx_program.save(folder / ONNX)
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
    # With images of any size, guards check the memory layout of the traced images, on which outputs do not depend.
    module = torch.export.load(path).module(check_guards=False)

    def run(images: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return module(torch.from_numpy(np.ascontiguousarray(images))).numpy()

    return run


def largest_difference(pairs: Iterable[tuple[np.ndarray, np.ndarray]], scale: float = 1.0) -> float:
    """Return the largest difference of pairs of arrays, divided by a scale; NaN counts as infinite."""
    largest = 0.0
    for first, second in pairs:
        difference = np.abs(np.asarray(first, np.float64) - np.asarray(second, np.float64)).max(initial=0.0) / scale
        largest = max(largest, float(difference) if np.isfinite(difference) else float("inf"))
    return largest
