"""Checks of problem set 3, the network in two towers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from alexnet_edu.check.exercises import Inputs, exercise, whole
from alexnet_edu.models import AlexNet
from alexnet_edu.variants import get_spec

__all__ = ["before_exchange", "dense_weight", "groups_of", "split", "two_towers", "without_exchange"]

State = dict[str, Tensor]
Widths = tuple[int, ...]  # maps of conv1 to conv5, units of fc6 and fc7, classes

NAMES = ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc8")


def _network(widths: Widths) -> AlexNet:
    """The embedded network's topology at any width, for pictures of 67 pixels, in float64; its biases matter."""
    width = dict(zip(NAMES, widths, strict=True)) | {"fc7": widths[5]}
    model = AlexNet(replace(get_spec("small"), input_size=67).with_widths(width)).double().eval()
    for name, parameter in model.named_parameters():
        torch.nn.init.normal_(parameter, std=(2 / parameter[0].numel()) ** 0.5 if name.endswith("weight") else 0.5)
    model.get_parameter("conv5.bias").data -= 2  # else the largest of nine values is hardly ever negative
    return model


def _state(widths: Widths) -> State:
    return {name: tensor.clone() for name, tensor in _network(widths).state_dict().items()}


def _widths() -> Widths:
    """Widths that two towers can share out, drawn from the seed."""
    return (*(4 * whole(1, 4) for _ in range(5)), 2 * whole(2, 7), whole(3, 9))


def _groups(state: State, channels: int, *, own: bool = False) -> dict[str, int]:
    """``own`` makes the mistake of dividing a layer's own kernels."""
    found, entering = {}, channels
    for name, tensor in state.items():
        if tensor.ndim == 4:
            found[name.removesuffix(".weight")] = (len(tensor) if own else entering) // tensor.shape[1]
            entering = len(tensor)
    return found


@exercise(
    "the shapes of the weights give the groups away, layer by layer.",
    right=_groups,
    hint=("How many maps enter a convolution, and how many of them does one kernel read?", "Go layer by layer."),
    mistakes=[
        (partial(_groups, own=True), "You divided a layer's own kernels; which maps *enter* it?"),
        (lambda state, channels: dict.fromkeys(_groups(state, channels), 1), "Some kernels read fewer maps than enter "
         "their layer."),
        (lambda state, channels: {f"{k}.weight": v for k, v in _groups(state, channels).items()},
         "The keys are names of "
         "layers, without `.weight`."),
        (lambda state, channels: list(_groups(state, channels).values()),
         "A dictionary is wanted, from a layer's name to "
         "its number of groups."),
        (lambda state, channels: {**_groups(state, channels), "fc6": 1},
         "fc6 is no convolution: look at its dimensions."),
        (lambda state, n: {k: v.shape[1] for k, v in zip(_groups(state, n), _kernels(state), strict=True)},
         "That is how many maps a kernel reads; into how many groups does that cut those that enter?"),
    ],
)  # fmt: skip
def groups_of(hidden: bool) -> Iterable[Inputs]:
    """Problem 1: groups of each convolution: ``(state, channels)``."""
    cases = [(3, {"conv1": (8, 3), "conv2": (12, 4), "conv3": (16, 12), "conv4": (16, 8)}), (4, {"first": (6, 2)})]
    for channels, layers in [_groups_case() for _ in range(6)] if hidden else cases:
        state: State = {}
        for name, (kernels, read) in layers.items():
            state |= {f"{name}.bias": torch.zeros(kernels), f"{name}.weight": torch.zeros(kernels, read, 3, 3)}
        yield state | {"fc6.bias": torch.zeros(5), "fc6.weight": torch.zeros(5, 4 * kernels)}, channels


def _kernels(state: State) -> list[Tensor]:
    return [tensor for tensor in state.values() if tensor.ndim == 4]


def _groups_case() -> tuple[int, dict[str, tuple[int, int]]]:
    layers, entering = {}, whole(1, 6)
    channels = entering
    for name in ("stem", "deep", "mix", "last")[: whole(1, 4)]:
        groups = [n for n in range(1, entering + 1) if entering % n == 0][whole(0, 9) % 2 - 1]
        layers[name] = (groups * whole(1, 4), entering // groups)
        entering = layers[name][0]
    return channels, layers


def _dense(weight: Tensor, groups: int, *, turn: int = 0) -> Tensor:
    """Each group's kernels in their own block, or ``turn`` blocks further."""
    part = weight.shape[1]
    dense = weight.new_zeros(len(weight), part * groups, *weight.shape[2:])
    for g, block in enumerate(weight.chunk(groups)):
        start = (g + turn) % groups * part
        dense[g * len(block) : (g + 1) * len(block), start : start + part] = block
    return dense


@exercise(
    "groups are an ordinary convolution that may not use most of its weights.",
    right=_dense,
    hint=("Which maps do the kernels of group 0 read?", "All their other weights are forbidden."),
    mistakes=[
        (lambda w, g: w.repeat(1, g, 1, 1), "Repeated weights read every group's maps."),
        (lambda w, g: w.repeat(1, g, 1, 1) / g, "A mean over the groups is not what a group computes."),
        (partial(_dense, turn=1), "The kernels of each group read another group's maps."),
        (lambda w, g: torch.stack(_dense(w, g).chunk(g, 1), 2).flatten(1, 2),
         "A group reads neighbouring maps, "
         "one block, not every second one."),
        (lambda w, g: F.pad(w, (0, 0, 0, 0, 0, w.shape[1] * (g - 1))), "All your kernels read the first group's maps."),
        (lambda w, g: w, "Yours still reads one group's maps: an ordinary kernel reads all."),
    ],
)  # fmt: skip
def dense_weight(hidden: bool) -> Iterable[Inputs]:
    """Problem 2: the weight without groups of the same convolution: ``(weight, groups)``."""
    cases = [((4, 3, 2, 2), 1), ((6, 2, 3, 3), 2), ((6, 2, 1, 1), 3)]
    drawn = [((groups * whole(1, 4), whole(1, 4), side := whole(1, 5), side), groups)
             for groups in (1, 2, 3, 4, 6, whole(2, 5))]  # fmt: skip
    return [(torch.randn(shape, dtype=torch.float64), groups) for shape, groups in (drawn if hidden else cases)]


def _halves(state: State, *, dim: int = 0) -> list[State]:
    """What each of two GPUs holds; with ``dim`` 1 what its kernels read is halved instead, where it can be."""
    below = {name: tensor for name, tensor in state.items() if not name.startswith("fc8")}
    dims = {name: dim if tensor.ndim > 1 and tensor.shape[1] % 2 == 0 else 0 for name, tensor in below.items()}
    return [{name: tensor.chunk(2, dims[name])[half].clone() for name, tensor in below.items()} for half in (0, 1)]


@exercise(
    "each GPU holds half of the kernels, with everything that these read.",
    right=_halves,
    hint=("Compare one weight with the whole one, kernel by kernel.", "The left GPU has the first half of them."),
    mistakes=[
        (lambda state: [{k: state[k][half::2] for k in _halves(state)[0]} for half in (0, 1)],
         "A block of kernels, not "
         "every second one."),
        (partial(_halves, dim=1), "You halved what a kernel reads; halve the kernels."),
        (lambda state: [{k: t.chunk(2)[half] for k, t in state.items()} for half in (0, 1)],
         "fc8 stays whole: leave it "
         "out of both."),
        (lambda state: _halves(state)[::-1], "Left and right are swapped."),
        (lambda state: [{k: t if t.ndim > 1 else state[k] for k, t in one.items()} for one in _halves(state)],
         "A kernel "
         "takes its bias with it."),
        (lambda state: [{k: t for k, t in one.items() if t.ndim > 1} for one in _halves(state)],
         "The biases are gone."),
        (lambda state: _halves(state)[0], "Two dictionaries are wanted, left and right."),
    ],
)  # fmt: skip
def split(hidden: bool) -> Iterable[Inputs]:
    """Problem 3: what the left and the right GPU hold of conv1 to fc7: ``(state,)``."""
    return [(_state(_widths()),) for _ in range(3)] if hidden else [(_state((4, 8, 12, 12, 8, 10, 5)),)]


def _tower(
    x: Tensor,
    tower: State,
    *,
    alpha: float = 5e-4,
    k: float = 2.0,
    pool: int = 3,
    relu: bool = True,
    first: bool = True,
    padding: int = 2,
) -> Tensor:
    """From the picture to pool2 of one tower; the keywords make its usual mistakes."""
    for layer, stride, pad in (("conv1", 4, 0), ("conv2", 1, padding)):
        x = F.conv2d(x, tower[f"{layer}.weight"], tower[f"{layer}.bias"], stride, pad)
        x = x.relu() if relu else x
        for norm in (True, False) if first else (False, True):
            x = F.local_response_norm(x, 5, alpha, 0.75, k) if norm else F.max_pool2d(x, pool, 2)
    return x


@exercise(
    "one GPU alone, up to the point where it needs the other's maps.",
    right=_tower,
    hint=("Stop after each step and compare its shape with the table above.", "Then compare the settings."),
    mistakes=[
        (
            partial(_tower, alpha=1e-4),
            "PyTorch's alpha multiplies the mean of five squares, the paper's 1e-4 their sum.",
        ),
        (partial(_tower, k=1.0), "PyTorch's default for k is 1; the paper's k is 2."),
        (partial(_tower, k=1.0, alpha=1e-4), "LRN: alpha and k are still PyTorch's defaults."),
        (partial(_tower, pool=2), "The windows of the pools are 3 x 3 and overlap."),
        (partial(_tower, relu=False), "There is no ReLU after the convolutions."),
        (partial(_tower, first=False), "The paper normalises first and pools then."),
        (partial(_tower, padding=0), "conv2 is padded: its maps keep their sides."),
    ],
)
def before_exchange(hidden: bool) -> Iterable[Inputs]:
    """Problem 4: from the picture to the pool2 of one tower: ``(x, tower)``."""
    for widths, count in [(_widths(), whole(1, 3)) for _ in range(2)] if hidden else [((12, 16, 12, 12, 8, 10, 5), 2)]:
        yield from ((100 * torch.randn(count, 3, 67, 67 + 8 * hidden, dtype=torch.float64), tower)
                    for tower in _halves(_state(widths)))  # fmt: skip


def _on_two(
    x: Tensor,
    left: State,
    right: State,
    top: State,
    *,
    own_first: bool = False,
    silent: str = "",
    alone: str = "",
    relu: bool = False,
) -> Tensor:
    """The whole network; the keywords make its usual mistakes."""

    def step(name: str, reads: list[Tensor]) -> list[Tensor]:
        if name in ("conv3", "fc6", "fc7") and name != alone:
            whole = torch.cat(reads, 1)
            reads = [whole, torch.cat(reads[::-1], 1) if own_first else whole]
        outs = []
        for tower, maps in zip((left, right), reads, strict=True):
            weight, bias = tower[f"{name}.weight"], tower[f"{name}.bias"]
            weight = weight[:, : maps.shape[1]]
            out = F.conv2d(maps, weight, bias, padding=1) if weight.ndim == 4 else F.linear(maps, weight, bias)
            outs.append(out if name == silent else out.relu())
        return outs

    parts = step("conv5", step("conv4", step("conv3", [_tower(x, left), _tower(x, right)])))
    parts = step("fc7", step("fc6", [F.max_pool2d(maps, 3, 2).flatten(1) for maps in parts]))
    scores = F.linear(torch.cat(parts, 1), top["fc8.weight"], top["fc8.bias"])
    return scores.relu() if relu else scores


@exercise(
    "two GPUs, no groups, and the scores of the network in one piece.",
    right=_on_two,
    hint=("Compare stage by stage: after conv3, after pool5, after fc6.", "Which layers read both towers?"),
    mistakes=[
        (partial(_on_two, own_first=True), "The right GPU puts its own maps first; what do its weights expect?"),
        *((partial(_on_two, silent=name), f"There is no ReLU after {name}.")
          for name in ("conv3", "conv4", "conv5", "fc6", "fc7")),
        (partial(_on_two, relu=True), "fc8 gives scores of either sign: no ReLU after it."),
        (lambda *n: _on_two(*n).softmax(1), "These are probabilities; scores before the softmax are wanted."),
        (lambda *n: _on_two(*n).log_softmax(1), "These are logarithms of probabilities; scores are wanted."),
        (lambda x, left, right, top: _on_two(x, right, left, top), "Left and right are swapped."),
    ],
)  # fmt: skip
def two_towers(hidden: bool) -> Iterable[Inputs]:
    """Problem 5: the whole network on two GPUs: ``(x, left, right, top)``."""
    cases = [((12, 16, 12, 12, 8, 10, 5), 2), ((4, 8, 4, 4, 4, 6, 3), 1)]
    for widths, count in [(_widths(), n + 1) for n in range(3)] if hidden else cases:
        state = _state(widths)
        top = {name: state[name] for name in ("fc8.weight", "fc8.bias")}
        yield 10 * torch.randn(count, 3, 67, 67, dtype=torch.float64), *_halves(state), top


def _own(weight: Tensor, *, kept: str = "") -> Tensor:
    """The weight with each tower's own part, and in ``kept`` "left" or "right" what that tower hears of the other."""
    silent, kernels, reads = weight.clone(), *(size // 2 for size in weight.shape[:2])
    if kept != "left":
        silent[:kernels, reads:] = 0
    if kept != "right":
        silent[kernels:, :reads] = 0
    return silent


@exercise(
    "the two cross blocks are zero, the two own blocks untouched.",
    right=_own,
    keeps=True,
    hint=("Draw the weight as four blocks: which two are silent?", "Rows are kernels, columns are what they read."),
    mistakes=[
        (lambda w: w - _own(w), "You kept what comes from the other tower; keep each tower's own."),
        (partial(_own, kept="right"), "The right tower still hears the left."),
        (partial(_own, kept="left"), "The left tower still hears the right."),
        (lambda w: torch.cat([w[: len(w) // 2, : w.shape[1] // 2], w[len(w) // 2 :, w.shape[1] // 2 :]]), "The shape "
         "stays: set weights to zero instead of dropping them."),
        (lambda w: w * ((torch.arange(len(w))[:, None] + torch.arange(w.shape[1])) % 2 == 0).reshape(
            *w.shape[:2], *[1] * (w.ndim - 2)), "Towers are halves, not every second kernel."),
    ],
)  # fmt: skip
def without_exchange(hidden: bool) -> Iterable[Inputs]:
    """Problem 6: a weight through which no tower hears the other: ``(weight,)``."""
    drawn = [(2 * whole(1, 5), 2 * whole(1, 5), *[whole(1, 4)] * (2 * whole(0, 1))) for _ in range(8)]
    return [(torch.randn(shape, dtype=torch.float64),) for shape in (drawn if hidden else [(4, 6, 3, 3), (6, 4)])]
