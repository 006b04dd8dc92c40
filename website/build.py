"""Builds the site from the stored outputs of the notebooks: ``uv run --group site python website/build.py``.

The pages stand in ``build/site`` afterwards; ``--pdf`` also prints the whole course to ``build/alexnet-edu.pdf``, which
needs Chromium. Nothing is executed and nothing is fetched.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tools"))

from atlas_pages import write_atlas
from notebook_files import ROOT
from pages import PICTURES, prepare
from sphinx.cmd.build import build_main

from alexnet_edu.page import page_files, write_folder

BUILD = ROOT / "build"
SITE, SOURCE, PRINTED = (BUILD / name for name in ("site", "site-source", "site-printed"))


def sphinx(builder: str, out: Path) -> None:
    """Runs Sphinx, for which a warning is a fault.

    Raises:
        SystemExit: a page has a fault; Sphinx has named it.
    """
    shutil.rmtree(out, ignore_errors=True)
    settings = ["-q", "-W", "--keep-going", "-b", builder, "-c", str(ROOT / "website")]
    if build_main([*settings, "-d", str(BUILD / "site-doctrees"), str(SOURCE), str(out)]):
        raise SystemExit("error: the site has the faults named above.")
    for page in out.rglob("*.html"):  # the theme's captions say that they are headings, and not of which level
        content = page.read_text(encoding="utf-8")
        page.write_text(content.replace('role="heading">', 'role="heading" aria-level="2">'), encoding="utf-8")
    shutil.copytree(PICTURES, out, dirs_exist_ok=True)
    (out / ".nojekyll").touch()  # without it GitHub leaves out folders that begin with an underscore


def main(argv: Sequence[str] | None = None) -> int:
    """Builds the site and, if wished, the PDF; the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pdf", action="store_true", help="also print the whole course")
    given = parser.parse_args(argv)
    shutil.rmtree(PICTURES, ignore_errors=True)
    shutil.copytree(ROOT / "docs" / "images", PICTURES / "_pictures")
    prepare(SOURCE)
    sphinx("html", SITE)
    write_folder(page_files(atlas="../atlas/"), SITE / "live")
    write_atlas(SITE / "atlas")
    print(f"{SITE.relative_to(ROOT)}: {sum(1 for _ in SITE.rglob('*.html'))} pages")
    if given.pdf:
        from printing import print_course

        prepare(SOURCE, printed=True)
        sphinx("singlehtml", PRINTED)
        page = PRINTED / "index.html"  # all pages in one, which stands beside the pictures
        page.write_text(page.read_text(encoding="utf-8").replace("../_pictures/", "_pictures/"), encoding="utf-8")
        print(print_course(page, BUILD / "alexnet-edu.pdf"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
