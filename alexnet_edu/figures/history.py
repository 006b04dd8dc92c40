"""The ImageNet challenge over the years."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator

from alexnet_edu.figures.parts import axes_for, described, new_figure, tidy
from alexnet_edu.palette import BLUE, GREEN, GREY, SKY, VERMILLION

__all__ = ["error_budget", "growth", "ilsvrc_history"]


def ilsvrc_history(results: Sequence[Mapping[str, Any]], *, ax: Axes | None = None) -> Figure:
    """Top-5 errors of the ImageNet challenge over the years, from data.

    Args:
        results: one mapping an entry with ``year``, ``team``, ``error`` (top-5, in %), ``kind`` (``"deep"`` or
            ``"other"``) and, if it is to be named, ``named`` (true).
        ax: axes to draw on.
    """
    figure, ax = axes_for(ax, 8, 4)
    looks = {"other": ("hand-made features", GREY, "s"), "deep": ("deep network", VERMILLION, "o")}
    for kind, (label, colour, marker) in looks.items():
        entries = [entry for entry in results if entry["kind"] == kind]
        x, y = [entry["year"] for entry in entries], [entry["error"] for entry in entries]
        ax.scatter(x, y, color=colour, marker=marker, s=48, label=label, zorder=3)
    best = {
        year: min(e["error"] for e in results if e["year"] == year) for year in sorted({e["year"] for e in results})
    }
    ax.plot(list(best), list(best.values()), color="black", linewidth=1, zorder=2, label="best of the year")
    named = [entry for entry in results if entry.get("named", entry["error"] == best[entry["year"]])]
    ceiling: dict[int, float] = {}
    for entry in sorted(named, key=lambda entry: entry["error"]):
        year, error = int(entry["year"]), float(entry["error"])
        up = max(error + (0.4 if year % 2 else 1.4), ceiling.get(year, 0.0))  # labels of one year do not overlap
        crowded = any(e["year"] == year + 1 and abs(e["error"] - up) < 1 for e in results)  # no room to the right
        left, low, ha, va = (-0.12, error - 0.6, "right", "top") if crowded else (0.12, up, "left", "baseline")
        ax.text(year + left, low, f"{entry['team']} {error:.1f}", fontsize=9, ha=ha, va=va)
        ceiling[year] = up + 1.6
    ax.set_ylim(0, None)
    ax.set_xlim(min(best) - 0.3, max(best) + 1)
    ax.set_xticks(list(best))
    ax.legend(fontsize=9)
    tidy(ax, "ImageNet challenge, classification", xlabel="year", ylabel="top-5 error on the test set (%)")
    drops = ", ".join(f"{year}: {error:.1f}" for year, error in best.items())
    return described(figure, f"Top-5 test error of the ImageNet challenge by year; the best entries in %: {drops}.")


def growth(pictures: Sequence[Mapping[str, Any]], machines: Sequence[Mapping[str, Any]]) -> Figure:
    """Labelled pictures to learn from, and arithmetic of one processor, over the years on logarithmic scales.

    Args:
        pictures: one mapping a collection with ``year``, ``name`` and ``value`` (how many pictures).
        machines: one mapping a processor with ``year``, ``name`` and ``value`` (FLOP/s, multiplications and additions).
    """
    figure = new_figure(8.6, 3.8)
    halves = (
        (pictures, BLUE, "o", "Labelled images to learn from", "images"),
        (machines, VERMILLION, "s", "Arithmetic of one processor", "FLOP/s at most"),
    )
    for ax, (entries, colour, marker, title, unit) in zip(figure.subplots(1, 2), halves, strict=True):
        years, values = [entry["year"] for entry in entries], [entry["value"] for entry in entries]
        ax.plot(years, values, marker, color=colour, markersize=8)
        for place, entry in enumerate(entries):  # names right and left in turn, so that neighbours do not meet
            left = place % 2 or entry["year"] >= 2010
            beside, side = ((-7, -3), "right") if left else ((7, -3), "left")
            at = (entry["year"], entry["value"])
            ax.annotate(entry["name"], at, beside, textcoords="offset points", ha=side, fontsize=8)
        ax.axvline(2012, color=GREY, linestyle=":")
        ax.set(yscale="log", xlim=(1995, 2014), ylim=(min(values) / 3, max(values) * 4))
        ax.xaxis.set_major_locator(MultipleLocator(4))
        tidy(ax, title, xlabel="year (dotted: 2012)", ylabel=f"{unit}, logarithmic")
    ends = "; ".join(f"{entries[0]['name']} to {entries[-1]['name']}" for entries, *_ in halves)
    return described(figure, f"Labelled images and arithmetic of one processor over the years, logarithmic: {ends}.")


def error_budget(
    totals: Sequence[tuple[str, float]], *, title: str, xlabel: str = "top-5 error (%)", ax: Axes | None = None
) -> Figure:
    """From one error to the next as a waterfall: the first and last as bars, what each step takes off between them.

    Args:
        totals: names and errors in %, falling: where it starts, and what is reached after each step.
        title: of the figure.
        xlabel: the quantity and its unit.
        ax: axes to draw on.
    """
    figure, ax = axes_for(ax, 8.5, 1.3 + 0.5 * (len(totals) + 1))
    names = [name for name, _ in totals]
    errors = [error for _, error in totals]
    rows = [(names[0], 0.0, errors[0], GREY, f"{errors[0]:.1f}")]
    colours = (VERMILLION, SKY, GREEN)
    for place, (name, before, after) in enumerate(zip(names[1:], errors, errors[1:], strict=False)):
        rows.append((name, after, before - after, colours[place % 3], f"{before - after:.1f} less: {after:.1f}"))
    rows.append(("what was left", 0.0, errors[-1], BLUE, f"{errors[-1]:.1f}"))
    for y, (_, left, width, colour, text) in enumerate(rows):
        ax.barh(y, width, left=left, color=colour)
        ax.annotate(text, (left + width, y), (4, 0), textcoords="offset points", va="center", fontsize=10)
    for y, error in enumerate(errors):
        ax.plot([error, error], [y - 0.4, y + 1.4], color=GREY, linewidth=0.8, linestyle=":")
    ax.set_yticks(range(len(rows)), [name for name, *_ in rows])
    ax.invert_yaxis()
    ax.set_xlim(0, errors[0] * 1.15)
    tidy(ax, title, xlabel=xlabel)
    ax.grid(axis="y", visible=False)
    steps = "; ".join(f"{name}: {error:.1f}" for name, error in totals)
    return described(figure, f"{title}, a waterfall: {steps}.")
