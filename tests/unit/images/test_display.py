import numpy as np
import pytest

from mml_lib.images.display import displayed
from mml_lib.tasks.pixel_format import GREY, RGB, PixelFormat


@pytest.mark.parametrize(
    ("values", "picture"),
    [
        (np.array([[[7]]], np.uint8), [7, 7, 7]),
        (np.array([[[1, 2, 3]]], np.uint8), [1, 2, 3]),
        (np.array([[[1, 2]]], np.uint8), [1, 2, 0]),
        (np.array([[[1, 2, 3, 4, 5]]], np.uint8), [1, 2, 3]),
        (np.array([[[257]]], np.uint16), [1, 1, 1]),
        (np.array([[[65535, 0, 32768]]], np.uint16), [255, 0, 128]),
        (np.array([[[0.5]]], np.float16), [128, 128, 128]),
        (np.array([[[1.5, -1, 1]]], np.float32), [255, 0, 255]),
    ],
)
def test_pictures_of_all_depths_are_rgb(values, picture):
    pixels = displayed(values)
    assert pixels.dtype == np.uint8
    assert pixels[0, 0].tolist() == picture


def test_a_pixel_format_says_whether_it_has_colours():
    assert PixelFormat().is_colour
    assert PixelFormat(channels=RGB).full_scale == 255
    assert not PixelFormat("uint16", GREY).is_colour
    assert PixelFormat("uint16", GREY).full_scale == 65535
    assert str(PixelFormat("float32", ("CT", "PET"))) == "float32, CT, PET"
