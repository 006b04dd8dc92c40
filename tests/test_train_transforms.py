from __future__ import annotations

import pytest
import torch

from alexnet_edu.errors import AlexNetError
from alexnet_edu.train.transforms import ColourJitter, CropAndFlip, PCANoise, SubtractMeanImage, colour_statistics


def coordinates(side: int = 256) -> torch.Tensor:
    """A picture whose pixels tell their row and column."""
    rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    return torch.stack([rows, columns, rows * 0]).float()


@pytest.mark.parametrize(("all_positions", "last"), [(True, 32), (False, 31)])
def test_crop_positions_of_code_and_text(all_positions: bool, last: int) -> None:
    torch.manual_seed(0)
    crop = CropAndFlip(224, all_positions=all_positions)
    tops = [int(crop(coordinates())[0, 0, 0]) for _ in range(400)]
    assert (min(tops), max(tops)) == (0, last)


def test_crop_and_mirror_shared_by_32_consecutive_pictures() -> None:
    torch.manual_seed(0)
    out = CropAndFlip(224, shared=32)(coordinates().expand(80, -1, -1, -1))
    assert out.shape == (80, 3, 224, 224)
    distinct = [len(part.flatten(1).unique(dim=0)) for part in out.split(32)]
    assert distinct == [1, 1, 1] and len(out.flatten(1).unique(dim=0)) == 3


def test_mirror_half_of_the_time() -> None:
    torch.manual_seed(0)
    out = CropAndFlip(224)(coordinates().expand(400, -1, -1, -1))
    mirrored = (out[:, 1, 0, 0] > out[:, 1, 0, -1]).float().mean().item()
    assert 0.4 < mirrored < 0.6


def test_a_crop_too_large_says_so() -> None:
    with pytest.raises(AlexNetError, match="224 pixels does not fit in 100 × 100"):
        CropAndFlip(224)(torch.zeros(3, 100, 100))


def test_mean_image_is_subtracted_value_by_value_and_cropped_to_fit() -> None:
    mean = coordinates()
    assert torch.equal(SubtractMeanImage(mean)(mean.expand(2, -1, -1, -1)), torch.zeros(2, 3, 256, 256))
    assert torch.equal(SubtractMeanImage(mean)(mean[:, 16:240, 16:240]), torch.zeros(3, 224, 224))


def test_statistics_equal_numpy_and_torch_on_the_whole_set() -> None:
    pictures = torch.rand(6, 3, 5, 4, generator=torch.Generator().manual_seed(0)) * 255
    mean, deviations, directions = colour_statistics(pictures)
    torch.testing.assert_close(mean, pictures.mean(0))
    covariance = torch.cov(pictures.movedim(1, 0).flatten(1), correction=0)
    torch.testing.assert_close(directions @ deviations.square().diag() @ directions.T, covariance, rtol=1e-4, atol=0.05)
    assert deviations.tolist() == sorted(deviations.tolist(), reverse=True)


@pytest.mark.parametrize(("by", "expected"), [("deviations", 12.178), ("eigenvalues", 0.1 * (121.78 / 255) ** 2 * 255)])
def test_colour_noise_has_the_right_size(by: str, expected: float) -> None:
    """The 2012 code's first deviation, 121.78 on a 0-255 scale, times 0.1."""
    torch.manual_seed(0)
    noise = PCANoise(torch.tensor([121.78, 0, 0]), torch.eye(3), by=by, divide=False)  # type: ignore[arg-type]
    out = noise(torch.zeros(4000, 3, 2, 2))
    assert out[:, 0, 0, 0].std().item() == pytest.approx(expected, rel=0.05)
    assert torch.equal(out[:, 0, 0, 0], out[:, 0, 1, 1])  # one colour for the whole picture
    assert not out[:, 1:].any()


def test_the_code_divides_by_one_and_a_tenth() -> None:
    noise = PCANoise(torch.zeros(3), torch.eye(3), divide=True)
    torch.testing.assert_close(noise(torch.full((3, 2, 2), 11.0)), torch.full((3, 2, 2), 10.0))


def test_colour_jitter_is_normalisation_then_saturation_contrast_brightness() -> None:
    jitter = ColourJitter(0.3, (100.0, 110.0, 120.0), (50.0, 60.0, 70.0))
    picture = torch.randint(0, 256, (3, 4, 5), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(1)
    out = jitter(picture)
    torch.manual_seed(1)
    saturation, contrast, brightness = torch.empty(3, 1, 1).uniform_(-0.3, 0.3)
    x = (picture - torch.tensor([100.0, 110, 120])[:, None, None]) / torch.tensor([50.0, 60, 70])[:, None, None]
    grey = x.mean(0)
    expected = (grey + (x - grey) * (1 + saturation)) * (1 + contrast) + brightness
    torch.testing.assert_close(out, expected, rtol=1e-4, atol=1e-4)


def test_colour_jitter_draws_for_each_picture_of_a_batch_and_zero_changes_nothing() -> None:
    batch = torch.full((3, 3, 2, 2), 7.0)
    torch.manual_seed(0)
    assert len(ColourJitter(0.3)(batch)[:, 0, 0, 0].unique()) == 3
    torch.testing.assert_close(ColourJitter(0.0)(batch), batch)
