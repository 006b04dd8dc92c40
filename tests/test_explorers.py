"""What a reader does with menus and sliders, without a browser: set a value, read the pixels."""

import html
import io
import re
from dataclasses import replace
from typing import Any

import ipywidgets
import numpy as np
import pytest
import torch
from PIL import Image

from alexnet_edu import tiles
from alexnet_edu.diagram import fields_across
from alexnet_edu.errors import AlexNetError
from alexnet_edu.explorers import (
    ArchitectureExplorer,
    AttributionExplorer,
    BuildExplorer,
    FeatureMapExplorer,
    FilterExplorer,
    LookupExplorer,
    PredictionExplorer,
    ReliabilityExplorer,
)
from alexnet_edu.explorers import maps as maps
from alexnet_edu.explorers import pictures as own_pictures
from alexnet_edu.explorers.build import chain
from alexnet_edu.features import feature_maps, filters
from alexnet_edu.formulas import formulas
from alexnet_edu.geometry import layer_table, receptive_field_box, trace
from alexnet_edu.inference import predict
from alexnet_edu.models import build_layer, get_model
from alexnet_edu.palette import VERMILLION
from alexnet_edu.tables import Table
from alexnet_edu.variants import SPECS
from alexnet_edu.weights import Preprocess, Pretrained, load_pretrained


@pytest.fixture(scope="module")
def pretrained() -> Pretrained:
    """A network with random weights: the explorers know nothing of training."""
    torch.manual_seed(0)
    labels = ("one", "two <b>", "three", "four", "five", "six")
    model = get_model("small", num_classes=len(labels)).eval()
    with torch.no_grad():
        model.get_parameter("fc8.weight").mul_(200)  # so that its answers change visibly with the picture
    return Pretrained(model, Preprocess(size=227), labels, "random", "a test")


def photo(seed: int) -> Image.Image:
    blocks = np.random.default_rng(seed).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    return Image.fromarray(blocks).resize((400, 300), Image.Resampling.BICUBIC)


@pytest.fixture
def pictures() -> dict[str, Image.Image]:
    return {"first": photo(1), "second": photo(2)}


def pixels(image: Any) -> np.ndarray:
    """What an image widget shows, as RGB; ipywidgets 8 hands out a memoryview."""
    return np.asarray(Image.open(io.BytesIO(bytes(image.value))).convert("RGB"))


def rgb(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture.convert("RGB"))


def expected_maps(pretrained: Pretrained, picture: Image.Image, layer: str) -> np.ndarray:
    return feature_maps(pretrained, picture, layer)[layer][0].numpy()


def png(picture: Image.Image) -> bytes:
    return tiles.png_bytes(picture)


def uploaded(name: str, data: bytes) -> Any:
    """What an upload widget of the installed ipywidgets holds after an upload."""
    if int(ipywidgets.__version__.split(".")[0]) < 8:
        return {name: {"metadata": {"name": name}, "content": data}}
    return ({"name": name, "type": "image/png", "size": len(data), "content": memoryview(data)},)


def upload(explorer: Any, name: str, data: bytes) -> None:
    """As the browser does it; the trait itself refuses values that did not come from one."""
    explorer.upload.unobserve_all("value")
    explorer.upload = type("Upload", (), {"value": uploaded(name, data)})()
    explorer.pictures.upload = explorer.upload
    explorer.attempt(explorer.pictures._take_upload)


# Feature maps


def test_maps_follow_layer_picture_and_relu(pretrained: Pretrained, pictures: dict[str, Image.Image]) -> None:
    explorer = FeatureMapExplorer(pretrained, pictures)
    explorer.shown.value, explorer.shared.value = False, True
    for picture, layer, after in [
        ("first", "conv1", True),
        ("second", "conv1", True),
        ("second", "conv3", False),
        ("first", "pool2", False),
        ("first", "conv5", True),
    ]:
        explorer.picture.value, explorer.layer.value, explorer.after_relu.value = picture, layer, after
        shown = layer.replace("conv", "relu") if after and layer.startswith("conv") else layer
        maps = explorer.maps()  # the last bits of a convolution differ between runs, so pixels are compared with these
        np.testing.assert_allclose(maps, expected_maps(pretrained, pictures[picture], shown), atol=1e-4)
        expected = tiles.tile_maps(maps, signed=bool(maps.min() < 0), marked=explorer.channel.value, width=600)
        assert np.array_equal(pixels(explorer.grid), rgb(expected)), (picture, layer)
        assert shown in explorer.message.value and shown in explorer.grid.tooltip
        assert explorer.channel.max == len(maps) - 1


def test_a_new_map_starts_at_its_strongest_unit_and_shows_its_field(
    pretrained: Pretrained, pictures: dict[str, Image.Image]
) -> None:
    explorer = FeatureMapExplorer(pretrained, pictures)
    explorer.layer.value = "conv2"
    explorer.channel.value = 7
    one = explorer.maps()[7]
    np.testing.assert_allclose(one, expected_maps(pretrained, pictures["first"], "relu2")[7], atol=1e-4)
    assert one[explorer.row.value, explorer.column.value] == one.max()
    crop = np.asarray(pretrained.preprocess.crop(pictures["first"]))
    info: Any = layer_table(pretrained.model.spec)["relu2"]
    box = receptive_field_box(pretrained.model.spec, "relu2", explorer.row.value, explorer.column.value)
    middle = info.start + info.receptive_field / 2
    limits = tiles.shared_range(one)
    expected = tiles.overlay(crop, one, start=middle, jump=info.jump, limits=limits, box=box)
    assert np.array_equal(pixels(explorer.detail), rgb(expected))


def test_the_strongest_maps_each_on_its_own_scale(pretrained: Pretrained, pictures: dict[str, Image.Image]) -> None:
    explorer = FeatureMapExplorer(pretrained, pictures)
    explorer.layer.value = "conv5"
    maps = explorer.maps()
    strongest = np.argsort(-maps.max((1, 2)), kind="stable")[:16].tolist()
    assert explorer.channel.value == strongest[0]  # it opens on a map with something on it
    own = maps[strongest] / np.quantile(maps[strongest], 0.99, axis=(1, 2), method="higher", keepdims=True)
    labels = [str(number) for number in strongest]
    expected = tiles.tile_maps(own, limits=(0, 1), labels=labels, marked=0, width=600)
    assert np.array_equal(pixels(explorer.grid), rgb(expected))
    assert "the 16 strongest of 128 maps" in explorer.message.value


def test_a_layer_begins_at_its_strongest_map_until_the_reader_chooses_one(
    pretrained: Pretrained, pictures: dict[str, Image.Image]
) -> None:
    explorer = FeatureMapExplorer(pretrained, pictures)
    for layer in ("conv1", "conv3"):
        explorer.layer.value = layer
        assert explorer.maps()[explorer.channel.value].max() == explorer.maps().max()
    explorer.channel.value = 5
    explorer.layer.value = "conv4"
    assert explorer.channel.value == 5


@pytest.mark.parametrize("some", [True, False])
def test_a_click_on_a_map_chooses_it(some: bool, pretrained: Pretrained, pictures: dict[str, Image.Image]) -> None:
    explorer = FeatureMapExplorer(pretrained, pictures)
    explorer.shown.value = some
    tile = 7
    wanted = tiles.strongest_maps(explorer.maps())[tile] if some else tile
    for _ in range(2):  # again after the slider has moved on
        explorer.tiles.touch(tile)
        assert explorer.channel.value == wanted
        assert explorer.detail.tooltip == f"relu1, map {wanted}, over first"
        explorer.channel.value = 11


def test_a_click_on_the_picture_chooses_the_unit_that_looks_there(
    pretrained: Pretrained, pictures: dict[str, Image.Image]
) -> None:
    explorer = FeatureMapExplorer(pretrained, pictures)
    for layer in ("conv1", "conv5"):
        explorer.layer.value = layer
        explorer.photo.touch(14 * 3 + 10)  # fourth row, eleventh column of 14
        box = receptive_field_box(pretrained.model.spec, layer, explorer.row.value, explorer.column.value)
        info: Any = layer_table(pretrained.model.spec)[layer]
        middle = [
            info.start + info.jump * at + info.receptive_field / 2 for at in (explorer.row.value, explorer.column.value)
        ]
        assert np.abs(np.array(middle) - np.array([3.5, 10.5]) * 227 / 14).max() <= info.jump / 2, box


def test_as_many_fields_as_tiles(pretrained: Pretrained, pictures: dict[str, Image.Image]) -> None:
    for explorer, count in [(FeatureMapExplorer(pretrained, pictures), 16), (FilterExplorer(pretrained), 48)]:
        fields = explorer.tiles.children[1]
        columns = tiles.Grid(count, (1, 1)).columns
        assert len(fields.options) == count
        assert fields.layout.grid_template_columns == f"repeat({columns}, minmax(0, 1fr))"
        assert fields.index is None


def test_moving_the_unit_changes_only_the_close_up(pretrained: Pretrained, pictures: dict[str, Image.Image]) -> None:
    explorer = FeatureMapExplorer(pretrained, pictures)
    grid, detail = bytes(explorer.grid.value), bytes(explorer.detail.value)
    explorer.row.value = (explorer.row.value + 9) % 55
    assert bytes(explorer.grid.value) == grid
    assert bytes(explorer.detail.value) != detail


def test_activations_are_computed_once_a_picture(
    pretrained: Pretrained, pictures: dict[str, Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    passes: list[int] = []
    monkeypatch.setattr(maps, "feature_maps", lambda *a: passes.append(1) or feature_maps(*a))  # type: ignore[func-returns-value]
    explorer = FeatureMapExplorer(pretrained, pictures)
    explorer.layer.value = "conv4"
    explorer.channel.value = 3
    explorer.picture.value = "second"
    explorer.picture.value = "first"
    assert len(passes) == 2


def test_only_the_last_pictures_are_kept(pretrained: Pretrained, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maps, "_REMEMBERED_PICTURES", 3)
    explorer = FeatureMapExplorer(pretrained, {str(i): photo(i) for i in range(4)})
    for name in explorer.picture.options:
        explorer.picture.value = name
    assert len(explorer._cache) == 3


def test_dead_maps_are_counted_in_words(pretrained: Pretrained, pictures: dict[str, Image.Image]) -> None:
    explorer = FeatureMapExplorer(pretrained, pictures)
    assert not tiles.dead_maps(explorer.maps()).any() and "zero everywhere" not in explorer.message.value
    seen = explorer._seen().maps["relu1"]
    for count, words in ((1, "1 of them is zero everywhere"), (3, "3 of them are zero everywhere")):
        seen[:count] = 0
        explorer.channel.value = 5 + count
        assert words in explorer.message.value


def test_relu_switch_rests_where_there_is_no_relu(pretrained: Pretrained, pictures: dict[str, Image.Image]) -> None:
    explorer = FeatureMapExplorer(pretrained, pictures)
    assert not explorer.after_relu.disabled
    explorer.layer.value = "pool1"
    assert explorer.after_relu.disabled


# Uploads and faults


def test_an_upload_becomes_a_picture_to_choose(pretrained: Pretrained, pictures: dict[str, Image.Image]) -> None:
    explorer = FeatureMapExplorer(pretrained, pictures)
    mine = photo(5)
    upload(explorer, "mine.png", png(mine))
    assert explorer.picture.value.startswith("mine.png")
    assert len(explorer.picture.options) == 3
    np.testing.assert_allclose(explorer.maps(), expected_maps(pretrained, mine, "relu1"), atol=1e-4)
    explorer.picture.value = "first"
    np.testing.assert_allclose(explorer.maps(), expected_maps(pretrained, pictures["first"], "relu1"), atol=1e-4)


@pytest.mark.parametrize(
    "data",
    [b"", b"not a picture", png(photo(3))[:500], png(Image.new("RGB", (4000, 10)))],
    ids=["empty", "text", "cut short", "far too long"],
)
@pytest.mark.parametrize("kind", [FeatureMapExplorer, PredictionExplorer])
def test_a_bad_upload_says_so_and_leaves_the_last_good_state(
    kind: Any, data: bytes, pretrained: Pretrained, pictures: dict[str, Image.Image]
) -> None:
    explorer = kind(pretrained, pictures)
    explorer.picture.value = "second"
    image = explorer.detail if kind is FeatureMapExplorer else explorer.image
    before = bytes(image.value)
    upload(explorer, "bad.png", data)
    assert 'role="alert"' in explorer.message.value
    assert "Traceback" not in explorer.message.value
    assert explorer.picture.value == "second"
    assert list(explorer.picture.options) == ["first", "second"]
    assert bytes(image.value) == before


def test_uploads_have_a_limit(
    pretrained: Pretrained, pictures: dict[str, Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_pictures, "MAX_UPLOAD_BYTES", 100)
    explorer = FeatureMapExplorer(pretrained, pictures)
    upload(explorer, "big.png", png(photo(3)))
    assert "choose a smaller photo" in explorer.message.value


def test_both_forms_of_an_upload_are_read() -> None:
    assert own_pictures.uploaded({}) is own_pictures.uploaded(()) is None
    assert own_pictures.uploaded({"a.png": {"metadata": {}, "content": b"x"}}) == ("a.png", b"x")
    assert own_pictures.uploaded(({"name": "a.png", "content": memoryview(b"x")},)) == ("a.png", b"x")


def test_any_fault_in_a_callback_is_one_escaped_sentence(
    pretrained: Pretrained, pictures: dict[str, Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    explorer = FeatureMapExplorer(pretrained, pictures)
    before = bytes(explorer.grid.value)
    monkeypatch.setattr(tiles, "tile_maps", lambda *a, **k: 1 / 0)
    explorer.channel.value = 5
    assert "ZeroDivisionError" in explorer.message.value
    assert bytes(explorer.grid.value) == before
    monkeypatch.undo()
    explorer.channel.value = 6
    assert 'role="status"' in explorer.message.value
    explorer.complain("<script>")
    assert "<script>" not in explorer.message.value


def test_a_picture_that_cannot_be_read_goes_back_to_the_last_good_one(pretrained: Pretrained) -> None:
    explorer = FeatureMapExplorer(pretrained, {"good": photo(1), "bad": "/no/such/file.jpg"})
    explorer.picture.value = "bad"
    assert "does not exist" in explorer.message.value
    assert explorer.picture.value == "good"


def test_two_explorers_share_no_state(pretrained: Pretrained, pictures: dict[str, Image.Image]) -> None:
    one, other = FeatureMapExplorer(pretrained, pictures), FeatureMapExplorer(pretrained, pictures)
    upload(one, "mine.png", png(photo(5)))
    one.layer.value = "conv5"
    assert len(other.picture.options) == 2
    assert other.layer.value == "conv1"


def test_bounds_of_a_slider_travel_in_one_message_and_so_does_a_picture(
    pretrained: Pretrained, pictures: dict[str, Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    explorer, sent, drawn = FeatureMapExplorer(pretrained, pictures), [], []
    monkeypatch.setattr(type(explorer.grid), "send_state", lambda self, key=None: drawn.append(set(key)))
    monkeypatch.setattr(type(explorer.row), "send_state", lambda self, key=None: sent.append(self.description))
    explorer.layer.value = "conv5"
    assert sorted(name for name in sent if name.startswith("Unit's")) == ["Unit's column", "Unit's row"]
    assert drawn == [{"tooltip", "value"}] * 2


def test_a_new_layer_does_not_send_a_value_that_stays(
    pretrained: Pretrained, pictures: dict[str, Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    explorer, sent = FeatureMapExplorer(pretrained, pictures), []
    explorer.channel.value = 4
    monkeypatch.setattr(
        type(explorer.channel), "send_state", lambda self, key=None: sent.append((self.description, set(key)))
    )
    explorer.layer.value = "conv4"
    assert [key for name, key in sent if name == "Map"] == [{"max"}]
    assert explorer.channel.value == 4


# Filters


def test_filters_follow_layer_view_and_channel(pretrained: Pretrained) -> None:
    explorer = FilterExplorer(pretrained)
    for layer, view, channel in [
        ("conv1", "colour", 5),
        ("conv1", "colour-each", 6),
        ("conv1", "spectrum", 5),
        ("conv2", "pca", 9),
        ("conv4", "strongest", 0),
    ]:
        explorer.layer.value, explorer.view.value, explorer.channel.value = layer, view, channel
        drawn: Any = pretrained.model.spec[layer]
        weights, groups = filters(pretrained, layer).numpy(), drawn.groups
        shared, kind = "-" not in view, view.removesuffix("-each")
        expected = tiles.filter_view(weights, kind, groups=groups, shared=shared).picture(marked=channel, width=420)
        assert np.array_equal(pixels(explorer.grid), rgb(expected)), (layer, view)
        close_up = tiles.filter_view(weights, "channels", channel=channel).picture(width=300)
        assert np.array_equal(pixels(explorer.detail), rgb(close_up))


def test_colours_are_offered_for_rgb_filters_only(pretrained: Pretrained) -> None:
    explorer = FilterExplorer(pretrained)
    assert explorer.view.value == "colour"
    offered = [value for _, value in explorer.view.options]
    explorer.channel.value = 40
    explorer.layer.value = "conv2"
    fewer = [value for _, value in explorer.view.options]
    assert offered[: len(fewer)] == fewer and "colour" in offered[len(fewer) :]
    assert explorer.channel.value == 40 and explorer.channel.max == 127
    explorer.channel.value = 127
    explorer.layer.value = "conv1"
    assert explorer.channel.value == explorer.channel.max == 47


def test_a_click_on_a_filter_chooses_it_and_the_first_is_the_strongest(pretrained: Pretrained) -> None:
    explorer = FilterExplorer(pretrained)
    lengths = filters(pretrained, "conv1").flatten(1).norm(dim=1)
    assert explorer.channel.value == int(lengths.argmax())
    explorer.tiles.touch(3)
    assert explorer.channel.value == 3
    assert explorer.detail.tooltip.startswith("conv1: filter 3's weights for the picture's red")


# Predictions


def bars_shown(explorer: PredictionExplorer) -> list[tuple[str, float]]:
    found = re.findall(r'scope="row"[^>]*>([^<]*)</th>.*?</div>([\d.]+)%', explorer.bars.value)
    return [(label, float(value)) for label, value in found]


def test_bars_agree_with_predict(pretrained: Pretrained, pictures: dict[str, Image.Image]) -> None:
    explorer = PredictionExplorer(pretrained, pictures)
    for name, picture in pictures.items():
        explorer.picture.value = name
        wanted = predict(picture, pretrained, top_k=5)
        shown = bars_shown(explorer)
        assert [label.replace("&lt;", "<").replace("&gt;", ">") for label, _ in shown] == list(wanted.labels)
        assert [value for _, value in shown] == pytest.approx([100 * p for p in wanted.probabilities], abs=0.06)
        assert np.array_equal(pixels(explorer.image), np.asarray(pretrained.preprocess.crop(picture)))


@pytest.mark.parametrize(
    ("name", "value"), [("zoom", 200), ("rotation", 45), ("brightness", 30), ("noise", 20), ("patch", 96)]
)
def test_each_change_reaches_picture_and_bars_and_can_be_undone(
    name: str, value: int, pretrained: Pretrained, pictures: dict[str, Image.Image]
) -> None:
    explorer = PredictionExplorer(pretrained, pictures)
    image, bars = pixels(explorer.image), bars_shown(explorer)
    explorer.changes[name].value = value
    changed = pixels(explorer.image)
    assert changed.shape == image.shape and not np.array_equal(changed, image)
    assert bars_shown(explorer) != bars
    assert f"{name}={value}" in repr(explorer)
    explorer.reset.click()
    assert np.array_equal(pixels(explorer.image), image)
    assert [value for _, value in bars_shown(explorer)] == pytest.approx([value for _, value in bars], abs=0.11)
    assert "-0.0" not in explorer.bars.value


def test_the_grey_square_lies_where_it_should(pretrained: Pretrained, pictures: dict[str, Image.Image]) -> None:
    explorer = PredictionExplorer(pretrained, pictures)
    before = pixels(explorer.image)
    explorer.changes["row"].value, explorer.changes["column"].value = 0, 100
    assert np.array_equal(pixels(explorer.image), before)
    explorer.changes["patch"].value = 64
    rows, columns = np.nonzero((pixels(explorer.image) != before).any(axis=2))
    assert rows.max() < 32 and columns.min() >= 227 - 32


@pytest.mark.parametrize(("number", "row", "column"), [(0, 9.5, 9.5), (12 * 6 + 3, 122.9, 66.2), (143, 217.5, 217.5)])
def test_a_click_on_the_picture_puts_the_grey_square_there(
    number: int, row: float, column: float, pretrained: Pretrained, pictures: dict[str, Image.Image]
) -> None:
    explorer = PredictionExplorer(pretrained, pictures)
    before = pixels(explorer.image)
    explorer.place.touch(number)
    grey = np.argwhere((pixels(explorer.image) != before).any(axis=2))
    low, high = grey.min(0), grey.max(0) + 1
    middle = np.array([row, column])
    assert (
        np.abs(low - np.maximum(0, middle - 32)).max() <= 2 and np.abs(high - np.minimum(227, middle + 32)).max() <= 2
    )
    explorer.changes["patch"].value = 16
    explorer.place.touch(number)
    assert explorer.changes["patch"].value == 16, "a size that was chosen stays"
    explorer.reset.click()
    assert np.array_equal(pixels(explorer.image), before)


def test_the_label_that_was_first_stays_in_view() -> None:
    explorer = PredictionExplorer(load_pretrained("small"), top_k=1)
    explorer.picture.value = "coffee"
    assert [label for label, _ in bars_shown(explorer)] == ["yin and yang"]
    explorer.changes["rotation"].value = 90
    assert [label for label, _ in bars_shown(explorer)] == ["stop sign", "yin and yang"]
    assert explorer.bars.value.count(VERMILLION) == 1


def test_a_known_photo_is_judged_and_an_own_one_is_not(pictures: dict[str, Image.Image]) -> None:
    small = load_pretrained("small")
    explorer = PredictionExplorer(small)
    assert explorer.picture.options[0] == "aeroplane" and "sure; right)" in explorer.message.value
    assert "aeroplane ✓" in explorer.bars.value
    explorer.picture.value = "cat"
    assert "it has no label that fits" in explorer.message.value
    explorer.picture.value = "coffee"
    assert "yin and yang</b> (35 %: not sure; wrong)" in explorer.message.value
    own = PredictionExplorer(small, pictures).message.value
    assert "right" not in own and "wrong" not in own
    made = replace(small, categories=("made", "nature", *("" for _ in small.categories[2:])))
    own = PredictionExplorer(made).message.value
    assert "fits" not in own and "right" not in own, "of labels of one's own nobody knows which fit"


def test_labels_are_escaped(pretrained: Pretrained, pictures: dict[str, Image.Image]) -> None:
    explorer = PredictionExplorer(pretrained, pictures, top_k=50)
    assert "two &lt;b&gt;" in explorer.bars.value
    assert len(bars_shown(explorer)) == 6


# Calibration


def test_the_temperature_changes_confidence_and_no_label() -> None:
    scores = torch.tensor([[2.0, 0.0, 0.0], [0.0, 3.0, 0.0], [1.0, 0.0, 0.0]])
    explorer = ReliabilityExplorer(scores, torch.tensor([0, 1, 2]), "three")
    assert repr(explorer) == "ReliabilityExplorer(pictures=3, temperature=1.0)"
    shown = []
    for temperature in (0.2, 1.0, 3.0):
        explorer.temperature.value = temperature
        wanted = (scores / temperature).softmax(1).amax(1).mean()
        assert f"mean confidence {wanted:.2f}, right 0.67" in explorer.message.value
        shown.append(pixels(explorer.image))
    assert not np.array_equal(shown[0], shown[1]) and "too modest" in explorer.message.value
    explorer.temperature.value = 0.2
    assert "too sure" in explorer.message.value


def test_scores_without_a_class_for_each_are_refused() -> None:
    with pytest.raises(AlexNetError, match=r"Scores \(N, classes\) and a class for each picture"):
        ReliabilityExplorer(torch.zeros(3, 2), torch.zeros(2, dtype=torch.long))


# Architecture


@pytest.mark.parametrize("variant", SPECS)
def test_architecture_shows_every_variant(variant: str) -> None:
    explorer = ArchitectureExplorer()
    explorer.variant.value = variant
    explorer.layer.value = "conv5"
    info = layer_table(SPECS[variant])["conv5"]
    assert f"{info.parameters:,} parameters" in explorer.costs.value
    assert "<svg" in explorer.diagram.value and "<table>" in explorer.table.value
    assert all('tabindex="0"' in view.value for view in (explorer.diagram, explorer.table))


def test_architecture_keeps_the_layer_where_the_variant_has_it() -> None:
    explorer = ArchitectureExplorer("paper", "lrn1")
    explorer.variant.value = "caffe"
    assert explorer.layer.value == "lrn1"
    explorer.variant.value = "torchvision"
    assert explorer.layer.value == "conv1"


@pytest.mark.parametrize("layer", ["conv2", "lrn1", "pool5", "drop6", "fc8"])
def test_architecture_shows_the_formulas_the_field_and_the_costs_of_a_layer(layer: str) -> None:
    explorer = ArchitectureExplorer("paper", layer)
    spec, info = SPECS["paper"], layer_table(SPECS["paper"])[layer]
    assert all(html.escape(text) in explorer.message.value for _, text in formulas(spec[layer], info.input_shape))
    assert f"{info.macs:,} MACs of 724,406,816" in explorer.costs.value
    side = spec.input_size
    top, left, bottom, right = receptive_field_box(spec, layer, *(n // 2 for n in (*info.output_shape[1:], 0, 0)[:2]))
    bright = pixels(explorer.photo).astype(int)
    explorer.layer.value = "fc8"
    whole = pixels(explorer.photo).astype(int)
    same = (bright == whole).all(axis=2)
    assert same[top:bottom, left:right].all()
    assert same.mean() < 0.05 + (bottom - top) * (right - left) / side**2, "darker where it does not look"


@pytest.mark.parametrize("variant", SPECS)
def test_a_click_on_the_drawing_chooses_the_layer_that_is_drawn_there(variant: str) -> None:
    explorer = ArchitectureExplorer(variant)
    fields = fields_across(SPECS[variant])
    width = float(re.findall(r'viewBox="0 \S+ (\S+) ', explorer.diagram.value)[0])
    assert sum(size for _, size in fields) == pytest.approx(width, abs=0.1)
    assert [name for name, _ in fields] == [
        row.name
        for row in layer_table(SPECS[variant])
        if row.kind in ("Conv", "Linear") or (len(row.output_shape) == 3 and row.output_shape != row.input_shape)
    ]
    for number, (name, _) in enumerate(fields):
        explorer._drawing.touch(number)
        assert explorer.layer.value == name and f"<b>{name}</b>" in explorer.message.value


# Build your own


@pytest.mark.parametrize(
    ("changes", "ends"),
    [
        ({}, "Everything fits"),
        ({"rounding": False}, "fc6 has weights for 9,216 values and is given 6,400"),
        ({"rounding": False, "side": 227}, "Everything fits"),
        ({"rounding": False, "padding": 2}, "Everything fits"),
        ({"groups": 2}, "3 channels cannot be dealt out to 2 groups"),
        ({"layer": "conv2", "groups": 5}, "96 channels cannot be dealt out to 5 groups"),
        ({"layer": "conv3", "groups": 2}, "Everything fits"),
        ({"layer": "conv2", "stride": 8}, "does not fit"),
        ({"side": 32}, "a window of 3 does not fit into"),
        ({"layer": "conv1", "out_channels": 112}, "Everything fits"),
    ],
)
def test_the_chain_ends_where_a_layer_does_not_fit(changes: dict[str, Any], ends: str) -> None:
    explorer = BuildExplorer()
    for name, value in sorted(changes.items(), key=lambda item: item[0] != "layer"):
        (explorer.knobs.get(name) or getattr(explorer, name)).value = value
    assert ends in explorer.message.value
    assert ("✗" in explorer.stations.value) == ("Everything fits" not in ends)


def test_the_chain_of_the_unchanged_network_is_the_layer_table() -> None:
    paper = SPECS["paper"]
    shapes = {station.name: station.shape for station in chain(paper, 224, paper)}
    table = layer_table(paper)
    assert shapes.pop("picture") == (3, 224, 224)
    assert shapes == {row.name: row.output_shape for row in table if row.kind in ("Conv", "MaxPool", "Linear")}


def test_a_chain_that_ends_says_what_pytorch_would_refuse() -> None:
    """Where it says that a layer does not fit, the module of that layer fails; where it fits, none does."""
    for changes in ({"ceil": False}, {"padding": 2}, {"groups": 2}, {}):
        explorer = BuildExplorer(**changes)
        stations = list(chain(explorer.spec(), 224, SPECS["paper"]))
        try:
            x = torch.zeros(1, 3, 224, 224)
            for layer, shape in trace(explorer.spec(), (3, 224, 224)):
                given = trace(SPECS["paper"], (3, 224, 224)) if layer.kind == "Linear" else [(layer, shape)]
                x = build_layer(layer, dict((each.name, size) for each, size in given)[layer.name])(x)
            fails = False
        except (RuntimeError, ValueError):
            fails = True
        assert fails == bool(stations[-1].problem), changes


def test_build_your_own_shows_windows_notes_and_goes_back() -> None:
    explorer = BuildExplorer()
    assert "3 rows missing" in explorer.stations.value and "The last 5 of 55 windows" in explorer.windows.value
    explorer.rounding.value = False
    assert "1 row never read at the end" in explorer.stations.value and "54 windows" in explorer.windows.value
    explorer.layer.value = "pool1"
    assert explorer.knobs["groups"].disabled and not explorer.knobs["stride"].disabled
    explorer.side.value = 40
    explorer.reset.click()
    assert "Everything fits" in explorer.message.value and explorer.side.value == 224
    assert "Every layer as in the paper" in explorer.message.value


def test_build_your_own_keeps_a_layer_as_it_was_left() -> None:
    explorer = BuildExplorer()
    explorer.knobs["groups"].value = 3
    explorer.layer.value = "pool1"
    explorer.rounding.value = True
    assert explorer.spec()["conv1"].groups == 3  # type: ignore[attr-defined]
    assert "conv1 (Groups); pool1 (Rounding)" in explorer.message.value
    explorer.layer.value = "conv1"
    assert explorer.knobs["groups"].value == 3
    explorer.knobs["groups"].value = 2
    assert "not reached" in explorer.stations.value and "<svg" in explorer.windows.value
    explorer.layer.value = "conv2"
    assert "No window of conv2" in explorer.windows.value and not explorer.arithmetic.value
    explorer.layer.value, explorer.side.value = "conv1", 32
    explorer.knobs["groups"].value, explorer.knobs["kernel_size"].value = 1, 15
    explorer.layer.value = "pool5"
    assert "does not fit into" in explorer.message.value and explorer.still()


def test_build_your_own_is_stored_as_a_picture_not_as_drawing() -> None:
    """JupyterLab takes SVG away until a notebook is trusted, and leaves its words."""
    explorer = BuildExplorer(ceil=False)
    stored = explorer.still()
    assert "<svg" not in stored and "data:image/svg+xml" in stored
    assert explorer.message.value in stored and explorer.arithmetic.value in stored


# Things to look up


def test_a_lookup_shows_the_answer_to_the_choices() -> None:
    asked: list[tuple[Any, ...]] = []

    def answer(first: str, second: int) -> str:
        asked.append((first, second))
        return f"<b>{first}, {second}</b>"

    explorer = LookupExplorer(answer, {"One": ["a", "b"], "Two": [("three <", 3), ("four", 4)]}, {"One": "b"})
    assert "<b>b, 3</b>" in explorer.shown.value
    explorer.menus["Two"].value = 4
    assert (
        asked == [("b", 3), ("b", 4)] and "<b>b, 4</b>" in explorer.still() and "Two: <b>four</b>" in explorer.still()
    )
    explorer.menus["Two"].value = 3
    assert "three &lt;" in explorer.still() and repr(explorer) == "LookupExplorer(One='b', Two=3)"


def test_a_lookup_takes_what_shows_as_html_and_says_what_goes_wrong() -> None:
    explorer = LookupExplorer(lambda n: Table(["twice"], [(2 * n if n else 1 / n,)]), {"n": [1, 0]})
    assert "<td" in explorer.shown.value and not explorer.message.value
    explorer.menus["n"].value = 0
    assert 'role="alert"' in explorer.message.value and "ZeroDivisionError" in explorer.message.value


# All of them


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (ArchitectureExplorer, "ArchitectureExplorer(variant='paper', layer='conv1')"),
        (BuildExplorer, "BuildExplorer(layer='conv1', side=224)"),
        (FilterExplorer, "FilterExplorer(weights='random', layer='conv1', view='colour', channel=1)"),
        (FeatureMapExplorer, "FeatureMapExplorer(weights='random', picture='first', layer='relu1', channel=21)"),
        (PredictionExplorer, "PredictionExplorer(weights='random', picture='first')"),
    ],
)
def test_text_form_is_stable(kind: Any, text: str, pretrained: Pretrained, pictures: dict[str, Image.Image]) -> None:
    arguments = {ArchitectureExplorer: (), BuildExplorer: (), FilterExplorer: (pretrained,)}.get(
        kind, (pretrained, pictures)
    )
    assert repr(kind(*arguments)) == text


def test_controls_are_core_widgets_with_a_label(pretrained: Pretrained, pictures: dict[str, Image.Image]) -> None:
    made = [
        ArchitectureExplorer(),
        BuildExplorer(),
        FilterExplorer(pretrained),
        FeatureMapExplorer(pretrained, pictures),
    ]
    for explorer in [*made, PredictionExplorer(pretrained, pictures)]:
        controls = explorer.children[1].children
        assert all(control.description.strip() for control in controls)
        assert all(control._model_module == "@jupyter-widgets/controls" for control in controls)
        assert explorer.images() or isinstance(explorer, (ArchitectureExplorer, BuildExplorer))
        assert all(image.tooltip for image in explorer.images())


def test_default_pictures_are_the_samples(pretrained: Pretrained) -> None:
    explorer = FeatureMapExplorer(pretrained)
    assert len(explorer.picture.options) >= 5
    assert 'role="status"' in explorer.message.value


def test_an_explorer_leaves_its_picture_where_nothing_runs(
    pretrained: Pretrained, pictures: dict[str, Image.Image]
) -> None:
    """Beside the widget a notebook stores HTML: on a site or in a preview readers see what the explorer shows."""
    if int(ipywidgets.__version__.split(".")[0]) < 8:
        pytest.skip("ipywidgets 7 stores no other form of a widget")
    made = [FilterExplorer(pretrained), FeatureMapExplorer(pretrained, pictures)]
    for explorer in [*made, PredictionExplorer(pretrained, pictures)]:
        stored = explorer._repr_mimebundle_()
        alts = re.findall(r'<img alt="([^"]*)"', str(stored["text/html"]))
        assert alts == [html.escape(image.tooltip) for image in explorer.images()]
        assert len(alts) == (1 if isinstance(explorer, PredictionExplorer) else 2)
        assert "application/vnd.jupyter.widget-view+json" in stored
    drawing = str(ArchitectureExplorer("torchvision", "conv4")._repr_mimebundle_()["text/html"])
    assert "conv4" in drawing and "data:image/svg+xml" in drawing


# Attribution


def test_attribution_follows_its_controls(pretrained: Pretrained, pictures: dict[str, Image.Image]) -> None:
    explorer = AttributionExplorer(pretrained, pictures)
    x = pretrained.preprocess(pictures["first"])[None]
    likeliest = int(pretrained.model(x).argmax())
    assert explorer.target.value == likeliest and len(explorer.target.options) == 5
    seen = {explorer.left.value}
    for control, value in (
        (explorer.layer, "conv3"),
        (explorer.target, explorer.target.options[1][1]),
        (explorer.first, "saliency"),
        (explorer.picture, "second"),
        (explorer.shuffled, 3),
    ):
        control.value = value
        assert explorer.left.value not in seen, control.description
        assert explorer.first.value in explorer.left.tooltip and explorer.picture.value in explorer.left.tooltip
        seen.add(explorer.left.value)
    assert "with fc8 to fc6 shuffled" in explorer.message.value
    assert np.array_equal(pixels(explorer.crop), rgb(pretrained.preprocess.crop(pictures["second"])))
    explorer.second.value = "occlusion"
    assert "occlusion" in explorer.right.tooltip and "alert" not in explorer.message.value


def test_attribution_shuffles_a_copy_and_returns_to_the_trained_network(
    pretrained: Pretrained, pictures: dict[str, Image.Image]
) -> None:
    before = {name: value.clone() for name, value in pretrained.model.state_dict().items()}
    explorer = AttributionExplorer(pretrained, pictures)
    trained = explorer.right.value
    explorer.shuffled.value = explorer.shuffled.max
    assert explorer.shuffled.max == 8 and explorer.right.value != trained
    explorer.shuffled.value = 0
    assert explorer.right.value == trained and "as trained" in explorer.message.value
    assert all(torch.equal(value, before[name]) for name, value in pretrained.model.state_dict().items())
    assert "shuffled=0" in repr(explorer) and explorer.still().count("<img") == 3
