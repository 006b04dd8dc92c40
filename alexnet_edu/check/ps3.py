"""Checks of problem set 3, the network in two towers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from alexnet_edu.check import Hint, check, close, expect, same
from alexnet_edu.check.common import unlike
from alexnet_edu.models import AlexNet
from alexnet_edu.variants import get_spec

__all__ = ["before_exchange", "dense_weight", "groups_of", "split", "two_towers", "without_exchange"]

State = dict[str, Tensor]
Widths = tuple[int, int, int, int, int, int, int]  # maps of conv1 to conv5, units of fc6 and fc7, classes

NAMES = ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc8")


def _network(widths: Widths) -> AlexNet:
    """The embedded network's topology at any width, for pictures of 67 pixels, in float64; its biases matter."""
    width = dict(zip(NAMES, widths, strict=True)) | {"fc7": widths[5]}
    model = AlexNet(replace(get_spec("small"), input_size=67).with_widths(width)).double().eval()
    for name, parameter in model.named_parameters():
        torch.nn.init.normal_(parameter, std=(2 / parameter[0].numel()) ** 0.5 if name.endswith("weight") else 0.5)
    return model


def _halves(model: AlexNet) -> tuple[State, State, State]:
    """What each of two GPUs holds, and fc8."""
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    top = {name: state.pop(name) for name in ("fc8.weight", "fc8.bias")}
    left = {name: tensor.chunk(2)[0].clone() for name, tensor in state.items()}
    right = {name: tensor.chunk(2)[1].clone() for name, tensor in state.items()}
    return left, right, top


@check("the shapes of the weights give the groups away, layer by layer.")
def groups_of(
    function: Callable[[State, int], dict[str, int]],
    *,
    cases: Iterable[tuple[int, dict[str, tuple[int, int]]]] = (
        (3, {"conv1": (8, 3), "conv2": (12, 4), "conv3": (16, 12), "conv4": (16, 8)}),
    ),
) -> None:
    """Groups of each convolution; a case is the picture's channels and (kernels, maps a kernel reads) by name."""
    for channels, layers in cases:
        state: State = {}
        want: dict[str, int] = {}
        before = channels
        for name, (kernels, read) in layers.items():
            state |= {f"{name}.bias": torch.zeros(kernels), f"{name}.weight": torch.zeros(kernels, read, 3, 3)}
            want[name], before = before // read, kernels
        state |= {"fc6.bias": torch.zeros(5), "fc6.weight": torch.zeros(5, 4 * before)}
        got = function(state, channels)
        expect(isinstance(got, dict), "A dictionary is wanted, from a layer's name to its number of groups.")
        expect("fc6" not in got, "fc6 is no convolution: its weight has two dimensions.")
        same(sorted(got), sorted(want), f"The keys should be {', '.join(want)}.")
        own = {name: kernels // read for name, (kernels, read) in layers.items()}
        expect(got == want or got != own, "You divided a layer's own kernels; divide the maps that *enter* it.")
        for name in want:
            hint = f"{name}: how many maps enter it, and how many of them does one kernel read (weight.shape[1])?"
            same(got[name], want[name], hint)


@check("groups are an ordinary convolution that may not use most of its weights.")
def dense_weight(
    function: Callable[[Tensor, int], Tensor],
    *,
    cases: Iterable[tuple[tuple[int, ...], int]] = (((4, 3, 2, 2), 1), ((6, 2, 3, 3), 2)),
) -> None:
    """The weight without groups of the same convolution; a case is the grouped weight's shape and the groups."""
    for shape, groups in cases:
        weight = torch.randn(shape, dtype=torch.float64)
        got = function(weight, groups)
        want = torch.cat([F.pad(part, (0, 0, 0, 0, shape[1] * g, shape[1] * (groups - 1 - g)))
                          for g, part in enumerate(weight.chunk(groups))])  # fmt: skip
        if groups > 1:
            unlike(
                got, want, weight.repeat(1, groups, 1, 1), "Repeated weights read every group's maps; the rest is zero."
            )
            mirrored = torch.cat(want.chunk(groups, 1)[::-1], 1)
            unlike(got, want, mirrored, "The kernels of each group read the wrong group's maps.")
            woven = torch.stack(want.chunk(groups, 1), 2).flatten(1, 2)
            unlike(got, want, woven, "A group reads neighbouring maps, one block, not every second one.")
        x = torch.randn(2, shape[1] * groups, 5, 5, dtype=torch.float64)
        close(got, want, f"Weight {shape}, {groups} groups: which maps do the kernels of group 0 read?")
        assert torch.allclose(F.conv2d(x, want), F.conv2d(x, weight, groups=groups))


@check("each GPU holds half of the kernels, with everything that these read.")
def split(
    function: Callable[[State], tuple[State, State]],
    *,
    cases: Iterable[Widths] = ((4, 8, 12, 12, 8, 10, 5),),
) -> None:
    """What the left and the right GPU hold of conv1 to fc7; a case is a network's widths."""
    for widths in cases:
        model = _network(widths)
        answer = function(dict(model.state_dict()))
        expect(isinstance(answer, tuple | list) and len(answer) == 2, "Return two dictionaries: left and right.")
        for got, want, side in zip(answer, _halves(model), ("left", "right"), strict=False):
            expect(isinstance(got, dict), "Return two dictionaries, with the names that came in.")
            expect("fc8.weight" not in got, "fc8 stays whole; leave it out of both.")
            same(sorted(got), sorted(want), f"{side}: the names should be those that came in, without fc8's.")
            for name in want:
                whole = model.state_dict()[name]
                unlike(
                    got[name],
                    want[name],
                    whole[(side == "right") :: 2],
                    f"{name}: a block of kernels, not every second one.",
                )
                if whole.ndim > 1 and whole.shape[1] % 2 == 0:
                    half = whole.chunk(2, 1)[side == "right"]
                    unlike(
                        got[name],
                        want[name],
                        half,
                        f"{name}: you halved what a kernel reads; halve the kernels (dimension 0).",
                    )
                close(got[name], want[name], f"{side} {name}: the left GPU has the first half of the kernels.")


@check("one GPU alone, up to the point where it needs the other's maps.")
def before_exchange(
    function: Callable[[Tensor, State], Tensor],
    *,
    cases: Iterable[Widths] = ((12, 16, 12, 12, 8, 10, 5),),
) -> None:
    """From the picture to the pool2 of one tower; a case is a network's widths."""
    for widths in cases:
        model = _network(widths)
        x = 100 * torch.randn(2, 3, 67, 67, dtype=torch.float64)
        for half, tower in enumerate(_halves(model)[:2]):
            with torch.no_grad():
                got, want = function(x, tower), _until(model, x, "pool2").chunk(2, 1)[half]
                _name_mistake_of_tower(got, want, x, tower)
            close(got, want, "Stop after each step and compare its shape with the table above.", rtol=1e-9)


def _until(model: AlexNet, x: Tensor, last: str) -> Tensor:
    for name, layer in model.named_children():
        x = layer(x)
        if name == last:
            break
    return x


def _tower(
    x: Tensor,
    tower: State,
    *,
    alpha: float = 5e-4,
    k: float = 2.0,
    pool: int = 3,
    relu: bool = True,
    first: bool = True,
) -> Tensor:
    """The reference's steps, with their usual mistakes as arguments."""
    for layer, stride, padding in (("conv1", 4, 0), ("conv2", 1, 2)):
        x = F.conv2d(x, tower[f"{layer}.weight"], tower[f"{layer}.bias"], stride, padding)
        x = x.relu() if relu else x
        for norm in (True, False) if first else (False, True):
            x = F.local_response_norm(x, 5, alpha, 0.75, k) if norm else F.max_pool2d(x, pool, 2)
    return x


def _name_mistake_of_tower(got: object, want: Tensor, x: Tensor, tower: State) -> None:
    alpha = "PyTorch's alpha multiplies the mean of five squares, the paper's 1e-4 their sum: PyTorch needs 5e-4."
    unlike(got, want, _tower(x, tower, alpha=1e-4), alpha, rtol=1e-9)
    unlike(got, want, _tower(x, tower, k=1.0), "PyTorch's default for k is 1; the paper's k is 2.", rtol=1e-9)
    unlike(got, want, _tower(x, tower, k=1.0, alpha=1e-4), "LRN: alpha and k are still PyTorch's defaults.", rtol=1e-9)
    unlike(got, want, _tower(x, tower, pool=2), "The windows of the pools are 3 x 3 and overlap.", rtol=1e-9)
    unlike(got, want, _tower(x, tower, relu=False), "There is no ReLU after the convolutions.", rtol=1e-9)
    unlike(got, want, _tower(x, tower, first=False), "The paper normalises first and pools then.", rtol=1e-9)


@check("two GPUs, no groups, and the scores of the network in one piece.")
def two_towers(
    function: Callable[[Tensor, State, State, State], Tensor],
    *,
    cases: Iterable[Widths] = ((12, 16, 12, 12, 8, 10, 5),),
) -> None:
    """The whole network on two GPUs; a case is a network's widths."""
    for widths in cases:
        model = _network(widths)
        left, right, top = _halves(model)
        x = 10 * torch.randn(2, 3, 67, 67, dtype=torch.float64)
        with torch.no_grad():
            got, want = _run(function, x, left, right, top), model(x)
            _name_mistake_of_network(got, want, x, left, right, top)
        close(got, want, "Compare stage by stage: after conv3, after pool5, after fc6.", rtol=1e-9, atol=1e-9)


def _run(function: Callable[[Tensor, State, State, State], Tensor], x: Tensor, *parts: State) -> Tensor:
    try:
        return function(x, *parts)
    except RuntimeError as problem:  # the first line of PyTorch's message has the shapes
        first = str(problem).splitlines()[0]
        raise Hint(
            f"shapes do not fit ({first}). conv3, fc6 and fc7 read both towers, conv4 and conv5 only their own."
        ) from None


def _network_on_two(
    x: Tensor, left: State, right: State, top: State, *, own_first: bool = False, silent: str = "", last: bool = False
) -> Tensor:
    """The reference's steps, with their usual mistakes as arguments."""
    a, b = _tower(x, left), _tower(x, right)
    towers = (left, right)

    def step(name: str, inputs: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        outs = []
        for tower, value in zip(towers, inputs, strict=True):
            weight, bias = tower[f"{name}.weight"], tower[f"{name}.bias"]
            out = F.conv2d(value, weight, bias, padding=1) if weight.ndim == 4 else F.linear(value, weight, bias)
            outs.append(out if name == silent else out.relu())
        return outs[0], outs[1]

    def both(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        whole = torch.cat([a, b], 1)
        return whole, torch.cat([b, a], 1) if own_first else whole

    a, b = step("conv5", step("conv4", step("conv3", both(a, b))))
    a, b = (F.max_pool2d(tower, 3, 2).flatten(1) for tower in (a, b))
    a, b = step("fc7", both(*step("fc6", both(a, b))))
    scores = F.linear(torch.cat([a, b], 1), top["fc8.weight"], top["fc8.bias"])
    return scores.relu() if last else scores


def _name_mistake_of_network(got: object, want: Tensor, x: Tensor, left: State, right: State, top: State) -> None:
    swapped = "The right GPU puts its own maps first; both need left, then right, as their weights expect."
    unlike(got, want, _network_on_two(x, left, right, top, own_first=True), swapped)
    for name in ("conv3", "conv4", "conv5", "fc6", "fc7"):
        unlike(got, want, _network_on_two(x, left, right, top, silent=name), f"There is no ReLU after {name}.")
    unlike(
        got, want, _network_on_two(x, left, right, top, last=True), "fc8 gives scores of either sign: no ReLU after it."
    )
    unlike(got, want, want.softmax(1), "These are probabilities; scores before the softmax are wanted.")
    unlike(got, want, want.softmax(1).log(), "These are logarithms of probabilities; scores are wanted.")


@check("the two cross blocks are zero, the two own blocks untouched.")
def without_exchange(
    function: Callable[[Tensor], Tensor],
    *,
    cases: Iterable[tuple[int, ...]] = ((4, 6, 3, 3), (6, 4)),
) -> None:
    """A weight through which no tower hears the other; a case is a shape."""
    for shape in cases:
        weight = torch.randn(shape, dtype=torch.float64)
        rows, columns = (torch.arange(size) >= size // 2 for size in shape[:2])
        own = rows[:, None] == columns
        own = own.reshape(*own.shape, *[1] * (len(shape) - 2))
        got, want = function(weight), weight * own
        unlike(got, want, weight * ~own, "You kept what comes from the other tower; keep each tower's own.")
        for kept, hint in ((0, "the left tower still hears the right"), (1, "the right tower still hears the left")):
            one_way = own | (rows == bool(kept)).reshape(-1, *[1] * (len(shape) - 1))
            unlike(got, want, weight * one_way, f"Weight {shape}: {hint}.")
        close(got, want, f"Weight {shape}: rows are the kernels, dimension 1 is what they read; halve both.")
