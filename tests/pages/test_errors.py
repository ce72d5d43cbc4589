"""Every refusal is a page in the shop's look, or a problem for programs; nothing that is sent makes the shop break."""

import itertools
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from flask import Flask, got_request_exception
from flask.testing import FlaskClient
from sqlalchemy import func, select, text
from werkzeug.routing import Map, Rule

from shop.cart.models import Cart, CartLine
from shop.db import Database
from shop.orders.models import Order
from tests.builders import a_product, shipping_to
from tests.support.reader import Page, Reader
from tests.support.staff import staff

SAME = {"Sec-Fetch-Site": "same-origin"}

# As they stand in an address: a NUL, half a character, what is no UTF-8, too large for any column, other digits, a path.
GARBAGE = (
    "%00",
    "a%00b",
    "%ED%A0%80",
    "%FF%FE",
    "9" * 30,
    "-1",
    "%D9%A3",
    "%F0%9F%91%95",
    "..%2F..%2Fetc%2Fpasswd",
    "%27%20OR%201%3D1--",
    "x" * 3000,
    "%25s%7B%7B7*7%7D%7D",
)
NAMES = (
    "after",
    "variant",
    "story",
    "title",
    "placement",
    "added",
    "ticket",
    "product",
    "cta",
    "status",
    "q",
    "next",
    "page",
)


@pytest.fixture
def stocked(database: Database) -> None:
    with database.transaction() as session:
        a_product(session, "mug")
        shipping_to(session, "SG", "MY")


def addresses(rules: Map, *, of: str) -> Iterator[str]:
    """Every address that can be read, with each piece of garbage in each of its places."""
    for rule in rules.iter_rules():
        if not (rule.methods and "GET" in rule.methods and rule.rule.startswith(of)):
            continue
        for rubbish in GARBAGE:
            yield _filled(rule, rubbish)
            if rule.arguments:
                # A number passes the converters that want one, and the column behind them need not.
                yield _filled(rule, "9" * 25)
                yield _filled(rule, "x" * 32)


def _filled(rule: Rule, rubbish: str) -> str:
    return "".join(rubbish if dynamic else piece for dynamic, piece in rule._trace).replace("|", "", 1)


def walk(client: FlaskClient, paths: Iterator[str]) -> list[str]:
    """The addresses that broke the shop."""
    broke: list[str] = []
    for path in sorted(set(paths)):
        answer = client.get(path, buffered=True)
        if answer.status_code >= 500:
            broke.append(f"{answer.status_code} {path[:80]}")
    return broke


def test_no_address_of_the_shop_breaks_whatever_stands_in_it(app: Flask, stocked: None) -> None:
    assert walk(app.test_client(), addresses(app.url_map, of="/")) == []


def test_no_address_of_the_back_office_breaks_whatever_staff_put_in_it(
    app: Flask, client: FlaskClient, database: Database
) -> None:
    member = staff(client, database)
    paths = (path for path in addresses(app.url_map, of="/admin") if "logout" not in path)
    assert walk(member.client, paths) == []


@pytest.mark.parametrize("path", ["/", "/products/mug", "/cart", "/embed/frame", "/admin/login"])
def test_no_question_breaks_a_page_whatever_it_asks(client: FlaskClient, stocked: None, path: str) -> None:
    for name, rubbish in itertools.product(NAMES, GARBAGE):
        more = "&product=mug" if path == "/embed/frame" and name != "product" else ""
        answer = client.get(f"{path}?{name}={rubbish}{more}")
        assert answer.status_code < 500, (name, rubbish[:40])


FIELDS = (
    "product",
    "quantity",
    "country",
    "placement",
    "press",
    "prices",
    "then",
    "ticket",
    "seen",
    "option_1",
    "csrf_token",
)


@pytest.mark.parametrize(
    "path",
    ["/cart/lines", "/cart/lines/1", "/cart/lines/1/removal", "/cart/country", "/checkout", "/cart/handover"],
)
def test_no_form_breaks_a_door_whatever_is_written_in_it(
    app: Flask, stocked: None, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shop.web.limits.limiter.enabled", False)
    client = app.test_client(use_cookies=False)
    for name, rubbish in itertools.product(FIELDS, GARBAGE):
        fields = {"product": "mug", "quantity": "1", "country": "SG"} | {name: ""}
        body = "&".join(f"{key}={rubbish if key == name else quote(value)}" for key, value in fields.items())
        answer = client.post(path, data=body, content_type="application/x-www-form-urlencoded", headers=SAME)
        # No Stripe answers here: 503 is the one honest answer to a good form that asks to be paid.
        assert answer.status_code < 500 or answer.status_code == 503, (name, rubbish[:40])


@pytest.mark.parametrize(
    "content_type", ["multipart/form-data; boundary=b", "application/json", "text/plain", "x" * 300]
)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x00",
        b"\xff\xfe",
        b"--b\r\n",
        b'--b\r\nContent-Disposition: form-data; name="product"\r\n\r\n\xff\x00\r\n--b--\r\n',
        b"{}",
        b"&&&===%%%",
    ],
)
def test_no_body_breaks_a_door(client: FlaskClient, stocked: None, content_type: str, body: bytes) -> None:
    for path in ("/cart/lines", "/checkout", "/cart/handover", "/webhooks/stripe", "/embed/cart"):
        answer = client.post(path, data=body, content_type=content_type, headers=SAME)
        assert answer.status_code < 500, path


@pytest.mark.parametrize("value", ["\x00", "a\x00b", "\xff\xfe", '"unclosed', "x" * 5000, "a b;c", "ü" * 20])
def test_no_cookie_breaks_a_page(app: Flask, stocked: None, value: str) -> None:
    client = app.test_client(use_cookies=False)
    for path in ("/", "/products/mug", "/cart", "/admin/login"):
        answer = client.get(path, environ_overrides={"HTTP_COOKIE": f"cart={value}; session={value}; {value}"})
        assert answer.status_code == 200, path


def test_numbers_of_lines_that_no_column_holds_are_lines_that_are_not_there(
    app: Flask, database: Database, stocked: None
) -> None:
    reader = Reader(app.test_client())
    reader.add("mug")
    page = reader.get("/cart")
    token = page.form("/checkout").fields["csrf_token"]
    for number in ("0", "2147483648", "9223372036854775807", "9223372036854775808", "9" * 40):
        answer = Page(reader.client.post(f"/cart/lines/{number}", data={"csrf_token": token, "quantity": "2"}))
        assert answer.status == 404, number
        removed = reader.client.post(f"/cart/lines/{number}/removal", data={"csrf_token": token})
        assert removed.status_code in {303, 404}, number
    with database.reading() as session:
        assert session.scalars(select(CartLine.quantity)).all() == [1]


# What is unknown


@pytest.mark.parametrize("path", ["/nothing", "/products/nothing", "/products/%F0%9F%91%95", "/orders/" + "x" * 32])
def test_what_is_not_there_is_said_in_the_shops_look(client: FlaskClient, stocked: None, path: str) -> None:
    page = Reader(client).get(path)
    assert page.status == 404
    assert page.all("a", **{"class": "nameplate", "href": "/"})
    assert "Nothing here" in page.words
    assert page.all("meta", name="robots", content="noindex")
    assert {"/", "/cart"} <= {at.get("href") for at in page.all("a")}


@pytest.mark.parametrize("path", ["/nothing", "/products/nothing", "/orders/" + "x" * 32])
def test_programs_get_a_problem_instead(client: FlaskClient, stocked: None, path: str) -> None:
    answer = client.get(path, headers={"Accept": "application/json"})
    assert (answer.status_code, answer.content_type) == (404, "application/problem+json")
    assert answer.json is not None
    assert answer.json["code"] == "not_found"


def test_a_browser_that_takes_anything_gets_a_page(client: FlaskClient, stocked: None) -> None:
    for accept in ("text/html,application/xhtml+xml,*/*;q=0.8", "*/*", "application/json;q=0.5,text/html", "garbage"):
        assert client.get("/nothing", headers={"Accept": accept}).mimetype == "text/html", accept


def test_a_wrong_method_is_said_and_the_right_ones_are_named(client: FlaskClient) -> None:
    answer = client.delete("/checkout")
    assert answer.status_code == 405
    assert "POST" in answer.headers["Allow"]
    assert "cannot be used in that way" in answer.text


def test_too_many_requests_are_told_to_wait(app: Flask) -> None:
    client = app.test_client(use_cookies=False)
    answer = [client.post("/checkout", headers=SAME) for _ in range(61)][-1]
    assert answer.status_code == 429
    assert 1 <= int(answer.headers["Retry-After"]) <= 61
    assert "wait a minute" in answer.text


# What nobody expected


@pytest.mark.parametrize("accept", ["text/html", "application/json"])
def test_an_exception_shows_nothing_of_itself(
    app: Flask, client: FlaskClient, stocked: None, monkeypatch: pytest.MonkeyPatch, accept: str
) -> None:
    def broken(*args: object) -> None:
        raise RuntimeError("the combination of the safe is 4711")

    monkeypatch.setitem(app.view_functions, "storefront.cart", broken)
    answer = client.get("/cart", headers={"Accept": accept})
    assert answer.status_code == 500
    assert "please try again in a moment" in answer.text
    for inside in ("4711", "RuntimeError", "Traceback", 'File "', "shop/web"):
        assert inside not in answer.text


def test_whoever_listens_for_exceptions_hears_of_one(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[BaseException] = []

    def listen(sender: Flask, exception: BaseException, **_: object) -> None:
        heard.append(exception)

    monkeypatch.setitem(app.view_functions, "storefront.cart", lambda: 1 / 0)
    with got_request_exception.connected_to(listen, app):
        client.get("/cart")
        client.get("/nothing")  # no exception, but an answer
    assert [type(error) for error in heard] == [ZeroDivisionError]


def test_a_page_that_breaks_while_it_is_drawn_shows_nothing_of_itself(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(app.jinja_env.globals, "asset", lambda _: 1 / 0)
    answer = client.get("/")
    assert answer.status_code == 500
    assert "try again in a moment" in answer.text
    assert "ZeroDivisionError" not in answer.text
    assert "Traceback" not in answer.text


def test_a_database_that_refuses_is_said_without_its_words(
    database: Database, client: FlaskClient, stocked: None
) -> None:
    rename(database, "cart_lines", "mislaid")
    try:
        page = Reader(client).add("mug")
    finally:
        rename(database, "mislaid", "cart_lines")
    assert page.status == 500
    assert "Something broke on our side" in page.words
    for inside in ("cart_lines", "SELECT", "INSERT", "sqlalche"):
        assert inside not in page.text


def rename(database: Database, table: str, to: str) -> None:
    with database.transaction() as session:
        session.execute(text(f"ALTER TABLE {table} RENAME TO {to}"))


# Forged requests


def cart_of(database: Database) -> list[int]:
    with database.reading() as session:
        return list(session.scalars(select(CartLine.quantity).order_by(CartLine.id)))


@pytest.mark.parametrize("token", [None, "", "forged", "x" * 2000])
def test_a_form_without_our_token_changes_nothing_and_loses_no_cart(
    app: Flask, database: Database, stocked: None, token: str | None
) -> None:
    reader = Reader(app.test_client())
    reader.add("mug", quantity="2")
    forged = {} if token is None else {"csrf_token": token}
    for path, fields in {
        "/cart/lines": {"product": "mug"},
        "/cart/lines/1": {"quantity": "1"},
        "/cart/lines/1/removal": {},
        "/cart/country": {"country": "MY"},
        "/checkout": {"country": "SG"},
    }.items():
        page = Page(reader.client.post(path, data=fields | forged))
        assert page.status == 400, path
        assert "Reload the page and send it again" in page.words
        assert "/cart" in {at.get("href") for at in page.all("a")}
        assert "Set-Cookie" not in page.headers, path
    assert cart_of(database) == [2]
    assert "2 pieces" in reader.get("/cart").words
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Order)) == 0
        assert session.scalars(select(Cart.country)).all() == [None]


def test_another_readers_token_is_as_good_as_none(app: Flask, database: Database, stocked: None) -> None:
    theirs = Reader(app.test_client()).get("/products/mug").form("/cart/lines").fields["csrf_token"]
    mine = Reader(app.test_client())
    page = mine.get("/products/mug")
    assert mine.send(page, "/cart/lines", csrf_token=theirs).status == 400
    assert cart_of(database) == []


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ],
    ids=str,
)
def test_a_browser_without_cookies_may_send_forms_only_from_our_own_pages(
    app: Flask, database: Database, stocked: None, headers: dict[str, str]
) -> None:
    client = app.test_client(use_cookies=False)
    assert client.post("/cart/lines", data={"product": "mug"}, headers=headers).status_code == 400
    assert cart_of(database) == []
    for ours in (SAME, {"Origin": "http://localhost"}):
        assert client.post("/cart/lines", data={"product": "mug"}, headers=ours).status_code == 303
    assert cart_of(database) == [1, 1]


def test_a_cookie_is_enough_to_want_a_token(app: Flask, database: Database, stocked: None) -> None:
    client = app.test_client()
    client.set_cookie("cart", "x" * 32)
    assert client.post("/cart/lines", data={"product": "mug"}, headers=SAME).status_code == 400
    assert cart_of(database) == []
