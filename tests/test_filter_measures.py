import pytest
import torch

from alexnet_edu.features import chroma, concentration


def test_chroma_is_zero_for_grey_and_one_where_grey_light_does_nothing() -> None:
    torch.manual_seed(0)
    weights = torch.randn(3, 3, 11, 11)
    weights[0] = weights[0, :1]
    weights[1] -= weights[1].mean(0)
    score = chroma(weights)
    torch.testing.assert_close(score[:2], torch.tensor([0.0, 1.0]))
    assert 0.5 < score[2] < 0.8  # noise: two of three dimensions are colour
    torch.testing.assert_close(chroma(weights * 7), score)


def test_concentration_tells_a_grating_from_noise() -> None:
    torch.manual_seed(0)
    rows = torch.arange(11.0)
    grating = torch.cos(2 * torch.pi * 2 * rows / 11).expand(1, 3, 11, 11)
    noise = torch.randn(2000, 3, 11, 11)
    torch.testing.assert_close(concentration(grating + 5), torch.ones(1))
    assert concentration(noise).mean().item() == pytest.approx(0.22, abs=0.01)
