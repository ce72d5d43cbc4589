"""What a stranger may write about a story, and who reads it."""

import pytest
import sqlalchemy as sa

from shop.orders.models import Order, OrderLine
from tests.builders import a_product, shipping_to
from tests.conftest import Shop
from tests.support.reader import Page, Reader

STORY = "https://news.example/2018/06/kim"
WORDS = "REFUND: call +65 1234 5678"


def open_from_story(reader: Reader, title: str) -> Page:
    return reader.get("/products/mug", story=STORY, title=title)


@pytest.mark.parametrize("then", ["cart", "pay"])
def test_the_headline_that_a_stranger_sent_for_a_story_is_on_nobody_elses_order(shop: Shop, then: str) -> None:
    with shop.database.transaction() as session:
        a_product(session, "mug", title="Mug")
        shipping_to(session, "SG")
    stranger, buyer = Reader(shop.app.test_client()), Reader(shop.app.test_client())
    assert stranger.send(open_from_story(stranger, WORDS), "/cart/lines", then="cart").status == 303
    assert buyer.send(open_from_story(buyer, "Kim in demand"), "/cart/lines", then=then).status == 303
    if then == "cart":
        assert buyer.pay().status == 303
    with shop.database.reading() as session:
        token = session.scalars(sa.select(Order.access_token)).one()
        assert session.scalars(sa.select(OrderLine.article_title)).all() == ["Kim in demand"]
    assert WORDS not in buyer.get(f"/orders/{token}").words
