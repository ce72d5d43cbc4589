"""Answers that are the same for everybody come from memory, and are gone from it when something changes."""

import gzip
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask, Response, make_response, request, session
from werkzeug.test import Client, TestResponse

from shop.catalog.models import CatalogueClock
from shop.db import Database, now
from shop.web import kept_answers
from shop.web.kept_answers import KEPT, Keeping, KeptAnswers, Pulse
from tests.support.statements import statements


class Stand:
    """A small app behind the kept answers, which counts how often it is asked."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.asked = 0
        self.told = 0
        self.keeping: Keeping | None = Keeping(told=self._tell)
        self.body = "the card"
        self.status = 200
        app = Flask("stand", static_folder=None)
        app.secret_key = "stand"
        app.add_url_rule("/kept", view_func=self._answer, methods=["GET", "POST"])
        app.add_url_rule("/other", endpoint="other", view_func=self._answer)
        app.add_url_rule("/cookie", endpoint="cookie", view_func=self._answer_with_cookie)
        self.pulse = Pulse(database.engine)
        self.kept = KeptAnswers(app.wsgi_app, self.pulse, ("/kept", "/cookie"))
        self.client = Client(self.kept)

    def _tell(self) -> None:
        self.told += 1

    def _answer(self) -> Response:
        self.asked += 1
        if self.keeping is not None:
            request.environ[KEPT] = self.keeping
        return make_response(self.body, self.status, {"X-Request-Id": str(self.asked), "Surrogate-Key": "product-1"})

    def _answer_with_cookie(self) -> Response:
        session["reader"] = 1
        return self._answer()

    def get(self, address: str = "/kept", times: int = 1, **given: Any) -> TestResponse:
        answers = [self.client.get(address, **given) for _ in range(times)]
        return answers[-1]

    def something_changes(self, column: str = "stories") -> None:
        with self.database.transaction() as work:
            work.execute(sa.update(CatalogueClock).values({column: getattr(CatalogueClock, column) + 1}))
        self.pulse.look_again()


@pytest.fixture
def stand(database: Database) -> Iterator[Stand]:
    return Stand(database)


def test_what_was_asked_for_twice_is_given_from_memory_and_without_a_statement(stand: Stand) -> None:
    stand.get(times=2)
    with statements(stand.database.engine) as sent:
        answer = stand.get(times=50)
    assert (answer.text, stand.asked, sent) == ("the card", 2, [])
    assert answer.headers["Surrogate-Key"] == "product-1"


def test_each_answer_is_counted_also_those_from_memory(stand: Stand) -> None:
    stand.get(times=7)
    assert stand.told == 7


@pytest.mark.parametrize("clock", ["version", "stories"])
def test_when_something_changes_the_next_reader_sees_it(stand: Stand, clock: str) -> None:
    stand.get(times=3)
    stand.body = "another card"
    assert stand.get().text == "the card"
    stand.something_changes(clock)
    assert stand.get().text == "another card"


def test_a_process_looks_at_the_clocks_by_itself_within_a_second(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    assert kept_answers.LOOK_EVERY <= 1
    stand.get(times=3)
    later = time.monotonic() + kept_answers.LOOK_EVERY
    monkeypatch.setattr("time.monotonic", lambda: later)
    with statements(stand.database.engine) as sent:
        stand.get()
    assert len(sent) == 1
    assert stand.asked == 2


def test_what_ends_by_itself_is_not_given_beyond_its_end(stand: Stand) -> None:
    stand.keeping = Keeping(until=now() - timedelta(seconds=1))
    stand.get(times=5)
    assert stand.asked == 5


def test_what_has_no_clock_such_as_the_stock_is_seen_within_two_seconds(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand.get(times=3)
    assert kept_answers.LONGEST <= 2
    later = time.monotonic() + kept_answers.LONGEST
    monkeypatch.setattr("time.monotonic", lambda: later)
    stand.get()
    assert stand.asked == 3


def test_an_answer_that_says_nothing_of_keeping_is_a_new_one_each_time(stand: Stand) -> None:
    stand.keeping = None
    stand.get(times=3)
    assert stand.asked == 3


def test_other_addresses_and_other_methods_are_none_of_its_business(stand: Stand) -> None:
    stand.get("/other", times=3)
    for _ in range(3):
        stand.client.post("/kept")
    assert (stand.asked, len(stand.kept)) == (6, 0)


def test_a_readers_cookie_neither_reaches_the_app_nor_is_ever_kept(stand: Stand) -> None:
    for _ in range(3):
        assert "Set-Cookie" in stand.get("/cookie", headers={"Cookie": "session=mine"}).headers
    assert (stand.asked, len(stand.kept)) == (3, 0)


def test_invented_addresses_fill_no_memory_and_push_nothing_out(stand: Stand) -> None:
    stand.get(times=2)
    for number in range(kept_answers.MOST_ANSWERS * 2):
        stand.get(f"/kept?story={number}")
    asked = stand.asked
    stand.get()
    assert (stand.asked, len(stand.kept)) == (asked, 1)


def test_the_memory_has_an_end_though_every_address_is_asked_for_twice(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_answers, "MOST_BYTES", 100_000)
    stand.body = "x" * 4000
    for number in range(100):
        stand.get(f"/kept?story={number}", times=2)
    assert 0 < len(stand.kept) < 17


def test_a_browser_that_has_it_is_told_so_in_the_form_that_it_has(stand: Stand) -> None:
    stand.body = "the card " * 100
    first = stand.get(times=2, headers={"Accept-Encoding": "gzip, br"})
    assert gzip.decompress(first.data).decode() == stand.body
    plain = stand.get()
    assert plain.text == stand.body
    assert not {first.headers["ETag"][:2], plain.headers["ETag"][:2]} & {"W/"}
    assert first.headers["ETag"] != plain.headers["ETag"]
    assert plain.headers["Vary"] == "Accept-Encoding"
    again = stand.get(headers={"Accept-Encoding": "gzip, br", "If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", first.headers["ETag"])
    assert stand.get(headers={"If-None-Match": '"another"'}).status_code == 200


def test_the_first_answer_is_in_the_readers_form_too(stand: Stand) -> None:
    stand.body = "the card " * 100
    assert gzip.decompress(stand.get(headers={"Accept-Encoding": "gzip"}).data).decode() == stand.body
    head = stand.client.head("/kept")
    assert (head.status_code, head.data, head.headers["Content-Length"]) == (200, b"", str(len(stand.body)))


def test_what_belongs_to_one_request_is_not_given_to_another(stand: Stand) -> None:
    stand.get(times=2)
    assert "X-Request-Id" not in stand.get().headers


def test_with_the_database_away_the_app_itself_answers(stand: Stand) -> None:
    stand.get(times=2)
    stand.something_changes()
    with stand.database.transaction() as work:
        work.execute(sa.delete(CatalogueClock))
    stand.get(times=2)
    assert stand.asked == 4
    with stand.database.transaction() as work:
        work.add(CatalogueClock(id=1, version=1))
