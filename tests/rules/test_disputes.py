"""Disputes: what a buyer's bank takes and brings back, in whatever order Stripe tells of it."""

from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
import stripe
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from shop.catalog.models import Variant
from shop.checkout.closing import look_at_payment
from shop.checkout.disputes import settle_dispute
from shop.checkout.settle import Settled
from shop.checkout.ship import ship
from shop.errors import InvalidChange
from shop.mail.models import OutboxMessage
from shop.orders.facts import status_of
from shop.orders.models import Order
from shop.payments.disputes import disputes_of
from shop.payments.inbox import EventView, events_of_order
from shop.payments.models import Dispute
from shop.payments.told import read_dispute
from tests.builders import a_cart, a_variant, shipping_to
from tests.conftest import TEST_KEY, Shop
from tests.support.books import broken_books, money_disagreements
from tests.support.serving import eventually
from tests.support.staff import an_account

TOTAL = 2 * 3900 + 500


def an_order(shop: Shop) -> int:
    """Two shirts, placed; nothing that Stripe has to say arrives by itself."""
    an_account(shop.database, "owner")
    shop.stripe.hold_deliveries()
    with shop.database.transaction() as session:
        shipping_to(session, "SG")
        cart_id = a_cart(session, (a_variant(session, stock=3), 2))[0]
    return shop.place(cart_id).order_id


@pytest.fixture
def order_id(shop: Shop) -> int:
    """Paid with 83.00, not shipped."""
    order_id = an_order(shop)
    shop.stripe.pay(shop.session_of(order_id))
    look_at_payment(shop.database, shop.gateway, order_id)
    return order_id


def told(shop: Shop) -> list[Any]:
    """Every event about disputes so far, as it was when it happened, the oldest first."""
    return [event for event in shop.stripe.events() if event["type"].startswith("charge.dispute.")]


def apply(session: Session, event: Any, at: datetime | None = None) -> Settled:
    moment = at or datetime.fromtimestamp(event["created"], UTC)
    return settle_dispute(session, read_dispute(event["data"]["object"]), f"webhook {event['id']}", moment)


def hear(shop: Shop, *events: Any, at: datetime | None = None) -> None:
    with shop.database.transaction() as session:
        for event in events or told(shop):
            apply(session, event, at)
        assert broken_books(session) == []


def client(shop: Shop) -> stripe.StripeClient:
    return stripe.StripeClient(TEST_KEY, base_addresses={"api": shop.stripe_url})


def answer(shop: Shop, dispute_id: str, text: str = "The parcel was signed for.") -> None:
    client(shop).v1.disputes.update(dispute_id, params={"evidence": {"uncategorized_text": text}})


def row(shop: Shop, order_id: int) -> Order:
    with shop.database.reading() as session:
        return session.scalars(select(Order).where(Order.id == order_id)).one()


def timeline(shop: Shop, order_id: int) -> list[tuple[str, int | None]]:
    """What happened to the order after it was paid, with the amounts."""
    entries = [(entry.what, entry.amount.minor if entry.amount else None) for entry in shop.order(order_id).entries]
    return entries[entries.index(("paid", TOTAL)) + 1 :]


def staff_mail(shop: Shop) -> list[str]:
    with shop.database.reading() as session:
        query = select(OutboxMessage).where(OutboxMessage.kind == "staff_dispute").order_by(OutboxMessage.id)
        return [str(message.context["reason"]) for message in session.scalars(query)]


def inbox_of(shop: Shop, order_id: int) -> tuple[EventView, ...]:
    with shop.database.reading() as session:
        return events_of_order(session, order_id)


def agrees_with_stripe(shop: Shop) -> None:
    with shop.database.reading() as session:
        assert money_disagreements(session, [], shop.stripe.disputes(), everything_told=True) == []


def parcel(shop: Shop, order_id: int) -> None:
    ship(shop.database, shop.order(order_id).number, carrier="Post", tracking_number="1", actor="desk@example.com")


def test_a_dispute_takes_the_money_and_staff_read_by_when_to_answer(shop: Shop, order_id: int) -> None:
    made = shop.stripe.dispute(shop.session_of(order_id))
    hear(shop)
    order = row(shop, order_id)
    assert (order.status, order.dispute_state, order.disputed_minor) == ("disputed", "open", TOTAL)
    assert timeline(shop, order_id) == [("dispute_opened", TOTAL), ("dispute_took", TOTAL)]
    (mail,) = staff_mail(shop)
    due = datetime.fromtimestamp(made["evidence_details"]["due_by"], UTC)
    for said in ("SGD 83.00", "fraudulent", made["id"], f"{due:%B} {due.day}, {due.year}"):
        assert said in mail
    with shop.database.reading() as session:
        (view,) = disputes_of(session, order_id)
    assert (view.is_open, view.is_inquiry, view.due_at) == (True, False, due)
    assert (view.amount.minor, view.withdrawn.minor, view.reinstated.minor) == (TOTAL, TOTAL, 0)
    agrees_with_stripe(shop)


def test_a_dispute_that_is_won_leaves_everything_as_it_was(shop: Shop, order_id: int) -> None:
    made = shop.stripe.dispute(shop.session_of(order_id))
    answer(shop, made["id"])
    shop.stripe.settle_dispute(made["id"], won=True)
    hear(shop)
    order = row(shop, order_id)
    assert (order.status, order.dispute_state, order.disputed_minor) == ("paid", "won", 0)
    assert [what for what, _ in timeline(shop, order_id)] == [
        "dispute_opened",
        "dispute_took",
        "dispute_answered",
        "dispute_won",
        "dispute_brought_back",
    ]
    parcel(shop, order_id)
    assert shop.order(order_id).status == "shipped"
    agrees_with_stripe(shop)


def test_a_dispute_that_is_lost_keeps_the_money_and_the_parcel_does_not_leave(shop: Shop, order_id: int) -> None:
    shop.stripe.settle_dispute(shop.stripe.dispute(shop.session_of(order_id))["id"], won=False)
    hear(shop)
    order = row(shop, order_id)
    assert (order.status, order.dispute_state, order.disputed_minor) == ("disputed", "lost", TOTAL)
    with pytest.raises(InvalidChange, match="taken this payment back"):
        parcel(shop, order_id)
    agrees_with_stripe(shop)


def test_nothing_leaves_while_a_dispute_is_open(shop: Shop, order_id: int) -> None:
    shop.stripe.dispute(shop.session_of(order_id))
    hear(shop)
    with pytest.raises(InvalidChange, match="disputes this payment"):
        parcel(shop, order_id)
    assert shop.order(order_id).shipped_at is None


def test_a_dispute_of_what_has_left_already_is_seen_and_when_won_it_is_shipped_again(shop: Shop, order_id: int) -> None:
    parcel(shop, order_id)
    made = shop.stripe.dispute(shop.session_of(order_id), "product_not_received")
    hear(shop)
    assert shop.order(order_id).status == "disputed"
    shop.stripe.settle_dispute(made["id"], won=True)
    hear(shop)
    assert shop.order(order_id).status == "shipped"


def test_an_inquiry_takes_no_money_and_holds_the_parcel_until_it_is_closed(shop: Shop, order_id: int) -> None:
    made = shop.stripe.dispute(shop.session_of(order_id), status="warning_needs_response")
    hear(shop)
    order = row(shop, order_id)
    assert (order.status, order.dispute_state, order.disputed_minor) == ("disputed", "open", 0)
    with pytest.raises(InvalidChange, match="disputes this payment"):
        parcel(shop, order_id)
    shop.stripe.settle_dispute(made["id"], won=True)
    hear(shop)
    assert shop.order(order_id).status == "paid"
    assert timeline(shop, order_id) == [("inquiry_opened", TOTAL), ("inquiry_closed", TOTAL)]
    parcel(shop, order_id)
    agrees_with_stripe(shop)


def test_an_inquiry_that_becomes_a_dispute_takes_the_money_then(shop: Shop, order_id: int) -> None:
    made = shop.stripe.dispute(shop.session_of(order_id), status="warning_needs_response")
    answer(shop, made["id"])
    shop.stripe.settle_dispute(made["id"], won=False)
    hear(shop)
    assert [what for what, _ in timeline(shop, order_id)] == [
        "inquiry_opened",
        "inquiry_answered",
        "dispute_opened",
        "dispute_took",
    ]
    assert row(shop, order_id).disputed_minor == TOTAL
    assert len(staff_mail(shop)) == 3
    agrees_with_stripe(shop)


def test_what_was_said_of_an_inquiry_takes_nothing_back_of_the_dispute_that_it_became(
    shop: Shop, order_id: int
) -> None:
    made = shop.stripe.dispute(shop.session_of(order_id), status="warning_needs_response")
    shop.stripe.settle_dispute(made["id"], won=False)
    hear(shop, *reversed(told(shop)))
    order = row(shop, order_id)
    assert (order.dispute_state, order.disputed_minor) == ("open", TOTAL)
    assert [what for what, _ in timeline(shop, order_id)] == ["dispute_opened", "dispute_took"]
    agrees_with_stripe(shop)


def test_a_dispute_arrives_by_webhook_from_its_first_day_to_its_end(shop: Shop, order_id: int) -> None:
    shop.stripe.release_deliveries()
    made = shop.stripe.dispute(shop.session_of(order_id))
    eventually(lambda: shop.order(order_id).status == "disputed")
    answer(shop, made["id"])
    shop.stripe.settle_dispute(made["id"], won=True)
    eventually(lambda: all(each["state"] == "delivered" for each in shop.stripe.deliveries()))
    order = row(shop, order_id)
    assert (order.status, order.dispute_state, order.disputed_minor) == ("paid", "won", 0)
    assert {event.state for event in inbox_of(shop, order_id)} == {"applied"}
    agrees_with_stripe(shop)


def test_a_prevented_dispute_is_told_and_the_order_goes_on(shop: Shop, order_id: int) -> None:
    shop.stripe.dispute(shop.session_of(order_id), status="prevented")
    hear(shop)
    assert shop.order(order_id).status == "paid"
    assert timeline(shop, order_id) == [("dispute_prevented", TOTAL)]
    parcel(shop, order_id)


def test_disputes_of_parts_of_one_order_add_up(shop: Shop, order_id: int) -> None:
    """One part lost, another won: the money that is gone is the first part's, and what was lost stays lost."""
    first = shop.stripe.dispute(shop.session_of(order_id), amount=3900)
    shop.stripe.settle_dispute(first["id"], won=False)
    second = shop.stripe.dispute(shop.session_of(order_id), amount=1000)
    hear(shop)
    order = row(shop, order_id)
    assert (order.dispute_state, order.disputed_minor) == ("open", 4900)
    shop.stripe.settle_dispute(second["id"], won=True)
    hear(shop)
    order = row(shop, order_id)
    assert (order.dispute_state, order.disputed_minor) == ("lost", 3900)
    with shop.database.reading() as session:
        assert [(view.status, view.amount.minor) for view in disputes_of(session, order_id)] == [
            ("lost", 3900),
            ("won", 1000),
        ]
    agrees_with_stripe(shop)


@pytest.mark.parametrize("won", [True, False])
def test_the_order_of_the_tellings_changes_nothing_in_the_end(shop: Shop, order_id: int, won: bool) -> None:
    """Orders of the events of a whole dispute, the first of them again at its end; all are dated to one second."""
    made = shop.stripe.dispute(shop.session_of(order_id))
    answer(shop, made["id"])
    shop.stripe.settle_dispute(made["id"], won=won)
    events = told(shop)
    assert len(events) == (5 if won else 4)
    ended = ("paid", "won", 0) if won else ("disputed", "lost", TOTAL)
    moment = datetime.now(UTC).replace(microsecond=0)
    with shop.database.transaction() as session:
        order = session.scalars(select(Order)).one()
        for way in list(permutations(events))[::7]:
            attempt = session.begin_nested()
            closed = False
            for event in (*way, way[0]):
                apply(session, event, moment)
                closed = closed or event["data"]["object"]["status"] in {"won", "lost"}
                assert not (closed and order.dispute_state == "open")
            assert (order.status, order.dispute_state, order.disputed_minor) == ended
            assert broken_books(session) == []
            mail = session.scalars(select(OutboxMessage.dedupe_key).where(OutboxMessage.kind == "staff_dispute")).all()
            assert 1 <= len(mail) <= 3
            attempt.rollback()
            session.expire_all()


def test_a_telling_twice_changes_nothing(shop: Shop, order_id: int) -> None:
    shop.stripe.dispute(shop.session_of(order_id))
    hear(shop)
    before, mail = shop.order(order_id), staff_mail(shop)
    with shop.database.transaction() as session:
        assert [apply(session, event).changed for event in told(shop)] == [False, False]
    assert (shop.order(order_id), staff_mail(shop)) == (before, mail)


def test_an_appeal_that_is_told_later_takes_up_a_lost_dispute_and_one_told_before_does_not(
    shop: Shop, order_id: int
) -> None:
    made = shop.stripe.dispute(shop.session_of(order_id))
    answer(shop, made["id"])
    shop.stripe.settle_dispute(made["id"], won=False, may_appeal=True)
    appeal = told(shop)[-1]
    assert appeal["data"]["object"]["status"] == "appeal_needs_response"
    shop.stripe.settle_dispute(made["id"], won=False)
    lost = told(shop)[-1]
    moment = datetime.now(UTC)
    hear(shop, lost, at=moment)
    hear(shop, appeal, at=moment - timedelta(minutes=1))
    assert row(shop, order_id).dispute_state == "lost"
    hear(shop, appeal, at=moment + timedelta(minutes=1))
    assert row(shop, order_id).dispute_state == "open"
    hear(shop, lost, at=moment + timedelta(minutes=2))
    assert row(shop, order_id).dispute_state == "lost"


def test_of_two_endings_the_later_one_counts(shop: Shop, order_id: int) -> None:
    """A bank may change its mind after it has decided."""
    made = shop.stripe.dispute(shop.session_of(order_id))
    shop.stripe.settle_dispute(made["id"], won=True)
    won = told(shop)[-1]
    lost = won | {"data": {"object": won["data"]["object"] | {"status": "lost", "balance_transactions": []}}}
    moment = datetime.now(UTC)
    hear(shop, won, at=moment)
    hear(shop, lost, at=moment - timedelta(minutes=1))
    assert row(shop, order_id).dispute_state == "won"
    hear(shop, lost, at=moment + timedelta(minutes=1))
    assert row(shop, order_id).dispute_state == "lost"


def test_a_state_that_stripe_has_invented_since_is_taken_for_open(shop: Shop, order_id: int) -> None:
    shop.stripe.dispute(shop.session_of(order_id))
    (event, *_) = told(shop)
    novel = event | {"data": {"object": event["data"]["object"] | {"status": "in_mediation"}}}
    with shop.database.transaction() as session:
        apply(session, novel)
    assert (row(shop, order_id).dispute_state, row(shop, order_id).status) == ("open", "disputed")
    with pytest.raises(InvalidChange, match="disputes this payment"):
        parcel(shop, order_id)


def test_a_dispute_of_a_payment_that_no_order_knows_yet_waits_for_it(shop: Shop) -> None:
    order_id = an_order(shop)
    shop.stripe.pay(shop.session_of(order_id))
    shop.stripe.dispute(shop.session_of(order_id))
    with shop.database.transaction() as session:
        assert apply(session, told(shop)[0]) == Settled(None, changed=False, reason="waits for its payment")
        assert session.scalars(select(Dispute)).all() == []
    look_at_payment(shop.database, shop.gateway, order_id)
    hear(shop)
    assert shop.order(order_id).status == "disputed"


def test_a_dispute_of_a_payment_outside_a_checkout_is_none_of_ours(shop: Shop, order_id: int) -> None:
    shop.stripe.dispute(shop.session_of(order_id))
    event = told(shop)[0]
    stray = event | {"data": {"object": event["data"]["object"] | {"payment_intent": None}}}
    with shop.database.transaction() as session:
        settled = apply(session, stray)
    assert settled.order_id is None
    assert "waits" not in settled.reason
    assert row(shop, order_id).dispute_state == ""


def test_a_dispute_in_another_currency_is_shown_and_is_none_of_the_orders_money(shop: Shop, order_id: int) -> None:
    """Of a payment that was not what the order asked for."""
    shop.stripe.dispute(shop.session_of(order_id))
    event = told(shop)[1]
    foreign = event["data"]["object"] | {"currency": "usd"}
    foreign["balance_transactions"] = [line | {"currency": "usd"} for line in foreign["balance_transactions"]]
    with shop.database.transaction() as session:
        apply(session, event | {"data": {"object": foreign}})
    order = row(shop, order_id)
    assert (order.dispute_state, order.disputed_minor) == ("open", 0)
    assert ("dispute_opened", None) in timeline(shop, order_id)
    with shop.database.reading() as session:
        assert disputes_of(session, order_id)[0].withdrawn.currency == "usd"
    assert any("USD 83.00" in entry.note for entry in shop.order(order_id).entries)


def test_a_dispute_after_everything_was_refunded_is_told_and_once_closed_leaves_a_refunded_order(
    shop: Shop, order_id: int
) -> None:
    made = shop.stripe.dispute(shop.session_of(order_id), status="warning_needs_response")
    client(shop).v1.refunds.create(params={"payment_intent": shop.order(order_id).payment_intent or ""})
    with shop.database.transaction() as session:
        session.execute(update(Order).values(refunded_minor=TOTAL))
        order = session.scalars(select(Order)).one()
        order.status = status_of(order)
        for event in told(shop):
            apply(session, event)
        assert order.status == "disputed"
    shop.stripe.settle_dispute(made["id"], won=True)
    with shop.database.transaction() as session:
        for event in told(shop):
            apply(session, event)
    assert shop.order(order_id).status == "refunded"


def test_goods_and_counters_are_no_business_of_a_dispute(shop: Shop, order_id: int) -> None:
    with shop.database.reading() as session:
        before = session.execute(select(Variant.on_hand, Variant.reserved)).one()
    shop.stripe.settle_dispute(shop.stripe.dispute(shop.session_of(order_id))["id"], won=False)
    hear(shop)
    with shop.database.reading() as session:
        assert session.execute(select(Variant.on_hand, Variant.reserved)).one() == before
