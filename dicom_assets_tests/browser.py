"""A real browser that a test looks at pages with: Chromium, asked over its DevTools protocol."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from dicom_assets_tests.deployment import free_port
from dicom_assets_tests.waiting import wait_until

OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1500,1000",
)
ANSWER_SECONDS = 120.0


class Browser:
    """One page of it."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._asked = 0

    def open(self, url: str) -> None:
        self._do("Page.navigate", url=url)

    def evaluate(self, expression: str) -> Any:
        """What a JavaScript expression gives on the page."""
        return self._do("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def wait_for_text(self, text: str) -> None:
        condition = f"document.body !== null && document.body.innerText.includes({json.dumps(text)})"
        wait_until(lambda: bool(self.evaluate(condition)), f"{text!r} on the page")

    def click(self, text: str) -> None:
        """Click the last link, button or tab that reads so."""
        everything = "[...document.querySelectorAll('a, button, [role=tab]')]"
        self.evaluate(f"{everything}.filter(one => one.innerText.trim() === {json.dumps(text)}).pop().click()")

    def _do(self, method: str, **parameters: Any) -> Any:
        self._asked += 1
        self._connection.send(json.dumps({"id": self._asked, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._connection.recv(ANSWER_SECONDS))
            if answer.get("id") == self._asked:
                assert "error" not in answer, answer
                return answer["result"]


@contextmanager
def running_browser(profile: Path) -> Iterator[Browser]:
    """Chromium with an empty profile in this folder; it ends with the block."""
    port = free_port()
    command = ["chromium", *OPTIONS, f"--remote-debugging-port={port}", f"--user-data-dir={profile}", "about:blank"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def pages() -> list[dict[str, Any]]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/json", timeout=10) as response:
                return [target for target in json.load(response) if target["type"] == "page"]
        except OSError:
            return []

    try:
        wait_until(lambda: bool(pages()), "the browser")
        with connect(pages()[0]["webSocketDebuggerUrl"], max_size=None) as connection:
            yield Browser(connection)
    finally:
        process.terminate()
        process.wait()
