"""Labels as people say them, in every place where people read them; and which labels fit a bundled photo."""

from __future__ import annotations

import json

import pytest
from PIL import Image

from alexnet_edu.figures import show, top5_bars
from alexnet_edu.images import held_out_images, sample_images
from alexnet_edu.inference import Prediction
from alexnet_edu.labels import _ALSO, certainty, fitting, in_words
from alexnet_edu.weights import ASSETS, Pretrained, load_pretrained


@pytest.fixture(scope="module")
def small() -> Pretrained:
    return load_pretrained("small")


def test_every_label_of_the_embedded_network_has_words_of_its_own(small: Pretrained) -> None:
    words = [in_words(label) for label in small.categories]
    assert len(set(words)) == len(words)
    assert not any("_" in word for word in words)


@pytest.mark.parametrize(
    ("probability", "text"),
    [
        (1.0, "100 %: sure"),
        (0.9, "90 %: sure"),
        (0.6, "60 %: fairly sure"),
        (0.3, "30 %: not sure"),
        (0.12, "12 %: a guess"),
    ],
)
def test_a_probability_is_said_in_words(probability: float, text: str) -> None:
    assert certainty(probability) == text


def test_people_read_words_and_programs_the_networks_labels() -> None:
    prediction = Prediction(("cougar_face", "water_lilly"), (0.42, 0.08), "small")
    assert prediction.labels == ("cougar_face", "water_lilly")
    assert str(prediction) == " 42.0%  cougar’s face\n  8.0%  water lily"
    html = prediction._repr_html_()
    assert "small says: cougar’s face (42 %: not sure)" in html and "_" not in html
    figure = top5_bars([Image.new("RGB", (8, 8))], [prediction], ["water_lilly"])
    assert "cougar’s face" in show(figure).alt
    assert {"cougar’s face", "water lily ✓"} <= {text.get_text() for ax in figure.axes for text in ax.texts}


def test_every_held_out_photo_has_a_fitting_label(small: Pretrained) -> None:
    assert all(fitting(photo.kind, small.categories) == [photo.kind] for photo in held_out_images())


def test_samples_are_strangers_but_for_three(small: Pretrained) -> None:
    known = {name: labels for name in sample_images() if (labels := fitting(name, small.categories))}
    assert known == {"astronaut": ["Faces", "Faces_easy"], "camera": ["camera"], "coffee": ["cup"]}


def test_imagenets_words_are_imagenets(small: Pretrained) -> None:
    imagenet = json.loads((ASSETS / "imagenet.json").read_text(encoding="utf-8"))["categories"]
    assert set().union(*_ALSO.values()) <= {*imagenet, *small.categories}
    assert fitting("airplanes", imagenet) == ["airliner"] and fitting("lotus", imagenet) == []
    assert set(_ALSO) <= {*sample_images(), *(photo.kind for photo in held_out_images())}


def test_scores_name_the_pictures(small: Pretrained) -> None:
    assert small.metrics["data"] == "1,736 test pictures of Caltech-101"
    assert "ILSVRC-2012" in json.loads((ASSETS / "imagenet.json").read_text(encoding="utf-8"))["metrics"]["data"]
