"""What the package's instruments cost. Nothing here fails for being slow: the figures are printed, and kept."""

from __future__ import annotations

import io
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import cycle
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from side_by_side import in_turns

from alexnet_edu import tiles
from alexnet_edu.explorers import FeatureMapExplorer, FilterExplorer
from alexnet_edu.features import neighbours
from alexnet_edu.weights import load_pretrained

Record = Callable[[str, object], None]
RNG = np.random.default_rng(0)
SMOOTH_FILTERS = np.cumsum(RNG.standard_normal((64, 3, 11, 11)), axis=3)  # as trained filters and maps are
SMOOTH_MAPS = np.cumsum(RNG.standard_normal((64, 55, 55)), axis=2)


def by_subplots() -> None:
    """The usual function: one matplotlib subplot for each filter."""
    figure = Figure(figsize=(8, 8))
    for i, picture in enumerate(tiles.filters_to_rgb(SMOOTH_FILTERS)):
        axis = figure.add_subplot(8, 8, i + 1)
        axis.imshow(picture)
        axis.axis("off")
    figure.savefig(io.BytesIO(), format="png")


def test_tiles_beside_subplots(record_property: Record) -> None:
    subplots, filters, maps = in_turns(
        by_subplots,
        lambda: tiles.png_bytes(tiles.tile_pictures(tiles.filters_to_rgb(SMOOTH_FILTERS))),
        lambda: tiles.png_bytes(tiles.tile_maps(SMOOTH_MAPS)),
    )
    text = f"64 filters by subplots {subplots:.0f} ms, as one picture {filters:.1f} ({subplots / filters:.0f} times)"
    record_property("measured", f"{text}; 64 maps of 55 × 55 {maps:.1f} ms")


def test_neighbours_beside_a_loop(record_property: Record) -> None:
    bank = torch.randn(2000, 4096)
    loop, batched = in_turns(
        lambda: [(bank - row).norm(dim=1).topk(6, largest=False) for row in bank[:50]],
        lambda: neighbours(bank[:50], bank),
    )
    record_property("measured", f"50 queries in a bank of 2,000: a loop {loop:.0f} ms, batched {batched:.0f} ms")


def changing(control: Any, values: list[Any]) -> Callable[[], None]:
    """Goes to the next of some values at each call."""
    following: Iterator[Any] = cycle(values)
    return lambda: setattr(control, "value", next(following))


def test_explorers_answer(record_property: Record) -> None:
    maps, kernels = FeatureMapExplorer(load_pretrained("small")), FilterExplorer(load_pretrained("small"))
    pictures = list(maps.picture.options)
    picture, layer, channel, kernel = in_turns(
        changing(maps.picture, pictures[1:] + pictures[:1]),
        changing(maps.layer, ["conv2", "conv3", "conv4", "conv5", "conv1"]),
        changing(maps.channel, [1, 2]),
        changing(kernels.channel, [1, 2]),
    )
    text = f"a new picture {picture:.0f} ms, layer {layer:.1f}, map {channel:.1f}, filter {kernel:.1f}"
    record_property("measured", f"explorers, processor time of a change: {text}")


@pytest.mark.parametrize("module", ["alexnet_edu", "alexnet_edu.inference", "torch"])
def test_import(module: str, record_property: Record) -> None:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", f"import {module}"], check=True)
    record_property("measured", f"a Python that imports {module}: {time.perf_counter() - start:.2f} s")
