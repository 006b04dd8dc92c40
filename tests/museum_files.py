"""Texts in the language of the 2012 network files, for the tests of what reads them."""

from __future__ import annotations

import re
from pathlib import Path

from alexnet_edu.museum.layers import InputSum
from alexnet_edu.museum.models import MuseumNet

DATA = Path(__file__).parent / "data" / "museum"
CIFAR = (3, 24, 24)
SIDE = (3, 8, 8)
BASE = """\
[image]
type=data
dataIdx=0

[label]
type=data
dataIdx=1

[conv]
type=conv      ; a comment
inputs=image
filters=16
FilterSize=3   # keys in any case
channels=3
initW=0.1

[pool]
type=pool
pool=max
inputs=conv
sizeX=2
stride=2
channels=16

[norm]
type=cmrnorm
inputs=pool
channels=16
size=5

[fc]
type=fc
inputs=norm, pool
outputs=4
initW=0.1, 0.1

[probs]
type=softmax
inputs=fc

[cost]
type=cost.logreg
inputs=label, probs
"""


def section(name: str, **keys: object) -> str:
    return f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items()) + "\n"


def layer(inputs: str = "image", **keys: object) -> str:
    """One layer between a picture and a cost that reads it all."""
    return (
        section("image", type="data", dataIdx=0)
        + section("it", inputs=inputs, **keys)
        + section("end", type="cost.sum2", inputs="it")
    )


def conv_of(inputs: int, **keys: object) -> str:
    lists = {
        key: ", ".join([str(value)] * inputs) for key, value in keys.items() if key not in ("neuron", "sharedBiases")
    }
    rest = {key: keys[key] for key in ("neuron", "sharedBiases") if key in keys}
    return layer(
        ", ".join(["image"] * inputs), type="conv", initB=0.5, initW=", ".join(["0.1"] * inputs), **lists, **rest
    )


def narrow(path: Path) -> str:
    """The file with fewer fully connected units, so that a test of its convolutions takes no seconds."""
    return re.sub(r"outputs = (2048|4096|1000)", "outputs = 32", path.read_text())


def weighted(model: MuseumNet, name: str = "it") -> InputSum:
    """The module of a layer with weights."""
    module = model.get_submodule(name)
    assert isinstance(module, InputSum)
    return module
