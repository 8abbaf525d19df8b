"""What registration wrote of a study's images is taken back: the images are no longer in the research PACS."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import Connection, Table, func, select, update


def unlink_study(
    connection: Connection, table: Table, original_study_uid: str, study_uids: Collection[str], now: datetime
) -> Mapping[str, int]:
    """Null `study_uid` on the study's rows that name one of these replacements.

    Patient and encounter stay, which are true of the study whether or not its images are published; so do all columns
    that registration does not write, and a `study_uid` that is none of ours. Where the column may not be null, the
    rows stay as they are.

    Returns:
        How many rows were `rows_unlinked` or had to be `rows_left`.
    """
    named = (
        func.trim(table.c.original_study_uid) == original_study_uid.strip(),
        table.c.study_uid.in_(list(study_uids)),
    )
    rows = connection.execute(select(table.c.id).where(*named)).all()
    if not rows:
        return {}
    if not table.c.study_uid.nullable:
        return {"rows_left": len(rows)}
    stamps = {"modified": now} if "modified" in table.c else {}
    connection.execute(update(table).where(*named).values(study_uid=None, **stamps))
    return {"rows_unlinked": len(rows)}
