"""The page of ``alexnet-edu app`` as a visitor meets it: choices, uploads, a phone, a keyboard, a second tab."""

from __future__ import annotations

import io
import re
import struct
import time
import zlib
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import numpy as np
import pytest
from browsing import (
    CUT_OFF,
    Instrument,
    browser,
    free_port,
    new_page,
    pixels,
    screenshot,
    server,
    wait_for_drawing,
    wait_for_pixels,
)
from PIL import Image

from alexnet_edu import tiles
from alexnet_edu.diagram import architecture_svg
from alexnet_edu.features import feature_maps, filters
from alexnet_edu.images import MAX_UPLOAD_BYTES, load_image, sample_images
from alexnet_edu.variants import SPECS
from alexnet_edu.weights import Pretrained, load_pretrained

DESKTOP, PHONE = (1024, 768), (390, 844)
FRAMES = """(image) => {
  window.frames_seen = 0;
  new MutationObserver((records) => { window.frames_seen += records.length; })
    .observe(image, { attributes: true, attributeFilter: ["src"] });
}"""


@pytest.fixture(scope="module")
def small() -> Pretrained:
    return load_pretrained("small")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as one:
        yield one


@pytest.fixture(scope="module")
def address(chromium: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port = free_port()
    command = ["-m", "alexnet_edu", "app", "--no-browser", "--weights", "small", "--port", str(port)]
    log = tmp_path_factory.mktemp("app") / "log"
    with server(command, f"http://localhost:{port}/", log) as url:
        yield url


@pytest.fixture(scope="module")
def visited(chromium: Any, address: str) -> Iterator[Any]:
    """The page after its kernel has drawn everything; one for all tests, which leave it usable."""
    page = new_page(chromium, *DESKTOP)
    page.goto(address)
    wait_until_drawn(page)
    yield page
    page.close()


@pytest.fixture
def page(visited: Any) -> Any:
    """The page on a desktop, with the cat chosen and every control as it was."""
    visited.set_viewport_size({"width": DESKTOP[0], "height": DESKTOP[1]})
    maps, filter_view = Instrument(visited, "Map"), Instrument(visited, "Filter")
    Instrument(visited, "Zoom (%)").box.get_by_role("button", name="Undo all changes").click()
    for instrument, slider in ((maps, "Map"), (filter_view, "Filter")):
        instrument.choose("Layer", "conv1")
        instrument.set(slider, 0)
    pick(visited, "cat")
    return visited


def wait_until_drawn(page: Any) -> None:
    page.wait_for_function("document.querySelectorAll('.widget-vbox img').length === 5")
    page.locator(".widget-vbox svg").first.wait_for()


def kernel_of(page: Any) -> str:
    return str(page.evaluate("JSON.parse(document.getElementById('jupyter-config-data').text).kernelId"))


def pick(page: Any, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def sample(name: str) -> Image.Image:
    return sample_images()[name].open()


def map_grid(small: Pretrained, picture: Image.Image, layer: str, channel: int) -> Image.Image:
    maps = feature_maps(small, picture, layer)[layer][0].numpy()
    return tiles.tile_maps(maps, signed=bool(maps.min() < 0), marked=channel, width=600)


def filter_grid(small: Pretrained, layer: str, view: str, channel: int) -> Image.Image:
    groups = small.model.spec[layer].groups  # type: ignore[attr-defined]
    found = tiles.filter_view(filters(small, layer).numpy(), view, groups=groups)
    return found.picture(marked=channel, width=420)


def put(page: Any, name: str, data: bytes) -> None:
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name=re.compile("Own photo")).first.click()
    chooser.value.set_files({"name": name, "mimeType": "image/png", "buffer": data})


def png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def bomb() -> bytes:
    """A few bytes that claim to be a picture of 900 million pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    data = png(Image.new("RGB", (1, 1)))
    return data[:12] + header + struct.pack(">I", zlib.crc32(header)) + data[33:]


def test_the_page_says_what_it_is_and_hides_its_code(page: Any) -> None:
    assert page.title() == "Inside AlexNet"
    assert page.locator("html").get_attribute("lang") == "en"
    assert page.locator("h1").all_inner_texts() == ["Inside AlexNet"]
    headings = page.locator("h2").all_inner_texts()
    links = page.locator("a[href^='#']:not(.anchor-link)")
    assert [link.inner_text() for link in links.all()] == headings and len(headings) == 5
    ids = page.locator("h2").evaluate_all("(all) => all.map((one) => one.id)")
    assert links.evaluate_all("(all) => all.map((one) => decodeURI(one.hash).slice(1))") == ids
    assert "load_pretrained" not in page.locator("body").inner_text()
    assert not page.locator(".jp-OutputArea-output[data-mime-type*=error], .jp-RenderedText").count()


@pytest.mark.parametrize(("width", "height"), [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_choices_change_the_pixels_to_the_right_picture(page: Any, small: Pretrained, width: int, height: int) -> None:
    page.set_viewport_size({"width": width, "height": height})
    answers, maps, filter_view = (Instrument(page, label) for label in ("Zoom (%)", "Map", "Filter"))
    wait_for_pixels(answers.image(), small.preprocess.crop(sample("cat")))
    wait_for_pixels(maps.image(), map_grid(small, sample("cat"), "relu1", 0))
    maps.choose("Layer", "conv3")
    maps.set("Map", 17)
    wait_for_pixels(maps.image(), map_grid(small, sample("cat"), "relu3", 17))
    maps.choose("Values", "before ReLU")
    pick(page, "rocket")
    wait_for_pixels(maps.image(), map_grid(small, sample("rocket"), "conv3", 17))
    wait_for_pixels(answers.image(), small.preprocess.crop(sample("rocket")))
    maps.choose("Values", "after ReLU")
    maps.choose("Picture", "coffee")  # the menu and the gallery are one choice
    wait_for_pixels(answers.image(), small.preprocess.crop(sample("coffee")))
    filter_view.choose("Layer", "conv2")
    filter_view.choose("View", "strongest connection")
    filter_view.set("Filter", 9)
    wait_for_pixels(filter_view.image(), filter_grid(small, "conv2", "strongest", 9))
    network = Instrument(page, "Network")
    network.choose("Network", SPECS["caffe"].title)
    network.choose("Layer", "conv5")
    wait_for_drawing(network.box.locator("svg").first, architecture_svg(SPECS["caffe"], highlight="conv5"))
    assert "coffee" in answers.message() and "conv2, filter 9" in (filter_view.image(1).get_attribute("title") or "")


def test_what_is_painted_is_what_was_sent(page: Any, small: Pretrained) -> None:
    """The screen itself, once: the picture is not hidden, cut or covered."""
    image = Instrument(page, "Zoom (%)").image()
    wait_for_pixels(image, small.preprocess.crop(sample("cat")))
    image.scroll_into_view_if_needed()
    painted = Image.open(io.BytesIO(image.screenshot())).convert("RGB")
    wanted = Image.fromarray(pixels(image)).resize(painted.size, Image.Resampling.BILINEAR)
    assert np.abs(np.asarray(painted, int) - np.asarray(wanted, int)).mean() < 8


@pytest.mark.parametrize(("width", "height"), [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_everything_fits_and_is_accessible(page: Any, width: int, height: int) -> None:
    page.set_viewport_size({"width": width, "height": height})
    page.wait_for_timeout(300)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(CUT_OFF, page.query_selector("body")) == []
    page.evaluate(files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8"))
    found = page.evaluate("axe.run()")["violations"]
    grave = [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")]
    assert grave == []
    screenshot(page, f"app-{width}", full_page=True)


def test_the_keyboard_is_enough(page: Any, small: Pretrained) -> None:
    maps = Instrument(page, "Map")
    page.get_by_role("button", name="rocket", exact=True).focus()
    page.keyboard.press("Enter")
    wait_for_pixels(maps.image(), map_grid(small, sample("rocket"), "relu1", 0))
    maps.slider("Map").locator(".noUi-handle").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    wait_for_pixels(maps.image(), map_grid(small, sample("rocket"), "relu1", 2))
    maps.menu("Layer").focus()
    page.keyboard.type("pool2")
    wait_for_pixels(maps.image(), map_grid(small, sample("rocket"), "pool2", 2))


def test_dragging_never_queues_up(page: Any, small: Pretrained, record_property: Any) -> None:
    maps = Instrument(page, "Map")
    handle = maps.slider("Map").locator(".noUi-handle")
    handle.scroll_into_view_if_needed()
    maps.image().evaluate(FRAMES)
    box, track = handle.bounding_box(), maps.slider("Map").locator(".noUi-target").bounding_box()
    middle, moves = box["y"] + box["height"] / 2, 60
    page.mouse.move(box["x"] + box["width"] / 2, middle)
    page.mouse.down()
    for step in range(moves):
        page.mouse.move(track["x"] + track["width"] * (0.5 - 0.5 * np.cos(step / 5)), middle)
    page.mouse.move(track["x"] + track["width"] + 50, middle)
    page.mouse.up()
    wait_for_pixels(maps.image(), map_grid(small, sample("cat"), "relu1", 47), seconds=5)
    frames = page.evaluate("window.frames_seen")
    page.wait_for_timeout(300)
    assert page.evaluate("window.frames_seen") == frames, "pictures still arrive after the drag has ended"
    assert 1 < frames <= moves + 1
    record_property("measured", f"app: {moves} moves of a slider drew {frames} pictures, and none after the end")


def test_bad_uploads_are_one_sentence_and_change_nothing(page: Any, small: Pretrained) -> None:
    gallery = page.locator(".widget-vbox").filter(has=page.locator(".alexnet-edu-photo"))
    answers = Instrument(page, "Zoom (%)")
    for name, data, why in [
        ("notes.png", b"not a picture", "not a picture in a format"),
        ("half.png", png(sample("cat"))[:5000], "damaged or cut short"),
        ("bomb.png", bomb(), "more than 89,478,485 pixels"),
    ]:
        put(page, name, data)
        sentence = gallery.locator("[role=alert]", has_text=name)
        sentence.wait_for()
        assert why in sentence.inner_text() and "\n" not in sentence.inner_text()
        wait_for_pixels(answers.image(), small.preprocess.crop(sample("cat")))
    put(page, "huge.png", bytes(MAX_UPLOAD_BYTES + 1))
    notice = page.locator("#notice p")
    notice.wait_for()
    assert notice.inner_text() == "huge.png is larger than 10 MB; choose a smaller photo."
    pick(page, "rocket")
    wait_for_pixels(answers.image(), small.preprocess.crop(sample("rocket")))


def test_an_own_photo_goes_to_both_explorers(page: Any, small: Pretrained) -> None:
    photo = png(sample("cat").rotate(90, expand=True))
    put(page, "mine.png", photo)
    wait_for_pixels(Instrument(page, "Zoom (%)").image(), small.preprocess.crop(load_image(photo)))
    wait_for_pixels(Instrument(page, "Map").image(), map_grid(small, load_image(photo), "relu1", 0))
    assert not page.locator("#notice p").count()


def test_two_tabs_share_nothing(page: Any, chromium: Any, address: str, small: Pretrained) -> None:
    other = new_page(chromium, *PHONE)
    other.goto(address)
    wait_until_drawn(other)
    assert kernel_of(other) != kernel_of(page)
    pick(other, "hubble")
    wait_for_pixels(Instrument(other, "Zoom (%)").image(), small.preprocess.crop(sample("hubble")))
    wait_for_pixels(Instrument(page, "Zoom (%)").image(), small.preprocess.crop(sample("cat")))
    assert all("mine.png" not in name for name in Instrument(other, "Map").menu("Picture").all_inner_texts())
    assert other.faults == []
    gone, end = f"{address}api/kernels/{kernel_of(other)}", time.monotonic() + 20
    other.goto("about:blank")  # a page that is left ends its kernel
    while page.request.get(gone).status != 404:
        assert time.monotonic() < end
    other.close()


def test_an_ended_session_says_so(page: Any, address: str) -> None:
    """The last test of this file: it ends the page's kernel, as the server does after half an hour of rest."""
    assert page.request.post(f"{address}voila/api/shutdown/{kernel_of(page)}").status == 204
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.locator("#notice p", has_text="Load the page again").wait_for()
    assert page.faults == [], "errors of scripts, or requests to other machines, in all the tests above"
