"""What notebook 09 says of maps: the stored numbers are the command's, and a part of them is measured again."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch

from alexnet_edu.images import held_out_images
from alexnet_edu.weights import load_pretrained
from experiments import sanity

STORED: dict[str, Any] = json.loads(sanity.RESULT.read_text(encoding="utf-8"))


def test_the_pictures_are_held_out_and_of_many_kinds() -> None:
    listed = [f"{photo.kind}/{photo.path.name}" for group in sanity.chosen() for photo in group]
    assert STORED["pictures"] == listed and len(listed) >= 50
    assert set(listed) <= {f"{photo.kind}/{photo.path.name}" for photo in held_out_images()}
    assert len(set(listed)) == len(listed) and len({name.partition("/")[0] for name in listed}) == 20
    for group in sanity.chosen():
        kinds = [photo.kind for photo in group]
        assert all(one != other for one, other in zip(kinds, kinds[1:] + kinds[:1], strict=True))


def test_every_method_has_a_number_for_every_picture() -> None:
    count = len(STORED["pictures"])
    for name in sanity.METHODS:
        found = STORED[name]
        assert list(found["shuffled"]) == list(sanity.LAYERS)
        for values in (*found["shuffled"].values(), found["unrelated"], *found["own map"].values()):
            assert len(values) == count and all(-1 <= value <= 1 for value in values)
    assert set().union(*STORED["edges"]["shuffled"].values()) == {1.0}


def test_the_first_pictures_measured_again() -> None:
    """Two pictures, two methods, two stages; the order of pixels hardly depends on the last bits of a convolution."""
    network = load_pretrained("small")
    x, classes = sanity.prepared(network, sanity.chosen()[0][:2])
    assert [network.categories[one] for one in classes] == STORED["classes"][:2]
    methods = {name: sanity.METHODS[name] for name in ("saliency", "guided backpropagation")}
    before = {name: method(network, x, classes) for name, method in methods.items()}
    after = sanity.after_shuffling(network, x, classes, before, STORED["seeds"][0])
    for name, layers in after.items():
        for layer, values in layers.items():
            assert values == pytest.approx(STORED[name]["shuffled"][layer][:2], abs=0.02), (name, layer)


def test_a_map_without_any_change_keeps_nothing() -> None:
    assert sanity.correlation(torch.zeros(1, 3, 3), torch.rand(1, 3, 3)).tolist() == [0]
