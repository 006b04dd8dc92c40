"""The 2012 network files: every rule of the format against plain loops, known totals, mistakes, and mangled files."""

from __future__ import annotations

import json
import random
import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from alexnet_edu.cli import main as cli
from alexnet_edu.errors import AlexNetError
from alexnet_edu.layers import LocalResponseNorm
from alexnet_edu.models import AlexNet
from alexnet_edu.museum import (
    NETWORK_145,
    PARAMS_145,
    NetworkFile,
    NetworkFileError,
    build_network,
    network_svg,
    read_network,
)
from alexnet_edu.museum.models import MuseumNet
from alexnet_edu.museum.rates import parse_schedule
from alexnet_edu.museum.release import fetch_release
from alexnet_edu.specs import Linear
from alexnet_edu.train.optim import Sgd2012
from alexnet_edu.variants import get_spec

DATA = Path(__file__).parent / "data" / "museum"
CIFAR = (3, 24, 24)
TOTALS = {
    "131": (60_870_376, 628_615_616),
    "135": (60_870_376, 628_615_616),
    "137": (60_870_376, 628_615_616),
    "146": (61_555_304, None),
    "145-half": (59_798_312, 391_514_384),
}


def section(name: str, **keys: object) -> str:
    return f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items()) + "\n"


def layer(inputs: str = "image", **keys: object) -> str:
    """One layer between a picture and a cost that reads it all."""
    return (
        section("image", type="data", dataIdx=0)
        + section("it", inputs=inputs, **keys)
        + section("end", type="cost.sum2", inputs="it")
    )


def run(text: str, x: Tensor, params: str | None = None) -> tuple[MuseumNet, Tensor]:
    """The built network of one layer ``it``, and what it makes of ``x``; the gradient reaches the picture."""
    network = read_network(text, params, input_shape=tuple(x.shape[1:]))  # type: ignore[arg-type]
    model = build_network(network).double().eval()
    x = x.double().requires_grad_()
    y = model(x)
    assert y.shape[1:] == network["it"].output_shape
    assert sum(p.numel() for p in model.parameters()) == network.total_parameters
    model.cost(x).backward()
    assert x.grad is not None and x.grad.abs().sum() > 0
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())
    return model, y.detach()


@pytest.fixture
def picture() -> Tensor:
    return torch.randn(2, 4, 7, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


# The networks


def test_145_is_the_paper() -> None:
    network = read_network(NETWORK_145, PARAMS_145)
    assert network.total_parameters == 60_965_224
    assert network.total_macs == 724_406_816
    assert network.notes == ()
    sides = {
        name: network[f"{name}a"].output_shape[1] for name in ("conv1", "pool1", "conv2", "pool2", "conv5", "pool5")
    }
    assert list(sides.values()) == [55, 27, 27, 13, 13, 6]
    assert [network[name].gpu for name in ("image", "conv1a", "lrn1b", "conv4b", "probs")] == [None, 0, 1, 1, 0]
    assert network["label"].output_shape == (1,)


@pytest.mark.parametrize("name", TOTALS)
def test_the_other_networks_have_the_known_totals(name: str) -> None:
    network = read_network(DATA / f"{name}.cfg")
    parameters, macs = TOTALS[name]
    assert network.total_parameters == parameters
    assert macs is None or network.total_macs == macs


def narrow(path: Path) -> str:
    """The file with fewer fully connected units, so that a test of its convolutions takes no seconds."""
    return re.sub(r"outputs = (2048|4096|1000)", "outputs = 32", path.read_text())


@pytest.mark.parametrize("name", ["131", "137", "146", "145-half", "cifar-local"])
def test_gradients_flow(name: str) -> None:
    shape = CIFAR if name == "cifar-local" else (3, 224, 224)
    network = read_network(narrow(DATA / f"{name}.cfg"), input_shape=shape)
    model = build_network(network)
    assert sum(p.numel() for p in model.parameters()) == network.total_parameters
    cost = model.cost(torch.randn(1, *shape) * 60, torch.tensor([3]))
    cost.backward()
    dead = [key for key, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert not dead


@pytest.fixture(scope="module")
def net145() -> MuseumNet:
    torch.manual_seed(0)
    return build_network(read_network(narrow(NETWORK_145), PARAMS_145)).eval()


@pytest.fixture(scope="module")
def pictures() -> Tensor:
    return torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(1)) * 60


def merged(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights of two towers as those of one network with groups: rows of tower a above those of b."""

    def rows(name: str) -> dict[str, Tensor]:
        found: dict[str, list[Tensor]] = {"weight": [], "bias": []}
        for tower, crossed in (("a", False), ("b", name == "fc7")):
            keys = sorted(key for key in state if key.startswith(f"{name}{tower}.branches"))
            parts = [state[key] for key in keys]
            found["weight"].append(torch.cat(parts[::-1] if crossed else parts, dim=1))
            found["bias"].append(state[f"{name}{tower}.bias"].flatten())
        return {f"{name}.{key}": torch.cat(parts) for key, parts in found.items()}

    layers = [rows(name) for name in ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7")]
    last = {
        "fc8.weight": torch.cat([state["fc8.branches.0.weight"], state["fc8.branches.1.weight"]], dim=1),
        "fc8.bias": state["fc8.bias"],
    }
    return {key: value for part in (*layers, last) for key, value in part.items()}


def test_145_equals_the_museum_model(net145: MuseumNet, pictures: Tensor) -> None:
    fewer = {"fc6": 64, "fc7": 64, "fc8": 32}
    spec = get_spec("museum")
    layers = [replace(one, out_features=fewer[one.name]) if isinstance(one, Linear) else one for one in spec.layers]
    model = AlexNet(replace(spec, layers=tuple(layers))).eval()
    model.load_state_dict(merged(net145.state_dict()))
    with torch.no_grad():
        mine, theirs = net145(pictures), model(pictures)
    # float32 sums in another order: towers apart and summed, or side by side
    torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-4 * theirs.abs().max().item())
    assert theirs.std() > 0.01


def test_145_starts_as_its_file_says(net145: MuseumNet) -> None:
    state = net145.state_dict()
    assert state["conv3a.branches.1.weight"].std().item() == pytest.approx(0.03, rel=0.02)
    assert state["fc6b.branches.0.weight"].std().item() == pytest.approx(0.01, rel=0.03)
    assert state["conv4b.bias"].unique().tolist() == [1.0]
    assert state["fc8.bias"].unique().tolist() == [0.0]


def test_145_can_be_exported(net145: MuseumNet, pictures: Tensor) -> None:
    exported = torch.export.export(net145, (pictures,), strict=False).module()
    with torch.no_grad():
        torch.testing.assert_close(exported(pictures), net145(pictures), rtol=1e-4, atol=1e-5)


def test_activations_carry_the_sections_names(net145: MuseumNet, pictures: Tensor) -> None:
    with torch.no_grad():
        values = net145.activations(pictures)
    for one in net145.network.layers:
        if one.name in values:
            assert tuple(values[one.name].shape[1:]) == one.output_shape
    assert set(net145.network.outputs) == {"fc8"}
    torch.testing.assert_close(values["probs"], values["fc8"].softmax(1))
    assert values["conv1a"].min() < 0 <= values["pool1a"].min()


def test_a_picture_of_another_size_is_refused(net145: MuseumNet) -> None:
    with pytest.raises(AlexNetError, match="3 × 224 × 224"):
        net145(torch.zeros(1, 3, 227, 227))


def test_cifar_can_be_exported_and_learns() -> None:
    torch.manual_seed(0)
    network = read_network(DATA / "cifar-local.cfg", DATA / "cifar-local-params.cfg", input_shape=CIFAR)
    model = build_network(network)
    x, labels = torch.randn(8, *CIFAR), torch.arange(8)
    exported = torch.export.export(model, (x,), strict=False).module()
    torch.testing.assert_close(exported(x), model(x), rtol=1e-4, atol=1e-5)
    optimiser = Sgd2012(model.param_groups())
    before = model.cost(x, labels).item()
    for _ in range(5):
        optimiser.zero_grad()
        model.cost(x, labels).backward()
        optimiser.step()
    assert model.cost(x, labels).item() < before


# Layers against plain definitions


def conv_of(inputs: int, **keys: object) -> str:
    lists = {
        key: ", ".join([str(value)] * inputs) for key, value in keys.items() if key not in ("neuron", "sharedBiases")
    }
    rest = {key: keys[key] for key in ("neuron", "sharedBiases") if key in keys}
    return layer(
        ", ".join(["image"] * inputs), type="conv", initB=0.5, initW=", ".join(["0.1"] * inputs), **lists, **rest
    )


def test_conv_rounds_up_and_sums_its_inputs(picture: Tensor) -> None:
    text = conv_of(2, filters=16, filterSize=3, channels=4, stride=3, padding=1)
    model, y = run(text, picture)
    padded = F.pad(picture, (1, 2, 1, 2))
    want = sum(F.conv2d(padded, model.it.weight(i), stride=3) for i in range(2)) + 0.5
    assert y.shape == (2, 16, 3, 3)
    torch.testing.assert_close(y, want)


def test_filters_count_for_each_group(picture: Tensor) -> None:
    text = conv_of(1, filters=16, filterSize=3, channels=4, groups=2)
    model, y = run(text, picture)
    weight = model.it.weight(0)
    assert weight.shape == (32, 2, 3, 3)
    torch.testing.assert_close(y[:, :16], F.conv2d(picture[:, :2], weight[:16]) + 0.5)


def test_own_biases_for_each_position(picture: Tensor) -> None:
    model, _ = run(conv_of(1, filters=16, filterSize=5, channels=4, sharedBiases=0), picture)
    assert model.it.bias.shape == (16, 3, 3)


def test_random_sparse_connections(picture: Tensor) -> None:
    text = conv_of(1, filters=16, filterSize=3, channels=4, groups=4, randSparse=1, filterChannels=2)
    model, y = run(text, picture)
    maps = model.it.branches[0][0].maps
    assert [sorted(part.tolist()) for part in maps.split(4)] == [[0, 1, 2, 3]] * 2
    third = F.conv2d(picture[:, maps[4:6]], model.it.weight(0)[32:48]) + 0.5
    torch.testing.assert_close(y[:, 32:48], third)


@pytest.mark.parametrize("groups", [1, 2])
def test_local_has_a_filter_at_every_position(picture: Tensor, groups: int) -> None:
    text = conv_of(1, filters=16, filterSize=3, channels=4, stride=3, padding=1, groups=groups).replace("conv", "local")
    model, y = run(text, picture)
    weight = model.it.weight(0).reshape(groups, 3, 3, 16, 4 // groups, 3, 3)
    padded = F.pad(picture, (1, 2, 1, 2))
    for row in range(3):
        for column in range(3):
            patch = padded[:, :, row * 3 : row * 3 + 3, column * 3 : column * 3 + 3].unflatten(1, (groups, -1))
            want = torch.einsum("ngcij,gocij->ngo", patch, weight[:, row, column]).flatten(1)
            torch.testing.assert_close(y[:, :, row, column], want + 0.5)


def test_fc_sums_its_inputs_flattened_in_order(picture: Tensor) -> None:
    model, y = run(layer("image, image", type="fc", outputs=5, initW="0.1, 0.1", initB=1), picture)
    torch.testing.assert_close(y, picture.flatten(1) @ (model.it.weight(0) + model.it.weight(1)).T + 1)


def pooled(x: Tensor, reduce: Callable[[Tensor], Tensor], size: int, stride: int, start: int, outputs: int) -> Tensor:
    """Pooling as it is defined: the pixels of each window that lie inside."""
    spans = [slice(max(0, start + i * stride), start + i * stride + size) for i in range(outputs)]
    return torch.stack([torch.stack([reduce(x[:, :, r, c].flatten(2)) for c in spans], -1) for r in spans], -2)


def largest_magnitude(values: Tensor) -> Tensor:
    return values.gather(2, values.abs().argmax(2, keepdim=True)).squeeze(2)


@pytest.mark.parametrize(("start", "outputs_x"), [(0, 0), (-1, 0), (1, 0), (-1, 3), (0, 2)])
@pytest.mark.parametrize("how", ["max", "avg", "maxabs"])
def test_pooling_counts_the_pixels_inside(picture: Tensor, how: str, start: int, outputs_x: int) -> None:
    text = layer(type="pool", pool=how, channels=4, sizeX=3, stride=2, start=start, outputsX=outputs_x)
    reduce = {"max": lambda v: v.amax(2), "avg": lambda v: v.mean(2), "maxabs": largest_magnitude}[how]
    outputs = outputs_x or -(-(7 - start - 3) // 2) + 1
    torch.testing.assert_close(run(text, picture)[1], pooled(picture, reduce, 3, 2, start, outputs))


def test_pooling_rounds_up(picture: Tensor) -> None:
    text = layer(type="pool", pool="max", channels=4, sizeX=4, stride=2)
    torch.testing.assert_close(run(text, picture)[1], pooled(picture, lambda v: v.amax(2), 4, 2, 0, 3))


def test_rand_pooling_takes_a_pixel_of_the_window(picture: Tensor) -> None:
    text = layer(type="pool", pool="rand", channels=4, sizeX=3, stride=2, start=-1)
    _, y = run(text, picture, section("it", doMax=0))
    assert torch.isin(y, picture).all()
    _, largest = run(text, picture, section("it", doMax="true"))
    torch.testing.assert_close(largest, pooled(picture, lambda v: v.amax(2), 3, 2, -1, 4))


def test_cross_map_norm() -> None:
    x = torch.randn(2, 16, 3, 3)
    params = section("it", scale=0.5, pow=0.6, minDiv=2)
    _, y = run(layer(type="cmrnorm", channels=16, size=5), x, params)
    torch.testing.assert_close(y, LocalResponseNorm(5, 0.5, 0.6, 2)(x.double()), rtol=1e-5, atol=1e-6)
    _, even = run(layer(type="cmrnorm", channels=16, size=4), x, params)
    window = x.double()[:, 3:7].square().sum(1)  # from 2 below map 5 to 1 above it
    torch.testing.assert_close(even[:, 5], x.double()[:, 5] / (2 + 0.5 / 4 * window) ** 0.6)


@pytest.mark.parametrize("size", [3, 4])
@pytest.mark.parametrize("kind", ["rnorm", "cnorm"])
def test_norms_within_a_map(picture: Tensor, kind: str, size: int) -> None:
    _, y = run(layer(type=kind, channels=4, size=size), picture, section("it", scale=0.5, pow=0.6))

    def window(values: Tensor, row: int, column: int) -> Tensor:
        top, left = row - size // 2, column - size // 2
        return values[:, :, max(0, top) : top + size, max(0, left) : left + size].flatten(2)

    mean = torch.stack([torch.stack([window(picture, r, c).mean(2) for c in range(7)], -1) for r in range(7)], -2)
    residual = picture - mean if kind == "cnorm" else picture
    for row, column in ((0, 0), (3, 3), (6, 1)):
        total = window(residual, row, column).square().sum(2)
        want = picture[:, :, row, column] / (1 + 0.5 / size**2 * total) ** 0.6
        torch.testing.assert_close(y[:, :, row, column], want)


def test_blur_and_nailbed(picture: Tensor) -> None:
    _, y = run(layer(type="blur", channels=4, filterSize=5, stdev=2), picture)
    taps = torch.tensor([-(i**2) / 8 for i in (-2, -1, 0, 1, 2)], dtype=torch.float64).exp()
    taps /= taps.sum()
    padded = F.pad(picture, (2, 2, 2, 2))
    want = torch.einsum("ncij,i,j->nc", padded[:, :, 1:6, 3:8], taps, taps)
    torch.testing.assert_close(y[:, :, 1, 3], want, rtol=1e-5, atol=1e-6)
    _, nails = run(layer(type="nailbed", channels=4, stride=4), picture)
    torch.testing.assert_close(nails, picture[:, :, 1::4, 1::4])


def test_the_blurred_path_of_137_meets_conv2() -> None:
    network = read_network(DATA / "137.cfg")
    assert network["lowres"].output_shape == (3, 56, 56)
    assert network["conv2b"].input_shapes == ((3, 56, 56), (32, 27, 27))
    assert network["conv2b"].output_shape == (128, 27, 27)


def test_flip_sum_and_concat(picture: Tensor) -> None:
    x = picture[:, :3]
    torch.testing.assert_close(run(layer(type="href", channels=3), x)[1], x.flip(3))
    torch.testing.assert_close(run(layer("image, image", type="eltsum", coeffs="1, -3"), x)[1], -2 * x)
    torch.testing.assert_close(run(layer("image, image", type="concat"), x)[1], x.flatten(1).repeat(1, 2))


@pytest.mark.parametrize(
    ("neuron", "function"),
    {
        "ident": lambda x: x,
        "relu": lambda x: x.clamp(min=0),
        "logistic": lambda x: 1 / (1 + (-x).exp()),
        "abs": torch.abs,
        "softrelu": lambda x: (1 + x.exp()).log(),
        "square": lambda x: x**2,
        "tanh[1.7, 0.6]": lambda x: 1.7 * (0.6 * x).tanh(),
        "brelu[0.5]": lambda x: x.clamp(0, 0.5),
        "linear[2,-1]": lambda x: 2 * x - 1,
        "drelu[0.5]": lambda x: x - 0.5 * (x / 0.5).tanh(),
    }.items(),
)
def test_activations(picture: Tensor, neuron: str, function: Callable[[Tensor], Tensor]) -> None:
    _, y = run(layer(type="eltsum", neuron=neuron), picture)
    torch.testing.assert_close(y, function(picture))


def test_sqrt_and_the_noisy_relu(picture: Tensor) -> None:
    _, y = run(layer(type="eltsum", neuron="sqrt"), picture.abs())
    torch.testing.assert_close(y, picture.abs().sqrt())
    model, noisy = run(layer(type="eltsum", neuron="nrelu"), picture)
    assert (noisy[picture <= 0] == 0).all() and noisy.min() == 0 and not torch.equal(noisy, picture.relu())
    assert "noise" in model.network.notes[0]


def test_dropout_keeps_and_scales(picture: Tensor) -> None:
    text = layer(type="hs", keep=0.25)
    model, y = run(text, picture)
    torch.testing.assert_close(y, picture * 0.25)
    kept = model.train()(picture)
    assert ((kept == 0) | (kept == picture)).all() and 0.1 < (kept != 0).double().mean() < 0.4
    off = build_network(read_network(text, section("it", enable="false"), input_shape=(4, 7, 7))).train()
    torch.testing.assert_close(off(picture), picture * 0.25)


@pytest.mark.parametrize("how", ["crossent2", "rflickr"])
def test_costs_of_targets(how: str) -> None:
    text = (
        section("image", type="data", dataIdx=0)
        + section("tags", type="data", dataIdx=1)
        + section("fc", type="fc", inputs="image", outputs=6, neuron="logistic")
        + section("end", type=f"cost.{how}", inputs="tags, fc")
    )
    network = read_network(
        text, section("fc", epsW=1, epsB=1, momW=0, momB=0) + section("end", coeff=2), input_shape=(3, 4, 4)
    )
    assert network["tags"].output_shape == (6,)
    model, x, t = build_network(network), torch.randn(5, 3, 4, 4), torch.rand(5, 6).round()
    y = model(x)
    each = (1 + (y - t) ** 2).log() if how == "rflickr" else -(t * y.log() + (1 - t) * (1 - y).log())
    torch.testing.assert_close(model.cost(x, t), 2 * each.sum() / 5)


def test_treefc_is_built_without_its_tree(picture: Tensor) -> None:
    network = read_network(layer(type="treefc", initW=0.01), input_shape=(4, 7, 7), num_classes=9)
    assert network["it"].output_shape == (9,)
    assert "tree" in network.notes[0]


# Shared weights


def test_shared_weights_count_once_and_are_one(picture: Tensor) -> None:
    text = (
        section("image", type="data", dataIdx=0)
        + section("one", type="conv", inputs="image", filters=16, filterSize=3, channels=4, initW=0.1)
        + section(
            "two", type="conv", inputs="image", filters=16, filterSize=3, channels=4, initW=0.1, weightSource="one[0]"
        )
        + section("three", type="fc", inputs="one, two", outputs=2, initW="0.1, 0.1", weightSource=", three[0]")
        + section("end", type="cost.sum2", inputs="three")
    )
    network = read_network(text, input_shape=(4, 7, 7))
    assert [network[name].parameters for name in ("one", "two", "three")] == [592, 16, 802]
    model = build_network(network)
    assert model.two.weight(0) is model.one.weight(0)
    assert model.three.weight(1) is model.three.weight(0)
    assert sum(p.numel() for p in model.parameters()) == network.total_parameters
    model.double()(picture).sum().backward()
    params = section("one", epsW=1, epsB=1, momW=0, momB=0) + section("two", epsW=2, epsB=1, momW=0, momB=0)
    params += section("three", epsW="1,1", epsB=1, momW="0,0", momB=0) + section("end", coeff=1)
    shared = read_network(text, params, input_shape=(4, 7, 7))
    built = build_network(shared)
    groups = built.param_groups()
    assert [group["name"] for group in groups] == ["one.weight0", "one.bias", "two.bias", "three.weight0", "three.bias"]
    assert sum(len(group["params"]) for group in groups) == len(list(built.parameters()))
    assert any("owns them" in note for note in shared.notes)


# The update of 2012


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
    first, second = (model.fc.weight(i) for i in range(2))
    with torch.no_grad():
        first.fill_(2.0)
        second.fill_(1.0)
        model.fc.bias.fill_(-1.0)
    optimiser = Sgd2012(model.param_groups())
    x = torch.tensor([3.0]).view(1, 1, 1, 1)
    # cost = y^2 / 2 with y = 3 * first + 3 * second + bias = 8: d/d first = 24, d/d bias = 8
    model.cost(x).backward()
    optimiser.step()
    v, b = -0.01 * 0.1 * 2 - 0.1 * 24, -0.2 * 8  # -2.402 and -1.6
    assert (first.item(), second.item(), model.fc.bias.item()) == pytest.approx((2 + v, 1.0, -1 + b))
    optimiser.zero_grad()
    y = 3 * (2 + v) + 3 - 1 + b  # -0.806
    model.cost(x).backward()
    optimiser.step()
    v2 = 0.5 * v - 0.01 * 0.1 * (2 + v) - 0.1 * 3 * y
    b2 = 0.25 * b - 0.2 * y
    assert (first.item(), second.item()) == pytest.approx((2 + v + v2, 1.0))
    assert model.fc.bias.item() == pytest.approx(-1 + b + b2)


def test_a_rate_of_zero_freezes_what_still_moves() -> None:
    weight = torch.nn.Parameter(torch.ones(1))
    optimiser = Sgd2012([weight], lr=0.1, momentum=0.9, weight_decay=0)
    weight.grad = torch.ones(1)
    optimiser.step()
    optimiser.param_groups[0]["lr"] = 0
    optimiser.step()
    assert weight.item() == pytest.approx(0.9)  # in 2012 a frozen layer did not coast on its velocity


def test_the_groups_of_145(net145: MuseumNet) -> None:
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


# Mistakes


BASE = """\
[image]
type=data
dataIdx=0

[label]
type=data
dataIdx=1

[conv]
type=conv      ; a comment
inputs=image
filters=16
FilterSize=3   # keys in any case
channels=3
initW=0.1

[pool]
type=pool
pool=max
inputs=conv
sizeX=2
stride=2
channels=16

[norm]
type=cmrnorm
inputs=pool
channels=16
size=5

[fc]
type=fc
inputs=norm, pool
outputs=4
initW=0.1, 0.1

[probs]
type=softmax
inputs=fc

[cost]
type=cost.logreg
inputs=label, probs
"""
SIDE = (3, 8, 8)
MISTAKES = {
    "type=conv ": ("type=convolution ", 10, "conv", "unknown"),
    "inputs=conv": ("inputs=konv", 20, "pool", "'konv'"),
    "inputs=pool": ("inputs=norm", 27, "norm", "its own input"),
    "inputs=image": ("inputs=pool", 11, "conv", "only in line 17"),
    "filters=16": ("filters=16, 16", 12, "conv", "needs 1 values, one per input, not 2"),
    "initW=0.1, 0.1": ("initW=0.1", 35, "fc", "needs 2 values"),
    "outputs=4": ("outputs=four", 34, "fc", "whole number"),
    "channels=3": ("channels=5", 14, "conv", "can't be 5 square maps"),
    "FilterSize=3": ("FilterSize=9", 13, "conv", "does not fit"),
    "sizeX=2": ("sizeX=20", 21, "pool", "does not fit"),
    "stride=2": ("stride=0", 22, "pool", "below 1"),
    "size=5": ("size=55", 29, "norm", "larger than"),
    "size=5\n": ("\n", 25, "norm", "size is missing"),
    "channels=16\nsize": ("size", 25, "norm", "channels is missing"),
    "pool=max": ("pool=median", 19, "pool", "none of max"),
    "inputs=fc": ("inputs=label", 39, "probs", "only a cost"),
    "inputs=label, probs": ("inputs=probs", 43, "cost", "2 inputs"),
    "initW=0.1\n": ("initW=inf\n", 15, "conv", "not a number"),
    "inputs=norm, pool": ("inputs=norm, pool, cost", 33, "fc", "only in line"),
    "[fc]": ("nonsense\n[fc]", 31, "norm", "neither"),
    "type=softmax": ("type=resize", 38, "probs", "in no released file"),
}


@pytest.mark.parametrize("right", MISTAKES)
def test_a_mistake_is_named_with_file_section_and_line(tmp_path: Path, right: str) -> None:
    wrong, line, name, words = MISTAKES[right]
    path = tmp_path / "layers-x.cfg"
    assert BASE.count(right) >= 1
    path.write_text(BASE.replace(right, wrong, 1))
    with pytest.raises(NetworkFileError) as caught:
        read_network(path, input_shape=SIDE)
    message = str(caught.value)
    assert message.startswith(f"layers-x.cfg, line {line}, [{name}]: ")
    assert words in message
    assert "\n" not in message


def test_the_file_without_mistakes_is_read() -> None:
    assert read_network(BASE, input_shape=SIDE).total_parameters == 16 * 28 + 4 * (2 * 16 * 9) + 4


def test_more_mistakes() -> None:
    unused = section("image", type="data", dataIdx=0) + section("alone", type="concat", inputs="image")
    with pytest.raises(NetworkFileError, match=r"layer file, line 5, \[alone\]: no other layer reads"):
        read_network(unused)
    two = layer("image, image", type="conv", filters="16, 16", channels="3, 3", filterSize="3, 5", initW="1, 1")
    with pytest.raises(NetworkFileError, match="16 × 6 × 6, 16 × 4 × 4"):
        read_network(two, input_shape=SIDE)
    with pytest.raises(NetworkFileError, match="weightSource nobody"):
        read_network(layer(type="fc", outputs=2, weightSource="nobody[0]"))
    with pytest.raises(NetworkFileError, match="groups of 2 maps can't share 3"):
        read_network(conv_of(1, filters=16, filterSize=3, channels=3, groups=3, randSparse=1, filterChannels=2))
    for text, words in (("", "no \\[section\\]"), ("# only this\n", "no \\[section\\]"), ("a=b\n", "start with a")):
        with pytest.raises(NetworkFileError, match=words):
            read_network(text)
    for shape in ((3, 224, 200), (3, 0, 0), 224, (3, 24)):
        with pytest.raises(AlexNetError, match="square picture"):
            read_network(BASE, input_shape=shape)  # type: ignore[arg-type]


def test_mistakes_in_the_parameter_file(tmp_path: Path) -> None:
    good = (DATA / "cifar-local-params.cfg").read_text()
    changes = {
        "epsW = 0.001": ("epsW = -1", r"params, line 5, \[conv1\]: epsW = -1.0 is below 0"),
        "momB = 0.9": ("", r"params, line 4, \[conv1\]: momB is missing"),
        "[local3]": ("[lokal3]", r"the file has no section \[local3\]"),
        "wc = 0.004": ("wc = 0.004, 0.004", "needs 1 values"),
        "coeff = 1": ("", "coeff is missing"),
        "wc = 0\n": ("wc = 0\nschedW = later[1]\n", "no schedule"),
    }
    path = tmp_path / "params"
    for right, (wrong, words) in changes.items():
        path.write_text(good.replace(right, wrong, 1))
        with pytest.raises(NetworkFileError, match=words):
            read_network(DATA / "cifar-local.cfg", path, input_shape=CIFAR)


def test_files_that_are_none(tmp_path: Path) -> None:
    huge = tmp_path / "huge.cfg"
    huge.write_bytes(b"#" * (2 << 20))
    for path in (tmp_path / "absent.cfg", tmp_path, huge, "absent.cfg", "nul\0.cfg"):
        with pytest.raises(AlexNetError) as caught:
            read_network(path)
        assert "\n" not in str(caught.value)


def test_nothing_that_a_file_names_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "evil.py").write_text("open('was_run', 'w')\ndef weights(*args): open('was_run', 'w')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    text = BASE.replace("filters=16", "filters=16\ninitWFunc=evil.weights(1)\ninitBFunc=__import__('evil')")
    network = read_network(text, input_shape=SIDE)
    build_network(network)
    assert not (tmp_path / "was_run").exists()
    assert "initWFunc, initBFunc" in network.notes[0] and network.notes[0].startswith("conv:")


def test_limits_of_the_2012_kernels_are_noted_not_refused() -> None:
    network = read_network(
        BASE.replace("filters=16", "filters=10").replace("channels=16", "channels=10"), input_shape=SIDE
    )
    assert any("multiple of 16" in note for note in network.notes)


def test_old_syntax_where_the_size_can_be_found() -> None:
    old = BASE.replace("size=5", "sizeX=5\nscale=0.1\npow=0.5\nminDiv=3")
    operation = read_network(old, input_shape=SIDE)["norm"].operation
    assert (operation.size, operation.alpha, operation.beta, operation.k) == (5, 0.1, 0.5, 3)  # type: ignore[union-attr]


def test_layers_may_be_called_anything() -> None:
    text = (
        BASE.replace("[conv]", "[forward.1]").replace("inputs=conv", "inputs=forward.1").replace("[fc]", "[training]")
    )
    text = text.replace("inputs=fc", "inputs=training")
    model = build_network(read_network(text, input_shape=SIDE)).eval()
    assert model(torch.zeros(1, *SIDE)).shape == (1, 4)


# Mangled files


def mangled(text: str, chance: random.Random) -> str:
    lines = text.split("\n")
    for _ in range(chance.randint(1, 4)):
        i, j = chance.randrange(len(lines)), chance.randrange(len(lines))
        kind = chance.randrange(7)
        if kind == 0:
            del lines[i]
        elif kind == 1:
            lines[i] = lines[j]
        elif kind == 2:
            lines[i], lines[j] = lines[j], lines[i]
        elif kind == 3:
            lines[i] = re.sub(r"\d+", lambda _: str(chance.choice([0, -1, 1, 2, 3, 7, 16, 1 << 40, 9**99])), lines[i])
        elif kind == 4:
            at = chance.randrange(len(lines[i]) + 1)
            lines[i] = lines[i][:at] + chance.choice("=[],;#.\0\r\té9\u2028-e") + lines[i][at:]
        elif kind == 5:
            lines[i] = lines[i][: chance.randrange(len(lines[i]) + 1)]
        else:
            lines.insert(
                i, chance.choice(["[", "[]", "neuron=tanh[1]", "gpu=x", "weightSource=fc[0]", "groups=0", "  9"])
            )
        lines = lines or [""]
    return "\n".join(lines)


@pytest.mark.parametrize("seed", range(8))
def test_a_mangled_file_is_a_network_or_one_clear_error(seed: int) -> None:
    chance = random.Random(seed)
    files = [
        (
            BASE,
            section("conv", epsW=1, epsB=1, momW=0, momB=0)
            + section("norm", scale=1, pow=1)
            + section("cost", coeff=1)
            + section("fc", epsW="1,1", epsB=1, momW="0,0", momB=0),
            SIDE,
        ),
        ((DATA / "cifar-local.cfg").read_text(), (DATA / "cifar-local-params.cfg").read_text(), CIFAR),
        ((DATA / "137.cfg").read_text(), None, (3, 224, 224)),
        ((DATA / "all-types.cfg").read_text(), None, SIDE),
    ]
    built = 0
    for _ in range(150):
        text, params, shape = chance.choice(files)
        change_params = params is not None and chance.random() < 0.3
        try:
            network = read_network(
                text if change_params else mangled(text, chance),
                mangled(params, chance) if change_params else params,
                input_shape=shape,
            )
        except AlexNetError as problem:
            assert 20 < len(str(problem)) < 400 and "\n" not in str(problem)
            continue
        assert isinstance(network, NetworkFile) and str(network) and network_svg(network).startswith("<svg")
        if network.total_parameters < 200_000 and network.total_macs < 1e7:
            built += 1
            assert sum(p.numel() for p in build_network(network).parameters()) == network.total_parameters
    assert built > 2


def test_all_types_together_export_and_learn() -> None:
    network = read_network(DATA / "all-types.cfg", input_shape=SIDE, num_classes=4)
    model = build_network(network).eval()
    x = torch.randn(3, *SIDE)
    torch.testing.assert_close(torch.export.export(model, (x,), strict=False).module()(x), model(x))
    model.train().cost(x, torch.tensor([0, 1, 2])).backward()
    assert all(p.grad is not None and p.grad.any() for p in model.parameters())


# What it shows


def test_table_and_diagram() -> None:
    network = read_network(BASE, input_shape=SIDE)
    assert str(network.table()).splitlines()[-1].split() == [
        "total",
        f"{network.total_parameters:,}",
        f"{network.total_macs:,}",
    ]
    assert "<table>" in network._repr_html_()
    assert network_svg(network).count("<rect") == len(network.layers)
    with pytest.raises(AlexNetError, match="choose one of image"):
        network["conv9"]


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    svg = tmp_path / "145.svg"
    assert cli.main(["museum", str(NETWORK_145), str(PARAMS_145), "--svg", str(svg)]) == 0
    assert "60,965,224" in capsys.readouterr().out
    assert svg.read_text(encoding="utf-8").startswith("<svg")
    assert cli.main(["museum", str(DATA / "146.cfg"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["total_parameters"] == 61_555_304 and "never released" in found["notes"][0]
    assert cli.main(["museum", str(tmp_path / "absent.cfg")]) == 1
    assert capsys.readouterr().err.startswith("error: The layer file")
    assert cli.main(["museum"]) == 1


def test_fetching_checks_the_commit(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "layers").mkdir(parents=True)
    (source / "layers" / "layers-1.cfg").write_text(BASE)
    (source / "layers" / "layer-params-1.cfg").write_text("")
    git = ["git", "-C", str(source), "-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"]):
        subprocess.run([*git, *command], check=True)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    release = fetch_release(tmp_path / "copy", source=str(source), commit=commit[:7])
    assert release.commit == commit
    assert [path.name for path in release.layer_files] == ["layers-1.cfg"]
    with pytest.raises(AlexNetError, match="exists already"):
        fetch_release(tmp_path / "copy", source=str(source))
    with pytest.raises(AlexNetError, match="git -C failed"):
        fetch_release(tmp_path / "other", source=str(source), commit="2f8b81f")
