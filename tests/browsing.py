"""A browser that reaches this machine only, the servers it visits, and the pixels it shows."""

from __future__ import annotations

import base64
import io
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ipywidgets
import numpy as np
import pytest
from PIL import Image
from printing import BROWSERS

ROOT = Path(__file__).parent.parent
SCREENSHOTS = ROOT / "build" / "screenshots"
SECONDS = 120.0  # what a busy machine may take for anything

# From a change of a menu to the picture on the screen, for each option: the reader's wait, in milliseconds.
LATENCIES = """async ([select, image, options]) => {
  const times = [];
  for (const option of options) {
    const before = image.src, start = performance.now();
    const changed = new Promise((resolve) => {
      const observer = new MutationObserver(() => { if (image.src !== before) { observer.disconnect(); resolve(); } });
      observer.observe(image, { attributes: true });
    });
    select.value = option;
    select.dispatchEvent(new Event("change", { bubbles: true }));
    await changed;
    await image.decode();
    await new Promise(requestAnimationFrame);
    times.push(performance.now() - start);
  }
  return times;
}"""
PIXELS = """async (image) => {
  await image.decode().catch(() => null);  // fails when the next picture is already on its way
  if (!image.complete || !image.naturalWidth) return null;
  const canvas = document.createElement("canvas");
  canvas.width = image.naturalWidth;
  canvas.height = image.naturalHeight;
  canvas.getContext("2d").drawImage(image, 0, 0);
  return canvas.toDataURL("image/png");
}"""
CUT_OFF = """(box) => [...box.querySelectorAll("select, button, .noUi-handle, .widget-readout, img")]
  .filter((part) => part.offsetParent !== null)
  .filter((part) => { const { left, right } = part.getBoundingClientRect(); return left < 0 || right > innerWidth; })
  .map((part) => part.outerHTML.slice(0, 100))"""


def executable(playwright: Any) -> str:
    """The browser that is there; without one the test is skipped, or fails where ``ALEXNET_EDU_BROWSER=needed``."""
    found = [path for path in map(shutil.which, BROWSERS) if path]
    found += [path for path in (playwright.chromium.executable_path,) if Path(path).exists()]
    if not found:
        give_up = pytest.fail if os.environ.get("ALEXNET_EDU_BROWSER") == "needed" else pytest.skip
        give_up(
            f"no browser: none of {', '.join(BROWSERS)} is on the path, and `playwright install chromium` was not run"
        )
    return found[0]


@contextmanager
def browser() -> Iterator[Any]:
    """A headless Chromium for which other machines do not exist."""
    if int(ipywidgets.__version__.split(".")[0]) < 8:
        pytest.skip("current JupyterLab shows widgets of ipywidgets 8 only")
    from playwright.sync_api import sync_playwright

    arguments = ["--no-sandbox", "--no-proxy-server", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost"]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable(playwright), args=arguments)
        try:
            yield chromium
        finally:
            chromium.close()


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as taken:
        taken.bind(("localhost", 0))
        return int(taken.getsockname()[1])


@contextmanager
def server(arguments: Sequence[str], address: str, log: Path, **environment: str) -> Iterator[str]:
    """A Python server that answers at ``address``; it and its kernels are gone afterwards."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *arguments], stdout=output, stderr=output, env={**os.environ, **environment}
        )
    try:
        wait_until_it_answers(address, process, log)
        yield address
    finally:
        process.terminate()  # it ends its kernels; without it they would end themselves
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until_it_answers(address: str, process: Any, log: Path) -> None:
    """Until a path that no server has gives an HTTP error, which starts no kernel."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            urllib.request.urlopen(f"{address}api/none", timeout=5).close()
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"the server did not start:\n{log.read_text(errors='replace')}")


def new_page(chromium: Any, width: int = 1024, height: int = 768) -> Any:
    """A page that knows (``page.faults``) of errors in its scripts and of requests that would leave this machine."""
    page = chromium.new_context(viewport={"width": width, "height": height}).new_page()
    page.set_default_timeout(SECONDS * 1000)
    page.faults = []
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    page.on("request", lambda request: page.faults.extend([request.url] if leaves(request.url) else []))
    return page


def leaves(url: str) -> bool:
    """Whether an address is another machine's."""
    return re.match(r"(https?|wss?)://(?!localhost[:/])", url) is not None


def screenshot(page: Any, name: str, **options: Any) -> None:
    """Keeps what the page looks like, for people."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png", **options)


class Instrument:
    """An explorer on a page, found by a label that only it has, and used as a reader does."""

    def __init__(self, page: Any, label: str) -> None:
        own = page.locator(".widget-label", has_text=re.compile(f"^{re.escape(label)}$"))
        self.page, self.box = page, page.locator(".widget-vbox").filter(has=own).first
        self.box.wait_for()

    def choose(self, label: str, option: str) -> None:
        self.menu(label).select_option(label=option)

    def menu(self, label: str) -> Any:
        return self.box.get_by_label(label, exact=True)

    def slider(self, label: str) -> Any:
        own = self.page.locator(".widget-label", has_text=re.compile(f"^{re.escape(label)}$"))
        return self.box.locator(".widget-slider").filter(has=own)

    def set(self, label: str, value: int) -> None:
        """Types a number beside the slider; again where the effect of an earlier choice came between key and Enter."""
        readout, end = self.slider(label).locator(".widget-readout"), time.monotonic() + SECONDS
        while time.monotonic() < end:
            readout.fill(str(value))
            readout.press("Enter")
            self.page.wait_for_timeout(100)
            if readout.inner_text() == str(value):
                return
        raise AssertionError(f"{label} does not take {value}; it shows {readout.inner_text()}")

    def image(self, number: int = 0) -> Any:
        return self.box.locator("img").nth(number)

    def message(self) -> str:
        return str(self.box.locator("[role=status], [role=alert]").first.inner_text())

    def latencies(self, label: str, options: Sequence[str], image: int = 0) -> list[float]:
        """Milliseconds from each change of a menu to the picture."""
        handles = [self.menu(label).element_handle(), self.image(image).element_handle()]
        return list(self.page.evaluate(LATENCIES, [*handles, list(options)]))


def pixels(image: Any) -> np.ndarray:
    """What an <img> holds at its natural size, ``(H, W, 3)``; nothing while it is loading."""
    data = image.evaluate(PIXELS)
    if data is None:
        return np.empty((0, 0, 3))
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data.partition(",")[2]))).convert("RGB"))


def wait_for_pixels(image: Any, expected: Image.Image, seconds: float = 20.0) -> None:
    """Until the page shows the expected picture; two processes may round a few values differently."""
    wanted, end = np.asarray(expected.convert("RGB")), time.monotonic() + seconds
    while (shown := pixels(image)).shape != wanted.shape or np.abs(shown.astype(int) - wanted).mean() > 0.3:
        if time.monotonic() > end:
            save("failed-shown", shown)
            save("failed-wanted", wanted)
            title = image.get_attribute("title")
            raise AssertionError(f"another picture: {title}, {shown.shape}, not {wanted.shape}; see {SCREENSHOTS}")
        time.sleep(0.05)


def save(name: str, shown: np.ndarray) -> None:
    """Keeps pixels beside the screenshots."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    Image.fromarray(shown.astype(np.uint8)).save(SCREENSHOTS / f"{name}.png")


def wait_for_drawing(drawing: Any, expected: str, seconds: float = 20.0) -> None:
    """Until an <svg> on the page is the expected one, as the browser itself writes both."""
    written = (
        "(shown, text) => { const one = document.createElement('div'); one.innerHTML = text; return one.innerHTML; }"
    )
    wanted, end = drawing.evaluate(written, expected), time.monotonic() + seconds
    while drawing.evaluate("(shown) => shown.outerHTML") != wanted:
        assert time.monotonic() < end, "the page shows another drawing"
        time.sleep(0.05)


def percentile_95(times: Sequence[float]) -> float:
    """The time that 95 of 100 clicks stay below."""
    return float(np.percentile(times, 95))
