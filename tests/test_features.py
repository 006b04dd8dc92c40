from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from trained_files import random_pretrained, small_state

from alexnet_edu.errors import AlexNetError
from alexnet_edu.features import (
    embed,
    feature_maps,
    filters,
    layer_modules,
    neighbours,
    occlusion,
    top_patches,
)
from alexnet_edu.geometry import layer_table
from alexnet_edu.images import sample_images
from alexnet_edu.inference import class_probabilities
from alexnet_edu.models import AlexNet, get_model, list_models
from alexnet_edu.variants import get_spec
from alexnet_edu.weights import Pretrained


@pytest.fixture(scope="module")
def pretrained() -> Pretrained:
    return random_pretrained()


@pytest.fixture(scope="module")
def theirs() -> Any:
    """torchvision's own module, whose ReLUs work in place."""
    from torchvision.models import alexnet

    torch.manual_seed(0)
    return alexnet(num_classes=10)


def hook_count(model: nn.Module) -> int:
    return sum(len(module._forward_hooks) for module in model.modules())


# --- feature maps


@pytest.mark.parametrize("name", list_models())
def test_names_and_shapes_are_the_specs(name: str) -> None:
    spec = get_spec(name).with_classes(7)
    with torch.device("meta"):  # shapes without the arithmetic
        model, x = AlexNet(spec), torch.empty(2, *spec.input_shape)
    maps = feature_maps(model, x)
    table = layer_table(spec)
    assert list(maps) == [row.name for row in table] == list(layer_modules(model))
    for row in table:
        assert maps[row.name].shape == (2, *row.output_shape)


def test_values_are_those_of_a_walk_through_the_network(pretrained: Pretrained) -> None:
    x = torch.randn(2, 3, 227, 227)
    maps = feature_maps(pretrained.model, x)
    with torch.inference_mode():
        for name, layer in pretrained.model.named_children():
            x = layer(x)
            assert maps[name].equal(x)
    assert maps["conv1"].min() < 0 <= maps["relu1"].min()


def test_torchvisions_in_place_relu_does_not_reach_the_maps(theirs: Any) -> None:
    assert theirs.features[1].inplace
    ours = get_model("torchvision", num_classes=10)
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(1, 3, 224, 224)
    kept = x.clone()
    found, expected = feature_maps(theirs, x), feature_maps(ours, x)
    assert x.equal(kept)
    assert set(expected) - set(found) == {"flatten"}
    for name, value in found.items():
        assert value.equal(expected[name]), name
    assert found["conv1"].min() < 0


def test_maps_do_not_share_memory(theirs: Any) -> None:
    maps = feature_maps(theirs, torch.randn(1, 3, 224, 224), ["conv1", "relu1", "pool5"])
    assert len({value.data_ptr() for value in maps.values()}) == 3
    assert not any(value.requires_grad or value.is_inference() for value in maps.values())


def test_pictures_lists_tensors(pretrained: Pretrained) -> None:
    cat, rocket = sample_images()["cat"], sample_images()["rocket"]
    x = pretrained.preprocess(cat)
    one = feature_maps(pretrained, cat, "relu5")
    assert list(one) == ["relu5"]
    assert one["relu5"].equal(feature_maps(pretrained, x, ["relu5"])["relu5"])
    assert one["relu5"].equal(feature_maps(pretrained.model, x[None], ["relu5"])["relu5"])
    two = feature_maps(pretrained, [cat, rocket], ["fc8", "conv1"])
    assert list(two) == ["conv1", "fc8"] and len(two["fc8"]) == 2
    assert feature_maps(pretrained, x, []) == {}
    with pytest.raises(AlexNetError, match="preprocessed tensor"):
        feature_maps(pretrained.model, cat)


def test_a_wrong_layer_lists_the_right_ones(pretrained: Pretrained, theirs: Any) -> None:
    for model in (pretrained, theirs):
        with pytest.raises(AlexNetError, match=r"'features\.0'; choose one of conv1, relu1, .*fc8"):
            feature_maps(model, torch.zeros(1, 3, 227, 227), ["conv1", "features.0"])
    assert hook_count(theirs) == 0


def test_your_own_module_is_named_by_pytorch() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.Sequential(nn.Flatten(), nn.LazyLinear(2)))
    model(torch.zeros(1, 3, 5, 5))
    maps = feature_maps(model, torch.randn(1, 3, 5, 5))
    assert list(maps) == ["0", "1", "2.0", "2.1"] and maps["0"].min() < 0 <= maps["1"].min()


def test_the_model_is_left_as_it_was_also_after_an_exception(theirs: Any) -> None:
    theirs.train()
    theirs.features[0].eval()
    theirs.features[3].weight.requires_grad_(False)
    seen = theirs.features[6].register_forward_hook(lambda *args: None)

    def state() -> list[object]:
        modes = [module.training for module in theirs.modules()]
        return [modes, [p.requires_grad for p in theirs.parameters()], hook_count(theirs)]

    before = state()
    first = feature_maps(theirs, torch.ones(1, 3, 224, 224))["fc8"]
    assert feature_maps(theirs, torch.ones(1, 3, 224, 224))["fc8"].equal(first)  # dropout is off
    assert state() == before
    with pytest.raises(RuntimeError):
        feature_maps(theirs, torch.zeros(1, 3, 10, 10))
    with pytest.raises(RuntimeError):
        feature_maps(theirs, torch.zeros(1, 5, 224, 224))
    assert state() == before
    seen.remove()
    theirs.features[3].weight.requires_grad_(True)


# --- filters


def test_filters(pretrained: Pretrained, theirs: Any) -> None:
    assert filters(pretrained).shape == (48, 3, 11, 11)
    assert filters(pretrained.model, "conv2").shape == (128, 24, 5, 5)  # one of two groups
    assert filters(theirs, "conv5").equal(theirs.features[10].weight)
    filters(pretrained).zero_()
    assert pretrained.model.get_parameter("conv1.weight").equal(small_state()["conv1.weight"])
    with pytest.raises(AlexNetError, match=r"'fc6' is no convolution.*conv1, conv2, conv3, conv4, conv5"):
        filters(pretrained, "fc6")


# --- what a unit answers to


def test_a_planted_pattern_is_found_where_it_is(pretrained: Pretrained) -> None:
    model = get_model("small", num_classes=3)
    pattern = filters(pretrained)[0]
    with torch.no_grad():
        model.get_parameter("conv1.weight")[5] = pattern
    x = torch.zeros(3, 3, 227, 227)
    x[1, :, 40:51, 80:91] = pattern  # position (10, 20) of conv1
    x[2, :, 0:11, 216:227] = pattern / 2  # position (0, 54)
    found = top_patches(model, x, "conv1", 5, k=2)
    assert [(p.picture, p.row, p.col) for p in found] == [(1, 10, 20), (2, 0, 54)]
    assert found[0].box == (40, 80, 51, 91) and found[0].pixels.equal(pattern)
    assert found[0].activation > found[1].activation
    assert found[0].activation == pytest.approx(
        float((pattern**2).sum() + model.get_parameter("conv1.bias")[5].detach()), rel=1e-4
    )


def test_top_patches_do_not_depend_on_the_batch(pretrained: Pretrained, monkeypatch: pytest.MonkeyPatch) -> None:
    from alexnet_edu import features

    samples = list(sample_images().values())
    at_once = top_patches(pretrained, samples, "relu3", 7, k=9)
    monkeypatch.setattr(features, "BATCH_SIZE", 2)
    in_parts = top_patches(pretrained, iter(samples), "relu3", 7, k=9)
    assert [(p.picture, p.row, p.col) for p in at_once] == [(p.picture, p.row, p.col) for p in in_parts]
    values = [p.activation for p in at_once]
    assert values == sorted(values, reverse=True) and len(values) == 9
    for patch in at_once:
        top, left, bottom, right = patch.box
        assert patch.pixels.shape == (3, bottom - top, right - left)
        assert patch.pixels.min() >= 0 and patch.pixels.max() <= 1
        crop = np.asarray(pretrained.preprocess.crop(samples[patch.picture]))[top:bottom, left:right] / 255
        np.testing.assert_allclose(patch.pixels.permute(1, 2, 0), crop, atol=1e-5)


def test_top_patches_of_other_layers(pretrained: Pretrained, theirs: Any) -> None:
    x = torch.randn(2, 3, 227, 227)
    assert {p.box for p in top_patches(pretrained, x, "fc8", 3, k=9)} == {(0, 0, 227, 227)}
    assert len(top_patches(theirs, torch.randn(2, 3, 224, 224), "conv5", 0, k=4)) == 4
    assert top_patches(pretrained, torch.zeros(1, 3, 227, 227), "conv1", 0) == []  # a constant map
    with pytest.raises(AlexNetError, match="48 channels"):
        top_patches(pretrained, x, "conv1", 48)
    with pytest.raises(AlexNetError, match="no layer 'conv9'"):
        top_patches(pretrained, x, "conv9", 0)
    with pytest.raises(AlexNetError, match="Receptive fields"):
        top_patches(nn.Conv2d(3, 1, 3), x, "", 0)


# --- occlusion


def test_occlusion_is_the_loop_by_hand(pretrained: Pretrained) -> None:
    x = pretrained.preprocess(sample_images()["coffee"])
    target = int(class_probabilities(pretrained.model, x[None]).argmax())
    found = occlusion(pretrained, sample_images()["coffee"], target, patch=60, stride=50, batch_size=3)
    assert found.shape == ((227 - 60) // 50 + 1,) * 2 == (4, 4)
    for row in range(4):
        for col in range(4):
            hidden = x.clone()
            hidden[:, row * 50 : row * 50 + 60, col * 50 : col * 50 + 60] = 0
            expected = class_probabilities(pretrained.model, hidden[None])[0, target]
            assert found[row, col] == pytest.approx(float(expected), abs=1e-6)
    label = pretrained.categories[target]
    assert occlusion(pretrained.model, x, target, patch=227).shape == (1, 1)
    assert occlusion(pretrained, x, label, patch=60, stride=50).allclose(found, atol=1e-6)


def test_occlusion_finds_what_counts() -> None:
    """A network that looks at one corner only."""

    class Corner(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.stack([x[:, :, :4, :4].mean((1, 2, 3)) * 9, x.new_zeros(len(x))], 1)

    found = occlusion(Corner(), torch.ones(3, 16, 16), 0, patch=4, stride=4)
    assert found[0, 0] == 0.5 and (found.flatten()[1:] > 0.99).all()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"patch": 0}, "does not fit"),
        ({"patch": 300}, "does not fit"),
        ({"stride": 0}, "does not fit"),
        ({"target": 101}, "101 classes"),
        ({"target": -1}, "101 classes"),
        ({"target": "unicorn"}, "no class 'unicorn'"),
    ],
)
def test_occlusion_refuses(pretrained: Pretrained, options: dict[str, object], words: str) -> None:
    with pytest.raises(AlexNetError, match=words):
        occlusion(pretrained, torch.zeros(3, 227, 227), **{"target": 0, **options})  # type: ignore[arg-type]
    with pytest.raises(AlexNetError, match="one picture"):
        occlusion(pretrained, torch.zeros(2, 3, 227, 227), 0)


# --- neighbours


def test_embed(pretrained: Pretrained) -> None:
    samples = list(sample_images().values())
    bank = embed(pretrained, samples)
    assert bank.shape == (len(samples), 512) and bank.dtype == torch.float32
    for row, sample in zip(bank, samples, strict=True):
        torch.testing.assert_close(row, feature_maps(pretrained, sample, "relu7")["relu7"][0], rtol=1e-4, atol=1e-4)
    assert embed(pretrained, torch.randn(2, 3, 227, 227), "pool5").shape == (2, 128 * 6 * 6)
    with pytest.raises(AlexNetError, match="no pictures"):
        embed(pretrained, [])
    with pytest.raises(AlexNetError, match="does not exist"):
        embed(pretrained, ["absent.jpg"])
    with pytest.raises(AlexNetError, match="preprocessed tensor"):
        embed(pretrained.model, samples)


def test_neighbours_are_those_of_a_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    from alexnet_edu import features

    torch.manual_seed(0)
    bank, queries = torch.randn(100, 20), torch.randn(3, 20)
    for rows in (7, 4096):  # the bank in parts, and whole
        monkeypatch.setattr(features, "_BANK_ROWS", rows)
        found = neighbours(queries, bank, k=6)
        for query, distances, indices in zip(queries, found.distances, found.indices, strict=True):
            expected = sorted((float((query - row).norm()), i) for i, row in enumerate(bank))[:6]
            assert indices.tolist() == [i for _, i in expected]
            assert distances.tolist() == pytest.approx([d for d, _ in expected], rel=1e-5)
    assert neighbours(bank[42], bank, k=1).indices.tolist() == [[42]]
    bad: Callable[[], object]
    for bad in (lambda: neighbours(queries[:, :3], bank), lambda: neighbours(queries, bank, k=101)):
        with pytest.raises(AlexNetError):
            bad()
