"""A data set of a few dozen coloured pictures for the tests of training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

COLOURS = {"blue": (40, 40, 200), "green": (40, 200, 40), "red": (200, 40, 40)}


def write_pictures(root: Path, *, train: int = 8, val: int = 2) -> Path:
    """``root/train`` and ``root/val`` with three classes; every picture has a size of its own."""
    generator = np.random.default_rng(0)
    for part, number in (("train", train), ("val", val)):
        for name, colour in COLOURS.items():
            folder = root / part / name
            folder.mkdir(parents=True)
            for i in range(number):
                pixels = np.array(colour) + generator.normal(0, 30, (60 + i, 70, 3))
                Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(folder / f"{i:02}.jpg")
    return root
