"""Checks of notebook 05: each accepts a right answer and says why a wrong one is wrong."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from alexnet_edu.check import nb05

NORMALISE = torch.nn.functional.normalize


def chroma(w: Tensor) -> Tensor:
    return (w - w.mean(1, keepdim=True)).square().sum((1, 2, 3)) / w.square().sum((1, 2, 3))


def cosines(w: Tensor) -> Tensor:
    unit = NORMALISE(w.flatten(1))
    return unit @ unit.T


def concentration(w: Tensor, power: int = 2, centre: bool = True, bins: int = 12) -> Tensor:
    centred = w - w.mean((2, 3), keepdim=True) if centre else w
    spectrum = torch.fft.fft2(centred).abs().pow(power).sum(1).flatten(1)
    return spectrum.topk(bins).values.sum(1) / spectrum.sum(1)


def p_value(observed: float, shuffled: Tensor) -> float:
    return (shuffled.abs() >= abs(observed)).float().mean().item()


def grey(w: Tensor) -> Tensor:
    return w.mean(1, keepdim=True).expand(-1, 3, -1, -1)


def one_wrong(tensor: Tensor) -> Tensor:
    wrong = tensor.flatten().clone()
    wrong[-1] += 1
    return wrong.reshape(tensor.shape)


@pytest.mark.parametrize(
    ("check", "answer"),
    [
        (nb05.chroma, chroma),
        (nb05.chroma, lambda w: chroma(w).double()),
        (nb05.concentration, lambda w: concentration(w.double())),
        (nb05.without_colour, lambda w: grey(w.double())),
        (nb05.opposite, lambda w: cosines(w).argmin(1)),
        (nb05.concentration, concentration),
        (nb05.p_value, p_value),
        (nb05.p_value, lambda o, s: (s.abs() >= abs(o)).double().mean()),
        (nb05.without_colour, grey),
    ],
)
def test_right_answers_pass(check, answer):
    result = check(answer)
    assert result, result


CHECKS = [nb05.chroma, nb05.opposite, nb05.concentration, nb05.p_value, nb05.without_colour]


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("stub", [..., lambda *_: ...])
def test_stubs_are_not_answered(check, stub):
    assert not check(stub).answered


@pytest.mark.parametrize(
    ("check", "answer", "part"),
    [
        (nb05.chroma, lambda w: chroma(w)[:, None], "the shape is (6, 1)"),
        (nb05.chroma, lambda w: one_wrong(chroma(w)), "1 of 6 values"),
        (nb05.chroma, lambda w: chroma(w).sqrt(), "ratio of lengths"),
        (nb05.chroma, lambda w: 1 - chroma(w), "grey share"),
        (
            nb05.chroma,
            lambda w: (w - w.mean((1, 2, 3), keepdim=True)).square().sum((1, 2, 3)) / w.square().sum((1, 2, 3)),
            "one mean per filter",
        ),
        (nb05.chroma, lambda w: (w - w.mean(1, keepdim=True)).square().sum((1, 2, 3)), "filter's energy"),
        (nb05.opposite, lambda w: cosines(w).argmin(1)[:-1], "8 values are wanted"),
        (nb05.opposite, lambda w: (cosines(w) - 2 * torch.eye(8)).argmax(1), "most similar"),
        (nb05.opposite, lambda w: (w.flatten(1) @ w.flatten(1).T).argmin(1), "dividing by the lengths"),
        (nb05.opposite, lambda w: one_wrong(cosines(w).argmin(1)), "argmin over each row"),
        (nb05.concentration, lambda w: concentration(w)[0], "the shape is ()"),
        (nb05.concentration, lambda w: concentration(w, centre=False), "mean is still in"),
        (nb05.concentration, lambda w: concentration(w, power=1), "amplitudes"),
        (nb05.concentration, lambda w: concentration(w, bins=10), "12 largest"),
        (nb05.concentration, lambda w: one_wrong(concentration(w)), "1 of 6 values"),
        (nb05.p_value, lambda o, s: (s >= o).float().mean().item(), "use abs on both sides"),
        (nb05.p_value, lambda o, s: (s.abs() > abs(o)).float().mean().item(), "at least as large"),
        (nb05.p_value, lambda o, s: float((s.abs() >= abs(o)).sum()), "it should be"),
        (nb05.p_value, lambda o, s: 1 - p_value(o, s), "it should be"),
        (nb05.without_colour, lambda w: w.mean(1), "the shape is (6, 11, 11)"),
        (nb05.without_colour, lambda w: w.mean(1, keepdim=True), "the shape is (6, 1, 11, 11)"),
        (nb05.without_colour, lambda w: w - grey(w), "colour part"),
        (nb05.without_colour, lambda w: 3 * grey(w), "three times too strong"),
        (nb05.without_colour, lambda w: one_wrong(grey(w)), "1 of 2,178 values"),
    ],
)
def test_wrong_answers_get_their_hint(check, answer, part):
    result = check(answer)
    assert result.answered and not result
    assert part in result.message and "\n" not in result.message
