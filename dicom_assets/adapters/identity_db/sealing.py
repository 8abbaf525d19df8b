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


class Cipher:
    """Seals and opens the texts of columns. Its `repr` shows nothing of the key."""

    def __init__(self, key: bytes) -> None:
        """Take the content of a key file, of any length; AES-256-SIV's two keys are derived from it by HKDF."""
        derived = HKDF(hashes.SHA256(), _KEY_BYTES, salt=None, info=_PURPOSE).derive(key)
        self._siv = AESSIV(derived)
        self.mark = hmac.digest(key, b"dicom_assets identity database, check of the key", hashlib.sha256).hex()[:32]

    def seal(self, column: str, text: str) -> str:
        """What is stored for a text of a column."""
        padder = PKCS7(_BLOCK_BITS).padder()
        padded = padder.update(text.encode()) + padder.finalize()
        return base64.urlsafe_b64encode(self._siv.encrypt(padded, [column.encode()])).decode("ascii")

    def open(self, column: str, sealed: str) -> str:
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
    """Have the sealed columns of this database sealed and opened with a cipher from now on; None: plain."""
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

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """What is stored or compared with what is stored."""
        cipher = _ciphers.get(dialect)
        return value if cipher is None or value is None else cipher.seal(self.column, value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        """The text itself."""
        cipher = _ciphers.get(dialect)
        return value if cipher is None or value is None else cipher.open(self.column, value)
