"""C-FIND: what a PACS says it has of a study (PS3.4 C.6.2, Study Root)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian
from pynetdicom import build_context

from dicom_assets.adapters.pacs.association import LocalNode, PacsNode
from dicom_assets.adapters.pacs.plane import commands
from dicom_assets.adapters.pacs.plane.association import Association
from dicom_assets.adapters.pacs.plane.identifiers import Identifier, read_identifier
from dicom_assets.adapters.pacs.plane.opened import opened
from dicom_assets.adapters.pacs.requests import PENDING, SUCCESS, encoded, next_message_id
from dicom_assets.errors import PacsAwayError, PacsStatusError
from dicom_assets.study import InstanceRef, StudyListing

STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
LONGEST_IDENTIFIER = 1 << 20
"""Bytes; the answers that we ask for have some hundred."""

SOP_CLASS_UID = 0x00080016
SOP_INSTANCE_UID = 0x00080018
SOP_CLASSES_IN_STUDY = 0x00080062
SERIES_INSTANCE_UID = 0x0020000E
NUMBER_OF_STUDY_RELATED_INSTANCES = 0x00201208
NUMBER_OF_SERIES_RELATED_INSTANCES = 0x00201209

_OUT_OF_RESOURCES = 0xA700
# What PACSs answer that do not support a query level (PS3.4 Table C.4-1).
_UNABLE_TO_PROCESS = range(0xC000, 0xD000)
_NOT_SUPPORTED = (0xA900, 0x0122)


@dataclass(frozen=True, slots=True)
class QueriedPacs:
    """What every PACS is to us, whatever else it does: it has a name and answers C-FIND."""

    local: LocalNode
    pacs: PacsNode

    @property
    def name(self) -> str:
        """AE title, host and port."""
        return self.pacs.name

    @property
    def connections(self) -> int:
        """How many associations it may be asked for at once."""
        return self.pacs.max_associations

    def find_study(self, study_uid: str) -> StudyListing:
        """What the PACS says it has of a study.

        Raises:
            PacsAwayError: no association for now, or it was lost on the way.
            PacsError: the PACS ended a query with a failure.
        """
        return find_study(self.local, self.pacs, study_uid)


def find_study(local: LocalNode, pacs: PacsNode, study_uid: str) -> StudyListing:
    """What a PACS has of a study, asked for series by series as the hierarchical model wants it.

    Where it does not answer at IMAGE level, its Number of Series Related Instances (0020,1209), else its Number
    of Study Related Instances (0020,1208).

    Raises:
        PacsAwayError: no association for now, or it was lost on the way.
        PacsError: the PACS ended a query with a failure, or tells neither instances nor counts.
    """
    with opened(local, pacs, [build_context(STUDY_ROOT_FIND, ImplicitVRLittleEndian)]) as assoc:
        series = list(_find(assoc, pacs, _series_query(study_uid)))
        instances = _instances_of(assoc, pacs, study_uid, series)
        if instances is not None:
            return StudyListing(instances)
        studies = list(_find(assoc, pacs, _study_query(study_uid)))
    by_series = {one.get(SERIES_INSTANCE_UID, ""): _count(one, NUMBER_OF_SERIES_RELATED_INSTANCES) for one in series}
    study = studies[0] if len(studies) == 1 else {}
    classes = frozenset(uid.strip(" \0") for uid in study.get(SOP_CLASSES_IN_STUDY, "").split("\\")) - {""}
    if by_series and all(by_series.values()) and "" not in by_series:
        return StudyListing(None, by_series, classes)
    total = _count(study, NUMBER_OF_STUDY_RELATED_INSTANCES)
    if not total:
        raise PacsStatusError(
            f"{pacs.name} lists the study, but neither its instances nor how many there are: "
            "have it answer C-FIND at IMAGE level, or with Number of Series Related Instances (0020,1209).",
            blames_study=False,
        )
    return StudyListing(None, {"": total}, classes)


def _instances_of(
    assoc: Association, pacs: PacsNode, study_uid: str, series: Sequence[Identifier]
) -> tuple[InstanceRef, ...] | None:
    """The instances of all series; None where the PACS has none to show for a series, or does not know the level."""
    found: dict[str, InstanceRef] = {}
    for one in series:
        series_uid = one.get(SERIES_INSTANCE_UID, "")
        before = len(found)
        try:
            for instance in _find(assoc, pacs, _instance_query(study_uid, series_uid)):
                uid = instance.get(SOP_INSTANCE_UID, "")
                if uid:
                    found[uid] = InstanceRef(uid, series_uid, instance.get(SOP_CLASS_UID, ""))
        except PacsStatusError as error:
            if error.status in _NOT_SUPPORTED or error.status in _UNABLE_TO_PROCESS:
                return None
            raise
        if len(found) == before:
            return None
    return tuple(sorted(found.values(), key=lambda ref: ref.sop_instance_uid))


def _count(identifier: Identifier, tag: int) -> int:
    text = identifier.get(tag, "")
    return int(text) if text.isdigit() else 0


def _study_query(study_uid: str) -> Dataset:
    query = Dataset()
    query.QueryRetrieveLevel = "STUDY"
    query.StudyInstanceUID = study_uid
    query.NumberOfStudyRelatedInstances = None
    query.SOPClassesInStudy = ""
    return query


def _series_query(study_uid: str) -> Dataset:
    query = Dataset()
    query.QueryRetrieveLevel = "SERIES"
    query.StudyInstanceUID = study_uid
    query.SeriesInstanceUID = ""
    query.NumberOfSeriesRelatedInstances = None
    return query


def _instance_query(study_uid: str, series_uid: str) -> Dataset:
    query = Dataset()
    query.QueryRetrieveLevel = "IMAGE"
    query.StudyInstanceUID = study_uid
    query.SeriesInstanceUID = series_uid
    query.SOPInstanceUID = ""
    query.SOPClassUID = ""
    return query


def _find(association: Association, pacs: PacsNode, query: Dataset) -> Iterator[Identifier]:
    [context_id] = association.contexts
    association.send(context_id, commands.c_find_rq(next_message_id(), STUDY_ROOT_FIND), encoded(query))
    while (command := association.receive()) is not None:
        if command.field != commands.C_FIND_RSP:
            continue
        status = command.status
        if status in PENDING:
            if command.has_data_set:
                yield _identifier(association, pacs)
            continue
        if status == _OUT_OF_RESOURCES:
            raise PacsAwayError(f"{pacs.name} is out of resources for a C-FIND: run again later.")
        if status != SUCCESS:
            said = "without a status" if status is None else f"with status 0x{status:04X}"
            message = f"{pacs.name} ended a C-FIND {said}: see its own log."
            raise PacsStatusError(message, status=status or 0, blames_study=False)
        return
    raise PacsAwayError(f"{pacs.name} broke off a C-FIND: check that it is up, then run again.")


def _identifier(association: Association, pacs: PacsNode) -> Identifier:
    content = bytearray()
    for piece in association.pieces():
        if len(content) <= LONGEST_IDENTIFIER:
            content += piece
    try:
        return read_identifier(bytes(content))
    except ValueError:
        message = f"{pacs.name} answered a C-FIND with what can't be read: see its own log."
        raise PacsStatusError(message, blames_study=False) from None
