"""The page as a folder for any web host, and as one file that carries everything: for a USB stick, or a course page."""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from posixpath import dirname, join, normpath

__all__ = ["single_file", "write_folder"]

_MAIN, _WORKER = "main.js", "worker.js"
_CARRIED = ("network.json", "network.safetensors", "engine/kernel.wasm")
_IMPORT = re.compile(r'^import (\{[^}]*\}) from "(\.[^"]+)";$', re.MULTILINE)
_EXPORT = re.compile(r"^export ((?:async )?(?:function|class|const) (\w+))", re.MULTILINE)
_POLICY = re.compile(r'(http-equiv="Content-Security-Policy" content=")[^"]*')
_LINKS = re.compile(r'<link rel="(?:preload|modulepreload|manifest)"[^>]*>\n')


def write_folder(files: Mapping[str, bytes], folder: Path) -> None:
    """Writes every file below ``folder``, which any host of static files can serve."""
    for path, data in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)


def single_file(files: Mapping[str, bytes]) -> str:
    """The page as one HTML text that needs no server and no network.

    Scripts are one script, data are base64 in script elements that no browser runs; the policy allows these very
    scripts and styles, by their hashes, and no connection at all.
    """
    style, script = files["page.css"].decode(), f"\n{bundle(files, _MAIN)}\n"
    icon = _base64(files["icon.svg"])
    page = _LINKS.sub("", files["index.html"].decode())
    for old, new in (
        ('<link rel="icon" href="icon.svg">', f'<link rel="icon" href="data:image/svg+xml;base64,{icon}">'),
        ('<link rel="stylesheet" href="page.css">', f"<style>{style}</style>"),
        ('<script type="module" src="main.js"></script>', ""),
        ("</body>", f'{"".join(_carried(files))}<script type="module">{script}</script>\n</body>'),
    ):
        head, found, tail = page.partition(old)
        assert found, f"index.html lacks {old}"
        page = head + new + tail
    return _POLICY.sub(lambda match: match[1] + _policy(style, script), page)


def _policy(style: str, script: str) -> str:
    """What the single file may do: run these scripts and styles, show pictures that it carries, talk to nobody."""
    return (
        f"default-src 'none'; script-src {_hash(script)} 'wasm-unsafe-eval'; worker-src blob:; "
        f"style-src {_hash(style)}; img-src blob: data:; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{_base64(hashlib.sha256(text.encode()).digest())}'"


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _carried(files: Mapping[str, bytes]) -> list[str]:
    """A script element for each file that the page asks for; pictures are compressed already."""
    pictures = [path for path in files if path.startswith("pictures/")]
    drawings = [path for path in files if path.startswith("networks/")]
    data = {
        _WORKER: bundle(files, _WORKER).encode(),
        **{path: files[path] for path in (*_CARRIED, *pictures, *drawings)},
    }
    return [
        f'<script type="application/octet-stream" data-file="{path}"{"" if path in pictures else " data-gzip"}>'
        f"{_base64(content if path in pictures else gzip.compress(content, mtime=0))}</script>\n"
        for path, content in data.items()
    ]


def bundle(files: Mapping[str, bytes], start: str) -> str:
    """A module and all that it imports as one script: each module a function that returns what it exports."""
    parts: dict[str, str] = {}
    _add(files, start, parts)
    return "\n".join(parts.values())


def _add(files: Mapping[str, bytes], path: str, parts: dict[str, str]) -> None:
    """Appends a module after those that it imports."""
    source = files[path].decode()
    assert "</script" not in source, f"{path} would end its own element"
    imports = [(names, normpath(join(dirname(path), target))) for names, target in _IMPORT.findall(source)]
    for _, target in imports:
        if target not in parts:
            _add(files, target, parts)
    names = iter([f"const {names} = {_name(target)};" for names, target in imports])
    body = _IMPORT.sub(lambda _: next(names), source)
    exports = ", ".join(name for _, name in _EXPORT.findall(body))
    body = _EXPORT.sub(r"\1", body)
    parts[path] = f"const {_name(path)} = (() => {{\n{body}return {{ {exports} }};\n}})();"


def _name(path: str) -> str:
    """A module as a name of JavaScript."""
    return "module_" + re.sub(r"\W", "_", path.removesuffix(".js"))
