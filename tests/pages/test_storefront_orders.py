"""The page of an order: what it says in each state, and what it tells nobody."""

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from shop.app import create_app
from shop.catalog.models import Variant
from shop.checkout.ship import ship
from shop.db import now
from shop.orders.facts import status_of
from shop.orders.models import Order, OrderEntry
from shop.payments.gateway import Gateway
from shop.payments.models import Refund
from tests.builders import a_product, shipping_to
from tests.conftest import Shop
from tests.support.invariants import broken
from tests.support.reader import Page, Reader
from tests.support.serving import eventually
from tests.support.statements import statements

BUYER = {
    "email": "quentin.quagga@example.com",
    "name": "Quentin Quagga",
    "line1": "77 Quokka Quay",
    "line2": "#12-34",
    "city": "Singapore",
    "postal_code": "987654",
}


@pytest.fixture
def reader(shop: Shop) -> Reader:
    return Reader(shop.app.test_client())


@pytest.fixture
def token(shop: Shop, reader: Reader) -> str:
    """The access token of an order for two mugs that waits for payment."""
    with shop.database.transaction() as session:
        a_product(session, "mug", title="Mug")
        shipping_to(session, "SG")
    assert reader.buy("mug", quantity="2").status == 303
    with shop.database.reading() as session:
        return str(session.scalars(sa.select(Order.access_token)).one())


def session_of(shop: Shop) -> str:
    return str(shop.stripe.sessions()[0]["id"])


def status(shop: Shop) -> str:
    with shop.database.reading() as session:
        return str(session.scalars(sa.select(Order.status)).one())


def becomes(shop: Shop, wanted: str) -> None:
    eventually(lambda: status(shop) == wanted)


def holds(shop: Shop) -> None:
    with shop.database.reading() as session:
        assert broken(session) == []


# What it says


def test_an_order_that_waits_for_payment_says_so_and_offers_to_look_again(
    shop: Shop, reader: Reader, token: str
) -> None:
    page = reader.get(f"/orders/{token}")
    assert page.status == 200
    for words in ("Waiting for payment", "Mug", "$39.00", "$78.00", "Shipping is added when it is paid."):
        assert words in page.words
    assert f"/orders/{token}/return" in {at.get("href") for at in page.all("a")}
    assert page.all("header", **{"data-state": f"/orders/{token}/state"})
    assert "Total" not in page.words


def test_a_paid_order_says_so_as_soon_as_stripes_event_is_there(shop: Shop, reader: Reader, token: str) -> None:
    shop.stripe.pay(session_of(shop), **BUYER)
    eventually(lambda: "Paid" in reader.get(f"/orders/{token}").words, within=1)
    page = reader.get(f"/orders/{token}")
    for words in (
        "We pack it now",
        "Shipping, Standard",
        "$5.00",
        "Total",
        "$83.00",
        "A receipt goes to qu…@example.com",
    ):
        assert words in page.words
    assert not [at for at in page.all("header") if "data-state" in at]
    holds(shop)


def test_the_return_page_settles_before_the_event_arrives_and_the_event_changes_nothing_more(
    shop: Shop, reader: Reader, token: str
) -> None:
    shop.stripe.hold_deliveries()
    shop.stripe.pay(session_of(shop), **BUYER)
    assert status(shop) == "pending"
    answer = reader.get(f"/orders/{token}/return")
    assert (answer.status, answer.location) == (303, f"/orders/{token}")
    assert "Paid" in reader.follow(answer).words
    before = reader.get(f"/orders/{token}").words
    shop.stripe.release_deliveries()
    eventually(lambda: all(d["state"] == "delivered" for d in shop.stripe.deliveries()))
    assert reader.get(f"/orders/{token}").words == before
    holds(shop)


def test_a_link_checker_s_look_closes_no_payment_page(shop: Shop, token: str) -> None:
    client = shop.app.test_client()
    for way in ("return", "cancelled"):
        assert client.head(f"/orders/{token}/{way}").status_code == 405
    assert [told["status"] for told in shop.stripe.sessions()] == ["open"]


def test_coming_back_unpaid_shows_an_order_that_still_waits(shop: Shop, reader: Reader, token: str) -> None:
    for _ in range(2):
        page = reader.follow(reader.get(f"/orders/{token}/return"))
        assert "Waiting for payment" in page.words
    assert [told["status"] for told in shop.stripe.sessions()] == ["open"]


@pytest.mark.parametrize("kind", ["500", "timeout", "drop_after", "a key that is refused"])
def test_coming_back_while_stripe_does_not_answer_shows_an_order_that_waits(shop: Shop, token: str, kind: str) -> None:
    settings = shop.settings
    if kind == "a key that is refused":
        settings = settings.model_copy(update={"stripe_secret_key": type(settings.stripe_secret_key)("sk_wrong")})
    else:
        shop.stripe.fail_next(1, kind)
    app = create_app(shop.settings, Gateway(settings, time_out=(0.5, 0.5), retries=0))
    try:
        reader = Reader(app.test_client())
        page = reader.follow(reader.get(f"/orders/{token}/return"))
    finally:
        app.extensions["understory"].database.close()
    assert page.status == 200
    assert "Waiting for payment" in page.words
    assert "the page shows it as soon as Stripe tells us" in page.words


def test_a_payment_on_its_way_says_that_it_may_take_days(shop: Shop, reader: Reader, token: str) -> None:
    shop.stripe.pay(session_of(shop), method="delayed_debit")
    becomes(shop, "processing")
    page = reader.get(f"/orders/{token}")
    assert "Payment on its way" in page.words
    assert "We hold your things until it arrives" in page.words
    shop.stripe.settle_delayed(session_of(shop), ok=True)
    becomes(shop, "paid")
    assert "We pack it now" in reader.get(f"/orders/{token}").words


def test_a_payment_that_failed_after_days_says_that_nothing_was_charged(shop: Shop, reader: Reader, token: str) -> None:
    shop.stripe.pay(session_of(shop), method="delayed_debit")
    becomes(shop, "processing")
    shop.stripe.settle_delayed(session_of(shop), ok=False)
    becomes(shop, "payment_failed")
    page = reader.get(f"/orders/{token}")
    assert "Payment failed" in page.words
    assert "nothing was charged" in page.words
    holds(shop)


def test_an_order_that_was_not_paid_in_time_says_that_nothing_was_charged(
    shop: Shop, reader: Reader, token: str
) -> None:
    shop.stripe.expire(session_of(shop))
    becomes(shop, "expired")
    page = reader.get(f"/orders/{token}")
    assert "Not paid in time" in page.words
    assert "nothing was charged" in page.words
    assert "Back to the shop" in page.words


def test_an_order_that_stripe_never_took_says_that_nothing_was_charged(shop: Shop, reader: Reader, token: str) -> None:
    with shop.database.transaction() as session:
        session.execute(sa.update(Order).values(status="cancelled", cancelled_at=now(), open_cart_id=None))
    page = reader.get(f"/orders/{token}")
    assert "Cancelled" in page.words
    assert "nothing was charged" in page.words


def test_an_order_that_staff_look_at_says_so_and_not_why(shop: Shop, reader: Reader, token: str) -> None:
    shop.stripe.pay(session_of(shop), **BUYER)
    becomes(shop, "paid")
    with shop.database.transaction() as session:
        session.execute(sa.update(Order).values(status="attention", attention="paid in the wrong mode"))
    page = reader.get(f"/orders/{token}")
    assert "Being checked" in page.words
    assert "You need not do anything." in page.words
    assert "wrong mode" not in page.text


def test_a_shipped_order_says_how_to_follow_it(shop: Shop, reader: Reader, token: str) -> None:
    shop.stripe.pay(session_of(shop), **BUYER)
    becomes(shop, "paid")
    with shop.database.reading() as session:
        number = session.scalars(sa.select(Order.number)).one()
    ship(shop.database, number, carrier="SingPost", tracking_number="RX123456789SG", actor="desk@example.com")
    page = reader.get(f"/orders/{token}")
    for words in ("Shipped", "It is on its way to you.", "SingPost", "RX123456789SG"):
        assert words in page.words
    assert "desk@example.com" not in page.text


# Refunds and disputes


def paid(shop: Shop, token: str, **facts: Any) -> None:
    """The order paid at Stripe, with these columns as refunds or disputes would have left them."""
    shop.stripe.pay(session_of(shop), **BUYER)
    becomes(shop, "paid")
    with shop.database.transaction() as session:
        order = session.scalars(sa.select(Order)).one()
        for name, value in facts.items():
            setattr(order, name, value)
        order.status = status_of(order)


def a_refund(shop: Shop, state: str, amount: int) -> None:
    with shop.database.transaction() as session:
        order = session.scalars(sa.select(Order)).one()
        known = None if state in {"creating", "refused"} else f"re_{state}_{amount}"
        session.add(
            Refund(
                order_id=order.id,
                stripe_id=known,
                amount_minor=amount,
                currency="sgd",
                status=state,
                note="the desk's own words",
                actor="desk@example.com",
                failure_reason="expired_or_canceled_card",
            )
        )


@pytest.mark.parametrize(
    ("state", "says"),
    [
        ("pending", "$12.00 is on its way to the card or account that you paid with."),
        ("requires_action", "$12.00 waits for you: look for a message from Stripe that asks where it should go."),
        ("succeeded", "$12.00 went back to the card or account that you paid with."),
        ("failed", "$12.00 could not be sent. Somebody here is looking at it and will write to you."),
        ("canceled", "$12.00 was not sent after all."),
    ],
)
def test_each_refund_says_how_far_it_is(shop: Shop, reader: Reader, token: str, state: str, says: str) -> None:
    paid(shop, token)
    a_refund(shop, state, 1200)
    page = reader.get(f"/orders/{token}")
    assert "Your refund" in page.words
    assert says in page.words
    for of_the_desk in ("the desk", "desk@example.com", "re_", "expired_or_canceled_card"):
        assert of_the_desk not in page.text


def test_a_failed_refund_is_no_sum_that_was_refunded(shop: Shop, reader: Reader, token: str) -> None:
    paid(shop, token)
    a_refund(shop, "failed", 1200)
    page = reader.get(f"/orders/{token}")
    assert "Refunded" not in page.words
    assert "Paid" in page.words


@pytest.mark.parametrize("state", ["creating", "refused"])
def test_a_refund_that_stripe_has_not_taken_is_not_promised(shop: Shop, reader: Reader, token: str, state: str) -> None:
    paid(shop, token)
    a_refund(shop, state, 1200)
    assert "refund" not in reader.get(f"/orders/{token}").words.lower()


def test_an_order_that_is_refunded_in_part_says_how_much_and_that_the_rest_still_comes(
    shop: Shop, reader: Reader, token: str
) -> None:
    paid(shop, token, refunded_minor=1200, refund_pending_minor=700)
    a_refund(shop, "succeeded", 1200)
    a_refund(shop, "pending", 700)
    page = reader.get(f"/orders/{token}")
    for words in ("Partly refunded", "Your refunds", "Refunded$12.00", "Refund on its way$7.00", "Shipped not yet"):
        assert words in page.words


def test_an_order_that_is_refunded_says_so_once_all_of_it_is(shop: Shop, reader: Reader, token: str) -> None:
    paid(shop, token, refunded_minor=8300)
    a_refund(shop, "succeeded", 8300)
    page = reader.get(f"/orders/{token}")
    assert "Refunded" in page.words
    assert "Your money went back to the card or account that you paid with" in page.words
    assert "Partly" not in page.words


@pytest.mark.parametrize("state", ["open", "lost"])
@pytest.mark.parametrize(
    ("facts", "label"),
    [
        ({}, "Paid"),
        ({"shipped_at": now()}, "Shipped"),
        ({"refunded_minor": 1200}, "Partly refunded"),
        ({"refunded_minor": 8300}, "Refunded"),
    ],
)
def test_a_dispute_is_between_the_shop_and_a_bank(
    shop: Shop, reader: Reader, token: str, state: str, facts: dict[str, Any], label: str
) -> None:
    paid(shop, token, dispute_state=state, disputed_minor=8300, **facts)
    page = reader.get(f"/orders/{token}")
    assert page.all("h1")[0]["class"] == f"status status-{label.lower().replace(' ', '_')}"
    assert f"Order {numbered(shop)} {label} " in page.words
    assert "isput" not in page.text
    told: Any = reader.client.get(f"/orders/{token}/state").json
    assert "isput" not in str(told)


def numbered(shop: Shop) -> str:
    with shop.database.reading() as session:
        return str(session.scalars(sa.select(Order.number)).one())


def test_an_order_that_was_cancelled_after_a_payment_does_not_say_that_nothing_was_charged(
    shop: Shop, reader: Reader, token: str
) -> None:
    with shop.database.transaction() as session:
        session.execute(sa.update(Order).values(status="cancelled", cancelled_at=now(), open_cart_id=None))
    a_refund(shop, "pending", 8300)
    page = reader.get(f"/orders/{token}")
    assert "what you paid goes back to you" in page.words
    assert "nothing was charged" not in page.words
    assert "$83.00 is on its way" in page.words


def test_the_story_that_led_to_the_order_is_a_click_away(shop: Shop, reader: Reader) -> None:
    with shop.database.transaction() as session:
        a_product(session, "mug", title="Mug")
        shipping_to(session, "SG")
    page = reader.get("/products/mug", story="https://news.example/kim", title="Kim <in> demand")
    reader.send(page, "/cart/lines", then="pay")
    with shop.database.reading() as session:
        found = session.scalars(sa.select(Order.access_token)).one()
    order = reader.get(f"/orders/{found}")
    assert "You came from Kim <in> demand" in order.words
    assert order.all("a", href="https://news.example/kim")


def test_prices_and_titles_stay_as_they_were_ordered(shop: Shop, reader: Reader, token: str) -> None:
    with shop.database.transaction() as session:
        session.execute(sa.update(Variant).values(price_minor=9900))
    assert "$78.00" in reader.get(f"/orders/{token}").words


# What it tells nobody


def test_whoever_has_the_link_learns_neither_name_nor_street_nor_address(
    shop: Shop, reader: Reader, token: str
) -> None:
    shop.stripe.pay(session_of(shop), **BUYER)
    becomes(shop, "paid")
    page = reader.get(f"/orders/{token}")
    assert "Quentin Q. 77 … 98… Singapore Singapore" in page.words
    for secret in ("Quagga", "Quokka", "987654", "#12-34", "quentin.quagga", session_of(shop), "pi_"):
        assert secret not in page.text


@pytest.mark.parametrize("page", ["", "/state", "/return", "/cancelled", "/again"])
def test_nobody_keeps_it_indexes_it_or_hears_of_it(shop: Shop, reader: Reader, token: str, page: str) -> None:
    headers = reader.get(f"/orders/{token}{page}").headers
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Robots-Tag"] == "noindex"


def test_the_link_alone_opens_it_in_any_browser_and_sets_no_cookie(shop: Shop, token: str) -> None:
    page = Reader(shop.app.test_client()).get(f"/orders/{token}")
    assert page.status == 200
    assert "Set-Cookie" not in page.headers


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_it_is_only_read(shop: Shop, reader: Reader, token: str, method: str) -> None:
    for page in ("", "/state", "/return", "/cancelled"):
        assert reader.client.open(f"/orders/{token}{page}", method=method).status_code == 405


def test_links_are_long_enough_not_to_be_guessed(shop: Shop, token: str) -> None:
    assert len(token) >= 32


# What a waiting page compares


def test_the_state_changes_with_the_order_and_holds_nothing_else(shop: Shop, reader: Reader, token: str) -> None:
    first: Any = reader.client.get(f"/orders/{token}/state").json
    assert first["status"] == "pending"
    assert first["version"] in reader.get(f"/orders/{token}").text
    shop.stripe.pay(session_of(shop), **BUYER)
    becomes(shop, "paid")
    second: Any = reader.client.get(f"/orders/{token}/state").json
    assert second["status"] == "paid"
    assert second["version"] != first["version"]
    assert set(second) == {"status", "version"}


def test_the_state_of_no_order_is_a_problem_for_programs(shop: Shop, reader: Reader) -> None:
    answer = reader.client.get("/orders/" + "x" * 32 + "/state", headers={"Accept": "application/json"})
    assert answer.status_code == 404
    assert answer.content_type == "application/problem+json"


def test_the_page_of_an_order_asks_the_database_little(shop: Shop, reader: Reader, token: str) -> None:
    reader.get(f"/orders/{token}")
    with statements(shop.app.extensions["understory"].database.engine) as sent:
        reader.get(f"/orders/{token}")
    assert len(sent) <= 4, "\n".join(sent)


def test_looking_again_and_again_asks_stripe_only_while_the_payment_is_open(
    shop: Shop, reader: Reader, token: str
) -> None:
    shop.stripe.pay(session_of(shop), **BUYER)
    becomes(shop, "paid")
    shop.stripe.fail_next(5, "500")
    page: Page = reader.follow(reader.get(f"/orders/{token}/return"))
    assert "Paid" in page.words
    with shop.database.reading() as session:
        latest = session.scalars(sa.select(OrderEntry.at).order_by(OrderEntry.id.desc())).first()
    assert latest is not None
    assert now() - latest < timedelta(minutes=1)
