"""The embedded weights, what is said of them, and that both belong together."""

import json
from statistics import median

import pytest
import torch

from alexnet_edu import load_pretrained
from alexnet_edu.features import concentration, feature_maps, filters
from alexnet_edu.images import sample_images
from alexnet_edu.weights import Pretrained
from experiments import model_card

REPORT = json.loads(model_card.REPORT.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def small() -> Pretrained:
    return load_pretrained("small")


def test_the_card_and_the_metrics_say_what_was_measured(small: Pretrained) -> None:
    assert model_card.CARD.read_text(encoding="utf-8") == model_card.card(REPORT)
    assert small.metrics == model_card.metrics(REPORT)


def test_weights_are_small_enough_to_carry() -> None:
    assert (model_card.ASSETS / "small.safetensors").stat().st_size <= 8_000_000


def test_filters_are_those_that_were_measured_and_clear_the_bar(small: Pretrained) -> None:
    order = concentration(filters(small))
    torch.testing.assert_close(order, torch.tensor(REPORT["filters"]["concentration"]), rtol=0, atol=1e-3)
    print(f"filters above 0.60: {int((order > 0.6).sum())} of {len(order)}, median {order.median():.2f}")
    assert (order > 0.6).sum() >= 40
    assert median(order.tolist()) >= 0.75


def test_few_maps_are_dead() -> None:
    assert all(dead < 4 for dead in REPORT["dead_maps"].values())


def test_accuracy_as_measured_on_the_held_out_pictures_clears_the_bar() -> None:
    assert REPORT["one_crop"]["top1"]["value"] >= 0.75
    assert REPORT["one_crop"]["mean_per_class"]["value"] >= 0.65
    assert REPORT["standard30"]["one_crop"]["mean_per_class"]["value"] > 0.465


def test_the_network_says_of_the_samples_what_the_card_says(small: Pretrained) -> None:
    assert model_card.sample_predictions(small).keys() == REPORT["samples"].keys()
    for caption, found in model_card.sample_predictions(small).items():
        (label, chance), (_, second) = REPORT["samples"][caption]
        if chance - second > 0.02:
            assert found[0][0] == label
        assert found[0][1] == pytest.approx(chance, abs=0.02)


def test_every_layer_is_alive_on_a_sample(small: Pretrained) -> None:
    maps = feature_maps(small, sample_images()["cat"])
    assert all(values.isfinite().all() and values.std() > 0 for values in maps.values())


def test_no_picture_is_on_two_sides_and_both_faces_classes_agree() -> None:
    names = {
        part: (model_card.ASSETS / "splits" / f"caltech101_{part}.txt").read_text().split()
        for part in ("train", "val", "test")
    }
    assert {part: len(lines) for part, lines in names.items()} == {"train": 6073, "val": 868, "test": 1736}
    assert len(set().union(*names.values())) == 8677
    for lines in names.values():
        faces = {name.split("/")[1] for name in lines if name.startswith("Faces/")}
        assert faces == {name.split("/")[1] for name in lines if name.startswith("Faces_easy/")}
