"""Response normalisation across channels: what it leaves of a strong channel and of its neighbours."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import ipywidgets as widgets
import numpy as np
from numpy.typing import NDArray

from alexnet_edu.explorers.widgets import Explorer, menu, scrolling, slider
from alexnet_edu.figures import show
from alexnet_edu.palette import BLUE, INK, SKY, VERMILLION

Values = NDArray[np.float64]

SCALES = (1, 3, 10, 30, 100, 300, 1000)
ALPHAS = (1e-5, 1e-4, 5e-4, 1e-3, 1e-2)
RULES = {"the sum of the squares (paper)": 1, "their mean (code of 2012, PyTorch)": 0}
BETA = 0.75
_WIDTH, _PANEL, _LEFT, _TOP = 640, 120, 54, 30


def responses(channels: int = 16) -> Values:
    """One position of ``(C,)`` channels after ReLU, around 1: one channel is strong, two are silent."""
    values: Values = np.abs(np.random.default_rng(3).normal(0, 0.8, channels)).round(2)
    values[6], values[[2, 12]] = 4.0, 0.0
    return values


def normalised(values: Values, *, size: int, alpha: float, k: float, mean: bool) -> Values:
    """``(C,)`` to the same by section 3.3's formula; ``mean`` divides alpha by ``size``, as the code of 2012 does."""
    reach = size // 2
    squares = np.pad(values**2, reach)
    sums = np.lib.stride_tricks.sliding_window_view(squares, size).sum(1)
    found: Values = values / (k + (alpha / size if mean else alpha) * sums) ** BETA
    return found


def normalisation_svg(before: Values, after: Values) -> str:
    """Each channel before and after, and the factor between the two, as two rows of bars."""
    factors = np.divide(after, before, out=np.full_like(after, np.nan), where=before > 0)
    largest = float(np.nanmax(factors))
    upper = _bars(before / before.max(), SKY, _TOP, 0.84) + _bars(after / after.max(), BLUE, _TOP, 0.5)
    lower = _bars(np.nan_to_num(factors) / largest, VERMILLION, _TOP + _PANEL + 46, 0.84)
    middle = _TOP + _PANEL + 46
    labels = "".join(
        f'<text x="{_x(i, len(before)):.1f}" y="{middle + _PANEL + 16}" text-anchor="middle">{i}</text>'
        for i in range(len(before))
    )
    title = "One position of sixteen channels before and after normalisation"
    told = ", ".join("silent" if np.isnan(one) else f"{one:.2f}" for one in factors)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {middle + _PANEL + 40}" role="img" '
        f'style="max-width:{_WIDTH}px" font-family="sans-serif" font-size="12" fill="{INK}">'
        f"<title>{escape(title)}</title><desc>Factors of channels 0 to {len(before) - 1}: {told}.</desc>"
        f'<rect width="100%" height="100%" fill="white"/>'
        f'<text x="{_LEFT}" y="18" font-size="14">Before (light) and after (dark), each as a share of its '
        "strongest channel</text>"
        f"{_axis(_TOP, 1)}{upper}"
        f'<text x="{_LEFT}" y="{middle - 12}" font-size="14">Factor: after divided by before</text>'
        f"{_axis(middle, largest)}{lower}{labels}"
        f'<text x="{_WIDTH / 2}" y="{middle + _PANEL + 34}" text-anchor="middle">channel</text></svg>'
    )


def _x(channel: int, channels: int) -> float:
    return _LEFT + (channel + 0.5) * (_WIDTH - _LEFT - 10) / channels


def _bars(shares: Values, colour: str, top: float, width: float) -> str:
    """Bars for shares of the panel's height."""
    wide = width * (_WIDTH - _LEFT - 10) / len(shares)
    return "".join(
        f'<rect x="{_x(channel, len(shares)) - wide / 2:.1f}" y="{top + _PANEL * (1 - share):.1f}" '
        f'width="{wide:.1f}" height="{_PANEL * share:.1f}" fill="{colour}"/>'
        for channel, share in enumerate(shares.tolist())
    )


def _axis(top: float, largest: float) -> str:
    """Three lines, at nothing, half and the whole of ``largest``."""
    heights = {mark: top + _PANEL * (1 - mark) for mark in (0, 0.5, 1)}
    lines = "".join(
        f'<line x1="{_LEFT}" x2="{_WIDTH - 10}" y1="{y}" y2="{y}" stroke="#ccc"/>'
        f'<text x="{_LEFT - 6}" y="{y + 4}" text-anchor="end">{mark * largest:.2g}</text>'
        for mark, y in heights.items()
    )
    return f"<g>{lines}</g>"


class NormalisationExplorer(Explorer):
    """Sixteen channels at one position, before and after response normalisation [paper, section 3.3].

    Args:
        scale: how large the strong inputs are, one of ``SCALES``.
        k: the constant in the denominator, 0 to 5; AlexNet's is 2.
    """

    def __init__(self, scale: int = 1, k: int = 2) -> None:
        super().__init__()
        self._values = responses()
        self.scale = _steps("Inputs around", SCALES, scale)
        self.alpha = _steps("alpha", ALPHAS, 1e-4)
        self.k, self.size = slider("k", 5, value=k, minimum=1), slider("n (channels)", 9, value=5, minimum=1, step=2)
        self.rule = menu("alpha multiplies", list(RULES), next(iter(RULES)))
        self.drawing = widgets.HTML(layout=widgets.Layout(width="100%", max_width=f"{_WIDTH}px"))
        controls = [self.scale, self.alpha, self.k, self.size, self.rule]
        for control in controls:
            self.on_change(control, self._update)
        self.arrange(controls, [self.drawing])
        self.attempt(self._update)

    def _state(self) -> Mapping[str, object]:
        return {"scale": self.scale.value, "alpha": self.alpha.value, "k": self.k.value, "n": self.size.value}

    def values(self) -> tuple[Values, Values]:
        """``(C,)`` before and after."""
        before = self._values * self.scale.value
        mean = not RULES[self.rule.value]
        chosen = {"size": self.size.value, "alpha": self.alpha.value, "k": self.k.value}
        return before, normalised(before, mean=mean, **chosen)

    def still(self) -> str:
        return f"{show(normalisation_svg(*self.values())).html}{self.message.value}"

    def _update(self) -> None:
        before, after = self.values()
        self.drawing.value = scrolling(normalisation_svg(before, after), "Channels before and after normalisation")
        some = before > 0
        factors = after[some] / before[some]
        alone = self.k.value**-BETA
        self.say(
            f"The factor runs from <b>{factors.min():.2f}</b> to <b>{factors.max():.2f}</b>. Without any neighbour it "
            f"would be {self.k.value}<sup>−0.75</sup> = {alone:.2f}, for all channels alike."
        )


def _steps(description: str, options: tuple[float, ...], value: float) -> Any:
    """A slider over a few values."""
    return widgets.SelectionSlider(
        options=[(f"{one:g}", one) for one in options], value=value, description=description,
        style={"description_width": "9em"}, layout=widgets.Layout(width="auto", min_width="0", max_width="440px"),
    )  # fmt: skip
