"""The 2012 network files: read, drawn, costed and run in PyTorch.

    >>> from alexnet_edu.museum import NETWORK_145, PARAMS_145, build_network, read_network
    >>> network = read_network(NETWORK_145, PARAMS_145)
    >>> network
    NetworkFile('145.cfg', 35 layers, 60,965,224 parameters)
    >>> model = build_network(network)

The release (github.com/computerhistory/AlexNet-Source-Code) has 72 such files, and no trained weights. Files that carry
the names of the package's files hold the same for this format: ``specs`` layers as data, ``layers`` PyTorch layers,
``models`` the network as a module, ``diagram`` its drawing. ``sections``, ``parsers``, ``wiring`` and ``rates`` read a
file into the ``graph``; only ``layers`` and ``models`` import PyTorch.
"""

from pathlib import Path

from alexnet_edu.museum.build import build_network
from alexnet_edu.museum.diagram import network_svg
from alexnet_edu.museum.graph import MuseumLayer, NetworkFile
from alexnet_edu.museum.reader import read_network
from alexnet_edu.museum.sections import NetworkFileError

__all__ = [
    "NETWORK_145",
    "PARAMS_145",
    "MuseumLayer",
    "NetworkFile",
    "NetworkFileError",
    "build_network",
    "network_svg",
    "read_network",
]

# Network 145, the one of the paper, written for this course from the published facts: not files of the release.
NETWORK_145 = Path(__file__).parents[1] / "assets" / "museum" / "145.cfg"
PARAMS_145 = NETWORK_145.with_name("145-params.cfg")
