"""C-FIND: what a PACS says it has of a study (PS3.4 C.6.2, Study Root)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian
from pynetdicom import build_context

from dicom_assets.adapters.pacs.association import LocalNode, PacsNode
from dicom_assets.adapters.pacs.plane import commands
from dicom_assets.adapters.pacs.plane.association import Association
from dicom_assets.adapters.pacs.plane.identifiers import Identifier, read_identifier
from dicom_assets.adapters.pacs.plane.opened import opened
from dicom_assets.adapters.pacs.plane.statuses import (
    CANCELLED,
    OUT_OF_RESOURCES,
    PENDING,
    SOP_CLASS_NOT_SUPPORTED,
    SUCCESS,
    UNABLE_TO_PROCESS,
)
from dicom_assets.adapters.pacs.requests import encoded, next_message_id
from dicom_assets.errors import PacsAwayError, PacsStatusError
from dicom_assets.study import InstanceRef, StudyListing

STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
LONGEST_IDENTIFIER = 1 << 20
"""Bytes; the answers that we ask for have some hundred."""

SOP_CLASS_UID = 0x00080016
SOP_INSTANCE_UID = 0x00080018
SOP_CLASSES_IN_STUDY = 0x00080062
STUDY_INSTANCE_UID = 0x0020000D
SERIES_INSTANCE_UID = 0x0020000E
NUMBER_OF_STUDY_RELATED_INSTANCES = 0x00201208
NUMBER_OF_SERIES_RELATED_INSTANCES = 0x00201209

# What PACSs answer that do not support a query level, or have a limit of answers (PS3.4 Table C.4-1).
_NOT_ALL = frozenset({0xA900, SOP_CLASS_NOT_SUPPORTED, CANCELLED, *UNABLE_TO_PROCESS})


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

    A list of instances is believed where neither Number of Series Related Instances (0020,1209) nor Number of Study
    Related Instances (0020,1208) say that there are more: PACSs cut their answers short, not all of them say so. Where
    it is not, or the PACS does not answer at IMAGE level, the former serve, else the latter.

    Raises:
        PacsAwayError: no association for now, or it was lost on the way.
        PacsError: the PACS ended a query with a failure, or tells neither instances nor counts.
    """
    with opened(local, pacs, [build_context(STUDY_ROOT_FIND, ImplicitVRLittleEndian)]) as assoc:
        asked = _Asked(assoc, pacs, study_uid)
        total = asked.total()
        series, has_all = asked.series()
        if not series and has_all and not total:
            return StudyListing(())
        instances = asked.instances(series) if series and has_all else None
        if instances is not None and len(instances) >= total:
            return StudyListing(tuple(sorted(instances, key=lambda ref: ref.sop_instance_uid)))
        classes = asked.sop_classes()
    if has_all and series and all(series.values()) and sum(series.values()) >= total:
        return StudyListing(None, series, classes)
    if not total:
        raise PacsStatusError(
            f"{pacs.name} lists the study, but neither all its instances nor how many there are: "
            "have it answer C-FIND at IMAGE level, or with Number of Series Related Instances (0020,1209).",
            blames_study=False,
        )
    return StudyListing(None, {"": total}, classes)


@dataclass(frozen=True, slots=True)
class _Asked:
    """Queries for one study on one association; answers that are about another one do not count."""

    association: Association
    pacs: PacsNode
    study_uid: str

    def total(self) -> int:
        """Number of Study Related Instances; 0 where the PACS does not tell it, or has no such study."""
        studies, _ = self._answers(_study_query(self.study_uid, "NumberOfStudyRelatedInstances"))
        return max((_count(study, NUMBER_OF_STUDY_RELATED_INSTANCES) for study in studies), default=0)

    def sop_classes(self) -> frozenset[str]:
        """The SOP Classes in the study; none where the PACS does not tell them."""
        studies, _ = self._answers(_study_query(self.study_uid, "SOPClassesInStudy"))
        return frozenset(uid for study in studies for uid in study.get(SOP_CLASSES_IN_STUDY, "").split("\\") if uid)

    def series(self) -> tuple[dict[str, int], bool]:
        """Series Instance UID to number of instances, 0 where that is not told, and whether these are all series."""
        answers, is_whole = self._answers(_series_query(self.study_uid))
        counts: dict[str, int] = {}
        for answer in answers:
            uid = answer.get(SERIES_INSTANCE_UID, "")
            counts[uid] = max(counts.get(uid, 0), _count(answer, NUMBER_OF_SERIES_RELATED_INSTANCES))
        is_whole = is_whole and "" not in counts
        counts.pop("", None)
        return counts, is_whole

    def instances(self, series: Mapping[str, int]) -> list[InstanceRef] | None:
        """The instances of all series; None where the PACS has none to show for one, or fewer than it says it has."""
        found: dict[str, InstanceRef] = {}
        for series_uid, count in series.items():
            answers, is_whole = self._answers(_instance_query(self.study_uid, series_uid))
            refs = {
                uid: InstanceRef(uid, series_uid, answer.get(SOP_CLASS_UID, ""))
                for answer in answers
                if (uid := answer.get(SOP_INSTANCE_UID, "")) and answer.get(SERIES_INSTANCE_UID, "") in ("", series_uid)
            }
            before = len(found)
            found |= refs
            if not is_whole or len(found) - before < max(count, 1):
                return None
        return list(found.values())

    def _answers(self, query: Dataset) -> tuple[list[Identifier], bool]:
        """The answers to a query, and whether these are all: the PACS may not know the level, or have a limit."""
        answers: list[Identifier] = []
        is_whole = True
        try:
            for answer in _find(self.association, self.pacs, query):
                if answer.get(STUDY_INSTANCE_UID, "") in ("", self.study_uid):
                    answers.append(answer)
        except PacsStatusError as error:
            if error.status not in _NOT_ALL:
                raise
            is_whole = False
        return answers, is_whole


def _count(identifier: Identifier, tag: int) -> int:
    text = identifier.get(tag, "")
    return int(text) if text.isascii() and text.isdigit() else 0


def _study_query(study_uid: str, wanted: str) -> Dataset:
    query = Dataset()
    query.QueryRetrieveLevel = "STUDY"
    query.StudyInstanceUID = study_uid
    setattr(query, wanted, None)
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
        if status == OUT_OF_RESOURCES:
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
