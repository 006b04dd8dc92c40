"""Every notebook in JupyterLab, in a browser: all cells run, and the explorers show what the reader chooses."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from browsing import (
    CUT_OFF,
    Instrument,
    browser,
    free_port,
    new_page,
    screenshot,
    server,
    wait_for_drawing,
    wait_for_pixels,
)
from notebook_files import notebook_paths

from alexnet_edu import tiles
from alexnet_edu.diagram import architecture_svg
from alexnet_edu.features import feature_maps, filters
from alexnet_edu.images import sample_images
from alexnet_edu.variants import SPECS
from alexnet_edu.weights import Pretrained, load_pretrained

TOKEN = "only-this-test"
NOT_NEEDED = ("jupyter_lsp", "jupyter_server_terminals", "notebook", "notebook_shim")
NBGRADER = [
    f"nbgrader.server_extensions.{name}"
    for name in ("assignment_list", "course_list", "formgrader", "validate_assignment")
]
NO_NEWS = '{"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": true}}'
OPEN = """async (path) => {
  const app = window.jupyterapp;
  await app.restored;
  app.shell.collapseLeft();
  for (const open of [...app.shell.widgets("main")]) open.dispose();
  const panel = await app.commands.execute("docmanager:open", { path, factory: "Notebook" });
  await panel.context.ready;
  await panel.context.sessionContext.ready;
  app.shell.activateById(panel.id);
}"""
RUN = """async () => {
  const app = window.jupyterapp;
  await app.commands.execute("notebook:run-all-cells");
  const faults = [];
  for (const cell of app.shell.currentWidget.content.model.cells) {
    for (let i = 0; cell.type === "code" && i < cell.outputs.length; i++) {
      const output = cell.outputs.get(i).toJSON();
      if (output.output_type === "error") faults.push(`${output.ename}: ${output.evalue}`);
    }
    if (cell.type === "code" && cell.executionCount === null) faults.push(`not run: ${cell.sharedModel.source}`);
  }
  return faults;
}"""
CHANGED = """async () => {
  const panel = window.jupyterapp.shell.currentWidget;
  await panel.sessionContext.session.kernel.info;
  await new Promise((resolve) => setTimeout(resolve, 500));  // what JupyterLab does with the kernel's answer
  return panel.context.model.dirty;
}"""
CLOSE = """async () => {
  const panel = window.jupyterapp.shell.currentWidget;
  await panel.context.sessionContext.shutdown();
  await panel.context.save();
  panel.dispose();
}"""


@pytest.fixture(scope="module")
def small() -> Pretrained:
    return load_pretrained("small")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """JupyterLab in the browser, on a copy of the notebooks, with nobody's settings."""
    home = tmp_path_factory.mktemp("lab")
    shutil.copytree(notebook_paths()[0].parent, home / "notebooks", ignore=shutil.ignore_patterns(".*"))
    (home / "_CONFIG" / "labconfig").mkdir(parents=True)
    (home / "_CONFIG" / "labconfig" / "page_config.json").write_text(NO_NEWS, encoding="utf-8")
    port = free_port()
    options = {
        "ServerApp.port": port, "ServerApp.root_dir": home / "notebooks", "IdentityProvider.token": TOKEN,
        "ServerApp.open_browser": False, "ServerApp.allow_root": True, "LabApp.expose_app_in_browser": True,
        "LabApp.news_url": None, "LabApp.check_for_updates_class": "jupyterlab.NeverCheckForUpdate",
        "KernelManager.autorestart": False,
        **{f"ServerApp.jpserver_extensions={name}": False for name in (*NOT_NEEDED, *NBGRADER)},
    }  # fmt: skip
    folders = {
        f"JUPYTER{name}_DIR": str(home / name) for name in ("_CONFIG", "_DATA", "LAB_SETTINGS", "LAB_WORKSPACES")
    }
    command = ["-m", "jupyterlab", *(f"--{name}={value}" for name, value in options.items())]
    with browser() as chromium, server(command, f"http://localhost:{port}/", home / "log", **folders) as address:
        page = new_page(chromium)
        page.goto(f"{address}lab?token={TOKEN}&reset")
        page.wait_for_function("window.jupyterapp")
        yield page


def change_architecture(page: Any, small: Pretrained) -> None:
    explorer = Instrument(page, "Network")
    for network, layer in [("paper", "conv4"), ("torchvision", "fc6")]:
        explorer.choose("Network", SPECS[network].title)
        explorer.choose("Layer", layer)
        wait_for_drawing(explorer.box.locator("svg").first, architecture_svg(SPECS[network], highlight=layer))
        assert layer in explorer.message()


def change_predictions(page: Any, small: Pretrained) -> None:
    explorer = Instrument(page, "Zoom (%)")
    for name in ("cat", "rocket"):
        explorer.choose("Picture", name)
        wait_for_pixels(explorer.image(), small.preprocess.crop(sample_images()[name].open()))
        assert name in explorer.message()


def change_filters(page: Any, small: Pretrained) -> None:
    explorer = Instrument(page, "Filter")
    for layer, view, text, channel in [
        ("conv1", "spectrum", "frequencies", 7),
        ("conv3", "strongest", "strongest connection", 11),
    ]:
        explorer.choose("Layer", layer)
        explorer.box.locator("[role=status]", has_text=layer).wait_for()  # the views on offer are the layer's
        explorer.choose("View", text)
        explorer.set("Filter", channel)
        groups = small.model.spec[layer].groups  # type: ignore[attr-defined]
        found = tiles.filter_view(filters(small, layer).numpy(), view, groups=groups)
        wait_for_pixels(explorer.image(), found.picture(marked=channel, width=420))


def change_maps(page: Any, small: Pretrained) -> None:
    explorer = Instrument(page, "Map")
    click_a_map(explorer, small)
    explorer.choose("Show", "all maps")
    explorer.choose("Scale", "one for all maps")
    for picture, layer, channel in [("cat", "conv1", 5), ("cat", "conv4", 30), ("coffee", "pool5", 3)]:
        explorer.choose("Picture", picture)
        explorer.choose("Layer", layer)
        shown = layer.replace("conv", "relu")
        explorer.box.locator("[role=status]", has_text=shown).wait_for()  # else the new layer undoes what is typed
        explorer.set("Map", channel)
        maps = feature_maps(small, sample_images()[picture].open(), shown)[shown][0].numpy()
        wait_for_pixels(explorer.image(), tiles.tile_maps(maps, marked=channel, width=600))


def click_a_map(explorer: Instrument, small: Pretrained) -> None:
    """The sixth of the strongest maps, and then what lies in a corner of the picture."""
    explorer.choose("Picture", "cat")
    explorer.choose("Layer", "conv5")
    explorer.box.locator("[role=status]", has_text="relu5").wait_for()
    maps = feature_maps(small, sample_images()["cat"].open(), "relu5")["relu5"][0].numpy()
    explorer.box.locator(".widget-radio-box").nth(0).locator("label").nth(5).click()
    number = tiles.strongest_maps(maps)[5]
    explorer.box.locator("[role=status]", has_text=f"map {number} over").wait_for()
    explorer.box.locator(".widget-radio-box").nth(1).locator("label").nth(0).click()
    explorer.box.locator("[role=status]", has_text="row 0, column 0").wait_for()


def change_layers(page: Any, small: Pretrained) -> None:
    """Another kernel on another picture, and a click on a cell of the output."""
    convolution = Instrument(page, "Kernel")
    convolution.choose("Kernel", "horizontal edges")
    convolution.choose("Picture", "a corner")
    convolution.box.locator("button[title='row 2, column 3']").click()
    convolution.box.locator("[role=status]", has_text="Row 2, column 3").wait_for()
    assert convolution.message().endswith("= 27.") and convolution.box.locator("button.mod-warning").count() == 1
    screenshot(page, "lab-03-convolution")


CHANGES: dict[str, tuple[str, Callable[[Any, Pretrained], None]]] = {
    "02": ("Network", change_architecture),
    "03": ("Kernel", change_layers),
    "04": ("Zoom (%)", change_predictions),
    "05": ("Filter", change_filters),
    "06": ("Map", change_maps),
}


@pytest.mark.parametrize("path", notebook_paths(), ids=lambda path: path.stem)
def test_notebook_runs_and_its_explorer_obeys(path: Path, lab: Any, small: Pretrained) -> None:
    lab.evaluate(OPEN, path.name)
    try:
        assert not lab.evaluate(CHANGED), "opening alone changes the notebook"
        assert lab.evaluate(RUN) == []
        label, change = CHANGES.get(path.name.partition("_")[0], (None, None))
        if label and change:
            explorer = Instrument(lab, label)
            explorer.box.scroll_into_view_if_needed()
            change(lab, small)
            check_widths(lab, explorer, path.stem)
        assert lab.faults == []
    finally:
        lab.evaluate(CLOSE)


def check_widths(page: Any, explorer: Instrument, name: str) -> None:
    """Nothing is cut off, on a small laptop and beside another window."""
    for width, height in ((480, 900), (1024, 768)):
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(300)
        explorer.box.scroll_into_view_if_needed()
        screenshot(page, f"lab-{name}-{width}")
        assert page.evaluate(CUT_OFF, explorer.box.element_handle()) == []
