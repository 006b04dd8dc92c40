"""The steps of recognition before 2012, on a photo."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray

from alexnet_edu.figures.parts import bare, described, new_figure, tidy
from alexnet_edu.palette import BLUE

__all__ = ["pipeline_steps"]


def pipeline_steps(
    grey: NDArray[Any], strength: NDArray[Any], cells: NDArray[Any], words: NDArray[Any], count: int
) -> Figure:
    """A photo, the strength of its gradients, their directions by cell, its visual words, and how often each occurs.

    Args:
        grey: ``(H, W)`` from 0 to 1.
        strength: ``(H, W)``, how fast the grey value changes.
        cells: ``(rows, columns, directions)``, strengths by direction.
        words: ``(patch rows, patch columns)``, the number of each patch's word.
        count: how many words there are.
    """
    figure = new_figure(7.8, 3.5)
    grid = figure.add_gridspec(2, 4, height_ratios=(1.9, 1))
    first, second, third, fourth = (figure.add_subplot(grid[0, i]) for i in range(4))
    first.imshow(grey, cmap="gray", vmin=0, vmax=1)
    bare(first, "1 the photo in grey")
    second.imshow(strength, cmap="gray_r")
    bare(second, "2 how fast grey changes")
    _draw_directions(third, cells)
    bare(third, "3 directions, by cell")
    fourth.imshow(words, cmap="nipy_spectral", vmin=0, vmax=count, interpolation="nearest")
    bare(fourth, "4 each patch's word")
    below = figure.add_subplot(grid[1, :])
    below.bar(np.arange(count), np.bincount(words.ravel(), minlength=count), color=BLUE, width=1.0)
    tidy(below, "5 all that is kept: how often each word occurs", xlabel="visual word", ylabel="patches")
    return described(figure, f"Five steps from a photo to counts of {count} visual words: grey, gradients, their "
                     "directions in cells, words, counts.")  # fmt: skip


def _draw_directions(ax: Any, cells: NDArray[Any]) -> None:
    """A star in each cell: along each edge a line, the longer the more of it there is."""
    rows, columns, directions = cells.shape
    half = 0.5 * cells / max(float(np.quantile(cells, 0.995)), 1e-9)
    y, x = np.mgrid[0:rows, 0:columns]
    lines = []
    for i in range(directions):
        angle = 2 * np.pi * i / directions + np.pi / 2  # an edge runs across its gradient
        dx, dy = np.cos(angle) * half[..., i], np.sin(angle) * half[..., i]
        lines.append(np.stack([np.stack([x - dx, y - dy], -1), np.stack([x + dx, y + dy], -1)], 2).reshape(-1, 2, 2))
    ax.add_collection(LineCollection(list(np.concatenate(lines)), colors="black", linewidths=0.8))
    ax.set(xlim=(-1, columns), ylim=(rows, -1), aspect="equal")
