"""The formulas that a reader sees are true: each side of each equals sign gives the layer's own number."""

from __future__ import annotations

import re
from math import ceil, floor

import pytest

from alexnet_edu.formulas import formulas, leftover
from alexnet_edu.geometry import trace
from alexnet_edu.specs import Conv, MaxPool, Spec
from alexnet_edu.variants import SPECS


def value(side: str) -> float:
    """One side of an equation, computed."""
    text = re.sub(r"(?<=\d),(?=\d{3})", "", side).replace("·", "*")
    for bracket, function in (("⌈", "ceil("), ("⌉", ")"), ("⌊", "floor("), ("⌋", ")")):
        text = text.replace(bracket, function)
    return float(eval(text, {"ceil": ceil, "floor": floor}))


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_every_formula_gives_what_the_layer_does(spec: Spec) -> None:
    for layer, shape in trace(spec, spec.input_shape):
        own = {"parameters": layer.parameters(shape), "MACs": layer.macs(shape)}
        own["rows"], own["values"] = layer.output_shape(shape)[-1], layer.output_shape(shape)[0]
        for name, formula in formulas(layer, shape):
            if name in own:
                assert {value(side) for side in formula.split(" = ")} == {own[name]}, formula
            else:
                assert name == "value" and "=" not in formula
        assert (layer.parameters(shape) > 0) == ("parameters" in dict(formulas(layer, shape)))


@pytest.mark.parametrize(
    ("layer", "side", "rows"),
    [
        (Conv("c", 1, 11, stride=4), 224, 1),
        (Conv("c", 1, 11, stride=4, ceil=True), 224, -3),
        (Conv("c", 1, 11, stride=4), 227, 0),
        (Conv("c", 1, 11, stride=4, padding=2), 224, 1),
        (MaxPool("p", 3, 2), 56, 1),
    ],
)
def test_rows_left_over_are_counted(layer: Conv | MaxPool, side: int, rows: int) -> None:
    assert leftover(layer, (1, side, side)) == rows
