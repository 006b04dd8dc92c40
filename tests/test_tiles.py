"""Composed pictures hold exactly the values that went in."""

import io
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from PIL import Image

from alexnet_edu import tiles
from alexnet_edu.errors import AlexNetError

RNG = np.random.default_rng(0)
MAPS = RNG.standard_normal((48, 13, 13))


def decoded(picture: Image.Image) -> np.ndarray:
    """The RGB pixels of a picture after a trip through a PNG file."""
    return np.asarray(Image.open(io.BytesIO(tiles.png_bytes(picture))).convert("RGB"))


def tile_of(pixels: np.ndarray, grid: tiles.Grid, index: int) -> np.ndarray:
    top, left, bottom, right = grid.box(index)
    return pixels[top : bottom : grid.zoom, left : right : grid.zoom]


def test_each_tile_shows_its_map_on_one_scale() -> None:
    grid = tiles.Grid.fitting(48, (13, 13), 680)
    pixels = decoded(tiles.tile_maps(MAPS))
    assert pixels.shape == (*grid.size, 3)
    level = np.rint((MAPS - MAPS.min()) / np.ptp(MAPS) * (tiles.LEVELS - 1)).astype(int)
    for index in (0, 7, 8, 47):
        assert np.array_equal(tile_of(pixels, grid, index), tiles.colour_scale()[level[index]])


def test_zoom_repeats_pixels() -> None:
    grid = tiles.Grid.fitting(48, (13, 13), 680)
    assert grid.zoom > 1
    top, left, bottom, right = grid.box(5)
    tile = decoded(tiles.tile_maps(MAPS))[top:bottom, left:right]
    assert np.array_equal(tile, tile[:: grid.zoom, :: grid.zoom].repeat(grid.zoom, 0).repeat(grid.zoom, 1))


def test_signed_scale_is_white_at_zero_and_symmetric() -> None:
    maps = np.array([[[-2.0, 0.0, 1.0]]])
    grid = tiles.Grid.fitting(1, (1, 3), 680)
    low, zero, high = tile_of(decoded(tiles.tile_maps(maps, signed=True)), grid, 0)[0].astype(int)
    assert zero.min() > 240
    assert low[2] > low[0], "negative is blue"
    assert high[0] > high[2], "positive is red"
    assert high.sum() > low.sum(), "half as strong is half as dark"


def test_zero_lies_in_the_middle_of_the_signed_scale() -> None:
    assert tiles.shared_range(np.array([-3.0, 1.0]), signed=True) == (-3, 3)
    assert tiles.shared_range(np.zeros(3), signed=True) == (-1, 1)


def test_range_leaves_out_what_is_not_finite_and_never_has_width_zero() -> None:
    assert tiles.shared_range(np.array([np.nan, 1.0, 4.0, np.inf])) == (1, 4)
    assert tiles.shared_range(np.full((2, 2), 7.0)) == (7, 8)
    decoded(tiles.tile_maps(np.full((2, 3, 3), np.nan)))


def test_dead_maps_are_crossed_out_and_live_dark_ones_are_not() -> None:
    maps = np.abs(MAPS[:4])
    maps[2] = 0
    maps[3] *= 1e-6
    grid = tiles.Grid.fitting(4, (13, 13), 680)
    pixels = decoded(tiles.tile_maps(maps))
    assert list(tiles.dead_maps(maps)) == [False, False, True, False]
    colours = {tuple(c) for c in tile_of(pixels, grid, 2).reshape(-1, 3)}
    assert colours == {(205, 205, 205), (0, 0, 0)}
    assert {tuple(c) for c in tile_of(pixels, grid, 3).reshape(-1, 3)} == {tuple(tiles.colour_scale()[0])}


def test_mark_frames_one_tile_without_covering_it() -> None:
    grid = tiles.Grid.fitting(48, (13, 13), 680)
    plain, marked = decoded(tiles.tile_maps(MAPS)), decoded(tiles.tile_maps(MAPS, marked=9))
    top, left, bottom, right = grid.box(9)
    assert np.array_equal(tile_of(plain, grid, 9), tile_of(marked, grid, 9))
    changed = np.argwhere((plain != marked).any(axis=2))
    assert changed.min(axis=0).tolist() == [top - 3, left - 3]
    assert changed.max(axis=0).tolist() == [bottom + 2, right + 2]


@pytest.mark.parametrize(("count", "columns"), [(48, 8), (64, 8), (96, 12), (192, 16), (256, 16), (384, 24), (1, 1)])
def test_layouts_leave_no_hole_for_the_networks_layers(count: int, columns: int) -> None:
    grid = tiles.Grid(count, (3, 3))
    assert (grid.columns, grid.rows * grid.columns) == (columns, count)


def test_any_count_fits() -> None:
    for count in range(1, 60):
        grid = tiles.Grid(count, (2, 5))
        assert grid.rows * grid.columns >= count
        assert decoded(tiles.tile_maps(RNG.random((count, 2, 5)))).shape[2] == 3


def test_labels_get_room_of_their_own() -> None:
    labels = [str(i) for i in range(48)]
    grid = tiles.Grid.fitting(48, (13, 13), 680, strip=14)  # a tile is 84 pixels high and wide
    pixels = decoded(tiles.tile_maps(MAPS, labels=labels))
    level = np.rint((MAPS - MAPS.min()) / np.ptp(MAPS) * (tiles.LEVELS - 1)).astype(int)
    assert np.array_equal(tile_of(pixels, grid, 11), tiles.colour_scale()[level[11]])
    top, left, _, right = grid.box(11)
    assert (pixels[top - 14 : top, left:right] == 0).all(axis=2).any(), "ink above the tile"


def test_rgb_filters_share_a_scale_around_grey() -> None:
    weights = np.zeros((2, 3, 2, 2))
    weights[0, 0, 0, 0], weights[1, 2, 1, 1] = 2.0, -1.0
    rgb = tiles.filters_to_rgb(weights)
    assert rgb[0, 0, 0].tolist() == [255, 128, 128]
    assert rgb[1, 1, 1].tolist() == [128, 128, 64]
    assert tiles.filters_to_rgb(weights, shared=False)[1, 1, 1].tolist() == [128, 128, 0]
    assert (tiles.filters_to_rgb(np.zeros((1, 3, 2, 2))) == 128).all()
    grid = tiles.Grid.fitting(2, (2, 2), 400)
    assert np.array_equal(tile_of(decoded(tiles.tile_pictures(rgb)), grid, 1), rgb[1])


def test_one_strong_filter_does_not_turn_the_others_grey() -> None:
    weights = np.random.default_rng(0).uniform(-1, 1, (50, 3, 5, 5))
    weights[0, :, 0, 0] = [100.0, -100.0, 100.0]
    rgb = tiles.filters_to_rgb(weights).astype(int)
    assert rgb[0, 0, 0].tolist() == [255, 0, 255]
    assert np.abs(rgb[1:] - 127.5 - 127.5 * weights[1:].transpose(0, 2, 3, 1)).max() < 4
    assert 0 < (np.abs(weights) >= tiles.full_colour(weights)).mean() <= 0.011


def test_deep_filters_are_refused_as_colours_with_a_way_out() -> None:
    with pytest.raises(AlexNetError, match="PCA"):
        tiles.filters_to_rgb(np.zeros((4, 48, 5, 5)))


def test_strongest_slices_picks_the_largest_norm() -> None:
    weights = RNG.standard_normal((6, 10, 3, 3)) * 0.01
    weights[range(6), [3, 1, 4, 1, 5, 9]] += 1
    slices, channels = tiles.strongest_slices(weights)
    assert channels.tolist() == [3, 1, 4, 1, 5, 9]
    assert np.array_equal(slices[2], weights[2, 4])


def test_pca_gives_like_positions_like_colours() -> None:
    directions = np.linalg.qr(RNG.standard_normal((20, 3)))[0].T
    kinds = RNG.integers(0, 3, (8, 4, 4))
    colours = tiles.pca_rgb(directions[kinds].transpose(0, 3, 1, 2))
    for kind in range(3):
        assert len(np.unique(colours[kinds == kind], axis=0)) <= 2, "one colour, up to rounding"
    assert len(np.unique(colours.reshape(-1, 3), axis=0)) >= 3


def test_pca_keeps_groups_apart_and_does_not_depend_on_the_sign_of_an_axis() -> None:
    weights = RNG.standard_normal((8, 6, 3, 3))
    both = tiles.pca_rgb(weights, groups=2)
    assert np.array_equal(both[:4], tiles.pca_rgb(weights[:4]))
    assert np.array_equal(both, tiles.pca_rgb(weights, groups=2))
    assert tiles.pca_rgb(RNG.standard_normal((4, 2, 3, 3))).shape == (4, 3, 3, 3)


@pytest.mark.parametrize("view", [view for view in tiles.VIEWS if view != "colour"])
def test_deep_filters_have_four_views(view: str) -> None:
    seen = tiles.filter_view(RNG.standard_normal((8, 6, 3, 3)), view, channel=2, groups=2)
    assert seen.picture(width=100).width > 50
    assert seen.how


def test_channels_view_shows_one_filter() -> None:
    weights = RNG.standard_normal((8, 6, 3, 3))
    seen = tiles.filter_view(weights, "channels", channel=2)
    assert seen.picture().tobytes() == tiles.tile_maps(weights[2], signed=True).tobytes()
    assert "filter 2" in seen.how


def test_unknown_views_are_refused_with_the_valid_ones() -> None:
    with pytest.raises(AlexNetError, match="strongest"):
        tiles.filter_view(RNG.standard_normal((2, 3, 3, 3)), "rainbow")


def test_overlay_puts_each_cell_at_its_place_and_leaves_the_rest() -> None:
    picture = np.full((40, 40, 3), 90, np.uint8)
    values = np.zeros((3, 3))
    values[1, 2] = 1.0
    shown = np.asarray(tiles.overlay(picture, values, start=8, jump=8, limits=(0, 1)))
    rows, columns = np.nonzero((shown != 90).any(axis=2))
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (12, 19, 20, 27)


def test_overlay_frames_a_field_without_covering_it_and_moves_inside_at_the_edge() -> None:
    picture = np.zeros((40, 40, 3), np.uint8)
    place: dict[str, Any] = {"start": 10.0, "jump": 20.0, "limits": (0.0, 1.0)}
    shown = np.asarray(tiles.overlay(picture, np.zeros((2, 2)), box=(10, 10, 21, 21), **place))
    assert (shown[10:21, 10:21] == 0).all()
    assert shown[9, 15].tolist() == [255, 255, 255]
    assert shown[7, 15].tolist() == [230, 90, 0]
    whole = np.asarray(tiles.overlay(picture, np.zeros((2, 2)), box=(0, 0, 40, 40), **place))
    assert whole[0, 20].tolist() == whole[39, 20].tolist() == [230, 90, 0]
    assert (whole[3:37, 3:37] == 0).all()


@pytest.mark.parametrize("bad", [np.zeros((3, 3)), np.zeros((0, 3, 3)), np.zeros((1, 2, 3, 4))])
def test_wrong_shapes_are_named(bad: np.ndarray) -> None:
    with pytest.raises(AlexNetError, match="count, height, width"):
        tiles.tile_maps(bad)


def test_wrong_picture_shapes_are_named() -> None:
    with pytest.raises(AlexNetError, match="count, height, width, 3"):
        tiles.tile_pictures(np.zeros((2, 3, 4, 4), np.uint8))


def test_needs_no_torch() -> None:
    code = "import sys, alexnet_edu.tiles, alexnet_edu.diagram; assert not {'torch', 'matplotlib'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
