"""Attribution: each method against captum or its definition, in float64, and what holds for all of them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from captum import attr
from torch import Tensor, nn
from torchvision.models import alexnet
from torchvision.transforms.functional import gaussian_blur
from trained_files import random_pretrained

from alexnet_edu import attribution
from alexnet_edu.attribution import (
    area,
    deconvolution,
    deletion,
    grad_cam,
    guided_backpropagation,
    insertion,
    integrated_gradients,
    magnitude,
    rank_correlation,
    saliency,
    shuffled_from_top,
    smooth_grad,
)
from alexnet_edu.errors import AlexNetError
from alexnet_edu.features import layer_modules
from alexnet_edu.images import sample_images
from alexnet_edu.models import AlexNet, get_model
from alexnet_edu.weights import Pretrained, load_pretrained

TARGETS = [25, 3]

Gradient = Callable[..., Tensor]
METHODS: dict[str, Gradient] = {
    "saliency": saliency,
    "smooth_grad": lambda *given: smooth_grad(*given, samples=3),
    "integrated_gradients": lambda *given: integrated_gradients(*given, steps=3),
    "guided_backpropagation": guided_backpropagation,
    "deconvolution": deconvolution,
    "grad_cam": lambda model, x, target: grad_cam(model, x, target, next(iter(layer_modules(model)))),
}


@pytest.fixture(scope="module")
def model() -> AlexNet:
    """Groups, LRN across maps and overlapping pools, trained, in float64."""
    return load_pretrained("small").model.double().eval()


@pytest.fixture(scope="module")
def x() -> Tensor:
    preprocess = load_pretrained("small").preprocess
    return torch.stack([preprocess(sample_images()[name]) for name in ("cat", "rocket")]).double()


class Functional(nn.Module):
    """A stranger's network: ReLUs as functions, one of them in place, one at the very start."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Conv2d(3, 5, 3), nn.Conv2d(5, 6, 3), nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.first(torch.relu_(x)), inplace=True)
        return self.last(self.second(x).relu().mean((2, 3)))  # type: ignore[no-any-return]


@pytest.fixture
def stranger() -> Functional:
    torch.manual_seed(1)
    return Functional().double()


@contextmanager
def quietly() -> Iterator[None]:
    """Captum says that it sets hooks."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def near(ours: Tensor, theirs: Tensor) -> bool:
    """Within 1e-5 of the largest value."""
    return bool((ours - theirs).abs().max() < 1e-5 * theirs.abs().max() > 0)


# Against captum


def test_saliency_is_captums(model: AlexNet, x: Tensor) -> None:
    theirs = attr.Saliency(model).attribute(x.clone().requires_grad_(), TARGETS, abs=False)
    assert near(saliency(model, x, TARGETS), theirs)
    assert near(magnitude(saliency(model, x, TARGETS)), theirs.abs().amax(1))


@pytest.mark.parametrize("baseline", [0.0, -1.5])
def test_integrated_gradients_are_captums(model: AlexNet, x: Tensor, baseline: float) -> None:
    how = {"baselines": baseline, "n_steps": 7, "method": "riemann_middle"}
    theirs = attr.IntegratedGradients(model).attribute(x, target=TARGETS, **how)
    assert near(integrated_gradients(model, x, TARGETS, steps=7, baseline=baseline), theirs)


def test_guided_backpropagation_and_deconvolution_are_captums(model: AlexNet, x: Tensor) -> None:
    with quietly():
        guided = attr.GuidedBackprop(model).attribute(x.clone().requires_grad_(), TARGETS)
        upwards = attr.Deconvolution(model).attribute(x.clone().requires_grad_(), TARGETS)
    assert near(guided_backpropagation(model, x, TARGETS), guided)
    assert near(deconvolution(model, x, TARGETS), upwards)
    assert not near(guided, upwards)


@pytest.mark.parametrize("layer", ["conv1", "conv3", "conv5", "relu5", "pool2"])
def test_grad_cam_is_captums(model: AlexNet, x: Tensor, layer: str) -> None:
    theirs = attr.LayerGradCam(model, model.get_submodule(layer)).attribute(x, TARGETS, relu_attributions=True)
    assert near(grad_cam(model, x, TARGETS, layer), theirs[:, 0])


def test_smooth_grad_is_the_mean_of_captums_gradients(model: AlexNet, x: Tensor) -> None:
    random, theirs = torch.Generator().manual_seed(5), torch.zeros_like(x)
    reach = x.flatten(1).max(1).values - x.flatten(1).min(1).values
    for _ in range(4):
        shake = torch.randn(x.shape[1:], generator=random, dtype=torch.float64)
        noisy = (x + 0.2 * reach[:, None, None, None] * shake).requires_grad_()
        theirs += attr.Saliency(model).attribute(noisy, TARGETS, abs=False) / 4
    assert near(smooth_grad(model, x, TARGETS, samples=4, noise=0.2, seed=5), theirs)


# Against definitions


def test_integrated_gradients_add_up_to_the_change_of_the_score(model: AlexNet, x: Tensor) -> None:
    """Completeness; with more steps the sum comes closer."""
    with torch.no_grad():
        change = (model(x) - model(torch.zeros_like(x)))[range(2), TARGETS]
    few, many = (integrated_gradients(model, x, TARGETS, steps=n).sum((1, 2, 3)) - change for n in (2, 24))
    assert (many.abs() < 0.03 * change[0]).all() and (many.abs() < few.abs()).all()


def test_a_gradient_is_a_difference_quotient(model: AlexNet, x: Tensor) -> None:
    way, step = torch.randn_like(x), 1e-7
    with torch.no_grad():
        up, down = (model(x + s * step * way)[range(2), TARGETS] for s in (1, -1))
    assert torch.allclose((saliency(model, x, TARGETS) * way).sum((1, 2, 3)), (up - down) / (2 * step), rtol=1e-4)


def test_the_last_relu_guides_and_deconvolves_by_hand() -> None:
    """Two units in a row: score = w relu(x), so all three ways back are written down at once."""
    net = nn.Sequential(nn.Flatten(), nn.ReLU(inplace=True), nn.Linear(4, 1, bias=False))
    net[2].weight.data = torch.tensor([[2.0, -3.0, 5.0, -7.0]])
    x = torch.tensor([1.0, 1.0, -1.0, -1.0]).reshape(1, 1, 2, 2)
    found = {method: METHODS[method](net, x, 0).flatten().tolist() for method in METHODS if method != "grad_cam"}
    assert found["saliency"] == [2, -3, 0, 0]
    assert found["guided_backpropagation"] == [2, 0, 0, 0]
    assert found["deconvolution"] == [2, 0, 5, 0]


def naive_ranks(values: list[float]) -> list[float]:
    return [sum(b < a for b in values) + (sum(b == a for b in values) - 1) / 2 for a in values]


def test_rank_correlation_is_spearmans() -> None:
    first = torch.randint(0, 5, (4, 3, 4)).double()
    second = first + torch.randint(0, 9, (4, 3, 4)).double()
    found = rank_correlation(first, second)
    for one, two, value in zip(first, second, found, strict=True):
        ranks = torch.tensor([naive_ranks(each.flatten().tolist()) for each in (one, two)])
        assert value == pytest.approx(torch.corrcoef(ranks.double())[0, 1].item(), abs=1e-12)
    assert rank_correlation(first, first.exp()).allclose(torch.ones(4, dtype=torch.float64))
    assert rank_correlation(first.float(), -first.float()).allclose(-torch.ones(4, dtype=torch.float64))
    assert rank_correlation(first, torch.ones_like(first)).isnan().all()


def test_the_curves_by_hand(stranger: Functional) -> None:
    x, maps = torch.randn(2, 3, 9, 9, dtype=torch.float64), torch.rand(2, 9, 9)
    given = x.clone()
    down, up = deletion(stranger, x, [1, 2], maps, steps=3, fill=0.5), insertion(stranger, x, [1, 2], maps, steps=3)
    assert torch.equal(x, given)
    blurred = gaussian_blur(x, [17, 17], [10.0, 10.0])  # as far as the mirror reaches
    for picture, (values, target) in enumerate(zip(maps, [1, 2], strict=True)):
        for step in range(4):
            highest = sorted(range(81), key=lambda at, values=values: -values.flatten()[at])[: 27 * step]  # type: ignore[misc]
            chosen = torch.zeros(81, dtype=torch.bool).index_fill_(0, torch.tensor(highest, dtype=torch.int64), True)
            mask = chosen.reshape(9, 9)
            gone = torch.where(mask, torch.tensor(0.5).double(), x[picture])
            back = torch.where(mask, x[picture], blurred[picture])
            for curve, changed in ((down, gone), (up, back)):
                chance = stranger(changed[None].clone()).softmax(1)[0, target]
                assert curve[picture, step].item() == pytest.approx(chance.item(), abs=1e-6)
    assert area(torch.tensor([[1.0, 0.5, 0.0]])).item() == pytest.approx(0.5)
    assert area(torch.tensor([[1.0, 0.0, 0.0]])).item() == pytest.approx(0.25)


def test_layers_are_shuffled_from_the_top_down() -> None:
    pretrained = random_pretrained()
    before = {name: value.clone() for name, value in pretrained.model.state_dict().items()}
    order = ["fc8", "fc7", "fc6", "conv5", "conv4", "conv3", "conv2", "conv1"]
    done: list[str] = []
    for name, network in shuffled_from_top(pretrained, seed=3):
        done.append(name)
        assert isinstance(network, Pretrained) and network.categories == pretrained.categories
        for key, value in network.model.state_dict().items():
            assert torch.equal(value, before[key]) != (key.partition(".")[0] in done), key
            if key.startswith(name):
                assert torch.equal(value.flatten().sort().values, before[key].flatten().sort().values)
    assert done == order
    assert all(torch.equal(value, before[name]) for name, value in pretrained.model.state_dict().items())
    again = [network.conv1.weight.clone() for _, network in shuffled_from_top(pretrained.model, seed=3)][-1]
    assert torch.equal(again, network.model.conv1.weight)


# What holds for all


@pytest.mark.parametrize("method", METHODS)
def test_any_network_and_a_picture_alone_or_among_others(method: str, stranger: Functional) -> None:
    x = torch.randn(40, 3, 8, 8, dtype=torch.float64)  # more than a batch
    targets = [one % 4 for one in range(40)]
    together = METHODS[method](stranger, x, targets)
    assert together.isfinite().all() and len(together) == 40
    for place in (0, 35):
        alone = METHODS[method](stranger, x[place], targets[place])
        assert torch.allclose(together[place : place + 1], alone, rtol=1e-9)
    assert torch.equal(METHODS[method](stranger, x, torch.tensor(targets)), together)


def test_in_place_relus_change_nothing() -> None:
    torch.manual_seed(0)
    theirs = alexnet(num_classes=5).eval()
    ours = get_model("torchvision", num_classes=5)
    ours.load_state_dict(theirs.state_dict(), assign=True)
    x = torch.randn(1, 3, 224, 224)
    for method in METHODS:
        assert near(METHODS[method](theirs, x, 2), METHODS[method](ours, x, 2)), method


@pytest.mark.parametrize("method", METHODS)
def test_the_network_and_the_caller_keep_what_they_had(method: str, stranger: Functional) -> None:
    stranger.train()
    stranger.first.eval().requires_grad_(False)
    stranger.second.weight.grad = torch.ones_like(stranger.second.weight)
    x = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    given = x.clone()
    found = METHODS[method](stranger, x, 1)
    with pytest.raises(AlexNetError):
        METHODS[method](stranger, x, 99)
    assert torch.equal(x, given) and not x.requires_grad and not found.requires_grad
    assert [m.training for m in (stranger, stranger.first, stranger.second)] == [True, False, True]
    assert [p.requires_grad for p in stranger.parameters()] == [False, False, True, True, True, True]
    assert stranger.second.weight.grad.eq(1).all() and stranger.last.weight.grad is None
    assert not any(m._forward_hooks or m._backward_hooks or m._forward_pre_hooks for m in stranger.modules())
    with torch.inference_mode():
        assert torch.equal(METHODS[method](stranger, x.clone(), 1), found)


def test_pictures_and_labels() -> None:
    pretrained = load_pretrained("small")
    photos = [sample_images()[name] for name in ("cat", "rocket")]
    found = saliency(pretrained, photos, ["cougar_face", 4])
    x = torch.stack([pretrained.preprocess(photo) for photo in photos])
    number = pretrained.categories.index("cougar_face")
    assert torch.equal(found, saliency(pretrained.model, x, [number, 4]))
    assert torch.equal(saliency(pretrained, photos, "cougar_face"), saliency(pretrained.model, x, number))


def test_ctrl_c_leaves_what_is_there(stranger: Functional, monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.randn(70, 3, 8, 8, dtype=torch.float64)
    whole, gradient, passes = smooth_grad(stranger, x, 1, samples=2), attribution._gradient, iter(range(100))

    def interrupted(*given: Any) -> Tensor:
        if next(passes) == 5:
            raise KeyboardInterrupt
        return gradient(*given)

    monkeypatch.setattr(attribution, "_gradient", interrupted)
    stranger.train()
    with pytest.warns(UserWarning, match="Stopped: these are the first 64 of 70 pictures"):
        assert torch.equal(smooth_grad(stranger, x, 1, samples=2), whole[:64])
    assert stranger.training
    passes = iter([5])
    with pytest.raises(KeyboardInterrupt):
        smooth_grad(stranger, x, 1, samples=2)


def test_bad_input_is_told_in_a_sentence(stranger: Functional) -> None:
    x = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    for given, words in (
        ({"target": 4}, r"4 classes, counted from 0; \[4, 4\] has others"),
        ({"target": -1}, "has others"),
        ({"target": [1]}, "one for each of the 2"),
        ({"target": "cat"}, "no class 'cat'"),
    ):
        with pytest.raises(AlexNetError, match=words):
            saliency(stranger, x, **given)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="target must be"):
        saliency(stranger, x, None)  # type: ignore[arg-type]
    with pytest.raises(AlexNetError, match="no pictures"):
        saliency(stranger, x[:0], 1)
    with pytest.raises(AlexNetError, match="must give scores"):
        saliency(stranger.second, torch.randn(2, 5, 8, 8, dtype=torch.float64), 1)
    with pytest.raises(AlexNetError, match="last has no maps"):
        grad_cam(stranger, x, 1, "last")
    with pytest.raises(AlexNetError, match="choose one of first, second, last"):
        grad_cam(stranger, x, 1, "conv5")
    with pytest.raises(AlexNetError, match="has no ReLU"):
        guided_backpropagation(nn.Sequential(nn.Flatten(), nn.Linear(192, 4)).double(), x, 1)
    with pytest.raises(AlexNetError, match=r"maps must be \(2, 8, 8\)"):
        deletion(stranger, x, 1, torch.rand(2, 3, 8, 8))
    with pytest.raises(AlexNetError, match="steps must be between 1 and"):
        integrated_gradients(stranger, x, 1, steps=0)
    with pytest.raises(AlexNetError, match="of one shape"):
        rank_correlation(torch.rand(2, 3), torch.rand(2, 4))
