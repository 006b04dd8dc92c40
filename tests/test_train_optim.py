from __future__ import annotations

import pytest
import torch

from alexnet_edu.errors import AlexNetError
from alexnet_edu.train.optim import Sgd2012


def test_two_steps_worked_by_hand() -> None:
    """w = 1, gradients 2 and then -1, rate 0.1 and then 0.01, momentum 0.9, decay 0.5."""
    w = torch.nn.Parameter(torch.tensor([1.0], dtype=torch.float64))
    optimiser = Sgd2012([w], lr=0.1, momentum=0.9, weight_decay=0.5)
    w.grad = torch.tensor([2.0], dtype=torch.float64)
    optimiser.step()  # v = 0 - 0.5 * 0.1 * 1 - 0.1 * 2 = -0.25; w = 0.75
    assert w.item() == pytest.approx(0.75, abs=1e-15)
    optimiser.param_groups[0]["lr"] = 0.01
    w.grad = torch.tensor([-1.0], dtype=torch.float64)
    optimiser.step()  # v = 0.9 * -0.25 - 0.5 * 0.01 * 0.75 + 0.01 * 1 = -0.21875; w = 0.53125
    assert w.item() == pytest.approx(0.53125, abs=1e-15)


def test_a_new_rate_leaves_the_velocity_alone_unlike_torch() -> None:
    ours, theirs = (torch.nn.Parameter(torch.tensor([1.0])) for _ in range(2))
    pair = Sgd2012([ours], lr=0.1, weight_decay=0.0), torch.optim.SGD([theirs], lr=0.1, momentum=0.9)
    for rate, same in ((0.1, True), (0.1, True), (0.001, False)):
        for optimiser, w in zip(pair, (ours, theirs), strict=True):
            optimiser.param_groups[0]["lr"] = rate
            w.grad = torch.tensor([1.0])
            optimiser.step()
        assert torch.allclose(ours, theirs) is same


def test_groups_have_their_own_options_and_missing_gradients_are_skipped() -> None:
    weight, bias, unused = (torch.nn.Parameter(torch.ones(1)) for _ in range(3))
    groups = [{"params": [weight, unused]}, {"params": [bias], "lr": 0.02, "weight_decay": 0.0}]
    optimiser = Sgd2012(groups, lr=0.01, weight_decay=0.0005)
    weight.grad, bias.grad = torch.zeros(1), torch.ones(1)
    optimiser.step()
    assert weight.item() == pytest.approx(1 - 0.0005 * 0.01) and bias.item() == pytest.approx(0.98)
    assert unused.item() == 1


@pytest.mark.parametrize("option", ["lr", "momentum", "weight_decay"])
def test_negative_options_are_refused(option: str) -> None:
    with pytest.raises(AlexNetError, match=f"{option} must be 0 or more, not -1"):
        Sgd2012([torch.nn.Parameter(torch.ones(1))], **{option: -1})
