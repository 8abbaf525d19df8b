"""Whole runs to a research PACS that offers storage commitment, and does not always commit itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial

import pytest

from dicom_assets.adapters.pacs.commitment import ReportTimes, StorageCommitment
from dicom_assets.study import Stage
from dicom_assets_tests.committing_pacs import CommittingPacs, Request, committing
from dicom_assets_tests.conftest import Site, SmallSite
from dicom_assets_tests.defs.test_bad_settings import message_of
from dicom_assets_tests.leaks import leaks
from dicom_assets_tests.small_studies import clear_errors, manifest

NO_SUCH_INSTANCE = 0x0112
Report = Callable[[Request], None]


@pytest.fixture
def committing_site(
    make_site: SmallSite, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., tuple[Site, CommittingPacs]]]:
    """Builds a site whose research PACS offers storage commitment; its reports are not waited for long."""
    times = ReportTimes(same_association=0.5, in_all=1.0, per_reference=0.0)
    monkeypatch.setattr("dicom_assets.defs.resources.StorageCommitment", partial(StorageCommitment, times=times))
    with ExitStack() as stack:

        def make(**settings: object) -> tuple[Site, CommittingPacs]:
            site = make_site((5,), **settings)
            return site, stack.enter_context(committing(site.research))

        yield make


def here(request: Request) -> None:
    """Report on the association of the request that all are kept."""
    request.report_here(request.outcome())


def failing_in_part(request: Request) -> None:
    request.report_here(request.outcome(failing=2, reason=NO_SUCH_INSTANCE))


def mentioning_one(request: Request) -> None:
    outcome = request.outcome()
    outcome.ReferencedSOPSequence = outcome.ReferencedSOPSequence[:1]
    request.report_here(outcome)


def never(_request: Request) -> None:
    """Take the request, and say nothing any more."""


def under_another_number(request: Request) -> None:
    request.report_here(request.outcome(transaction_uid="2.25.4711"))


@pytest.mark.parametrize(
    ("report", "is_marked", "said"),
    [
        (failing_in_part, True, "does not commit itself to keeping 2 of {total} (2 with reason 0x0112)"),
        (mentioning_one, True, "does not commit itself to keeping {all_but_one} of {total} (without a reason)"),
        (never, False, "took the storage commitment request for {total} instance(s) and did not report in time"),
        (under_another_number, False, "did not report in time"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_study_is_published_only_once_the_pacs_commits_itself_to_all_of_it(
    committing_site: Callable[..., tuple[Site, CommittingPacs]], report: Report, is_marked: bool, said: str
) -> None:
    site, pacs = committing_site()
    study, total = site.study(), site.study().publishable
    pacs.report = report

    message = message_of(site.deployment.execute())

    assert "at published:" in message
    assert said.format(total=total, all_but_one=total - 1) in message
    row = site.deployment.study_row(study.study_uid)
    assert (bool(row["image_published"]), bool(row["processing_error"])) == (False, is_marked)
    assert leaks(site) == []

    pacs.report = here
    clear_errors(site)
    assert site.deployment.execute().success

    facts = manifest(site, study, Stage.PUBLISHED)["facts"]
    assert (facts["storage_commitment"], facts["sent"], facts["already_there"]) == ("committed", 0, total)
    assert site.deployment.study_row(study.study_uid)["image_published"]
    assert len(site.research.offered) == total, "nothing was sent twice"


def test_report_on_an_association_of_the_pacss_own_comes_to_our_port(
    committing_site: Callable[..., tuple[Site, CommittingPacs]],
) -> None:
    site, pacs = committing_site()

    def elsewhere(request: Request) -> None:
        request.report_to(int(site.deployment.environment["LOCAL_PORT"]), request.outcome())

    pacs.report = elsewhere

    assert site.deployment.execute().success
    assert pacs.answers == [0x0000]
    assert manifest(site, site.study(), Stage.PUBLISHED)["facts"]["storage_commitment"] == "committed"


def test_study_stays_unpublished_where_commitment_is_required_and_refused(
    committing_site: Callable[..., tuple[Site, CommittingPacs]],
) -> None:
    site, pacs = committing_site(RESEARCH_PACS_STORAGE_COMMITMENT="required")
    pacs.status = 0x0122

    message = message_of(site.deployment.execute())

    assert "does not offer storage commitment, which RESEARCH_PACS_STORAGE_COMMITMENT=required asks for" in message
    assert not site.deployment.study_row(site.study().study_uid)["image_published"]
    assert not site.deployment.study_row(site.study().study_uid)["processing_error"]
