"""Checks of both notebooks 03, AlexNet from scratch: the layers, and network and training."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from alexnet_edu.check import nb08
from alexnet_edu.check.compare import OneOf
from alexnet_edu.check.exercises import Inputs, exercise, expect, question

__all__ = ["channels_at_the_border", "conv1_columns", "dropout_today", "fast_lrn", "ten_views", "update_2012"]


@question(
    "padded by 2, 224 gives 55 columns, and 227 gives 56.",
    right={"224": 55, "227": 56},
    hint={
        "224": ("how far can the window move in the padded picture?", "Both sides are padded, and n steps make n + 1."),
        "227": ("three more columns than 224: is there room for one more step?", "Padding is on both sides here, too."),
    },
    mistakes=[
        ({"224": 54.25}, "A number of columns is whole: round down, and count the first window as well."),
        ({"224": 55.25}, "A number of columns is whole: a window that does not fit is left out."),
        ({"224": 54}, "54 is what 224 gives without padding; torchvision pads by 2 on both sides."),
        ({"224": 56, "227": 57}, "Rounding goes down here: a window that does not fit is left out."),
        ({"224": 56}, "56 would need the number of steps of 224 to be rounded up."),
        ({"224": 55, "227": 55}, "227 gives 55 only without padding; with 2 on both sides there is more room."),
        ({"224": 55, "227": 57}, "227 has no room for that many: a window that does not fit is left out."),
    ],
)
def conv1_columns(at_224: int, at_227: int) -> object:
    """Exercise 1: how many columns torchvision's conv1 has for inputs of 224 and of 227 pixels."""
    return {"224": at_224, "227": at_227}


@question(
    "the windows of these four channels, and of no others, reach over the border between the towers.",
    right={46, 47, 48, 49},
    hint=(
        "Which windows reach over the border?",
        "A channel at the border sees others than it would in its own tower.",
    ),
    mistakes=[
        ({47, 48, 49, 50}, "Channels are counted from 0: the first tower ends with 47."),
        ({45, 46, 47, 48}, "The first tower ends with channel 47, and the second begins with 48."),
        ({47, 48}, "A window reaches two channels to either side, so more than the two at the border change."),
        ({46, 47}, "The second tower has such channels as well."),
        (set(range(45, 51)), "Some of these see the same five channels either way."),
    ],
)
def channels_at_the_border(channels: Iterable[int]) -> object:
    """Exercise 2: the channels of 96, counted from 0, whose window of 5 reaches over the border between 47 and 48."""
    return channels


def _lrn(x: Tensor, *, alpha: float = 1e-4, k: float = 2.0, beta: float = 0.75, size: int = 5) -> Tensor:
    """The paper's formula in float64, window by window."""
    square, reach = x.double().square(), size // 2
    total = torch.stack([square[:, max(0, i - reach) : i + reach + 1].sum(1) for i in range(x.shape[1])], 1)
    return x.double() / (k + alpha * total) ** beta


def _without_loop(call: Callable[..., Any]) -> None:
    counts = []
    for channels in (10, 30):
        with _Counter() as counter:
            call(torch.randn(1, channels, 2, 2))
        counts.append(counter.calls)
    expect(counts[0] == counts[1], f"Right, but with 30 channels you make {counts[1]} calls of PyTorch, with 10 only "
           f"{counts[0]}: there is still a loop over channels.")  # fmt: skip


class _Counter(TorchFunctionMode):
    """Counts calls of PyTorch's functions."""

    calls = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.calls += 1
        return func(*args, **(kwargs or {}))


@exercise(
    "the paper's formula, with all channels at once.",
    right=_lrn,
    hint=("Compare with the loop above, channel by channel.", "Look at the first two and the last two channels, too."),
    mistakes=[
        (lambda x: _lrn(x, alpha=1e-4 / 5), "Your alpha multiplies the mean of the squares; the paper's, the sum."),
        (lambda x: _lrn(x, alpha=5e-4), "Your alpha is five times too large: does it multiply a sum or a mean?"),
        (lambda x: _lrn(x, k=1.0), "The paper's k is 2; 1 is PyTorch's default, and Caffe's."),
        (lambda x: x * (2 + 1e-4 * F.avg_pool2d(x.double().square(), 5, 1, 2) * 25) ** -0.75, "Your windows run over "
         "rows and columns, not over channels."),
        (lambda x: _lrn(x, beta=1.0), "The power of the denominator is missing."),
        (lambda x: x / (2 + 1e-4 * x.square()) ** 0.75, "Each channel sees only itself: add up its neighbours' "
         "squares."),
        (lambda x: _lrn(x)[:, 2:-2], "Windows at the edges are cut, not left out: what is missing counts as zero."),
    ],
    then=_without_loop,
)  # fmt: skip
def fast_lrn() -> Iterable[Inputs]:
    """Exercise 3: the paper's normalisation of ``(N, C, H, W)``."""
    return [(100 * torch.randn(2, 12, 3, 4),), (100 * torch.randn(1, 6, 2, 1),)]


def _dropout_today(x: Tensor, kept: Tensor, p: float, training: bool) -> Tensor:
    return x * kept / (1 - p) if training else x


@exercise(
    "what stays grows in training, and testing has nothing left to do.",
    right=_dropout_today,
    hint=("What are the means of your output, in training and in testing?", "Both means should be near the input's, "
          "and the shape is the input's."),
    mistakes=[
        (lambda x, kept, p, training: x * kept if training else x * (1 - p), "That is the rule of 2012: today the "
         "factor stands in training."),
        (lambda x, kept, p, training: x * kept if training else x, "In training the values that stay must make up for "
         "those that go."),
        (lambda x, kept, p, training: x * kept / p if training else x, "p is the share that goes; which share stays?"),
        (lambda x, kept, p, training: x * kept * (1 - p) if training else x, "The values that stay must grow, not "
         "shrink."),
        (lambda x, kept, p, training: x * kept / (1 - p), "In testing nothing is dropped: the mask is for training."),
        (lambda x, kept, p, training: x * kept / (1 - p) if training else x * (1 - p), "Two factors now: one of the "
         "two already makes up for what goes."),
        (lambda x, kept, p, training: x * ~kept / (1 - p) if training else x, "`kept` is True where a value *stays*."),
    ],
)  # fmt: skip
def dropout_today() -> Iterable[Inputs]:
    """Exercise 4 of the layers: today's dropout, with the mask given."""
    x = torch.randn(6, 5)
    return [(x, torch.rand(6, 5) >= p, p, training) for p in (0.5, 0.2) for training in (True, False)]


def _views(picture: Tensor, size: int, *, up: bool = False, axis: int = -1, far: int = 0) -> Tensor:
    """Corners, centre, mirror images; ``up`` rounds the centre of an odd margin up, as torchvision does."""
    down, right = (side - size + far for side in picture.shape[-2:])
    middle = ((down + up) // 2, (right + up) // 2)
    corners = [(0, 0), (0, right), (down, 0), (down, right), middle]
    squares = torch.stack([picture[:, y : y + size, x : x + size] for y, x in corners])
    return torch.cat([squares, squares.flip(axis)])


def _mirrored_first(picture: Tensor, size: int, *, up: bool = False) -> Tensor:
    """The mirror images cut from the mirrored picture, as torchvision's ``TenCrop`` does."""
    return torch.cat([_views(one, size, up=up)[:5] for one in (picture, picture.flip(-1))])


@exercise(
    "five crops and their mirror images.",
    right=lambda picture, size: OneOf(
        *(cut(picture, size, up=up) for cut in (_views, _mirrored_first) for up in (False, True))
    ),
    hint="Compare crop by crop where each of yours begins.",
    mistakes=[
        (lambda p, s: _views(p, s, axis=-2), "That turns pictures upside down; a mirror swaps left and right."),
        (lambda p, s: _views(p, s)[[0, 5, 1, 6, 2, 7, 3, 8, 4, 9]], "All five crops come first, "
         "then their mirror images."),
        (lambda p, s: _views(p, s)[[4, 0, 1, 2, 3, 9, 5, 6, 7, 8]], "The right crops, in another order."),
        (lambda p, s: _views(p, s)[:5], "Those are five; their mirror images are missing."),
        (lambda p, s: torch.cat([_views(p, s)[:5]] * 2), "The last five are not mirrored."),
        (lambda p, s: _views(p, s, far=-1), "Your last rows and columns are not in any crop."),
    ],
)  # fmt: skip
def ten_views() -> Iterable[Inputs]:
    """Exercise 2 of network and training: the ten crops of the paper's test."""
    return [(torch.rand(3, 16, 20), 10), (torch.rand(3, 15, 11), 4)]


def _update(weight: Tensor, velocity: Tensor, gradient: Tensor, rate: float) -> tuple[Tensor, Tensor]:
    return nb08.update_2012(weight, velocity, gradient, rate, momentum=0.9, decay=0.0005)


@exercise(
    "momentum, decay and gradient, as in 2012.",
    right=_update,
    rtol=1e-6,
    hint="Take numbers: weight 1, velocity 0, gradient 0. What does one update change, and by how much?",
    mistakes=[
        (lambda w, v, g, r: (..., 0.9 * v - 0.0005 * w - r * g), "The decay is multiplied by the rate, too."),
        (lambda w, v, g, r: (..., 0.9 * v - r * g), "The decay of the weight is missing."),
        (lambda w, v, g, r: (..., 0.9 * v + 0.0005 * w + g), "That is PyTorch's velocity; here the rate is inside, "
         "and the sign is minus."),
        (lambda w, v, g, r: (..., 0.9 * v + 0.0005 * r * w + r * g), "The weight goes downhill: which signs are right "
         "for decay and gradient?"),
        (lambda w, v, g, r: (w + v, ...), "The weight moves by the new velocity, not by the old one."),
        (lambda w, v, g, r: (w - _update(w, v, g, r)[1], ...), "The velocity already has its sign: the weight moves "
         "*by* it."),
        (lambda w, v, g, r: _update(w, v, g, r)[::-1], "Both are right, in the other order: the weight comes first."),
    ],
)  # fmt: skip
def update_2012() -> Iterable[Inputs]:
    """Exercise 3 of network and training: the paper's update: new weight and new velocity."""
    return [(*torch.randn(3, 4, 5, dtype=torch.float64), 0.3), (*torch.randn(3, 6), 0.01)]
