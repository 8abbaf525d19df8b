"""What goes wrong: each action takes one direction of a connection over from the place on where it is set off.

An action is a generator: it is sent what arrives, in pieces of any size and nothing at the end of the stream, writes
what it likes, and returns what of the last piece is to go on as if nothing had happened. One that does not return
keeps the direction until it ends.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Protocol


class Wire(Protocol):
    """What an action can do to a connection."""

    def send(self, data: bytes) -> None:
        """Hand bytes on."""

    def cut(self, *, reset: bool, after_seconds: float = 0.0) -> None:
        """End both directions, by RST or by FIN; at once, or later unless the connection has ended by then."""

    def pause(self, seconds: float | None) -> None:
        """Stop for so long; without a number until the proxy lets go. The end of the connection ends it."""


Acting = Generator[None, bytes, bytes]
Action = Callable[[Wire], Acting]


def cut(*, reset: bool = True) -> Action:
    """End the connection: by RST, as a crash or a firewall does, or by FIN, as the end of a process does."""

    def act(wire: Wire) -> Acting:
        wire.cut(reset=reset)
        yield from ()
        return b""

    return act


def truncate(*, after_seconds: float = 0.1) -> Action:
    """Swallow what comes, and end the connection by FIN a little later: the receiver sees a clean end too early."""

    def act(wire: Wire) -> Acting:
        wire.cut(reset=False, after_seconds=after_seconds)
        while (yield):
            pass
        return b""

    return act


def swallow(count: int) -> Action:
    """Lose so many bytes, then go on: the receiver gets the rest in a wrong place."""

    def act(_wire: Wire) -> Acting:
        _, rest = yield from _take(count)
        return rest

    return act


def hold(seconds: float | None = None) -> Action:
    """Keep the connection open and hand nothing on; without a number until the proxy lets go."""

    def act(wire: Wire) -> Acting:
        wire.pause(seconds)
        yield from ()
        return b""

    return act


def delay(seconds: float) -> Action:
    """Hand on each piece so many seconds after it came."""

    def act(wire: Wire) -> Acting:
        while data := (yield):
            wire.pause(seconds)
            wire.send(data)
        return b""

    return act


def drip(count: int, *, pause_seconds: float = 0.0) -> Action:
    """Hand on the next `count` bytes one by one, then go on."""

    def act(wire: Wire) -> Acting:
        left = count
        while left and (data := (yield)):
            for place in range(min(left, len(data))):
                wire.send(data[place : place + 1])
                wire.pause(pause_seconds)
            rest, left = data[left:], left - min(left, len(data))
            if not left:
                return rest
        return b""

    return act


def corrupt(count: int = 1, *, mask: int = 0xFF) -> Action:
    """Turn bits of the next `count` bytes, then go on."""

    def act(wire: Wire) -> Acting:
        taken, rest = yield from _take(count)
        wire.send(bytes(byte ^ mask for byte in taken))
        return rest

    return act


def reorder(size: int) -> Action:
    """Exchange the next two pieces of `size` bytes, then go on."""

    def act(wire: Wire) -> Acting:
        taken, rest = yield from _take(2 * size)
        wire.send(taken[size:] + taken[:size])
        return rest

    return act


def duplicate(size: int) -> Action:
    """Hand on the next `size` bytes twice, then go on."""

    def act(wire: Wire) -> Acting:
        taken, rest = yield from _take(size)
        wire.send(taken * 2)
        return rest

    return act


def _take(count: int) -> Generator[None, bytes, tuple[bytes, bytes]]:
    """The next `count` bytes, fewer at the end of the stream, and what came with them."""
    taken = b""
    while len(taken) < count and (data := (yield)):
        taken += data
    return taken[:count], taken[count:]
