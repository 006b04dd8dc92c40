"""Plain plots that many notebooks share: bars, curves, pictures in rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter, MaxNLocator, StrMethodFormatter

from alexnet_edu.figures.parts import MARKERS, as_array, axes_for, bare, described, new_figure, tidy
from alexnet_edu.palette import BLUE, CYCLE, GREY, VERMILLION

__all__ = ["bars", "curves", "named_rows", "picture_grid", "points"]


def bars(
    values: Mapping[str, float],
    *,
    title: str,
    xlabel: str,
    log: bool = False,
    spread: Mapping[str, tuple[float, float]] | None = None,
    highlight: Sequence[str] = (),
    ax: Axes | None = None,
) -> Figure:
    """Named values as horizontal bars, the value at the end of each.

    Args:
        values: from name to value, drawn from top to bottom.
        title: what is compared.
        xlabel: the quantity and its unit.
        log: a logarithmic axis, on which equal distances are equal ratios.
        spread: from name to the low and high end of a line over the bar.
        highlight: names drawn in orange.
        ax: axes to draw on.
    """
    figure, ax = axes_for(ax, 7.5, 1.1 + 0.34 * len(values))
    names, numbers = list(values), list(values.values())
    ax.barh(names, numbers, color=[VERMILLION if name in highlight else BLUE for name in names], log=log)
    ends = dict(zip(names, numbers, strict=True))
    for name, (low, high) in (spread or {}).items():
        ax.plot((low, high), (name, name), color="black", linewidth=2, marker="|")
        ends[name] = max(ends[name], high)
    texts = [_number(number) for number in numbers]
    decimals = max((len(text.partition(".")[2]) for text in texts), default=0)
    if decimals <= 3 and max(map(abs, numbers), default=0) <= 1:  # shares: 0.60 beside 0.52
        texts = [f"{number:.{decimals}f}" for number in numbers]
    for name, text in zip(names, texts, strict=True):
        ax.annotate(text, (ends[name], name), (4, 0), textcoords="offset points", va="center", fontsize=9)
    ax.margins(x=0.15)
    if not log and max(numbers) >= 1000:
        ax.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    ax.invert_yaxis()
    tidy(ax, title, xlabel=xlabel + (", logarithmic" if log else ""))
    ax.grid(axis="y", visible=False)
    return described(figure, f"{title}: bars of {xlabel} for {', '.join(names)}.")


def _number(number: float) -> str:
    """Whole numbers as they are, others with four digits; with commas, and never as a power of ten."""
    digits = number if float(number).is_integer() else float(f"{number:.4g}")
    return f"{digits:,.0f}" if abs(digits) >= 1000 else f"{number:.4g}"


def curves(
    x: Sequence[float],
    series: Mapping[str, Sequence[float]],
    *,
    title: str,
    xlabel: str,
    ylabel: str,
    bands: Mapping[str, tuple[Sequence[float], Sequence[float]]] | None = None,
    log: str = "",
    colours: Mapping[str, str] | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Several lines over one axis, told apart by colour and, up to 30 points, by marker.

    Args:
        x: the common positions.
        series: from name to values.
        title: what is compared.
        xlabel: quantity and unit.
        ylabel: quantity and unit.
        bands: from a series' name to the low and high end of its spread.
        log: ``"x"``, ``"y"`` or ``"xy"`` for logarithmic axes.
        colours: from a series' name to its colour, where figures side by side should agree.
        ax: axes to draw on.
    """
    figure, ax = axes_for(ax, 6.5, 4)
    for place, (name, values) in enumerate(series.items()):
        colour = (colours or {}).get(name, CYCLE[place % len(CYCLE)])
        marker = MARKERS[place % len(MARKERS)] if len(x) <= 30 else ""
        ax.plot(x, values, color=colour, marker=marker, markersize=5, linewidth=1.8, label=name)
        if bands and name in bands:
            ax.fill_between(x, *bands[name], color=colour, alpha=0.2, linewidth=0)
    if "x" in log:
        ax.set_xscale("log", base=2)
        ax.set_xticks(x, [f"{value:g}" for value in x])
    elif all(float(value).is_integer() for value in x):
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    if "y" in log:
        ax.set_yscale("log")
        low, high = ax.get_ylim()
        if low > 0.01 and high < 10_000 and high < 1000 * low:  # few powers of ten: plain numbers between them, too
            ax.yaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))
            ax.yaxis.set_minor_formatter(LogFormatter(minor_thresholds=(2, 0.5)))
    if len(series) > 1:
        ax.legend(fontsize=9)
    tidy(ax, title, xlabel, ylabel)
    return described(figure, f"{title}: {ylabel} against {xlabel} for {', '.join(series)}.")


def points(
    x: Sequence[float],
    y: Sequence[float],
    *,
    title: str,
    xlabel: str,
    ylabel: str,
    names: Mapping[int, str] | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Two quantities of the same things, a point for each; some of them have a name.

    Args:
        x: the first quantity of each thing.
        y: the second.
        title: what is compared.
        xlabel: the first quantity and its unit.
        ylabel: likewise the second.
        names: from a thing's number to the text beside its point, which is drawn in orange.
        ax: axes to draw on.
    """
    figure, ax = axes_for(ax, 6, 4)
    ax.scatter(x, y, s=22, color=BLUE, alpha=0.6)
    ax.axhline(0, color=GREY, linewidth=1)
    middle = (min(x) + max(x)) / 2
    for number, text in (names or {}).items():
        ax.scatter(x[number], y[number], s=60, color=VERMILLION, marker="D", zorder=3)
        left = x[number] > middle
        ax.annotate(
            text, (x[number], y[number]), xytext=(-9 if left else 9, 0), textcoords="offset points",
            ha="right" if left else "left", va="center", fontsize=9,
        )  # fmt: skip
    tidy(ax, title, xlabel, ylabel)
    return described(figure, f"{title}: {ylabel} against {xlabel}, {len(x)} points.")


def picture_grid(
    pictures: Sequence[Any], titles: Sequence[str] = (), *, columns: int = 0, title: str = "", size: float = 1.9
) -> Figure:
    """Pictures in rows with a line of text above each: steps, crops, patches or neighbours.

    Args:
        pictures: PIL pictures or arrays ``(H, W, 3)``, uint8 or floats from 0 to 1.
        titles: one text per picture.
        columns: pictures in a row; by default all in one row, at most six.
        title: above the whole; also the start of the description.
        size: inches per picture.
    """
    columns = columns or min(6, len(pictures))
    rows = -(-len(pictures) // columns)
    figure = new_figure(columns * size, rows * (size + 0.35) + (0.35 if title else 0))
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for place, ax in enumerate(axes):
        bare(ax, titles[place] if place < len(titles) else "", fontsize=min(10, max(8, 6 * size)))
        if place < len(pictures):
            ax.imshow(as_array(pictures[place]))
    if title:
        figure.suptitle(title)
    told = "; ".join(text.replace("\n", ", ") for text in titles) or f"{len(pictures)} pictures"
    return described(figure, f"{title or 'Pictures'}: {told}.")


def named_rows(picture: Any, names: Sequence[str], *, title: str, width: float = 4.6, ax: Axes | None = None) -> Figure:
    """A picture that is made of rows of equal height, with the name of each row at its left.

    Args:
        picture: a PIL picture or an array ``(H, W, 3)``.
        names: of the rows, from top to bottom.
        title: above the whole; also the start of the description.
        width: of the figure in inches.
        ax: axes to draw on.
    """
    pixels = as_array(picture)
    height, columns = pixels.shape[:2]
    figure, ax = axes_for(ax, width, 0.4 + 0.87 * width * height / columns)
    ax.imshow(pixels)
    row = height / len(names)
    ax.set_yticks([row * (place + 0.5) - 0.5 for place in range(len(names))], list(names))
    ax.set(title=title, xticks=[])
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    return described(figure, f"{title}: rows for {', '.join(names)}.")
