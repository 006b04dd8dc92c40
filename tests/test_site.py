"""The site as it is built from this tree: complete, linked, light, readable on a phone and without a mouse."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import html5lib
import pages as pages_of_the_site
import pytest
from axe_playwright_python.sync_playwright import Axe
from browsing import browser, free_port, new_page, screenshot, server
from hour import SECTIONS, hour, minutes
from notebook_files import ROOT, headings, notebook_paths, read, title

import alexnet_edu

READABLE = (
    "index.html",
    "notebooks/hour.html",
    *(f"notebooks/{path.stem}.html" for path in notebook_paths()),
    "api.html",
    "docs/glossary.html",
    "atlas/index.html",
    "atlas/conv3/index.html",
    "atlas/conv3/150.html",
)


class Page(HTMLParser):
    """What a page links to, where it can be linked to, and the text of its headings."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.text = path.read_text(encoding="utf-8")
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.anchors |= {value for name in ("id", "name") if (value := found.get(name))}
        self.links += [value for name in ("href", "src") if (value := found.get(name))]


@pytest.fixture(scope="session")
def site() -> Path:
    """The site, built as an author builds it."""
    done = subprocess.run([sys.executable, "website/build.py"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return ROOT / "build" / "site"


@pytest.fixture(scope="session")
def pages(site: Path) -> dict[str, Page]:
    return {path.relative_to(site).as_posix(): Page(path) for path in site.rglob("*.html") if "live" not in path.parts}


def test_every_link_leads_to_a_page_and_a_place_in_it(site: Path, pages: dict[str, Page]) -> None:
    lost = []
    for name, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (site / name).parent / unquote(parts.path) if parts.path else site / name
            inside = pages.get(target.resolve().relative_to(site).as_posix())
            if not target.exists() or (parts.fragment and inside and unquote(parts.fragment) not in inside.anchors):
                lost.append(f"{name}: {link}")
    assert lost == []


def test_every_page_is_valid_html(pages: dict[str, Page]) -> None:
    faults = {}
    for name, page in pages.items():
        if re.fullmatch(r"atlas/\w+/\d*[1-9]\.html", name):
            continue  # 1,813 pages of one make: each tenth will do
        parser = html5lib.HTMLParser()
        parser.parse(page.text)
        faults[name] = [(place, code) for place, code, _ in parser.errors]
    assert {name: found for name, found in faults.items() if found} == {}


def test_nothing_is_fetched_from_elsewhere(pages: dict[str, Page]) -> None:
    fetched = re.compile(r"""<(?:script|img|link|iframe)[^>]+(?:src|href)="(https?://[^"]+)""")
    assert {name: found for name, page in pages.items() if (found := fetched.findall(page.text))} == {}


@pytest.mark.parametrize("path", notebook_paths(), ids=lambda path: path.stem)
def test_a_notebook_is_a_page(path: Path, pages: dict[str, Page]) -> None:
    page, notebook = pages[f"notebooks/{path.stem}.html"], read(path)
    assert f"<h1>{title(notebook)}" in page.text.replace("’", "'")
    pictures = sum("data:image" in str(output) for cell in notebook.cells for output in cell.get("outputs", []))
    assert page.text.count("../_pictures/") >= pictures
    assert "../docs/glossary.html#" in page.text
    assert len(page.text.encode()) < 1e6  # what a phone loads before it shows the first line
    assert "data:image" not in page.text


def test_the_hour_is_one_page_of_the_sections_that_notebook_1_names(pages: dict[str, Page]) -> None:
    shown = [text for cell in hour().cells for level, text in headings(cell) if level == 2]
    assert len(shown) == sum(map(len, SECTIONS.values())) and "Exercise" not in pages["notebooks/hour.html"].text
    assert minutes(hour()) <= 60
    opening = next(cell.source for cell in read(notebook_paths()[0]).cells if "**Only an hour?**" in cell.source)
    first, second, third, fourth = map(in_words, SECTIONS.values())
    assert f"sections {first} here, {second} of [notebook 2]" in opening
    assert f"{third} of [notebook 3b]" in opening and fourth == "1 and 2" and "the first two of [notebook 4]" in opening


def in_words(places: tuple[int, ...]) -> str:
    """(1, 2, 3) is "1 to 3", (1, 5, 9) is "1, 5 and 9"."""
    if len(places) > 2 and places[-1] - places[0] == len(places) - 1:
        return f"{places[0]} to {places[-1]}"
    return f"{', '.join(map(str, places[:-1]))} and {places[-1]}"


def test_the_atlas_has_a_light_page_for_every_unit(site: Path, pages: dict[str, Page]) -> None:
    stored = json.loads((ROOT / "atlas" / "atlas.json").read_text(encoding="utf-8"))["layers"]
    for layer, told in stored.items():
        assert told["units"].keys() == {str(unit) for unit in range(len(told["units"]))}
        for unit in told["units"]:
            page = pages[f"atlas/{layer}/{unit}.html"]
            pictures = {link for link in page.links if link.endswith(".webp")}
            weight = sum((site / "atlas" / layer / link).stat().st_size for link in pictures) + len(page.text.encode())
            assert weight < 250_000, (layer, unit)
            assert {f"../{layer}/{unit}.webp".rpartition("/")[2], "index.html", "../index.html"} <= set(page.links)
    assert f"{sum(len(told['units']) for told in stored.values()):,} units" in pages["atlas/index.html"].text
    assert "../atlas/" in json.loads((site / "live" / "network.json").read_text(encoding="utf-8"))["atlas"]


def test_links_to_the_atlas_lead_to_its_pages() -> None:
    source = "See [the atlas](../atlas/README.md) and [conv3](../atlas/conv3.webp)."
    found = pages_of_the_site.with_links(source, "notebooks/09_see_inside.ipynb", set(), None)
    assert found == "See <a href='../atlas/index.html'>the atlas</a> and <a href='../atlas/conv3/index.html'>conv3</a>."


def test_every_public_name_is_explained(pages: dict[str, Page]) -> None:
    assert {name.rpartition(".")[2] for name in pages["api.html"].anchors} >= set(alexnet_edu.__all__)


def test_every_claim_has_its_row(pages: dict[str, Page]) -> None:
    claims = json.loads((ROOT / "alexnet_edu" / "assets" / "claims.json").read_text(encoding="utf-8"))
    assert pages["numbers.html"].text.count("<tr") == len(claims) + 1


@pytest.fixture(scope="module")
def tab(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    port = free_port()
    command = ["-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(site)]
    log = tmp_path_factory.mktemp("site") / "log"
    with browser() as chromium, server(command, f"http://localhost:{port}/", log) as address:
        page = new_page(chromium)
        page.address = address
        yield page


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", READABLE)
def test_a_page_reads_well_on_a_phone_and_by_a_screen_reader(name: str, scheme: str, tab: Any) -> None:
    tab.emulate_media(color_scheme=scheme)
    for width, height in ((390, 844), (1280, 800)):
        tab.set_viewport_size({"width": width, "height": height})
        answer = tab.goto(f"{tab.address}{name}")
        assert answer.ok
        screenshot(tab, f"site-{Path(name).stem}-{scheme}-{width}")
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
    found = Axe().run(tab).response["violations"]
    serious = [(one["id"], one["nodes"][0]["html"][:120]) for one in found if one["impact"] in ("serious", "critical")]
    assert serious == [] and tab.faults == []


def test_pictures_side_by_side_keep_their_shapes(tab: Any) -> None:
    tab.goto(f"{tab.address}notebooks/06_feature_maps.html")
    tab.locator("div[style*='display:flex'] > img").last.scroll_into_view_if_needed()
    tab.wait_for_function(
        "[...document.querySelectorAll(\"div[style*='display:flex'] > img\")].every((i) => i.complete)"
    )
    shapes = tab.evaluate(
        """[...document.querySelectorAll("div[style*='display:flex'] > img")]
        .map((i) => [i.clientWidth / i.clientHeight, i.naturalWidth / i.naturalHeight])"""
    )
    assert len(shapes) > 1 and all(shown == pytest.approx(own, rel=0.02) for shown, own in shapes)


def test_what_a_page_weighs(site: Path, pages: dict[str, Page], record_property: Callable[[str, object], None]) -> None:
    heaviest = max(pages, key=lambda name: len(pages[name].text))
    shared = sum(path.stat().st_size for path in (site / "_static").rglob("*") if path.suffix in (".css", ".js"))
    text = f"{len(pages)} pages, the heaviest {heaviest} with {len(pages[heaviest].text) / 1e3:.0f} kB"
    record_property("measured", f"site: {text}, styles and scripts {shared / 1e3:.0f} kB")
