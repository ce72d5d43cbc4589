"""Members of staff for tests of the back office: an account, a login through the real form, and forms sent with their token."""

import re
from collections.abc import Sequence
from typing import Any

from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from shop.db import Database
from shop.staff.accounts import add_staff
from shop.staff.models import AuditEntry
from tests.support.reader import Reader

PASSWORD = "correct horse battery"


def an_account(database: Database, *roles: str, email: str = "desk@example.com") -> str:
    """Make an account with these roles (the owner's if none is named) and return its address."""
    with database.transaction() as session:
        add_staff(session, email, PASSWORD, roles or ("owner",))
    return email


def token_of(page: TestResponse) -> str:
    """The token in a page's forms."""
    found = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
    assert found, "the page has no form"
    return found[1]


class Staff:
    """A member of staff at a browser: follows redirects by hand, sends forms with the token of the login page."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client
        self.token = ""

    def log_in(self, email: str, password: str = PASSWORD, next: str = "") -> TestResponse:  # noqa: A002
        page = self.client.get("/admin/login", query_string={"next": next} if next else {})
        self.token = token_of(page)
        return self.post("/admin/login", {"email": email, "password": password, "next": next})

    def get(self, path: str, **query: Any) -> TestResponse:
        return self.client.get(path, query_string=query)

    def post(self, path: str, fields: dict[str, Any] | Sequence[tuple[str, Any]] = (), **kwargs: Any) -> TestResponse:
        sent = dict(fields)
        return self.client.post(path, data={"csrf_token": self.token, **sent}, **kwargs)


def staff(client: FlaskClient, database: Database, *roles: str, email: str = "desk@example.com") -> Staff:
    """Somebody with these roles (the owner's if none is named), logged in."""
    an_account(database, *roles, email=email)
    member = Staff(client)
    answer = member.log_in(email)
    assert answer.status_code == 302, answer.text
    return member


def a_desk(client: FlaskClient, database: Database, *roles: str) -> Reader:
    """Somebody with these roles (the owner's if none is named), logged in, who sends the forms that pages hold."""
    staff(client, database, *roles)
    return Reader(client)


def trail(database: Database) -> list[tuple[str, str, dict[str, Any]]]:
    """Action, subject and changes of every line of the audit trail but those about logging in, the oldest first."""
    with database.reading() as session:
        rows = session.scalars(select(AuditEntry).where(AuditEntry.action != "login").order_by(AuditEntry.id)).all()
        return [(row.action, row.subject, row.changes) for row in rows]
