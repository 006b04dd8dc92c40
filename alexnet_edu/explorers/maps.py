"""What every layer makes of a picture."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from alexnet_edu import tiles
from alexnet_edu.explorers.pictures import PictureMenu
from alexnet_edu.explorers.widgets import (
    Explorer,
    draw,
    field_of,
    fit_slider,
    image_view,
    legend,
    menu,
    slider,
)
from alexnet_edu.features import feature_maps
from alexnet_edu.geometry import layer_table, receptive_field_box
from alexnet_edu.inference import default_pretrained
from alexnet_edu.palette import by
from alexnet_edu.weights import Pretrained

_REMEMBERED_PICTURES = 8


@dataclass(frozen=True, eq=False)
class SeenPicture:
    """A picture as the network sees it, and what its layers make of it: ``(C, H, W)`` by layer."""

    crop: Image.Image
    maps: dict[str, NDArray[np.float32]]

    @cached_property
    def scales(self) -> dict[str, tuple[bool, tuple[float, float]]]:
        """For each layer whether it has values below zero, and the scale that all its maps share."""
        signed = {name: bool(maps.min() < 0) for name, maps in self.maps.items()}
        return {name: (signed[name], tiles.shared_range(maps, signed=signed[name])) for name, maps in self.maps.items()}


class FeatureMapExplorer(Explorer):
    """What every layer makes of a picture: all maps on one scale, and one map over the picture.

    The framed square on the picture is what the chosen unit sees, its receptive field. A new layer or map begins at
    its strongest unit.

    Args:
        pretrained: from ``load_pretrained``; by default what ``load_pretrained("auto")`` gives.
        pictures: by name, in any form that ``load_image`` takes; by default the bundled samples.
    """

    def __init__(self, pretrained: Pretrained | None = None, pictures: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self.pretrained = pretrained or default_pretrained()
        spec = self.pretrained.model.spec
        self._table = layer_table(spec, self.pretrained.preprocess.size)
        self._layers = [row.name for row in self._table if len(row.output_shape) == 3]
        self._cache: OrderedDict[int, tuple[Any, SeenPicture]] = OrderedDict()
        choices = [name for name in self._layers if not name.startswith("relu")]
        self.pictures = PictureMenu(self, pictures, self._new_picture)
        self.picture, self.upload = self.pictures.menu, self.pictures.upload
        self.layer = menu("Layer", choices, choices[0])
        self.after_relu = menu("Values", [("before ReLU", False), ("after ReLU", True)], True)
        self.channel, self.row, self.column = slider("Map", 1), slider("Unit's row", 1), slider("Unit's column", 1)
        self.grid, self.detail = image_view(600, sharp=True), image_view(360, sharp=False)
        self.on_change(self.layer, self._new_layer)
        self.on_change(self.after_relu, self._new_layer)
        self.on_change(self.channel, self._new_map)
        for control in (self.row, self.column):
            self.on_change(control, self._update_unit)
        controls = [self.picture, self.upload, self.layer, self.after_relu, self.channel, self.row, self.column]
        self.arrange(controls, [self.grid, self.detail])
        self.attempt(self._new_picture)

    def _state(self) -> Mapping[str, object]:
        chosen = {"picture": self.picture.value, "layer": self.shown_layer(), "channel": self.channel.value}
        return {"weights": self.pretrained.name, **chosen}

    def shown_layer(self) -> str:
        """The layer whose maps are shown: a convolution's own or its ReLU's."""
        relu = self.layer.value.replace("conv", "relu")
        return relu if self.after_relu.value and relu in self._layers else str(self.layer.value)

    def maps(self) -> NDArray[np.float32]:
        """The maps that are shown, ``(C, H, W)``."""
        return self._seen().maps[self.shown_layer()]

    def _seen(self) -> SeenPicture:
        """The chosen picture's activations, computed once and kept for the last few pictures."""
        source = self.pictures.source()
        key = id(source)  # the source is kept beside its result, so no other object gets its id
        if key not in self._cache:
            crop = self.pretrained.preprocess.crop(source)
            found = feature_maps(self.pretrained, self.pretrained.preprocess.batch([crop]), self._layers)
            maps = {name: value[0].float().cpu().numpy() for name, value in found.items()}
            self._cache[key] = source, SeenPicture(crop, maps)
        self._cache.move_to_end(key)
        while len(self._cache) > _REMEMBERED_PICTURES:
            self._cache.popitem(last=False)
        return self._cache[key][1]

    def _new_picture(self) -> None:
        self._seen()  # a bad picture fails here, before anything changes
        self._new_layer()

    def _new_layer(self) -> None:
        self.after_relu.disabled = self.layer.value.replace("conv", "relu") not in self._layers or (
            not self.layer.value.startswith("conv")
        )
        count = len(self.maps())
        fit_slider(self.channel, count - 1, min(self.channel.value, count - 1))
        self._new_map()

    def _new_map(self) -> None:
        one = self.maps()[self.channel.value]
        row, column = divmod(int(one.argmax()), one.shape[1])
        fit_slider(self.row, one.shape[0] - 1, row)
        fit_slider(self.column, one.shape[1] - 1, column)
        self._update_grid()
        self._update_unit()

    def _update_grid(self) -> None:
        maps, layer = self.maps(), self.shown_layer()
        signed, limits = self._seen().scales[layer]
        text = f"{layer}: {len(maps)} maps of {by(*maps.shape[1:])}"
        picture = tiles.tile_maps(maps, signed=signed, limits=limits, marked=self.channel.value, width=600)
        draw(self.grid, picture, f"{text} for {self.picture.value}")

    def _update_unit(self) -> None:
        maps, layer, seen = self.maps(), self.shown_layer(), self._seen()
        signed, limits = seen.scales[layer]
        channel, row, column = self.channel.value, self.row.value, self.column.value
        one, dead = maps[channel], int(tiles.dead_maps(maps).sum())
        own = tiles.shared_range(one, signed=signed)
        info, size = self._table[layer], self.pretrained.preprocess.size
        box = receptive_field_box(self.pretrained.model.spec, layer, row, column, size)
        place = {"start": 0.0, "jump": size / maps.shape[1]}  # where a layer sees everything, its map covers everything
        if info.start is not None and info.jump is not None and info.receptive_field is not None:
            place = {"start": info.start + info.receptive_field / 2, "jump": float(info.jump)}
        over = tiles.overlay(np.asarray(seen.crop), one, limits=own, signed=signed, box=box, **place)
        draw(self.detail, over, f"{layer}, map {channel}, over {self.picture.value}")
        self.say(
            f"<b>Grid</b>: {layer}, {len(maps)} maps of {by(*maps.shape[1:])}, all on the scale "
            f"{legend(limits, signed)}; {dead} of them are zero everywhere (crossed out). "
            f"<b>Close-up</b>: map {channel} over what the network saw, on its own scale {legend(own, signed)}; "
            f"the framed unit, row {row}, column {column}, has the value {float(one[row, column]):.3g} and sees "
            f"{field_of(info)}."
        )
