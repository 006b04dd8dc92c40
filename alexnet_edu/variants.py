"""The eight networks, each a text in the language of ``alexnet_edu.specs``, with its source."""

from __future__ import annotations

from dataclasses import replace

from alexnet_edu.errors import AlexNetError, check_type
from alexnet_edu.specs import (
    LRN,
    AdaptiveAvgPool,
    Conv,
    Dropout,
    Flatten,
    Init,
    Layer,
    Linear,
    MaxPool,
    ReLU,
    Shape,
    SpatialNorm,
    Spec,
)

__all__ = ["CAFFE", "CAFFENET", "D2L", "ICT1022", "MUSEUM", "PAPER", "SMALL", "SPECS", "TORCHVISION", "get_spec"]


def _paper_layers(*, norm1: LRN, norm2: LRN, channels: Shape, features: int) -> tuple[Layer, ...]:
    """The paper's sequence, sections 3.5 and 4.2, at any width: ReLU, LRN, pool; conv2, 4 and 5 in two towers."""
    zero, one = Init(0.01, 0), Init(0.01, 1)
    c1, c2, c3, c4, c5 = channels
    return (
        Conv("conv1", c1, 11, stride=4, ceil=True, init=zero),
        ReLU("relu1"),
        norm1,
        MaxPool("pool1", 3, 2),
        Conv("conv2", c2, 5, padding=2, groups=2, init=one),
        ReLU("relu2"),
        norm2,
        MaxPool("pool2", 3, 2),
        Conv("conv3", c3, 3, padding=1, init=zero),
        ReLU("relu3"),
        Conv("conv4", c4, 3, padding=1, groups=2, init=one),
        ReLU("relu4"),
        Conv("conv5", c5, 3, padding=1, groups=2, init=one),
        ReLU("relu5"),
        MaxPool("pool5", 3, 2),
        Flatten("flatten"),
        Linear("fc6", features, init=one),
        ReLU("relu6"),
        Dropout("drop6", scale_at="test"),
        Linear("fc7", features, init=one),
        ReLU("relu7"),
        Dropout("drop7", scale_at="test"),
        Linear("fc8", 1000, init=zero),
    )


# "alpha = 1e-4, k = 2, n = 5, beta = 0.75" with the sum of squares: 5e-4 with the mean.
_LITERAL_NORM = {"size": 5, "alpha": 5 * 1e-4, "beta": 0.75, "k": 2.0, "groups": 2}
_PAPER_NORMS = {"norm1": LRN("lrn1", **_LITERAL_NORM), "norm2": LRN("lrn2", **_LITERAL_NORM)}  # type: ignore[arg-type]
_FULL_WIDTH: Shape = (96, 256, 384, 384, 256)

PAPER = Spec(
    "paper",
    "The 2012 paper, read literally",
    "Krizhevsky, Sutskever, Hinton 2012, sections 3.3 to 3.5, 4.2 and 5",
    _paper_layers(**_PAPER_NORMS, channels=_FULL_WIDTH, features=4096),
)


def _museum_layers() -> tuple[Layer, ...]:
    """What the code of 2012 did: LRN before ReLU, a second norm in layer 2, std 0.03 in conv3 to conv5."""

    def norm(name: str) -> LRN:
        return LRN(name, size=5, alpha=1e-4, beta=0.75, k=2.0, groups=2)

    return (
        Conv("conv1", 96, 11, stride=4, ceil=True, init=Init(0.01, 0)),
        norm("lrn1"),
        MaxPool("pool1", 3, 2, ceil=True),
        ReLU("relu1"),
        Conv("conv2", 256, 5, padding=2, groups=2, ceil=True, init=Init(0.01, 1)),
        ReLU("relu2"),
        norm("lrn2"),
        SpatialNorm("rnorm2", size=5, alpha=1e-3, beta=0.75, k=1.0),
        MaxPool("pool2", 3, 2, ceil=True),
        Conv("conv3", 384, 3, padding=1, ceil=True, init=Init(0.03, 0)),
        ReLU("relu3"),
        Conv("conv4", 384, 3, padding=1, groups=2, ceil=True, init=Init(0.03, 1)),
        ReLU("relu4"),
        Conv("conv5", 256, 3, padding=1, groups=2, ceil=True, init=Init(0.03, 1)),
        MaxPool("pool5", 3, 2, ceil=True),
        ReLU("relu5"),
        Flatten("flatten"),
        Linear("fc6", 4096, init=Init(0.01, 1)),
        ReLU("relu6"),
        Dropout("drop6", scale_at="test"),
        Linear("fc7", 4096, init=Init(0.01, 1)),
        ReLU("relu7"),
        Dropout("drop7", scale_at="test"),
        Linear("fc8", 1000, init=Init(0.01, 0)),
    )


MUSEUM = Spec(
    "museum",
    "The 2012 source code, network 145",
    "computerhistory/AlexNet-Source-Code, layers/layers-145.cfg and layer-params-145.cfg",
    _museum_layers(),
    notes="LRN before ReLU in layer 1, alpha divided by the window, a second norm within each map in layer 2, "
    "all sizes rounded up, conv3 to conv5 started at std 0.03.",
)


def _caffe_layers(bias: float, *, pool_first: bool) -> tuple[Layer, ...]:
    """Caffe's replicas: 227 pixels, pools rounded up, LRN over all maps with k = 1, today's dropout."""

    def norm_and_pool(i: int) -> tuple[Layer, Layer]:
        pool = MaxPool(f"pool{i}", 3, 2, ceil=True)
        norm = LRN(f"lrn{i}", size=5, alpha=1e-4, beta=0.75, k=1.0)
        return (pool, norm) if pool_first else (norm, pool)

    return (
        Conv("conv1", 96, 11, stride=4, init=Init(0.01, 0)),
        ReLU("relu1"),
        *norm_and_pool(1),
        Conv("conv2", 256, 5, padding=2, groups=2, init=Init(0.01, bias)),
        ReLU("relu2"),
        *norm_and_pool(2),
        Conv("conv3", 384, 3, padding=1, init=Init(0.01, 0)),
        ReLU("relu3"),
        Conv("conv4", 384, 3, padding=1, groups=2, init=Init(0.01, bias)),
        ReLU("relu4"),
        Conv("conv5", 256, 3, padding=1, groups=2, init=Init(0.01, bias)),
        ReLU("relu5"),
        MaxPool("pool5", 3, 2, ceil=True),
        Flatten("flatten"),
        Linear("fc6", 4096, init=Init(0.005, bias)),
        ReLU("relu6"),
        Dropout("drop6"),
        Linear("fc7", 4096, init=Init(0.005, bias)),
        ReLU("relu7"),
        Dropout("drop7"),
        Linear("fc8", 1000, init=Init(0.01, 0)),
    )


CAFFE = Spec(
    "caffe",
    "Caffe's bvlc_alexnet, 2014",
    "BVLC/caffe, models/bvlc_alexnet/train_val.prototxt",
    _caffe_layers(0.1, pool_first=False),
    input_size=227,
    notes="k = 1 instead of 2, LRN windows cross the towers, biases start at 0.1 instead of 1.",
)
CAFFENET = Spec(
    "caffenet",
    "Caffe's reference network (CaffeNet), 2014",
    "BVLC/caffe, models/bvlc_reference_caffenet/train_val.prototxt",
    _caffe_layers(1.0, pool_first=True),
    input_size=227,
    notes="As caffe, with pooling before normalisation: LRN works on a quarter of the values.",
)


def _single_stream_layers(
    channels: Shape, *, conv1_padding: int, head: tuple[Layer, ...], hidden: int = 4096
) -> tuple[Layer, ...]:
    """One tower, no LRN, PyTorch's default start: the shape of nearly every re-implementation since 2014."""
    c1, c2, c3, c4, c5 = channels
    return (
        Conv("conv1", c1, 11, stride=4, padding=conv1_padding),
        ReLU("relu1"),
        MaxPool("pool1", 3, 2),
        Conv("conv2", c2, 5, padding=2),
        ReLU("relu2"),
        MaxPool("pool2", 3, 2),
        Conv("conv3", c3, 3, padding=1),
        ReLU("relu3"),
        Conv("conv4", c4, 3, padding=1),
        ReLU("relu4"),
        Conv("conv5", c5, 3, padding=1),
        ReLU("relu5"),
        MaxPool("pool5", 3, 2),
        *head,
    )


# The paper drops the outputs of fc6 and fc7; torchvision drops their inputs, so pool5 is dropped and fc8 sees all.
_DROPOUT_BEFORE: tuple[Layer, ...] = (
    Flatten("flatten"),
    Dropout("drop6"),
    Linear("fc6", 4096),
    ReLU("relu6"),
    Dropout("drop7"),
    Linear("fc7", 4096),
    ReLU("relu7"),
    Linear("fc8", 1000),
)
_DROPOUT_AFTER: tuple[Layer, ...] = (
    Flatten("flatten"),
    Linear("fc6", 4096),
    ReLU("relu6"),
    Dropout("drop6"),
    Linear("fc7", 4096),
    ReLU("relu7"),
    Dropout("drop7"),
    Linear("fc8", 1000),
)

TORCHVISION = Spec(
    "torchvision",
    "torchvision.models.alexnet, after 'One weird trick' (2014)",
    "pytorch/vision, torchvision/models/alexnet.py; widths of cuda-convnet2's layers-imagenet-1gpu.cfg",
    _single_stream_layers(
        (64, 192, 384, 256, 256), conv1_padding=2, head=(AdaptiveAvgPool("avgpool", 6), *_DROPOUT_BEFORE)
    ),
    notes="One tower, 64-192-384-256-256 maps, no LRN: not the network of 2012. The text of 'One weird trick' "
    "(arXiv:1404.5997, footnote 1) gives 384 maps in conv4.",
)
D2L = Spec(
    "d2l",
    "Dive into Deep Learning's AlexNet",
    "d2l-ai/d2l-en, chapter_convolutional-modern/alexnet.md, PyTorch tab",
    _single_stream_layers(_FULL_WIDTH, conv1_padding=1, head=_DROPOUT_AFTER),
    notes="One tower, no LRN, conv1 padded by 1: maps of 54, 26, 12 and 5, so fc6 sees 6,400 values, not 9,216.",
)
ICT1022 = Spec(
    "ict1022",
    "The single-stream class of many notebooks",
    "gnoejh/ict1022, Architectures/alexnet.ipynb",
    _single_stream_layers(_FULL_WIDTH, conv1_padding=2, head=_DROPOUT_BEFORE),
    notes="One tower, no LRN: the paper's widths without its groups.",
)

SMALL = Spec(
    "small",
    "The embedded two-tower network at half width",
    "The paper's sequence with half the maps and 512 hidden units, trained by alexnet_edu.train",
    tuple(
        replace(layer, init=None)
        if isinstance(layer, (Conv, Linear))
        else replace(layer, scale_at="train")
        if isinstance(layer, Dropout)
        else layer
        for layer in _paper_layers(**_PAPER_NORMS, channels=(48, 128, 192, 192, 128), features=512)
    ),
    input_size=227,
    notes="PyTorch's default start and today's dropout; batch norm during training is folded into the weights.",
)

SPECS: dict[str, Spec] = {
    spec.name: spec for spec in (PAPER, MUSEUM, CAFFE, CAFFENET, TORCHVISION, D2L, ICT1022, SMALL)
}


def get_spec(name: str) -> Spec:
    """The variant called ``name``.

    Raises:
        AlexNetError: there is no such variant; the message lists the valid names.

    Example:
        >>> ae.get_spec("paper")["conv2"].groups
        2
    """
    check_type("name", name, str, "a network's name")
    try:
        return SPECS[name]
    except KeyError:
        raise AlexNetError(f"There is no network {name!r}; choose one of {', '.join(SPECS)}.") from None
