"""published -> withdrawn: the study leaves the research PACS, is seen to be gone, and all who have to know are told.

Whatever is interrupted is done again by the next try: each step changes nothing where it was done before.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, NamedTuple

from dicom_assets.errors import (
    PacsError,
    RemovalNotOfferedError,
    StudyBusyError,
    StudyNotApprovedError,
)
from dicom_assets.steps.patience import SETTLE_SECONDS
from dicom_assets.steps.ports import (
    AuditTrail,
    IdentityDb,
    Registration,
    ResearchPacs,
    ReviewDb,
    StudyRemover,
    StudyStore,
    Unlinking,
    Withdrawals,
)
from dicom_assets.steps.publish_study import sent_before
from dicom_assets.study import Fact, Stage, StudyKey, StudyListing
from dicom_assets.withdrawal import BY_HAND, Withdrawal, WithdrawalState

GONE_SECONDS = 30.0
"""How long a PACS that was told to delete may go on listing the study: some delete when they have time."""
LOCK_SECONDS = 120.0
"""How long a run that is publishing the study has to see that it is withdrawn; it looks between two instances."""
PAUSE_SECONDS = 0.5
CONTROLS = 3
"""So many other published studies are asked for where nothing else shows that the PACS answers at all."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Everything a withdrawal meets. `remover` is None where nothing can be deleted, or is not to be."""

    research_pacs: ResearchPacs
    remover: StudyRemover | None
    review_db: ReviewDb
    identity_db: IdentityDb
    registration: Registration
    store: StudyStore
    withdrawals: Withdrawals
    audit: AuditTrail
    by: str
    pause: Callable[[float], None] = time.sleep


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be withdrawn, and from where.

    Attributes:
        found: The study, why it goes, and the replacements of its Study Instance UID.
        study_uids: All that it may have in the research PACS: the replacements, and the original if that was retained.
        listed: Those of them that the research PACS lists, with their numbers of instances.
        strange: How many of these instances were not published from here, as far as the PACS names them.
        ours: The SOP Instance UIDs of what was, or may have been.
        elsewhere: PACSs that it was published to, other than the one of the settings, and not seen to be gone from.
        unasked: Why the research PACS could not be asked; empty where it was.
    """

    found: Withdrawal
    original_study_uid: str = field(repr=False)
    study_uids: tuple[str, ...] = field(repr=False)
    listed: Mapping[str, int] = field(repr=False)
    strange: int
    ours: frozenset[str] = field(repr=False)
    elsewhere: tuple[str, ...] = ()
    unasked: str = ""

    @property
    def instances(self) -> int:
        """How many instances the research PACS lists."""
        return sum(self.listed.values())


class Withdrawn(NamedTuple):
    """What became of it: where it stands, why it is not seen to be gone, if so, and what there was to be removed."""

    withdrawal: Withdrawal
    problem: str
    plan: Plan


def plan_withdrawal(study_key: StudyKey, around: Surroundings, study_uids: Sequence[str] = ()) -> Plan:
    """Look what would be withdrawn; changes nothing. `study_uids` are replacements that nobody here knows of.

    Raises:
        ConfigurationError: no study has this key.
    """
    original = around.identity_db.original_study_uid(study_key)
    before = around.withdrawals.of(study_key)
    reasons, version = around.review_db.objections_to(original)
    if not reasons:
        reasons = before.reasons if before is not None and before.holds_back else (BY_HAND,)
    known = _Known(study_key, original, around)
    uids = dict.fromkeys([*study_uids, *(before.study_uids if before else ()), *known.study_uids])
    uids.update(dict.fromkeys(around.identity_db.replacements([original]).values()))
    unasked = ""
    listings: dict[str, StudyListing] = {}
    try:
        listings.update((uid, around.research_pacs.find_study(uid)) for uid in uids)
    except PacsError as error:  # the study can be held back all the same
        unasked = str(error)
    gone_from = before.gone_from if before is not None else ()
    return Plan(
        found=Withdrawal(study_key, reasons, version, tuple(uid for uid in uids if uid != original)),
        original_study_uid=original,
        study_uids=tuple(uids),
        listed={uid: listing.total for uid, listing in listings.items() if listing.total},
        strange=sum(
            ref.sop_instance_uid not in known.instances for one in listings.values() for ref in one.instances or ()
        ),
        ours=frozenset(known.instances),
        elsewhere=tuple(sorted(known.published_to - {around.research_pacs.name, *gone_from})),
        unasked=unasked,
    )


class _Known:
    """What the study's folders tell of what may be in the research PACS."""

    def __init__(self, study_key: StudyKey, original: str, around: Surroundings) -> None:
        self.study_uids: set[str] = set()
        self.instances: set[str] = set()
        self.published_to: set[str] = set()
        for stage in (Stage.PUBLISHED, Stage.DEIDENTIFIED):
            manifest = around.store.manifest_of(study_key, stage)
            if manifest is not None:
                self._note(stage, manifest, original)
        sent = sent_before(around.store, study_key)
        self.instances.update(*sent.values())
        self.published_to.update(sent)

    def _note(self, stage: Stage, manifest: Mapping[str, Any], original: str) -> None:
        if stage is Stage.PUBLISHED:
            self.study_uids.add(_published_uid(manifest, original))
            self.instances.update(manifest["hashes"])
            self.published_to.add(manifest["inputs"]["research_pacs"])
        else:
            self.study_uids.update(one["study_instance_uid"] for one in manifest["instances"])
            self.instances.update(one["sop_instance_uid"] for one in manifest["instances"])


def _published_uid(manifest: Mapping[str, Any], original: str) -> str:
    """The Study Instance UID of a published study; facts are silent of one that was retained."""
    return str(manifest["facts"]["study_instance_uid"] or original)


def withdraw_study(plan: Plan, around: Surroundings, *, may_be_elsewhere: bool = False) -> Withdrawn:
    """Withdraw a study: no run publishes it from now on, and once it is seen to be gone the rest is told.

    `may_be_elsewhere`: whoever asks knows that the PACS of the settings is the one that it was published to. Where
    nothing can be deleted, or the PACS keeps the study, a person has to remove it. A run may have worked on the study
    since the plan was made: once it has let go, the plan is made anew.

    Raises:
        PacsError: the research PACS is away or failed; the study is held back all the same.
        StudyBusyError: a run holds the study and does not let go.
    """
    key = plan.found.study_key
    before = around.withdrawals.of(key)
    if before is not None and before.state is WithdrawalState.WITHDRAWN and not (plan.listed or plan.unasked):
        return Withdrawn(before, "", plan)
    is_waiting = before is not None and before.state is WithdrawalState.AWAITING_REMOVAL
    begun = WithdrawalState.AWAITING_REMOVAL if is_waiting else WithdrawalState.WITHDRAWING
    withdrawal = around.withdrawals.set(plan.found, begun, around.by)
    around.audit.event("withdrawal_started", key, {"reason": withdrawal.reason, "by": around.by})
    around.review_db.mark_withdrawn(plan.original_study_uid, _message(withdrawal, is_gone=False), is_gone=False)
    with _held(key, around):
        if key in around.withdrawals.in_flight():
            around.pause(SETTLE_SECONDS)
        plan = plan_withdrawal(key, around, plan.study_uids)
        found = plan.found
        problem = _remove(plan, around)
        if not problem:
            found = replace(found, gone_from=(around.research_pacs.name,))
            problem = _doubt(plan, around, may_be_elsewhere)
        if problem:
            around.audit.event("withdrawal_waits", key, {"reason": problem})
            waiting = around.withdrawals.set(found, WithdrawalState.AWAITING_REMOVAL, around.by)
            return Withdrawn(waiting, problem, plan)
        return Withdrawn(_conclude(plan, found, around), "", plan)


@contextmanager
def _held(key: StudyKey, around: Surroundings) -> Iterator[None]:
    """The study's lock, as soon as a run that has it sees that the study is withdrawn, and lets go."""
    until = time.monotonic() + LOCK_SECONDS
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(around.store.lock(key))
                break
            except StudyBusyError:
                if time.monotonic() > until:
                    raise StudyBusyError(
                        f"{key}: another run works on this study and does not let go. It is held back already; stop "
                        "the run, then do this again."
                    ) from None
            around.pause(PAUSE_SECONDS)
        yield


def _doubt(plan: Plan, around: Surroundings, may_be_elsewhere: bool) -> str:
    """Why a study that the research PACS does not list may be in sight of researchers all the same."""
    if plan.elsewhere and not may_be_elsewhere:
        others = " and ".join(plan.elsewhere)
        return f"it was published to {others}, and the settings name {around.research_pacs.name}"
    if plan.study_uids:
        return ""
    was_sent = plan.found.study_key in around.withdrawals.in_flight()
    if was_sent or around.review_db.is_published(plan.original_study_uid):
        return "it was published, and nobody here knows by which Study Instance UID (--study-uid)"
    return ""


def _remove(plan: Plan, around: Surroundings) -> str:
    """Have it deleted and see that it is gone; returns why it is not, or may not be."""
    pacs, was_listed = around.research_pacs, False
    for uid in plan.study_uids:
        total = pacs.find_study(uid).total
        if not total:
            continue
        was_listed = True
        if around.remover is None:
            return (
                f"the research PACS lists {total} instance(s), and nothing is set by which it could be told to delete"
            )
        around.audit.event("removal_asked", plan.found.study_key, {"instances": total, "how": around.remover.name})
        try:
            around.remover.remove(uid, plan.ours)
        except RemovalNotOfferedError as error:
            return str(error)
        if rest := _rest_after_a_while(pacs, uid, around.pause):
            return f"the research PACS was told to delete it and still lists {rest} instance(s)"
    if plan.study_uids and not was_listed:
        _see_that_it_answers(plan.found.study_key, around)
    return ""


def _rest_after_a_while(pacs: ResearchPacs, uid: str, pause: Callable[[float], None]) -> int:
    until = time.monotonic() + GONE_SECONDS
    while (rest := pacs.find_study(uid).total) and time.monotonic() < until:
        pause(PAUSE_SECONDS)
    return rest


def _see_that_it_answers(key: StudyKey, around: Surroundings) -> None:
    """Ask for studies that have to be there: a PACS that shows nothing at all proves nothing by not showing this one.

    Raises:
        PacsError: it shows none of them.
    """
    name = around.research_pacs.name
    manifests = around.store.others(Stage.PUBLISHED, key)
    there = islice((one for one in manifests if one["inputs"].get("research_pacs") == name), CONTROLS)
    originals = around.identity_db.original_study_uid
    controls = [_published_uid(one, originals(StudyKey(one["study_key"]))) for one in there]
    if controls and not any(around.research_pacs.find_study(uid).total for uid in controls):
        raise PacsError(
            f"The research PACS lists neither this study nor any of {len(controls)} others that were published to it: "
            "its answer proves nothing. See whether it lets us query, then do this again."
        )


def _conclude(plan: Plan, found: Withdrawal, around: Surroundings) -> Withdrawal:
    """All that has to be told when the study is gone; the withdrawal's own record comes last."""
    key = found.study_key
    facts: dict[str, Fact] = {"reason": found.reason, "by": around.by}
    if isinstance(around.registration, Unlinking):
        facts["rows"] = dict(around.registration.unlink(plan.original_study_uid, plan.study_uids))
    else:
        facts["registration"] = f"{around.registration.name} takes nothing back"
    for stage in (Stage.PUBLISHED, Stage.REGISTERED):
        around.store.retire(key, stage)
    around.review_db.mark_withdrawn(plan.original_study_uid, _message(found, is_gone=True), is_gone=True)
    around.withdrawals.is_settled(key)
    around.audit.event("study_withdrawn", key, facts)
    return around.withdrawals.set(found, WithdrawalState.WITHDRAWN, around.by)


def lift_withdrawal(study_key: StudyKey, around: Surroundings) -> Withdrawal:
    """Let a withdrawn study be published again, which its reviews have to want: the next run takes it.

    Raises:
        ConfigurationError: no study has this key.
        StudyNotApprovedError: it is not withdrawn, the withdrawal is under way, or its reviews do not agree.
        StudyBusyError: somebody works on it.
    """
    original = around.identity_db.original_study_uid(study_key)
    with around.store.lock(study_key):
        withdrawal = around.withdrawals.of(study_key)
        if withdrawal is None or not withdrawal.holds_back:
            raise StudyNotApprovedError(f"{study_key} is not withdrawn: there is nothing to lift.")
        if withdrawal.state is WithdrawalState.WITHDRAWING:
            raise StudyNotApprovedError(
                f"The withdrawal of {study_key} was interrupted: let `dicom-assets withdraw {study_key}` finish first."
            )
        around.review_db.approval(original)
        around.audit.event("withdrawal_lifted", study_key, {"reason": withdrawal.reason, "by": around.by})
        around.review_db.mark_lifted(original)
        return around.withdrawals.set(withdrawal, WithdrawalState.LIFTED, around.by)


def _message(withdrawal: Withdrawal, *, is_gone: bool) -> str:
    """What the review row says; value-free."""
    where = "removed from the research PACS" if is_gone else "not yet seen to be gone from the research PACS"
    return f"Withdrawn ({withdrawal.reason}): {where}. To publish it again: dicom-assets withdraw --lift."
