"""Script of an export that runs the ONNX file with onnxruntime and Pillow only."""

from collections.abc import Mapping, Sequence
from typing import Any

from mml_lib.images.transforms import draft_size
from mml_lib.task_types import TASK_TYPES
from mml_lib.tasks.pixel_format import GREY, RGB, Conversion

HEAD = '''"""Predict images by model.onnx with onnxruntime and Pillow alone: python run_onnx.py image.png …"""

import json
import sys
from pathlib import Path

import numpy as np  # onnxruntime needs it
import onnxruntime
from PIL import Image, ImageOps

here = Path(__file__).parent
classes = json.loads((here / "description.json").read_text(encoding="utf-8"))["classes"] or ["value"]
session = onnxruntime.InferenceSession(str(here / "model.onnx"), providers=["CPUExecutionProvider"])


def prepare(file):  # an image as the network sees it, H×W×C
    image = Image.open(file)
'''

TAIL = """

for file in sys.argv[1:]:
    output = session.run(None, {"images": prepare(file)[None]})[0][0]
"""

ROWS = """    print(json.dumps({"file": file, **dict(zip(classes, map(float, output)))}))
"""

MASKS = """    Image.fromarray(output.argmax(0).astype("uint8")).save(f"{Path(file).stem}-mask.png")
"""


def script_text(
    conversion: Conversion,
    transforms: Sequence[Mapping[str, Any]],
    task_type: str,
    has_windows: bool = False,
    has_masks_draft: bool = False,
) -> tuple[str, str]:
    """Return the text of the script, and the part of the preprocessing that it lacks; empty if it is complete.

    Args:
        conversion: how image files become pixels.
        transforms: the preprocessing.
        task_type: task type of the network.
        has_windows: True if the graph takes windows of images.
        has_masks_draft: True if JPEGs are decoded at full size, as for masks.
    """
    problem = _problem(conversion, transforms, has_windows)
    lines = [] if problem else _preparation(conversion, transforms, draft=not has_masks_draft)
    body = [f'    sys.exit("{problem}; prepare the image as description.json says")'] if problem else lines
    tail = MASKS if TASK_TYPES[task_type].has_masks else ROWS
    return HEAD + "\n".join(body) + "\n" + TAIL + tail, problem


def _problem(conversion: Conversion, transforms: Sequence[Mapping[str, Any]], has_windows: bool) -> str:
    if has_windows:
        return "the network sees large images window by window"
    if conversion.picked is not None or conversion.windows or conversion.uses_own_window:
        return f"Pillow does not read the channels {', '.join(conversion.pixels.channels)}"
    if conversion.value_range is not None and conversion.pixels.channels != GREY:
        return "Pillow does not read colours of more than 8 bits"
    for spec in transforms:
        if spec.get("name") not in STEPS:
            return f"preprocessing: {spec.get('name') or spec['_target_']} is a part of MML"
    return ""


def _preparation(conversion: Conversion, transforms: Sequence[Mapping[str, Any]], draft: bool) -> list[str]:
    """Return the lines between an opened image and its pixels."""
    size, value_range, depth = draft_size(transforms), conversion.value_range, conversion.pixels.depth
    lines = [f'image.draft("RGB", ({size}, {size}))'] if size and draft else []
    lines.append("image = ImageOps.exif_transpose(image)")
    if value_range is not None:
        span = value_range.high - value_range.low
        lines.append(f"values = np.clip((np.asarray(image, np.float32) - {value_range.low}) / {span}, 0, 1)")
        rounded = 'np.rint(values * 255).astype("uint8")' if depth == "uint8" else "values"
        lines.append(f"image = Image.fromarray({rounded})")
    else:
        lines.append("if image.has_transparency_data:")
        lines.append('    image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))')
        if conversion.pixels.channels == RGB or depth == "uint8":
            lines.append(f'image = image.convert("{"L" if conversion.pixels.channels == GREY else "RGB"}")')
    for spec in transforms:
        lines += STEPS[spec["name"]](spec)
    scale = "" if depth == "uint8" else " / 255" if value_range is None else ""
    kind = "np.uint8" if depth == "uint8" else "np.float32"
    lines.append(f"pixels = np.asarray(image, {kind}){scale}")
    lines.append("return pixels.reshape(image.height, image.width, -1)")
    return [f"    {line}" for line in lines]


def _resize(spec: Mapping[str, Any], size: str) -> str:
    filter_ = f"Image.Resampling.{spec.get('interpolation', 'bilinear').upper()}"
    return f"image = image.resize({size}, {filter_}, reducing_gap=2.0)"


def _resized(spec: Mapping[str, Any]) -> list[str]:
    return [_resize(spec, f"({spec['size'][1]}, {spec['size'][0]})")]


def _bounded(spec: Mapping[str, Any]) -> list[str]:
    side = "min" if spec["name"] == "resize_smallest" else "max"
    sides = f"[max(1, round(side * {spec['size']} / {side}(image.size))) for side in image.size]"
    if side == "min" or spec.get("enlarge"):
        return [_resize(spec, sides)]
    return [f"if max(image.size) > {spec['size']}:", f"    {_resize(spec, sides)}"]


def _cropped(spec: Mapping[str, Any]) -> list[str]:
    size = f"{spec['size'][1]}, {spec['size'][0]}" if "size" in spec else "max(image.size), max(image.size)"
    return [
        f"width, height = {size}",
        "left, top = int((image.width - width) / 2), int((image.height - height) / 2)",
        "image = image.crop((left, top, left + width, top + height))",
    ]


STEPS = {
    "resize": _resized,
    "resize_smallest": _bounded,
    "resize_longest": _bounded,
    "center_crop": _cropped,
    "pad_to_square": _cropped,
}
"""Lines of each transform that Pillow does as MML does."""
