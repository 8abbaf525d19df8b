"""Properties of the data plane: any stream of PDUs, in both roles."""

from __future__ import annotations

import itertools
import struct

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.uid import CTImageStorage

from dicom_assets.adapters.pacs.association import silence_dicom_libraries
from dicom_assets.adapters.pacs.plane import commands
from dicom_assets_tests.plane_peers import data_pdu, data_set, pdu, pdv, store_request
from dicom_assets_tests.plane_serving import MESSAGE_ID, ServedScp, get

COMMAND, LAST = 1, 2
MOST = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

UIDS = st.sampled_from(["1.2.3", "1.2.4", "1.2.5.6"])
CONTENTS = st.sampled_from([data_set(size=size) for size in (0, 30, 3000)])


@pytest.fixture(autouse=True)
def _quiet() -> None:
    silence_dicom_libraries()


@pytest.fixture(scope="module")
def scp() -> ServedScp:
    return ServedScp()


@st.composite
def messages(draw: st.DrawFn) -> tuple[bytes, list[bytes]]:
    """A stream of valid C-STORE requests in fragments of any size, and their data sets."""
    stream, contents = b"", []
    for _ in range(draw(st.integers(0, 4))):
        content = draw(CONTENTS)
        request = commands.c_store_rq(1, CTImageStorage, draw(UIDS), originator_message_id=MESSAGE_ID)
        pdvs = [*split(draw, request, COMMAND), *split(draw, content, 0)]
        while pdvs:
            count = draw(st.integers(1, len(pdvs)))
            stream += data_pdu(*pdvs[:count])
            del pdvs[:count]
        contents.append(content)
    return stream, contents


def split(draw: st.DrawFn, content: bytes, control: int) -> list[bytes]:
    cuts = sorted(draw(st.lists(st.integers(0, len(content)), max_size=4)))
    bounds = [0, *cuts, len(content)]
    parts = [content[a:b] for a, b in itertools.pairwise(bounds)]
    return [pdv(1, control | (LAST if number == len(parts) - 1 else 0), part) for number, part in enumerate(parts)]


@given(messages())
@MOST
def test_valid_requests_are_all_kept_in_order(scp: ServedScp, made: tuple[bytes, list[bytes]]) -> None:
    stream, contents = made

    assert scp.serve(stream, is_associated=True).check(stream) == contents
    assert get(stream).check(stream) == contents


@given(messages(), st.data())
@MOST
def test_requests_that_break_off_anywhere_are_kept_as_far_as_they_are_whole(
    scp: ServedScp, made: tuple[bytes, list[bytes]], data: st.DataObject
) -> None:
    stream, contents = made
    cut = stream[: data.draw(st.integers(0, len(stream)))]

    kept = scp.serve(cut, is_associated=True).check(cut)

    assert kept == contents[: len(kept)]
    assert get(cut).check(cut) == kept


PDUS = st.one_of(
    st.builds(pdu, st.integers(0, 255), st.binary(max_size=40)),
    st.builds(pdu, st.integers(0, 9), st.binary(max_size=40), st.sampled_from([0, 1, 70_000, 0xFFFFFFFF])),
    st.builds(
        lambda *pdvs: data_pdu(*pdvs),
        st.builds(pdv, st.sampled_from([0, 1, 1, 1, 3, 77]), st.integers(0, 5), st.binary(max_size=30)),
    ),
    st.builds(lambda uid: data_pdu(pdv(1, 3, store_request(uid))), UIDS),
    st.builds(lambda content: data_pdu(pdv(1, 2, content)), CONTENTS),
    st.builds(lambda number: pdu(number, bytes(4)), st.sampled_from([5, 6, 7])),
)


@given(st.lists(PDUS, max_size=8).map(b"".join), st.booleans())
@MOST
def test_any_stream_ends_with_whole_instances_or_none(scp: ServedScp, stream: bytes, is_associated: bool) -> None:
    scp.serve(stream, is_associated=is_associated).check(stream)
    get(stream).check(stream)


@given(messages(), st.data())
@MOST
def test_any_byte_may_be_another(scp: ServedScp, made: tuple[bytes, list[bytes]], data: st.DataObject) -> None:
    stream = bytearray(made[0] or struct.pack(">BxI", 4, 0))
    for _ in range(data.draw(st.integers(1, 3))):
        stream[data.draw(st.integers(0, len(stream) - 1))] = data.draw(st.integers(0, 255))

    scp.serve(bytes(stream), is_associated=True).check(bytes(stream))
    get(bytes(stream)).check(bytes(stream))
