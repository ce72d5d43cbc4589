"""From a cart to a payment page."""

import re
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from shop.cart import adding, lines
from shop.catalog.models import Product, Variant
from shop.checkout.closing import close_attempt
from shop.checkout.sweep import sweep
from shop.db import now
from shop.errors import (
    AlreadyPaid,
    CannotShipThere,
    CartEmpty,
    NotFound,
    OutOfStock,
    PaymentRefused,
    PaymentTooLarge,
    PaymentTooSmall,
    PaymentUnavailable,
    PriceChanged,
)
from shop.payments.gateway import CallInsideTransaction, Gateway
from shop.payments.models import PaymentAttempt
from tests.builders import a_cart, a_product, a_variant, shipping_to, variants_of
from tests.conftest import Shop
from tests.support.invariants import broken
from tests.support.serving import eventually


def stocked(shop: Shop, *, stock: int = 3, quantity: int = 1, price: int = 3900, **fields: Any) -> tuple[int, int]:
    """A variant on sale and a cart with it; the ids of both."""
    with shop.database.transaction() as session:
        shipping_to(session, "SG")
        variant = a_variant(session, stock=stock, price=price, **fields)
        cart_id, _ = a_cart(session, (variant, quantity))
        return variant.id, cart_id


def with_wrong_key(shop: Shop) -> Shop:
    """The same shop with a secret key that Stripe does not know."""
    wrong = shop.settings.model_copy(update={"stripe_secret_key": type(shop.settings.stripe_secret_key)("sk_wrong")})
    return Shop(**{**vars(shop), "gateway": Gateway(wrong)})


def counters(shop: Shop, variant_id: int) -> tuple[int, int]:
    with shop.database.reading() as session:
        row = session.execute(select(Variant.on_hand, Variant.reserved).where(Variant.id == variant_id)).one()
        return row.on_hand, row.reserved


def holds(shop: Shop) -> None:
    with shop.database.reading() as session:
        assert broken(session) == []


def test_placing_a_cart_reserves_its_goods_and_opens_a_payment_page_for_exactly_that_amount(shop: Shop) -> None:
    variant_id, cart_id = stocked(shop, quantity=2)
    placed = shop.place(cart_id)
    assert counters(shop, variant_id) == (3, 2)
    told = shop.stripe.session(shop.session_of(placed.order_id))
    assert placed.payment_url == told["url"]
    assert told["amount_subtotal"] == 7800
    assert told["currency"] == "sgd"
    order = shop.order(placed.order_id)
    assert told["client_reference_id"] == str(order.id)
    assert told["metadata"] == {"order_id": str(order.id), "order_number": order.number}
    assert told["shipping_address_collection"]["allowed_countries"] == ["SG"]
    holds(shop)


def test_the_order_is_named_in_the_payment_intent_too(shop: Shop) -> None:
    _, cart_id = stocked(shop)
    placed = shop.place(cart_id)
    session_id = shop.session_of(placed.order_id)
    shop.stripe.pay(session_id)
    intents = [event["data"]["object"] for event in shop.stripe.events("payment_intent.succeeded")]
    assert [intent["metadata"]["order_id"] for intent in intents] == [str(placed.order_id)]


def test_the_same_cart_placed_again_leads_to_the_same_payment_page(shop: Shop) -> None:
    variant_id, cart_id = stocked(shop)
    first, second = shop.place(cart_id), shop.place(cart_id)
    assert (first.order_id, first.payment_url) == (second.order_id, second.payment_url)
    assert len(shop.stripe.sessions()) == 1
    assert counters(shop, variant_id) == (3, 1)


def test_a_changed_cart_expires_the_old_session_before_a_new_one_opens(shop: Shop) -> None:
    variant_id, cart_id = stocked(shop)
    first = shop.place(cart_id)
    with shop.database.transaction() as session:
        adding.add_to_cart(session, cart_id, variant_id, 1, limit=20)
    second = shop.place(cart_id)
    assert first.order_id != second.order_id
    states = {told["id"]: told["status"] for told in shop.stripe.sessions()}
    assert states[shop.session_of(first.order_id)] == "expired"
    assert states[shop.session_of(second.order_id)] == "open"
    assert shop.order(first.order_id).status == "expired"
    assert counters(shop, variant_id) == (3, 2)
    holds(shop)


def test_a_session_that_is_about_to_expire_is_replaced(shop: Shop) -> None:
    _, cart_id = stocked(shop)
    first = shop.place(cart_id)
    with shop.database.transaction() as session:
        session.execute(update(PaymentAttempt).values(expires_at=now() + timedelta(minutes=5)))
    second = shop.place(cart_id)
    assert second.payment_url != first.payment_url
    assert [told["status"] for told in shop.stripe.sessions()].count("open") == 1


def test_a_cart_paid_meanwhile_is_not_sold_again(shop: Shop) -> None:
    variant_id, cart_id = stocked(shop)
    first = shop.place(cart_id)
    shop.stripe.hold_deliveries()
    shop.stripe.pay(shop.session_of(first.order_id))
    with shop.database.transaction() as session:
        adding.add_to_cart(session, cart_id, variant_id, 1, limit=20)
    with pytest.raises(AlreadyPaid) as refusal:
        shop.place(cart_id)
    assert refusal.value.access_token == first.access_token
    assert shop.order(first.order_id).status == "paid"
    holds(shop)


def test_pressing_pay_in_an_old_tab_after_paying_leads_to_the_order(shop: Shop) -> None:
    _, cart_id = stocked(shop)
    placed = shop.place(cart_id)
    shop.stripe.pay(shop.session_of(placed.order_id))
    eventually(lambda: shop.order(placed.order_id).status == "paid")
    with pytest.raises(AlreadyPaid):
        shop.place(cart_id)


def test_what_is_not_there_any_more_is_refused_by_name_and_nothing_is_held(shop: Shop) -> None:
    variant_id, cart_id = stocked(shop, stock=2, quantity=2, title="Summit shirt")
    with shop.database.transaction() as session:
        session.execute(update(Variant).values(reserved=1))
    with pytest.raises(OutOfStock, match="Only 1 of Summit shirt is left"):
        shop.place(cart_id)
    assert counters(shop, variant_id) == (2, 1)
    assert shop.stripe.sessions() == []


def test_a_price_that_changed_is_shown_before_anybody_pays(shop: Shop) -> None:
    _, cart_id = stocked(shop)
    with shop.database.transaction() as session:
        session.execute(update(Variant).values(price_minor=4900))
    with pytest.raises(PriceChanged):
        shop.place(cart_id)
    with shop.database.transaction() as session:
        lines.accept_prices(session, cart_id)
    assert shop.stripe.session(shop.session_of(shop.place(cart_id).order_id))["amount_subtotal"] == 4900


def test_an_empty_cart_an_archived_product_and_an_unknown_country_are_refused(shop: Shop) -> None:
    _, cart_id = stocked(shop)
    with pytest.raises(CannotShipThere):
        shop.place(cart_id, country="AQ")
    with shop.database.transaction() as session:
        session.execute(update(Product).values(status="archived"))
        nothing, _ = a_cart(session)
    with pytest.raises(NotFound):
        shop.place(cart_id)
    with pytest.raises(CartEmpty):
        shop.place(nothing)
    with pytest.raises(CartEmpty):
        shop.place(987654)
    holds(shop)


def test_less_than_stripe_can_charge_is_refused_before_stripe_is_asked(shop: Shop) -> None:
    with shop.database.transaction() as session:
        shipping_to(session, "SG", amount=0)
        cart_id, _ = a_cart(session, (a_variant(session, price=20), 1))
    with pytest.raises(PaymentTooSmall):
        shop.place(cart_id)
    assert shop.stripe.sessions() == []
    holds(shop)


def test_more_than_an_order_can_hold_is_refused_before_stripe_is_asked(shop: Shop) -> None:
    variant_id, cart_id = stocked(shop, stock=40, quantity=40, price=99_999_999)
    with pytest.raises(PaymentTooLarge):
        shop.place(cart_id)
    assert shop.stripe.sessions() == []
    assert counters(shop, variant_id) == (40, 0)
    holds(shop)


def test_a_definite_refusal_by_stripe_cancels_the_order_and_gives_the_goods_back(shop: Shop) -> None:
    variant_id, cart_id = stocked(shop)
    with pytest.raises(PaymentRefused):
        with_wrong_key(shop).place(cart_id)
    assert counters(shop, variant_id) == (3, 0)
    holds(shop)
    assert shop.place(cart_id).payment_url


def test_a_key_refused_on_the_second_try_does_not_give_away_what_the_first_may_have_sold(shop: Shop) -> None:
    variant_id, cart_id = stocked(shop)
    impatient = Shop(**{**vars(shop), "gateway": Gateway(shop.settings, time_out=(0.5, 0.5), retries=0)})
    shop.stripe.fail_next(1, "drop_after")
    with pytest.raises(PaymentUnavailable):
        impatient.place(cart_id)
    rolled = with_wrong_key(shop)
    with pytest.raises(PaymentUnavailable):
        rolled.place(cart_id)
    with shop.database.transaction() as session:
        session.execute(update(PaymentAttempt).values(expires_at=now() - timedelta(minutes=1)))
    assert sweep(rolled.database, rolled.gateway).postponed == 1
    assert counters(shop, variant_id) == (3, 1)
    assert [told["status"] for told in shop.stripe.sessions()] == ["open"]
    holds(shop)


@pytest.mark.parametrize("kind", ["500", "timeout", "drop_after", "429"])
def test_when_stripe_fails_the_order_is_kept_and_found_again_not_doubled(shop: Shop, kind: str) -> None:
    variant_id, cart_id = stocked(shop)
    impatient = Shop(**{**vars(shop), "gateway": Gateway(shop.settings, time_out=(0.5, 0.5), retries=0)})
    shop.stripe.fail_next(1, kind)
    with pytest.raises(PaymentUnavailable):
        impatient.place(cart_id)
    assert counters(shop, variant_id) == (3, 1)
    shop.stripe.clear_faults()
    placed = shop.place(cart_id)
    assert len(shop.stripe.sessions()) == 1
    assert counters(shop, variant_id) == (3, 1)
    shop.stripe.pay(shop.session_of(placed.order_id))
    eventually(lambda: shop.order(placed.order_id).status == "paid")
    holds(shop)


def test_an_order_whose_create_call_never_arrived_is_closed_by_the_sweep(shop: Shop) -> None:
    variant_id, cart_id = stocked(shop)
    shop.stripe.fail_next(1, "500")
    impatient = Shop(**{**vars(shop), "gateway": Gateway(shop.settings, time_out=(0.5, 0.5), retries=0)})
    with pytest.raises(PaymentUnavailable):
        impatient.place(cart_id)
    with shop.database.transaction() as session:
        session.execute(update(PaymentAttempt).values(created_at=now() - timedelta(minutes=10)))
    assert sweep(shop.database, shop.gateway).closed == 1
    assert counters(shop, variant_id) == (3, 0)
    assert [told["status"] for told in shop.stripe.sessions()] in ([], ["expired"])
    holds(shop)


def test_a_yen_shop_charges_whole_yen(shop: Shop) -> None:
    settings = shop.settings.model_copy(update={"shop_currency": "jpy"})
    yen = Shop(**{**vars(shop), "settings": settings})
    with shop.database.transaction() as session:
        shipping_to(session, "SG", amount=800, currency="jpy")
        cart_id, _ = a_cart(session, (variants_of(session, a_product(session, price=4500, currency="jpy"))[0], 2))
    placed = yen.place(cart_id)
    session_id = yen.session_of(placed.order_id)
    shop.stripe.pay(session_id)
    assert shop.stripe.session(session_id)["amount_total"] == 9800
    order = eventually(lambda: next((o for o in [shop.order(placed.order_id)] if o.status == "paid"), None))
    assert (order.paid.minor, order.paid.currency) == (9800, "jpy")


def test_a_story_travels_from_the_cart_into_the_order(shop: Shop) -> None:
    from shop.articles.placement import Placement, remember

    with shop.database.transaction() as session:
        shipping_to(session, "SG")
        variant = a_variant(session)
        cart_id, _ = a_cart(session)
        article = remember(session, Placement("https://news.example/kim", "Kim in demand", "card")).article_id
        from_story = {"article_id": article, "article_title": "Kim in demand", "placement": "card"}
        adding.add_to_cart(session, cart_id, variant.id, 1, limit=20, **from_story)
    line = shop.order(shop.place(cart_id).order_id).lines[0]
    assert (line.article_url, line.article_title, line.placement) == (
        "https://news.example/kim",
        "Kim in demand",
        "card",
    )


def test_calling_stripe_inside_a_transaction_is_refused(shop: Shop) -> None:
    with shop.database.transaction() as session:
        session.execute(select(Variant.id))
        with pytest.raises(CallInsideTransaction):
            shop.gateway.get_session("cs_test_x")
    with shop.database.reading() as session:
        session.execute(select(Variant.id))
        with pytest.raises(CallInsideTransaction):
            shop.gateway.expire_session("cs_test_x")


def test_closing_a_session_that_was_paid_settles_it_instead(shop: Shop) -> None:
    variant_id, cart_id = stocked(shop)
    placed = shop.place(cart_id)
    shop.stripe.hold_deliveries()
    shop.stripe.pay(shop.session_of(placed.order_id))
    close_attempt(shop.database, shop.gateway, placed.order_id, "test")
    assert shop.order(placed.order_id).status == "paid"
    assert counters(shop, variant_id) == (2, 0)
    holds(shop)


def test_order_numbers_can_be_read_aloud(shop: Shop) -> None:
    _, cart_id = stocked(shop)
    assert re.fullmatch(r"U-[0-9A-HJKMNP-TV-Z]{8}", shop.order(shop.place(cart_id).order_id).number)
