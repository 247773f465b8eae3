"""Data sets of masks that are written and surveyed."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from PIL import Image

from mml_lib.images.surveying import survey_images
from mml_lib.tasks.dataset import Dataset, Delivery, Sample
from tests.support.mask_surveys import Content


@pytest.fixture
def survey(tmp_path: Path) -> Callable[..., Dataset]:
    """Return a function that surveys a data set with these masks."""

    def build(*masks: Content, classes: Sequence[str] = (), suffix: str = "png", splits: str = "") -> Dataset:
        samples = []
        for number, content in enumerate(masks):
            image = tmp_path / f"image{number}.png"
            mask = tmp_path / f"mask{number}.{suffix}"
            if isinstance(content, str):
                size, mask = (8, 8), content
            else:
                picture = content if isinstance(content, Image.Image) else Image.fromarray(content)
                picture.save(mask)
                size = picture.size
            Image.new("RGB", size, (9, 9, number)).save(image)
            split = {"u": "unlabelled"}.get(splits[number : number + 1])
            samples.append(Sample(str(number), str(image), mask=str(mask), split=split))
        return survey_images(Delivery(samples, list(classes), "semantic_segmentation"), "d", tmp_path, 1)

    return build
