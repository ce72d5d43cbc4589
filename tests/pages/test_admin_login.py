"""Logging in to the back office: one answer to every wrong pair, a limit to guessing, and nowhere else to be sent."""

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from shop.db import Database
from shop.staff.accounts import set_password
from shop.staff.models import AuditEntry, StaffUser
from shop.web.admin.login import WRONG
from tests.support.staff import PASSWORD, Staff, an_account, staff, token_of


def test_the_right_pair_opens_the_back_office(client: FlaskClient, database: Database) -> None:
    email = an_account(database)
    answer = Staff(client).log_in(email)
    assert (answer.status_code, answer.location) == (302, "/admin/")
    home = client.get("/admin/")
    assert home.status_code == 200
    assert email in home.text
    assert home.headers["Cache-Control"] == "no-store"


def test_an_address_is_the_same_in_capitals(client: FlaskClient, database: Database) -> None:
    an_account(database)
    assert Staff(client).log_in("Desk@Example.COM").status_code == 302


@pytest.mark.parametrize(
    ("email", "password"),
    [
        ("desk@example.com", "wrong horse battery"),
        ("nobody@example.com", PASSWORD),
        ("not an address", PASSWORD),
        ("", ""),
        ("desk@example.com", ""),
        ("desk@example.com\x00", PASSWORD),
        ("desk@example.com", PASSWORD + "\x00"),
        ("desk@example.com", "p" * 100_000),
    ],
)
def test_every_wrong_pair_gets_the_same_answer(
    client: FlaskClient, database: Database, email: str, password: str
) -> None:
    an_account(database)
    member = Staff(client)
    answer = member.log_in(email, password)
    assert answer.status_code == 422
    assert answer.text.count(WRONG) == 1
    assert "field-error" not in answer.text
    assert client.get("/admin/").status_code == 303


def test_an_account_put_to_rest_cannot_log_in(client: FlaskClient, database: Database) -> None:
    email = an_account(database)
    with database.transaction() as session:
        session.scalars(select(StaffUser)).one().active = False
    answer = Staff(client).log_in(email)
    assert answer.status_code == 422
    assert WRONG in answer.text


def test_guessing_is_slowed_down(client: FlaskClient, database: Database) -> None:
    email = an_account(database)
    member = Staff(client)
    answers = [member.log_in(email, f"wrong horse battery {n}").status_code for n in range(11)]
    assert answers == [422] * 10 + [429]
    refused = member.log_in(email)
    assert refused.status_code == 429
    assert "A little slower" in refused.text
    assert "Back office" in refused.text


def test_guessing_from_every_address_of_a_network_is_slowed_down_too(client: FlaskClient, database: Database) -> None:
    """Whoever has one address of IPv6 has 2**64 of them."""
    email = an_account(database)
    member = Staff(client)

    def guess(address: str) -> int:
        client.environ_base["REMOTE_ADDR"] = address
        return member.log_in(email, "wrong horse battery").status_code

    assert [guess(f"2001:db8:0:1:{n:x}::1") for n in range(11)] == [422] * 10 + [429]
    assert guess("2001:db8:0:2::1") == 422
    assert guess("192.0.2.1") == 422
    assert guess("::ffff:192.0.2.2") == 422


def test_a_login_without_the_forms_token_is_refused(client: FlaskClient, database: Database) -> None:
    email = an_account(database)
    client.get("/admin/login")
    answer = client.post("/admin/login", data={"email": email, "password": PASSWORD})
    assert answer.status_code == 400
    assert client.get("/admin/").status_code == 303


def test_nobody_is_remembered_by_a_second_cookie(client: FlaskClient, database: Database) -> None:
    email = an_account(database)
    member = Staff(client)
    member.token = token_of(client.get("/admin/login"))
    answer = member.post("/admin/login", {"email": email, "password": PASSWORD, "remember": "y"})
    assert answer.status_code == 302
    assert client.get_cookie("remember_token") is None
    assert "HttpOnly" in str(answer.headers.getlist("Set-Cookie"))


def test_logging_in_leads_where_one_wanted_to_go(client: FlaskClient, database: Database) -> None:
    email = an_account(database)
    sent_away = client.get("/admin/orders?status=paid")
    assert sent_away.status_code == 303
    assert sent_away.location == "/admin/login?next=/admin/orders?status%3Dpaid"
    assert Staff(client).log_in(email, next="/admin/orders?status=paid").location == "/admin/orders?status=paid"


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        " //evil.example",
        "http:evil.example",
        "javascript:alert(1)",
    ],
)
def test_logging_in_never_leads_to_another_site(client: FlaskClient, database: Database, elsewhere: str) -> None:
    email = an_account(database)
    answer = Staff(client).log_in(email, next=elsewhere)
    assert (answer.status_code, answer.location) == (302, "/admin/")


def test_logging_out_takes_a_form_of_ours(client: FlaskClient, database: Database) -> None:
    member = staff(client, database)
    assert client.get("/admin/logout").status_code == 405
    assert client.post("/admin/logout").status_code == 400
    assert client.get("/admin/").status_code == 200
    assert member.post("/admin/logout").status_code == 302
    assert client.get("/admin/").status_code == 303


def test_a_login_ends_after_a_working_day(client: FlaskClient, database: Database) -> None:
    with time_machine.travel("2026-05-04 08:00:00Z", tick=False) as clock:
        staff(client, database)
        clock.shift(11 * 3600)
        assert client.get("/admin/").status_code == 200
        clock.shift(2 * 3600)
        assert client.get("/admin/").status_code == 303


def test_a_new_password_ends_the_sessions_of_the_old_one(client: FlaskClient, database: Database) -> None:
    staff(client, database)
    set_password(database, "desk@example.com", "another horse battery")
    assert client.get("/admin/").status_code == 303


def test_a_login_is_written_down_and_changes_no_hash(client: FlaskClient, database: Database) -> None:
    email = an_account(database)
    with database.reading() as session:
        before = session.scalars(select(StaffUser.password)).one()
    Staff(client).log_in(email)
    with database.reading() as session:
        user = session.scalars(select(StaffUser)).one()
        assert user.password == before
        assert (user.login_count, user.current_login_ip) == (1, "127.0.0.1")
        assert session.scalars(select(AuditEntry.action)).all() == ["login"]


def test_a_readers_page_is_not_made_to_look_at_cookies_by_the_login(app: Flask, client: FlaskClient) -> None:
    answer = client.get("/healthz")
    assert "Cookie" not in answer.headers.get("Vary", "")
    theirs = ("flask_login", "flask_principal", "flask_security")
    hooks = [*app.before_request_funcs[None], *app.after_request_funcs[None], *app.template_context_processors[None]]
    assert not [hook for hook in hooks if hook.__module__.startswith(theirs)]


def test_a_database_that_fails_gives_a_page_in_the_back_offices_look(
    client: FlaskClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    staff(client, database)

    def fail(*args: object, **kwargs: object) -> None:
        raise OperationalError("SELECT", {}, Exception("the server has gone away"))

    monkeypatch.setattr("flask_security.datastore.FSQLALiteUserDatastore.find_user", fail)
    answer = client.get("/admin/")
    assert answer.status_code == 500
    assert "Something broke on our side" in answer.text
    assert "Back office" in answer.text
