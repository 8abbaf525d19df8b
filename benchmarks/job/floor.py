"""The floor: the same bytes once over a loopback connection and to disk, flushed instance by instance."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from benchmarks.job.scene import Facts, Scene

LENGTH = struct.Struct("<Q")
BUFFER_BYTES = 1 << 20


class Floor:
    """One sender, one receiver that writes and flushes a file before it waits for the next."""

    name = "floor: copy over loopback, flushed to disk"

    def problem(self) -> str:
        """None."""
        return ""

    @contextmanager
    def prepared(self, scene: Scene) -> Iterator[Callable[[], Facts]]:
        """Files to files."""
        target = scene.folder / "copies"
        target.mkdir()
        files = sorted(scene.corpus.iterdir())

        def work() -> Facts:
            _copy(files, target)
            return Facts(instances=sum(1 for _ in target.iterdir()))

        yield work


def _copy(files: list[Path], target: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as pool:
        with socket.create_connection(server.getsockname()) as sender:
            receiver, _ = server.accept()
            receiving = pool.submit(_receive, receiver, target)
            sender.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for file in files:
                with file.open("rb") as content:
                    sender.sendall(LENGTH.pack(file.stat().st_size))
                    sender.sendfile(content)
        receiving.result()


def _receive(receiver: socket.socket, target: Path) -> None:
    buffer = memoryview(bytearray(BUFFER_BYTES))
    number = 0
    with receiver:
        while head := receiver.recv(LENGTH.size, socket.MSG_WAITALL):
            (left,) = LENGTH.unpack(head)
            number += 1
            with (target / f"{number:06d}.dcm").open("wb", buffering=0) as file:
                while left:
                    got = receiver.recv_into(buffer, min(left, BUFFER_BYTES))
                    if not got:
                        raise ConnectionError("the sender went away")
                    file.write(buffer[:got])
                    left -= got
                os.fsync(file.fileno())
