"""What every figure here is made with: axes, a description, a tidy frame."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

__all__ = [
    "DPI",
    "GRID_PIXELS",
    "MARKERS",
    "as_array",
    "axes_for",
    "bare",
    "colour_bar",
    "described",
    "draw_picture",
    "new_figure",
    "tidy",
]

MARKERS = "osD^vPX"  # one for each colour of the palette's cycle
DPI = 100
GRID_PIXELS = 1000  # the width of a composed picture


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of that size in inches."""
    return Figure(figsize=(width, height), dpi=DPI, layout="constrained")


def axes_for(ax: Axes | None, width: float, height: float) -> tuple[Figure, Axes]:
    """The axes to draw on and their figure: the caller's, or new ones of that size in inches."""
    if ax is None:
        figure = new_figure(width, height)
        return figure, figure.add_subplot()
    assert isinstance(ax.figure, Figure)
    return ax.figure, ax


def described(figure: Figure, text: str) -> Figure:
    """The figure, which now knows what it tells those who don't see it."""
    figure.set_label(text)
    return figure


def tidy(ax: Axes, title: str, xlabel: str = "", ylabel: str = "") -> None:
    """A plot's title, labels and quiet frame."""
    ax.set(title=title, xlabel=xlabel, ylabel=ylabel)
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(alpha=0.25)
    ax.set_axisbelow(True)


def bare(ax: Axes, title: str = "", *, fontsize: float = 10) -> None:
    """Axes for a picture: no ticks; the title says what it is."""
    ax.set_title(title, fontsize=fontsize)
    ax.set_axis_off()


def as_array(values: Any) -> NDArray[Any]:
    """A tensor on any device, or anything array-like, as numpy."""
    return np.asarray(values.detach().cpu() if hasattr(values, "detach") else values)


def draw_picture(ax: Axes, picture: Image.Image, interpolation: str) -> None:
    """A composed picture in its own colours: "nearest" keeps edges sharp, "antialiased" keeps thin lines whole."""
    ax.imshow(np.asarray(picture.convert("RGB")), interpolation=interpolation, aspect="equal")


def colour_bar(ax: Axes, limits: tuple[float, float], *, signed: bool, label: str) -> None:
    """The colour bar of a composed picture: the scale that all its tiles share."""
    cmap = "RdBu_r" if signed else "viridis"
    ax.figure.colorbar(ScalarMappable(Normalize(*limits), cmap), ax=ax, label=label, fraction=0.046, pad=0.02)
