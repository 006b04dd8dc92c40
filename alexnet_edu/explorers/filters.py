"""The filters of every convolution."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from alexnet_edu import tiles
from alexnet_edu.explorers.widgets import Explorer, draw, fit_slider, image_view, menu, offer, slider
from alexnet_edu.features import filters
from alexnet_edu.inference import default_pretrained
from alexnet_edu.palette import by
from alexnet_edu.specs import Conv
from alexnet_edu.weights import Pretrained

# Menus send the number of the chosen line. Only RGB filters have colours: at the end, they leave the others' numbers
# alone, and a choice that overtakes a change of the layer still means what the reader saw.
_VIEW_NAMES = {
    "strongest": "strongest connection",
    "pca": "three main directions (PCA)",
    "spectrum": "frequencies",
    "colour": "colours, one scale for all",
    "colour-each": "colours, each filter its own scale",
}


class FilterExplorer(Explorer):
    """The filters of every convolution in several views, and all input channels of the chosen filter.

    It begins at conv1's strongest filter; a click on a filter chooses it.

    Args:
        pretrained: from ``load_pretrained``; by default what ``load_pretrained("auto")`` gives.
    """

    def __init__(self, pretrained: Pretrained | None = None) -> None:
        super().__init__()
        self.pretrained = pretrained or default_pretrained()
        self._weights: dict[str, NDArray[np.float32]] = {}
        self._views: dict[tuple[str, str], tiles.FilterView] = {}
        layers = [each.name for each in self.pretrained.model.spec.layers if isinstance(each, Conv)]
        self.layer = menu("Layer", layers, layers[0])
        self.view = menu("View", [(text, name) for name, text in _VIEW_NAMES.items()], "colour")
        lengths = np.linalg.norm(self.weights().reshape(len(self.weights()), -1), axis=1)
        self.channel = slider("Filter", len(lengths) - 1, value=int(lengths.argmax()))
        self.grid, self.detail = image_view(560, sharp=True), image_view(360, sharp=True)
        self.tiles = self.touchable(self.grid, self._pick)
        self.on_change(self.layer, self._new_layer)
        self.on_change(self.view, self._update)
        self.on_change(self.channel, self._update)
        self.arrange([self.layer, self.view, self.channel], [self.tiles, self.detail])
        self.attempt(self._new_layer)

    def _state(self) -> Mapping[str, object]:
        chosen = {"layer": self.layer.value, "view": self.view.value, "channel": self.channel.value}
        return {"weights": self.pretrained.name, **chosen}

    def weights(self) -> NDArray[np.float32]:
        """The chosen layer's filters, ``(O, I, kH, kW)``."""
        layer = self.layer.value
        if layer not in self._weights:
            self._weights[layer] = filters(self.pretrained, layer).float().cpu().numpy()
        return self._weights[layer]

    def _new_layer(self) -> None:
        weights, before = self.weights(), self.view.value
        views = [name for name in _VIEW_NAMES if "colour" not in name or weights.shape[1] == 3]
        offer(self.view, [(_VIEW_NAMES[name], name) for name in views], before if before in views else views[0])
        fit_slider(self.channel, len(weights) - 1, min(self.channel.value, len(weights) - 1))
        columns = tiles.Grid(len(weights), (1, 1)).columns
        self.tiles.lay(-(-len(weights) // columns), columns, len(weights))
        self._update()

    def _pick(self, tile: int) -> None:
        """A click on a filter chooses it."""
        self.channel.value = tile
        self._update()

    def _view(self) -> tiles.FilterView:
        key = (self.layer.value, self.view.value)
        if key not in self._views:
            groups = self.pretrained.model.spec[key[0]].groups  # type: ignore[attr-defined]
            view, _, each = key[1].partition("-")
            self._views[key] = tiles.filter_view(self.weights(), view, groups=groups, shared=not each)
        return self._views[key]

    def _update(self) -> None:
        weights, view, channel = self.weights(), self._view(), self.channel.value
        one = tiles.filter_view(weights, "channels", channel=channel)
        name = f"{self.layer.value}, {len(weights)} filters of {by(*weights.shape[2:], weights.shape[1])}"
        draw(self.grid, view.picture(marked=channel, width=420), f"{name}: {view.how}")
        draw(self.detail, one.picture(width=300), f"{self.layer.value}: {one.how}")
        self.say(
            f"<b>Filters</b>: {name}; {view.how}. Click on one. <b>Close-up</b>: {one.how}. "
            f"Length (Euclidean norm) of filter {channel}: {float(np.linalg.norm(weights[channel])):.3g}."
        )
