"""Every layer type of the 2012 format against a plain definition."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from museum_files import conv_of, layer, section, weighted
from torch import Tensor

from alexnet_edu.layers import LocalResponseNorm
from alexnet_edu.museum import (
    build_network,
    read_network,
)
from alexnet_edu.museum.models import MuseumNet


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


def test_conv_rounds_up_and_sums_its_inputs(picture: Tensor) -> None:
    text = conv_of(2, filters=16, filterSize=3, channels=4, stride=3, padding=1)
    model, y = run(text, picture)
    padded = F.pad(picture, (1, 2, 1, 2))
    first, second = (F.conv2d(padded, weighted(model).weight(i), stride=3) for i in range(2))
    assert y.shape == (2, 16, 3, 3)
    torch.testing.assert_close(y, first + second + 0.5)


def test_filters_count_for_each_group(picture: Tensor) -> None:
    text = conv_of(1, filters=16, filterSize=3, channels=4, groups=2)
    model, y = run(text, picture)
    weight = weighted(model).weight(0)
    assert weight.shape == (32, 2, 3, 3)
    torch.testing.assert_close(y[:, :16], F.conv2d(picture[:, :2], weight[:16]) + 0.5)


def test_own_biases_for_each_position(picture: Tensor) -> None:
    model, _ = run(conv_of(1, filters=16, filterSize=5, channels=4, sharedBiases=0), picture)
    assert weighted(model).bias.shape == (16, 3, 3)


def test_random_sparse_connections(picture: Tensor) -> None:
    text = conv_of(1, filters=16, filterSize=3, channels=4, groups=4, randSparse=1, filterChannels=2)
    model, y = run(text, picture)
    maps = model.get_buffer("it.branches.0.0.maps")
    assert [sorted(part.tolist()) for part in maps.split(4)] == [[0, 1, 2, 3]] * 2
    third = F.conv2d(picture[:, maps[4:6]], weighted(model).weight(0)[32:48]) + 0.5
    torch.testing.assert_close(y[:, 32:48], third)


@pytest.mark.parametrize("groups", [1, 2])
def test_local_has_a_filter_at_every_position(picture: Tensor, groups: int) -> None:
    text = conv_of(1, filters=16, filterSize=3, channels=4, stride=3, padding=1, groups=groups).replace("conv", "local")
    model, y = run(text, picture)
    weight = weighted(model).weight(0).reshape(groups, 3, 3, 16, 4 // groups, 3, 3)
    padded = F.pad(picture, (1, 2, 1, 2))
    for row in range(3):
        for column in range(3):
            patch = padded[:, :, row * 3 : row * 3 + 3, column * 3 : column * 3 + 3].unflatten(1, (groups, -1))
            want = torch.einsum("ngcij,gocij->ngo", patch, weight[:, row, column]).flatten(1)
            torch.testing.assert_close(y[:, :, row, column], want + 0.5)


def test_fc_sums_its_inputs_flattened_in_order(picture: Tensor) -> None:
    model, y = run(layer("image, image", type="fc", outputs=5, initW="0.1, 0.1", initB=1), picture)
    torch.testing.assert_close(y, picture.flatten(1) @ (weighted(model).weight(0) + weighted(model).weight(1)).T + 1)


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


def test_treefc_is_built_without_its_tree(picture: Tensor) -> None:
    network = read_network(layer(type="treefc", initW=0.01), input_shape=(4, 7, 7), num_classes=9)
    assert network["it"].output_shape == (9,)
    assert "tree" in network.notes[0]


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
    assert weighted(model, "two").weight(0) is weighted(model, "one").weight(0)
    assert weighted(model, "three").weight(1) is weighted(model, "three").weight(0)
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
