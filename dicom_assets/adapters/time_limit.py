"""How long a server may take for one statement."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, event

from dicom_assets.adapters.databases import Database


def limit_statements(database: Database, seconds: float) -> None:
    """Have the server end every statement that takes longer; SQLite, which waits only for locks, is left alone."""
    statement = _statement(database.engine, seconds)
    if not statement:
        return

    @event.listens_for(database.engine, "connect")
    def limit(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        cursor.execute(statement)
        cursor.close()
        connection.commit()

    database.engine.dispose()  # connections from before the limit


def _statement(engine: Engine, seconds: float) -> str:
    milliseconds = max(1, round(seconds * 1000))
    if engine.dialect.name == "postgresql":
        return f"SET statement_timeout = {milliseconds}"
    if engine.dialect.name in ("mysql", "mariadb"):
        if getattr(engine.dialect, "is_mariadb", False):
            return f"SET SESSION max_statement_time = {milliseconds / 1000}"
        return f"SET SESSION max_execution_time = {milliseconds}"
    return ""
