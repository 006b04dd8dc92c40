"""Addresses, limits and resumed downloads, from a host on this machine that misbehaves on request."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from http_host import Host, serve

from alexnet_edu import download as module
from alexnet_edu.download import DownloadError, download, fetch, is_url, shown

DATA = bytes(range(256)) * 400
SHA256 = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def host() -> Iterator[Host]:
    with serve() as host:
        host.files["/file"] = DATA
        yield host


def content(url: str, seconds: float | None = 20) -> bytes:
    return b"".join(fetch(url, max_bytes=10**6, seconds=seconds))


def get(host: Host, target: Path, seconds: float | None = 20, sha256: str = SHA256) -> None:
    download(f"{host.address}/file", target, sha256=sha256, max_bytes=10**6, seconds=seconds)


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")


# --- addresses


def test_what_is_an_address() -> None:
    assert all(map(is_url, ("http://a/b", "HTTPS://a", "ftp://a", "s3://a/b")))
    assert not any(map(is_url, ("a.jpg", "C://pictures//a.jpg", "/a://b", "folder/x://y", "", "://a")))


@pytest.mark.parametrize(
    "url",
    ["http://[::1", "http://[bad]/", "http://", "http:///x", "http://a..b/x", f"http://{'ü' * 80}.de/", "http://h:99999/",
     "http://h:port/", "ftp://h/x", "file:///etc/passwd", "http://\ud800/", "http://127.0.0.1:1/x\ny", "http://a b/"],
)  # fmt: skip
def test_a_malformed_address_is_one_sentence(url: str) -> None:
    with pytest.raises(DownloadError) as caught:
        content(url, seconds=3)
    assert str(caught.value).endswith(".") and "\n" not in str(caught.value)


def test_addresses_as_a_browser_shows_them(host: Host) -> None:
    names = ["/Große Straße.jpg", "/a%20b.jpg", "/cat,_a_(b)+c.jpg", "/日本.jpg"]
    for name in names:
        host.files[quote(name, safe="/%,()+")] = name.encode()
        assert content(host.address + name) == name.encode()
    host.files["/x?q=%C3%BC&a=b"] = b"query"
    assert content(host.address + "/x?q=ü&a=b#part") == b"query"
    assert content(f" {host.address}/file\n") == DATA


def test_a_password_is_sent_and_never_shown(host: Host) -> None:
    host.redirects["/moved"] = "/file"
    address = host.address.replace("//", "//me:s%40cret@")
    assert content(address + "/moved") == DATA
    assert host.asked[0]["Authorization"] == "Basic bWU6c0BjcmV0" and "Authorization" not in host.asked[1]
    with pytest.raises(DownloadError) as caught:
        content(address + "/absent")
    assert "404" in str(caught.value) and "cret" not in str(caught.value) and "me:" not in str(caught.value)
    with pytest.raises(DownloadError) as caught:
        content("http://me:secret@[::1")
    assert "secret" not in str(caught.value)


def test_a_long_address_is_cut() -> None:
    url = "http://127.0.0.1:1/" + "x" * 100_000
    assert len(shown(url)) == 200 and shown("http://a/b") == "http://a/b"
    with pytest.raises(DownloadError) as caught:
        content(url)
    assert len(str(caught.value)) < 400


# --- answers


def test_lengths_and_codings(host: Host) -> None:
    host.headers["/file"] = {"Content-Length": "abc"}
    assert content(host.address + "/file") == DATA
    host.headers["/file"] = {"Content-Length": "-5"}
    assert content(host.address + "/file") == DATA
    host.headers["/file"] = {"Content-Encoding": "gzip"}
    with pytest.raises(DownloadError, match=r"comes compressed \(gzip\)"):
        content(host.address + "/file")
    host.headers["/file"] = {"Content-Length": "9" * 400}
    with pytest.raises(DownloadError, match="larger than the limit"):
        content(host.address + "/file")


def test_a_redirect_without_end_is_one_sentence(host: Host) -> None:
    host.redirects["/round"] = "/round"
    with pytest.raises(DownloadError) as caught:
        content(host.address + "/round")
    assert "\n" not in str(caught.value) and str(caught.value).count(". ") == 0


# --- time


@pytest.mark.parametrize("path", ["/drip", "/slow"])
def test_seconds_hold_whatever_the_server_does(host: Host, path: str) -> None:
    host.files["/slow"] = DATA
    host.header_drip["/drip"] = 0.05  # for 500 seconds, each byte in time
    host.seconds_a_piece["/slow"] = 2.0
    host.headers["/slow"] = {"Content-Length": ""}
    with pytest.raises(DownloadError, match=r"too slow to be downloaded in 0\.5 seconds"):
        content(host.address + path, seconds=0.5)
    assert host.dripped < 10_000  # of which each came in time


@pytest.mark.parametrize("path", ["/drip", "/slow"])
def test_without_a_limit_there_is_a_least_rate(host: Host, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PERIOD", 0.5)
    monkeypatch.setattr(module, "_LEAST", len(DATA) // 2)
    host.files["/slow"] = DATA
    host.header_drip["/drip"] = 0.05
    host.seconds_a_piece["/slow"] = 0.2
    with pytest.raises(DownloadError, match=r"less than 51,200 bytes came in 0\.5 seconds"):
        content(host.address + path, seconds=None)


def test_without_a_limit_it_takes_as_long_as_it_takes(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PERIOD", 2.0)
    monkeypatch.setattr(module, "_LEAST", 1)
    host.seconds_a_piece["/file"] = 0.1  # five seconds in all
    assert content(host.address + "/file", seconds=None) == DATA


# --- what a broken download leaves


def test_a_broken_connection_is_made_again_where_it_broke(host: Host, tmp_path: Path) -> None:
    host.resumable.add("/file")
    host.drops["/file"] = len(DATA) // 4 + 1
    get(host, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == DATA and left_in(tmp_path) == ["x"]
    offsets = [asked.get("Range") for asked in host.asked]
    assert offsets == [None, *(f"bytes={(len(DATA) // 4 + 1) * part}-" for part in (1, 2, 3))]


def test_the_next_download_goes_on(host: Host, tmp_path: Path) -> None:
    host.truncated.add("/file")
    with pytest.raises(DownloadError, match="cut short"):
        get(host, tmp_path / "x")
    assert left_in(tmp_path) == ["x.partial"]
    host.truncated.clear()
    host.resumable.add("/file")
    get(host, tmp_path / "x")
    assert host.asked[-1]["Range"] == f"bytes={len(DATA) // 2}-"
    assert (tmp_path / "x").read_bytes() == DATA and left_in(tmp_path) == ["x"]


@pytest.mark.parametrize("left", [DATA[:1000], b"another file", DATA + b"longer", DATA, b""])
@pytest.mark.parametrize("resumable", [False, True])
def test_whatever_lies_there_the_hash_decides(host: Host, tmp_path: Path, left: bytes, resumable: bool) -> None:
    (tmp_path / "x.partial").write_bytes(left)
    (tmp_path / "x.0123abcd.partial").write_bytes(b"of a killed process")
    host.resumable |= {"/file"} if resumable else set()
    get(host, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == DATA and left_in(tmp_path) == ["x"]


def test_a_file_of_another_hash_leaves_nothing(host: Host, tmp_path: Path) -> None:
    host.resumable.add("/file")
    (tmp_path / "x.partial").write_bytes(DATA[:9])
    with pytest.raises(DownloadError, match="SHA-256 differs"):
        get(host, tmp_path / "x", sha256="0" * 8)
    assert left_in(tmp_path) == []


def test_another_part_than_asked_for_is_refused(host: Host, tmp_path: Path) -> None:
    host.resumable.add("/file")
    host.headers["/file"] = {"Content-Range": "bytes 0-5/6"}
    (tmp_path / "x.partial").write_bytes(DATA[:9])
    with pytest.raises(DownloadError, match="another part"):
        get(host, tmp_path / "x")


@pytest.mark.skipif(sys.platform == "win32", reason="kills as Linux does")
def test_a_killed_download_is_gone_on_with(host: Host, tmp_path: Path) -> None:
    host.seconds_a_piece["/file"] = 0.1
    code = (
        "import sys; from pathlib import Path; from alexnet_edu.download import download;"
        "download(sys.argv[1], Path(sys.argv[2]), sha256=sys.argv[3], max_bytes=10**6)"
    )
    command = [sys.executable, "-c", code, f"{host.address}/file", str(tmp_path / "x"), SHA256]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    partial = tmp_path / "x.partial"
    while not (partial.exists() and partial.stat().st_size > len(DATA) // 4):
        assert process.poll() is None
        time.sleep(0.02)
    process.kill()
    process.wait()
    size = os.path.getsize(partial)
    host.seconds_a_piece.clear()
    host.resumable.add("/file")
    get(host, tmp_path / "x")
    assert host.asked[-1]["Range"] == f"bytes={size}-" and left_in(tmp_path) == ["x"]
