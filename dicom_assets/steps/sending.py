"""One study's instances to the research PACS: sent until it has them, and seen to be there."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing

from dicom_assets.errors import PacsAwayError, StudyError
from dicom_assets.steps.patience import Patience
from dicom_assets.steps.ports import Progress, ResearchPacs
from dicom_assets.study import Commitment, Fact, OutgoingInstance, StoreOutcome, StudyListing

MOST_NAMED = 5
"""Files that a message names."""


class Sending:
    """The sending of one study."""

    def __init__(
        self,
        study_uid: str,
        outgoing: Sequence[OutgoingInstance],
        research_pacs: ResearchPacs,
        patience: Patience,
        progress: Progress,
    ) -> None:
        self._study_uid = study_uid
        self._outgoing = {item.sop_instance_uid: item for item in outgoing}
        self._research_pacs = research_pacs
        self._patience = patience
        self._progress = progress
        self._stored: set[str] = set()
        self._last_gain = time.monotonic()
        self.transcoded: dict[str, str] = {}

    @property
    def stored_bytes(self) -> int:
        """Of all instances that the PACS took."""
        return sum(self._outgoing[uid].size_bytes for uid in self._stored)

    def send(self, listing: StudyListing) -> Sequence[OutgoingInstance]:
        """Send what the PACS lacks, again where it is away or busy for a while; returns what was sent.

        Raises:
            StudyError: it refuses instances.
            PacsError: it is away or out of resources for longer than the patience lasts.
            ChangedContentError: an instance's content is not what passed the residual scan.
        """
        there = {ref.sop_instance_uid for ref in listing.instances or ()}
        to_send = [item.checked() for uid, item in self._outgoing.items() if uid not in there]
        self._patience.keep_trying(lambda: self._send_rest(to_send), last_gain=lambda: self._last_gain)
        return to_send

    def _send_rest(self, to_send: Sequence[OutgoingInstance]) -> None:
        rest = [item for item in to_send if item.sop_instance_uid not in self._stored]
        problems: list[StoreOutcome] = []
        with closing(self._research_pacs.store(rest)) as outcomes:
            for outcome in outcomes:
                if outcome.problem:
                    problems.append(outcome)
                    continue
                self._stored.add(outcome.sop_instance_uid)
                self._last_gain = time.monotonic()
                if outcome.transcoded_to:
                    self.transcoded[outcome.sop_instance_uid] = outcome.transcoded_to
                self._progress(len(self._stored), len(to_send))
        if problems:
            raise self._not_taken(problems, len(to_send))

    def confirm(self) -> Mapping[str, Fact]:
        """See that all are there, and have the PACS commit itself where it offers that; returns how it was seen.

        Some PACSs show what they stored only after a while: they are looked at again for as long as the patience lasts.

        Raises:
            PacsError: it does not show all of what it said it stored.
            StudyError: it holds others under this study, or does not commit itself to all.
        """
        listing = self._patience.keep_trying(self._seen)
        outgoing = list(self._outgoing.values())
        commitment = self._patience.keep_trying(lambda: self._research_pacs.commit(outgoing))
        if commitment is not None:
            self._judge(commitment)
        return {
            "confirmed_by": "counts" if listing.instances is None else "instances",
            "storage_commitment": "not offered" if commitment is None else "committed",
        }

    def _seen(self) -> StudyListing:
        listing = self._research_pacs.find_study(self._study_uid)
        self._compare(listing)
        return listing

    def _compare(self, listing: StudyListing) -> None:
        wanted = self._outgoing.keys()
        if listing.instances is None:
            missing, surplus, which = len(wanted) - listing.total, listing.total - len(wanted), ""
        else:
            present = {ref.sop_instance_uid for ref in listing.instances}
            missing, surplus = len(wanted - present), len(present - wanted)
            which = self._files(wanted - present)
        if missing > 0:
            raise PacsAwayError(
                f"The research PACS answered that it stored all, but does not show {missing} of {len(wanted)} "
                f"instances{which}: run again, only what is missing will be sent."
            )
        if surplus > 0:
            raise StudyError(
                f"The research PACS holds {surplus} instance(s) of this study that are not, or no longer, "
                "among the de-identified ones: have them removed there, then clear the error and run again."
            )

    def _judge(self, commitment: Commitment) -> None:
        wanted = self._outgoing.keys()
        if open_ones := wanted - commitment.committed:
            counts = Counter(f"0x{reason:04X}" for uid, reason in commitment.failed.items() if uid in wanted)
            said = ", ".join(f"{count} with reason {reason}" for reason, count in counts.most_common())
            raise StudyError(
                f"The research PACS shows all instances, but does not commit itself to keeping {len(open_ones)} of "
                f"{len(wanted)} ({said or 'without a reason'}){self._files(open_ones)}: see its own log, then clear "
                "the error and run again."
            )

    def _not_taken(self, problems: Sequence[StoreOutcome], total: int) -> Exception:
        by_problem: dict[str, list[str]] = defaultdict(list)
        for outcome in problems:
            by_problem[outcome.problem].append(outcome.sop_instance_uid)
        said = "; ".join(f"{len(uids)} {problem}{self._files(uids)}" for problem, uids in by_problem.items())
        message = f"The research PACS did not take {len(problems)} of {total} instances: {said}."
        if all(outcome.retriable for outcome in problems):
            return PacsAwayError(f"{message} It may take them later; run again.")
        return StudyError(f"{message} See its own log, or have it accept these.")

    def _files(self, uids: Iterable[str]) -> str:
        """Which instances these are: their files in stage deidentified, whose names say nothing; the first of many."""
        names = sorted(self._outgoing[uid].path.name for uid in uids)
        more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
        return f" ({', '.join(names[:MOST_NAMED])}{more} of stage deidentified)" if names else ""
