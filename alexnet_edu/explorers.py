"""Explorers: networks, filters, feature maps and predictions behind menus and sliders, in a notebook or a web page.

Each explorer is a box of core ipywidgets (versions 7.7 and 8). A callback only sets values: one composed picture or
one piece of HTML for each change, so nothing flickers. Sliders answer while they are dragged; their views send the next
value when the last one has been dealt with, so nothing piles up. The activations of a picture are computed once. What
goes wrong is said in the explorer's message line, and the last good state stays.
"""

from __future__ import annotations

from base64 import b64encode
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property, partial
from hashlib import sha256
from html import escape
from io import BytesIO
from typing import Any

import ipywidgets as widgets
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps
from traitlets import Unicode

from alexnet_edu import tiles
from alexnet_edu.diagram import architecture_svg
from alexnet_edu.errors import AlexNetError, ImageError
from alexnet_edu.features import feature_maps, filters
from alexnet_edu.geometry import LayerInfo, layer_table, receptive_field_box
from alexnet_edu.images import MAX_UPLOAD_BYTES, Sample, load_image, sample_images
from alexnet_edu.inference import class_probabilities, default_pretrained
from alexnet_edu.specs import Conv
from alexnet_edu.variants import SPECS, get_spec
from alexnet_edu.weights import Pretrained

__all__ = ["ArchitectureExplorer", "FeatureMapExplorer", "FilterExplorer", "PictureGallery", "PredictionExplorer"]

_REMEMBERED_PICTURES = 8
_SHARP = "alexnet-edu-sharp"
_PHOTO = "alexnet-edu-photo"
_CHOSEN = "alexnet-edu-chosen"
_THUMBNAIL = (86, 65)
# Maps are a few dozen pixels wide: enlarged without smoothing, each value stays a square.
_STYLE = f"<style>.{_SHARP} {{ image-rendering: pixelated; }}</style>"
_GALLERY_STYLE = f"""<style data-max-upload-bytes="{MAX_UPLOAD_BYTES}">
.jupyter-button.{_PHOTO} {{
  width: {_THUMBNAIL[0] + 8}px; height: {_THUMBNAIL[1] + 30}px; padding: {_THUMBNAIL[1] + 4}px 0 0; line-height: 22px;
  background: center 4px / {_THUMBNAIL[0]}px {_THUMBNAIL[1]}px no-repeat #fff; color: #222;
  border: 1px solid #bbb; border-radius: 4px; box-shadow: none;
}}
.jupyter-button.{_PHOTO}.{_CHOSEN} {{ border-color: #005a9c; box-shadow: 0 0 0 2px #005a9c; font-weight: bold; }}
</style>"""
_TEXT = "line-height:1.5;max-width:52em;margin:4px 0"
_WIDE = {"description_width": "9em"}
# Menus send the number of the chosen line. Only RGB filters have colours: at the end, they leave the others' numbers
# alone, and a choice that overtakes a change of the layer still means what the reader saw.
_VIEW_NAMES = {
    "strongest": "strongest connection",
    "pca": "three main directions (PCA)",
    "spectrum": "frequencies",
    "colour": "colours, one scale for all",
    "colour-each": "colours, each filter its own scale",
}


# Parts


class _Explorer(widgets.VBox):  # type: ignore[misc]
    """What the explorers share: the message line, callbacks that report what goes wrong, and a stable text form."""

    def __init__(self) -> None:
        self.message = widgets.HTML(layout=widgets.Layout(width="auto", min_width="0"))
        self._quiet = False
        super().__init__(layout=widgets.Layout(width="100%"))

    def _arrange(self, controls: list[Any], views: list[Any]) -> None:
        """Controls in columns above, views side by side below; in a narrow window all of them below each other."""
        above, below = widgets.Box(controls, layout=_columns()), widgets.Box(views, layout=_wrapping())
        self.children = [widgets.HTML(_STYLE), above, self.message, below]

    def _on(self, control: Any, react: Callable[[], None]) -> None:
        """Calls ``react`` when the user changes ``control``, not while the explorer itself does."""

        def on_change(change: Any) -> None:
            if not self._quiet:
                self._try(react)

        control.observe(on_change, names="value")

    def _try(self, react: Callable[[], None]) -> None:
        try:
            with self._silently():
                react()
        except AlexNetError as error:
            self._complain(str(error))
        except Exception as error:  # an exception in a callback would vanish without a trace
            self._complain(f"This did not work ({type(error).__name__}: {error}).")

    def _complain(self, sentence: str) -> None:
        self.message.value = f'<div role="alert" style="{_TEXT};color:#a40000"><b>{escape(sentence)}</b></div>'

    def _say(self, html: str) -> None:
        self.message.value = f'<div role="status" style="{_TEXT}">{html}</div>'

    @contextmanager
    def _silently(self) -> Iterator[None]:
        """While the explorer adjusts its own controls, their callbacks rest."""
        before, self._quiet = self._quiet, True
        try:
            yield
        finally:
            self._quiet = before

    def _state(self) -> Mapping[str, object]:
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{key}={value!r}' for key, value in self._state().items())})"


def _columns() -> Any:
    columns = "repeat(auto-fill, minmax(min(100%, 340px), 1fr))"
    return widgets.Layout(display="grid", grid_template_columns=columns, grid_gap="4px 20px", width="100%")


def _wrapping() -> Any:
    return widgets.Layout(display="flex", flex_flow="row wrap", align_items="flex-start", width="100%")


class _Picture(widgets.Image):  # type: ignore[misc]
    """An image that screen readers can name.

    ``widgets.Image`` has no alternative text. Its view turns a tooltip into a title, but in ipywidgets 8 only for
    models with a description, and fails without one.
    """

    description = Unicode("").tag(sync=True)
    tooltip = Unicode("").tag(sync=True)


def _image(width: int, *, sharp: bool) -> Any:
    """An image widget at most ``width`` pixels wide that shrinks with the window."""
    flex = f"{width} 1 {width // 2}px"  # side by side from 1024 pixels on, below each other on a phone
    layout = widgets.Layout(flex=flex, width="auto", min_width="0", max_width=f"{width}px", margin="4px 12px 4px 0")
    image = _Picture(format="png", layout=layout)
    if sharp:
        image.add_class(_SHARP)
    return image


def _draw(image: Any, picture: Image.Image, description: str) -> None:
    with image.hold_sync():  # one message: at each, a page loads the picture anew
        image.tooltip = description
        image.value = tiles.png_bytes(picture)


def _slider(description: str, maximum: int, *, value: int = 0, minimum: int = 0, step: int = 1) -> Any:
    return widgets.IntSlider(
        value=value, min=minimum, max=maximum, step=step, description=description,
        style=_WIDE, layout=_control_layout(),
    )  # fmt: skip


def _menu(description: str, options: Any, value: Any) -> Any:
    return widgets.Dropdown(
        options=options, value=value, description=description, style=_WIDE, layout=_control_layout()
    )


def _upload_button() -> Any:
    limit = f"{MAX_UPLOAD_BYTES / 1e6:.0f} MB"  # said before: JupyterLab drops a larger file without a word
    return widgets.FileUpload(
        accept="image/*", multiple=False, description=f"Own photo, up to {limit}", layout=_control_layout("240px")
    )


def _control_layout(max_width: str = "440px") -> Any:
    return widgets.Layout(width="auto", min_width="0", max_width=max_width)


def _offer(menu: Any, options: list[Any], value: Any) -> None:
    """Other lines for a menu, and which is chosen, in one message: no other line is shown as chosen in between."""
    with menu.hold_sync():
        menu.options = options
        menu.value = value


def _reset(slider: Any, maximum: int, value: int) -> None:
    """New bounds and value in one message.

    A value that stays is not sent again: on its way to the page it could meet, and undo, the reader's next choice.
    """
    with slider.hold_sync():
        if maximum > slider.max:
            slider.max = maximum
        slider.value = value
        slider.max = max(maximum, 0)
        slider.disabled = maximum < 1


@cache
def _ramp(signed: bool) -> str:
    """The colour scale as a CSS gradient."""
    colours = tiles.colour_scale(signed=signed)[: tiles.LEVELS : 25].tolist()
    return f"linear-gradient(to right,{','.join(f'rgb({r},{g},{b})' for r, g, b in colours)})"


def _legend(limits: tuple[float, float], signed: bool) -> str:
    bar = "display:inline-block;width:8em;height:0.9em;vertical-align:middle;border:1px solid #888"
    return f'{limits[0]:.3g} <span aria-hidden="true" style="{bar};background:{_ramp(signed)}"></span> {limits[1]:.3g}'


def _by(*sizes: int) -> str:
    return " × ".join(f"{size:,}" for size in sizes)


# Pictures


@dataclass(frozen=True, eq=False)
class _Seen:
    """A picture as the network sees it, and what its layers make of it: ``(C, H, W)`` by layer."""

    crop: Image.Image
    maps: dict[str, NDArray[np.float32]]

    @cached_property
    def scales(self) -> dict[str, tuple[bool, tuple[float, float]]]:
        """For each layer whether it has values below zero, and the scale that all its maps share."""
        signed = {name: bool(maps.min() < 0) for name, maps in self.maps.items()}
        return {name: (signed[name], tiles.shared_range(maps, signed=signed[name])) for name, maps in self.maps.items()}


class _Pictures:
    """The pictures to choose from: a menu and an upload button, for the explorer that they belong to."""

    def __init__(self, explorer: _Explorer, pictures: Mapping[str, Any] | None, react: Callable[[], None]) -> None:
        self.sources = dict(sample_images() if pictures is None else pictures)
        if not self.sources:
            raise AlexNetError("An explorer needs at least one picture.")
        self._explorer, self._react = explorer, react
        self.menu = _menu("Picture", list(self.sources), next(iter(self.sources)))
        self.upload = _upload_button()
        self._good = self.menu.value
        explorer._on(self.menu, self._show)
        explorer._on(self.upload, self._take_upload)

    def _take_upload(self) -> None:
        if found := _uploaded(self.upload.value):
            self.add(*found)

    def add(self, name: str, data: bytes) -> None:
        """Goes to one more picture, given as the bytes of a file, which take less memory than its pixels.

        Raises:
            ImageError: it is too large, or no picture; then nothing has changed.
        """
        if len(data) > MAX_UPLOAD_BYTES:
            raise ImageError(f"{name} is larger than {MAX_UPLOAD_BYTES / 1e6:.0f} MB; choose a smaller photo.")
        try:
            load_image(data)
        except ImageError as error:
            raise ImageError(f"{name} cannot be shown: {error}") from error
        known = dict(self.sources)
        key = f"{name} ({sha256(data).hexdigest()[:6]})"
        with self._explorer._silently():
            self._offer({**known, key: data}, key)
            try:
                self._show()
            except Exception:
                self._offer(known, self._good)
                raise

    def _offer(self, sources: dict[str, Any], chosen: str) -> None:
        self.sources = sources
        _offer(self.menu, list(sources), chosen)

    def _show(self) -> None:
        """Goes to the chosen picture, or back to the last good one if this one fails."""
        try:
            self._react()
        except Exception:
            self.menu.value = self._good
            raise
        self._good = self.menu.value

    def source(self) -> Any:
        """The chosen picture, in a form that ``load_image`` takes."""
        return self.sources[self.menu.value]


def _uploaded(value: Any) -> tuple[str, bytes] | None:
    """The name and the bytes of the last upload, as ipywidgets 7 (a dict) or 8 (a tuple) hands them over."""
    if not value:
        return None
    if isinstance(value, dict):
        name, entry = list(value.items())[-1]
        return name, bytes(entry["content"])
    return value[-1]["name"], bytes(value[-1]["content"])


class PictureGallery(_Explorer):
    """The bundled pictures to click on, and a button for an own photo: one choice for several explorers.

    Args:
        explorers: those that show the chosen picture. Their own upload buttons give way to the gallery's.
    """

    def __init__(self, *explorers: FeatureMapExplorer | PredictionExplorer) -> None:
        super().__init__()
        self.explorers, self.samples = explorers, sample_images()
        self.buttons = {name: self._button(name) for name in self.samples}
        self.upload = _upload_button()
        self._on(self.upload, self._take_upload)
        for explorer in explorers:
            explorer.upload.layout.display = "none"
            self._on(explorer.picture, partial(self._follow, explorer))
        row = widgets.Box(list(self.buttons.values()), layout=_wrapping())
        pictures = "".join(_thumbnail_style(sample) for sample in self.samples.values())
        style = widgets.HTML(f"{_GALLERY_STYLE}<style>{pictures}</style>")
        self.children = [style, row, self.upload, self.message]
        self._mark(explorers[0].picture.value if explorers else next(iter(self.samples)))

    def _state(self) -> Mapping[str, object]:
        return {"pictures": len(self.samples), "explorers": len(self.explorers)}

    def _button(self, name: str) -> Any:
        button = widgets.Button(description=name, tooltip=self.samples[name].caption)
        button.add_class(_PHOTO).add_class(f"{_PHOTO}-{name}")
        button.on_click(lambda _: self._try(partial(self._choose, name)))
        return button

    def _choose(self, name: str) -> None:
        for explorer in self.explorers:
            if name in explorer.picture.options:
                explorer.picture.value = name
        self._mark(name)

    def _follow(self, explorer: FeatureMapExplorer | PredictionExplorer) -> None:
        self._choose(explorer.picture.value)

    def _take_upload(self) -> None:
        if found := _uploaded(self.upload.value):
            for explorer in self.explorers:
                explorer.pictures.add(*found)
            self._mark(found[0])

    def _mark(self, chosen: str) -> None:
        for name, button in self.buttons.items():
            (button.add_class if name == chosen else button.remove_class)(_CHOSEN)
        caption = f": {escape(self.samples[chosen].caption)}" if chosen in self.samples else ""
        self._say(f"Shown below: <b>{escape(chosen)}</b>{caption}.")


def _thumbnail_style(sample: Sample) -> str:
    """The picture as a button's background: core widgets have no button with a picture in it."""
    file = BytesIO()
    twice = (2 * _THUMBNAIL[0], 2 * _THUMBNAIL[1])  # for fine screens
    ImageOps.fit(sample.open(), twice).save(file, "JPEG", quality=75)
    data = b64encode(file.getvalue()).decode()
    return f".jupyter-button.{_PHOTO}-{sample.name} {{ background-image: url(data:image/jpeg;base64,{data}); }}"


# Explorers


class ArchitectureExplorer(_Explorer):
    """Every variant drawn to scale; the chosen layer lit up, with its sizes and costs.

    Args:
        variant: the network to begin with.
        layer: the layer to begin with.
    """

    def __init__(self, variant: str = "paper", layer: str = "conv1") -> None:
        super().__init__()
        spec = get_spec(variant)
        spec[layer]
        self.variant = _menu("Network", [(s.title, name) for name, s in SPECS.items()], variant)
        self.layer = _menu("Layer", [each.name for each in spec.layers], layer)
        self.diagram, self.table = (widgets.HTML(layout=widgets.Layout(width="100%")) for _ in range(2))
        self._on(self.variant, self._new_variant)
        self._on(self.layer, self._update)
        self._arrange([self.variant, self.layer], [self.diagram, self.table])
        self._try(self._new_variant)

    def _state(self) -> Mapping[str, object]:
        return {"variant": self.variant.value, "layer": self.layer.value}

    def _new_variant(self) -> None:
        spec = get_spec(self.variant.value)
        names, before = [each.name for each in spec.layers], self.layer.value
        _offer(self.layer, names, before if before in names else names[0])
        table = layer_table(spec)._repr_html_()
        summary = f"All layers of {escape(spec.title)}"
        self.table.value = f"<details><summary>{summary}</summary>{_scrolling(table, summary)}</details>"
        self._update()

    def _update(self) -> None:
        spec = get_spec(self.variant.value)
        table = layer_table(spec)
        info = table[self.layer.value]
        drawing = architecture_svg(spec, highlight=info.name)
        self.diagram.value = _scrolling(drawing, f"Drawing of {escape(spec.title)}")
        notes = f" {escape(spec.notes)}" if spec.notes else ""
        self._say(
            f"<b>{info.name}</b>: {_by(*info.input_shape)} to {_by(*info.output_shape)}; "
            f"{info.parameters:,} parameters ({info.parameters / table.total_parameters:.1%} of "
            f"{table.total_parameters:,}), {info.macs:,} MACs ({info.macs / table.total_macs:.1%} of "
            f"{table.total_macs:,}); one value sees {_field(info)}.<br>"
            f"<b>{escape(spec.title)}</b>, from {escape(spec.source)}.{notes}"
        )


def _scrolling(html: str, name: str) -> str:
    """What may be wider than the window scrolls by itself; by keyboard too, as it takes the focus."""
    return f'<div role="region" aria-label="{name}" tabindex="0" style="overflow-x:auto">{html}</div>'


def _field(info: LayerInfo) -> str:
    if info.receptive_field is None:
        return "the whole picture"
    return f"{_by(info.receptive_field, info.receptive_field)} pixels"


class FilterExplorer(_Explorer):
    """The filters of every convolution in several views, and all input channels of the chosen filter.

    Args:
        pretrained: from ``load_pretrained``; by default what ``load_pretrained("auto")`` gives.
    """

    def __init__(self, pretrained: Pretrained | None = None) -> None:
        super().__init__()
        self.pretrained = pretrained or default_pretrained()
        self._weights: dict[str, NDArray[np.float32]] = {}
        self._views: dict[tuple[str, str], tiles.FilterView] = {}
        layers = [each.name for each in self.pretrained.model.spec.layers if isinstance(each, Conv)]
        self.layer = _menu("Layer", layers, layers[0])
        self.view = _menu("View", [(text, name) for name, text in _VIEW_NAMES.items()], "colour")
        self.channel = _slider("Filter", 1)
        self.grid, self.detail = _image(560, sharp=True), _image(360, sharp=True)
        self._on(self.layer, self._new_layer)
        self._on(self.view, self._update)
        self._on(self.channel, self._update)
        self._arrange([self.layer, self.view, self.channel], [self.grid, self.detail])
        self._try(self._new_layer)

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
        _offer(self.view, [(_VIEW_NAMES[name], name) for name in views], before if before in views else views[0])
        _reset(self.channel, len(weights) - 1, min(self.channel.value, len(weights) - 1))
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
        name = f"{self.layer.value}, {len(weights)} filters of {_by(*weights.shape[2:], weights.shape[1])}"
        _draw(self.grid, view.picture(marked=channel, width=420), f"{name}: {view.how}")
        _draw(self.detail, one.picture(width=300), f"{self.layer.value}, filter {channel}: {one.how}")
        self._say(
            f"<b>Grid</b>: {name}; {view.how}. <b>Close-up</b>: {one.how}. "
            f"Length (Euclidean norm) of filter {channel}: {float(np.linalg.norm(weights[channel])):.3g}."
        )


class FeatureMapExplorer(_Explorer):
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
        self._cache: OrderedDict[int, tuple[Any, _Seen]] = OrderedDict()
        choices = [name for name in self._layers if not name.startswith("relu")]
        self.pictures = _Pictures(self, pictures, self._new_picture)
        self.picture, self.upload = self.pictures.menu, self.pictures.upload
        self.layer = _menu("Layer", choices, choices[0])
        self.after_relu = _menu("Values", [("before ReLU", False), ("after ReLU", True)], True)
        self.channel, self.row, self.column = _slider("Map", 1), _slider("Unit's row", 1), _slider("Unit's column", 1)
        self.grid, self.detail = _image(600, sharp=True), _image(360, sharp=False)
        self._on(self.layer, self._new_layer)
        self._on(self.after_relu, self._new_layer)
        self._on(self.channel, self._new_map)
        for control in (self.row, self.column):
            self._on(control, self._update_unit)
        controls = [self.picture, self.upload, self.layer, self.after_relu, self.channel, self.row, self.column]
        self._arrange(controls, [self.grid, self.detail])
        self._try(self._new_picture)

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

    def _seen(self) -> _Seen:
        """The chosen picture's activations, computed once and kept for the last few pictures."""
        source = self.pictures.source()
        key = id(source)  # the source is kept beside its result, so no other object gets its id
        if key not in self._cache:
            crop = self.pretrained.preprocess.crop(source)
            found = feature_maps(self.pretrained, self.pretrained.preprocess.batch([crop]), self._layers)
            maps = {name: value[0].float().cpu().numpy() for name, value in found.items()}
            self._cache[key] = source, _Seen(crop, maps)
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
        _reset(self.channel, count - 1, min(self.channel.value, count - 1))
        self._new_map()

    def _new_map(self) -> None:
        one = self.maps()[self.channel.value]
        row, column = divmod(int(one.argmax()), one.shape[1])
        _reset(self.row, one.shape[0] - 1, row)
        _reset(self.column, one.shape[1] - 1, column)
        self._update_grid()
        self._update_unit()

    def _update_grid(self) -> None:
        maps, layer = self.maps(), self.shown_layer()
        signed, limits = self._seen().scales[layer]
        text = f"{layer}: {len(maps)} maps of {_by(*maps.shape[1:])}"
        picture = tiles.tile_maps(maps, signed=signed, limits=limits, marked=self.channel.value, width=600)
        _draw(self.grid, picture, f"{text} for {self.picture.value}")

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
        _draw(self.detail, over, f"{layer}, map {channel}, over {self.picture.value}")
        self._say(
            f"<b>Grid</b>: {layer}, {len(maps)} maps of {_by(*maps.shape[1:])}, all on the scale "
            f"{_legend(limits, signed)}; {dead} of them are zero everywhere (crossed out). "
            f"<b>Close-up</b>: map {channel} over what the network saw, on its own scale {_legend(own, signed)}; "
            f"the framed unit, row {row}, column {column}, has the value {float(one[row, column]):.3g} and sees "
            f"{_field(info)}."
        )


@dataclass(frozen=True)
class _Change:
    """What is done to a picture before the network sees it."""

    zoom: int = 100  # percent
    rotation: int = 0  # degrees, anticlockwise
    brightness: int = 100  # percent
    noise: int = 0  # standard deviation, percent of the full range
    patch: int = 0  # side of a grey square, pixels
    row: int = 0  # of the square's middle, percent of the height
    column: int = 0

    def of(self, crop: Image.Image) -> Image.Image:
        """The changed crop, of the same size."""
        side = crop.width
        if self.rotation:
            crop = crop.rotate(self.rotation, Image.Resampling.BILINEAR, fillcolor=(124, 116, 104))
        if self.zoom != 100:
            margin = side * (1 - 100 / self.zoom) / 2
            box = (margin, margin, side - margin, side - margin)
            crop = crop.resize((side, side), Image.Resampling.BILINEAR, box=box)
        if self.brightness != 100:
            crop = ImageEnhance.Brightness(crop).enhance(self.brightness / 100)
        if self.noise:
            noisy = np.asarray(crop, np.float32) + _noise(side) * (self.noise * 2.55)
            crop = Image.fromarray(np.rint(noisy.clip(0, 255)).astype(np.uint8))
        if self.patch:
            top, left = (round(side * at / 100 - self.patch / 2) for at in (self.row, self.column))
            crop = crop.copy()
            crop.paste((124, 116, 104), (left, top, left + self.patch, top + self.patch))
        return crop


@cache
def _noise(side: int) -> NDArray[np.float32]:
    """Always the same normal noise, so that the same setting gives the same answer."""
    return np.random.default_rng(0).standard_normal((side, side, 3), np.float32)


class PredictionExplorer(_Explorer):
    """What the network says about a picture while you turn, brighten, cover or disturb it.

    Args:
        pretrained: from ``load_pretrained``; by default what ``load_pretrained("auto")`` gives.
        pictures: by name, in any form that ``load_image`` takes; by default the bundled samples.
        top_k: how many labels.
    """

    def __init__(
        self, pretrained: Pretrained | None = None, pictures: Mapping[str, Any] | None = None, top_k: int = 5
    ) -> None:
        super().__init__()
        self.pretrained = pretrained or default_pretrained()
        self._top_k = min(top_k, len(self.pretrained.categories))
        side = self.pretrained.preprocess.size
        self.pictures = _Pictures(self, pictures, self._new_picture)
        self.picture, self.upload = self.pictures.menu, self.pictures.upload
        self.changes = {
            "zoom": _slider("Zoom (%)", 400, value=100, minimum=100, step=10),
            "rotation": _slider("Rotation (°)", 180, minimum=-180, step=5),
            "brightness": _slider("Brightness (%)", 300, value=100, step=10),
            "noise": _slider("Noise (%)", 50, step=2),
            "patch": _slider("Grey square (px)", side, step=8),
            "row": _slider("Square row (%)", 100, value=50, step=5),
            "column": _slider("Square col. (%)", 100, value=50, step=5),
        }
        self.reset = widgets.Button(description="Undo all changes", layout=_control_layout("200px"))
        self.image = _image(360, sharp=False)
        self.bars = widgets.HTML(
            layout=widgets.Layout(flex="1 1 300px", width="auto", min_width="0", max_width="520px")
        )
        for slider in self.changes.values():
            self._on(slider, self._update)
        self.reset.on_click(lambda _: self._try(self._undo))
        controls = [self.picture, self.upload, self.reset, *self.changes.values()]
        self._arrange(controls, [self.image, self.bars])
        self._try(self._new_picture)

    def _state(self) -> Mapping[str, object]:
        changed = {name: slider.value for name, slider in self.changes.items() if slider.value != _UNCHANGED[name]}
        return {"weights": self.pretrained.name, "picture": self.picture.value, **changed}

    def _undo(self) -> None:
        for name, slider in self.changes.items():
            slider.value = _UNCHANGED[name]
        self._update()

    def _new_picture(self) -> None:
        crop = self.pretrained.preprocess.crop(self.pictures.source())
        self._crop, self._before = crop, self._probabilities(crop)
        self._update()

    def _probabilities(self, crop: Image.Image) -> NDArray[np.float32]:
        batch = self.pretrained.preprocess.batch([crop])
        return class_probabilities(self.pretrained.model, batch)[0].numpy()

    def _update(self) -> None:
        change = _Change(**{name: slider.value for name, slider in self.changes.items()})
        crop = change.of(self._crop)
        chances = self._probabilities(crop)
        top = np.argsort(-chances, kind="stable")[: self._top_k]
        first, before = (self.pretrained.categories[int(values.argmax())] for values in (chances, self._before))
        _draw(self.image, crop, f"{self.picture.value} as the network sees it")
        self.bars.value = self._table(top, chances)
        verdict = f"still <b>{escape(first)}</b>" if first == before else f"now <b>{escape(first)}</b>"
        self._say(f"{escape(self.picture.value)}, unchanged: <b>{escape(before)}</b>; as shown: {verdict}.")

    def _table(self, top: NDArray[np.intp], chances: NDArray[np.float32]) -> str:
        """The likeliest labels as bars, with the change against the untouched picture in percentage points."""
        rows = "".join(
            _bar_row(self.pretrained.categories[i], float(chances[i]), float(self._before[i])) for i in top.tolist()
        )
        head = "".join(
            f'<th scope="col" style="text-align:left">{text}</th>' for text in ("label", "probability", "change")
        )
        caption = f"<caption>{escape(self.pretrained.name)}: the {len(top)} likeliest labels</caption>"
        return f'<table style="width:100%">{caption}<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'


_UNCHANGED = {"zoom": 100, "rotation": 0, "brightness": 100, "noise": 0, "patch": 0, "row": 50, "column": 50}


def _bar_row(label: str, chance: float, before: float) -> str:
    change = round(100 * (chance - before), 1) + 0.0  # no "-0.0"
    bar = f'<div style="background:#56b4e9;height:0.9em;width:{100 * chance:.1f}%;min-width:1px"></div>'
    return (
        f'<tr><th scope="row" style="text-align:left;font-weight:normal">{escape(label)}</th>'
        f'<td style="width:45%">{bar}{chance:.1%}</td><td style="white-space:nowrap">{change:+.1f} points</td></tr>'
    )
