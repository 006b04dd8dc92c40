"""Mangled and hostile network files: each is a network that runs, or one clear sentence."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from xml.etree import ElementTree

import pytest
import torch
from museum_files import BASE, CIFAR, DATA, SIDE, layer, section

from alexnet_edu.cli.museum import describe
from alexnet_edu.errors import AlexNetError
from alexnet_edu.museum import NETWORK_145, NetworkFile, build_network, models, network_svg, read_network
from alexnet_edu.museum.build import needed_bytes
from alexnet_edu.museum.graph import MuseumLayer

BASE_PARAMS = (
    section("conv", epsW=1, epsB=1, momW=0, momB=0)
    + section("norm", scale=1, pow=1)
    + section("cost", coeff=1)
    + section("fc", epsW="1,1", epsB=1, momW="0,0", momB=0, schedW="dexp[250,0,4]")
)
FILES = [
    (BASE, BASE_PARAMS, SIDE),
    ((DATA / "cifar-local.cfg").read_text(), (DATA / "cifar-local-params.cfg").read_text(), CIFAR),
    ((DATA / "137.cfg").read_text(), None, (3, 224, 224)),
    ((DATA / "all-types.cfg").read_text(), None, SIDE),
    ((DATA / "label-difference.cfg").read_text(), None, SIDE),
]
NUMBERS = ["0", "-1", "1", "2", "3", "4", "7", "8", "16", "0.5", "65536", "2147483647", "4294967296", str(1 << 64)]
NUMBERS += ["9" * 99, "9" * 5000, "1e-320", "1e30", "-1e30", "1e39", "1e400", "nan", "inf", "-inf", "1_000", "٣"]
SIGNS = "=[],;#.\0\r\té9\u2028\x1b\ud800\ufffe-e"
LINES = ["[", "[]", "neuron=tanh[1]", "neuron=tanh[1e30,1e30]", "neuron=sqrt", "gpu=x", "gpu=-3", "weightSource=fc[0]"]
LINES += ["groups=0", "  9", "randSparse=1", "outputsX=5", "start=-2", "sharedBiases=0", "schedB=exp[1e-320,0]"]
LINES += ["type=data", "type=concat", "type=eltsum", "type=local", "inputs=image", "inputs=label, image", "dataIdx=0"]


def mangled(text: str, chance: random.Random) -> str:
    lines = text.split("\n")
    for _ in range(chance.choice([1, 1, 2, 4])):
        i, j = chance.randrange(len(lines)), chance.randrange(len(lines))
        kind = chance.randrange(7)
        if kind == 0:
            del lines[i]
        elif kind == 1:
            lines[i] = lines[j]
        elif kind == 2:
            lines[i], lines[j] = lines[j], lines[i]
        elif kind == 3:
            i = chance.choice([n for n, line in enumerate(lines) if re.search(r"= *-?\d", line)] or [i])
            lines[i] = re.sub(r"-?\d+", lambda _: chance.choice(NUMBERS), lines[i])
        elif kind == 4:
            at = chance.randrange(len(lines[i]) + 1)
            lines[i] = lines[i][:at] + chance.choice(SIGNS) + lines[i][at:]
        elif kind == 5:
            lines[i] = lines[i][: chance.randrange(len(lines[i]) + 1)]
        else:
            lines.insert(i, chance.choice(LINES))
        lines = lines or [""]
    return "\n".join(lines)


def check_message(problem: AlexNetError) -> None:
    message = str(problem)
    assert 20 < len(message) < 400 and message.isprintable()


def try_out(network: NetworkFile) -> None:
    """Everything that can be done with a network."""
    assert str(network) and repr(network) and json.dumps(describe(network), allow_nan=False)
    ElementTree.fromstring(network_svg(network))
    model = build_network(network, max_bytes=20_000_000)
    assert sum(p.numel() for p in model.parameters()) == network.total_parameters
    if network.rates:
        assert all(group["lr"] >= 0 for p in (0.0, 0.3, 1.0) for group in model.param_groups(progress=p))
    if network.total_macs > 1e8:
        return
    x = torch.rand(2, *network.input_shape)
    for name, value in model.activations(x).items():
        assert tuple(value.shape[1:]) == network[name].output_shape
    read = network.needed([name for cost in network.costs for name in cost.inputs])
    shapes = {layer.data_index: layer.output_shape for layer in read if layer.type == "data"}
    cost = model.cost(x, *(torch.zeros(2, *shapes[index]) for index in sorted(shapes, key=str) if index))
    assert not cost.requires_grad or cost.backward() is None


@pytest.mark.parametrize("seed", range(8))
def test_a_mangled_file_is_a_network_or_one_clear_error(seed: int) -> None:
    chance, found = random.Random(seed), Counter[str]()
    for _ in range(250):
        text, params, shape = chance.choice(FILES)
        change_params = params is not None and chance.random() < 0.3
        try:
            network = read_network(
                text if change_params else mangled(text, chance),
                mangled(params, chance) if change_params and params else params,
                input_shape=shape,
            )
            found["read"] += 1
            try_out(network)
            found["ran"] += 1
        except AlexNetError as problem:
            check_message(problem)
            found["refused"] += 1
    assert found["ran"] > 20 and found["read"] > found["ran"] and found["refused"] > 50


HOSTILE = {
    "a blur wider than any float": layer(type="blur", channels=3, filterSize=3, stdev="1e200"),
    "a start that float32 can't hold": layer(type="fc", outputs=2, initB="1e300"),
    "constants that float32 can't hold": layer(type="fc", outputs=2, neuron="tanh[1e300,1]"),
    "more digits than Python converts": layer(type="fc", outputs="9" * 5000),
    "a size beyond any integer of C": layer(type="fc", outputs=1 << 40),
    "more values than a layer can have": layer(", ".join(["image"] * 20), type="concat"),
    "a name that fills the screen": layer(type="fc", outputs=2).replace("it", "it" * 5000),
    "a line that is nearly all space": BASE.replace("filters=16", "filters" + " " * 200_000 + "16"),
    "a text larger than any file": BASE + "#" * 300_000,
    "a stride of no pixel": layer(type="nailbed", channels=3, stride=0),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_text_is_refused_in_one_sentence(what: str) -> None:
    shape = (3, 8192, 8192) if what.startswith("more values") else SIDE
    with pytest.raises(AlexNetError) as caught:
        read_network(HOSTILE[what], input_shape=shape)
    check_message(caught.value)


@pytest.mark.parametrize("schedule", ["dexp[2,0,inf]", "exp[1e-320,0]", "linear[1e-38,0]", "exp[nan,0]", "exp[2,nan]"])
def test_a_schedule_beyond_any_number_is_refused(schedule: str) -> None:
    params = (DATA / "cifar-local-params.cfg").read_text().replace("epsB = 0.002", f"epsB = 9\nschedB = {schedule}")
    with pytest.raises(AlexNetError, match="no schedule") as caught:
        read_network(DATA / "cifar-local.cfg", params, input_shape=CIFAR)
    check_message(caught.value)


@pytest.mark.parametrize("shape", [(3, 1 << 20, 1 << 20), (1 << 4000, 1, 1), (True, 8, 8), (3, 8, -8), (3.0, 8, 8)])
def test_impossible_pictures_are_refused(shape: tuple[int, int, int]) -> None:
    with pytest.raises(AlexNetError, match="square image"):
        read_network(BASE, input_shape=shape)


@pytest.mark.parametrize("classes", [0, -1, True, 2.5, "ten", None, 1 << 40])
def test_impossible_numbers_of_classes_are_refused(classes: int) -> None:
    with pytest.raises(AlexNetError, match="num_classes"):
        read_network(BASE, input_shape=SIDE, num_classes=classes)


def test_long_chains_and_wide_sums_are_networks() -> None:
    chain = section("image", type="data", dataIdx=0)
    chain += "".join(section(f"s{i}", type="eltsum", inputs=f"s{i - 1}" if i else "image") for i in range(1500))
    network = read_network(chain + section("end", type="cost.sum2", inputs="s1499"), input_shape=SIDE)
    assert len(network_svg(network)) > 100_000
    assert build_network(network)(torch.ones(1, *SIDE)).shape == (1, *SIDE)
    wide = read_network(layer(", ".join(["image"] * 5000), type="eltsum"), input_shape=SIDE)
    assert build_network(wide)(torch.ones(1, *SIDE)).mean() == 5000


# Memory

FAT = {
    "weights": layer(type="fc", outputs=10**8),
    "shared weights": section("image", type="data", dataIdx=0)
    + section("one", type="fc", inputs="image", outputs=2 * 10**6)
    + section("two", type="fc", inputs="image", outputs=2 * 10**6, weightSource="one")
    + section("end", type="cost.sum2", inputs="one")
    + section("fin", type="cost.sum2", inputs="two"),
    "activations": layer(type="conv", filters=1, filterSize=1, channels=3, initW=1, padding=20_000),
    "a stride over the edge": layer(type="conv", filters=1, filterSize=3, channels=3, initW=1, stride=10**6),
    "padding that a stride skips": layer(
        type="conv", filters=1, filterSize=1, channels=3, initW=1, padding=10**6, stride=10**6
    ),
    "filters of each position": layer(type="local", filters=2048, filterSize=8, channels=3, initW=1, padding=20),
    "windows": layer(type="pool", pool="rand", channels=3, sizeX=150, stride=1),
    "copies of maps": layer(
        type="conv", filters=16, filterSize=1, channels=3, initW=1, stride=400, groups=6000
    ).replace("stride", "randSparse = 1\nfilterChannels = 3\nstride"),
}


@pytest.mark.parametrize("what", FAT)
def test_what_would_not_fit_is_refused_before_anything_is_built(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(layer: MuseumLayer) -> torch.nn.Module:
        raise AssertionError(f"{layer.name} was built")

    monkeypatch.setattr(models, "_build", forbidden)
    side = 300 if what in ("windows", "copies of maps") else 8
    network = read_network(FAT[what], input_shape=(3, side, side))
    with pytest.raises(AlexNetError, match=r"needs about .* GB .* more than 2 GB.*max_bytes=") as caught:
        build_network(network)
    check_message(caught.value)


def test_the_bound_counts_weights_and_activations_and_can_be_moved() -> None:
    network = read_network(NETWORK_145)
    values = network.total_parameters + sum(torch.Size(layer.output_shape).numel() for layer in network)
    assert 4 * values <= needed_bytes(network) < 4.4 * values
    small = read_network(BASE, input_shape=SIDE)
    needed = needed_bytes(small)
    with pytest.raises(AlexNetError, match=f"max_bytes={needed}"):
        build_network(small, max_bytes=needed - 1)
    assert build_network(small, max_bytes=needed)(torch.zeros(1, *SIDE)).shape == (1, 4)


def test_more_memory_than_any_machine_has_is_one_sentence() -> None:
    network = read_network(layer(type="fc", outputs=2**31 - 1), input_shape=(3, 8192, 8192))
    with pytest.raises(AlexNetError, match="more memory than this machine has"):
        build_network(network, max_bytes=10**30)
