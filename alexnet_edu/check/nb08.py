"""Checks of notebook 08: what the source code of 2012 says, and what it does not."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from alexnet_edu.check import check, close, expect, same
from alexnet_edu.check.common import alike
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
_WHY = {
    "a": "which line of the file gives the order?",
    "b": "does any file or comment say so, or do figures match?",
    "c": "search the network file for a size of the picture.",
    "d": "the comments give the epoch.",
    "e": "the numbers in the name match numbers of files; who says that they mean the same?",
    "f": "compare the dates in the comments with the deadline.",
    "g": "it stands in the text of the network.",
}


def rounded_up(side: int, size: int, stride: int, padding: int) -> int:
    """Positions of a window along one side as the code of 2012 counts them [layer.py, modulesX]."""
    return 1 + -(-(side + 2 * padding - size) // stride)


@check("the quotient is rounded up, so 224 gives 55.")
def side(function: Callable[[int, int, int, int], int]) -> None:
    """Exercise 1: ``function(side, size, stride, padding)`` as in 2012."""
    for given in (
        (224, 11, 4, 0),
        (227, 11, 4, 0),
        (27, 5, 1, 2),
        (55, 3, 2, 0),
        (13, 3, 1, 1),
        (12, 3, 2, 0),
        (9, 4, 3, 1),
    ):
        got, want = function(*given), rounded_up(*given)
        exact = (given[0] + 2 * given[3] - given[1]) % given[2] == 0
        expect(exact or got != want - 1, f"for {given} you round down, as PyTorch does; 2012 rounded up.")
        expect(not exact or got != want + 1, f"for {given} the windows fit exactly, so there is nothing to round up.")
        same(got, want, f"for (side, size, stride, padding) = {given} it should be {want}.")


@check("the last row and the last column, 109 of 3,025: few, and only at two edges.")
def edge_share(share: float) -> None:
    """Exercise 2: the share of conv1's positions that see pixels outside the 224 x 224 picture."""
    want = (55**2 - 54**2) / 55**2
    if isinstance(share, (int, float)):
        expect(abs(share - 100 * want) > 1e-2, "that is in per cent; give the share, from 0 to 1.")
        expect(abs(share - 1 / 55) > 1e-4, "that is the last row alone; the last column sees outside too.")
        expect(abs(share - 2 / 55) > 1e-5, "the corner lies in the last row and in the last column; count it once.")
    same(share, want, "which of the 55 positions along a side reach beyond pixel 223?", tolerance=1e-3)


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


@check("scale is divided by the size: the mean of the squares counts, not their sum.")
def cmrnorm(function: Callable[[Tensor, int, float, float, float], Tensor]) -> None:
    """Exercise 3: ``function(x (N, C, H, W), size, scale, power, min_div)``, a ``cmrnorm`` layer."""
    x = torch.randn(2, 8, 3, 4, dtype=torch.float64) * 5
    for size, scale, power, least in ((5, 0.3, 0.75, 2.0), (3, 1.0, 0.5, 1.0)):
        got, want = function(x, size, scale, power, least), cross_map_norm(x, size, scale, power, least)
        if isinstance(got, Tensor) and got.shape == want.shape:
            summed = cross_map_norm(x, size, scale * size, power, least)
            expect(not alike(got, summed), "that is the paper's formula; the code divides scale by size.")
            within = x / (least + scale / size * x.square()) ** power
            expect(not alike(got, within), "each map sees only itself; sum over the neighbouring maps.")
            expect(not alike(got, x * (x / want) ** 1.0), "divide by the power, don't multiply with it.")
        close(got, want, f"some values differ for size {size}: look at the first and last maps, whose windows are cut.")


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
        expect(False, f"the reader says: {problem}")
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


@check("three cuts by ten for all layers, and conv1 almost stopped early and then frozen.")
def rates(function: Callable[[int], tuple[float, float]]) -> None:
    """Exercise 5: ``function(epoch)`` gives the rate of conv1's weights and that of the others."""
    for epoch in (0, 24, 25, 50, 51, 66, 67, 71, 72, 78, 79, 90):
        got, want = function(epoch), rates_of_145(epoch)
        expect(isinstance(got, tuple) and len(got) == 2, "give two rates: conv1's, and that of all others.")
        hint = f"in epoch {epoch} the {{}} should be {{}}, not {{}}."
        for name, mine, theirs in zip(("rate of conv1", "rate of the others"), got, want, strict=True):
            same(mine, theirs, hint.format(name, theirs, mine), tolerance=1e-6)


def update_2012(
    w: Tensor, v: Tensor, gradient: Tensor, rate: float, momentum: float, decay: float
) -> tuple[Tensor, Tensor]:
    """One update of 2012: the new weights and the new velocity, each of the shape of ``w``."""
    v = momentum * v - decay * rate * w - rate * gradient
    return w + v, v


@check("the rate stands inside the velocity, so a cut does not slow what is already moving.")
def update(function: Callable[..., tuple[Tensor, Tensor]]) -> None:
    """Exercise 6: ``function(w, v, gradient, rate, momentum, decay)`` gives the new ``(w, v)``."""
    w, v = torch.randn(5), torch.randn(5) * 0.01
    for rate in (0.01, 0.001):
        gradient = torch.randn(5)
        given = (w, v, gradient, rate, 0.9, 0.0005)
        got, want = function(*given), update_2012(*given)
        expect(isinstance(got, tuple) and len(got) == 2, "give back two tensors, the weights and the velocity.")
        torch_v = 0.9 * v + gradient + 0.0005 * w
        if isinstance(got[1], Tensor) and got[1].shape == v.shape:
            expect(not alike(got[1], torch_v), "that is torch.optim.SGD, which keeps the rate outside.")
            undecayed = 0.9 * v - rate * gradient
            expect(not alike(got[1], undecayed, rtol=0, atol=1e-9), "the decay of the weights is missing.")
        close(got[1], want[1], "the velocity differs.", rtol=1e-6, atol=1e-9)
        close(got[0], want[0], "the weights differ: add the new velocity, not the old one.", rtol=1e-6, atol=1e-9)
        w, v = want


@check("fewer kernels in conv1, and conv2 reads 32 + 3 maps instead of 48.")
def blurred_parameters(parameters: int) -> None:
    """Exercise 7: the parameters of networks 131, 135 and 137."""
    conv1, conv2 = 32 * (11 * 11 * 3 + 1), 256 * 5 * 5 * (48 - 32 - 3)
    full = 60_965_224
    hint = f"start from {full:,} and change conv1 and conv2."
    if isinstance(parameters, int):
        expect(parameters != full - conv1, "conv1 is right; conv2 sees fewer maps too.")
        expect(parameters != full - conv1 - 256 * 5 * 5 * 16, "conv2 also reads the 3 blurred maps.")
        expect(parameters != full - conv1 - 2 * conv2, "each tower has 128 of conv2's 256 filters; count them once.")
    same(parameters, full - conv1 - conv2, hint)


@check("seven of seven: code and logs prove, matching figures suggest, and the paper stands for what neither holds.")
def evidence(answers: Mapping[str, str]) -> None:
    """Exercise 8: for each sentence a to g what it rests on."""
    words = ("code", "log", "paper", "inference", "refuted")
    expect(isinstance(answers, Mapping), 'give a dictionary such as {"a": "code", "b": "log", ...}.')
    for key, right in EVIDENCE.items():
        given = answers.get(key)
        same(given, given if given in words else words[0], f"sentence {key} needs one of {', '.join(words)}.")
        expect(given == right, f"sentence {key} is not {given}: {_WHY[key]}")
