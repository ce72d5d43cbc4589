"""What only a person may decide is listed with its cause, told once, and goes from the list when it is over."""

from collections.abc import Callable

import pytest
from sqlalchemy import delete, select, update

from shop.catalog.models import Variant
from shop.checkout.reconcile import open_discrepancies, reconcile
from shop.db import now
from shop.mail.models import OutboxMessage
from shop.orders.models import Order
from shop.payments.models import Discrepancy, Dispute, Refund
from tests.conftest import Shop
from tests.support.books import money_held
from tests.support.staff import an_account
from tests.support.unheard import (
    both_books_agree,
    compared,
    differing,
    intent_of,
    ordered,
    paid,
    refunded_at_stripe,
    unheard,
    written_by_hand,
)


@pytest.fixture
def deaf(shop: Shop) -> Shop:
    return unheard(shop)


def settled(shop: Shop) -> int:
    """A paid order of which both books say the same."""
    order_id = paid(shop)
    assert compared(shop).found == 0
    return order_id


def another_session(shop: Shop, order_id: int, changed: dict[str, str], address: str = "") -> str:
    """A second page of an order, as only a fault or another shop could open it. Paid."""
    tags = {"order_id": str(order_id), "order_number": shop.order(order_id).number} | changed
    told = shop.gateway.open_session(
        {
            "mode": "payment",
            "metadata": tags,
            "payment_intent_data": {"metadata": tags},
            "line_items": [
                {
                    "quantity": 1,
                    "price_data": {"currency": "sgd", "unit_amount": 3900, "product_data": {"name": "Shirt"}},
                }
            ],
            "success_url": f"{address or shop.url}/orders/x/return",
        },
        f"another-{now().isoformat()}",
    )
    shop.stripe.pay(told.id)
    return told.id


def causes(shop: Shop) -> str:
    with shop.database.reading() as session:
        return "\n".join(each.cause for each in open_discrepancies(session))


def an_order_that_stripe_has_not_charged(shop: Shop, order_id: int) -> None:
    written_by_hand(shop, order_id, payment_intent="pi_gone")


def an_order_that_counts_as_paid_with_more(shop: Shop, order_id: int) -> None:
    written_by_hand(shop, order_id, subtotal_minor=4000, total_minor=4500, paid_minor=4500)


def an_order_of_the_other_mode(shop: Shop, order_id: int) -> None:
    written_by_hand(shop, order_id, livemode=True)


def a_refund_that_stripe_does_not_have(shop: Shop, order_id: int) -> None:
    with shop.database.transaction() as session:
        session.add(
            Refund(order_id=order_id, stripe_id="re_gone", amount_minor=100, currency="sgd", status="succeeded")
        )


def a_refund_of_another_amount(shop: Shop, order_id: int) -> None:
    refunded_at_stripe(shop, intent_of(shop, order_id), amount=300)
    compared(shop)
    with shop.database.transaction() as session:
        session.execute(update(Refund).values(amount_minor=200))


def a_refund_that_the_shop_takes_for_failed(shop: Shop, order_id: int) -> None:
    refunded_at_stripe(shop, intent_of(shop, order_id), amount=300)
    compared(shop)
    with shop.database.transaction() as session:
        session.execute(update(Refund).values(status="failed"))


def a_dispute_that_the_shop_takes_for_lost(shop: Shop, order_id: int) -> None:
    shop.stripe.dispute(shop.session_of(order_id))
    compared(shop)
    with shop.database.transaction() as session:
        session.execute(update(Dispute).values(status="lost"))


def a_dispute_that_has_taken_more_here(shop: Shop, order_id: int) -> None:
    shop.stripe.dispute(shop.session_of(order_id))
    compared(shop)
    with shop.database.transaction() as session:
        session.execute(update(Dispute).values(withdrawn_minor=9900))


def a_dispute_that_stripe_does_not_have(shop: Shop, order_id: int) -> None:
    with shop.database.transaction() as session:
        session.add(
            Dispute(
                order_id=order_id,
                stripe_id="du_gone",
                amount_minor=100,
                currency="sgd",
                status="lost",
                opened_at=now(),
                told_at=now(),
            )
        )


@pytest.mark.parametrize(
    ("fault", "kinds", "said"),
    [
        (an_order_that_stripe_has_not_charged, ["missing_charge", "paid_twice"], "no charge of it that succeeded"),
        (
            an_order_that_counts_as_paid_with_more,
            ["charge_differs"],
            "SGD 45.00 by the shop's books and with SGD 44.00",
        ),
        (an_order_of_the_other_mode, ["wrong_mode"], "in test mode, the order in live mode"),
        (a_refund_that_stripe_does_not_have, ["missing_refund", "refunds_differ"], "Stripe does not know it"),
        (a_refund_of_another_amount, ["refund_differs", "refunds_differ"], "is of SGD 2.00 here and of SGD 3.00"),
        (a_refund_that_the_shop_takes_for_failed, ["refund_differs", "refunds_differ"], "is failed here and succeeded"),
        (a_dispute_that_the_shop_takes_for_lost, ["dispute_differs"], "lost, SGD 44.00 here and needs_response"),
        (a_dispute_that_has_taken_more_here, ["dispute_differs"], "has taken SGD 99.00 by the shop's books"),
        (a_dispute_that_stripe_does_not_have, ["missing_dispute"], "Stripe does not know it"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_what_differs_is_listed_with_its_cause_in_every_run(
    deaf: Shop, fault: Callable[[Shop, int], None], kinds: list[str], said: str
) -> None:
    order_id, _beside = settled(deaf), settled(deaf)
    number = deaf.order(order_id).number
    fault(deaf, order_id)
    for _ in range(2):
        assert compared(deaf).found == len(kinds)
        assert differing(deaf) == [(kind, number) for kind in kinds]
        assert said in causes(deaf)


def test_money_that_does_not_match_its_order_is_listed_until_it_has_been_given_back(deaf: Shop) -> None:
    order_id = ordered(deaf)
    number = deaf.order(order_id).number
    written_by_hand(deaf, order_id, subtotal_minor=3800, total_minor=3800)
    deaf.stripe.pay(deaf.session_of(order_id))
    for _ in range(2):
        compared(deaf)
        assert differing(deaf) == [("unsettled", number)]
    assert "SGD 44.00" in causes(deaf)
    assert "instead of" in causes(deaf)
    refunded_at_stripe(deaf, intent_of(deaf, order_id))
    compared(deaf)
    assert differing(deaf) == []


def test_a_second_payment_is_listed_until_it_has_been_given_back_and_again_when_that_fails(deaf: Shop) -> None:
    order_id = settled(deaf)
    number = deaf.order(order_id).number
    second = deaf.stripe.session(another_session(deaf, order_id, {}))["payment_intent"]
    assert compared(deaf).found == 1
    assert differing(deaf) == [("paid_twice", number)]
    refund = refunded_at_stripe(deaf, second)
    assert compared(deaf).found == 0
    assert differing(deaf) == []
    deaf.stripe.settle_refund(refund, ok=False)
    compared(deaf)
    assert differing(deaf) == [("paid_twice", number)]
    with deaf.database.reading() as session:
        assert len(session.scalars(select(Discrepancy)).all()) == 1


def test_money_for_an_order_that_a_restored_copy_lacks_is_listed(deaf: Shop) -> None:
    lost, _kept = settled(deaf), settled(deaf)
    number = deaf.order(lost).number
    with deaf.database.transaction() as session:
        session.execute(delete(Order).where(Order.id == lost))
    compared(deaf)
    assert differing(deaf) == [("no_order", "")]
    assert f"for order {number}, which is not here" in causes(deaf)


@pytest.mark.parametrize(
    "changed", [{"order_number": "U-THEIRS"}, {"order_id": "77"}, {"order_id": "77", "order_number": "U-THEIRS"}]
)
def test_another_shop_on_the_account_that_counts_its_orders_too_is_left_alone(
    deaf: Shop, changed: dict[str, str]
) -> None:
    """Not even an order's number makes a payment ours."""
    another_session(deaf, settled(deaf), changed, "https://other.example")
    assert (compared(deaf).mended, differing(deaf)) == (0, [])
    with deaf.database.reading() as session:
        assert money_held(session) == {"sgd": 4400}


def test_what_was_wrong_here_and_has_been_put_right_goes_from_the_list_however_old_it_is(deaf: Shop) -> None:
    """A run asks about what is open one by one, even if it was made before the time that the run compares."""
    order_id = settled(deaf)
    intent = intent_of(deaf, order_id)
    an_order_that_stripe_has_not_charged(deaf, order_id)
    compared(deaf)
    assert [kind for kind, _ in differing(deaf)] == ["missing_charge", "paid_twice"]
    nothing_new = now().replace(year=now().year + 1)
    reconcile(deaf.database, deaf.gateway, nothing_new)
    assert [kind for kind, _ in differing(deaf)] == ["missing_charge", "paid_twice"]
    written_by_hand(deaf, order_id, payment_intent=intent)
    reconcile(deaf.database, deaf.gateway, nothing_new)
    assert differing(deaf) == []
    both_books_agree(deaf)


def test_the_staff_are_told_of_what_is_new_and_of_nothing_twice(deaf: Shop) -> None:
    an_account(deaf.database, "owner")
    order_id = settled(deaf)
    an_order_that_counts_as_paid_with_more(deaf, order_id)
    compared(deaf)
    compared(deaf)
    with deaf.database.reading() as session:
        (letter,) = session.scalars(select(OutboxMessage).where(OutboxMessage.kind == "staff_books")).all()
    assert letter.order_id == order_id
    assert "SGD 45.00" in letter.context["reason"]


def test_what_breaks_a_rule_of_the_shop_is_listed_and_keeps_no_other_order_waiting(deaf: Shop) -> None:
    orders = {paid(deaf), paid(deaf)}

    def reserve(pieces: int) -> None:
        with deaf.database.transaction() as session:
            session.execute(update(Variant).values(reserved=pieces))

    reserve(1)
    assert compared(deaf).mended == 1
    assert [kind for kind, _ in differing(deaf)] == ["not_applied", "unsettled"]
    assert sorted(deaf.order(order_id).status for order_id in orders) == ["paid", "pending"]
    reserve(1)
    assert compared(deaf).mended == 1
    assert differing(deaf) == []
    both_books_agree(deaf)
