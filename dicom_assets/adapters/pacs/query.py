"""C-FIND: which instances a PACS says it has of a study (PS3.4 C.6.2, Study Root)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydicom.dataset import Dataset
from pynetdicom import build_context
from pynetdicom.association import Association
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind  # type: ignore[attr-defined]

from dicom_assets.adapters.pacs.association import LocalNode, PacsNode, associate, status_of
from dicom_assets.errors import PacsError
from dicom_assets.study import InstanceRef

_PENDING = (0xFF00, 0xFF01)


@dataclass(frozen=True, slots=True)
class QueriedPacs:
    """What every PACS is to us, whatever else it does: it has a name and answers C-FIND."""

    local: LocalNode
    pacs: PacsNode

    @property
    def name(self) -> str:
        """AE title, host and port."""
        return self.pacs.name

    def find_instances(self, study_uid: str) -> Sequence[InstanceRef]:
        """Every instance the PACS says it has of a study.

        Raises:
            PacsError: no association, or the PACS ended a query with a failure.
        """
        return find_instances(self.local, self.pacs, study_uid)


def find_instances(local: LocalNode, pacs: PacsNode, study_uid: str) -> Sequence[InstanceRef]:
    """Every instance of a study, asked for series by series as the hierarchical model wants it.

    Raises:
        PacsError: no association, or the PACS ended a query with a failure.
    """
    context = build_context(StudyRootQueryRetrieveInformationModelFind)
    found: dict[str, InstanceRef] = {}
    with associate(local, pacs, [context]) as assoc:
        for series in list(_find(assoc, pacs, _series_query(study_uid))):
            series_uid = str(series.get("SeriesInstanceUID", ""))
            for instance in _find(assoc, pacs, _instance_query(study_uid, series_uid)):
                uid = str(instance.get("SOPInstanceUID", ""))
                if uid:
                    found[uid] = InstanceRef(uid, series_uid, str(instance.get("SOPClassUID", "")))
    return sorted(found.values(), key=lambda ref: ref.sop_instance_uid)


def _series_query(study_uid: str) -> Dataset:
    query = Dataset()
    query.QueryRetrieveLevel = "SERIES"
    query.StudyInstanceUID = study_uid
    query.SeriesInstanceUID = ""
    return query


def _instance_query(study_uid: str, series_uid: str) -> Dataset:
    query = Dataset()
    query.QueryRetrieveLevel = "IMAGE"
    query.StudyInstanceUID = study_uid
    query.SeriesInstanceUID = series_uid
    query.SOPInstanceUID = ""
    query.SOPClassUID = ""
    return query


def _find(assoc: Association, pacs: PacsNode, query: Dataset) -> Iterator[Dataset]:
    for response, identifier in assoc.send_c_find(query, StudyRootQueryRetrieveInformationModelFind):
        status = status_of(response)
        if status in _PENDING and identifier is not None:
            yield identifier
        elif status is None:
            raise PacsError(f"{pacs.name} broke off a C-FIND: check that it is up, then run again.")
        elif status != 0x0000:
            raise PacsError(f"{pacs.name} ended a C-FIND with status 0x{status:04X}: see its own log.")
