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
_STRONGEST = 16
_FIELDS = 14  # to a side of the close-up: fine enough for a finger


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

    A click on a map chooses it, a click on the picture the unit there. The framed square on the picture is what the
    chosen unit sees, its receptive field. A map begins at its strongest unit, and a layer at its strongest map until
    the reader chooses one.

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
        self.shown = menu("Show", [(f"the {_STRONGEST} strongest maps", True), ("all maps", False)], True)
        self.shared = menu("Scale", [("one for all maps", True), ("each map its own", False)], False)
        self.channel, self.row, self.column = slider("Map", 1), slider("Unit's row", 1), slider("Unit's column", 1)
        self.grid, self.detail = image_view(600, sharp=True), image_view(360, sharp=False)
        self.tiles, self.photo = self.touchable(self.grid, self._pick_map), self.touchable(self.detail, self._pick_unit)
        self.photo.lay(_FIELDS, _FIELDS)
        self._chosen = False  # whether the reader has chosen a map
        self.on_change(self.layer, self._new_layer)
        self.on_change(self.after_relu, self._new_layer)
        for choice in (self.shown, self.shared):
            self.on_change(choice, self._new_grid)
        self.on_change(self.channel, self._choose_map)
        for control in (self.row, self.column):
            self.on_change(control, self._update_unit)
        menus = [self.picture, self.upload, self.layer, self.after_relu, self.shown, self.shared]
        self.arrange([*menus, self.channel, self.row, self.column], [self.tiles, self.photo])
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
        last = len(self.maps()) - 1
        strongest = tiles.strongest_maps(self.maps(), 1)[0]
        fit_slider(self.channel, last, min(self.channel.value, last) if self._chosen else strongest)
        self._new_map()

    def _choose_map(self) -> None:
        self._chosen = True
        self._new_map()

    def _pick_map(self, tile: int) -> None:
        """A click on a map chooses it."""
        self.channel.value = self._numbers()[tile]
        self._choose_map()

    def _pick_unit(self, field: int) -> None:
        """A click on the picture chooses the unit whose receptive field has its centre nearest."""
        rows, columns = self.maps().shape[1:]
        start, jump = self._place()
        size = self.pretrained.preprocess.size
        y, x = ((place + 0.5) * size / _FIELDS for place in divmod(field, _FIELDS))
        self.row.value, self.column.value = (
            min(max(round((at - start) / jump), 0), count - 1) for at, count in ((y, rows), (x, columns))
        )
        self._update_unit()

    def _new_map(self) -> None:
        one = self.maps()[self.channel.value]
        row, column = divmod(int(one.argmax()), one.shape[1])
        fit_slider(self.row, one.shape[0] - 1, row)
        fit_slider(self.column, one.shape[1] - 1, column)
        self._new_grid()

    def _new_grid(self) -> None:
        self._update_grid()
        self._update_unit()

    def _numbers(self) -> list[int]:
        """The maps of the grid, in its order."""
        maps = self.maps()
        return tiles.strongest_maps(maps, _STRONGEST) if self.shown.value else list(range(len(maps)))

    def _update_grid(self) -> None:
        maps, layer, numbers = self.maps(), self.shown_layer(), self._numbers()
        signed, limits = self._seen().scales[layer]
        values = maps[numbers]
        if not self.shared.value:
            values, limits = tiles.own_scales(values), (-1.0 if signed else 0.0, 1.0)
        marked = numbers.index(self.channel.value) if self.channel.value in numbers else None
        labels = [str(number) for number in numbers] if self.shown.value else None
        picture = tiles.tile_maps(values, signed=signed, limits=limits, marked=marked, labels=labels, width=600)
        draw(self.grid, picture, f"{layer}: {self._named()} for {self.picture.value}")
        columns = tiles.Grid(len(numbers), maps.shape[1:]).columns
        self.tiles.lay(-(-len(numbers) // columns), columns, len(numbers))

    def _named(self) -> str:
        """Which maps the grid shows, in words."""
        maps = self.maps()
        some = f"the {len(self._numbers())} strongest of " if self.shown.value else ""
        return f"{some}{len(maps)} maps of {by(*maps.shape[1:])}"

    def _place(self) -> tuple[float, float]:
        """Where the first unit's centre lies in the picture, and the distance to the next, in pixels."""
        info, size = self._table[self.shown_layer()], self.pretrained.preprocess.size
        if info.start is None or info.jump is None or info.receptive_field is None:
            return 0.0, size / self.maps().shape[1]  # where a layer sees everything, its map covers everything
        return info.start + info.receptive_field / 2, float(info.jump)

    def _update_unit(self) -> None:
        maps, layer, seen = self.maps(), self.shown_layer(), self._seen()
        signed, limits = seen.scales[layer]
        channel, row, column = self.channel.value, self.row.value, self.column.value
        one, dead = maps[channel], int(tiles.dead_maps(maps).sum())
        own = tiles.shared_range(one, signed=signed)
        spec, size = self.pretrained.model.spec, self.pretrained.preprocess.size
        box, (start, jump) = receptive_field_box(spec, layer, row, column, size), self._place()
        over = tiles.overlay(np.asarray(seen.crop), one, limits=own, signed=signed, box=box, start=start, jump=jump)
        draw(self.detail, over, f"{layer}, map {channel}, over {self.picture.value}")
        none = f"; {dead} of them {'is' if dead == 1 else 'are'} zero everywhere (crossed out)" if dead else ""
        scale = legend(limits, signed) if self.shared.value else "that gives each map its own full brightness"
        self.say(
            f"<b>Maps</b>: {layer}, {self._named()}, on a scale {scale}{none}. Click on one. "
            f"<b>Close-up</b>: map {channel} over what the network saw, on its own scale {legend(own, signed)}; "
            f"the framed unit, row {row}, column {column}, has the value {float(one[row, column]):.3g} and sees "
            f"{field_of(self._table[layer])}. Click on the picture for another one."
        )
