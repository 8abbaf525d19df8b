"""Listening goes on when a connection can't be served."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from dicom_assets.adapters.pacs.plane.listener import Listener
from dicom_assets_tests.scripted_pacs import WAIT_SECONDS


@contextmanager
def greeting() -> Iterator[int]:
    """The port of a listener that says hello to everybody."""

    def serve(connection: socket.socket, address: str, is_crowded: bool) -> None:
        connection.sendall(b"hello")

    listener = Listener(("127.0.0.1", 0), serve, lambda address: True, room=8, anteroom=0)
    try:
        yield listener.port
    finally:
        listener.stop()


def heard_at(port: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port), WAIT_SECONDS) as connection:
        return connection.recv(16)


def test_connection_for_which_there_is_no_thread_is_closed_and_the_next_one_is_served(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    start = threading.Thread.start
    failed: list[threading.Thread] = []

    def start_but_not_the_first(thread: threading.Thread) -> None:
        if thread.name == "association" and not failed:
            failed.append(thread)
            raise RuntimeError("can't start new thread")
        start(thread)

    with greeting() as port:
        monkeypatch.setattr(threading.Thread, "start", start_but_not_the_first)

        assert [heard_at(port), heard_at(port)] == [b"", b"hello"]
    assert failed
