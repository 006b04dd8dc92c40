"""The 2012 network files: read, drawn, costed and run in PyTorch.

    >>> from alexnet_edu.museum import NETWORK_145, PARAMS_145, read_network
    >>> read_network(NETWORK_145, PARAMS_145)
    Network('145.cfg', 35 layers, 60,965,224 parameters)

The release (github.com/computerhistory/AlexNet-Source-Code) has 72 such files, and no trained weights.
"""

from pathlib import Path

from alexnet_edu.museum.network import MuseumLayer, Network, read_network
from alexnet_edu.museum.reader import NetworkFileError

__all__ = ["NETWORK_145", "PARAMS_145", "MuseumLayer", "Network", "NetworkFileError", "read_network"]

# Network 145, the one of the paper, written for this course from the published facts: not files of the release.
NETWORK_145 = Path(__file__).parents[1] / "assets" / "museum" / "145.cfg"
PARAMS_145 = NETWORK_145.with_name("145-params.cfg")
