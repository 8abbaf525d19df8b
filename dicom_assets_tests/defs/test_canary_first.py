"""Nothing identified is moved before a canary has shown where C-MOVE goes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dicom_assets.adapters.pacs.association import Timeouts
from dicom_assets.adapters.pacs.canary import ACCEPTANCE
from dicom_assets.demo.embedded_pacs import EmbeddedPacs
from dicom_assets_tests.conftest import Site, SmallSite, running_site
from dicom_assets_tests.defs.test_bad_settings import message_of
from dicom_assets_tests.deployment import free_port
from dicom_assets_tests.leaks import leaks
from dicom_assets_tests.scripted_pacs import Gate
from dicom_assets_tests.small_studies import INSTANCES, small_study


@contextmanager
def wrong_machine(folder: Path, port: int) -> Iterator[EmbeddedPacs]:
    """Somebody else who answers to our AE title."""
    folder.mkdir()
    with EmbeddedPacs("DICOM_ASSETS", port, folder, {}) as stranger:
        yield stranger


@pytest.mark.parametrize("dry_run", [False, True], ids=["real", "dry"])
def test_the_canary_is_moved_once_a_run(tmp_path: Path, dry_run: bool) -> None:
    studies = [small_study(21, "one of two"), small_study(22, "the other")]
    with running_site(tmp_path, studies, STAGING_PACS_PROTOCOL="c-move") as site:
        assert site.deployment.execute({"dry_run": dry_run}).success

    assert len(site.staging.handed_out) == 2 * INSTANCES
    assert site.staging.canaries == 1
    assert "canary_arrived" in [event["event"] for event in site.deployment.events()]
    assert "Risk accepted" not in site.deployment.overview()


def test_no_canary_is_moved_where_studies_come_by_c_get(make_site: SmallSite) -> None:
    site = make_site((5,))

    assert site.deployment.execute().success

    assert site.staging.canaries == 0


@pytest.mark.parametrize("dry_run", [False, True], ids=["real", "dry"])
def test_nothing_identified_is_moved_to_a_wrong_machine(make_site: SmallSite, tmp_path: Path, dry_run: bool) -> None:
    site = make_site((5,), STAGING_PACS_PROTOCOL="c-move")
    theirs = int(site.deployment.environment["LOCAL_PORT"])
    with wrong_machine(tmp_path / "stranger", theirs) as stranger:
        site.deployment.set(LOCAL_PORT=free_port())
        result = site.deployment.execute({"dry_run": dry_run})
        arrived = stranger.count()

    assert not result.success
    assert "did not arrive here" in message_of(result)
    assert f"registered there as 127.0.0.1 port {site.deployment.environment['LOCAL_PORT']}" in message_of(result)
    assert site.staging.canaries == 1
    assert arrived == 1, "the canary, which anybody may see"
    assert site.staging.handed_out == []
    assert [event["event"] for event in site.deployment.events()][-2:] == ["canary_lost", "run_stopped"]
    assert not site.deployment.study_row(site.study().study_uid)["processing_error"]
    assert leaks(site) == []


STUDIES = tuple(small_study(number, "one of three") for number in (21, 22, 23))


@contextmanager
def site_and_stranger(folder: Path, **settings: object) -> Iterator[tuple[Site, EmbeddedPacs]]:
    """A site that pulls by C-MOVE, and somebody else whom the staging PACS may take for us."""
    with (
        running_site(folder, STUDIES, STAGING_PACS_PROTOCOL="c-move", **settings) as site,
        wrong_machine(folder / "stranger", free_port()) as stranger,
    ):
        yield site, stranger


def marked(site: Site) -> list[bool]:
    return [bool(site.deployment.study_row(study.study_uid)["processing_error"]) for study in STUDIES]


def test_first_images_that_go_astray_without_a_canary_are_the_last_that_are_moved(tmp_path: Path) -> None:
    accepted = {"STAGING_PACS_CANARY_UID": "", "STAGING_PACS_MOVE_WITHOUT_CANARY": ACCEPTANCE}
    with site_and_stranger(tmp_path, **accepted) as (site, stranger):
        site.staging.destinations["DICOM_ASSETS"] = ("127.0.0.1", stranger.port)
        message = message_of(site.deployment.execute({"workers": 1}))
        arrived = stranger.count()

    assert arrived == len(site.staging.handed_out) == INSTANCES
    assert message.count("Images may have gone to a wrong machine, so nothing else is moved") == len(STUDIES)
    assert f"says that it sent {INSTANCES} instance(s), and none arrived here" in message
    assert marked(site) == [False, False, False]


def test_an_entry_of_the_pacs_that_changes_after_the_canary_is_noticed_with_the_next_study(tmp_path: Path) -> None:
    with site_and_stranger(tmp_path) as (site, stranger):

        def change(study_uid: str) -> None:
            if study_uid == STUDIES[1].study_uid:
                site.staging.destinations["DICOM_ASSETS"] = ("127.0.0.1", stranger.port)

        site.staging.before_move = change
        message = message_of(site.deployment.execute({"workers": 1}))
        arrived = stranger.count()

    assert arrived == INSTANCES + 1, "one study, and the canary"
    assert len(site.staging.handed_out) == 2 * INSTANCES
    assert message.count("so nothing else is moved") == 2
    assert marked(site) == [False, False, False]


def test_a_study_that_alone_goes_elsewhere_is_not_asked_for_again_and_waits_for_a_person(tmp_path: Path) -> None:
    with site_and_stranger(tmp_path) as (site, stranger):
        ours = site.staging.destinations["DICOM_ASSETS"]

        def route(study_uid: str) -> None:
            theirs = ("127.0.0.1", stranger.port)
            site.staging.destinations["DICOM_ASSETS"] = theirs if study_uid == STUDIES[0].study_uid else ours

        site.staging.before_move = route
        message = message_of(site.deployment.execute({"workers": 1}))

    assert "The canary did arrive; so find out from the PACS's log where it sent these" in message
    assert site.staging.canaries == 2
    assert len(site.staging.handed_out) == 3 * INSTANCES
    assert marked(site) == [True, False, False]


def test_a_run_without_a_canary_does_not_start(make_site: SmallSite) -> None:
    site = make_site((5,), STAGING_PACS_PROTOCOL="c-move", STAGING_PACS_CANARY_UID="")

    message = message_of(site.deployment.execute())

    assert "dicom-assets canary send" in message
    assert ACCEPTANCE in message
    assert site.staging.handed_out == []


def test_the_acceptance_in_so_many_words_lets_it_start_and_is_written_down(make_site: SmallSite) -> None:
    site = make_site(
        (5,),
        STAGING_PACS_PROTOCOL="c-move",
        STAGING_PACS_CANARY_UID="",
        STAGING_PACS_MOVE_WITHOUT_CANARY=ACCEPTANCE,
    )

    assert site.deployment.execute().success

    assert f"Risk accepted in the settings, C-MOVE without a canary: {ACCEPTANCE}" in site.deployment.overview()
    [event] = [event for event in site.deployment.events() if event["event"] == "risk_accepted"]
    assert event["reason"] == ACCEPTANCE
    assert site.staging.canaries == 0


@pytest.mark.parametrize("words", ["yes", "I accept", ACCEPTANCE.lower(), f"{ACCEPTANCE}."])
def test_other_words_accept_nothing(make_site: SmallSite, words: str) -> None:
    site = make_site(
        (5,), STAGING_PACS_PROTOCOL="c-move", STAGING_PACS_CANARY_UID="", STAGING_PACS_MOVE_WITHOUT_CANARY=words
    )

    assert "word for word" in message_of(site.deployment.execute())
    assert site.staging.handed_out == []


def test_a_canary_that_is_set_flies_though_the_risk_was_accepted(make_site: SmallSite) -> None:
    site = make_site((5,), STAGING_PACS_PROTOCOL="c-move", STAGING_PACS_MOVE_WITHOUT_CANARY=ACCEPTANCE)

    assert site.deployment.execute().success

    assert site.staging.canaries == 1
    assert "Risk accepted" not in site.deployment.overview()


@pytest.mark.parametrize(
    ("uid", "said"), [("a canary", "is not a UID"), ("2.25.4711", "has no study of STAGING_PACS_CANARY_UID")]
)
def test_a_canary_that_is_not_there_stops_the_run(make_site: SmallSite, uid: str, said: str) -> None:
    site = make_site((5,), STAGING_PACS_PROTOCOL="c-move", STAGING_PACS_CANARY_UID=uid)

    assert said in message_of(site.deployment.execute())
    assert site.staging.handed_out == []


def test_a_whole_study_is_no_canary(make_site: SmallSite) -> None:
    site = make_site((5,), STAGING_PACS_PROTOCOL="c-move")
    site.deployment.set(STAGING_PACS_CANARY_UID=site.study().study_uid)

    message = message_of(site.deployment.execute())

    assert f"has {site.study().instances} instances" in message
    assert site.study().study_uid not in message
    assert site.staging.handed_out == []


def test_a_pacs_that_is_away_fails_the_studies_for_now_and_the_next_run_sends_the_canary_first(
    make_site: SmallSite,
) -> None:
    site = make_site((5,), STAGING_PACS_PROTOCOL="c-move")
    port = site.deployment.environment["STAGING_PACS_PORT"]
    site.deployment.set(STAGING_PACS_PORT=free_port())
    away = site.deployment.execute()
    events = [event["event"] for event in site.deployment.events()]
    site.deployment.set(STAGING_PACS_PORT=port)

    assert "at pulled: Nothing answers" in message_of(away)
    assert "canary_waits" in events
    assert site.deployment.execute().success
    assert site.staging.canaries == 1


def test_a_pacs_that_never_gets_to_the_end_is_given_up(make_site: SmallSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dicom_assets.defs.resources.CANARY_TIMEOUTS", Timeouts(whole=2))
    site = make_site((5,), STAGING_PACS_PROTOCOL="c-move")
    gate = Gate()
    site.staging.before_canary = gate.stop

    message = message_of(site.deployment.execute())
    gate.open()

    assert "The canary did not arrive here" in message
    assert site.staging.handed_out == []
