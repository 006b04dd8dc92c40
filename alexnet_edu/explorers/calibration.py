"""How far a network's confidence can be trusted, and what a temperature does to it."""

from __future__ import annotations

from collections.abc import Mapping

import ipywidgets as widgets
import torch
from torch import Tensor

from alexnet_edu.errors import AlexNetError
from alexnet_edu.explorers.widgets import Explorer, control_layout, draw, image_view
from alexnet_edu.figures import reliability
from alexnet_edu.figures.showing import rendered


class ReliabilityExplorer(Explorer):
    """The reliability diagram of a network's answers, with a slider for the temperature that divides its scores.

    Args:
        scores: of labelled pictures, before softmax, ``(N, classes)``.
        truth: the number of each picture's right class, ``(N,)``.
        title: of which network, on which pictures.

    Raises:
        AlexNetError: there are no pictures, or not one class for each.
    """

    def __init__(self, scores: Tensor, truth: Tensor, title: str = "Reliability") -> None:
        super().__init__()
        if scores.ndim != 2 or not len(scores) or truth.shape != scores.shape[:1]:
            raise AlexNetError(
                f"Scores (N, classes) and a class for each picture (N,) are wanted, not {tuple(scores.shape)} and "
                f"{tuple(truth.shape)}."
            )
        self._scores, self._truth, self._title = scores.detach().float().cpu(), truth.cpu(), title
        self.temperature = widgets.FloatSlider(
            value=1.0, min=0.2, max=3.0, step=0.05, readout_format=".2f", description="Temperature T",
            style={"description_width": "9em"}, layout=control_layout(),
        )  # fmt: skip
        self.image = image_view(540, sharp=False)
        self.on_change(self.temperature, self._update)
        self.arrange([self.temperature], [self.image])
        self.attempt(self._update)

    def _state(self) -> Mapping[str, object]:
        return {"pictures": len(self._scores), "temperature": round(self.temperature.value, 2)}

    def _update(self) -> None:
        temperature = self.temperature.value
        scores = self._scores / temperature
        confidence, label = scores.softmax(1).max(1)
        right = label == self._truth
        figure = reliability(confidence, right, title=f"{self._title}, T = {temperature:.2f}")
        draw(self.image, rendered(figure), str(figure.get_label()))
        gap = float(confidence.mean() - right.float().mean())
        verdict = "too sure" if gap > 0.02 else "too modest" if gap < -0.02 else "as sure as it is right"
        loss = float(torch.nn.functional.cross_entropy(scores, self._truth))
        self.say(
            f"<b>T = {temperature:.2f}</b>: mean confidence {confidence.mean():.2f}, right {right.float().mean():.2f}: "
            f"on the whole <b>{verdict}</b>. Log loss {loss:.3f} nats. The labels stay the same for every T."
        )
