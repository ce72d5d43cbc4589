"""What the tasks work with: the database, Stripe, the way out for mail, and how a letter becomes a message."""

import threading
from collections.abc import Sequence
from email.message import EmailMessage
from functools import cached_property

from shop.config import Settings
from shop.db import Database
from shop.fulfilment.shipments import ShipmentView, shipments_of
from shop.mail.messages import Letter, Ordered, OrderedLine, Parcel, Stationery, write
from shop.mail.transports import Transport, transport_for
from shop.orders.reading import OrderView, find_by_id
from shop.payments.gateway import Gateway


class Workshop:
    """Each part is opened when a task first needs it: whoever only enqueues opens nothing.

    `sending` is held by the one thread of this process that is sending mail, `asking` by the one that asks a publisher's server.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.sending = threading.Lock()
        self.asking = threading.Lock()

    @cached_property
    def database(self) -> Database:
        return Database.connect(self.settings.database_url)

    @cached_property
    def gateway(self) -> Gateway:
        return Gateway(self.settings)

    @cached_property
    def transport(self) -> Transport:
        return transport_for(self.settings.mail_url)

    @cached_property
    def stationery(self) -> Stationery:
        settings = self.settings
        return Stationery(settings.shop_name, settings.shop_url, settings.mail_from, settings.shop_locale)

    def compose(self, letter: Letter) -> EmailMessage:
        """The message of a letter, with its order as it is now."""
        if letter.order_id is None:
            return write(self.stationery, letter, None)
        with self.database.reading() as session:
            order = find_by_id(session, letter.order_id)
            parcels = shipments_of(session, letter.order_id) if letter.kind == "shipped" else ()
        return write(self.stationery, letter, _as_mail_shows_it(order, parcels) if order is not None else None)

    def close(self) -> None:
        """Give the database's connections back, if any were opened."""
        if "database" in self.__dict__:
            self.database.close()


def _as_mail_shows_it(order: OrderView, parcels: Sequence[ShipmentView]) -> Ordered:
    story = order.story
    return Ordered(
        number=order.number,
        access_token=order.access_token,
        lines=tuple(
            OrderedLine(line.title, line.variant_title, line.quantity, line.unit_price, line.total)
            for line in order.lines
        ),
        subtotal=order.subtotal,
        shipping=order.shipping,
        total=order.total,
        paid=order.paid,
        shipping_method=order.shipping_method,
        buyer_name=order.buyer_name,
        address=order.address,
        placed_at=order.placed_at,
        livemode=order.livemode,
        locale=order.locale,
        refunded=order.refunded if order.refunded.minor else None,
        parcel=Parcel(parcels[-1].carrier, parcels[-1].tracking_number, parcels[-1].tracking_url) if parcels else None,
        story_url=story.article_url if story else "",
        story_title=story.article_title if story else "",
    )
