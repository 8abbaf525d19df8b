"""Keeping Dagster's event storage open while a run writes to it."""

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress

import dagster as dg


@contextmanager
def held_open(instance: dg.DagsterInstance, run_id: str) -> Iterator[None]:
    """See to it that SQLite does not begin anew with each event; does nothing where Dagster keeps events elsewhere.

    Dagster opens and closes several connections for each event. Whenever the last one is closed, SQLite writes its log
    back into the database and removes it, which takes most of an event's time. One more connection, that holds no lock
    and asks for nothing, keeps the log where it is.
    """
    file_of_shard = getattr(instance.event_log_storage, "path_for_shard", None)  # SQLite alone has shards
    with ExitStack() as stack:
        if callable(file_of_shard):
            for shard in ("index", run_id):
                with suppress(sqlite3.Error):  # then it is as slow as without
                    file = f"file:{file_of_shard(shard)}?mode=rw"
                    connection = sqlite3.connect(file, uri=True, isolation_level=None, check_same_thread=False)
                    stack.enter_context(closing(connection)).execute("SELECT count(*) FROM sqlite_master").fetchone()
        yield
