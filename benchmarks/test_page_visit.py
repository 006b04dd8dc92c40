"""The page in a browser: how soon it answers, how often while a square is dragged, what it weighs."""

from __future__ import annotations

import gzip
import math
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browsing import browser, new_page
from page_visits import served

from alexnet_edu.page import page_files, single_file

Record = Any
FILES = page_files()
VISITS = 5
MOVES = 120


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as one:
        yield one


def visit(chromium: Any, address: str) -> tuple[Any, float]:
    """A page after its first answer, and the milliseconds that it took."""
    page = new_page(chromium, 1280, 900)
    page.goto(address)
    page.locator("html[data-ready]").wait_for()
    return page, float(page.locator("html").get_attribute("data-ready"))


def test_ready(chromium: Any, tmp_path: Path, record_property: Record) -> None:
    (tmp_path / "alexnet.html").write_text(single_file(FILES), encoding="utf-8")
    with served(FILES) as address:
        for name, where in (("a local server", address), ("one file", (tmp_path / "alexnet.html").as_uri())):
            times = []
            for _ in range(VISITS):
                page, milliseconds = visit(chromium, where)
                times.append(milliseconds)
                page.context.close()
            text = f"page, from opening to the first answer, {name}: {statistics.median(times):.0f} ms"
            record_property("measured", f"{text} (best {min(times):.0f})")


def test_answers(chromium: Any, record_property: Record) -> None:
    with served(FILES) as address:
        page, _ = visit(chromium, address)
        page.locator("html[data-surveyed]").wait_for()
        passes, whole = [], []
        for number in range(page.locator(".strip button").count()):
            whole.append(page.evaluate(CHOOSE, number))
            passes.append(float(page.locator("#time").inner_text().split()[0]))
        layers = [page.evaluate(LAYER, index) for index in range(page.locator("#network a").count())]
        record_property(
            "measured",
            f"page, median ms: a pass through all layers {statistics.median(passes):.0f} (best {min(passes):.0f}), "
            f"a photo chosen to everything drawn {statistics.median(whole):.0f} (best {min(whole):.0f}), "
            f"another layer {statistics.median(layers):.0f} (best {min(layers):.0f})",
        )
        record_property("measured", f"page, a square dragged over the photo: {dragged(page):.0f} answers a second")
        page.context.close()


# From a click to the picture on the screen.
CHOOSE = """async (number) => {
  const before = document.documentElement.dataset.answers;
  const start = performance.now();
  document.querySelectorAll(".strip button")[number].click();
  while (document.documentElement.dataset.answers === before) await new Promise((next) => setTimeout(next, 1));
  await new Promise(requestAnimationFrame);
  return performance.now() - start;
}"""
LAYER = """async (index) => {
  const name = document.querySelector("#layer-name");
  const start = performance.now();
  const link = document.querySelectorAll("#network a")[index];
  link.click();
  while (name.textContent !== link.textContent) await new Promise((next) => setTimeout(next, 1));
  await new Promise(requestAnimationFrame);
  return performance.now() - start;
}"""


def dragged(page: Any) -> float:
    """Answers a second while a square goes round and round."""
    photo = page.locator(".photo").bounding_box()
    page.mouse.move(photo["x"] + photo["width"] / 2, photo["y"] + photo["height"] / 2)
    page.mouse.down()
    count, start = answers(page), time.perf_counter()
    for step in range(MOVES):
        angle = step / 8
        page.mouse.move(
            photo["x"] + photo["width"] * (0.5 + 0.3 * math.cos(angle)),
            photo["y"] + photo["height"] * (0.5 + 0.3 * math.sin(angle)),
        )
        page.wait_for_timeout(16)
    rate = (answers(page) - count) / (time.perf_counter() - start)
    page.mouse.up()
    return rate


def answers(page: Any) -> int:
    return int(page.locator("html").get_attribute("data-answers"))


def test_memory(chromium: Any, record_property: Record) -> None:
    """What the tab's process holds by itself, its worker and WebAssembly included, beyond an empty tab's."""
    with served({**FILES, "blank.html": b"<!doctype html><title>blank</title>"}) as address:
        used = []
        for path in ("blank.html", ""):
            page = new_page(chromium, 1280, 900)
            page.goto(address + path)
            if not path:
                page.locator("html[data-surveyed]").wait_for()
            used.append(max(private(number) for number in renderers(chromium)))
            page.context.close()
    empty, full = used
    record_property("measured", f"page, memory of its tab's process: {full:.0f} MB, of an empty tab's {empty:.0f} MB")


def renderers(chromium: Any) -> list[int]:
    """The processes that hold tabs."""
    found = chromium.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
    return [process["id"] for process in found if process["type"] == "renderer"]


def private(process: int) -> float:
    """Megabytes of a process's private memory; Linux tells."""
    try:
        text = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="utf-8")
    except OSError:
        return math.nan
    return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Private_")) / 1024


def test_sizes(record_property: Record) -> None:
    def weight(paths: list[str]) -> str:
        return f"{sum(len(gzip.compress(FILES[path])) for path in paths) / 1e3:.0f} kB"

    pictures = [path for path in FILES if path.startswith("pictures/")]
    code = [path for path in FILES if path not in (*pictures, "network.safetensors")]
    record_property(
        "measured",
        f"page, compressed: code and description {weight(code)}, pictures {weight(pictures)}, "
        f"weights {weight(['network.safetensors'])}; one file {len(single_file(FILES)) / 1e6:.1f} MB",
    )
