"""The held-out photos of the package: which they are, and that no network of ours was trained on them."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from alexnet_edu.errors import AlexNetError
from alexnet_edu.images import HELD_OUT, held_out_images, load_image, wall_images
from alexnet_edu.train.data import LISTS
from experiments import held_out

PHOTOS = held_out_images()


def test_they_are_twenty_kinds_half_of_them_living_things() -> None:
    counts = Counter(photo.kind for photo in PHOTOS)
    assert len(counts) == 20 and set(counts) == {*held_out.NATURE, *held_out.MADE}
    assert all(8 <= n <= 10 for n in counts.values()) and 190 <= len(PHOTOS) <= 200
    assert {photo.kind for photo in PHOTOS if photo.nature} == set(held_out.NATURE)


def test_photos_of_one_kind_can_be_asked_for() -> None:
    assert held_out_images("lotus") == [photo for photo in PHOTOS if photo.kind == "lotus"]
    with pytest.raises(AlexNetError, match="There are no held-out photos of 'wombat'; choose one of butterfly, "):
        held_out_images("wombat")


def test_they_are_test_pictures() -> None:
    tested = set((LISTS / "caltech101_test.txt").read_text(encoding="utf-8").split())
    assert {f"{photo.kind}/{photo.path.name}" for photo in PHOTOS} <= tested
    assert not {f"{photo.kind}/{photo.path.name}" for photo in PHOTOS} & set(held_out.SKIPPED)


def test_every_file_is_listed_and_readable_and_all_are_small() -> None:
    assert {photo.path for photo in PHOTOS} == set(HELD_OUT.rglob("*.jpg"))
    assert all(min(photo.open().size) >= 60 for photo in PHOTOS)
    assert sum(path.stat().st_size for path in HELD_OUT.rglob("*") if path.is_file()) <= 2_500_000


def test_on_the_wall_is_a_small_test_picture_of_every_kind() -> None:
    kinds = (LISTS.parent / "caltech101_categories.txt").read_text(encoding="utf-8").split()
    sources = json.loads((HELD_OUT / "index.json").read_text(encoding="utf-8"))["wall"]
    tested = set((LISTS / "caltech101_test.txt").read_text(encoding="utf-8").split())
    assert list(wall_images()) == list(sources) == kinds
    assert {f"{kind}/{file}" for kind, file in sources.items()} <= tested - set(held_out.SKIPPED)
    assert set(wall_images().values()) == set(HELD_OUT.rglob("*.webp"))
    assert {load_image(path).size for path in wall_images().values()} == {(held_out.TILE, held_out.TILE)}


@pytest.mark.parametrize("kind", ["Faces", "Faces_easy"])
def test_nobody_is_recognised_on_the_wall(kind: str) -> None:
    """What is left after a return to the coarse size is all that the tile holds."""
    shown = load_image(wall_images()[kind])
    small = shown.resize((held_out.COARSE,) * 2, Image.Resampling.BOX)
    again = np.asarray(small.resize(shown.size, Image.Resampling.BILINEAR), float)
    assert np.abs(again - np.asarray(shown)).mean() < 8


@pytest.mark.parametrize("key", ["authors", "source", "licence"])
def test_the_licence_is_with_them(key: str) -> None:
    stated = json.loads((HELD_OUT / "index.json").read_text(encoding="utf-8"))
    assert stated[key] == held_out.LICENCE[key] and stated["licence"] == "CC BY 4.0"
