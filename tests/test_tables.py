from __future__ import annotations

import pytest

from alexnet_edu.tables import Table

NAMES = Table(["layer", "maps"], [("conv1", 96), ("<b>", 256)], caption="a & b", left=1)


def test_text_is_aligned() -> None:
    assert str(NAMES).splitlines() == ["layer  maps", "conv1    96", "<b>     256"]
    assert repr(NAMES) == str(NAMES)


def test_all_columns_left_by_default() -> None:
    assert str(Table(["a", "b"], [("long", 1)])).splitlines() == ["a     b", "long  1"]


def test_html_is_escaped_and_complete() -> None:
    html = NAMES._repr_html_()
    assert "&lt;b&gt;" in html and "<caption>a &amp; b</caption>" in html
    assert html.count("<th ") == 2 and html.count("<td ") == 4
    assert html.count("text-align:right") == 3
    assert "<caption>" not in Table(["a"], [])._repr_html_()


def test_ragged_rows_are_refused() -> None:
    with pytest.raises(ValueError):
        str(Table(["a", "b"], [(1,)]))
