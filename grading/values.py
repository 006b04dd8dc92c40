"""What an answer gave, as bytes: how outcomes come from a submission's kernel without trusting it.

Only plain values travel (``alexnet_edu.check.guard.plain``): numbers, words, lists, sets, dictionaries, tensors. They
are rebuilt with exact built-in types whatever was sent, and reading never runs any code, as ``pickle`` would.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from alexnet_edu.check.guard import Alien

MAX_JSON, MAX_BYTES = 20_000_000, 500_000_000
DTYPES = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (
        *(torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64),
        *(torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64, torch.complex128),
    )
}


class Unreadable(ValueError):
    """What came is no plain value, or too large."""


def pack(value: Any) -> list[bytes]:
    """A plain value as messages: JSON first, then the bytes of each tensor."""
    parts: list[bytes] = []
    return [json.dumps(_encode(value, parts)).encode(), *parts]


def unpack(packed: Sequence[Any]) -> Any:
    """The value of ``pack``.

    Raises:
        Unreadable: this is no packed value.
    """
    head, *parts = [bytes(part) for part in packed] or [b""]
    if len(head) > MAX_JSON or sum(map(len, parts)) > MAX_BYTES:
        raise Unreadable("the value is too large")
    try:
        return _decode(json.loads(head), parts)
    except Exception as problem:  # a hostile sender can cause any
        raise Unreadable(f"no value can be read ({type(problem).__name__})") from None


def _encode(value: Any, parts: list[bytes]) -> Any:
    match value:
        case None | bool() | int() | float() | str():
            return value
        case Tensor():
            name = str(value.dtype).removeprefix("torch.")
            if name not in DTYPES or value.layout is not torch.strided:
                return ["alien", f"tensor of {name}, {value.layout}"]
            parts.append(
                value.resolve_conj().resolve_neg().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
            )
            return ["tensor", name, list(value.shape), len(parts) - 1]
        case list() | tuple() | set():
            return ["set" if isinstance(value, set) else "list", [_encode(one, parts) for one in value]]
        case dict():
            return ["dict", [[_encode(key, parts), _encode(one, parts)] for key, one in value.items()]]
        case Alien():
            return ["alien", value.kind]
    return ["..."] if value is ... else ["alien", type(value).__name__]


def _decode(tree: Any, parts: list[bytes]) -> Any:
    match tree:
        case None | bool() | int() | float() | str():
            return tree
        case ["list", items]:
            return [_decode(one, parts) for one in items]
        case ["set", items]:
            return {_decode(one, parts) for one in items}
        case ["dict", pairs]:
            return {_decode(key, parts): _decode(one, parts) for key, one in pairs}
        case ["tensor", name, size, place]:
            content = bytearray(parts[place])
            return (
                torch.frombuffer(content, dtype=DTYPES[name]) if content else torch.empty(0, dtype=DTYPES[name])
            ).reshape(size)
        case ["alien", str(kind)]:
            return Alien(kind[:80])
        case ["..."]:
            return ...
    raise Unreadable("unknown kind of value")
