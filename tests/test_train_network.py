from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import nn

from alexnet_edu.errors import AlexNetError
from alexnet_edu.features import concentration
from alexnet_edu.models import get_model
from alexnet_edu.train import network
from alexnet_edu.train.recipes import DETAILS, get_recipe
from alexnet_edu.weights import Preprocess, load_pretrained


def shaken(net: nn.Module) -> nn.Module:
    """Batch norm as after some training: no number is at its start."""
    generator = torch.Generator().manual_seed(0)
    for module in net.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            for tensor in (module.weight.data, module.bias.data, module.running_mean, module.running_var):
                assert tensor is not None
                tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
    return net


@pytest.mark.parametrize("lrn", ["exact", "limit"])
def test_folding_keeps_the_function(lrn: str) -> None:
    """With exact LRN to rounding; with its limit to what LRN does to values around 1."""
    torch.manual_seed(0)
    model = get_model("small", num_classes=5)
    recipe = replace(get_recipe("modern"), lrn=lrn)  # type: ignore[arg-type]
    network.start_weights(model, recipe)
    net = shaken(network.training_network(model, recipe)).eval()
    plain = network.fold(net, model.spec)
    assert plain.state_dict().keys() == get_model("small", num_classes=5).state_dict().keys()
    x = torch.randn(2, 3, 227, 227)
    found = network.logits_difference(net, plain, x, x)
    assert found["largest"] < (1e-4 if lrn == "exact" else 0.02) * found["spread"]
    assert found["same_class"] == 1


def test_whitening_evens_out_what_photographs_show() -> None:
    """Patches with the powers of photographs: grey ones differ a thousandfold before and a few times after."""
    whitening = network.Whitening(11, 0.2)
    place = torch.cartesian_prod(torch.arange(11), torch.arange(11)).double()
    powers, directions = torch.linalg.eigh(torch.exp(-torch.cdist(place, place) / 40))
    strongest = directions.flip(1)[:, :10].T.reshape(10, 1, 11, 11).float()
    grey = strongest.expand(-1, 3, -1, -1) / 3**0.5
    scaled = grey * powers.flip(0)[:10].float().sqrt().view(-1, 1, 1, 1)
    before, after = (x.square().sum((1, 2, 3)) for x in (scaled, whitening(scaled)))
    assert before.max() / before.min() > 300 and after.max() / after.min() < 5
    torch.testing.assert_close(whitening.matrix, whitening.matrix.T)
    tinted = strongest * torch.tensor([1.0, -1.0, 0.0]).view(3, 1, 1) / 2**0.5
    assert whitening(tinted)[0].norm() > whitening(grey)[0].norm()  # even colour is worth more than even grey


def test_whitening_alone_makes_no_clean_filters() -> None:
    torch.manual_seed(0)
    scores = concentration(network.Whitening(11, 0.2)(torch.randn(200, 3, 11, 11)))
    assert scores.median() < 0.5 and scores.max() < 0.6


def test_whitening_is_learned_through_and_gone_after_folding() -> None:
    torch.manual_seed(0)
    recipe = get_recipe("modern")
    model = get_model("small", num_classes=5)
    network.start_weights(model, recipe)
    net = network.training_network(model, recipe)
    net(torch.randn(2, 3, 227, 227)).sum().backward()
    learned = dict(net.named_parameters())["conv1.parametrizations.weight.original"]
    assert learned.grad is not None and learned.grad.abs().sum() > 0
    assert not any("parametrizations" in name for name in network.fold(net, model.spec).state_dict())


def test_what_modern_adds_while_training() -> None:
    net = network.training_network(get_model("small"), get_recipe("modern"))
    layers = dict(net.named_children())
    norms = [name for name in layers if name.endswith("_norm")]
    assert norms == [f"{name}_norm" for name in ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7")]
    assert layers["conv1"].bias is None and layers["fc8"].bias is not None
    assert not any(type(layer).__name__ == "LocalResponseNorm" for layer in layers.values())


def test_dropout_moves_where_the_recipe_says() -> None:
    recipe = replace(get_recipe("modern"), dropout={"fc6": 0.3})
    names = [name for name, _ in network.training_network(get_model("small"), recipe).named_children()]
    assert [name for name in names if "drop" in name] == ["fc6_drop"] and names.index("fc6_drop") + 1 == names.index(
        "fc6"
    )


def test_the_paper_recipe_changes_nothing_in_the_network() -> None:
    model = get_model("paper", num_classes=2)
    net = network.training_network(model, get_recipe("paper"))
    assert dict(net.named_children()) == dict(model.named_children())


@pytest.mark.parametrize(("details", "std"), [("paper", 0.01), ("source", 0.03)])
def test_starts_of_text_and_code(details: str, std: float) -> None:
    torch.manual_seed(0)
    model = get_model("paper", num_classes=2)
    network.start_weights(model, get_recipe("paper", details))
    measured = {
        name: model.get_parameter(f"{name}.weight").std().item() for name in ("conv1", "conv2", "conv3", "conv5")
    }
    assert measured == pytest.approx({"conv1": 0.01, "conv2": 0.01, "conv3": std, "conv5": std}, rel=0.03)
    assert model.get_parameter("conv4.bias").unique().tolist() == [1.0]


def test_export_is_what_load_pretrained_reads(tmp_path: Path) -> None:
    model = get_model("small", num_classes=3).eval()
    file = tmp_path / "deep" / "three.safetensors"
    network.save_export(file, model, ("a", "b", "c"), Preprocess(size=227), {"seed": 1}, half=True)
    pretrained = load_pretrained(file)
    assert pretrained.categories == ("a", "b", "c") and pretrained.preprocess == Preprocess(size=227)
    with safe_open(file, framework="pt") as stream:
        assert (
            stream.get_tensor("conv1.weight").dtype == torch.float16 and stream.metadata()["training"] == '{"seed": 1}'
        )
    x = torch.randn(1, 3, 227, 227)
    torch.testing.assert_close(pretrained.model(x), model(x), rtol=0, atol=1e-3)


def test_recipe_fields_are_set_from_text() -> None:
    recipe = get_recipe("modern").changed(
        ["lr=0.5", "epochs=3", "precision=fp32", "channels_last=false", "conv1_std=0.02"]
    )
    assert (recipe.lr, recipe.epochs, recipe.precision, recipe.channels_last, recipe.conv1_std) == (
        0.5,
        3,
        "fp32",
        False,
        0.02,
    )


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("speed=1", "no field 'speed'"),
        ("lr=fast", "lr must be a number above 0, not 'fast'"),
        ("epochs=1.5", "epochs must be a whole number of at least 1, not '1.5'"),
        ("precision=fp8", "precision must be one of fp32, bf16, fp16"),
        ("batch_norm=yes", "batch_norm must be true or false"),
    ],
)
def test_wrong_settings_are_one_sentence(setting: str, message: str) -> None:
    with pytest.raises(AlexNetError, match=message):
        get_recipe("modern").changed([setting])


def test_text_and_code_of_2012_differ_in_every_listed_field() -> None:
    paper, source = get_recipe("paper", "paper"), get_recipe("paper", "source")
    assert all(getattr(paper, field) != getattr(source, field) for field in DETAILS["source"])
    assert (source.lr, source.momentum, source.weight_decay, source.batch_size, source.epochs) == (
        0.01,
        0.9,
        0.0005,
        128,
        90,
    )
    with pytest.raises(AlexNetError, match="no recipe 'best'"):
        get_recipe("best")
