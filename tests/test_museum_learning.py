"""What a parameter file says of learning, and the update of 2012 by hand."""

from __future__ import annotations

import pytest
import torch
from museum_files import CIFAR, DATA, narrow, section, weighted

from alexnet_edu.errors import AlexNetError
from alexnet_edu.museum import NETWORK_145, PARAMS_145, build_network, read_network
from alexnet_edu.museum.rates import parse_schedule
from alexnet_edu.train.optim import Sgd2012


def test_the_update_by_hand() -> None:
    text = (
        section("image", type="data", dataIdx=0)
        + section("fc", type="fc", inputs="image, image", outputs=1, initW="0, 0")
        + section("end", type="cost.sum2", inputs="fc")
    )
    params = section("fc", epsW="0.1, 0", momW="0.5, 0.9", wc="0.01, 0.01", epsB=0.2, momB=0.25) + section(
        "end", coeff=0.5
    )
    network = read_network(text, params, input_shape=(1, 1, 1))
    model = build_network(network)
    fc = weighted(model, "fc")
    first, second = (fc.weight(i) for i in range(2))
    with torch.no_grad():
        first.fill_(2.0)
        second.fill_(1.0)
        fc.bias.fill_(-1.0)
    optimiser = Sgd2012(model.param_groups())
    x = torch.tensor([3.0]).view(1, 1, 1, 1)
    # cost = y^2 / 2 with y = 3 * first + 3 * second + bias = 8: d/d first = 24, d/d bias = 8
    model.cost(x).backward()
    optimiser.step()
    v, b = -0.01 * 0.1 * 2 - 0.1 * 24, -0.2 * 8  # -2.402 and -1.6
    assert (first.item(), second.item(), fc.bias.item()) == pytest.approx((2 + v, 1.0, -1 + b))
    optimiser.zero_grad()
    y = 3 * (2 + v) + 3 - 1 + b  # -0.806
    model.cost(x).backward()
    optimiser.step()
    v2 = 0.5 * v - 0.01 * 0.1 * (2 + v) - 0.1 * 3 * y
    b2 = 0.25 * b - 0.2 * y
    assert (first.item(), second.item()) == pytest.approx((2 + v + v2, 1.0))
    assert fc.bias.item() == pytest.approx(-1 + b + b2)


def test_a_rate_of_zero_freezes_what_still_moves() -> None:
    weight = torch.nn.Parameter(torch.ones(1))
    optimiser = Sgd2012([weight], lr=0.1, momentum=0.9, weight_decay=0)
    weight.grad = torch.ones(1)
    optimiser.step()
    optimiser.param_groups[0]["lr"] = 0
    optimiser.step()
    assert weight.item() == pytest.approx(0.9)  # in 2012 a frozen layer did not coast on its velocity


def test_the_groups_of_145() -> None:
    net145 = build_network(read_network(narrow(NETWORK_145), PARAMS_145))
    groups = net145.param_groups()
    rates = {group["name"]: group["lr"] for group in groups}
    assert rates["conv1a.weight0"] == 0
    assert rates["conv3b.weight1"] == pytest.approx(1e-5)
    assert rates["fc8.bias"] == pytest.approx(0.02)
    assert {group["weight_decay"] for group in groups if group["name"].endswith("bias")} == {0.0}
    assert sum(p.numel() for group in groups for p in group["params"]) == net145.network.total_parameters


def test_param_groups_says_what_is_missing() -> None:
    model = build_network(read_network(DATA / "cifar-local.cfg", input_shape=CIFAR))
    with pytest.raises(AlexNetError, match="parameter file"):
        model.param_groups()
    model = build_network(read_network(DATA / "cifar-local.cfg", DATA / "cifar-local-params.cfg", input_shape=CIFAR))
    for progress in (-0.1, 1.1, float("nan")):
        with pytest.raises(AlexNetError, match="between 0 and 1"):
            model.param_groups(progress=progress)


def test_param_groups_need_no_memory_of_what_was_built() -> None:
    network = read_network(DATA / "cifar-local.cfg", DATA / "cifar-local-params.cfg", input_shape=CIFAR)
    first, second = build_network(network), build_network(network)
    for model in (first, second):
        held = {id(p) for group in model.param_groups() for p in group["params"]}
        assert held == {id(p) for p in model.parameters()}


def test_schedules() -> None:
    assert parse_schedule("linear[4,0]").rate(0.1, 0.5) == pytest.approx(0.1 * (1 + 1 / 4) / 2)
    assert parse_schedule("exp[tgtFactor=100, noiseStdev=0]").rate(0.1, 0.5) == pytest.approx(0.01)
    steps = parse_schedule("dexp[tgtFactor=1000,noiseStdev=0,numSteps=4]")
    assert [steps.rate(1.0, p) for p in (0, 0.25, 0.3, 0.6, 1)] == pytest.approx([1, 1, 0.1, 0.01, 0.001])
    jumpy = parse_schedule("jdexp[1000, 0, 4]")
    assert [jumpy.rate(1.0, p) for p in (0.3, 0.45, 0.95)] == pytest.approx([0.1, 10**-0.5, 0.001])
    assert parse_schedule("default").rate(0.1, 0.7) == 0.1
    for wrong in ("linear", "dexp[1,2]", "exp[0,0]", "sudden[1,1]", "dexp[2,0,0]"):
        with pytest.raises(ValueError):
            parse_schedule(wrong)


def test_a_schedule_changes_the_groups_rates() -> None:
    params = (
        (DATA / "cifar-local-params.cfg").read_text().replace("epsB = 0.002", "epsB = 0.002\nschedW = exp[100,0.5]")
    )
    network = read_network(DATA / "cifar-local.cfg", params, input_shape=CIFAR)
    model = build_network(network)
    at_start, in_the_end = (model.param_groups(progress=p)[0]["lr"] for p in (0.0, 1.0))
    assert at_start == pytest.approx(100 * in_the_end)
    assert any("noise" in note for note in network.notes)
