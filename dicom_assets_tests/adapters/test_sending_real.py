"""C-STORE and storage commitment with PACSs that others wrote: Orthanc, and DCMTK's storescp with its faults."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import FileDataset, dcmread

from dicom_assets.adapters.pacs.association import LocalNode, PacsNode, silence_dicom_libraries
from dicom_assets.adapters.pacs.commitment import StorageCommitment
from dicom_assets.adapters.pacs.commitment_scp import CommitmentScp
from dicom_assets.adapters.pacs.plane.wire import Limits
from dicom_assets.adapters.pacs.store import CStorePacs
from dicom_assets.adapters.pacs.tls import TlsFiles
from dicom_assets.demo.objects import instance_file
from dicom_assets.demo.plan import DemoStudy
from dicom_assets.demo.studies import demo_studies
from dicom_assets.errors import PacsAwayError, PacsError
from dicom_assets.study import Commitment, OutgoingInstance, StoreOutcome
from dicom_assets_tests.certificates import Certificates
from dicom_assets_tests.dcmtk import DcmtkPacs, has_dcmtk, running_storescp
from dicom_assets_tests.deployment import free_port
from dicom_assets_tests.orthanc import Orthanc, orthanc_binary, running_orthanc
from dicom_assets_tests.outgoing import data_set_of_file, small_ones, written

IMPATIENT = Limits(acse_seconds=1.0, idle_seconds=0.5, pdu_seconds=1.0)
needs_orthanc = pytest.mark.skipif(orthanc_binary() is None, reason="Orthanc is not on this machine")
needs_dcmtk = pytest.mark.skipif(not has_dcmtk(), reason="DCMTK is not on this machine")


@pytest.fixture(scope="module")
def local() -> LocalNode:
    silence_dicom_libraries()
    return LocalNode("DICOM_ASSETS", "127.0.0.1", free_port())


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Sequence[OutgoingInstance]:
    """CT, MR, SR and a scan, in five transfer syntaxes."""
    return instances_of(next(study for study in demo_studies() if study.number == 5), tmp_path_factory.mktemp("mixed"))


@pytest.fixture
def orthanc(local: LocalNode, tmp_path: Path) -> Iterator[Orthanc]:
    """Empty, and it knows us."""
    known = {local.ae_title: (local.host, local.port)}
    with running_orthanc("RESEARCH", tmp_path / "orthanc", known) as running:
        yield running


def instances_of(study: DemoStudy, folder: Path) -> Sequence[OutgoingInstance]:
    return [
        written(folder, instance_file(study, series, index), f"{uid}.dcm")
        for series in study.series
        for index, uid in enumerate(series.sop_uids)
    ]


def data_set(content: bytes) -> bytes:
    length = int.from_bytes(content[140:144], "little")
    return content[144 + length :]


def sending(local: LocalNode, port: int, *, associations: int = 1, **more: object) -> CStorePacs:
    tls = more.pop("tls", None)
    assert tls is None or isinstance(tls, TlsFiles)
    node = PacsNode("RESEARCH", "127.0.0.1", port, "RESEARCH_PACS", tls, associations)
    commitment = StorageCommitment(local, node, CommitmentScp(local), mode="required")
    limits = more.pop("limits", Limits())
    assert isinstance(limits, Limits)
    return CStorePacs(local, node, commitment, limits=limits)


@needs_orthanc
class TestOrthanc:
    def test_it_keeps_all_in_their_own_syntaxes_and_commits_itself_to_them(
        self, local: LocalNode, orthanc: Orthanc, mixed: Sequence[OutgoingInstance], tmp_path: Path
    ) -> None:
        target = sending(local, orthanc.dicom_port, associations=3)
        never_sent = small_ones(tmp_path, 1)

        outcomes = list(target.store(mixed))
        commitment = target.commit([*mixed, *never_sent])

        assert {outcome.problem for outcome in outcomes} == {""}
        kept = {uid: dcmread(BytesIO(content)) for uid, content in orthanc.instances()}  # DCMTK encodes some anew
        sent = {item.sop_instance_uid: dcmread(item.path) for item in mixed}
        assert {uid: _values(ds) for uid, ds in kept.items()} == {uid: _values(ds) for uid, ds in sent.items()}
        assert {uid: _syntax(ds) for uid, ds in kept.items()} == {uid: _syntax(ds) for uid, ds in sent.items()}
        missing = {never_sent[0].sop_instance_uid: 0x0112}
        assert commitment == Commitment(frozenset(item.sop_instance_uid for item in mixed), missing)

    def test_class_that_is_another_there_is_not_committed(
        self, local: LocalNode, orthanc: Orthanc, tmp_path: Path
    ) -> None:
        [item] = small_ones(tmp_path, 1)
        target = sending(local, orthanc.dicom_port)
        assert [outcome.problem for outcome in target.store([item])] == [""]
        other = OutgoingInstance(item.sop_instance_uid, "1.2.840.10008.5.1.4.1.1.2", *_rest(item))

        assert target.commit([other]) == Commitment(frozenset(), {item.sop_instance_uid: 0x0119})

    def test_both_ways_over_tls(
        self, mixed: Sequence[OutgoingInstance], tmp_path: Path, certificates: Certificates
    ) -> None:
        ca, client, server = str(certificates.ca), certificates.client, certificates.server
        ours = TlsFiles("LOCAL", ca, str(server.certificate), str(server.key))
        shown = TlsFiles("RESEARCH_PACS", ca, str(client.certificate), str(client.key))
        local = LocalNode("DICOM_ASSETS", "127.0.0.1", free_port(), ours)
        known = {local.ae_title: (local.host, local.port)}

        with running_orthanc("RESEARCH", tmp_path, known, **certificates.dicom_tls()) as orthanc:
            target = sending(local, orthanc.dicom_port, associations=2, tls=shown)
            outcomes = list(target.store(mixed))
            commitment = target.commit(mixed)

        assert {outcome.problem for outcome in outcomes} == {""}
        assert commitment == Commitment(frozenset(item.sop_instance_uid for item in mixed))


def _values(ds: FileDataset) -> dict[int, object]:
    return {int(element.tag): element.value for element in ds}


def _syntax(ds: FileDataset) -> str:
    return str(ds.file_meta.TransferSyntaxUID)


def _rest(item: OutgoingInstance) -> tuple[str, Path, str, int]:
    return item.transfer_syntax_uid, item.path, item.sha256, item.size_bytes


@needs_dcmtk
class TestStorescp:
    def test_it_keeps_the_bytes_of_each_data_set(
        self, local: LocalNode, mixed: Sequence[OutgoingInstance], tmp_path: Path
    ) -> None:
        with running_storescp("RESEARCH", tmp_path) as pacs:
            outcomes = list(sending(local, pacs.port, associations=3).store(mixed))
            kept = kept_by(pacs)

        assert {outcome.problem for outcome in outcomes} == {""}
        assert kept == {item.sop_instance_uid: data_set_of_file(item.path) for item in mixed}

    @pytest.mark.parametrize(
        ("fault", "error", "said", "stored"),
        [
            (["--refuse"], PacsError, "rejected|accepts none", 0),
            (["--abort-after"], PacsAwayError, "aborted", 0),
            (["--abort-during"], PacsAwayError, "aborted", 0),
            (["--sleep-after", "5"], PacsAwayError, "was lost", 1),
            (["--sleep-during", "5"], PacsAwayError, "was lost", 0),
        ],
        ids=lambda value: value[0].strip("-") if isinstance(value, list) else "",
    )
    def test_fault_of_its_is_told_and_nothing_unanswered_is_taken_for_stored(
        self,
        local: LocalNode,
        mixed: Sequence[OutgoingInstance],
        tmp_path: Path,
        fault: list[str],
        error: type[PacsError],
        said: str,
        stored: int,
    ) -> None:
        outcomes: list[StoreOutcome] = []
        with (
            running_storescp("RESEARCH", tmp_path, *fault) as pacs,
            pytest.raises(error, match=said),
        ):
            outcomes.extend(sending(local, pacs.port, limits=IMPATIENT).store(mixed[:3]))

        assert [outcome.problem for outcome in outcomes] == [""] * stored


def kept_by(pacs: DcmtkPacs) -> dict[str, bytes]:
    return {uid: data_set(content) for uid, content in pacs.instances().items()}
