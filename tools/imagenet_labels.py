"""Writes what torchvision states about its AlexNet weights to ``alexnet_edu/assets/imagenet.json``.

The package reads that file, so that ImageNet's weights can be used without the seconds and the 160 MB that importing
torchvision takes. A test compares the file with the installed torchvision.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parents[1] / "alexnet_edu" / "assets" / "imagenet.json"


def stated() -> dict[str, Any]:
    """Address, preprocessing, scores and categories of ``AlexNet_Weights.IMAGENET1K_V1``."""
    from torchvision.models import AlexNet_Weights

    weights = AlexNet_Weights.IMAGENET1K_V1
    steps = weights.transforms()
    return {
        "source": "torchvision's AlexNet_Weights.IMAGENET1K_V1",
        "licence": "BSD-3-Clause, Copyright (c) Soumith Chintala 2016, https://github.com/pytorch/vision",
        "url": weights.url,
        "preprocess": {
            "resize": steps.resize_size[0],
            "size": steps.crop_size[0],
            "mean": steps.mean,
            "std": steps.std,
        },
        "metrics": {"data": "50,000 validation pictures of ILSVRC-2012", **weights.meta["_metrics"]["ImageNet-1K"]},
        "categories": weights.meta["categories"],
    }


if __name__ == "__main__":
    TARGET.write_text(json.dumps(stated(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
