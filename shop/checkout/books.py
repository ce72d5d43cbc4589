"""What one comparison with Stripe works with, and what it remembers from page to page."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlsplit

import structlog
from sqlalchemy import select
from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.orm import Session

from shop.checkout.settle import Settled
from shop.db import Database, now
from shop.errors import ShopError
from shop.payments.discrepancies import Found
from shop.payments.gateway import Gateway
from shop.payments.listing import Listing
from shop.payments.models import PaymentAttempt

log = structlog.get_logger(__name__)

# Who said so, in timelines.
SOURCE = "reconcile"


@dataclass(frozen=True, slots=True)
class Compared:
    """What came of a page: how much was mended, and what only a person may decide."""

    mended: int = 0
    found: tuple[Found, ...] = ()


@dataclass
class Books:
    """Both sides of a comparison. `seen` are the ids at Stripe that it has looked at; `taken` the payment intents of which
    Stripe has taken the money; `orphans` those of this shop's own pages that no order is known for.
    """

    database: Database
    gateway: Gateway
    listing: Listing
    since: datetime
    own_address: str
    seen: set[str] = field(default_factory=set)
    taken: set[str] = field(default_factory=set)
    orphans: set[str] = field(default_factory=set)
    money_from: datetime = field(default_factory=now)

    def apply(self, subject: str, order_id: int | None, settle: Callable[[Session], Settled]) -> Compared:
        """Have one of the settling functions do its work in a transaction of its own.

        What one object cannot be told to its order keeps no other from being looked at: staff read why.
        """
        try:
            with self.database.transaction() as session:
                settled = settle(session)
        except (ShopError, IntegrityError, DataError, OverflowError, ValueError) as error:
            log.exception("reconcile_not_applied", subject=subject)
            said = f"What Stripe says of {subject} could not be applied ({type(error).__name__})."
            return Compared(found=(Found("not_applied", subject, order_id, said),))
        return Compared(mended=int(settled.changed))


def added(parts: list[Compared]) -> Compared:
    return Compared(sum(part.mended for part in parts), tuple(found for part in parts for found in part.found))


def own_address(session: Session) -> str:
    """The address that this shop gave Stripe last, as scheme and host; empty for a shop that never had anything paid.

    Other shops may use the account, and count their orders from one, too.
    """
    params = session.scalars(select(PaymentAttempt.params).order_by(PaymentAttempt.id.desc()).limit(1)).one_or_none()
    return address_of(str((params or {}).get("success_url", "")))


def address_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""
