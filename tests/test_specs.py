from typing import Any

import pytest
import torch

from alexnet_edu import AlexNetError, get_spec, layer_table
from alexnet_edu.models import AlexNet
from alexnet_edu.specs import Conv, Linear, Window, positions, scaled
from alexnet_edu.variants import PAPER, SMALL, SPECS


@pytest.mark.parametrize(
    ("side", "padding", "ceil", "expected"),
    [
        *((side, 0, True, 55) for side in (224, 225, 226, 227)),
        *((side, 0, False, 55) for side in (227, 228, 229, 230)),
        *((side, 2, False, 55) for side in (223, 224, 225, 226)),
        (228, 0, True, 56),
        (224, 0, False, 54),
        (224, 1, False, 54),
        (10, 0, True, 0),
    ],
)
def test_sizes_that_give_55_rows_in_conv1(side: int, padding: int, ceil: bool, expected: int) -> None:
    assert positions(side, Window(11, 4, padding), ceil=ceil) == expected


def test_every_variant_names_its_source_and_its_layers_once() -> None:
    for name, spec in SPECS.items():
        names = [layer.name for layer in spec.layers]
        assert spec.name == name and spec.source and spec.title
        assert len(set(names)) == len(names)
        learning = [layer.name for layer in spec.layers if isinstance(layer, (Conv, Linear))]
        assert learning == ["conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8"]


def test_small_is_the_paper_at_half_width() -> None:
    half: Any
    for full, half in zip(PAPER.layers, SMALL.layers, strict=True):
        assert (full.name, full.kind) == (half.name, half.kind)
        if isinstance(full, Conv):
            assert half.out_channels == full.out_channels // 2
            assert half.groups == full.groups


def test_unknown_names_are_answered_with_the_valid_ones() -> None:
    with pytest.raises(AlexNetError, match=r"no network 'alex'.*paper.*small"):
        get_spec("alex")
    with pytest.raises(AlexNetError, match=r"no layer 'conv6'.*conv5"):
        PAPER["conv6"]


@pytest.mark.parametrize("bad", [0, -1, 2.5, "ten", True])
def test_with_classes_takes_positive_whole_numbers_only(bad: Any) -> None:
    last: Any = PAPER.with_classes(10).layers[-1]
    assert last.out_features == 10
    with pytest.raises(AlexNetError, match="whole number"):
        PAPER.with_classes(bad)


def test_scaled_keeps_towers_whole_and_classes() -> None:
    spec = get_spec("paper")
    assert scaled(spec, 1.0) == spec
    quarter = scaled(spec, 0.25)
    first: Any = quarter["conv1"]
    last: Any = quarter["fc8"]
    assert first.out_channels == 24 and last.out_features == 1000
    assert AlexNet(quarter)(torch.zeros(1, 3, 224, 224)).shape == (1, 1000)
    assert layer_table(quarter).total_macs < layer_table(spec).total_macs / 8
