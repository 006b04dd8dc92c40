"""What the museum shows: table, drawing, command, and the release fetched."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from museum_files import BASE, DATA, SIDE

from alexnet_edu.cli import main as cli
from alexnet_edu.errors import AlexNetError
from alexnet_edu.museum import (
    NETWORK_145,
    PARAMS_145,
    network_svg,
    read_network,
)
from alexnet_edu.museum.release import fetch_release


def test_table_and_diagram() -> None:
    network = read_network(BASE, input_shape=SIDE)
    assert str(network.table()).splitlines()[-1].split() == [
        "total",
        f"{network.total_parameters:,}",
        f"{network.total_macs:,}",
    ]
    assert "<table>" in network._repr_html_()
    assert network_svg(network).count("<rect") == len(network.layers)
    labelled = network_svg(read_network(DATA / "label-difference.cfg", input_shape=SIDE))
    assert "conv, relu: 16 × 6 × 6" in labelled and "fc, logistic: 5" in labelled
    with pytest.raises(AlexNetError, match="choose one of image"):
        network["conv9"]


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    svg = tmp_path / "145.svg"
    assert cli.main(["museum", str(NETWORK_145), str(PARAMS_145), "--svg", str(svg)]) == 0
    assert "60,965,224" in capsys.readouterr().out
    assert svg.read_text(encoding="utf-8").startswith("<svg")
    assert cli.main(["museum", str(DATA / "146.cfg"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["total_parameters"] == 61_555_304 and "never released" in found["notes"][0]
    assert cli.main(["museum", str(tmp_path / "absent.cfg")]) == 1
    assert capsys.readouterr().err.startswith("error: The layer file")
    assert cli.main(["museum"]) == 1


def test_fetching_checks_the_commit(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "layers").mkdir(parents=True)
    (source / "layers" / "layers-1.cfg").write_text(BASE)
    (source / "layers" / "layer-params-1.cfg").write_text("")
    git = ["git", "-C", str(source), "-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"]):
        subprocess.run([*git, *command], check=True)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    release = fetch_release(tmp_path / "copy", source=str(source), commit=commit[:7])
    assert release.commit == commit
    assert [path.name for path in release.layer_files] == ["layers-1.cfg"]
    with pytest.raises(AlexNetError, match="exists already"):
        fetch_release(tmp_path / "copy", source=str(source))
    with pytest.raises(AlexNetError, match="git -C failed"):
        fetch_release(tmp_path / "other", source=str(source), commit="2f8b81f")
