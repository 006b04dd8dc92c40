"""Checks of problem set 1: shapes, parameters, costs and receptive fields, by hand and in code.

The hidden tests call the same checks with other ``layers``, ``networks`` or ``cases``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod

from alexnet_edu.check import check, expect, same
from alexnet_edu.geometry import layer_table
from alexnet_edu.specs import Conv, Flatten, Layer, Linear, MaxPool, Shape, Spec, Window, positions

__all__ = ["KITE", "field_rows", "network_costs", "out_side", "parameters", "shapes", "threes"]

KITE = Spec(
    "kite",
    "Kite, a network to compute by hand",
    "made up for problem set 1",
    (
        Conv("conv1", 16, 7, stride=2),
        MaxPool("pool1", 3, 2),
        Conv("conv2", 32, 5, padding=2, groups=2),
        MaxPool("pool2", 3, 2),
        Flatten("flatten"),
        Linear("fc3", 100),
    ),
    input_size=68,
)

Described = tuple[
    object, ...
]  # ("conv", kernels, size, stride, padding, groups), ("pool", size, stride) or ("fc", units)
Row = tuple[Shape, int, int]


def _unlike(got: object, right: object, *mistakes: tuple[object, str]) -> None:
    """Gives the hint that belongs to a known mistake, where the answer is that mistake and not the right value."""
    for value, hint in mistakes:
        expect(got != value or value == right, hint)


@check("each is (channels, rows, columns), with 1 + (side + 2 padding - size) // stride rows.")
def shapes(answer: Mapping[str, Shape], layers: Sequence[str] = ("conv1",)) -> None:
    """Problem 1: the output shape of each layer of Kite, by name; looks at ``layers`` alone."""
    expect(isinstance(answer, Mapping), 'give a dictionary such as {"conv1": (16, 31, 31), ...}.')
    for name in layers:
        row = layer_table(KITE)[name]
        expect(name in answer, f"there is no {name!r} in your dictionary.")
        got = answer[name]
        got, right = (tuple(got) if isinstance(got, Sequence) else got), row.output_shape
        if len(right) == 1:
            _unlike(got, right, (row.input_shape, f"{name} is fully connected: its output is a vector, (units,)."))
            same(got, right, f"{name} has one value for each unit: ({right[0]},).")
            continue
        channels, side, _ = right
        fewer, more = (channels, side - 1, side - 1), (channels, side + 1, side + 1)
        _unlike(
            got,
            right,
            ((*right[1:], channels), f"for {name}, channels come first: (channels, rows, columns)."),
            ((channels // 2, side, side), f"{name}: two groups split the inputs; both halves' outputs count."),
            (fewer, f"{name}: n steps of the window make n + 1 positions."),
            (more, f"{name}: a last window that does not fit is dropped: round down."),
        )
        same(got, right, f"{name} is wrong: count its kernels, then the positions of its window along one side.")


@check("weights and biases, with a group's kernels seeing only their group's channels.")
def parameters(answer: Mapping[str, int], layers: Sequence[str] = ("conv1",)) -> None:
    """Problem 2: the parameters of each layer of Kite, by name; looks at ``layers`` alone."""
    expect(isinstance(answer, Mapping), 'give a dictionary such as {"conv1": 2368, ...}.')
    for name in layers:
        row, layer = layer_table(KITE)[name], KITE[name]
        expect(name in answer, f"there is no {name!r} in your dictionary.")
        got, right = answer[name], row.parameters
        if isinstance(layer, Conv):
            window, channels = layer.kernel_size**2, row.input_shape[0]
            _unlike(
                got,
                right,
                (right - layer.out_channels, f"{name}: every kernel has a bias, too."),
                (layer.out_channels * (window * channels + 1), f"{name}: in groups a kernel sees channels / groups."),
                (
                    layer.out_channels * (window + 1),
                    f"{name}: a kernel has a square of weights for each input channel.",
                ),
                (row.macs, f"{name}: a kernel's weights are the same at every position, and counted once."),
            )
        elif isinstance(layer, Linear):
            _unlike(
                got,
                right,
                (right - layer.out_features, f"{name}: every unit has a bias, too."),
                (
                    layer.out_features * (KITE.layers[2].output_shape((0, 0, 0))[0] + 1),
                    f"{name}: every unit sees each position of each map, not one value a map.",
                ),
            )
        else:
            expect(got == 0, f"{name} takes the largest value: there is nothing to learn.")
        same(got, right, f"{name} is wrong: weights of one kernel or unit, plus its bias, times how many there are.")


@check("the window starts at 0 and steps as often as it fits, or once more if you round up.")
def out_side(
    function: Callable[[int, int, int, int, bool], int],
    cases: Sequence[tuple[int, int, int, int, bool]] = ((227, 11, 4, 0, False), (27, 5, 1, 2, False)),
) -> None:
    """Problem 3: ``function(side, size, stride, padding, ceil)``: positions along one side."""
    for case in cases:
        side, size, stride, padding, ceil = case
        got, right = function(*case), positions(side, Window(size, stride, padding), ceil=ceil)
        span = side + 2 * padding - size
        _unlike(
            got,
            right,
            (positions(side, Window(size, stride, padding), ceil=not ceil), "ceil=True rounds up, ceil=False down."),
            (right - 1, "n steps of the window make n + 1 positions."),
            (positions(side + padding, Window(size, stride, 0), ceil=ceil), "padding is added on both sides."),
            (1 + span / stride, "a window fits or it does not: round to a whole number."),
        )
        same(got, right, f"for (side, size, stride, padding, ceil) = {case} the side is {right}.")


def _layer(index: int, described: Described) -> Layer:
    kind, *numbers = described
    kinds = {"conv": Conv, "pool": MaxPool, "fc": Linear}
    return kinds[str(kind)](f"layer {index}", *numbers)  # type: ignore[arg-type, no-any-return]


def _rows(shape: Shape, network: Sequence[Described]) -> list[Row]:
    """What Problem 4 asks for, from the methods of the specs."""
    rows = []
    for index, described in enumerate(network):
        layer = _layer(index, described)
        rows.append((layer.output_shape(shape), layer.parameters(shape), layer.macs(shape)))
        shape = rows[-1][0]
    return rows


SMALL_NETWORK = (("conv", 8, 3, 1, 1, 1), ("pool", 2, 2), ("conv", 6, 3, 2, 0, 2), ("fc", 10), ("fc", 4))


@check("the whole network from a list: this is what the course's own layer_table does.")
def network_costs(
    function: Callable[[Shape, list[Described]], list[Row]],
    networks: Sequence[tuple[Shape, Sequence[Described]]] = (((3, 12, 12), SMALL_NETWORK),),
) -> None:
    """Problem 4: ``function(shape, layers)``: for each layer its output shape, parameters and MACs."""
    for shape, network in networks:
        got = function(shape, list(network))
        expect(isinstance(got, Sequence) and len(got) == len(network), "return a list with one row for each layer.")
        entering = shape
        for described, row, right in zip(network, got, _rows(shape, network), strict=True):
            expect(isinstance(row, Sequence) and len(row) == 3, "a row is (output shape, parameters, MACs).")
            _compare(described, entering, (tuple(row[0]), row[1], row[2]), right)
            entering = right[0]


def _compare(described: Described, entering: Shape, got: Row, right: Row) -> None:
    """One row of Problem 4, with hints for what often goes wrong in it."""
    layer, after = _layer(0, described), f"{described} after {entering}"
    same(got[0], right[0], f"{after} gives {right[0]}, not {got[0]}.")
    if isinstance(layer, Linear):
        _unlike(got[1], right[1], (layer.out_features * (entering[0] + 1), f"{after}: every value is an input."))
    if isinstance(layer, Conv):
        ungrouped = layer.out_channels * (entering[0] * layer.kernel_size**2 + 1)
        _unlike(got[1], right[1], (ungrouped, f"{after}: in groups a kernel sees channels // groups."))
        weights, places = right[1] - layer.out_channels, prod(right[0][1:])
        _unlike(
            got[2],
            right[2],
            (right[1] * places, f"{after}: the bias is added, not multiplied: leave it out of the MACs."),
            (weights * prod(entering[1:]), f"{after}: a kernel is applied once for each *output* position."),
            (ungrouped * places - layer.out_channels * places, f"{after}: groups save MACs, too."),
        )
    _unlike(got[1], right[1], (right[1] - right[0][0], f"{after}: the biases are missing from the parameters."))
    _unlike(got[2], right[2], (right[1], f"{after}: the bias is added, not multiplied: leave it out of the MACs."))
    same(got[1], right[1], f"{after} has {right[1]:,} parameters.")
    same(got[2], right[2], f"{after} takes {right[2]:,} MACs.")


ALEXNET_START = ((11, 4, 0), (3, 2, 0), (5, 1, 2), (3, 2, 0))


def _field(stack: Sequence[tuple[int, int, int]], row: int, *, early: bool = False) -> tuple[int, int]:
    """First and last row; ``early`` makes the mistake of applying a stride to its own layer."""
    size, jump, start = 1, 1, 0
    for kernel, stride, padding in stack:
        step = jump * stride if early else jump
        size, start, jump = size + (kernel - 1) * step, start - padding * step, jump * stride
    return start + row * jump, start + row * jump + size - 1


@check("the first row moves by the product of the strides; padding moves it back.")
def field_rows(
    function: Callable[[list[tuple[int, int, int]], int], tuple[int, int]],
    cases: Sequence[tuple[Sequence[tuple[int, int, int]], int]] = (
        (ALEXNET_START[:1], 0),
        (ALEXNET_START[:2], 3),
        (ALEXNET_START, 5),
    ),
) -> None:
    """Problem 5: ``function([(size, stride, padding), ...], row)``: first and last row of pixels that count."""
    for stack, row in cases:
        got, (first, last) = function(list(stack), row), _field(stack, row)
        expect(isinstance(got, Sequence) and len(got) == 2, "return two numbers: the first row and the last row.")
        _unlike(
            tuple(got),
            (first, last),
            ((first, last + 1), "the last row is the last one that counts, not the one after it."),
            (_field([(k, s, 0) for k, s, _ in stack], row), "each layer's padding moves the first row back."),
            (_field(stack, row, early=True), "a layer's own stride moves its neighbours apart only *after* it."),
        )
        size = last - first + 1
        where = f"for {list(stack)} and row {row}"
        same(
            got[1] - got[0] + 1, size, f"{where} the field has {size} rows: each layer adds (size - 1) times the jump."
        )
        same(got, (first, last), f"{where} it is {first} to {last}: a step of the output is all strides multiplied.")


@check("fewer parameters and more layers for the same field: the idea of the networks that followed in 2014.")
def threes(
    function: Callable[[int, int], tuple[int, int, int]],
    cases: Sequence[tuple[int, int]] = ((5, 64), (7, 10)),
) -> None:
    """Problem 6: ``function(size, channels)``: 3 x 3 layers with the same field, their parameters, one layer's."""
    for size, channels in cases:
        got = function(size, channels)
        expect(isinstance(got, Sequence) and len(got) == 3, "return three numbers: layers, parameters, parameters.")
        layers, one = (size - 1) // 2, Conv("one", channels, size).parameters((channels, 1, 1))
        stack = layers * Conv("three", channels, 3).parameters((channels, 1, 1))
        _unlike(got[0], layers, (round(size / 3), "a field grows by 2 with each layer, not by 3."))
        same(got[0], layers, f"{layers} layers of 3 x 3 see {size} x {size}: the first sees 3, each more adds 2.")
        where = f"for size {size} and {channels} channels"
        for value, right, name, kernel in ((got[1], stack, "the stack", 3), (got[2], one, "the one layer", size)):
            times = layers if name == "the stack" else 1
            _unlike(
                value,
                right,
                (right - times * channels, f"{name}: every kernel has a bias, too."),
                (times * channels * (kernel**2 + 1), f"{name}: a kernel has weights for each input channel."),
                (right // times, f"{name}: count all of its layers."),
            )
            same(value, right, f"{where}, {name} has {right:,} parameters.")
