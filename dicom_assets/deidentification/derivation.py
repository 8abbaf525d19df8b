"""Keyed derivation of everything that stands for an original: HMAC-SHA-256 with the deployment's secret.

Each use has its own domain prefix, so that no output of one use says anything about another. The same
secret and original give the same result on every machine and for ever.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

from dicom_assets.errors import ConfigurationError
from dicom_assets.study import StudyKey

MINIMUM_SECRET_BYTES = 16
UUID_ROOT = "2.25"
MAXIMUM_UID_LENGTH = 64
MAXIMUM_ROOT_LENGTH = 40
"""Leaves at least 23 decimal digits (76 bits) to tell UIDs apart."""
MAXIMUM_OFFSET_DAYS = 3650

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def derive_study_key(secret: bytes, study_uid: str, attempt: int = 0) -> StudyKey:
    """`S` and 12 Crockford base32 characters (60 bits); another `attempt` gives another key after a collision."""
    return StudyKey("S" + _base32(_digest(secret, b"study-key", study_uid, str(attempt)), 12))


def derive_pseudonym(secret: bytes, issuer: str, patient_id: str, attempt: int = 0) -> str:
    """`P` and 10 Crockford base32 characters (50 bits); another `attempt` gives another one after a collision."""
    return "P" + _base32(_digest(secret, b"pseudonym", issuer, patient_id, str(attempt)), 10)


def derive_date_offset_days(secret: bytes, issuer: str, patient_id: str) -> int:
    """The patient's shift in days, -3650 to -1: into the past and never none."""
    number = int.from_bytes(_digest(secret, b"date-offset", issuer, patient_id))
    return -1 - number % MAXIMUM_OFFSET_DAYS


def derive_uid(secret: bytes, root: str, uid: str) -> str:
    """A UID of at most 64 characters that stands for `uid`: `2.25.` and 128 bits, or decimal digits under `root`."""
    digest = hmac.digest(check_secret(secret), b"uid\0" + uid.encode("utf-8", "surrogateescape"), hashlib.sha256)
    if root == UUID_ROOT:
        return f"{UUID_ROOT}.{int.from_bytes(digest[:16])}"
    room = MAXIMUM_UID_LENGTH - len(check_root(root)) - 1
    return f"{root}.{int.from_bytes(digest) % 10**room}"


def derive_hash(secret: bytes, text: str) -> str:
    """16 Crockford base32 characters (80 bits) that stand for a text, in any VR of text: AE and CS take them too."""
    return _base32(_digest(secret, b"hash", text), 16)


def check_secret(secret: bytes) -> bytes:
    """The secret itself.

    Raises:
        ConfigurationError: it is shorter than 16 bytes.
    """
    if len(secret) < MINIMUM_SECRET_BYTES:
        raise ConfigurationError(
            f"the identity secret has {len(secret)} bytes; at least {MINIMUM_SECRET_BYTES} are needed"
        )
    return secret


def check_root(root: str) -> str:
    """The UID root itself.

    Raises:
        ConfigurationError: not dotted numbers without leading zeros (PS3.5 9.1), or too long to put digits under.
    """
    parts = root.split(".")
    well_formed = all(part.isascii() and part.isdigit() and (part == "0" or part[0] != "0") for part in parts)
    if not well_formed or parts[0] not in {"0", "1", "2"} or len(parts) < 2:
        raise ConfigurationError("the UID root is not a valid UID prefix")
    if len(root) > MAXIMUM_ROOT_LENGTH:
        raise ConfigurationError(f"the UID root is longer than {MAXIMUM_ROOT_LENGTH} characters")
    return root


class UidReplacer:
    """Callable original -> replacement. A recorded replacement wins over a derived one.

    `seen` maps every original that was asked for to what was answered. Holds a secret and originals: its
    `repr` shows neither. Picklable.
    """

    def __init__(self, secret: bytes, root: str = UUID_ROOT, recorded: Mapping[str, str] | None = None) -> None:
        """Take the deployment's secret, the root of new UIDs and the replacements in force.

        Raises:
            ConfigurationError: secret too short or root unusable.
        """
        self._secret = check_secret(secret)
        self._root = check_root(root)
        self._recorded = dict(recorded or {})
        self.seen: dict[str, str] = {}

    def __call__(self, original: str) -> str:
        """The one replacement of `original`."""
        replacement = self.seen.get(original) or self._recorded.get(original)
        if replacement is None:
            replacement = derive_uid(self._secret, self._root, original)
        self.seen[original] = replacement
        return replacement

    def hash_text(self, text: str) -> str:
        """The keyed hash of a text; not among `seen`, since nothing leads back from it."""
        return derive_hash(self._secret, text)

    def __repr__(self) -> str:
        """Counts only."""
        return f"UidReplacer(recorded={len(self._recorded)}, seen={len(self.seen)})"


def _digest(secret: bytes, domain: bytes, *parts: str) -> bytes:
    # Each part carries its length, so that ("A", "BC") and ("AB", "C") differ.
    encoded = [part.encode("utf-8", "surrogateescape") for part in parts]
    message = domain + b"\0" + b"".join(b"%d:%b" % (len(part), part) for part in encoded)
    return hmac.digest(check_secret(secret), message, hashlib.sha256)


def _base32(digest: bytes, length: int) -> str:
    number = int.from_bytes(digest) >> (8 * len(digest) - 5 * length)
    return "".join(_CROCKFORD[number >> 5 * place & 31] for place in reversed(range(length)))
