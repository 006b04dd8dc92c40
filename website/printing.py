"""The whole course as one PDF, printed by a headless Chromium."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# A printed page cannot be unfolded, a picture that was never in view must be there, and a book has a table of contents.
READY = """async () => {
  document.querySelector(".cards").replaceWith(document.querySelector(".sidebar-tree").cloneNode(true));
  for (const folded of document.querySelectorAll("details")) folded.open = true;
  const pictures = [...document.images];
  for (const picture of pictures) picture.loading = "eager";
  await Promise.all(pictures.map((picture) => picture.decode().catch(() => null)));
}"""
FOOTER = '<div style="font-size:8px;width:100%;text-align:center"><span class="pageNumber"></span></div>'


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless Chromium or Chrome.

    Raises:
        SystemExit: there is none.
    """
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        raise SystemExit("error: this needs Chromium or Chrome, and none is on the path.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


def print_course(page: Path, pdf: Path) -> str:
    """Prints a page with an outline and a table of contents, and says how large the file is."""
    with chromium() as browser:
        tab = browser.new_page()
        tab.goto(page.as_uri())
        tab.emulate_media(media="print", color_scheme="light")
        tab.evaluate(READY)
        tab.pdf(
            path=pdf,
            format="A4",
            margin={"top": "16mm", "bottom": "18mm", "left": "16mm", "right": "16mm"},
            outline=True,
            tagged=True,
            print_background=True,
            display_header_footer=True,
            header_template="<div></div>",
            footer_template=FOOTER,
        )
    return f"{pdf.name}: {pdf.stat().st_size / 1e6:.1f} MB"
