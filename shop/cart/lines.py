"""Changing a cart and reading it. Verbs take a session and never commit.

A cart is found by its handle, an unguessable text that the reader's browser (or the publisher's page, for an embed) keeps.
"""

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, bindparam, case, delete, func, select, true, update
from sqlalchemy.orm import Session, aliased

from shop.cart.models import Cart, CartHandover, CartLine
from shop.catalog.models import Product, ProductImage, Variant
from shop.catalog.stock import full_title
from shop.db import add_up, changed_rows, insert_once, now
from shop.errors import BadQuantity, CartFull, NotFound, OutOfStock
from shop.money import Money

MAX_LINES = 50
LONGEST_HANDLE = 100
HANDOVER_LIFE = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class CartLineView:
    """A line as the cart shows it now. `problem` says what keeps it from being bought, in words for the reader."""

    id: int
    variant_id: int
    product_title: str
    variant_title: str
    slug: str
    sku: str
    unit_price: Money
    seen_price: Money
    quantity: int
    available: int
    on_sale: bool
    picture_key: str
    picture_alt: str
    weight_grams: int
    article_id: int | None
    article_title: str
    placement: str

    @property
    def title(self) -> str:
        return full_title(self.product_title, self.variant_title)

    @property
    def total(self) -> Money:
        return self.unit_price * self.quantity

    @property
    def price_changed(self) -> bool:
        return self.unit_price != self.seen_price

    @property
    def problem(self) -> str:
        if not self.on_sale:
            return f"{self.title} is no longer on sale."
        if self.quantity > self.available:
            return str(OutOfStock(self.variant_id, self.title, self.quantity, self.available))
        return ""


@dataclass(frozen=True, slots=True)
class CartView:
    """A cart with prices of this moment. `id` is None for a reader who has no cart yet."""

    id: int | None
    lines: tuple[CartLineView, ...]
    currency: str
    country: str | None = None

    @property
    def subtotal(self) -> Money:
        """Of the lines in the shop's currency; what was priced in another one is not on sale, and says so itself."""
        totals = (line.total for line in self.lines if line.unit_price.currency == self.currency)
        return sum(totals, Money(0, self.currency))

    @property
    def pieces(self) -> int:
        return sum(line.quantity for line in self.lines)

    @property
    def price_changed(self) -> bool:
        return any(line.price_changed for line in self.lines)

    @property
    def digest(self) -> str:
        """Names exactly what would be bought and for how much; two checkouts with one digest are the same checkout."""
        text = ";".join(
            f"{line.variant_id}x{line.quantity}@{line.unit_price.minor}~{line.article_id or 0}" for line in self.lines
        )
        return hashlib.sha256(f"{self.currency}|{self.country}|{text}".encode()).hexdigest()


def digest_of(handle: str) -> str:
    """What is stored of a handle or ticket."""
    return hashlib.sha256(handle.encode()).hexdigest()


def new_handle() -> str:
    """A fresh handle with 192 random bits."""
    return secrets.token_urlsafe(24)


def find_cart(session: Session, handle: str | None) -> int | None:
    """The id of the cart with this handle, or None: an unknown or tampered handle is no cart."""
    if not handle or len(handle) > LONGEST_HANDLE:
        return None
    return session.scalar(select(Cart.id).where(Cart.handle_digest == digest_of(handle)))


def open_cart(session: Session, handle: str) -> int:
    """The id of the cart with this handle, which is made if it is not there."""
    insert_once(session, Cart, {"handle_digest": digest_of(handle)})
    return session.scalars(select(Cart.id).where(Cart.handle_digest == digest_of(handle))).one()


def express_cart(session: Session, key: str, handle: str) -> int:
    """The cart of one press of "Buy now". The same `key` finds the same cart, so a double click buys once.

    `handle` is the handle of the cart if it is new; pass one derived from `key`, so that both presses know it.
    """
    insert_once(session, Cart, {"handle_digest": digest_of(handle), "express_key": digest_of(key)})
    return session.scalars(select(Cart.id).where(Cart.express_key == digest_of(key))).one()


def buy_now(
    session: Session,
    key: str,
    handle: str,
    variant_id: int,
    quantity: int,
    *,
    limit: int,
    article_id: int | None = None,
    article_title: str = "",
    placement: str = "",
) -> int:
    """The cart of one press of "Buy now" (see `express_cart`), holding exactly this line. Raises as `add_to_cart`.

    A cart that holds the line already stays as it is: its last piece may be reserved by the first half of a double click,
    and asking the shelf again would find nothing left.
    """
    cart_id = express_cart(session, key, handle)
    _lock(session, cart_id)
    held = session.execute(
        select(CartLine.source_key, CartLine.quantity)
        .join(Variant, Variant.id == CartLine.variant_id)
        .where(CartLine.cart_id == cart_id, CartLine.seen_price_minor == Variant.price_minor)
    ).all()
    if [tuple(row) for row in held] == [(source_key(variant_id, article_id), quantity)]:
        return cart_id
    _check_quantity(quantity, limit)
    empty_cart(session, cart_id)
    _put_in(session, cart_id, variant_id, quantity, limit, article_id, article_title, placement)
    return cart_id


def take_out(session: Session, cart_id: int, bought: Mapping[str, int]) -> None:
    """Take what was bought (source key -> pieces) out of the cart; what was added meanwhile stays."""
    _lock(session, cart_id)
    if not bought:
        return
    lines = (CartLine.cart_id == cart_id, CartLine.source_key.in_(bought))
    pieces = case(dict(bought), value=CartLine.source_key)
    gone = changed_rows(
        session,
        delete(CartLine).where(*lines, CartLine.quantity <= pieces).execution_options(synchronize_session=False),
    )
    if gone < len(bought):
        session.execute(
            update(CartLine)
            .where(*lines)
            .values(quantity=CartLine.quantity - pieces)
            .execution_options(synchronize_session=False)
        )


def source_key(variant_id: int, article_id: int | None) -> str:
    """Names a line within its cart: the same variant from another story is another line."""
    return f"{variant_id}:{article_id or 0}"


def _check_quantity(quantity: int, limit: int) -> None:
    if not 1 <= quantity <= limit:
        raise BadQuantity(limit)


def on_sale(product: Product, variant: Variant, moment: datetime) -> bool:
    """Whether a reader may buy this variant at `moment`, stock aside."""
    return (
        product.status == "active"
        and variant.active
        and (product.publish_at is None or product.publish_at <= moment)
        and (product.unpublish_at is None or moment < product.unpublish_at)
    )


def add_to_cart(
    session: Session,
    cart_id: int,
    variant_id: int,
    quantity: int,
    *,
    limit: int,
    article_id: int | None = None,
    article_title: str = "",
    placement: str = "",
) -> int:
    """Add `quantity` pieces of a variant, on top of what the cart holds of it from the same story. Returns the line's id.

    Raises BadQuantity, NotFound (not on sale), OutOfStock (more than is available, counting the cart's other lines of the
    variant) and CartFull. Nothing is reserved: that happens at checkout.
    """
    _check_quantity(quantity, limit)
    _lock(session, cart_id)
    return _put_in(session, cart_id, variant_id, quantity, limit, article_id, article_title, placement)


def add_by_handle(
    session: Session,
    handle: str | None,
    variant_id: int,
    quantity: int,
    *,
    limit: int,
    country: str | None = None,
    article_id: int | None = None,
    article_title: str = "",
    placement: str = "",
) -> tuple[int, str]:
    """As `add_to_cart`, into the cart with this handle, which also remembers `country`. Returns the cart's id and handle.

    A handle that opens no cart gets a new cart with a new handle. Three statements, or four.
    """
    _check_quantity(quantity, limit)
    cart_id = _enter(session, handle, country)
    if cart_id is None or handle is None:
        handle = new_handle()
        cart = Cart(handle_digest=digest_of(handle), country=country)
        session.add(cart)
        session.flush()
        cart_id = cart.id
    _put_in(session, cart_id, variant_id, quantity, limit, article_id, article_title, placement)
    return cart_id, handle


def _enter(session: Session, handle: str | None, country: str | None) -> int | None:
    """Find a cart by its handle and lock it, as `_lock` does, in one statement."""
    if not handle or len(handle) > LONGEST_HANDLE:
        return None
    noted = {"updated_at": now()} | ({"country": country} if country else {})
    return session.scalar(
        update(Cart)
        .where(Cart.handle_digest == digest_of(handle))
        .values(noted)
        .returning(Cart.id)
        .execution_options(synchronize_session=False)
    )


def _put_in(
    session: Session,
    cart_id: int,
    variant_id: int,
    quantity: int,
    limit: int,
    article_id: int | None,
    article_title: str,
    placement: str,
) -> int:
    """Add to a cart that is locked. Two statements: what is on offer and in the cart already, then the line."""
    key = source_key(variant_id, article_id)
    offered = _offer(session, _OFFER_TO_ADD, now(), cart=cart_id, variant=variant_id, key=key)
    wanted = offered.in_cart + quantity
    if wanted > offered.available:
        raise OutOfStock(variant_id, offered.title, wanted, offered.available)
    if wanted > limit:
        raise BadQuantity(limit)
    if offered.lines >= MAX_LINES and not offered.has_line:
        raise CartFull(MAX_LINES)
    line = add_up(
        session,
        CartLine,
        {
            "cart_id": cart_id,
            "variant_id": variant_id,
            "article_id": article_id,
            "source_key": key,
            "quantity": quantity,
            "seen_price_minor": offered.price_minor,
            "article_title": article_title[:300],
            "placement": placement[:40],
        },
        key=("cart_id", "source_key"),
        counted="quantity",
        renewed="seen_price_minor",
    )
    return line.id


@dataclass(frozen=True, slots=True)
class _Offered:
    """A variant on sale, and what one cart holds: pieces of it, lines at all, and whether the line in question."""

    price_minor: int
    available: int
    title: str
    in_cart: int
    lines: int
    has_line: bool


def _offer_beside(counted: ColumnElement[bool], same_line: ColumnElement[bool]) -> Select[Any]:
    """A variant with its product, and of a cart's lines the pieces of those that are `counted`, and how many there are."""
    held = (
        select(
            func.count().label("lines"),
            func.coalesce(func.sum(CartLine.quantity).filter(counted), 0).label("pieces"),
            func.count().filter(same_line).label("same"),
        )
        .where(CartLine.cart_id == bindparam("cart"))
        .subquery()
    )
    return (
        select(Variant, Product, held.c.pieces, held.c.lines, held.c.same)
        .join(Product, Product.id == Variant.product_id)
        .join(held, true())
        .where(Variant.id == bindparam("variant"))
    )


# Built once: building them takes longer than running them.
_OFFER_TO_ADD = _offer_beside(CartLine.variant_id == bindparam("variant"), CartLine.source_key == bindparam("key"))
_OFFER_TO_CHANGE = _offer_beside(
    and_(CartLine.variant_id == bindparam("variant"), CartLine.id != bindparam("line")),
    CartLine.id == bindparam("line"),
)


def _offer(session: Session, offer: Select[Any], moment: datetime, **asked: int | str) -> _Offered:
    """What is on offer. One statement. Raises NotFound if it is not on sale."""
    row = session.execute(offer, asked).one_or_none()
    if row is None or not on_sale(row[1], row[0], moment):
        raise NotFound("product")
    variant, product, pieces, lines, same = row
    title = full_title(product.title, variant.title)
    return _Offered(variant.price_minor, variant.available, title, int(pieces), int(lines), bool(same))


def _lock(session: Session, cart_id: int) -> None:
    """Writers of one cart take turns; this also keeps the cart from being swept as abandoned."""
    session.execute(update(Cart).where(Cart.id == cart_id).values(updated_at=now()))


def change_quantity(session: Session, cart_id: int, line_id: int, quantity: int, *, limit: int) -> None:
    """Set a line's quantity. Raises as `add_to_cart`, and NotFound for a line that is not of this cart."""
    _check_quantity(quantity, limit)
    _lock(session, cart_id)
    line = session.scalars(select(CartLine).where(CartLine.id == line_id, CartLine.cart_id == cart_id)).one_or_none()
    if line is None:
        raise NotFound("line of your cart")
    offered = _offer(session, _OFFER_TO_CHANGE, now(), cart=cart_id, variant=line.variant_id, line=line_id)
    wanted = quantity + offered.in_cart
    if wanted > offered.available:
        raise OutOfStock(line.variant_id, offered.title, wanted, offered.available)
    line.quantity = quantity
    session.flush()


def remove_line(session: Session, cart_id: int, line_id: int) -> None:
    """Take a line out. A line that is not there is as good as removed."""
    _lock(session, cart_id)
    session.execute(delete(CartLine).where(CartLine.id == line_id, CartLine.cart_id == cart_id))


def choose_country(session: Session, cart_id: int, country: str) -> None:
    """Remember where the cart is to be shipped (ISO 3166-1 alpha-2)."""
    session.execute(update(Cart).where(Cart.id == cart_id).values(country=country, updated_at=now()))


def empty_cart(session: Session, cart_id: int) -> None:
    """Take every line out, after the cart has been paid for."""
    session.execute(delete(CartLine).where(CartLine.cart_id == cart_id))


def accept_prices(session: Session, cart_id: int) -> None:
    """The reader has been shown the prices of now: remember them, so that the next change is said again."""
    current = select(Variant.price_minor).where(Variant.id == CartLine.variant_id).scalar_subquery()
    session.execute(
        update(CartLine)
        .where(CartLine.cart_id == cart_id)
        .values(seen_price_minor=current)
        .execution_options(synchronize_session=False)
    )


_FIRST_PICTURE = (
    select(ProductImage.id)
    .where(ProductImage.product_id == Product.id)
    .order_by(ProductImage.position, ProductImage.id)
    .limit(1)
    .correlate(Product)
    .scalar_subquery()
)
_CART = (
    select(Cart.country, CartLine, Variant, Product, ProductImage.key, ProductImage.alt)
    .outerjoin(CartLine, CartLine.cart_id == Cart.id)
    .outerjoin(Variant, Variant.id == CartLine.variant_id)
    .outerjoin(Product, Product.id == Variant.product_id)
    .outerjoin(ProductImage, ProductImage.id == _FIRST_PICTURE)
    .where(Cart.id == bindparam("cart"))
    .order_by(CartLine.id)
)


def view_cart(session: Session, cart_id: int | None, currency: str) -> CartView:
    """The cart with today's prices and stock. One statement."""
    if cart_id is None:
        return CartView(None, (), currency)
    moment = now()
    rows: Sequence[Any] = session.execute(_CART, {"cart": cart_id}).all()
    country = rows[0][0] if rows else None
    lines = tuple(
        CartLineView(
            id=line.id,
            variant_id=variant.id,
            product_title=product.title,
            variant_title=variant.title,
            slug=product.slug,
            sku=variant.sku,
            unit_price=Money(variant.price_minor, product.currency),
            seen_price=Money(line.seen_price_minor, product.currency),
            quantity=line.quantity,
            available=max(variant.available, 0),
            on_sale=on_sale(product, variant, moment) and product.currency == currency,
            picture_key=key or "",
            picture_alt=alt or "",
            weight_grams=variant.weight_grams,
            article_id=line.article_id,
            article_title=line.article_title,
            placement=line.placement,
        )
        for _, line, variant, product, key, alt in rows
        if line is not None
    )
    return CartView(cart_id, lines, currency, country)


def adopt(session: Session, into_cart_id: int, from_cart_id: int, *, limit: int) -> None:
    """Move the lines of one cart into another; what both hold is added up, capped by `limit` a line.

    The country comes along unless the other cart has one.
    """
    if into_cart_id == from_cart_id:
        return
    for cart_id in sorted((into_cart_id, from_cart_id)):
        _lock(session, cart_id)
    given = aliased(Cart)
    country = select(given.country).where(given.id == from_cart_id).scalar_subquery()
    session.execute(
        update(Cart)
        .where(Cart.id == into_cart_id, Cart.country.is_(None))
        .values(country=country)
        .execution_options(synchronize_session=False)
    )
    moving = session.scalars(select(CartLine).where(CartLine.cart_id == from_cart_id).order_by(CartLine.id)).all()
    held = {
        line.source_key: line
        for line in session.scalars(select(CartLine).where(CartLine.cart_id == into_cart_id)).all()
    }
    for line in moving:
        twin = held.get(line.source_key)
        if twin is not None:
            twin.quantity = min(twin.quantity + line.quantity, limit)
            session.delete(line)
        elif len(held) < MAX_LINES:
            line.cart_id = into_cart_id
            held[line.source_key] = line
    session.flush()


def offer_handover(session: Session, cart_id: int) -> str:
    """A ticket with which the shop's own page may adopt this cart, once, within ten minutes."""
    ticket = secrets.token_urlsafe(24)
    session.add(CartHandover(ticket_digest=digest_of(ticket), cart_id=cart_id, expires_at=now() + HANDOVER_LIFE))
    session.flush()
    return ticket


def redeem_handover(session: Session, ticket: str) -> int | None:
    """The cart behind a ticket, which this call uses up; None if it was used, is too old, or never was."""
    moment = now()
    used = changed_rows(
        session,
        update(CartHandover)
        .where(
            CartHandover.ticket_digest == digest_of(ticket),
            CartHandover.used_at.is_(None),
            CartHandover.expires_at > moment,
        )
        .values(used_at=moment)
        .execution_options(synchronize_session=False),
    )
    if not used:
        return None
    return session.scalar(select(CartHandover.cart_id).where(CartHandover.ticket_digest == digest_of(ticket)))
