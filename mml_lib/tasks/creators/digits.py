"""The handwritten digits that scikit-learn ships."""

from pathlib import Path

import numpy as np

from mml_lib.tasks.creators.creator_registry import Survey, register_creator
from mml_lib.tasks.dataset import About, Delivery, Sample

NAMES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
REFERENCE = "E. Alpaydin, C. Kaynak: Optical Recognition of Handwritten Digits. UCI Machine Learning Repository, 1998"


def _survey() -> Survey:
    return Survey(classes=tuple(NAMES))


@register_creator("digits", survey=_survey)
def digits(folder: Path) -> Delivery:
    """The 1,797 handwritten digits of scikit-learn (8×8 pixels, 17 grey levels).

    Source: E. Alpaydin, C. Kaynak, UCI 1998, through scikit-learn.
    """
    from PIL import Image
    from sklearn.datasets import load_digits

    bunch = load_digits()
    samples = []
    for number, (image, target) in enumerate(zip(bunch.images, bunch.target, strict=True)):
        label = NAMES[target]
        file = folder / label / f"{number:04d}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.round(image * (255 / 16)).astype(np.uint8)).save(file)
        samples.append(Sample(id=f"{number:04d}", image=f"{label}/{file.name}", label=label))
    about = About({"image": "handwriting"}, ["digits", "grey"], "CC BY 4.0", REFERENCE, release="1998")
    return Delivery(samples, NAMES, about=about)
