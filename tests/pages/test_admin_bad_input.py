"""Whatever is typed into any field of the back office, or stands in an address: an answer, and never a broken page."""

from collections.abc import Iterator
from urllib.parse import quote, urlencode

import pytest
from flask.testing import FlaskClient

from shop.db import Database
from tests.builders import a_product
from tests.support.letters import an_order
from tests.support.reader import Form, Page, Reader
from tests.support.staff import a_desk

ODD = [
    "",
    " ",
    "\x00",
    "\x7f\x1b[2J",
    "two\r\nlines",
    "-1",
    "0",
    "9" * 400,
    "1e400",
    "NaN",
    "0x10",
    "\u0663",  # a digit three, and no ASCII
    "\U0001d7dc",  # a digit four for mathematicians
    "\u202egnp.exe",
    "e\u0301" * 3000,
    "<script>alert(1)</script>",
    "'; DROP TABLE products; --",
    "{{ 7 * 7 }}",
    "%s%n",
    "//evil.example",
    "2026-13-45T99:99",
]
# Sent to every field there is, so only the kinds that have broken something somewhere.
WORST = ["", "\x00", "two\r\nlines", "-1", "9" * 400, "\u0663", "e\u0301" * 3000, "<script>alert(1)</script>"]
ANSWERS = {200, 303, 404, 409, 422}


@pytest.fixture
def desk(client: FlaskClient, database: Database) -> Reader:
    """Somebody who has a shirt to sell and an order to send."""
    with database.transaction() as session:
        a_product(session, "tee", options={"Size": ["S"]}, with_image=True)
        an_order(session, number="U-7K2M4Q")
    return a_desk(client, database)


PAGES = ("/admin/products/new", "/admin/products/1", "/admin/variants/1/stock", "/admin/orders/U-7K2M4Q")


def doors(page: Page) -> Iterator[tuple[Form, str]]:
    """Each form of a page that changes something, with the name of each of its fields."""
    for form in page.forms:
        if form.method == "post" and form.action != "/admin/logout":
            for name in sorted({*form.fields, "status", "upload-files"} - {"csrf_token"}):
                yield form, name


@pytest.mark.parametrize("address", PAGES)
def test_no_value_of_any_field_breaks_a_page(desk: Reader, address: str) -> None:
    sent = 0
    page = desk.get(address)
    for form, name in doors(page):
        for typed in WORST:
            page = desk.get(address) if page.status == 303 else page
            fresh = next((it.fields for it in page.forms if it.action == form.action), form.fields)
            page = Page(desk.client.post(form.action, data=fresh | {name: typed}))
            assert page.status in ANSWERS, (form.action, name, typed)
            sent += 1
    assert sent > 30


def test_a_body_that_is_not_text_breaks_no_page(desk: Reader) -> None:
    token = desk.get("/admin/products/1").form("/admin/products/1").fields["csrf_token"]
    for address in PAGES:
        for form in desk.get(address).forms:
            fields = dict.fromkeys(form.fields, b"\xff\xfe\x80") | {"csrf_token": token}
            if form.action == "/admin/logout":
                continue
            for kind in ("application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/json"):
                answer = desk.client.post(form.action, data=urlencode(fields).encode(), content_type=kind)
                assert answer.status_code in ANSWERS | {400}, (form.action, kind)


def test_nothing_in_an_address_breaks_a_page(desk: Reader) -> None:
    for path, names in {
        "/admin/orders": ("q", "status", "after"),
        "/admin/products": ("q", "status", "after"),
        "/admin/audit": ("subject", "after"),
        "/admin/variants/1/stock": ("before",),
        "/admin/login": ("next",),
    }.items():
        for name in names:
            for typed in [*ODD, "9" * 10, "9" * 17, "9.9", "9999999999.9", "9.9999999999"]:
                assert desk.get(path, **{name: typed}).status in {200, 302}, (path, name, typed)
            assert desk.client.get(f"{path}?{name}=%ff%fe&{name}=2&{name}[]=3").status_code in {200, 302}
    for typed in ODD:
        for path in ("orders", "products", "variants"):
            answer = desk.client.get(f"/admin/{path}/{quote(typed, safe='')}")
            assert answer.status_code in {200, 302, 308, 404}, (path, typed)
