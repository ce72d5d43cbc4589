"""Merchandise is taken away: what carts hold of it cannot be bought, and open payment pages are closed at Stripe."""

from collections.abc import Callable

import pytest
from sqlalchemy import select

from shop.articles.models import Article, ArticleTag, Suppression
from shop.articles.suppression import holding
from shop.cart import adding
from shop.cart.models import CartLine
from shop.cart.reading import view_cart
from shop.catalog.models import Variant
from shop.checkout.stops import refuse_stopped
from shop.checkout.suppressing import TakenAway, give_back, take_away
from shop.checkout.sweep import Swept, sweep
from shop.errors import AlreadyPaid, InvalidChange, NoLongerSold, NotFound
from shop.payments.gateway import Gateway
from shop.staff.audit import list_entries
from tests.builders import a_product, a_variant, shipping_to, variants_of
from tests.conftest import Shop
from tests.support.statements import statements

STORY = "https://news.example/kim"


@pytest.fixture
def shirt(shop: Shop) -> int:
    with shop.database.transaction() as session:
        shipping_to(session, "SG")
        return a_variant(session, stock=9, title="Shirt").id


@pytest.fixture
def article(shop: Shop) -> int:
    with shop.database.transaction() as session:
        row = Article(url=STORY, title="Kim", section="World", source="feed")
        row.tags = [ArticleTag(key="north korea", tag="North Korea")]
        session.add(row)
        session.flush()
        return row.id


@pytest.fixture
def a_cart_with(shop: Shop, shirt: int) -> Callable[[int | None], int]:
    """A cart with a shirt from a story."""

    def fill(article_id: int | None) -> int:
        with shop.database.transaction() as session:
            cart_id, _ = adding.add_by_handle(session, None, shirt, 1, limit=9, article_id=article_id)
            return cart_id

    return fill


def product_of(shop: Shop, variant_id: int) -> int:
    with shop.database.reading() as session:
        return session.get_one(Variant, variant_id).product_id


def take(shop: Shop, scope: str, value: str | int | None = None) -> TakenAway:
    return take_away(shop.database, shop.gateway, scope, value, reason="a tragedy", actor="ed@news.example")


def reserved(shop: Shop) -> int:
    with shop.database.reading() as session:
        return session.scalars(select(Variant.reserved)).one()


def said_in(shop: Shop, cart_id: int) -> list[str]:
    with shop.database.reading() as session:
        return [line.problem for line in view_cart(session, cart_id, "sgd").lines]


def holding_of(shop: Shop, scope: str) -> int:
    with shop.database.reading() as session:
        return next(view.id for view in holding(session) if view.scope == scope)


SCOPES = [("article", ""), ("section", "WORLD"), ("tag", " north  KOREA"), ("product", ""), ("everywhere", None)]


@pytest.mark.parametrize(("scope", "value"), SCOPES)
def test_what_is_taken_away_closes_the_payment_page_and_stops_the_cart_until_it_is_given_back(
    shop: Shop, shirt: int, article: int, a_cart_with: Callable[[int | None], int], scope: str, value: str | None
) -> None:
    of = {"article": article, "product": product_of(shop, shirt)}.get(scope, value)
    cart_id = a_cart_with(article)
    first = shop.place(cart_id)
    taken = take(shop, scope, of)
    assert taken == TakenAway(taken.suppression_id, carts=1, sessions=1)
    assert shop.stripe.session(shop.session_of(first.order_id))["status"] == "expired"
    assert (shop.order(first.order_id).status, reserved(shop)) == ("expired", 0)
    assert "no longer sold" in said_in(shop, cart_id)[0]
    with pytest.raises(NoLongerSold):
        shop.place(cart_id)
    with shop.database.transaction() as session, pytest.raises(NoLongerSold):
        refuse_stopped(session, shirt, article)
    assert give_back(shop.database, taken.suppression_id, actor="ed@news.example")
    assert said_in(shop, cart_id) == [""]
    assert shop.place(cart_id).order_id != first.order_id
    with shop.database.reading() as session:
        trail = [(entry.action, entry.actor) for entry in list_entries(session).entries]
    assert trail == [("suppression.lift", "ed@news.example"), ("suppression.make", "ed@news.example")]


@pytest.mark.parametrize(("scope", "value"), [("article", ""), ("section", "world"), ("tag", "north korea")])
def test_the_same_shirt_from_another_story_is_still_sold(
    shop: Shop, article: int, a_cart_with: Callable[[int | None], int], scope: str, value: str
) -> None:
    with shop.database.transaction() as session:
        session.add(Article(id=article + 1, url=f"{STORY}-2", section="Sport", source="feed"))
    cart_id = a_cart_with(article + 1)
    first = shop.place(cart_id)
    taken = take(shop, scope, value or article)
    assert (taken.carts, taken.sessions, said_in(shop, cart_id)) == (0, 0, [""])
    assert shop.place(cart_id) == first


def test_what_came_into_a_cart_behind_the_back_of_a_suppression_is_not_sold(
    shop: Shop, article: int, a_cart_with: Callable[[int | None], int]
) -> None:
    take(shop, "tag", "North Korea")
    cart_id = a_cart_with(article)  # as by a click that asked a moment before
    with pytest.raises(NoLongerSold):
        shop.place(cart_id)


def test_a_payment_page_that_was_opened_before_the_story_had_its_tag_is_not_handed_out_again(
    shop: Shop, article: int, a_cart_with: Callable[[int | None], int]
) -> None:
    take(shop, "tag", "Fire")
    cart_id = a_cart_with(article)
    order = shop.place(cart_id)
    with shop.database.transaction() as session:
        session.add(ArticleTag(article_id=article, key="fire", tag="Fire"))
    with pytest.raises(NoLongerSold):
        shop.place(cart_id)
    assert (shop.order(order.order_id).status, reserved(shop)) == ("expired", 0)


def test_what_stripe_does_not_answer_for_stays_held_until_the_sweep_has_closed_it(
    shop: Shop, article: int, a_cart_with: Callable[[int | None], int]
) -> None:
    order = shop.place(a_cart_with(article))
    once = Gateway(shop.settings, time_out=(1.0, 3.0), retries=0)
    shop.stripe.fail_next(1, "500")
    taken = take_away(shop.database, once, "article", article, reason="", actor="ed")
    assert (taken.sessions, taken.left, reserved(shop)) == (0, 1, 1)
    assert sweep(shop.database, shop.gateway) == Swept(closed=1)
    assert (shop.order(order.order_id).status, reserved(shop)) == ("expired", 0)
    assert sweep(shop.database, shop.gateway) == Swept()


def test_taking_the_same_away_again_finishes_what_was_left_and_writes_the_trail_once(
    shop: Shop, article: int, a_cart_with: Callable[[int | None], int]
) -> None:
    shop.place(a_cart_with(article))
    once = Gateway(shop.settings, time_out=(1.0, 3.0), retries=0)
    shop.stripe.fail_next(1, "500")
    first = take_away(shop.database, once, "article", article, reason="", actor="ed")
    again = take(shop, "article", article)
    assert (again.suppression_id, again.sessions, again.left) == (first.suppression_id, 1, 0)
    with shop.database.reading() as session:
        assert len(list_entries(session).entries) == 1
        assert len(holding(session)) == 1


def test_what_stripe_has_taken_the_money_for_is_paid(
    shop: Shop, article: int, a_cart_with: Callable[[int | None], int]
) -> None:
    cart_id = a_cart_with(article)
    order = shop.place(cart_id)
    shop.stripe.hold_deliveries()
    shop.stripe.pay(shop.session_of(order.order_id))
    assert take(shop, "article", article).sessions == 1
    assert shop.order(order.order_id).status == "paid"
    with pytest.raises((AlreadyPaid, NoLongerSold)):
        shop.place(cart_id)


def test_a_line_that_two_things_stop_is_free_when_both_are_given_back(
    shop: Shop, shirt: int, article: int, a_cart_with: Callable[[int | None], int]
) -> None:
    cart_id = a_cart_with(article)
    of_story = take(shop, "article", article)
    of_product = take(shop, "product", product_of(shop, shirt))

    def why() -> str:
        with shop.database.reading() as session:
            return session.scalars(select(CartLine.stopped)).one()

    assert why() == "product"
    take(shop, "section", "World")
    assert why() == "product"
    give_back(shop.database, holding_of(shop, "section"), actor="ed")
    give_back(shop.database, of_product.suppression_id, actor="ed")
    assert why() == "story"
    assert not give_back(shop.database, of_product.suppression_id, actor="ed")
    give_back(shop.database, of_story.suppression_id, actor="ed")
    assert (why(), said_in(shop, cart_id)) == ("", [""])


def test_what_cannot_be_meant_changes_nothing(shop: Shop) -> None:
    for scope, value in (("continent", "Asia"), ("tag", " - "), ("section", "")):
        with pytest.raises(InvalidChange):
            take(shop, scope, value)
    for scope, row_id in (("article", "99"), ("product", "9" * 9000), ("article", "x"), ("product", None)):
        with pytest.raises(NotFound):
            take(shop, scope, row_id)
    with pytest.raises(NotFound):
        give_back(shop.database, 7, actor="ed")
    with shop.database.reading() as session:
        assert session.scalars(select(Suppression)).all() == []
        assert list_entries(session).entries == ()


def test_while_nothing_is_taken_away_a_checkout_asks_for_nothing_more(
    shop: Shop, article: int, a_cart_with: Callable[[int | None], int]
) -> None:
    with shop.database.transaction() as session:
        mug = variants_of(session, a_product(session, title="Mug"))[0].product_id
    with statements(shop.database.engine) as before:
        shop.place(a_cart_with(None))
    taken = take(shop, "product", mug)
    with statements(shop.database.engine) as meanwhile:
        shop.place(a_cart_with(None))
    give_back(shop.database, taken.suppression_id, actor="ed")
    with statements(shop.database.engine) as after:
        shop.place(a_cart_with(None))
    assert (len(meanwhile) - len(before), len(after) - len(before)) == (1, 0)
