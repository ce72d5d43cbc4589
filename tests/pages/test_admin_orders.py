"""The order list, one order with what Stripe said of it, and the parcel that leaves."""

import re
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from shop.catalog.models import Variant
from shop.db import Database
from shop.fulfilment.models import Shipment
from shop.mail.models import OutboxMessage
from shop.orders.facts import flag
from shop.orders.models import Order
from tests.builders import a_cart, a_product, a_variant, shipping_to, variants_of
from tests.conftest import Shop
from tests.support.letters import NOON, an_order
from tests.support.reader import Page, Reader
from tests.support.serving import eventually
from tests.support.staff import a_desk, trail
from tests.support.statements import statements

PARCEL = {"carrier": "SingPost", "tracking_number": "RB123", "tracking_url": "https://track.example.com/RB123"}


@pytest.fixture
def desk(client: FlaskClient, database: Database) -> Reader:
    return a_desk(client, database)


def given(database: Database, **fields: object) -> str:
    """The number of an order that is paid for, unless the fields say otherwise."""
    with database.transaction() as session:
        return an_order(session, **fields).number


def numbers(page: Page) -> list[str]:
    return re.findall(r'class="row-link code"[^>]*>([^<]+)<', page.text)


UNPAID = {"paid_at": None, "paid_minor": 0, "stock_state": "reserved", "closed_at": None}


# The list


def test_orders_stand_under_the_tab_of_their_status(desk: Reader, database: Database) -> None:
    paid = given(database)
    shipped = given(database, status="shipped", shipped_at=NOON)
    waiting = given(database, status="pending", **UNPAID)
    assert numbers(desk.get("/admin/orders")) == [waiting, shipped, paid]
    assert numbers(desk.get("/admin/orders", status="paid")) == [paid]
    assert numbers(desk.get("/admin/orders", status="shipped")) == [shipped]
    assert numbers(desk.get("/admin/orders", status="nonsense")) == [waiting, shipped, paid]
    page = desk.get("/admin/orders", status="expired")
    assert numbers(page) == []
    assert "There is none of this kind." in page.words
    tabs = [
        at["href"].partition("=")[2] for at in page.all("a") if at.get("href", "").startswith("/admin/orders?status")
    ]
    assert tabs == ["paid", "attention", "pending", "shipped", "expired"], (
        "empty ones are left out, but for the two to act on"
    )


def test_an_order_is_found_by_number_name_or_address(desk: Reader, database: Database) -> None:
    number = given(database, buyer_name="Chua Mei Ling", email="mei@ling.example")
    given(database, buyer_name="Ben 100% Tan", email="ben@example.com")
    for search in (number.lower(), "chua mei", "LING.EXAMPLE", f"  {number} "):
        assert numbers(desk.get("/admin/orders", q=search)) == [number], search
    assert numbers(desk.get("/admin/orders", q="100%")) != [number]
    assert len(numbers(desk.get("/admin/orders", q="100%"))) == 1
    assert numbers(desk.get("/admin/orders", q="chua", status="shipped")) == []
    assert "No order matches “_”." in desk.get("/admin/orders", q="_").words


def test_a_long_list_has_older_pages_that_keep_the_search(desk: Reader, database: Database) -> None:
    made = [given(database, buyer_name="Ada") for _ in range(30)]
    given(database, buyer_name="Ben")
    newest = desk.get("/admin/orders", q="ada", status="paid")
    older = Page(desk.client.get(newest.all("a", rel="next")[0]["href"]))
    assert numbers(newest) + numbers(older) == made[::-1]
    assert older.all("a", rel="next") == []
    for nonsense in ("x", "-1", "9" * 40, "\x00", "1.5"):
        assert numbers(desk.get("/admin/orders", q="ada", after=nonsense)) == numbers(newest)


def test_a_long_list_takes_no_more_statements_than_a_short_one(app: Flask, desk: Reader, database: Database) -> None:
    counts: list[int] = []
    for more in (1, 24):
        for _ in range(more):
            given(database)
        with statements(app.extensions["understory"].database.engine) as sent:
            desk.get("/admin/orders", status="paid", q="mei")
        counts.append(len(sent))
    assert counts[0] == counts[1] <= 6, sent


def test_what_a_buyer_wrote_is_shown_as_words(desk: Reader, database: Database) -> None:
    name = '<script>alert(1)</script>"&'
    number = given(
        database, buyer_name=name, email="a'b@example.com", address={"name": name, "line1": name, "country": "ZZ"}
    )
    for page in (desk.get("/admin/"), desk.get("/admin/orders"), desk.get(f"/admin/orders/{number}")):
        assert name in page.words
        assert "<script>alert" not in page.text


# One order


def a_shirt_bought(shop: Shop) -> tuple[int, str]:
    """The id of an order of two shirts and the id of its session, waiting for payment."""
    with shop.database.transaction() as session:
        shipping_to(session, "SG", amount=500, name="Standard post")
        tee = a_product(session, "tee", title="Summit tee", options={"Size": ["M"]}, stock=5)
        cart_id, _ = a_cart(session, (variants_of(session, tee)[0], 2))
    placed = shop.place(cart_id)
    return placed.order_id, shop.session_of(placed.order_id)


def test_a_paid_order_shows_lines_payment_and_the_event_behind_it(shop: Shop) -> None:
    order_id, session_id = a_shirt_bought(shop)
    shop.stripe.pay(session_id, email="mei@example.com", name="Mei Lin Tan")
    eventually(lambda: shop.order(order_id).status == "paid")
    order = shop.order(order_id)
    desk = a_desk(shop.app.test_client(), shop.database)

    page = desk.get(f"/admin/orders/{order.number.lower()}")

    for part in (
        "To ship",
        "2 \u00d7 Summit tee, M",
        "$78.00",
        "Standard post",
        "$5.00",
        "$83.00",
        "Mei Lin Tan",
        "mei@example.com",
    ):
        assert part in page.words, part
    for part in ("Taken from the shelf", order.payment_intent, "checkout.session.completed", "Applied", "evt_"):
        assert part in page.words, part
    assert page.all("a", href=f"/orders/{order.access_token}")
    assert page.form(f"/admin/orders/{order.number}/shipments")


@pytest.mark.parametrize(
    ("happens", "status", "words"),
    [
        (
            lambda stripe, key: stripe.decline(key),
            "pending",
            ["Waiting for payment", "Held for this order", "No event"],
        ),
        (
            lambda stripe, key: stripe.expire(key),
            "expired",
            ["Not paid in time", "Given back", "checkout.session.expired"],
        ),
        (
            lambda stripe, key: stripe.pay(key, method="delayed_debit"),
            "processing",
            ["Payment on its way", "Held for this order", "On its way since"],
        ),
        (
            lambda stripe, key: (stripe.pay(key, method="delayed_debit"), stripe.settle_delayed(key, ok=False)),
            "payment_failed",
            ["Payment failed", "Given back", "checkout.session.async_payment_failed"],
        ),
    ],
)
def test_an_order_that_is_not_paid_says_how_it_stands_and_cannot_be_shipped(
    shop: Shop, happens: Callable[..., object], status: str, words: list[str]
) -> None:
    order_id, session_id = a_shirt_bought(shop)
    happens(shop.stripe, session_id)
    eventually(lambda: shop.order(order_id).status == status)
    number = shop.order(order_id).number
    desk = a_desk(shop.app.test_client(), shop.database)
    page = desk.get(f"/admin/orders/{number}")
    for part in words:
        assert part in page.words, part
    shipments = f"/admin/orders/{number}/shipments"
    assert shipments not in {form.action for form in page.forms}
    token = page.forms[0].fields["csrf_token"]
    answer = Page(desk.client.post(shipments, data={"csrf_token": token, **PARCEL}))
    assert answer.status == 409
    assert "This order has not been paid; nothing must leave for it." in answer.words
    assert shop.order(order_id).status == status


def test_an_order_that_needs_a_look_says_why_and_is_not_shipped(desk: Reader, database: Database) -> None:
    number = given(database)
    opened = desk.get(f"/admin/orders/{number}")
    with database.transaction() as session:
        order = session.scalars(select(Order)).one()
        flag(session, order, "paid for what is gone: <Tee> is sold out.", "webhook evt_1")
    assert number in desk.get("/admin/orders", status="attention").words
    page = desk.get(f"/admin/orders/{number}")
    assert "This order needs a look." in page.words
    assert "paid for what is gone: <Tee> is sold out." in page.words
    refused = desk.send(opened, f"/admin/orders/{number}/shipments", **PARCEL)
    assert refused.status == 409
    assert "This order needs a look first" in refused.beside("tracking_number")


def test_somebody_who_packs_sees_no_money(client: FlaskClient, database: Database) -> None:
    number = given(database, payment_intent="pi_123")
    desk = a_desk(client, database, "packer")
    for page in (desk.get("/admin/"), desk.get("/admin/orders"), desk.get(f"/admin/orders/{number}")):
        assert "$" not in page.words
        assert "pi_123" not in page.text
        assert "/orders/token-" not in page.text, "the buyer's page shows what was paid"
    assert "12 Bukit Timah Road" in desk.get(f"/admin/orders/{number}").words
    assert desk.send(desk.get(f"/admin/orders/{number}"), f"/admin/orders/{number}/shipments", **PARCEL).status == 303


def test_an_order_that_is_not_there_is_said(desk: Reader, database: Database) -> None:
    given(database)
    token = desk.get("/admin/products/new").form("/admin/products").fields["csrf_token"]
    for number in ("U-NONE", "x" * 17, "a b", "%00", "U-TEST%25"):
        assert desk.get(f"/admin/orders/{number}").status == 404, number
        answer = desk.client.post(f"/admin/orders/{number}/shipments", data={"csrf_token": token, **PARCEL})
        assert answer.status_code in {404, 405}, number
    assert desk.client.get("/admin/orders/U-NONE/shipments").status_code == 405


# The parcel


def test_a_parcel_that_left_is_told_to_the_buyer(app: Flask, desk: Reader, database: Database) -> None:
    number = given(database)
    with database.reading() as session:
        access = session.scalars(select(Order.access_token)).one()
    page = desk.send(desk.get(f"/admin/orders/{number}"), f"/admin/orders/{number}/shipments", **PARCEL)
    assert (page.status, page.location) == (303, f"/admin/orders/{number}")
    shown = desk.follow(page)
    assert "Marked as shipped; the buyer gets a mail." in shown.words
    assert "SingPost RB123, left" in shown.words
    assert f"/admin/orders/{number}/shipments" not in {form.action for form in shown.forms}
    assert number in numbers(desk.get("/admin/orders", status="shipped"))

    buyers = Reader(app.test_client()).get(f"/orders/{access}")
    assert "SingPost RB123" in buyers.words
    assert buyers.all("a", href="https://track.example.com/RB123")

    assert trail(database) == [("order.ship", f"order {number}", {"shipped": [None, "SingPost RB123"]})]
    with database.reading() as session:
        message = session.scalars(select(OutboxMessage)).one()
    assert (message.kind, message.recipient) == ("shipped", "mei@example.com")


def test_a_bad_parcel_is_said_beside_its_field(desk: Reader, database: Database) -> None:
    number = given(database)
    bad = [
        ("tracking_number", "", "Write the parcel's tracking number."),
        ("tracking_number", "  ", "Write the parcel's tracking number."),
        ("tracking_number", "x" * 81, "longer than 80 characters"),
        ("tracking_number", "two\nlines", "Use plain text on one line."),
        ("carrier", "x" * 81, "longer than 80 characters"),
        ("carrier", "nul\x00", "Use plain text on one line."),
        ("tracking_url", "javascript:alert(1)", "Write a web address that begins with https://."),
        ("tracking_url", "http://track.example.com", "Write a web address that begins with https://."),
        ("tracking_url", "https://", "Write a web address that begins with https://."),
        ("tracking_url", "https://[", "Write a web address that begins with https://."),
        ("tracking_url", "https://user:pass@evil.example/", "Write a web address that begins with https://."),
        ("tracking_url", "https://a b", "Write a web address that begins with https://."),
        ("tracking_url", "https://" + "x" * 500, "longer than 500 characters"),
    ]
    address = f"/admin/orders/{number}"
    page = desk.get(address)
    for field, typed, message in bad:
        page = desk.send(page, f"{address}/shipments", **(PARCEL | {field: typed}))
        assert page.status == 422, (field, typed)
        assert message in page.beside(field), (field, typed)
        assert page.all("a", href=f"#{field}")
        kept = page.form(f"{address}/shipments").fields
        assert {name: kept[name] for name in PARCEL} == PARCEL | {field: typed}
    with database.reading() as session:
        assert session.scalars(select(Order.status)).all() == ["paid"]
        assert session.scalars(select(Shipment)).all() == []
    assert trail(database) == []


def test_the_second_to_ship_an_order_is_told(desk: Reader, database: Database) -> None:
    address = f"/admin/orders/{given(database)}"
    opened = desk.get(address)
    desk.send(desk.get(address), f"{address}/shipments", **PARCEL)
    page = desk.send(opened, f"{address}/shipments", **(PARCEL | {"tracking_number": "RB999"}))
    assert page.status == 409
    assert "This order has shipped already." in page.beside("tracking_number")
    assert page.form(f"{address}/shipments").fields["tracking_number"] == "RB999"
    with database.reading() as session:
        assert session.scalars(select(Shipment.tracking_number)).all() == ["RB123"]


# Home


def test_home_says_what_needs_hands(desk: Reader, database: Database) -> None:
    given(database)
    given(database, status="attention", attention="Look")
    with database.transaction() as session:
        a_variant(session, stock=0, title="Cap")
        a_variant(session, stock=2, title="Mug")
        a_variant(session, stock=50, title="Tote")
        a_variant(session, stock=0, title="Draft", status="draft")
    page = desk.get("/admin/")
    assert "1 to ship 1 needs attention 1 sold out 1 running low" in page.words
    assert "Cap" in page.words
    assert "2 left" in page.words
    assert "Tote" not in page.words
    assert "Draft" not in page.words
    assert "from “A handshake and a coin”" in page.words


def test_an_editor_has_nothing_to_do_with_orders_or_stock(client: FlaskClient, database: Database) -> None:
    given(database)
    page = a_desk(client, database, "editor").get("/admin/")
    assert "U-TEST" not in page.text
    assert [at["href"] for at in page.all("a") if at["href"].startswith("/admin/")] == [
        "/admin/",
        "/admin/",
        "/admin/products",
    ]


def test_home_takes_six_statements_at_most(app: Flask, desk: Reader, database: Database) -> None:
    for _ in range(10):
        given(database)
    with database.transaction() as session:
        for _ in range(20):
            a_variant(session, stock=0)
    with statements(app.extensions["understory"].database.engine) as sent:
        page = desk.get("/admin/")
    assert len(sent) <= 6, sent
    assert "And 8 more." in page.words


# The trail


def test_the_trail_says_who_changed_what_and_can_be_read_by_subject(
    app: Flask, desk: Reader, database: Database
) -> None:
    number = given(database)
    with database.transaction() as session:
        product_id = a_product(session, "tee", title="Tee").id
        variant_id = session.scalars(select(Variant.id)).one()
    address = f"/admin/products/{product_id}"
    desk.send(desk.get(address), address, title="<Better> tee")
    desk.send(
        desk.get(f"/admin/variants/{variant_id}/stock"),
        f"/admin/variants/{variant_id}/stock",
        pieces="-1",
        reason="Torn",
    )
    desk.send(desk.get(f"/admin/orders/{number}"), f"/admin/orders/{number}/shipments", **PARCEL)
    with statements(app.extensions["understory"].database.engine) as sent:
        page = desk.get("/admin/audit")
    assert len(sent) <= 6, sent
    for part in (
        "Logged in",
        "Changed texts or times",
        "Tee <Better> tee",
        "Changed the stock",
        "Torn",
        "Shipped",
        "desk@example.com",
    ):
        assert part in page.words, part
    assert page.words.index("Shipped") < page.words.index("Logged in"), "the newest stands first"
    one = desk.get("/admin/audit", subject="product tee")
    assert "Changed texts or times" in one.words
    assert "Shipped" not in one.words


def test_a_long_trail_has_earlier_pages(desk: Reader, database: Database) -> None:
    with database.transaction() as session:
        variant = a_variant(session)
    address = f"/admin/variants/{variant.id}/stock"
    opened = desk.get(address)
    for number in range(60):
        desk.send(opened, address, pieces="1", reason=f"Delivery {number};")
    newest = desk.get("/admin/audit")
    assert "Delivery 59;" in newest.words
    assert "Delivery 9;" not in newest.words
    earlier = Page(desk.client.get(newest.all("a", rel="next")[0]["href"]))
    assert "Delivery 9;" in earlier.words
    assert "Logged in" in earlier.words
    for nonsense in ("x", "-1", "9" * 40, "\x00"):
        assert "Delivery 59;" in desk.get("/admin/audit", after=nonsense).words


def test_no_page_of_the_back_office_needs_what_its_policy_forbids(desk: Reader, database: Database) -> None:
    number = given(database)
    with database.transaction() as session:
        a_product(session, options={"Size": ["S", "M"]}, with_image=True)
    for path in (
        "/",
        "/orders",
        f"/orders/{number}",
        "/products",
        "/products/new",
        "/products/1",
        "/variants/1/stock",
        "/audit",
        "/x",
    ):
        page = desk.get(f"/admin{path}")
        policy = page.headers["Content-Security-Policy"]
        assert "'unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert page.headers["Cache-Control"] == "no-store" or page.status == 404
        assert page.all("style") == []
        assert [at for at in page.all("script") if "src" not in at] == []
        for tag, at in page.tags:
            assert not [name for name in at if name == "style" or name.startswith("on")], (path, tag, at)
