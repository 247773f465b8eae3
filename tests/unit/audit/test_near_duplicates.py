"""Near duplicates: hashes against the library imagehash, and copies that were saved, brightened, turned or cropped."""

import cv2
import imagehash
import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from mml_lib.audit.near_duplicates import Pairs, find_near_duplicates
from mml_lib.audit.neighbours import Neighbours, nearest_neighbours, scaled
from mml_lib.audit.perceptual_hashes import VIEWS, similar_hashes, view, view_hashes

COUNT = 300


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    """Digits of 64×64 pixels, uint8."""
    digits = (load_digits().images[:COUNT] * 15).astype(np.uint8)
    return np.stack([cv2.resize(digit, (64, 64)) for digit in digits])


def thumbnails(images: np.ndarray) -> np.ndarray:
    return np.stack([cv2.resize(image, (32, 32), interpolation=cv2.INTER_AREA) for image in images])


def compressed(image: np.ndarray) -> np.ndarray:
    return cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 40])[1], cv2.IMREAD_GRAYSCALE)


def pairs_of(pairs: Pairs) -> set[tuple[int, int]]:
    return set(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True))


def far_apart(count: int) -> Neighbours:
    """Return neighbours at equal distances, so that no pair is near by its features."""
    return Neighbours((np.arange(count)[:, None] + 1) % count, np.ones((count, 1), np.float32))


def test_hash_is_that_of_imagehash(images: np.ndarray):
    small = thumbnails(images)
    reference = [int(str(imagehash.phash(Image.fromarray(image))), 16) for image in small]
    assert [int.from_bytes(bits.tobytes(), "big") for bits in view_hashes(small)[0]] == reference


@pytest.mark.parametrize("number", range(len(VIEWS)))
def test_hash_of_a_view_is_that_of_the_turned_image(images: np.ndarray, number: int):
    small = thumbnails(images)
    turned = np.ascontiguousarray(view(small, number))
    assert np.array_equal(view_hashes(turned)[0], view_hashes(small)[number])


@pytest.mark.parametrize(("name", "turn"), [("turned by 90°", -1), ("turned by 180°", 2), ("turned by 270°", 1)])
def test_views_are_named_by_their_turn(images: np.ndarray, name: str, turn: int):
    assert np.array_equal(view(images[:1], VIEWS.index(name))[0], np.rot90(images[0], turn))


def test_similar_hashes_are_those_of_all_pairs():
    hashes = np.random.default_rng(0).integers(0, 2**12, 700, dtype=np.uint64)
    bits = np.bitwise_count(hashes[:, None] ^ hashes)
    expected = {(a, b) for a, b in np.argwhere(bits <= 2).tolist() if a < b}
    blocks = list(similar_hashes(hashes, hashes, 2))
    assert {
        pair for first, second, _ in blocks for pair in zip(first.tolist(), second.tolist(), strict=True)
    } == expected


@pytest.mark.parametrize(
    ("change", "seen"),
    [
        (compressed, "same"),
        (lambda image: (image * 0.7 + 30).astype(np.uint8), "same"),
        (lambda image: cv2.resize(image, (41, 41)), "same"),
        (lambda image: image[:, ::-1], "mirrored"),
        (lambda image: np.rot90(image), "turned by 90°"),
    ],
    ids=["compressed", "brightened", "scaled", "mirrored", "turned"],
)
def test_copies_are_found_and_digits_are_told_apart(images: np.ndarray, change, seen: str):
    copies = [change(image) for image in images[3:40:7]]
    pairs = find_near_duplicates(thumbnails([*images, *copies]), far_apart(COUNT + len(copies)), threads=2)
    with_copy = pairs.second >= COUNT
    expected = {(3 + 7 * number, COUNT + number) for number in range(len(copies))}
    assert {pair for pair in pairs_of(pairs) if pair[1] >= COUNT} == expected
    assert {VIEWS[number] for number in pairs.view[with_copy]} == {seen}
    assert (~with_copy).sum() <= 1, "two of the digits are as good as the same"


def test_features_find_what_hashes_do_not():
    rng = np.random.default_rng(0)
    features = scaled(np.concatenate([rng.normal(size=(100, 16)), np.zeros((1, 16))]))
    features[100] = features[7] + 0.01
    noise = rng.integers(0, 256, (101, 32, 32), dtype=np.uint8)
    pairs = find_near_duplicates(noise, nearest_neighbours(features, 5))
    assert pairs_of(pairs) == {(7, 100)}
    assert pairs.bits.tolist() == [-1]
    assert pairs.distance[0] == pytest.approx(0.04, abs=1e-4)


def test_blank_images_are_no_duplicates():
    blank = np.full((5, 32, 32), 128, np.uint8)
    blank[:, 0, :5] += np.arange(5, dtype=np.uint8)
    assert pairs_of(find_near_duplicates(blank, far_apart(5))) == set()
