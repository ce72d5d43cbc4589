"""Giving money back, orders that wait for somebody, Stripe's inbox and the books, as staff meet them."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from shop.catalog import stock
from shop.checkout.reconcile import reconcile
from shop.db import now
from shop.mail.models import OutboxMessage
from shop.orders.models import Order
from shop.payments.models import StripeEvent
from tests.builders import a_cart, a_variant, shipping_to
from tests.conftest import Shop
from tests.support.books import broken_books
from tests.support.invariants import broken
from tests.support.reader import Page, Reader
from tests.support.serving import eventually
from tests.support.staff import a_desk, trail


@pytest.fixture
def desk(shop: Shop) -> Reader:
    return a_desk(shop.app.test_client(), shop.database)


def paid(shop: Shop, pieces: int = 2, card: str = "4242424242424242") -> str:
    """The number of an order of so many shirts at 39.00, with 5.00 for shipping, that the shop knows to be paid."""
    with shop.database.transaction() as session:
        shipping_to(session, "SG")
        cart_id, _ = a_cart(session, (a_variant(session, stock=5), pieces))
    order_id = shop.place(cart_id).order_id
    shop.stripe.pay(shop.session_of(order_id), card)
    eventually(lambda: shop.order(order_id).paid_at)
    return shop.order(order_id).number


def the_order(shop: Shop, number: str) -> Order:
    with shop.database.reading() as session:
        return session.scalars(select(Order).where(Order.number == number)).one()


def line_of(shop: Shop, number: str) -> int:
    return shop.order(the_order(shop, number).id).lines[0].id


def holds(shop: Shop) -> None:
    with shop.database.reading() as session:
        assert broken(session) + broken_books(session) == []


def chosen(desk: Reader, number: str, **fields: str) -> Page:
    """The refund's page after its first step: the sum stands on the button."""
    page = desk.get(f"/admin/orders/{number}/refunds/new")
    return desk.send(page, f"/admin/orders/{number}/refunds", **fields)


def test_one_of_two_shirts_and_the_shipping_go_back_after_their_sum_was_shown(desk: Reader, shop: Shop) -> None:
    number = paid(shop)
    line = line_of(shop, number)
    review = chosen(desk, number, **{f"line-{line}-pieces": "1", "shipping": "y", "restock": "y", "note": "Too small"})
    assert review.status == 200
    assert "Give $44.00 back" in review.words
    assert the_order(shop, number).refunded_minor == 0, "nothing goes back before somebody has agreed"
    done = desk.send(review, f"/admin/orders/{number}/refunds")
    assert done.status == 303
    page = desk.get(f"/admin/orders/{number}")
    assert "Partly refunded" in page.words
    assert "1 of 2 refunded" in page.words
    assert "Too small" in page.words
    order = the_order(shop, number)
    assert (order.refunded_minor, order.status) == (4400, "partly_refunded")
    assert [refund["amount"] for refund in shop.stripe.refunds()] == [4400]
    assert ("order.refund", f"order {number}") in [(action, subject) for action, subject, _ in trail(shop.database)]
    holds(shop)


def test_a_refund_that_the_bank_takes_days_for_is_said_to_be_on_its_way(desk: Reader, shop: Shop) -> None:
    number = paid(shop, card="4000000000007726")
    review = chosen(desk, number, amount="10.00")
    desk.send(review, f"/admin/orders/{number}/refunds")
    page = desk.get(f"/admin/orders/{number}")
    assert "On its way. The buyer gets a mail once Stripe has sent it." in page.words
    assert "Refund on its way$10.00" in page.words


def test_sending_the_agreed_refund_twice_gives_back_once(desk: Reader, shop: Shop) -> None:
    number = paid(shop)
    review = chosen(desk, number, amount="10.00")
    for _ in range(2):
        assert desk.send(review, f"/admin/orders/{number}/refunds").status == 303
    assert [refund["amount"] for refund in shop.stripe.refunds()] == [1000]


def test_a_sum_that_is_no_longer_the_one_that_was_shown_is_shown_again(desk: Reader, shop: Shop) -> None:
    number = paid(shop)
    review = chosen(desk, number, amount="10.00")
    again = desk.send(review, f"/admin/orders/{number}/refunds", amount="20.00")
    assert again.status == 409
    assert "Give $20.00 back" in again.words
    assert shop.stripe.refunds() == []


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "Choose what to give back, or write an amount."),
        ({"amount": "999"}, "Only SGD 83.00 of this payment is left to give back."),
        ({"amount": "ten"}, "Write an amount"),
        ({"amount": "1.234"}, "SGD has no more than 2 decimals."),
        ({"pieces": "3"}, "Only 2 of this line are left to give back."),
        ({"pieces": "-1"}, "Write how many pieces, such as 1."),
        ({"pieces": "many"}, "Write a whole number."),
        ({"amount": "5", "note": "x" * 301}, "Field cannot be longer than 300 characters."),
        ({"amount": "5", "reason": "spite"}, "Choose one of the list."),
    ],
)
def test_what_cannot_be_given_back_is_said_beside_its_field_and_stays_typed(
    desk: Reader, shop: Shop, fields: dict[str, str], said: str
) -> None:
    number = paid(shop)
    line = line_of(shop, number)
    sent = {f"line-{line}-pieces" if name == "pieces" else name: value for name, value in fields.items()}
    page = chosen(desk, number, **sent)
    assert page.status == 422
    assert said in page.words
    for name, value in fields.items():
        # A list shows none of its choices for one that it does not have.
        assert (value in page.text) == (name != "reason")
    assert shop.stripe.refunds() == []


def test_a_refund_that_stripe_does_not_answer_is_shown_as_being_asked_for(desk: Reader, shop: Shop) -> None:
    number = paid(shop)
    review = chosen(desk, number, amount="10.00")
    shop.stripe.fail_next(4, "500")
    assert desk.send(review, f"/admin/orders/{number}/refunds").status == 303
    page = desk.get(f"/admin/orders/{number}")
    assert "Stripe has not answered yet" in page.words
    assert "Refund on its way$10.00" in page.words
    holds(shop)


def test_a_refund_that_fails_at_the_bank_puts_the_order_before_the_staff_until_somebody_has_dealt_with_it(
    desk: Reader, shop: Shop
) -> None:
    number = paid(shop, card="4000000000005126")
    desk.send(chosen(desk, number, amount="10.00"), f"/admin/orders/{number}/refunds")
    told = shop.stripe.refunds()[0]
    if told["status"] != "failed":
        shop.stripe.settle_refund(told["id"], ok=False)
    eventually(lambda: the_order(shop, number).attention)
    page = desk.get(f"/admin/orders/{number}")
    assert "What to do" in page.words
    refused = desk.send(page, f"/admin/orders/{number}/attention", note=" ")
    assert refused.status == 422
    assert "Say what came of it" in refused.words
    assert desk.send(page, f"/admin/orders/{number}/attention", note="Paid by bank transfer instead.").status == 303
    assert the_order(shop, number).attention is None
    assert "Paid by bank transfer instead." in desk.get(f"/admin/orders/{number}").words


def paid_for_what_is_gone(shop: Shop) -> str:
    """The number of an order of two shirts that were sold to somebody else before its money came."""
    with shop.database.transaction() as session:
        shipping_to(session, "SG")
        shirt = a_variant(session, stock=2)
        cart_id, _ = a_cart(session, (shirt, 2))
    order_id = shop.place(cart_id).order_id
    with shop.database.transaction() as session:
        # As if Stripe had taken the money of a page that it had said was over.
        stock.release(session, {shirt.id: 2})
        stock.adjust(session, shirt.id, -2, "sold at the counter", "tests")
        session.execute(update(Order).where(Order.id == order_id).values(stock_state="released"))
    shop.stripe.pay(shop.session_of(order_id))
    eventually(lambda: shop.order(order_id).attention)
    return shop.order(order_id).number


def test_paid_for_what_is_gone_is_backordered_in_one_step_and_the_buyer_is_told(desk: Reader, shop: Shop) -> None:
    number = paid_for_what_is_gone(shop)
    page = desk.get(f"/admin/orders/{number}")
    assert "It is paid, and its goods are gone." in page.words
    assert desk.send(page, f"/admin/orders/{number}/backorders").status == 303
    assert the_order(shop, number).attention is None
    with shop.database.reading() as session:
        kinds = session.scalars(select(OutboxMessage.kind).where(OutboxMessage.recipient == "reader@example.com"))
        assert "order_needs_you" in set(kinds)


def test_paid_for_what_is_gone_is_given_back_in_one_step(desk: Reader, shop: Shop) -> None:
    number = paid_for_what_is_gone(shop)
    page = desk.get(f"/admin/orders/{number}")
    assert "Give $83.00 back, all of it" in page.words
    assert desk.send(page, f"/admin/orders/{number}/refunds").status == 303
    order = the_order(shop, number)
    assert (order.refunded_minor, order.status, order.attention) == (8300, "refunded", None)
    holds(shop)


def test_a_payment_of_another_amount_goes_back_whole_in_one_step(desk: Reader, shop: Shop) -> None:
    with shop.database.transaction() as session:
        shipping_to(session, "SG")
        cart_id, _ = a_cart(session, (a_variant(session, stock=5), 1))
    order_id = shop.place(cart_id).order_id
    with shop.database.transaction() as session:
        # The order asks for less than the page that was opened for it.
        session.execute(update(Order).where(Order.id == order_id).values(subtotal_minor=3800, total_minor=3800))
    shop.stripe.pay(shop.session_of(order_id))
    eventually(lambda: shop.order(order_id).attention)
    number = shop.order(order_id).number
    page = desk.get(f"/admin/orders/{number}")
    assert "Give $44.00 back and cancel the order" in page.words
    assert desk.send(page, f"/admin/orders/{number}/returned-payments").status == 303
    eventually(lambda: shop.order(order_id).status == "cancelled")
    assert [refund["amount"] for refund in shop.stripe.refunds()] == [4400]
    assert shop.order(order_id).stock_state == "released"


def test_a_dispute_stands_on_the_order_with_its_last_day(desk: Reader, shop: Shop) -> None:
    number = paid(shop)
    shop.stripe.dispute(shop.session_of(the_order(shop, number).id))
    eventually(lambda: the_order(shop, number).dispute_state == "open")
    page = desk.get(f"/admin/orders/{number}")
    assert "Disputed" in page.words
    assert "answer it at Stripe by" in page.words
    refused = chosen(desk, number, amount="5.00")
    assert refused.status == 422
    assert "The buyer's bank is looking into this payment." in refused.words


def failed_event(shop: Shop) -> str:
    """An event of a payment that could not be applied when it came; its order is paid at Stripe."""
    paid(shop)
    with shop.database.transaction() as session:
        row = session.scalars(select(StripeEvent).where(StripeEvent.type == "checkout.session.completed")).one()
        row.state, row.reason, row.applied_at = "failed", "OperationalError: the disk is full", None
        return row.stripe_id


@pytest.mark.parametrize("button", ["one", "all"])
def test_a_failed_event_is_tried_again_from_the_inbox(desk: Reader, shop: Shop, button: str) -> None:
    event = failed_event(shop)
    assert "1 event failed" in desk.get("/admin/").words
    page = desk.get("/admin/events", state="failed")
    assert "the disk is full" in page.words
    path = f"/admin/events/{event}/replays" if button == "one" else "/admin/events/replays"
    assert desk.send(page, path).status == 303
    assert event not in desk.get("/admin/events", state="failed").text
    assert event in desk.get("/admin/events", state="applied").text
    assert ("event.replay", f"event {event}") in [(action, subject) for action, subject, _ in trail(shop.database)]


def test_an_unknown_event_is_not_found(desk: Reader) -> None:
    token = desk.get("/admin/events").form("/admin/logout").fields
    assert desk.client.post("/admin/events/evt_nothing/replays", data=token).status_code == 404


def test_the_books_show_what_the_comparison_found_and_mended(desk: Reader, shop: Shop) -> None:
    page = desk.get("/admin/books")
    assert "None has run yet." in page.words
    paid(shop)
    reconcile(shop.database, shop.gateway, now() - timedelta(days=1))
    page = desk.get("/admin/books")
    assert "Finished" in page.words
    assert "Nothing: the shop's books and Stripe's say the same" in page.words


def test_a_packer_sees_neither_money_nor_the_buttons_that_move_it(shop: Shop) -> None:
    number = paid(shop)
    packer = a_desk(shop.app.test_client(), shop.database, "packer")
    page = packer.get(f"/admin/orders/{number}")
    assert "Give money back" not in page.words
    assert "$" not in page.words
    for path in (f"/admin/orders/{number}/refunds/new", "/admin/events", "/admin/books"):
        assert packer.get(path).status == 403, path
