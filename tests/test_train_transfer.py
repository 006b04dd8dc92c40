"""Transfer learning: trained weights, a new last layer, and layers that stay as they are."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from test_train_loop import CPU, made
from train_pictures import write_pictures

from alexnet_edu import load_pretrained, predict
from alexnet_edu.cli.main import main
from alexnet_edu.train.augment import augmentation_for
from alexnet_edu.train.optim import optimiser_for
from alexnet_edu.train.recipes import get_recipe
from alexnet_edu.train.settings import Settings
from alexnet_edu.weights import Preprocess, Pretrained


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pictures(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def small() -> Pretrained:
    return load_pretrained("small")


def transfer(root: Path, out: Path, *more: str) -> list[str]:
    call = ["train", "--data", "folder", "--root", str(root), "--out", str(out), "--workers", "0", "--init", "small"]
    return [*call, "--set", "epochs=2", *more]


@pytest.mark.parametrize("last", ["pool5", "relu7", "conv1", None])
def test_frozen_layers_stay_bit_for_bit_and_the_others_learn(
    root: Path, tmp_path: Path, small: Pretrained, last: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.safetensors"
    frozen = [] if last is None else ["--freeze-to", last]
    assert main(transfer(root, tmp_path / "run", "--export", str(file), *frozen)) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["export_difference"]["largest"] < 1e-4 * result["export_difference"]["spread"]
    mine, theirs = load_pretrained(file), small.model.state_dict()
    names = [layer.name for layer in small.model.spec.layers]
    kept = names[: names.index(last) + 1] if last else []
    for name, value in mine.model.state_dict().items():
        layer = name.partition(".")[0]
        if layer != "fc8":
            assert torch.equal(value, theirs[name]) is (layer in kept), name
    assert mine.categories == ("blue", "green", "red") and mine.model.get_parameter("fc8.bias").shape == (3,)
    assert mine.preprocess == small.preprocess
    prediction = predict(root / "val" / "red" / "00.jpg", mine, top_k=3)
    assert set(prediction.labels) == {"blue", "green", "red"}
    assert main(["predict", "--model", str(file), "--top", "1", str(root / "val" / "red" / "00.jpg")]) == 0


def test_it_starts_where_the_weights_are(root: Path, small: Pretrained) -> None:
    settings = Settings("folder", str(root), "small", get_recipe("transfer"), init="small")
    start = made(settings, CPU, "start").learner.network.state_dict()
    assert all(torch.equal(start[name], value) for name, value in small.model.state_dict().items() if "fc8" not in name)
    again = made(settings, CPU, "start").learner.network.state_dict()
    other = made(replace(settings, seed=1), CPU, "start").learner.network.state_dict()
    assert torch.equal(start["fc8.weight"], again["fc8.weight"])
    assert not torch.equal(start["fc8.weight"], other["fc8.weight"])


def test_what_is_frozen_is_no_concern_of_the_optimiser(root: Path) -> None:
    settings = Settings("folder", str(root), "small", get_recipe("transfer"), init="small", freeze_to="relu7")
    learner = made(settings, CPU, "frozen").learner
    learning = [p for group in learner.optimiser.param_groups for p in group["params"]]
    assert sorted(p.numel() for p in learning) == [3, 3 * 512]


def test_the_new_layer_learns_faster_by_head_rate(small: Pretrained) -> None:
    recipe = replace(get_recipe("transfer"), lr=0.001, head_rate=10.0, bias_rate=2.0)
    optimiser = optimiser_for(small.model, recipe)
    head = {id(p) for p in small.model.get_submodule("fc8").parameters()}
    rates = {(id(p) in head, p.ndim > 1): group["lr"] for group in optimiser.param_groups for p in group["params"]}
    assert rates == {
        (False, True): pytest.approx(0.001), (False, False): pytest.approx(0.002),
        (True, True): pytest.approx(0.01), (True, False): pytest.approx(0.02),
    }  # fmt: skip
    every = [p for group in optimiser.param_groups for p in group["params"]]
    assert len(every) == len(list(small.model.parameters())) == len({id(p) for p in every})


def test_stopped_it_goes_on_and_other_weights_are_named(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert main(transfer(root, out)) == 0
    assert main(transfer(root, out, "--freeze-to", "pool5")) == 1
    assert "freeze_to None, not pool5" in capsys.readouterr().err
    assert main(transfer(root, out)) == 0


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--freeze-to", "conv9"], "small has no layer 'conv9' to freeze to; choose one of conv1, "),
        (["--freeze-to", "fc8"], "With fc8 frozen nothing would be left to learn"),
        (["--model", "paper"], "The weights small are of the network small, not paper."),
        (["--recipe", "modern"], "would undo the weights of --init (start, conv1_std, whitening, batch_norm); use"),
        (["--recipe", "paper"], "would undo the weights of --init (pixels, conv345_std); use --recipe transfer"),
        (["--init", "nowhere.pth"], "There are no weights 'nowhere.pth'"),
    ],
)
def test_what_does_not_fit_is_refused(
    root: Path, tmp_path: Path, more: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(transfer(root, tmp_path / "run", *more)) == 1
    captured = capsys.readouterr().err
    assert message in captured and captured.count("\n") == 1


def test_freezing_needs_weights(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--data", "folder", "--root", str(root), "--freeze-to", "pool5"]) == 1
    assert "Layers can be frozen only with weights to start from: add --init." in capsys.readouterr().err


def test_settings_of_transfer_are_kept_with_the_weights(root: Path, tmp_path: Path) -> None:
    settings: dict[str, Any] = Settings("folder", str(root), "small", get_recipe("transfer"), init="a/w.pth").identity()
    assert settings["init"] == "w.pth" and settings["recipe"]["name"] == "transfer"


def test_weights_that_name_no_classes_are_a_start_too(root: Path, tmp_path: Path, small: Pretrained) -> None:
    """What the old outputs were called does not matter: they go."""
    file = tmp_path / "plain.pth"
    torch.save(small.model.state_dict(), file)
    export = tmp_path / "mine.safetensors"
    call = [*transfer(root, tmp_path / "run", "--freeze-to", "relu7", "--export", str(export)), "--init", str(file)]
    assert main(call) == 0
    assert load_pretrained(export).categories == ("blue", "green", "red")
    assert load_pretrained(file, head=["a", "b"]).categories == ("a", "b")


def test_colours_come_in_the_order_of_the_weights() -> None:
    """Training and measuring show a network of Caffe's the same picture, blue first."""
    recipe = replace(get_recipe("transfer"), colour_jitter=0.0)
    picture = torch.randint(0, 256, (1, 3, 227, 227), dtype=torch.uint8)
    for channels in ("RGB", "BGR"):
        preprocess = replace(small_steps(), channels=channels)
        seen = augmentation_for(recipe, preprocess, 2, None).batch(picture)
        torch.testing.assert_close(seen, preprocess.normalised(picture.permute(0, 2, 3, 1)), rtol=1e-4, atol=1e-4)


def small_steps() -> Preprocess:
    return Preprocess(size=227, mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7))
