"""The job `check_studies`: the checks once more, of chosen studies, against PACSs, databases and files."""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import dagster as dg
from pydantic import Field

from dicom_assets.adapters.examinations import ExaminationMarks
from dicom_assets.adapters.pacs.association import silence_dicom_libraries
from dicom_assets.adapters.scratch import sweep_scratch
from dicom_assets.adapters.second_opinion import ScratchSecondOpinion
from dicom_assets.adapters.study_store import FolderStudyStore
from dicom_assets.defs.checks import CheckLog
from dicom_assets.defs.event_storage import held_open
from dicom_assets.defs.partitions import STUDIES, partition_keys, studies
from dicom_assets.defs.resources import (
    DataDirResource,
    IdentityDbResource,
    LocalNodeResource,
    RegistrationResource,
    ResearchPacsResource,
    StagingPacsResource,
    TransfersResource,
)
from dicom_assets.defs.surroundings import close_at_the_end
from dicom_assets.errors import DicomAssetsError, StudyBusyError
from dicom_assets.steps.advance_study import place_of
from dicom_assets.steps.examine_study import Witnesses, examine_study
from dicom_assets.steps.findings import Finding
from dicom_assets.steps.patience import Patience
from dicom_assets.steps.ports import Progress
from dicom_assets.study import StudyKey

PROGRESS_SECONDS = 10.0

Context = dg.OpExecutionContext | dg.AssetExecutionContext


class ExaminationConfig(dg.Config):
    """Which studies, and how closely."""

    studies: list[str] = Field(
        default=[],
        description="Study keys. Without any, and without a partition: those that were not examined for longest.",
    )
    limit: int = Field(default=10, ge=1, description="Most studies to take where none are named.")
    instances: int = Field(
        default=50,
        ge=1,
        description="Most instances of a study that the second opinion reads; the hashes of all are compared.",
    )


@dataclass(frozen=True, slots=True)
class Asked:
    """The resources that an examination asks."""

    local: LocalNodeResource
    staging_pacs: StagingPacsResource
    research_pacs: ResearchPacsResource
    transfers: TransfersResource
    identity_db: IdentityDbResource
    registration: RegistrationResource
    data_dir: DataDirResource

    def witnesses(self, stack: ExitStack, most_instances: int) -> Witnesses:
        """All of them, opened for reading; closed when the stack is left.

        Raises:
            ConfigurationError: a setting or a database is not as it is needed.
        """
        silence_dicom_libraries()
        node, folder = self.local.node(), self.data_dir.folder()
        sweep_scratch(folder)
        pacs = (self.staging_pacs.connect(node), self.research_pacs.connect(node))
        close_at_the_end(stack, *pacs)
        return Witnesses(
            *pacs,
            identity_db=stack.enter_context(self.identity_db.open(dry_run=True)),
            registration=stack.enter_context(self.registration.open(read_only=True)),
            store=FolderStudyStore(folder / "studies"),
            second_opinion=ScratchSecondOpinion(folder),
            patience=Patience(self.transfers.patience_seconds(), lambda seconds, _reason: time.sleep(seconds)),
            most_instances=most_instances,
        )


def examine(context: Context, config: ExaminationConfig, asked: Asked) -> None:
    """Examine studies: those of the run's partitions, those that are named, or those whose turn it is.

    Raises:
        Failure: checks did not pass, or studies can't be examined.
    """
    problem = ""
    try:
        with ExitStack() as stack:
            marks = ExaminationMarks(asked.data_dir.folder() / "studies")
            witnesses = asked.witnesses(stack, config.instances)
            stack.enter_context(held_open(context.instance, context.run.run_id))
            problem = _Round(context, witnesses, marks).go(_wanted(context, config, marks))
    except DicomAssetsError as error:
        problem = f"{type(error).__name__}: {error}"
    except Exception as error:  # noqa: BLE001  the outer edge: its text may quote values, and Dagster keeps texts
        problem = f"Unexpected {type(error).__name__} at {place_of(error)}."
    if problem:
        raise dg.Failure(problem, allow_retries=False) from None


@dg.op
def examine_studies(
    context: dg.OpExecutionContext,
    config: ExaminationConfig,
    local: LocalNodeResource,
    staging_pacs: StagingPacsResource,
    research_pacs: ResearchPacsResource,
    transfers: TransfersResource,
    identity_db: IdentityDbResource,
    registration: RegistrationResource,
    data_dir: DataDirResource,
) -> None:
    """Examine studies: those of the run's partitions, those that are named, or those whose turn it is."""
    examine(
        context,
        config,
        Asked(local, staging_pacs, research_pacs, transfers, identity_db, registration, data_dir),
    )


def _wanted(context: Context, config: ExaminationConfig, marks: ExaminationMarks) -> Sequence[StudyKey]:
    keys = partition_keys(context)
    if keys is not None:
        return keys
    return [StudyKey(key.strip()) for key in config.studies] or marks.longest_ago_first()[: config.limit]


class _Round:
    """One execution of the op."""

    def __init__(self, context: Context, witnesses: Witnesses, marks: ExaminationMarks) -> None:
        self._context = context
        self._witnesses = witnesses
        self._marks = marks
        self._checks = CheckLog(context)

    def go(self, study_keys: Sequence[StudyKey]) -> str:
        """Examine all of them; returns what did not pass, nothing where all did."""
        problems = []
        known = set(self._context.instance.get_dynamic_partitions(STUDIES))
        for number, study_key in enumerate(study_keys, start=1):
            self._context.log.info("%s: examined as study %d of %d", study_key, number, len(study_keys))
            said = self._examine(study_key) if study_key in known else "is no partition of `studies`"
            if said:
                problems.append(f"{study_key} {said}")
        self._context.log.info("%d studies examined, %d with findings", len(study_keys), len(problems))
        return "\n".join([f"Checks of {len(problems)} studies did not pass:", *problems]) if problems else ""

    def _examine(self, study_key: StudyKey) -> str:
        try:
            findings = examine_study(study_key, self._witnesses, _now_and_then(self._context, study_key))
        except StudyBusyError as error:
            self._context.log.warning(str(error))
            return ""
        if not findings:
            return "was not pulled yet"
        self._checks.tell(study_key, *findings)
        self._marks.mark(study_key)
        for finding in findings:
            self._log(study_key, finding)
        return ", ".join(str(one.check) for one in findings if not one.passed and not one.warns)

    def _log(self, study_key: StudyKey, finding: Finding) -> None:
        outcome = "passed" if finding.passed else "to be looked at" if finding.warns else "NOT PASSED"
        self._context.log.info("%s %s: %s %s", study_key, finding.check, outcome, finding.said)


def _now_and_then(context: Context, study_key: StudyKey) -> Progress:
    """Tells of files that were compared, of a study that takes long."""
    told_at = time.monotonic()

    def tell(done: int, total: int) -> None:
        nonlocal told_at
        if time.monotonic() - told_at > PROGRESS_SECONDS:
            told_at = time.monotonic()
            context.log.info("%s: %d of %d files compared", study_key, done, total)

    return tell


@dg.job(
    name="check_studies",
    partitions_def=studies,
    executor_def=dg.in_process_executor,
    description=(
        "Look again, changing nothing: ask both PACSs and the research database, read every file's hash, have a sample "
        "of instances compared by the independent verification. Takes partitions, or studies named in the run config, "
        "or those that were not examined for longest. Fails if a study's checks do not pass."
    ),
)
def examination() -> None:
    """The job."""
    examine_studies()
