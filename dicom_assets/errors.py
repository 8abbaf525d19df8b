"""The errors that every layer shares: one class for each distinct reaction.

Messages are read by operators and stored by Dagster. They name what is wrong and what to do in
terms of study keys, tags, counts, statuses and settings, and never contain a value of a data set.
"""

from __future__ import annotations


class DicomAssetsError(Exception):
    """Base of everything that is raised on purpose.

    `trace` (*identified*) is what somebody else's code said, for a run's locked folder alone.
    """

    trace: str = ""


class ConfigurationError(DicomAssetsError):
    """A setting, a database or a port is not as the run needs it: the run stops and a person acts."""


class ProfileError(ConfigurationError):
    """A de-identification profile can't be read; the message names line and field."""


class StudyError(DicomAssetsError):
    """This study can't go on until a person acts; its review row is marked with the message."""


class StudyNotFoundError(StudyError):
    """The staging PACS answers that it has no instance of the study."""


class StudyNotApprovedError(StudyError):
    """The review database does not, or no longer, approve the study."""


class StudyWithdrawnError(StudyNotApprovedError):
    """The study was withdrawn; no run may publish it until a person lifts that."""


class RegistrationRefusedError(StudyError):
    """The research database can't link the study: it stays unpublished, under `no_encounter`."""


class RegistrationFailedError(StudyError):
    """The registration hook broke, or said what can't be used."""


class IncompleteStudyError(StudyError):
    """The staging PACS lists instances that it does not deliver, however often it is asked."""


class ChangedContentError(StudyError):
    """A file is not what its manifest says was written."""


class TransientError(DicomAssetsError):
    """This study failed for a reason that may pass; its review row is left alone, the next run tries again."""


class RegistrationAwayError(TransientError):
    """The registration hook does not answer, or asks to be asked again later."""


class PacsError(TransientError):
    """A PACS is away, or refuses an association."""


class PacsAwayError(PacsError):
    """A PACS does not answer, is busy, or out of resources for now: worth another try within the same step."""


class NothingAcceptedError(PacsError):
    """A PACS took the association, but none of the services or SOP Classes that were proposed."""


class RemovalNotOfferedError(PacsError):
    """A PACS does not let us delete a study: a person has to."""


class PacsStatusError(PacsError):
    """A PACS ended an operation with a failure status.

    `blames_study` is False where the cause may be a setting, as for a move destination, which holds for all studies.
    """

    def __init__(self, message: str, *, blames_study: bool, status: int = 0) -> None:
        super().__init__(message)
        self.blames_study = blames_study
        self.status = status


class RunStoppedError(TransientError):
    """Somebody ended the run; the study goes on with the next one."""


class StudyBusyError(TransientError):
    """Another run works on this study at this moment."""


class StageNotReadyError(TransientError):
    """A stage was asked for whose earlier stage is not up to date."""


class StorageError(TransientError):
    """A folder can't be written or read: disk full, no permission."""
