"""Checks of both PACSs, from the host name to what they offer. Nothing is stored, nothing but the canary is moved."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydicom.uid import CTImageStorage, generate_uid

from dicom_assets.adapters.dicomweb.pacs import DicomwebPacs, DicomwebStagingPacs
from dicom_assets.adapters.pacs.association import LocalNode, PacsNode
from dicom_assets.adapters.pacs.c_get import CGetPacs
from dicom_assets.adapters.pacs.canary import fetch_canary, move_canary
from dicom_assets.adapters.pacs.canary_object import CanaryObject
from dicom_assets.adapters.pacs.commitment import ReportTimes, StorageCommitment
from dicom_assets.adapters.pacs.commitment_scp import CommitmentScp
from dicom_assets.adapters.pacs.handshake import Handshake, shake_hands, trouble_in_connecting
from dicom_assets.adapters.pacs.probe import (
    PROBE_TIMEOUTS,
    addresses_of,
    answers_queries,
    echoes,
    offers_c_get,
    storage_offered,
)
from dicom_assets.defs.diagnosis.here import SETTINGS
from dicom_assets.defs.diagnosis.verdict import Check, Verdict, doubtful, fine, wrong
from dicom_assets.defs.resources import ResearchPacsResource, StagingPacsResource
from dicom_assets.defs.surroundings import Resources, refuse_one_pacs_at_both_ends
from dicom_assets.errors import ConfigurationError, PacsAwayError
from dicom_assets.study import IncomingFile, InstanceRef

SOON = timedelta(days=30)
CANARY_SECONDS = 150.0
REPORT_TIMES = ReportTimes(in_all=25.0)
"""A run waits longer; this is for one object that the PACS need only look up."""
BOTH, OUR_SCP = "two different PACSs", "our Storage SCP"
STAGING, RESEARCH = "staging PACS", "research PACS"
NOT_BY_DIMSE = "not used: the protocol is dicomweb"


def checks_of_pacs(resources: Resources, *, write_test: bool) -> list[Check]:
    """All of them, in order."""
    staging, research = resources.staging_pacs, resources.research_pacs
    return [
        Check(BOTH, lambda: _different(resources), "they are one", (SETTINGS,)),
        Check(OUR_SCP, lambda: _our_scp(resources), "can't listen", (SETTINGS,)),
        *_End(STAGING, staging, resources).basics(),
        _End(STAGING, staging, resources).of_dimse("C-GET", lambda local, node: _c_get(staging, local, node), "C-FIND"),
        Check(
            f"{STAGING}: C-MOVE to us",
            lambda: _c_move(resources),
            "the canary does not arrive here",
            (SETTINGS, OUR_SCP, f"{STAGING}: C-FIND"),
            CANARY_SECONDS,
        ),
        _dicomweb(STAGING, staging),
        Check(
            f"{STAGING}: WADO-RS",
            lambda: _wado(staging),
            "the canary is not handed over",
            (SETTINGS, f"{STAGING}: DICOMweb"),
        ),
        *_End(RESEARCH, research, resources).basics(),
        _End(RESEARCH, research, resources).of_dimse("storage", _storage, "C-ECHO"),
        _End(RESEARCH, research, resources).of_dimse(
            "storage commitment", lambda local, node: _commitment(research, local, node), "C-ECHO", OUR_SCP
        ),
        _dicomweb(RESEARCH, research),
        Check(
            f"{RESEARCH}: write test",
            lambda: _write_test(resources) if write_test else doubtful("not tested: say --write-test"),
            "the test object was not stored",
            (SETTINGS, BOTH, f"{RESEARCH}: {'DICOMweb' if research.protocol == 'dicomweb' else 'storage'}"),
            CANARY_SECONDS,
        ),
    ]


class _End:
    """One of the PACSs, as DIMSE sees it.

    Connections without an association are few: many a PACS holds a place for each of them until a time-out.
    """

    def __init__(self, name: str, settings: StagingPacsResource | ResearchPacsResource, resources: Resources) -> None:
        self._name = name
        self._settings = settings
        self._resources = resources

    def basics(self) -> list[Check]:
        """From the host name to C-FIND."""
        return [
            self._check("host", self._host, "has no address here", SETTINGS),
            self._check("port", self._port, "nothing answers", f"{self._name}: host"),
            self._check("TLS", self._tls, "no TLS", f"{self._name}: port"),
            self.of_dimse("C-ECHO", _echo, "TLS"),
            self.of_dimse("C-FIND", _find, "C-ECHO"),
        ]

    def of_dimse(self, service: str, look: Callable[[LocalNode, PacsNode], Verdict], after: str, *also: str) -> Check:
        """A check that needs an association."""
        return self._check(
            service,
            lambda: look(self._resources.local.node(), self._node()),
            "no association, or a failure",
            f"{self._name}: {after}",
            *also,
        )

    def _check(self, what: str, look: Callable[[], Verdict], failing: str, *after: str) -> Check:
        by_web = self._settings.protocol == "dicomweb"
        return Check(f"{self._name}: {what}", (lambda: doubtful(NOT_BY_DIMSE)) if by_web else look, failing, after)

    def _node(self) -> PacsNode:
        return replace(self._settings.node(), timeouts=PROBE_TIMEOUTS)

    def _host(self) -> Verdict:
        node = self._node()
        found = addresses_of(node.host)
        if not found:
            return wrong("has no address here", f"Correct {node.setting}_HOST, or see to this machine's DNS.")
        return fine(", ".join(sorted(found)))

    def _port(self) -> Verdict:
        node = self._node()
        trouble = trouble_in_connecting(node.host, node.port, node.setting, PROBE_TIMEOUTS.connection)
        if trouble is not None:
            return wrong("nothing answers", trouble.message)
        return fine(f"{node.port} is open")

    def _tls(self) -> Verdict:
        node = self._node()
        if node.tls is None:
            return doubtful(f"not configured: plain DICOM ({node.setting}_TLS=no)")
        outcome = shake_hands(node.host, node.port, node.tls, PROBE_TIMEOUTS.connection)
        if not isinstance(outcome, Handshake):
            return wrong("no handshake", outcome.message)
        until = f"certificate valid until {outcome.valid_until:%Y-%m-%d}"
        if outcome.valid_until - datetime.now(UTC) < SOON:
            return doubtful(f"{outcome.version}, {until}", "Have the PACS's certificate renewed in time.")
        return fine(f"{outcome.version}, {until}")


def _different(resources: Resources) -> Verdict:
    try:
        refuse_one_pacs_at_both_ends(resources)
    except ConfigurationError as error:
        return wrong("they are one", str(error))
    if resources.transfers.may_be_one_pacs():
        return doubtful("may be one, as ONE_PACS_AT_BOTH_ENDS=yes says", "Set it to no once this is not practice.")
    staging, research = resources.staging_pacs.node(), resources.research_pacs.node()
    same_machine = addresses_of(staging.host) & addresses_of(research.host)
    if same_machine and staging.ae_title == research.ae_title:
        return doubtful(
            "same AE title on the same machine, at two ports",
            "Be sure that STAGING_PACS_PORT and RESEARCH_PACS_PORT do not lead into one PACS.",
        )
    return fine("they are two")


def _our_scp(resources: Resources) -> Verdict:
    local = resources.local.node()
    with resources.staging_pacs.storage_scp(local).waiting_for(_random_uid(), 1, _nothing_is_expected):
        return fine(f"{local.ae_title} can listen on {local.host} port {local.port}")


def _nothing_is_expected(_sop_instance_uid: str) -> IncomingFile:
    raise ConfigurationError("Nobody was asked for an instance.")


def _echo(local: LocalNode, node: PacsNode) -> Verdict:
    if echoes(local, node):
        return fine(f"{node.ae_title} answers {local.ae_title}")
    return doubtful("not offered, though the association is")


def _find(local: LocalNode, node: PacsNode) -> Verdict:
    if answers_queries(local, node, _random_uid()):
        return fine("answered")
    return wrong("not offered", f"Have {node.name} offer C-FIND (Study Root) to {local.ae_title}.")


def _c_get(staging: StagingPacsResource, local: LocalNode, node: PacsNode) -> Verdict:
    if offers_c_get(local, node):
        if not staging.canary_uid or staging.protocol not in ("c-get", "auto"):
            return fine("offered")
        fetch_canary(CGetPacs(local, node), staging.canary_uid)
        return fine("the canary arrived")
    if staging.protocol == "c-get":
        remedy = f"Have {node.name} offer C-GET to {local.ae_title}, or choose another STAGING_PACS_PROTOCOL."
        return wrong("not offered", remedy)
    return doubtful("not offered")


def _c_move(resources: Resources) -> Verdict:
    staging, local = resources.staging_pacs, resources.local.node()
    if staging.canary_uid:
        move_canary(staging.scout(local), staging.canary_uid)
        return fine("the canary arrived")
    if staging.protocol in ("dicomweb", "c-get"):
        return doubtful("not checked: no canary; only c-move needs one")
    if staging.move_without_canary:
        return doubtful(
            "not checked: no canary, and the risk is accepted", "`dicom-assets canary send` makes this certain."
        )
    return doubtful("not checked: no canary", "`dicom-assets canary send`, before `auto` may choose C-MOVE.")


def _storage(local: LocalNode, node: PacsNode) -> Verdict:
    classes, syntaxes = storage_offered(local, node)
    if not any(classes.values()):
        return wrong("no SOP Class of images is accepted", f"Have {node.name} take C-STORE from {local.ae_title}.")
    refused = [name for name, taken in (*classes.items(), *syntaxes.items()) if not taken]
    if refused:
        return doubtful(
            f"{len(refused)} of {len(classes) + len(syntaxes)} usual SOP Classes and compressions are not accepted",
            f"Have {node.name} take, if your studies need them: {', '.join(refused)}.",
        )
    return fine(f"all {len(classes)} usual SOP Classes and {len(syntaxes)} compressions are accepted")


def _commitment(research: ResearchPacsResource, local: LocalNode, node: PacsNode) -> Verdict:
    if research.storage_commitment == "no":
        return doubtful("not used: RESEARCH_PACS_STORAGE_COMMITMENT=no")
    nobodys = InstanceRef(_random_uid(), "", CTImageStorage)
    try:
        answer = StorageCommitment(local, node, CommitmentScp(local), "auto", REPORT_TIMES).of([nobodys])
    except PacsAwayError as error:
        return wrong("offered, but no report of it arrives here", str(error))
    if answer is None:
        if research.storage_commitment == "required":
            remedy = f"Have {node.name} offer it to {local.ae_title}, or set RESEARCH_PACS_STORAGE_COMMITMENT=auto."
            return wrong("not offered", remedy)
        return doubtful("not offered; C-FIND alone confirms what was stored")
    if answer.committed:
        remedy = "Set RESEARCH_PACS_STORAGE_COMMITMENT=no, and report it to who makes the PACS."
        return wrong("it commits itself to an object that it does not have", remedy)
    return fine("offered; its report on an object that it does not have arrived here")


def _dicomweb(name: str, settings: StagingPacsResource | ResearchPacsResource) -> Check:
    def look() -> Verdict:
        if not settings.dicomweb_url.strip():
            return doubtful("not configured: no URL is set")
        with closing(DicomwebPacs(settings.dicomweb_node())) as pacs:
            pacs.check()
        return fine("QIDO-RS answers")

    return Check(f"{name}: DICOMweb", look, "no answer, or a failure", (SETTINGS,))


def _wado(staging: StagingPacsResource) -> Verdict:
    if not staging.dicomweb_url.strip():
        return doubtful("not configured: no URL is set")
    if not staging.canary_uid:
        return doubtful(
            "not tried: no canary", "`dicom-assets canary send` leaves something there that may be asked for."
        )
    with closing(DicomwebStagingPacs(replace(staging.dicomweb_node(), timeout_seconds=PROBE_TIMEOUTS.dimse))) as pacs:
        fetch_canary(pacs, staging.canary_uid)
    return fine("the canary arrived")


def _write_test(resources: Resources) -> Verdict:
    made = CanaryObject.make(resources.deidentification.uid_root, datetime.now().astimezone())
    pacs = resources.research_pacs.connect(resources.local.node())
    try:
        with tempfile.TemporaryDirectory() as folder:
            problems = [one.problem for one in pacs.store([made.write_to(Path(folder) / "canary.dcm")]) if one.problem]
        if problems:
            return wrong(f"the test object was {problems[0]}", f"See the log of {pacs.name}: we may not store there.")
        is_there = bool(pacs.find_study(made.study_uid).total)
    finally:
        if isinstance(pacs, DicomwebPacs):
            pacs.close()
    removal = f"Delete the study {made.study_uid} (Patient ID CANARY) there."
    if not is_there:
        return wrong("stored, and then not listed", f"Look for it in {pacs.name}. {removal}")
    return Verdict(fine("").state, "a test object was stored and is listed", removal)


def _random_uid() -> str:
    return str(generate_uid(prefix=None))
