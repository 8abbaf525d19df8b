"""Storage commitment with PACSs that report here, there, late, never, or with failures."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from pynetdicom import AE, build_context
from pynetdicom.sop_class import StorageCommitmentPushModel  # type: ignore[attr-defined]

from dicom_assets.adapters.pacs import commitment as commitment_module
from dicom_assets.adapters.pacs.association import LocalNode, PacsNode, silence_dicom_libraries
from dicom_assets.adapters.pacs.commitment import ReportTimes, StorageCommitment
from dicom_assets.adapters.pacs.commitment_scp import CommitmentScp
from dicom_assets.adapters.pacs.plane.wire import Limits
from dicom_assets.adapters.pacs.storage_scp import StorageScp
from dicom_assets.adapters.pacs.store import CStorePacs
from dicom_assets.adapters.pacs.tls import TlsFiles, server_context
from dicom_assets.demo.embedded_pacs import EmbeddedPacs
from dicom_assets.demo.objects import instance_file
from dicom_assets.demo.studies import demo_studies
from dicom_assets.errors import ConfigurationError, PacsAwayError, PacsError
from dicom_assets.study import Commitment, OutgoingInstance
from dicom_assets_tests.certificates import Certificates
from dicom_assets_tests.committing_pacs import CommittingPacs, Request, committing_pacs, new_transaction_uid
from dicom_assets_tests.deployment import free_port
from dicom_assets_tests.orthanc import orthanc_binary, running_orthanc
from dicom_assets_tests.receiving import Received
from dicom_assets_tests.scripted_pacs import WAIT_SECONDS

PATIENT = ReportTimes(same_association=WAIT_SECONDS, in_all=WAIT_SECONDS)
BRIEF_HERE = ReportTimes(same_association=0.1, in_all=WAIT_SECONDS)
IMPATIENT = ReportTimes(same_association=0.1, in_all=0.3, per_reference=0.0)


@pytest.fixture
def local() -> LocalNode:
    silence_dicom_libraries()
    return LocalNode("DICOM_ASSETS", "127.0.0.1", free_port())


@pytest.fixture
def pacs() -> Iterator[CommittingPacs]:
    with committing_pacs() as running:
        yield running


def asking(
    local: LocalNode, port: int, *, mode: str = "auto", times: ReportTimes = PATIENT, **node: object
) -> StorageCommitment:
    pacs = PacsNode("RESEARCH", "127.0.0.1", port, "RESEARCH_PACS", **node)
    return StorageCommitment(local, pacs, CommitmentScp(local), mode, times)


def instances(count: int = 3) -> Sequence[OutgoingInstance]:
    return [
        OutgoingInstance(f"2.25.{1000 + number}", CTImageStorage, ExplicitVRLittleEndian, Path("never-read"), "", 0)
        for number in range(count)
    ]


def uids(of: Sequence[OutgoingInstance]) -> frozenset[str]:
    return frozenset(item.sop_instance_uid for item in of)


def report_here(request: Request) -> None:
    request.report_here(request.outcome())


def report_elsewhere(port: int) -> Callable[[Request], None]:
    def report(request: Request) -> None:
        request.report_to(port, request.outcome())

    return report


def report_later(port: int) -> Callable[[Request], None]:
    def report(request: Request) -> None:
        request.wait_for_release()
        request.report_to(port, request.outcome())

    return report


class TestReports:
    def test_report_on_the_same_association_counts(self, local: LocalNode, pacs: CommittingPacs) -> None:
        pacs.report = report_here

        commitment = asking(local, pacs.port).of(instances())

        assert commitment == Commitment(uids(instances()))
        assert pacs.answers == [0x0000]

    def test_report_on_another_association_counts_while_ours_is_open(
        self, local: LocalNode, pacs: CommittingPacs
    ) -> None:
        released: list[bool] = []
        pacs.report = lambda request: released.append(request.report_to(local.port, request.outcome()))

        assert asking(local, pacs.port).of(instances()) == Commitment(uids(instances()))
        pacs.join()
        assert pacs.answers == [0x0000]
        assert released == [True]

    def test_report_counts_that_comes_after_the_association_was_released(
        self, local: LocalNode, pacs: CommittingPacs
    ) -> None:
        pacs.report = report_later(local.port)

        assert asking(local, pacs.port, times=BRIEF_HERE).of(instances()) == Commitment(uids(instances()))

    def test_instances_that_failed_are_told_with_their_reasons(self, local: LocalNode, pacs: CommittingPacs) -> None:
        pacs.report = lambda request: request.report_here(request.outcome(failing=2, reason=0x0119))
        three = instances()

        commitment = asking(local, pacs.port).of(three)

        failed = {item.sop_instance_uid: 0x0119 for item in three[:2]}
        assert commitment == Commitment(uids(three[2:]), failed)

    def test_report_on_another_transaction_is_acknowledged_and_does_not_count(
        self, local: LocalNode, pacs: CommittingPacs
    ) -> None:
        def report(request: Request) -> None:
            request.report_here(request.outcome(failing=3, transaction_uid=new_transaction_uid()))
            request.report_to(local.port, request.outcome(failing=3, transaction_uid=new_transaction_uid()))
            request.report_here(request.outcome())

        pacs.report = report

        assert asking(local, pacs.port).of(instances()) == Commitment(uids(instances()))
        assert pacs.answers == [0x0000] * 3

    def test_report_that_is_none_is_refused_and_does_not_count(self, local: LocalNode, pacs: CommittingPacs) -> None:
        def report(request: Request) -> None:
            without_transaction = request.outcome()
            del without_transaction.TransactionUID
            request.report_here(without_transaction)
            request.report_here(request.outcome())

        pacs.report = report

        assert asking(local, pacs.port).of(instances()) == Commitment(uids(instances()))
        assert pacs.answers == [0x0115, 0x0000]

    def test_pacs_that_never_reports_is_away_and_the_message_says_what_to_do(
        self, local: LocalNode, pacs: CommittingPacs
    ) -> None:
        with pytest.raises(PacsAwayError) as caught:
            asking(local, pacs.port, times=IMPATIENT).of(instances())

        assert f"register DICOM_ASSETS there as 127.0.0.1 port {local.port}" in str(caught.value)
        assert "RESEARCH_PACS_STORAGE_COMMITMENT=no" in str(caught.value)

    def test_large_study_is_asked_for_in_parts(
        self, local: LocalNode, pacs: CommittingPacs, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(commitment_module, "LARGEST_REQUEST", 4)
        pacs.report = report_here

        commitment = asking(local, pacs.port).of(instances(9))

        assert commitment == Commitment(uids(instances(9)))
        assert [len(request.ReferencedSOPSequence) for request in pacs.requests] == [4, 4, 1]
        assert len({request.TransactionUID for request in pacs.requests}) == 3

    def test_pacs_that_stops_to_offer_it_between_two_parts_is_away_and_what_failed_is_not_forgotten(
        self, local: LocalNode, pacs: CommittingPacs, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def report_and_offer_it_no_more(request: Request) -> None:
            request.wait_for_release()
            pacs.status = 0x0122
            request.report_to(local.port, request.outcome(failing=1))

        monkeypatch.setattr(commitment_module, "LARGEST_REQUEST", 4)
        pacs.report = report_and_offer_it_no_more

        with pytest.raises(PacsAwayError, match=r"reported on 4 of 9 instance\(s\)"):
            asking(local, pacs.port, times=BRIEF_HERE).of(instances(9))

    def test_studies_that_are_asked_for_at_once_share_the_port(self, local: LocalNode, pacs: CommittingPacs) -> None:
        both_are_waiting = threading.Barrier(2)

        def report(request: Request) -> None:
            both_are_waiting.wait(WAIT_SECONDS)
            request.report_to(local.port, request.outcome())

        pacs.report = report
        commitment = asking(local, pacs.port)
        found: dict[int, Commitment | None] = {}
        threads = [threading.Thread(target=lambda n=n: found.update({n: commitment.of(instances(n))})) for n in (1, 2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(WAIT_SECONDS)

        assert found == {n: Commitment(uids(instances(n))) for n in (1, 2)}

    def test_nobody_listens_afterwards(self, local: LocalNode, pacs: CommittingPacs) -> None:
        pacs.report = report_here
        asking(local, pacs.port).of(instances())

        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((local.host, local.port), 1)


class TestNotOffered:
    def test_pacs_is_not_even_called_where_no_commitment_is_wanted(self, local: LocalNode) -> None:
        assert asking(local, free_port(), mode="no").of(instances()) is None

    @pytest.mark.parametrize("status", [0x0118, 0x0122, 0x0123, 0x0211], ids=hex)
    def test_status_that_says_so_is_taken_for_not_offered(
        self, local: LocalNode, pacs: CommittingPacs, status: int
    ) -> None:
        pacs.status = status

        assert asking(local, pacs.port).of(instances()) is None
        with pytest.raises(PacsError, match=f"does not offer storage commitment.*0x{status:04X}"):
            asking(local, pacs.port, mode="required").of(instances())

    @pytest.mark.parametrize(("status", "error"), [(0x0213, PacsAwayError), (0x0110, PacsError)], ids=["0213", "0110"])
    def test_refusal_is_an_error_in_any_mode(
        self, local: LocalNode, pacs: CommittingPacs, status: int, error: type[PacsError]
    ) -> None:
        pacs.status = status

        with pytest.raises(error):
            asking(local, pacs.port).of(instances())

    def test_orthanc_that_does_not_know_us_is_taken_for_one_that_does_not_offer_it(
        self, local: LocalNode, tmp_path: Path
    ) -> None:
        if orthanc_binary() is None:
            pytest.skip("Orthanc is not on this machine")
        with running_orthanc("RESEARCH", tmp_path, {}) as orthanc:
            # Orthanc accepts the context from anybody, and aborts at the request of who is no modality of it.
            assert asking(local, orthanc.dicom_port).of(instances()) is None
            with pytest.raises(PacsError, match="perhaps it does not know DICOM_ASSETS"):
                asking(local, orthanc.dicom_port, mode="required").of(instances())


class TestPort:
    def test_port_that_another_program_has_is_said_to_be_taken_for_now(
        self, local: LocalNode, pacs: CommittingPacs
    ) -> None:
        with (
            socket.create_server((local.host, local.port)),
            pytest.raises(PacsAwayError, match="perhaps another run, has the port"),
        ):
            asking(local, pacs.port).of(instances())

    def test_address_of_another_machine_stops_the_run(self, pacs: CommittingPacs) -> None:
        elsewhere = LocalNode("DICOM_ASSETS", "192.0.2.1", free_port())

        with pytest.raises(ConfigurationError, match="LOCAL_HOST and LOCAL_PORT"):
            asking(elsewhere, pacs.port).of(instances())

    def test_port_is_not_needed_where_the_pacs_does_not_offer_it(self, local: LocalNode, tmp_path: Path) -> None:
        with EmbeddedPacs("RESEARCH", 0, tmp_path, {}) as without, socket.create_server((local.host, local.port)):
            assert asking(local, without.port).of(instances()) is None

    def test_storage_scp_that_waits_for_instances_shares_the_port(
        self, local: LocalNode, pacs: CommittingPacs, tmp_path: Path
    ) -> None:
        pacs.report = report_elsewhere(local.port)
        study = demo_studies()[0]
        file = tmp_path / "instance.dcm"
        file.write_bytes(instance_file(study, study.series[0], 0))
        arrived = Received()

        with StorageScp(local, "STAGING").waiting_for(study.study_uid, 1, arrived.receive):
            commitment = asking(local, pacs.port).of(instances())
            assert c_store_status(local, file) == 0x0000

        assert commitment == Commitment(uids(instances()))
        assert len(arrived) == 1

    def test_report_that_was_waited_for_first_leaves_instances_as_large_as_they_are(
        self, local: LocalNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(CommitmentScp, "limits", Limits(max_bytes=2000))
        study = demo_studies()[0]
        file = tmp_path / "instance.dcm"
        file.write_bytes(instance_file(study, study.series[0], 0))
        arrived = Received()

        with (
            CommitmentScp(local).waiting_for(new_transaction_uid()),
            StorageScp(local, "STAGING", host="127.0.0.1").waiting_for(study.study_uid, 1, arrived.receive),
        ):
            assert c_store_status(local, file) == 0x0000

        assert len(arrived) == 1

    def test_who_may_report_may_not_store(self, local: LocalNode, pacs: CommittingPacs, tmp_path: Path) -> None:
        study = demo_studies()[0]
        file = tmp_path / "instance.dcm"
        file.write_bytes(instance_file(study, study.series[0], 0))
        statuses: list[int | None] = []

        def report(request: Request) -> None:
            statuses.append(c_store_status(local, file, "SOMEBODY"))
            request.report_to(local.port, request.outcome())

        pacs.report = report
        with StorageScp(local, "STAGING").waiting_for(study.study_uid, 1, Received().receive):
            asking(local, pacs.port).of(instances())

        assert statuses == [None]


def c_store_status(local: LocalNode, file: Path, calling_ae_title: str = "STAGING") -> int | None:
    """The status of an instance that is sent to us; None where its class is not taken from the caller."""
    contexts = [build_context(CTImageStorage), build_context(StorageCommitmentPushModel)]
    assoc = AE(calling_ae_title).associate(local.host, local.port, contexts=contexts, ae_title=local.ae_title)
    assert assoc.is_established
    try:
        return int(assoc.send_c_store(file).Status)
    except ValueError:  # no accepted context
        return None
    finally:
        assoc.release()


class TestOrthanc:
    @pytest.mark.skipif(orthanc_binary() is None, reason="Orthanc is not on this machine")
    def test_orthanc_that_knows_us_commits_itself_to_what_it_has(self, local: LocalNode, tmp_path: Path) -> None:
        known = {local.ae_title: (local.host, local.port)}
        with running_orthanc("RESEARCH", tmp_path, known) as orthanc:
            commitment = asking(local, orthanc.dicom_port, mode="required").of(instances())

        assert commitment == Commitment(frozenset(), dict.fromkeys(uids(instances()), 0x0112))


def test_reports_come_over_tls_both_ways(certificates: Certificates) -> None:
    silence_dicom_libraries()
    ca, server, client = str(certificates.ca), certificates.server, certificates.client
    ours = TlsFiles("LOCAL", ca, str(server.certificate), str(server.key))
    theirs = TlsFiles("RESEARCH_PACS", ca, str(client.certificate), str(client.key))
    local = LocalNode("DICOM_ASSETS", "127.0.0.1", free_port(), ours)
    showing = (certificates.presenting(client), "127.0.0.1")

    with committing_pacs(context=server_context(ours)) as pacs:

        def report(request: Request) -> None:
            request.report_to(local.port, request.outcome(), tls_args=showing)

        pacs.report = report
        commitment = asking(local, pacs.port, tls=theirs).of(instances())

    assert commitment == Commitment(uids(instances()))


def test_research_pacs_without_the_setting_is_not_asked(local: LocalNode) -> None:
    node = PacsNode("RESEARCH", "127.0.0.1", free_port(), "RESEARCH_PACS")

    assert CStorePacs(local, node).commit(instances()) is None
