"""The embedded PACS, over real associations with pynetdicom as the client."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, build_context, build_role, evt
from pynetdicom.association import Association

from dicom_assets.demo.embedded_pacs import EmbeddedPacs
from dicom_assets.demo.pacs_index import META_START, SOP_UID, read_entry
from dicom_assets.demo.pacs_transfer import ReactorGate
from dicom_assets.demo.plan import DemoStudy
from dicom_assets.demo.studies import DemoFile
from dicom_assets.errors import ConfigurationError
from dicom_assets_tests.demo.conftest import AE_TITLE
from dicom_assets_tests.waiting import wait_until

VERIFICATION = "1.2.840.10008.1.1"
STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
STUDY_ROOT_MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
STUDY_ROOT_GET = "1.2.840.10008.5.1.4.1.2.2.3"
PATIENT_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.1.1"

Loaded = tuple[DemoStudy, tuple[DemoFile, ...]]


@contextmanager
def association(pacs: EmbeddedPacs, *contexts: Any, called: str = AE_TITLE, **options: Any) -> Iterator[Association]:
    ae = AE("CLIENT")
    assoc = ae.associate("127.0.0.1", pacs.port, contexts=list(contexts), ae_title=called, **options)
    try:
        yield assoc
    finally:
        if assoc.is_established:
            assoc.release()


def a_query(level: str, **keys: str) -> Dataset:
    query = Dataset()
    query.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        setattr(query, keyword, value)
    return query


def found(pacs: EmbeddedPacs, query: Dataset, model: str = STUDY_ROOT_FIND) -> list[Dataset]:
    with association(pacs, build_context(model)) as assoc:
        answers = list(assoc.send_c_find(query, UID(model)))
    assert answers[-1][0].Status == 0x0000
    return [answer for _, answer in answers[:-1] if answer is not None]


def context_of(file: DemoFile) -> Any:
    entry = read_entry(Path(), file.content)
    return build_context(entry.text(0x00080016), entry.transfer_syntax_uid)  # type: ignore[arg-type]


def data_set_of(file: DemoFile) -> bytes:
    return file.content[read_entry(Path(), file.content).data_offset :]


def retrieved(pacs: EmbeddedPacs, query: Dataset, contexts: list[Any]) -> tuple[dict[str, bytes], Dataset]:
    received: dict[str, bytes] = {}

    def store(event: evt.Event) -> int:
        received[event.request.AffectedSOPInstanceUID] = event.encoded_dataset(include_meta=False)
        return 0x0000

    roles = [build_role(uid, scp_role=True) for uid in {context.abstract_syntax for context in contexts}]
    offer = (build_context(STUDY_ROOT_GET), *contexts)
    with association(pacs, *offer, ext_neg=roles, evt_handlers=[(evt.EVT_C_STORE, store)]) as assoc:
        *_, (status, _identifier) = assoc.send_c_get(query, UID(STUDY_ROOT_GET))
    return received, status


@pytest.fixture
def store_scp() -> Iterator[tuple[dict[str, bytes], int]]:
    received: dict[str, bytes] = {}

    def store(event: evt.Event) -> int:
        received[event.request.AffectedSOPInstanceUID] = event.encoded_dataset(include_meta=False)
        return 0x0000

    ae = AE("SINK")
    for uid in ("1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.6.1"):
        ae.add_supported_context(uid, [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, store)])
    assert server is not None
    yield received, server.server_address[1]
    ae.shutdown()


def test_verification_is_answered(empty_pacs: EmbeddedPacs) -> None:
    with association(empty_pacs, build_context(VERIFICATION)) as assoc:
        assert assoc.send_c_echo().Status == 0x0000


def test_another_called_ae_title_is_refused(empty_pacs: EmbeddedPacs) -> None:
    with association(empty_pacs, build_context(VERIFICATION), called="SOMEONE") as assoc:
        assert assoc.is_rejected


def test_stored_instances_of_every_encoding_come_back_byte_for_byte(empty_pacs: EmbeddedPacs, mixed: Loaded) -> None:
    study, files = mixed
    contexts = [context_of(file) for file in files]
    with association(empty_pacs, *contexts) as assoc:
        for file in files:
            assert assoc.send_c_store(dcmread(io.BytesIO(file.content))).Status == 0x0000

    received, status = retrieved(empty_pacs, a_query("STUDY", StudyInstanceUID=study.study_uid), contexts)

    assert status.Status == 0x0000
    assert received == {file.sop_instance_uid: data_set_of(file) for file in files}
    assert (empty_pacs.count(), empty_pacs.stored) == (len(files), len(files))


def test_an_instance_that_comes_twice_is_counted_twice_and_its_first_copy_kept(
    empty_pacs: EmbeddedPacs, mixed: Loaded
) -> None:
    _, (file, *_) = mixed
    changed = dcmread(io.BytesIO(file.content))
    changed.StudyDescription = "CHANGED"
    with association(empty_pacs, context_of(file)) as assoc:
        statuses = [assoc.send_c_store(ds).Status for ds in (dcmread(io.BytesIO(file.content)), changed)]

    assert statuses == [0x0000, 0x0000]
    assert (empty_pacs.count(), empty_pacs.stored) == (1, 2)
    (answer,) = found(empty_pacs, a_query("STUDY", StudyDescription=""))
    assert answer.StudyDescription == "OUTSIDE STUDY"


def test_an_instance_without_a_study_is_not_acknowledged(empty_pacs: EmbeddedPacs, mixed: Loaded) -> None:
    _, (file, *_) = mixed
    ds = dcmread(io.BytesIO(file.content))
    del ds.StudyInstanceUID
    with association(empty_pacs, context_of(file)) as assoc:
        assert assoc.send_c_store(ds).Status == 0xC000
    assert empty_pacs.count() == 0


def test_a_file_that_is_not_dicom_is_not_loaded(empty_pacs: EmbeddedPacs) -> None:
    with pytest.raises(ValueError, match="not a DICOM file"):
        empty_pacs.load(b"\0" * 200)


def test_instances_survive_a_restart_and_what_was_half_written_does_not(tmp_path: Path, mixed: Loaded) -> None:
    study, files = mixed
    with EmbeddedPacs(AE_TITLE, 0, tmp_path, {}) as first:
        for file in files:
            first.load(file.content)
    (tmp_path / "0123.part").write_bytes(files[0].content[:1000])

    with EmbeddedPacs(AE_TITLE, 0, tmp_path, {}) as second:
        (answer,) = found(second, a_query("STUDY", StudyInstanceUID="", NumberOfStudyRelatedInstances=""))

    assert answer.StudyInstanceUID == study.study_uid
    assert answer.NumberOfStudyRelatedInstances == len(files)
    assert not list(tmp_path.glob("*.part"))


def test_a_taken_port_is_named_with_what_to_do(empty_pacs: EmbeddedPacs, tmp_path: Path) -> None:
    other = EmbeddedPacs("OTHER", empty_pacs.port, tmp_path / "other", {})
    with pytest.raises(ConfigurationError, match=rf"port {empty_pacs.port} .* taken.*another port"):
        other.start()


def test_a_stopped_pacs_frees_its_port(tmp_path: Path) -> None:
    with EmbeddedPacs(AE_TITLE, 0, tmp_path, {}) as first:
        port = first.port
    with EmbeddedPacs(AE_TITLE, port, tmp_path, {}) as second:
        assert second.port == port


def test_a_study_is_moved_to_a_known_destination(
    pacs: EmbeddedPacs, neck: Loaded, destinations: dict[str, tuple[str, int]], store_scp: tuple[dict[str, bytes], int]
) -> None:
    study, files = neck
    received, destinations["SINK"] = store_scp[0], ("127.0.0.1", store_scp[1])
    with association(pacs, build_context(STUDY_ROOT_MOVE)) as assoc:
        query = a_query("STUDY", StudyInstanceUID=study.study_uid)
        *_, (status, _identifier) = assoc.send_c_move(query, "SINK", UID(STUDY_ROOT_MOVE))

    assert (status.Status, status.NumberOfCompletedSuboperations) == (0x0000, len(files))
    assert received == {file.sop_instance_uid: data_set_of(file) for file in files}


def test_an_unknown_destination_is_refused(pacs: EmbeddedPacs, neck: Loaded) -> None:
    with association(pacs, build_context(STUDY_ROOT_MOVE)) as assoc:
        query = a_query("STUDY", StudyInstanceUID=neck[0].study_uid)
        *_, (status, _identifier) = assoc.send_c_move(query, "NOWHERE", UID(STUDY_ROOT_MOVE))
    assert status.Status == 0xA801


def test_a_retrieval_takes_lists_of_series_and_instances(pacs: EmbeddedPacs, mixed: Loaded) -> None:
    study, files = mixed
    contexts = [context_of(file) for file in files]
    two_series = a_query("SERIES", StudyInstanceUID=study.study_uid)
    two_series.SeriesInstanceUID = [series.uid for series in study.series[1:3]]
    three_instances = a_query("IMAGE", StudyInstanceUID=study.study_uid)
    three_instances.SOPInstanceUID = [file.sop_instance_uid for file in files[2:5]]

    by_series, _ = retrieved(pacs, two_series, contexts)
    by_instance, _ = retrieved(pacs, three_instances, contexts)

    assert set(by_series) == {file.sop_instance_uid for file in files[1:3]}
    assert set(by_instance) == {file.sop_instance_uid for file in files[2:5]}


def test_a_retrieval_of_what_is_not_there_succeeds_with_nothing(pacs: EmbeddedPacs, mixed: Loaded) -> None:
    received, status = retrieved(pacs, a_query("STUDY", StudyInstanceUID="1.2.3"), [context_of(mixed[1][0])])
    assert (received, status.Status) == ({}, 0x0000)


def test_a_retrieval_without_its_unique_key_is_refused(pacs: EmbeddedPacs, mixed: Loaded) -> None:
    query = a_query("SERIES", StudyInstanceUID=mixed[0].study_uid)
    received, status = retrieved(pacs, query, [context_of(mixed[1][0])])
    assert (received, status.Status) == ({}, 0xA900)


def test_a_compressed_instance_is_not_decompressed_for_a_client_that_can_not_take_it(
    pacs: EmbeddedPacs, mixed: Loaded
) -> None:
    study, files = mixed
    query = a_query("STUDY", StudyInstanceUID=study.study_uid)
    received, status = retrieved(pacs, query, [build_context("1.2.840.10008.5.1.4.1.1.4", ImplicitVRLittleEndian)])

    assert set(received) == {files[1].sop_instance_uid}
    assert (status.Status, status.NumberOfFailedSuboperations) == (0xB000, len(files) - 1)


def test_a_client_is_given_the_transfer_syntax_that_it_names_first(empty_pacs: EmbeddedPacs) -> None:
    offered = ["1.2.840.10008.1.2.4.90", ExplicitVRLittleEndian, ImplicitVRLittleEndian]
    with association(empty_pacs, build_context("1.2.840.10008.5.1.4.1.1.4", offered)) as assoc:
        (accepted,) = assoc.accepted_contexts
        assert accepted.transfer_syntax == ["1.2.840.10008.1.2.4.90"]


def test_a_service_that_the_pacs_does_not_have_is_not_accepted(empty_pacs: EmbeddedPacs) -> None:
    with association(empty_pacs, build_context("1.2.840.10008.5.1.4.31"), build_context(VERIFICATION)) as assoc:
        assert [context.abstract_syntax for context in assoc.accepted_contexts] == [VERIFICATION]


def test_an_uncompressed_instance_is_written_in_the_syntax_that_the_client_takes(
    pacs: EmbeddedPacs, neck: Loaded
) -> None:
    study, files = neck
    query = a_query("SERIES", SeriesInstanceUID=study.series[0].uid)
    received, status = retrieved(pacs, query, [build_context("1.2.840.10008.5.1.4.1.1.4", ImplicitVRLittleEndian)])

    assert (status.Status, len(received)) == (0x0000, 24)
    implicit = dcmread(io.BytesIO(received[files[0].sop_instance_uid]), force=True)
    assert implicit.PixelData == dcmread(io.BytesIO(files[0].content)).PixelData


def test_an_entry_knows_where_its_data_set_begins(mixed: Loaded) -> None:
    for file in mixed[1]:
        entry = read_entry(Path(), file.content)
        assert entry.data_offset > META_START
        assert entry.text(SOP_UID) == file.sop_instance_uid
        assert file.sop_instance_uid not in repr(entry)


def test_the_gate_of_a_reactor_holds_who_waits_at_it_and_nobody_who_has_passed() -> None:
    gate = ReactorGate()
    passed = gate.wait(0)
    gate.clear()
    held_before = gate.holds
    reactor = threading.Thread(target=gate.wait)
    reactor.start()
    wait_until(lambda: gate.holds, "a reactor at the gate")
    gate.set()
    reactor.join(10)

    assert passed
    assert not held_before
    assert not reactor.is_alive()
    assert not gate.holds
