"""C-FIND from PACSs that cut lists short, mix studies, repeat themselves or leave out what they have to tell."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian
from pynetdicom import build_context
from pynetdicom.dsutils import decode

from dicom_assets.adapters.pacs.association import LocalNode, PacsNode, silence_dicom_libraries
from dicom_assets.adapters.pacs.plane import commands
from dicom_assets.adapters.pacs.plane.association import Association
from dicom_assets.adapters.pacs.plane.statuses import CANCELLED, PENDING
from dicom_assets.adapters.pacs.plane.wire import Limits
from dicom_assets.adapters.pacs.query import STUDY_ROOT_FIND, find_study
from dicom_assets.errors import PacsAwayError, PacsError, PacsStatusError
from dicom_assets.study import InstanceRef, StudyListing
from dicom_assets_tests.orthanc import orthanc_binary, running_orthanc
from dicom_assets_tests.plane_peers import as_stream, scripted_pacs
from dicom_assets_tests.small_studies import INSTANCES, small_study, write_files

LOCAL = LocalNode("DICOM_ASSETS", "127.0.0.1", 11112)
STUDY, OTHER_STUDY = "1.2.9", "1.2.99"
CLASS = "1.2.840.10008.5.1.4.1.1.2"
NO_DATA_SET, DATA_SET = struct.pack("<HHIH", 0, 0x0800, 2, 0x0101), struct.pack("<HHIH", 0, 0x0800, 2, 1)
SUCCESS, NOT_SUPPORTED = 0x0000, 0xA900
OFFERED = [build_context(STUDY_ROOT_FIND, ImplicitVRLittleEndian)]
SERIES = {"1.2.9.1": 3, "1.2.9.2": 2}
TOTAL = 5

Row = Mapping[str, str]
REFS = tuple(InstanceRef(f"{uid}.{number}", uid, CLASS) for uid, count in SERIES.items() for number in range(count))


def study_row(count: str, uid: str = STUDY) -> Row:
    return {"StudyInstanceUID": uid, "NumberOfStudyRelatedInstances": count}


def series_row(uid: str, **more: str) -> Row:
    return {
        "StudyInstanceUID": STUDY,
        "SeriesInstanceUID": uid,
        "NumberOfSeriesRelatedInstances": str(SERIES.get(uid, 1)),
    } | more


def instance_row(ref: InstanceRef, **more: str) -> Row:
    row = {"StudyInstanceUID": STUDY, "SeriesInstanceUID": ref.series_instance_uid}
    return row | {"SOPInstanceUID": ref.sop_instance_uid, "SOPClassUID": ref.sop_class_uid} | more


@dataclass(frozen=True)
class Archive:
    """What a PACS answers to C-FIND at each level, whatever the keys but for Series Instance UID at IMAGE level."""

    studies: Sequence[Row] = (study_row(str(TOTAL)),)
    series: Sequence[Row] = tuple(map(series_row, SERIES))
    instances: Sequence[Row] = tuple(map(instance_row, REFS))
    heeds_series: bool = True
    ends: Mapping[str, int] = field(default_factory=dict)

    def serve(self, association: Association) -> None:
        while (request := association.receive()) is not None:
            query = decode(as_stream(b"".join(map(bytes, association.pieces()))), True, True)
            for row in self._answers(query):
                pending = commands.response(request, PENDING[0]).replace(NO_DATA_SET, DATA_SET)
                association.send(request.context_id, pending, _encoded(row))
            status = self.ends.get(query.QueryRetrieveLevel, SUCCESS)
            association.send(request.context_id, commands.response(request, status))

    def _answers(self, query: Dataset) -> Sequence[Row]:
        if query.QueryRetrieveLevel == "STUDY":
            return self.studies
        if query.QueryRetrieveLevel == "SERIES":
            return self.series
        wanted = query.SeriesInstanceUID
        return [row for row in self.instances if not self.heeds_series or row.get("SeriesInstanceUID") == wanted]


def _encoded(row: Row) -> bytes:
    """In implicit VR little endian, whatever the values are."""
    content = b""
    for tag, value in sorted((tag_for_keyword(keyword) or 0, value.encode()) for keyword, value in row.items()):
        padded = value + b"\0" * (len(value) % 2)
        content += struct.pack("<HHI", tag >> 16, tag & 0xFFFF, len(padded)) + padded
    return content


def found_in(archive: Archive) -> StudyListing:
    silence_dicom_libraries()
    with scripted_pacs(archive.serve, OFFERED, Limits()) as port:
        return find_study(LOCAL, PacsNode("STAGING", "127.0.0.1", port, "STAGING_PACS"), STUDY)


WHOLE = Archive()
REST = WHOLE.instances[1:]
ALL = StudyListing(REFS)
BY_SERIES = StudyListing(None, SERIES)
IN_ALL = StudyListing(None, {"": TOTAL})
NO_COUNTS = study_row("")
BARE_SERIES = tuple(series_row(uid, NumberOfSeriesRelatedInstances="") for uid in SERIES)
OTHER_SERIES = series_row("1.2.99.1", StudyInstanceUID=OTHER_STUDY)
STRANGER = instance_row(InstanceRef("1.2.99.1.1", "1.2.99.1", CLASS), StudyInstanceUID=OTHER_STUDY)
NAMELESS = instance_row(REFS[0], SOPInstanceUID="")
ODD_SERIES = tuple(series_row(uid, NumberOfSeriesRelatedInstances="1.5e3\\7") for uid in SERIES)


def with_(**changes: Any) -> Archive:
    """An archive in which all is as it should be but for this."""
    return replace(WHOLE, **changes)


@dataclass(frozen=True)
class Case:
    name: str
    archive: Archive
    found: StudyListing


CASES = (
    Case("all as it should be", WHOLE, ALL),
    Case("no counts at all", with_(studies=[NO_COUNTS], series=BARE_SERIES), ALL),
    Case("counts that are too low", with_(studies=[study_row("1")]), ALL),
    Case("odd counts", with_(studies=[study_row("five")], series=ODD_SERIES), ALL),
    Case("an instance twice", with_(instances=[*WHOLE.instances, WHOLE.instances[0]]), ALL),
    Case("a series twice", with_(series=[*WHOLE.series, WHOLE.series[0]]), ALL),
    Case("other studies too", with_(studies=[*WHOLE.studies, study_row("77", OTHER_STUDY)]), ALL),
    Case("series of another study", with_(series=[*WHOLE.series, OTHER_SERIES]), ALL),
    Case("instances of another study", with_(heeds_series=False, instances=[*WHOLE.instances, STRANGER]), ALL),
    Case("instances of all series at once", with_(heeds_series=False), ALL),
    Case("an instance without a name", with_(instances=[*WHOLE.instances[1:], NAMELESS]), BY_SERIES),
    Case("instances left out", with_(instances=REST), BY_SERIES),
    Case("instances left out of series without counts", with_(series=BARE_SERIES, instances=REST), IN_ALL),
    Case("instances up to a limit", with_(instances=REST, ends={"IMAGE": CANCELLED}), BY_SERIES),
    Case("no IMAGE level", with_(instances=(), ends={"IMAGE": NOT_SUPPORTED}), BY_SERIES),
    Case("a series left out", with_(series=WHOLE.series[1:]), IN_ALL),
    Case("series up to a limit", with_(series=WHOLE.series[1:], ends={"SERIES": CANCELLED}), IN_ALL),
    Case("no series at all", with_(series=(), instances=()), IN_ALL),
    Case("a series without a name", with_(series=[WHOLE.series[0], series_row("")]), IN_ALL),
    Case("no STUDY level", with_(studies=(), ends={"STUDY": NOT_SUPPORTED}), ALL),
    Case("nothing", Archive((), (), ()), StudyListing(())),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_listing_is_no_more_and_no_less_than_what_the_pacs_tells_of_the_study(case: Case) -> None:
    assert found_in(case.archive) == case.found


@pytest.mark.parametrize(
    ("archive", "kind", "said"),
    [
        (with_(studies=[NO_COUNTS], series=BARE_SERIES, ends={"SERIES": CANCELLED}), PacsStatusError, "neither"),
        (with_(studies=[NO_COUNTS], series=BARE_SERIES, instances=()), PacsStatusError, "neither"),
        (Archive((), (), (), ends={"SERIES": NOT_SUPPORTED}), PacsStatusError, "neither"),
        (with_(ends={"IMAGE": 0xA700}), PacsAwayError, "out of resources"),
        (with_(ends={"SERIES": 0x0110}), PacsStatusError, "0x0110"),
    ],
    ids=["series cut short", "no instances", "nothing supported", "out of resources", "a failure"],
)
def test_what_can_not_be_known_is_an_error(archive: Archive, kind: type[PacsError], said: str) -> None:
    with pytest.raises(kind, match=said) as raised:
        found_in(archive)

    assert STUDY not in str(raised.value)


@pytest.mark.skipif(orthanc_binary() is None, reason="Orthanc is not installed")
@pytest.mark.parametrize("limit", ["LimitFindInstances", "LimitFindResults"])
def test_orthanc_that_limits_its_answers_is_believed_by_counts(tmp_path: Path, limit: str) -> None:
    silence_dicom_libraries()
    study = small_study(77, "too large for the PACS's limits")
    with running_orthanc("STAGING", tmp_path / "orthanc", {}, **{limit: 1}) as orthanc:
        for file in write_files(study, tmp_path):
            orthanc.load(file.read_bytes())
        node = PacsNode("STAGING", "127.0.0.1", orthanc.dicom_port, "STAGING_PACS")
        listing = find_study(LOCAL, node, study.study_uid)

    assert listing.instances is None
    assert listing.total == INSTANCES
