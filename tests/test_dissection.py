"""What units stand for: attributes of pictures whose attributes are known, and units that were made for one."""

import colorsys

import pytest
import torch
from torch import Tensor
from trained_files import random_pretrained

from alexnet_edu.dissection import ATTRIBUTES, attributes, dissect, overlaps
from alexnet_edu.errors import AlexNetError
from alexnet_edu.features import field_centres
from alexnet_edu.geometry import receptive_field_box
from alexnet_edu.images import held_out_images
from alexnet_edu.models import get_model
from alexnet_edu.variants import get_spec
from alexnet_edu.weights import load_pretrained


def found_in(picture: Tensor) -> set[str]:
    """The attributes of the middle of a picture ``(3, H, W)``."""
    middle = attributes(picture[None])[0, :, picture.shape[1] // 2, picture.shape[2] // 2]
    return {name for name, there in zip(ATTRIBUTES, middle.tolist(), strict=True) if there}


def of_colour(*rgb: float) -> Tensor:
    return torch.tensor(rgb)[:, None, None].expand(3, 40, 40)


def waves(degrees: float, period: float, size: int = 96) -> Tensor:
    """Grey waves whose crests run at an angle to the horizontal, anticlockwise."""
    rows, cols = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    angle = torch.deg2rad(torch.tensor(degrees))
    across_the_crests = cols * angle.sin() + rows * angle.cos()
    return (0.5 + 0.3 * torch.sin(2 * torch.pi * across_the_crests / period)).expand(3, size, size)


@pytest.mark.parametrize(
    ("name", "rgb"),
    [
        ("black", (0.1, 0.1, 0.12)),
        ("grey", (0.5, 0.5, 0.52)),
        ("white", (0.95, 0.95, 0.9)),
        *((name, colorsys.hsv_to_rgb(turn / 6 + 0.03, 0.8, 0.7)) for turn, name in enumerate(ATTRIBUTES[:6])),
        *((name, colorsys.hsv_to_rgb(turn / 6 - 0.03, 0.4, 0.9)) for turn, name in enumerate(ATTRIBUTES[:6])),
    ],
)
def test_colours(name: str, rgb: tuple[float, float, float]) -> None:
    assert found_in(of_colour(*rgb)) == {name, "plain"}


@pytest.mark.parametrize(("degrees", "name"), [(0, "horizontal"), (45, "rising"), (90, "vertical"), (135, "falling")])
@pytest.mark.parametrize("turned", [-15, 0, 15])
def test_orientations(degrees: float, name: str, turned: float) -> None:
    assert found_in(waves(degrees + turned, 6)) >= {f"{name} lines", "fine grain"}


def test_grain() -> None:
    for period, name in ((4, "fine grain"), (20, "medium grain"), (44, "coarse grain")):
        assert name in found_in(waves(90, period)), period
    noise = 0.5 + 0.2 * torch.randn(1, 96, 96, generator=torch.Generator().manual_seed(0)).expand(3, 96, 96)
    assert not any("lines" in name for name in found_in(noise))


def test_every_pixel_has_one_colour_and_one_grain() -> None:
    small = load_pretrained("small")
    pixels = torch.stack([small.preprocess.denormalize(small.preprocess(one)) for one in held_out_images()[::40]])
    there = attributes(pixels)
    assert there[:, :9].sum(1).eq(1).all() and there[:, -4:].sum(1).eq(1).all() and there[:, 9:13].sum(1).le(1).all()


def test_overlaps_are_intersection_over_union() -> None:
    random = torch.Generator().manual_seed(0)
    active, present = (torch.rand(rows, 50, generator=random) > 0.6 for rows in (3, 4))
    present[3] = False
    for unit in range(3):
        for number in range(4):
            ones, others = set(active[unit].nonzero()[:, 0].tolist()), set(present[number].nonzero()[:, 0].tolist())
            expected = len(ones & others) / max(1, len(ones | others))
            assert overlaps(active, present)[unit, number].item() == pytest.approx(expected)
    assert overlaps(torch.zeros(1, 5, dtype=torch.bool), torch.zeros(1, 5, dtype=torch.bool)).tolist() == [[0]]


def test_centres_are_those_of_receptive_fields() -> None:
    centres, jump = field_centres(get_model("small"), "conv2", 227)
    assert jump == 8 and len(centres) == 27
    top, _, bottom, _ = receptive_field_box(get_spec("small"), "conv2", 13, 13, 227)
    assert centres[13] == (top + bottom) // 2
    with pytest.raises(AlexNetError, match="whole picture"):
        field_centres(get_model("small"), "fc6", 227)


def test_units_that_were_made_for_an_attribute_are_found() -> None:
    pretrained = random_pretrained()
    weight = pretrained.model.get_parameter("conv1.weight")
    with torch.no_grad():
        weight[0] = torch.tensor([1.0, -0.5, -0.5])[:, None, None]
        weight[1] = torch.tensor([-0.5, -0.5, 1.0])[:, None, None]
        weight[2] = (waves(90, 8, 11) - 0.5) / 3
        weight[3] = -1.0
    found = dissect(pretrained, held_out_images(), "conv1", shuffles=20)
    assert [found.best[0], *found.best[2:4]] == ["red", "vertical lines", "black"]
    assert found.best[1] in ("blue", "cyan")  # skies lie between the two
    assert found.above_chance[:4].all()
    assert found.overlap.shape == (48, len(ATTRIBUTES)) and found.overlap.max() <= 1


def test_a_unit_that_stands_for_nothing_is_at_chance() -> None:
    """Maps that have nothing to do with the pictures: about one in 21 units is above chance."""
    pretrained = random_pretrained()

    class Noise(torch.nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.randn(len(x), 48, 55, 55, generator=torch.Generator().manual_seed(len(x)))

    pretrained.model.conv1 = Noise()
    found = dissect(pretrained, held_out_images()[::10], "conv1", shuffles=20)
    assert found.above_chance.sum() <= 8


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"layer": "fc6"}, "fc6 has no maps"),
        ({"images": []}, "no pictures"),
        ({"images": held_out_images()[:1]}, "at least two"),
        ({"shuffles": 0}, "shuffles must be between 1"),
        ({"share": -1.0}, "share must be between 0"),
    ],
)
def test_what_cannot_be_dissected(arguments: dict[str, object], message: str) -> None:
    given: dict[str, object] = {"images": held_out_images()[:2], "layer": "conv1", **arguments}
    with pytest.raises(AlexNetError, match=message):
        dissect(random_pretrained(), **given)  # type: ignore[arg-type]
