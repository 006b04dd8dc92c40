"""The atlas: how it is made, on one unit, and what is stored."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from alexnet_edu.features import feature_maps, top_patches
from alexnet_edu.images import held_out_images
from alexnet_edu.inference import class_probabilities
from alexnet_edu.weights import ASSETS, Pretrained, load_pretrained
from experiments import atlas


@pytest.fixture(scope="module")
def small() -> Pretrained:
    return load_pretrained("small")


@pytest.fixture
def few(small: Pretrained, monkeypatch: pytest.MonkeyPatch) -> Tensor:
    """Twelve photos instead of two hundred."""
    photos = held_out_images()[::17]
    monkeypatch.setattr(atlas, "held_out_images", lambda: photos)
    return torch.stack([small.preprocess(photo) for photo in photos])


def test_one_command_makes_a_unit(small: Pretrained, few: Tensor, tmp_path: Path) -> None:
    command = ["--out", str(tmp_path), "--layer", "conv5", "--steps", "2"]
    atlas.main([*command, "--units", "7"])
    sheet = Image.open(tmp_path / "conv5.webp").convert("RGBA")
    assert atlas.drawn(sheet, 128) == [7]
    left, top = atlas.place(7)
    (tile,) = atlas.tiles(small, "conv5", [7], {"steps": 2, "seed": 0})
    stored = sheet.convert("RGB").crop((left, top, left + atlas.TILE, top + atlas.TILE))
    assert np.abs(np.asarray(stored, float) - np.asarray(tile, float)).mean() < 8  # what WebP changes
    atlas.main([*command, "--units", "9"])
    written = json.loads((tmp_path / "atlas.json").read_text(encoding="utf-8"))
    assert list(written["layers"]["conv5"]["units"]) == ["7", "9"]
    assert written["made"]["settings"] == {"steps": 2, "seed": 0}
    own = written["layers"]["conv5"]["units"]["9"]
    assert len(own["patches"]) == atlas.PATCHES and len(own["from"]) == len(own["to"]) == atlas.CONNECTIONS
    assert atlas.drawn(Image.open(tmp_path / "conv5.webp").convert("RGBA"), 128) == [7, 9]


def test_an_interrupted_layer_goes_on(small: Pretrained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[int]] = []

    def grey(pretrained: Any, layer: str, units: Any, settings: Any) -> list[Image.Image]:
        asked.append(list(units))
        if len(asked) == 3:
            raise KeyboardInterrupt
        return [Image.new("RGB", (atlas.TILE, atlas.TILE), (unit, 0, 0)) for unit in units]

    monkeypatch.setattr(atlas, "tiles", grey)
    monkeypatch.setattr(atlas, "describe", lambda *arguments: [])
    command = ["--out", str(tmp_path), "--layer", "conv1", "--batch", "10"]
    with pytest.raises(KeyboardInterrupt):
        atlas.main(command)
    assert (tmp_path / "conv1.png").exists() and not (tmp_path / "conv1.webp").exists()
    atlas.main(command)
    assert [one[0] for one in asked] == [0, 10, 20, 20, 30, 40]
    sheet = Image.open(tmp_path / "conv1.webp")
    assert sheet.mode == "RGB" and sheet.size == (16 * atlas.TILE, 3 * atlas.TILE)
    assert not (tmp_path / "conv1.png").exists()
    atlas.main(command)
    assert len(asked) == 6  # nothing was left to do


def test_patches_are_the_best_places_of_different_photos(small: Pretrained, few: Tensor) -> None:
    (own,) = atlas.patches(small, "conv3", [5], few)
    maps = feature_maps(small, few, "conv3")["conv3"][:, 5]
    best = maps.flatten(1).max(1).values.sort(descending=True)
    assert [int(patch[0]) for patch in own] == best.indices[: atlas.PATCHES].tolist()
    assert [patch[3] for patch in own] == pytest.approx(best.values[: atlas.PATCHES].tolist(), abs=0.01)
    plain = top_patches(small, few, "conv3", 5, k=1)[0]
    assert (max(0, own[0][1]), max(0, own[0][2])) == plain.box[:2]


def test_shares_add_up_and_keep_to_their_tower(small: Pretrained, few: Tensor) -> None:
    sizes = atlas.map_sizes(small, few)
    for layer in atlas.LAYERS[1:]:
        shares = atlas.strengths(small, layer, sizes)
        assert len(shares) == atlas.units_of(small, layer)
        assert shares.abs().sum(1).numpy() == pytest.approx(1, abs=1e-4)
    two = atlas.strengths(small, "conv2", sizes)
    assert two[:64, 24:].eq(0).all() and two[64:, :24].eq(0).all() and two[:64, :24].ne(0).any()
    # One weight, written out: unit 3 of fc8 and unit 11 of fc7.
    row = small.model.get_parameter("fc8.weight").detach()[3] * sizes["drop7"]
    assert atlas.strengths(small, "fc8", sizes)[3, 11].item() == pytest.approx((row[11] / row.abs().sum()).item())
    assert atlas.strongest(torch.tensor([[0.5, 0.0, -0.4996, 0.0004]])) == [[[0, 500], [2, -500]]]


# --- what is stored


@pytest.fixture(scope="module")
def stored() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((atlas.FOLDER / "atlas.json").read_text(encoding="utf-8"))
    return found


def test_the_atlas_is_of_the_embedded_network_and_complete(small: Pretrained, stored: dict[str, Any]) -> None:
    assert stored["made"]["weights"].endswith(sha256((ASSETS / "small.safetensors").read_bytes()).hexdigest())
    assert stored["photos"] == [f"{photo.kind}/{photo.path.name}" for photo in held_out_images()]
    assert tuple(stored["layers"]) == atlas.LAYERS
    for layer, told in stored["layers"].items():
        count = atlas.units_of(small, layer)
        assert list(told["units"]) == [str(unit) for unit in range(count)]
        assert told["window"] == atlas.window(small, layer)
        with Image.open(atlas.FOLDER / f"{layer}.webp") as sheet:
            assert sheet.size == atlas.blank(count).size and sheet.mode == "RGB"
    assert sum(path.stat().st_size for path in atlas.FOLDER.iterdir()) < 15e6


def test_what_is_stored_is_what_is_computed(small: Pretrained, stored: dict[str, Any]) -> None:
    """One channel's patches on all photos, and the connections of a layer."""
    photos = torch.stack([small.preprocess(photo) for photo in held_out_images()])
    (own,) = atlas.patches(small, "conv5", [7], photos)
    told = stored["layers"]["conv5"]["units"]["7"]
    assert [patch[3] for patch in told["patches"]] == pytest.approx([patch[3] for patch in own], abs=0.05)
    assert told["patches"][0][:3] == own[0][:3]
    shares = atlas.strengths(small, "conv5", atlas.map_sizes(small, photos))
    assert told["from"] == [[unit, pytest.approx(share, abs=1)] for unit, share in atlas.strongest(shares[7:8])[0]]


def test_the_network_knows_what_it_is_shown(small: Pretrained) -> None:
    """The pictures of most classes, small as they are stored, are still taken for these classes."""
    with Image.open(atlas.FOLDER / "fc8.webp") as sheet:
        corners = [atlas.place(unit) for unit in range(len(small.categories))]
        pictures = [sheet.crop((left, top, left + atlas.TILE, top + atlas.TILE)) for left, top in corners]
    x = torch.stack([small.preprocess(picture) for picture in pictures])
    answers = torch.cat([class_probabilities(small.model, batch) for batch in x.split(32)]).argmax(1)
    assert answers.eq(torch.arange(len(answers))).float().mean() > 0.5
