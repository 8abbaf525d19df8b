"""Opening everything that the withdrawal of a study needs, and closing it again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from dicom_assets.adapters.between_runs import BetweenRuns
from dicom_assets.adapters.dicomweb.pacs import DicomwebPacs
from dicom_assets.adapters.pacs.association import silence_dicom_libraries
from dicom_assets.adapters.study_store import FolderStudyStore
from dicom_assets.adapters.withdrawals import FolderWithdrawals
from dicom_assets.defs.surroundings import Resources, refuse_one_pacs_at_both_ends
from dicom_assets.steps.withdraw_study import Surroundings


@contextmanager
def open_withdrawing(
    resources: Resources, by: str, *, read_only: bool = False, may_delete: bool = True
) -> Iterator[Surroundings]:
    """Everything a withdrawal meets; `read_only` for those who only look, without `may_delete` nothing is deleted.

    Raises:
        ConfigurationError: a setting or a database is not as it has to be.
    """
    silence_dicom_libraries()
    refuse_one_pacs_at_both_ends(resources)
    data_dir = resources.data_dir.folder()
    with ExitStack() as stack:
        research_pacs = resources.research_pacs.connect(resources.local.node())
        if isinstance(research_pacs, DicomwebPacs):
            stack.callback(research_pacs.close)
        yield Surroundings(
            research_pacs=research_pacs,
            remover=resources.research_pacs.remover() if may_delete else None,
            review_db=stack.enter_context(resources.review_db.open(read_only=read_only)),
            identity_db=stack.enter_context(resources.identity_db.open(dry_run=True)),
            registration=stack.enter_context(resources.registration.open(read_only=read_only)),
            store=FolderStudyStore(data_dir / "studies"),
            withdrawals=FolderWithdrawals(data_dir),
            audit=BetweenRuns(data_dir),
            by=by,
        )
