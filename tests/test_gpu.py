"""What else is only promised: on a GPU the course computes what it computes on a CPU. Skipped where there is none.

``pytest tests/test_gpu.py --noconftest -o addopts=`` runs it where only PyTorch and pytest are installed.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor
from train_pictures import write_pictures

from alexnet_edu import (
    embed,
    feature_maps,
    get_model,
    list_models,
    load_pretrained,
    occlusion,
    optimize_for_inference,
    predict,
    predict_many,
    sample_images,
    ten_crop,
    top_patches,
)
from alexnet_edu.inference import Prediction
from alexnet_edu.layers import LocalResponseNorm
from alexnet_edu.museum import NETWORK_145, PARAMS_145, build_network, read_network
from alexnet_edu.train.loop import train
from alexnet_edu.train.recipes import get_recipe
from alexnet_edu.train.settings import Settings
from alexnet_edu.weights import Pretrained

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")


@pytest.fixture(autouse=True)
def float32_is_float32() -> Iterator[None]:
    """TF32, which PyTorch allows convolutions on a GPU, rounds their factors to 10 bits."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32 = before


@pytest.fixture(scope="module")
def on_both() -> tuple[Pretrained, Pretrained]:
    """The embedded network on the CPU and on the GPU."""
    here, there = load_pretrained("small"), load_pretrained("small")
    there.model.to("cuda")
    return here, there


def distance(found: Tensor, expected: Tensor) -> float:
    """The length of the difference in units of the expected one's."""
    return float((found.cpu().double() - expected.double()).norm() / expected.double().norm())


def answers_of(pretrained: Pretrained) -> list[Prediction]:
    """What the network says of each bundled photo."""
    found = [answer for _, answer in predict_many(sample_images().values(), pretrained)]
    assert all(isinstance(answer, Prediction) for answer in found)
    return found  # type: ignore[return-value]


@pytest.mark.parametrize("name", list_models())
def test_every_network_says_the_same(name: str) -> None:
    torch.manual_seed(0)
    model = get_model(name).eval()
    x = torch.randn(2, 3, model.spec.input_size, model.spec.input_size)
    with torch.inference_mode():
        expected = model(x)
        assert distance(model.to("cuda")(x.to("cuda")), expected) < 1e-4


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_response_normalisation_forward_and_backward(layout: torch.memory_format) -> None:
    x = torch.randn(2, 96, 13, 13).contiguous(memory_format=layout)
    results = []
    for device in ("cpu", "cuda"):
        values = x.to(device).detach().requires_grad_()
        out = LocalResponseNorm(5, 1e-4, 0.75, 2.0)(values)
        out.square().sum().backward()
        assert values.grad is not None
        results.append((out.detach(), values.grad))
    (expected, gradient), (found, found_gradient) = results
    assert distance(found, expected) < 1e-5 and distance(found_gradient, gradient) < 1e-5


def test_a_network_file_of_2012() -> None:
    torch.manual_seed(0)
    model = build_network(read_network(NETWORK_145, PARAMS_145)).eval()
    x = torch.randn(1, 3, 224, 224) * 60
    with torch.inference_mode():
        expected = model(x)
        assert distance(copy.deepcopy(model).to("cuda")(x.to("cuda")), expected) < 1e-4


def test_answers_and_what_is_inside(on_both: tuple[Pretrained, Pretrained]) -> None:
    photo = sample_images()["cat"]
    answers = [
        (
            torch.tensor(predict(photo, one).probabilities),
            torch.tensor(ten_crop(photo, one).probabilities),
            torch.stack([torch.tensor(answer.probabilities) for answer in answers_of(one)]),
            embed(one, [photo]),
            feature_maps(one, photo)["relu5"],
            occlusion(one, photo, 0, patch=64, stride=64),
        )
        for one in on_both
    ]
    for expected, found in zip(*answers, strict=True):
        assert distance(torch.as_tensor(found), torch.as_tensor(expected)) < 1e-3
    patches = [top_patches(one, [photo], "relu3", 5) for one in on_both]
    places = [[(patch.row, patch.col) for patch in each] for each in patches]
    assert places[0] == places[1]


def test_the_fast_copy_gives_the_same_labels(on_both: tuple[Pretrained, Pretrained]) -> None:
    here, there = on_both
    told: list[str] = []
    fast = optimize_for_inference(there, announce=told.append)
    assert told
    assert [each.labels[0] for each in answers_of(fast)] == [each.labels[0] for each in answers_of(here)]


def test_a_training_gives_the_same_weights_twice(tmp_path: Path) -> None:
    write_pictures(tmp_path / "data")
    recipe = get_recipe("modern").changed(["epochs=1", "batch_size=8"])
    files = []
    for name in ("one", "two"):
        settings = Settings("folder", str(tmp_path / "data"), "small", recipe)
        export = tmp_path / f"{name}.safetensors"
        train(settings, tmp_path / name, device="cuda", export=export)
        files.append(load_pretrained(export).model.state_dict())
    assert all(torch.equal(value, files[1][key]) for key, value in files[0].items())
