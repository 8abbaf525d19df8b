"""Where each study of the month stands, in every place that has something to say of it, and where it should."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, fields
from itertools import groupby
from typing import Any

from dicom_assets.adapters.identity_db import IdentityDatabase
from dicom_assets.demo.plan import PUBLISHABLE, DemoStudy
from dicom_assets.study import STAGES, StudyKey
from dicom_assets_tests.deployment import SECRET
from dicom_assets_tests.month import Kind, Month, Planned

OLD_UIDS, NEW_UIDS = "the old program's UIDs", "new UIDs"
ALL_STAGES = "pulled deidentified registered published"
ERRORS = {
    "no instance of this study": "missing",
    "encounter": "no encounter",
    "quarantined": "nothing left",
    "Withdrawn": "withdrawn",
}
"""A word of what `processing_error_msg` says, and what that means."""

DECISIVE = {
    "study_left_out": "left out",
    "study_failed": "failed",
    "error_cleared": "cleared",
    "images_purged": "purged",
    "withdrawal_noticed": "noticed",
    "study_withdrawn": "withdrawn",
    "withdrawal_lifted": "lifted",
}
MARKS = {"purged.json": "purged", "withdrawn.json": "taken back"}


@dataclass(frozen=True)
class State:
    """Where a study stands, by place.

    Attributes:
        review: What its row in the review database says.
        identity: Whether it has a key, and which UIDs stand for those of its publishable instances.
        registered: Whether its row in the research database names the replacement and counts right.
        staging: How many instances the staging PACS has of it.
        research: How many instances the research PACS has of it, each under the UID that the identity database names.
        folders: Its finished stages under DATA_DIR, and what became of them.
        story: The decisive events that `dicom-assets show` tells of it.
        materialized: The assets of which Dagster has its partition.
        failing: The asset checks that failed when they were last evaluated for it.
        unanswered: The asset checks of its materialized stages that nobody evaluated.
    """

    review: str = "untouched"
    identity: str = "nothing"
    registered: str = "no"
    staging: int = 3
    research: int = 0
    folders: str = ""
    story: str = ""
    materialized: str = ""
    failing: str = ""
    unanswered: str = ""


def _published(**more: Any) -> State:
    facts: dict[str, Any] = {
        "review": "published",
        "identity": f"key, {NEW_UIDS}",
        "registered": "yes",
        "research": 3,
        "folders": ALL_STAGES,
        "story": "published",
        "materialized": ALL_STAGES,
    }
    return State(**facts | more)


def _stopped(review: str, **more: Any) -> State:
    """A study that a person has to look at."""
    return State(**{"review": review, "identity": "key", "story": "failed"} | more)


EXPECTED: Mapping[Kind, State] = {
    Kind.PLAIN: _published(),
    Kind.LEGACY: _published(identity=f"key, {OLD_UIDS}"),
    Kind.PARTLY: _published(staging=5),
    Kind.NOTHING_LEFT: _stopped(
        "error: nothing left", staging=1, folders="pulled deidentified", materialized="pulled deidentified"
    ),
    Kind.MISSING: _stopped(
        "error: missing", staging=0, story="failed, cleared, failed", failing="complete_against_pacs"
    ),
    Kind.LATE: _published(story="failed, cleared, published"),
    Kind.NO_ENCOUNTER: _stopped(
        "error: no encounter",
        identity=f"key, {NEW_UIDS}",
        folders="pulled deidentified",
        materialized="pulled deidentified",
        failing="registered_row_agrees",
    ),
    Kind.ENCOUNTER_LATER: _published(story="failed, cleared, published"),
    Kind.IN_CONFLICT: State(identity="key", story="left out"),
    Kind.SETTLED: _published(story="left out, published"),
    Kind.UNREVIEWED: State(),
    Kind.EXCLUDED: State(),
    Kind.KILLED: _published(),
    Kind.AWAY: _published(story="failed, published"),
    Kind.WITHDRAWN: _published(
        review="error: withdrawn",
        registered="no",
        research=0,
        folders="pulled deidentified registered (taken back) published (taken back)",
        story="published, noticed, withdrawn",
        failing="not_withdrawn",
    ),
    Kind.LIFTED: _published(story="published, noticed, withdrawn, lifted, published"),
    Kind.PURGED: _published(
        folders="pulled (purged) deidentified (purged) registered published (purged)", story="published, purged"
    ),
}
"""Where the studies of each kind stand when the month is over."""

NOT_BEGUN = {kind: State(staging=EXPECTED[kind].staging if kind is not Kind.LATE else 0) for kind in Kind}
"""Where they stand before the first run. The old program's UIDs are known by then."""


@dataclass
class Observer:
    """Looks into all places at once; what it says of a study holds no original."""

    month: Month
    _checks: dict[tuple[str, str], bool] = field(default_factory=dict, repr=False)
    _stage_of_check: dict[str, str] = field(default_factory=dict, repr=False)

    def states(self) -> dict[StudyKey, State]:
        """Where each study stands."""
        deployment = self.month.deployment
        keys = {one.study.number: self.month.key(one) for one in self.month.planned}
        self._read_checks()
        materialized = deployment.materialized()
        staged, arrived = self.month.staging.studies(), self.month.research.studies()
        held = {uid for uid, _ in self.month.research.instances()}
        found = {}
        with closing(
            IdentityDatabase.open_for_dry_run(deployment.environment["IDENTITY_DB_URL"], SECRET.encode())
        ) as db:
            issued = {one.study_key for one in db.studies()}
            for one in self.month.planned:
                key, study = keys[one.study.number], one.study
                replaced = db.replacements([study.study_uid, *_publishable(study)])
                done = [str(stage) for stage in STAGES if key in materialized[str(stage)]]
                found[key] = State(
                    review=self._review(study),
                    identity=self._identity(study, replaced, is_issued=key in issued),
                    registered=self._registered(study, replaced),
                    staging=sum(staged.get(study.study_uid, {}).values()),
                    research=self._in_research(study, replaced, arrived, held),
                    folders=self._folders(key),
                    story=self._story(key),
                    materialized=" ".join(done),
                    failing=" ".join(sorted(name for (name, of), ok in self._checks.items() if of == key and not ok)),
                    unanswered=" ".join(self._unanswered(key, done)),
                )
        return found

    def _review(self, study: DemoStudy) -> str:
        row = self.month.deployment.study_row(study.study_uid)
        if row["processing_error"]:
            said = str(row["processing_error_msg"])
            words = next((meaning for word, meaning in ERRORS.items() if word in said), "something else")
            return f"error: {words}" + (", published" if row["image_published"] else "")
        return "published" if row["image_published"] else "untouched"

    def _identity(self, study: DemoStudy, replaced: Mapping[str, str], *, is_issued: bool) -> str:
        said = ["key"] if is_issued else []
        wanted = {study.study_uid, *_publishable(study)}
        if replaced and not wanted <= replaced.keys():
            return ", ".join([*said, "some UIDs"])
        if replaced:
            is_old = all(self.month.old_uids.get(original) == new for original, new in replaced.items())
            said.append(OLD_UIDS if is_old else NEW_UIDS)
        return ", ".join(said) or "nothing"

    def _registered(self, study: DemoStudy, replaced: Mapping[str, str]) -> str:
        with closing(sqlite3.connect(self.month.deployment.folder / "research.db")) as connection:
            rows = connection.execute(
                "SELECT study_uid, total_images, encounter_id FROM staging_radiologystudy WHERE original_study_uid = ?",
                [study.study_uid],
            ).fetchall()
        if [uid for uid, _, _ in rows if uid] == []:
            return "no"
        right = (replaced.get(study.study_uid), len(_publishable(study)), study.number + 1)
        return "yes" if rows == [right] else "otherwise"

    @staticmethod
    def _in_research(
        study: DemoStudy, replaced: Mapping[str, str], arrived: Mapping[str, Mapping[str, int]], held: set[str]
    ) -> int:
        """Its instances there, or -1 where they are not those that the identity database knows."""
        count = sum(arrived.get(replaced.get(study.study_uid, ""), {}).values())
        known = {replaced[uid] for uid in _publishable(study) if uid in replaced}
        return count if count == len(known & held) and study.study_uid not in arrived else -1

    def _folders(self, key: StudyKey) -> str:
        folder = self.month.deployment.data / "studies" / key
        said = []
        for stage in STAGES:
            if (folder / stage / "manifest.json").is_file():
                marks = [meaning for file, meaning in MARKS.items() if (folder / stage / file).exists()]
                said.append(" ".join([stage, *(f"({mark})" for mark in marks)]))
                if "purged" in marks and any((folder / stage).rglob("*.dcm")):
                    said.append("with images")
        drafts = list(folder.glob(".*.draft")) if folder.is_dir() else []
        return " ".join(said + ["and drafts"] * bool(drafts))

    def _story(self, key: StudyKey) -> str:
        told = [name for event in self.month.story(key) if (name := _decisive(event))]
        return ", ".join(name for name, _ in groupby(told))

    def _read_checks(self) -> None:
        """The newest evaluation of each check for each study."""
        self._checks.clear()
        graph = self.month.deployment.definitions().resolve_asset_graph()
        with self.month.deployment.instance() as instance:
            for check in graph.asset_check_keys:
                self._stage_of_check[check.name] = check.asset_key.to_user_string()
                for record in instance.event_log_storage.get_asset_check_execution_history(check, limit=1000):
                    if record.evaluation is not None and record.partition:
                        self._checks.setdefault((check.name, record.partition), record.evaluation.passed)

    def _unanswered(self, key: StudyKey, done: Sequence[str]) -> Iterator[str]:
        for name, stage in sorted(self._stage_of_check.items()):
            if stage in done and name != "not_withdrawn" and (name, key) not in self._checks:
                yield name


def _publishable(study: DemoStudy) -> list[str]:
    return [
        uid
        for series in study.series
        if series.kind in PUBLISHABLE and series.modality in {"CT", "MR"}
        for uid in series.sop_uids
    ]


def _decisive(event: Mapping[str, object]) -> str:
    if event["event"] in ("stage_finished", "stage_skipped") and event.get("stage") == "published":
        return "published"
    return DECISIVE.get(str(event["event"]), "")


def disagreements(month: Month, expected: Mapping[Kind, State]) -> list[str]:
    """Which studies are not where their kind should be: a line for each place, in study keys."""
    found = Observer(month).states()
    return [line for one in month.planned for line in _differences(month, one, found, expected[one.kind])]


def _differences(month: Month, one: Planned, found: Mapping[StudyKey, State], wanted: State) -> Iterator[str]:
    key = month.key(one)
    for place in fields(State):
        is_, should = getattr(found[key], place.name), getattr(wanted, place.name)
        if is_ != should:
            yield f"{key} ({one.kind}), {place.name}: {is_!r}, and should be {should!r}"
