"""What a database driver's error comes down to: a cause, words for it, and who has to act.

Only classes, codes and fixed words go into messages. Drivers quote values, logins and hosts in their texts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum

from sqlalchemy import exc

from dicom_assets.errors import ConfigurationError, DicomAssetsError, StudyError, TransientError

RIGHTS_PAGE = "docs/databases.md"


class Cause(Enum):
    """Why a database did not do what it was asked; the words end a sentence that names the setting and the place."""

    AWAY = "does not answer or broke off: see whether it runs, at that host and port, and whether the network lets us"
    BUSY = "is busy: another transaction holds what is needed, or too many connections are open; run again later"
    FULL = "has no room left: see to its disk"
    TLS = "does not agree with us on TLS: see which certificates it shows, and which the URL trusts"
    LOGIN = "refuses the login: correct user name and password, or have it admitted from this machine"
    ABSENT = "is not there: the server has no database of that name"
    RIGHTS = f"does not allow that to this login: grant the rights that {RIGHTS_PAGE} names"
    READ_ONLY = "is read-only: name the primary server, let this user write the file and its folder, or end maintenance"
    SCHEMA = "has other tables or columns than expected: check that the URL names the right database, and its version"
    FILE = "can't be read or written: let this user read and write the file and its folder, and see to its disk"
    NO_DATABASE = "is no database, or a damaged one: restore it, or correct the path"
    TEXT = "holds text that is not in its encoding: mend it, or export and import the database with the right encoding"
    VALUE = "refuses the study's row"
    UNKNOWN = "can't do what is asked of it: see that it runs, its version, and the login's rights"


_TRANSIENT = frozenset({Cause.AWAY, Cause.BUSY, Cause.FULL})

_SQLITE = {
    "SQLITE_BUSY": Cause.BUSY,
    "SQLITE_LOCKED": Cause.BUSY,
    "SQLITE_PROTOCOL": Cause.BUSY,
    "SQLITE_FULL": Cause.FULL,
    "SQLITE_IOERR": Cause.FILE,
    "SQLITE_CANTOPEN": Cause.FILE,
    "SQLITE_READONLY": Cause.READ_ONLY,
    "SQLITE_PERM": Cause.RIGHTS,
    "SQLITE_AUTH": Cause.RIGHTS,
    "SQLITE_ERROR": Cause.SCHEMA,
    "SQLITE_SCHEMA": Cause.SCHEMA,
    "SQLITE_NOTADB": Cause.NO_DATABASE,
    "SQLITE_CORRUPT": Cause.NO_DATABASE,
}
"""Result codes of SQLite, by their beginning: extended codes go on behind an underscore."""

_SQLSTATES = {
    "08": Cause.AWAY,
    "57P": Cause.AWAY,
    "58": Cause.AWAY,
    "40": Cause.BUSY,
    "55P03": Cause.BUSY,
    "57014": Cause.BUSY,
    "53100": Cause.FULL,
    "53": Cause.BUSY,
    "28": Cause.LOGIN,
    "3D": Cause.ABSENT,
    "42501": Cause.RIGHTS,
    "25006": Cause.READ_ONLY,
    "42": Cause.SCHEMA,
    "3F": Cause.SCHEMA,
}
"""PostgreSQL's codes (its Appendix A), by their beginning; the longest that fits holds."""

_PSYCOPG_CONNECTING = {
    "too many clients": Cause.BUSY,
    "remaining connection slots": Cause.BUSY,
    "the database system is": Cause.AWAY,
    "authentication failed": Cause.LOGIN,
    "no password supplied": Cause.LOGIN,
    "no pg_hba.conf entry": Cause.LOGIN,
    "is not permitted to log in": Cause.LOGIN,
    "permission denied for database": Cause.RIGHTS,
    "connection refused": Cause.AWAY,
    "could not translate host name": Cause.AWAY,
    "no such file or directory": Cause.AWAY,
    "timeout expired": Cause.AWAY,
    "server closed the connection": Cause.AWAY,
    "could not receive data": Cause.AWAY,
    "no route to host": Cause.AWAY,
    "network is unreachable": Cause.AWAY,
}
"""What libpq says where no connection comes about: it has no codes for that. Servers may say it in other languages."""


_TLS_WORDS = ("certificate", "ssl error", "support ssl", "[ssl")
"""What drivers say where a connection fails for TLS, with no code or that of any failing connection."""

_MYSQL_CLIENT = range(2000, 3000)
"""The numbers of the client's own errors. What servers say may quote names of columns and values."""


def _numbers(causes: Mapping[Cause, Iterable[int]]) -> dict[int, Cause]:
    return {number: cause for cause, numbers in causes.items() for number in numbers}


_MYSQL = _numbers(
    {
        Cause.AWAY: (1053, 1077, 1152, 1158, 1159, 1160, 1161, 1927, 2002, 2003, 2005, 2006, 2013, 2055, 3032, 4031),
        Cause.BUSY: (1040, 1203, 1205, 1213, 1226, 1317, 1969, 3024, 3572),
        Cause.FULL: (1021, 1041, 1114),
        Cause.TLS: (2026, 3159),
        Cause.LOGIN: (1045, 1129, 1130, 1251, 1275, 1524, 1698, 1820, 1862, 3118, 4151),
        Cause.ABSENT: (1046, 1049),
        Cause.RIGHTS: (1044, 1142, 1143, 1227, 1364, 1370),  # 1364: a column that must be filled and is not to be seen
        Cause.READ_ONLY: (1036, 1290, 1792, 1836, 3100),
        Cause.SCHEMA: (1051, 1054, 1109, 1146, 1305),
        Cause.VALUE: (1048, 1062, 1216, 1217, 1264, 1265, 1292, 1366, 1406, 1411, 1451, 1452, 3819, 4025),
    }
)
"""Numbers that MySQL and MariaDB share, those of one of them alone (1969, 3024), and the client's (2000 and on)."""


def cause_of(error: exc.SQLAlchemyError) -> Cause:
    """What the error comes down to; `UNKNOWN` where its code is none of those we know."""
    driver = getattr(error, "orig", None)
    if isinstance(error, exc.TimeoutError):
        return Cause.BUSY
    if driver is None:
        return Cause.UNKNOWN
    found = _by_code(driver)
    if found is not None:
        return found
    if isinstance(error, exc.IntegrityError | exc.DataError):
        return Cause.VALUE
    if getattr(error, "connection_invalidated", False) or isinstance(error, exc.InterfaceError):
        return Cause.AWAY
    return Cause.UNKNOWN


def error_code(error: exc.SQLAlchemyError) -> str:
    """The driver's error class and code; never its text."""
    driver = getattr(error, "orig", None)
    if driver is None:
        return type(error).__name__
    code = getattr(driver, "sqlite_errorname", None) or getattr(driver, "pgcode", None) or _mysql_number(driver)
    return f"{type(driver).__name__} {code}" if code else type(driver).__name__


def our_error(error: exc.SQLAlchemyError, where: str) -> DicomAssetsError:
    """The error for the reaction that is due: the study's, one to try again after, or a person's affair.

    `where` names setting and place of the database.
    """
    cause = cause_of(error)
    message = f"The database of {where} {cause.value} ({error_code(error)})."
    if cause in _TRANSIENT:
        return TransientError(message)
    return StudyError(message) if cause is Cause.VALUE else ConfigurationError(message)


def opening_error(error: exc.SQLAlchemyError, setting: str, place: str) -> ConfigurationError:
    """That a database does not open, and why."""
    return ConfigurationError(f"{setting}: {place} does not open; it {cause_of(error).value} ({error_code(error)}).")


def _by_code(driver: BaseException) -> Cause | None:
    if name := getattr(driver, "sqlite_errorname", None):
        return next((cause for begin, cause in _SQLITE.items() if name.startswith(begin)), None)
    if state := getattr(driver, "pgcode", None):
        fitting = (begin for begin in _SQLSTATES if state.startswith(begin))
        longest = max(fitting, key=len, default=None)
        return None if longest is None else _SQLSTATES[longest]
    number = _mysql_number(driver)
    if number is not None and number not in _MYSQL_CLIENT:
        return _MYSQL.get(number)
    if any(said in str(driver).lower() for said in _TLS_WORDS):
        return Cause.TLS
    return _by_words(driver) if number is None else _MYSQL.get(number)


def _by_words(driver: BaseException) -> Cause | None:
    """For the few errors that carry no code: SQLite's of decoding, libpq's of connecting."""
    words = str(driver).lower()
    if type(driver).__module__ == "sqlite3":
        return Cause.TEXT if words.startswith("could not decode to utf-8") else None
    if "database" in words and "does not exist" in words:
        return Cause.LOGIN if 'role "' in words else Cause.ABSENT
    return next((cause for said, cause in _PSYCOPG_CONNECTING.items() if said in words), None)


def _mysql_number(driver: BaseException) -> int | None:
    number = driver.args[0] if driver.args else None
    return number if isinstance(number, int) and number > 0 else None
