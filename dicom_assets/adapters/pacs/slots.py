"""How many associations there may be to a PACS at once, over all studies and threads of this process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dicom_assets.adapters.pacs.association import PacsNode

_mutex = threading.Lock()
_slots: dict[tuple[str, int], threading.Semaphore] = {}


@contextmanager
def slot_at(pacs: PacsNode) -> Iterator[None]:
    """One of the associations that the PACS allows, once there is one free.

    Whoever holds one must not wait for another: all may be held by such.
    """
    with _slots_at(pacs):
        yield


def is_one_free_at(pacs: PacsNode) -> bool:
    """Whether one more association would be allowed now."""
    slots = _slots_at(pacs)
    if not slots.acquire(blocking=False):
        return False
    slots.release()
    return True


def _slots_at(pacs: PacsNode) -> threading.Semaphore:
    with _mutex:
        return _slots.setdefault((pacs.name, pacs.max_associations), threading.Semaphore(pacs.max_associations))
