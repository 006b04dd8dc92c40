"""The held-out photos of the package: which they are, and that no network of ours was trained on them."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from alexnet_edu.images import HELD_OUT, held_out_images
from alexnet_edu.train.data import LISTS
from experiments import held_out

PHOTOS = held_out_images()


def test_they_are_twenty_kinds_half_of_them_living_things() -> None:
    counts = Counter(photo.kind for photo in PHOTOS)
    assert len(counts) == 20 and set(counts) == {*held_out.NATURE, *held_out.MADE}
    assert all(8 <= n <= 10 for n in counts.values()) and 190 <= len(PHOTOS) <= 200
    assert {photo.kind for photo in PHOTOS if photo.nature} == set(held_out.NATURE)


def test_they_are_test_pictures() -> None:
    tested = set((LISTS / "caltech101_test.txt").read_text(encoding="utf-8").split())
    assert {f"{photo.kind}/{photo.path.name}" for photo in PHOTOS} <= tested
    assert not {f"{photo.kind}/{photo.path.name}" for photo in PHOTOS} & set(held_out.SKIPPED)


def test_every_file_is_listed_and_readable_and_all_are_small() -> None:
    assert {photo.path for photo in PHOTOS} == set(HELD_OUT.rglob("*.jpg"))
    assert all(min(photo.open().size) >= 60 for photo in PHOTOS)
    assert sum(path.stat().st_size for path in HELD_OUT.rglob("*") if path.is_file()) <= 2_500_000


@pytest.mark.parametrize("key", ["authors", "source", "licence"])
def test_the_licence_is_with_them(key: str) -> None:
    stated = json.loads((HELD_OUT / "index.json").read_text(encoding="utf-8"))
    assert stated[key] == held_out.LICENCE[key] and stated["licence"] == "CC BY 4.0"
