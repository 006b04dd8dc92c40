"""Networks of 2012 as PyTorch modules: equal to the course's own, exportable, and they learn."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import torch
from museum_files import BASE, CIFAR, DATA, SIDE, narrow, section
from torch import Tensor

from alexnet_edu.errors import AlexNetError
from alexnet_edu.models import AlexNet
from alexnet_edu.museum import (
    NETWORK_145,
    PARAMS_145,
    build_network,
    network_svg,
    read_network,
)
from alexnet_edu.museum.models import MuseumNet
from alexnet_edu.specs import Linear
from alexnet_edu.train.optim import Sgd2012
from alexnet_edu.variants import get_spec


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


# Labels


def test_labels_may_be_compared_before_the_cost_judges() -> None:
    network = read_network(DATA / "label-difference.cfg", input_shape=SIDE)
    assert network["labels"].output_shape == network["diff"].output_shape == (5,)
    assert network.outputs == ("tags",)
    assert network_svg(network).count("<rect") == 6 and "labels" in str(network)
    model, x, labels = build_network(network), torch.randn(4, *SIDE), torch.rand(4, 5).round()
    outputs = model(x)
    assert outputs.shape == (4, 5)
    assert set(model.activations(x)) == {"image", "conv", "tags"}
    torch.testing.assert_close(model.cost(x, labels), (labels - outputs).square().sum() / 4)


def test_a_network_whose_cost_is_a_difference_from_labels_learns_and_can_be_exported() -> None:
    torch.manual_seed(0)
    rates = "".join(section(name, epsW=0.01, epsB=0.01, momW=0.9, momB=0.9) for name in ("conv", "tags"))
    network = read_network(DATA / "label-difference.cfg", rates + section("cost", coeff=1), input_shape=SIDE)
    model, x, labels = build_network(network), torch.randn(4, *SIDE), torch.rand(4, 5).round()
    torch.testing.assert_close(torch.export.export(model, (x,), strict=False).module()(x), model(x))
    optimiser, before = Sgd2012(model.param_groups()), model.cost(x, labels).item()
    for _ in range(20):
        optimiser.zero_grad()
        model.cost(x, labels).backward()
        optimiser.step()
    assert model.cost(x, labels).item() < 0.8 * before


def test_a_difference_from_labels_may_be_changed_before_it_is_judged() -> None:
    text = (DATA / "label-difference.cfg").read_text().replace("inputs = diff", "inputs = twice")
    text = text.replace("[cost]", section("twice", type="eltsum", inputs="diff, diff") + "[cost]")
    model, x = build_network(read_network(text, input_shape=SIDE)), torch.randn(4, *SIDE)
    labels = torch.rand(4, 5)
    torch.testing.assert_close(model.cost(x, labels), 4 * (labels - model(x)).square().sum() / 4)


def test_two_sections_may_read_one_image() -> None:
    text = section("again", type="data", dataIdx=0) + BASE.replace("inputs=norm, pool", "inputs=norm, again")
    model = build_network(read_network(text, input_shape=SIDE)).eval()
    x = torch.randn(2, *SIDE)
    assert model(x).shape == (2, 4)
    assert torch.equal(model.activations(x)["again"], x)
    assert model.cost(x, torch.tensor([0, 3])).isfinite()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ([], "images, labels"),
        ([torch.zeros(2, *SIDE)], "not 1"),
        ([torch.zeros(2, *SIDE), torch.zeros(2), torch.zeros(2)], "not 3"),
        ([torch.zeros(2, *SIDE), torch.zeros(3)], "2 images"),
        ([torch.zeros(2, *SIDE), torch.zeros(2, 4)], "2 images"),
        ([torch.zeros(2, 3, 9, 9), torch.zeros(2)], "images of 3 × 8 × 8"),
        ([torch.zeros(()), torch.zeros(2)], "images of 3 × 8 × 8"),
        ([torch.zeros(2, *SIDE), torch.tensor([0, 4])], "from 0 to 3"),
        ([torch.zeros(2, *SIDE), torch.tensor([-1, 0])], "from 0 to 3"),
    ],
)
def test_wrong_data_give_one_sentence(data: list[Tensor], words: str) -> None:
    model = build_network(read_network(BASE, input_shape=SIDE))
    with pytest.raises(AlexNetError, match=re.escape(words)):
        model.cost(*data)


def test_labels_that_two_costs_count_differently_are_named() -> None:
    text = BASE.replace("[cost]", section("first", type="cost.crossent2", inputs="label, probs") + "[cost]")
    model = build_network(read_network(text, input_shape=SIDE))
    with pytest.raises(AlexNetError, match="cost compares labels of size 1 per image, but label has size 4"):
        model.cost(torch.zeros(2, *SIDE), torch.zeros(2, 4))


# Names


def test_layers_may_be_called_anything() -> None:
    text = (
        BASE.replace("[conv]", "[forward.1]").replace("inputs=conv", "inputs=forward.1").replace("[fc]", "[training]")
    )
    text = text.replace("inputs=fc", "inputs=training")
    model = build_network(read_network(text, input_shape=SIDE)).eval()
    assert model(torch.zeros(1, *SIDE)).shape == (1, 4)


def test_all_types_together_export_and_learn() -> None:
    network = read_network(DATA / "all-types.cfg", input_shape=SIDE, num_classes=4)
    model = build_network(network).eval()
    x = torch.randn(3, *SIDE)
    torch.testing.assert_close(torch.export.export(model, (x,), strict=False).module()(x), model(x))
    model.train().cost(x, torch.tensor([0, 1, 2])).backward()
    assert all(p.grad is not None and p.grad.any() for p in model.parameters())
