from __future__ import annotations

import json
import math
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from alexnet_edu.errors import AlexNetError
from alexnet_edu.figures import relu_and_tanh
from experiments import fig1


def test_network_is_the_released_relative() -> None:
    model = fig1.four_layer_network("tanh", torch.Generator().manual_seed(0))
    assert model(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
    shapes = [tuple(p.shape) for p in model.parameters() if p.ndim > 1]
    assert shapes == [(32, 3, 5, 5), (32, 32, 5, 5), (64, 32, 5, 5), (10, 1024)]
    assert sum(isinstance(layer, torch.nn.Tanh) for layer in model) == 3
    with pytest.raises(AlexNetError, match="choose one of relu, tanh"):
        fig1.four_layer_network("swish", torch.Generator())


def test_both_activations_start_from_the_same_weights() -> None:
    a, b = (fig1.four_layer_network(name, torch.Generator().manual_seed(3)) for name in ("relu", "tanh"))
    assert all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))


def test_crossing_is_interpolated_between_the_middles_of_windows() -> None:
    assert fig1.reached([0.5, 0.3, 0.2], per_epoch=2) == pytest.approx((1.5 + 0.5) / 2)  # half way from 0.3 to 0.2
    assert fig1.reached([0.5, 0.4]) is None
    assert fig1.reached([0.2], per_epoch=1) == 0.5


def test_ratio_and_its_interval() -> None:
    found = fig1.ratio_of_epochs([6.0, 6.0, 6.0], [1.0, 1.0, 1.0])
    assert found == pytest.approx({"ratio": 6, "low": 6, "high": 6})
    found = fig1.ratio_of_epochs([4.0, 8.0, 16.0], [1.0, 2.0, 2.0])
    assert found["ratio"] == pytest.approx(128 ** (1 / 3)) and found["low"] < 4 < 8 < found["high"]
    with pytest.raises(AlexNetError, match="at least 3 seeds"):
        fig1.ratio_of_epochs([1.0, 2.0], [1.0, 2.0])


def test_rate_search_climbs_to_a_rate_with_slower_neighbours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def known(run: fig1.Run, *_: object) -> fig1.Run:
        """Fastest at four times the start; above that it never learns."""
        tried.append(run.rate)
        exponent = round(torch.tensor(run.rate).log2().item())
        run.errors = [1.0] if exponent > 2 else [0.5] * (10 - 3 * exponent) + [0.1]
        return run

    monkeypatch.setattr(fig1, "train_until", known)
    rate, runs = fig1.best_rate("relu", 1.0, torch.empty(0), torch.empty(0), 100, tmp_path)
    assert rate == 4 and tried == [1, 0.5, 2, 4, 8] and [run.rate for run in runs] == [0.5, 1, 2, 4, 8]


def test_stopped_after_an_epoch_it_goes_on_with_the_same_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fig1, "WINDOW", 64)
    generator = torch.Generator().manual_seed(0)
    images, labels = torch.randn(128, 3, 32, 32, generator=generator), torch.randint(10, (128,), generator=generator)
    whole = fig1.train_until(fig1.Run("relu", 0.001, 1, []), images, labels, 2, tmp_path / "whole")
    for epochs in (1, 2):
        parts = fig1.train_until(fig1.Run("relu", 0.001, 1, []), images, labels, epochs, tmp_path / "parts")
    assert len(whole.errors) == 4 and parts.errors == whole.errors
    saved = [torch.load(tmp_path / name / "relu_0.001_1.pt", weights_only=True)["model"] for name in ("whole", "parts")]
    assert all(torch.equal(saved[0][name], saved[1][name]) for name in saved[0])


def test_figure_shows_both_until_their_first_seed_ends() -> None:
    runs = [{"activation": "relu", "errors": [0.5, 0.2]}, {"activation": "relu", "errors": [0.4, 0.3, 0.2]}]
    runs += [{"activation": "tanh", "errors": [0.6, 0.5, 0.4, 0.2]}]
    result = {"runs": runs, "window_pictures": 10, "training_pictures": 20, "target_error": 0.25}
    (ax,) = relu_and_tanh(result).axes
    relu, tanh, target = (np.asarray(line.get_ydata()) for line in ax.lines[:3])
    assert list(relu)[:2] == pytest.approx([45, 25]) and math.isnan(relu[2])
    assert list(tanh) == pytest.approx([60, 50, 40, 20])
    assert list(np.asarray(ax.lines[1].get_xdata())) == [0.25, 0.75, 1.25, 1.75]
    assert target[0] == 25


def test_the_committed_run_holds_what_it_claims() -> None:
    result = json.loads((files("alexnet_edu") / "assets" / "fig1.json").read_text(encoding="utf-8"))
    epochs: dict[str, list[Any]] = {}
    for name in fig1.ACTIVATIONS:
        runs = [run for run in result["runs"] if run["activation"] == name]
        tried = {one["rate"]: one["epochs"] or math.inf for one in result["rate_search"][name]}
        best = min(tried, key=tried.__getitem__)
        assert {run["rate"] for run in runs} == {best} and {best / 2, best * 2} <= tried.keys()
        assert len({run["seed"] for run in runs}) == len(runs) >= 3
        epochs[name] = [fig1.reached(run["errors"]) for run in runs]
        assert epochs[name] == [run["epochs"] for run in runs]
    found = fig1.ratio_of_epochs(epochs["tanh"], epochs["relu"])
    assert result["tanh_over_relu"] == pytest.approx(found)
    print(f"tanh needs {found['ratio']:.1f} times the epochs ({found['low']:.1f} to {found['high']:.1f})")
    assert relu_and_tanh(result).axes[0].get_title()
