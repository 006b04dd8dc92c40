"""Pictures made by optimisation, each against its definition in float64, or captum's where it has the same."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from trained_files import random_pretrained

from alexnet_edu import synthesis
from alexnet_edu.errors import AlexNetError
from alexnet_edu.images import held_out_images, sample_images
from alexnet_edu.inference import class_probabilities
from alexnet_edu.synthesis import (
    COLOURS,
    fast_gradient_sign,
    invert,
    pasted,
    pixels_from,
    projected_gradient,
    total_variation,
    universal_patch,
    visualise,
)
from alexnet_edu.weights import Pretrained, load_pretrained

SIDE = 24


@pytest.fixture(scope="module")
def small() -> Pretrained:
    return load_pretrained("small")


@pytest.fixture
def tiny() -> nn.Sequential:
    """A network of float64 whose parts have PyTorch's names; its ReLU works in place."""
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 6, 5, 2, 2), nn.ReLU(inplace=True), nn.Conv2d(6, 4, 3), nn.Flatten(), nn.LazyLinear(5)]
    model = nn.Sequential(*layers, nn.Dropout(0.5))
    model(torch.zeros(1, 3, SIDE, SIDE))
    model.double()
    return model


def photos(count: int) -> Tensor:
    return torch.rand(count, 3, SIDE, SIDE, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


# --- how a picture is held


def test_a_picture_is_the_sum_of_its_waves() -> None:
    """Written out: every wave with its own cosine and sine, over its frequency, then the colours and the sigmoid."""
    side = 6
    spectrum = torch.randn(1, 3, side, side // 2 + 1, 2, dtype=torch.float64)
    rows, cols = np.mgrid[:side, :side]
    waves = np.zeros((3, side, side))
    for down in range(side):
        for across in range(side // 2 + 1):
            frequency = np.hypot(down - side * (2 * down >= side), across) / side
            # A wave stands for its mirror image, too, which has no number of its own: these two are their own mirrors.
            twice = 1 if across in (0, side // 2) else 2
            phase = 2 * np.pi * (down * rows + across * cols) / side
            for colour in range(3):
                real, imaginary = spectrum[0, colour, down, across].tolist()
                if across in (0, side // 2):  # of these columns only the part that gives a real picture counts
                    mirror = spectrum[0, colour, -down % side, across].tolist()
                    real, imaginary = (real + mirror[0]) / 2, (imaginary - mirror[1]) / 2
                strength = side / max(frequency, 1 / side) / side**2 / 4
                waves[colour] += twice * strength * (real * np.cos(phase) - imaginary * np.sin(phase))
    colours = np.array(COLOURS)
    mixed = np.tensordot(colours / np.linalg.norm(colours, axis=0).max(), waves, 1)
    assert pixels_from(spectrum, side)[0].numpy() == pytest.approx(1 / (1 + np.exp(-mixed)), abs=1e-10)


def test_the_colours_are_those_of_the_bundled_photos(small: Pretrained) -> None:
    crops = [np.asarray(small.preprocess.crop(photo)).reshape(-1, 3) / 255 for photo in held_out_images()]
    covariance = np.cov(np.concatenate(crops).T)
    colours = np.array(COLOURS)
    assert colours @ colours.T == pytest.approx(covariance, abs=0.005)
    # Its columns are uncorrelated directions, strongest first.
    assert colours.T @ colours == pytest.approx(np.diag(np.linalg.eigvalsh(covariance)[::-1]), abs=0.005)


# --- what a unit wants


def by_hand(
    objective: Callable[[Tensor], Tensor], side: int, steps: int, jitter: int, rate: float, seed: int
) -> Tensor:
    """One visualisation with Adam written out (Kingma and Ba 2015, algorithm 1)."""
    random = torch.Generator().manual_seed(seed)
    spectrum = (0.01 * torch.randn(1, 3, side, side // 2 + 1, 2, generator=random)).double()
    moves = torch.randint(-jitter, jitter + 1, (steps, 2), generator=random)
    first, second = torch.zeros_like(spectrum), torch.zeros_like(spectrum)
    for number, (down, across) in enumerate(moves.tolist(), 1):
        spectrum.requires_grad_()
        moved = torch.roll(pixels_from(spectrum, side), (down, across), (2, 3))
        (gradient,) = torch.autograd.grad(-objective(moved), spectrum)
        first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
        step = first / (1 - 0.9**number) / ((second / (1 - 0.999**number)).sqrt() + 1e-8)
        spectrum = spectrum.detach() - rate * step
    return pixels_from(spectrum, side)


def test_visualise_is_its_definition(tiny: nn.Sequential) -> None:
    maps = {"0": lambda x: tiny[0](x), "2": lambda x: tiny[2](F.relu(tiny[0](x)))}
    for layer, channel in (("0", 5), ("2", 1)):
        for where in ("map", "centre"):

            def objective(x: Tensor, layer: str = layer, channel: int = channel, where: str = where) -> Tensor:
                own = maps[layer](x)[0, channel]
                middle = own[own.shape[0] // 2, own.shape[1] // 2]
                return middle if where == "centre" else torch.where(own > 0, own, 0.1 * own).mean()

            found = visualise(tiny, layer, channel, steps=5, size=SIDE, where=where, jitter=3, seed=4)
            assert found[0].numpy() == pytest.approx(by_hand(objective, SIDE, 5, 3, 0.05, 4)[0].numpy(), abs=1e-5)
    unit = visualise(tiny, "4", 2, steps=5, size=SIDE, jitter=3, seed=4)
    hand = by_hand(lambda x: tiny.eval()(x)[0, 2], SIDE, 5, 3, 0.05, 4)
    assert unit[0].numpy() == pytest.approx(hand[0].numpy(), abs=1e-5)


def test_a_unit_s_picture_does_not_depend_on_its_batch(tiny: nn.Sequential) -> None:
    together = visualise(tiny, "2", [3, 0, 2], steps=4, size=SIDE)
    assert torch.allclose(visualise(tiny, "2", [3, 0, 2], steps=4, size=SIDE, batch_size=2), together, atol=1e-12)
    assert torch.allclose(visualise(tiny, "2", 0, steps=4, size=SIDE)[0], together[1], atol=1e-12)
    assert visualise(tiny, "2", 0, steps=4, size=SIDE).equal(visualise(tiny, "2", 0, steps=4, size=SIDE))
    assert not visualise(tiny, "2", 0, steps=4, size=SIDE, seed=1).equal(visualise(tiny, "2", 0, steps=4, size=SIDE))


def test_the_embedded_network_answers_its_visualisations_more_than_any_photo(small: Pretrained) -> None:
    sunflower = small.categories.index("sunflower")
    picture = visualise(small, "fc8", sunflower, steps=24)
    assert picture.shape == (1, 3, 227, 227) and picture.min() >= 0 and picture.max() <= 1
    assert class_probabilities(small.model, small.preprocess.normalize(picture))[0, sunflower] > 0.9


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"layer": "conv9", "channels": 0}, r"There is no layer 'conv9'"),
        ({"layer": "fc8", "channels": 101}, r"fc8 has 101 channels, counted from 0; there is no 101"),
        ({"layer": "fc8", "channels": [0, -1]}, r"there is no -1"),
        ({"layer": "fc8", "channels": []}, r"no channels"),
        ({"layer": "fc8", "channels": 0, "where": "corner"}, r'"map" or "centre", not \'corner\''),
        ({"layer": "fc8", "channels": 0, "size": 64}, r"takes pictures of 224 to 255 pixels"),
    ],
)
def test_what_cannot_be_visualised(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(AlexNetError, match=message):
        visualise(random_pretrained(), **{"steps": 1, **arguments})
    with pytest.raises(TypeError, match="whole number"):
        visualise(random_pretrained(), "fc8", [0.5])  # type: ignore[list-item]


# --- what a layer keeps


def test_invert_is_its_definition(tiny: nn.Sequential) -> None:
    x = photos(2)
    found = invert(tiny, x, "2", steps=5, smooth=0.3, seed=2)
    for row in range(2):
        aim = tiny[2](F.relu(tiny[0](x[row : row + 1]))).detach()

        def objective(pixels: Tensor, aim: Tensor = aim) -> Tensor:
            error = (tiny[2](F.relu(tiny[0](pixels))) - aim).square().sum() / aim.square().sum()
            down = (pixels[:, :, 1:] - pixels[:, :, :-1]).abs().mean()
            across = (pixels[:, :, :, 1:] - pixels[:, :, :, :-1]).abs().mean()
            total: Tensor = -(error + 0.3 * (down + across))
            return total

        assert found[row].numpy() == pytest.approx(by_hand(objective, SIDE, 5, 0, 0.05, 2)[0].numpy(), abs=1e-5)


def test_an_inversion_comes_nearer_and_early_layers_keep_more(small: Pretrained) -> None:
    photo = sample_images()["cat"]
    x = small.preprocess.denormalize(small.preprocess(photo))
    errors = {
        layer: (invert(small, photo, layer, steps=24)[0] - x).square().mean().item() for layer in ("pool1", "fc7")
    }
    assert errors["pool1"] < 0.8 * errors["fc7"]


def test_total_variation() -> None:
    steps = torch.tensor([[[[0.0, 0.5], [0.25, 0.25]]]]).expand(2, 3, 2, 2)
    assert total_variation(steps).tolist() == [0.25 + 0.25] * 2


# --- what fools the network


def captums(kind: str, model: nn.Module) -> Any:
    """Its attack within 0 to 1, which then takes the sign of small gradients, too."""
    from captum import robust

    attack = getattr(robust, kind)(model, nn.CrossEntropyLoss(reduction="none"), lower_bound=0.0, upper_bound=1.0)
    (attack if kind == "FGSM" else attack.fgsm).zero_thresh = 0
    return attack


@pytest.mark.parametrize("targeted", [False, True])
def test_the_sign_is_captums(tiny: nn.Sequential, targeted: bool) -> None:
    x, target = photos(3), torch.tensor([4, 0, 2])
    theirs = captums("FGSM", tiny.eval()).perturb(x, epsilon=0.1, target=target, targeted=targeted)
    ours = fast_gradient_sign(tiny, x, target.tolist(), size=0.1, targeted=targeted)
    assert torch.allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize("targeted", [False, True])
def test_the_steps_are_captums(tiny: nn.Sequential, targeted: bool) -> None:
    x, target = photos(3), torch.tensor([4, 0, 2])
    theirs = captums("PGD", tiny.eval()).perturb(
        x, radius=0.1, step_size=0.03, step_num=7, target=target, targeted=targeted
    )
    ours = projected_gradient(tiny, x, target.tolist(), size=0.1, step=0.03, steps=7, targeted=targeted)
    assert torch.allclose(ours, theirs, atol=1e-5)
    assert (ours - x).abs().max() <= 0.1 + 1e-12


def test_two_levels_turn_answers_of_the_embedded_network(small: Pretrained) -> None:
    samples = [sample.open() for sample in sample_images().values()]
    before = torch.stack([small.preprocess(sample) for sample in samples])
    changed = fast_gradient_sign(small, samples, size=2 / 255)
    assert (changed - small.preprocess.denormalize(before)).abs().max() <= 2 / 255 + 1e-6
    answers = [class_probabilities(small.model, x).argmax(1) for x in (before, small.preprocess.normalize(changed))]
    assert (answers[0] != answers[1]).sum() >= 8
    led = projected_gradient(small, samples[:2], "sunflower", size=8 / 255, steps=10, targeted=True)
    chances = class_probabilities(small.model, small.preprocess.normalize(led))
    assert chances.argmax(1).tolist() == [small.categories.index("sunflower")] * 2


def test_a_lead_needs_a_class(tiny: nn.Sequential) -> None:
    with pytest.raises(AlexNetError, match="needs the class"):
        fast_gradient_sign(tiny, photos(1), targeted=True)
    with pytest.raises(AlexNetError, match="no 5"):
        fast_gradient_sign(tiny, photos(1), 5)


def test_a_patch_raises_its_class_on_pictures_that_it_never_saw(tiny: nn.Sequential) -> None:
    patch = universal_patch(tiny, photos(6), 3, side=8, steps=30)
    others = torch.rand(20, 3, SIDE, SIDE, dtype=torch.float64)
    grey = pasted(others, torch.full((3, 8, 8), 0.5, dtype=torch.float64))
    chances = [class_probabilities(tiny, x)[:, 3].mean().item() for x in (grey, pasted(others, patch))]
    assert patch.shape == (3, 8, 8) and patch.min() >= 0 and patch.max() <= 1
    assert chances[1] > chances[0]
    assert universal_patch(tiny, photos(6), 3, side=8, steps=3).equal(
        universal_patch(tiny, photos(6), 3, side=8, steps=3)
    )


def test_pasted() -> None:
    pixels, patch = torch.zeros(5, 3, 9, 12), torch.ones(3, 4, 2)
    covered = pasted(pixels, patch, seed=1)
    assert (covered.sum((1, 2, 3)) == 24).all() and pixels.sum() == 0
    assert len({tuple(one.nonzero()[0].tolist()) for one in covered}) > 1
    assert covered.equal(pasted(pixels, patch, seed=1)) and not covered.equal(pasted(pixels, patch, seed=2))
    with pytest.raises(AlexNetError, match=r"10 x 4 pixels does not fit pictures of \(9, 12\)"):
        pasted(pixels, torch.ones(3, 10, 4))


# --- shared


CALLS: dict[str, Callable[..., Tensor]] = {
    "visualise": lambda model, steps: visualise(model, "2", [0, 1], steps=steps, size=SIDE),
    "invert": lambda model, steps: invert(model, photos(2), "2", steps=steps),
    "projected_gradient": lambda model, steps: projected_gradient(model, photos(2), steps=steps),
    "universal_patch": lambda model, steps: universal_patch(model, photos(2), 0, side=4, steps=steps),
}


@pytest.mark.parametrize("name", CALLS)
def test_the_model_is_left_as_it_was(name: str, tiny: nn.Sequential) -> None:
    tiny.train()
    tiny[2].weight.requires_grad_(False)
    for module in tiny:
        for parameter in module.parameters():
            parameter.grad = torch.ones_like(parameter)
    kept = {key: value.clone() for key, value in tiny.state_dict().items()}
    with torch.inference_mode():
        CALLS[name](tiny, 2)
    assert all(module.training for module in tiny.modules())
    assert [parameter.requires_grad for parameter in tiny.parameters()] == [True, True, False, True, True, True]
    assert all(parameter.grad.eq(1).all() for parameter in tiny.parameters() if parameter.grad is not None)
    assert all(value.equal(kept[key]) for key, value in tiny.state_dict().items())
    assert not any(module._forward_hooks for module in tiny.modules())


@pytest.mark.parametrize("name", CALLS)
def test_ctrl_c_ends_with_what_is_there(name: str, tiny: nn.Sequential, monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted:
        """A bar that is interrupted after three steps."""

        def __init__(self, numbers: range, *arguments: Any, **settings: Any) -> None:
            self.numbers = numbers

        def __iter__(self) -> Any:
            yield from self.numbers[:3]
            raise KeyboardInterrupt

    whole = CALLS[name](tiny, 3)
    monkeypatch.setattr(synthesis, "tqdm", Interrupted)
    assert torch.allclose(CALLS[name](tiny, 3000), whole)
    assert not any(module._forward_hooks for module in tiny.modules())


def test_a_bar_is_shown_when_asked_for(tiny: nn.Sequential, capfd: pytest.CaptureFixture[str]) -> None:
    CALLS["visualise"](tiny, 2)
    assert capfd.readouterr().err == ""  # no terminal
    visualise(tiny, "2", 0, steps=2, size=SIDE, progress=True)
    assert "optimising pictures" in capfd.readouterr().err
