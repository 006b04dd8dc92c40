"""Maps of attribution beside each other, and what becomes of them when the network loses its weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from alexnet_edu.figures.parts import MARKERS, as_array, axes_for, bare, described, new_figure, tidy
from alexnet_edu.palette import CYCLE, GREY

__all__ = ["agreement", "map_table", "shown_map"]

_CELL = 42  # pixels: a map is drawn small, so noise finer than that only makes a notebook large


def shown_map(values: Any, side: int = _CELL) -> NDArray[np.float64]:
    """A map ``(H, W)`` of values from 0 as ``(side, side)`` from 0 to 1, where 1 is the 99th percentile.

    Means over blocks; a few extreme pixels would leave all the others dark. A map without any change becomes 0.
    """
    picture = Image.fromarray(as_array(values).astype(np.float32))
    small = np.asarray(picture.resize((side, side), Image.Resampling.BOX), np.float64)
    low, high = small.min(), np.quantile(small, 0.99)
    return np.clip((small - low) / (high - low), 0, 1) if high > low else np.zeros_like(small)


def map_table(
    crops: Image.Image | Sequence[Image.Image],
    maps: Mapping[str, Sequence[Any]],
    columns: Sequence[str],
    *,
    title: str,
    size: float = 1.15,
) -> Figure:
    """Maps of pictures as a table: a row for each method, a column for each layer or stage.

    Args:
        crops: what the network saw, drawn in front of its row: one for the first row, or one for each.
        maps: from a row's name to its maps ``(H, W)``, one for each column.
        columns: their names.
        title: what is compared.
        size: inches per map.
    """
    seen = [crops] if isinstance(crops, Image.Image) else list(crops)
    figure = new_figure(size * (len(columns) + 1) + 0.2, size * len(maps) + 0.75)
    grid = figure.subplots(len(maps), len(columns) + 1, squeeze=False)
    for place, (name, row) in enumerate(maps.items()):
        first, *others = grid[place]
        bare(first)
        if place < len(seen):
            first.imshow(seen[place].resize((_CELL, _CELL)))
        others[0].text(
            -0.05,
            0.5,
            name.replace(" ", "\n"),
            transform=others[0].transAxes,
            rotation=90,
            ha="right",
            va="center",
            fontsize=8.5,
        )
        for column, ax, values in zip(columns, others, row, strict=True):
            ax.imshow(shown_map(values), cmap="viridis", vmin=0, vmax=1)
            bare(ax, column if place == 0 else "", fontsize=8)
    figure.suptitle(f"{title}\n(each map on its own scale: dark is little, yellow is much)", fontsize=10)
    names = ", ".join(columns).replace("\n", " ")
    return described(figure, f"{title}: maps of {', '.join(maps)} for {names}.")


def agreement(
    layers: Sequence[str],
    series: Mapping[str, Sequence[tuple[float, float, float]]],
    *,
    title: str,
    unrelated: float | None = None,
    ax: Axes | None = None,
) -> Figure:
    """How far maps keep their order of pixels while layer after layer is shuffled.

    Args:
        layers: the layer that was shuffled last, from the top down.
        series: for each method, at each layer, the mean correlation and the ends of its interval.
        title: what is compared.
        unrelated: the correlation of maps of different pictures, as a dashed line.
        ax: axes to draw on.
    """
    figure, ax = axes_for(ax, 7.5, 4.2)
    places = np.arange(len(layers) + 1)
    for number, (name, points) in enumerate(series.items()):
        means, lows, highs = np.array([(1, 1, 1), *points]).T
        colour = CYCLE[number % len(CYCLE)]
        ax.fill_between(places, lows, highs, color=colour, alpha=0.18, linewidth=0)
        ax.plot(places, means, color=colour, marker=MARKERS[number % len(MARKERS)], linewidth=1.8, label=name)
    if unrelated is not None:
        ax.axhline(unrelated, color=GREY, linestyle="--", linewidth=1, label="maps of unrelated pictures")
    ax.set_xticks(places, ["none", *layers])
    ax.legend(fontsize=8.5, loc="upper left", bbox_to_anchor=(1, 1), borderaxespad=0)
    tidy(ax, title, "shuffled from fc8 down to", "rank correlation with the first map")
    ends = ", ".join(f"{name} {points[-1][0]:.2f}" for name, points in series.items())
    return described(figure, f"{title}: rank correlation with the first map; with all layers shuffled {ends}.")
