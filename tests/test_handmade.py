"""The recogniser of before 2012: its steps by hand on small cases, and the bundled one on photos."""

from __future__ import annotations

import numpy as np
import pytest

from alexnet_edu.handmade import (
    ASSETS,
    descriptors,
    directions,
    gradients,
    grey_picture,
    load_handmade,
    nearest_words,
    word_counts,
)
from alexnet_edu.images import held_out_images

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(("turn", "angle"), [(0, 0), (1, 1.5 * np.pi), (2, np.pi), (3, 0.5 * np.pi)])
def test_a_ramp_has_one_gradient_everywhere(turn: int, angle: float) -> None:
    """Grey that grows to the right has direction 0; turned by 90° against the clock it grows upwards."""
    ramp = np.rot90(np.tile(np.arange(20, dtype=np.float32), (20, 1)), turn)
    strength, found = gradients(ramp)
    np.testing.assert_allclose(strength, 1)
    np.testing.assert_allclose(np.cos(found - angle), 1, atol=1e-6)
    cells = directions(strength, found)
    assert cells.shape == (5, 5, 8)
    np.testing.assert_allclose(cells[..., round(angle / (np.pi / 4))], 16, rtol=1e-5)
    np.testing.assert_allclose(cells.sum(axis=2), 16, rtol=1e-5)


def test_a_gradient_between_two_directions_is_shared() -> None:
    cells = directions(np.ones((4, 4), dtype=np.float32), np.full((4, 4), np.pi / 8, dtype=np.float32))
    np.testing.assert_allclose(cells[0, 0], [8, 8, 0, 0, 0, 0, 0, 0], atol=1e-5)


def test_descriptors_do_not_care_for_brightness_and_contrast() -> None:
    grey = RNG.random((40, 60), dtype=np.float32)
    one, other = (descriptors(directions(*gradients(picture))) for picture in (grey, 0.2 + 0.5 * grey))
    assert one.shape == (4, 6, 128)
    np.testing.assert_allclose(one, other, atol=1e-4)
    np.testing.assert_allclose((one**2).sum(axis=-1), 1, rtol=1e-4)


def test_a_flat_picture_has_empty_descriptors_and_no_warning() -> None:
    flat = descriptors(directions(*gradients(np.ones((32, 32), dtype=np.float32))))
    assert np.isfinite(flat).all() and not flat.any()


def test_the_nearest_word_is_found_and_counted_by_region() -> None:
    words = RNG.standard_normal((5, 128)).astype(np.float32)
    numbers = np.array([[0, 1, 2, 3], [0, 1, 2, 3], [4, 4, 4, 4], [4, 4, 4, 0]])
    np.testing.assert_array_equal(nearest_words(words[numbers] * 1.1, words), numbers)
    counts = word_counts(numbers, 5) ** 2
    assert counts.shape == (21 * 5,)
    np.testing.assert_allclose(counts[:5] * 16, np.bincount(numbers.ravel()), rtol=1e-5)
    np.testing.assert_allclose(counts.reshape(21, 5).sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(counts[5:10], [0.5, 0.5, 0, 0, 0], rtol=1e-5)


def test_the_bundled_one_does_on_held_out_photos_what_its_report_says_of_all() -> None:
    old = load_handmade()
    photos = held_out_images()
    right = np.mean([old.labels(photo)[0] == photo.kind for photo in photos])
    share = old.report["test"]["right"] / old.report["test"]["pictures"]
    assert abs(right - share) < 3 * (share * (1 - share) / len(photos)) ** 0.5
    assert round(100 * share, 2) == old.report["test"]["top1"]
    assert {photo.kind for photo in photos} <= set(old.categories)
    assert old.report["training_pictures"] == 6941 and old.report["words"] == len(old.words)


def test_it_is_small_and_takes_any_shape() -> None:
    assert (ASSETS / "handmade.npz").stat().st_size < 300_000
    old = load_handmade()
    for shape in ((300, 20, 3), (20, 300, 3), (5, 5, 3)):
        assert len(old.labels(RNG.integers(0, 256, shape, dtype=np.uint8))) == 5
    assert grey_picture(np.zeros((300, 20, 3), dtype=np.uint8)).shape == (240, 16)
