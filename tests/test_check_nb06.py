"""Checks of notebook 06: each accepts a right answer and says why a wrong one is wrong."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from alexnet_edu.check import nb06

SHIFTS = {"conv1": 4, "pool1": 8, "conv2": 8, "pool2": 16, "conv5": 16}


def field(cell: int, kernel: int, stride: int, padding: int) -> tuple[int, int]:
    first = cell * stride - padding
    return first, first + kernel - 1


def sparsity(maps: Tensor) -> Tensor:
    return (maps == 0).float().mean((0, 2, 3))


def hide(x: Tensor, top: int, left: int, side: int) -> Tensor:
    x = x.clone()
    x[:, top : top + side, left : left + side] = 0
    return x


def strongest(maps: Tensor, channel: int, k: int) -> Tensor:
    return maps[:, channel].amax((1, 2)).topk(k).indices


def capture(model: nn.Module, layer: nn.Module, x: Tensor, *, clone: bool = True, remove: bool = True) -> Tensor:
    kept = []
    handle = layer.register_forward_hook(lambda module, args, out: kept.append(out.clone() if clone else out))
    with torch.no_grad():
        model(x)
    if remove:
        handle.remove()
    return kept[0]


def hide_for_ever(x: Tensor, top: int, left: int, side: int) -> Tensor:
    x[:, top : top + side, left : left + side] = 0
    return x


def one_wrong(tensor: Tensor) -> Tensor:
    wrong = tensor.flatten().clone()
    wrong[-1] += 1
    return wrong.reshape(tensor.shape)


@pytest.mark.parametrize(
    ("check", "answer"),
    [
        (nb06.field, field),
        (nb06.sparsity, sparsity),
        (nb06.smallest_shifts, SHIFTS),
        (nb06.capture, lambda m, f, x: capture(m, f, x)),
        (nb06.hide, hide),
        (nb06.strongest, strongest),
        (nb06.strongest, lambda m, c, k: strongest(m, c, k).tolist()),
    ],
)
def test_right_answers_pass(check, answer):
    result = check(answer)
    assert result, result


CHECKS = [nb06.field, nb06.sparsity, nb06.capture, nb06.hide, nb06.strongest]


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("stub", [..., lambda *_: ...])
def test_stubs_are_not_answered(check, stub):
    assert not check(stub).answered


@pytest.mark.parametrize("stub", [..., {"conv1": 4, "pool1": ..., "conv2": 8, "pool2": 16, "conv5": 16}])
def test_unanswered_shifts(stub):
    assert not nb06.smallest_shifts(stub).answered


@pytest.mark.parametrize(
    ("check", "answer", "part"),
    [
        (nb06.field, lambda c, k, s, p: c * s - p, "2 values are wanted"),
        (nb06.field, lambda c, k, s, p: (c * s - p, c * s - p + k), "still inside"),
        (nb06.field, lambda c, k, s, p: [c * s - p, c * s - p + k], "still inside"),
        (nb06.field, lambda c, k, s, p: (c * s, c * s + k - 1), "how far has the window moved"),
        (nb06.field, lambda c, k, s, p: (c * k - p, c * k - p + k - 1), "how far has the window moved"),
        (nb06.sparsity, lambda m: (m == 0).float().mean(), "the shape is ()"),
        (nb06.sparsity, lambda m: (m == 0).float().mean((1, 2, 3)), "the shape is (3,)"),
        (nb06.sparsity, lambda m: (m > 0).float().mean((0, 2, 3)), "share that is active"),
        (nb06.sparsity, lambda m: (m == 0).float().sum((0, 2, 3)), "a count"),
        (nb06.sparsity, lambda m: one_wrong(sparsity(m)), "1 of 4 values"),
        (nb06.smallest_shifts, {**SHIFTS, "pool1": 2}, "pool1: multiply"),
        (nb06.smallest_shifts, {**SHIFTS, "conv5": 32}, "conv5: multiply"),
        (nb06.smallest_shifts, {"conv1": 4}, "pool1 is missing"),
        (nb06.smallest_shifts, {**SHIFTS, "conv1": 11}, "conv1: multiply"),
        (nb06.capture, lambda m, f, x: capture(m, f, x, clone=False), "clone it in the hook"),
        (nb06.capture, lambda m, f, x: capture(m, f, x, remove=False), "still on the layer"),
        (nb06.capture, lambda m, f, x: m(x), "the shape is"),
        (nb06.capture, lambda m, f, x: one_wrong(capture(m, f, x)), "1 of 144 values"),
        (nb06.hide, lambda x, t, f, s: x[:, t : t + s, f : f + s], "the shape is"),
        (nb06.hide, hide_for_ever, "start with x.clone()"),
        (nb06.hide, lambda x, t, f, s: hide(x, f, t, s), "Rows come first"),
        (nb06.hide, lambda x, t, f, s: hide(x, t, f, s + 1), "Clone x"),
        (nb06.hide, lambda x, t, f, s: one_wrong(hide(x, t, f, s)), "1 of 324 values"),
        (nb06.strongest, lambda m, c, k: strongest(m, c, k + 1), "3 values are wanted"),
        (nb06.strongest, lambda m, c, k: m[:, c].mean((1, 2)).topk(k).indices, "highest mean"),
        (nb06.strongest, lambda m, c, k: strongest(m, c, k).flip(0), "strongest first"),
        (nb06.strongest, lambda m, c, k: m[:, 0].amax((1, 2)).topk(k).indices, "Take the channel"),
    ],
)
def test_wrong_answers_get_their_hint(check, answer, part):
    result = check(answer)
    assert result.answered and not result
    assert part in result.message and "\n" not in result.message
