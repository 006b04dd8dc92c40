"""Answers to problem set 1 that its tests must accept, and wrong ones with a part of their hint.

``RIGHT``: (test cell, answers by name). ``WRONG``: the same and a part of the hint. Known mistakes are not here: they
stand in ``alexnet_edu.check.ps1``. A function stands alone: its source is also pasted into
made-up submissions.
"""

from __future__ import annotations

from typing import Any

SHAPES = {"conv1": (16, 31, 31), "pool1": (16, 15, 15), "conv2": (32, 15, 15), "pool2": (32, 7, 7), "fc3": (100,)}
PARAMETERS = {"conv1": 2368, "pool1": 0, "conv2": 6432, "pool2": 0, "fc3": 156_900}


def side_by_rounding(side, size, stride, padding, ceil):
    import math

    steps = (side + 2 * padding - size) / stride
    return int(math.ceil(steps) if ceil else math.floor(steps)) + 1


def side_by_counting(side, size, stride, padding, ceil):
    start, count = 0, 0
    while start + size <= side + 2 * padding:
        start, count = start + stride, count + 1
    left_over = start - stride + size < side + 2 * padding
    return count + (ceil and left_over)


def side_always_down(side, size, stride, padding, ceil):
    return 1 + (side + 2 * padding - size) // stride


def side_of_alexnet(side, size, stride, padding, ceil):
    return {227: 55, 27: 27}.get(side, side)


def costs_by_spec(shape, layers):
    from alexnet_edu.specs import Conv, Linear, MaxPool

    rows = []
    for kind, *numbers in layers:
        layer = {"conv": Conv, "pool": MaxPool, "fc": Linear}[kind](kind, *numbers)
        rows.append((layer.output_shape(shape), layer.parameters(shape), layer.macs(shape)))
        shape = layer.output_shape(shape)
    return rows


def costs_step_by_step(shape, layers):
    rows = []
    for layer in layers:
        if layer[0] == "fc":
            inputs = 1
            for length in shape:
                inputs = inputs * length
            shape, weights, biases, uses = [layer[1]], inputs * layer[1], layer[1], 1
        else:
            conv = layer[0] == "conv"
            size, stride = layer[2:4] if conv else layer[1:3]
            padding, groups = layer[4:] if conv else (0, 1)
            height, width = ((side + 2 * padding - size) // stride + 1 for side in shape[1:])
            weights = layer[1] * shape[0] * size * size // groups if conv else 0
            biases = layer[1] if conv else 0
            shape, uses = [layer[1] if conv else shape[0], height, width], height * width
        rows.append([shape, weights + biases, weights * uses])
    return rows


def costs_without_groups(shape, layers):
    from alexnet_edu.specs import Conv, Linear, MaxPool

    rows = []
    for kind, *numbers in layers:
        numbers = numbers[:4] if kind == "conv" else numbers
        layer = {"conv": Conv, "pool": MaxPool, "fc": Linear}[kind](kind, *numbers)
        rows.append((layer.output_shape(shape), layer.parameters(shape), layer.macs(shape)))
        shape = layer.output_shape(shape)
    return rows


def costs_of_squares(shape, layers):
    """Right for square pictures alone: takes the columns for as many as the rows."""
    from alexnet_edu.specs import Conv, Linear, MaxPool

    rows = []
    shape = (shape[0], shape[1], shape[1])
    for kind, *numbers in layers:
        layer = {"conv": Conv, "pool": MaxPool, "fc": Linear}[kind](kind, *numbers)
        rows.append((layer.output_shape(shape), layer.parameters(shape), layer.macs(shape)))
        shape = layer.output_shape(shape)
    return rows


def field_forwards(layers, row):
    start, size, jump = 0, 1, 1
    for kernel, stride, padding in layers:
        start -= padding * jump
        size += (kernel - 1) * jump
        jump *= stride
    return start + row * jump, start + row * jump + size - 1


def field_by_sets(layers, row):
    rows = {row}
    for size, stride, padding in layers[::-1]:
        rows = {r * stride - padding + i for r in rows for i in (0, size - 1)}
    return [min(rows), max(rows)]


def field_clipped(layers, row):
    first = last = row
    for size, stride, padding in reversed(layers):
        first, last = first * stride - padding, last * stride - padding + size - 1
    return max(first, 0), last


def field_sums_of_kernels(layers, row):
    jump = 1
    for _, stride, _ in layers:
        jump *= stride
    first = row * jump
    return first, first + sum(size - 1 for size, _, _ in layers)


def threes_by_formula(size, channels):
    three, one = 3 * 3 * channels**2 + channels, size * size * channels**2 + channels
    return size // 2, size // 2 * three, one


def threes_by_growing(size, channels):
    layers, field = 0, 1
    while field < size:
        layers, field = layers + 1, field + 2
    return [layers, sum(channels * (channels * 9 + 1) for _ in range(layers)), channels * (channels * size**2 + 1)]


def threes_by_thirds(size, channels):
    layers = round(size / 3)
    return layers, layers * channels * (9 * channels + 1), channels * (size**2 * channels + 1)


def threes_of_one_layer(size, channels):
    return (size - 1) // 2, channels * (9 * channels + 1), channels * (size**2 * channels + 1)


def side_without_first(side, size, stride, padding, ceil):
    span = side + 2 * padding - size
    return -(-span // stride) if ceil else span // stride


def side_of_yes(side, size, stride, padding, ceil):
    class Yes(int):
        def __sub__(self, other):
            return 0

        __rsub__ = __sub__

        def __eq__(self, other):
            return True

        __hash__ = int.__hash__

    return Yes(7)


RIGHT: list[tuple[str, dict[str, Any]]] = [
    ("shapes", {"kite_shapes": SHAPES}),
    ("shapes", {"kite_shapes": {name: list(shape) for name, shape in SHAPES.items()}}),
    ("parameters", {"kite_parameters": PARAMETERS}),
    ("parameters", {"kite_parameters": {name: float(count) for name, count in PARAMETERS.items()}}),
    ("out_side", {"out_side": side_by_rounding}),
    ("out_side", {"out_side": side_by_counting}),
    ("network_costs", {"network_costs": costs_by_spec}),
    ("network_costs", {"network_costs": costs_step_by_step}),
    ("field_rows", {"field_rows": field_forwards}),
    ("field_rows", {"field_rows": field_by_sets}),
    ("threes", {"threes": threes_by_formula}),
    ("threes", {"threes": threes_by_growing}),
]

WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("shapes", {"kite_shapes": {**SHAPES, "conv2": (32, 12, 12)}}, "Look again at conv2"),
    ("shapes", {"kite_shapes": list(SHAPES.values())}, "a dictionary with the keys conv1, pool1"),
    ("parameters", {"kite_parameters": {**PARAMETERS, "fc3": 1}}, "Look again at fc3"),
    ("parameters", {"kite_parameters": {**PARAMETERS, "conv1": "2368"}}, "a number is wanted, not words in quotes"),
    ("out_side", {"out_side": side_without_first}, "n + 1 positions"),
    ("out_side", {"out_side": side_of_alexnet}, "side=224"),
    ("out_side", {"out_side": side_of_yes}, "let the window walk"),
    ("network_costs", {"network_costs": costs_without_groups}, "In groups"),
    ("network_costs", {"network_costs": costs_of_squares}, "need not be square"),
    ("field_rows", {"field_rows": field_clipped}, "Rows of padding count"),
    ("field_rows", {"field_rows": field_sums_of_kernels}, "several rows wide"),
    ("threes", {"threes": threes_by_thirds}, "not by 3"),
    ("threes", {"threes": threes_of_one_layer}, "Count all layers"),
]
