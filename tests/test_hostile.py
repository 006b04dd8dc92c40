"""Whatever a public function is given: a right answer, an ``AlexNetError``, or a ``TypeError`` of one sentence."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trained_files import random_pretrained

import alexnet_edu as ae
from alexnet_edu.errors import AlexNetError
from alexnet_edu.weights import Pretrained

SLOW = {"announce", "compiled"}  # arguments that are not tried


@cache
def pretrained() -> Pretrained:
    return random_pretrained()


def picture() -> Any:
    return ae.sample_images()["cat"]


def attributed(**more: Any) -> dict[str, Any]:
    return {"model": pretrained(), "images": picture(), "target": 0, **more}


# A call that works, for each public function; one argument of it or two are replaced.
CALLS: dict[str, Callable[[], dict[str, Any]]] = {
    "deconvolution": attributed,
    "deletion": lambda: attributed(maps=torch.rand(1, 227, 227), steps=2, fill=0.0, progress=False),
    "grad_cam": lambda: attributed(layer="conv5"),
    "guided_backpropagation": attributed,
    "insertion": lambda: attributed(maps=torch.rand(1, 227, 227), steps=2, progress=False),
    "integrated_gradients": lambda: attributed(steps=1, baseline=0.0, progress=False),
    "rank_correlation": lambda: {"first": torch.rand(2, 3), "second": torch.rand(2, 3)},
    "saliency": attributed,
    "shuffled_from_top": lambda: {"model": pretrained(), "seed": 0},
    "smooth_grad": lambda: attributed(samples=1, noise=0.1, seed=0, progress=False),
    "embed": lambda: {"model": pretrained(), "images": [picture()], "layer": "relu7"},
    "feature_maps": lambda: {"model": pretrained(), "image": picture(), "layers": "conv1"},
    "filters": lambda: {"model": pretrained(), "layer": "conv1"},
    "get_model": lambda: {"name": "small", "num_classes": 2},
    "get_spec": lambda: {"name": "paper"},
    "held_out_images": lambda: {"kind": "elephant"},
    "layer_table": lambda: {"spec": ae.get_spec("paper"), "input_size": 224},
    "load_image": lambda: {"source": picture()},
    "load_pretrained": lambda: {"name": "small", "model": None, "categories": None, "head": None},
    "neighbours": lambda: {"query": torch.zeros(4), "bank": torch.eye(4), "k": 2},
    "occlusion": lambda: {
        "model": pretrained(),
        "image": picture(),
        "target": 0,
        "patch": 100,
        "stride": 100,
        "fill": 0.0,
        "batch_size": 4,
    },
    "optimize_for_inference": lambda: {"network": pretrained(), "announce": lambda line: None},
    "predict": lambda: {"image": picture(), "pretrained": pretrained(), "top_k": 2},
    "predict_many": lambda: {"images": [picture()], "pretrained": pretrained(), "top_k": 2, "batch_size": 2},
    "receptive_field_box": lambda: {
        "spec": ae.get_spec("paper"),
        "layer": "conv3",
        "row": 1,
        "col": 2,
        "input_size": 224,
    },
    "ten_crop": lambda: {"image": picture(), "pretrained": pretrained(), "top_k": 2},
    "top_patches": lambda: {
        "model": pretrained(),
        "images": [picture()],
        "layer": "relu5",
        "channel": 0,
        "k": 2,
        "one_each": True,
    },
    "valid_input_sizes": lambda: {"spec": ae.get_spec("paper")},
}

plain = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**30), 0),
    st.integers(10**12, 10**30),
    st.floats(),
    st.text(max_size=20),
    st.binary(max_size=20),
    st.sampled_from(["", "small", "conv1", "fc8", "http://[::1", "C://x", "~", "a\0b", "\ud800", "x" * 5000, "*.jpg"]),
)
shapes = st.lists(st.integers(0, 5), max_size=5)
arrays = st.one_of(
    shapes.map(torch.zeros),
    shapes.map(lambda shape: torch.full(shape, torch.nan)),
    shapes.map(lambda shape: torch.zeros(shape, dtype=torch.int64)),
    shapes.map(lambda shape: np.full(shape, 300)),
    st.sampled_from(
        [
            torch.zeros(3, 227, 227),
            torch.zeros(1, 3, 64, 64),
            torch.zeros(2, dtype=torch.complex64),
            torch.empty(3, 4, 4, device="meta"),
            torch.eye(3).to_sparse(),
            np.array(["a"]),
            np.array([object()], object),
            np.zeros((2, 2), "M8[s]"),
            np.inf,
            1j,
            object(),
            int,
            len,
        ]
    ),
)
hostile = st.recursive(
    st.one_of(plain, arrays),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=2)),
    max_leaves=4,
)


def test_every_public_function_is_tried() -> None:
    functions = {name for name in ae.__all__ if inspect.isfunction(getattr(ae, name))}
    assert functions - set(CALLS) == {"list_models", "sample_images"}, "these take nothing"
    for name, call in CALLS.items():
        assert set(inspect.signature(getattr(ae, name)).parameters) - SLOW == set(call()) - SLOW, name


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CALLS)
def test_hostile_input_ends_in_a_sentence(name: str) -> None:
    arguments = sorted(set(CALLS[name]()) - SLOW)

    @settings(max_examples=60, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.dictionaries(st.sampled_from(arguments), hostile, min_size=1, max_size=2))
    def attempt(changed: dict[str, Any]) -> None:
        try:
            result = getattr(ae, name)(**(CALLS[name]() | changed))
            if inspect.isgenerator(result):
                list(result)
        except (AlexNetError, TypeError) as error:
            text = str(error)
            assert "\n" not in text and len(text) < 1000, text
            if isinstance(error, TypeError):
                assert text.endswith("."), text

    attempt()
