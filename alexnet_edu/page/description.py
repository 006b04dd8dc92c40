"""What the page is told about its network: layers, sizes, costs and fields from the spec, labels, pictures, colours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from alexnet_edu.geometry import LayerInfo, layer_table
from alexnet_edu.images import LONGEST, MAX_BYTES, MAX_PIXELS
from alexnet_edu.labels import CERTAINTIES, in_words
from alexnet_edu.specs import Layer, Spec
from alexnet_edu.tiles import LEVELS, colour_scale
from alexnet_edu.variants import SPECS

__all__ = ["describe"]

_DATA_SETS = {"caltech101": "Caltech-101"}
# What a network is, for those who don't know the others; elsewhere its title says it.
_ABOUT = {
    "small": "AlexNet with half as many filters in each layer, in two halves (towers) as the paper split it over two "
    "graphics cards"
}


def describe(
    spec: Spec,
    *,
    name: str,
    preprocess: Mapping[str, Any],
    categories: Sequence[str],
    metrics: Mapping[str, Any],
    trained_on: str = "",
) -> dict[str, Any]:
    """Everything that the page knows about a network besides its weights, fit for JSON.

    Args:
        spec: the network.
        name: of the weights.
        preprocess: ``resize``, ``size``, ``mean`` and ``std``, as ``Preprocess`` has them.
        categories: the label of each output, in order.
        metrics: what the weights scored.
        trained_on: the name of the data set, where it is known.
    """
    sized = spec.with_classes(len(categories))
    table = layer_table(sized, preprocess["size"])
    return {
        "name": name,
        "title": spec.title,
        "about": _ABOUT.get(spec.name, spec.title),
        "others": other_networks(spec),
        "layers": [_layer(layer, info) for layer, info in zip(sized.layers, table, strict=True)],
        "preprocess": dict(preprocess),
        "categories": list(categories),
        "words": {category: in_words(category) for category in categories if in_words(category) != category},
        "certainties": [[each.least, each.clause] for each in CERTAINTIES],
        "metrics": dict(metrics),
        "trained_on": _DATA_SETS.get(trained_on, trained_on),
        "limits": {"bytes": MAX_BYTES, "pixels": MAX_PIXELS, "longest": LONGEST},
        "colours": {"unsigned": _colours(signed=False), "signed": _colours(signed=True)},
    }


def other_networks(spec: Spec) -> list[dict[str, Any]]:
    """The variants besides ``spec``: what each is, and what its layers cost."""
    return [
        {
            "name": other.name,
            "title": other.title,
            "notes": other.notes,
            "source": other.source,
            "file": f"networks/{other.name}.svg",
            "layers": [
                {"name": row.name, "parameters": row.parameters, "macs": row.macs}
                for row in layer_table(other)
                if row.parameters
            ],
        }
        for other in SPECS.values()
        if other.name != spec.name
    ]


def _layer(layer: Layer, info: LayerInfo) -> dict[str, Any]:
    """A layer's own settings and its row of the table. How weights began plays no part here."""
    settings = {key: value for key, value in asdict(layer).items() if key != "init"}
    return {
        **settings,
        "kind": info.kind,
        "input": list(info.input_shape),
        "output": list(info.output_shape),
        "parameters": info.parameters,
        "macs": info.macs,
        "field": info.receptive_field,
        "jump": info.jump,
        "start": info.start,
    }


def _colours(*, signed: bool) -> str:
    """The steps of a colour scale as hexadecimal RGB, one after the other."""
    return colour_scale(signed=signed)[:LEVELS].tobytes().hex()
