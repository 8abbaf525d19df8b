"""C-MOVE only after a canary has arrived: the PACS alone knows which machine our AE title stands for."""

from __future__ import annotations

import threading
from io import BytesIO
from typing import ClassVar, Protocol

from pydicom import dcmread
from pydicom.errors import InvalidDicomError

from dicom_assets.adapters.pacs.association import Timeouts
from dicom_assets.adapters.pacs.canary_object import is_uid
from dicom_assets.adapters.pacs.retrieve import CMovePacs, StrayedError
from dicom_assets.errors import ConfigurationError, PacsError, StorageError, StudyError
from dicom_assets.study import IncomingFile, Piece, Receive, Retrieval, StudyListing

ACCEPTANCE = "I accept that identified images may go to a wrong machine"
"""What STAGING_PACS_MOVE_WITHOUT_CANARY must say for C-MOVE without a canary."""

CANARY_TIMEOUTS = Timeouts(connection=10, acse=15, dimse=30, network=30, whole=60)
"""Seconds; a PACS that can't reach the destination often says nothing until its own time-out."""

MOST_BYTES = 64 * 1024 * 1024
"""Of an object of the operator's choice; ours has two thousand."""

_OTHER_SENDERS = "If it sends under another AE title or from another host, name that in STAGING_PACS_SENDERS."
_TO_SEND_ONE = "put one there with `dicom-assets canary send`"


def check_canary(canary_uid: str, move_without_canary: str) -> None:
    """Refuse C-MOVE without a canary, unless the operator has accepted that in so many words.

    Raises:
        ConfigurationError: there is no canary and no acceptance, or either setting reads otherwise.
    """
    if canary_uid and not is_uid(canary_uid):
        raise ConfigurationError(f"STAGING_PACS_CANARY_UID is not a UID: {_TO_SEND_ONE}, which prints the line to set.")
    if move_without_canary not in ("", ACCEPTANCE):
        raise ConfigurationError(f"STAGING_PACS_MOVE_WITHOUT_CANARY must be empty or say, word for word: {ACCEPTANCE}")
    if not canary_uid and not move_without_canary:
        raise ConfigurationError(
            "C-MOVE sends identified images to whichever machine the staging PACS takes our AE title for, and no "
            f"canary proves that this is us: {_TO_SEND_ONE} and set STAGING_PACS_CANARY_UID as it says. "
            f"To go without, set STAGING_PACS_MOVE_WITHOUT_CANARY to: {ACCEPTANCE}"
        )


class ProvenMoves:
    """A staging PACS asked by C-MOVE, for nothing before the canary has arrived here; implements `StagingPacs`.

    Threads share it; the canary is moved once.
    """

    protocol: ClassVar[str] = "c-move"

    def __init__(self, pacs: CMovePacs, scout: CMovePacs, canary_uid: str) -> None:
        """`scout` moves the canary: the same PACS with shorter time-outs. No UID: the operator accepted to go without.

        `check_canary` has seen the UID.
        """
        self._pacs = pacs
        self._scout = scout
        self._canary_uid = canary_uid
        self._mutex = threading.Lock()
        self._arrived = not canary_uid
        self._failure: ConfigurationError | None = None

    @property
    def name(self) -> str:
        """AE title, host and port."""
        return self._pacs.name

    @property
    def connections(self) -> int:
        """How many associations it may be asked for at once."""
        return self._pacs.connections

    @property
    def has_canary(self) -> bool:
        """Whether there is one to be moved."""
        return bool(self._canary_uid)

    def find_study(self, study_uid: str) -> StudyListing:
        """What the PACS says it has of a study.

        Raises:
            PacsAwayError: no association for now, or it was lost on the way.
            PacsError: the PACS ended a query with a failure.
        """
        return self._pacs.find_study(study_uid)

    def prove(self) -> None:
        """Move the canary, unless it has arrived already or there is none.

        Raises:
            ConfigurationError: it is not there, or does not arrive here; from then on always.
            PacsError: the PACS can't be asked for now, nothing is known yet.
        """
        with self._mutex:
            if self._failure is not None:
                raise self._failure
            if self._arrived:
                return
            try:
                move_canary(self._scout, self._canary_uid)
            except ConfigurationError as error:
                self._failure = error
                raise
            self._arrived = True

    def retrieve(self, retrieval: Retrieval, receive: Receive) -> str:
        """Ask by C-MOVE once the canary has arrived; returns what the PACS says went wrong.

        Instances that it says it sent, and of which none arrived, end all moves, unless another move of the canary
        shows that our AE title still stands for us; this study is not asked for again then, either.

        Raises:
            ConfigurationError: the canary does not arrive here, or our Storage SCP can't listen.
            PacsAwayError: no association for now, or it was lost with nothing received.
            PacsError: the operation ended in a failure with nothing received.
            StudyError: the PACS says that it sent instances, and none arrived, though the canary does.
            StorageError: an instance that arrived could not be written.
        """
        self.prove()
        try:
            return self._pacs.retrieve(retrieval, receive)
        except StrayedError as error:
            self._prove_anew(error)
            raise StudyError(
                f"{error} The canary did arrive; so find out from the PACS's log where it sent these, then clear the "
                "error and run again."
            ) from None

    def _prove_anew(self, error: StrayedError) -> None:
        with self._mutex:
            self._arrived = False
            if not self._canary_uid:
                self._failure = self._failure or ConfigurationError(
                    f"Images may have gone to a wrong machine, so nothing else is moved. {error} Find out from its log "
                    f"where it sent them. {_OTHER_SENDERS}"
                )
        self.prove()


def move_canary(scout: CMovePacs, canary_uid: str) -> None:
    """Have the canary moved to us and see it arrive.

    Raises:
        ConfigurationError: it is not there, is none, or does not arrive here in time; or our Storage SCP can't listen.
        PacsError: the PACS can't be asked.
    """
    _require_listed(scout, canary_uid)
    cage = _Cage()
    try:
        scout.retrieve(Retrieval(canary_uid), cage.receive)
    except StrayedError:
        raise ConfigurationError(_went_astray(scout)) from None
    except PacsError as error:
        if not cage.arrived:
            raise ConfigurationError(
                f"The canary did not arrive here, so nothing else is moved. {error} {_OTHER_SENDERS}"
            ) from None
    if not cage.arrived:
        raise ConfigurationError(_went_astray(scout))
    if any(_study_uid_of(content) != canary_uid for content in cage.arrived):
        raise ConfigurationError(
            f"What {scout.name} sent here is not the canary it was asked for, so nothing else is moved: "
            "have the PACS's index repaired."
        )


class _Retrieves(Protocol):
    """A PACS that hands instances to who asks."""

    @property
    def name(self) -> str:
        """What it is called."""

    def find_study(self, study_uid: str) -> StudyListing:
        """What it has of a study."""

    def retrieve(self, retrieval: Retrieval, receive: Receive) -> str:
        """Hand it over."""


def fetch_canary(pacs: _Retrieves, canary_uid: str) -> None:
    """Have a PACS hand over the canary on our own connection, to see that it does.

    Raises:
        ConfigurationError: it is not there, is none, or is not what is handed over.
        PacsError: the PACS can't be asked, or refuses.
    """
    _require_listed(pacs, canary_uid)
    cage = _Cage()
    said = pacs.retrieve(Retrieval(canary_uid), cage.receive)
    if [_study_uid_of(content) for content in cage.arrived] != [canary_uid]:
        raise ConfigurationError(
            f"{pacs.name} lists the study of STAGING_PACS_CANARY_UID and does not hand it over{said and f'; {said}'}: "
            "see its own log, or choose another STAGING_PACS_PROTOCOL."
        )


def _require_listed(pacs: _Retrieves, canary_uid: str) -> None:
    listed = pacs.find_study(canary_uid).total
    if not listed:
        raise ConfigurationError(
            f"{pacs.name} has no study of STAGING_PACS_CANARY_UID: {_TO_SEND_ONE}, or correct the setting."
        )
    if listed > 1:
        raise ConfigurationError(
            f"The study of STAGING_PACS_CANARY_UID has {listed} instances at {pacs.name} and is no canary, which has "
            f"one that anybody may see: {_TO_SEND_ONE}."
        )


def _went_astray(scout: CMovePacs) -> str:
    local = scout.local
    return (
        f"{scout.name} says that it sent the canary to {local.ae_title}, and it did not arrive here, so nothing else "
        f"is moved: have {local.ae_title} registered there as {local.host} port {local.port}, and only so; or correct "
        f"LOCAL_AE_TITLE, LOCAL_HOST and LOCAL_PORT, or what keeps the PACS from connecting. {_OTHER_SENDERS}"
    )


def _study_uid_of(content: bytes) -> str | None:
    try:
        ds = dcmread(BytesIO(content), stop_before_pixels=True, specific_tags=["StudyInstanceUID"])
        return str(ds.get("StudyInstanceUID") or "")
    except (InvalidDicomError, ValueError, KeyError, OSError, EOFError, NotImplementedError):
        return None


class _Cage:
    """Takes in what arrives and keeps it in memory."""

    def __init__(self) -> None:
        self.arrived: list[bytes] = []

    def receive(self, _sop_instance_uid: str) -> IncomingFile:
        return _CagedFile(self)


class _CagedFile:
    def __init__(self, cage: _Cage) -> None:
        self._cage = cage
        self._content = bytearray()

    def write(self, piece: Piece, /) -> None:
        if len(self._content) + len(piece) > MOST_BYTES:
            raise StorageError("The canary is too large: choose a smaller object.")
        self._content += piece

    def keep(self) -> None:
        self._cage.arrived.append(bytes(self._content))

    def drop(self) -> None:
        self._content.clear()
