"""What both doors do when a reader asks to be told that something is back."""

from flask import request

from shop.articles.placement import Placement
from shop.catalog import waitlist
from shop.catalog.showcase import ProductView
from shop.errors import NotFound
from shop.web.house import house

# As much of what was typed as is shown again.
LONGEST_TYPED = 254


def variant_sent(product: ProductView) -> int | None:
    """The variant that the form names, if it is one of the product's."""
    sent = request.form.get("variant", "")
    known = sent.isascii() and sent.isdecimal() and len(sent) < 12 and product.variant(int(sent)) is not None
    return int(sent) if known else None


def email_sent() -> str:
    """What was typed as an address, short enough to be shown again."""
    typed = request.form.get("email", "")[:LONGEST_TYPED]
    return "".join(character for character in typed if character.isprintable())


def ask_to_be_told(product: ProductView, placement: Placement | None, locale: str) -> str:
    """Keep the request of the form that was sent; the ticket that takes it back. One transaction. Raises BadAddress."""
    wanted = variant_sent(product)
    with house().database.transaction() as session:
        story = placement.url if placement else ""
        given = request.form.get("email", "")
        try:
            return waitlist.ask(session, product.id, given, variant_id=wanted, locale=locale, story_url=story)
        except NotFound:  # the variant has gone meanwhile: any of them, then
            return waitlist.ask(session, product.id, given, locale=locale, story_url=story)


def take_back() -> None:
    """Forget the request whose ticket was sent. Says nothing of whether there was one. One transaction."""
    with house().database.transaction() as session:
        waitlist.take_back(session, request.form.get("ticket", ""))
