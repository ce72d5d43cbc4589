"""What logs hold, and above all what they never hold."""

import io
import json
import logging
import time
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
import structlog
from flask import Flask

from shop import logs
from shop.db import Database
from shop.orders.models import Order
from tests.builders import a_product, shipping_to
from tests.conftest import TEST_KEY, TEST_WEBHOOK_SECRET, Shop
from tests.support.reader import Reader
from tests.support.serving import eventually

CARD = "4242424242424242"
BUYER = {
    "email": "quentin.quagga@example.com",
    "name": "Quentin Quagga",
    "line1": "77 Quokka Quay",
    "city": "Quebradilla",
    "postal_code": "987654",
}


@pytest.fixture
def untouched_logging() -> Iterator[None]:
    """Puts the process's logging back as it was."""
    root = logging.getLogger()
    before, levels = (
        (list(root.handlers), root.level),
        {
            name: logger.level
            for name, logger in logging.root.manager.loggerDict.items()
            if isinstance(logger, logging.Logger)
        },
    )
    yield
    root.handlers, root.level = before
    for name, logger in logging.root.manager.loggerDict.items():
        if isinstance(logger, logging.Logger):
            logger.setLevel(levels.get(name, logging.NOTSET))
    structlog.reset_defaults()


@pytest.fixture(params=["text", "json"])
def written(request: pytest.FixtureRequest, untouched_logging: None, monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What the shop logs in this form at the chattiest level."""
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    logs.set_up("debug", request.param)
    return stream


def found_in(text: str, *secrets: str) -> list[str]:
    return [secret for secret in secrets if secret and secret in text]


def buy(shop: Shop, reader: Reader) -> str:
    """A whole purchase; returns the order's access token."""
    with shop.database.transaction() as session:
        a_product(session, "mug", title="Mug")
        shipping_to(session, "SG")
    assert reader.add("mug").status == 303
    assert reader.pay().status == 303
    with shop.database.reading() as session:
        order_id, token = session.execute(sa.select(Order.id, Order.access_token)).one()
    shop.stripe.pay(shop.session_of(order_id), CARD, **BUYER)
    reader.get(f"/orders/{token}/return")
    eventually(lambda: shop.order(order_id).status == "paid")
    assert "Paid" in reader.get(f"/orders/{token}").words
    return str(token)


def handle_of(reader: Reader) -> str:
    cookie = reader.client.get_cookie("cart")
    assert cookie is not None
    return cookie.value


def test_a_whole_purchase_logs_nothing_about_the_buyer_and_no_secret(written: io.StringIO, shop: Shop) -> None:
    reader = Reader(shop.app.test_client())
    token = buy(shop, reader)
    reader.get(f"/orders/{token}/nothing")
    reader.client.post(f"/orders/{token}")
    said = written.getvalue()
    assert "event" in said
    secrets = (TEST_KEY, TEST_WEBHOOK_SECRET, CARD, handle_of(reader), token, *BUYER.values())
    assert found_in(said, *secrets) == []


def test_an_exception_nobody_expected_is_logged_with_its_place_but_not_with_what_it_held(
    written: io.StringIO, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = Reader(shop.app.test_client())
    token = buy(shop, reader)

    def broken(session: Any, order_id: int) -> None:
        held = shop.order(order_id)
        raise RuntimeError(f"no parcel for {held.number}")

    monkeypatch.setattr("shop.web.storefront.orders.shipments_of", broken)
    answer = reader.get(f"/orders/{token}")
    assert answer.status == 500
    said = written.getvalue()
    assert "RuntimeError" in said
    assert "in broken" in said
    assert found_in(said, TEST_KEY, TEST_WEBHOOK_SECRET, handle_of(reader), token, *BUYER.values()) == []


def test_a_database_that_refuses_a_row_does_not_say_what_was_in_it(written: io.StringIO, database: Database) -> None:
    with database.transaction() as session:
        row = {
            "number": "U-1",
            "access_token": "t" * 32,
            "cart_digest": "",
            "status": "pending",
            "stock_state": "reserved",
            "currency": "sgd",
            "country": "SG",
            "livemode": False,
            "shipping_minor": 0,
            # Wrong in one way alone: of two broken checks SQLite names whichever it happens to try first.
            "total_minor": -1,
            "paid_minor": 0,
            "refunded_minor": 0,
            "shipping_method": "",
            "email": BUYER["email"],
            "buyer_name": BUYER["name"],
            "address": {"line1": BUYER["line1"]},
            "subtotal_minor": -1,
        }
        with pytest.raises(sa.exc.IntegrityError) as refusal, session.begin_nested():
            session.execute(sa.insert(Order).values(**row))
        for logger in (structlog.get_logger("shop.test"), logging.getLogger("elsewhere")):
            logger.error("unhandled", exc_info=refusal.value)
        structlog.get_logger("shop.test").error("unhandled", reason=f"IntegrityError: {refusal.value}")
    said = written.getvalue()
    assert said.count("subtotal_not_negative") >= 3
    assert found_in(said, *BUYER.values()) == []


@pytest.mark.parametrize(
    "secret", [TEST_KEY, TEST_WEBHOOK_SECRET, CARD, "4242 4242 4242 4242", BUYER["email"], "rk_live_abcdef123456"]
)
def test_what_is_logged_by_mistake_is_taken_out_wherever_it_stands(written: io.StringIO, secret: str) -> None:
    log = structlog.get_logger("shop.test")
    log.info(f"event {secret}", text=f"a {secret}", deep={"in": [secret, (secret,)]}, error=ValueError(secret))
    logging.getLogger("elsewhere").warning("%s", secret)
    log.error("with traceback", exc_info=ValueError(f"bad {secret}"))
    assert "with traceback" in written.getvalue()
    assert found_in(written.getvalue(), secret) == []


@pytest.mark.parametrize("path", ["a" * 60_000, "a@" + "a-" * 30_000, "1-" * 30_000, "a.a@" * 15_000])
def test_a_long_address_that_leads_nowhere_is_logged_at_once(written: io.StringIO, app: Flask, path: str) -> None:
    began = time.thread_time()
    assert app.test_client().get(f"/{path}").status_code == 404
    assert time.thread_time() - began < 1.0
    assert written.getvalue()


def test_a_line_carries_the_requests_id(written: io.StringIO, app: Flask) -> None:
    app.test_client().get("/nothing", headers={"X-Request-Id": "from-the-proxy-1"})
    first = written.getvalue().splitlines()[0]
    if first.startswith("{"):
        assert json.loads(first)["request_id"] == "from-the-proxy-1"
    else:
        assert "from-the-proxy-1" in first
