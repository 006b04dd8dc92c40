"""Every field of a recipe takes what it can mean, says what that is, and takes nothing else."""

from __future__ import annotations

import math
import re
from dataclasses import fields, replace
from typing import Any

import pytest

from alexnet_edu.cli.main import main
from alexnet_edu.errors import AlexNetError
from alexnet_edu.train.recipes import RECIPES, Recipe, get_recipe
from alexnet_edu.train.settings import Settings


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("epochs=0", "epochs must be a whole number of at least 1, not 0."),
        ("epochs=-1", "epochs must be a whole number of at least 1, not -1."),
        ("batch_size=0", "batch_size must be a whole number of at least 1, not 0."),
        ("batch_size=-4", "batch_size must be a whole number of at least 1, not -4."),
        ("batch_size=1", "batch_norm needs a batch_size of at least 2"),
        ("mixup=-1", "mixup must be a number of at least 0, not -1.0."),
        ("label_smoothing=5", "label_smoothing must be a number of at least 0 and below 1, not 5.0."),
        ("ema=2", "ema must be a number of at least 0 and below 1, not 2.0."),
        ("warmup=-1", "warmup must be a number of at least 0, not -1.0."),
        ("smallest_part=0", "smallest_part must be a number above 0 and at most 1, not 0.0."),
        ("class_power=99", "class_power must be a number of at least 0 and at most 1, not 99.0."),
        ("mean_pictures=0", "mean_pictures must be a whole number of at least 1, not 0."),
        ("patience=2.5", "patience must be a whole number of at least 0, not '2.5'."),
        ("conv1_std=0", "conv1_std must be a number above 0, or none, not 0.0."),
        ("lr=nan", "lr must be a number above 0, not nan."),
        ("lr=inf", "lr must be a number above 0, not inf."),
        ("lr=", "lr must be a number above 0, not ''."),
        ("momentum=1", "momentum must be a number of at least 0 and below 1, not 1.0."),
        ("name=mine", "The recipe has no field 'name' to set"),
    ],
)
def test_a_value_that_means_nothing_is_refused(setting: str, message: str) -> None:
    with pytest.raises(AlexNetError, match=re.escape(message)):
        get_recipe("modern").changed([setting])


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("conv1_std=none", None),
        ("conv1_weight_decay=none", None),
        ("patience=0", 0),
        ("warmup=2.5", 2.5),
        ("mixup=0", 0.0),
        ("lr=1e-3", 0.001),
        ("pixels=mean image", "mean image"),
    ],
)
def test_a_value_that_means_something_is_taken(setting: str, value: Any) -> None:
    assert getattr(get_recipe("modern").changed([setting]), setting.partition("=")[0]) == value


WRONG = {bool: "yes", int: 1.5, float: math.nan, str: "other"}


@pytest.mark.parametrize("field", [field.name for field in fields(Recipe) if field.name != "name"])
def test_no_field_takes_a_value_of_another_kind(field: str) -> None:
    """Set from Python as from text: nothing is taken on trust."""
    usual = getattr(get_recipe("paper"), field)
    wrong: Any
    for wrong in (object(), [1], WRONG.get(type(usual), -1), "" if field != "name" else 1):
        with pytest.raises(AlexNetError, match=f"^{field} must be "):
            replace(get_recipe("paper"), **{field: wrong})


def test_dropout_names_layers_with_probabilities() -> None:
    replace(get_recipe("paper"), dropout={"fc6": 0.5, "fc7": 0})
    for wrong in ({"fc6": 1.0}, {"fc6": -0.1}, {6: 0.5}, [0.5]):
        with pytest.raises(AlexNetError, match="dropout must be names of layers with probabilities"):
            replace(get_recipe("paper"), dropout=wrong)  # type: ignore[arg-type]


def test_every_recipe_is_by_its_name() -> None:
    assert [get_recipe(name).name for name in RECIPES] == list(RECIPES)


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_seeds_that_no_generator_takes(seed: int) -> None:
    with pytest.raises(AlexNetError, match="The seed must be a whole number from 0 to"):
        Settings("folder", ".", "small", get_recipe("modern"), seed=seed)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--seed=-1", "must be a whole number of at least 0, not '-1'"),
        ("--workers=-1", "must be a whole number of at least 0, not '-1'"),
        ("--workers=two", "must be a whole number of at least 0, not 'two'"),
        ("--save-every=nan", "must be a number of seconds of at least 0, not 'nan'"),
        ("--save-every=-1", "must be a number of seconds of at least 0, not '-1'"),
    ],
)
def test_options_that_mean_nothing(option: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["train", "--data", "folder", "--root", ".", option])
    captured = capsys.readouterr().err
    assert message in captured and captured.count("\n") == 1
