"""What the data plane encodes and decodes by itself, beside pynetdicom and pydicom."""

from __future__ import annotations

import random
import struct
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.errors import InvalidDicomError
from pydicom.uid import (
    UID,
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
)
from pynetdicom import build_role
from pynetdicom.dimse_messages import (
    C_CANCEL_RQ,
    C_ECHO_RQ,
    C_ECHO_RSP,
    C_GET_RQ,
    C_GET_RSP,
    C_MOVE_RQ,
    C_STORE_RQ,
    C_STORE_RSP,
    DIMSEMessage,
)
from pynetdicom.dimse_primitives import C_CANCEL, C_ECHO, C_GET, C_MOVE, C_STORE
from pynetdicom.dsutils import create_file_meta, encode, encode_file_meta
from pynetdicom.presentation import build_context

from dicom_assets.adapters.pacs.plane import commands
from dicom_assets.adapters.pacs.plane.faults import ProtocolViolationError
from dicom_assets.adapters.pacs.plane.file_meta import file_meta
from dicom_assets.adapters.pacs.plane.negotiation import accept, numbered, read_request, request_pdu
from dicom_assets.adapters.pacs.plane.study_of import StudyPeek
from dicom_assets_tests.corpus import corpus_files
from dicom_assets_tests.plane_peers import STUDY_UID, data_set, deflated

MODEL = "1.2.840.10008.5.1.4.1.2.2.3"
UIDS = ["1.2.3", "1.2.34", "1.2.840.113619.2.55.3.604688119.868.1253879867.976"]


def by_pynetdicom(message: DIMSEMessage, primitive: object) -> bytes:
    message.primitive_to_message(primitive)  # type: ignore[arg-type]
    encoded = encode(message.command_set, True, True)
    assert encoded is not None
    return encoded


def made(kind: type, **values: object) -> object:
    primitive = kind()
    for name, value in values.items():
        setattr(primitive, name, value)
    return primitive


class TestCommands:
    @pytest.mark.parametrize("uid", UIDS)
    def test_store_request_is_as_pynetdicom_writes_it(self, uid: str) -> None:
        primitive = made(
            C_STORE,
            MessageID=7,
            AffectedSOPClassUID=CTImageStorage,
            AffectedSOPInstanceUID=uid,
            Priority=0,
            DataSet=BytesIO(b"1"),
        )
        assert commands.c_store_rq(7, CTImageStorage, uid) == by_pynetdicom(C_STORE_RQ(), primitive)

    @pytest.mark.parametrize("ae_title", ["DICOM_ASSETS", "ODD"])
    def test_sub_operation_is_as_pynetdicom_writes_it(self, ae_title: str) -> None:
        primitive = made(
            C_STORE,
            MessageID=7,
            AffectedSOPClassUID=CTImageStorage,
            AffectedSOPInstanceUID="1.2.3",
            Priority=0,
            MoveOriginatorApplicationEntityTitle=ae_title,
            MoveOriginatorMessageID=65535,
            DataSet=BytesIO(b"1"),
        )
        ours = commands.c_store_rq(
            7, CTImageStorage, "1.2.3", originator_ae_title=ae_title, originator_message_id=65535
        )
        assert ours == by_pynetdicom(C_STORE_RQ(), primitive)

    @pytest.mark.parametrize("status", [0x0000, 0xA700, 0x0124, 0xB000])
    def test_store_response_is_as_pynetdicom_writes_it(self, status: int) -> None:
        request = commands.decode(1, commands.c_store_rq(9, CTImageStorage, "1.2.3"))
        primitive = made(
            C_STORE,
            MessageIDBeingRespondedTo=9,
            AffectedSOPClassUID=CTImageStorage,
            AffectedSOPInstanceUID="1.2.3",
            Status=status,
        )
        assert commands.c_store_rsp(request, status) == by_pynetdicom(C_STORE_RSP(), primitive)

    def test_other_commands_are_as_pynetdicom_writes_them(self) -> None:
        get = made(C_GET, MessageID=3, AffectedSOPClassUID=MODEL, Priority=0, Identifier=BytesIO(b"1"))
        assert commands.c_get_rq(3, MODEL) == by_pynetdicom(C_GET_RQ(), get)
        move = made(
            C_MOVE,
            MessageID=3,
            AffectedSOPClassUID=MODEL,
            Priority=0,
            MoveDestination="ODD",
            Identifier=BytesIO(b"1"),
        )
        assert commands.c_move_rq(3, MODEL, "ODD") == by_pynetdicom(C_MOVE_RQ(), move)
        cancel = made(C_CANCEL, MessageIDBeingRespondedTo=3)
        assert commands.c_cancel_rq(3) == by_pynetdicom(C_CANCEL_RQ(), cancel)
        echo = made(C_ECHO, MessageID=4, AffectedSOPClassUID="1.2.840.10008.1.1")
        assert commands.c_echo_rq(4) == by_pynetdicom(C_ECHO_RQ(), echo)
        answer = made(C_ECHO, MessageIDBeingRespondedTo=4, AffectedSOPClassUID="1.2.840.10008.1.1", Status=0)
        asked = commands.decode(1, commands.c_echo_rq(4))
        assert commands.response(asked, 0) == by_pynetdicom(C_ECHO_RSP(), answer)

    def test_numbers_of_sub_operations_are_read(self) -> None:
        primitive = made(
            C_GET,
            MessageIDBeingRespondedTo=3,
            AffectedSOPClassUID=MODEL,
            Status=0xB000,
            NumberOfRemainingSuboperations=1,
            NumberOfCompletedSuboperations=20,
            NumberOfFailedSuboperations=300,
            NumberOfWarningSuboperations=4,
        )
        command = commands.decode(5, by_pynetdicom(C_GET_RSP(), primitive))

        assert command.sub_operations == (1, 20, 300, 4)
        assert (command.field, command.status, command.message_id) == (commands.C_GET_RSP, 0xB000, 3)

    def test_what_follows_the_command_set_is_skipped(self) -> None:
        """As Orthanc ends a C-GET of which an instance failed: with the list of those in place of an identifier."""
        request = commands.decode(1, commands.c_get_rq(3, MODEL))
        answer = commands.response(request, 0xC000)
        failed = struct.pack("<HHI", 8, 0, 4) + bytes(4) + struct.pack("<HHI", 8, 0x58, 4) + b"1.2\0"

        command = commands.decode(1, answer + failed)

        assert (command.field, command.status, command.has_data_set) == (commands.C_GET_RSP, 0xC000, False)
        for no_command_set in (failed, failed + answer, answer + failed + answer, answer + failed[:-1]):
            with pytest.raises(ValueError, match="command set"):
                commands.decode(1, no_command_set)

    def test_repr_shows_no_value(self) -> None:
        command = commands.decode(1, commands.c_store_rq(9, CTImageStorage, "1.2.3.999"))

        assert "1.2" not in repr(command)

    @given(st.binary(max_size=200))
    def test_bytes_are_a_command_set_or_a_value_error(self, content: bytes) -> None:
        try:
            command = commands.decode(1, content)
        except ValueError:
            return
        assert isinstance(command.field, int)
        commands.c_store_rsp(command, 0)


@pytest.mark.parametrize("uid", UIDS)
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, JPEG2000Lossless])
def test_file_meta_is_as_pynetdicom_writes_it(uid: str, syntax: str) -> None:
    theirs = create_file_meta(sop_class_uid=UID(CTImageStorage), sop_instance_uid=UID(uid), transfer_syntax=UID(syntax))

    assert file_meta(CTImageStorage, uid, syntax) == bytes(128) + b"DICM" + encode_file_meta(theirs)


class TestStudyPeek:
    @pytest.mark.parametrize("size", [1, 7, 100, 100_000])
    @pytest.mark.parametrize(
        "syntax",
        [
            ImplicitVRLittleEndian,
            ExplicitVRLittleEndian,
            ExplicitVRBigEndian,
            DeflatedExplicitVRLittleEndian,
            JPEG2000Lossless,
        ],
    )
    def test_study_is_found_beside_nested_references(self, syntax: str, size: int) -> None:
        assert peeked(data_set(syntax=syntax), syntax, size) == STUDY_UID

    @pytest.mark.parametrize("size", [1, 100_000])
    @pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian])
    def test_nested_study_is_not_taken_for_the_instances_own(self, syntax: str, size: int) -> None:
        assert peeked(data_set(None, syntax), syntax, size) is None

    @pytest.mark.parametrize(
        "content", [b"", b"\0", b"This is not a DICOM data set, whatever the PACS says of it.", bytes(10_000)]
    )
    def test_what_is_no_data_set_names_no_study(self, content: bytes) -> None:
        for syntax in (ImplicitVRLittleEndian, ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian):
            assert peeked(content, syntax, 100_000) is None

    def test_deflated_bomb_is_given_up(self) -> None:
        bomb = deflated(b"\x08\x00\x05\x00UT\0\0\xfe\xff\xff\x7f" + bytes(50_000_000))

        assert peeked(bomb, DeflatedExplicitVRLittleEndian, 4096) is None

    @given(st.binary(max_size=400), st.sampled_from([ImplicitVRLittleEndian, ExplicitVRLittleEndian]))
    def test_any_bytes_come_to_a_decision(self, content: bytes, syntax: str) -> None:
        assert peeked(content, syntax, 50) == peeked(content, syntax, 1)

    @pytest.mark.filterwarnings("ignore::UserWarning")
    @pytest.mark.skipif(not corpus_files(), reason="the corpus is not there")
    def test_studies_of_the_corpus_are_found_as_pydicom_finds_them(self) -> None:
        differing = []
        for file in corpus_files():
            try:
                ds = dcmread(file.path, stop_before_pixels=True, specific_tags=["StudyInstanceUID"])
            except InvalidDicomError:
                continue
            content = file.path.read_bytes()
            start = ds.file_meta.get("FileMetaInformationGroupLength")
            syntax = ds.file_meta.get("TransferSyntaxUID")
            if content[128:132] != b"DICM" or start is None or syntax is None:
                continue
            found = peeked(content[144 + start :], str(syntax), 65_536)
            if found != (str(ds.get("StudyInstanceUID") or "") or None):
                differing.append(file.path.name)
        assert differing == []


def peeked(content: bytes, syntax: str, size: int) -> str | None:
    peek = StudyPeek(syntax)
    for start in range(0, len(content), size):
        if peek.feed(content[start : start + size]):
            break
    peek.finish()
    return peek.study_uid


class TestNegotiation:
    def test_every_context_is_answered(self) -> None:
        proposed = [
            build_context(CTImageStorage, [JPEG2000Lossless, ExplicitVRLittleEndian]),
            build_context(CTImageStorage, [ImplicitVRLittleEndian, ExplicitVRLittleEndian]),
            build_context(CTImageStorage, "1.2.3.4.5"),
            build_context("1.2.3.4.5.6"),
        ]
        supported = [build_context(CTImageStorage, [ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEG2000Lossless])]
        request = read_request(request_pdu("US", "THEM", numbered(proposed), [], 0)[6:])

        answer, agreement = accept(request, supported, 100)

        assert {number: context.transfer_syntax_uid for number, context in agreement.contexts.items()} == {
            1: JPEG2000Lossless,
            3: ExplicitVRLittleEndian,
        }
        assert answer.count(b"\x21\0") >= 4
        assert agreement.max_pdu == 0

    def test_unknown_items_are_ignored(self) -> None:
        content = request_pdu("US", "THEM", numbered([build_context(CTImageStorage)]), [], 0)[6:]
        items, user = content[:68], content[68:]
        user_at = user.index(b"\x50\0")
        length = int.from_bytes(user[user_at + 2 : user_at + 4], "big")
        odd = b"\x9a\0\0\x03abc"
        user = user[:user_at] + b"\x50\0" + (length + len(odd)).to_bytes(2, "big") + user[user_at + 4 :] + odd

        request = read_request(items + odd + user)

        assert request.primitive.maximum_length_received == 0
        assert len(request.primitive.presentation_context_definition_list) == 1

    def test_roles_are_left_at_their_defaults(self) -> None:
        proposed = numbered([build_context(CTImageStorage)])
        roles = [build_role(CTImageStorage, scp_role=True, scu_role=True)]
        request = read_request(request_pdu("US", "THEM", proposed, roles, 0)[6:])

        _, agreement = accept(request, [build_context(CTImageStorage)], 0)

        assert (agreement.contexts[1].as_scu, agreement.contexts[1].as_scp) == (False, True)

    def test_any_change_of_a_request_is_read_or_refused(self) -> None:
        dice = random.Random(4)
        supported = [build_context(CTImageStorage)]
        roles = [build_role(CTImageStorage, scp_role=True)]
        whole = request_pdu("US", "THEM", numbered(supported), roles, 0)
        for _ in range(2000):
            changed = bytearray(whole[6:])
            for _ in range(dice.randint(1, 4)):
                changed[dice.randrange(len(changed))] = dice.randrange(256)
            try:
                accept(
                    read_request(bytes(changed[: dice.randint(1, len(changed))])), [build_context(CTImageStorage)], 0
                )
            except ProtocolViolationError:
                continue
