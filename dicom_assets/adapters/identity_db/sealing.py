"""Encryption of identifying columns: AES-SIV (RFC 5297) of `cryptography`, the key from a file.

AES-SIV is deterministic: one text of one column always becomes the same stored text, so that looking up by equality and
unique constraints work as on plain columns. What it gives away is which rows of a column are equal, and the length of a
text in steps of 16 bytes. Each column is bound to its name as associated data: a stored text moved to another column
does not open.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable
from functools import lru_cache
from typing import Any
from weakref import WeakKeyDictionary

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.padding import PKCS7
from sqlalchemy import Engine, String, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

from dicom_assets.errors import ConfigurationError

_PURPOSE = b"dicom_assets identity database, columns"
_BLOCK_BITS = 128
_KEY_BYTES = 64
_REMEMBERED = 1 << 16
"""Texts that a cipher remembers, each way."""


class Cipher:
    """Seals and opens the texts of columns: `seal(column, text)`, `open(column, sealed)`.

    `mark` tells whether a key is the one that a database was encrypted with, and nothing of it.
    """

    def __init__(self, key: bytes) -> None:
        """Take the content of a key file, of any length; AES-256-SIV's two keys are derived from it by HKDF."""
        derived = HKDF(hashes.SHA256(), _KEY_BYTES, salt=None, info=_PURPOSE).derive(key)
        self._siv = AESSIV(derived)
        # The same UIDs are asked for, recorded and read back within moments.
        self.seal = lru_cache(_REMEMBERED)(self._seal)
        self.open = lru_cache(_REMEMBERED)(self._open)
        self.mark = hmac.digest(key, b"dicom_assets identity database, check of the key", hashlib.sha256).hex()[:32]

    def _seal(self, column: str, text: str) -> str:
        """What is stored for a text of a column."""
        padder = PKCS7(_BLOCK_BITS).padder()
        padded = padder.update(text.encode()) + padder.finalize()
        return base64.urlsafe_b64encode(self._siv.encrypt(padded, [column.encode()])).decode("ascii")

    def _open(self, column: str, sealed: str) -> str:
        """The text of a column that is stored so.

        Raises:
            ConfigurationError: it was sealed with another key or for another column, or was altered.
        """
        try:
            padded = self._siv.decrypt(base64.urlsafe_b64decode(sealed), [column.encode()])
            unpadder = PKCS7(_BLOCK_BITS).unpadder()
            return (unpadder.update(padded) + unpadder.finalize()).decode()
        except (InvalidTag, binascii.Error, ValueError):
            raise ConfigurationError(
                f"A value of {column} in the identity database does not decrypt: it was altered, or damaged. "
                "Restore the database from a backup."
            ) from None


_ciphers: WeakKeyDictionary[Dialect, Cipher] = WeakKeyDictionary()


def use_cipher(engine: Engine, cipher: Cipher | None) -> None:
    """Have the sealed columns of this database sealed and opened with a cipher; None: plain.

    To be said before the first statement that names one of them.
    """
    _ciphers.pop(engine.dialect, None)
    if cipher is not None:
        _ciphers[engine.dialect] = cipher


def cipher_of(dialect: Dialect) -> Cipher | None:
    """What `use_cipher` set for this database."""
    return _ciphers.get(dialect)


class Sealed(TypeDecorator[str]):
    """Text that identifies: sealed on its way to the database where that has a cipher, opened on the way back."""

    impl = Text
    cache_ok = True

    def __init__(self, column: str, length: int | None = None) -> None:
        """`column` binds the texts to their place; `length` (characters) is that of what is stored."""
        super().__init__()
        self.column = column
        self.length = length

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Plain text, whatever is in it."""
        impl: TypeEngine[Any] = Text() if self.length is None else String(self.length)
        return dialect.type_descriptor(impl)

    def bind_processor(self, dialect: Dialect) -> Callable[[str | None], str | None] | None:
        """What makes of a text what is stored, or compared with what is stored; plain columns cost nothing."""
        cipher, column = _ciphers.get(dialect), self.column
        if cipher is None:
            return None
        return lambda text: None if text is None else cipher.seal(column, text)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[str | None], str | None] | None:  # noqa: ARG002
        """What makes the text of what is stored."""
        cipher, column = _ciphers.get(dialect), self.column
        if cipher is None:
            return None
        return lambda stored: None if stored is None else cipher.open(column, stored)
