"""What several processes do at the same time, and when they send each other something."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from alexnet_edu.figures.parts import axes_for, described, tidy
from alexnet_edu.palette import BLUE, GREEN, GREY, VERMILLION

__all__ = ["Span", "step_timeline"]

Span = tuple[str, float, float]  # what, from, to, in milliseconds

COLOURS = {"forward": BLUE, "backward": GREEN, "update": GREY, "sending": VERMILLION}


def step_timeline(lanes: Mapping[str, Sequence[Span]], *, title: str, ax: Axes | None = None) -> Figure:
    """A lane for each process: what it computes as wide bars, what it sends or waits for as narrow ones on top.

    Args:
        lanes: from a process's name to its spans: "forward", "backward", "update" or "sending", from and to in ms.
        title: what is shown.
        ax: axes to draw on.
    """
    figure, ax = axes_for(ax, 8, 1.4 + 0.55 * len(lanes))
    for row, spans in enumerate(lanes.values()):
        for what, start, end in spans:
            height, alpha, line = (0.36, 1.0, 0.5) if what == "sending" else (0.8, 0.55, 0.0)
            ax.barh(
                row, end - start, height, start, color=COLOURS[what], alpha=alpha, edgecolor="white", linewidth=line
            )
    ax.set_yticks(range(len(lanes)), list(lanes))
    ax.invert_yaxis()
    tidy(ax, title, xlabel="ms since the step began")
    ax.grid(axis="y", visible=False)
    handles = [Patch(color=colour, alpha=1 if what == "sending" else 0.55) for what, colour in COLOURS.items()]
    names = ["forward", "backward", "update", "sending or waiting"]
    figure.legend(handles, names, loc="outside lower center", ncols=4, frameon=False)
    shares = {
        name: sum(end - start for what, start, end in spans if what == "sending") / max(end for _, _, end in spans)
        for name, spans in lanes.items()
    }
    said = "; ".join(f"{name}: {100 * share:.0f} % of the step" for name, share in shares.items())
    return described(figure, f"What each process does during a step. Time in which it sends or waits: {said}.")
