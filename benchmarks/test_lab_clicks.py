"""From a click in JupyterLab to the pixels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from browsing import Instrument, percentile_95
from notebook_files import notebook_paths
from test_browser_lab import CLOSE, OPEN, RUN, lab

__all__ = ["lab"]


def test_a_click_in_jupyterlab(lab: Any, record_property: Callable[[str, object], None]) -> None:
    [path] = [path for path in notebook_paths() if path.name.startswith("06")]
    lab.evaluate(OPEN, path.name)
    try:
        assert lab.evaluate(RUN) == []
        explorer = Instrument(lab, "Map")
        explorer.box.scroll_into_view_if_needed()
        p95 = percentile_95(explorer.latencies("Layer", ["conv2", "pool2", "conv4", "conv5", "conv1"] * 6))
        record_property("measured", f"JupyterLab, click to maps of another layer: 95 of 100 within {p95:.0f} ms")
    finally:
        lab.evaluate(CLOSE)
