"""The checks of notebook 08 accept right answers and turn down wrong ones with a hint that fits."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch

from alexnet_edu.check import nb08
from alexnet_edu.museum import NETWORK_145, read_network
from alexnet_edu.train.optim import Sgd2012

TEXT = NETWORK_145.read_text()
FULL, CONV1, CONV2 = 60_965_224, 32 * 364, 256 * 25 * 13


SECTION = r"\[{}\]\n(?:.+\n)+"


def change(text: str, section: str, **keys: object) -> str:
    """The text with other values for some keys of one section."""

    def one(match: re.Match[str]) -> str:
        lines = (line.partition(" = ") for line in match[0].splitlines())
        return "\n".join(f"{key} = {keys[key]}" if key in keys else key + is_ + old for key, is_, old in lines) + "\n"

    return re.sub(SECTION.format(section), one, text)


def cut(text: str, *, layers: tuple[str, ...] = ("conv3", "fc6", "fc7")) -> str:
    """The text with towers that do not meet in some layers."""
    for own in "ab":
        if "conv3" in layers:
            singles = {"inputs": f"pool2{own}", "filters": 192, "filterSize": 3, "padding": 1, "initW": 0.03}
            text = change(text, f"conv3{own}", channels=128, **singles)
        if "fc6" in layers:
            text = change(text, f"fc6{own}", inputs=f"pool5{own}", initW=0.01)
        if "fc7" in layers:
            text = change(text, f"fc7{own}", inputs=f"drop6{own}", initW=0.01)
    return text


def widen(text: str, maps: int = 160, units: int = 4096) -> str:
    """The text with other widths of conv2 and fc6, as network 150 has them."""
    for own in "ab":
        text = change(text, f"conv2{own}", filters=maps)
        for reader in ("lrn2", "space2", "pool2", "conv3"):
            text = change(text, reader + own, channels=maps)
        text = change(text, f"fc6{own}", outputs=units)
    return text


def crossed(text: str) -> str:
    """Each tower's conv3 reads the other tower."""
    return change(change(text, "conv3a", inputs="pool2b"), "conv3b", inputs="pool2a")


def torch_sgd(w: Any, v: Any, g: Any, rate: float, momentum: float, decay: float) -> tuple[Any, Any]:
    v = momentum * v + g + decay * w
    return w - rate * v, v


RIGHT: list[tuple[Callable[..., Any], tuple[Any, ...]]] = [
    (nb08.side, (nb08.rounded_up,)),
    (nb08.side, (lambda s, k, t, p: (s + 2 * p - k + t - 1) // t + 1,)),
    (nb08.edge_share, (109 / 3025,)),
    (nb08.cmrnorm, (nb08.cross_map_norm,)),
    (nb08.cmrnorm, (lambda x, n, s, p, m: torch.nn.functional.local_response_norm(x, n, s, p, m),)),
    (nb08.network_150, (widen(cut(TEXT)),)),
    (nb08.network_150, (NETWORK_145.with_name("150.cfg").read_text(),)),
    (nb08.rates, (nb08.rates_of_145,)),
    (nb08.update, (nb08.update_2012,)),
    (nb08.blurred_parameters, (60_870_376,)),
    (nb08.evidence, (nb08.EVIDENCE,)),
]

WRONG: list[tuple[Callable[..., Any], tuple[Any, ...], str]] = [
    (nb08.side, (lambda s, k, t, p: (s + 2 * p - k) // t + 1,), "round down"),
    (nb08.side, (lambda s, k, t, p: (s + 2 * p - k) // t + 2,), "fit exactly"),
    (nb08.side, (lambda s, k, t, p: -(-(s - k) // t) + 1,), "(27, 5, 1, 2)"),
    (nb08.edge_share, (109 / 30.25,), "per cent"),
    (nb08.edge_share, (1 / 55,), "last column"),
    (nb08.edge_share, (110 / 3025,), "corner"),
    (nb08.edge_share, (0,), "223"),
    (nb08.cmrnorm, (lambda x, n, s, p, m: nb08.cross_map_norm(x, n, s * n, p, m),), "paper's formula"),
    (nb08.cmrnorm, (lambda x, n, s, p, m: x / (m + s / n * x.square()) ** p,), "only itself"),
    (nb08.cmrnorm, (lambda x, n, s, p, m: x * (x / nb08.cross_map_norm(x, n, s, p, m)),), "multiply"),
    (
        nb08.cmrnorm,
        (lambda x, n, s, p, m: nb08.cross_map_norm(x.roll(1, 1), n, s, p, m).roll(-1, 1),),
        "windows are cut",
    ),
    (nb08.cmrnorm, (lambda x, n, s, p, m: nb08.cross_map_norm(x, n, s, p, m)[:1],), "shape"),
    (nb08.network_150, (TEXT,), "conv3a reads: pool2a, pool2b"),
    (nb08.network_150, (crossed(widen(cut(TEXT))),), "conv3a reads: pool2b"),
    (nb08.network_150, (widen(cut(TEXT, layers=("conv3",))),), "fc6a reads"),
    (nb08.network_150, (cut(TEXT),), "622,383,648"),
    (nb08.network_150, (widen(cut(TEXT), units=2048),), "which layers grew"),
    (nb08.network_150, (change(TEXT, "conv3a", inputs="pool2a"),), "the reader says"),
    (nb08.network_150, (change(widen(cut(TEXT)), "fc8", outputs=999),), "compare fc8"),
    (nb08.network_150, (3,), "text"),
    (nb08.rates, (lambda epoch: (nb08.rates_of_145(epoch)[1],) * 2,), "epoch 67 the rate of conv1"),
    (nb08.rates, (lambda epoch: nb08.rates_of_145(epoch - 1),), "epoch 25"),
    (nb08.rates, (lambda epoch: 0.01,), "two rates"),
    (nb08.update, (torch_sgd,), "torch.optim.SGD"),
    (nb08.update, (lambda w, v, g, r, m, d: nb08.update_2012(w, v, g, r, m, 0),), "decay"),
    (nb08.update, (lambda w, v, g, r, m, d: (w + v, nb08.update_2012(w, v, g, r, m, d)[1]),), "old one"),
    (nb08.update, (lambda w, v, g, r, m, d: nb08.update_2012(w, v, -g, r, m, d),), "velocity differs"),
    (nb08.update, (lambda w, v, g, r, m, d: w,), "two tensors"),
    (nb08.blurred_parameters, (FULL - CONV1,), "conv2 sees fewer"),
    (nb08.blurred_parameters, (FULL - CONV1 - 256 * 25 * 16,), "3 blurred maps"),
    (nb08.blurred_parameters, (FULL - CONV1 - 2 * CONV2,), "once"),
    (nb08.blurred_parameters, (60_000_000,), "start from"),
    (nb08.evidence, (nb08.EVIDENCE | {"b": "log"},), "sentence b"),
    (nb08.evidence, (dict.fromkeys("abcdefg", "code"),), "sentence b"),
    (nb08.evidence, (nb08.EVIDENCE | {"f": "sure"},), "needs one of"),
    (nb08.evidence, (["code"],), "dictionary"),
]


@pytest.mark.parametrize(("checked", "answers"), RIGHT)
def test_right_answers_pass(checked: Callable[..., Any], answers: tuple[Any, ...]) -> None:
    assert checked(*answers), checked(*answers)


@pytest.mark.parametrize(("checked", "answers", "words"), WRONG)
def test_wrong_answers_get_a_hint_that_fits(checked: Callable[..., Any], answers: tuple[Any, ...], words: str) -> None:
    result = checked(*answers)
    assert not result and result.answered
    assert words in result.message


@pytest.mark.parametrize(
    "checked",
    [
        nb08.side,
        nb08.edge_share,
        nb08.cmrnorm,
        nb08.network_150,
        nb08.rates,
        nb08.update,
        nb08.blurred_parameters,
        nb08.evidence,
    ],
)
def test_an_open_answer_is_no_mistake(checked: Callable[..., Any]) -> None:
    assert not checked(...).answered


def test_the_references_agree_with_the_package() -> None:
    network = read_network(NETWORK_145)
    conv1 = network["conv1a"]
    assert conv1.output_shape[1] == nb08.rounded_up(224, 11, 4, 0)
    weight = torch.nn.Parameter(torch.ones(3))
    weight.grad = torch.tensor([1.0, -2.0, 0.5])
    optimiser = Sgd2012([weight], lr=0.1, momentum=0.9, weight_decay=0.01)
    w, v = weight.detach().clone(), torch.zeros(3)
    for rate in (0.1, 0.02):
        optimiser.param_groups[0]["lr"] = rate
        optimiser.step()
        w, v = nb08.update_2012(w, v, weight.grad, rate, 0.9, 0.01)
        torch.testing.assert_close(weight.detach(), w)
