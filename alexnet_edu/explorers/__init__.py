"""Explorers: networks, filters, feature maps and predictions behind menus and sliders, in a notebook.

Each explorer is a box of core ipywidgets (versions 7.7 and 8). A callback only sets values: one composed picture or
one piece of HTML for each change, so nothing flickers. Sliders answer while they are dragged; their views send the next
value when the last one has been dealt with, so nothing piles up. The activations of a picture are computed once. What
goes wrong is said in the explorer's message line, and the last good state stays.
"""

from alexnet_edu.explorers.architecture import ArchitectureExplorer
from alexnet_edu.explorers.attribution import AttributionExplorer
from alexnet_edu.explorers.build import BuildExplorer
from alexnet_edu.explorers.calibration import ReliabilityExplorer
from alexnet_edu.explorers.dropout import DropoutExplorer
from alexnet_edu.explorers.filters import FilterExplorer
from alexnet_edu.explorers.lookup import LookupExplorer
from alexnet_edu.explorers.maps import FeatureMapExplorer
from alexnet_edu.explorers.normalisation import NormalisationExplorer
from alexnet_edu.explorers.prediction import PredictionExplorer
from alexnet_edu.explorers.stepping import ConvolutionExplorer, PoolingExplorer

__all__ = [
    "ArchitectureExplorer",
    "AttributionExplorer",
    "BuildExplorer",
    "ConvolutionExplorer",
    "DropoutExplorer",
    "FeatureMapExplorer",
    "FilterExplorer",
    "LookupExplorer",
    "NormalisationExplorer",
    "PoolingExplorer",
    "PredictionExplorer",
    "ReliabilityExplorer",
]
