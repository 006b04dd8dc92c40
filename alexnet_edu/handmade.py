"""How pictures were recognised before 2012: gradients, counted by direction, matched with visual words, classified.

Every step but the last two was designed by people. What is learned, a list of visual words (k-means) and a linear
classifier on top, is in ``assets/handmade.npz``; ``experiments/handmade.py`` made it from the pictures that the
embedded network learned from. Sources: Lowe, *Distinctive image features from scale-invariant keypoints*, IJCV 2004
(the descriptor); Csurka et al., 2004 (bags of words); Lazebnik, Schmid, Ponce, CVPR 2006 (counting by region). Does
not import torch.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from alexnet_edu.images import load_image

__all__ = ["HandMade", "descriptors", "directions", "gradients", "grey_picture", "load_handmade", "word_counts"]

ASSETS = Path(__file__).with_name("assets")
LONG_SIDE = 240  # pixels
DIRECTIONS = 8
CELL = 4  # pixels: gradients are counted in squares of this side
CELLS = 4  # cells along a side of a descriptor's patch
STEP = 2  # cells between two patches
REGIONS = (1, 2, 4)  # words are counted in the whole picture, in its quarters and in its sixteenths
_CLIP = 0.2  # no direction may dominate a descriptor [Lowe 2004, section 6.1]
_DARK = 1e-8  # against division by zero where a picture is flat
Array = NDArray[np.float32]


def grey_picture(picture: Any) -> Array:
    """A picture as grey values ``(H, W)`` from 0 to 1, its longer side ``LONG_SIDE`` pixels.

    Args:
        picture: anything that ``load_image`` takes.
    """
    grey = load_image(picture).convert("L")
    scale = LONG_SIDE / max(grey.size)
    width, height = (max(CELL * CELLS, round(side * scale)) for side in grey.size)
    return np.asarray(grey.resize((width, height), Image.Resampling.BICUBIC), dtype=np.float32) / np.float32(255)


def gradients(grey: Array) -> tuple[Array, Array]:
    """How fast the grey value changes at each pixel, and in which direction it grows.

    Args:
        grey: ``(H, W)``.

    Returns:
        Strengths and angles, both ``(H, W)``; angles run from 0 to 2π, 0 is to the right and π/2 downwards.
    """
    down, right = (np.asarray(change, dtype=np.float32) for change in np.gradient(grey))
    angle = np.arctan2(down, right) % (2 * np.pi)
    return np.hypot(right, down), np.asarray(angle, dtype=np.float32)


def directions(strength: Array, angle: Array) -> Array:
    """A histogram of gradient directions in each cell of 4 × 4 pixels.

    Args:
        strength: ``(H, W)``.
        angle: ``(H, W)``, from 0 to 2π.

    Returns:
        ``(H // 4, W // 4, 8)``: the strengths of each cell by direction; a gradient between two directions is shared.
    """
    place = angle * DIRECTIONS / (2 * np.pi)
    low = np.floor(place).astype(int) % DIRECTIONS
    share = (place % 1).astype(np.float32)
    rows, columns = (side // CELL for side in strength.shape)
    votes = np.zeros((*strength.shape, DIRECTIONS), dtype=np.float32)
    np.put_along_axis(votes, low[..., None], (strength * (1 - share))[..., None], axis=2)
    np.put_along_axis(votes, (low[..., None] + 1) % DIRECTIONS, (strength * share)[..., None], axis=2)
    cells = votes[: rows * CELL, : columns * CELL].reshape(rows, CELL, columns, CELL, DIRECTIONS)
    return np.asarray(cells.sum(axis=(1, 3)))


def descriptors(cells: Array) -> Array:
    """What the patches of a picture look like, whatever their brightness and contrast: SIFT's numbers on a grid.

    Args:
        cells: ``(rows, columns, 8)`` from :func:`directions`.

    Returns:
        ``(patch rows, patch columns, 128)``: 4 × 4 cells of 8 directions each, of length 1 (flat patches of length 0).
    """
    patches = np.lib.stride_tricks.sliding_window_view(cells, (CELLS, CELLS), axis=(0, 1))[::STEP, ::STEP]  # type: ignore[call-overload]
    found = np.moveaxis(patches, 2, -1).reshape(*patches.shape[:2], -1)
    found = np.minimum(found / _length(found), _CLIP)
    return np.asarray(found / _length(found), dtype=np.float32)


def _length(vectors: Array) -> Array:
    return np.asarray(np.sqrt((vectors**2).sum(axis=-1, keepdims=True) + _DARK), dtype=np.float32)


def nearest_words(found: Array, words: Array) -> NDArray[np.intp]:
    """The number of the visual word that is nearest to each descriptor: ``(patch rows, patch columns)``.

    Args:
        found: ``(patch rows, patch columns, 128)``.
        words: ``(words, 128)``.
    """
    distances = (words**2).sum(axis=1) - 2 * found @ words.T  # the descriptors' own lengths change no order
    return np.asarray(distances.argmin(axis=-1))


def word_counts(numbers: NDArray[np.intp], count: int) -> Array:
    """How often each word occurs, in the whole picture and in its parts: the picture's only description from here on.

    Args:
        numbers: ``(patch rows, patch columns)`` from :func:`nearest_words`.
        count: how many words there are.

    Returns:
        ``(21 * count,)``: square roots of the shares in the whole, four quarters and sixteen sixteenths.
    """
    parts = [
        np.bincount(part.ravel(), minlength=count) / max(1, part.size)
        for regions in REGIONS
        for band in np.array_split(numbers, regions)
        for part in np.array_split(band, regions, axis=1)
    ]
    return np.sqrt(np.concatenate(parts)).astype(np.float32)


@dataclass(frozen=True)
class HandMade:
    """A trained pipeline: what it learned, and how well it did on the embedded network's own test pictures.

    Attributes:
        words: ``(words, 128)``, the visual words.
        weights: ``(21 * words, classes)`` of the linear classifier.
        biases: ``(classes,)``.
        categories: the classes' names.
        report: what ``experiments/handmade.py`` measured.
    """

    words: Array
    weights: Array
    biases: Array
    categories: tuple[str, ...]
    report: dict[str, Any]

    def numbers(self, picture: Any) -> NDArray[np.intp]:
        """The word of every patch of a picture, ``(patch rows, patch columns)``."""
        return nearest_words(descriptors(directions(*gradients(grey_picture(picture)))), self.words)

    def scores(self, picture: Any) -> Array:
        """A score for each class; they are no probabilities."""
        return np.asarray(word_counts(self.numbers(picture), len(self.words)) @ self.weights + self.biases)

    def labels(self, picture: Any, top: int = 5) -> list[str]:
        """The classes with the highest scores, best first."""
        return [self.categories[i] for i in np.argsort(-self.scores(picture), kind="stable")[:top]]


@cache
def load_handmade() -> HandMade:
    """The bundled pipeline, trained on the 101 kinds of things of Caltech-101 (CC BY 4.0)."""
    with np.load(ASSETS / "handmade.npz", allow_pickle=False) as arrays:
        words, weights, step, biases = (arrays[name] for name in ("words", "weights", "step", "biases"))
    categories = (ASSETS / "caltech101_categories.txt").read_text(encoding="utf-8").split()
    report = json.loads((ASSETS / "handmade.json").read_text(encoding="utf-8"))
    return HandMade(words.astype(np.float32), weights * step, biases, tuple(categories), report)
