"""Dropout: which units a draw switches off, and what is done to the others to make up for them."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from itertools import pairwise

import ipywidgets as widgets
import numpy as np
from numpy.typing import NDArray

from alexnet_edu.explorers.widgets import Explorer, control_layout, menu, scrolling, slider
from alexnet_edu.figures import show
from alexnet_edu.palette import BLUE, GREY, INK

Mask = NDArray[np.bool_]

LAYERS = {"pool5": 8, "fc6": 10, "fc7": 10, "fc8": 4}  # units drawn; dropout is on fc6 and fc7
DROPPED = ("fc6", "fc7")
_WIDTH, _HEIGHT, _LEFT, _TOP = 640, 330, 70, 34


def draw_masks(p: float, seed: int) -> dict[str, Mask]:
    """Which units stay, for each layer with dropout."""
    chance = np.random.default_rng(seed)
    return {name: chance.random(LAYERS[name]) >= p for name in DROPPED}


def dropout_svg(masks: Mapping[str, Mask], title: str) -> str:
    """The fully connected layers in small: units that are off are hollow, and no line leads to or from them."""
    kept = {name: masks.get(name, np.ones(count, bool)) for name, count in LAYERS.items()}
    places = {name: _row(i, count) for i, (name, count) in enumerate(LAYERS.items())}
    names = list(LAYERS)
    lines = "".join(
        f'<line x1="{x1:.0f}" y1="{y1:.0f}" x2="{x2:.0f}" y2="{y2:.0f}"/>'
        for above, below in pairwise(names)
        for (x1, y1), on in zip(places[above], kept[above], strict=True)
        for (x2, y2), also in zip(places[below], kept[below], strict=True)
        if on and also
    )
    units = "".join(
        _unit(x, y, on=bool(on)) for name in names for (x, y), on in zip(places[name], kept[name], strict=True)
    )
    labels = "".join(f'<text x="10" y="{places[name][0][1] + 4:.0f}">{name}</text>' for name in names)
    told = "; ".join(f"{name}: {int(kept[name].sum())} of {len(kept[name])} units on" for name in names)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'style="max-width:{_WIDTH}px" font-family="sans-serif" font-size="13" fill="{INK}">'
        f"<title>{escape(title)}</title><desc>{told}.</desc>"
        f'<rect width="100%" height="100%" fill="white"/><text x="10" y="18" font-size="14">{escape(title)}</text>'
        f'<g stroke="{BLUE}" stroke-opacity="0.35">{lines}</g>{units}{labels}</svg>'
    )


def _row(layer: int, count: int) -> list[tuple[float, float]]:
    y = _TOP + 20 + layer * (_HEIGHT - _TOP - 40) / (len(LAYERS) - 1)
    step = (_WIDTH - _LEFT - 20) / max(LAYERS.values())
    middle = _LEFT + (_WIDTH - _LEFT - 20) / 2
    return [(middle + (i - (count - 1) / 2) * step, y) for i in range(count)]


def _unit(x: float, y: float, *, on: bool) -> str:
    if on:
        return f'<circle cx="{x:.0f}" cy="{y:.0f}" r="12" fill="{BLUE}"/>'
    cross = f'<path d="M{x - 6:.0f} {y - 6:.0f}l12 12m0 -12l-12 12" stroke="{GREY}"/>'
    return f'<circle cx="{x:.0f}" cy="{y:.0f}" r="12" fill="white" stroke="{GREY}" stroke-dasharray="3"/>{cross}'


class DropoutExplorer(Explorer):
    """The fully connected layers while dropout draws: another network at each draw, and what the rule does about it.

    Args:
        seed: of the first draw.
    """

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self._seed, self._first = seed, seed
        self.share = slider("Dropped, p (%)", 90, value=50, step=10)
        self.when = menu("While", ["training", "testing"], "training")
        self.rule = menu("Rule", ["2012", "today"], "2012")
        self.again = widgets.Button(description="Draw again", layout=control_layout("200px"))
        self.drawing = widgets.HTML(layout=widgets.Layout(width="100%", max_width=f"{_WIDTH}px"))
        for control in (self.share, self.when, self.rule):
            self.on_change(control, self._update)
        self.again.on_click(lambda _: self.attempt(self._draw_again))
        self.arrange([self.share, self.when, self.rule, self.again], [self.drawing])
        self.attempt(self._update)

    def _state(self) -> Mapping[str, object]:
        chosen = {"percent": self.share.value, "while": self.when.value, "rule": self.rule.value}
        return {**chosen, "draw": self._seed - self._first + 1}

    def masks(self, seed: int | None = None) -> dict[str, Mask]:
        """The units that stay, by layer; in testing all of them."""
        p = self.share.value / 100 if self.when.value == "training" else 0.0
        return draw_masks(p, self._seed if seed is None else seed)

    def factor(self) -> float:
        """What the units that stay are multiplied by."""
        stay = 1 - self.share.value / 100
        if self.rule.value == "2012":
            return stay if self.when.value == "testing" else 1.0
        return 1 / stay if self.when.value == "training" else 1.0

    def mean(self, seed: int | None = None) -> float:
        """The mean output of all units with dropout, each of which would give 1 without it."""
        return float(np.concatenate([*self.masks(seed).values()]).mean()) * self.factor()

    def still(self) -> str:
        return f"{show(self._svg()).html}{self.message.value}"

    def _svg(self) -> str:
        return dropout_svg(self.masks(), f"While {self.when.value}, by the rule of {self.rule.value}")

    def _draw_again(self) -> None:
        self._seed += 1
        self._update()

    def _update(self) -> None:
        self.drawing.value = scrolling(self._svg(), "The fully connected layers with dropout")
        self.again.disabled = self.when.value == "testing"
        count = sum(len(mask) for mask in self.masks().values())
        told = f"Were every unit to give 1, the {count} of fc6 and fc7 would give <b>{self.mean():.2f}</b> on average"
        if self.again.disabled:
            self.say(f"{told}. All stay, multiplied by {self.factor():.3g}; nothing is drawn.")
            return
        draws = range(self._first, self._seed + 1)
        average = np.mean([self.mean(seed) for seed in draws])
        self.say(
            f"{told} in this draw, and {average:.2f} over {len(draws)} {'draws' if len(draws) > 1 else 'draw'}. Units "
            f"that stay are multiplied by {self.factor():.3g}. So many networks can be drawn: 2<sup>{count}</sup> = "
            f"{2**count:,}."
        )
