"""Take the pictures of docs/user-interface.md: runs the demo, opens Dagster's web interface on it, photographs pages.

Needs Chromium and what the extra `test` installs. The demo's home should be a new folder whose path may be seen in a
picture. Everything listens on loopback and ends with this program.
"""

from __future__ import annotations

import argparse
import base64
import io
import itertools
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from PIL import Image
from websockets.sync.client import ClientConnection, connect

from dicom_assets.demo.home import HOST, DemoHome, Ports, demo_environment

TARGET = Path(__file__).resolve().parent.parent / "docs" / "images"
WAIT_SECONDS = 240.0
POLL_SECONDS = 0.25
SETTLE_SECONDS = 1.5
"""For what moves on a page to come to rest."""

MOST_BYTES = 300_000
COLOURS = 256
NAVIGATION_WIDTH = 240
"""Of the column on the left of each page, CSS pixels."""

LOCATION = "/locations/__repository__@dicom_assets.definitions"
CHROMIUM = (
    "chromium",
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
)


@dataclass(frozen=True)
class Shot:
    """A picture of a page.

    Attributes:
        shows: A text that shows that the page is there.
        press: What to press before, by its text.
        size: Width and height of the window, CSS pixels.
        crop: The part of the window that is kept: left, top, right, bottom; by default all of it.
    """

    name: str
    path: str
    shows: str
    press: tuple[str, ...] = ()
    size: tuple[int, int] = (1400, 860)
    crop: tuple[int, int, int, int] | None = None


class Browser:
    """A page of Chromium, driven over its DevTools protocol."""

    def __init__(self, socket_: ClientConnection) -> None:
        self._socket = socket_
        self._numbers = itertools.count(1)

    def photograph(self, url: str, shot: Shot) -> bytes:
        """Go there, wait, press what is to be pressed, and take the picture (PNG)."""
        width, height = shot.size
        self._ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self._ask("Page.navigate", url=url + shot.path)
        self._wait_for(f"document.body && document.body.innerText.includes({json.dumps(shot.shows)})", shot.shows)
        self._wait_for("!document.body.innerText.includes('Loading')", "the end of loading")
        for text in shot.press:
            self._wait_for(_PRESS % json.dumps(text), text)
        time.sleep(SETTLE_SECONDS)
        picture = self._ask("Page.captureScreenshot", format="png")
        return base64.b64decode(picture["data"])

    def _wait_for(self, expression: str, what: str) -> None:
        _wait_until(lambda: self._evaluate(expression), f"{what!r} on the page")

    def _evaluate(self, expression: str) -> Any:
        return self._ask("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def _ask(self, method: str, **parameters: Any) -> Any:
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._socket.recv(timeout=WAIT_SECONDS))
            if answer.get("id") == number:
                return answer["result"]


_PRESS = """(() => {
  const found = [...document.querySelectorAll('button, a, [role=tab], span, div')]
    .filter(one => one.innerText && one.innerText.trim() === %s)
    .pop();
  if (found) found.click();
  return !!found;
})()"""
"""Press the innermost element that says just this; whether there is one."""


def main() -> None:
    """Make the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("home", type=Path, help="the demo's folder; made if it is not there")
    parser.add_argument("--target", type=Path, default=TARGET, help="where the pictures go")
    parser.add_argument("--only", nargs="*", default=[], help="names of the pictures to take")
    arguments = parser.parse_args()
    home = DemoHome(arguments.home.resolve())
    ports = Ports(*(_free_port() for _ in range(3)))
    if not home.runs.is_dir():
        demo = [sys.executable, "-m", "dicom_assets.demo", "--home", str(home.folder)]
        named = zip(("staging", "research", "local"), (ports.staging, ports.research, ports.local), strict=True)
        subprocess.run([*demo, *(f"--{name}-port={port}" for name, port in named), "run"], check=True)
    with _web_interface(home, ports) as url, _browser() as browser:
        for shot in _shots(url):
            if not arguments.only or shot.name in arguments.only:
                _save(browser.photograph(url, shot), shot, arguments.target / f"{shot.name}.png")


def _shots(url: str) -> Iterator[Shot]:
    """What is photographed; of the studies, the largest, and of the runs, the first."""
    key = _largest_study(url)
    runs = _ask(url, "{ runsOrError { ... on Runs { results { runId } } } }")["runsOrError"]["results"]
    yield Shot(
        "lineage",
        f"{LOCATION}/asset-groups/study",
        "published",
        size=(2360, 480),
        crop=(NAVIGATION_WIDTH, 0, 2360, 480),
    )
    yield Shot(
        "contact-sheet",
        f"/assets/deidentified?view=partitions&partition={key}",
        "contact_sheet",
        press=("[Show Markdown]",),
        crop=(NAVIGATION_WIDTH, 0, 1160, 680),
    )
    yield Shot("asset-checks", "/assets/deidentified?view=checks&checkDetail=no_residual_identifiers", "Evaluation")
    yield Shot(
        "run-overview", f"/runs/{runs[-1]['runId']}", "summary", press=("[Show Markdown]",), crop=(236, 0, 1164, 716)
    )


def _largest_study(url: str) -> str:
    query = """{ assetNodeOrError(assetKey: {path: ["deidentified"]}) { ... on AssetNode {
        assetMaterializations(limit: 100) {
            partition metadataEntries { label ... on IntMetadataEntry { intValue } } }
    } } }"""
    found = _ask(url, query)["assetNodeOrError"]["assetMaterializations"]

    def instances(one: Any) -> int:
        return int(next(entry["intValue"] for entry in one["metadataEntries"] if entry["label"] == "instances"))

    return str(max(found, key=instances)["partition"])


def _save(png: bytes, shot: Shot, path: Path) -> None:
    """As small as it gets without looking worse: a palette, where that is enough."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.open(io.BytesIO(png)).convert("RGB").crop(shot.crop).quantize(COLOURS).save(path, optimize=True)
    size = path.stat().st_size
    sys.stdout.write(f"{path.name}: {size} bytes\n")
    if size > MOST_BYTES:
        sys.exit(f"{path.name} has more than {MOST_BYTES} bytes: take less of the page.")


@contextmanager
def _web_interface(home: DemoHome, ports: Ports) -> Iterator[str]:
    port = _free_port()
    url = f"http://{HOST}:{port}"
    command = [sys.executable, "-m", "dagster_webserver", "-m", "dicom_assets.definitions", "-h", HOST, "-p", str(port)]
    with _running(command, {**os.environ, **demo_environment(home.folder, ports)}, home.folder):
        _wait_until(lambda: _is_up(url), "the web interface")
        yield url


@contextmanager
def _browser() -> Iterator[Browser]:
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile,
        _running([*CHROMIUM, f"--user-data-dir={profile}"], dict(os.environ), Path(profile)),
    ):
        named = Path(profile) / "DevToolsActivePort"
        _wait_until(lambda: named.is_file() and "\n" in named.read_text(), "Chromium")
        port = named.read_text().splitlines()[0]
        answer = httpx.put(f"http://{HOST}:{port}/json/new?about:blank", timeout=WAIT_SECONDS)
        with connect(answer.json()["webSocketDebuggerUrl"], max_size=None) as socket_:
            yield Browser(socket_)


@contextmanager
def _running(command: Sequence[str], environment: dict[str, str], folder: Path) -> Iterator[None]:
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, env=environment, cwd=folder, stdin=quiet, stdout=quiet, stderr=quiet)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(WAIT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _ask(url: str, query: str) -> Any:
    return httpx.post(f"{url}/graphql", json={"query": query}, timeout=WAIT_SECONDS).json()["data"]


def _is_up(url: str) -> bool:
    try:
        answer = _ask(url, "{ repositoriesOrError { ... on RepositoryConnection { nodes { name } } } }")
    except httpx.TransportError:
        return False
    return bool(answer["repositoriesOrError"].get("nodes"))


def _wait_until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    pause = threading.Event()
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(f"waited in vain for {what}")
        pause.wait(POLL_SECONDS)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        return int(listener.getsockname()[1])


if __name__ == "__main__":
    if shutil.which("chromium") is None:
        sys.exit("Chromium is not installed.")
    main()
