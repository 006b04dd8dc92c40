"""Firefox by WebDriver BiDi, which needs no changed Firefox: one tab, and what a function returns there."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import websocket

NAMES = ("firefox-esr", "firefox")
# Only this machine exists for it: everything else goes to a proxy that nobody runs.
SETTINGS = {
    "network.proxy.type": 1,
    "network.proxy.http": "127.0.0.1",
    "network.proxy.http_port": 9,
    "network.proxy.ssl": "127.0.0.1",
    "network.proxy.ssl_port": 9,
    "network.proxy.no_proxies_on": "localhost, 127.0.0.1",
}


def executable() -> str | None:
    """The Firefox on the path."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Tab:
    """As much of Playwright's page as the engine's tests need."""

    def __init__(self, address: str) -> None:
        self._socket = websocket.create_connection(f"{address}/session", timeout=120, suppress_origin=True)
        self._numbers = itertools.count()
        self.call("session.new", {"capabilities": {}})
        self._context = self.call("browsingContext.getTree", {})["contexts"][0]["context"]

    def call(self, method: str, parameters: dict[str, Any]) -> Any:
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while (answer := json.loads(self._socket.recv())).get("id") != number:
            pass
        assert answer["type"] == "success", answer
        return answer["result"]

    def goto(self, address: str) -> None:
        self.call("browsingContext.navigate", {"context": self._context, "url": address, "wait": "complete"})

    def evaluate(self, function: str, argument: Any = None) -> Any:
        """What ``function`` returns for ``argument``; both travel as JSON."""
        source = f"async (argument) => JSON.stringify(await ({function})(JSON.parse(argument)) ?? null)"
        answer = self.call(
            "script.callFunction",
            {
                "functionDeclaration": source,
                "arguments": [{"type": "string", "value": json.dumps(argument)}],
                "target": {"context": self._context},
                "awaitPromise": True,
            },
        )
        assert answer["type"] == "success", answer["exceptionDetails"]["text"]
        return json.loads(answer["result"]["value"])


@contextmanager
def firefox(path: str, profile: Path) -> Iterator[Tab]:
    """A tab of a Firefox without windows; it is gone afterwards."""
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in SETTINGS.items()]
    (profile / "user.js").write_text("".join(lines), encoding="utf-8")
    command = [path, "--headless", "--no-remote", "--profile", str(profile), "--remote-debugging-port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        found = (re.search(r"BiDi listening on (ws://\S+)", line) for line in process.stderr)
        yield Tab(next(match[1] for match in found if match))
    finally:
        process.terminate()
        process.wait(timeout=30)
