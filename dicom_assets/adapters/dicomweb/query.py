"""QIDO-RS: what a PACS says it has of a study (PS3.18 10.6)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from dicom_assets.adapters.dicomweb.client import DicomwebClient, Params
from dicom_assets.adapters.dicomweb.failures import failure_of, unusable_answer
from dicom_assets.adapters.dicomweb.paths import study_path
from dicom_assets.errors import PacsStatusError
from dicom_assets.study import InstanceRef, StudyListing

QIDO = "QIDO-RS"
JSON = "application/dicom+json"
PAGE = 5000
"""Results asked for at once; many PACSs give fewer, and not all say so."""
SMALL_PAGE = 100
"""Asked for where a PACS refuses to be asked for so many."""
MOST_RESULTS = 1_000_000

_SOP_CLASS_UID = "00080016"
_SOP_INSTANCE_UID = "00080018"
_STUDY_INSTANCE_UID = "0020000D"
_SERIES_INSTANCE_UID = "0020000E"
_INSTANCES_OF_STUDY = "00201208"
_INSTANCES_OF_SERIES = "00201209"

_NOT_OFFERED = (400, 404, 405, 406, 410, 413, 414, 501)
"""What PACSs answer that do not list these things, or not so many; 404 also where the study is not there."""
_BAD_REQUEST = 400
_NOWHERE = "1.2.840.10008.1.2"
"""A UID that no study has."""

Results = list[dict[str, Any]]


def find_study(client: DicomwebClient, study_uid: str) -> StudyListing:
    """What a PACS has of a study: its instances; else its counts by series, else of the study as a whole.

    A list of instances is not believed where the PACS says that there are more.

    Raises:
        PacsAwayError: it can't be asked for now.
        PacsError: it ended a query with a failure, or tells neither instances nor counts.
    """
    instances, is_certain = _instances(client, study_uid)
    listing = StudyListing(tuple(sorted(instances, key=lambda ref: ref.sop_instance_uid)))
    studies = _studies(client, study_uid, is_needed=not (instances and is_certain))
    if not studies and not instances:
        return StudyListing(())
    total = max([_count(study, _INSTANCES_OF_STUDY) for study in studies], default=0)
    if instances and is_certain and len(instances) >= total:
        return listing
    counts = _counts_by_series(client, study_uid)
    total = total or sum(counts.values())
    if instances and total and len(instances) == total:
        return listing
    if counts and sum(counts.values()) == total:
        return StudyListing(None, counts)
    if not total:
        raise PacsStatusError(
            f"{client.node.url} lists the study, but neither all its instances nor how many there are: have it answer "
            f"{QIDO} for instances in pages (limit, offset), or with Number of Series Related Instances (0020,1209).",
            blames_study=False,
        )
    return StudyListing(None, {"": total})


def answers(client: DicomwebClient) -> None:
    """Return if the PACS answers a query for a study that it can't have.

    Raises:
        PacsError: it does not.
    """
    _query(client, "/studies", (("StudyInstanceUID", _NOWHERE), ("limit", "1")))


def _instances(client: DicomwebClient, study_uid: str) -> tuple[list[InstanceRef], bool]:
    """The instances, and whether these are all: a PACS that does not know `offset` may have left out the rest."""
    found: dict[str, InstanceRef] = {}
    fields = (("includefield", _SOP_CLASS_UID), ("includefield", _SERIES_INSTANCE_UID))
    taken = 0
    try:
        for page in _pages(client, f"{study_path(study_uid)}/instances", fields):
            before = len(found)
            for result in page:
                uid, series_uid = _text(result, _SOP_INSTANCE_UID), _text(result, _SERIES_INSTANCE_UID)
                if uid and series_uid and _text(result, _STUDY_INSTANCE_UID) in ("", study_uid):
                    found[uid] = InstanceRef(uid, series_uid, _text(result, _SOP_CLASS_UID))
            taken += len(page)
            if len(found) == before:
                return list(found.values()), False
    except PacsStatusError as error:
        if error.status not in _NOT_OFFERED:
            raise
        return list(found.values()), False
    return list(found.values()), taken == len(found)


def _counts_by_series(client: DicomwebClient, study_uid: str) -> dict[str, int]:
    """Series Instance UID to number of instances; nothing where the PACS does not tell all of them."""
    counts: dict[str, int] = {}
    try:
        for page in _pages(client, f"{study_path(study_uid)}/series", (("includefield", _INSTANCES_OF_SERIES),)):
            before = len(counts)
            for result in page:
                counts[_text(result, _SERIES_INSTANCE_UID)] = _count(result, _INSTANCES_OF_SERIES)
            if len(counts) == before:
                break
    except PacsStatusError as error:
        if error.status not in _NOT_OFFERED:
            raise
        return {}
    return counts if all(counts.values()) and "" not in counts else {}


def _studies(client: DicomwebClient, study_uid: str, *, is_needed: bool) -> Results:
    """The study as the PACS lists it: one result, or none where it does not have it.

    A PACS that does not know this query at all is no PACS at this URL: that is a failure where it `is_needed`, and no
    study missing.
    """
    params = (("StudyInstanceUID", study_uid), ("includefield", _INSTANCES_OF_STUDY))
    try:
        results = _query(client, "/studies", params)
    except PacsStatusError as error:
        if is_needed or error.status not in _NOT_OFFERED:
            raise
        return []
    return [result for result in results if _text(result, _STUDY_INSTANCE_UID) == study_uid]


def _pages(client: DicomwebClient, path: str, fields: Params) -> Iterator[Results]:
    """Pages until an empty one: some PACSs give fewer results than asked for without saying that there are more."""
    limit, offset = PAGE, 0
    while True:
        try:
            page = _query(client, path, (*fields, ("limit", str(limit)), ("offset", str(offset))))
        except PacsStatusError as error:
            if error.status != _BAD_REQUEST or limit <= SMALL_PAGE:
                raise
            limit = SMALL_PAGE
            continue
        if not page:
            return
        yield page
        offset += len(page)
        if offset > MOST_RESULTS:
            raise unusable_answer(client.node, QIDO, "results without end")


def _query(client: DicomwebClient, path: str, params: Params) -> Results:
    with client.get(QIDO, path, JSON, params) as response:
        if response.status_code == 204:
            return []
        if response.status_code != 200:
            raise failure_of(client.node, QIDO, response, about_a_study=False)
        content = client.whole(QIDO, response)
    if not content.strip():
        return []
    try:
        results = json.loads(content)
    except (ValueError, RecursionError):
        raise unusable_answer(client.node, QIDO, "something else than DICOM JSON") from None
    if not isinstance(results, list) or not all(isinstance(result, dict) for result in results):
        raise unusable_answer(client.node, QIDO, "something else than a list in DICOM JSON")
    return results


def _value(result: dict[str, Any], tag: str) -> object:
    attribute = result.get(tag)
    values: Sequence[object] = attribute.get("Value", ()) if isinstance(attribute, dict) else ()
    return values[0] if isinstance(values, list) and values else None


def _text(result: dict[str, Any], tag: str) -> str:
    value = _value(result, tag)
    return value.strip("\0 ") if isinstance(value, str) else ""


def _count(result: dict[str, Any], tag: str) -> int:
    value = str(_value(result, tag) or "").strip()
    return int(value) if value.isascii() and value.isdigit() and len(value) < 10 else 0
