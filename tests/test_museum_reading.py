"""Network files as data: known totals, and mistakes named with their line."""

from __future__ import annotations

from pathlib import Path

import pytest
from museum_files import BASE, CIFAR, DATA, SIDE, conv_of, layer, section

from alexnet_edu.errors import AlexNetError
from alexnet_edu.museum import (
    NETWORK_145,
    PARAMS_145,
    NetworkFileError,
    build_network,
    read_network,
)

TOTALS = {
    "131": (60_870_376, 628_615_616),
    "135": (60_870_376, 628_615_616),
    "137": (60_870_376, 628_615_616),
    "146": (61_555_304, None),
    "145-half": (59_798_312, 391_514_384),
}


def test_145_is_the_paper() -> None:
    network = read_network(NETWORK_145, PARAMS_145)
    assert network.total_parameters == 60_965_224
    assert network.total_macs == 724_406_816
    assert network.notes == ()
    sides = {
        name: network[f"{name}a"].output_shape[1] for name in ("conv1", "pool1", "conv2", "pool2", "conv5", "pool5")
    }
    assert list(sides.values()) == [55, 27, 27, 13, 13, 6]
    assert [network[name].gpu for name in ("image", "conv1a", "lrn1b", "conv4b", "probs")] == [None, 0, 1, 1, 0]
    assert network["label"].output_shape == (1,)


@pytest.mark.parametrize("name", TOTALS)
def test_the_other_networks_have_the_known_totals(name: str) -> None:
    network = read_network(DATA / f"{name}.cfg")
    parameters, macs = TOTALS[name]
    assert network.total_parameters == parameters
    assert macs is None or network.total_macs == macs


def test_the_blurred_path_of_137_meets_conv2() -> None:
    network = read_network(DATA / "137.cfg")
    assert network["lowres"].output_shape == (3, 56, 56)
    assert network["conv2b"].input_shapes == ((3, 56, 56), (32, 27, 27))
    assert network["conv2b"].output_shape == (128, 27, 27)


def test_the_file_without_mistakes_is_read() -> None:
    assert read_network(BASE, input_shape=SIDE).total_parameters == 16 * 28 + 4 * (2 * 16 * 9) + 4


MISTAKES = {
    "type=conv ": ("type=convolution ", 10, "conv", "unknown"),
    "inputs=conv": ("inputs=konv", 20, "pool", "'konv'"),
    "inputs=pool": ("inputs=norm", 27, "norm", "its own input"),
    "inputs=image": ("inputs=pool", 11, "conv", "only in line 17"),
    "filters=16": ("filters=16, 16", 12, "conv", "needs 1 values, one per input, not 2"),
    "initW=0.1, 0.1": ("initW=0.1", 35, "fc", "needs 2 values"),
    "outputs=4": ("outputs=four", 34, "fc", "whole number"),
    "channels=3": ("channels=5", 14, "conv", "can't be 5 square maps"),
    "FilterSize=3": ("FilterSize=9", 13, "conv", "does not fit"),
    "sizeX=2": ("sizeX=20", 21, "pool", "does not fit"),
    "stride=2": ("stride=0", 22, "pool", "below 1"),
    "size=5": ("size=55", 29, "norm", "larger than"),
    "size=5\n": ("\n", 25, "norm", "size is missing"),
    "channels=16\nsize": ("size", 25, "norm", "channels is missing"),
    "pool=max": ("pool=median", 19, "pool", "none of max"),
    "inputs=fc": ("inputs=label", 39, "probs", "only a cost"),
    "inputs=label, probs": ("inputs=probs", 43, "cost", "2 inputs"),
    "initW=0.1\n": ("initW=inf\n", 15, "conv", "not a number"),
    "inputs=norm, pool": ("inputs=norm, pool, cost", 33, "fc", "only in line"),
    "[fc]": ("nonsense\n[fc]", 31, "norm", "neither"),
    "type=softmax": ("type=resize", 38, "probs", "in no released file"),
}


@pytest.mark.parametrize("right", MISTAKES)
def test_a_mistake_is_named_with_file_section_and_line(tmp_path: Path, right: str) -> None:
    wrong, line, name, words = MISTAKES[right]
    path = tmp_path / "layers-x.cfg"
    assert BASE.count(right) >= 1
    path.write_text(BASE.replace(right, wrong, 1))
    with pytest.raises(NetworkFileError) as caught:
        read_network(path, input_shape=SIDE)
    message = str(caught.value)
    assert message.startswith(f"layers-x.cfg, line {line}, [{name}]: ")
    assert words in message
    assert "\n" not in message


def test_more_mistakes() -> None:
    unused = section("image", type="data", dataIdx=0) + section("alone", type="concat", inputs="image")
    with pytest.raises(NetworkFileError, match=r"layer file, line 5, \[alone\]: no other layer reads"):
        read_network(unused)
    two = layer("image, image", type="conv", filters="16, 16", channels="3, 3", filterSize="3, 5", initW="1, 1")
    with pytest.raises(NetworkFileError, match="16 × 6 × 6, 16 × 4 × 4"):
        read_network(two, input_shape=SIDE)
    with pytest.raises(NetworkFileError, match="weightSource nobody"):
        read_network(layer(type="fc", outputs=2, weightSource="nobody[0]"))
    with pytest.raises(NetworkFileError, match="groups of 2 maps can't share 3"):
        read_network(conv_of(1, filters=16, filterSize=3, channels=3, groups=3, randSparse=1, filterChannels=2))
    for text, words in (("", "no \\[section\\]"), ("# only this\n", "no \\[section\\]"), ("a=b\n", "start with a")):
        with pytest.raises(NetworkFileError, match=words):
            read_network(text)
    for shape in ((3, 224, 200), (3, 0, 0), 224, (3, 24)):
        with pytest.raises(AlexNetError, match="square image"):
            read_network(BASE, input_shape=shape)  # type: ignore[arg-type]


def test_mistakes_in_the_parameter_file(tmp_path: Path) -> None:
    good = (DATA / "cifar-local-params.cfg").read_text()
    changes = {
        "epsW = 0.001": ("epsW = -1", r"params, line 5, \[conv1\]: epsW = -1.0 is below 0"),
        "momB = 0.9": ("", r"params, line 4, \[conv1\]: momB is missing"),
        "[local3]": ("[lokal3]", r"the file has no section \[local3\]"),
        "wc = 0.004": ("wc = 0.004, 0.004", "needs 1 values"),
        "coeff = 1": ("", "coeff is missing"),
        "wc = 0\n": ("wc = 0\nschedW = later[1]\n", "no schedule"),
    }
    path = tmp_path / "params"
    for right, (wrong, words) in changes.items():
        path.write_text(good.replace(right, wrong, 1))
        with pytest.raises(NetworkFileError, match=words):
            read_network(DATA / "cifar-local.cfg", path, input_shape=CIFAR)


def test_files_that_are_none(tmp_path: Path) -> None:
    huge = tmp_path / "huge.cfg"
    huge.write_bytes(b"#" * (2 << 20))
    for path in (tmp_path / "absent.cfg", tmp_path, huge, "absent.cfg", "nul\0.cfg"):
        with pytest.raises(AlexNetError) as caught:
            read_network(path)
        assert "\n" not in str(caught.value)


def test_nothing_that_a_file_names_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "evil.py").write_text("open('was_run', 'w')\ndef weights(*args): open('was_run', 'w')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    text = BASE.replace("filters=16", "filters=16\ninitWFunc=evil.weights(1)\ninitBFunc=__import__('evil')")
    network = read_network(text, input_shape=SIDE)
    build_network(network)
    assert not (tmp_path / "was_run").exists()
    assert "initWFunc, initBFunc" in network.notes[0] and network.notes[0].startswith("conv:")


def test_limits_of_the_2012_kernels_are_noted_not_refused() -> None:
    network = read_network(
        BASE.replace("filters=16", "filters=10").replace("channels=16", "channels=10"), input_shape=SIDE
    )
    assert any("multiple of 16" in note for note in network.notes)


def test_old_syntax_where_the_size_can_be_found() -> None:
    old = BASE.replace("size=5", "sizeX=5\nscale=0.1\npow=0.5\nminDiv=3")
    operation = read_network(old, input_shape=SIDE)["norm"].operation
    assert (operation.size, operation.alpha, operation.beta, operation.k) == (5, 0.1, 0.5, 3)  # type: ignore[union-attr]


def test_labels_are_read_where_they_are_compared() -> None:
    text = (DATA / "label-difference.cfg").read_text()
    for right, wrong, words in (
        ("inputs = conv", "inputs = labels", r"\[tags\]: input labels is not the image .* a cost or an eltsum"),
        ("inputs = labels, tags\ncoeffs = 1, -1", "inputs = labels", r"\[diff\]: eltsum compares the labels"),
    ):
        assert right in text
        with pytest.raises(NetworkFileError, match=words):
            read_network(text.replace(right, wrong), input_shape=SIDE)
    lone = section("labels", type="data", dataIdx=1) + section("end", type="cost.sum2", inputs="labels")
    with pytest.raises(NetworkFileError, match=r"\[end\]: cost.sum2 compares the labels"):
        read_network(lone, input_shape=SIDE)
    alone = section("other", type="fc", inputs="labels", outputs=2) + section("end", type="cost.sum2", inputs="other")
    with pytest.raises(NetworkFileError, match=r"\[end\]: nothing that the image gives"):
        read_network(text + alone, input_shape=SIDE)
