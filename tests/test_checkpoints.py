"""Files of weights from outside: each loads, or is refused with the true reason; nothing in them is run."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
import weight_files
from weight_files import LABELS, LOADED, REFUSED, hostile, load, state

from alexnet_edu.errors import WeightsError
from alexnet_edu.images import sample_images
from alexnet_edu.inference import predict
from alexnet_edu.train import checkpoint, learner
from alexnet_edu.weights import Pretrained, load_pretrained


@pytest.fixture(autouse=True)
def harm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder that a file would make if anything in it were run."""
    monkeypatch.setenv("HARM", str(tmp_path / "harm"))
    return tmp_path / "harm"


@pytest.mark.parametrize("kind", LOADED)
def test_weights_from_outside_load(kind: str, tmp_path: Path) -> None:
    pretrained = load(LOADED[kind], tmp_path)
    assert isinstance(pretrained, Pretrained) and pretrained.categories == LABELS
    assert pretrained.model.spec.name == "small"
    tolerance = 1e-3 if kind == "half" else 0.0
    for name, value in state().items():
        found = pretrained.model.state_dict()[name]
        torch.testing.assert_close(found, value, rtol=tolerance, atol=tolerance)


@pytest.mark.filterwarnings("ignore:`torch.jit")
@pytest.mark.parametrize("kind", REFUSED)
def test_others_are_refused_with_the_reason(kind: str, tmp_path: Path, harm: Path) -> None:
    with pytest.raises(WeightsError) as caught:
        load(REFUSED[kind], tmp_path)
    assert REFUSED[kind].refused in str(caught.value)
    assert_sentence(caught.value)
    assert not harm.exists()


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("name", hostile())
def test_hostile_files_end_in_a_sentence(name: str, tmp_path: Path, harm: Path) -> None:
    path = tmp_path / name
    hostile()[name](path)
    with pytest.raises(WeightsError) as caught:
        load_pretrained(path, categories=None if "categories" in name or "text" in name else LABELS)
    assert_sentence(caught.value)
    assert not harm.exists()


def assert_sentence(error: WeightsError) -> None:
    text = str(error)
    assert text.endswith(".") and "\n" not in text and len(text) < 700, text


def test_the_content_says_what_a_file_is_and_not_its_name(tmp_path: Path) -> None:
    LOADED["bare"].write(tmp_path / "mine.pth")
    LOADED["state dict"].write(tmp_path / "mine.bin")
    for name in ("mine.pth", "mine.bin"):
        assert load_pretrained(tmp_path / name, categories=LABELS).categories == LABELS


def test_a_home_folder_may_be_a_tilde(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME" if sys.platform != "win32" else "USERPROFILE", str(tmp_path))
    LOADED["export"].write(tmp_path / "mine.safetensors")
    assert load_pretrained("~/mine.safetensors").name == "mine"


def test_the_order_of_channels_travels_with_the_preprocessing(tmp_path: Path) -> None:
    """The same weights, colours the other way round in the filters of conv1 and in the picture."""
    cat = sample_images()["cat"]
    bgr = load(LOADED["bgr"], tmp_path)
    values = {"size": 227, "mean": weight_files.BGR["mean"][::-1], "std": weight_files.BGR["std"]}
    flipped = weight_files.changed("conv1.weight", lambda value: value.flip(1))
    torch.save({"model": flipped, "categories": LABELS, "preprocess": values}, tmp_path / "rgb.pth")
    rgb = load_pretrained(tmp_path / "rgb.pth")
    assert predict(cat, bgr).labels == predict(cat, rgb).labels
    torch.testing.assert_close(predict(cat, bgr).probabilities, predict(cat, rgb).probabilities)
    x = bgr.preprocess(cat)
    torch.testing.assert_close(x, rgb.preprocess(cat).flip(0))
    torch.testing.assert_close(bgr.preprocess.denormalize(x), rgb.preprocess.denormalize(x.flip(0)))


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "bomb.pth"
    weight_files.packed(path)
    monkeypatch.setattr(torch, "load", None)  # nobody may ask it
    with pytest.raises(WeightsError, match="compresses nothing"):
        load_pretrained(path)


def test_the_trainers_checkpoint_is_known_by_what_the_trainer_writes() -> None:
    """The entries that tell it from other checkpoints are still among those that it has."""
    source = Path(checkpoint.__file__).read_text(encoding="utf-8") + Path(learner.__file__).read_text(encoding="utf-8")
    assert '"optimiser": self.optimiser' in source and '"settings": settings' in source
