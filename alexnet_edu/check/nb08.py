"""Checks of notebook 08: what the source code of 2012 says, and what it does not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from alexnet_edu.check.exercises import Hint, Inputs, check, exercise, expect, question
from alexnet_edu.errors import AlexNetError
from alexnet_edu.museum import NETWORK_145, read_network

__all__ = [
    "EVIDENCE",
    "LOG_145",
    "blurred_parameters",
    "cmrnorm",
    "cross_map_norm",
    "edge_share",
    "evidence",
    "network_150",
    "rates",
    "rates_of_145",
    "rounded_up",
    "side",
    "update",
    "update_2012",
]

# Quoted from computerhistory/AlexNet-Source-Code, layers/layer-params-145.cfg (comments), 2012.
LOG_145 = """\
epoch 25: set epsw to 0.001 from 0.01
epoch 51: set epsw to 0.0001 from 0.001
epoch 67: set epsw to 0.00001 from 0.0001 on conv1
          set color noise to 0 from 0.1
epoch 72: set epsw to 0 on conv1
epoch 79: set epsw to 0.00001 from 0.0001
epoch 91: killed
"""
EVIDENCE = {"a": "code", "b": "inference", "c": "paper", "d": "log", "e": "inference", "f": "refuted", "g": "code"}


def rounded_up(side: int, size: int, stride: int, padding: int) -> int:
    """Positions of a window along one side as the code of 2012 counts them [layer.py, modulesX]."""
    return 1 + -(-(side + 2 * padding - size) // stride)


@exercise(
    "the quotient is rounded up, so 224 gives 55.",
    right=rounded_up,
    hint="Draw the padded side, and let the window walk until it reaches over the edge.",
    mistakes=[
        (lambda n, k, s, p: 1 + (n + 2 * p - k) // s, "You round down, as PyTorch does; 2012 rounded up."),
        (lambda n, k, s, p: 2 + (n + 2 * p - k) // s, "Where the windows fit exactly, there is nothing to round up."),
        (lambda n, k, s, p: rounded_up(n, k, s, 0), "Padding makes the side longer."),
        (lambda n, k, s, p: rounded_up(n + p, k, s, 0), "Padding is added on both sides."),
        (lambda n, k, s, p: -(-(n + 2 * p - k) // s), "n steps of the window make n + 1 positions."),
        (lambda n, k, s, p: 1 + (n + 2 * p - k) / s, "A window is there or it is not: give a whole number."),
    ],
)
def side() -> Iterable[Inputs]:
    """Exercise 2: ``function(side, size, stride, padding)``: positions of a window along one side, rounded up."""
    return [
        (224, 11, 4, 0),
        (227, 11, 4, 0),
        (27, 5, 1, 2),
        (55, 3, 2, 0),
        (13, 3, 1, 1),
        (12, 3, 2, 0),
        (9, 4, 3, 1),
        (10, 4, 3, 2),
    ]


@question(
    "the last row and the last column, 109 of 3,025: few, and only at two edges.",
    right=(55**2 - 54**2) / 55**2,
    rtol=1e-3,
    hint=("Which of the 55 positions along a side reach beyond pixel 223?", "How many places of the map are those?"),
    mistakes=[
        (100 * (55**2 - 54**2) / 55**2, "That is in per cent; a share from 0 to 1 is wanted."),
        (55**2 - 54**2, "That is a count; which share of all positions is it?"),
        (1 / 55, "That is the last row alone; the last column sees outside, too."),
        (2 / 55, "The corner lies in the last row and in the last column: count it once."),
        (4 * 54 / 55**2, "Zeros stand at two edges only."),
    ],
)
def edge_share(share: float) -> object:
    """Exercise 3: the share of conv1's positions that see pixels outside the 224 x 224 picture."""
    return share


def cross_map_norm(x: Tensor, size: int, scale: float, power: float, min_div: float) -> Tensor:
    """``type=cmrnorm`` of the 2012 files for an odd ``size``.

    Args:
        x: ``(N, C, H, W)``.
        size: maps in a window.
        scale: as in the parameter file; the code divides it by ``size``.
        power: the exponent, ``pow`` in the file.
        min_div: the constant in the denominator, ``minDiv`` in the file.

    Returns:
        ``(N, C, H, W)``.
    """
    reach = size // 2
    squares = [x[:, max(0, i - reach) : i + reach + 1].square().sum(dim=1) for i in range(x.shape[1])]
    return x / (min_div + scale / size * torch.stack(squares, dim=1)) ** power


def _unsquared(x: Tensor, size: int, scale: float, power: float, min_div: float) -> Tensor:
    sums = torch.stack([x[:, max(0, i - size // 2) : i + size // 2 + 1].sum(1) for i in range(x.shape[1])], 1)
    return x / (min_div + scale / size * sums) ** power


def _of_present(x: Tensor, size: int, scale: float, power: float, min_div: float) -> Tensor:
    windows = [x[:, max(0, i - size // 2) : i + size // 2 + 1] for i in range(x.shape[1])]
    return x / (min_div + scale * torch.stack([one.square().mean(1) for one in windows], 1)) ** power


@exercise(
    "scale is divided by the size: the mean of the squares counts, not their sum.",
    right=cross_map_norm,
    hint=("Compare map by map.", "Look at the first and the last maps, whose windows are cut."),
    mistakes=[
        (lambda x, n, s, p, m: cross_map_norm(x, n, s * n, p, m), "That is the paper's formula; what does the code do "
         "with scale first?"),
        (lambda x, n, s, p, m: x / (m + s / n * x.square()) ** p, "Each map sees only itself."),
        (lambda x, n, s, p, m: x * (x / cross_map_norm(x, n, s, p, m)), "You multiply with the power; divide by it."),
        (_unsquared, "You add up the values themselves: which power of them does the formula add up?"),
        (_of_present, "At the edges you divide by the number of maps that are there; the code always by the size."),
        (lambda x, n, s, p, m: cross_map_norm(x, n, s, 1.0, m), "The exponent is an argument: where is it in yours?"),
        (lambda x, n, s, p, m: cross_map_norm(x, n, s, p, 1.0), "min_div is an argument; you take 1."),
    ],
)  # fmt: skip
def cmrnorm() -> Iterable[Inputs]:
    """Exercise 4: ``function(x (N, C, H, W), size, scale, power, min_div)``, a ``cmrnorm`` layer."""
    x = torch.rand(2, 8, 3, 4, dtype=torch.float64) * 5
    return [(x, 5, 0.3, 0.75, 2.0), (x, 3, 1.0, 0.5, 1.0), (torch.rand(1, 4, 1, 2), 7, 0.5, 0.75, 3.0)]


@check("the towers meet in fc8 alone, and the network costs what 145 costs: what differs is the exchange.")
def network_150(text: str) -> None:
    """Exercise 1: the text of network 145, changed into network 150."""
    expect(isinstance(text, str), "give the text of the changed file.")
    want = read_network(NETWORK_145.with_name("150.cfg"))
    try:
        after = read_network(text)
        for layer in want:
            mine = after[layer.name]
            listens = ", ".join(mine.inputs)
            expect(mine.inputs == layer.inputs, f"look again at what {layer.name} reads: {listens}.")
    except AlexNetError as problem:
        raise Hint(f"the reader says: {problem}") from None
    full, got = read_network(NETWORK_145).total_macs, after.total_macs
    hint = f"the towers are apart, but the network has {got:,} MACs and 145 has {full:,}: which layers grew in return?"
    expect(abs(got - full) < full / 1000, hint)
    for layer in want:
        hint = f"compare {layer.name} with the list of changes: its output is {after[layer.name].output_shape}."
        expect(after[layer.name].output_shape == layer.output_shape, hint)
        expect(after[layer.name].parameters == layer.parameters, f"{layer.name} has other weights than network 150's.")


def rates_of_145(epoch: int) -> tuple[float, float]:
    """The rates of conv1's weights and of all other weights of network 145 in an epoch, from the log."""
    others = 0.01 if epoch < 25 else 0.001 if epoch < 51 else 0.0001 if epoch < 79 else 0.00001
    conv1 = 0.0 if epoch >= 72 else 0.00001 if epoch >= 67 else others
    return conv1, others


@exercise(
    "three cuts by ten for all layers, and conv1 almost stopped early and then frozen.",
    right=rates_of_145,
    hint="Read the lines of the log up to this epoch: which of them speak of conv1, and which of all layers?",
    mistakes=[
        (lambda epoch: rates_of_145(epoch)[::-1], "conv1's rate comes first."),
        (lambda epoch: (rates_of_145(epoch)[1], ...), "conv1 goes its own way at the end."),
        (lambda epoch: rates_of_145(epoch - 1), "A cut counts from the epoch that the log names."),
        (lambda epoch: (..., rates_of_145(epoch)[0]), "The other layers are not frozen with conv1."),
        (lambda epoch: (0.01, 0.01), "The rate is cut several times."),
        (lambda epoch: (..., 0.01 if epoch < 25 else 0.001 if epoch < 51 else 0.0001), "The others are cut once more."),
    ],
)
def rates() -> Iterable[Inputs]:
    """Exercise 5: ``function(epoch)`` gives the rate of conv1's weights and that of the others."""
    return [(epoch,) for epoch in (0, 24, 25, 50, 51, 66, 67, 71, 72, 78, 79, 90)]


def update_2012(
    w: Tensor, v: Tensor, gradient: Tensor, rate: float, momentum: float, decay: float
) -> tuple[Tensor, Tensor]:
    """One update of 2012: the new weights and the new velocity, each of the shape of ``w``."""
    v = momentum * v - decay * rate * w - rate * gradient
    return w + v, v


@exercise(
    "the rate stands inside the velocity, so a cut does not slow what is already moving.",
    right=update_2012,
    rtol=2e-6,
    hint="Take numbers: w 1, v 0, gradient 0. What does one update change, and by how much?",
    mistakes=[
        (lambda w, v, g, r, m, d: (..., m * v + g + d * w), "That is torch.optim.SGD, which keeps the rate outside."),
        (lambda w, v, g, r, m, d: (..., m * v - r * g), "The decay of the weights is missing."),
        (lambda w, v, g, r, m, d: (..., m * v - d * w - r * g), "The decay is multiplied by the rate as well."),
        (lambda w, v, g, r, m, d: (..., m * v + d * r * w + r * g), "The weights go downhill: which signs are right?"),
        (lambda w, v, g, r, m, d: (..., v - d * r * w - r * g), "The velocity keeps only a part of itself."),
        (lambda w, v, g, r, m, d: (w + v, ...), "The weights move by the new velocity, not by the old one."),
        (lambda w, v, g, r, m, d: update_2012(w, v, g, r, m, d)[::-1], "The weights come first, then the velocity."),
    ],
)
def update() -> Iterable[Inputs]:
    """Exercise 6: ``function(w, v, gradient, rate, momentum, decay)`` gives the new ``(w, v)``."""
    return [(torch.randn(5), torch.randn(5) * rate, torch.randn(5), rate, momentum, 0.0005)
            for rate, momentum in ((0.01, 0.9), (0.001, 0.9), (0.1, 0.5))]  # fmt: skip


FULL = read_network(NETWORK_145).total_parameters
CONV1, CONV2 = 32 * (11 * 11 * 3 + 1), 256 * 5 * 5 * (48 - 32 - 3)


@question(
    "fewer kernels in conv1, and conv2 reads 32 + 3 maps instead of 48.",
    right=FULL - CONV1 - CONV2,
    hint=("Two layers change; start from network 145.", "What does one kernel of each cost, before and after?"),
    mistakes=[
        (FULL - CONV1, "conv1 is right; conv2 reads fewer maps, too."),
        (FULL - CONV1 - 256 * 5 * 5 * 16, "conv2 also reads the 3 blurred maps."),
        (FULL - CONV1 - 2 * CONV2, "Each tower has 128 of conv2's 256 filters; count them once."),
        (FULL - CONV2, "conv2 is right; conv1 has fewer kernels."),
        (FULL - CONV1 + 32 - CONV2, "Every kernel of conv1 has a bias, too."),
        (FULL, "That is network 145."),
    ],
)
def blurred_parameters(parameters: int) -> object:
    """Exercise 7: the parameters of networks 131, 135 and 137."""
    return parameters


@question(
    "seven of seven: code and logs prove, matching figures suggest, and the paper stands for what neither holds.",
    right=EVIDENCE,
    among=("code", "log", "paper", "inference", "refuted"),
    hint={
        "a": "which line of the file gives the order?",
        "b": "does any file or comment say so, or do figures match?",
        "c": "search the network file for a size of the picture.",
        "d": "the comments give the epoch.",
        "e": "the numbers in the name match numbers of files; who says that they mean the same?",
        "f": "compare the dates in the comments with the deadline.",
        "g": "it stands in the text of the network.",
    },
)
def evidence(answers: Mapping[str, str]) -> object:
    """Exercise 8: for each sentence a to g what it rests on."""
    return answers
