"""AlexNet, exactly: every variant as data, trained weights, filters, feature maps and the course built on them.

Names are imported when first used, so that ``import alexnet_edu`` costs nothing (PEP 562).
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alexnet_edu.features import embed as embed
    from alexnet_edu.features import feature_maps as feature_maps
    from alexnet_edu.features import filters as filters
    from alexnet_edu.features import neighbours as neighbours
    from alexnet_edu.features import occlusion as occlusion
    from alexnet_edu.features import top_patches as top_patches
    from alexnet_edu.geometry import layer_table as layer_table
    from alexnet_edu.geometry import receptive_field_box as receptive_field_box
    from alexnet_edu.geometry import valid_input_sizes as valid_input_sizes
    from alexnet_edu.images import load_image as load_image
    from alexnet_edu.images import sample_images as sample_images
    from alexnet_edu.inference import predict as predict
    from alexnet_edu.inference import predict_many as predict_many
    from alexnet_edu.inference import ten_crop as ten_crop
    from alexnet_edu.models import get_model as get_model
    from alexnet_edu.models import list_models as list_models
    from alexnet_edu.speed import optimize_for_inference as optimize_for_inference
    from alexnet_edu.variants import get_spec as get_spec
    from alexnet_edu.weights import load_pretrained as load_pretrained

_MODULES = {
    "errors": ("AlexNetError", "ImageError", "WeightsError"),
    "features": ("embed", "feature_maps", "filters", "neighbours", "occlusion", "top_patches"),
    "geometry": ("layer_table", "receptive_field_box", "valid_input_sizes"),
    "images": ("load_image", "sample_images"),
    "inference": ("predict", "predict_many", "ten_crop"),
    "models": ("get_model", "list_models"),
    "speed": ("optimize_for_inference",),
    "variants": ("get_spec",),
    "weights": ("load_pretrained",),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "AlexNetError",
    "ImageError",
    "WeightsError",
    "embed",
    "feature_maps",
    "filters",
    "get_model",
    "get_spec",
    "layer_table",
    "list_models",
    "load_image",
    "load_pretrained",
    "neighbours",
    "occlusion",
    "optimize_for_inference",
    "predict",
    "predict_many",
    "receptive_field_box",
    "sample_images",
    "ten_crop",
    "top_patches",
    "valid_input_sizes",
]

try:
    __version__ = version("alexnet-edu")
except PackageNotFoundError:  # a plain folder on the path, not installed
    __version__ = "0+unknown"


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'alexnet_edu' has no attribute {name!r}")
    value = getattr(import_module(f"alexnet_edu.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
