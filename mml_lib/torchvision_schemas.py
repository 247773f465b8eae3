"""Make `import torchvision` work beside a CPU build of torch; import this before lightning, timm or kornia.

The registry's torchvision is built for CUDA. With a CPU build of torch its C++ library does not load, and then its
import fails on the schemas of two operators (`nms`, `qnms`), which nothing here calls. Declaring the schemas is
enough. This can go when torchvision imports without its C++ library, or ships CPU wheels in the registry.
"""

import sys

import torch

SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


def _import_torchvision() -> torch.library.Library | None:
    """Import torchvision; declare the schemas only where that fails without them. The result must stay alive."""
    try:
        import torchvision

        return None
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]
    library = torch.library.Library("torchvision", "DEF")
    for schema in SCHEMAS:
        library.define(schema)
    import torchvision  # noqa: F401

    return library


LIBRARY = _import_torchvision()
