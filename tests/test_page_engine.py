"""The engine in a browser against PyTorch: every layer of every bundled picture, from the file's bytes on."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import asdict
from functools import cache
from typing import Any

import firefox
import numpy as np
import pytest
import torch
from browsing import browser
from page_visits import Computed, as_json, blank, difference, served
from PIL import Image, ImageCms
from safetensors.torch import save
from wasmtime import wat2wasm

from alexnet_edu.features import feature_maps
from alexnet_edu.images import sample_images
from alexnet_edu.inference import class_probabilities
from alexnet_edu.models import AlexNet
from alexnet_edu.page import page_files
from alexnet_edu.page.description import describe
from alexnet_edu.specs import (
    LRN,
    AdaptiveAvgPool,
    Conv,
    Dropout,
    Flatten,
    Linear,
    MaxPool,
    ReLU,
    SpatialNorm,
    Spec,
)
from alexnet_edu.weights import Preprocess, Pretrained, load_pretrained

FILES = page_files()
PICTURES = [entry["file"] for entry in json.loads(FILES["network.json"])["pictures"]]
EXACT = 1e-5  # relative to a layer's largest value


@cache
def network() -> Pretrained:
    return load_pretrained("small")


@pytest.fixture
def small() -> Pretrained:
    return network()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as one:
        yield one


@pytest.fixture(scope="module")
def page(chromium: Any) -> Iterator[Any]:
    with blank(chromium, FILES) as one:
        yield one


@cache
def expected(data: bytes) -> tuple[np.ndarray, dict[str, np.ndarray], np.ndarray]:
    small = network()
    crop = small.preprocess.crop(data)
    batch = small.preprocess.batch([crop])
    names = [layer.name for layer in small.model.spec.layers]
    maps = {name: value[0].numpy() for name, value in feature_maps(small, batch, names).items()}
    return np.asarray(crop), maps, class_probabilities(small.model, batch)[0].numpy()


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[firefox.Tab]:
    path = firefox.executable()
    if not path:
        pytest.skip("no Firefox")
    files = {**FILES, **odd_files(), "blank.html": b"<!doctype html><title>blank</title>"}
    with served(files) as address, firefox.firefox(path, tmp_path_factory.mktemp("firefox")) as one:
        one.goto(f"{address}blank.html")
        yield one


@pytest.mark.parametrize("browser", ["page", "tab"], ids=["chromium", "firefox"])
@pytest.mark.parametrize("file", PICTURES)
def test_every_layer_is_pytorchs_from_the_file_on(
    request: pytest.FixtureRequest, small: Pretrained, file: str, browser: str
) -> None:
    crop, maps, probabilities = expected(FILES[file])
    found = Computed(request.getfixturevalue(browser), file, plain=False)
    assert found.kernel == "WebAssembly"
    np.testing.assert_array_equal(found.crop, crop)
    worst = {name: difference(found.layers[name], maps[name]) for name in maps}
    assert max(worst.values()) <= EXACT, worst
    np.testing.assert_allclose(found.probabilities, probabilities, atol=EXACT)
    np.testing.assert_array_equal(np.argsort(-found.probabilities)[:5], np.argsort(-probabilities)[:5])


def test_without_webassembly_the_values_are_the_same(page: Any, small: Pretrained) -> None:
    _, maps, _ = expected(FILES[PICTURES[0]])
    found = Computed(page, PICTURES[0], plain=True)
    assert found.kernel == "JavaScript"
    assert max(difference(found.layers[name], maps[name]) for name in maps) <= EXACT


def encoded(picture: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


@cache
def odd_files() -> dict[str, bytes]:
    """What cameras, scanners and drawing programs write besides plain RGB."""
    photo = sample_images()["coffee"].open()
    rng = np.random.default_rng(0)
    see_through = Image.fromarray(rng.integers(0, 256, (301, 444, 4), np.uint8), "RGBA")
    flat = Image.fromarray(rng.integers(0, 256, (64, 30, 3), np.uint8))
    odd = {
        "grey.jpg": encoded(photo.convert("L"), "JPEG"),
        "progressive.jpg": encoded(photo, "JPEG", progressive=True, quality=60),
        "full-chroma.jpg": encoded(photo, "JPEG", subsampling=0),
        "half-chroma.jpg": encoded(photo, "JPEG", subsampling=1),
        "profile.jpg": encoded(photo, "JPEG", icc_profile=wide_profile()),
        "palette.png": encoded(photo.quantize(64), "PNG"),
        "palette.gif": encoded(photo, "GIF"),
        "see-through.png": encoded(see_through, "PNG"),
        "grey-see-through.png": encoded(see_through.convert("LA"), "PNG"),
        "lossless.webp": encoded(photo, "WEBP", lossless=True),
        "tiny.png": encoded(flat, "PNG"),
        "one.png": encoded(flat.resize((1, 1)), "PNG"),
        "large.jpg": encoded(photo.resize((4100, 3001)), "JPEG", quality=50),
        "strip.png": encoded(photo.resize((3000, 31)), "PNG"),
        "plain.bmp": encoded(photo, "BMP"),
    }
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        odd[f"turned-{orientation}.jpg"] = encoded(photo, "JPEG", exif=exif)
    return odd


def wide_profile() -> bytes:
    """sRGB's profile with red and blue exchanged: whoever applies it sees other colours."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    tags = {
        bytes(profile[at : at + 4]): at for at in range(132, 132 + 12 * int.from_bytes(profile[128:132], "big"), 12)
    }
    red, blue = (bytes(profile[tags[name] + 4 : tags[name] + 12]) for name in (b"rXYZ", b"bXYZ"))
    profile[tags[b"rXYZ"] + 4 : tags[b"rXYZ"] + 12] = blue
    profile[tags[b"bXYZ"] + 4 : tags[b"bXYZ"] + 12] = red
    return bytes(profile)


@pytest.fixture(scope="module")
def odd_page(chromium: Any) -> Iterator[Any]:
    with blank(chromium, {**FILES, **odd_files()}) as one:
        yield one


@pytest.mark.parametrize("browser", ["odd_page", "tab"], ids=["chromium", "firefox"])
@pytest.mark.parametrize("name", odd_files())
def test_the_crop_is_pillows_for_every_kind_of_file(
    request: pytest.FixtureRequest, small: Pretrained, name: str, browser: str
) -> None:
    found = Computed(request.getfixturevalue(browser), name, plain=False)
    assert found.crop is not None
    wanted = np.asarray(small.preprocess.crop(odd_files()[name]))
    # Firefox rounds once more where a picture is half transparent.
    levels = 1 if browser == "tab" and "see-through" in name else 0
    assert np.abs(found.crop.astype(int) - wanted).max() <= levels


def every_kind() -> Spec:
    """A small network of every kind of layer and of every setting that the eight networks use."""
    layers = (
        Conv("conv1", 10, 5, stride=4, ceil=True),
        LRN("lrn1", size=5, alpha=0.3, beta=0.75, k=1.0, groups=2),
        MaxPool("pool1", 3, 2, ceil=True),
        Conv("conv2", 12, 3, padding=1, groups=2, ceil=True),
        ReLU("relu2"),
        SpatialNorm("rnorm2", size=3, alpha=0.2, beta=0.6, k=1.5),
        AdaptiveAvgPool("average", 3),
        Flatten("flatten"),
        Linear("fc6", 7),
        Dropout("drop6", 0.25, scale_at="test"),
        Dropout("drop7", 0.5),
        Linear("fc8", 3),
    )
    return Spec("every", "Every kind of layer", "this test", layers, input_size=39)


@pytest.mark.parametrize("plain", [False, True], ids=["wasm", "js"])
def test_every_kind_of_layer_is_pytorchs(chromium: Any, plain: bool) -> None:
    spec = every_kind()
    torch.manual_seed(0)
    model = AlexNet(spec).eval()
    x = torch.randn(1, *spec.input_shape)
    preprocess = asdict(Preprocess(resize=39, size=39))
    told = {**describe(spec, name="every", preprocess=preprocess, categories="abc", metrics={}), "pictures": []}
    state = {name: value.contiguous() for name, value in model.state_dict().items()}
    files = {**FILES, "network.json": as_json(told), "network.safetensors": save(state), "input": x.numpy().tobytes()}
    with blank(chromium, files) as page:
        found = Computed(page, "", plain)
    with torch.inference_mode():
        for name, layer in model.named_children():
            x = layer(x)
            assert found.layers[name].shape == x.shape[1:]
            assert difference(found.layers[name], x[0].numpy()) <= EXACT, name


def test_colours_in_caffes_order_are_read_in_it(chromium: Any, small: Pretrained) -> None:
    told = json.loads(FILES["network.json"])
    told["preprocess"] |= {"channels": "BGR", "mean": [0.4, 0.45, 0.5]}
    data = FILES[PICTURES[0]]
    with blank(chromium, {**FILES, "network.json": as_json(told)}) as page:
        found = Computed(page, PICTURES[0], plain=False)
    batch = Preprocess(**told["preprocess"])(data)[None]
    with torch.inference_mode():
        wanted = small.model.get_submodule("conv1")(batch)[0].numpy()
    assert difference(found.layers["conv1"], wanted) <= EXACT


def test_the_kernels_bytes_come_from_its_source() -> None:
    assert wat2wasm(FILES["engine/kernel.wat"].decode()) == FILES["engine/kernel.wasm"]
