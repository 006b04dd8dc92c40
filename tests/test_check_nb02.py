"""The checks of notebook 02 accept right answers and turn down wrong ones with a hint that fits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from alexnet_edu.check import nb02


def cost(side: int, channels: int, kernels: int, size: int, stride: int, padding: int, groups: int) -> Any:
    out = 1 + (side + 2 * padding - size) // stride
    weights = kernels * (channels // groups) * size**2
    return out, weights + kernels, weights * out**2


def changed(**parts: Callable[..., int]) -> Callable[..., Any]:
    """``cost`` with some of its three results computed otherwise, from the arguments and the right result."""

    def wrong(*layer: int) -> Any:
        right = dict(zip(("side", "parameters", "macs"), cost(*layer), strict=True))
        return tuple(parts[name](layer, right) if name in parts else value for name, value in right.items())

    return wrong


def fitting(kernel: int, stride: int, padding: int, ceil: bool) -> list[int]:
    def out(side: int) -> int:
        span = side + 2 * padding - kernel
        return 1 + (-(-span // stride) if ceil else span // stride)

    return [side for side in range(200, 241) if out(side) == 55]


def field(stack: list[tuple[int, int]]) -> int:
    size, jump = 1, 1
    for kernel, stride in stack:
        size, jump = size + (kernel - 1) * jump, jump * stride
    return size


def field_with_early_stride(stack: list[tuple[int, int]]) -> int:
    size, jump = 1, 1
    for kernel, stride in stack:
        jump *= stride
        size += (kernel - 1) * jump
    return size


def towers(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    parts = zip(x.chunk(2, 1), weight.chunk(2), bias.chunk(2), strict=True)
    return torch.cat([F.conv2d(*part, padding=2) for part in parts], dim=1)


def one_off(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    out = towers(x, weight, bias)
    out[0, 0, 0, 0] += 1
    return out


MYSTERY = {"A": "ict1022", "B": "torchvision", "C": "d2l", "D": "paper", "E": "torchvision"}

RIGHT: list[tuple[Callable[..., Any], tuple[Any, ...]]] = [
    (nb02.conv_cost, (cost,)),
    (nb02.uses, (3025, 1)),
    (nb02.sizes, (fitting,)),
    (nb02.first_right, ("pool1", "pool1")),
    (nb02.receptive_field, (field,)),
    (nb02.two_towers, (towers,)),
    (nb02.mystery, (MYSTERY,)),
    (nb02.mystery, ({**MYSTERY, "D": "caffenet"},)),
]

WRONG: list[tuple[Callable[..., Any], tuple[Any, ...], str]] = [
    (nb02.conv_cost, (lambda *layer: cost(*layer)[:2],), "three numbers"),
    (nb02.conv_cost, (changed(side=lambda _, right: right["side"] - 1),), "1 + "),
    (nb02.conv_cost, (changed(parameters=lambda layer, right: right["parameters"] - layer[2]),), "bias"),
    (nb02.conv_cost, (changed(parameters=lambda p, _: p[2] * (p[1] * p[3] ** 2 + 1)),), "groups"),
    (nb02.conv_cost, (changed(parameters=lambda _, right: right["parameters"] + 1),), "should be"),
    (nb02.conv_cost, (changed(macs=lambda _, right: right["parameters"] * right["side"] ** 2),), "bias"),
    (nb02.conv_cost, (changed(macs=lambda p, right: (right["parameters"] - p[2]) * p[0] ** 2),), "*output*"),
    (nb02.conv_cost, (changed(macs=lambda _, right: 2 * right["macs"]),), "MACs should be"),
    (nb02.uses, (55, 1), "columns"),
    (nb02.uses, (224 * 224, 1), "by 4"),
    (nb02.uses, (290_400, 1), "96"),
    (nb02.uses, (3025, 4096), "fc6"),
    (nb02.uses, (3026, 1), "places"),
    (nb02.sizes, (lambda k, s, p, c: fitting(k, s, p, not c),), "other way"),
    (nb02.sizes, (lambda k, s, p, c: fitting(k, s, 0, c),), "both sides"),
    (nb02.sizes, (lambda k, s, p, c: fitting(k, s, p, c)[:1],), "4 sides"),
    (nb02.sizes, (lambda k, s, p, c: [side + 1 for side in fitting(k, s, p, c)],), "first"),
    (nb02.sizes, (lambda k, s, p, c: 227,), "list"),
    (nb02.first_right, ("conv1", "pool1"), "conv1 of caffe still gives"),
    (nb02.first_right, ("pool1", "conv1"), "conv1 of ict1022 still gives"),
    (nb02.first_right, ("conv2", "pool1"), "before it"),
    (nb02.first_right, ("pool9", "pool1"), "no layer"),
    (nb02.receptive_field, (lambda stack: 1 + sum(kernel - 1 for kernel, _ in stack),), "strides"),
    (nb02.receptive_field, (field_with_early_stride,), "*after*"),
    (nb02.receptive_field, (lambda stack: field(stack) - 1,), "pixels"),
    (nb02.receptive_field, (lambda stack: field(stack) if stack else 0,), "one pixel"),
    (nb02.receptive_field, (lambda stack: [field(stack)],), "pixels"),
    (nb02.two_towers, (lambda x, w, b: torch.cat(towers(x, w, b).chunk(2, 1)[::-1], 1),), "changed places"),
    (nb02.two_towers, (lambda x, w, b: towers(x, w, 0 * b),), "biases"),
    (nb02.two_towers, (lambda x, w, b: towers(x, w, b)[:, :4],), "shape"),
    (nb02.two_towers, (one_off,), "1 of"),
    (nb02.two_towers, (lambda x, w, b: towers(x.flip(1), w, b),), "first half"),
    (nb02.mystery, ({**MYSTERY, "B": "paper"},), "B is not 'paper'"),
    (nb02.mystery, ({**MYSTERY, "E": "d2l"},), "4,097"),
    (nb02.mystery, ({**MYSTERY, "D": "torchvision"},), "D is not"),
    (nb02.mystery, (["paper"],), "dictionary"),
]


@pytest.mark.parametrize(("checked", "answers"), RIGHT)
def test_right_answers_pass(checked: Callable[..., Any], answers: tuple[Any, ...]) -> None:
    assert checked(*answers), checked(*answers)


@pytest.mark.parametrize(("checked", "answers", "hint"), WRONG)
def test_wrong_answers_get_a_hint(checked: Callable[..., Any], answers: tuple[Any, ...], hint: str) -> None:
    result = checked(*answers)
    assert not result
    assert result.answered
    assert hint in result.message


@pytest.mark.parametrize("name", nb02.__all__)
def test_stubs_are_not_answered_yet(name: str) -> None:
    count = 2 if name in ("uses", "first_right") else 1
    result = getattr(nb02, name)(*[...] * count)
    assert not result.answered
