"""The page as a reader meets it: by mouse, finger and keyboard, on a phone and a desktop, offline and as a file."""

from __future__ import annotations

import io
import json
import re
import struct
import zlib
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import firefox
import numpy as np
import pytest
from browsing import SECONDS, browser, executable, new_page, screenshot
from page_visits import served
from PIL import Image

from alexnet_edu.features import feature_maps
from alexnet_edu.geometry import layer_table, receptive_field_box
from alexnet_edu.images import load_image
from alexnet_edu.inference import class_probabilities, predict
from alexnet_edu.labels import in_words
from alexnet_edu.page import page_files, single_file
from alexnet_edu.variants import get_spec
from alexnet_edu.weights import Pretrained, load_pretrained

FILES = page_files()
TOLD = json.loads(FILES["network.json"])
SCREENS = [(390, 844, "light"), (390, 844, "dark"), (768, 1024, "light"), (1280, 900, "dark"), (1600, 1000, "light")]
GREY = (124, 116, 104)


@pytest.fixture(scope="module")
def small() -> Pretrained:
    return load_pretrained("small")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as one:
        yield one


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with served(FILES) as url:
        yield url


@pytest.fixture(scope="module")
def visited(chromium: Any, address: str) -> Iterator[Any]:
    """One page for all tests; each finds it as a first visit does."""
    page = new_page(chromium, 1280, 900)
    page.goto(address)
    ready(page)
    yield page
    assert page.faults == [], "errors of scripts, or requests to other machines, in all the tests above"
    page.close()


@pytest.fixture
def page(visited: Any) -> Any:
    visited.set_viewport_size({"width": 1280, "height": 900})
    visited.locator("#tour").evaluate("(card) => card.hidden || card.querySelector('.end').click()")
    visited.get_by_title("panda", exact=True).click()
    says(visited, "panda")
    visited.evaluate("location.hash = '#photo=sunflower&layer=relu1&channel=0'")
    says(visited, "sunflower")
    visited.locator("#layer-name", has_text="conv1").wait_for()
    visited.locator(".channel .value", has_text=re.compile("^channel 0$", re.IGNORECASE)).wait_for()
    return visited


def ready(page: Any) -> None:
    page.locator("html[data-ready]").wait_for()


def says(page: Any, label: str) -> None:
    page.locator(".verdict strong", has_text=re.compile(f"^{re.escape(in_words(label))}$")).wait_for()


def rows(page: Any) -> dict[str, float]:
    """The bars: label and share, as they are written."""
    items = page.locator(".answers li:visible")
    names, numbers = items.locator(".name").all_inner_texts(), items.locator(".number").all_inner_texts()
    return {name: float(number.strip("< %")) / 100 for name, number in zip(names, numbers, strict=True)}


def expected_rows(values: np.ndarray, small: Pretrained, count: int = 5) -> dict[str, float]:
    order = np.argsort(-values)[:count]
    return {in_words(small.categories[i]): float(values[i]) for i in order}


def same(found: dict[str, float], wanted: dict[str, float]) -> bool:
    return found.keys() >= wanted.keys() and all(abs(found[name] - wanted[name]) < 0.006 for name in wanted)


def settled(page: Any) -> int:
    """How many answers there have been, once no more come."""
    count = -1
    while (now := int(page.locator("html").get_attribute("data-answers"))) != count:
        count = now
        page.wait_for_timeout(400)
    return count


def png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def bomb() -> bytes:
    """A few bytes that claim to be a picture of 100 million pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 10_000, 10_000, 8, 2, 0, 0, 0)
    data = png(Image.new("RGB", (1, 1)))
    return data[:12] + header + struct.pack(">I", zlib.crc32(header)) + data[33:]


def put(page: Any, name: str, kind: str, data: bytes) -> None:
    page.locator(".take input").nth(1).set_input_files({"name": name, "mimeType": kind, "buffer": data})


def test_the_first_view_is_predicts_answer(page: Any, small: Pretrained) -> None:
    answer = predict(FILES["pictures/sunflower.jpg"], small)
    wanted = {in_words(name): p for name, p in zip(answer.labels, answer.probabilities, strict=True)}
    assert list(rows(page)) == list(wanted) and same(rows(page), wanted)
    assert page.locator(".truth").inner_text().startswith("That is right.")
    assert page.locator("#kernel").inner_text() == "WebAssembly"


def test_a_mistake_and_a_thing_without_a_label_are_said(page: Any) -> None:
    page.get_by_title("lotus", exact=True).click()
    says(page, "water_lilly")
    assert page.locator(".truth").inner_text() == "That is wrong: it is lotus. The network makes such mistakes."
    page.get_by_title("cat", exact=True).click()
    page.locator(".truth", has_text="It has no label for this picture. It knows 101").wait_for()


@pytest.mark.parametrize("how", ["mouse", "keyboard"])
def test_the_patch_changes_the_answer_as_python_says(page: Any, small: Pretrained, how: str) -> None:
    crop = small.preprocess.crop(FILES["pictures/sunflower.jpg"])
    photo, handle = page.locator(".photo").bounding_box(), page.locator(".patch").bounding_box()
    if how == "mouse":
        page.mouse.move(handle["x"] + handle["width"] / 2, handle["y"] + handle["height"] / 2)
        page.mouse.down()
        for share in (0.7, 0.6, 0.5):
            page.mouse.move(photo["x"] + photo["width"] * share, photo["y"] + photo["height"] * share)
        page.mouse.up()
    else:
        page.locator(".patch").focus()
        for key in ("Enter", "ArrowLeft", "ArrowUp", "ArrowUp", "+"):
            page.keyboard.press(key)
    settled(page)
    place = page.locator(".patch").evaluate("(h) => ['left', 'top', 'width'].map((k) => parseFloat(h.style[k]) * 2.27)")
    left, top, side = (round(value) for value in place)
    crop.paste(GREY, (left, top, left + side, top + side))
    values = class_probabilities(small.model, small.preprocess.batch([crop]))[0].numpy()
    assert same(rows(page), expected_rows(values, small)), (place, rows(page), expected_rows(values, small))
    assert "Unchanged it was sunflower with 93 %" in page.locator(".truth").inner_text()
    page.locator(".patch").focus()
    page.keyboard.press("Escape")
    page.locator(".truth", has_text="That is right.").wait_for()


def test_every_change_does_something_and_can_be_undone(page: Any) -> None:
    before = rows(page)
    page.locator(".changes").evaluate("(details) => { details.open = true; }")
    for name, value in (("Turn", "90"), ("Zoom", "300"), ("Brightness", "20"), ("Noise", "50")):
        page.get_by_label(name).fill(value)
        page.locator(".truth", has_text="Unchanged it was").wait_for()
        settled(page)
        assert rows(page) != before, name
        page.locator(".undo").click()
        page.locator(".truth", has_text="That is right.").wait_for()
    assert rows(page) == before


def test_what_matters_is_a_map_over_the_photo(page: Any) -> None:
    assert "are left" not in page.locator("#matters-said").inner_text()
    page.get_by_role("button", name="Find what matters").click()
    page.locator("#matters-said", has_text=re.compile(r"The photo has 93 %; with the square .* % are left")).wait_for()
    assert page.locator(".heat").is_visible()
    page.get_by_title("panda", exact=True).click()
    says(page, "panda")
    assert page.locator(".heat").is_hidden()


def test_a_layer_a_channel_and_a_unit_are_found_and_linked(page: Any, small: Pretrained) -> None:
    maps = feature_maps(small, FILES["pictures/sunflower.jpg"], "relu3")["relu3"][0].numpy()
    page.locator("#network").get_by_role("link", name="conv3").click()
    page.locator("#layer-name", has_text="conv3").wait_for()
    grid = page.locator(".grid canvas")
    box = grid.bounding_box()
    grid.click(position={"x": box["width"] * (2.5 / 16), "y": box["height"] * (4.5 / 12)})
    assert page.url.endswith("layer=relu3&channel=66")
    row, column = np.unravel_index(maps[66].argmax(), maps[66].shape)
    assert (
        page.locator(".said")
        .inner_text()
        .startswith(f"At row {row}, column {column} of its map this channel has the value {maps[66].max():.3g}.")
    )
    close = page.locator(".close canvas")
    close.focus()
    page.keyboard.press("ArrowDown")
    moved = min(12, row + 1)
    value = f"{float(f'{maps[66][moved, column]:.3g}'):g}"
    said = f"At row {moved}, column {column} of its map this channel has the value {value}."
    page.locator(".said", has_text=said).wait_for()
    assert page.url.endswith(f"unit={moved}.{column}")
    field = layer_table(small.model.spec, 227)["relu3"].receptive_field
    assert f"{field} × {field} pixels" in page.locator(".said").inner_text()
    page.locator(".channel input").focus()
    page.keyboard.press("ArrowRight")
    assert page.url.endswith("channel=67")
    page.go_back()
    page.locator("#layer-name", has_text="conv1").wait_for()


def test_pointing_at_the_photo_frames_the_field_that_geometry_says(page: Any, small: Pretrained) -> None:
    page.evaluate("location.hash = '#photo=sunflower&layer=relu2&channel=5&unit=13.13'")
    page.locator(".said", has_text="At row 13, column 13").wait_for()
    top, left, bottom, right = receptive_field_box(small.model.spec, "relu2", 13, 13, 227)
    shown = np.asarray(Image.open(io.BytesIO(page.locator(".sees canvas").screenshot())).convert("RGB"), int)
    crop = small.preprocess.crop(FILES["pictures/sunflower.jpg"]).crop((left, top, right, bottom))
    wanted = np.asarray(crop.resize(shown.shape[1::-1], Image.Resampling.BILINEAR), int)
    assert np.abs(shown - wanted)[8:-8, 8:-8].mean() < 6


def test_what_excites_a_channel_leads_to_its_photo(page: Any, small: Pretrained) -> None:
    page.evaluate("location.hash = '#photo=sunflower&layer=relu5&channel=20'")
    page.wait_for_timeout(200)
    page.locator("html[data-surveyed]").wait_for()
    strongest = {
        entry["name"]: float(feature_maps(small, FILES[entry["file"]], "relu5")["relu5"][0, 20].max())
        for entry in TOLD["pictures"]
    }
    order = sorted(strongest, key=lambda name: -strongest[name])[:6]
    buttons = page.locator(".exciting button")
    titles = {entry["name"]: entry["title"] for entry in TOLD["pictures"]}
    assert buttons.locator("span").all_inner_texts() == [titles[name] for name in order]
    buttons.nth(1).click()
    page.wait_for_url(re.compile(f"photo={order[1]}&layer=relu5&channel=20&unit="))


def test_the_last_layer_names_its_units(page: Any) -> None:
    page.locator("#network").get_by_role("link", name="fc8").click()
    page.locator(".channel .value", has_text="unit 90: sunflower").wait_for()
    assert "makes it a probability of 93 %" in page.locator(".said").inner_text()


def test_a_link_brings_everything_back(chromium: Any, address: str) -> None:
    page = new_page(chromium, 1280, 900)
    page.goto(f"{address}#photo=okapi&layer=lrn2&channel=77&unit=3.4")
    ready(page)
    says(page, "okapi")
    assert page.locator("#layer-name").inner_text() == "conv2"
    assert page.locator(".steps [aria-pressed=true]").inner_text() == "normalised"
    assert page.locator(".channel .value").inner_text().lower() == "channel 77"
    assert page.locator(".said").inner_text().startswith("At row 3, column 4 of its map")
    page.context.close()


@pytest.mark.parametrize(
    "link", ["#photo=nobody&layer=conv9&channel=1", "#layer=conv1&channel=48", "#layer=conv1&unit=-1.5", "#%%%"]
)
def test_a_broken_link_opens_the_page_all_the_same(chromium: Any, address: str, link: str) -> None:
    page = new_page(chromium, 1280, 900)
    page.goto(address + link)
    ready(page)
    says(page, "sunflower")
    assert page.faults == [] and page.locator("#notice").is_hidden()
    page.context.close()


def test_own_photos_come_from_a_file_a_drop_and_the_clipboard(page: Any, small: Pretrained) -> None:
    for number, way in enumerate(("file", "drop", "paste")):
        photo = png(load_image(FILES["pictures/coffee.jpg"]))
        name = f"mine{number}.png"
        if way == "file":
            put(page, name, "image/png", photo)
        else:
            page.evaluate(SEND, [way, name, list(photo)])
        page.locator(".truth", has_text="It knows 101 labels").wait_for()
        answer = predict(photo, small)
        assert list(rows(page)) == [in_words(label) for label in answer.labels]
        assert page.get_by_title(name, exact=True).get_attribute("aria-pressed") == "true"
        page.get_by_title("sunflower", exact=True).click()
        page.locator(".truth", has_text="That is right.").wait_for()


SEND = """([way, name, bytes]) => {
  const transfer = new DataTransfer();
  transfer.items.add(new File([new Uint8Array(bytes)], name, { type: "image/png" }));
  const event = way === "drop"
    ? new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true })
    : new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true });
  document.body.dispatchEvent(event);
}"""


@pytest.mark.parametrize(
    ("name", "kind", "data", "why"),
    [
        ("notes.png", "image/png", b"not a picture", "is not a picture that your browser can read"),
        ("empty.jpg", "image/jpeg", b"", "The file is empty"),
        ("phone.heic", "image/heic", b"\0\0\0\x18ftypheic" + bytes(100), "cannot read HEIC photos"),
        ("bomb.png", "image/png", bomb(), "more than 89 million pixels"),
        ("strip.png", "image/png", png(Image.new("RGB", (2020, 20))), "is too narrow"),
    ],
    ids=lambda value: value if isinstance(value, str) and "." in value else "",
)
def test_bad_files_are_one_sentence_and_change_nothing(page: Any, name: str, kind: str, data: bytes, why: str) -> None:
    before = rows(page)
    put(page, name, kind, data)
    notice = page.locator("#notice", has_text=why)
    notice.wait_for()
    assert "\n" not in notice.inner_text()
    assert rows(page) == before and page.get_by_title("sunflower", exact=True).get_attribute("aria-pressed") == "true"
    page.get_by_title("panda", exact=True).click()
    says(page, "panda")
    assert page.locator("#notice").is_hidden()


def test_a_photo_of_50_megapixels_is_answered(page: Any, small: Pretrained) -> None:
    file = io.BytesIO()
    load_image(FILES["pictures/elephant.jpg"]).resize((8660, 5774)).save(file, "JPEG", quality=60)
    put(page, "large.jpg", "image/jpeg", file.getvalue())
    page.get_by_title("large.jpg", exact=True).wait_for()
    answer = predict(file.getvalue(), small)
    assert list(rows(page)) == [in_words(label) for label in answer.labels]


@pytest.mark.parametrize(("width", "height", "scheme"), SCREENS)
def test_everything_fits_and_is_accessible(chromium: Any, address: str, width: int, height: int, scheme: str) -> None:
    context = chromium.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    page = context.new_page()
    page.goto(f"{address}#layer=relu2")
    ready(page)
    page.locator(".changes").evaluate("(details) => { details.open = true; }")
    page.locator("html[data-surveyed]").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    small_targets = page.evaluate(SMALL_TARGETS)
    assert small_targets == []
    page.evaluate(files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8"))
    found = page.evaluate("axe.run()")["violations"]
    grave = [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")]
    assert grave == []
    screenshot(page, f"page-{width}-{scheme}", full_page=True)
    context.close()


SMALL_TARGETS = """() => [...document.querySelectorAll("button, a, input, summary")]
  .filter((part) => part.offsetParent && !part.closest(".button, p") && !part.matches(".skip"))
  .map((part) => part.closest("label") ?? part)
  .filter((part) => { const { width, height } = part.getBoundingClientRect(); return width < 40 || height < 40; })
  .map((part) => part.outerHTML.slice(0, 100))"""


def test_a_phone_shows_photo_answer_and_network_at_once(chromium: Any, address: str) -> None:
    context = chromium.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto(address)
    ready(page)
    for part in (".photo", ".strip", ".verdict", ".answers ol", "#network"):
        box = page.locator(part).bounding_box()
        assert box["y"] >= 0 and box["y"] + box["height"] <= 844, part
    page.locator("#network").get_by_role("link", name="conv2").tap()
    page.locator("#layer-name", has_text="conv2").wait_for()
    page.wait_for_timeout(800)
    assert page.locator("#layer").bounding_box()["y"] < 400
    page.locator(".close canvas").scroll_into_view_if_needed()
    page.locator(".close canvas").tap(position={"x": 60, "y": 60})
    page.wait_for_url(re.compile("unit="))
    context.close()


def test_the_tour_has_five_steps_that_name_the_ideas(page: Any) -> None:
    page.get_by_role("button", name="Show me around").click()
    card, titles = page.locator("#tour"), []
    while card.is_visible():
        titles.append(card.locator("h2").inner_text())
        card.locator(".next").click()
    assert len(titles) == 5
    assert all(word in " ".join(titles) for word in ("filter", "channel", "receptive field"))
    assert page.evaluate("document.activeElement.textContent") == "Show me around"


def test_the_tours_last_photo_tips_over_under_the_square(page: Any, small: Pretrained) -> None:
    page.get_by_role("button", name="Show me around").click()
    for _ in range(4):
        page.locator("#tour .next").click()
    told = next(entry for entry in TOLD["pictures"] if entry["name"] == TOLD["tips_over"])
    page.locator(".truth", has_text=f"Unchanged it was {in_words(told['category'])}").wait_for()
    assert page.locator(".verdict strong").inner_text() != in_words(told["category"])


def test_a_touched_tile_shows_its_photo_although_that_is_out_of_sight(chromium: Any, address: str) -> None:
    context = chromium.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.set_default_timeout(SECONDS * 1000)
    page.goto(f"{address}#layer=relu1")
    ready(page)
    peek = page.locator("#peek")
    assert peek.is_hidden()
    page.locator(".legend").scroll_into_view_if_needed()
    page.evaluate("scrollBy(0, document.querySelector('.legend').getBoundingClientRect().top - 320)")
    page.locator("#peek:visible").wait_for()
    before = peek.screenshot()
    box = page.locator(".grid canvas").bounding_box()
    page.touchscreen.tap(box["x"] + 20, box["y"] + box["height"] - 20)
    page.wait_for_timeout(400)
    assert peek.screenshot() != before
    peek.tap()
    peek.wait_for(state="hidden")
    assert 0 <= page.locator(".close canvas").bounding_box()["y"] < 844
    context.close()


def test_what_is_cut_at_the_side_says_so(chromium: Any, address: str) -> None:
    context = chromium.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.set_default_timeout(SECONDS * 1000)
    page.goto(address)
    ready(page)
    page.locator("#network.more").wait_for()
    page.locator("#network").evaluate("(box) => box.scrollTo({ left: 9999 })")
    page.locator("#network.before:not(.more)").wait_for()
    assert page.locator("#costs .swipe").is_hidden()
    page.get_by_label("Compare with").select_option(index=1)
    page.locator("#costs .drawing.more").wait_for()
    assert page.locator("#costs .swipe").is_visible()
    context.close()


def test_reduced_motion_moves_nothing(chromium: Any, address: str) -> None:
    context = chromium.new_context(reduced_motion="reduce")
    page = context.new_page()
    page.goto(address)
    ready(page)
    assert page.evaluate("document.getAnimations().length") == 0
    context.close()


def test_without_webassembly_the_answer_is_the_same(chromium: Any, small: Pretrained) -> None:
    with served({**FILES, "engine/kernel.wasm": b"lost"}) as address:
        page = new_page(chromium)
        page.goto(address)
        ready(page)
        assert page.locator("#kernel").inner_text() == "JavaScript"
        answer = predict(FILES["pictures/sunflower.jpg"], small)
        assert list(rows(page)) == [in_words(label) for label in answer.labels]
        page.context.close()


def test_lost_weights_are_one_sentence(chromium: Any) -> None:
    for lost in ({"network.safetensors": b"cut"}, {"network.safetensors": FILES["network.safetensors"][:100_000]}):
        with served({**FILES, **lost}) as address:
            page = new_page(chromium)
            page.goto(address)
            page.locator("#notice", has_text="The network could not be loaded").wait_for()
            page.context.close()


def test_once_loaded_it_works_without_a_network(chromium: Any, address: str) -> None:
    page = new_page(chromium)
    page.goto(address)
    ready(page)
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    page.context.set_offline(True)
    page.reload()
    ready(page)
    says(page, "sunflower")
    page.get_by_title("panda", exact=True).click()
    says(page, "panda")
    page.context.close()


def test_one_file_opens_from_a_disk(chromium: Any, tmp_path: Path, small: Pretrained) -> None:
    (tmp_path / "alexnet.html").write_text(single_file(FILES), encoding="utf-8")
    page = new_page(chromium)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto((tmp_path / "alexnet.html").as_uri())
    ready(page)
    answer = predict(FILES["pictures/sunflower.jpg"], small)
    assert list(rows(page)) == [in_words(label) for label in answer.labels]
    page.get_by_title("panda", exact=True).click()
    says(page, "panda")
    assert page.faults == []
    assert [url for url in asked if not url.startswith(("file:", "blob:", "data:"))] == []
    page.context.close()


def test_a_filter_says_what_it_listens_to(page: Any, small: Pretrained) -> None:
    page.evaluate("location.hash = '#photo=sunflower&layer=relu4&channel=121'")
    page.locator(".made h3", has_text="What channel 121 listens to in conv3").wait_for()
    weight = small.model.get_parameter("conv4.weight")[121].detach()
    first = 96 if 121 >= 96 else 0  # the tower's channels
    heaviest = [first + i for i in weight.square().sum((1, 2)).argsort(descending=True)[:6].tolist()]
    buttons = page.locator(".made button")
    assert buttons.locator("span").all_inner_texts() == list(map(str, heaviest))
    buttons.nth(0).click()
    page.wait_for_url(re.compile(f"layer=relu3&channel={heaviest[0]}$"))
    page.locator("#layer-name", has_text="conv3").wait_for()


def test_other_alexnets_can_be_compared(page: Any) -> None:
    page.get_by_label("Compare with").select_option(label=get_spec("paper").title)
    image = page.locator("#costs img")
    image.scroll_into_view_if_needed()
    page.locator("#costs th", has_text="fc6").wait_for()
    table = layer_table(get_spec("paper"))
    assert f"{table['fc6'].parameters:,} · " in page.locator("#costs tr", has_text="fc6").inner_text()
    assert f"{table.total_macs / 1e6:.1f} million" in page.locator("#costs .summary").inner_text()
    assert image.evaluate("async (one) => { await one.decode(); return one.naturalWidth; }") > 0
    page.get_by_label("Compare with").select_option(index=0)
    assert image.is_hidden()


def test_the_camera_runs_through_the_network_and_stops(chromium: Any, address: str) -> None:
    """With Chromium's own moving test picture for a camera."""
    arguments = ["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    path = executable(SimpleNamespace(chromium=chromium.browser_type))
    filmed = chromium.browser_type.launch(executable_path=path, args=arguments)
    page = new_page(filmed)
    page.goto(address)
    ready(page)
    before = settled(page)
    page.get_by_role("button", name="Live camera").click()
    page.locator(f"html:not([data-answers='{before}'])").wait_for()
    page.locator(".truth", has_text="It knows 101 labels").wait_for()
    assert page.locator(".strip [aria-pressed=true]").count() == 0
    page.get_by_role("button", name="Stop the camera").click()
    settled(page)
    page.get_by_title("panda", exact=True).click()
    says(page, "panda")
    assert page.faults == []
    filmed.close()


def test_a_refused_camera_is_one_sentence(page: Any) -> None:
    page.get_by_role("button", name="Live camera").click()
    page.locator("#notice", has_text="The camera cannot be used here").wait_for()
    says(page, "sunflower")


def test_the_photo_is_there_before_the_network(chromium: Any, address: str) -> None:
    page = new_page(chromium)
    page.route("**/network.safetensors", lambda route: None)  # never arrives
    page.goto(f"{address}#photo=okapi&layer=relu1")
    page.locator("#loading[style*='okapi.jpg']").wait_for()
    assert page.locator("#loading p").inner_text() == "The network is on its way"
    page.context.close()


def test_a_link_to_a_layer_of_another_photo_needs_no_channel(page: Any) -> None:
    page.evaluate("location.hash = '#photo=sunflower&layer=relu3&channel=190'")
    page.locator("#layer-name", has_text="conv3").wait_for()
    page.evaluate("location.hash = '#photo=panda&layer=relu1'")
    page.locator("#layer-name", has_text="conv1").wait_for()
    channel = int(page.locator(".channel .value").inner_text().split()[1])
    assert 0 <= channel < 48 and "NaN" not in page.locator(".said").inner_text()


def test_firefox_shows_the_same_from_a_server_and_from_a_disk(address: str, tmp_path: Path) -> None:
    path = firefox.executable()
    if not path:
        pytest.skip("no Firefox")
    (tmp_path / "alexnet.html").write_text(single_file(FILES), encoding="utf-8")
    (tmp_path / "profile").mkdir()
    with firefox.firefox(path, tmp_path / "profile") as tab:
        for where in (address, (tmp_path / "alexnet.html").as_uri()):
            tab.goto(where)
            verdict, kernel, notice = tab.evaluate(ONCE_READY)
            assert (verdict, kernel, notice) == ("sunflower and is sure: 93 %", "WebAssembly", "")


ONCE_READY = """async () => {
  while (!document.documentElement.dataset.ready && !document.querySelector("#notice").textContent) {
    await new Promise((next) => setTimeout(next, 50));
  }
  return [".verdict", "#kernel", "#notice"].map((part) => document.querySelector(part).textContent);
}"""


def test_a_finger_drags_the_patch_scrolls_the_page_and_points(chromium: Any, address: str) -> None:
    context = chromium.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto(address)
    ready(page)
    session = context.new_cdp_session(page)

    def stroke(start: tuple[float, float], step: tuple[float, float]) -> None:
        points = [{"x": start[0] + i * step[0], "y": start[1] + i * step[1]} for i in range(11)]
        session.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": points[:1]})
        for point in points[1:]:
            session.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [point]})
            page.wait_for_timeout(20)
        session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    before = page.locator(".patch").bounding_box()
    stroke((before["x"] + 30, before["y"] + 30), (-10, -10))
    page.locator(".truth", has_text="Unchanged it was sunflower").wait_for()
    after = page.locator(".patch").bounding_box()
    assert after["x"] == pytest.approx(before["x"] - 100, abs=4) and page.evaluate("scrollY") == 0
    stroke((60, 300), (0, -20))
    page.wait_for_timeout(300)
    assert page.evaluate("scrollY") > 50, "a finger on the photo scrolls"
    page.locator(".close canvas").scroll_into_view_if_needed()
    box = page.locator(".close canvas").bounding_box()
    stroke((box["x"] + 40, box["y"] + 60), (10, 0))
    page.wait_for_url(re.compile(r"unit=\d+\.\d+"))
    context.close()
