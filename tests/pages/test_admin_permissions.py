"""The gate: every address under /admin, with nobody and with every role, held against the one table of permissions."""

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import Rule

from shop.db import Database
from shop.staff.models import ROLES
from shop.staff.permissions import PERMISSIONS, may
from shop.web.admin.gate import permission_of
from tests.builders import a_product, variants_of
from tests.support.staff import Staff, staff

OPEN = {"security.login"}
SELF = {"security.logout"}


def doors(app: Flask) -> list[tuple[str, str, str]]:
    """Method, address and endpoint of everything under /admin; ids are ones that exist nowhere or are the first."""
    found: list[tuple[str, str, str]] = []
    for rule in app.url_map.iter_rules():
        if not rule.rule.startswith("/admin"):
            continue
        assert rule.methods is not None
        found += [(method, _address(rule), rule.endpoint) for method in sorted(rule.methods & {"GET", "POST"})]
    return found


def _address(rule: Rule) -> str:
    path = rule.rule
    for part in (
        "<int(max=2147483647):product_id>",
        "<int(max=2147483647):variant_id>",
        "<int(max=2147483647):image_id>",
    ):
        path = path.replace(part, "1")
    path = path.replace("<number>", "U-NONE").replace("<stripe_id>", "evt_none")
    assert "<" not in path, f"the walk does not know how to fill {path}"
    return path


def test_every_view_names_a_permission_of_the_table(app: Flask) -> None:
    walked = doors(app)
    assert len(walked) > 15
    with app.app_context():
        for _, _, endpoint in walked:
            if endpoint not in OPEN | SELF:
                assert permission_of(endpoint) in PERMISSIONS, endpoint


def test_nobody_gets_past_the_login(app: Flask, client: FlaskClient) -> None:
    for method, path, endpoint in doors(app):
        if endpoint in OPEN:
            continue
        # A browser that says "our own page" and has no cookie passes the check against forgery, and meets the gate.
        answer = client.open(path, method=method, headers={"Sec-Fetch-Site": "same-origin"})
        if endpoint in SELF:
            assert (answer.status_code, answer.location) == (302, "/admin/login")
        else:
            assert answer.status_code == 303, (method, path)
            assert answer.location.startswith("/admin/login?next="), (method, path)
        as_program = client.open(
            path, method=method, headers={"Sec-Fetch-Site": "same-origin", "Accept": "application/json"}
        )
        if endpoint not in SELF:
            assert as_program.status_code == 401, (method, path)


@pytest.mark.parametrize("role", ROLES)
def test_a_role_opens_what_the_table_says_and_nothing_else(
    app: Flask, client: FlaskClient, database: Database, role: str
) -> None:
    with database.transaction() as session:
        product = a_product(session)
        assert (product.id, variants_of(session, product)[0].id) == (1, 1)
    member = staff(client, database, role)
    refused = 0
    for method, path, endpoint in doors(app):
        if endpoint in OPEN | SELF:
            continue
        with app.app_context():
            permission = permission_of(endpoint)
        assert permission is not None
        answer = member.get(path) if method == "GET" else member.post(path)
        if may([role], permission):
            assert answer.status_code in {200, 303, 404, 409, 422}, (method, path, answer.status_code)
        else:
            refused += 1
            assert answer.status_code == 403, (method, path, answer.status_code)
            assert "does not have the right" in answer.text
    assert (refused == 0) == (role == "owner")


def test_an_account_without_a_role_sees_nothing(app: Flask, client: FlaskClient, database: Database) -> None:
    member = staff(client, database)
    with database.transaction() as session:
        session.connection().exec_driver_sql("DELETE FROM staff_roles")
    assert member.get("/admin/").status_code == 403


def test_a_view_without_a_permission_is_closed(app: Flask, client: FlaskClient, database: Database) -> None:
    member = staff(client, database)
    view = app.view_functions["admin.home"]
    permission = view.__dict__.pop("permission")
    try:
        assert member.get("/admin/").status_code == 403
    finally:
        view.__dict__["permission"] = permission


def test_every_change_needs_the_forms_token(app: Flask, client: FlaskClient, database: Database) -> None:
    member = staff(client, database)
    for method, path, _ in doors(app):
        if method == "POST":
            assert client.post(path, data={"title": "x"}).status_code == 400, path
            assert client.post(path, data={"csrf_token": "forged"}).status_code == 400, path
    assert isinstance(member, Staff)


def test_a_packer_sees_no_money(client: FlaskClient, database: Database) -> None:
    assert not may(["packer"], "money.see")
    assert may(["packer"], "orders.ship")
    assert not may([], "home.see")
    assert not may(["owner"], "a permission that nobody wrote down")
