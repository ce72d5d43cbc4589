"""What stories have sold: every sum on this page was worked out by hand."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from shop.db import Database
from shop.insights.counting import Counted, Counters
from shop.insights.reading import report
from shop.insights.report import BY, Line, Report
from shop.insights.sums import shares
from shop.orders.models import Order
from tests.builders import a_product
from tests.support.selling import EVENING, Sold, a_tie_in, an_article, refund, sell

SINGAPORE = ZoneInfo("Asia/Singapore")


def told(session: Session, by: str = "article", **more: Any) -> Report:
    return report(session, **{"by": by, "currency": "sgd", "zone": SINGAPORE, "livemode": False} | more)


def money(found: Report) -> dict[str, tuple[int, int, int, int]]:
    """By label: sold, refunded, disputed, net."""
    return {line.label: _money(line) for line in (*found.lines, found.shipping, found.total)}


def _money(line: Line) -> tuple[int, int, int, int]:
    return line.sold.minor, line.refunded.minor, line.disputed.minor, line.net.minor


def steps(found: Report) -> dict[str, tuple[int, ...]]:
    """By label: served, seen, opened, added, checkout, paid."""
    return {line.label: tuple(line.steps.values()) for line in (*found.lines, found.total)}


@pytest.fixture
def newsroom(database: Database) -> Iterator[Session]:
    """Two stories, two products and five orders on the first and second of March:

    1. two shirts at 39.00 (summit) and a mug at 18.00 (harbour), shipping 5.00; one shirt and the shipping went back
    2. a mug at 18.00 (summit) and one at 18.00 without a story, shipping 5.00; 10.00 went back as an amount
    3. a shirt at 39.00 (harbour), no shipping; all of it was taken by a dispute
    4. a mug at 18.00 (summit), placed and never paid
    5. a mug at 18.00 (harbour), paid half an hour after midnight in Singapore; a refund of it has failed
    """
    with database.transaction() as session:
        shirt, mug = a_product(session, "shirt", title="Shirt"), a_product(session, "mug", title="Mug")
        summit = an_article(session, "summit", section="World", author="Ada Lim, Bo Tan", tags=["North Korea", "Trump"])
        harbour = an_article(session, "harbour", section="Local", author="Ada Lim", tags=["Trump"])
        tie_in = a_tie_in(session, summit)
        by_tie_in: dict[str, Any] = {"article": summit, "tie_in_id": tie_in, "slot": "story", "layout": "card"}
        first, lines = sell(
            session,
            Sold(shirt, 2, 3900, **by_tie_in),
            Sold(mug, 1, 1800, article=harbour, slot="story", layout="line"),
            shipping=500,
        )
        refund(session, first, 4400, of={lines[0].id: (1, 3900)}, shipping=500)
        second, _ = sell(session, Sold(mug, 1, 1800, **by_tie_in), Sold(mug, 1, 1800), shipping=500)
        refund(session, second, 1000)
        sell(session, Sold(shirt, 1, 3900, article=harbour, slot="story", layout="line"), disputed_minor=3900)
        sell(session, Sold(mug, 1, 1800, **by_tie_in), paid=False)
        late = datetime(2026, 3, 1, 16, 30, tzinfo=UTC)
        fifth, _ = sell(session, Sold(mug, 1, 1800, article=harbour, slot="story", layout="line"), at=late)
        refund(session, fifth, 1800, status="failed")
    counters = Counters(SINGAPORE)
    card = Counted(summit.id, shirt.id, tie_in, "story", "card")
    line = Counted(harbour.id, mug.id, None, "story", "line")
    for what, times in ((card, (2000, 1000, 50, 4)), (line, (400, 200, 10, 3))):
        for step, often in zip(("served", "seen", "opened", "added"), times, strict=True):
            counters.count(step, what, often)
    counters.count("unverified", Counted(), 7)
    counters.flush(database)
    with database.transaction() as session:
        session.execute(sa.text("UPDATE insight_counts SET day = '2026-03-01'"))
    with database.reading() as session:
        yield session


def test_each_story_has_what_it_sold_less_what_went_back(newsroom: Session) -> None:
    found = told(newsroom)
    assert money(found) == {
        # Two shirts and a mug; one shirt back, and half of the amount that went back of the second order.
        "Summit": (7800 + 1800, 3900 + 500, 0, 5200),
        # Two mugs and a shirt; the shirt was taken by the dispute, and the refund of the last mug has failed.
        "Harbour": (1800 + 3900 + 1800, 0, 3900, 3600),
        "No story": (1800, 500, 0, 1300),
        "Shipping": (1000, 500, 0, 500),
        "Total": (19900, 5400, 3900, 10600),
    }
    assert [line.key for line in found.lines] == [
        "https://news.example/summit",
        "https://news.example/harbour",
        "",
    ]
    assert [line.pieces for line in found.lines] == [3, 3, 1]
    assert [line.refunded_orders for line in found.lines] == [2, 1, 1]


def test_the_steps_towards_a_sale_are_counted_and_compared(newsroom: Session) -> None:
    found = told(newsroom)
    assert steps(found) == {
        "Summit": (2000, 1000, 50, 4, 3, 2),
        "Harbour": (400, 200, 10, 3, 3, 3),
        "No story": (0, 0, 0, 0, 1, 1),
        "Total": (2400, 1200, 60, 7, 5, 4),
    }
    summit, _, without = found.lines
    assert dict(summit.rates) == {
        "seen": 0.5,
        "opened": 0.05,
        "added": 0.004,
        "checkout": 0.75,
        "paid": 0.6667,
    }
    assert summit.per_thousand is not None
    assert summit.per_thousand.minor == 5200
    assert without.per_thousand is None
    assert without.rate("seen") is None
    assert found.unverified == 7


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("section", {"World": 5200, "Local": 3600, "No story": 1300}),
        ("author", {"Ada Lim": 8800, "Bo Tan": 5200, "No story": 1300}),
        ("tag", {"Trump": 8800, "North Korea": 5200, "No story": 1300}),
        ("product", {"Shirt": 3900, "Mug": 6200}),
        ("day", {"2026-03-01": 8300, "2026-03-02": 1800}),
    ],
)
def test_the_same_sales_are_told_in_other_ways(newsroom: Session, by: str, expected: dict[str, int]) -> None:
    found = told(newsroom, by)
    assert {line.label: line.net.minor for line in found.lines} == expected
    assert found.total.net.minor == 10600
    assert found.overlaps == (by in {"author", "tag"})


def test_a_placement_is_tie_in_slot_and_layout(newsroom: Session) -> None:
    found = told(newsroom, "placement")
    (tie_in,) = [line for line in found.lines if line.label.startswith("tie-in")]
    assert tie_in.label.endswith(", slot story, card")
    assert tie_in.net.minor == 5200
    assert tuple(tie_in.steps.values()) == (2000, 1000, 50, 4, 3, 2)
    others = {line.label: line.net.minor for line in found.lines if line is not tie_in}
    assert others == {"named in the page, slot story, line": 3600, "No placement": 1300}


def test_a_day_ends_at_midnight_where_the_shop_is(newsroom: Session) -> None:
    first, second = date(2026, 3, 1), date(2026, 3, 2)
    assert told(newsroom, until=first).total.net.minor == 8800
    assert told(newsroom, since=second).total.net.minor == 1800
    assert told(newsroom, since=first, until=second).total.net.minor == 10600
    assert told(newsroom, since=first, until=first, zone=ZoneInfo("UTC")).total.net.minor == 10600
    assert told(newsroom, since=second, until=second).total.steps["seen"] == 0


def test_orders_of_another_mode_or_currency_are_not_mixed_in(newsroom: Session, database: Database) -> None:
    with database.transaction() as session:
        book = a_product(session, "book", currency="usd")
        sell(session, Sold(book, price=700), currency="usd")
        sell(session, Sold(book, price=900), livemode=True)
    with database.reading() as session:
        found = told(session)
        assert found.total.net.minor == 10600
        assert found.elsewhere == ("usd",)
        assert told(session, currency="usd").total.net.minor == 700
        assert told(session, livemode=True).total.net.minor == 900


def test_a_story_that_is_gone_keeps_its_sales(newsroom: Session, database: Database) -> None:
    with database.transaction() as session:
        session.execute(sa.text("DELETE FROM articles WHERE url = 'https://news.example/harbour'"))
    with database.reading() as session:
        assert money(told(session))["Harbour"] == (7500, 0, 3900, 3600)


@pytest.mark.parametrize("by", BY)
def test_a_report_takes_seven_statements_at_most(newsroom: Session, by: str) -> None:
    said: list[str] = []

    def hear(*event: Any) -> None:
        said.append(event[2])

    engine = newsroom.get_bind().engine
    sa.event.listen(engine, "before_cursor_execute", hear)
    try:
        told(newsroom, by)
    finally:
        sa.event.remove(engine, "before_cursor_execute", hear)
    assert 5 <= len(said) <= 7


def test_a_kind_of_report_that_there_is_not_is_refused(newsroom: Session) -> None:
    with pytest.raises(ValueError, match="is none of article"):
        told(newsroom, "reader")


def test_an_amount_that_goes_back_is_of_the_goods_before_it_is_of_the_shipping() -> None:
    lines, shipping = shares([2500], 500, refunded=500, disputed=0, of_lines={}, of_shipping=0)
    assert (lines[0].net, shipping.net) == (2000, 500)
    # Then the piece goes back whole: what had gone back before can only have been of the shipping.
    lines, shipping = shares([2500], 500, refunded=3000, disputed=0, of_lines={0: 2500}, of_shipping=0)
    assert (lines[0].net, shipping.net) == (0, 0)


def test_what_a_dispute_takes_after_it_had_gone_back_is_a_loss() -> None:
    lines, shipping = shares([3000, 1000], 500, refunded=4500, disputed=4500, of_lines={}, of_shipping=0)
    assert [line.net for line in lines] == [-3375, -1125]
    assert shipping.net == 0


@st.composite
def order_moneys(draw: st.DrawFn) -> dict[str, Any]:
    worth = draw(st.lists(st.integers(0, 10_000), min_size=1, max_size=6))
    shipping = draw(st.integers(0, 2000))
    of_lines = {place: draw(st.integers(0, price)) for place, price in enumerate(worth) if draw(st.booleans())}
    of_shipping = draw(st.integers(0, shipping))
    known = sum(of_lines.values()) + of_shipping
    refunded = draw(st.integers(known, sum(worth) + shipping))
    disputed = draw(st.integers(0, sum(worth) + shipping))
    return {
        "worth": worth,
        "shipping": shipping,
        "refunded": refunded,
        "disputed": disputed,
        "of_lines": of_lines,
        "of_shipping": of_shipping,
    }


@given(order_moneys())
def test_whatever_went_back_the_shares_are_the_order_s_sums_to_the_cent(money: dict[str, Any]) -> None:
    lines, shipping = shares(money.pop("worth"), money.pop("shipping"), **money)
    parts = [*lines, shipping]
    assert sum(part.refunded for part in parts) == money["refunded"]
    assert sum(part.disputed for part in parts) == money["disputed"]
    assert all(0 <= part.refunded <= part.sold for part in parts)
    for place, amount in money["of_lines"].items():
        assert lines[place].refunded >= amount
    if sum(part.sold for part in parts) >= money["refunded"] + money["disputed"]:
        assert all(part.net >= 0 for part in parts)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(orders=st.lists(order_moneys(), min_size=1, max_size=5), stories=st.data())
def test_the_rows_add_up_to_the_orders(
    database: Database, orders: list[dict[str, Any]], stories: st.DataObject
) -> None:
    with database.transaction() as session:
        for table in ("refund_lines", "refunds", "order_lines", "orders", "articles"):
            session.execute(sa.text(f"DELETE FROM {table}"))
        product = a_product(session)
        known = [None, *(an_article(session, name) for name in ("one", "two"))]
        for money in orders:
            order, lines = sell(
                session,
                *(Sold(product, 1, price, article=stories.draw(st.sampled_from(known))) for price in money["worth"]),
                shipping=money["shipping"],
                at=EVENING,
            )
            if money["refunded"]:
                of = {lines[place].id: (1, amount) for place, amount in money["of_lines"].items()}
                refund(session, order, money["refunded"], of=of, shipping=money["of_shipping"])
            order.disputed_minor = money["disputed"]
    with database.reading() as session:
        theirs = session.execute(
            sa.select(
                sa.func.sum(Order.paid_minor), sa.func.sum(Order.refunded_minor), sa.func.sum(Order.disputed_minor)
            )
        ).one()
        for by in ("article", "product", "placement", "section", "day"):
            found = told(session, by)
            rows = [*found.lines, found.shipping]
            assert tuple(theirs) == (found.total.sold.minor, found.total.refunded.minor, found.total.disputed.minor)
            for name in ("sold", "refunded", "disputed", "net"):
                assert sum(getattr(line, name).minor for line in rows) == getattr(found.total, name).minor
