"""Figures of the claims lab: how runs scatter, and what their intervals say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from alexnet_edu.figures.parts import axes_for, described, tidy
from alexnet_edu.palette import BLUE, GREY, ORANGE, VERMILLION

__all__ = ["effects", "scatter"]

# A verdict's colour; what is undecided stands back.
_COLOURS = {"agrees": BLUE, "helps": BLUE, "contradicts": VERMILLION, "harms": VERMILLION}


def scatter(values: Mapping[str, Sequence[float]], *, title: str, xlabel: str, ax: Axes | None = None) -> Figure:
    """Every run a dot, every name a row; a line at the mean of each.

    Args:
        values: from name to the values of its runs, drawn from top to bottom.
        title: what is compared.
        xlabel: the quantity and its unit.
        ax: axes to draw on.
    """
    figure, ax = axes_for(ax, 7, 1.3 + 0.4 * len(values))
    for row, runs in enumerate(values.values()):
        ax.plot(runs, [row] * len(runs), "o", color=BLUE, alpha=0.5)
        ax.plot([fmean(runs)] * 2, [row - 0.3, row + 0.3], color=VERMILLION, linewidth=2)
    ax.set_yticks(range(len(values)), list(values))
    ax.set_ylim(len(values) - 0.5, -0.5)
    tidy(ax, title, xlabel=f"{xlabel}; line: the mean")
    told = (f"{name} {min(runs):.1f} to {max(runs):.1f}, mean {fmean(runs):.1f}" for name, runs in values.items())
    return described(figure, f"{title}: {xlabel}, a dot for each run. {'; '.join(told)}.")


def effects(
    rows: Mapping[str, tuple[float, float, float]],
    *,
    title: str,
    xlabel: str,
    verdicts: Mapping[str, str] | None = None,
    marks: Mapping[str, float] | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Means with their intervals around a line at 0.

    Args:
        rows: from name to low end, mean and high end, drawn from top to bottom.
        title: what is compared.
        xlabel: the quantity and its unit.
        verdicts: from name to a word that is written at the right and decides the colour.
        marks: from name to a value from elsewhere, such as the paper's, drawn as a diamond.
        ax: axes to draw on.
    """
    figure, ax = axes_for(ax, 7.5, 1.3 + 0.33 * len(rows))
    verdicts, marks = verdicts or {}, marks or {}
    for row, (name, (low, mean, high)) in enumerate(rows.items()):
        colour = _COLOURS.get(verdicts.get(name, ""), GREY)
        ax.plot([low, high], [row, row], color=colour, linewidth=2, marker="|")
        ax.plot([mean], [row], "o", color=colour)
        if name in marks:
            ax.plot([marks[name]], [row], "D", color=ORANGE, markeredgecolor="black", zorder=3)
        ax.annotate(verdicts.get(name, ""), (1.01, row), xycoords=("axes fraction", "data"), va="center", fontsize=9)
    ax.axvline(0, color="black", linewidth=1)
    ax.set_yticks(range(len(rows)), list(rows))
    ax.set_ylim(len(rows) - 0.5, -0.5)
    tidy(ax, title, xlabel=xlabel)
    told = (f"{name} {low:.1f} to {high:.1f} {verdicts.get(name, '')}".strip() for name, (low, _, high) in rows.items())
    return described(figure, f"{title}: intervals of {xlabel} beside a line at 0. {'; '.join(told)}.")
