"""Names of folders as they may stand in a target folder: without what tells who somebody is."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import PurePosixPath

import ahocorasick

from dicom_assets.deidentification import InstanceIdentity

SHORTEST_INSIDE = 3
"""Characters from which a part of a name or an id is looked for inside of words, too."""

_SEPARATORS = re.compile(r"[\W_]+")


class FolderNames:
    """Replaces each folder name that holds an identifier of anybody below the source folder by a keyed hash.

    What is hidden too much does no harm: the same name gets the same hash.
    """

    def __init__(self, identities: Iterable[InstanceIdentity], hash_text: Callable[[str], str]) -> None:
        """Know whose identifiers must not show; `hash_text` gives one short text for each text."""
        self._hash_text = hash_text
        self._words: set[str] = set()
        self._inside = ahocorasick.Automaton()
        for needle in {needle for identity in identities for needle in _needles(identity)}:
            if len(needle) < SHORTEST_INSIDE:
                self._words.add(needle)
            else:
                self._inside.add_word(needle, len(needle))
        if len(self._inside):
            self._inside.make_automaton()
        self._shown = cache(self._show)

    def parent_of(self, name: str) -> PurePosixPath:
        """The folder of a file, as it may be shown; `name` is the file's path relative to the source folder."""
        return PurePosixPath(*(self._shown(part) for part in PurePosixPath(name).parent.parts))

    def _show(self, folder: str) -> str:
        words = [word for word in _SEPARATORS.split(_folded(folder)) if word]
        tells = not self._words.isdisjoint(words)
        if len(self._inside):
            tells = tells or next(self._inside.iter("".join(words)), None) is not None
        return f"F{self._hash_text(folder)}" if tells else folder


def _needles(identity: InstanceIdentity) -> Iterator[str]:
    patient = identity.patient
    yield from (part for part in _SEPARATORS.split(_folded(patient.patient_name)) if part)
    whole = (patient.patient_id, patient.birth_date, identity.accession_number)
    uids = (identity.study_uid, identity.series_uid, identity.sop_uid)
    yield from (_SEPARATORS.sub("", _folded(text)) for text in (*whole, *uids) if _SEPARATORS.sub("", text))


def _folded(text: str) -> str:
    # Without case and accents, which file systems and people leave off.
    apart = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in apart if not unicodedata.combining(letter))
