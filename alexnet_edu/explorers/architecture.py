"""The eight networks, drawn to scale."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

import ipywidgets as widgets

from alexnet_edu.diagram import architecture_svg
from alexnet_edu.explorers.widgets import Explorer, field_of, menu, offer, scrolling
from alexnet_edu.figures import show
from alexnet_edu.geometry import layer_table
from alexnet_edu.palette import by
from alexnet_edu.variants import SPECS, get_spec


class ArchitectureExplorer(Explorer):
    """Every variant drawn to scale; the chosen layer lit up, with its sizes and costs.

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
        self.on_change(self.variant, self._new_variant)
        self.on_change(self.layer, self._update)
        self.arrange([self.variant, self.layer], [self.diagram, self.table])
        self.attempt(self._new_variant)

    def _state(self) -> Mapping[str, object]:
        return {"variant": self.variant.value, "layer": self.layer.value}

    def still(self) -> str:
        drawing = architecture_svg(get_spec(self.variant.value), highlight=self.layer.value)
        return f"{show(drawing).html}{self.message.value}"

    def _new_variant(self) -> None:
        spec = get_spec(self.variant.value)
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
        notes = f" {escape(spec.notes)}" if spec.notes else ""
        self.say(
            f"<b>{info.name}</b>: {by(*info.input_shape)} to {by(*info.output_shape)}; "
            f"{info.parameters:,} parameters ({info.parameters / table.total_parameters:.1%} of "
            f"{table.total_parameters:,}), {info.macs:,} MACs ({info.macs / table.total_macs:.1%} of "
            f"{table.total_macs:,}); one value sees {field_of(info)}.<br>"
            f"<b>{escape(spec.title)}</b>, from {escape(spec.source)}.{notes}"
        )
