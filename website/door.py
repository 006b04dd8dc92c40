"""Takes the README's picture anew: the living network as a reader meets it, by day and by night.

``uv run --group dev python website/door.py`` writes ``docs/images/door-light.webp`` and ``door-dark.webp``.
"""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image
from printing import chromium

from alexnet_edu.cli.main import main as command

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "images"
WIDTH, HEIGHT = 1280, 800


def take_pictures(page: Path, folder: Path) -> None:
    """Photographs the page once the network has answered, and its drawing is there."""
    with chromium() as browser:
        for scheme in ("light", "dark"):
            tab = browser.new_context(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme=scheme).new_page()
            tab.goto(page.as_uri())
            tab.get_by_text("sunflower").first.wait_for()
            tab.wait_for_timeout(1500)  # pictures fade in
            data = tab.screenshot()
            Image.open(io.BytesIO(data)).save(folder / f"door-{scheme}.webp", quality=80, method=6)


def main() -> int:
    """Writes both pictures; the exit status."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.html"
        command(["page", "--out", str(page)])
        take_pictures(page, FOLDER)
    return 0


if __name__ == "__main__":
    sys.exit(main())
