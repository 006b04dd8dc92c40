"""Sphinx's settings. The pages are prepared by ``build.py``; nothing is executed, the stored outputs are shown."""

import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

sys.path.insert(0, str(ROOT / "website"))

project = "alexnet-edu"
author = PROJECT["authors"][0]["name"]
copyright = f"{author}. Text and figures CC BY 4.0, code MIT"
release = version = PROJECT["version"]

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "mathml"]
html_math_renderer = "mathml"
nb_execution_mode = "off"
nb_merge_streams = True
nb_code_prompt_show = "Show the {type}"
nb_code_prompt_hide = "Hide the {type}"
myst_enable_extensions = ["dollarmath", "html_image"]
myst_heading_anchors = 4
# MyST reads a Markdown link to a file beside the page; the other kinds of reference are not used here.
suppress_warnings = ["myst.header", "mystnb.unknown_mime_type"]
nitpicky = False

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
napoleon_use_param = False
napoleon_use_rtype = False

html_theme = "furo"
html_title = "alexnet-edu"
html_static_path = [str(ROOT / "website" / "static")]
html_css_files = ["site.css"]
html_js_files = ["focus.js"]
html_show_sphinx = False
html_copy_source = False
html_theme_options = {
    "top_of_page_buttons": [],
    "light_css_variables": {"color-brand-primary": "#005a9c", "color-brand-content": "#005a9c"},
    "dark_css_variables": {"color-brand-primary": "#7cc4ff", "color-brand-content": "#7cc4ff"},
}
