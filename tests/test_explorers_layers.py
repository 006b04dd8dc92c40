"""What a reader does with the layers' explorers: step, click, slide; the numbers are PyTorch's."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from alexnet_edu.errors import AlexNetError
from alexnet_edu.explorers import ConvolutionExplorer, DropoutExplorer, NormalisationExplorer, PoolingExplorer
from alexnet_edu.explorers.dropout import LAYERS, draw_masks
from alexnet_edu.explorers.grids import number_grid, written
from alexnet_edu.explorers.normalisation import ALPHAS, SCALES, normalised, responses
from alexnet_edu.explorers.stepping import KERNELS, PICTURES, SIDE, WINDOWS


def tensor(grid: Any) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(grid)).double()[None, None]


def shown(explorer: Any) -> np.ndarray:
    """The numbers on the output's buttons that a reader sees, in their rows."""
    values = [float(button.description.replace("−", "-")) for button in explorer._board.children]
    columns = int(re.findall(r"\d+", explorer._board.layout.grid_template_columns)[0])
    return np.array(values).reshape(-1, columns)


def chosen(explorer: Any) -> list[str]:
    return [button.tooltip for button in explorer.buttons if button.button_style]


# Convolution


@pytest.mark.parametrize("picture", PICTURES)
@pytest.mark.parametrize("kernel", KERNELS)
def test_the_output_is_pytorchs(picture: str, kernel: str) -> None:
    explorer = ConvolutionExplorer(picture=picture, kernel=kernel)
    for stride, padding in [(1, 0), (2, 0), (3, 1), (1, 1)]:
        explorer.stride.value, explorer.padding.value = stride, padding
        want = F.conv2d(tensor(PICTURES[picture]), tensor(KERNELS[kernel]), stride=stride, padding=padding)
        assert shown(explorer).tolist() == want[0, 0].tolist()


def test_a_click_on_an_output_cell_shows_its_window_and_its_sum() -> None:
    explorer = ConvolutionExplorer()
    explorer.buttons[2 * 5 + 3].click()
    assert explorer.cell.value == 13 and chosen(explorer) == ["row 2, column 3"]
    assert "Row 2, column 3 of the output: 9 · (−1) + 9 · 1" in explorer.message.value
    assert explorer.message.value.count("· 1") == 3 and "= <b>0</b>" in explorer.message.value
    assert explorer.source.value.count("2px solid") == 9, "the window is framed"


def test_stepping_through_visits_every_cell_and_stays_inside_when_the_output_shrinks() -> None:
    explorer = ConvolutionExplorer()
    explorer.padding.value = 1
    assert explorer.play.max == explorer.cell.max == SIDE * SIDE - 1
    explorer.cell.value = explorer.cell.max
    explorer.stride.value = 3
    assert explorer.play.max == explorer.cell.max == explorer.cell.value == 3 * 3 - 1
    assert chosen(explorer) == ["row 2, column 2"]


def test_the_columns_are_unfolds_and_their_sums_the_output() -> None:
    explorer = ConvolutionExplorer("columns", "a cross", "diagonals")
    windows = explorer._windows()
    columns = F.unfold(tensor(PICTURES["a cross"]), 3)[0]
    assert windows.reshape(-1, 9).T.tolist() == columns.tolist()
    cells = re.sub(r"<[^>]*>|&nbsp;", " ", explorer.sums.value.rpartition("<tr>")[2])
    table = cells.replace("−", "-").split()
    assert [float(number) for number in table] == shown(explorer).ravel().tolist()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"view": "rows"}, "choose one of window, columns"),
        ({"picture": "a cat"}, "choose one of an edge"),
        ({"kernel": "sharp"}, "choose one of vertical edges"),
    ],
)
def test_a_wrong_choice_is_told_what_there_is(settings: dict[str, str], words: str) -> None:
    with pytest.raises(AlexNetError, match=words):
        ConvolutionExplorer(**settings)  # type: ignore[arg-type]


def test_a_cell_that_is_not_there_is_said_in_the_explorer() -> None:
    explorer = ConvolutionExplorer(cell=(9, 0))
    assert "there is no cell (9, 0)" in explorer.message.value and "5 × 5" in explorer.message.value


# Pooling


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("rounding", ["down (PyTorch)", "up (2012)"])
def test_pooling_is_pytorchs(window: str, rounding: str) -> None:
    explorer = PoolingExplorer(window)
    explorer.rounding.value = rounding
    explorer.shift.value = 1
    size, stride = WINDOWS[window]
    source = tensor(np.roll(explorer._map, 1, 1))
    want = F.max_pool2d(source, size, stride, ceil_mode=rounding.startswith("up"))
    assert shown(explorer).tolist() == want[0, 0].tolist()


def test_windows_that_overlap_read_cells_more_than_once() -> None:
    explorer = PoolingExplorer()
    assert ">4</" in explorer.sums.value
    explorer.window.value = "2 wide, every 2"
    assert ">2</" not in explorer.sums.value and ">0</" in explorer.sums.value, "a row and a column are left over"
    explorer.rounding.value = "up (2012)"
    assert ">0</" not in explorer.sums.value and shown(explorer).shape == (4, 4)
    with pytest.raises(AlexNetError, match="choose one of 3 wide"):
        PoolingExplorer("5 wide")


def test_after_a_shift_by_one_six_of_nine_outputs_stay_as_notebook_03_says() -> None:
    explorer = PoolingExplorer()
    before = shown(explorer)
    explorer.shift.value = 1
    assert (shown(explorer) == before).sum() == 6


# Normalisation


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("mean", [True, False])
def test_normalisation_is_pytorchs(alpha: float, mean: bool) -> None:
    values = 300 * responses()
    layer = nn.LocalResponseNorm(5, alpha=alpha if mean else 5 * alpha, beta=0.75, k=2)
    want = layer(torch.from_numpy(values).reshape(1, -1, 1, 1)).flatten()
    np.testing.assert_allclose(normalised(values, size=5, alpha=alpha, k=2, mean=mean), want.numpy(), rtol=1e-10)


def test_small_inputs_are_only_scaled_and_large_ones_held_down() -> None:
    explorer = NormalisationExplorer()
    before, after = explorer.values()
    some = before > 0
    assert "from <b>0.59</b> to <b>0.59</b>" in explorer.message.value
    assert np.ptp(after[some] / before[some]) < 0.01
    explorer.scale.value = SCALES[-1]
    before, after = explorer.values()
    factors = after[some] / before[some]
    assert factors.max() > 3 * factors.min() and after.max() < 0.1 * before.max()
    explorer.rule.value = "their mean (code of 2012, PyTorch)"
    assert explorer.values()[1][some].min() > after[some].min(), "a fifth of alpha holds down less"
    assert "<svg" in explorer.drawing.value


# Dropout


def test_another_draw_is_another_network_and_the_same_seed_the_same() -> None:
    explorer = DropoutExplorer()
    first = explorer.drawing.value
    explorer.again.click()
    assert explorer.drawing.value != first and "over 2 draws" in explorer.message.value
    assert DropoutExplorer().drawing.value == first


@pytest.mark.parametrize("rule", ["2012", "today"])
@pytest.mark.parametrize("percent", [0, 20, 50])
def test_training_and_testing_agree_on_average(rule: str, percent: int) -> None:
    explorer = DropoutExplorer()
    explorer.share.value, explorer.rule.value = percent, rule
    training = np.mean([explorer.mean(seed) for seed in range(400)])
    explorer.when.value = "testing"
    assert explorer.mean() == pytest.approx(1 - percent / 100 if rule == "2012" else 1)
    assert training == pytest.approx(explorer.mean(), abs=0.03)
    assert all(mask.all() for mask in explorer.masks().values()), "nothing is dropped in testing"
    assert explorer.again.disabled and "in this draw" not in explorer.message.value


def test_a_share_of_p_is_dropped_from_the_fully_connected_layers_only() -> None:
    kept = [np.concatenate([*draw_masks(0.3, seed).values()]).mean() for seed in range(400)]
    assert np.mean(kept) == pytest.approx(0.7, abs=0.02)
    masks = draw_masks(0.3, 0)
    assert list(masks) == ["fc6", "fc7"] and [len(mask) for mask in masks.values()] == [LAYERS["fc6"], LAYERS["fc7"]]
    explorer = DropoutExplorer()
    off = sum(int((~mask).sum()) for mask in explorer.masks().values())
    assert explorer.drawing.value.count("stroke-dasharray") == off > 0


# Where nothing runs


@pytest.mark.parametrize(
    "explorer",
    [ConvolutionExplorer, PoolingExplorer, NormalisationExplorer, DropoutExplorer],
    ids=lambda one: one.__name__,
)
def test_each_leaves_a_still_picture(explorer: Any) -> None:
    one = explorer()
    still = one._repr_mimebundle_()["text/html"]
    assert still == one.still() and one.message.value in still
    assert "<table" in still or re.search(r'<img alt="[^"]{20,}"', still)
    assert len(still) < 30_000 and "<script" not in still
    assert repr(one) == repr(explorer())


def test_a_grid_can_be_read_without_its_colours() -> None:
    html = number_grid(np.array([[1.0, -2.0], [np.nan, 0.5]]), "Four", limit=2, framed={(0, 1)}, marked={(0, 1)})
    assert re.sub(r"<[^>]*>", " ", html).split() == ["Four", "1", "−2", "&nbsp;", "0.5"]
    assert "<b><u>−2</u></b>" in html and "<caption" in html
    assert written(-0.0) == "0" and written(1.0) == "1" and written(-1.256) == "−1.26"
