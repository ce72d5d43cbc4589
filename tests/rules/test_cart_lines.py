"""What a cart may hold, and what it says when it may not."""

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from shop.cart import adding, handles, handover, lines
from shop.cart.models import CartLine
from shop.cart.reading import view_cart
from shop.catalog.models import Product, Variant
from shop.errors import BadQuantity, NotFound, OutOfStock
from tests.builders import a_cart, a_product, a_variant, variants_of


def quantities(session: Session, cart_id: int) -> list[int]:
    return list(session.scalars(select(CartLine.quantity).where(CartLine.cart_id == cart_id).order_by(CartLine.id)))


@pytest.mark.parametrize("quantity", [0, -1, 21, 10**9])
def test_a_quantity_outside_the_limit_is_refused_and_the_cart_stays_as_it_was(session: Session, quantity: int) -> None:
    variant = a_variant(session, stock=50)
    cart_id, _ = a_cart(session, (variant, 2))
    with pytest.raises(BadQuantity):
        adding.add_to_cart(session, cart_id, variant.id, quantity, limit=20)
    assert quantities(session, cart_id) == [2]


def test_more_than_is_left_names_the_product_and_what_is_left(session: Session) -> None:
    variant = a_variant(session, stock=3, title="Summit shirt")
    cart_id, _ = a_cart(session, (variant, 2))
    with pytest.raises(OutOfStock, match="Only 3 of Summit shirt are left") as refusal:
        adding.add_to_cart(session, cart_id, variant.id, 2, limit=20)
    assert refusal.value.left == 3
    assert quantities(session, cart_id) == [2]


def test_two_stories_lines_of_one_variant_share_the_limit_when_one_of_them_is_changed(session: Session) -> None:
    from shop.articles.placement import Placement, remember

    variant = a_variant(session, stock=99)
    cart_id, _ = a_cart(session, (variant, 10))
    article_id = remember(session, Placement("https://news.example/one")).article_id
    line_id = adding.add_to_cart(session, cart_id, variant.id, 10, limit=20, article_id=article_id)
    with pytest.raises(BadQuantity):
        lines.change_quantity(session, cart_id, line_id, 11, limit=20)
    lines.change_quantity(session, cart_id, line_id, 9, limit=20)
    assert quantities(session, cart_id) == [10, 9]


def test_what_is_priced_in_another_currency_than_the_shop_s_is_shown_as_not_on_sale_and_not_summed(
    session: Session,
) -> None:
    ours, foreign = a_variant(session, price=3900), a_variant(session, price=2500, currency="usd")
    cart_id, _ = a_cart(session, (ours, 1), (foreign, 1))
    cart = view_cart(session, cart_id, "sgd")
    assert (cart.subtotal.minor, cart.subtotal.currency) == (3900, "sgd")
    assert [bool(line.problem) for line in cart.lines] == [False, True]


def test_the_same_variant_from_two_stories_makes_two_lines_that_share_the_stock(session: Session) -> None:
    from shop.articles.placement import Placement, remember

    first = remember(session, Placement("https://news.example/one")).article_id
    second = remember(session, Placement("https://news.example/two")).article_id
    variant = a_variant(session, stock=3)
    cart_id, _ = a_cart(session)
    adding.add_to_cart(session, cart_id, variant.id, 2, limit=20, article_id=first)
    adding.add_to_cart(session, cart_id, variant.id, 1, limit=20, article_id=second)
    assert quantities(session, cart_id) == [2, 1]
    with pytest.raises(OutOfStock):
        adding.add_to_cart(session, cart_id, variant.id, 1, limit=20, article_id=second)


def test_what_is_not_on_sale_cannot_be_added(session: Session) -> None:
    product = a_product(session, status="draft")
    cart_id, _ = a_cart(session)
    with pytest.raises(NotFound):
        adding.add_to_cart(session, cart_id, variants_of(session, product)[0].id, 1, limit=20)


def test_a_changed_price_is_said_until_it_has_been_shown(session: Session) -> None:
    variant = a_variant(session, price=3900)
    cart_id, _ = a_cart(session, (variant, 1))
    session.execute(update(Variant).values(price_minor=4500))
    cart = view_cart(session, cart_id, "sgd")
    assert cart.price_changed
    assert cart.subtotal.minor == 4500
    lines.accept_prices(session, cart_id)
    assert not view_cart(session, cart_id, "sgd").price_changed


def test_a_line_whose_product_was_archived_says_so(session: Session) -> None:
    variant = a_variant(session, title="Old mug")
    cart_id, _ = a_cart(session, (variant, 1))
    session.execute(update(Product).values(status="archived"))
    assert view_cart(session, cart_id, "sgd").lines[0].problem == "Old mug is no longer on sale."


def test_adopting_a_cart_adds_up_what_both_hold_and_empties_the_other(session: Session) -> None:
    shirt, mug = a_variant(session, stock=9), a_variant(session, stock=9)
    mine, _ = a_cart(session, (shirt, 1))
    theirs, _ = a_cart(session, (shirt, 2), (mug, 1))
    handover.adopt(session, mine, theirs, limit=20)
    assert quantities(session, mine) == [3, 1]
    assert quantities(session, theirs) == []


def test_a_handover_ticket_works_once(session: Session) -> None:
    cart_id, _ = a_cart(session, (a_variant(session), 1))
    ticket = handover.offer_handover(session, cart_id)
    assert handover.redeem_handover(session, ticket) == cart_id
    assert handover.redeem_handover(session, ticket) is None
    assert handover.redeem_handover(session, "invented") is None


def test_an_unknown_handle_is_no_cart(session: Session) -> None:
    assert handles.find_cart(session, "x" * 32) is None
    assert handles.find_cart(session, "x" * 5000) is None
    assert handles.find_cart(session, None) is None


def test_one_press_of_the_button_is_one_express_cart(session: Session) -> None:
    first = handles.express_cart(session, "press-1", "handle-1")
    assert handles.express_cart(session, "press-1", "handle-1") == first
    assert handles.express_cart(session, "press-2", "handle-2") != first
