"""Files of random weights in the formats that trained ones come in."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from alexnet_edu.models import get_model
from alexnet_edu.weights import ASSETS, Preprocess, Pretrained


def small_state(seed: int = 0) -> dict[str, Tensor]:
    """The state dict of a random ``small`` network for 101 classes, spread enough that classes differ."""
    torch.manual_seed(seed)
    model = get_model("small", num_classes=101)
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(module.weight)
    return model.state_dict()


def write_small_assets(folder: Path) -> None:
    """What ``load_pretrained("small")`` reads, half precision as in the package."""
    save_file({name: value.half() for name, value in small_state().items()}, folder / "small.safetensors")
    (folder / "small.json").write_text(json.dumps({"top1": 0.5}), encoding="utf-8")
    labels = (ASSETS / "caltech101_categories.txt").read_bytes()
    (folder / "caltech101_categories.txt").write_bytes(labels)


def random_pretrained() -> Pretrained:
    """A random ``small`` network with labels."""
    model = get_model("small", num_classes=101)
    model.load_state_dict(small_state())
    categories = tuple(f"class {i}" for i in range(101))
    return Pretrained(model.eval(), Preprocess(size=227), categories, "random", "drawn for a test")


def torchvision_state(num_classes: int = 1000) -> dict[str, Tensor]:
    """Random weights with torchvision's names and sizes: 233 MiB for 1000 classes."""
    from torchvision.models import alexnet

    torch.manual_seed(0)
    with torch.device("meta"):
        empty = alexnet(num_classes=num_classes).state_dict()
    return {name: torch.randn(value.shape) * 0.02 for name, value in empty.items()}


def write_hub_file(folder: Path, state: dict[str, Tensor]) -> Path:
    """A checkpoint whose name carries the start of its SHA-256, as torch.hub asks."""
    plain = folder / "plain.pth"
    torch.save(state, plain)
    return plain.rename(folder / f"alexnet-test-{hashlib.sha256(plain.read_bytes()).hexdigest()[:8]}.pth")
