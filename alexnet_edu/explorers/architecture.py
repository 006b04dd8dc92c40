"""The eight networks, drawn to scale: choose a layer, and see its arithmetic, what it sees and what it costs."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

import ipywidgets as widgets
import numpy as np
from PIL import Image, ImageOps

from alexnet_edu.diagram import architecture_svg, fields_across
from alexnet_edu.explorers.widgets import Explorer, draw, field_of, image_view, menu, offer, scrolling
from alexnet_edu.figures import show
from alexnet_edu.formulas import formulas
from alexnet_edu.geometry import LayerInfo, LayerTable, layer_table, receptive_field_box
from alexnet_edu.images import sample_images
from alexnet_edu.palette import BLUE, ORANGE, VERMILLION, by
from alexnet_edu.specs import Spec
from alexnet_edu.variants import SPECS, get_spec

_OUTSIDE = 0.35  # how bright the picture is where a unit does not look


class ArchitectureExplorer(Explorer):
    """Every variant drawn to scale; the chosen layer's formulas with its numbers, its field on a photo, and its costs.

    Args:
        variant: the network to begin with.
        layer: the layer to begin with.
    """

    def __init__(self, variant: str = "paper", layer: str = "conv1") -> None:
        super().__init__()
        spec = get_spec(variant)
        spec[layer]
        self.variant = menu("Network", [(s.title, name) for name, s in SPECS.items()], variant)
        self.layer = menu("Layer", [each.name for each in spec.layers], layer)
        self.diagram, self.table = (widgets.HTML(layout=widgets.Layout(width="100%")) for _ in range(2))
        self._drawing = self.touchable(self.diagram, self._touched)
        self._drawing.layout.width = "100%"
        self._drawing.layout.min_width = "720px"  # below that its words cannot be read: it scrolls
        self.costs = widgets.HTML(layout=widgets.Layout(flex="1 1 300px", width="auto", min_width="0"))
        self.photo = image_view(300, sharp=False)
        self.on_change(self.variant, self._new_variant)
        self.on_change(self.layer, self._update)
        scroll = widgets.Box([self._drawing], layout=widgets.Layout(width="100%", overflow="auto"))
        self.arrange([self.variant, self.layer], [scroll, self.photo, self.costs, self.table])
        self.attempt(self._new_variant)

    def _state(self) -> Mapping[str, object]:
        return {"variant": self.variant.value, "layer": self.layer.value}

    def still(self) -> str:
        drawing = architecture_svg(get_spec(self.variant.value), highlight=self.layer.value)
        return f"{show(drawing).html}{super().still()}{self.costs.value}"

    def _touched(self, number: int) -> None:
        self.layer.value = fields_across(get_spec(self.variant.value))[number][0]
        self._update()

    def _new_variant(self) -> None:
        spec = get_spec(self.variant.value)
        widths = [width for _, width in fields_across(spec)]
        self._drawing.lay(1, len(widths), widths=widths)
        self._drawing.layout.max_width = f"{sum(widths):.0f}px"
        names, before = [each.name for each in spec.layers], self.layer.value
        offer(self.layer, names, before if before in names else names[0])
        table = layer_table(spec)._repr_html_()
        summary = f"All layers of {escape(spec.title)}"
        self.table.value = f"<details><summary>{summary}</summary>{scrolling(table, summary)}</details>"
        self._update()

    def _update(self) -> None:
        spec = get_spec(self.variant.value)
        table = layer_table(spec)
        info = table[self.layer.value]
        drawing = architecture_svg(spec, highlight=info.name)
        self.diagram.value = scrolling(drawing, f"Drawing of {escape(spec.title)}")
        draw(self.photo, _seen(spec, info), f"What one value of {info.name} sees of the photo: {field_of(info)}")
        self.costs.value = _bars(table, info)
        notes = f" {escape(spec.notes)}" if spec.notes else ""
        lines = "".join(f"<br>{name}: {escape(text)}" for name, text in formulas(spec[info.name], info.input_shape))
        self.say(
            f"<b>{info.name}</b>: {by(*info.input_shape)} to {by(*info.output_shape)}; "
            f"one value sees {field_of(info)}.{lines}<br>"
            f"<b>{escape(spec.title)}</b>, from {escape(spec.source)}.{notes}"
        )


def _seen(spec: Spec, info: LayerInfo) -> Image.Image:
    """A photo as bright as ever where a value in the middle of the layer's maps looks, and darker elsewhere."""
    side = spec.input_size
    photo = np.asarray(ImageOps.fit(sample_images()["cat"].open(), (side, side)), dtype=np.float32)
    row, column = (length // 2 for length in (info.output_shape[1:] if len(info.output_shape) == 3 else (0, 0)))
    top, left, bottom, right = receptive_field_box(spec, info.name, row, column)
    shown = photo * _OUTSIDE
    shown[top:bottom, left:right] = photo[top:bottom, left:right]
    return Image.fromarray(shown.astype(np.uint8))


def _bars(table: LayerTable, chosen: LayerInfo) -> str:
    """Each layer's share of parameters and of MACs; the chosen layer stands out, and its numbers are written out."""
    rows = "".join(_bar_row(table, row, row.name == chosen.name) for row in table if row.parameters)
    heads = "".join(f'<th scope="col" style="text-align:left">{text}</th>' for text in ("", "parameters", "MACs"))
    caption = (
        f"{chosen.name}: {chosen.parameters:,} parameters of {table.total_parameters:,}, "
        f"{chosen.macs:,} MACs of {table.total_macs:,}"
    )
    style = "width:100%;max-width:520px;border-collapse:collapse"
    return f'<table style="{style}"><caption>{caption}</caption><thead><tr>{heads}</tr></thead>{rows}</table>'


def _bar_row(table: LayerTable, row: LayerInfo, lit: bool) -> str:
    shares = row.parameters / table.total_parameters, row.macs / table.total_macs
    cells = "".join(
        f'<td style="width:42%"><div style="display:inline-block;height:0.8em;width:{75 * share:.1f}%;min-width:1px;'
        f'background:{ORANGE if lit else colour}"></div> {share:.1%}</td>'
        for share, colour in zip(shares, (BLUE, VERMILLION), strict=True)
    )
    weight = "bold" if lit else "normal"
    return f'<tr><th scope="row" style="text-align:left;font-weight:{weight}">{row.name}</th>{cells}</tr>'
