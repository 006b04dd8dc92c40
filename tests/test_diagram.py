"""The drawing says what the spec says."""

import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest

from alexnet_edu.diagram import HEIGHT, MAPS, UNITS, architecture_svg
from alexnet_edu.errors import AlexNetError
from alexnet_edu.geometry import layer_table
from alexnet_edu.specs import Conv, Linear
from alexnet_edu.variants import SPECS, get_spec

SVG = "{http://www.w3.org/2000/svg}"


def texts(svg: str) -> list[str]:
    return ["".join(node.itertext()) for node in ET.fromstring(svg).iter(f"{SVG}text")]


def polygons(svg: str) -> list[list[tuple[float, ...]]]:
    nodes = ET.fromstring(svg).iter(f"{SVG}polygon")
    return [[tuple(map(float, p.split(","))) for p in node.attrib["points"].split()] for node in nodes]


@pytest.mark.parametrize("name", SPECS)
def test_every_variant_names_every_layer_with_weights_and_its_cost(name: str) -> None:
    spec = get_spec(name)
    words = texts(architecture_svg(spec))
    for row in layer_table(spec):
        if row.parameters:
            assert row.name in words
            assert f"{row.parameters:,}" in words
            assert f"{row.macs / 1e6:.1f} M MACs" in words


@pytest.mark.parametrize("name", SPECS)
def test_every_point_lies_inside_the_picture(name: str) -> None:
    svg = architecture_svg(get_spec(name))
    left, top, width, height = map(float, ET.fromstring(svg).attrib["viewBox"].split())
    points = [point for polygon in polygons(svg) for point in polygon]
    points += [(float(t.attrib["x"]), float(t.attrib["y"])) for t in ET.fromstring(svg).iter(f"{SVG}text")]
    assert all(left <= x <= left + width and top <= y <= top + height for x, y in points)


@pytest.mark.parametrize("name", SPECS)
def test_title_and_description_for_readers_who_do_not_see_it(name: str) -> None:
    spec = get_spec(name)
    root = ET.fromstring(architecture_svg(spec))
    assert root.attrib["role"] == "img"
    assert spec.title in root.findtext(f"{SVG}title", "")
    description = root.findtext(f"{SVG}desc", "")
    assert all(layer.name in description for layer in spec.layers if isinstance(layer, Conv | Linear))


def test_two_towers_meet_at_conv3_and_in_the_dense_layers() -> None:
    description = ET.fromstring(architecture_svg(get_spec("paper"))).findtext(f"{SVG}desc", "")
    crossing = re.findall(r"(\w+): [^;]*reads all towers", description)
    assert crossing == ["conv3", "fc6", "fc7", "fc8"]
    words = texts(architecture_svg(get_spec("paper")))
    assert {"tower 1", "tower 2", "kernel 5 × 5 × 48", "kernel 3 × 3 × 256", "2,048 units"} <= set(words)


def test_one_tower_has_no_tower_names() -> None:
    words = texts(architecture_svg(get_spec("torchvision")))
    assert not any(word.startswith("tower") for word in words)
    assert "4,096 units" in words


def test_front_faces_are_to_scale() -> None:
    sizes = {
        (round(max(x for x, _ in p) - min(x for x, _ in p), 1), round(max(y for _, y in p) - min(y for _, y in p), 1))
        for p in polygons(architecture_svg(get_spec("paper")))
    }
    for maps, side in [(48, 55), (128, 27), (192, 13), (128, 6)]:
        assert any(abs(w - maps * MAPS) < 0.11 and abs(h - side * HEIGHT) < 0.11 for w, h in sizes), (maps, side)
    assert any(abs(h - 2048 * UNITS) < 0.11 and w == 16 for w, h in sizes)


def test_the_order_of_steps_follows_the_spec() -> None:
    paper, museum = (texts(architecture_svg(get_spec(name))) for name in ("paper", "museum"))
    assert "ReLU, LRN" in paper
    assert museum.index("LRN") < museum.index("max pool to 27 × 27") < museum.index("ReLU")
    assert "norm within maps" in museum


def test_same_spec_same_text_and_no_ids_to_collide() -> None:
    svg = architecture_svg(get_spec("small"))
    assert svg == architecture_svg(get_spec("small"))
    assert " id=" not in svg
    assert len(svg) < 30_000


@pytest.mark.parametrize(
    ("layer", "drawn"), [("conv3", "conv3"), ("relu3", "conv3"), ("pool2", "conv2"), ("drop6", "fc6")]
)
def test_highlight_lights_the_volume_that_a_layer_works_on(layer: str, drawn: str) -> None:
    svg = architecture_svg(get_spec("paper"), highlight=layer)
    assert svg != architecture_svg(get_spec("paper"))
    bold = [t.text for t in ET.fromstring(svg).iter(f"{SVG}text") if t.attrib.get("fill") == "#B8860B"]
    assert bold == [drawn]


def test_unknown_layer_is_refused_with_the_valid_names() -> None:
    with pytest.raises(AlexNetError, match="conv5"):
        architecture_svg(get_spec("paper"), highlight="conv9")


def test_text_from_a_spec_cannot_break_the_markup() -> None:
    ET.fromstring(architecture_svg(replace(get_spec("small"), title='<b> & "quotes"')))


def test_class_count_shows() -> None:
    assert "101 units" in texts(architecture_svg(get_spec("small").with_classes(101)))
