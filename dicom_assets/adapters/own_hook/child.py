"""The process that a hook of one's own lives in. Started by `process`, and ends with it, whatever the hook does.

It is told in JSON what to do and answers in JSON: nothing of the hook's making is unpickled on the other side.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
import traceback
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import PurePath
from typing import Any

from dicom_assets.adapters.own_hook.loading import load_hook, name_of, named, refusals_of
from dicom_assets.errors import ConfigurationError, StudyError, TransientError
from dicom_assets.study import PatientIdentity, RegisteredStudy

WATCH_SECONDS = 0.5
MOST_OF_A_TRACE = 20_000
"""Characters, from its end: a message may hold a whole table."""

Answer = dict[str, Any]


def main(descriptor: int, parent: int) -> None:
    """Load the hook that the first message names, then answer questions until nobody asks any more."""
    threading.Thread(target=_end_with, args=(parent,), name="parent-watch", daemon=True).start()
    hook: Any = None
    with Connection(descriptor) as connection:
        try:
            order = json.loads(connection.recv_bytes())
            hook, answer = _load(order)
            connection.send_bytes(_encoded(answer))
            while hook is not None:
                connection.send_bytes(_encoded(_asked(hook, json.loads(connection.recv_bytes()))))
        except (EOFError, BrokenPipeError):
            pass
    try:
        if hook is not None and callable(getattr(hook, "close", None)):
            hook.close()
    finally:
        os.killpg(0, signal.SIGKILL)  # this process, and what the hook has started and left behind


def _end_with(parent: int) -> None:
    """End this process and all that the hook has started as soon as the process that started it is no more."""
    while os.getppid() == parent:
        time.sleep(WATCH_SECONDS)
    os.killpg(0, signal.SIGKILL)


def _load(order: Mapping[str, Any]) -> tuple[Any, Answer]:
    try:
        hook = load_hook(order["spec"], order["offers"])
        can_unlink = callable(getattr(hook, "unlink", None))
        return hook, {"name": name_of(hook), "refusals": refusals_of(hook), "can_unlink": can_unlink}
    except ConfigurationError as error:
        return None, {"configuration": str(error)}


def _asked(hook: Any, question: Mapping[str, Any]) -> Answer:
    try:
        value = getattr(hook, question["method"])(*_arguments(question))
        return {"value": dict(value) if isinstance(value, Mapping) else value}
    except StudyError as error:
        return {"refused": str(error), **_where(error)}
    except (TransientError, ConfigurationError, OSError) as error:
        return {"later": named(error), **_where(error)}
    except BaseException as error:  # noqa: BLE001 - the outer edge to other people's code, SystemExit included
        return {"failed": named(error), **_where(error)}


def _arguments(question: Mapping[str, Any]) -> tuple[Any, ...]:
    if "patient" in question:
        return (PatientIdentity(**question["patient"]),)
    if "study" in question:
        facts = question["study"]
        patient = PatientIdentity(**facts["patient"])
        accession_numbers = tuple(facts["accession_numbers"])
        return (RegisteredStudy(**{**facts, "patient": patient, "accession_numbers": accession_numbers}),)
    return tuple(question["arguments"])


def _where(error: BaseException) -> Answer:
    """File and line of the innermost frame, which hold no values, and the whole trace, which may."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if frame.filename != __file__]
    place = f"{PurePath(ours[-1].filename).name}:{ours[-1].lineno}" if ours else ""
    return {"place": place, "trace": "".join(traceback.format_exception(error))[-MOST_OF_A_TRACE:]}


def _encoded(answer: Answer) -> bytes:
    try:
        return json.dumps(answer, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError):
        return json.dumps({"odd": _type_of(answer.get("value"))}).encode()


def _type_of(value: object) -> str:
    name = type(value).__name__
    return name if name.isidentifier() and len(name) <= 60 else "object"
