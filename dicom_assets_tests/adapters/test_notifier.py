"""Messages reach a real mail server and a real webhook, and wait where one is away."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dicom_assets.adapters.notifier import Notifier
from dicom_assets.adapters.outbox import Outbox
from dicom_assets.errors import ConfigurationError
from dicom_assets_tests.deployment import free_port
from dicom_assets_tests.mailbox import Mailbox, addresses, running_mailbox
from dicom_assets_tests.web_server import Answer, WebServer, web_server

NOW = datetime.now(UTC)
SECRET = "sentinel-password"


@pytest.fixture(scope="module")
def mail_server() -> Iterator[Mailbox]:
    with running_mailbox() as mailbox:
        yield mailbox


@pytest.fixture
def mailbox(mail_server: Mailbox) -> Mailbox:
    mail_server.messages.clear()
    mail_server.status = "250 taken"
    return mail_server


@pytest.fixture
def hook() -> Iterator[WebServer]:
    with web_server(lambda _asked: Answer(200)) as server:
        yield server


def address_of(server: WebServer) -> str:
    return f"json://127.0.0.1:{server.server_port}/hook"


def bodies(server: WebServer) -> list[str]:
    return [json.loads(asked.body)["message"] for asked in server.asked]


def test_a_message_reaches_everybody(tmp_path: Path, mailbox: Mailbox, hook: WebServer) -> None:
    notifier = Notifier.of(addresses(tmp_path, mailbox.address, address_of(hook)))

    assert notifier.send("a title", "first line\nsecond line") == []

    [text] = mailbox.texts()
    assert text.startswith("a title\n")
    assert "first line" in text
    assert "second line" in text
    assert mailbox.messages[0]["To"] == "ops@example.org"
    [asked] = hook.asked
    assert (asked.method, asked.path) == ("POST", "/hook")
    assert json.loads(asked.body)["title"] == "a title"
    assert bodies(hook) == ["first line\nsecond line"]


def test_who_does_not_take_it_is_told_by_line_and_kind_alone(tmp_path: Path, mailbox: Mailbox) -> None:
    away = f"json://user:{SECRET}@127.0.0.1:{free_port()}/"
    notifier = Notifier.of(addresses(tmp_path, mailbox.address, away))

    [absent] = notifier.send("a", "b")

    assert str(absent) == "line 4 (json)"
    assert SECRET not in repr(notifier.targets) + str(absent)
    assert len(mailbox.messages) == 1


def test_a_mail_server_that_refuses_has_not_taken_it(tmp_path: Path, mailbox: Mailbox) -> None:
    mailbox.status = "550 no such user"

    assert len(Notifier.of(addresses(tmp_path, mailbox.address)).send("a", "b")) == 1


@pytest.mark.parametrize("status", [301, 404, 500])
def test_a_webhook_that_fails_has_not_taken_it(tmp_path: Path, status: int) -> None:
    with web_server(lambda _asked: Answer(status)) as server:
        assert len(Notifier.of(addresses(tmp_path, address_of(server))).send("a", "b")) == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "names no address"),
        (b"# nothing\n\n", "names no address"),
        (f"mailto://a:{SECRET}@\nnonsense://{SECRET}".encode(), "line"),
        (f"\n{SECRET}".encode(), "line 2 is no address"),
        (b"\xff\xfe", "no UTF-8"),
        (b"x" * 70_000, "larger"),
    ],
)
def test_a_file_that_can_not_be_used_is_told_without_its_content(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "notify"
    file.write_bytes(content)

    with pytest.raises(ConfigurationError, match=said) as error:
        Notifier.of(file)

    assert "NOTIFY_URLS_FILE" in str(error.value)
    assert SECRET not in str(error.value)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="FileNotFoundError"):
        Notifier.of(tmp_path / "nowhere")


class TestOutbox:
    def test_a_message_is_sent_once(self, tmp_path: Path, mailbox: Mailbox) -> None:
        outbox, notifier = Outbox(tmp_path), Notifier.of(addresses(tmp_path, mailbox.address))
        outbox.put("one", "a title", "a body")

        first, second = outbox.deliver(notifier), outbox.deliver(notifier)

        assert (first.taken, second.taken) == (1, 0)
        assert len(mailbox.messages) == 1
        assert list(outbox.waiting()) == []

    def test_a_message_of_the_same_name_is_one_message(self, tmp_path: Path) -> None:
        outbox = Outbox(tmp_path)
        outbox.put("one", "before", "")
        outbox.put("one", "after", "")

        assert [message.title for message in outbox.waiting()] == ["after"]

    def test_a_message_waits_longer_and_longer_for_who_is_away_and_goes_out_in_the_end(
        self, tmp_path: Path, hook: WebServer
    ) -> None:
        port = free_port()
        away = f"mailto://127.0.0.1:{port}/?from=a@example.org&to=b@example.org&mode=insecure"
        outbox, notifier = Outbox(tmp_path), Notifier.of(addresses(tmp_path, away, address_of(hook)))
        outbox.put("one", "a title", "a body")

        rounds = [outbox.deliver(notifier, NOW + timedelta(seconds=seconds)) for seconds in (1, 30, 62)]
        tries = [message.tries for message in outbox.waiting()]
        with running_mailbox(port) as mailbox:
            last = outbox.deliver(notifier, NOW + timedelta(hours=2))

        assert [one.waiting for one in rounds] == [1] * 3
        assert tries == [2]
        assert "not taken by line 3 (mailto)" in rounds[0].said()
        assert last.taken == 1
        assert len(mailbox.messages) == 1
        assert len(hook.asked) == 1, "who took it is not told again"

    def test_a_message_is_given_up_after_three_days_and_said_to_be(self, tmp_path: Path) -> None:
        away = f"json://127.0.0.1:{free_port()}/"
        outbox, notifier = Outbox(tmp_path), Notifier.of(addresses(tmp_path, away))
        outbox.put("one", "a title", "a body")

        round_ = outbox.deliver(notifier, NOW + timedelta(days=4))

        assert list(round_.given_up) == ["a title"]
        assert "given up" in round_.said()
        assert list(outbox.waiting()) == []

    def test_one_that_is_away_does_not_hold_up_many_messages(self, tmp_path: Path) -> None:
        away = f"json://127.0.0.1:{free_port()}/"
        outbox, notifier = Outbox(tmp_path), Notifier.of(addresses(tmp_path, away))
        for number in range(100):
            outbox.put(f"message {number}", "a title", "a body")

        round_ = outbox.deliver(notifier)

        assert round_.waiting == 100
        assert sum(message.tries for message in outbox.waiting()) == 1

    def test_files_hold_no_address_and_are_for_their_owner_alone(self, tmp_path: Path) -> None:
        away = f"json://user:{SECRET}@127.0.0.1:{free_port()}/"
        outbox, notifier = Outbox(tmp_path / "data"), Notifier.of(addresses(tmp_path, away))
        outbox.put("../one", "a title", "a body")
        outbox.deliver(notifier)

        [file] = (tmp_path / "data" / "outbox").glob("*.json")
        assert SECRET not in file.read_text()
        assert file.parent.stat().st_mode & 0o077 == 0

    def test_a_file_that_is_no_message_stops_no_other(self, tmp_path: Path, mailbox: Mailbox) -> None:
        outbox, notifier = Outbox(tmp_path), Notifier.of(addresses(tmp_path, mailbox.address))
        outbox.put("one", "a title", "a body")
        (tmp_path / "outbox" / "other.json").write_text("{")

        assert outbox.deliver(notifier).taken == 1
