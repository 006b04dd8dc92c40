"""Checks of problem set 1: shapes, parameters, costs and receptive fields, by hand and in code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import prod

from alexnet_edu.check.exercises import Inputs, exercise, question, whole
from alexnet_edu.geometry import layer_table
from alexnet_edu.specs import Conv, Flatten, Linear, MaxPool, Shape, Spec, Window, positions

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
ROWS = {row.name: row for row in layer_table(KITE) if row.name != "flatten"}

Described = tuple[object, ...]  # ("conv", kernels, size, stride, padding, groups), ("pool", size, stride) or
# ("fc", units)
Row = tuple[Shape, int, int]
Stack = Sequence[tuple[int, int, int]]  # (size, stride, padding) of each layer


@question(
    "each is (channels, rows, columns), with 1 + (side + 2 padding - size) // stride rows.",
    right={name: row.output_shape for name, row in ROWS.items()},
    shown=("conv1",),
    hint=("count its kernels or units, then the positions along one side.", "Which shape enters it?"),
    mistakes=[
        ({"conv1": (31, 31, 16)}, "conv1: channels come first, then rows, then columns."),
        ({"conv1": (16, 30, 30)}, "conv1: n steps of the window make n + 1 positions."),
        ({"conv1": (16, 32, 32)}, "conv1: a last window that does not fit is dropped: round down."),
        ({"conv1": (3, 31, 31)}, "conv1: each of its kernels makes a map of its own."),
        ({"pool1": (16, 14, 14)}, "pool1: n steps of the window make n + 1 positions."),
        ({"pool1": (16, 16, 16)}, "pool1: a last window that does not fit is dropped: round down."),
        ({"pool1": (16, 10, 10)}, "pool1: its windows overlap: each starts 2 after the last, not 3."),
        ({"conv2": (16, 15, 15)}, "conv2: two groups split the inputs; both halves' outputs count."),
        ({"conv2": (32, 11, 11)}, "conv2: what does its padding add to a side?"),
        ({"pool2": (32, 8, 8)}, "pool2: a last window that does not fit is dropped: round down."),
        ({"pool2": (32, 6, 6)}, "pool2: n steps of the window make n + 1 positions."),
        ({"fc3": (32, 7, 7)}, "fc3 is fully connected: its output is a vector, (units,)."),
        ({"fc3": (100, 1, 1)}, "fc3 has one value for each unit, and no rows."),
    ],
)
def shapes(answer: Mapping[str, Shape]) -> object:
    """Problem 1: the output shape of each layer of Kite, by name; everybody's check looks at conv1 alone."""
    return answer


@question(
    "weights and biases, with a group's kernels seeing only their group's channels.",
    right={name: row.parameters for name, row in ROWS.items()},
    shown=("conv1",),
    hint=("how many weights has one kernel or unit, and how many are there?", "What does one of them read?"),
    mistakes=[
        ({"conv1": 16 * 147}, "conv1: every kernel has a bias, too."),
        ({"conv1": 16 * 50}, "conv1: a kernel has a square of weights for each input channel."),
        ({"conv1": 16 * 147 * 31**2}, "conv1: a kernel's weights are the same at every position, and counted once."),
        ({"pool1": 16 * 9}, "pool1 takes the largest value: there is nothing to learn."),
        ({"conv2": 32 * (16 * 25 + 1)}, "conv2: in groups a kernel does not see all channels."),
        ({"conv2": 32 * 8 * 25}, "conv2: every kernel has a bias, too."),
        ({"conv2": 16 * (8 * 25 + 1)}, "conv2: that is one of its two groups."),
        ({"pool2": 32 * 9}, "pool2 takes the largest value: there is nothing to learn."),
        ({"fc3": 100 * (32 + 1)}, "fc3: every unit sees each position of each map, not one value per map."),
        ({"fc3": 100 * 32 * 49}, "fc3: every unit has a bias, too."),
    ],
)
def parameters(answer: Mapping[str, int]) -> object:
    """Problem 2: the parameters of each layer of Kite, by name; everybody's check looks at conv1 alone."""
    return answer


def _side(side: int, size: int, stride: int, padding: int, ceil: bool) -> int:
    return positions(side, Window(size, stride, padding), ceil=ceil)


@exercise(
    "the window starts at 0 and steps as often as it fits, or once more if you round up.",
    right=_side,
    hint="Draw the padded side, and let the window walk.",
    mistakes=[
        (lambda n, k, s, p, c: _side(n, k, s, p, False), "`ceil` is an argument: you always round down."),
        (lambda n, k, s, p, c: _side(n, k, s, p, True), "`ceil` is an argument: you always round up."),
        (lambda n, k, s, p, c: _side(n, k, s, p, not c), "ceil=True rounds up, ceil=False down."),
        (lambda n, k, s, p, c: _side(n, k, s, p, c) - 1, "n steps of the window make n + 1 positions."),
        (lambda n, k, s, p, c: _side(n + p, k, s, 0, c), "Padding is added on both sides."),
        (lambda n, k, s, p, c: _side(n, k, s, 0, c), "Padding makes the side longer."),
        (lambda n, k, s, p, c: 1 + (n + 2 * p - k) / s, "A window fits or it does not: give a whole number."),
        (lambda n, k, s, p, c: (n + 2 * p - k) // s + 2 if c else _side(n, k, s, p, c), "Where the windows fit "
         "exactly, there is nothing to round up."),
    ],
)  # fmt: skip
def out_side(hidden: bool) -> Iterable[Inputs]:
    """Problem 3: ``function(side, size, stride, padding, ceil)``: positions along one side."""
    if not hidden:
        alexnet = [(227, 11, 4, 0, False), (27, 5, 1, 2, False), (224, 11, 4, 0, True)]
        return [*alexnet, (55, 3, 2, 0, True), (28, 3, 2, 0, False)]
    drawn = [(whole(1, 9), whole(1, 5), whole(0, 3)) for _ in range(20)]
    fitting = [(size + stride * whole(0, 6), size, stride, 0, ceil) for size, stride, _ in drawn[:4]
               for ceil in (False, True)]  # fmt: skip
    return [*fitting, *((size + whole(0, 40), size, stride, padding, bool(whole(0, 1)))
                        for size, stride, padding in drawn)]  # fmt: skip


def _layer(described: Described) -> Conv | MaxPool | Linear:
    kinds = {"conv": Conv, "pool": MaxPool, "fc": Linear}
    return kinds[str(described[0])]("", *described[1:])  # type: ignore[arg-type, no-any-return]


def _costs(shape: Shape, layers: Sequence[Described], *, groups: bool = True) -> list[Row]:
    """What Problem 4 asks for, from the methods of the specs; without ``groups`` a kernel sees all channels."""
    rows = []
    for described in layers:
        layer = _layer(described if groups or described[0] != "conv" else described[:5])
        rows.append((layer.output_shape(shape), layer.parameters(shape), layer.macs(shape)))
        shape = rows[-1][0]
    return rows


def _wrong_costs(shape: Shape, layers: Sequence[Described], **columns: object) -> list[Inputs]:
    """Rows with some columns computed otherwise, from the layer, the shape that enters it and the right row."""
    rows = []
    for described, row in zip(layers, _costs(shape, layers), strict=True):
        name, *_ = described
        change = columns.get(str(name))
        rows.append(change(_layer(described), shape, row) if callable(change) else row)
        shape = row[0]
    return rows


@exercise(
    "the whole network from a list: this is what the course's own layer_table does.",
    right=_costs,
    hint="Which is the first row that differs, and what enters that layer?",
    mistakes=[
        (lambda shape, layers: _costs(shape, layers, groups=False), "In groups a kernel does not see all channels."),
        (lambda *n: _wrong_costs(*n, conv=lambda layer, entering, row: (*row[:2], row[1] * prod(row[0][1:]))), "The "
         "bias is added, not multiplied."),
        (lambda *n: _wrong_costs(*n, conv=lambda layer, entering, row: (
            *row[:2], (row[1] - row[0][0]) * prod(entering[1:]))), "A kernel is applied once for each *output* "
         "position."),
        (lambda *n: _wrong_costs(*n, fc=lambda layer, entering, row: (row[0], row[0][0] * (entering[0] + 1), ...)),
         "A fully connected layer reads every value of every map."),
        (lambda *n: _wrong_costs(*n, conv=lambda layer, entering, row: (row[0], row[1] - row[0][0], ...),
                                 fc=lambda layer, entering, row: (row[0], row[1] - row[0][0], ...)), "The biases are "
         "missing from the parameters."),
        (lambda *n: _wrong_costs(*n, conv=lambda layer, entering, row: (*row[:2], row[1] * prod(row[0][1:])),
                                 fc=lambda layer, entering, row: (*row[:2], row[1])), "Biases cost no MAC."),
        (lambda *n: _wrong_costs(*n, fc=lambda layer, entering, row: (*row[:2], row[1])), "Of a fully connected "
         "layer, too, the bias costs no MAC."),
        (lambda *n: [(*row[:2], 2 * row[2]) for row in _costs(*n)], "A multiplication with its addition is one MAC."),
        (lambda shape, layers: _costs((shape[0], shape[1], shape[1]), layers), "Pictures need not be square."),
    ],
)  # fmt: skip
def network_costs(hidden: bool) -> Iterable[Inputs]:
    """Problem 4: ``function(shape, layers)``: for each layer its output shape, parameters and MACs."""
    if not hidden:
        small = [("conv", 8, 3, 1, 1, 2), ("pool", 2, 2), ("conv", 6, 3, 2, 0, 1), ("fc", 10), ("fc", 4)]
        return [((4, 12, 10), small)]
    return [((5, 8, 8), [("fc", 3)]), *(_drawn_network() for _ in range(8))]


def _drawn_network() -> tuple[Shape, list[Described]]:
    """A network of layers that fit, on an oblong picture."""
    groups, layers = whole(1, 3), []
    shape: Shape = (groups * whole(1, 4), whole(18, 44), whole(18, 44))
    start = shape
    for _ in range(whole(1, 3)):
        window = [("conv", whole(1, 4) * groups, whole(1, 5), whole(1, 2), whole(0, 2), groups),
                  ("pool", whole(2, 3), whole(1, 2))][whole(0, 2) // 2]  # fmt: skip
        layers.append(window)
        shape = _layer(window).output_shape(shape)
    return start, [*layers, *(("fc", whole(1, 20)) for _ in range(whole(1, 2)))]


def _field(stack: Stack, row: int, *, early: bool = False, padded: bool = True) -> tuple[int, int]:
    """First and last row; ``early`` makes the mistake of applying a stride to its own layer."""
    size, jump, start = 1, 1, 0
    for kernel, stride, padding in stack:
        step = jump * stride if early else jump
        size, start, jump = size + (kernel - 1) * step, start - padding * padded * step, jump * stride
    return start + row * jump, start + row * jump + size - 1


@exercise(
    "the first row moves by the product of the strides; padding moves it back.",
    right=_field,
    hint=("Go back from the last layer to the first.", "Which rows of the layer before does a row depend on?"),
    mistakes=[
        (lambda stack, row: (..., _field(stack, row)[1] + 1), "The last row is the last one that counts, not the one "
         "after it."),
        (lambda stack, row: _field(stack, row, padded=False), "Each layer's padding moves the first row back."),
        (lambda stack, row: _field(stack, row, early=True), "A layer's own stride moves its neighbours apart only "
         "*after* it."),
        (lambda stack, row: (max(0, _field(stack, row)[0]), ...), "Rows of padding count: do not cut them off."),
        (lambda stack, row: _field(stack[::-1], row), "The first layer of the list is the first that meets the "
         "picture."),
        (lambda stack, row: (_field(stack, row)[0], _field(stack, row)[0] + sum(k - 1 for k, _, _ in stack)), "A step "
         "of a later layer is several rows wide."),
    ],
)  # fmt: skip
def field_rows(hidden: bool) -> Iterable[Inputs]:
    """Problem 5: ``function([(size, stride, padding), ...], row)``: first and last row of pixels that count."""
    start = [(11, 4, 0), (3, 2, 0), (5, 1, 2), (3, 2, 0)]
    if not hidden:
        return [(start[:1], 0), (start[:2], 3), (start, 5), ([(3, 1, 1)], 0)]
    drawn = [[(size := whole(1, 7), whole(1, 4), whole(0, size // 2)) for _ in range(whole(1, 6))] for _ in range(14)]
    return [([], whole(0, 9)), ([*start, *[(3, 1, 1)] * 3], 0), *((stack, whole(0, 9)) for stack in drawn)]


def _threes(size: int, channels: int) -> tuple[int, int, int]:
    large, small = (Conv("", channels, kernel).parameters((channels, 1, 1)) for kernel in (size, 3))
    return (size - 1) // 2, (size - 1) // 2 * small, large


@exercise(
    "fewer parameters and more layers for the same field: the idea of the networks that followed in 2014.",
    right=_threes,
    hint=("How far does the field grow with each layer of 3 x 3?", "Then count weights and biases of one layer."),
    mistakes=[
        (lambda size, channels: (round(size / 3), ..., ...), "A field grows by 2 with each layer, not by 3."),
        (lambda size, channels: ((size + 1) // 2, ..., ...), "The first layer alone already sees 3 rows."),
        (lambda size, channels: ((layers := (size - 1) // 2), layers * 9 * channels**2, size**2 * channels**2),
         "Every kernel has a bias, too."),
        (lambda size, channels: (..., (size - 1) // 2 * channels * 10, channels * (size**2 + 1)),
         "A kernel has weights "
         "for each input channel."),
        (lambda size, channels: (..., channels * (9 * channels + 1), ...), "Count all layers of the stack."),
        (lambda size, channels: (..., ..., channels * (size * channels + 1)), "A kernel has a *square* of weights."),
    ],
)  # fmt: skip
def threes(hidden: bool) -> Iterable[Inputs]:
    """Problem 6: ``function(size, channels)``: 3 x 3 layers with the same field, their parameters, one layer's."""
    return [(2 * whole(1, 9) + 1, whole(1, 200)) for _ in range(10)] if hidden else [(5, 64), (7, 10)]
