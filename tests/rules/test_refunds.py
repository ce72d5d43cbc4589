"""Refunds by staff: what they may be of, what becomes of the order, and who is told."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from sqlalchemy import func, select

from shop.catalog.models import Variant
from shop.checkout.refunding import quote, refund
from shop.config import Settings
from shop.db import Database
from shop.errors import InvalidChange, NotFound
from shop.mail.models import OutboxMessage
from shop.money import Money
from shop.orders.reading import OrderView
from shop.payments.models import Refund
from shop.payments.refunds import Refundable, refundable
from shop.staff.models import AuditEntry
from tests.builders import a_cart, a_variant, shipping_to
from tests.conftest import Shop, running_shop
from tests.support.refunding import (
    STAFF,
    a_paid_order,
    an_owed_order,
    give_back,
    holds,
    mails,
    refund_in_dashboard,
    refunds,
    sums,
)


def on_the_shelf(shop: Shop) -> int:
    with shop.database.reading() as session:
        return session.scalar(select(func.sum(Variant.on_hand))) or 0


def left(shop: Shop, order: OrderView) -> tuple[list[int], int, int]:
    """What can still be given back: pieces of each line, shipping, and in total."""
    with shop.database.reading() as session:
        found: Refundable = refundable(session, shop.order(order.id))
    return list(found.lines.values()), found.shipping.minor, found.total.minor


def test_pieces_go_back_at_their_price_with_the_shipping_and_stand_on_the_shelf_again(shop: Shop) -> None:
    order = a_paid_order(shop)
    assert left(shop, order) == ([2], 500, 8300)
    assert on_the_shelf(shop) == 3
    give_back(shop, order, 1, shipping=True, restock=True, note="Too small")
    assert sums(shop, order) == (4400, 0)
    assert shop.order(order.id).status == "partly_refunded"
    assert left(shop, order) == ([1], 0, 3900)
    assert on_the_shelf(shop) == 4
    (made,) = refunds(shop, order)
    assert (made.status, made.amount, made.shipping) == ("succeeded", Money(4400, "sgd"), Money(500, "sgd"))
    assert [(line.order_line_id, line.quantity, line.amount.minor) for line in made.lines] == [
        (order.lines[0].id, 1, 3900)
    ]
    holds(shop)


def test_stripe_is_sent_what_was_stored_and_what_leads_its_events_back(shop: Shop) -> None:
    order = a_paid_order(shop)
    refund_id = give_back(shop, order, 1, reason="duplicate")
    (told,) = shop.stripe.refunds()
    assert (told["amount"], told["reason"], told["payment_intent"]) == (3900, "duplicate", order.payment_intent)
    assert told["metadata"] == {
        "order_id": str(order.id),
        "order_number": order.number,
        "refund_id": str(refund_id),
    }


def test_the_last_of_the_money_makes_the_order_refunded(shop: Shop) -> None:
    order = a_paid_order(shop)
    give_back(shop, order, 2)
    assert shop.order(order.id).status == "partly_refunded"
    give_back(shop, order, shipping=True)
    assert shop.order(order.id).status == "refunded"
    assert left(shop, order) == ([0], 0, 0)
    holds(shop)


def test_a_part_of_the_price_goes_back_by_amount_and_leaves_the_pieces_with_the_buyer(shop: Shop) -> None:
    order = a_paid_order(shop)
    give_back(shop, order, amount_minor=1050)
    assert sums(shop, order) == (1050, 0)
    assert left(shop, order) == ([2], 500, 7250)
    assert on_the_shelf(shop) == 3
    holds(shop)


def test_pieces_may_be_paid_back_with_less_than_they_cost(shop: Shop) -> None:
    """Half of the price was given back for a flaw, and now the shirt has come back."""
    order = a_paid_order(shop, 3900, 1000, pieces=1)
    give_back(shop, order, amount_minor=2000)
    give_back(shop, order, 1, 1, amount_minor=2901, restock=True)
    assert sums(shop, order) == (4901, 0)
    assert left(shop, order) == ([0, 0], 499, 499)
    assert on_the_shelf(shop) == 10
    made = refunds(shop, order)[1]
    assert [line.amount.minor for line in made.lines] == [2308, 593], "shared out by what they cost, to the cent"
    holds(shop)


def test_an_amount_with_the_shipping_pays_that_back_first(shop: Shop) -> None:
    order = a_paid_order(shop)
    give_back(shop, order, amount_minor=300, shipping=True)
    assert left(shop, order) == ([2], 200, 8000)
    give_back(shop, order, 1, amount_minor=1200, shipping=True)
    made = refunds(shop, order)[1]
    assert (made.shipping.minor, made.lines[0].amount.minor) == (200, 1000)
    assert left(shop, order) == ([1], 0, 6800)
    holds(shop)


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({}, "lines", "Choose what to give back, or write an amount."),
    ({"pieces": [3]}, "lines", "Only 2 of this line are left to give back."),
    ({"pieces": [-1]}, "lines", "Write how many pieces, such as 1."),
    ({"lines": {999: 1}}, "lines", "This line is not one of the order's."),
    ({"amount_minor": 8301}, "amount", "Only SGD 83.00 of this payment is left to give back."),
    ({"amount_minor": 0}, "amount", "Write how much to give back."),
    ({"amount_minor": -5}, "amount", "Write how much to give back."),
    (
        {"pieces": [1], "amount_minor": 3901},
        "amount",
        "What you chose costs SGD 39.00; it cannot be paid back with more.",
    ),
    ({"pieces": [1], "reason": "because"}, "reason", "Choose one of the reasons."),
]


@pytest.mark.parametrize(("wanted", "field", "sentence"), REFUSED)
def test_what_cannot_be_given_back_is_refused_with_a_sentence_and_leaves_nothing_behind(
    shop: Shop, wanted: dict[str, Any], field: str, sentence: str
) -> None:
    order = a_paid_order(shop)
    options = {name: value for name, value in wanted.items() if name != "pieces"}
    with pytest.raises(InvalidChange) as refusal:
        give_back(shop, order, *wanted.get("pieces", ()), **options)
    assert (refusal.value.field, str(refusal.value)) == (field, sentence)
    assert refunds(shop, order) == ()
    assert shop.stripe.refunds() == []
    holds(shop)


def test_never_more_goes_back_than_was_paid_however_it_is_split_up(shop: Shop) -> None:
    order = a_paid_order(shop)
    give_back(shop, order, amount_minor=5000)
    with pytest.raises(InvalidChange, match=r"Only SGD 33\.00"):
        give_back(shop, order, 1)
    give_back(shop, order, amount_minor=3300)
    for wanted in ({"amount_minor": 1}, {"lines": {order.lines[0].id: 1}}, {"shipping": True}):
        with pytest.raises(InvalidChange, match="Nothing is left of this payment"):
            give_back(shop, order, **wanted)  # type: ignore[arg-type]
    assert sums(shop, order) == (8300, 0)
    holds(shop)


def test_a_piece_goes_back_once_and_so_does_the_shipping(shop: Shop) -> None:
    order = a_paid_order(shop)
    give_back(shop, order, 1, shipping=True)
    with pytest.raises(InvalidChange, match=r"Only 1 of this line is left"):
        give_back(shop, order, 2)
    with pytest.raises(InvalidChange, match="Nothing is left of the shipping"):
        give_back(shop, order, 1, shipping=True)
    give_back(shop, order, 1)
    with pytest.raises(InvalidChange, match="No piece of this line is left"):
        give_back(shop, order, 1)


def test_one_showing_of_the_form_is_one_refund_however_often_it_is_sent(shop: Shop) -> None:
    order = a_paid_order(shop)
    first = give_back(shop, order, 1, press="a showing")
    assert give_back(shop, order, 1, press="a showing") == first
    assert len(shop.stripe.refunds()) == 1
    give_back(shop, order, 1, press="another showing")
    assert sums(shop, order) == (7800, 0)
    holds(shop)


def test_the_second_click_on_all_of_it_is_quoted_what_the_first_has_given_back(shop: Shop) -> None:
    order = a_paid_order(shop)
    wanted: dict[str, Any] = {"lines": {order.lines[0].id: 2}, "shipping": True, "amount_minor": None}
    with shop.database.reading() as session:
        assert quote(session, order.number, **wanted, press="a showing").amount_minor == 8300
    give_back(shop, order, **wanted, press="a showing")
    with shop.database.reading() as session:
        assert quote(session, order.number, **wanted, press="a showing").amount_minor == 8300
        with pytest.raises(InvalidChange):
            quote(session, order.number, **wanted, press="another showing")


@pytest.mark.parametrize("changed", [{"amount_minor": 100}, {"shipping": True}, {"pieces": 2}])
def test_a_form_that_comes_back_with_other_words_is_not_taken_for_the_first(
    shop: Shop, changed: dict[str, Any]
) -> None:
    order = a_paid_order(shop)
    give_back(shop, order, 1, press="a showing")
    options = dict(changed)
    with pytest.raises(InvalidChange, match="Open the order anew"):
        give_back(shop, order, options.pop("pieces", 1), press="a showing", **options)
    assert sums(shop, order) == (3900, 0)


def test_nothing_goes_back_of_an_order_that_is_unknown_or_has_not_been_paid(shop: Shop) -> None:
    with shop.database.transaction() as session:
        shipping_to(session, "SG")
        cart_id = a_cart(session, (a_variant(session), 1))[0]
    order = shop.order(shop.place(cart_id).order_id)
    with pytest.raises(InvalidChange, match="has not been paid"):
        give_back(shop, order, 1)
    with pytest.raises(NotFound):
        refund(
            shop.database,
            shop.gateway,
            "U-UNKNOWN",
            lines={},
            shipping=False,
            amount_minor=1,
            restock=False,
            reason="",
            note="",
            actor=STAFF,
            press="a",
        )


def test_nothing_goes_back_while_the_bank_looks_into_the_payment(shop: Shop) -> None:
    order = a_paid_order(shop)
    shop.stripe.dispute(shop.session_of(order.id))
    shop.stripe.deliver_now()
    assert shop.order(order.id).status == "disputed"
    with pytest.raises(InvalidChange) as refusal:
        give_back(shop, order, 1)
    assert str(refusal.value) == (
        "The buyer's bank is looking into this payment. Answer the dispute at Stripe; until it has ended, nothing can be"
        " given back here."
    )
    assert shop.stripe.refunds() == []


def test_what_a_bank_only_asks_about_can_be_given_back_which_ends_most_inquiries(shop: Shop) -> None:
    order = a_paid_order(shop)
    shop.stripe.dispute(shop.session_of(order.id), status="warning_needs_response")
    shop.stripe.deliver_now()
    assert shop.order(order.id).status == "disputed"
    give_back(shop, order, 1)
    assert len(shop.stripe.refunds()) == 1


def test_what_a_lost_dispute_took_is_not_given_back_once_more(shop: Shop) -> None:
    order = a_paid_order(shop)
    dispute = shop.stripe.dispute(shop.session_of(order.id))
    shop.stripe.settle_dispute(dispute["id"], won=False)
    shop.stripe.deliver_now()
    assert left(shop, order) == ([2], 0, 0)
    with pytest.raises(InvalidChange, match="Nothing is left of this payment"):
        give_back(shop, order, 1)


def test_the_timeline_tells_what_was_asked_and_what_came_of_it_with_the_amounts(shop: Shop) -> None:
    order = a_paid_order(shop)
    give_back(shop, order, 1, note="Too small")
    told = [(entry.what, entry.amount, entry.source) for entry in shop.order(order.id).entries[-2:]]
    assert told == [
        ("refund_asked", Money(3900, "sgd"), STAFF),
        ("refund_succeeded", Money(3900, "sgd"), "Stripe"),
    ]


def test_the_audit_trail_names_who_gave_back_how_much(shop: Shop) -> None:
    order = a_paid_order(shop)
    give_back(shop, order, 1, restock=True)
    with shop.database.reading() as session:
        line = session.scalars(select(AuditEntry).where(AuditEntry.action == "order.refund")).one()
    assert (line.actor, line.subject) == (STAFF, f"order {order.number}")
    assert line.changes == {"refund": [None, "SGD 39.00"], "restock": [None, True]}


def test_the_buyer_is_told_once_with_the_amount(shop: Shop) -> None:
    order = a_paid_order(shop)
    give_back(shop, order, 1)
    shop.stripe.deliver_now()
    with shop.database.reading() as session:
        letter = session.scalars(select(OutboxMessage).where(OutboxMessage.kind == "refunded")).one()
    assert (letter.recipient, letter.context) == ("reader@example.com", {"amount_minor": 3900})
    assert mails(shop) == ["refunded"]


def test_pieces_that_were_never_taken_from_the_shelf_are_not_put_back_on_it(shop: Shop) -> None:
    """Paid for after they had been given up and sold to somebody else."""
    order = an_owed_order(shop)
    give_back(shop, order, 1, restock=True)
    assert sums(shop, shop.order(order.id)) == (3900, 0)
    assert on_the_shelf(shop) == 1
    holds(shop)


def test_what_has_been_refunded_in_the_dashboard_is_not_given_back_again(shop: Shop) -> None:
    order = a_paid_order(shop)
    refund_in_dashboard(shop, order, 8000)
    shop.stripe.deliver_now()
    with pytest.raises(InvalidChange, match=r"Only SGD 3\.00"):
        give_back(shop, order, 1)
    holds(shop)


@pytest.fixture
def tokyo(make_settings: Callable[..., Settings], database: Database) -> Iterator[Shop]:
    with running_shop(partial(make_settings, shop_currency="jpy"), database) as shop:
        yield shop


def test_a_currency_without_minor_units_is_given_back_in_whole_yen(tokyo: Shop) -> None:
    order = a_paid_order(tokyo, 3900, currency="jpy")
    assert order.paid == Money(8300, "jpy")
    give_back(tokyo, order, 1, shipping=True)
    give_back(tokyo, order, amount_minor=99)
    assert [told["amount"] for told in tokyo.stripe.refunds()] == [99, 4400]
    assert sums(tokyo, order) == (4499, 0)
    with pytest.raises(InvalidChange, match="Only JPY 3801 of this payment is left"):
        give_back(tokyo, order, amount_minor=3802)
    holds(tokyo)


def test_a_refund_row_is_found_again_by_its_key_alone(shop: Shop) -> None:
    order = a_paid_order(shop)
    give_back(shop, order, 1, press="a showing")
    with shop.database.reading() as session:
        row = session.scalars(select(Refund)).one()
    assert row.idempotency_key is not None
    assert row.idempotency_key.startswith(f"refund-{order.number}-")
    assert "a showing" not in row.idempotency_key
