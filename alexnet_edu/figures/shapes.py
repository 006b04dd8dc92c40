"""What a layer reads: fields that grow, pictures that are padded, towers that stay apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from alexnet_edu.figures.parts import as_array, axes_for, described, new_figure
from alexnet_edu.palette import BLUE, CYCLE, GREY, ORANGE, VERMILLION
from alexnet_edu.specs import Window

__all__ = ["field_growth", "padded_corners", "who_notices"]


def field_growth(stack: Sequence[tuple[int, int]], *, ax: Axes | None = None) -> Figure:
    """Why fields grow: rows of values, one row a layer, and all that one value of the last layer depends on.

    Args:
        stack: kernel and stride of each layer, the first layer first, such as ``[(3, 1), (2, 2), (3, 1)]``.
        ax: axes to draw on.
    """
    jumps, starts = [1], [0.0]
    for kernel, stride in stack:
        starts.append(starts[-1] + (kernel - 1) / 2 * jumps[-1])
        jumps.append(jumps[-1] * stride)
    read = [1]  # values that the one on top depends on, from the last layer down
    for kernel, stride in reversed(stack):
        read.append((read[-1] - 1) * stride + kernel)
    read.reverse()
    figure, ax = axes_for(ax, 8, 1.1 + 0.75 * len(read))
    for level, (jump, start, count) in enumerate(zip(jumps, starts, read, strict=True)):
        x = start + jump * np.arange(count)
        ax.plot(x, [level] * count, "s", color=ORANGE if level else BLUE, markersize=11, markeredgecolor="black")
        if level:
            kernel, stride = stack[level - 1]
            for place in range(count):
                below = starts[level - 1] + jumps[level - 1] * (place * stride + np.arange(kernel))
                ax.plot(
                    np.stack([below, np.full(kernel, x[place])]),
                    [level - 1, level],
                    color=GREY,
                    linewidth=0.8,
                    zorder=0,
                )
    names = ["pixels", *(f"layer {i}: kernel {kernel}, stride {stride}" for i, (kernel, stride) in enumerate(stack, 1))]
    labels = [f"{name}\n{count} read, {jump} px apart" for name, count, jump in zip(names, read, jumps, strict=True)]
    ax.set_yticks(range(len(read)), labels)
    ax.set(title=f"One value of the last layer depends on {read[0]} pixels", xticks=[], ylim=(-0.5, len(read) - 0.5))
    ax.spines[:].set_visible(False)
    return described(
        figure, f"Layers of kernel and stride {list(stack)}: one value on top depends on {read[0]} pixels."
    )


def padded_corners(crop: Image.Image, ways: Mapping[str, tuple[int, Window, bool]], *, zoom: int = 26) -> Figure:
    """Where windows begin and end over a picture: its first and its last corner, with what is put around it.

    Args:
        crop: a square picture; it is scaled to each way's side.
        ways: from a name to the side of the picture, the window, and whether the number of steps is rounded up.
        zoom: how many pixels of each corner to draw.
    """
    figure = new_figure(2.9 * len(ways), 6.4)
    axes = figure.subplots(2, len(ways), squeeze=False)
    for (upper, lower), (name, (side, window, ceil)) in zip(axes.T, ways.items(), strict=True):
        span = side + 2 * window.padding - window.size
        steps = -(-span // window.stride) if ceil else span // window.stride
        first, last = -window.padding, steps * window.stride - window.padding
        pixels = np.asarray(crop.resize((side, side)))
        _corner(upper, pixels, first, -6, zoom - 6, window, f"{name}\nfirst window of {steps + 1}")
        _corner(lower, pixels, last, side + 6 - zoom, side + 6, window, "last window")
    figure.suptitle("Grey: outside the picture, counts as 0", fontsize=10)
    return described(figure, f"First and last corners of the picture with the windows over them: {'; '.join(ways)}.")


def _corner(ax: Axes, pixels: Any, at: int, low: int, high: int, window: Window, title: str) -> None:
    """Pixels ``low`` to ``high`` of both sides, grey where there is no picture; the window at ``at``."""
    side = len(pixels)
    ax.imshow(pixels, extent=(0, side, side, 0), interpolation="nearest")
    ax.add_patch(Rectangle((0, 0), side, side, fill=False, edgecolor="black", linewidth=1.5))
    ax.add_patch(
        Rectangle((at, at), window.size, window.size, facecolor=ORANGE, alpha=0.35, edgecolor=VERMILLION, linewidth=3)
    )
    ax.set(xlim=(low, high), ylim=(high, low), facecolor="#DDDDDD", xticks=[], yticks=[])
    ax.set_title(title, fontsize=10)


def who_notices(matrices: Mapping[str, Any], *, title: str) -> Figure:
    """Which outputs of a layer depend on which inputs: a filled square where one does.

    Args:
        matrices: from a layer's name to ``(outputs, inputs)`` of true and false.
        title: what was changed, and what was looked at.
    """
    figure = new_figure(4.2 * len(matrices), 4.1)
    axes = np.atleast_1d(np.asarray(figure.subplots(1, len(matrices))))
    for ax, (name, matrix), colour in zip(axes, matrices.items(), CYCLE, strict=False):
        values = as_array(matrix)
        shade = np.ones((*values.shape, 3))
        shade[values.astype(bool)] = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        ax.imshow(shade, aspect="auto", interpolation="nearest")
        share = values.mean()
        ax.set(
            title=f"{name}: {share:.0%} of the pairs", xlabel="channel that is changed", ylabel="channel that notices"
        )
    figure.suptitle(title)
    told = "; ".join(f"{name}: {as_array(matrix).mean():.0%}" for name, matrix in matrices.items())
    return described(
        figure, f"{title}. Filled where an output channel notices a changed input channel: {told} of the pairs."
    )
