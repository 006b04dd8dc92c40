"""Every figure is a pure function: titled, labelled, described, and it leaves no trace elsewhere."""

import base64
import io
import re
import subprocess
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from alexnet_edu import figures, tiles
from alexnet_edu.diagram import architecture_svg
from alexnet_edu.errors import AlexNetError
from alexnet_edu.geometry import layer_table
from alexnet_edu.images import wall_images
from alexnet_edu.specs import Window
from alexnet_edu.variants import get_spec

RNG = np.random.default_rng(0)
CROP = Image.fromarray(RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8))
RGB_FILTERS = RNG.standard_normal((8, 3, 5, 5))
DEEP_FILTERS = RNG.standard_normal((8, 6, 3, 3))
MAPS = np.maximum(0, RNG.standard_normal((8, 6, 6)))
PREDICTION = SimpleNamespace(labels=["cat", "dog", "cup", "car", "cow"], probabilities=[0.5, 0.2, 0.1, 0.1, 0.1])
RESULTS = [
    {"year": 2011, "team": "A", "error": 26.0, "kind": "other"},
    {"year": 2012, "team": "B", "error": 26.2, "kind": "other", "named": True},
    {"year": 2012, "team": "C", "error": 15.3, "kind": "deep"},
]
GROWTH = [{"year": 1998, "name": "A", "value": 6e4}, {"year": 2010, "name": "B", "value": 1.2e6}]
MODEL_ROWS = [{"name": "alexnet", "macs": 0.7e9, "top1": 56.5, "parameters": 61e6}]

# What each figure is made of, and whether it draws on axes that the caller gives.
FIGURES: dict[str, tuple[Callable[..., Figure], bool]] = {
    "filters": (lambda **kw: figures.filter_grid(RGB_FILTERS, **kw), True),
    "maps": (lambda **kw: figures.feature_map_grid(MAPS, layer="relu1", **kw), True),
    "tower scores": (
        lambda **kw: figures.tower_scores({"0": [[0.1, 0.2], [0.5, 0.9]]}, title="Colour", ylabel="chroma", **kw),
        True,
    ),
    "fields": (lambda **kw: figures.receptive_fields(CROP, get_spec("small"), ["conv1", "conv5"], **kw), True),
    "timeline": (
        lambda **kw: figures.step_timeline(
            {"process 0": [("forward", 0.0, 2.0), ("sending", 1.0, 2.0)], "process 1": [("forward", 0.0, 2.0)]},
            title="A step",
            **kw,
        ),
        True,
    ),
    "bars": (lambda **kw: figures.bars({"a": 1.0, "b": 2.0}, title="Times", xlabel="ms", **kw), True),
    "curves": (
        lambda **kw: figures.curves([1, 2], {"a": [1, 2]}, title="Times", xlabel="batch", ylabel="ms", **kw),
        True,
    ),
    "scatter": (lambda **kw: figures.scatter({"a": [1.0, 2.0]}, title="Runs", xlabel="points", **kw), True),
    "effects": (
        lambda **kw: figures.effects(
            {"a": (-1, 0.5, 2)}, title="Effects", xlabel="points", verdicts={"a": "agrees"}, marks={"a": 1}, **kw
        ),
        True,
    ),
    "cost": (lambda **kw: figures.cost_bars(layer_table(get_spec("paper")), **kw), True),
    "history": (lambda **kw: figures.ilsvrc_history(RESULTS, **kw), True),
    "error budget": (
        lambda **kw: figures.error_budget([("others", 26.2), ("one", 18.2), ("five", 16.4)], title="Points", **kw),
        True,
    ),
    "growth": (lambda: figures.growth(GROWTH, GROWTH), False),
    "fields grow": (lambda **kw: figures.field_growth([(3, 1), (2, 2), (3, 1)], **kw), True),
    "corners": (lambda: figures.padded_corners(CROP, {"up": (64, Window(11, 4, 0), True)}), False),
    "who notices": (lambda: figures.who_notices({"conv2": np.eye(4)}, title="One map changed"), False),
    "pipeline": (
        lambda: figures.pipeline_steps(MAPS[0], MAPS[1], np.moveaxis(MAPS, 0, 2), np.eye(4, dtype=int), 3),
        False,
    ),
    "roofline": (
        lambda **kw: figures.roofline({"conv1": (30, 4e10)}, peak_flops=7e10, bandwidth=1e10, title="Roofline", **kw),
        True,
    ),
    "models": (lambda **kw: figures.model_map(MODEL_ROWS, title="Models", **kw), True),
    "learning": (lambda: figures.learning_curve([1, 2], {"training": [2, 1]}, {"validation": [0.9, 0.5]}), False),
    "reliability": (lambda: figures.reliability([0.1, 0.7, 0.9], [0, 1, 1], title="small, three photos"), False),
    "top 5": (lambda: figures.top5_bars([CROP], [PREDICTION], ["dog"]), False),
    "grid": (lambda: figures.picture_grid([CROP, np.zeros((4, 4, 3))], ["one", "two"], title="Steps"), False),
    "towers": (lambda: figures.tower_filters(RGB_FILTERS, title="conv1"), False),
    "strongest maps": (
        lambda: figures.strongest_map_grid(MAPS, CROP, layer="relu1", filters=RGB_FILTERS, count=4),
        False,
    ),
    "points": (
        lambda **kw: figures.points([1, 2], [0.1, -3], title="A", xlabel="b", ylabel="c", names={1: "one"}, **kw),
        True,
    ),
    "rows": (lambda ax=None: figures.named_rows(CROP, ["conv1", "conv2"], title="Units", ax=ax), True),
    "heat": (lambda: figures.heat_over(CROP, MAPS[0], title="Occlusion", label="drop"), False),
    "map table": (
        lambda: figures.map_table(CROP, {"one": list(MAPS[:2]), "two": list(MAPS[2:4])}, ["a", "b"], title="Maps"),
        False,
    ),
    "agreement": (
        lambda **kw: figures.agreement(["fc8"], {"a": [(0.5, 0.4, 0.6)]}, title="Maps", unrelated=0.1, **kw),
        True,
    ),
    "maps and crop": (lambda: figures.feature_map_grid(MAPS, CROP, layer="relu1"), False),
}


def words(figure: Figure) -> str:
    """All text in a figure."""
    from matplotlib.text import Text

    return " | ".join(text.get_text() for text in figure.findobj(Text) if text.get_visible())


@pytest.mark.parametrize("name", FIGURES)
def test_returns_a_described_figure_that_renders(name: str) -> None:
    figure = FIGURES[name][0]()
    assert isinstance(figure, Figure)
    shown = figures.show(figure)
    assert len(shown.alt) > 15
    assert f'alt="{shown.alt}"' in shown.html
    assert repr(shown) == f"<picture: {shown.alt}>"


@pytest.mark.parametrize("name", [name for name, (_, takes_axes) in FIGURES.items() if takes_axes])
def test_draws_on_the_callers_axes(name: str) -> None:
    mine = Figure()
    left, right = mine.subplots(1, 2)
    assert FIGURES[name][0](ax=right) is mine
    assert not left.has_data() and not left.images
    assert right.has_data() or right.images


@pytest.mark.parametrize("name", ["cost", "history", "roofline", "models", "bars", "curves", "tower scores", "fields"])
def test_plots_have_a_title_and_label_their_axes(name: str) -> None:
    (ax,) = FIGURES[name][0]().axes
    assert ax.get_title()
    assert ax.get_xlabel() or name == "tower scores"
    assert ax.get_ylabel() or name in ("cost", "bars")


def test_pyplot_is_never_touched() -> None:
    code = (
        "import sys, alexnet_edu.figures; assert 'matplotlib.pyplot' not in sys.modules and 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_map_grid_draws_the_composed_picture_and_says_range_and_dead_maps() -> None:
    maps = MAPS.copy()
    maps[3] = 0
    figure = figures.feature_map_grid(maps[None], CROP, layer="relu1")
    picture: Any = figure.axes[1].images[0].get_array()
    assert np.array_equal(picture, np.asarray(tiles.tile_maps(maps, width=1000).convert("RGB")))
    assert "8 maps of 6 × 6" in words(figure) and "1 of 8" in words(figure)
    assert f"{maps.max():.3g}" in words(figure)
    crop: Any = figure.axes[0].images[0].get_array()
    assert np.array_equal(crop, np.asarray(CROP))


def test_values_before_relu_are_drawn_around_zero() -> None:
    maps = RNG.standard_normal((4, 5, 5))
    picture: Any = figures.feature_map_grid(maps).axes[0].images[0].get_array()
    assert np.array_equal(picture, np.asarray(tiles.tile_maps(maps, signed=True, width=1000).convert("RGB")))


def test_filter_grid_refuses_colours_of_deep_filters() -> None:
    with pytest.raises(AlexNetError, match="PCA"):
        figures.filter_grid(DEEP_FILTERS, "conv2")


def test_filters_of_a_model_by_layer_name() -> None:
    from alexnet_edu.models import get_model

    model = get_model("small", num_classes=2)
    assert "48 filters of 11 × 11 × 3" in words(figures.filter_grid(model, "conv1"))
    assert "within a tower" in words(figures.filter_grid(model, "conv2", view="pca"))
    with pytest.raises(AlexNetError, match="conv5"):
        figures.filter_grid(model, "relu1")


def test_bars_write_large_numbers_with_commas() -> None:
    figure = figures.bars({"a": 290_400, "b": 64_896.5, "c": 0.25, "d": 4096}, title="Values", xlabel="values")
    figure.canvas.draw()
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts == ["290,400", "64,900", "0.25", "4,096"]
    assert "100,000" in [label.get_text() for label in figure.axes[0].get_xticklabels()]


def test_cost_bars_show_the_tables_shares() -> None:
    table = layer_table(get_spec("paper"))
    text = words(figures.cost_bars(table))
    assert f"{100 * table['fc6'].parameters / table.total_parameters:.1f}" in text
    assert f"{table.total_macs:,}" in text


def test_top5_marks_the_true_label_in_words_too() -> None:
    text = words(figures.top5_bars([CROP], [PREDICTION], ["dog"]))
    assert "dog ✓" in text and "cat ✓" not in text
    assert "50.0%" in text


def test_fields_are_drawn_to_size() -> None:
    ax = figures.receptive_fields(CROP, get_spec("small"), ["conv1", "conv5"]).axes[0]
    patches: list[Any] = list(ax.patches)
    assert [patch.get_width() for patch in patches] == [11, 163]


def test_history_connects_the_best_of_each_year() -> None:
    ax = figures.ilsvrc_history(RESULTS).axes[0]
    assert np.asarray(ax.lines[0].get_xydata()).tolist() == [[2011, 26.0], [2012, 15.3]]
    assert {"A 26.0", "B 26.2", "C 15.3"} <= {text.get_text() for text in ax.texts}


def test_show_needs_a_description_and_escapes_it() -> None:
    with pytest.raises(AlexNetError, match="alt"):
        figures.show(CROP)
    assert 'alt="a &lt;b&gt; &quot;c&quot;"' in figures.show(CROP, alt='a <b> "c"').html


def test_show_embeds_the_pixels() -> None:
    picture = tiles.tile_maps(MAPS)
    html = figures.show(picture, alt="eight maps").html
    found = re.search(r"data:image/(\w+);base64,([^\"]+)", html)
    assert found
    kind, data = found.groups()
    assert kind == "png"
    shown = Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")
    assert np.array_equal(np.asarray(shown), np.asarray(picture.convert("RGB")))


def test_no_title_loses_its_end() -> None:
    title = "A title that is a good deal wider than the small figure under it, where a part would be cut"
    figure = figures.bars({"a": 1, "b": 2}, title=title, xlabel="pieces")
    figure.set_size_inches(3.5, 2)
    figures.show(figure)
    extent = figure.axes[0].title.get_window_extent()
    assert extent.x0 >= 0 and extent.x1 <= figure.bbox.x1


def test_values_at_bars_have_as_many_decimals_as_each_other() -> None:
    assert "0.60" in words(figures.bars({"a": 0.6, "b": 0.52}, title="t", xlabel="share"))
    assert "1,234 | 0.5" in words(figures.bars({"a": 1234, "b": 0.5}, title="t", xlabel="pieces"))


def test_pictures_without_titles_are_counted() -> None:
    assert figures.picture_grid([CROP, CROP], title="Patches").get_label() == "Patches: 2 pictures."


def test_show_takes_svg_with_its_own_title_and_description() -> None:
    svg = architecture_svg(get_spec("small"))
    shown = figures.show(svg)
    assert shown.alt.endswith("architecture to scale")
    found = re.search(r"data:image/([\w+]+);base64,([^\"]+)", shown.html)
    assert found
    kind, data = found.groups()
    assert kind == "svg+xml"
    assert base64.b64decode(data).decode() == svg
    assert "conv3: 13 × 13 × 96" in shown.html.partition("src=")[0], "the description in words is the alternative text"


def test_same_data_same_description() -> None:
    assert FIGURES["maps"][0]().get_label() == FIGURES["maps"][0]().get_label()


def test_a_timeline_says_which_share_of_the_step_is_sending() -> None:
    said = str(FIGURES["timeline"][0]().get_label())
    assert "process 0: 50 % of the step" in said and "process 1: 0 % of the step" in said


def test_the_error_budget_falls_to_what_is_left() -> None:
    drawn = words(figures.error_budget([("others", 26.2), ("one", 18.2), ("five", 16.4)], title="Points"))
    assert "8.0 less: 18.2" in drawn and "1.8 less: 16.4" in drawn and "what was left" in drawn


def test_a_field_grows_by_the_kernel_times_the_distance_of_neighbours() -> None:
    assert "depends on 8 pixels" in words(figures.field_growth([(3, 1), (2, 2), (3, 1)]))
    assert "depends on 163 pixels" in words(
        figures.field_growth([(11, 4), (3, 2), (5, 1), (3, 2), (3, 1), (3, 1), (3, 1)])
    )


def test_corners_count_the_windows() -> None:
    three = {"up": (224, Window(11, 4, 0), True), "down": (224, Window(11, 4, 0), False)}
    drawn = words(figures.padded_corners(CROP, three))
    assert "first window of 55" in drawn and "first window of 54" in drawn


def test_the_strongest_maps_are_those_with_the_highest_peaks_beside_their_filters() -> None:
    figure = figures.strongest_map_grid(MAPS, CROP, layer="relu1", filters=RGB_FILTERS, count=4)
    seen, filters, shared, own = (np.asarray(ax.images[0].get_array()) for ax in figure.axes)
    order = np.argsort(-MAPS.max((1, 2)))[:4]
    labels = [str(number) for number in order]
    assert np.array_equal(seen, np.asarray(CROP))
    colours = tiles.filters_to_rgb(RGB_FILTERS[order], shared=False)
    assert np.array_equal(filters, np.asarray(tiles.tile_pictures(colours, labels=labels, width=640)))
    together = tiles.tile_maps(MAPS[order], labels=labels, width=640).convert("RGB")
    assert np.array_equal(shared, np.asarray(together)) and not np.array_equal(own, shared)


def test_each_towers_filters_stand_in_a_block_strongest_first() -> None:
    figure = figures.tower_filters(RGB_FILTERS, towers=2, title="conv1")
    lengths = np.linalg.norm(RGB_FILTERS.reshape(8, -1), axis=1)
    colours = tiles.filters_to_rgb(RGB_FILTERS)  # one scale for both
    for number, ax in enumerate(figure.axes):
        part = np.arange(4 * number, 4 * number + 4)
        wanted = tiles.tile_pictures(colours[part[np.argsort(-lengths[part])]], columns=12, width=1000)
        assert np.array_equal(np.asarray(ax.images[0].get_array()), np.asarray(wanted))
        assert ax.get_ylabel() == f"tower {number + 1}"


def test_reliability_puts_each_bin_at_its_mean_confidence_and_its_share_of_right_answers() -> None:
    confidences, right = [0.05, 0.3, 0.33, 0.8, 0.8, 0.8, 1.0], [0, 0, 1, 1, 1, 0, 1]
    figure = figures.reliability(confidences, right, title="seven", bins=4)
    upper, lower = figure.axes
    drawn: list[Any] = [line for line in upper.lines if line.get_marker() == "o"]
    bars: list[Any] = list(lower.patches)
    points = [(line.get_xdata()[0], line.get_ydata()[0]) for line in drawn]
    assert points == [(0.05, 0), (pytest.approx(0.315), 0.5), (pytest.approx(0.85), 0.75)]
    assert [bar.get_height() for bar in bars] == [1, 2, 0, 4]
    assert "right in all: 0.57" in words(figure)


def test_the_wall_shows_every_picture_with_its_label_in_words_and_its_share() -> None:
    pictures = {kind: wall_images()[kind] for kind in ("cougar_face", "wrench")}
    shown = figures.wall(pictures, {"cougar_face": 1.0, "wrench": 0.5}, "Two kinds.")
    assert shown.html.count("<img alt=") == 2 and "cougar’s face 1.00" in shown.html and "wrench 0.50" in shown.html
    assert shown.alt == "Two kinds. cougar’s face, wrench."


def test_photos_are_stored_as_webp_and_plots_as_png() -> None:
    photo = Image.fromarray(RNG.integers(0, 256, (8, 12, 3), dtype=np.uint8)).resize(
        (240, 160), Image.Resampling.BICUBIC
    )
    assert "data:image/webp;base64," in figures.show(photo, alt="a photo").html
    assert "data:image/png;base64," in figures.show(Image.new("RGB", (240, 160), "white"), alt="a plot").html
